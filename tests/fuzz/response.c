/*
 * response: (masked value, newline), header lines up to an empty one, body. What is kept is bounded, has
 * nothing of the value, and is a JSON object in the attempt's record.
 */
#include "fuzz.h"

#include "http/response.h"
#include "model/hook.h"
#include "model/mask.h"
#include "model/verdict.h"

#include <jansson.h>

static void check_record(const struct outcome *o, const char *value)
{
	struct buf json = BUF(8 * OUTCOME_KEPT_MAX);
	struct verdict v = verdict_of(o);
	json_error_t error;
	json_t *parsed;
	int64_t next;

	CHECK(o->head_len <= OUTCOME_HEAD_MAX && o->head_len + o->body_len <= OUTCOME_KEPT_MAX);
	outcome_json(o, 1, 1000, &json);
	CHECK(!buf_error(&json) && !memchr(json.data, '\n', json.len));
	parsed = json_loadb(json.data, json.len, JSON_ALLOW_NUL, &error);
	CHECK(json_is_object(parsed));
	json_decref(parsed);
	buf_release(&json);
	if (strlen(value) >= MASK_VALUE_MIN && !strstr(MASK, value)) {
		const char *at = o->head ? o->head : "";

		CHECK(!has(o->body ? o->body : "", o->body_len, value, strlen(value)));
		/* A value is masked in values; names are their senders' own. */
		for (; *at; at = strchr(at, '\n') + 1)
			CHECK(!has(strstr(at, ": "), strcspn(strstr(at, ": "), "\n"), value,
				strlen(value)));
	}
	next = verdict_next(&v, o, &schedule_standard, 1, 0, 1000, 1700000000000, 77);
	CHECK(next == -1 || (next >= 1000 && next <= 1000 + 29 * INT64_C(3600000)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct outcome o = { .kind = OUTCOME_RESPONSE };
	struct mask m = MASK_NONE;
	struct response r;
	char *value = input_string(&in, '\n');
	size_t step, len;
	bool more = true;

	json_object_seed(1);
	o.http_status = input_byte(&in) * 3;
	step = 1 + input_byte(&in);
	mask_add(&m, value, strlen(value));
	response_init(&r);
	response_begin(&r, &m);
	while (in.len && more) {
		char *line = input_until(&in, '\n', &len);

		more = response_header(&r, line, len);
		free(line);
		more &= r.in_head;
	}
	for (more = true; in.len && more; in.data += len, in.len -= len) {
		char *part;

		len = step < in.len ? step : in.len;
		part = input_copy(in.data, len);
		more = response_body(&r, part, len);
		free(part);
	}
	response_give(&r, more, &o);
	check_record(&o, value);
	outcome_release(&o);
	response_release(&r);
	mask_release(&m);
	free(value);
	return 0;
}
