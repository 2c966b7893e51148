/*
 * Who may send what: every message that there is times every role, from the table and from the
 * message's descriptor; and the text of tokens.
 */
#include "api/access.h"
#include "api/request.h"
#include "api/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *name;
	uint32_t body;
} rows[] = {
#define ACCESS(body, roles) {#body, FROE__ENVELOPE__BODY_##body},
#include "api/access.def"
#undef ACCESS
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

#define NONE 0u
#define CLIENT ((uint32_t)ENG_ROLE_CLIENT)
#define WORKER ((uint32_t)ENG_ROLE_WORKER)
#define OPERATOR ((uint32_t)ENG_ROLE_OPERATOR)
static const uint32_t granted[] = {
#define ACCESS(body, roles) (roles),
#include "api/access.def"
#undef ACCESS
};

/* Every cell of the table: a set of roles may send it if one of them is granted it, or is admin. */
static void
test_access__every_message_times_every_set_of_roles(void **state)
{
	struct froe_fault fault;
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		for (uint32_t roles = 0; roles <= ENG_ROLES_ALL; roles++) {
			uint32_t may = granted[i] | (uint32_t)ENG_ROLE_ADMIN;
			enum froe_err want = (may & roles) != 0 ? FROE_OK : FROE_FORBIDDEN;
			if (access_check(rows[i].body, roles, &fault) != want)
				fail_msg("%s with roles %u", rows[i].name, roles);
		}
	}
}

/* A body that request_decode() takes has a row, and one that has a row is taken: nothing is
 * forgotten on either side. */
static void
test_access__rows_are_the_requests(void **state)
{
	const ProtobufCMessageDescriptor *type = &froe__envelope__descriptor;
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		Froe__Envelope envelope = FROE__ENVELOPE__INIT;
		_Alignas(max_align_t) uint8_t body[1024];
		struct api_command command;
		struct froe_fault fault;
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		const ProtobufCMessageDescriptor *of = field->descriptor;
		assert_true(of->sizeof_message <= sizeof(body));
		of->message_init((ProtobufCMessage *)(void *)body);
		envelope.body_case = (Froe__Envelope__BodyCase)field->id;
		memcpy((uint8_t *)&envelope + field->offset, &(void *){body}, sizeof(void *));
		bool taken = request_decode(&envelope, &arena, &command, &fault) != FROE_PROTOCOL;
		if (taken != (access_roles(field->id) != 0))
			fail_msg("%s: %s", field->name, taken ? "has no row in api/access.def"
			                                      : "has a row and is no request");
		if (!taken)
			assert_int_equal(access_check(field->id, ENG_ROLES_ALL, &fault),
			    FROE_PROTOCOL);
	}
	arena_release(&arena);
}

/* A worker starts children, and nothing else; all of many. */
static void
test_access__a_workers_starts(void **state)
{
	struct froe_fault fault;
	struct eng_start starts[2] = {{.child = true}, {.child = true}};
	struct api_command one = {.op = API_OP_ENGINE, .engine.type = ENG_CMD_RUN_START};
	struct api_command many = {.op = API_OP_ENGINE, .engine.type = ENG_CMD_RUN_START_MANY};
	(void)state;
	many.engine.run_start_many.starts = starts;
	many.engine.run_start_many.count = 2;
	assert_int_equal(access_starts_check(&one, WORKER, &fault), FROE_FORBIDDEN);
	assert_int_equal(access_starts_check(&one, WORKER | OPERATOR, &fault), FROE_FORBIDDEN);
	assert_int_equal(access_starts_check(&one, WORKER | CLIENT, &fault), FROE_OK);
	assert_int_equal(access_starts_check(&one, ENG_ROLE_ADMIN, &fault), FROE_OK);
	one.engine.run_start.child = true;
	assert_int_equal(access_starts_check(&one, WORKER, &fault), FROE_OK);
	assert_int_equal(access_starts_check(&many, WORKER, &fault), FROE_OK);
	starts[1].child = false;
	assert_int_equal(access_starts_check(&many, WORKER, &fault), FROE_FORBIDDEN);
	assert_int_equal(access_starts_check(&many, CLIENT, &fault), FROE_OK);
}

/* What must not slip when somebody edits the table. */
static void
test_access__what_each_role_is_for(void **state)
{
	(void)state;
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_TOKEN_CREATE), ENG_ROLE_ADMIN);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_TOKEN_LIST), ENG_ROLE_ADMIN);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_TOKEN_REVOKE), ENG_ROLE_ADMIN);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_RUN_CANCEL) & (CLIENT | WORKER), 0);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_RUN_GET) & WORKER, 0);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_TASK_COMPLETE) & (CLIENT | OPERATOR), 0);
	assert_int_equal(access_roles(FROE__ENVELOPE__BODY_WELCOME), 0);
	assert_int_equal(access_roles(0), 0);
}

static void
test_access__role_names(void **state)
{
	char text[ACCESS_ROLES_TEXT_SIZE];
	(void)state;
	for (uint32_t bit = 1; bit <= ENG_ROLES_ALL; bit <<= 1) {
		const char *name = access_role_name((enum eng_role)bit);
		assert_int_equal(access_role_parse(bytes_text(name)), bit);
	}
	assert_int_equal(access_role_parse(bytes_text("root")), 0);
	assert_int_equal(access_role_parse(bytes_text("")), 0);
	assert_int_equal(access_role_parse(bytes_of("adminx", 4)), 0);
	access_roles_format(ENG_ROLES_ALL, text);
	assert_string_equal(text, "admin,client,worker,operator");
	access_roles_format(0, text);
	assert_string_equal(text, "none");
}

/* ----------------------------------------------------------------------------------- tokens */

static struct token
token_some(void)
{
	struct token token = {.kid = UINT64_C(0x2f0123456789a)};
	for (size_t i = 0; i < sizeof(token.secret); i++)
		token.secret[i] = (uint8_t)(i * 37 + 200);
	return token;
}

static void
test_token__text_and_back(void **state)
{
	char text[TOKEN_TEXT_SIZE], again[TOKEN_TEXT_SIZE];
	struct token token = token_some(), back;
	(void)state;
	token_format(&token, text);
	assert_int_equal(strlen(text), TOKEN_TEXT_SIZE - 1);
	assert_memory_equal(text, "froe1_", 6);
	assert_true(token_parse(bytes_text(text), &back));
	assert_true(back.kid == token.kid);
	assert_memory_equal(back.secret, token.secret, sizeof(token.secret));
	token_format(&back, again);
	assert_string_equal(text, again);
	token_mint(io_env_posix(), &token);
	token_mint(io_env_posix(), &back);
	assert_true(token.kid != 0 && token.kid != back.kid);
	assert_memory_not_equal(back.secret, token.secret, sizeof(token.secret));
}

/* Any one character changed, and any length but the right one: mistyped. */
static void
test_token__mistyped(void **state)
{
	char text[TOKEN_TEXT_SIZE + 8], bad[TOKEN_TEXT_SIZE + 8];
	struct token token = token_some(), back;
	(void)state;
	memset(text, 'A', sizeof(text));
	token_format(&token, text);
	for (size_t size = 0; size < TOKEN_TEXT_SIZE + 8; size++) {
		bool whole = size == TOKEN_TEXT_SIZE - 1;
		assert_int_equal(token_parse(bytes_of(text, size), &back), whole);
	}
	for (size_t at = 0; at < TOKEN_TEXT_SIZE - 1; at++) {
		for (int c = 0; c < 256; c++) {
			memcpy(bad, text, sizeof(bad));
			bad[at] = (char)c;
			bool same = bad[at] == text[at];
			assert_int_equal(
			    token_parse(bytes_of(bad, TOKEN_TEXT_SIZE - 1), &back), same);
		}
	}
}

static void
test_token__kid(void **state)
{
	char text[TOKEN_KID_TEXT_SIZE];
	uint64_t kid;
	(void)state;
	token_kid_format((UINT64_C(1) << TOKEN_KID_BITS) - 1, text);
	assert_string_equal(text, "zzzzzzzzzz");
	assert_true(token_kid_parse(bytes_text(text), &kid));
	assert_true(kid == (UINT64_C(1) << TOKEN_KID_BITS) - 1);
	token_kid_format(1, text);
	assert_string_equal(text, "0000000001");
	assert_false(token_kid_parse(bytes_text("0000000000"), &kid)); /* nobody's */
	assert_false(token_kid_parse(bytes_text("000000000"), &kid));
	assert_false(token_kid_parse(bytes_text("000000000i"), &kid));
	assert_false(token_kid_parse(bytes_of("00000\0", 6), &kid));
}

/* Another key, another token number, another secret: another digest. RFC 4231 is OpenSSL's affair;
 * this is one value of ours, so that digests of today are good tomorrow. */
static void
test_token__digest(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES] = {1}, a[TOKEN_DIGEST_BYTES], b[TOKEN_DIGEST_BYTES];
	struct token token = token_some();
	(void)state;
	token_digest(key, &token, a);
	token_digest(key, &token, b);
	assert_true(token_digest_equal(a, b));
	static const uint8_t begin[4] = {0x6f, 0x58, 0x87, 0x9f};
	assert_memory_equal(a, begin, sizeof(begin));
	token.kid++;
	token_digest(key, &token, b);
	assert_false(token_digest_equal(a, b));
	token.kid--;
	token.secret[31] ^= 1;
	token_digest(key, &token, b);
	assert_false(token_digest_equal(a, b));
	token.secret[31] ^= 1;
	key[31] ^= 1;
	token_digest(key, &token, b);
	assert_false(token_digest_equal(a, b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_access__every_message_times_every_set_of_roles),
	    cmocka_unit_test(test_access__rows_are_the_requests),
	    cmocka_unit_test(test_access__a_workers_starts),
	    cmocka_unit_test(test_access__what_each_role_is_for),
	    cmocka_unit_test(test_access__role_names),
	    cmocka_unit_test(test_token__text_and_back),
	    cmocka_unit_test(test_token__mistyped),
	    cmocka_unit_test(test_token__kid),
	    cmocka_unit_test(test_token__digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
