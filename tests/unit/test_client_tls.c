/*
 * client and TLS: which certificates it takes, and which it shows, with a receiver in this process.
 */
#include "http/client.h"
#include "util/err.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/attempt.h"
#include "memcheck.h"
#include "pems.h"

#define IDLE_S 1u /* the receiver closes connections that were idle for so long */

static char dir[] = "/tmp/test_client.XXXXXX";
static char cert_path[64], key_path[64], other_path[64];

static void certificate(const char *name, char cert[static 64], char key[static 64])
{
	char subject[64];
	const char *const argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject, "-addext",
		"subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert, NULL };
	posix_spawn_file_actions_t quiet;
	int status;
	pid_t pid;

	snprintf(subject, sizeof(subject), "/CN=%s", name);
	snprintf(cert, 64, "%s/%s.pem", dir, name);
	snprintf(key, 64, "%s/%s.key", dir, name);
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	assert_int_equal(
		posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)argv, environ), 0);
	posix_spawn_file_actions_destroy(&quiet);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char *slurp(const char *path)
{
	char *text = calloc(1, 8192);
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, text, 8191) > 0);
	close(fd);
	return text;
}

static struct secure {
	struct MHD_Daemon *daemon;
	_Atomic int open;     /* connections */
	_Atomic int most;     /* of them at once */
	_Atomic bool patient; /* they may be idle for long */
	char *cert, *key;
	unsigned port;
} secure;

static void secure_connection(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_ConnectionNotificationCode what)
{
	(void)ctx;
	(void)state;
	/* The handshake may take its time on a busy machine. */
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 60u);
	secure.open += what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1;
	if (secure.open > secure.most)
		secure.most = secure.open;
}

static enum MHD_Result secure_answer(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	static char seen;
	struct MHD_Response *r;
	enum MHD_Result result;

	(void)ctx;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (!*state || *size) {
		*state = &seen;
		*size = 0;
		return MHD_YES;
	}
	if (!secure.patient)
		MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_S);
	r = MHD_create_response_from_buffer(6, (void *)"secure", MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, 200, r);
	MHD_destroy_response(r);
	return result;
}

static int setup_secure(void **state)
{
	char unused[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	certificate("right", cert_path, key_path);
	certificate("other", other_path, unused);
	unlink(unused);
	secure.cert = slurp(cert_path);
	secure.key = slurp(key_path);
	secure.daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL,
		secure_answer, NULL, MHD_OPTION_HTTPS_MEM_CERT, secure.cert,
		MHD_OPTION_HTTPS_MEM_KEY, secure.key, MHD_OPTION_NOTIFY_CONNECTION,
		secure_connection, NULL, MHD_OPTION_END);
	assert_non_null(secure.daemon);
	secure.port = MHD_get_daemon_info(secure.daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	return 0;
}

static int teardown_secure(void **state)
{
	(void)state;
	MHD_stop_daemon(secure.daemon);
	free(secure.cert);
	free(secure.key);
	unlink(cert_path);
	unlink(key_path);
	unlink(other_path);
	rmdir(dir);
	return 0;
}

/* From a client that trusts `cacert`. */
static struct outcome secure_attempt(const char *cacert, const char *host)
{
	struct client_options o = options;
	struct client *c;
	struct outcome out;

	o.cacert = cacert;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	out = attempt(c, request_to(format("https://%s:%u/" SECRET, host, secure.port), 1, ENOUGH));
	client_free(c);
	return out;
}

static void test_the_right_certificate(void **state)
{
	struct outcome o = secure_attempt(cert_path, "127.0.0.1");

	(void)state;
	assert_string_equal(o.error, "");
	assert_int_equal(o.http_status, 200);
	assert_int_equal(o.body_len, 6);
	assert_true(o.us.tls > 0);
	outcome_release(&o);
}

static void test_wrong_certificates(void **state)
{
	static const struct {
		const char *cacert, *host, *error;
	} cases[] = {
		{ NULL, "127.0.0.1",
			"TLS failed: SSL certificate problem: self-signed certificate" },
		{ other_path, "127.0.0.1", "TLS failed: SSL certificate problem: " },
		{ cert_path, "localhost", "TLS failed: SSL: " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o = secure_attempt(cases[i].cacert, cases[i].host);

		assert_string_equal(outcome_name(o.kind), "tls");
		assert_int_equal(o.http_status, 0);
		assert_ptr_equal(strstr(o.error, cases[i].error), o.error);
	}
}

/* As after a quiet night: more of them than curl would try before it gives up. */
static void test_kept_connections_that_the_receiver_closed(void **state)
{
	enum { AT_ONCE = 12 };
	struct client_options o = options;
	struct client *c;

	(void)state;
	skip_under_memcheck("it is too slow for so many connections at once");
	o.cacert = cert_path;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	for (int round = 0; round < 2; round++) {
		secure.most = 0;
		for (unsigned tag = 0; tag < AT_ONCE; tag++)
			client_send(c,
				request_to(format("https://127.0.0.1:%u/" SECRET, secure.port), tag,
					ENOUGH));
		for (unsigned i = 0; i < AT_ONCE; i++) {
			struct outcome out = await(c);

			assert_string_equal(out.error, "");
			assert_int_equal(out.http_status, 200);
			outcome_release(&out);
		}
		assert_true(secure.most > 6); /* the first may be closed before the last is there */
		while (secure.open > 0)
			usleep(10000);
	}
	client_free(c);
}

/* ---- certificates of a request's own; NULL: none */

static struct outcome own_attempt(
	struct client *c, const char *ca, const char *cert, const char *key)
{
	struct request *r =
		request_to(format("https://127.0.0.1:%u/" SECRET, secure.port), 1, ENOUGH);

	r->ca = ca ? strdup(ca) : NULL;
	r->cert = cert ? strdup(cert) : NULL;
	r->key = key ? strdup(key) : NULL;
	return attempt(c, r);
}

static void test_a_ca_of_its_own(void **state)
{
	struct client_options o = options;
	struct client *c;
	struct outcome out;

	(void)state;
	o.cacert = other_path;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	out = own_attempt(c, secure.cert, NULL, NULL);
	assert_int_equal(out.http_status, 200);
	outcome_release(&out);
	/* For that request alone. */
	out = own_attempt(c, NULL, NULL, NULL);
	assert_string_equal(outcome_name(out.kind), "tls");
	client_free(c);

	o.cacert = cert_path;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	out = own_attempt(c, PEM_ROOT, NULL, NULL);
	assert_string_equal(outcome_name(out.kind), "certificate");
	assert_ptr_equal(strstr(out.error, "TLS failed: SSL certificate problem: "), out.error);
	out = own_attempt(c, NULL, NULL, NULL);
	assert_int_equal(out.http_status, 200);
	outcome_release(&out);
	client_free(c);
}

static void test_certificates_that_cannot_be_shown(void **state)
{
	static const struct {
		const char *cert, *key, *error;
	} cases[] = {
		{ PEM_LEAF, PEM_OTHER_KEY, "the private key is not the one of the certificate" },
		{ PEM_LEAF, NULL, "the certificate lacks its private key" },
		{ NULL, PEM_LEAF_KEY, "the private key lacks its certificate" },
	};
	struct client_options o = options;
	struct client *c;

	(void)state;
	o.cacert = cert_path;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome out = own_attempt(c, NULL, cases[i].cert, cases[i].key);

		assert_string_equal(outcome_name(out.kind), "certificate");
		assert_string_equal(out.error, cases[i].error);
		assert_int_equal(out.http_status, 0);
	}
	client_free(c);
}

/* Who has shown one certificate must not be taken for another. */
static void test_connections_are_kept_for_the_same_certificates(void **state)
{
	struct {
		const char *ca, *cert, *key;
		bool anew;
	} cases[] = {
		{ NULL, NULL, NULL, true },
		{ NULL, NULL, NULL, false },
		{ NULL, PEM_LEAF, PEM_LEAF_KEY, true },
		{ NULL, PEM_LEAF, PEM_LEAF_KEY, false },
		{ NULL, secure.cert, secure.key, true },
		{ NULL, PEM_LEAF PEM_MID, PEM_LEAF_KEY, true },
		{ secure.cert, PEM_LEAF, PEM_LEAF_KEY, true },
		{ secure.cert, NULL, NULL, true },
		{ NULL, NULL, PEM_LEAF_KEY, true }, /* which fails, and leaves nothing behind */
		{ NULL, PEM_LEAF, PEM_LEAF_KEY, false },
		{ secure.cert, NULL, NULL, false },
		{ NULL, NULL, NULL, false },
	};
	struct client_options o = options;
	struct client *c;

	(void)state;
	o.cacert = cert_path;
	secure.patient = true;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome out = own_attempt(c, cases[i].ca, cases[i].cert, cases[i].key);

		if (cases[i].key && !cases[i].cert)
			assert_string_equal(outcome_name(out.kind), "certificate");
		else
			assert_int_equal(out.http_status, 200);
		/* of a kept connection there is no time that TLS took */
		if (out.http_status && (out.us.tls > 0) != cases[i].anew)
			fail_msg("%zu: %s connection", i, cases[i].anew ? "a kept" : "a new");
		outcome_release(&out);
	}
	client_free(c);
}

static void test_a_cacert_that_cannot_be_read(void **state)
{
	static const struct {
		const char *path, *sentence;
	} cases[] = {
		{ "/nonexistent/ca.pem", "cacert: /nonexistent/ca.pem: No such file or directory" },
		{ "/dev/null", "cacert: /dev/null: has no certificate in PEM form" },
		{ "/", "cacert: /: Is a directory" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client_options o = options;
		struct client *c = NULL;
		struct err err;

		o.cacert = cases[i].path;
		assert_int_equal(client_new(&o, &err, &c), -EINVAL);
		assert_string_equal(err.sentence, cases[i].sentence);
		assert_null(c);
	}
}

/* Each of the descriptors that it needs, in turn, is the one too many. */
static void test_no_descriptor_is_told(void **state)
{
	struct rlimit before, few;
	struct client *c = NULL;
	struct err err = { 0 };
	int free_fd, r = -EMFILE;

	(void)state;
	skip_under_memcheck("valgrind has a limit of descriptors of its own");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	free_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(free_fd >= 0);
	assert_int_equal(close(free_fd), 0);
	for (rlim_t more = 0; r == -EMFILE && more < 16; more++) {
		err.sentence[0] = '\0';
		few = before;
		few.rlim_cur = (rlim_t)free_fd + more;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = client_new(&options, &err, &c);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_true(more || r == -EMFILE);
		if (r == -EMFILE)
			assert_string_equal(
				err.sentence, "cannot prepare for requests: Too many open files");
	}
	assert_int_equal(r, 0);
	client_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_right_certificate),
		cmocka_unit_test(test_wrong_certificates),
		cmocka_unit_test(test_kept_connections_that_the_receiver_closed),
		cmocka_unit_test(test_a_ca_of_its_own),
		cmocka_unit_test(test_certificates_that_cannot_be_shown),
		cmocka_unit_test(test_connections_are_kept_for_the_same_certificates),
		cmocka_unit_test(test_a_cacert_that_cannot_be_read),
		cmocka_unit_test(test_no_descriptor_is_told),
	};

	return cmocka_run_group_tests(tests, setup_secure, teardown_secure);
}
