/*
 * kept: what daemons have done when they are killed one after the other, and what the next one makes of it:
 * (how, ...) again and again. Each next one knows the files that are open, their begun lines, what the last
 * commit answered and nothing of one that did not take place, and which request the ones before died of. At last
 * the memory is damaged: (where, eight bytes) again and again; then it is refused, or used without harm.
 */
#include "fuzz.h"

#include "fs/kept.h"

#include <unistd.h>

#define FILES    6
#define ANSWERS  4 /* a commit */
#define TURNS    64
#define KNOWN    (TURNS * ANSWERS)
#define REQUESTS 4 /* that a daemon may die of */

struct begun {
	char *text;
	size_t len;
};

struct file {
	uint64_t fh; /* 0: not open */
	uint64_t ino;
	struct begun begun;
};

struct sealed {
	uint64_t request, text;
	struct file *file; /* NULL: it has been closed */
	struct begun begun;
};

/* What should be known. */
static struct {
	struct kept *kept;
	struct file files[FILES];
	struct sealed sealed[ANSWERS];
	unsigned sealed_count;
	uint64_t last_fh, last_request;
	int64_t commit; /* of the database */
	bool answered[KNOWN + 1];
	uint64_t suspect;
	unsigned deaths;
} now;

static char out[KEPT_TEXT_MAX];

/* ---- one daemon */

static void begun_set(struct begun *b, char *text, size_t len)
{
	free(b->text);
	*b = (struct begun){ text, len };
}

static struct kept_file *kept_of(const struct file *f)
{
	struct kept_file *k = kept_find(now.kept, f->fh);

	CHECK(k && k->fh == f->fh && k->ino == f->ino);
	return k;
}

static void file_open(struct file *f, uint8_t ino)
{
	struct kept_file *k = kept_add(now.kept, ino);

	CHECK(k && k->fh >> 16 > now.last_fh >> 16 && kept_find(now.kept, k->fh) == k);
	*f = (struct file){ .fh = now.last_fh = k->fh, .ino = ino };
}

static void file_close(struct file *f)
{
	kept_drop(now.kept, kept_of(f));
	CHECK(!kept_find(now.kept, f->fh));
	begun_set(&f->begun, NULL, 0);
	f->fh = 0;
}

/* Each open file goes on with a line, as far as the turn has room. */
static void seal(struct input *in, int64_t commit)
{
	kept_answers_begin(now.kept);
	now.sealed_count = 0;
	for (size_t i = 0; i < FILES && now.sealed_count < ANSWERS; i++) {
		struct file *f = &now.files[i];
		struct sealed *s = &now.sealed[now.sealed_count];

		if (!f->fh || !(input_byte(in) & 1))
			continue;
		*s = (struct sealed){ .request = ++now.last_request, .file = f };
		s->begun.text = input_until(in, '\n', &s->begun.len);
		s->text = s->begun.len ? kept_put(now.kept, kept_of(f), s->begun.text, s->begun.len)
				       : 0;
		CHECK(!s->begun.len || s->text);
		kept_answers_add(now.kept,
			&(struct kept_answer){ .request = s->request,
				.fh = f->fh,
				.text = s->text,
				.size = (uint32_t)s->request });
		now.sealed_count++;
	}
	kept_answers_end(now.kept, commit);
}

/* What the list says is so, or it is forgotten. */
static void unseal(bool counts)
{
	for (unsigned i = 0; i < now.sealed_count; i++) {
		struct sealed *s = &now.sealed[i];

		if (counts)
			begun_set(&s->file->begun, s->begun.text, s->begun.len);
		else
			free(s->begun.text);
	}
	now.sealed_count = 0;
}

/* The daemon goes on, and answers: as fs_answer does. */
static void answer(bool committed)
{
	for (unsigned i = 0; i < now.sealed_count; i++) {
		struct sealed *s = &now.sealed[i];

		kept_set_text(now.kept, kept_of(s->file), committed ? s->text : 0);
		if (!committed)
			begun_set(&s->file->begun, NULL, 0);
	}
	unseal(committed);
	kept_answers_begin(now.kept);
}

/* ---- the next one */

static void check_begun(const struct file *f)
{
	ssize_t len = kept_get(now.kept, kept_of(f), out);

	CHECK(len == (ssize_t)f->begun.len);
	CHECK(len == 0 || !memcmp(out, f->begun.text, (size_t)len));
}

static void check_all(void)
{
	unsigned open = 0, found = 0;
	uint32_t size;

	for (size_t i = 0; i < FILES; i++) {
		if (!now.files[i].fh)
			continue;
		check_begun(&now.files[i]);
		open++;
	}
	for (struct kept_file *f = NULL; (f = kept_next(now.kept, f));)
		found++;
	CHECK(found == open);
	for (uint64_t r = 1; r <= now.last_request; r++) {
		bool known = kept_answered(now.kept, r, &size);

		CHECK(known == now.answered[r] && (!known || size == r));
	}
	for (uint64_t r = 0; r < REQUESTS; r++)
		CHECK(kept_is_deadly(now.kept, r) ==
			(r && r == now.suspect && now.deaths >= KEPT_DEATHS_MAX));
}

/* Killed while it carried out a request; 0: none. `counts`: what was sealed took place. */
static void take_over(bool counts, uint8_t request)
{
	struct kept *next;

	if (request)
		kept_handles(now.kept, request);
	CHECK(kept_open(kept_fd(now.kept), &next) == 0);
	kept_free(now.kept);
	now.kept = next;
	now.deaths = request && request == now.suspect ? now.deaths + 1 : 1;
	now.suspect = request;
	kept_settle(now.kept, now.commit);
	for (unsigned i = 0; counts && i < now.sealed_count; i++)
		now.answered[now.sealed[i].request] = true;
	unseal(counts);
	check_all();
}

static void turn(struct input *in)
{
	uint8_t how = input_byte(in), more = input_byte(in);
	struct file *f = &now.files[more % FILES];

	switch (how % 8) {
	case 0:
		if (!f->fh)
			file_open(f, more);
		break;
	case 1:
		if (f->fh)
			file_close(f);
		break;
	case 2: /* saved, and answered */
		seal(in, ++now.commit);
		answer(true);
		break;
	case 3: /* it cannot be saved */
		seal(in, now.commit + 1);
		answer(false);
		break;
	case 4: /* killed before the commit */
		seal(in, now.commit + 1);
		take_over(false, more % REQUESTS);
		break;
	case 5: /* killed behind it */
		seal(in, ++now.commit);
		take_over(true, more % REQUESTS);
		break;
	case 6: /* there was nothing to save */
		seal(in, KEPT_NO_COMMIT);
		take_over(true, more % REQUESTS);
		break;
	default:
		take_over(false, more % REQUESTS);
	}
}

/* ---- damage */

/* What is damaged is near one of these. */
struct places {
	char *mount, *numbers, *files;
};

static struct places places_find(void)
{
	struct kept_file *f = kept_add(now.kept, 1);

	CHECK(f);
	return (struct places){ .mount = (char *)kept_mount(now.kept),
		.numbers = (char *)kept_scratch_id(now.kept),
		.files = (char *)(f - kept_slot(now.kept, f)) };
}

static char *place(const struct places *p, struct input *in)
{
	uint8_t where = input_byte(in);
	size_t far = input_byte(in) * sizeof(uint64_t);

	switch (where % 4) {
	case 0:
		return p->numbers + far;
	case 1:
		return p->files + far;
	case 2:
		return p->numbers - sizeof(uint64_t) - far;
	default:
		return p->mount - 24 + far; /* before it are format and size */
	}
}

static bool is_listed(struct kept *k, uint64_t fh)
{
	struct kept_file *f = NULL;

	while ((f = kept_next(k, f)) && f->fh != fh)
		;
	return f;
}

static void check_use(struct kept *k, int64_t commit)
{
	const struct kept_mount *m = kept_mount(k);
	uint32_t size;

	CHECK(strlen(m->given) < sizeof(m->given) && strlen(m->real) < sizeof(m->real));
	CHECK(m->first_len <= sizeof(m->first));
	kept_settle(k, commit);
	for (size_t i = 0; i < FILES; i++)
		CHECK(!kept_find(k, now.files[i].fh) || is_listed(k, now.files[i].fh));
	(void)kept_answered(k, 1, &size);
	(void)kept_is_deadly(k, 1);
	for (struct kept_file *f = NULL; (f = kept_next(k, f));) {
		CHECK(kept_slot(k, f) < KEPT_FILES_MAX && kept_find(k, f->fh) == f);
		CHECK(kept_get(k, f, out) <= KEPT_TEXT_MAX);
		kept_set_text(k, f, kept_put(k, f, "abc", 3));
		CHECK(kept_get(k, f, out) == 3 && !memcmp(out, "abc", 3));
	}
	for (int i = 0; i < FILES; i++) {
		struct kept_file *f = kept_add(k, 1);

		CHECK(!f || (f->fh && kept_find(k, f->fh) == f));
		for (struct kept_file *g = NULL; f && (g = kept_next(k, g));)
			CHECK(g == f || g->fh != f->fh);
	}
	kept_drop_opened(k, 1);
	for (struct kept_file *f = NULL; (f = kept_next(k, f));)
		kept_drop(k, f);
}

static void damage(struct input *in)
{
	const struct places places = places_find();
	struct kept *next;
	int r;

	while (in->len) {
		char *at = place(&places, in);

		for (size_t i = 0; i < sizeof(uint64_t) && in->len; i++)
			at[i] = (char)input_byte(in);
	}
	r = kept_open(kept_fd(now.kept), &next);
	CHECK(r == 0 || r == -EINVAL);
	if (r == 0) {
		check_use(next, now.commit);
		kept_free(next);
	}
	/* And cut off. */
	CHECK(ftruncate(kept_fd(now.kept), now.last_request) == 0);
	CHECK(kept_open(kept_fd(now.kept), &next) == -EINVAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	unsigned turns = input_byte(&in) % TURNS;

	memset(&now, 0, sizeof(now));
	CHECK(kept_new(&now.kept) == 0);
	while (turns--)
		turn(&in);
	if (in.len)
		damage(&in);
	kept_free(now.kept);
	for (size_t i = 0; i < FILES; i++)
		free(now.files[i].begun.text);
	return 0;
}
