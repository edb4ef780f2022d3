/*
 * sink: a scripted HTTP receiver for the tests, the demo and the README.
 *
 *     sink [--tls CERT KEY] [--port N] DIR
 *
 * Listens on 127.0.0.1 (port 0, the default: any free one), writes the port to DIR/port once it does,
 * and prints it. Each request becomes one JSON line in DIR/requests.jsonl, written with one write(2)
 * before it is answered: method, path (as sent, the query too), headers (names in lower case), body,
 * time (ms since the epoch), connection (a number), at_once (how many requests were there at that
 * moment, with this one, not yet answered), answer (what the script said, "status 200" without one).
 *
 * DIR/script, read anew at each request, says how to answer; the first line whose path prefix fits
 * does, and without one the answer is 200:
 *
 *     PREFIX [times K] [chance PERCENT] [delay MS] ACTION
 *     ACTION: status N [header:NAME=VALUE ...] | body TEXT | redirect URL | close | reset | hang | drip MS |
 *             endless | garbage
 *
 * A header's VALUE has + for a blank. `times K`: only for the first K requests that come to this line;
 * `chance`: only for so many of a hundred. `hang` lasts until the sender has had enough. One thread a
 * connection, so an action may simply sleep.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN  1024
#define LINES_MAX     64
#define REQUEST_LIMIT ((size_t)8 << 20)

struct sink {
	const char *dir;
	int log_fd;
	pthread_mutex_t lock;     /* of used */
	unsigned used[LINES_MAX]; /* how often each script line was taken */
	atomic_uint at_once;      /* requests that have come and are not answered */
};

struct text {
	char *data;
	size_t len, cap;
};

/* What MHD keeps for us while a request comes in. */
struct request {
	char *path;
	bool begun, counted;
	struct text body;
};

static struct sink sink = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void text_add(struct text *t, const char *data, size_t len)
{
	if (t->len + len > REQUEST_LIMIT)
		return;
	if (t->len + len > t->cap) {
		t->cap = (t->len + len) * 2;
		t->data = realloc(t->data, t->cap);
		if (!t->data)
			abort();
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

static void text_adds(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static void text_add_json(struct text *t, const char *data, size_t len)
{
	text_adds(t, "\"");
	for (size_t i = 0; i < len; i++) {
		char escaped[8];
		unsigned char c = (unsigned char)data[i];
		if (c >= 0x20 && c != '"' && c != '\\') {
			text_add(t, data + i, 1);
			continue;
		}
		snprintf(escaped, sizeof(escaped), c < 0x20 ? "\\u%04x" : "\\%c", c);
		text_adds(t, escaped);
	}
	text_adds(t, "\"");
}

/* ---- the record of a request */

static enum MHD_Result add_header(
	void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct text *t = ctx;
	char lower[256];
	size_t i;
	(void)kind;
	for (i = 0; name[i] && i + 1 < sizeof(lower); i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[i] = '\0';
	if (t->data[t->len - 1] != '{')
		text_adds(t, ",");
	text_add_json(t, lower, i);
	text_adds(t, ":");
	text_add_json(t, value ? value : "", value ? strlen(value) : 0);
	return MHD_YES;
}

static void record(struct MHD_Connection *c, const char *method, struct request *r,
	unsigned delay_ms, const char *action)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct timespec now;
	struct text line = { 0 };
	char numbers[128];
	unsigned at_once = atomic_fetch_add(&sink.at_once, 1) + 1;
	r->counted = true;
	clock_gettime(CLOCK_REALTIME, &now);
	text_adds(&line, "{\"method\":");
	text_add_json(&line, method, strlen(method));
	text_adds(&line, ",\"path\":");
	text_add_json(&line, r->path, strlen(r->path));
	text_adds(&line, ",\"headers\":{");
	MHD_get_connection_values(c, MHD_HEADER_KIND, add_header, &line);
	text_adds(&line, "},\"body\":");
	text_add_json(&line, r->body.data ? r->body.data : "", r->body.len);
	text_adds(&line, ",\"answer\":");
	snprintf(numbers, sizeof(numbers), "delay %u ", delay_ms);
	char *answer = NULL;
	if (asprintf(&answer, "%s%s", delay_ms ? numbers : "", action) < 0)
		abort();
	text_add_json(&line, answer, strlen(answer));
	free(answer);
	snprintf(numbers, sizeof(numbers), ",\"time\":%lld,\"connection\":%llu,\"at_once\":%u}\n",
		(long long)now.tv_sec * 1000 + now.tv_nsec / 1000000,
		(unsigned long long)(uintptr_t)(info ? info->socket_context : NULL), at_once);
	text_adds(&line, numbers);
	if (write(sink.log_fd, line.data, line.len) != (ssize_t)line.len)
		perror("sink: requests.jsonl");
	free(line.data);
}

static void uncount(struct request *r)
{
	if (r->counted)
		atomic_fetch_sub(&sink.at_once, 1);
	r->counted = false;
}

/* ---- the script */

static bool take_times(int n, char **words)
{
	char *k = strtok_r(NULL, " \n", words);
	bool taken;
	pthread_mutex_lock(&sink.lock);
	taken = n < LINES_MAX && sink.used[n] < (unsigned)strtoul(k ? k : "0", NULL, 10);
	if (taken)
		sink.used[n]++;
	pthread_mutex_unlock(&sink.lock);
	return taken;
}

static bool by_chance(char **words)
{
	char *percent = strtok_r(NULL, " \n", words);
	unsigned number = 0;
	(void)!getrandom(&number, sizeof(number), 0);
	return number % 100 < strtoul(percent ? percent : "0", NULL, 10);
}

/* Finds the line for the path; its action goes to `out`. False: there is none. */
static bool script_find(const char *path, char out[LINE_MAX_LEN], unsigned *delay_ms)
{
	char name[4096], line[LINE_MAX_LEN];
	bool found = false;
	snprintf(name, sizeof(name), "%s/script", sink.dir);
	FILE *f = fopen(name, "re");
	for (int n = 0; f && !found && fgets(line, sizeof(line), f); n++) {
		char *words, *prefix = strtok_r(line, " \n", &words), *word;
		if (!prefix || *prefix == '#' || strncmp(path, prefix, strlen(prefix)))
			continue;
		*delay_ms = 0;
		word = strtok_r(NULL, " \n", &words);
		if (word && !strcmp(word, "times")) {
			if (!take_times(n, &words))
				continue;
			word = strtok_r(NULL, " \n", &words);
		}
		if (word && !strcmp(word, "chance")) {
			if (!by_chance(&words))
				continue;
			word = strtok_r(NULL, " \n", &words);
		}
		if (word && !strcmp(word, "delay")) {
			char *ms = strtok_r(NULL, " \n", &words);
			*delay_ms = (unsigned)strtoul(ms ? ms : "0", NULL, 10);
			word = strtok_r(NULL, " \n", &words);
		}
		char *rest = strtok_r(NULL, "\n", &words);
		snprintf(out, LINE_MAX_LEN, "%s%s%s", word ? word : "status", rest ? " " : "",
			rest ? rest : "");
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* ---- answers */

static int connection_fd(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	return i ? i->connect_fd : -1;
}

static enum MHD_Result answer(
	struct MHD_Connection *c, unsigned status, const char *body, char *headers)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
	char *words;
	for (char *h = headers ? strtok_r(headers, " ", &words) : NULL; h;
		h = strtok_r(NULL, " ", &words)) {
		char *value = strchr(h, '=');
		if (!value)
			continue;
		*value++ = '\0';
		for (char *plus = value; (plus = strchr(plus, '+'));)
			*plus = ' ';
		MHD_add_response_header(r, strncmp(h, "header:", 7) ? h : h + 7, value);
	}
	enum MHD_Result result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static ssize_t drip(void *ctx, uint64_t pos, char *buf, size_t max)
{
	const struct timespec pause = { (long)(uintptr_t)ctx / 1000,
		(long)(uintptr_t)ctx % 1000 * 1000000 };
	(void)pos, (void)max;
	nanosleep(&pause, NULL);
	*buf = '.';
	return 1;
}

static ssize_t endless(void *ctx, uint64_t pos, char *buf, size_t max)
{
	(void)ctx, (void)pos;
	memset(buf, 'x', max);
	return (ssize_t)max;
}

static enum MHD_Result answer_stream(
	struct MHD_Connection *c, MHD_ContentReaderCallback reader, void *ctx)
{
	struct MHD_Response *r =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, reader, ctx, NULL);
	enum MHD_Result result = MHD_queue_response(c, 200, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result act(struct MHD_Connection *c, char *action)
{
	char *rest, *word = strtok_r(action, " ", &rest);
	if (!strcmp(word, "status")) {
		char *n = strtok_r(NULL, " ", &rest);
		return answer(c, n ? (unsigned)strtoul(n, NULL, 10) : 200, "", rest);
	}
	if (!strcmp(word, "body"))
		return answer(c, 200, rest, NULL);
	if (!strcmp(word, "redirect")) {
		char header[LINE_MAX_LEN + 16];
		snprintf(header, sizeof(header), "header:Location=%s", rest);
		return answer(c, 302, "", header);
	}
	if (!strcmp(word, "drip"))
		return answer_stream(c, drip, (void *)(uintptr_t)strtoul(rest, NULL, 10));
	if (!strcmp(word, "endless"))
		return answer_stream(c, endless, NULL);
	if (!strcmp(word, "garbage"))
		(void)!write(connection_fd(c), "220 mail ready\r\n", 16);
	if (!strcmp(word, "reset")) {
		/* At once, before MHD can say goodbye. */
		const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
		(void)connect(connection_fd(c), &nobody, sizeof(nobody));
	}
	return MHD_NO; /* closes */
}

static void *began(void *ctx, const char *path, struct MHD_Connection *c)
{
	struct request *r = calloc(1, sizeof(*r));
	(void)ctx, (void)c;
	if (r)
		r->path = strdup(path);
	if (!r || !r->path)
		abort();
	return r;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *path,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	char action[LINE_MAX_LEN];
	unsigned delay_ms = 0;
	struct request *r = *state;
	(void)ctx, (void)path, (void)version;
	if (!r->begun) {
		r->begun = true;
		return MHD_YES;
	}
	if (*size) {
		text_add(&r->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!script_find(r->path, action, &delay_ms))
		snprintf(action, sizeof(action), "status 200");
	record(c, method, r, delay_ms, action);
	const struct timespec delay = { delay_ms / 1000, delay_ms % 1000 * 1000000 };
	nanosleep(&delay, NULL);
	if (!strncmp(action, "hang", 4)) {
		struct pollfd gone = { .fd = connection_fd(c), .events = POLLRDHUP };
		(void)poll(&gone, 1, -1);
	}
	uncount(r); /* before the sender knows, and sends the next */
	return act(c, action);
}

static void completed(
	void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	struct request *r = *state;
	(void)ctx, (void)c, (void)code;
	if (!r)
		return;
	uncount(r);
	free(r->path);
	free(r->body.data);
	free(r);
}

static void connected(void *ctx, struct MHD_Connection *c, void **socket,
	enum MHD_ConnectionNotificationCode code)
{
	static _Atomic uintptr_t count;
	(void)ctx, (void)c;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket = (void *)++count;
}

/* ---- the program */

static char *file_read(const char *name)
{
	FILE *f = fopen(name, "re");
	char *text = calloc(1, 65536);
	if (!f || !text || !fread(text, 1, 65535, f)) {
		fprintf(stderr, "sink: cannot read %s\n", name);
		exit(2);
	}
	fclose(f);
	return text;
}

static void announce(struct MHD_Daemon *d)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	char temporary[4096], name[4096];
	/* Whoever waits for the file finds it whole. */
	snprintf(name, sizeof(name), "%s/port", sink.dir);
	snprintf(temporary, sizeof(temporary), "%s/.port", sink.dir);
	FILE *f = fopen(temporary, "we");
	if (!f || fprintf(f, "%u\n", info->port) < 0 || fclose(f) || rename(temporary, name)) {
		perror("sink: port");
		exit(1);
	}
	printf("%u\n", info->port);
	fflush(stdout);
}

static int usage(int status)
{
	fputs("usage: sink [--tls CERT KEY] [--port N] DIR\n"
	      "Writes DIR/port and DIR/requests.jsonl; answers as DIR/script says, lines of\n"
	      "  PREFIX [times K] [chance PERCENT] [delay MS] ACTION\n"
	      "  ACTION: status N [header:NAME=VALUE ...] | body TEXT | redirect URL | close | reset |\n"
	      "          hang | drip MS | endless | garbage\n",
		status ? stderr : stdout);
	return status;
}

static struct MHD_Daemon *start(unsigned port, const char *cert, const char *key)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_POLL | (cert ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key }, { MHD_OPTION_END, 0, NULL } };
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	return MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &a,
		MHD_OPTION_URI_LOG_CALLBACK, began, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed,
		NULL, MHD_OPTION_NOTIFY_CONNECTION, connected, NULL, MHD_OPTION_CONNECTION_LIMIT,
		2000u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, cert ? tls : none,
		MHD_OPTION_END);
}

int main(int argc, char **argv)
{
	const char *cert = NULL, *key = NULL;
	unsigned port = 0;
	int i = 1, signo;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-h"))
			return usage(0);
		if (!strcmp(argv[i], "--tls") && i + 2 < argc) {
			cert = file_read(argv[i + 1]);
			key = file_read(argv[i + 2]);
			i += 2;
		} else if (!strcmp(argv[i], "--port") && i + 1 < argc) {
			port = (unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			return usage(2);
		}
	}
	if (i + 1 != argc)
		return usage(2);
	sink.dir = argv[i];
	char name[4096];
	snprintf(name, sizeof(name), "%s/requests.jsonl", sink.dir);
	sink.log_fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (sink.log_fd < 0) {
		perror(name);
		return 1;
	}
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	struct MHD_Daemon *d = start(port, cert, key);
	if (!d) {
		fprintf(stderr, "sink: cannot listen on 127.0.0.1:%u\n", port);
		return 1;
	}
	announce(d);
	sigwait(&ends, &signo);
	_exit(0); /* hanging answers are not waited for */
}
