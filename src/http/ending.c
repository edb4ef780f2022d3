#include "http/ending.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TOO_MANY_HEADERS "the response has too many headers"
#define TOO_LARGE        ((CURLcode)100) /* CURLE_TOO_LARGE, which curl has since 8.6 */

/* How far an attempt came. */
enum stage { STAGE_RESOLVING, STAGE_CONNECTING, STAGE_WAITING, STAGE_RECEIVING };

/* What goes behind the sentence. */
enum detail {
	DETAIL_NONE,
	DETAIL_ERRNO,
	DETAIL_WORDS, /* curl's; only where they are of certificate or response, never of the request */
	DETAIL_CODE, /* curl's fixed text for the code */
};

/* The first row fits that has the code, an errno of 0 or the same, and a stage not beyond the one reached. */
struct ending {
	CURLcode code;
	int os_errno;
	enum stage stage;
	enum outcome_kind kind;
	enum detail detail;
	const char *sentence;
};

static const struct ending endings[] = {
	{ CURLE_OK, 0, 0, OUTCOME_RESPONSE, DETAIL_NONE, "" },
	/* only on_body makes this one, when it has seen enough */
	{ CURLE_WRITE_ERROR, 0, 0, OUTCOME_RESPONSE, DETAIL_NONE, "" },
	/* The status counts; a body that cannot be read is not missed. */
	{ CURLE_BAD_CONTENT_ENCODING, 0, STAGE_RECEIVING, OUTCOME_RESPONSE, DETAIL_NONE, "" },

	{ CURLE_OPERATION_TIMEDOUT, 0, STAGE_RECEIVING, OUTCOME_BODY_TIMEOUT, DETAIL_NONE,
		"the response did not end in time" },
	{ CURLE_OPERATION_TIMEDOUT, 0, STAGE_WAITING, OUTCOME_TIMEOUT, DETAIL_NONE,
		"no response in time" },
	{ CURLE_OPERATION_TIMEDOUT, 0, STAGE_CONNECTING, OUTCOME_CONNECT_TIMEOUT, DETAIL_NONE,
		"no connection in time" },
	{ CURLE_OPERATION_TIMEDOUT, 0, STAGE_RESOLVING, OUTCOME_DNS, DETAIL_NONE,
		"the host's name was not resolved in time" },

	{ CURLE_COULDNT_RESOLVE_HOST, 0, 0, OUTCOME_DNS, DETAIL_NONE,
		"the host's name was not resolved" },
	{ CURLE_COULDNT_RESOLVE_PROXY, 0, 0, OUTCOME_DNS, DETAIL_NONE,
		"the proxy's name was not resolved" },
	{ CURLE_PROXY, 0, 0, OUTCOME_CONNECT, DETAIL_NONE, "the proxy could not connect" },
	{ CURLE_COULDNT_CONNECT, ECONNREFUSED, 0, OUTCOME_REFUSED, DETAIL_ERRNO,
		"connecting failed" },
	{ CURLE_COULDNT_CONNECT, ETIMEDOUT, 0, OUTCOME_CONNECT_TIMEOUT, DETAIL_ERRNO,
		"connecting failed" },
	{ CURLE_COULDNT_CONNECT, 0, 0, OUTCOME_CONNECT, DETAIL_ERRNO, "connecting failed" },

	{ CURLE_SSL_CONNECT_ERROR, 0, 0, OUTCOME_TLS, DETAIL_WORDS, "TLS failed" },
	{ CURLE_PEER_FAILED_VERIFICATION, 0, 0, OUTCOME_TLS, DETAIL_WORDS, "TLS failed" },
	{ CURLE_SSL_CIPHER, 0, 0, OUTCOME_TLS, DETAIL_WORDS, "TLS failed" },
	{ CURLE_SSL_CERTPROBLEM, 0, 0, OUTCOME_TLS, DETAIL_WORDS, "TLS failed" },
	{ CURLE_SSL_CLIENTCERT, 0, 0, OUTCOME_TLS, DETAIL_WORDS, "TLS failed" },
	{ CURLE_SSL_CACERT_BADFILE, 0, 0, OUTCOME_TLS, DETAIL_CODE, "TLS failed" },

	{ CURLE_GOT_NOTHING, 0, 0, OUTCOME_BROKEN, DETAIL_NONE,
		"the connection was closed without a response" },
	{ CURLE_PARTIAL_FILE, 0, STAGE_RECEIVING, OUTCOME_BROKEN, DETAIL_NONE,
		"the connection was closed within the response" },
	/* HTTP/2 knows of a stream that the answer was to come in it */
	{ CURLE_PARTIAL_FILE, 0, 0, OUTCOME_BROKEN, DETAIL_NONE,
		"the connection was closed without a response" },
	{ CURLE_SEND_ERROR, 0, 0, OUTCOME_BROKEN, DETAIL_WORDS, "the connection was lost" },
	{ CURLE_RECV_ERROR, 0, STAGE_WAITING, OUTCOME_BROKEN, DETAIL_WORDS,
		"the connection was lost" },
	/* a proxy's answer to CONNECT */
	{ CURLE_RECV_ERROR, 0, 0, OUTCOME_CONNECT, DETAIL_WORDS, "connecting failed" },
	{ CURLE_HTTP2, 0, 0, OUTCOME_BROKEN, DETAIL_WORDS, "the connection was lost" },
	{ CURLE_HTTP2_STREAM, 0, 0, OUTCOME_BROKEN, DETAIL_WORDS, "the connection was lost" },
	{ CURLE_WEIRD_SERVER_REPLY, 0, 0, OUTCOME_BROKEN, DETAIL_WORDS,
		"the response is not HTTP" },
	/* Before a connection stands, these two speak of the url and of ourselves. */
	{ CURLE_UNSUPPORTED_PROTOCOL, 0, STAGE_WAITING, OUTCOME_BROKEN, DETAIL_WORDS,
		"the response is not HTTP" },
	{ CURLE_OUT_OF_MEMORY, 0, STAGE_WAITING, OUTCOME_BROKEN, DETAIL_WORDS,
		"the response is too much" },
	{ TOO_LARGE, 0, STAGE_WAITING, OUTCOME_BROKEN, DETAIL_NONE, TOO_MANY_HEADERS },
	{ CURLE_OUT_OF_MEMORY, 0, 0, OUTCOME_MEMORY, DETAIL_NONE,
		"there is no memory for the request" },
};

static const struct ending ending_other = {
	.kind = OUTCOME_LOCAL, .detail = DETAIL_CODE, .sentence = "the request could not be made"
};

static const struct ending *ending_find(CURLcode code, int os_errno, enum stage stage)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		const struct ending *e = &endings[i];

		if (e->code == code && (!e->os_errno || e->os_errno == os_errno) &&
			e->stage <= stage)
			return e;
	}
	return &ending_other;
}

/* Copies `text` as printable ASCII: a receiver chooses what its certificate and headers say. */
static void copy_clean(char *to, size_t cap, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < cap; n++)
		to[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	to[n] = '\0';
}

static void explain(
	struct outcome *o, const struct ending *e, CURLcode code, int os_errno, const char *words)
{
	const char *detail = "";
	char sentence[sizeof(o->error)];

	if (e->detail == DETAIL_ERRNO && os_errno)
		detail = strerrordesc_np(os_errno);
	else if (e->detail == DETAIL_WORDS)
		detail = words;
	else if (e->detail == DETAIL_CODE)
		detail = curl_easy_strerror(code);

	o->kind = e->kind;
	if (!*e->sentence) { /* a response: by far the most of them */
		o->error[0] = '\0';
		return;
	}
	(void)snprintf(sentence, sizeof(sentence), "%s%s%s", e->sentence,
		detail && *detail ? ": " : "", detail ? detail : "");
	copy_clean(o->error, sizeof(o->error), sentence);
}

static curl_off_t info_us(CURL *easy, CURLINFO which)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, which, &us);
	return us;
}

static long info_long(CURL *easy, CURLINFO which)
{
	long value = 0;

	(void)curl_easy_getinfo(easy, which, &value);
	return value;
}

static uint32_t span_us(curl_off_t from, curl_off_t to)
{
	if (to <= from)
		return 0;
	return to - from < UINT32_MAX ? (uint32_t)(to - from) : UINT32_MAX;
}

static const char *http_version(CURL *easy)
{
	switch (info_long(easy, CURLINFO_HTTP_VERSION)) {
	case CURL_HTTP_VERSION_1_0:
		return "1.0";
	case CURL_HTTP_VERSION_1_1:
		return "1.1";
	case CURL_HTTP_VERSION_2_0:
		return "2";
	case CURL_HTTP_VERSION_3:
		return "3";
	default:
		return NULL;
	}
}

/* Fills in the times and returns how far the attempt came, its response aside. */
static enum stage read_times(struct outcome *o, CURL *easy, curl_off_t first_byte_us)
{
	curl_off_t resolved = info_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
	curl_off_t connected = info_us(easy, CURLINFO_CONNECT_TIME_T);
	curl_off_t ready = info_us(easy, CURLINFO_PRETRANSFER_TIME_T);

	o->connects = (unsigned)info_long(easy, CURLINFO_NUM_CONNECTS);
	if (o->connects) {
		o->us.dns = span_us(0, resolved);
		o->us.connect = span_us(resolved, connected);
		o->us.tls = span_us(connected, info_us(easy, CURLINFO_APPCONNECT_TIME_T));
	}
	o->us.first_byte = span_us(ready, first_byte_us);
	o->us.total = span_us(0, info_us(easy, CURLINFO_TOTAL_TIME_T));

	if (ready)
		return STAGE_WAITING;
	return resolved ? STAGE_CONNECTING : STAGE_RESOLVING;
}

/*
 * In TLS 1.3 the handshake has ended for us before the receiver has seen our certificate. What it says if
 * it does not take that, or wants one, comes in place of a response, and curl reports a failed read.
 */
static bool is_alert(CURLcode code, const char *words)
{
	return code == CURLE_RECV_ERROR && strstr(words, "SSL routines:") &&
		strstr(words, " alert ");
}

void ending_read(
	struct outcome *o, CURL *easy, CURLcode code, const char *words, curl_off_t first_byte_us)
{
	int os_errno = (int)info_long(easy, CURLINFO_OS_ERRNO);
	long status = info_long(easy, CURLINFO_RESPONSE_CODE);
	enum stage stage = read_times(o, easy, first_byte_us);
	struct curl_header *retry_after;

	o->kept = stage == STAGE_WAITING && !o->connects;
	/* An interim response (1xx) is none yet. */
	if (status >= 200) {
		stage = STAGE_RECEIVING;
		o->http_status = (int)status;
		o->http_version = http_version(easy);
		if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &retry_after) ==
			CURLHE_OK)
			copy_clean(o->retry_after, sizeof(o->retry_after), retry_after->value);
	}
	if (is_alert(code, words))
		code = CURLE_SSL_CONNECT_ERROR;
	explain(o, ending_find(code, os_errno, stage), code, os_errno, words);
}

void ending_local(struct outcome *o, CURLcode code)
{
	bool memory = code == CURLE_OUT_OF_MEMORY;

	explain(o, memory ? ending_find(code, 0, 0) : &ending_other, code, 0, "");
}

void ending_denied(struct outcome *o, const char *why)
{
	const struct ending denied = { .kind = OUTCOME_DENIED, .sentence = why };

	explain(o, &denied, CURLE_OK, 0, "");
}

void ending_own(struct outcome *o, const char *why)
{
	const struct ending own = { .kind = OUTCOME_CERTIFICATE, .sentence = why };

	if (*why)
		explain(o, &own, CURLE_OK, 0, "");
	o->kind = OUTCOME_CERTIFICATE;
}

void ending_flooded(struct outcome *o)
{
	static const struct ending flooded = {
		.kind = OUTCOME_BROKEN,
		.sentence = TOO_MANY_HEADERS,
	};

	explain(o, &flooded, CURLE_OK, 0, "");
}

void ending_aborted(struct outcome *o)
{
	static const struct ending aborted = {
		.kind = OUTCOME_ABORTED,
		.sentence = "the request was cancelled",
	};

	explain(o, &aborted, CURLE_OK, 0, "");
}
