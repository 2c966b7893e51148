#include "api/token.h"

#include "base/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PREFIX "froe1_"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)
#define KID_SIZE (TOKEN_KID_TEXT_SIZE - 1)
#define SECRET_SIZE BASE64_SIZE(TOKEN_SECRET_BYTES)
#define SUM_SIZE 6u
#define KID_AT PREFIX_SIZE
#define SECRET_AT (KID_AT + KID_SIZE + 1)
#define SUM_AT (SECRET_AT + SECRET_SIZE + 1)

_Static_assert(SUM_AT + SUM_SIZE + 1 == TOKEN_TEXT_SIZE, "a token's parts");
_Static_assert(KID_SIZE * 5 == TOKEN_KID_BITS, "five bits a character");

/* Crockford's alphabet: no i, l, o, u. */
static const char BASE32[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char BASE62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The polynomial of Ethernet, bit by bit: a token has 60 bytes of it. */
static uint32_t
crc32(const char *text, size_t size)
{
	uint32_t sum = UINT32_MAX;
	for (size_t i = 0; i < size; i++) {
		sum ^= (uint8_t)text[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ ((sum & 1) != 0 ? UINT32_C(0xedb88320) : 0);
	}
	return ~sum;
}

static void
sum_format(const char *text, char to[SUM_SIZE])
{
	uint32_t sum = crc32(text, SUM_AT - 1);
	for (size_t i = SUM_SIZE; i-- > 0; sum /= 62)
		to[i] = BASE62[sum % 62];
}

/* The place of a character in its alphabet; -1: none. */
static int
digit(const char *alphabet, uint8_t c)
{
	const char *at = c != 0 ? strchr(alphabet, c) : NULL;
	return at != NULL ? (int)(at - alphabet) : -1;
}

void
token_kid_format(uint64_t kid, char text[TOKEN_KID_TEXT_SIZE])
{
	froe_assert(kid >> TOKEN_KID_BITS == 0);
	text[KID_SIZE] = 0;
	for (size_t i = KID_SIZE; i-- > 0; kid >>= 5)
		text[i] = BASE32[kid & 31];
}

bool
token_kid_parse(struct bytes text, uint64_t *ret_kid)
{
	uint64_t kid = 0;
	if (text.size != KID_SIZE)
		return false;
	for (size_t i = 0; i < KID_SIZE; i++) {
		int value = digit(BASE32, text.data[i]);
		if (value < 0)
			return false;
		kid = kid << 5 | (uint64_t)value;
	}
	*ret_kid = kid;
	return kid != 0;
}

void
token_mint(struct io_env *env, struct token *ret_token)
{
	do {
		io_random(env, &ret_token->kid, sizeof(ret_token->kid));
		ret_token->kid >>= 64 - TOKEN_KID_BITS;
	} while (ret_token->kid == 0);
	io_random(env, ret_token->secret, sizeof(ret_token->secret));
}

void
token_format(const struct token *token, char text[TOKEN_TEXT_SIZE])
{
	memcpy(text, PREFIX, PREFIX_SIZE);
	token_kid_format(token->kid, text + KID_AT);
	text[SECRET_AT - 1] = '_';
	base64url_encode(bytes_of(token->secret, TOKEN_SECRET_BYTES), text + SECRET_AT);
	text[SUM_AT - 1] = '_';
	sum_format(text, text + SUM_AT);
	text[TOKEN_TEXT_SIZE - 1] = 0;
}

bool
token_parse(struct bytes text, struct token *ret_token)
{
	char sum[SUM_SIZE];
	if (text.size != TOKEN_TEXT_SIZE - 1 || memcmp(text.data, PREFIX, PREFIX_SIZE) != 0)
		return false;
	if (text.data[SECRET_AT - 1] != '_' || text.data[SUM_AT - 1] != '_')
		return false;
	sum_format((const char *)text.data, sum);
	return memcmp(sum, text.data + SUM_AT, SUM_SIZE) == 0 &&
	    token_kid_parse(bytes_of(text.data + KID_AT, KID_SIZE), &ret_token->kid) &&
	    base64url_decode(bytes_of(text.data + SECRET_AT, SECRET_SIZE), ret_token->secret);
}

void
token_digest(const uint8_t key[TOKEN_KEY_BYTES], const struct token *token,
    uint8_t ret_digest[TOKEN_DIGEST_BYTES])
{
	uint8_t message[8 + TOKEN_SECRET_BYTES];
	unsigned size = 0;
	le64_store(message, token->kid);
	memcpy(message + 8, token->secret, TOKEN_SECRET_BYTES);
	const uint8_t *made = HMAC(EVP_sha256(), key, TOKEN_KEY_BYTES, message, sizeof(message),
	    ret_digest, &size);
	froe_assert(made != NULL);
	froe_assert(size == TOKEN_DIGEST_BYTES);
	token_wipe(message, sizeof(message));
}

bool
token_digest_equal(const uint8_t a[TOKEN_DIGEST_BYTES], const uint8_t b[TOKEN_DIGEST_BYTES])
{
	return CRYPTO_memcmp(a, b, TOKEN_DIGEST_BYTES) == 0;
}

void
token_wipe(void *secret, size_t size)
{
	OPENSSL_cleanse(secret, size);
}
