/*
 * main of webhookfs-top, which `webhookfs --top MOUNTPOINT` becomes: a program of its own, so that the daemon has
 * nothing of ncurses in it.
 *
 * On a terminal: readings → model → view → screen, and keys → view. Elsewhere a table, once.
 *
 * Exit status: 0, or 1 where there is no such mount or it cannot be looked at.
 */
#include "top/mount.h"
#include "top/reader.h"
#include "top/screen.h"
#include "top/table.h"
#include "util/err.h"
#include "util/loop.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DRAW_MS   100  /* between two drawings that no key asked for */
#define TICK_MS   1000 /* while rates stand that time will end */
#define LOOK_MS   5000 /* does the reader get answers? */
#define SILENT_MS 3000 /* so long without one is said */

struct top {
	struct loop *loop;
	struct reader *reader;
	struct model *model;
	struct view view;
	int signals; /* of the terminal */
	bool end;
	bool news; /* not drawn yet */
	int64_t drawn_ms;
};

/* ---- readings */

static void take(struct top *t, const struct reading *r)
{
	struct view *v = &t->view;

	v->gone = r->kind == READER_GONE;
	if (r->kind == READER_ERRORS)
		v->no_errors = r->error == -EACCES;
	else if (r->kind == READER_LOG)
		v->no_log = r->error == -EACCES;
	if (r->error)
		return;
	if (r->kind == READER_STATUS)
		(void)model_take_status(t->model, r->text, r->len, r->time_ms);
	else if (r->kind == READER_METRICS)
		model_take_metrics(t->model, r->text, r->len, r->time_ms);
	else if (r->kind == READER_NAMES)
		model_take_names(t->model, r->text, r->len);
	else if (r->kind == READER_DESTINATIONS)
		model_take_destinations(t->model, r->text, r->len);
	else if (r->kind == READER_ERRORS)
		model_take_errors(t->model, r->text, r->len);
	else if (r->kind == READER_HOOK)
		model_take_hook(t->model, r->hook, r->text, r->len, r->time_ms);
	else if (t->model->detail && !strcmp(t->model->detail, r->hook))
		model_take_log(t->model, r->text, r->len);
}

static void readings_ready(void *ctx, uint32_t events)
{
	struct top *t = ctx;
	struct reading *next;

	(void)events;
	for (struct reading *r = reader_take(t->reader); r; r = next) {
		next = r->next;
		take(t, r);
		reading_free(r);
		t->news = true;
	}
}

/* ---- the screen */

static void draw(struct top *t)
{
	const char *hooks[READER_HOOKS_MAX];
	int64_t now_ms = loop_clock_ms(), waits_ms = reader_waits_since(t->reader);

	t->view.silent = waits_ms && now_ms - waits_ms > SILENT_MS;
	screen_begin();
	view_draw(&t->view, t->model, now_ms, screen_line, NULL);
	screen_end();
	reader_watch(t->reader, hooks, view_page_hooks(&t->view, hooks, READER_HOOKS_MAX),
		t->model->detail);
	t->news = false;
	t->drawn_ms = loop_now(t->loop).due_ms;
}

static void keys_ready(void *ctx, uint32_t events)
{
	struct top *t = ctx;
	int key;

	if (events & (EPOLLHUP | EPOLLERR)) {
		t->end = true; /* the terminal has gone */
		return;
	}
	while (!t->end && (key = screen_key()) >= 0)
		t->end = !view_key(&t->view, t->model, loop_clock_ms(), key);
	if (!t->end)
		draw(t);
}

static void terminal_ready(void *ctx, uint32_t events)
{
	struct top *t = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(t->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTSTP)
			screen_suspend();
	screen_resize(&t->view.rows, &t->view.cols);
	draw(t);
}

static void end_asked(void *ctx, int signo)
{
	(void)signo;
	((struct top *)ctx)->end = true;
}

/* ---- wiring */

static int open_terminal(struct top *t)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGTSTP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	t->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	r = t->signals < 0 ? -errno : loop_add(t->loop, t->signals, EPOLLIN, terminal_ready, t);
	if (!r)
		r = loop_add(t->loop, STDIN_FILENO, EPOLLIN, keys_ready, t);
	if (!r)
		r = loop_add(t->loop, reader_fd(t->reader), EPOLLIN, readings_ready, t);
	return r;
}

static int run(struct top *t)
{
	int r = 0;

	screen_resize(&t->view.rows, &t->view.cols);
	draw(t);
	while (!t->end && !r) {
		int64_t now_ms = loop_now(t->loop).due_ms;
		bool moves =
			t->view.gone || t->view.silent || model_moves(t->model, loop_clock_ms());
		int64_t until_ms = t->drawn_ms + (t->news ? DRAW_MS : moves ? TICK_MS : LOOK_MS);

		if (now_ms >= until_ms) {
			draw(t);
			continue;
		}
		r = loop_turn(t->loop, until_ms);
	}
	return r;
}

static int watch(const char *mountpoint, int root, bool utf8)
{
	struct top t = { .signals = -1, .model = model_new() };
	int r = loop_new(end_asked, &t, &t.loop);
	bool ended = true;

	view_init(&t.view, mountpoint, utf8);
	if (!r)
		r = reader_new(mountpoint, root, &t.reader);
	if (!r)
		r = open_terminal(&t);
	if (!r)
		r = run(&t);
	screen_close();
	if (r)
		fprintf(stderr, "webhookfs: %s\n", strerror(-r));
	ended = reader_free(t.reader);
	if (!ended)
		_exit(r ? 1 : 0); /* its thread waits for a mount that does not answer */
	if (t.signals >= 0)
		(void)close(t.signals);
	loop_free(t.loop);
	view_release(&t.view);
	model_free(t.model);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	bool utf8;
	int root, r;

	if (argc != 2) {
		fputs("usage: webhookfs --top MOUNTPOINT\n", stderr);
		return 2;
	}
	(void)setlocale(LC_CTYPE, ""); /* what it is, ASCII at worst */
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	r = mount_open(argv[1], &err, &root);
	if (!r && screen_open())
		return watch(argv[1], root, utf8) ? 1 : 0;
	if (!r)
		r = table_print(argv[1], root, utf8, stdout, &err);
	if (r)
		fprintf(stderr, "webhookfs: %s\n", err.sentence);
	return r ? 1 : 0;
}
