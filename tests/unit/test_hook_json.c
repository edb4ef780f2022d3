#include "model/hook.h"
#include "model/json.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct types types;
static struct err last;

static int setup(void **state)
{
	(void)state;
	json_init();
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

/* ---- helpers */

/* The hook, or NULL and what is wrong in `last`. */
static struct hook *read_hook(const char *text, const struct hook *old)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1); /* no NUL behind it */
	struct hook *h = NULL;
	int rc;

	assert_non_null(exact);
	memcpy(exact, text, len);
	last = (struct err){ 0 };
	rc = hook_from_json("h", &types, old, exact, len, &last, &h);
	assert_int_equal(rc, -last.code);
	assert_int_equal(rc == 0, h != NULL);
	free(exact);
	return h;
}

static struct hook *read_good(const char *text, const struct hook *old)
{
	struct hook *h = read_hook(text, old);

	if (!h)
		fail_msg("%s: %s", text, last.sentence);
	return h;
}

static void refuses(const char *text, const struct hook *old, int code, const char *sentence)
{
	struct hook *h = read_hook(text, old);

	if (h || last.code != code || !strstr(last.sentence, sentence))
		fail_msg("%s: %d, %s", text, last.code, last.sentence);
}

static char *json_of(const struct hook *h, enum hook_json form)
{
	struct buf out = BUF_SECRET(HOOK_JSON_MAX);

	hook_json(h, form, &out);
	assert_int_equal(buf_error(&out), 0);
	return buf_detach(&out);
}

static void writes(const struct hook *h, enum hook_json form, const char *expected)
{
	char *text = json_of(h, form);

	assert_string_equal(text, expected);
	free(text);
}

/* What `h` is stored as makes the same hook again; so does what it shows, on top of it. */
static void survives(const struct hook *h)
{
	char *stored = json_of(h, HOOK_JSON_STORED);
	char *shown = json_of(h, HOOK_JSON_SHOWN);
	struct hook *again = read_good(stored, NULL);
	struct hook *edited = read_good(shown, h);

	writes(again, HOOK_JSON_STORED, stored);
	writes(again, HOOK_JSON_SHOWN, shown);
	writes(edited, HOOK_JSON_SHOWN, shown);
	hook_free(again);
	hook_free(edited);
	free(stored);
	free(shown);
}

static void shows(const struct hook *h, const char *row, const char *text)
{
	struct buf out = BUF(HOOK_JSON_MAX);

	hook_show(h, setting_find(hook_settings, hook_settings_count, row), &out);
	assert_string_equal(buf_str(&out), text);
	buf_release(&out);
}

static int store(struct hook *h, const char *row, const char *text)
{
	return hook_store(
		h, setting_find(hook_settings, hook_settings_count, row), text, strlen(text), NULL);
}

static void header_make(struct hook *h, const char *name, bool protected, const char *value)
{
	struct header *hd;

	assert_int_equal(hook_header_add(h, name, protected, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, value, strlen(value), NULL), 0);
}

/* ---- writing */
#define NO_TLS  "  \"tls\": {\n    \"ca\": \"\",\n    \"cert\": \"\",\n    \"key\": \"\"\n  },\n"
#define NO_REST NO_TLS "  \"format\": \"ubiops\",\n  \"template\": \"\""

static void an_empty_hook(void **state)
{
	static const char expected[] = "{\n"
				       "  \"name\": \"h\",\n"
				       "  \"description\": \"\",\n"
				       "  \"url\": null,\n"
				       "  \"object_type\": null,\n"
				       "  \"object_name\": null,\n"
				       "  \"version\": null,\n"
				       "  \"event\": null,\n"
				       "  \"headers\": [],\n"
				       "  \"timeout\": 10,\n"
				       "  \"retry\": true,\n"
				       "  \"include_result\": false,\n"
				       "  \"enabled\": true,\n"
				       "  \"labels\": {},\n"
				       "  \"max_age\": null,\n"
				       "  \"max_inflight\": 0,\n"
				       "  \"rate\": \"\",\n"
				       "  \"ordered\": false,\n"
				       "  \"secret\": \"\",\n"
				       "  \"signature\": \"standard\",\n" NO_REST "\n}\n";
	struct hook *h = hook_new("h", &types);

	(void)state;
	writes(h, HOOK_JSON_SHOWN, expected);
	survives(h);
	hook_free(h);
}

static struct hook *full(void)
{
	struct hook *h = hook_new("h", &types);

	h->uid = 1000;
	h->gid = 100;
	assert_int_equal(store(h, "url", "https://example.com/T0/secret"), 0);
	assert_int_equal(store(h, "event", "failed,deployment_request_started"), 0);
	assert_int_equal(store(h, "object", "deployment/fraud-*/v1"), 0);
	assert_int_equal(store(h, "description", "a \"quoted\" text"), 0);
	assert_int_equal(store(h, "labels", "team:fraud\nurl:http://x"), 0);
	assert_int_equal(store(h, "timeout", "1500ms"), 0);
	assert_int_equal(store(h, "enabled", "paused"), 0);
	assert_int_equal(store(h, "include_result", "1"), 0);
	assert_int_equal(store(h, "retry", "5s 5m"), 0);
	assert_int_equal(store(h, "max_age", "90m"), 0);
	assert_int_equal(store(h, "max_inflight", "4"), 0);
	assert_int_equal(store(h, "rate", "10/s"), 0);
	assert_int_equal(store(h, "ordered", "1"), 0);
	assert_int_equal(store(h, "signature", "github"), 0);
	assert_int_equal(store(h, "secret", "raw secret\nanother secret"), 0);
	header_make(h, "Authorization", true, "Token 123");
	header_make(h, "X-Team", false, "fraud");
	header_make(h, "X-Empty", false, "");
	assert_int_equal(hook_chmod(h, "url", 0600, false, NULL), 0);
	assert_int_equal(hook_chmod(h, "headers/X-Team", 0640, false, NULL), 0);
	hook_file_get(h, "headers/X-Team")->gid = 5;
	hook_file_get(h, "event")->mtime_ms = 1; /* is not stored */
	return h;
}

#define FULL_HEAD              \
	"{\n"                  \
	"  \"name\": \"h\",\n" \
	"  \"description\": \"a \\\"quoted\\\" text\",\n"
#define FULL_OBJECT                            \
	"  \"url_protected\": true,\n"         \
	"  \"object_type\": \"deployment\",\n" \
	"  \"object_name\": \"fraud-*\",\n"    \
	"  \"version\": \"v1\",\n"             \
	"  \"event\": [\n"                     \
	"    \"deployment_request_started\",\n"
#define FULL_TAIL                       \
	"      \"protected\": true\n"   \
	"    },\n"                      \
	"    {\n"                       \
	"      \"key\": \"X-Team\",\n"  \
	"      \"value\": \"fraud\",\n" \
	"      \"protected\": false\n"  \
	"    },\n"                      \
	"    {\n"                       \
	"      \"key\": \"X-Empty\",\n" \
	"      \"value\": null,\n"      \
	"      \"protected\": false\n"  \
	"    }\n"                       \
	"  ],\n"                        \
	"  \"timeout\": 1.5,\n"         \
	"  \"retry\": \"5s 5m\",\n"     \
	"  \"include_result\": true,\n" \
	"  \"enabled\": \"paused\",\n"  \
	"  \"labels\": {\n"             \
	"    \"team\": \"fraud\",\n"    \
	"    \"url\": \"http://x\"\n"   \
	"  },\n"                        \
	"  \"max_age\": 5400,\n"        \
	"  \"max_inflight\": 4,\n"      \
	"  \"rate\": \"10/s\",\n"       \
	"  \"ordered\": true,\n"
#define FULL_SIGNATURE "  \"signature\": \"github\",\n" NO_REST

static void a_full_hook(void **state)
{
	static const char shown[] =
		FULL_HEAD "  \"url\": \"https://example.com/" MASK "\",\n" FULL_OBJECT
			  "    \"deployment_request_failed\"\n"
			  "  ],\n"
			  "  \"headers\": [\n"
			  "    {\n"
			  "      \"key\": \"Authorization\",\n"
			  "      \"value\": null,\n" FULL_TAIL "  \"secret\": null,\n"
			  "  \"secret_protected\": true,\n" FULL_SIGNATURE "\n}\n";
	static const char stored[] = FULL_HEAD
		"  \"url\": \"https://example.com/T0/secret\",\n" FULL_OBJECT "    \"failed\"\n"
		"  ],\n"
		"  \"headers\": [\n"
		"    {\n"
		"      \"key\": \"Authorization\",\n"
		"      \"value\": \"Token 123\",\n" FULL_TAIL "  \"secret\": [\n"
		"    \"raw secret\",\n"
		"    \"another secret\"\n"
		"  ],\n" FULL_SIGNATURE ",\n"
		"  \"owner\": {\n"
		"    \"uid\": 1000,\n"
		"    \"gid\": 100\n"
		"  },\n"
		"  \"files\": {\n"
		"    \"url\": {\n"
		"      \"mode\": \"0600\"\n"
		"    },\n"
		"    \"headers/X-Team\": {\n"
		"      \"mode\": \"0640\",\n"
		"      \"gid\": 5\n"
		"    }\n"
		"  }\n"
		"}\n";
	struct hook *h = full();

	(void)state;
	writes(h, HOOK_JSON_SHOWN, shown);
	writes(h, HOOK_JSON_STORED, stored);
	survives(h);
	hook_free(h);
}

/* A row that is added to the table is in the JSON by itself. */
static void every_row_survives(void **state)
{
	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		struct hook *h = hook_new("h", &types);
		struct hook *again;
		struct buf text = BUF(HOOK_JSON_MAX);
		char *json;

		assert_int_equal(
			store(h, hook_settings[i].name, row_example(&hook_settings[i])), 0);
		survives(h);
		json = json_of(h, HOOK_JSON_STORED);
		again = read_good(json, NULL);
		hook_show(h, &hook_settings[i], &text);
		shows(again, hook_settings[i].name, buf_str(&text));
		buf_release(&text);
		hook_free(again);
		hook_free(h);
		free(json);
	}
}

static void a_buffer_too_small_is_an_error(void **state)
{
	struct buf out = BUF(100);
	struct hook *h = full();

	(void)state;
	hook_json(h, HOOK_JSON_SHOWN, &out);
	assert_int_equal(buf_error(&out), -E2BIG);
	buf_release(&out);
	hook_free(h);
}

static void short_forms_stay_short_on_disk(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct hook *again;
	char *stored;

	(void)state;
	assert_int_equal(store(h, "event", "failed"), 0);
	stored = json_of(h, HOOK_JSON_STORED);
	again = read_good(stored, NULL);
	assert_int_equal(store(again, "object", "pipeline/p"), 0);
	shows(again, "event", "pipeline_request_failed");
	hook_free(again);
	hook_free(h);
	free(stored);
}

/* ---- reading */

static void ubiops_objects(void **state)
{
	static const char text[] =
		"{\"id\":\"5f2f\",\"name\":\"webhook-1\",\"description\":\"\","
		"\"url\":\"https://example.com/hook\",\"object_type\":\"deployment\","
		"\"object_name\":\"deployment-1\",\"version\":\"v1\","
		"\"event\":\"deployment_request_completed\","
		"\"headers\":[{\"key\":\"Authorization\",\"value\":\"Token 123\","
		"\"protected\":true}],\"timeout\":30,\"include_result\":true,"
		"\"enabled\":false,\"labels\":{\"a\":\"b\"},"
		"\"creation_date\":\"2023-10-26T09:23:40Z\",\"last_updated\":null}";
	struct hook *h = read_good(text, NULL);
	struct header *hd = hook_header_find(h, "authorization");

	(void)state;
	assert_string_equal(h->name, "h");
	shows(h, "url", "https://example.com/hook");
	shows(h, "object", "deployment/deployment-1/v1");
	shows(h, "event", "deployment_request_completed");
	shows(h, "timeout", "30s");
	shows(h, "include_result", "1");
	shows(h, "enabled", "0");
	shows(h, "labels", "a:b");
	assert_true(hook_complete(h));
	assert_true(hd && hd->protected);
	assert_string_equal(hd->value, "Token 123");
	survives(h);
	hook_free(h);
}

static void null_means_default(void **state)
{
	static const char text[] =
		"{\"name\":null,\"description\":null,\"url\":null,\"url_protected\":null,"
		"\"object_type\":null,\"object_name\":null,\"version\":null,\"event\":null,"
		"\"headers\":null,\"timeout\":null,\"include_result\":null,\"enabled\":null,"
		"\"labels\":null,\"owner\":null,\"files\":null}";
	struct hook *fresh = hook_new("h", &types);
	char *expected = json_of(fresh, HOOK_JSON_STORED);
	struct hook *h = read_good(text, NULL);

	(void)state;
	writes(h, HOOK_JSON_STORED, expected);
	hook_free(h);
	h = read_good(" {} ", NULL);
	writes(h, HOOK_JSON_STORED, expected);
	hook_free(h);
	hook_free(fresh);
	free(expected);
}

static void values_in_other_shapes(void **state)
{
	static const struct {
		const char *json, *row, *shown;
	} rows[] = {
		{ "{\"timeout\":1.25}", "timeout", "1250ms" },
		{ "{\"timeout\":12.0}", "timeout", "12s" },
		{ "{\"timeout\":29.999}", "timeout", "29999ms" },
		{ "{\"timeout\":\"2500ms\"}", "timeout", "2500ms" },
		{ "{\"event\":[\"failed\"]}", "event", "deployment_request_failed" },
		{ "{\"event\":\"started failed\"}", "event",
			"deployment_request_started\ndeployment_request_failed" },
		{ "{\"event\":[]}", "event", "" },
		{ "{\"event\":\"failed\",\"object_type\":\"pipeline\",\"object_name\":\"p\"}",
			"event", "pipeline_request_failed" },
		{ "{\"enabled\":\"paused\"}", "enabled", "paused" },
		{ "{\"enabled\":\"gone\"}", "enabled", "gone" },
		{ "{\"enabled\":\"no\"}", "enabled", "0" },
		{ "{\"enabled\":1}", "enabled", "1" },
		{ "{\"labels\":{\"a\":\"\",\"b\":\"x:y\"}}", "labels", "a:\nb:x:y" },
		{ "{\"retry\":true}", "retry", "1" },
		{ "{\"retry\":false}", "retry", "0" },
		{ "{\"retry\":\"5s 5m\"}", "retry", "5s 5m" },
		{ "{\"retry\":[\"5s\",\"5m\"]}", "retry", "5s 5m" },
		{ "{\"max_age\":90}", "max_age", "90s" },
		{ "{\"max_age\":\"2d\"}", "max_age", "2d" },
		{ "{\"max_age\":null}", "max_age", "" },
		{ "{\"rate\":\"10/min\"}", "rate", "10/m" },
		{ "{\"secret\":\"12345678\",\"signature\":\"github\"}", "secret", MASK },
		{ "{\"object_type\":\"experiment\",\"object_name\":\"bert\",\"version\":null}",
			"object", "experiment/bert" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct hook *h = read_good(rows[i].json, NULL);

		shows(h, rows[i].row, rows[i].shown);
		hook_free(h);
	}
}

static const struct {
	const char *json;
	int code;
	const char *sentence;
} refused[] = {
	{ "[]", EINVAL, "JSON object" },
	{ "5", EINVAL, "JSON object" },
	{ "{\"retries\":true}", EINVAL, "unknown field retries" },
	{ "{\"retry\":3}", EINVAL, "retry: retry takes delays, not their number" },
	{ "{\"retry\":{}}", EINVAL, "retry: a string" },
	{ "{\"max_age\":0}", ERANGE, "max_age: " },
	{ "{\"max_inflight\":1001}", ERANGE, "max_inflight: " },
	{ "{\"max_inflight\":true}", EINVAL, "max_inflight: a number" },
	{ "{\"rate\":10}", EINVAL, "rate: " },
	{ "{\"ordered\":1}", EINVAL, "ordered: true or false" },
	{ "{\"secret\":5}", EINVAL, "secret: a string, or an array of strings" },
	{ "{\"secret\":[\"12345678\",5],\"signature\":\"github\"}", EINVAL, "secret: a string" },
	{ "{\"secret\":\"12345678\"}", EINVAL, "secret: a secret begins with" },
	{ "{\"secret\":\"" MASK "\",\"signature\":\"github\"}", EINVAL,
		"secret: this is the mask" },
	{ "{\"secret\":\"generate\",\"signature\":\"github\"}", EINVAL, "secret: `generate`" },
	{ "{\"secret_protected\":false}", EPERM, "secret_protected: " },
	{ "{\"secret_protected\":1}", EINVAL, "secret_protected: true or false" },
	{ "{\"signature\":\"sha1\"}", EINVAL, "signature: " },
	{ "{\"ordered_protected\":true}", EINVAL, "unknown field ordered_protected" },
	{ "{\"object\":\"deployment/d\"}", EINVAL, "unknown field object" },
	{ "{\"a\\nb\":1}", EINVAL, "unknown field a?b" },
	{ "{\"timeout\":31}", ERANGE, "timeout: " },
	{ "{\"timeout\":-1}", EINVAL, "timeout: " },
	{ "{\"timeout\":1e30}", EINVAL, "timeout: " },
	{ "{\"timeout\":1.0001}", EINVAL, "timeout: " },
	{ "{\"timeout\":true}", EINVAL, "timeout: a number" },
	{ "{\"timeout\":[1]}", EINVAL, "timeout: a number" },
	{ "{\"include_result\":1}", EINVAL, "include_result: true or false" },
	{ "{\"description\":5}", EINVAL, "description: a string" },
	{ "{\"description\":\"a\\nb\"}", EINVAL, "description: " },
	{ "{\"enabled\":\"maybe\"}", EINVAL, "enabled: " },
	{ "{\"enabled\":{}}", EINVAL, "enabled: " },
	{ "{\"event\":\"nonsense\"}", EINVAL, "event: " },
	{ "{\"event\":[1]}", EINVAL, "event: a string, or an array" },
	{ "{\"event\":[[\"failed\"]]}", EINVAL, "event: a string, or an array" },
	{ "{\"event\":\"pipeline_request_failed\",\"object_type\":\"deployment\","
	  "\"object_name\":\"d\"}",
		EINVAL, "event: pipeline_request_failed never happens" },
	{ "{\"url\":\"example.com\"}", EINVAL, "url: " },
	{ "{\"url\":5}", EINVAL, "url: a string" },
	{ "{\"url\":\"https://x/" MASK "\"}", EINVAL, "url: this is the mask" },
	{ "{\"url_protected\":1}", EINVAL, "url_protected: true or false" },
	{ "{\"name\":5}", EINVAL, "name: a string" },
	{ "{\"name\":\".x\"}", EINVAL, "name: " },
	{ "{\"object_type\":\"deployment\"}", EINVAL, "object_name is missing" },
	{ "{\"object_name\":\"d\"}", EINVAL, "object_type is missing" },
	{ "{\"version\":\"v\"}", EINVAL, "object_type is missing" },
	{ "{\"object_type\":\"model\",\"object_name\":\"d\"}", EINVAL, "object: " },
	{ "{\"object_type\":\"experiment\",\"object_name\":\"e\",\"version\":\"v\"}", EINVAL,
		"object: an experiment" },
	{ "{\"labels\":\"a:b\"}", EINVAL, "labels: an object" },
	{ "{\"labels\":{\"a\":1}}", EINVAL, "labels: an object" },
	{ "{\"labels\":{\"a:b\":\"c\"}}", EINVAL, "labels: an object" },
	{ "{\"labels\":{\"\":\"c\"}}", EINVAL, "labels: an object" },
	{ "{\"labels\":{\"a\":\"b\\nc:d\"}}", EINVAL, "labels: an object" },
	{ "{\"labels\":{\"a b\":\"c\"}}", EINVAL, "labels: " },
	{ "{\"headers\":{}}", EINVAL, "headers: an array" },
	{ "{\"headers\":[1]}", EINVAL, "headers: an object" },
	{ "{\"headers\":[{\"value\":\"x\"}]}", EINVAL, "headers: key" },
	{ "{\"headers\":[{\"key\":\"a b\",\"value\":\"x\"}]}", EINVAL, "headers: " },
	{ "{\"headers\":[{\"key\":\"Host\",\"value\":\"x\"}]}", EPERM, "headers: Host" },
	{ "{\"headers\":[{\"key\":\"A\",\"name\":\"x\"}]}", EINVAL, "headers: unknown field name" },
	{ "{\"headers\":[{\"key\":\"A\",\"value\":1}]}", EINVAL, "headers: value" },
	{ "{\"headers\":[{\"key\":\"A\",\"protected\":1}]}", EINVAL, "headers: protected" },
	{ "{\"headers\":[{\"key\":\"A\"},{\"key\":\"a\"}]}", EEXIST, "headers: " },
	{ "{\"headers\":[{\"key\":\"A\",\"value\":\"" MASK "\"}]}", EINVAL,
		"headers/A: this is the mask" },
	{ "{\"headers\":[{\"key\":\"A\",\"value\":\"x\\ny\"}]}", EINVAL, "headers/A: " },
	{ "{\"owner\":{\"uid\":-1}}", EINVAL, "owner: " },
	{ "{\"owner\":{\"uid\":4294967295}}", EINVAL, "owner: " },
	{ "{\"owner\":{\"user\":1}}", EINVAL, "owner: unknown field user" },
	{ "{\"files\":[]}", EINVAL, "files: an object" },
	{ "{\"files\":{\"url\":{\"mode\":420}}}", EINVAL, "files: mode" },
	{ "{\"files\":{\"url\":{\"mode\":\"0888\"}}}", EINVAL, "files: mode" },
	{ "{\"files\":{\"url\":{\"mode\":\"01777\"}}}", EINVAL, "files: mode" },
	{ "{\"files\":{\"url\":{\"mode\":\"\"}}}", EINVAL, "files: mode" },
};

static void refuses_with_the_fields_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		refuses(refused[i].json, NULL, refused[i].code, refused[i].sentence);
}

static void syntax_errors_name_the_place(void **state)
{
	static const struct {
		const char *json;
		size_t column;
		const char *sentence;
	} rows[] = {
		{ "", 0, "line 1, column 0" },
		{ "{", 0, "line 1, column 1" },
		{ "{\"url\":\n  nonsense}", 17, "line 2, column 10" },
		{ "{\"timeout\":1,\n\"timeout\":2}", 22, "duplicate" },
		{ "{} x", 3, "line 1" },
		{ "{\"headers\":[{\"value\":\"Token 123\" \"x\"}]}", 35, "line 1" },
		{ "{\"url\":\"a\\u0000b\"}", 16, "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		refuses(rows[i].json, NULL, EINVAL, rows[i].sentence);
		if (last.column != rows[i].column)
			fail_msg("%s: column %zu: %s", rows[i].json, last.column, last.sentence);
		assert_null(strstr(last.sentence, "near '")); /* no piece of the text */
	}
}

static void too_long_a_text(void **state)
{
	struct buf text = BUF(HOOK_JSON_MAX + 1);

	(void)state;
	while (text.len <= HOOK_JSON_MAX)
		buf_addc(&text, ' ');
	refuses(buf_str(&text), NULL, E2BIG, "at most");
	buf_release(&text);
}

/* ---- in the place of another hook */

static void keeps_who_it_is(void **state)
{
	struct hook *old = full(), *h;

	(void)state;
	old->id = 42;
	h = read_good(
		"{\"owner\":{\"uid\":0},\"files\":{\"url\":{\"mode\":\"0666\"}},"
		"\"headers\":[{\"key\":\"x-team\",\"value\":\"new\"}],\"url\":\"http://n/x\"}",
		old);
	assert_int_equal(h->id, 42);
	assert_int_equal(h->uid, 1000);
	assert_int_equal(h->gid, 100);
	assert_true(hook_protected(h, "url"));
	shows(h, "url", "http://n/" MASK);
	shows(h, "timeout", "10s"); /* what is absent has its default */
	assert_int_equal(h->header_count, 1);
	assert_int_equal(hook_file_find(h, "headers/X-Team")->gid, 5);
	assert_null(hook_header_find(h, "Authorization"));
	hook_free(h);
	hook_free(old);
}

static void keeps_protected_headers_without_a_value(void **state)
{
	static const char *const texts[] = {
		"{\"headers\":[{\"key\":\"X\"},{\"key\":\"Authorization\",\"protected\":true}]}",
		"{\"headers\":[{\"key\":\"X\"},{\"key\":\"authorization\",\"value\":null}]}",
	};
	struct hook *old = full(), *h;
	const struct header *was = hook_header_find(old, "Authorization");

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct header *hd;

		h = read_good(texts[i], old);
		hd = hook_header_find(h, "Authorization");
		assert_true(hd->protected);
		assert_string_equal(hd->value, "Token 123");
		assert_int_equal(hd->slot, was->slot); /* and the new one took another */
		assert_int_not_equal(hook_header_find(h, "X")->slot, was->slot);
		assert_null(hook_header_find(h, "X")->value);
		hook_free(h);
	}
	h = read_good("{\"headers\":[{\"key\":\"X-Team\",\"protected\":true}]}", old);
	assert_string_equal(hook_header_find(h, "X-Team")->value, "fraud");
	assert_true(hook_header_find(h, "X-Team")->protected);
	assert_int_equal(hook_file_find(h, "headers/X-Team")->mode, HOOK_MODE_UNSET);
	hook_free(h);
	hook_free(old);
}

static void lays_no_header_open(void **state)
{
	struct hook *old = full(), *h;

	(void)state;
	refuses("{\"headers\":[{\"key\":\"Authorization\",\"protected\":false}]}", old, EPERM,
		"headers/Authorization: ");
	assert_null(strstr(last.sentence, "Token"));
	refuses("{\"headers\":[{\"key\":\"Authorization\",\"value\":\"" MASK "\"}]}", old, EINVAL,
		"this is the mask");
	h = read_good("{\"headers\":[{\"key\":\"Authorization\",\"value\":\"new\"}]}", old);
	assert_true(hook_header_find(h, "Authorization")->protected);
	hook_free(h);
	h = read_good("{\"headers\":[{\"key\":\"Authorization\",\"value\":\"new\","
		      "\"protected\":false}]}",
		old);
	assert_false(hook_header_find(h, "Authorization")->protected);
	hook_free(h);
	hook_free(old);
	h = read_good("{\"headers\":[{\"key\":\"X-Api-Key\",\"value\":\"k\"}]}", NULL);
	assert_true(hook_header_find(h, "X-Api-Key")->protected);
	hook_free(h);
}

static void a_protected_url(void **state)
{
	static const char *const keep[] = {
		"{\"url\":\"https://example.com/" MASK "\"}",
		"{\"url\":\"https://example.com/" MASK "\",\"url_protected\":true}",
		"{\"url\":null,\"url_protected\":true}",
		"{\"url_protected\":true}",
	};
	struct hook *old = full(), *h;

	(void)state;
	for (size_t i = 0; i < COUNT(keep); i++) {
		h = read_good(keep[i], old);
		assert_string_equal(h->url, "https://example.com/T0/secret");
		assert_true(hook_protected(h, "url"));
		hook_free(h);
	}
	refuses("{\"url\":\"https://other.com/" MASK "\"}", old, EINVAL, "url: this is the mask");
	refuses("{\"url\":\"https://example.com/" MASK "\",\"url_protected\":false}", old, EPERM,
		"url_protected: ");
	h = read_good("{}", old);
	assert_null(h->url);
	assert_null(hook_file_find(h, "headers/X-Team")); /* went with the header */
	assert_true(hook_protected(h, "url"));
	hook_free(h);
	h = read_good("{\"url\":\"http://new/x\",\"url_protected\":false}", old);
	shows(h, "url", "http://new/x");
	refuses("{\"url\":\"http://new/" MASK "\"}", h, EINVAL, "url: this is the mask");
	hook_free(h);
	h = read_good("{\"url\":\"http://new/x\",\"url_protected\":true}", NULL);
	shows(h, "url", "http://new/" MASK);
	hook_free(h);
	h = read_good("{\"url\":\"http://new/x\",\"files\":{\"url\":{\"mode\":\"0400\"}}}", NULL);
	shows(h, "url", "http://new/" MASK);
	assert_int_equal(hook_file_find(h, "url")->mode, 0400);
	hook_free(h);
	hook_free(old);
}

/* Nothing that a hook shows or says holds what is protected. */
static void secrets_stay_inside(void **state)
{
	struct hook *h = full();
	char *shown = json_of(h, HOOK_JSON_SHOWN);

	(void)state;
	assert_null(strstr(shown, "Token"));
	assert_null(strstr(shown, "T0"));
	assert_null(strstr(shown, "raw secret"));
	free(shown);
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_hook),
		cmocka_unit_test(a_full_hook),
		cmocka_unit_test(every_row_survives),
		cmocka_unit_test(a_buffer_too_small_is_an_error),
		cmocka_unit_test(short_forms_stay_short_on_disk),
		cmocka_unit_test(ubiops_objects),
		cmocka_unit_test(null_means_default),
		cmocka_unit_test(values_in_other_shapes),
		cmocka_unit_test(refuses_with_the_fields_name),
		cmocka_unit_test(syntax_errors_name_the_place),
		cmocka_unit_test(too_long_a_text),
		cmocka_unit_test(keeps_who_it_is),
		cmocka_unit_test(keeps_protected_headers_without_a_value),
		cmocka_unit_test(lays_no_header_open),
		cmocka_unit_test(a_protected_url),
		cmocka_unit_test(secrets_stay_inside),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
