/*
 * tests/tls_world: certificates of all kinds, and pairs of a server and a client in memory.
 */
#ifndef TESTS_TLS_WORLD_H
#define TESTS_TLS_WORLD_H

#include "tls/tls.h"

#include "tls_certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SAN "DNS:localhost,DNS:froe.example,IP:127.0.0.1,IP:::1"
#define DAY_S (24 * 3600L)

static char tls_dir[256]; /* of this program's certificates */

static void
tls_world_open(void)
{
	const char *base = getenv("TMPDIR");
	snprintf(tls_dir, sizeof(tls_dir), "%s/froe-tls-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(tls_dir));
	const struct certificate all[] = {
	    {.name = "ca", .ca = true},
	    {.name = "other", .ca = true},
	    {.name = "server", .issuer = "ca", .san = SAN, .usage = "serverAuth"},
	    {.name = "expired", .issuer = "ca", .san = SAN, .from_s = -9 * DAY_S,
	        .to_s = -DAY_S},
	    {.name = "early", .issuer = "ca", .san = SAN, .from_s = DAY_S, .to_s = 9 * DAY_S},
	    {.name = "alone", .san = SAN},
	    {.name = "nameless", .issuer = "ca"},
	    {.name = "worker-7", .issuer = "ca", .usage = "clientAuth"},
	    {.name = "stranger", .issuer = "other", .usage = "clientAuth"},
	    {.name = "locked", .issuer = "ca", .passphrase = "secret"},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certificates_make(tls_dir, &all[i]);
}

static void
tls_world_close(void)
{
	char command[300];
	snprintf(command, sizeof(command), "rm -r '%s'", tls_dir);
	assert_int_equal(system(command), 0);
}

/* Names of certificates instead of paths; NULL: none. */
static inline enum froe_err
context_try(bool server, const char *own, const char *ca, enum tls_ask ask,
    struct tls_context **ret_context, struct froe_fault *fault)
{
	char cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE], trust[CERTIFICATE_PATH_SIZE];
	struct tls_options options = {.server = server, .ask = ask};
	if (own != NULL) {
		options.cert_file = certificate_path(cert, tls_dir, own, "pem");
		options.key_file = certificate_path(key, tls_dir, own, "key");
	}
	if (ca != NULL)
		options.ca_file = certificate_path(trust, tls_dir, ca, "pem");
	return tls_context_open(ret_context, &options, fault);
}

static inline struct tls_context *
context_open(bool server, const char *own, const char *ca, enum tls_ask ask)
{
	struct tls_context *context;
	struct froe_fault fault;
	if (context_try(server, own, ca, ask, &context, &fault) != FROE_OK)
		fail_msg("%s: %s", fault.field, fault.text);
	return context;
}

/* A server and a client, and what each has received. */
struct pair {
	struct tls *server;
	struct tls *client;
	struct buf server_plain;
	struct buf client_plain;
};

static inline void
pair_open(struct pair *pair, struct tls_context *server, struct tls_context *client,
    const char *host)
{
	*pair = (struct pair){.server = tls_new(server, NULL), .client = tls_new(client, host)};
	tls_context_close(server); /* the pair holds them */
	tls_context_close(client);
}

static inline void
pair_release(struct pair *pair)
{
	tls_free(pair->server);
	tls_free(pair->client);
	buf_release(&pair->server_plain);
	buf_release(&pair->client_plain);
}

/* Carries what `from` has for the network, in pieces; true: something was carried. */
static inline bool
carry(struct tls *from, struct tls *to, struct buf *plain, size_t piece)
{
	struct buf *output = tls_output(from);
	bool some = buf_used(output) > 0;
	while (buf_used(output) > 0) {
		struct bytes bytes = buf_bytes(output);
		size_t size = bytes.size < piece ? bytes.size : piece;
		tls_feed(to, bytes.data, size);
		buf_pop(output, size);
		do {
			tls_step(to, plain, SIZE_MAX);
		} while (tls_unread(to) > 0);
	}
	return some;
}

static inline void
pair_run(struct pair *pair, size_t piece)
{
	bool some = true;
	while (some) {
		some = carry(pair->client, pair->server, &pair->server_plain, piece);
		some = carry(pair->server, pair->client, &pair->client_plain, piece) || some;
	}
}

static inline void
pair_shake(struct pair *pair)
{
	pair_run(pair, SIZE_MAX);
	assert_int_equal(tls_state(pair->server), TLS_OPEN);
	assert_int_equal(tls_state(pair->client), TLS_OPEN);
}

static inline void
pair_default(struct pair *pair)
{
	pair_open(pair, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED), "localhost");
}

#endif
