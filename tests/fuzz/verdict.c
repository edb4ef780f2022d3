/* verdict: Retry-After, in any form: a time to wait from 0 to a day, and never one that is past. */
#include "fuzz.h"

#include "model/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	const int64_t day = 24 * 60 * 60 * INT64_C(1000), real = 1795000000000;
	struct outcome *o = calloc(1, sizeof(*o));
	uint32_t random = input_number(&in);
	unsigned attempts = 1 + input_byte(&in) % 12;
	struct verdict v;
	int64_t next, wait;

	CHECK(o);
	o->kind = input_byte(&in) % OUTCOME_KIND_COUNT;
	o->http_status = (int)(input_number(&in) % 1000);
	memcpy(o->retry_after, in.data, in.len < 63 ? in.len : 63);
	v = verdict_of(o);
	CHECK(v.reason && *v.reason);
	wait = verdict_retry_after(o, real);
	CHECK(wait >= 0 && wait <= day);
	next = verdict_next(
		&v, o, &schedule_standard, attempts, attempts * 1000, 5000, real, random);
	CHECK(next == -1 || (next >= 5000 && next <= 5000 + day + day / 5));
	CHECK(next == -1 || v.action == VERDICT_AGAIN || v.action == VERDICT_GONE ||
		next >= 5000 + wait);
	free(o);
	return 0;
}
