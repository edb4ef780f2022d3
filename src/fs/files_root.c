/*
 * files_root: the rows of the mount's root, and its README, which is made of all rows there are.
 */
#include "fs/tree.h"
#include "util/buf.h"

#include <stdio.h>
#include <string.h>

static void show_readme(const struct tree *t, const struct node *n, struct buf *out);

static void show_errors(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)n;
	t->backend.show_errors(t->backend.ctx, out);
}

static void show_status(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)n;
	t->backend.show_status(t->backend.ctx, out);
}

static void show_metrics(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)n;
	t->backend.show_metrics(t->backend.ctx, out);
}

static void show_destinations(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)n;
	t->backend.show_destinations(t->backend.ctx, out);
}

const struct file_row files_root[] = {
	{ .name = "README",
		.mode = 0444,
		.show = show_readme,
		.summary = "How to use this tree, on one page." },
	{ .name = "events",
		.mode = 0200,
		.nature = FILE_EVENTS,
		.summary =
			"Events go in here, one a line; the write returns when they are on disk.",
		.example =
			"echo 'deployment/fraud/v1 failed error_message=\"out of memory\"' > events" },
	{ .name = "events.fifo",
		.mode = 0200,
		.nature = FILE_PIPE,
		.summary = "The same for programs that want a named pipe; a pipe cannot answer, so "
			   "refused lines are kept in rejected.jsonl of the state directory.",
		.example = "echo 'experiment/bert-base completed' > events.fifo" },
	{ .name = "log",
		.mode = 0400,
		.nature = FILE_LOG,
		.topic = TOPIC_LOG,
		.summary = "One JSON line for every attempt; rotated at log_size.",
		.example = "tail -F log | jq -r '[.hook, .outcome, .http_status] | @tsv'" },
	{ .name = "errors",
		.mode = 0400, /* it quotes what others wrote */
		.topic = TOPIC_ERRORS,
		.show = show_errors,
		.summary = "The last 32 refused inputs and why each was refused." },
	{ .name = "status",
		.mode = 0444,
		.topic = TOPIC_STATE,
		.show = show_status,
		.summary = "Counters of the whole mount, KEY VALUE a line.",
		.example = "grep pending status" },
	{ .name = "metrics.prom",
		.mode = 0444,
		.topic = TOPIC_STATE,
		.of_all = true,
		.show = show_metrics,
		.summary = "Counters of the mount and of each hook, for Prometheus.",
		.example = "promtool check metrics < metrics.prom" },
	{ .name = "destinations",
		.mode = 0444,
		.topic = TOPIC_STATE,
		.of_all = true,
		.show = show_destinations,
		.summary =
			"One line for each scheme, host and port with work: STATE, KEY=VALUE..., "
			"and its name." },
	{ .name = "hooks",
		.mode = 0755,
		.nature = FILE_DIR,
		.summary = "The hooks: mkdir makes one, mv renames it, rmdir removes it.",
		.example = "mkdir hooks/slack" },
};
const size_t files_root_count = sizeof(files_root) / sizeof(*files_root);

static void readme_row(struct buf *out, const char *name, const char *summary, const char *example)
{
	buf_addf(out, "  %-15s %s\n", name, summary);
	if (example)
		buf_addf(out, "  %-15s e.g. %s\n", "", example);
}

static void readme_settings(struct buf *out)
{
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		char line[200];
		if (!s->command)
			snprintf(line, sizeof(line), "echo '%s' > %s", s->example, s->name);
		readme_row(out, s->name, s->summary, s->command ? s->command : line);
		if (s->required)
			buf_addf(out, "  %-15s takes %s; needed\n", "", s->grammar);
		else
			buf_addf(out, "  %-15s takes %s; default %s\n", "", s->grammar,
				*s->def ? s->def : "empty");
	}
}

/* What no row tells: for who has only cat. */
static const char readme_ways[] =
	"\n"
	"Any tool will do: echo, printf, cp, install, mv, sed -i, vim, nano, rsync, tar, dd. A\n"
	"value is judged when it ends in a newline or its writer closes the file. Opening or\n"
	"emptying a file changes nothing. Temporary files that editors make beside a hook's\n"
	"files are no settings and soon go; moved onto one they are written to it, and mv says\n"
	"\"Bad message\" if they are bad.\n"
	"\n"
	"  cp hooks/slack/config.json hooks/new/    # all of a hook but its secrets\n"
	"\n"
	"Other ways in than the files here:\n"
	"  events.fifo     is a pipe, and so is PATH of the option -o fifo=PATH, or one that\n"
	"                  systemd hands over (ListenFIFO=): lines as for events, unanswered.\n"
	"  -o spool=DIR    takes files of such lines, each once, as they are put or moved into\n"
	"                  DIR; refused ones are moved to DIR/rejected, the reason beside them.\n"
	"  hooks/NAME.json in the state directory is a hook's configuration: what is put there,\n"
	"                  edited or removed counts at once. A broken one changes nothing.\n"
	"\n"
	"Whoever waits for news has tail -F log, or poll(2), select(2) and epoll(7) on log,\n"
	"errors, destinations, metrics.prom, and each status and test.\n"
	"\n"
	"Modes and owners are kept and the kernel checks them; others get in if the mount has\n"
	"-o allow_other. At first only its owner sends events, makes hooks and reads log.\n"
	"\n"
	"  chgrp builders events; chmod 620 events  # a group may send\n"
	"  chmod 1777 hooks                         # all make hooks, each his own\n"
	"  chmod 700 hooks/slack                    # nobody else looks in\n"
	"  chgrp ops pending; chmod 750 pending     # a group reads what waits\n"
	"\n"
	"What is refused, on any of these ways, stands in errors: when, which file, whose it was\n"
	"(the user who opened it, and the process), the error, the text with a caret, and why.\n"
	"A bad write fails with that error, too; only a pipe, DIR and NAME.json cannot answer.\n";

static void show_readme(const struct tree *t, const struct node *n, struct buf *out)
{
	(void)t, (void)n;
	buf_adds(out,
		"webhookfs " WEBHOOKFS_VERSION ": every outgoing webhook is a directory of files.\n"
		"\n"
		"  mkdir hooks/slack\n"
		"  echo https://hooks.slack.com/services/T0/B0/x > hooks/slack/url\n"
		"  echo 'deployment/fraud-*' > hooks/slack/object\n"
		"  echo failed > hooks/slack/event\n"
		"  echo > hooks/slack/test                 # sends a dummy event now\n"
		"  echo 'deployment/fraud-eu/v3 failed error_message=\"out of memory\"' > events\n"
		"  tail log                                # what came of it\n"
		"\n"
		"A hook is live as soon as url, event and object are set. A write that is refused\n"
		"fails, the old value stays, and the file errors says why.\n"
		"\n"
		"Here:\n");
	for (size_t i = 0; i < files_root_count; i++)
		readme_row(out, files_root[i].name, files_root[i].summary, files_root[i].example);
	buf_adds(out, "\nIn hooks/NAME, settings (rm puts the default back):\n");
	readme_settings(out);
	buf_adds(out, "\nIn hooks/NAME, besides:\n");
	for (size_t i = 0; i < files_hook_count; i++)
		readme_row(out, files_hook[i].name, files_hook[i].summary, files_hook[i].example);
	buf_adds(out, readme_ways);
	buf_adds(out,
		"\n"
		"An event is a line: TYPE/NAME[/VERSION] STATUS [KEY=VALUE...], or one JSON object.\n"
		"STATUS is pending, processing (fires started), completed (completed, finished),\n"
		"failed (failed, finished), cancelled (finished) or cancelled_pending; or one event\n"
		"name. KEY is request_id, result (JSON), error_message, id (the same id is delivered\n"
		"once), metadata (a JSON object), time, or an id such as deployment_id.\n"
		"\n"
		"A header file that only its owner may read (chmod 600) is protected: its value is\n"
		"never shown again, to anyone. More: man webhookfs, man 5 webhookfs.\n");
}
