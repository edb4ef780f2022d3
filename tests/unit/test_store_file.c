/* The file: what was committed survives kill -9; what is not ours is refused and left alone. */
#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void a_new_database_is_empty_and_private(void **state)
{
	char tag[16];

	(void)state;
	(void)umask(0);
	reopen();
	assert_false(store_changed(s));
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_backlog_bytes(s), 0);
	assert_int_equal(store_counter(s, "accepted"), 0);
	assert_int_equal(strlen(store_tag(s)), 12);
	(void)snprintf(tag, sizeof(tag), "%s", store_tag(s));
	(void)hook_add("h");
	assert_true(store_changed(s));
	commit();
	assert_int_equal(mode_of("queue.db"), 0600);
	assert_int_equal(mode_of("queue.db-wal"), 0600);
	assert_int_not_equal(access("queue.db-shm", F_OK), 0);
	reopen();
	assert_string_equal(store_tag(s), tag);
}

static void it_is_a_database_of_ours_that_syncs_its_log(void **state)
{
	(void)state;
	reopen();
	assert_int_equal(number("PRAGMA application_id"), 0x77686673);
	assert_int_equal(number("PRAGMA user_version"), SCHEMA_VERSION);
	assert_int_equal(number("PRAGMA auto_vacuum"), 2);
	assert_int_equal(number("PRAGMA synchronous"), 2);
	store_close(s);
	assert_int_equal(store_open(dir, false, NULL, NULL, &s), 0);
	assert_int_equal(number("PRAGMA synchronous"), 1);
}

/* Name, size, time of change and bytes of every file. */
static void dir_show(char *out, size_t size)
{
	struct dirent **entries;
	int count = scandir(".", &entries, NULL, alphasort);
	size_t len = 0;

	assert_true(count >= 2);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		struct stat st;
		uint64_t hash = 14695981039346656037u; /* FNV-1a */
		FILE *f;

		if (name[0] != '.') {
			assert_int_equal(stat(name, &st), 0);
			f = fopen(name, "r");
			assert_non_null(f);
			for (int c; (c = getc(f)) != EOF;)
				hash = (hash ^ (unsigned char)c) * 1099511628211u;
			(void)fclose(f);
			len += (size_t)snprintf(out + len, size - len, "%s %lld %lld.%09ld %llx\n",
				name, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
				st.st_mtim.tv_nsec, (unsigned long long)hash);
			assert_true(len < size);
		}
		free(entries[i]);
	}
	free(entries);
}

static void put(const char *name, const void *data, size_t len, int64_t at)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
	assert_int_equal(close(fd), 0);
}

static void make_ours(void)
{
	int64_t hook;

	reopen();
	hook = hook_add("h");
	for (int i = 0; i < 500; i++)
		(void)work_add(hook, i);
	commit();
	store_close(s);
	s = NULL;
}

static void make_text(void)
{
	put("queue.db", "hello\n", 6, 0);
}

static void make_zeros(void)
{
	static const char zeros[8192];

	put("queue.db", zeros, sizeof(zeros), 0);
}

static void make_foreign(void)
{
	alter("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
}

static void make_foreign_with_id(void)
{
	alter("PRAGMA application_id = 0x0f055112; CREATE TABLE t (x)");
}

static void make_newer(void)
{
	make_ours();
	alter("PRAGMA user_version = 4");
}

/* A newer version that was killed: what it wrote is in the log only. */
static void make_newer_in_log(void)
{
	sqlite3 *db;

	make_ours();
	assert_int_equal(sqlite3_open("queue.db", &db), SQLITE_OK);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(
		sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 4", NULL,
			NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(access("queue.db-wal", F_OK), 0);
}

static void make_short(void)
{
	make_ours();
	assert_int_equal(truncate("queue.db", 8192), 0);
}

static void make_scrambled(void)
{
	char junk[2000];

	make_ours();
	memset(junk, 0xa5, sizeof(junk));
	put("queue.db", junk, sizeof(junk), 100);
}

static void make_without_table(void)
{
	make_ours();
	alter("DROP TABLE seen");
}

static void make_older_without_table(void)
{
	version_1_make();
	alter("DROP TABLE seen");
}

static void make_older_without_totals(void)
{
	version_1_make();
	alter("DELETE FROM meta");
}

static void make_without_totals(void)
{
	make_ours();
	alter("DELETE FROM meta");
}

static void make_with_backlog_beyond_reason(void)
{
	make_ours();
	alter("UPDATE meta SET backlog_bytes = 9223372036854775807");
}

static void make_with_last_id(void)
{
	make_ours();
	alter("INSERT INTO hook (id, name) VALUES (9223372036854775807, 'last')");
}

static void make_empty_beside_hooks(void)
{
	make_ours();
	assert_int_equal(truncate("queue.db", 0), 0);
	assert_int_equal(unlink("queue.db-wal") < 0 && errno != ENOENT, 0);
	assert_int_equal(mkdir("hooks", 0700), 0);
}

static void make_cut_last_page(void)
{
	struct stat st;

	make_ours();
	assert_int_equal(stat("queue.db", &st), 0);
	assert_int_equal(truncate("queue.db", st.st_size - 1), 0);
}

static void make_log_with_broken_header(void)
{
	static const char junk[64] = "junk";

	make_ours();
	put("queue.db-wal", junk, sizeof(junk), 0);
}

static void make_log_alone(void)
{
	put("queue.db-wal", "x", 1, 0);
}

static void what_is_not_ours_is_refused_and_left_as_it_was(void **state)
{
	static const struct {
		void (*make)(void);
		const char *says;
	} rows[] = {
		{ make_text, "queue.db is not a database" },
		{ make_zeros, "queue.db is not a database" },
		{ make_foreign, "queue.db is another program's" },
		{ make_foreign_with_id, "another program's database (application id 0xf055112)" },
		{ make_newer, "queue.db was written by a newer webhookfs (format 4; this" },
		{ make_newer_in_log, "queue.db was written by a newer webhookfs" },
		{ make_short, "queue.db is damaged" },
		{ make_scrambled, "queue.db is damaged" },
		{ make_without_table, "queue.db is damaged (no such table: seen)" },
		{ make_without_totals, "queue.db is damaged" },
		{ make_with_backlog_beyond_reason, "queue.db is damaged" },
		{ make_with_last_id, "queue.db is damaged" },
		{ make_older_without_table, "queue.db is damaged (no such table: seen)" },
		{ make_older_without_totals, "queue.db is damaged" },
		{ make_log_alone, "queue.db-wal has no database" },
		{ make_cut_last_page, "queue.db is damaged" },
		{ make_log_with_broken_header, "queue.db-wal is damaged" },
		{ make_empty_beside_hooks, "queue.db is empty, and there are hooks" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char before[500], after[500];
		struct err err = { 0 };
		struct store *none = NULL;

		rows[i].make();
		dir_show(before, sizeof(before));
		assert_int_equal(store_open(dir, true, NULL, &err, &none), -EINVAL);
		dir_show(after, sizeof(after));
		assert_null(none);
		assert_int_equal(err.code, EINVAL);
		assert_non_null(strstr(err.sentence, rows[i].says));
		assert_non_null(strstr(err.sentence, dir));
		assert_non_null(strstr(err.sentence, "move")); /* it away, or remove it */
		assert_string_equal(after, before);
		(void)unlink("queue.db");
		(void)unlink("queue.db-wal");
		(void)unlink("queue.db-shm");
		(void)rmdir("hooks");
	}
}

/* The schema as SQL, without what was free in its layout. */
static void schema_show(char *out, size_t size)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(s->db,
				 "SELECT group_concat(sql, x'0a')"
				 " FROM (SELECT sql FROM sqlite_schema ORDER BY name)",
				 -1, &st, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_in_range(
		snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0)), 500, size - 1);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
}

static void version_1_is_brought_up_to_date(void **state)
{
	char fresh[4000], upgraded[4000];
	struct store_entry rows[2];
	struct store_delivery d;
	int64_t id;

	(void)state;
	reopen();
	schema_show(fresh, sizeof(fresh));
	store_close(s);
	s = NULL;
	assert_int_equal(unlink("queue.db"), 0);

	version_1_make();
	reopen();
	assert_false(store_changed(s));
	for (int i = 0; i < 2; i++) {
		assert_version_1();
		assert_int_equal(number("PRAGMA user_version"), SCHEMA_VERSION);
		schema_show(upgraded, sizeof(upgraded));
		assert_string_equal(upgraded, fresh);
		reopen();
	}
	assert_int_equal(store_list(s, 1, STORE_FAILED, 0, rows, 2), 2);
	assert_int_equal(rows[0].finished_ms, 200);
	assert_int_equal(rows[1].finished_ms, 300);
	assert_int_equal(store_delivery_get(s, 3, &d), 0);
	assert_int_equal(d.origin, 3);
	assert_string_equal(d.error, "HTTP 404");
	assert_int_equal(d.attempts, 4);
	store_delivery_release(&d);

	assert_int_equal(store_retire(s, 0, 300, UINT64_MAX, 10), 0);
	assert_string_equal(listed(1, STORE_FAILED), "5 ");
	assert_int_equal(store_kept_bytes(s), 11);
	assert_int_equal(store_delivery_replay(s, 5, 400), 0);
	assert_int_equal(store_delivery_done(s, 4, 2, NULL, 400), 0);
	assert_int_equal(store_delivery_repeat(s, 4, 400, &id), 0);
	assert_int_equal(id, 9);
	assert_int_equal(store_backlog_bytes(s), 33);
	assert_int_equal(store_kept_bytes(s), 11);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	struct err err = { 0 };
	struct store *none = NULL;

	(void)state;
	assert_int_equal(store_open("nowhere", true, NULL, &err, &none), -ENOENT);
	assert_non_null(strstr(err.sentence, "nowhere/queue.db"));
	assert_null(none);
}

/* Runs `work` in a process of its own, which gets the writing end of a pipe. */
static pid_t spawn(void (*work)(int out), int *from)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(ends[0]);
		(void)alarm(60); /* it does not outlive a test that fails */
		work(ends[1]);
		_exit(1);
	}
	(void)close(ends[1]);
	*from = ends[0];
	return pid;
}

static void end(pid_t pid, int from)
{
	int status;

	(void)close(from);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void hold(int out)
{
	if (store_open(".", true, NULL, NULL, &s) < 0 || write(out, "", 1) != 1)
		return;
	for (;;)
		(void)pause();
}

static void a_database_in_use_is_refused(void **state)
{
	struct err err = { 0 };
	struct store *none = NULL;
	char c;
	int from;
	pid_t pid = spawn(hold, &from);

	(void)state;
	assert_int_equal(read(from, &c, 1), 1);
	assert_int_equal(store_open(dir, true, NULL, &err, &none), -EBUSY);
	assert_non_null(strstr(err.sentence, "in use by another process"));
	assert_null(none);
	assert_int_equal(kill(pid, SIGKILL), 0);
	end(pid, from);
	reopen();
}

/* As a process that was killed in the middle of making the file would leave it. */
static void half_make(int out)
{
	sqlite3 *db;

	if (sqlite3_open("queue.db", &db) == SQLITE_OK &&
		sqlite3_exec(db,
			"PRAGMA cache_size = 1; BEGIN; CREATE TABLE a (x);"
			"WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n LIMIT 99)"
			" INSERT INTO a SELECT randomblob(1000) FROM n",
			NULL, NULL, NULL) == SQLITE_OK)
		(void)(write(out, "", 1) == 1 && kill(getpid(), SIGKILL));
}

static void a_database_half_made_is_made_anew(void **state)
{
	struct stat st;
	char c;
	int from;
	pid_t pid = spawn(half_make, &from);

	(void)state;
	assert_int_equal(read(from, &c, 1), 1);
	end(pid, from);
	assert_int_equal(stat("queue.db", &st), 0);
	assert_true(st.st_size > 4096);
	assert_int_equal(access("queue.db-journal", F_OK), 0);
	reopen();
	assert_int_equal(number("SELECT count(*) FROM sqlite_schema WHERE name = 'a'"), 0);
	(void)hook_add("h");
	commit();
}

/* ---- crashes */

#define CRASH_ROUNDS 20
#define CRASH_IDS    1500 /* at most, a round: some hundred commits */

/* Commits three events at a time, and reports each one's delivery when it is safe, until it is killed. */
static void add_for_ever(int out)
{
	int64_t event, id[3];

	if (store_open(".", true, NULL, NULL, &s) < 0)
		return;
	for (;;) {
		for (int i = 0; i < 3; i++)
			if (store_event_add(s, &sample, 1, &event) < 0 ||
				store_delivery_add(s, event, 1, "e", 1, &id[i]) < 0)
				return;
		if (store_commit(s) < 0 || write(out, id, sizeof(id)) != sizeof(id))
			return;
	}
}

/* Kills the process somewhere behind its report number `after`; how many ids it has reported in all. */
static int reports_until_kill(int64_t *ids, int after, long wait_ns)
{
	int from, count = 0;
	pid_t pid = spawn(add_for_ever, &from);

	/* It may report more between the last read and its death. */
	while (read(from, &ids[count], sizeof(*ids)) == sizeof(*ids)) {
		if (++count == after) {
			(void)nanosleep(&(struct timespec){ .tv_nsec = wait_ns }, NULL);
			assert_int_equal(kill(pid, SIGKILL), 0);
		}
		assert_true(count < 10 * CRASH_IDS);
	}
	end(pid, from);
	return count;
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	int64_t *ids = calloc(10 * CRASH_IDS, sizeof(*ids)), reported = 0;
	unsigned seed = 1;

	(void)state;
	assert_non_null(ids);
	reopen();
	assert_int_equal(hook_add("h"), 1);
	commit();
	for (int round = 0; round < CRASH_ROUNDS; round++) {
		int after = 1 + rand_r(&seed) % CRASH_IDS, count;
		int64_t stored;

		store_close(s);
		s = NULL;
		count = reports_until_kill(ids, after, rand_r(&seed) % 500000);
		reported += count;
		reopen();
		assert_int_equal(
			number("SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'"),
			0);
		for (int i = 0; i < count; i++) {
			struct store_delivery d;

			assert_int_equal(store_delivery_get(s, ids[i], &d), 0);
			assert_string_equal(d.rest, sample.rest);
			store_delivery_release(&d);
		}
		/* A commit that was not reported any more is there whole or not at all. */
		stored = number("SELECT count(*) FROM delivery");
		assert_int_equal(stored % 3, 0);
		assert_in_range(stored, reported, reported + 3);
		reported = stored;
		assert_hook(1, (uint64_t)stored, true, -1);
		assert_int_equal(store_backlog_bytes(s), stored * SAMPLE_BYTES);
	}
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_database_is_empty_and_private, enter, leave),
		cmocka_unit_test_setup_teardown(
			it_is_a_database_of_ours_that_syncs_its_log, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_is_not_ours_is_refused_and_left_as_it_was, enter, leave),
		cmocka_unit_test_setup_teardown(version_1_is_brought_up_to_date, enter, leave),
		cmocka_unit_test_setup_teardown(
			a_directory_that_is_not_there_is_named, enter, leave),
		cmocka_unit_test_setup_teardown(a_database_in_use_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(a_database_half_made_is_made_anew, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_was_acknowledged_survives_kill_9, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
