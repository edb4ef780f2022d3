/*
 * engine_hold: hooks that some thread is about to have changed.
 *
 * Tools replace a file by removing it and making it anew, and copy a hook file by file. Between two such
 * steps the hook is not what anybody meant, so it is held: nothing of it is sent, and it takes events as
 * before (hook_index in engine_hooks.c). The thread says when it is done; one that has ended is done, which
 * is how a plain rm takes effect at once; and no thread holds for longer than HOLD_MS after its last step.
 */
#include "engine_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define HOLDS_MAX     256 /* the oldest goes first */
#define HOLD_CHECK_MS 100 /* a thread ends unheard */

struct hold {
	int64_t hook_id;
	int32_t pid; /* 0: of a thread that cannot be seen from here */
	int64_t until_ms;
	struct hold *next; /* younger */
};

/* Takes the hold off, and lets its hook go on. */
static void hold_end(struct engine *e, struct hold **p)
{
	struct hold *h = *p;
	struct hook_state *s = hook_state_of(e, h->hook_id);
	*p = h->next;
	if (s) {
		s->holds--;
		hook_index(e, h->hook_id);
	}
	free(h);
}

void hook_release(void *ctx, int32_t pid)
{
	struct engine *e = ctx;
	for (struct hold **p = &e->holds; *p;) {
		if ((*p)->pid == pid)
			hold_end(e, p);
		else
			p = &(*p)->next;
	}
}

void hook_hold(void *ctx, int64_t id, int32_t pid)
{
	struct engine *e = ctx;
	struct hook_state *s = hook_state_of(e, id);
	struct hold **p = &e->holds, *h;
	size_t count = 0;
	while (*p && !((*p)->pid == pid && (*p)->hook_id == id)) {
		count++;
		p = &(*p)->next;
	}
	if (*p) {
		(*p)->until_ms = e->now.due_ms + HOLD_MS;
		return;
	}
	hook_release(e, pid);
	if (count >= HOLDS_MAX)
		hold_end(e, &e->holds);
	if (!s)
		return;
	h = malloc(sizeof(*h));
	if (!h)
		abort();
	*h = (struct hold){
		.hook_id = id, .pid = pid, .until_ms = e->now.due_ms + HOLD_MS, .next = NULL
	};
	for (p = &e->holds; *p;)
		p = &(*p)->next;
	*p = h;
	s->holds++;
	hook_index(e, id);
}

void holds_check(struct engine *e)
{
	for (struct hold **p = &e->holds; *p;) {
		const struct hold *h = *p;
		bool gone = h->pid > 0 && kill(h->pid, 0) < 0 && errno == ESRCH;
		if (gone || e->now.due_ms >= h->until_ms)
			hold_end(e, p);
		else
			p = &(*p)->next;
	}
}

int64_t holds_wake(const struct engine *e)
{
	return e->holds ? e->now.due_ms + HOLD_CHECK_MS : -1;
}

void holds_free(struct engine *e)
{
	while (e->holds) {
		struct hold *h = e->holds;
		e->holds = h->next;
		free(h);
	}
}
