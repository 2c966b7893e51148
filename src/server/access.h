/*
 * server/access: what a data directory has for access: its key, its admin socket, its first token.
 *
 * Purpose     <data>/token.key, under which digests of tokens are made; <data>/admin.sock, by which
 *             the directory's owner (and root) is an admin without a token; and a token made while
 *             no server runs.
 * Threading   access_token_create: the calling thread, with one of its own for the log.
 * Failure     FROE_DENIED: permissions are too wide. FROE_IN_USE: a server runs: use admin.sock.
 * See         docs/security.md
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "base/bytes.h"

#define ACCESS_SOCKET "admin.sock"
#define ACCESS_ADDRESS_DEFAULT "127.0.0.1:7077"

struct server_options;

/* Where clients reach the server: what --advertise says, else its own address. With the scheme, so
 * that it says whether TLS is spoken. */
#define ACCESS_ADVERTISE_SIZE 160
void access_advertise(const struct server_options *options, unsigned port,
    char to[ACCESS_ADVERTISE_SIZE]);
/* NULL: it is [http://|https://]HOST:PORT. Else what is wrong. */
const char *access_advertise_fault(const char *text);

/* Under the store's lock, after it was opened. */
enum froe_err access_key(const char *dir, uint8_t key[32], bool *ret_created,
    struct froe_fault *fault) FROE_CHECKED;

/* By what Hatchet's SDKs know a tenant. */
#define ACCESS_TENANT_ID_SIZE 37
void access_tenant_id(const char *name, char to[ACCESS_TENANT_ID_SIZE]);

struct access_token {
	const char *name;
	const char *tenant; /* or "*" */
	const char *const *roles;
	size_t role_count;
	const char *const *actions;
	size_t action_count;
	uint64_t expires_ms; /* 0: the default */
	bool never_expires;
	bool hatchet;          /* as a JWT */
	const char *advertise; /* in it; NULL: the default address */
	uint64_t segment_bytes; /* of the store, if it is made now; 0: the default */
};
#define ACCESS_TOKEN_TEXT_SIZE 1024

/* Opens the store (making it if need be), takes one step, closes it. */
enum froe_err access_token_create(const char *dir, const struct access_token *token,
    char ret_text[ACCESS_TOKEN_TEXT_SIZE], uint64_t *ret_expires_ns, struct froe_fault *fault)
    FROE_CHECKED;

#endif
