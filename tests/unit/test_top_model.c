#include "top/model.h"
#include "top/view.h"
#include "util/buf.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STATUS(accepted, delivered)                                                              \
	"hooks 2\naccepted " accepted "\nrefused 3\npending 4\ninflight 5\ndelivered " delivered \
	"\nfailed 7\nbacklog_bytes 8\nbacklog_limit 9\nconfined none\n"

#define METRICS_HEAD(omitted)                                       \
	"# HELP webhookfs_hooks_omitted Hooks that no series is.\n" \
	"webhookfs_hooks_omitted " omitted "\n"

static int setup(void **state)
{
	*state = model_new();
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

static void take_status(struct model *m, const char *text, int64_t now_ms)
{
	assert_true(model_take_status(m, text, strlen(text), now_ms));
}

static void take_metrics(struct model *m, const char *text, int64_t now_ms)
{
	model_take_metrics(m, text, strlen(text), now_ms);
}

static void a_status_is_taken_whole_or_not(void **state)
{
	static const char half[] = "hooks 9\naccepted 9\n", bad[] = STATUS("x", "6");
	struct model *m = *state;

	take_status(m, STATUS("1", "6"), 1000);
	assert_int_equal(m->mount.hooks, 2);
	assert_int_equal(m->mount.accepted, 1);
	assert_int_equal(m->mount.refused, 3);
	assert_int_equal(m->mount.pending, 4);
	assert_int_equal(m->mount.inflight, 5);
	assert_int_equal(m->mount.delivered, 6);
	assert_int_equal(m->mount.failed, 7);
	assert_int_equal(m->mount.backlog_bytes, 8);
	assert_int_equal(m->mount.backlog_limit, 9);
	assert_false(model_take_status(m, half, strlen(half), 2000));
	assert_false(model_take_status(m, bad, strlen(bad), 2000));
	assert_int_equal(m->mount.hooks, 2);
}

static void a_rate_is_what_was_gained_between_two_looks(void **state)
{
	struct model *m = *state;

	take_status(m, STATUS("100", "6"), 1000);
	assert_true(model_rate(&m->accepted, 1000) == 0);
	take_status(m, STATUS("120", "6"), 1100); /* too soon to say */
	assert_true(model_rate(&m->accepted, 1100) == 0);
	take_status(m, STATUS("160", "6"), 3000);
	assert_true(model_rate(&m->accepted, 3000) == 30);
	assert_true(model_rate(&m->delivered, 3000) == 0);
	assert_true(model_moves(m, 3000));
}

static void a_rate_ends_when_nothing_more_is_gained(void **state)
{
	struct model *m = *state;

	take_status(m, STATUS("100", "6"), 1000);
	take_status(m, STATUS("160", "6"), 3000);
	assert_true(model_rate(&m->accepted, 3000 + 4000) == 30);
	assert_true(model_rate(&m->accepted, 3000 + 5000) == 0);
	assert_false(model_moves(m, 3000 + 5000));
}

static void a_counter_that_went_back_began_anew(void **state)
{
	struct model *m = *state;

	take_status(m, STATUS("100", "6"), 1000);
	take_status(m, STATUS("5", "6"), 3000);
	assert_true(model_rate(&m->accepted, 3000) == 0);
	take_status(m, STATUS("15", "6"), 4000);
	assert_true(model_rate(&m->accepted, 4000) == 10);
}

static void metrics_tell_of_all_hooks(void **state)
{
	struct model *m = *state;

	take_metrics(m,
		METRICS_HEAD(
			"0") "webhookfs_hook_state{hook=\"a\",state=\"active\"} 1\n"
			     "webhookfs_hook_state{hook=\"q\\\"\\\\b\",state=\"gone\"} 1\n"
			     "webhookfs_hook_pending{hook=\"a\"} 5\n"
			     "webhookfs_hook_delivered_total{hook=\"a\"} 10\n"
			     "webhookfs_hook_oldest_pending_age_seconds{hook=\"a\"} 1.500\n"
			     "webhookfs_hook_last_success_timestamp_seconds{hook=\"a\"} 2.001\n"
			     "webhookfs_hook_last_failure_timestamp_seconds{hook=\"a\"} 2.002\n"
			     "webhookfs_attempt_duration_seconds_count{hook=\"c\"} 9\n",
		10000);
	assert_int_equal(HASH_COUNT(m->hooks), 2);
	struct model_hook *a = model_hook(m, "a");
	assert_string_equal(a->state, "active");
	assert_int_equal(a->pending, 5);
	assert_int_equal(a->oldest_ms, 8500);
	assert_true(model_failing(a));
	assert_string_equal(model_hook(m, "q\"\\b")->state, "gone");
	take_metrics(m,
		METRICS_HEAD("0") "webhookfs_hook_state{hook=\"a\",state=\"paused\"} 1\n"
				  "webhookfs_hook_delivered_total{hook=\"a\"} 30\n",
		12000);
	assert_string_equal(a->state, "paused");
	assert_true(model_rate(&a->rate, 12000) == 10);
	assert_null(model_hook(m, "q\"\\b"));
}

static void hooks_that_metrics_omit_are_known_by_name(void **state)
{
	struct model *m = *state;

	model_take_names(m, "a\nb\nc\n", 6);
	take_metrics(
		m, METRICS_HEAD("2") "webhookfs_hook_state{hook=\"a\",state=\"active\"} 1\n", 1);
	assert_int_equal(HASH_COUNT(m->hooks), 3);
	model_take_names(m, "a\nc\n", 4);
	assert_int_equal(HASH_COUNT(m->hooks), 2);
	assert_string_equal(model_hook(m, "a")->state, "active");
}

/* It becomes part of a path. */
static void what_cannot_be_a_directory_is_no_hook(void **state)
{
	struct model *m = *state;

	model_take_names(m, "..\n.\n\na/b\n", 10);
	take_metrics(m,
		METRICS_HEAD("1") "webhookfs_hook_state{hook=\"../../etc\",state=\"active\"} 1\n"
				  "webhookfs_hook_state{hook=\"x\ny\",state=\"active\"} 1\n"
				  "webhookfs_hook_state{hook=\"open\n"
				  "webhookfs_hook_state{hook=\"\\",
		1);
	assert_int_equal(HASH_COUNT(m->hooks), 0);
}

static void a_hooks_status_brings_its_error(void **state)
{
	static const char status[] =
		"state active\nmissing none\npending 3\ninflight 1\ndelivered 8\nfailed 2\n"
		"last_success never\nlast_failure 2026-11-23T10:24:00.123Z\nlast_error no route\n";
	static const char well[] = "last_success 2026-11-23T10:25:00.123Z\nlast_error none\n";
	struct model *m = *state;

	model_take_hook(m, "a", status, strlen(status), 1000);
	assert_null(model_hook(m, "a"));
	model_take_names(m, "a\n", 2);
	model_take_hook(m, "a", status, strlen(status), 1000);
	struct model_hook *a = model_hook(m, "a");
	assert_int_equal(a->delivered, 8);
	assert_string_equal(a->error, "no route");
	assert_true(model_failing(a));
	assert_null(a->status);
	model_take_hook(m, "a", well, strlen(well), 2000);
	assert_null(a->error);
	assert_false(model_failing(a));
	model_look_at(m, "a");
	model_take_hook(m, "a", status, strlen(status), 3000);
	assert_string_equal(a->status, status);
}

static void errors_are_a_line_each(void **state)
{
	static const char errors[] = "T1 events uid=0 pid=1 EINVAL\n    text\n    ^\n    Why.\n"
				     "T2 x uid=0 pid=2 EIO\n    Because.\n";
	struct model *m = *state;

	model_take_errors(m, errors, strlen(errors));
	assert_int_equal(m->errors.count, 2);
	assert_string_equal(m->errors.list[0], "T1 events uid=0 pid=1 EINVAL: Why.");
	assert_string_equal(m->errors.list[1], "T2 x uid=0 pid=2 EIO: Because.");
	model_take_errors(m, "", 0);
	assert_int_equal(m->errors.count, 0);
}

static void attempts_are_those_of_one_hook(void **state)
{
	struct model *m = *state;
	char line[300];

	model_look_at(m, "a");
	for (int i = 0; i < MODEL_ATTEMPTS_MAX + 2; i++) {
		int n = snprintf(line, sizeof(line),
			"{\"time\":\"T\",\"hook\":\"%s\",\"attempt\":%d,\"outcome\":\"%s\","
			"\"http_status\":%s,\"ms\":1,\"error\":null}\nnonsense\n",
			i == 1 ? "b" : "a", i, i % 2 ? "retry" : "delivered",
			i % 2 ? "null" : "200");
		model_take_log(m, line, (size_t)n);
	}
	assert_int_equal(m->attempt_count, MODEL_ATTEMPTS_MAX);
	assert_non_null(strstr(m->attempts[0].text, "try 2 "));
	assert_true(m->attempts[0].delivered);
	assert_non_null(strstr(m->attempts[MODEL_ATTEMPTS_MAX - 1].text, "retry        -"));
	model_look_at(m, NULL);
	assert_int_equal(m->attempt_count, 0);
}

/* ---- the view of it */

struct drawn {
	struct buf text;
	unsigned lines, selected;
};

static void draw_line(
	void *ctx, unsigned row, enum view_style style, bool selected, const char *text)
{
	struct drawn *d = ctx;

	(void)style;
	d->lines++;
	if (selected)
		d->selected = row;
	buf_addf(&d->text, "%s\n", text);
}

static struct drawn draw(struct view *v, const struct model *m)
{
	struct drawn d = { .text = BUF(1 << 20) };

	view_draw(v, m, 1000, draw_line, &d);
	return d;
}

static void keys(struct view *v, struct model *m, const char *typed)
{
	for (; *typed; typed++)
		assert_true(view_key(v, m, 1000, *typed));
}

static void nothing_that_acts_on_a_terminal_is_shown(void **state)
{
	static const char evil[] =
		"last_failure 2026-11-23T10:24:00.123Z\n"
		"state \033[31mx\nlast_error \033]0;t\a \xc2\x9b \xe2\x80\xae \xff\t\r\n";
	struct model *m = *state;
	struct view v;

	setlocale(LC_CTYPE, "C.UTF-8");
	model_take_names(m, "a\033[2J\001\x7f\xc2\x9b\n", 11);
	model_look_at(m, m->hooks->name);
	model_take_hook(m, m->hooks->name, evil, strlen(evil), 1000);
	model_take_destinations(m, "ready \033[H x\n", 12);
	model_take_errors(m, "T \033[H\n    \033c\n", 13);
	static const char line[] =
		"{\"hook\":\"\",\"outcome\":\"\\u001b[H\",\"error\":\"\\u009b\"}\n";
	model_take_log(m, line, strlen(line));
	for (int screen = 0; screen < 4; screen++) {
		view_init(&v, "/m\033[H", screen % 2);
		v.rows = screen < 2 ? 0 : 40;
		v.cols = 130;
		for (v.page = VIEW_HOOKS; v.page <= VIEW_HELP; v.page++) {
			free(v.selected);
			v.selected = strdup(m->hooks->name);
			struct drawn d = draw(&v, m);
			for (size_t i = 0; i < d.text.len; i++) {
				unsigned char c = (unsigned char)d.text.data[i];
				assert_true(c == '\n' || (c >= ' ' && c != 0x7f));
			}
			assert_null(strstr(buf_str(&d.text), "\xc2\x9b"));
			assert_null(strstr(buf_str(&d.text), "\xe2\x80\xae"));
			buf_release(&d.text);
		}
		view_release(&v);
	}
}

static void every_size_has_room(void **state)
{
	struct model *m = *state;
	struct view v;

	take_status(m, STATUS("1", "1"), 1000);
	model_take_names(m, "a\nb\nc\nd\ne\nf\n", 12);
	model_take_destinations(m, "ready x\nready y\n", 16);
	model_take_errors(m, "T x\n    Why.\nT x\n    Why.\n", 26);
	for (unsigned rows = 1; rows < 40; rows++) {
		for (unsigned cols = 1; cols < 140; cols += 7) {
			view_init(&v, "/mnt", true);
			v.rows = rows;
			v.cols = cols;
			struct drawn d = draw(&v, m);
			assert_true(d.lines <= rows);
			for (const char *at = buf_str(&d.text); *at; at += strcspn(at, "\n") + 1)
				if (strcspn(at, "\n") > cols + 2) /* a mark of 3 bytes */
					fail_msg("%u columns: %s", cols, at);
			buf_release(&d.text);
			view_release(&v);
		}
	}
}

static void the_line_that_is_selected_stays_on_the_page(void **state)
{
	struct model *m = *state;
	const char *hooks[50];
	struct buf names = BUF(10000);
	struct view v;

	for (int i = 0; i < 100; i++)
		buf_addf(&names, "h%02d\n", i);
	model_take_names(m, buf_str(&names), names.len);
	buf_release(&names);
	view_init(&v, "/mnt", false);
	v.rows = 20;
	v.cols = 100;
	struct drawn d = draw(&v, m);
	buf_release(&d.text);
	keys(&v, m, "n");
	for (int i = 0; i < 60; i++)
		assert_true(view_key(&v, m, 1000, VIEW_DOWN));
	d = draw(&v, m);
	assert_string_equal(v.selected, "h60");
	assert_non_null(strstr(buf_str(&d.text), "\nh60\n"));
	assert_null(strstr(buf_str(&d.text), "\nh61\n"));
	assert_int_equal(view_page_hooks(&v, hooks, 50), v.page_rows);
	assert_string_equal(hooks[v.page_rows - 1], "h60");
	buf_release(&d.text);
	keys(&v, m, "G");
	d = draw(&v, m);
	assert_non_null(strstr(buf_str(&d.text), "\nh99\n"));
	buf_release(&d.text);
	keys(&v, m, "/h0\n");
	d = draw(&v, m);
	assert_int_equal(v.shown_count, 10);
	assert_non_null(strstr(buf_str(&d.text), "\nh00\n"));
	buf_release(&d.text);
	/* What has gone is neither drawn nor reached by a key. */
	model_take_names(m, "x\n", 2);
	assert_true(view_key(&v, m, 1000, VIEW_ENTER));
	assert_true(view_key(&v, m, 1000, VIEW_ESCAPE));
	assert_int_equal(v.shown_count, 0);
	assert_false(view_key(&v, m, 1000, 'q'));
	view_release(&v);
}

static void those_that_fail_come_first(void **state)
{
	static const char fails[] = "state active\npending 0\nlast_success never\n"
				    "last_failure 2026-11-23T10:24:00.123Z\nlast_error x\n";
	static const char waits[] = "state active\npending 5\nlast_success never\n"
				    "last_failure never\nlast_error none\n";
	struct model *m = *state;
	struct view v;

	model_take_names(m, "a\nb\nc\n", 6);
	model_take_hook(m, "c", fails, strlen(fails), 1000);
	model_take_hook(m, "b", waits, strlen(waits), 1000);
	view_init(&v, "/mnt", false);
	struct drawn d = draw(&v, m);
	buf_release(&d.text);
	assert_string_equal(v.shown[0]->name, "c");
	assert_string_equal(v.shown[1]->name, "b");
	keys(&v, m, "p");
	d = draw(&v, m);
	buf_release(&d.text);
	assert_string_equal(v.shown[0]->name, "b");
	assert_string_equal(v.shown[1]->name, "a");
	keys(&v, m, "r");
	d = draw(&v, m);
	buf_release(&d.text);
	assert_string_equal(v.shown[2]->name, "b");
	view_release(&v);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_status_is_taken_whole_or_not),
		TEST(a_rate_is_what_was_gained_between_two_looks),
		TEST(a_rate_ends_when_nothing_more_is_gained),
		TEST(a_counter_that_went_back_began_anew),
		TEST(metrics_tell_of_all_hooks),
		TEST(hooks_that_metrics_omit_are_known_by_name),
		TEST(what_cannot_be_a_directory_is_no_hook),
		TEST(a_hooks_status_brings_its_error),
		TEST(errors_are_a_line_each),
		TEST(attempts_are_those_of_one_hook),
		TEST(nothing_that_acts_on_a_terminal_is_shown),
		TEST(every_size_has_room),
		TEST(the_line_that_is_selected_stays_on_the_page),
		TEST(those_that_fail_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
