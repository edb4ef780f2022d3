/*
 * engine_request: a delivery and its hook as it is now → body, headers, url and timeout of a request.
 */
#include "engine_parts.h"

#include "http/client.h"
#include "model/format.h"
#include "model/payload.h"
#include "model/sign.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void deliver_webhook_id(const struct engine *e, int64_t origin, char out[64])
{
	struct buf id = BUF(63);
	buf_adds(&id, "msg_");
	buf_adds(&id, store_tag(e->store));
	buf_addc(&id, '_');
	buf_addi(&id, origin);
	memcpy(out, buf_str(&id), id.len + 1);
	buf_release(&id);
}

struct message deliver_message(const struct engine *e, const struct hook *h,
	const struct store_delivery *d, const struct payload *p, char webhook_id[64])
{
	deliver_webhook_id(e, d->origin, webhook_id);
	return (struct message){ .payload = p,
		.event_name = d->event_name,
		.include_result = h->include_result,
		.webhook_id = webhook_id,
		.hook = h->name,
		.project = e->options->project,
		.taken_ms = d->created_ms };
}

static char *header_line(const char *name, const char *value)
{
	struct buf line = BUF(strlen(name) + strlen(value) + 2);
	buf_expect(&line, line.max);
	buf_adds(&line, name);
	buf_adds(&line, ": ");
	buf_adds(&line, value);
	if (buf_error(&line))
		abort();
	return buf_detach(&line);
}

static void sign_request(const struct engine *e, const struct hook *h, struct request *r,
	const char *id, const struct buf *body)
{
	struct sign_keys *keys;
	struct buf value = BUF(SIGN_VALUE_MAX);
	if (hook_sign_keys(h, &keys))
		abort(); /* no memory; the secret was judged when it was written */
	if (!keys)
		return;
	if (sign_value(keys, id, e->now.real_ms / 1000, buf_str(body), body->len, &value))
		abort();
	request_header(r, header_line(sign_style_header(h->signature), buf_str(&value)));
	buf_release(&value);
	sign_keys_free(keys);
}

/* NULL stays NULL. */
static char *copy_text(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	if (text && !copy)
		abort();
	return copy;
}

struct headers {
	const struct hook *hook;
	struct request *request;
};

/* What the hook's own headers say in its place is left out. */
static void add_header(void *ctx, const char *name, const char *value)
{
	const struct headers *to = ctx;
	const struct header *own = hook_header_find(to->hook, name);
	if (!own || !own->value)
		request_header(to->request, header_line(name, value));
}

struct request *deliver_request(
	const struct engine *e, const struct hook *h, uint64_t tag, const struct message *m)
{
	struct buf body = BUF(FORMAT_BODY_MAX);
	format_body(h->format, h->template_text, m, &body);
	if (buf_error(&body)) {
		buf_release(&body);
		return NULL;
	}
	struct request *r = request_new();
	struct buf seconds = BUF(24);
	r->tag = tag;
	r->timeout_ms = h->timeout_ms;
	r->url = copy_text(h->url);
	r->ca = copy_text(h->tls_ca);
	r->cert = copy_text(h->tls_cert);
	r->key = copy_text(h->tls_key);
	struct headers headers = { h, r };
	format_headers(h->format, m, add_header, &headers);
	buf_addi(&seconds, e->now.real_ms / 1000);
	request_header(r, header_line("webhook-id", m->webhook_id));
	request_header(r, header_line("webhook-timestamp", buf_str(&seconds)));
	buf_release(&seconds);
	for (size_t i = 0; i < h->header_count; i++)
		if (h->headers[i].value)
			request_header(r, header_line(h->headers[i].name, h->headers[i].value));
	sign_request(e, h, r, m->webhook_id, &body);
	mask_add_hook(&r->mask, h);
	r->body_len = body.len;
	r->body = buf_detach(&body);
	return r;
}
