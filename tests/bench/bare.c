/*
 * The yardstick of delivery: libcurl's multi interface and nothing else.
 *
 *     bare [-c CONNECTIONS] [-t THREADS] [-b BYTES] [-a CACERT] URL COUNT
 *
 * POSTs COUNT bodies of BYTES, stores nothing, and prints one line of JSON: how many answers were 2xx,
 * seconds (the first WARM requests are not timed), CPU seconds of this process in that time, and its peak
 * memory in KiB. What is known to be fast is done: curl_multi_socket_action over an epoll in which sockets
 * stay registered between requests, handles used again, bodies not copied, TLS sessions kept.
 */
#include "yardstick.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FD_MAX      65536
#define THREADS_MAX 16

static struct {
	unsigned connections, threads;
	size_t body_len;
	const char *cacert, *url;
	long count;
	char *body;
} o = { .connections = 64, .threads = 1, .body_len = 400 };

struct sender {
	pthread_t thread;
	int epoll_fd;
	CURLM *multi;
	uint32_t watched[FD_MAX];
	long left, target, good, done; /* left: to be begun yet */
};

static int watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct sender *s = ctx;
	struct epoll_event e = { .data.fd = fd };

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) /* it stays, for the next request */
		return 0;
	e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (e.events == s->watched[fd])
		return 0;
	if (epoll_ctl(s->epoll_fd, s->watched[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
	s->watched[fd] = e.events;
	return 0;
}

static int closed(void *ctx, curl_socket_t fd)
{
	((struct sender *)ctx)->watched[fd] = 0;
	return close(fd);
}

static size_t discard(char *data, size_t one, size_t len, void *ctx)
{
	(void)data;
	(void)ctx;
	return one * len;
}

static CURL *handle(struct sender *s, struct curl_slist *headers, CURLSH *share)
{
	CURL *easy = curl_easy_init();

	curl_easy_setopt(easy, CURLOPT_URL, o.url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, o.body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)o.body_len);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, closed);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(easy, CURLOPT_SHARE, share);
	if (o.cacert)
		curl_easy_setopt(easy, CURLOPT_CAINFO, o.cacert);
	return easy;
}

static void collect(struct sender *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(s->multi, &left))) {
		CURL *easy = m->easy_handle;
		long status = 0;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		s->good += m->data.result == CURLE_OK && status >= 200 && status < 300;
		s->done++;
		curl_multi_remove_handle(s->multi, easy);
		if (s->left > 0) {
			s->left--;
			curl_multi_add_handle(s->multi, easy);
		}
	}
}

static void *run(void *ctx)
{
	struct sender *s = ctx;
	struct epoll_event ready[64];
	int running;

	while (s->done < s->target) {
		long wait_ms = -1;
		int n;

		curl_multi_timeout(s->multi, &wait_ms);
		n = epoll_wait(s->epoll_fd, ready, 64, (int)wait_ms);
		for (int i = 0; i < n; i++) {
			int bits = (ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
				(ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				(ready[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

			curl_multi_socket_action(s->multi, ready[i].data.fd, bits, &running);
		}
		curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		collect(s);
	}
	return NULL;
}

/* Each sender its part of the count, all at once. */
static void send_all(struct sender *senders, CURL **handles, long count)
{
	unsigned each = o.connections / o.threads;

	for (unsigned i = 0; i < o.threads; i++) {
		struct sender *s = &senders[i];

		s->left = count / o.threads + (i < count % o.threads);
		s->target = s->done + s->left;
		for (unsigned j = 0; j < each && s->left > 0; j++, s->left--)
			curl_multi_add_handle(s->multi, handles[i * each + j]);
		if (pthread_create(&s->thread, NULL, run, s))
			die("pthread_create");
	}
	for (unsigned i = 0; i < o.threads; i++)
		pthread_join(senders[i].thread, NULL);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:t:b:a:")) != -1) {
		if (c == 'c')
			o.connections = (unsigned)number(optarg);
		else if (c == 't')
			o.threads = (unsigned)number(optarg);
		else if (c == 'b')
			o.body_len = (size_t)number(optarg);
		else if (c == 'a')
			o.cacert = optarg;
		else
			exit(2);
	}
	if (argc - optind != 2 || o.threads < 1 || o.threads > THREADS_MAX ||
		o.connections < o.threads) {
		fprintf(stderr,
			"usage: bare [-c CONNECTIONS] [-t THREADS] [-b BYTES] "
			"[-a CACERT] URL COUNT\n");
		exit(2);
	}
	o.url = argv[optind];
	o.count = number(argv[optind + 1]);
}

int main(int argc, char **argv)
{
	static const char *const lines[] = { "Content-Type: application/json", WEBHOOK_LINES,
		"Expect:" };
	static struct sender senders[THREADS_MAX];
	struct curl_slist *headers = NULL;
	double wall, cpu;
	long good = 0;
	CURL **handles;

	options(argc, argv);
	o.body = malloc(o.body_len);
	handles = calloc(o.connections, sizeof(CURL *));
	if (!o.body || !handles)
		die("malloc");
	memset(o.body, 'x', o.body_len);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		headers = curl_slist_append(headers, lines[i]);
	for (unsigned i = 0; i < o.threads; i++) {
		struct sender *s = &senders[i];
		CURLSH *share = curl_share_init();

		s->epoll_fd = epoll_create1(0);
		s->multi = curl_multi_init();
		curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
		curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, watch);
		curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
		curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)o.connections * 2);
		for (unsigned j = 0; j < o.connections / o.threads; j++)
			handles[i * (o.connections / o.threads) + j] = handle(s, headers, share);
	}
	send_all(senders, handles, WARM);
	wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	send_all(senders, handles, o.count);
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	for (unsigned i = 0; i < o.threads; i++)
		good += senders[i].good;
	return report(good - WARM, o.count, wall, cpu);
}
