/* pem: (certificates, NUL, key): what is in them, and whether they belong together. */
#include "fuzz.h"

#include "model/pem.h"

static bool check(enum pem_kind kind, const char *text, size_t len)
{
	struct err err = { 0 };
	int r = pem_check(kind, text, len, &err);

	if (r)
		check_refusal(r, &err, len, text, len);
	return !r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct pem_dates dates;
	struct err err = { 0 };
	size_t len, key_len;
	char *text = input_until(&in, '\0', &len), *key = input_until(&in, '\0', &key_len);
	char *chain = strndup(text, len), *key_text = strndup(key, key_len);
	bool good;

	(void)pem_whole(text, len);
	(void)pem_whole(key, key_len);
	if (check(PEM_CERTIFICATES, text, len)) {
		CHECK(pem_dates(chain, &dates) == 0);
		CHECK(dates.any_from_s <= dates.all_from_s &&
			dates.all_until_s <= dates.any_until_s);
	}
	good = check(PEM_CHAIN, text, len);
	if (check(PEM_KEY, key, key_len) && good)
		(void)pem_pair(chain, key_text, &err);
	free(text);
	free(key);
	free(chain);
	free(key_text);
	return 0;
}
