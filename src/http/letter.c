#include "http/letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

struct letter *letter_new(enum letter_kind kind)
{
	struct letter *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->kind = kind;
	return l;
}

static void wipe_free(char *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}

void wipe_free_str(char *str)
{
	wipe_free(str, str ? strlen(str) : 0);
}

void request_release(struct request *r)
{
	wipe_free_str(r->url);
	for (size_t i = 0; i < r->header_count; i++)
		wipe_free_str(r->headers[i]);
	free(r->headers);
	wipe_free(r->body, r->body_len);
	wipe_free_str(r->ca);
	wipe_free_str(r->cert);
	wipe_free_str(r->key);
	mask_release(&r->mask);
	*r = (struct request){ .tag = r->tag };
}

void letter_free(struct letter *l)
{
	request_release(&l->request);
	outcome_release(&l->outcome);
	free(l);
}

void letters_free(struct letter *list)
{
	struct letter *l;

	while ((l = list)) {
		DL_DELETE(list, l);
		letter_free(l);
	}
}

struct request *request_new(void)
{
	return &letter_new(LETTER_REQUEST)->request;
}

void request_header(struct request *r, char *line)
{
	/* Grown at every power of two, so the capacity needs no field. */
	if ((r->header_count & (r->header_count - 1)) == 0) {
		size_t cap = r->header_count ? r->header_count * 2 : 1;

		r->headers = reallocarray(r->headers, cap, sizeof(*r->headers));
		if (!r->headers)
			abort();
	}
	r->headers[r->header_count++] = line;
}

void request_free(struct request *r)
{
	if (r)
		letter_free((struct letter *)r);
}

int mailbox_init(struct mailbox *m)
{
	(void)pthread_mutex_init(&m->lock, NULL); /* of the default kind it cannot fail */
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->fd < 0 ? -errno : 0;
}

void mailbox_release(struct mailbox *m)
{
	letters_free(m->letters);
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
}

void mailbox_put(struct mailbox *m, struct letter *list)
{
	bool was_empty;

	if (!list)
		return;
	pthread_mutex_lock(&m->lock);
	was_empty = !m->letters;
	DL_CONCAT(m->letters, list);
	if (was_empty)
		(void)eventfd_write(m->fd, 1); /* fails only beyond 2^64 - 2 */
	pthread_mutex_unlock(&m->lock);
}

void mailbox_post(struct mailbox *m, struct letter *l)
{
	struct letter *list = NULL;

	DL_APPEND(list, l);
	mailbox_put(m, list);
}

struct letter *mailbox_take(struct mailbox *m)
{
	struct letter *list;
	eventfd_t count;

	pthread_mutex_lock(&m->lock);
	list = m->letters;
	m->letters = NULL;
	if (list)
		(void)eventfd_read(m->fd, &count); /* readable, as there were letters */
	pthread_mutex_unlock(&m->lock);
	return list;
}
