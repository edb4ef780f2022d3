/*
 * The caller's side: it chooses the courier for each request, and takes letters as they come back. All of it is
 * the main thread's.
 *
 * A destination's requests go to one courier, where its connections are, as long as they are few. Many at once
 * are more than one thread's work: then they go where the fewest are under way to it. So there are never many
 * more connections than there were requests at once, and a destination that is called now and then has one.
 */
#include "http/client.h"

#include "http/courier.h"
#include "http/ending.h"
#include "http/letter.h"
#include "util/err.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Requests at once to one destination that are one courier's work: with as many connections a thread is
 * as fast as with more. */
#define FEW 16

/*
 * Where libcurl has libraries with it that bring GnuTLS, as Debian's has for RTMP and LDAP, that one would
 * start itself before main, for protocols that no transfer of ours may use: 0.7 MB of resident memory. It asks a
 * function of this name first; whoever does use it starts it by a call.
 */
int _gnutls_global_init_skip(void);

int _gnutls_global_init_skip(void)
{
	return 1;
}

struct client {
	struct mailbox out;
	struct letter *taken; /* out of `out`, on their way to client_take */
	unsigned count;       /* of couriers */
	struct courier couriers[];
};

/* --- Which courier -------------------------------------------------------------------------------- */

/* By scheme, host and port as they are written: FNV-1a. */
static unsigned place_of(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len = host ? (size_t)(host + 3 - url) : 0;
	uint32_t hash = 2166136261u;

	len += strcspn(url + len, "/?#");
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)url[i]) * 16777619u;
	return (hash ^ hash >> 16) % COURIER_PLACES;
}

static struct courier *client_choose(struct client *c, unsigned place)
{
	struct courier *least = NULL;

	for (unsigned i = 0; i < c->count; i++) {
		struct courier *k = &c->couriers[(place + i) % c->count];

		if (k->inflight[place] < FEW)
			return k;
		if (!least || k->inflight[place] < least->inflight[place])
			least = k;
	}
	return least;
}

/* A thread's courier; another that has one already, if no more can be had; else NULL. */
static struct courier *client_launch(struct client *c, struct courier *chosen)
{
	if (courier_launch(chosen))
		return chosen;
	for (unsigned i = 0; i < c->count; i++)
		if (c->couriers[i].running)
			return &c->couriers[i];
	return NULL;
}

/* --- Life cycle ----------------------------------------------------------------------------------- */

/* curl would notice a bad file with the first connection only. */
static int cacert_check(const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;
	int error = errno;

	if (!f)
		return err_set(
			err, EINVAL, ERR_NO_COLUMN, "cacert: %s: %s", path, strerrordesc_np(error));
	errno = 0;
	while (!found && getline(&line, &cap, f) >= 0)
		found = strncmp(line, "-----BEGIN ", strlen("-----BEGIN ")) == 0;
	error = errno;
	free(line);
	(void)fclose(f); /* only read */
	if (found)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN, "cacert: %s: %s", path,
		error ? strerrordesc_np(error) : "has no certificate in PEM form");
}

static int not_made(int r, struct err *err)
{
	return err_set(
		err, -r, ERR_NO_COLUMN, "cannot prepare for requests: %s", strerrordesc_np(-r));
}

int client_new(const struct client_options *o, struct err *err, struct client **out)
{
	unsigned count = o->threads ? o->threads : 1;
	struct client *c;
	int r;

	if (o->cacert) {
		r = cacert_check(o->cacert, err);
		if (r < 0)
			return r;
	}
	c = calloc(1, sizeof(*c) + count * sizeof(*c->couriers));
	if (!c)
		return not_made(-ENOMEM, err);
	c->out.fd = -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return not_made(-ENOMEM, err);
	}
	r = mailbox_init(&c->out);
	for (; r == 0 && c->count < count; c->count++) {
		r = courier_init(&c->couriers[c->count], o, &c->out);
		if (r < 0)
			break;
	}
	if (r < 0) {
		client_free(c);
		return not_made(r, err);
	}
	*out = c;
	return 0;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->count; i++)
		courier_stop(&c->couriers[i]);
	for (unsigned i = 0; i < c->count; i++)
		courier_release(&c->couriers[i]);
	curl_global_cleanup();
	letters_free(c->taken);
	mailbox_release(&c->out);
	free(c);
}

/* --- Requests and outcomes ------------------------------------------------------------------------ */

void client_send(struct client *c, struct request *r)
{
	struct letter *l = (struct letter *)r;
	struct courier *k;

	l->place = place_of(r->url);
	k = client_launch(c, client_choose(c, l->place));
	l->courier = k;
	if (k) {
		k->inflight[l->place]++;
		mailbox_post(&k->in, l);
		return;
	}
	ending_local(&l->outcome, CURLE_OUT_OF_MEMORY);
	l->outcome.tag = r->tag;
	request_release(r);
	mailbox_post(&c->out, l);
}

/* Who has it is not known here: the others look for it in vain. */
void client_cancel(struct client *c, uint64_t tag)
{
	for (unsigned i = 0; i < c->count; i++) {
		struct letter *l;

		if (!c->couriers[i].running)
			continue;
		l = letter_new(LETTER_CANCEL);
		l->request.tag = tag;
		mailbox_post(&c->couriers[i].in, l);
	}
}

int client_fd(const struct client *c)
{
	return c->out.fd;
}

int client_take(struct client *c, struct outcome *out)
{
	struct letter *l;

	if (!c->taken)
		c->taken = mailbox_take(&c->out);
	l = c->taken;
	if (!l)
		return 0;
	DL_DELETE(c->taken, l);
	if (l->courier)
		l->courier->inflight[l->place]--;
	*out = l->outcome;
	l->outcome = (struct outcome){ 0 };
	letter_free(l);
	return 1;
}
