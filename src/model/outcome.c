#include "model/outcome.h"

#include <stdlib.h>

void outcome_release(struct outcome *o)
{
	free(o->body);
	o->body = NULL;
	o->body_len = 0;
}

const char *outcome_name(enum outcome_kind k)
{
	static const char *const names[OUTCOME_KIND_COUNT] = {
		[OUTCOME_RESPONSE] = "response",
		[OUTCOME_DNS] = "dns",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_CONNECT] = "connect",
		[OUTCOME_CONNECT_TIMEOUT] = "connect_timeout",
		[OUTCOME_TLS] = "tls",
		[OUTCOME_TIMEOUT] = "timeout",
		[OUTCOME_BODY_TIMEOUT] = "body_timeout",
		[OUTCOME_BROKEN] = "broken",
		[OUTCOME_DENIED] = "denied",
		[OUTCOME_LOCAL] = "local",
		[OUTCOME_ABORTED] = "aborted",
	};

	return (unsigned)k < OUTCOME_KIND_COUNT ? names[k] : "?";
}
