#pragma once
/*
 * sign: body + secrets → the header by which a receiver knows who sent it.
 *
 * Three styles; the content that is signed always ends in the body exactly as it is sent:
 *
 *     standard  webhook-signature: v1,BASE64 v1a,BASE64   over ID.SECONDS.BODY, with every key
 *     github    X-Hub-Signature-256: sha256=HEX           over BODY, with the first key only
 *     stripe    Stripe-Signature: t=SECONDS,v1=HEX,v1=HEX over SECONDS.BODY, with every key
 *
 * Several keys are for rotation: a receiver takes the request if one signature fits. The webhook-id
 * and webhook-timestamp that the standard style covers are the sender's to add.
 *
 * Secrets are text, one a line. For standard: `whsec_` + base64 of 24 to 64 bytes (HMAC-SHA256, v1)
 * or `whsk_` + base64 of an ed25519 seed, alone or with its public key behind it (v1a). For github
 * and stripe a line as it stands is an HMAC-SHA256 key, whatever it begins with. So keys belong to
 * the style that they were read for, and a change of style reads the secrets again.
 *
 * Pure but for sign_generate; no clock: id and time are arguments. Keys do not change by signing.
 * Owns the keys and clears their memory; the text is the caller's to clear. No sentence quotes any
 * part of a secret.
 *
 * Errors: -EINVAL syntax, -ERANGE a secret too short or too long, -E2BIG too many of them, -ENOMEM.
 */
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct sign_keys;

#define SIGN_KEYS_MAX   8
#define SIGN_HMAC_MIN   24  /* bytes of a whsec_ key, as the specification wants them … */
#define SIGN_HMAC_MAX   64  /* … longer than SHA-256's block adds nothing */
#define SIGN_RAW_MAX    256 /* bytes of a github or stripe secret; theirs are below 100 */
#define SIGN_SECRET_MAX (SIGN_KEYS_MAX * (SIGN_RAW_MAX + 1)) /* bytes of text that can be good */
#define SIGN_VALUE_MAX  1024 /* bytes of a header's value; 8 ed25519 signatures have 743 */

enum sign_style { SIGN_STANDARD, SIGN_GITHUB, SIGN_STRIPE, SIGN_STYLE_COUNT };

/* "standard", "github", "stripe" */
const char *sign_style_name(enum sign_style style);
int sign_style_parse(const char *text, size_t len, struct err *err, enum sign_style *out);
/* The name of the header that carries the signature. */
const char *sign_style_header(enum sign_style style);

/* Reads the secrets, all of them or none; `text` comes without its final newline. */
int sign_keys_parse(enum sign_style style, const char *text, size_t len, struct err *err,
	struct sign_keys **out);
void sign_keys_free(struct sign_keys *keys); /* NULL is fine */

/* Appends the header's value. `id` has no dot; standard alone uses it. */
int sign_value(const struct sign_keys *keys, const char *id, int64_t timestamp_s, const void *body,
	size_t len, struct buf *out);

/* Appends a new secret for the standard style, `whsec_` and 32 characters. `out` is a BUF_SECRET.
 * -errno of getrandom. */
int sign_generate(struct buf *out);
