#include "model/json.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block is its size, in as many bytes as keep the block aligned. */
#define BLOCK_HEAD _Alignof(max_align_t)

static_assert(BLOCK_HEAD >= sizeof(size_t), "a block's size fits in front of it");

/*
 * jansson's scanner goes on where it could not keep what it has read. It then finds a mistake that is none, nothing
 * wrong in a text that has lost a part, or, where the lost part is a string's end, copies what lies behind in
 * memory, as far as that goes. So from there on it gets no memory at all, and cannot begin to copy.
 */
static bool reading, ran_out;

static void *wiping_malloc(size_t size)
{
	char *head = NULL;

	if (size <= SIZE_MAX - BLOCK_HEAD && !(reading && ran_out))
		head = malloc(BLOCK_HEAD + size);
	if (!head) {
		ran_out = true;
		return NULL;
	}
	memcpy(head, &size, sizeof(size));
	return head + BLOCK_HEAD;
}

static void wiping_free(void *block)
{
	char *head;
	size_t size;

	if (!block)
		return;
	head = (char *)block - BLOCK_HEAD;
	memcpy(&size, head, sizeof(size));
	explicit_bzero(block, size);
	free(head);
}

void json_init(void)
{
	json_set_alloc_funcs(wiping_malloc, wiping_free);
}

int json_read(const char *text, size_t len, size_t flags, json_error_t *e, json_t **out)
{
	json_t *root;

	ran_out = false;
	reading = true;
	root = json_loadb(text, len, flags, e);
	reading = false;
	if (ran_out || (!root && json_error_code(e) == json_error_out_of_memory)) {
		json_decref(root);
		return -ENOMEM;
	}
	if (!root)
		return -EINVAL;
	*out = root;
	return 0;
}
