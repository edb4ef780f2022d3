#pragma once
/*
 * service: how a process talks to what has started it: systemd, or the keeper (keeper.h), which speaks the same
 * protocol: sd_notify(3), sd_listen_fds(3), and the descriptor store of systemd.service(5).
 *
 * Two descriptors are stored while a mount is served, and handed to the next daemon: its /dev/fuse as
 * SERVICE_MOUNT, and what is kept of it (fs/kept.h) as SERVICE_MEMORY. The first alone is a mount that was made
 * beforehand, and not yet served.
 *
 * Errors: 0 or -errno; -ENOTCONN: nobody listens.
 */
#include <stdbool.h>

#define SERVICE_MOUNT  "webhookfs-mount"
#define SERVICE_MEMORY "webhookfs-memory"

#define HANDED_MAX 64

struct handed {
	int pipes[HANDED_MAX]; /* of ListenFIFO= */
	int count;
	int mount;  /* /dev/fuse of what is mounted already; -1: we mount ourselves */
	int memory; /* of the daemon before; -1 */
};

/* What was handed over to this process; where the mount point is /dev/fd/N, which is how mount(8) hands one over, N is
 * the mount. To be called once, before any fork. They are closed on exec. */
void service_handed(const char *mountpoint, struct handed *out);
/* From now on this socket is talked to, a keeper's. */
void service_keeper(int socket);
bool service_listens(void); /* somebody */
int service_tell(const char *state);
/* Waits until what was told has been dealt with. */
int service_barrier(void);
/* A start that takes long says this at least once a minute, or systemd gives it up. */
void service_working(void);
/* -1: this one is stored already, or not to be. */
int service_store(int mount, int memory);
/* Whoever has the descriptors keeps the mount alive, though nobody serves it. */
void service_unstore(void);
