/*
 * engine_metrics: the counters for Prometheus, in its text format and after its naming rules. What is
 * told of each hook is one row of hook_metrics.
 */
#include "engine_parts.h"

#include "model/queue.h"
#include "model/registry.h"
#include "store/store.h"

struct metric {
	const char *name, *type, *help;
	int64_t (*value)(struct engine *e, const struct hook *h, const struct hook_state *s);
};

static int64_t hook_pending(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)e, (void)h;
	return (int64_t)s->pending;
}

static int64_t hook_inflight(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)s;
	return queue_hook_inflight(e->queue, h->id);
}

static int64_t hook_delivered(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)e, (void)h;
	return (int64_t)s->counts.delivered;
}

static int64_t hook_failed(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)e, (void)h;
	return (int64_t)s->counts.failed;
}

static int64_t hook_last_success(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)e, (void)h;
	return s->counts.last_success_ms / 1000;
}

static int64_t hook_active(struct engine *e, const struct hook *h, const struct hook_state *s)
{
	(void)e, (void)s;
	return hook_complete(h) && h->enabled == HOOK_ON;
}

static const struct metric hook_metrics[] = {
	{ "webhookfs_hook_active", "gauge", "Whether the hook is complete and enabled.",
		hook_active },
	{ "webhookfs_hook_pending", "gauge", "Deliveries that wait or are under way.",
		hook_pending },
	{ "webhookfs_hook_inflight", "gauge", "Requests under way.", hook_inflight },
	{ "webhookfs_hook_delivered_total", "counter", "Deliveries that arrived.", hook_delivered },
	{ "webhookfs_hook_failed_total", "counter", "Deliveries that were given up.", hook_failed },
	{ "webhookfs_hook_last_success_timestamp_seconds", "gauge",
		"When a delivery last arrived, 0 if none did.", hook_last_success },
};

/* Label values escape backslash, quote and newline; a hook's name has no control characters. */
static void show_label(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_addc(out, '\\');
		buf_addc(out, *value);
	}
}

static void show_metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void show_metric(
	struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	show_metric_head(out, name, type, help);
	buf_addf(out, "%s %lld\n", name, (long long)value);
}

static void show_hook_metric(struct engine *e, const struct metric *m, struct buf *out)
{
	show_metric_head(out, m->name, m->type, m->help);
	for (const struct hook *h = registry_next(e->registry, 0); h;
		h = registry_next(e->registry, h->id)) {
		buf_addf(out, "%s{hook=\"", m->name);
		show_label(out, h->name);
		buf_addf(out, "\"} %lld\n", (long long)m->value(e, h, hook_state_of(e, h->id)));
	}
}

void show_metrics(void *ctx, struct buf *out)
{
	struct engine *e = ctx;
	show_metric(out, "webhookfs_hooks", "gauge", "Hooks there are.",
		(int64_t)registry_count(e->registry));
	show_metric(out, "webhookfs_events_accepted_total", "counter", "Events taken.",
		e->counters.accepted);
	show_metric(out, "webhookfs_inputs_refused_total", "counter",
		"Inputs refused, of any kind.", e->counters.refused);
	show_metric(out, "webhookfs_backlog_bytes", "gauge", "Bytes of events that wait.",
		(int64_t)store_backlog_bytes(e->store));
	show_metric(out, "webhookfs_backlog_limit_bytes", "gauge", "Bytes of events that may wait.",
		(int64_t)e->options->max_backlog);
	for (size_t i = 0; i < sizeof(hook_metrics) / sizeof(*hook_metrics); i++)
		show_hook_metric(e, &hook_metrics[i], out);
}
