/*
 * api/jwt: header.payload.signature, each base64url.
 *
 * The payload is read only after its signature was found right, so it is one that jwt_format wrote:
 * it begins with the claim `froe`, and no JSON needs to be parsed. The header is the same text in
 * all of them; another one (alg "none") is none of ours.
 */
#include "api/jwt.h"

#include "base/base64.h"
#include "base/duration.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

/* {"alg":"HS256","typ":"JWT"} */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
#define HEADER_SIZE (sizeof(HEADER) - 1)
#define SIGNATURE_SIZE BASE64_SIZE(TOKEN_DIGEST_BYTES)
#define PAYLOAD_BEGIN "{\"froe\":\""
#define TOKEN_AT (sizeof(PAYLOAD_BEGIN) - 1)
#define PAYLOAD_BYTES_MAX 640
/* The SDK for Go wants a number: the last second of the year 9999. */
#define EXPIRES_NEVER_S UINT64_C(253402300799)

_Static_assert(HEADER_SIZE + BASE64_SIZE(PAYLOAD_BYTES_MAX) + 1 + SIGNATURE_SIZE < JWT_TEXT_SIZE,
    "the longest one fits");

struct place {
	const char *scheme;
	const char *host_port;
};

static struct place
place_of(const char *address)
{
	if (strncmp(address, "https://", 8) == 0)
		return (struct place){"https://", address + 8};
	if (strncmp(address, "http://", 7) == 0)
		return (struct place){"http://", address + 7};
	return (struct place){"http://", address};
}

static bool
port_good(const char *text)
{
	uint32_t port = 0;
	size_t size = strspn(text, "0123456789");
	if (size == 0 || size > 5 || text[size] != 0)
		return false;
	for (size_t i = 0; i < size; i++)
		port = port * 10 + (uint32_t)(text[i] - '0');
	return port > 0 && port <= 65535;
}

const char *
jwt_address_fault(struct bytes address)
{
	char text[JWT_ADDRESS_BYTES_MAX + 1] = {0};
	if (address.size > JWT_ADDRESS_BYTES_MAX)
		return "an address has at most 136 bytes";
	if (address.size > 0)
		memcpy(text, address.data, address.size);
	const char *host = place_of(text).host_port;
	const char *colon = strrchr(host, ':');
	if (colon == NULL || colon == host || !port_good(colon + 1))
		return "write HOST:PORT, as clients reach it; https:// before it for TLS";
	for (const char *at = host; at < colon; at++) {
		if (!isalnum((unsigned char)*at) && strchr(".-_[]:%", *at) == NULL)
			return "a host is a name or a number: letters, digits, dots, dashes";
	}
	return NULL;
}

static void
mac(const void *key, const void *data, size_t size, uint8_t ret_mac[TOKEN_DIGEST_BYTES])
{
	unsigned made_size = 0;
	const uint8_t *made =
	    HMAC(EVP_sha256(), key, TOKEN_KEY_BYTES, data, size, ret_mac, &made_size);
	froe_assert(made != NULL);
	froe_assert(made_size == TOKEN_DIGEST_BYTES);
}

/* Not under token.key itself: what one purpose signs must say nothing to another. */
static void
sign(const uint8_t key[TOKEN_KEY_BYTES], const char *text, size_t size,
    uint8_t ret_mac[TOKEN_DIGEST_BYTES])
{
	static const char PURPOSE[] = "froe: JWT for Hatchet's SDKs, HS256";
	uint8_t derived[TOKEN_DIGEST_BYTES];
	mac(key, PURPOSE, sizeof(PURPOSE) - 1, derived);
	mac(derived, text, size, ret_mac);
	token_wipe(derived, sizeof(derived));
}

struct uuid
jwt_tenant(struct bytes name)
{
	static const char PURPOSE[TOKEN_KEY_BYTES] = "froe: tenant";
	uint8_t made[TOKEN_DIGEST_BYTES];
	struct uuid id;
	mac(PURPOSE, name.data, name.size, made);
	memcpy(id.bytes, made, sizeof(id.bytes));
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80); /* version 8: made by our own rule */
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

static size_t
payload_format(const struct jwt_claims *claims, char payload[PAYLOAD_BYTES_MAX])
{
	char text[TOKEN_TEXT_SIZE], kid[TOKEN_KID_TEXT_SIZE], tenant[UUID_TEXT_SIZE];
	struct place place = place_of(claims->address);
	uint64_t expires_s =
	    claims->expires_ns != 0 ? claims->expires_ns / NS_PER_S : EXPIRES_NEVER_S;
	token_format(claims->token, text);
	token_kid_format(claims->token->kid, kid);
	uuid_format(jwt_tenant(claims->tenant), tenant);
	int size = snprintf(payload, PAYLOAD_BYTES_MAX,
	    PAYLOAD_BEGIN
	    "%s\",\"token_id\":\"%s\",\"sub\":\"%s\",\"aud\":\"froe\",\"iss\":\"froe\","
	    "\"iat\":%" PRIu64 ",\"exp\":%" PRIu64 ",\"server_url\":\"%s%s\","
	    "\"grpc_broadcast_address\":\"%s\"}",
	    text, kid, tenant, claims->issued_ns / NS_PER_S, expires_s, place.scheme,
	    place.host_port, place.host_port);
	token_wipe(text, sizeof(text));
	froe_assert(size > 0 && size < PAYLOAD_BYTES_MAX);
	return (size_t)size;
}

void
jwt_format(
    const uint8_t key[TOKEN_KEY_BYTES], const struct jwt_claims *claims, char text[JWT_TEXT_SIZE])
{
	char payload[PAYLOAD_BYTES_MAX];
	uint8_t signature[TOKEN_DIGEST_BYTES];
	froe_assert(jwt_address_fault(bytes_text(claims->address)) == NULL);
	size_t size = payload_format(claims, payload);
	memcpy(text, HEADER, HEADER_SIZE);
	base64url_encode(bytes_of(payload, size), text + HEADER_SIZE);
	size_t signed_size = HEADER_SIZE + BASE64_SIZE(size);
	sign(key, text, signed_size, signature);
	text[signed_size] = '.';
	base64url_encode(bytes_of(signature, sizeof(signature)), text + signed_size + 1);
	text[signed_size + 1 + SIGNATURE_SIZE] = 0;
	token_wipe(payload, sizeof(payload));
}

/* The size of what is signed; 0: it cannot be ours. */
static size_t
signed_size_of(struct bytes text)
{
	size_t least = HEADER_SIZE + BASE64_SIZE(TOKEN_AT + TOKEN_TEXT_SIZE) + 1 + SIGNATURE_SIZE;
	if (text.size < least || text.size >= JWT_TEXT_SIZE ||
	    memcmp(text.data, HEADER, HEADER_SIZE) != 0)
		return 0;
	size_t size = text.size - SIGNATURE_SIZE - 1;
	return text.data[size] == '.' ? size : 0;
}

bool
jwt_parse(const uint8_t key[TOKEN_KEY_BYTES], struct bytes text, struct token *ret_token)
{
	uint8_t said[TOKEN_DIGEST_BYTES], made[TOKEN_DIGEST_BYTES], payload[JWT_TEXT_SIZE];
	size_t size = signed_size_of(text);
	if (size == 0 || !base64url_decode(bytes_of(text.data + size + 1, SIGNATURE_SIZE), said))
		return false;
	sign(key, (const char *)text.data, size, made);
	if (!token_digest_equal(said, made))
		return false;
	struct bytes encoded = bytes_of(text.data + HEADER_SIZE, size - HEADER_SIZE);
	bool good = base64url_decode(encoded, payload) &&
		    memcmp(payload, PAYLOAD_BEGIN, TOKEN_AT) == 0 &&
		    token_parse(bytes_of(payload + TOKEN_AT, TOKEN_TEXT_SIZE - 1), ret_token);
	token_wipe(payload, sizeof(payload));
	return good;
}
