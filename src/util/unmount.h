#pragma once
/*
 * unmount: takes a mount off without asking it anything: who has it open goes on until he closes.
 *
 * A plain user's mount is taken off by fusermount3. Errors: 0 or -errno.
 */
int unmount_lazily(const char *mountpoint);
