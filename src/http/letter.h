#pragma once
/*
 * letter: what travels between the caller's thread and the client's, and the mailbox it travels through.
 *
 * A letter is a request together with all that will be needed on its way there and back, its
 * outcome included: request_new makes the whole, so that no hand-over can fail. Whoever holds a letter
 * owns it. A mailbox is one direction: any thread puts, one thread takes.
 *
 * Memory that held a request is cleared before it is freed.
 */
#include "http/client.h"

#include <pthread.h>

struct courier;

enum letter_kind { LETTER_REQUEST, LETTER_CANCEL, LETTER_STOP };

struct letter {
	struct request request; /* the first member: callers hold letters by it */
	enum letter_kind kind;
	struct outcome outcome;
	struct courier *courier; /* who has it, and where it counts: client_send's; NULL: nobody */
	unsigned place;
	struct letter *prev, *next; /* utlist's */
};

/* `fd` is an eventfd that is readable exactly while there are letters. */
struct mailbox {
	pthread_mutex_t lock;
	struct letter *letters;
	int fd;
};

struct letter *letter_new(enum letter_kind kind); /* aborts without memory */
void letter_free(struct letter *l);
void letters_free(struct letter *list);
void wipe_free_str(char *str); /* NULL is fine */
/* Clears and frees what the request holds; only its tag stays. */
void request_release(struct request *r);

int mailbox_init(struct mailbox *m); /* 0, -errno of eventfd */
void mailbox_release(struct mailbox *m);
void mailbox_put(struct mailbox *m, struct letter *list);
void mailbox_post(struct mailbox *m, struct letter *l); /* a single one */
struct letter *mailbox_take(struct mailbox *m);         /* all of them; NULL: none */
