/*
 * The database file: looked at before it is touched, made whole or not at all, opened, closed.
 *
 * The application id and the schema's version stand in the first 100 bytes of the file
 * (sqlite.org/fileformat2.html, §1.3). They are written by the transaction that makes the schema,
 * before the file goes over to WAL, so the file itself tells them even where a log lies beside it,
 * and a foreign or newer file is turned away before SQLite does anything to it.
 *
 * What is broken is found as far as it is cheap: the header, a file shorter than the header says
 * (SQLite checks that), every table that a statement names (they are prepared), the row of totals,
 * and the way to the last row of the large tables. `PRAGMA quick_check` reads every page, which
 * takes seconds with a million deliveries waiting; damage elsewhere shows as -EIO when it is met.
 */
#include "store/sqlite.h"
#include "util/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LEN     100
#define HEADER_PAGE    16 /* two bytes */
#define HEADER_VERSION 60 /* offsets of big-endian numbers of 4 bytes */
#define HEADER_ID      68
#define WAL_MAGIC      0x377f0682 /* or one more */

/* The file is ours alone (EXCLUSIVE, which also spares the shared memory of WAL). The log is copied
 * into the file every 4,000 pages, 16 MiB: with fewer it costs more, with more a turn now and then
 * waits long for it. The log's file keeps its room up to 64 MiB, since overwriting syncs faster
 * than growing. A cache larger than SQLite's 2 MB gained nothing with a million deliveries waiting:
 * the kernel has the pages. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
			       "PRAGMA journal_mode = WAL;"
			       "PRAGMA wal_autocheckpoint = 4000;"
			       "PRAGMA journal_size_limit = 67108864;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA trusted_schema = OFF;";

/* The file being opened, and what of it was there before. */
struct file {
	const char *path;
	char *wal, *journal;
	char *hooks; /* their directory */
	bool new;
	bool made;    /* by this start */
	bool had_wal; /* with something in it */
	bool had_journal;
};

static int file_error(const struct store *s, const struct file *f, int code, struct err *err)
{
	const char *reason = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
	int system = s->db ? sqlite3_system_errno(s->db) : 0;

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(
			err, EBUSY, ERR_NO_COLUMN, "%s is in use by another process", f->path);
	case SQLITE_ERROR: /* a table or an index is missing */
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s is damaged (%s): restore it from a backup, or move it and %s away to "
			"start with an empty queue",
			f->path, reason, f->wal);
	case SQLITE_NOMEM:
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory to open %s", f->path);
	case SQLITE_FULL:
		return err_set(err, ENOSPC, ERR_NO_COLUMN, "no space on the disk for %s", f->path);
	default:
		return err_set(err, system ? system : EIO, ERR_NO_COLUMN, "cannot open %s: %s",
			f->path, system ? strerror(system) : reason);
	}
}

/* What stopped an upgrade is told as what stops an opening, with what has become of the file. */
static int upgrade_error(
	const struct store *s, const struct file *f, int code, int64_t version, struct err *err)
{
	struct err why = { 0 };
	int error = file_error(s, f, code, &why);

	if (error == -EINVAL)
		return err_set(err, EINVAL, ERR_NO_COLUMN, "%s", why.sentence);
	return err_set(err, -error, ERR_NO_COLUMN,
		"%s; it stays in format %lld, and is brought to format %d by the next start with "
		"as much free space as it has bytes",
		why.sentence, (long long)version, SCHEMA_VERSION);
}

static uint32_t header_number(const unsigned char *header, int offset)
{
	const unsigned char *at = header + offset;

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* One that cannot be looked at may: whoever reads it is told what is wrong. */
static bool file_holds_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size > 0 : errno != ENOENT;
}

/* 0 where there is none. SQLite would follow a link, wait for a pipe, or say nothing that helps. */
static int plain_check(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN,
		"%s is no regular file: move it away, and put back the one that was there (a link "
		"may lead to the whole state directory)",
		path);
}

/* Of a log whose header is broken SQLite would take nothing, and then overwrite it. One that a power cut
 * has left may begin with zeros. */
static int log_check(const struct file *f, struct err *err)
{
	unsigned char header[32] = { 0 };
	static const unsigned char zeros[sizeof(header)];
	int fd = open(f->wal, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : pread(fd, header, sizeof(header), 0);

	if (fd >= 0)
		close(fd);
	if (len < (ssize_t)sizeof(header) || !memcmp(header, zeros, sizeof(zeros)) ||
		(header_number(header, 0) & ~1u) == WAL_MAGIC)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN,
		"%s is damaged, and %s lacks what is in it: restore both from a backup, or move "
		"the first one away to go on without its latest events",
		f->wal, f->path);
}

static int files_check(const struct file *f, struct err *err)
{
	int error = plain_check(f->path, err);

	if (!error)
		error = plain_check(f->wal, err);
	if (!error)
		error = plain_check(f->journal, err);
	return error ? error : log_check(f, err);
}

/* Looks at what is there, and makes an empty file where there is none. */
static int file_prepare(struct file *f, struct err *err)
{
	int fd, error = files_check(f, err);

	if (error)
		return error;
	f->new = !file_holds_bytes(f->path);
	f->had_wal = file_holds_bytes(f->wal);
	f->had_journal = file_holds_bytes(f->journal);
	/* SQLite would drop the log, and with it what the moved database lacks. */
	if (f->new && f->had_wal)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s has no database to belong to: put %s back, or move %s away too", f->wal,
			f->path, f->wal);
	/* We make it before there are hooks, so it was not always empty. */
	if (f->new && !f->had_journal && access(f->path, F_OK) == 0 && access(f->hooks, F_OK) == 0)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s is empty, and there are hooks: restore it from a backup, or remove it "
			"to start with an empty queue",
			f->path);
	/* By us, since SQLite would make it 0644; the log gets the mode of the file. */
	fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_set(
			err, errno, ERR_NO_COLUMN, "cannot make %s: %s", f->path, strerror(errno));
	f->made = fd >= 0;
	if (fd >= 0)
		close(fd);
	return 0;
}

/* One number from a query or a pragma. A query without a row has no sense here: it is damage. */
static int ask(struct store *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st); /* repeats the step's error */
	return code == SQLITE_ROW ? SQLITE_OK : code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

static int identity_check(const struct file *f, uint32_t id, int64_t version, struct err *err)
{
	if (id != APPLICATION_ID)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s is another program's database (application id %#x): move it away, or "
			"use another state directory",
			f->path, id);
	if (version > SCHEMA_VERSION)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s was written by a newer webhookfs (format %lld; this one knows %d): use "
			"that version, or move the file and %s away to start with an empty queue",
			f->path, (long long)version, SCHEMA_VERSION, f->wal);
	return 0;
}

/* SQLite takes a last page that breaks off for whole, with zeros at its end. */
static int length_check(sqlite3_file *file, const unsigned char *header)
{
	int page_size = header[HEADER_PAGE] << 8 | header[HEADER_PAGE + 1];
	sqlite3_int64 size = 0;
	int code = file->pMethods->xFileSize(file, &size);

	if (code == SQLITE_OK && page_size >= 512 && size % page_size)
		code = SQLITE_CORRUPT;
	return code;
}

/* Reads the header through SQLite's descriptor: closing one of our own would drop its locks. */
static int header_check(const struct store *s, const struct file *f, struct err *err)
{
	unsigned char header[HEADER_LEN] = { 0 };
	sqlite3_file *file = NULL;
	int code = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (code == SQLITE_OK)
		code = file->pMethods->xRead(file, header, sizeof(header), 0);
	/* What is short is filled up with zeros, and no header ends in those. */
	if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
		return file_error(s, f, code, err);
	if (code == SQLITE_OK && !f->had_wal)
		code = length_check(file, header);
	if (code == SQLITE_CORRUPT)
		return file_error(s, f, code, err);
	if (memcmp(header, "SQLite format 3", 16) != 0)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s is not a database: restore it from a backup, or move it away to start "
			"with an empty queue",
			f->path);
	return identity_check(
		f, header_number(header, HEADER_ID), header_number(header, HEADER_VERSION), err);
}

/* The ids never go back below what is there, whatever the row of totals says. */
static int totals_load(struct store *s)
{
	static const char *const query[] = {
		/* Buried ones count as well. */
		("SELECT max(next_hook, (SELECT ifnull(max(id), 0) + 1 FROM hook),"
		 " (SELECT ifnull(-min(id), 0) + 1 FROM hook)) FROM meta"),
		"SELECT max(next_event, (SELECT ifnull(max(id), 0) + 1 FROM event)) FROM meta",
		"SELECT max(next_delivery, (SELECT ifnull(max(id), 0) + 1 FROM delivery)) FROM meta",
		"SELECT backlog_bytes FROM meta",
		"SELECT kept_bytes FROM meta",
	};
	int64_t *const number[] = { &s->now.next_hook, &s->now.next_event, &s->now.next_delivery,
		&s->now.backlog_bytes, &s->now.kept_bytes };
	int code = SQLITE_OK;

	for (size_t i = 0; i < sizeof(query) / sizeof(query[0]) && code == SQLITE_OK; i++) {
		code = ask(s, query[i], number[i]);
		if (code == SQLITE_OK && !store_number_good(*number[i]))
			code = SQLITE_CORRUPT;
	}
	s->committed = s->now;
	return code;
}

static int tag_load(struct store *s)
{
	sqlite3_stmt *st = NULL;
	const char *tag = NULL;
	int code = sqlite3_prepare_v2(s->db, "SELECT tag FROM meta", -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		tag = (const char *)sqlite3_column_text(st, 0);
	if (tag)
		(void)snprintf(s->tag, sizeof(s->tag), "%s", tag); /* never longer in our files */
	(void)sqlite3_finalize(st);                                /* repeats the step's error */
	return tag ? SQLITE_OK : code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

static int statements_prepare(struct store *s)
{
	int code = SQLITE_OK;

	for (int i = 0; i < STATEMENT_COUNT && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&s->statements[i], NULL);
	return code;
}

static int settings_make(struct store *s, bool full_sync)
{
	const char *sync = full_sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
	int code = sqlite3_exec(s->db, settings, NULL, NULL, NULL);

	return code == SQLITE_OK ? sqlite3_exec(s->db, sync, NULL, NULL, NULL) : code;
}

/* Brings the schema up to date and uses all of it for the first time. An older file is changed only
 * if all that goes well. */
static int store_load(struct store *s, int64_t version, const struct store_watcher *watcher)
{
	bool old = version < SCHEMA_VERSION;
	int code = old ? schema_upgrade(s->db, (unsigned)version, watcher) : SQLITE_OK;

	if (code == SQLITE_OK)
		code = statements_prepare(s);
	if (code == SQLITE_OK)
		code = totals_load(s);
	if (code == SQLITE_OK)
		code = tag_load(s);
	if (code == SQLITE_OK && old)
		code = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	return code;
}

/* Looks, makes what is missing, loads. On failure the file is as it was. */
static int file_open(struct store *s, struct file *f, bool full_sync,
	const struct store_watcher *watcher, struct err *err)
{
	int64_t pages, id, version;
	int code = sqlite3_open_v2(f->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int error;

	if (code != SQLITE_OK)
		return file_error(s, f, code, err);
	if (sqlite3_db_readonly(s->db, "main"))
		return err_set(err, EACCES, ERR_NO_COLUMN,
			"%s cannot be written: its file system is read-only, or its mode lacks u+w",
			f->path);
	/* The making of the file was cut short: SQLite takes it back, and it is new or whole. */
	if (f->had_journal && !f->new) {
		code = ask(s, "PRAGMA page_count", &pages);
		if (code == SQLITE_OK)
			f->new = pages == 0;
	}
	if (code == SQLITE_OK && !f->new) {
		error = header_check(s, f, err);
		if (error)
			return error;
	}
	/* Until all is found well, closing leaves a log that was there where it is. */
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, f->had_wal, NULL);
	if (code == SQLITE_OK && f->new)
		code = schema_make(s->db);
	if (code == SQLITE_OK)
		code = settings_make(s, full_sync);
	if (code == SQLITE_OK)
		code = ask(s, "PRAGMA application_id", &id);
	if (code == SQLITE_OK)
		code = ask(s, "PRAGMA user_version", &version);
	if (code != SQLITE_OK)
		return file_error(s, f, code, err);
	/* Again, for what the log may have changed. */
	error = identity_check(f, (uint32_t)id, version, err);
	if (error)
		return error;
	if (version < 1)
		return file_error(s, f, SQLITE_CORRUPT, err);
	code = store_load(s, version, watcher);
	if (code != SQLITE_OK && version < SCHEMA_VERSION)
		return upgrade_error(s, f, code, version, err);
	if (code != SQLITE_OK)
		return file_error(s, f, code, err);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return 0;
}

/* One thread uses SQLite, and nobody asks what memory it has: no locks then, at each allocation. It refuses
 * when it is in use already, in a process that opens a second store. */
static void sqlite_alone(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int store_open(const char *dir, bool full_sync, const struct store_watcher *watcher,
	struct err *err, struct store **out)
{
	struct store *s = calloc(1, sizeof(*s));
	char *path;
	struct file f = { 0 };
	int error;

	sqlite_alone();
	path = sqlite3_mprintf("%s/queue.db", dir);
	f.path = path;
	f.wal = sqlite3_mprintf("%s-wal", path);
	f.journal = sqlite3_mprintf("%s-journal", path);
	f.hooks = sqlite3_mprintf("%s/hooks", dir);
	if (!s || !path || !f.wal || !f.journal || !f.hooks) {
		error = err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory to open %s/queue.db", dir);
	} else {
		error = file_prepare(&f, err);
		if (!error)
			error = file_open(s, &f, full_sync, watcher, err);
	}
	if (!error)
		*out = s;
	else
		store_close(s);
	if (error && f.made && !file_holds_bytes(path))
		(void)unlink(path); /* or the next start would miss what was in it */
	sqlite3_free(path);
	sqlite3_free(f.wal);
	sqlite3_free(f.journal);
	sqlite3_free(f.hooks);
	return error;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	(void)store_fail(s, 0);
	for (int i = 0; i < STATEMENT_COUNT; i++)
		(void)sqlite3_finalize(s->statements[i]); /* NULL is fine; repeats old errors */
	/* What it could not copy from the log into the file stays in the log. */
	(void)sqlite3_close(s->db);
	free(s);
}
