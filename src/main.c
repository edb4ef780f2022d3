/*
 * main: options → state directory and mount point → engine and mount → run → exit.
 *
 * Exit status: 0 after a clean end, 1 when something failed, 2 for a wrong command line.
 */
#include "confine.h"
#include "engine.h"
#include "fs/fs.h"
#include "model/json.h"
#include "options.h"
#include "startup.h"
#include "top.h"
#include "unmounter.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Secrets are in memory: no core dump, no look by another process of the same user. */
static void hide_memory(bool hide)
{
	const struct rlimit none = { 0, 0 };
	if (hide)
		(void)setrlimit(RLIMIT_CORE, &none); /* lowering is always allowed */
	(void)prctl(PR_SET_DUMPABLE, hide ? 0 : 1);
}

static int serve(struct options *o, const struct handed *handed, int ready,
	struct unmounter *unmounter, struct err *err)
{
	struct engine *engine = NULL;
	struct fs *fs;
	bool mounted = false;
	unsigned confined = 0;
	int r = engine_new(o, err, &engine);
	for (int i = 0; i < handed->count && !r; i++)
		r = engine_take_pipe(engine, handed->pipes[i], err);
	if (!r)
		r = fs_mount(engine_tree(engine), o->state_dir, o->mountpoint, handed->device,
			o->fuse, o->debug, err, &fs);
	if (!r)
		r = engine_attach(engine, fs, err);
	if (!r) {
		/* All is open and mounted; there is no second thread yet. */
		if (unmounter->socket >= 0)
			confined = confine(o);
		engine_confined(engine, confined);
		startup_ready(ready);
		if (ready >= 0)
			log_to_syslog();
		r = engine_run(engine);
		startup_stopping();
		if (r)
			(void)err_set(err, -r, ERR_NO_COLUMN, "%s", strerror(-r));
		mounted = confined && engine_mounted(engine);
	}
	engine_free(engine);
	unmounter_finish(unmounter, mounted);
	return r;
}

/* Nobody serves a mount that was made beforehand: to look at it now would be to wait for ourselves. */
static int find_mountpoint(struct options *o, const struct handed *handed, struct err *err)
{
	char *real;
	if (handed->device >= 0)
		return 0;
	int r = startup_mountpoint(o->mountpoint, err, &real);
	if (r)
		return r;
	free(o->mountpoint);
	o->mountpoint = real;
	return 0;
}

static int run(struct options *o, struct err *err)
{
	int lock, ready = -1;
	struct handed handed;
	struct unmounter unmounter = UNMOUNTER_NONE;
	startup_handed(o->mountpoint, &handed);
	umask(077);
	hide_memory(true);
	int r = find_mountpoint(o, &handed, err);
	if (!r)
		r = startup_outside("fifo", o->fifo, o->mountpoint, err);
	if (!r)
		r = startup_outside("spool", o->spool, o->mountpoint, err);
	if (r)
		return r;
	/* The fork comes first: a lock and a database belong to the process that opened them. */
	if (!o->foreground && (r = startup_background(&ready)))
		return err_set(
			err, -r, ERR_NO_COLUMN, "cannot go to the background: %s", strerror(-r));
	/* While nothing secret has been read, and nothing is locked that it would hold. */
	if (o->confine && unmounter_start(o->mountpoint, &unmounter))
		log_warning("there is no process to unmount at the end: nothing is confined");
	r = startup_state_dir(o->state_dir, o->mountpoint, err, &lock);
	if (r) {
		unmounter_finish(&unmounter, false);
		return r;
	}
	r = serve(o, &handed, ready, &unmounter, err);
	close(lock);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	struct err err = { 0 };
	struct buf text = BUF(65536);
	/* Whatever is closed of 0 to 2 must not become a file of ours. */
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
	log_init(LOG_LEVEL_INFO);
	json_init();
	int r = options_parse(&o, argc, argv, &err), status = 0;
	if (r) {
		status = 2;
	} else if (o.action == OPTIONS_HELP) {
		options_help(&text);
		fputs(buf_str(&text), stdout);
	} else if (o.action == OPTIONS_VERSION) {
		puts("webhookfs " WEBHOOKFS_VERSION);
	} else if (o.action == OPTIONS_TOP) {
		r = top_become(o.mountpoint, &err);
		status = 1;
	} else {
		r = o.action == OPTIONS_MOUNT
			? startup_mount(o.state_dir, o.mountpoint, o.fuse, &err)
			: run(&o, &err);
		status = r ? 1 : 0;
	}
	if (r)
		log_error("%s", err.sentence);
	buf_release(&text);
	options_release(&o);
	hide_memory(false); /* nothing secret is left; a leak checker may look */
	return status;
}
