/*
 * http: a receiver's bytes, through curl: (how, masked value, newline, bytes until the connection ends).
 * There is always an outcome with a verdict; what is kept of it is bounded, has nothing of the value, and
 * makes a JSON record.
 */
#include "fuzz.h"

#include "http/client.h"
#include "http/letter.h"
#include "http/transfer.h"
#include "model/verdict.h"

#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 65536 /* what a socket takes without a reader */

static CURL *model;
static int receiver; /* curl's end of it */

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)ctx, (void)purpose, (void)to;
	return receiver;
}

static int on_made(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx, (void)fd, (void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int on_close(void *ctx, curl_socket_t fd)
{
	(void)ctx;
	return close(fd);
}

static void start(void)
{
	static const struct client_options options = { .user_agent = "fuzz",
		.cacert = "/dev/null" };

	json_object_seed(1);
	CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK);
	model = transfer_model(&options);
	CHECK(model);
	curl_easy_setopt(model, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(model, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(model, CURLOPT_SOCKOPTFUNCTION, on_made);
}

static void check(const struct outcome *o, const char *value)
{
	struct buf json = BUF(8 * OUTCOME_KEPT_MAX);
	struct verdict v = verdict_of(o);
	size_t len = strlen(value);
	json_t *parsed;

	CHECK(v.reason && o->kind != OUTCOME_ABORTED && o->kind != OUTCOME_DENIED);
	CHECK(o->kind == OUTCOME_RESPONSE ? !*o->error && o->http_status >= 200 : *o->error);
	CHECK(o->head_len <= OUTCOME_HEAD_MAX && o->head_len + o->body_len <= OUTCOME_KEPT_MAX);
	CHECK(verdict_retry_after(o, 1700000000000) >= 0);
	for (const char *c = o->error; *c; c++)
		CHECK(*c >= ' ' && *c <= '~');
	outcome_json(o, 1, 1000, &json);
	CHECK(!buf_error(&json) && !memchr(json.data, '\n', json.len));
	parsed = json_loadb(json.data, json.len, JSON_ALLOW_NUL, NULL);
	CHECK(json_is_object(parsed));
	json_decref(parsed);
	buf_release(&json);
	if (len >= MASK_VALUE_MIN && !strchr(value, '*'))
		CHECK(!has(o->body ? o->body : "", o->body_len, value, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct transfer *t;
	struct letter *l;
	CURLcode code;
	char *value;
	int ends[2];

	if (!model)
		start();
	value = input_string(&in, '\n');
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	receiver = ends[0];
	if (in.len > BYTES_MAX)
		in.len = BYTES_MAX;
	if (in.len)
		CHECK(write(ends[1], in.data, in.len) == (ssize_t)in.len);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);

	t = transfer_new(model, NULL, NULL, NULL, NULL);
	l = t->letter = letter_new(LETTER_REQUEST);
	l->request.url = strdup("http://127.0.0.1/");
	l->request.body = strdup("{}");
	l->request.body_len = 2;
	l->request.timeout_ms = 5000;
	mask_add(&l->request.mask, value, strlen(value));
	code = transfer_prepare(t);
	CHECK(code == CURLE_OK);
	code = curl_easy_perform(t->easy);
	transfer_read(t, code);
	check(&l->outcome, value);
	transfer_free(t);
	(void)close(ends[1]);
	free(value);
	return 0;
}
