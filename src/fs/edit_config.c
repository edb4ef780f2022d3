/*
 * edit_config: config.json, the one file that is written as a whole.
 *
 * A JSON object may come in any number of pieces, so it is judged when it is complete, and takes
 * effect when it has ended (in a newline) or its writer closes. What cannot become an object fails
 * its write.
 */
#include "fs/edit_internal.h"
#include "model/event.h"
#include "util/err.h"

#include <errno.h>
#include <string.h>

/* The hook's whole content is exchanged; what it is (id, owner, its files' attributes) carries over. */
int change_config(struct hook *clone, void *arg, struct err *err)
{
	const struct config_change *c = arg;
	struct hook *made;
	int r = hook_from_json(clone->name, clone->types, clone, c->text, c->len, err, &made);
	if (r)
		return r;
	made->serial = clone->serial + 1;
	struct hook old = *clone;
	*clone = *made;
	*made = old;
	hook_free(made);
	return 0;
}

static int judge(const struct tree *t, const struct node *n, struct config_change *c, bool commit,
	struct err *err)
{
	if (commit)
		return t->backend.hook_change(t->backend.ctx, n->hook->id, change_config, c, err);
	struct hook *made;
	int r = hook_from_json(n->hook->name, n->hook->types, n->hook, c->text, c->len, err, &made);
	if (!r)
		hook_free(made);
	return r;
}

int edit_config(
	struct edit *e, const struct tree *t, const struct node *n, bool flush, struct err *err)
{
	if (e->poisoned || !e->text.len || (flush && !e->pending))
		return 0;
	struct config_change c = { .text = e->text.data, .len = e->text.len };
	const char *start = c.text + strspn(c.text, " \t\r\n"); /* a buf ends in a NUL */
	bool complete = event_json_complete(c.text, c.len);
	int r = 0;
	if (*start != '{')
		r = err_set(err, EINVAL, (size_t)(start - c.text),
			"config.json takes one JSON object, which begins with {");
	else if (complete || flush)
		r = judge(t, n, &c, flush || edit_ended(e), err);
	e->poisoned = r != 0;
	e->pending = !r && !(complete && edit_ended(e)) && !flush;
	if (!r && !e->pending)
		e->committed_len = e->text.len;
	return r;
}
