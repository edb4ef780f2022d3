/* url: what is taken, curl takes too, and goes to the host and port that it is said to go to. */
#include "fuzz.h"

#include "model/hook.h"
#include "model/url.h"

#include <curl/curl.h>
#include <strings.h>

static char *part(CURLU *u, CURLUPart which)
{
	char *text = NULL;

	CHECK(curl_url_get(u, which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK);
	return text;
}

static void check_curl(const char *url)
{
	struct buf ours = BUF(HOOK_URL_MAX + 32), theirs = BUF(HOOK_URL_MAX + 32);
	CURLU *u = curl_url();
	/* An address may be spelt in more than one way; what has a dot and a digit at its end may be one. */
	CURLUcode code = curl_url_set(u, CURLUPART_URL, url, 0);

	url_destination(url, &ours);
	CHECK(ours.len);
	if (code == CURLUE_OK) {
		char *scheme = part(u, CURLUPART_SCHEME), *host = part(u, CURLUPART_HOST),
		     *port = part(u, CURLUPART_PORT);

		buf_addf(&theirs, "%s://%s:%s", scheme, host, port);
		if (!strpbrk(host, "[") && strspn(host, "0123456789.") != strlen(host))
			CHECK(!strcasecmp(buf_str(&ours), buf_str(&theirs)));
		curl_free(scheme);
		curl_free(host);
		curl_free(port);
	}
	curl_url_cleanup(u);
	buf_release(&ours);
	buf_release(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf masked = BUF(1 << 20);
	struct err err = { 0 };
	char *text = input_copy((const char *)data, size), *url = strndup(text, size);
	int r = url_check(text, size, &err);

	CHECK(url);
	if (r)
		check_refusal(r, &err, size, NULL, 0);
	else
		check_curl(url);
	url_masked(url, &masked);
	CHECK(masked.len >= strlen("/" MASK));
	CHECK(!r || masked.len == strlen("/" MASK) || strlen(url) != size || err.column);
	buf_release(&masked);
	free(text);
	free(url);
	return 0;
}
