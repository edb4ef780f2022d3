#pragma once
/*
 * tree: what the mount shows: directories, files, names ↔ inode numbers, attributes.
 *
 *     /                           NODE_ROOT
 *     ├── README events log …     NODE_ROOT_FILE   rows of files_root.c
 *     └── hooks/                  NODE_ROOT_FILE   (a directory)
 *         └── NAME/               NODE_HOOK
 *             ├── url event …     NODE_SETTING     rows of hook_settings
 *             ├── test status …   NODE_HOOK_FILE   rows of files_hook.c
 *             ├── headers/        NODE_HOOK_FILE   (a directory)
 *             │   └── X-Name      NODE_HEADER
 *             ├── tls/            NODE_HOOK_FILE   (a directory)
 *             │   └── ca cert key NODE_SETTING     rows with this directory in their names
 *             └── pending/ delivered/ failed/      (directories)
 *                 └── TIME-ID.json                 NODE_DELIVERY
 *
 * Beside a hook's files and in its subdirectories tools may make others, NODE_SCRATCH (scratch.h).
 *
 * An inode number is computed, hook or delivery id << 16 | kind << 8 | slot, so it needs no table, is
 * stable over restarts, and a number from yesterday either means the same thing or nothing. The log's
 * id is its generation: a rotated one is another file.
 *
 * The face knows hooks only through the registry and changes them only through the backend, whose
 * functions main hands over: fs/ includes neither engine nor store nor http.
 */
#include "model/hook.h"
#include "model/who.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct attributes;
struct buf;
struct err;
struct framing;
struct registry;
struct scratch;
struct scratches;
struct node;
struct tree;

enum delivery_state { DELIVERY_PENDING, DELIVERY_DELIVERED, DELIVERY_FAILED };

struct delivery_entry {
	int64_t id, hook_id;
	enum delivery_state state;
	int64_t created_ms;
	int64_t changed_ms; /* finished, or created */
};

#define HOLD_MS 2000 /* longer than any tool takes from one call to the next */

typedef int hook_change_fn(struct hook *clone, void *arg, struct err *err);

/* What changes by itself; files show it, and pollers are woken when it does. */
enum topic {
	TOPIC_NONE,
	TOPIC_STATE,  /* state and counters: of the hook with the id, of the mount with id 0 */
	TOPIC_TEST,   /* the hook's last test */
	TOPIC_ERRORS, /* what was refused */
	TOPIC_LOG,    /* the log of the generation that is the id */
};

struct edition {
	uint64_t number; /* another one, and something else may be shown */
	int64_t ms;      /* since when */
};

/* What the face asks of the engine. All return 0 or -errno and fill err for the user. */
struct backend {
	void *ctx;
	int (*hook_make)(void *ctx, const char *name, mode_t mode, struct who who, struct err *err);
	int (*hook_remove)(void *ctx, int64_t id, struct err *err);
	int (*hook_rename)(void *ctx, int64_t id, const char *name, struct err *err);
	/* Applies `change` to a clone, saves it, and puts it in the hook's place: all or nothing. */
	int (*hook_change)(
		void *ctx, int64_t id, hook_change_fn *change, void *arg, struct err *err);
	/* Saves the attributes of what is no hook's, and puts them in the place of the tree's. */
	int (*attributes_keep)(void *ctx, const struct attributes *a, struct err *err);
	/* The thread is replacing files of the hook: until it is done, has ended, or has done nothing
	 * for HOLD_MS, the hook takes events as before its first change and sends nothing, so that
	 * no delivery goes out with half of a configuration. A thread holds one hook at most. */
	void (*hook_hold)(void *ctx, int64_t id, int32_t pid);
	void (*hook_release)(void *ctx, int32_t pid);
	/* -ENOENT: there is no such delivery. */
	int (*delivery_find)(void *ctx, int64_t id, struct delivery_entry *out);
	/* The hook's next one in that state behind `after_id`; -ENOENT at the end. */
	int (*delivery_next)(void *ctx, int64_t hook_id, enum delivery_state state,
		int64_t after_id, struct delivery_entry *out);
	void (*delivery_show)(void *ctx, int64_t id, struct buf *out);
	/* failed → pending; a copy of any as a new pending one; gone. */
	int (*delivery_replay)(void *ctx, int64_t id, struct err *err);
	int (*delivery_repeat)(void *ctx, int64_t id, int64_t *out_id, struct err *err);
	int (*delivery_drop)(void *ctx, int64_t id, struct err *err);
	/* Takes the lines in data; bytes taken (a short count ends before a bad line) or -errno. The
	 * caller answers its writer only after the turn's commit. These two tell the errors file
	 * themselves: they alone know the line. */
	ssize_t (*events_take)(
		void *ctx, struct framing *f, const char *data, size_t len, struct who who);
	/* The writer closes: takes a begun last line. */
	int (*events_end)(void *ctx, struct framing *f, struct who who);
	/* Starts a test; its end is told by fs_test_done(token). */
	int (*test_start)(void *ctx, int64_t hook_id, const char *text, size_t len, uint64_t *token,
		struct err *err);
	void (*test_cancel)(void *ctx, uint64_t token);
	/* Tells the errors file. `text` is NULL where it must not be shown. */
	void (*refused)(void *ctx, const char *file, struct who who, const char *text, size_t len,
		const struct err *err);
	void (*show_status)(void *ctx, struct buf *out);
	void (*show_errors)(void *ctx, struct buf *out);
	void (*show_destinations)(void *ctx, struct buf *out);
	void (*show_metrics)(void *ctx, struct buf *out);
	void (*show_hook_status)(void *ctx, int64_t hook_id, struct buf *out);
	void (*show_test)(void *ctx, int64_t hook_id, struct buf *out);
	int64_t (*now_ms)(void *ctx); /* real time of this turn */
	/* Before each request: what others have done until it came is to be seen by it. */
	void (*catch_up)(void *ctx);
	/* Of what is shown of the topic; -ENOENT: there is no such hook. Not for the log. */
	int (*edition)(void *ctx, enum topic topic, int64_t id, struct edition *out);
	/* The log has generations. The fd of the one in use, or of one that is held; -ESTALE. */
	int64_t (*log_generation)(void *ctx);
	int (*log_fd)(void *ctx, int64_t generation);
	int (*log_hold)(void *ctx, int64_t generation); /* likewise; it stays until it is let go */
	void (*log_release)(void *ctx, int64_t generation);
};

/* How a file behaves that is neither a setting nor simply shown. */
enum file_nature {
	FILE_PLAIN,  /* read: a snapshot of show(); not written, or by store() */
	FILE_EVENTS, /* a stream of lines */
	FILE_LOG,    /* the log's own bytes, growing while it is read */
	FILE_PIPE,
	FILE_DIR,
	FILE_SETTINGS, /* a directory of settings */
	FILE_QUEUE,    /* a directory of deliveries */
};

struct file_row {
	const char *name;
	mode_t mode; /* permission bits */
	enum file_nature nature;
	enum topic topic;          /* what it shows, if that changes by itself */
	bool tests;                /* a write starts a test and is answered with its outcome */
	bool config;               /* config.json: a write replaces the hook's content */
	bool of_all;               /* it tells of each hook: with many, much work */
	enum delivery_state state; /* FILE_QUEUE: of those in it */
	void (*show)(const struct tree *t, const struct node *n, struct buf *out);
	const char *summary; /* one sentence */
	const char *example; /* a line of shell, or NULL */
};

extern const struct file_row files_root[];
extern const size_t files_root_count;
extern const struct file_row files_hook[];
extern const size_t files_hook_count;

/* How long a file was, and when. */
struct shown {
	size_t len; /* 0: not shown yet */
	int64_t at_ms;
};

struct tree {
	const struct registry *registry;
	const struct types *types;
	struct scratches *scratches;
	struct backend backend;
	uint32_t uid, gid;                   /* the mounting user */
	const struct attributes *attributes; /* of what is no hook's */
	int64_t start_ms;                    /* mtime of what never changes */
	const char *pipe_path; /* events.fifo is a symbolic link to it; NULL: a pipe in the mount */
	struct shown *shown;   /* of the root's rows: what was shown last; NULL: not kept */
};

enum node_kind {
	NODE_ROOT,
	NODE_ROOT_FILE,
	NODE_HOOK,
	NODE_SETTING,
	NODE_HOOK_FILE,
	NODE_HEADER,
	NODE_DELIVERY,
	NODE_SCRATCH,
};

#define DELIVERY_NAME_MAX 64

/* Valid until the hook changes: made anew for each request, never kept. */
struct node {
	uint64_t ino;
	enum node_kind kind;
	struct hook *hook;
	const struct setting *setting;  /* NODE_SETTING */
	const struct file_row *row;     /* NODE_ROOT_FILE, NODE_HOOK_FILE */
	struct header *header;          /* NODE_HEADER */
	int64_t generation;             /* of the log */
	struct scratch *scratch;        /* NODE_SCRATCH */
	struct delivery_entry delivery; /* NODE_DELIVERY */
	char name[DELIVERY_NAME_MAX];   /* likewise: "20261123T102400.123Z-00000042.json" */
};

#define TREE_ROOT_INO 1
/* Directories of one name a file; no path in the mount is longer. */
#define TREE_PATH_MAX 512
/* Bytes that one file may show; metrics.prom has some 500 a hook. */
#define SHOWN_MAX ((size_t)256 << 20)
/* With more hooks than this, what tells of all of them is not made for its size alone, if it was shown just
 * before: as many milliseconds ago as there are hooks, but not more than SIZE_KEPT_MAX_MS. To show it takes a
 * tenth of that. */
#define HOOKS_SIZED_MAX  100
#define SIZE_KEPT_MAX_MS 10000

/* The inode numbers of a hook's directories: that behind `ino`, its own behind 0; 0 at the end. */
uint64_t tree_hook_dir(int64_t hook_id, uint64_t ino);
bool tree_is_hook_ino(uint64_t ino); /* of the hook's own */
/* -ENOENT, -ESTALE: a log that has been rotated away. */
int tree_node(const struct tree *t, uint64_t ino, struct node *out);
int tree_delivery(const struct tree *t, int64_t id, struct node *out); /* -ENOENT */
struct node tree_scratch(struct hook *h, struct scratch *f);
int tree_lookup(const struct tree *t, const struct node *dir, const char *name, struct node *out);
/* The entry behind `cookie` (0: the first); its own cookie goes to *cookie. 0, or -ENOENT at the end. */
int tree_next(const struct tree *t, const struct node *dir, uint64_t *cookie, struct node *out);
/* What lies in the root, by its name; the root itself is ATTRIBUTES_ROOT. -ENOENT. */
int tree_root_file(const struct tree *t, const char *name, struct node *out);
bool tree_is_dir(const struct node *n);
bool tree_is_hooks(const struct node *n);    /* the directory hooks/ */
bool tree_is_headers(const struct node *n);  /* a directory headers/ */
bool tree_is_settings(const struct node *n); /* a directory of settings within a hook's */
bool tree_is_queue(const struct node *n);    /* pending/, delivered/ or failed/ */
/* True if one of the settings in this directory is not at its default. */
bool tree_has_settings(const struct node *dir);
bool tree_is_scratch_dir(const struct node *n); /* a hook, or a directory of files in it */
/* Refuses a name for a scratch file that is a setting's but for a slip: -EPERM. */
int tree_name_check(const struct node *dir, const char *name, struct err *err);
/* The id that a delivery's name tells; 0: it is no such name. */
int64_t tree_delivery_id(const char *name);
const char *tree_state_dir(enum delivery_state state); /* the directory's name */
void tree_stat(const struct tree *t, const struct node *n, struct stat *st); /* tree_stat.c */
/* What the file shows, its final newline included. */
void tree_show(const struct tree *t, const struct node *n, struct buf *out);
const char *tree_name(const struct node *n);
void tree_path(const struct node *n, struct buf *out); /* "hooks/slack/url", "" for the root */
/* The name of a hook's file as hook_file_find takes it: "", "url", "headers/X-Y". */
void tree_hook_file(const struct node *n, struct buf *out);
bool tree_is_protected(const struct node *n); /* as hook_protected */
/* As hook_quotable. */
bool tree_is_quotable(const struct node *n, const char *text, size_t len);
