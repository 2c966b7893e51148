/*
 * api/jwt: a token as Hatchet's SDKs want it: a JWT around one of froe's own.
 *
 * Purpose     SDKs take from it where the server is (server_url, grpc_broadcast_address) and whose
 *             tenant it opens (sub); they verify nothing. The server takes froe's token from the
 *             claim `froe` and judges that: expiry, roles and revocation are the same for both.
 *             HS256 under a key derived from token.key: a claim that was changed is found out. Who
 *             has that key but no token cannot make one, for the secret is in the claim.
 * Threading   any thread; nothing here has state.
 * See         docs/security.md, "Tokens for Hatchet's SDKs"
 */
#ifndef API_JWT_H
#define API_JWT_H

#include "api/token.h"
#include "base/uuid.h"

#define JWT_TEXT_SIZE 1024 /* with the terminating zero */
/* HOST:PORT, or with http:// or https:// before it. */
#define JWT_ADDRESS_BYTES_MAX 136u

struct jwt_claims {
	const struct token *token;
	struct bytes tenant; /* its name */
	const char *address; /* [http://|https://]HOST:PORT */
	uint64_t issued_ns;  /* wall clock */
	uint64_t expires_ns; /* 0: never */
};

/* NULL: it is good. Else what is wrong with it. */
const char *jwt_address_fault(struct bytes address);

void jwt_format(
    const uint8_t key[TOKEN_KEY_BYTES], const struct jwt_claims *claims, char text[JWT_TEXT_SIZE]);

/* False: not a JWT of ours, made under this key. Takes the same time wherever signatures differ. */
bool jwt_parse(const uint8_t key[TOKEN_KEY_BYTES], struct bytes text, struct token *ret_token);

/* What `sub` says, and what Hatchet's messages name a tenant by: of its name alone, so that it
 * stays the same for ever, on every server. */
struct uuid jwt_tenant(struct bytes name);

#endif
