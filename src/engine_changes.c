/*
 * engine_changes: what has changed since readers last looked, and telling those who wait for it.
 *
 * Whoever changes something marks it, at the price of a few stores, and rather once too often: a
 * poller is woken only where the file it has read shows something else now. They are told at the
 * turn's end, behind the commit.
 */
#include "engine_parts.h"

#include "fs/fs.h"

#include <errno.h>
#include <utlist.h>

static void mark(struct engine *e, struct edition *ed)
{
	ed->number++;
	ed->ms = e->now.real_ms;
}

void changed_mount(struct engine *e)
{
	mark(e, &e->edition);
	e->changed |= 1u << TOPIC_STATE;
}

void changed_errors(struct engine *e)
{
	mark(e, &e->errors_edition);
	e->changed |= 1u << TOPIC_ERRORS;
	changed_mount(e); /* it counts them */
}

static void changed_of_hook(struct engine *e, struct hook_state *s, enum topic topic)
{
	if (!s->changed)
		DL_APPEND2(e->changed_hooks, s, changed_prev, changed_next);
	s->changed |= 1u << topic;
}

void changed_hook(struct engine *e, struct hook_state *s)
{
	mark(e, &s->edition);
	changed_of_hook(e, s, TOPIC_STATE);
	changed_mount(e);
}

void changed_test(struct engine *e, struct hook_state *s)
{
	mark(e, &s->test_edition);
	changed_of_hook(e, s, TOPIC_TEST);
}

static void tell(struct engine *e, unsigned topics, int64_t id)
{
	for (enum topic t = 0; topics >> t; t++)
		if (topics & 1u << t)
			fs_changed(e->fs, t, id);
}

static void changes_clear(struct engine *e, struct hook_state *s)
{
	if (s->changed)
		DL_DELETE2(e->changed_hooks, s, changed_prev, changed_next);
	s->changed = 0;
}

void changes_tell(struct engine *e)
{
	struct hook_state *s;
	if (e->changed)
		tell(e, e->changed, 0);
	e->changed = 0;
	while ((s = e->changed_hooks)) {
		tell(e, s->changed, s->id);
		changes_clear(e, s);
	}
}

void changes_end(struct engine *e, struct hook_state *s)
{
	changes_clear(e, s);
	if (e->fs)
		tell(e, 1u << TOPIC_STATE | 1u << TOPIC_TEST, s->id);
}

int edition_of(void *ctx, enum topic topic, int64_t id, struct edition *out)
{
	struct engine *e = ctx;
	const struct hook_state *s = id ? hook_state_of(e, id) : NULL;
	if (id && !s)
		return -ENOENT;
	if (topic == TOPIC_ERRORS)
		*out = e->errors_edition;
	else if (!s)
		*out = e->edition;
	else
		*out = topic == TOPIC_TEST ? s->test_edition : s->edition;
	return 0;
}
