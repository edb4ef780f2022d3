/*
 * Secrets: request lines, bodies and keys are handed to curl by reference and cleared with their letter.
 * curl still builds each request in a buffer of its own and copies the url; it frees those uncleared.
 */
#include "http/transfer.h"

#include "http/ending.h"
#include "http/guard.h"
#include "http/letter.h"
#include "http/sockets.h"
#include "model/pem.h"
#include "util/err.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Old enough to have saved every handshake that matters, young enough to see a DNS change. curl looks at
 * the age of idle connections only: one of HTTP/2 that is never idle lives on. */
#define LIFETIME_S 300u
#define EXPECT_MIN ((size_t)64 * 1024)
#define AGENT      "User-Agent:"

/* --- What curl calls ------------------------------------------------------------------------------ */

/* A refused address is not the end: curl goes on to the name's next one. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct transfer *t = ctx;

	(void)purpose;
	if (t->guard && !guard_allows(t->guard, &to->addr, t->denied))
		return CURL_SOCKET_BAD;
	t->called = true;
	return sockets_open(t->sockets, to);
}

/* The connection is there, new or kept, and nothing of the request has been sent. */
static int on_connected(void *ctx, char *address, char *ours, int port, int our_port)
{
	struct transfer *t = ctx;

	(void)ours;
	(void)port;
	(void)our_port;
	if (!t->guard || guard_allows_text(t->guard, address, t->denied))
		return CURL_PREREQFUNC_OK;
	t->called = false;
	return CURL_PREREQFUNC_ABORT;
}

static size_t on_header(char *data, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;

	(void)one; /* 1 by definition */
	return response_header(&t->response, data, len) ? len : 0;
}

/* The first call behind the first header: there curl has just taken the time. */
static int on_progress(
	void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = ctx;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	if (t->response.answered && !t->first_byte_us)
		(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &t->first_byte_us);
	return 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;

	(void)one;
	return response_body(&t->response, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

/* --- Handles -------------------------------------------------------------------------------------- */

/* The system's certificates in one file; NULL: it has none, or not there. */
static const char *system_cacert(void)
{
	const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;

	return path && access(path, R_OK) == 0 ? path : NULL;
}

/*
 * One file, never a directory besides it: the file given is to be trusted instead of the system's,
 * and curl keeps what it has parsed (20 ms a connection) only of a file alone.
 */
static int set_cacert(CURL *easy, const char *path)
{
	return curl_easy_setopt(easy, CURLOPT_CAINFO, path) |
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) |
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, path) |
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
}

/* Without one there is none: an empty text keeps curl from looking into the environment. */
static int set_proxy(CURL *easy, const char *url)
{
	return curl_easy_setopt(easy, CURLOPT_PROXY, url ? url : "") |
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "") |
		curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* curl's own defaults that count here: certificate and host name are verified, no redirect is
 * followed, no cookie or netrc is read, a proxy's CONNECT carries none of the request's headers. */
CURL *transfer_model(const struct client_options *o)
{
	const char *cacert = o->cacert ? o->cacert : system_cacert();
	CURL *easy = curl_easy_init();
	int bad = 0;

	if (!easy)
		return NULL;
	bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
	/* A proxy is told as well. */
	if (o->proxy)
		bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent);
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	bad |= set_proxy(easy, o->proxy);
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else a lookup that outlives its attempt would be waited for, and everything with it. */
	bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl_easy_setopt(
		easy, CURLOPT_MAXLIFETIME_CONN, (long)(o->lifetime_s ? o->lifetime_s : LIFETIME_S));
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	/* Nothing is asked for (transfer_chain), but what comes encoded all the same is decoded. */
	bad |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	bad |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	bad |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, sockets_close);
	bad |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
	if (cacert)
		bad |= set_cacert(easy, cacert);
	if (!bad)
		return easy;
	curl_easy_cleanup(easy);
	return NULL;
}

struct transfer *transfer_new(
	CURL *model, CURLSH *share, char *agent, struct sockets *sockets, const struct guard *guard)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	response_init(&t->response);
	t->agent = agent;
	t->sockets = sockets;
	t->guard = guard;
	t->easy = curl_easy_duphandle(model);
	if (!t->easy) {
		free(t);
		return NULL;
	}
	(void)curl_easy_setopt(t->easy, CURLOPT_SHARE, share);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
	/* A connection outlives the transfer that opened it. */
	(void)curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, sockets);
	(void)curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->words);
	return t;
}

void transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->parsed);
	wipe_free_str(t->url);
	response_release(&t->response);
	free(t->lines);
	if (t->letter)
		letter_free(t->letter);
	free(t);
}

static void add_line(struct transfer *t, size_t *count, char *line)
{
	if (*count)
		t->lines[*count - 1].next = &t->lines[*count];
	t->lines[(*count)++] = (struct curl_slist){ line, NULL };
}

/* Chains the request's own lines up as curl wants them, without a copy; behind them, what curl is not
 * to send by itself. curl looks through them for a dozen names, so none is there without need. */
static bool transfer_chain(struct transfer *t, const struct request *r)
{
	/* Or curl would ask before it sends a body of 1 MiB, and wait a second for the answer. */
	static char no_expect[] = "Expect:";
	/* Answers are short: encoding them gains nothing. */
	static char no_encoding[] = "Accept-Encoding:";
	size_t need = r->header_count + 3, count = 0;
	bool agent = t->agent;

	if (need > t->lines_cap) {
		struct curl_slist *lines = reallocarray(t->lines, need, sizeof(*lines));

		if (!lines)
			return false;
		t->lines = lines;
		t->lines_cap = need;
	}
	for (size_t i = 0; i < r->header_count; i++) {
		add_line(t, &count, r->headers[i]);
		if (!strncasecmp(r->headers[i], AGENT, strlen(AGENT)))
			agent = false;
	}
	if (agent)
		add_line(t, &count, t->agent);
	if (r->body_len >= EXPECT_MIN)
		add_line(t, &count, no_expect);
	add_line(t, &count, no_encoding);
	return true;
}

/* Parsed only if it is another one: that costs as much as all the rest of preparing. The flags are curl's own. */
static CURLcode set_url(struct transfer *t, const char *url)
{
	CURLUcode code;

	if (t->url && !strcmp(t->url, url))
		return CURLE_OK;
	wipe_free_str(t->url);
	t->url = NULL;
	if (!t->parsed)
		t->parsed = curl_url();
	if (!t->parsed)
		return CURLE_OUT_OF_MEMORY;
	code = curl_url_set(t->parsed, CURLUPART_URL, url,
		CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
	if (code == CURLUE_OUT_OF_MEMORY)
		return CURLE_OUT_OF_MEMORY;
	if (code != CURLUE_OK)
		return CURLE_URL_MALFORMAT;
	t->url = strdup(url);
	return curl_easy_setopt(t->easy, CURLOPT_CURLU, t->parsed);
}

/* By reference: the letter lives as long as the attempt. */
static CURLcode set_pem(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob blob = { .data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY };

	return curl_easy_setopt(easy, option, &blob);
}

/*
 * For this attempt only, the handle is not used again. curl compares chain and authorities before it
 * lets a request have a kept connection or a TLS session. A key without its chain it would pass over
 * in silence: an empty one stops it.
 */
static CURLcode set_own(struct transfer *t, const struct request *r)
{
	static char empty[] = "\n";
	CURLcode code = CURLE_OK;

	t->own = r->ca || r->cert || r->key;
	if (r->ca) {
		code = set_pem(t->easy, CURLOPT_CAINFO_BLOB, r->ca);
		(void)curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
	}
	if (code == CURLE_OK && r->key)
		code = set_pem(t->easy, CURLOPT_SSLKEY_BLOB, r->key);
	if (code == CURLE_OK && (r->cert || r->key))
		code = set_pem(t->easy, CURLOPT_SSLCERT_BLOB, r->cert ? r->cert : empty);
	return code;
}

/* --- An attempt ----------------------------------------------------------------------------------- */

/* To curl 0 is no limit at all, and more than an int is an error. */
static void set_timeout(struct transfer *t, uint64_t ms)
{
	long timeout_ms = ms < 1 ? 1 : ms < INT_MAX ? (long)ms : INT_MAX;

	(void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	(void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
}

CURLcode transfer_prepare(struct transfer *t)
{
	const struct request *r = &t->letter->request;
	CURLcode code;

	t->first_byte_us = 0;
	t->spent_us = 0;
	t->words[0] = '\0';
	t->called = false;
	t->denied[0] = '\0';
	response_begin(&t->response, &r->mask);
	if (!transfer_chain(t, r))
		return CURLE_OUT_OF_MEMORY;
	code = set_url(t, r->url);
	if (code == CURLE_OK)
		code = set_own(t, r);
	if (code != CURLE_OK)
		return code;
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	/* Without any, curl would read a body from stdin. */
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
	(void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 0L);
	set_timeout(t, r->timeout_ms);
	return CURLE_OK;
}

/* curl has few words for what is wrong with our own side. */
static void read_own(struct transfer *t, CURLcode code)
{
	const struct request *r = &t->letter->request;
	struct err err = { 0 };

	if (code == CURLE_SSL_CERTPROBLEM)
		(void)pem_pair(r->cert, r->key, &err);
	ending_own(&t->letter->outcome, err.sentence);
}

/* Over HTTP/2 a stream may end with its connection; if curl has words for it, it was ended by itself, unless they
 * are those that newer versions (8.14) have for just that. 7.88 has none either for an answer that it has dropped: of a
 * receiver that answers before it has read the request, and resets the stream, when another request has read that
 * from their connection. */
static bool is_lost(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_PARTIAL_FILE: /* over HTTP/2 of a response that has not even begun, too */
		return true;
	case CURLE_HTTP2_STREAM:
		return !t->words[0] || strstr(t->words, "INTERNAL_ERROR");
	default:
		return false;
	}
}

bool transfer_again(struct transfer *t, CURLcode code)
{
	uint64_t timeout_ms = t->letter->request.timeout_ms, spent_ms;
	curl_off_t spent_us = 0;
	long connects = 1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &spent_us);
	spent_ms = (uint64_t)spent_us / 1000;
	if (t->spent_us || !is_lost(t, code) || connects || t->response.answered || t->denied[0] ||
		spent_ms >= timeout_ms)
		return false;
	t->spent_us = spent_us + 1; /* never 0 */
	(void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	set_timeout(t, timeout_ms - spent_ms);
	return true;
}

/*
 * A receiver may answer before it has read all of the request and read no more (over HTTP/2, nginx's `return`
 * does). What then fails is the sending, and a whole response counts for what it is: RFC 9113, §8.1. It is
 * known to be whole by its length; or, over HTTP/2, when curl itself found the stream at its end, an error
 * that it has no words for.
 */
static bool answered_whole(const struct transfer *t, CURLcode code)
{
	curl_off_t expected = -1, received = 0;
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
	if (status < 200 || t->response.in_head)
		return false;
	return expected == received || (code == CURLE_HTTP2_STREAM && !t->words[0]);
}

void transfer_read(struct transfer *t, CURLcode code)
{
	struct outcome *o = &t->letter->outcome;
	const struct mask *m = &t->letter->request.mask;

	if (code != CURLE_OK && answered_whole(t, code))
		code = CURLE_OK;
	ending_read(o, t->easy, code, t->words, t->first_byte_us);
	o->us.total += (uint32_t)t->spent_us; /* less than the timeout, so it fits */
	if (t->denied[0] && !t->called)
		ending_denied(o, t->denied);
	if (o->kind == OUTCOME_TLS && t->own)
		read_own(t, code);
	if (response_flooded(&t->response))
		ending_flooded(o);
	o->error[mask_apply(m, o->error, strlen(o->error), false)] = '\0';
	response_give(&t->response, code == CURLE_OK, o);
}
