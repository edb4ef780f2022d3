#pragma once
/*
 * keeper: a process that keeps the mount while the daemon that serves it, its only child, comes and goes.
 *
 * It starts the daemon by fork, so a restart needs nothing from the disk; holds what the daemon
 * stores (service.h) and gives it to the next one; starts that when the daemon has ended and the
 * mount has not; and passes signals on. A daemon that ends again and again at once is given up: the
 * keeper unmounts and says why. It knows nothing else: no database, no secret, nothing of the tree.
 *
 * SIGTERM and SIGINT end both. SIGUSR2 is for an upgrade: the daemon leaves, and the keeper executes
 * its program's file anew, in the same process.
 */
#include "service.h"
#include "util/err.h"

struct keeper {
	char **argv;
	const char *mountpoint;
	bool background;      /* let go of the terminal once the daemon is ready */
	int *ready;           /* who waits for that; -1. Only the first daemon's */
	struct handed handed; /* to be given to the daemon */
	/* For the daemon: */
	int socket;      /* talks to the keeper */
	unsigned starts; /* so many came before, */
	char how[64];    /* and how the last one ended */
	/* Its own: */
	bool served; /* one of them was ready */
	int status;  /* to exit with */
	struct err err;
};

/* True: this is the daemon, in a new process. False: this is still the keeper, and all has ended. */
bool keeper_run(struct keeper *k);
