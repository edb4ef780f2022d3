#pragma once
/*
 * setting: one typed value as one row of a table.
 *
 * The machine behind every control file and every mount option. A row says where the value lives in
 * its struct, its type, limits, default, grammar, example and one sentence of help; from it come
 * parsing, showing, the error sentences, the documentation and the generic tests. There is no
 * second list of names anywhere.
 *
 * Knows nothing of hooks, files or options. `obj` is the struct that `offset` counts in; it owns
 * the strings put there (setting_reset frees them). Text is (text, len) without its final newline.
 * Units: as in text.h. Errors: -EINVAL syntax, -ERANGE outside the limits, -E2BIG too long,
 * -ENOMEM; the object is untouched on every failure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

enum setting_type {
	SETTING_BOOL,     /* bool; shown as 0 or 1 */
	SETTING_UINT,     /* uint64_t */
	SETTING_DURATION, /* uint64_t milliseconds */
	SETTING_SIZE,     /* uint64_t bytes */
	SETTING_TEXT,     /* char *, NULL when empty; one line (`lines`: several) of UTF-8 without
			   * control characters; cleared before it is freed */
	SETTING_CUSTOM,   /* parse, show and reset are the row's own */
};

struct setting {
	const char *name; /* with one slash where it stands in a directory: "tls/ca" */
	enum setting_type type;
	size_t offset;
	uint64_t min, max;   /* numbers: in the unit of the type; text: bytes */
	const char *def;     /* as a user would write it; "" = empty, for a number: 0, not shown */
	const char *grammar; /* for the docs: "DURATION", "0 | 1", … */
	const char *example; /* a value that parses; NULL: it would be too long, see `command` */
	const char *command; /* NULL, or a line of shell that writes it */
	const char *summary; /* one sentence */
	mode_t mode;         /* of the file that shows it; 0 where there is none */
	bool required;       /* an object without it is incomplete */
	bool lines;          /* takes several values, one a line, or a block of lines */
	/*
	 * Set where the lines are one block, taken as it is: false while a text breaks off within it,
	 * so that it is to be judged only when there is more.
	 */
	bool (*whole)(const char *text, size_t len);
	/*
	 * SETTING_CUSTOM: all three, and reset leaves a default that owns no memory.
	 * SETTING_TEXT: parse, where it is set, only judges.
	 */
	int (*parse)(
		const struct setting *s, void *obj, const char *text, size_t len, struct err *err);
	void (*show)(const struct setting *s, const void *obj, struct buf *out);
	void (*reset)(const struct setting *s, void *obj);
};

/* Parses text and, if it is good, replaces the value. An empty text is setting_reset. */
int setting_store(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err);
/* Appends the value as setting_store takes it, without a final newline; nothing when empty. */
void setting_show(const struct setting *s, const void *obj, struct buf *out);
/* Frees the value and puts the default back (the first call on a zeroed object initialises it). */
int setting_reset(const struct setting *s, void *obj);
/* Frees what the value owns; the object is done with it. */
void setting_release(const struct setting *s, void *obj);

/* The name without its directory: "ca". */
const char *setting_leaf(const struct setting *s);
/* True for a setting in that directory; "" is that of names without a slash. */
bool setting_in(const struct setting *s, const char *dir);

const struct setting *setting_find(const struct setting *table, size_t count, const char *name);
