/*
 * tls/tls: TLS 1.3 between two buffers; knows no socket and no thread.
 *
 * Purpose     One connection's cipher: bytes of the network are fed, plaintext comes out; plaintext
 *             is written, bytes for the network are collected in tls_output(). Servers and clients
 *             use the same. TLS 1.3 only, without early data, tickets, compression or
 *             renegotiation; a client always verifies the server.
 * Ownership   a struct tls is its opener's, and holds its context. What the accessors return
 *             is borrowed until the next call with that tls.
 * Threading   one thread at a time for a context together with everything made from it.
 * Invariants  1. the state moves only along the table in tls.c.
 *             2. after a step nothing fed is left, unless plaintext, output or the number of
 *                records has reached its bound.
 *             3. output grows beyond TLS_OUTPUT_HIGH by at most one record, and by what answers
 *                the records that were fed.
 * Failure     a failed tls says why (tls_fault) and may have an alert in its output, which the
 *             other side should still get. It takes nothing more.
 * See         docs/security.md, docs/decisions/0011-tls.md
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/bytes.h"

struct tls;
struct tls_context;

/* Output above it: nothing more is encrypted or taken in until it has been sent. */
#define TLS_OUTPUT_HIGH ((size_t)64 << 10)
/* What a handshake may consist of: certificates are 1 to 3 KiB each. */
#define TLS_HANDSHAKE_BYTES_MAX ((size_t)64 << 10)
/* Records in a row that carry no data (key updates cost us more than the sender). */
#define TLS_EMPTY_RECORDS_MAX 32u
/* Records of one step: small ones cost us hundreds of times their bytes. */
#define TLS_STEP_RECORDS_MAX 64u
#define TLS_NAME_SIZE 256u

/* ------------------------------------------------------------------------------- contexts */

enum tls_ask {
	TLS_ASK_REQUIRED, /* clients without a certificate are refused */
	TLS_ASK_OPTIONAL, /* a certificate that is shown must be good */
};

struct tls_options {
	bool server;
	const char *cert_file; /* PEM: own certificate, then its chain; NULL: none (clients) */
	const char *key_file;  /* PEM, not encrypted, not open to everyone */
	/* PEM: who signs the other side's certificates. NULL: the system's (clients), or clients
	 * are not asked for one (servers). */
	const char *ca_file;
	enum tls_ask ask;
};

/* Reads the files. The fault's field is "tls.cert_file", "tls.key_file" or "tls.ca_file". */
enum froe_err tls_context_open(struct tls_context **ret_context, const struct tls_options *options,
    struct froe_fault *fault) FROE_CHECKED;

/* Gives up the opener's hold; connections that use it go on. NULL is allowed. */
void tls_context_close(struct tls_context *context);

/* When the own certificate ends, in seconds of the wall clock; 0: there is none. */
int64_t tls_context_expires_s(const struct tls_context *context);

/* ---------------------------------------------------------------------------- connections */

/*
 *   SHAKING ──▶ OPEN ──▶ ENDED
 *      └──────────┴────────┴────▶ FAILED
 */
enum tls_state {
	TLS_SHAKING, /* the handshake is under way */
	TLS_OPEN,
	TLS_ENDED,   /* the other side has said that it sends no more; it still reads */
	TLS_FAILED,
};

/* Clients: `host` is whom the server's certificate must be for, a name or a number; the first
 * bytes are in the output at once. Servers: NULL. */
struct tls *tls_new(struct tls_context *context, const char *host);
void tls_free(struct tls *tls); /* NULL is allowed */

enum tls_state tls_state(const struct tls *tls);
const struct froe_fault *tls_fault(const struct tls *tls); /* FAILED only */

/* Bytes that came from the network; and how many of them wait for a step. */
void tls_feed(struct tls *tls, const void *data, size_t size);
size_t tls_unread(const struct tls *tls);

/* Takes in what was fed: the handshake, then data, which is appended to *plain until that holds
 * plain_max bytes or a record more. Stops early above TLS_OUTPUT_HIGH and after
 * TLS_STEP_RECORDS_MAX. */
void tls_step(struct tls *tls, struct buf *plain, size_t plain_max);

/* Encrypts; how many bytes it took: all of them unless the output is above TLS_OUTPUT_HIGH. Takes
 * nothing in SHAKING and FAILED. */
size_t tls_write(struct tls *tls, struct bytes plain);

/* Says that we send no more (close_notify); once. */
void tls_finish(struct tls *tls);

struct buf *tls_output(struct tls *tls); /* for the network: to be popped, or swapped away */
size_t tls_output_used(const struct tls *tls);

/* The subject of the other side's verified certificate, "CN=worker-7,O=froe"; "" without one. */
const char *tls_peer(const struct tls *tls);
/* What both sides agreed to speak, "froe/1", "http/1.1" or "h2"; "" if the client did not
 * ask. */
const char *tls_protocol(const struct tls *tls);

void tls_trim(struct tls *tls, size_t kept); /* gives back empty buffers larger than `kept` */
size_t tls_held_bytes(const struct tls *tls); /* of its buffers */

#endif
