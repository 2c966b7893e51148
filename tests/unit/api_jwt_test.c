#include "api/jwt.h"

#include "base/base64.h"
#include "base/duration.h"
#include "base/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t key[TOKEN_KEY_BYTES] = {1, 2, 3};
static const struct token token = {.kid = 77, .secret = {9, 8, 7}};

static void
make(const char *address, uint64_t expires_ns, char text[JWT_TEXT_SIZE])
{
	struct jwt_claims claims = {
	    .token = &token,
	    .tenant = bytes_text("acme"),
	    .address = address,
	    .issued_ns = 1700000000 * NS_PER_S + 5,
	    .expires_ns = expires_ns,
	};
	jwt_format(key, &claims, text);
}

/* As an SDK reads it: the part between the dots, and nothing else. */
static json_t *
claims_of(const char *text)
{
	char payload[JWT_TEXT_SIZE];
	json_error_t error;
	const char *from = strchr(text, '.') + 1, *to = strrchr(text, '.');
	struct bytes part = bytes_of(from, (size_t)(to - from));
	assert_true(base64url_decode(part, (uint8_t *)payload));
	json_t *claims =
	    json_loadb(payload, BASE64_BYTES(part.size), JSON_REJECT_DUPLICATES, &error);
	assert_true(json_is_object(claims));
	return claims;
}

static void
expect_text(const json_t *claims, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(claims, name));
	assert_non_null(text);
	assert_string_equal(text, value);
}

static void
test_jwt__claims_that_sdks_read(void **state)
{
	char text[JWT_TEXT_SIZE], tenant[UUID_TEXT_SIZE], kid[TOKEN_KID_TEXT_SIZE];
	(void)state;
	make("froe.example:7077", 1800000000 * NS_PER_S, text);
	assert_memory_equal(text, "ey", 2); /* the SDK for Python looks for it */
	json_t *claims = claims_of(text);
	uuid_format(jwt_tenant(bytes_text("acme")), tenant);
	token_kid_format(77, kid);
	expect_text(claims, "sub", tenant);
	expect_text(claims, "token_id", kid);
	expect_text(claims, "server_url", "http://froe.example:7077");
	expect_text(claims, "grpc_broadcast_address", "froe.example:7077");
	assert_non_null(json_object_get(claims, "aud"));
	assert_non_null(json_object_get(claims, "iss"));
	assert_int_equal(json_integer_value(json_object_get(claims, "iat")), 1700000000);
	assert_int_equal(json_integer_value(json_object_get(claims, "exp")), 1800000000);
	json_decref(claims);

	make("https://[::1]:443", 0, text);
	claims = claims_of(text);
	expect_text(claims, "server_url", "https://[::1]:443");
	expect_text(claims, "grpc_broadcast_address", "[::1]:443");
	assert_true(json_integer_value(json_object_get(claims, "exp")) > 32503680000);
	json_decref(claims);
}

static bool
parses(const char *text, size_t size, const uint8_t *under)
{
	struct token got;
	uint8_t *exact = mem_alloc(size + 1);
	memcpy(exact, text, size);
	bool good = jwt_parse(under, bytes_of(exact, size), &got);
	mem_free(exact);
	if (good)
		assert_memory_equal(got.secret, token.secret, TOKEN_SECRET_BYTES);
	if (good)
		assert_int_equal(got.kid, token.kid);
	return good;
}

static void
test_jwt__only_as_it_was_made(void **state)
{
	static const uint8_t other[TOKEN_KEY_BYTES] = {1, 2, 4};
	char text[JWT_TEXT_SIZE], bad[JWT_TEXT_SIZE];
	(void)state;
	make("127.0.0.1:7077", 0, text);
	size_t size = strlen(text);
	assert_true(parses(text, size, key));
	assert_false(parses(text, size, other));
	for (size_t i = 0; i < size; i++) {
		assert_false(parses(text, i, key));
		memcpy(bad, text, size);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_false(parses(bad, size, key));
	}
	memcpy(bad, text, size);
	bad[size] = 'A';
	assert_false(parses(bad, size + 1, key));
}

/* Under the same key, what was signed for another purpose, or with no signature at all. */
static void
test_jwt__another_header_is_none_of_ours(void **state)
{
	static const char none[] = "{\"alg\":\"none\",\"typ\":\"JWT\"}";
	char text[JWT_TEXT_SIZE], bad[2 * JWT_TEXT_SIZE] = {0};
	(void)state;
	make("127.0.0.1:7077", 0, text);
	base64url_encode(bytes_text(none), bad);
	size_t header = strlen(bad);
	memcpy(bad + header, strchr(text, '.'), strlen(strchr(text, '.')));
	assert_false(parses(bad, strlen(bad), key));
	*(strrchr(bad, '.') + 1) = 0;
	assert_false(parses(bad, strlen(bad), key));
}

static void
test_jwt__a_tenant_has_one_id(void **state)
{
	char text[UUID_TEXT_SIZE];
	(void)state;
	uuid_format(jwt_tenant(bytes_text("default")), text);
	/* For ever: SDKs and people have it in their settings. */
	assert_string_equal(text, "b287eced-c34b-8cd6-bd23-1c32fbb8b5df");
	assert_int_equal(text[14], '8');
	assert_false(uuid_equal(jwt_tenant(bytes_text("a")), jwt_tenant(bytes_text("b"))));
	assert_false(uuid_equal(jwt_tenant(bytes_text("a")), jwt_tenant(bytes_text("A"))));
}

static void
test_jwt__addresses(void **state)
{
	static const char *const good[] = {
	    "a:1", "http://a:1", "https://a.b-c:65535", "[::1]:7077", "10.0.0.1:443"};
	static const char *const bad[] = {"", ":1", "a", "a:", "a:0", "a:65536", "a:1x", "a b:1",
	    "a\":1", "ftp://a:1", "a/b:1", "https://:1", "a:-1", "a:000001"};
	char longest[JWT_ADDRESS_BYTES_MAX + 2], text[JWT_TEXT_SIZE];
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(jwt_address_fault(bytes_text(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(jwt_address_fault(bytes_text(bad[i])));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + JWT_ADDRESS_BYTES_MAX - 5, ":6553", 6);
	assert_null(jwt_address_fault(bytes_text(longest)));
	make(longest, 0, text); /* the longest one fits */
	assert_true(parses(text, strlen(text), key));
	memcpy(longest + JWT_ADDRESS_BYTES_MAX - 5, ":65535", 7);
	assert_non_null(jwt_address_fault(bytes_text(longest)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_jwt__claims_that_sdks_read),
	    cmocka_unit_test(test_jwt__only_as_it_was_made),
	    cmocka_unit_test(test_jwt__another_header_is_none_of_ours),
	    cmocka_unit_test(test_jwt__a_tenant_has_one_id),
	    cmocka_unit_test(test_jwt__addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
