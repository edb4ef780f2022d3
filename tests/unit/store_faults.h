#pragma once
/*
 * A disk and a memory that fail on demand: an armed fault lets some calls through, then fails all
 * until it is disarmed. Both sit between SQLite and what it would use otherwise.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum fault_point { FAULT_WRITE, FAULT_SYNC, FAULT_READ, FAULT_MEMORY };

static const struct fault {
	enum fault_point point;
	int code;   /* what SQLite's file system says, */
	int system; /* with this errno, */
	int error;  /* and what the store makes of it */
} faults[] = {
	{ FAULT_WRITE, SQLITE_FULL, ENOSPC, -ENOSPC },
	{ FAULT_WRITE, SQLITE_IOERR_WRITE, EDQUOT, -ENOSPC },
	{ FAULT_WRITE, SQLITE_IOERR_WRITE, EIO, -EIO },
	{ FAULT_SYNC, SQLITE_IOERR_FSYNC, ENOSPC, -ENOSPC },
	{ FAULT_SYNC, SQLITE_IOERR_FSYNC, EIO, -EIO },
	{ FAULT_READ, SQLITE_IOERR_READ, EIO, -EIO },
	{ FAULT_MEMORY, SQLITE_NOMEM, 0, -ENOMEM },
};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

static const struct fault *armed; /* NULL: none */
static unsigned let_through;

static bool fails(enum fault_point point)
{
	if (!armed || armed->point != point)
		return false;
	if (let_through == 0)
		return true;
	let_through--;
	return false;
}

/* A file of the system's own file system, with faults in between. */
struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_file(sqlite3_file *f)
{
	return ((struct faulty_file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
	return real_file(f)->pMethods->xClose(real_file(f));
}

static int file_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	if (fails(FAULT_READ))
		return armed->code;
	return real_file(f)->pMethods->xRead(real_file(f), to, len, at);
}

static int file_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	if (fails(FAULT_WRITE))
		return armed->code;
	return real_file(f)->pMethods->xWrite(real_file(f), from, len, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_file(f)->pMethods->xTruncate(real_file(f), size);
}

/* The disk is not really asked: what is tested here is not the disk. */
static int file_sync(sqlite3_file *f, int flags)
{
	(void)f, (void)flags;
	return fails(FAULT_SYNC) ? armed->code : SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_file(f)->pMethods->xFileSize(real_file(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_file(f)->pMethods->xLock(real_file(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_file(f)->pMethods->xUnlock(real_file(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static int file_control(sqlite3_file *f, int what, void *arg)
{
	if (what == SQLITE_FCNTL_LAST_ERRNO && armed) {
		*(int *)arg = armed->system;
		return SQLITE_OK;
	}
	return real_file(f)->pMethods->xFileControl(real_file(f), what, arg);
}

static int file_sector(sqlite3_file *f)
{
	return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int file_device(sqlite3_file *f)
{
	return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	static const sqlite3_io_methods methods = {
		.iVersion = 1,
		.xClose = file_close,
		.xRead = file_read,
		.xWrite = file_write,
		.xTruncate = file_truncate,
		.xSync = file_sync,
		.xFileSize = file_size,
		.xLock = file_lock,
		.xUnlock = file_unlock,
		.xCheckReservedLock = file_reserved,
		.xFileControl = file_control,
		.xSectorSize = file_sector,
		.xDeviceCharacteristics = file_device,
	};
	struct faulty_file *file = (struct faulty_file *)f;
	sqlite3_vfs *real = vfs->pAppData;
	int code;

	file->real = (sqlite3_file *)(file + 1);
	code = real->xOpen(real, name, file->real, flags, out);
	file->base.pMethods = code == SQLITE_OK ? &methods : NULL;
	return code;
}

static int faulty_errno(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs, (void)size, (void)text;
	return armed ? armed->system : 0;
}

static sqlite3_mem_methods real_memory;

static void *faulty_malloc(int size)
{
	return fails(FAULT_MEMORY) ? NULL : real_memory.xMalloc(size);
}

static void *faulty_realloc(void *p, int size)
{
	return fails(FAULT_MEMORY) ? NULL : real_memory.xRealloc(p, size);
}

static inline void fault_need(int code)
{
	if (code != SQLITE_OK)
		abort();
}

/* Puts both into SQLite, before its first use. */
static inline void faults_install(void)
{
	static sqlite3_vfs vfs;
	sqlite3_mem_methods memory;
	sqlite3_vfs *real;

	fault_need(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory));
	memory = real_memory;
	memory.xMalloc = faulty_malloc;
	memory.xRealloc = faulty_realloc;
	fault_need(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory));

	real = sqlite3_vfs_find(NULL);
	vfs = *real;
	vfs.zName = "faulty";
	vfs.szOsFile += (int)sizeof(struct faulty_file);
	vfs.pAppData = real;
	vfs.xOpen = faulty_open;
	vfs.xGetLastError = faulty_errno;
	fault_need(sqlite3_vfs_register(&vfs, 1));
}
