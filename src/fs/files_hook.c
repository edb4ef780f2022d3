/*
 * files_hook: the rows of a hook's directory that are no settings. Settings are rows of
 * hook_settings (model/hook_settings.c), also those in a directory, which alone is a row here; headers
 * are as many as there are.
 */
#include "fs/tree.h"

static void show_test(const struct tree *t, const struct node *n, struct buf *out)
{
	t->backend.show_test(t->backend.ctx, n->hook->id, out);
}

static void show_status(const struct tree *t, const struct node *n, struct buf *out)
{
	t->backend.show_hook_status(t->backend.ctx, n->hook->id, out);
}

static void show_config(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)t;
	hook_json(n->hook, HOOK_JSON_SHOWN, out);
}

const struct file_row files_hook[] = {
	{ .name = "headers",
		.mode = 0755,
		.nature = FILE_DIR,
		.summary =
			"One file a request header; one that only its owner may read is protected.",
		.example = "(umask 077; echo 'Token 123' > headers/Authorization)" },
	{ .name = "test",
		.mode = 0600, /* a receiver may echo what it was sent */
		.topic = TOPIC_TEST,
		.tests = true,
		.show = show_test,
		.summary =
			"A write sends a dummy event now and fails if it does not arrive; a read "
			"tells how the last one went.",
		.example = "echo failed > test; cat test" },
	{ .name = "status",
		.mode = 0444,
		.topic = TOPIC_STATE,
		.show = show_status,
		.summary = "State and counters, KEY VALUE a line." },
	{ .name = "pending",
		.mode = 0700,
		.nature = FILE_QUEUE,
		.state = DELIVERY_PENDING,
		.summary =
			"Deliveries that wait or are under way, a JSON file each; rm cancels one.",
		.example = "jq .attempts pending/*" },
	{ .name = "delivered",
		.mode = 0700,
		.nature = FILE_QUEUE,
		.state = DELIVERY_DELIVERED,
		.summary = "Those that arrived; a copy put into pending is sent again.",
		.example = "cp delivered/20261123T102400.123Z-00000042.json pending/" },
	{ .name = "failed",
		.mode = 0700,
		.nature = FILE_QUEUE,
		.state = DELIVERY_FAILED,
		.summary = "Those that were given up; one moved to pending is tried anew.",
		.example = "mv failed/* pending/" },
	{ .name = "config.json",
		.mode = 0644,
		.config = true,
		.show = show_config,
		.summary =
			"The whole hook at once: UbiOps's webhook object and our own fields; a write "
			"replaces all of it, or fails whole.",
		.example = "cp webhook.json config.json" },
	{ .name = "tls",
		.mode = 0755,
		.nature = FILE_SETTINGS,
		.summary = "Certificates of the hook's own: whom it trusts, and who it is.",
		.example = "cp ca.pem tls/ca" },
};
const size_t files_hook_count = sizeof(files_hook) / sizeof(*files_hook);
