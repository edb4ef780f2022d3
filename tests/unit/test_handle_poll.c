/* Who polls an open file is told of news, and sees them; who does not goes on reading what it opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "fs/handle.h"
#include "model/attributes.h"
#include "model/registry.h"
#include "util/err.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOOK_ID  5
#define NEWS     (POLLIN | POLLRDNORM | POLLPRI)
#define WRITABLE (POLLOUT | POLLWRNORM)
#define ALWAYS   (POLLIN | POLLRDNORM | WRITABLE)

/* The engine's part: one hook, whose status and test are these texts, and two logs. */
static struct {
	const char *status, *test;
	uint64_t edition;
	bool gone;
	int logs[2];
	int64_t log; /* the one in use */
	int holds[2];
	unsigned shows;
} engine;

static struct types types;
static const struct attributes attributes;
static struct tree tree;

static void show_hook_status(void *ctx, int64_t id, struct buf *out)
{
	(void)ctx, (void)id;
	engine.shows++;
	buf_adds(out, engine.status);
}

static void show_test(void *ctx, int64_t id, struct buf *out)
{
	(void)ctx, (void)id;
	buf_adds(out, engine.test);
}

static int edition(void *ctx, enum topic topic, int64_t id, struct edition *out)
{
	(void)ctx, (void)topic;
	if (engine.gone || id != HOOK_ID)
		return -ENOENT;
	*out = (struct edition){ engine.edition, 0 };
	return 0;
}

static int64_t log_generation(void *ctx)
{
	(void)ctx;
	return engine.log;
}

static int log_fd(void *ctx, int64_t generation)
{
	(void)ctx;
	return generation == engine.log || engine.holds[generation] ? engine.logs[generation]
								    : -ESTALE;
}

static int log_hold(void *ctx, int64_t generation)
{
	engine.holds[generation]++;
	return log_fd(ctx, generation);
}

static void log_release(void *ctx, int64_t generation)
{
	(void)ctx;
	engine.holds[generation]--;
}

static int enter(void **state)
{
	struct registry *r = registry_new();
	struct hook *h;

	(void)state;
	memset(&engine, 0, sizeof(engine));
	engine.status = "state active\npending 0\n";
	engine.test = "";
	for (int i = 0; i < 2; i++)
		engine.logs[i] = memfd_create("log", MFD_CLOEXEC);
	(void)types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
	h = hook_new("h", &types);
	h->id = HOOK_ID;
	registry_add(r, h);
	tree = (struct tree){ .registry = r,
		.types = &types,
		.attributes = &attributes,
		.backend = { .show_hook_status = show_hook_status,
			.show_test = show_test,
			.edition = edition,
			.log_generation = log_generation,
			.log_fd = log_fd,
			.log_hold = log_hold,
			.log_release = log_release } };
	return 0;
}

static int leave(void **state)
{
	(void)state;
	registry_free((struct registry *)tree.registry);
	return close(engine.logs[0]) || close(engine.logs[1]);
}

static struct node find(const char *path)
{
	struct node n;
	char copy[64];

	assert_int_equal(tree_node(&tree, TREE_ROOT_INO, &n), 0);
	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *rest, *name = strtok_r(copy, "/", &rest); name;
		name = strtok_r(NULL, "/", &rest)) {
		struct node dir = n;
		assert_int_equal(tree_lookup(&tree, &dir, name, &n), 0);
	}
	return n;
}

static struct handle *open_file(const char *path, int flags)
{
	struct node n = find(path);
	struct handle *h;

	assert_int_equal(handle_open(&tree, &n, flags, false, (struct who){ 0 }, NULL, &h), 0);
	return h;
}

static void close_file(struct handle *h)
{
	handle_close(h, &tree);
}

static const char *read_at(struct handle *h, off_t offset)
{
	static char text[256];
	char scratch[256];
	const char *data = "";
	ssize_t n = handle_read(h, &tree, 255, offset, scratch, &data);

	assert_in_range(n, 0, 255);
	memcpy(text, data, (size_t)n);
	text[n] = '\0';
	return text;
}

static void changes_to(const char *status)
{
	engine.edition++;
	engine.status = status;
}

static void who_does_not_poll_reads_what_it_opened(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	changes_to("b\n");
	assert_string_equal(read_at(h, 0), "state active\npending 0\n");
	changes_to("c\n");
	assert_string_equal(read_at(h, 0), "state active\npending 0\n");
	assert_string_equal(read_at(h, 13), "pending 0\n");
	close_file(h);
}

static void it_is_ready_until_it_has_been_read_and_again_after_a_change(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	assert_int_equal(handle_poll(h, &tree), NEWS);
	assert_int_equal(handle_poll(h, &tree), NEWS);
	(void)read_at(h, 0);
	assert_int_equal(handle_poll(h, &tree), 0);
	changes_to("b\n");
	assert_int_equal(handle_poll(h, &tree), NEWS);
	assert_int_equal(handle_poll(h, &tree), NEWS); /* level-triggered */
	assert_string_equal(read_at(h, 0), "b\n");
	assert_int_equal(handle_poll(h, &tree), 0);
	close_file(h);
}

static void what_was_read_before_the_first_poll_counts(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);
	struct handle *late = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	(void)read_at(h, 0);
	assert_int_equal(handle_poll(h, &tree), 0);
	/* A change between open and read is news to who reads what it opened. */
	changes_to("b\n");
	(void)read_at(late, 0);
	assert_int_equal(handle_poll(late, &tree), NEWS);
	close_file(h);
	close_file(late);
}

static void each_open_file_has_its_own_news(void **state)
{
	struct handle *a = open_file("hooks/h/status", O_RDONLY);
	struct handle *b = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	(void)read_at(a, 0);
	(void)read_at(b, 0);
	changes_to("b\n");
	(void)handle_poll(a, &tree);
	(void)read_at(a, 0);
	assert_int_equal(handle_poll(a, &tree), 0);
	assert_int_equal(handle_poll(b, &tree), NEWS);
	close_file(a);
	close_file(b);
}

static void reading_on_is_from_one_snapshot(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	(void)handle_poll(h, &tree);
	(void)read_at(h, 0);
	changes_to("0123456789\n");
	assert_string_equal(read_at(h, 13), "pending 0\n");
	assert_int_equal(handle_poll(h, &tree), NEWS); /* that was no read from the start */
	close_file(h);
}

static void a_change_that_this_file_does_not_show_is_no_news(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);
	unsigned shows;

	(void)state;
	(void)read_at(h, 0);
	engine.edition++;
	assert_int_equal(handle_poll(h, &tree), 0);
	/* And costs nothing the next time. */
	shows = engine.shows;
	assert_int_equal(handle_poll(h, &tree), 0);
	assert_int_equal(engine.shows, shows);
	close_file(h);
}

static void a_large_file_is_not_compared(void **state)
{
	static char large[100000];
	struct handle *h;
	unsigned shows;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	engine.status = large;
	h = open_file("hooks/h/status", O_RDONLY);
	(void)read_at(h, 0);
	engine.edition++;
	shows = engine.shows;
	assert_int_equal(handle_poll(h, &tree), NEWS);
	assert_int_equal(engine.shows, shows);
	(void)read_at(h, 0);
	assert_int_equal(handle_poll(h, &tree), 0);
	close_file(h);
}

static void a_hook_that_is_gone_hangs_up(void **state)
{
	struct handle *h = open_file("hooks/h/status", O_RDONLY);

	(void)state;
	(void)read_at(h, 0);
	engine.gone = true;
	assert_int_equal(handle_poll(h, &tree), NEWS | POLLHUP);
	registry_remove((struct registry *)tree.registry, HOOK_ID);
	assert_string_equal(read_at(h, 0), "state active\npending 0\n");
	close_file(h);
}

static void a_test_is_news_and_can_be_written_always(void **state)
{
	struct handle *h = open_file("hooks/h/test", O_RDWR);

	(void)state;
	assert_int_equal(handle_poll(h, &tree), NEWS | WRITABLE);
	(void)read_at(h, 0);
	assert_int_equal(handle_poll(h, &tree), WRITABLE);
	engine.edition++;
	engine.test = "outcome delivered\n";
	assert_int_equal(handle_poll(h, &tree), NEWS | WRITABLE);
	assert_string_equal(read_at(h, 0), "outcome delivered\n");
	close_file(h);
	h = open_file("hooks/h/test", O_WRONLY);
	assert_int_equal(handle_poll(h, &tree), ALWAYS);
	close_file(h);
}

static void what_never_changes_by_itself_is_always_ready(void **state)
{
	static const char *const files[] = { "hooks/h/url", "hooks/h/config.json", "README" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct handle *h = open_file(files[i], O_RDONLY);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(handle_poll(h, &tree), ALWAYS);
			(void)read_at(h, 0);
		}
		close_file(h);
	}
}

static void to_log(int64_t generation, const char *line)
{
	assert_int_equal(write(engine.logs[generation], line, strlen(line)), strlen(line));
}

static void the_log_is_ready_behind_the_last_read(void **state)
{
	struct handle *h = open_file("log", O_RDONLY);

	(void)state;
	assert_int_equal(handle_poll(h, &tree), 0);
	to_log(0, "a\n");
	assert_int_equal(handle_poll(h, &tree), POLLIN | POLLRDNORM);
	assert_string_equal(read_at(h, 0), "a\n");
	assert_int_equal(handle_poll(h, &tree), 0);
	to_log(0, "b\n");
	assert_int_equal(handle_poll(h, &tree), POLLIN | POLLRDNORM);
	assert_string_equal(read_at(h, 2), "b\n");
	assert_string_equal(read_at(h, 4), "");
	assert_int_equal(handle_poll(h, &tree), 0);
	close_file(h);
	assert_int_equal(engine.holds[0], 0);
}

static void a_rotated_log_hangs_up_at_its_end(void **state)
{
	struct handle *h = open_file("log", O_RDONLY);
	struct node before = find("log"), after, again;
	struct stat st;

	(void)state;
	to_log(0, "a\n");
	engine.log = 1;
	to_log(1, "bcd\n");
	assert_int_equal(handle_poll(h, &tree), POLLIN | POLLRDNORM);
	assert_string_equal(read_at(h, 0), "a\n");
	assert_int_equal(handle_poll(h, &tree), POLLHUP);
	after = find("log");
	assert_true(after.ino != before.ino);
	assert_int_equal(tree_node(&tree, before.ino, &again), 0);
	tree_stat(&tree, &again, &st);
	assert_int_equal(st.st_size, 2);
	assert_int_equal(st.st_ino, before.ino);
	tree_stat(&tree, &after, &st);
	assert_int_equal(st.st_size, 4);
	close_file(h);
	assert_int_equal(tree_node(&tree, before.ino, &again), -ESTALE);
}

int main(void)
{
#define WITH_A_TREE(f) cmocka_unit_test_setup_teardown(f, enter, leave)
	const struct CMUnitTest tests[] = {
		WITH_A_TREE(who_does_not_poll_reads_what_it_opened),
		WITH_A_TREE(it_is_ready_until_it_has_been_read_and_again_after_a_change),
		WITH_A_TREE(what_was_read_before_the_first_poll_counts),
		WITH_A_TREE(each_open_file_has_its_own_news),
		WITH_A_TREE(reading_on_is_from_one_snapshot),
		WITH_A_TREE(a_change_that_this_file_does_not_show_is_no_news),
		WITH_A_TREE(a_large_file_is_not_compared),
		WITH_A_TREE(a_hook_that_is_gone_hangs_up),
		WITH_A_TREE(a_test_is_news_and_can_be_written_always),
		WITH_A_TREE(what_never_changes_by_itself_is_always_ready),
		WITH_A_TREE(the_log_is_ready_behind_the_last_read),
		WITH_A_TREE(a_rotated_log_hangs_up_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
