/*
 * engine_metrics: the counters for Prometheus, in its text format and after its naming rules. What is
 * told of each hook is one row of hook_metrics, what of each destination one of destination_metrics.
 *
 * All series of one name stand together, as the format wants it, so each row is a walk over the hooks.
 * Which these are is decided once: with very many hooks, those that have something to tell.
 */
#include "engine_parts.h"

#include "model/queue.h"
#include "model/registry.h"
#include "store/store.h"

#include <stdlib.h>

/* Hooks and destinations told of one by one: some 20 MB of text, which scrapers still take. */
#define SHOWN_EACH_MAX 10000

/* ---- how long attempts take */

static const struct {
	uint64_t us;
	const char *seconds;
} buckets[METER_BUCKETS] = { { 10000, "0.01" }, { 50000, "0.05" }, { 100000, "0.1" },
	{ 250000, "0.25" }, { 500000, "0.5" }, { 1000000, "1" }, { 2500000, "2.5" },
	{ 5000000, "5" }, { 10000000, "10" }, { 30000000, "30" } };

void meter_attempt(struct hook_state *s, const struct outcome *o, bool retried)
{
	struct hook_meter *m = s->meter;
	if (!m && !(m = s->meter = calloc(1, sizeof(*m))))
		abort();
	m->attempts++;
	m->retried += retried;
	m->connects += o->connects;
	m->total_us += o->us.total;
	for (unsigned i = METER_BUCKETS; i-- > 0 && o->us.total <= buckets[i].us;)
		m->bucket[i]++;
}

/* ---- series */

/* Label values escape backslash, quote and newline; no name has control characters. */
static void show_label(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_addc(out, '\\');
		buf_addc(out, *value);
	}
}

static void show_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* NAMEsuffix{key="value" and, if extra, ,extra="extra_value"} */
static void show_series(struct buf *out, const char *name, const char *suffix, const char *key,
	const char *value, const char *extra, const char *extra_value)
{
	buf_addf(out, "%s%s{%s=\"", name, suffix, key);
	show_label(out, value);
	if (extra)
		buf_addf(out, "\",%s=\"%s", extra, extra_value);
	buf_adds(out, "\"} ");
}

static void show_mount(
	struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	show_head(out, name, type, help);
	buf_addf(out, "%s %lld\n", name, (long long)value);
}

/* ---- hooks */

struct shown_hook {
	const struct hook *hook;
	struct hook_state *state;
};

struct shown_hooks {
	struct shown_hook *list;
	size_t count, omitted;
};

static bool has_something(const struct hook_state *s)
{
	return s->accepted || s->pending || s->meter;
}

/* In the order in which they were made, so that the same ones are shown as long as they can be. */
static struct shown_hooks choose_hooks(struct engine *e)
{
	struct shown_hooks s = { .list = calloc(SHOWN_EACH_MAX, sizeof(*s.list)) };
	size_t there_are = registry_count(e->registry);
	if (!s.list)
		abort();
	for (struct hook_state *state = e->states; state && s.count < SHOWN_EACH_MAX;
		state = state->hh.next)
		if (there_are <= SHOWN_EACH_MAX || has_something(state))
			s.list[s.count++] =
				(struct shown_hook){ registry_by_id(e->registry, state->id),
					state };
	s.omitted = there_are - s.count;
	return s;
}

/* In thousandths. */
typedef int64_t hook_value_fn(struct engine *e, const struct shown_hook *s);

static int64_t hook_accepted(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return (int64_t)s->state->accepted * 1000;
}

static int64_t hook_pending(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return (int64_t)s->state->pending * 1000;
}

static int64_t hook_oldest(struct engine *e, const struct shown_hook *s)
{
	return clock_oldest_age(e, s->state);
}

static int64_t hook_inflight(struct engine *e, const struct shown_hook *s)
{
	return (int64_t)queue_hook_inflight(e->queue, s->hook->id) * 1000;
}

static int64_t hook_delivered(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return (int64_t)s->state->counts.delivered * 1000;
}

static int64_t hook_failed(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return (int64_t)s->state->counts.failed * 1000;
}

static int64_t hook_retried(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return s->state->meter ? (int64_t)s->state->meter->retried * 1000 : 0;
}

static int64_t hook_connections(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return s->state->meter ? (int64_t)s->state->meter->connects * 1000 : 0;
}

static int64_t hook_last_success(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return s->state->counts.last_success_ms;
}

static int64_t hook_last_failure(struct engine *e, const struct shown_hook *s)
{
	(void)e;
	return s->state->counts.last_failure_ms;
}

static const struct {
	const char *name, *type, *help;
	hook_value_fn *value;
} hook_metrics[] = {
	{ "webhookfs_hook_accepted_total", "counter",
		"Deliveries that events made, since the start.", hook_accepted },
	{ "webhookfs_hook_delivered_total", "counter", "Deliveries that arrived.", hook_delivered },
	{ "webhookfs_hook_failed_total", "counter", "Deliveries that were given up.", hook_failed },
	{ "webhookfs_hook_retried_total", "counter",
		"Attempts that led to another one, since the start.", hook_retried },
	{ "webhookfs_hook_connections_total", "counter",
		"Connections made for requests, since the start.", hook_connections },
	{ "webhookfs_hook_pending", "gauge", "Deliveries that wait or are under way.",
		hook_pending },
	{ "webhookfs_hook_inflight", "gauge", "Requests under way.", hook_inflight },
	{ "webhookfs_hook_oldest_pending_age_seconds", "gauge",
		"Time since the event of the oldest pending delivery, 0 if none is pending.",
		hook_oldest },
	{ "webhookfs_hook_last_success_timestamp_seconds", "gauge",
		"When a delivery last arrived, 0 if none did.", hook_last_success },
	{ "webhookfs_hook_last_failure_timestamp_seconds", "gauge",
		"When an attempt last failed, 0 if none did.", hook_last_failure },
};

static void show_thousandths(struct buf *out, int64_t value)
{
	if (value % 1000)
		buf_addf(out, "%lld.%03lld\n", (long long)value / 1000, (long long)value % 1000);
	else
		buf_addf(out, "%lld\n", (long long)value / 1000);
}

static void show_hook_metrics(struct engine *e, const struct shown_hooks *s, struct buf *out)
{
	for (size_t m = 0; m < sizeof(hook_metrics) / sizeof(*hook_metrics); m++) {
		const char *name = hook_metrics[m].name;
		show_head(out, name, hook_metrics[m].type, hook_metrics[m].help);
		for (size_t i = 0; i < s->count; i++) {
			show_series(out, name, "", "hook", s->list[i].hook->name, NULL, NULL);
			show_thousandths(out, hook_metrics[m].value(e, &s->list[i]));
		}
	}
}

static void show_states(const struct shown_hooks *s, struct buf *out)
{
	static const char name[] = "webhookfs_hook_state";
	show_head(out, name, "gauge", "1, with the hook's state as a label.");
	for (size_t i = 0; i < s->count; i++) {
		const struct hook *h = s->list[i].hook;
		show_series(out, name, "", "hook", h->name, "state", show_hook_state(h));
		buf_adds(out, "1\n");
	}
}

static void show_histogram(const char *hook, const struct hook_meter *m, struct buf *out)
{
	static const char name[] = "webhookfs_attempt_duration_seconds";
	for (unsigned i = 0; i < METER_BUCKETS; i++) {
		show_series(out, name, "_bucket", "hook", hook, "le", buckets[i].seconds);
		buf_addf(out, "%llu\n", (unsigned long long)m->bucket[i]);
	}
	show_series(out, name, "_bucket", "hook", hook, "le", "+Inf");
	buf_addf(out, "%llu\n", (unsigned long long)m->attempts);
	show_series(out, name, "_sum", "hook", hook, NULL, NULL);
	buf_addf(out, "%llu.%06llu\n", (unsigned long long)m->total_us / 1000000,
		(unsigned long long)m->total_us % 1000000);
	show_series(out, name, "_count", "hook", hook, NULL, NULL);
	buf_addf(out, "%llu\n", (unsigned long long)m->attempts);
}

static void show_durations(const struct shown_hooks *s, struct buf *out)
{
	show_head(out, "webhookfs_attempt_duration_seconds", "histogram",
		"How long attempts took, since the start.");
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].state->meter)
			show_histogram(s->list[i].hook->name, s->list[i].state->meter, out);
}

/* ---- destinations */

struct destinations {
	struct buf *out;
	const char *name; /* of the metric */
	unsigned count;
	int64_t (*value)(const struct queue_destination *d); /* NULL: the state is a label */
};

static int64_t destination_window(const struct queue_destination *d)
{
	return d->window;
}

static int64_t destination_inflight(const struct queue_destination *d)
{
	return d->inflight;
}

static void show_destination(void *ctx, const struct queue_destination *d)
{
	struct destinations *s = ctx;
	if (s->count++ >= SHOWN_EACH_MAX)
		return;
	show_series(
		s->out, s->name, "", "destination", d->name, s->value ? NULL : "state", d->state);
	buf_addf(s->out, "%lld\n", s->value ? (long long)s->value(d) : 1);
}

static void show_destination_metrics(struct engine *e, struct buf *out)
{
	static const struct {
		const char *name, *help;
		int64_t (*value)(const struct queue_destination *d);
	} metrics[] = {
		{ "webhookfs_destination_state",
			"1, with the state of a destination that has work as a label.", NULL },
		{ "webhookfs_destination_window", "Requests that it may get at once.",
			destination_window },
		{ "webhookfs_destination_inflight", "Requests under way to it.",
			destination_inflight },
	};
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		struct destinations s = { out, metrics[i].name, 0, metrics[i].value };
		show_head(out, metrics[i].name, "gauge", metrics[i].help);
		queue_each_destination(e->queue, e->now.due_ms, show_destination, &s);
	}
}

void show_metrics(void *ctx, struct buf *out)
{
	struct engine *e = ctx;
	struct shown_hooks s = choose_hooks(e);
	show_mount(out, "webhookfs_hooks", "gauge", "Hooks there are.",
		(int64_t)registry_count(e->registry));
	show_mount(out, "webhookfs_hooks_omitted", "gauge",
		"Hooks that no series is shown for, as there are too many.", (int64_t)s.omitted);
	show_mount(out, "webhookfs_events_accepted_total", "counter", "Events taken.",
		e->counters.accepted);
	show_mount(out, "webhookfs_inputs_refused_total", "counter", "Inputs refused, of any kind.",
		e->counters.refused);
	show_mount(out, "webhookfs_backlog_bytes", "gauge", "Bytes of events that wait.",
		(int64_t)store_backlog_bytes(e->store));
	show_mount(out, "webhookfs_backlog_limit_bytes", "gauge", "Bytes of events that may wait.",
		(int64_t)e->options->max_backlog);
	show_states(&s, out);
	show_hook_metrics(e, &s, out);
	show_durations(&s, out);
	show_destination_metrics(e, out);
	free(s.list);
}
