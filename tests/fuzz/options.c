/* options: a command line, an argument a line: what is taken is shown so that it is taken again. */
#include "fuzz.h"

#include "options.h"

#define ARGUMENTS_MAX 16

static void check_again(const struct options *o)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct setting *s = &options_table[i];
		struct buf one = BUF(1 << 16), two = BUF(1 << 16);
		struct options other = { 0 };
		char *argv[] = { (char *)"webhookfs", NULL };
		struct err err = { 0 };

		(void)options_parse(&other, 1, argv, &err);
		setting_show(s, o, &one);
		CHECK(!buf_error(&one));
		if (one.len && strcmp(s->name, "fd")) {
			CHECK(setting_store(s, &other, one.data, one.len, &err) == 0);
			setting_show(s, &other, &two);
			CHECK(!strcmp(one.data, buf_str(&two)));
		}
		options_release(&other);
		buf_release(&one);
		buf_release(&two);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	char *argv[ARGUMENTS_MAX + 2] = { strdup("webhookfs") };
	struct options o = { 0 };
	struct err err = { 0 };
	int argc = 1, r;

	while (in.len && argc <= ARGUMENTS_MAX)
		argv[argc++] = input_string(&in, '\n');
	r = options_parse(&o, argc, argv, &err);
	if (r) {
		check_refusal(r, &err, SIZE_MAX - 1, NULL, 0);
	} else if (o.action == OPTIONS_RUN) {
		CHECK(o.state_dir[0] == '/' && o.mountpoint[0] == '/' && o.fuse);
		check_again(&o);
	}
	options_release(&o);
	while (argc)
		free(argv[--argc]);
	return 0;
}
