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

/* Under the store's lock, after it was opened. */
enum froe_err access_key(const char *dir, uint8_t key[32], bool *ret_created,
    struct froe_fault *fault) FROE_CHECKED;

struct access_token {
	const char *name;
	const char *tenant; /* or "*" */
	const char *const *roles;
	size_t role_count;
	const char *const *actions;
	size_t action_count;
	uint64_t expires_ms; /* 0: the default */
	bool never_expires;
	uint64_t segment_bytes; /* of the store, if it is made now; 0: the default */
};
#define ACCESS_TOKEN_TEXT_SIZE 68

/* Opens the store (making it if need be), takes one step, closes it. */
enum froe_err access_token_create(const char *dir, const struct access_token *token,
    char ret_text[ACCESS_TOKEN_TEXT_SIZE], uint64_t *ret_expires_ns, struct froe_fault *fault)
    FROE_CHECKED;

#endif
