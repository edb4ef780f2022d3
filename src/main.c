/*
 * main: options → state directory and mount point → engine and mount → run → exit.
 *
 * Exit status: 0 after a clean end, 1 when something failed, 2 for a wrong command line, STARTUP_LEFT when the mount
 * has been left to the next daemon.
 */
#include "confine.h"
#include "engine.h"
#include "fs/fs.h"
#include "fs/kept.h"
#include "handover.h"
#include "keeper.h"
#include "model/json.h"
#include "options.h"
#include "service.h"
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

/* What main and its parts share. */
struct daemon {
	struct options *o;
	struct handed handed;
	struct kept *kept;
	struct unmounter unmounter;
	int ready; /* who waits for the mount; -1 */
	bool left; /* the mount, to the next daemon */
};

/* Secrets are in memory: no core dump, no look by another process of the same user. */
static void hide_memory(bool hide)
{
	const struct rlimit none = { 0, 0 };
	if (hide)
		(void)setrlimit(RLIMIT_CORE, &none); /* lowering is always allowed */
	(void)prctl(PR_SET_DUMPABLE, hide ? 0 : 1);
}

/* Somebody else takes the mount off: the keeper, or who has made it. */
static bool is_cared_for(const struct daemon *d)
{
	return d->o->keep || kept_mount(d->kept)->beforehand;
}

static int mount_it(struct daemon *d, struct engine *engine, struct err *err)
{
	struct options *o = d->o;
	struct err why;
	struct fs *fs;
	int r = fs_mount(engine_tree(engine), d->kept, o->state_dir, o->mountpoint, d->handed.mount,
		o->fuse, o->debug, err, &fs);
	if (!r && service_listens() && handover_keep(&d->handed, fs, d->kept, &why))
		log_line(o->keep ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s", why.sentence);
	return r ? r : engine_attach(engine, fs, err);
}

static int serve(struct daemon *d, struct err *err)
{
	struct engine *engine = NULL;
	bool mounted = false;
	unsigned confined = 0;
	int r = engine_new(d->o, err, &engine);
	for (int i = 0; i < d->handed.count && !r; i++)
		r = engine_take_pipe(engine, d->handed.pipes[i], err);
	if (!r)
		r = mount_it(d, engine, err);
	if (!r) {
		/* All is open and mounted; there is no second thread yet. */
		if (is_cared_for(d) || d->unmounter.socket >= 0)
			confined = confine(d->o);
		engine_confined(engine, confined);
		startup_ready(d->ready);
		if (!d->o->foreground)
			log_to_syslog();
		r = engine_run(engine);
		if (r)
			(void)err_set(err, -r, ERR_NO_COLUMN, "%s", strerror(-r));
		d->left = !r && engine_leaves(engine);
		if (!r && !d->left) {
			(void)service_tell("STOPPING=1"); /* or nobody listens */
			service_unstore();
		}
		/* libfuse unmounts what it has mounted, if it may. */
		mounted = (confined || d->handed.mount >= 0) && !d->left && engine_mounted(engine);
	}
	engine_free(engine);
	unmounter_finish(&d->unmounter, mounted);
	return r;
}

/* Which mount it is, and who will take it off. */
static int prepare(struct daemon *d, struct err *err)
{
	struct options *o = d->o;
	struct err why = { 0 };
	int r = handover_take(&d->handed, o, &why, &d->kept);
	if (r && r != -ENOENT)
		log_warning(
			"the mount of the daemon before cannot be gone on with: %s", why.sentence);
	if (!r && d->handed.memory >= 0)
		log_info("the mount on %s goes on", o->mountpoint);
	if (r)
		r = handover_begin(o, err, &d->kept);
	if (!r)
		r = startup_outside("fifo", o->fifo, o->mountpoint, err);
	if (!r)
		r = startup_outside("spool", o->spool, o->mountpoint, err);
	if (r || is_cared_for(d) || !(o->confine || d->handed.mount >= 0))
		return r;
	/* While nothing secret has been read, and nothing is locked that it would hold. */
	if (unmounter_start(o->mountpoint, &d->unmounter))
		log_warning("there is no process to unmount at the end: nothing is confined");
	return 0;
}

static int start(struct daemon *d, struct err *err)
{
	int lock, r = prepare(d, err);
	if (!r)
		r = startup_state_dir(d->o->state_dir, d->o->mountpoint, err, &lock);
	if (!r) {
		r = serve(d, err);
		close(lock);
	}
	unmounter_finish(&d->unmounter, false);
	/* Who waits in the mount would wait for ever. A keeper counts how often it has tried. */
	if (r && !d->o->keep)
		service_unstore();
	kept_free(d->kept);
	return r ? 1 : d->left ? STARTUP_LEFT : 0;
}

/* True in the daemon. */
static bool keep(struct daemon *d, char **argv, struct err *err, int *status)
{
	char *path = startup_path(d->o->mountpoint);
	struct keeper k = { .argv = argv,
		.mountpoint = path ? path : d->o->mountpoint,
		.background = d->ready >= 0,
		.ready = &d->ready,
		.handed = d->handed };
	bool is_daemon = keeper_run(&k);
	free(path);
	if ((!is_daemon || k.starts) && !d->o->foreground)
		log_to_syslog();
	if (!is_daemon) {
		*err = k.err;
		*status = k.status;
		return false;
	}
	if (k.starts)
		log_warning("the daemon %s, and is started anew", k.how);
	service_keeper(k.socket);
	d->handed = k.handed;
	return true;
}

static int run(struct options *o, char **argv, struct err *err)
{
	struct daemon d = { .o = o, .unmounter = UNMOUNTER_NONE, .ready = -1 };
	int status;
	service_handed(o->mountpoint, &d.handed);
	umask(077);
	hide_memory(true);
	bool beforehand = handover_is_beforehand(&d.handed);
	/* The fork comes first: a lock and a database belong to the process that opened them. A keeper that was
	 * executed anew is in the background already. */
	int r = o->foreground || (d.handed.mount >= 0 && !beforehand)
		? 0
		: startup_background(&d.ready);
	if (r) {
		(void)err_set(
			err, -r, ERR_NO_COLUMN, "cannot go to the background: %s", strerror(-r));
		return 1;
	}
	if (beforehand)
		o->keep = false; /* who has made it keeps it */
	if (o->keep && !keep(&d, argv, err, &status))
		return status;
	return start(&d, err);
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
	int status = 0;
	if (options_parse(&o, argc, argv, &err)) {
		status = 2;
	} else if (o.action == OPTIONS_HELP) {
		options_help(&text);
		fputs(buf_str(&text), stdout);
	} else if (o.action == OPTIONS_VERSION) {
		puts("webhookfs " WEBHOOKFS_VERSION);
	} else if (o.action == OPTIONS_TOP) {
		(void)top_become(o.mountpoint, &err);
		status = 1; /* it has not */
	} else if (o.action == OPTIONS_MOUNT) {
		status = startup_mount(o.state_dir, o.mountpoint, o.fuse, &err) ? 1 : 0;
	} else if (o.action == OPTIONS_UNMOUNT) {
		status = startup_unmount(o.mountpoint, &err) ? 1 : 0;
	} else {
		status = run(&o, argv, &err);
	}
	if (err.code)
		log_error("%s", err.sentence);
	buf_release(&text);
	options_release(&o);
	hide_memory(false); /* nothing secret is left; a leak checker may look */
	return status;
}
