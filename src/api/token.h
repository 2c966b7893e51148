/*
 * api/token: a bearer token as text, and the digest that is kept of it.
 *
 * Purpose     froe1_<kid>_<secret>_<sum>: a prefix that scanners for leaked secrets look for, the
 *             token's public number (10 characters of base 32), 256 random bits (43 of base64url),
 *             and a CRC-32 of all that (6 of base 62), so that a mistyped token is told from a
 *             wrong one without asking anybody. What the server keeps is HMAC-SHA-256 of the kid
 *             and the secret under its own key: neither its disk nor its backups hold a token.
 * Threading   any thread; nothing here has state.
 * See         docs/security.md
 */
#ifndef API_TOKEN_H
#define API_TOKEN_H

#include "base/bytes.h"
#include "io/io.h"

#define TOKEN_TEXT_SIZE 68 /* with the terminating zero */
#define TOKEN_SECRET_BYTES 32u
#define TOKEN_KEY_BYTES 32u
#define TOKEN_DIGEST_BYTES 32u
#define TOKEN_KID_BITS 50u
#define TOKEN_KID_TEXT_SIZE 11

struct token {
	uint64_t kid; /* below 2^TOKEN_KID_BITS, not 0 */
	uint8_t secret[TOKEN_SECRET_BYTES];
};

void token_mint(struct io_env *env, struct token *ret_token); /* of fresh dice */

void token_format(const struct token *token, char text[TOKEN_TEXT_SIZE]);

/* False: not the text of a token, or mistyped. */
bool token_parse(struct bytes text, struct token *ret_token);

void token_kid_format(uint64_t kid, char text[TOKEN_KID_TEXT_SIZE]);
bool token_kid_parse(struct bytes text, uint64_t *ret_kid);

void token_digest(const uint8_t key[TOKEN_KEY_BYTES], const struct token *token,
    uint8_t ret_digest[TOKEN_DIGEST_BYTES]);

/* Takes the same time wherever they differ. */
bool token_digest_equal(const uint8_t a[TOKEN_DIGEST_BYTES], const uint8_t b[TOKEN_DIGEST_BYTES]);

/* Forgets a secret for good: the compiler does not leave it out. */
void token_wipe(void *secret, size_t size);

#endif
