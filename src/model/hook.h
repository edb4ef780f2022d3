#pragma once
/*
 * hook: one outgoing webhook: its settings, its headers, its JSON, what it still lacks.
 *
 * hook_settings is the attribute table (architecture §4): one row a control file, and the only list
 * of their names. Pure; every change is made on a clone that replaces the hook when it has been
 * saved, so a hook is never half changed.
 *
 * Protected values (a header whose file others may not read; likewise a url; secret and tls/key always) are
 * shown as MASK by hook_show and stand in no sentence; only hook_json(…, HOOK_JSON_STORED) and the
 * sender read them. Memory that held one is cleared before it is freed.
 *
 * Errors: as in setting.h; -EPERM where a protected value would be laid open.
 */
#include "model/format.h"
#include "model/object.h"
#include "model/sign.h"
#include "util/setting.h"

struct schedule;

#define HOOK_NAME_MAX        64 /* bytes */
#define HOOK_URL_MAX         2048
#define HOOK_DESCRIPTION_MAX 400
#define HOOK_LABELS_MAX      64
#define HOOK_LABEL_MAX       256 /* bytes of one line */
#define HOOK_HEADERS_MAX     64
#define HOOK_FILES_MAX       256 /* entries of `files`: headers, settings, some to spare */
#define HEADER_NAME_MAX      128
#define HEADER_VALUE_MAX     8192
#define HOOK_JSON_MAX        (1024 * 1024)
#define MASK                 "********"

enum hook_enabled {
	HOOK_OFF, /* takes no events, sends nothing */
	HOOK_ON,
	HOOK_PAUSED, /* takes events, sends nothing */
	HOOK_GONE,   /* as off; the receiver answered 410 */
};

struct header {
	char *name;
	char *value; /* NULL: the file exists and is empty; it is not sent */
	bool protected;
	uint8_t slot; /* stable while the header lives: its inode number */
};

/* Attributes of one file of the hook that differ from what its row says. */
struct hook_file {
	char *name;  /* "" the hook's directory, "url", "headers", "headers/X-Y" */
	mode_t mode; /* permission bits; HOOK_MODE_UNSET: as the row says, headers 0644 or 0600 */
	uint32_t uid, gid;
	/* These are not stored. */
	int64_t mtime_ms; /* 0: when the hook was made or loaded */
	uint64_t born;    /* a number of its own for a header that was made since; else 0 */
	uint64_t written; /* a number of its own for each value it got */
	bool young;       /* its value was written by who made the file; see hook_chmod */
};
#define HOOK_MODE_UNSET  ((mode_t)-1)
#define HOOK_OWNER_UNSET ((uint32_t)-1)

struct hook {
	int64_t id; /* never reused; 0: none yet */
	char *name;
	const struct types *types; /* the mount's; outlives the hook */
	uint32_t uid, gid;         /* who made it, if not the mounting user: HOOK_OWNER_UNSET */
	int64_t made_ms;  /* when it was made or loaded: the time of files never written since */
	int64_t mtime_ms; /* last change of anything */

	char *url;
	struct event_set events;
	struct object object; /* name and version may be patterns */
	enum hook_enabled enabled;
	char *description;
	char *labels; /* "key:value" lines, joined by '\n' */
	bool include_result;
	uint64_t timeout_ms;
	bool retry; /* false: one attempt */
	struct schedule
		*delays;       /* of its own; NULL: the standard one's. Read it by hook_schedule. */
	uint64_t max_age_ms;   /* 0: as long as the schedule lasts */
	uint64_t max_inflight; /* 0: no limit of its own */
	unsigned rate;         /* starts … 0: no limit */
	int64_t rate_ms;       /* … in this time */
	bool ordered;
	char *secret; /* good for sign_keys_parse in the style of `signature` */
	enum sign_style signature;
	/* PEM, good for pem_check each; NULL: none of its own. */
	char *tls_ca, *tls_cert, *tls_key;
	enum format format;
	char *template_text; /* good for template_fill; NULL: none */

	struct header *headers;
	size_t header_count;
	struct hook_file *files;
	size_t file_count;
	uint64_t serial; /* the last number given; in memory only */
};

extern const struct setting hook_settings[];
extern const size_t hook_settings_count;

/* 1 to 64 bytes of UTF-8 without blanks, control characters, '/', not starting with '.' or '-'.
 * -EINVAL, -ENAMETOOLONG. */
int hook_name_check(const char *name, size_t len, struct err *err);

/* A new hook with every setting at its default. Never NULL (aborts). */
struct hook *hook_new(const char *name, const struct types *t);
struct hook *hook_clone(const struct hook *h); /* NULL: no memory */
void hook_free(struct hook *h);

/* Complete = url, event and object are set. Appends the missing names, blank-separated. */
bool hook_complete(const struct hook *h);
void hook_missing(const struct hook *h, struct buf *out);

/*
 * Store checks what a single row cannot: that a mask is not taken for a value, that the events fit
 * the object's type, the secret the signature and a template the format; a default that is put back, too, so that removing
 * a value can be refused. Show masks what is protected.
 */
int hook_store(
	struct hook *h, const struct setting *s, const char *text, size_t len, struct err *err);
void hook_show(const struct hook *h, const struct setting *s, struct buf *out);
/*
 * True for a file ("url", "headers/X", "config.json") whose text must not be quoted in errors: it
 * is protected, would be protected from birth, or may hold a protected value.
 */
bool hook_protected(const struct hook *h, const char *file);
/* Whether a text that was refused for the file may be quoted to who reads errors: not one for a
 * protected file, nor one that looks like a url, which may hold a password or be a secret as a whole. */
bool hook_quotable(const struct hook *h, const char *file, const char *text, size_t len);

/* When a delivery that failed is tried again: the standard schedule, an empty one, or the hook's own. */
const struct schedule *hook_schedule(const struct hook *h);

/*
 * The keys to sign with; *out is NULL where there is no secret. They are made anew at each call, which
 * costs little beside a request, and are the caller's: sign_keys_free. -ENOMEM.
 */
int hook_sign_keys(const struct hook *h, struct sign_keys **out);
/*
 * What a write of SECRET_GENERATE to the file means: a fresh secret takes the old one's place, all
 * lines of it, and is appended to *shown (a BUF_SECRET), the only place where it is ever seen.
 * hook_store refuses the word, because there is nobody to show the secret to. -ENOMEM, -E2BIG, or
 * getrandom's error; then nothing is changed.
 */
#define SECRET_GENERATE "generate"
int hook_secret_generate(struct hook *h, struct buf *shown);

/* What there is to say of the certificates in tls/: "none", until when they are good, or what is wrong
 * with them now. */
void hook_tls_show(const struct hook *h, int64_t now_s, struct buf *out);

/* Headers: names compare without case and keep the spelling of the one who made them. */
struct header *hook_header_find(const struct hook *h, const char *name);
struct header *hook_header_slot(const struct hook *h, uint8_t slot);
/* -EINVAL: no token; -ENAMETOOLONG; -EPERM: the sender's own (Host, Content-Length, webhook-*). */
int header_name_check(const char *name, size_t len, struct err *err);
/* Authorization, Cookie, X-Api-Key and the like: protected from birth. */
bool header_born_protected(const char *name);
/* -EEXIST, -ENOSPC beyond HOOK_HEADERS_MAX. Pointers to other headers are invalid afterwards, as
 * they are after a removal; slots stay. */
int hook_header_add(
	struct hook *h, const char *name, bool protected, struct err *err, struct header **out);
int hook_header_store(
	struct hook *h, struct header *hd, const char *text, size_t len, struct err *err);
void hook_header_show(const struct header *hd, struct buf *out); /* MASK where protected */
void hook_header_remove(struct hook *h, struct header *hd);

/*
 * Makes `h`, which was read anew, the successor of `old`: its id, the times of its making, and the slots and
 * numbers of headers that both have, so that no open file comes to mean another header.
 */
void hook_succeed(struct hook *h, const struct hook *old);

/* Attributes of "url", "headers/X-Y", …; NULL where nothing differs. */
struct hook_file *hook_file_find(const struct hook *h, const char *name);
/* Makes it if there is none; NULL: no memory, or HOOK_FILES_MAX. */
struct hook_file *hook_file_get(struct hook *h, const char *name);
/* config.json's mode where it has none of its own: `most`, less what group or others lack to read a
 * file whose value it shows. */
mode_t hook_config_mode(const struct hook *h, mode_t most);
/*
 * What a chmod means: permission bits are kept; for a header or url, taking group's and others'
 * read bits away protects the value (nothing beyond 0600 is kept then), and giving one back while
 * there is a value is -EPERM, but for a file that its maker has not closed yet (`young`) and that
 * is not born protected: install and mv make files 0600 and open them up at the end. A secret is
 * protected whatever it holds, so opening it up is always -EPERM.
 */
int hook_chmod(struct hook *h, const char *file, mode_t mode, bool young, struct err *err);

enum hook_json {
	HOOK_JSON_SHOWN,  /* config.json: protected values null, "protected": true */
	HOOK_JSON_STORED, /* STATE_DIR/hooks/NAME.json: values, and "owner" and "files" */
};
/* Appends one indented JSON object and a newline: UbiOps's field names first, then ours. */
void hook_json(const struct hook *h, enum hook_json form, struct buf *out);
/*
 * The whole hook from its JSON (either form, or a UbiOps webhook object). Unknown fields are
 * refused by name; a syntax error names line and column. "name" is checked and otherwise ignored:
 * the file's name counts.
 *
 * `old` is the hook that is replaced, NULL when the text comes from the state directory. Its id,
 * owner and files carry over ("owner" and "files" count only without it, so that config.json
 * neither gives a hook away nor opens its files), and its stored values stand in for protected
 * ones: a header's that is null or absent, a url's that is masked, or null beside "url_protected":
 * true, a secret or key that is null or absent ("" removes it), and with it the signature or certificate. -EPERM where that would lay one open.
 */
int hook_from_json(const char *name, const struct types *t, const struct hook *old,
	const char *text, size_t len, struct err *err, struct hook **out);
