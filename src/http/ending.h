#pragma once
/*
 * ending: how curl's transfer ended → the outcome's kind, sentence, status, connection and times: a table of rows.
 *
 * Knows no threads, no sockets, no bodies. The sentence holds nothing of the request: no path, no
 * query, no header. What a receiver put into it (a certificate's name) is made printable ASCII.
 */
#include "model/outcome.h"

#include <curl/curl.h>

/*
 * `easy` is the transfer that ended with `code`; `words` is what curl left in its error buffer.
 * `first_byte_us` counts from the attempt's start, 0: none came; curl's own figure is, in a POST, of the
 * first byte sent.
 */
void ending_read(
	struct outcome *o, CURL *easy, CURLcode code, const char *words, curl_off_t first_byte_us);
/* The transfer could not even start. */
void ending_local(struct outcome *o, CURLcode code);
/* The guard's sentence: what curl makes of a refused address is of no interest. */
void ending_denied(struct outcome *o, const char *why);
/* TLS failed with certificates of the request's own: `why`, or "" to leave curl's words. */
void ending_own(struct outcome *o, const char *why);
/* We gave up reading its headers. */
void ending_flooded(struct outcome *o);
void ending_aborted(struct outcome *o);
