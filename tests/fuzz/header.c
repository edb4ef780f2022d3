/* header: names and values of headers: (mode, name, newline, value, NUL) again and again. */
#include "fuzz.h"

#include "model/hook.h"

#include <strings.h>

static struct types types;

static void store(struct hook *h, const char *name, const char *value, size_t len)
{
	struct header *hd = hook_header_find(h, name);
	struct buf shown = BUF(HEADER_VALUE_MAX + 1);
	struct err err = { 0 };
	char *old;
	int r;

	if (!hd)
		return;
	old = hd->value ? strdup(hd->value) : NULL;
	r = hook_header_store(h, hd, value, len, &err);
	if (r) {
		const char *start = value;
		size_t trimmed = text_trim(&start, len);

		check_refusal(r, &err, len, start, trimmed);
		CHECK(old ? hd->value && !strcmp(old, hd->value) : !hd->value);
	}
	free(old);
	hook_header_show(hd, &shown);
	CHECK(!buf_error(&shown) && text_utf8_check(buf_str(&shown), shown.len) == shown.len);
	CHECK(!strpbrk(buf_str(&shown), "\r\n"));
	if (hd->protected)
		CHECK(!hd->value ? !shown.len : !strcmp(buf_str(&shown), MASK));
	else if (hd->value)
		CHECK(hook_header_store(h, hd, shown.data, shown.len, &err) == 0 &&
			!strcmp(hd->value, shown.data));
	buf_release(&shown);
}

static void make(struct hook *h, const char *name, unsigned mode)
{
	struct err err = { 0 };
	struct header *hd;
	size_t len = strlen(name);
	char *exact = input_copy(name, len), file[HEADER_NAME_MAX + 16];
	int r = header_name_check(exact, len, &err);

	free(exact);
	if (r) {
		check_refusal(r, &err, len, NULL, 0);
		return;
	}
	r = hook_header_add(h, name, header_born_protected(name), &err, &hd);
	if (r) {
		check_refusal(r, &err, len, NULL, 0);
		return;
	}
	CHECK(!strcasecmp(hd->name, name) && hd->protected == header_born_protected(name));
	(void)snprintf(file, sizeof(file), "headers/%s", name);
	(void)hook_chmod(h, file, mode & 1 ? 0600 : 0644, mode & 2, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct hook *h;

	if (!types.count)
		CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	h = hook_new("h", &types);
	while (in.len) {
		unsigned mode = input_byte(&in);
		char *name = input_string(&in, '\n');
		size_t len;
		char *value = input_until(&in, '\0', &len);
		struct header *hd;

		make(h, name, mode);
		store(h, name, value, len);
		if (mode & 4 && (hd = hook_header_find(h, name)))
			hook_header_remove(h, hd);
		free(name);
		free(value);
	}
	CHECK(h->header_count <= HOOK_HEADERS_MAX);
	hook_free(h);
	return 0;
}
