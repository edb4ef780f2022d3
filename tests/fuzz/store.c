/*
 * store: a good database, then patches of it, as bytes of the file or as values that rows hold (the first byte
 * says which). It is refused with a sentence, or used in every way there is: what is broken shows as an
 * error, nothing else. A database with rows is used twice, so that what was changed is read back.
 */
#include "fuzz.h"

#include "store/sqlite.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE_MAX (256 * 1024)

static char dir[64], db_path[80], wal_path[80];
static char base[BASE_MAX];
static size_t base_len;

static void good(int r)
{
	CHECK(r >= 0);
}

/* Whatever is in there, an error is one. */
static int any(int r)
{
	CHECK(r > -4096);
	return r;
}

static void base_fill(struct store *s)
{
	const struct store_event e = { .accepted_ms = 1000,
		.id = "key",
		.request_id = "r",
		.fields = "\"status\":\"ok\"",
		.result = "1",
		.rest = ",\"t\":\"" };
	int64_t a, b, event, id;

	good(store_hook_add(s, "a", &a));
	good(store_hook_add(s, "b", &b));
	good(store_hook_rename(s, b, "c"));
	good(store_counter_save(s, "accepted", 3));
	for (int i = 0; i < 6; i++) {
		good(store_event_add(s, &e, 1, &event));
		good(store_delivery_add(
			s, event, i & 1 ? a : b, "deployment_request_failed", 5, &id));
		if (i == 1)
			good(store_delivery_done(s, id, 1, "{\"n\":1}", 2000));
		else if (i == 2)
			good(store_delivery_failed(s, id, 1, "{\"n\":1}", 2000, "HTTP status 404"));
		else if (i == 3)
			good(store_delivery_retry(s, id, 1, "{\"n\":1}", 9000, "HTTP status 500"));
	}
	good(store_commit(s));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void clean(void)
{
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(void)
{
	struct store *s = NULL;
	struct err err = { 0 };
	int fd;

	(void)snprintf(dir, sizeof(dir), "/dev/shm/fuzz-store.XXXXXX");
	if (!mkdtemp(dir)) {
		(void)snprintf(dir, sizeof(dir), "/tmp/fuzz-store.XXXXXX");
		CHECK(mkdtemp(dir));
	}
	CHECK(atexit(clean) == 0);
	(void)snprintf(db_path, sizeof(db_path), "%s/queue.db", dir);
	(void)snprintf(wal_path, sizeof(wal_path), "%s/queue.db-wal", dir);
	CHECK(store_open(dir, false, NULL, &err, &s) == 0);
	base_fill(s);
	store_close(s);
	fd = open(db_path, O_RDONLY);
	base_len = (size_t)read(fd, base, sizeof(base));
	CHECK(base_len > 4096 && base_len < sizeof(base));
	(void)close(fd);
}

static void file_put(void)
{
	int fd;

	(void)unlink(wal_path);
	fd = open(db_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, base, base_len) == (ssize_t)base_len);
	(void)close(fd);
}

/* (offset, count, bytes) again and again. */
static void patch_bytes(struct input *in)
{
	int fd = open(db_path, O_WRONLY);

	while (in->len) {
		uint32_t offset = input_number(in) % (uint32_t)base_len;
		size_t len = input_byte(in) % 16;

		if (len > in->len)
			len = in->len;
		if (len == 0)
			CHECK(ftruncate(fd, offset) == 0);
		CHECK(pwrite(fd, in->data, len, offset) == (ssize_t)len);
		in->data += len;
		in->len -= len;
	}
	(void)close(fd);
}

/* (column, row, kind of value, value) again and again. */
static void patch_rows(struct input *in)
{
	static const char *const columns[] = { "hook id", "hook name", "hook renamed_from",
		"hook pending", "hook delivered", "hook failed", "hook last_success_ms",
		"hook last_error", "event id", "event refs", "event pending", "event bytes",
		"event accepted_ms", "event uid", "event request_id", "event fields",
		"event result", "event rest", "delivery id", "delivery event_id",
		"delivery hook_id", "delivery state", "delivery due_ms", "delivery attempts",
		"delivery event_name", "delivery error", "delivery finished_ms", "delivery origin",
		"delivery list", "seen key", "seen accepted_ms", "meta tag", "meta next_hook",
		"meta next_event", "meta next_delivery", "meta backlog_bytes", "meta kept_bytes",
		"counter name", "counter value" };
	sqlite3 *db;

	CHECK(sqlite3_open(db_path, &db) == SQLITE_OK);
	while (in->len) {
		const char *column = columns[input_byte(in) % (sizeof(columns) / sizeof(*columns))];
		const char *name = strchr(column, ' ') + 1;
		unsigned row = input_byte(in) % 6;
		uint8_t kind = input_byte(in);
		char sql[200];
		sqlite3_stmt *st;
		size_t len;
		char *value = input_until(in, '\0', &len);

		(void)snprintf(sql, sizeof(sql),
			"UPDATE %.*s SET %s = ?1 WHERE %s = (SELECT %s FROM %.*s LIMIT 1 OFFSET %u)",
			(int)(name - column), column, name, name, name, (int)(name - column),
			column, row);
		CHECK(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
		if (kind % 4 == 0)
			sqlite3_bind_int64(st, 1, INT64_MAX - (len ? (uint8_t)*value : 0));
		else if (kind % 4 == 1)
			sqlite3_bind_int64(st, 1, len ? (int8_t)*value : -INT64_MAX - 1);
		else if (kind % 4 == 2)
			sqlite3_bind_text(st, 1, value, (int)len, SQLITE_TRANSIENT);
		else
			sqlite3_bind_blob(st, 1, value, (int)len, SQLITE_TRANSIENT);
		(void)sqlite3_step(st);
		sqlite3_finalize(st);
		free(value);
	}
	sqlite3_close(db);
}

static void hook_seen(void *ctx, const struct store_hook *h)
{
	CHECK(h->name && h->last_error);
	if (*(unsigned *)ctx < 8)
		++*(unsigned *)ctx;
}

static void use_delivery(struct store *s, int64_t id, unsigned how)
{
	struct buf list = BUF(1 << 20);
	struct store_delivery d;
	enum store_state state;
	int64_t other;

	if (any(store_delivery_get(s, id, &d)) == 0) {
		CHECK(d.damaged || (d.event_name && d.request_id && d.fields && d.rest));
		CHECK(d.state <= STORE_FAILED);
		store_delivery_release(&d);
	}
	(void)any(store_attempts(s, id, &list));
	switch (how % 6) {
	case 0:
		(void)any(store_delivery_done(s, id, 2, "{}", 3000));
		break;
	case 1:
		(void)any(store_delivery_retry(s, id, 2, "{}", 3000, "again"));
		break;
	case 2:
		(void)any(store_delivery_failed(s, id, 2, "{}", 3000, NULL));
		break;
	case 3:
		(void)any(store_delivery_replay(s, id, 3000));
		break;
	case 4:
		(void)any(store_delivery_repeat(s, id, 3000, &other));
		break;
	case 5:
		(void)any(store_delivery_drop(s, id, &state));
		break;
	}
	buf_release(&list);
}

static void use(struct store *s, unsigned how)
{
	const struct store_event e = { .request_id = "r", .fields = "f", .rest = "x" };
	struct store_row rows[8];
	int64_t ids[8];
	struct store_entry entries[8];
	unsigned hooks = 0;
	int64_t id;
	int n;

	(void)any(store_hook_each(s, hook_seen, &hooks));
	(void)any(store_event_seen(s, "key", 0));
	(void)store_counter(s, "accepted");
	(void)store_backlog_bytes(s);
	(void)store_kept_bytes(s);
	CHECK(strlen(store_tag(s)) < 16);
	for (int64_t hook = 1; hook <= 2; hook++) {
		n = any(store_fresh(s, hook, 0, ids, 8));
		for (int i = 0; i < n; i++)
			use_delivery(s, ids[i], how + (unsigned)i);
		n = any(store_retries(s, hook, -1, 0, rows, 8));
		for (int i = 0; i < n; i++)
			use_delivery(s, rows[i].id, how + (unsigned)i);
		n = any(store_list(s, hook, (enum store_state)(how % 3), 0, entries, 8));
		for (int i = 0; i < n; i++)
			use_delivery(s, entries[i].id, how + (unsigned)i + 3);
		(void)any(store_oldest_pending(s, hook, entries));
	}
	if (any(store_event_add(s, &e, 1, &id)) == 0)
		(void)any(store_delivery_add(s, id, 1, "e", 0, &id));
	(void)any(store_clamp_due(s, 4000));
	(void)any(store_clamp_fresh(s, 1, 4000));
	(void)any(store_commit(s));
	(void)any(store_expire(s, 5000, 10));
	(void)any(store_retire(s, 2500, 2500, 10, 10));
	if (how & 4)
		(void)any(store_hook_remove(s, 1, &(uint64_t){ 0 }));
	(void)any(store_sweep(s, 10));
	(void)any(store_hook_renamed(s, 2));
	(void)any(store_commit(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	uint8_t how = input_byte(&in);

	if (!base_len)
		start();
	file_put();
	if (how & 0x80)
		patch_bytes(&in);
	else
		patch_rows(&in);
	for (unsigned again = 0; again < 2; again++) {
		struct store *s = NULL;
		struct err err = { 0 };
		int r = store_open(dir, false, NULL, &err, &s);

		if (r) {
			check_refusal(r, &err, 0, NULL, 0);
			break;
		}
		use(s, how + again);
		store_close(s);
	}
	return 0;
}
