/*
 * replay: a fuzz target without libFuzzer: runs it over the inputs of corpus/TARGET, or over the files that
 * are named. Each must run clean; one that does not ends the process, and its name is said before.
 */
#include "fuzz.h"

#include <dirent.h>

#define INPUT_MAX (1 << 20)

static void run(const char *path)
{
	static char data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	char *copy;
	size_t len;

	CHECK(f);
	(void)fprintf(stderr, "# %s\n", path);
	len = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	copy = input_copy(data, len);
	CHECK(LLVMFuzzerTestOneInput((const uint8_t *)copy, len) == 0);
	free(copy);
}

static unsigned run_all(const char *dir)
{
	char path[512];
	struct dirent *entry;
	unsigned count = 0;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		if (*entry->d_name == '.')
			continue;
		CHECK((size_t)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) <
			sizeof(path));
		run(path);
		count++;
	}
	if (d)
		(void)closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	char dir[128];
	unsigned count = 0;

	CHECK((size_t)snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name) < sizeof(dir));
	for (int i = 1; i < argc; i++, count++)
		run(argv[i]);
	if (argc == 1)
		count = run_all(dir);
	printf("%s 1 - fuzz %s: %u inputs run clean\n1..1\n", count ? "ok" : "not ok", name, count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
