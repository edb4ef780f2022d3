#include "model/url.h"

#include "model/hook.h"
#include "util/buf.h"
#include "util/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* What the functions below agree on: where the parts of a checked url are. */
struct url {
	bool tls;
	const char *host; /* with the brackets of an IPv6 address */
	size_t host_len;
	unsigned port;
	size_t authority_end; /* bytes of scheme, host and port */
};

#define PORT_MAX 65535

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_';
}

/* No sentence here quotes the text: what follows the host is often a secret. */
static int characters_check(const char *text, size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f)
			return err_set(err, EINVAL, i,
				"a url has no blanks or control characters: write %%%02X for it",
				c);
		if (c > 0x7f)
			return err_set(err, EINVAL, i,
				"a url is ASCII: write %%%02X for this byte, in a host xn--", c);
		if (c == '#')
			return err_set(err, EINVAL, i,
				"a fragment is never sent: leave out what begins at the #");
	}
	return 0;
}

/* The bytes of "https://" or "http://", or 0. */
static size_t scheme_len(const char *text, size_t len, bool *tls)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(schemes[i]);

		if (len >= n && !strncasecmp(text, schemes[i], n)) {
			*tls = i == 1;
			return n;
		}
	}
	return 0;
}

/* The bytes of the host at the start of `text`; 0 if there is none that is well-formed. */
static size_t host_len(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *close;
	size_t n = 0;

	if (!len || text[0] != '[') {
		while (n < len && is_host_char(text[n]))
			n++;
		return n;
	}
	close = memchr(text, ']', len);
	if (!close || (size_t)(close - text) > sizeof(address))
		return 0;
	n = (size_t)(close - text) - 1;
	memcpy(address, text + 1, n);
	address[n] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1 ? n + 2 : 0;
}

/* `text` is what follows the host's colon. */
static bool port_parse(const char *text, size_t len, unsigned *port)
{
	unsigned value = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
		if (value > PORT_MAX)
			return false;
	}
	*port = value;
	return value > 0;
}

static int url_split(const char *text, size_t len, struct err *err, struct url *out)
{
	struct url u = { 0 };
	size_t start = scheme_len(text, len, &u.tls);
	size_t end = start, colon;

	if (!start)
		return err_set(err, EINVAL, 0, "a url begins with https:// or http://");
	while (end < len && !strchr("/?#", text[end]))
		end++;
	if (memchr(text + start, '@', end - start))
		return err_set(err, EINVAL, start,
			"a url carries no user:password@: put it into headers/Authorization");
	u.host = text + start;
	u.host_len = host_len(u.host, end - start);
	colon = start + u.host_len;
	if (!u.host_len)
		return err_set(err, EINVAL, start,
			"a host is missing here: write a name, an IPv4 or an [IPv6] address");
	if (colon < end && text[colon] != ':')
		return err_set(err, EINVAL, colon, "this character cannot stand in a host's name");
	u.port = u.tls ? 443 : 80;
	if (colon < end && !port_parse(text + colon + 1, end - colon - 1, &u.port))
		return err_set(err, EINVAL, colon + 1, "a port is a number from 1 to %d", PORT_MAX);
	u.authority_end = end;
	*out = u;
	return 0;
}

int url_check(const char *text, size_t len, struct err *err)
{
	struct url ignored;
	int rc = characters_check(text, len, err);

	return rc ? rc : url_split(text, len, err, &ignored);
}

void url_destination(const char *url, struct buf *out)
{
	struct url u;

	if (url_split(url, strlen(url), NULL, &u) < 0)
		return; /* not a url that url_check took */
	buf_adds(out, u.tls ? "https://" : "http://");
	for (size_t i = 0; i < u.host_len; i++) {
		char c = u.host[i];

		buf_addc(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
	buf_addf(out, ":%u", u.port);
}

void url_masked(const char *url, struct buf *out)
{
	struct url u = { 0 };

	(void)url_split(url, strlen(url), NULL, &u); /* no url: nothing of it is shown */
	buf_add(out, url, u.authority_end);
	buf_adds(out, "/" MASK);
}
