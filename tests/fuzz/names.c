/* names: of hooks, of deliveries, of what tools leave beside files and in spools: each a word as a file
 * system may give it. */
#include "fuzz.h"

#include "fs/scratch.h"
#include "fs/tree.h"
#include "intake/spool.h"
#include "model/object.h"

static void check_object(const struct types *t, const char *name, size_t len)
{
	struct object o, again;
	struct buf shown = BUF(1024);
	struct err err = { 0 };
	enum phase phase;
	int type, r = object_parse(&o, t, true, name, len, &err);

	if (r) {
		check_refusal(r, &err, len, NULL, 0);
	} else {
		object_show(&o, t, &shown);
		CHECK(object_parse(&again, t, true, shown.data, shown.len, &err) == 0);
		CHECK(again.type == o.type && !strcmp(again.name, o.name));
		CHECK(o.version ? again.version && !strcmp(again.version, o.version)
				: !again.version);
		object_release(&again);
		object_release(&o);
	}
	buf_reset(&shown);
	r = event_name_parse(t, name, len, &err, &type, &phase);
	if (r) {
		check_refusal(r, &err, len, NULL, 0);
	} else if (type >= 0) {
		int type2;
		enum phase phase2;

		event_name_show(t, (unsigned)type, phase, &shown);
		CHECK(event_name_parse(t, shown.data, shown.len, &err, &type2, &phase2) == 0);
		CHECK(phase2 == phase);
	}
	buf_release(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct types types, given;
	struct err err = { 0 };
	size_t len;
	char *name = input_until(&in, '\0', &len), *string = strndup(name, len);
	int r = hook_name_check(name, len, &err);

	CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	if (r)
		check_refusal(r, &err, len, NULL, 0);
	else
		CHECK(len <= HOOK_NAME_MAX && !memchr(name, '/', len) && *name != '.');
	(void)spool_ignored(string);
	(void)scratch_is_temporary(string);
	for (size_t i = 0; i < hook_settings_count; i++)
		(void)scratch_is_slip(string, hook_settings[i].name);
	CHECK(tree_delivery_id(string) >= 0);
	check_object(&types, name, len);
	if (types_parse(&given, name, len, &err) == 0)
		check_object(&given, in.data, in.len);
	free(name);
	free(string);
	return 0;
}
