#pragma once
/*
 * refusals: the last refused inputs, as the file `errors` shows them.
 *
 * Pure. When there is no room, the oldest of the user who has the most goes, so that nobody pushes out the
 * few of another. The text is kept around the column only, and not at all where the caller gives none
 * (it may be a secret).
 */
#include "model/who.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define REFUSALS_MAX      32
#define REFUSAL_FILE_MAX  512
#define REFUSAL_SHOWN_MAX 72 /* bytes of the text, the column among them */

struct refusal {
	int64_t time_ms;
	char file[REFUSAL_FILE_MAX];
	struct who who;
	unsigned times; /* the same refusal again and again is one entry */
	int code;
	size_t caret; /* in shown; (size_t)-1: none */
	char shown[REFUSAL_SHOWN_MAX + 8];
	char sentence[400];
};

struct refusals {
	struct refusal list[REFUSALS_MAX]; /* the oldest first */
	unsigned count;
};

void refusals_add(struct refusals *r, int64_t time_ms, const char *file, struct who who,
	const char *text, size_t len, const struct err *err);
/*
 * The newest last:
 *     2026-11-23T10:24:00.123Z hooks/slack/event uid=0 pid=4711 EINVAL
 *         failled
 *         ^
 *         "failled" is no event; write one of …
 * Of a writer that is unknown uid and pid are "-". The file is one word: text_add_word.
 */
void refusals_show(const struct refusals *r, struct buf *out);
