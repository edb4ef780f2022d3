/*
 * journal: what a crash has left of the log, and lines of the log behind it: (how, file, NUL), then
 * (rotate?, five texts, a NUL behind each) again and again. Half a line goes and nothing else does, each line
 * is one JSON object whatever is in it, and over rotations none is lost and none comes twice.
 */
#include "fuzz.h"

#include "model/logline.h"
#include "store/journal.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME      "log"
#define KEEP      3
#define LINES_MAX 32

static char dir[64];

static char *path_of(unsigned n, char out[96])
{
	if (n)
		(void)snprintf(out, 96, "%s/" NAME ".%u", dir, n);
	else
		(void)snprintf(out, 96, "%s/" NAME, dir);
	return out;
}

static void files_remove(void)
{
	char path[96];

	for (unsigned n = 0; n <= LINES_MAX; n++)
		(void)unlink(path_of(n, path));
}

static void clean(void)
{
	files_remove();
	(void)rmdir(dir);
}

static void start(void)
{
	json_object_seed(1);
	(void)snprintf(dir, sizeof(dir), "/dev/shm/fuzz-journal.XXXXXX");
	if (!mkdtemp(dir)) {
		(void)snprintf(dir, sizeof(dir), "/tmp/fuzz-journal.XXXXXX");
		CHECK(mkdtemp(dir));
	}
	CHECK(atexit(clean) == 0);
}

static void file_put(const char *data, size_t len)
{
	char path[96];
	int fd = open(path_of(0, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	(void)close(fd);
}

/* Appends the n-th file, where there is one. */
static void file_get(unsigned n, struct buf *out)
{
	char path[96], block[4096];
	int fd = open(path_of(n, path), O_RDONLY);
	ssize_t len;

	while (fd >= 0 && (len = read(fd, block, sizeof(block))) > 0)
		buf_add(out, block, (size_t)len);
	if (fd >= 0)
		(void)close(fd);
}

static void line_make(struct input *in, uint8_t how, struct buf *out)
{
	char *texts[5];

	for (int i = 0; i < 5; i++)
		texts[i] = input_string(in, '\0');
	if (how & 2)
		logline_dropped(how, texts[0], how, out);
	else
		logline_attempt(&(struct logline){ .time_ms = how,
					.hook = texts[0],
					.webhook_id = texts[1],
					.event_name = texts[2],
					.request_id = texts[3],
					.outcome = how & 4 ? "failed" : "delivered",
					.attempt = how,
					.http_status = how & 8 ? 200 : 0,
					.total_us = how * 1000u,
					.error = how & 16 ? texts[4] : NULL },
			out);
	for (int i = 0; i < 5; i++)
		free(texts[i]);
}

static void check_line(const struct buf *line, uint8_t how)
{
	json_error_t error;
	json_t *json = json_loadb(line->data, line->len, JSON_REJECT_DUPLICATES, &error);

	CHECK(!buf_error(line) && !memchr(line->data, '\n', line->len) && json_is_object(json));
	CHECK(json_object_size(json) == (how & 2 ? 4 : 10));
	CHECK(json_string_value(json_object_get(json, "hook")));
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct buf should = BUF(1 << 20), is = BUF(1 << 20);
	struct journal *j;
	size_t len, whole;
	char *left;
	unsigned rotations = 0;

	if (!*dir)
		start();
	files_remove();
	left = input_until(&in, '\0', &len);
	file_put(left, len);
	for (whole = len; whole && left[whole - 1] != '\n';)
		whole--;
	buf_add(&should, left, whole);
	CHECK(journal_open(dir, NAME, 1, &j) == 0 && journal_size(j) == whole);
	for (int i = 0; in.len && i < LINES_MAX; i++) {
		uint8_t how = input_byte(&in);
		struct buf line = BUF(LOGLINE_MAX);

		if (how & 1 && rotations < KEEP) {
			CHECK(journal_rotate(j, KEEP) == 0);
			rotations++;
		}
		line_make(&in, how, &line);
		if (!buf_error(&line)) {
			check_line(&line, how);
			CHECK(journal_add(j, line.data, line.len) == 0);
			buf_add(&should, line.data, line.len);
			buf_addc(&should, '\n');
		}
		buf_release(&line);
		if (how & 32)
			CHECK(journal_flush(j) == 0 && !journal_waits(j));
	}
	CHECK(journal_generation(j) == 1 + (int64_t)rotations);
	journal_close(j);
	for (unsigned n = KEEP + 1; n-- > 0;)
		file_get(n, &is);
	CHECK(is.len == should.len && !memcmp(buf_str(&is), buf_str(&should), is.len));
	buf_release(&should);
	buf_release(&is);
	free(left);
	return 0;
}
