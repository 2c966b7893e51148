/*
 * Tokens in the engine: made, found, revoked, refused, bounded; whose scope covers what; patterns.
 */
#include "engine_token.h"

#include "engine/token.h"
#include "froe/limits.h"

static void
test_token__made_found_revoked(void **state)
{
	struct driver d;
	struct eng_token_view view;
	struct bytes patterns[] = {bytes_text("orders:*"), bytes_text("mail:send")};
	(void)state;
	driver_open(&d);
	struct eng_command command = driver_token_command(&d, 7, "ci");
	command.token_create.actions = patterns;
	command.token_create.action_count = 2;
	command.token_create.roles = ENG_ROLE_WORKER | ENG_ROLE_CLIENT;
	command.token_create.expires_ns = d.now_ns + 1;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_crash(&d, SECOND); /* replayed */
	assert_true(eng_token(d.eng, 7, &view));
	assert_true(bytes_equal(view.name, bytes_text("ci")));
	assert_true(bytes_equal(view.scope, bytes_text("test")));
	assert_true(bytes_equal(view.actor, bytes_text("maker")));
	assert_true(bytes_equal(view.digest, command.token_create.digest));
	assert_int_equal(view.roles, ENG_ROLE_WORKER | ENG_ROLE_CLIENT);
	assert_int_equal(view.action_count, 2);
	assert_true(bytes_equal(view.actions[1], bytes_text("mail:send")));
	assert_true(view.expires_ns == command.token_create.expires_ns);
	assert_false(eng_token(d.eng, 8, &view));
	assert_int_equal(driver_token_revoke(&d, 7, "other"), FROE_NOT_FOUND);
	assert_true(eng_token(d.eng, 7, &view));
	assert_int_equal(driver_token_revoke(&d, 7, "test"), FROE_OK);
	assert_false(eng_token(d.eng, 7, &view));
	assert_int_equal(driver_token_revoke(&d, 7, "*"), FROE_NOT_FOUND);
	driver_close(&d);
}

static void
test_token__refused(void **state)
{
	struct driver d;
	char name[FROE_NAME_BYTES_MAX + 2];
	(void)state;
	driver_open(&d);
	struct eng_command good = driver_token_command(&d, 1, "a"), bad = good;
	assert_int_equal(driver_try(&d, &good), FROE_OK);
	assert_int_equal(driver_try(&d, &good), FROE_ALREADY_EXISTS);
	bad.token_create.kid = 2;
	bad.token_create.roles = 0;
	assert_int_equal(driver_try(&d, &bad), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "roles");
	bad.token_create.roles = ENG_ROLES_ALL + 1;
	assert_int_equal(driver_try(&d, &bad), FROE_INVALID_ARGUMENT);
	bad.token_create.roles = ENG_ROLE_ADMIN;
	bad.token_create.expires_ns = d.now_ns;
	assert_int_equal(driver_try(&d, &bad), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "expires");
	bad.token_create.expires_ns = d.now_ns + 1;
	memset(name, 'n', sizeof(name));
	bad.token_create.name = bytes_of(name, FROE_NAME_BYTES_MAX + 1);
	assert_int_equal(driver_try(&d, &bad), FROE_INVALID_ARGUMENT);
	bad.token_create.name = bytes_of(name, FROE_NAME_BYTES_MAX);
	assert_int_equal(driver_try(&d, &bad), FROE_OK);
	driver_close(&d);
}

static void
test_token__patterns_at_their_limit(void **state)
{
	struct driver d;
	struct bytes patterns[FROE_TOKEN_ACTIONS_MAX + 1];
	(void)state;
	driver_open(&d);
	for (size_t i = 0; i <= FROE_TOKEN_ACTIONS_MAX; i++)
		patterns[i] = bytes_text("an:action");
	struct eng_command command = driver_token_command(&d, 1, "a");
	command.token_create.actions = patterns;
	command.token_create.action_count = FROE_TOKEN_ACTIONS_MAX + 1;
	assert_int_equal(driver_try(&d, &command), FROE_TOO_LARGE);
	command.token_create.action_count = FROE_TOKEN_ACTIONS_MAX;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_token__as_many_as_may_be(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	d.check_every = 100;
	for (uint64_t kid = 1; kid <= FROE_TOKENS_MAX; kid++)
		driver_token(&d, kid, "t", "test", ENG_ROLE_CLIENT, 0);
	struct eng_command command = driver_token_command(&d, FROE_TOKENS_MAX + 1, "one more");
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(driver_token_revoke(&d, 5, "test"), FROE_OK);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_token__events_that_do_not_fit(void **state)
{
	struct driver d;
	struct froe_fault fault;
	uint8_t digest[ENG_DIGEST_BYTES] = {9};
	(void)state;
	driver_open(&d);
	struct eng_event good = {
	    .type = ENG_EV_TOKEN_CREATED,
	    .time_ns = d.now_ns,
	    .kid = 3,
	    .digest = bytes_of(digest, sizeof(digest)),
	    .name = bytes_text("n"),
	    .scope = bytes_text("s"),
	    .roles = 1,
	};
	struct eng_event bad[6];
	for (size_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].kid = 0;
	bad[1].digest.size--;
	bad[2].name.size = 0;
	bad[3].scope.size = 0;
	bad[4].roles = 0;
	bad[5].action_count = FROE_TOKEN_ACTIONS_MAX + 1;
	uint64_t hash = eng_hash(d.eng);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(eng_apply_logged(d.eng, &bad[i], &fault), FROE_CORRUPT);
	bad[0] = (struct eng_event){.type = ENG_EV_TOKEN_REVOKED, .kid = 3};
	assert_int_equal(eng_apply_logged(d.eng, &bad[0], &fault), FROE_CORRUPT);
	assert_true(eng_hash(d.eng) == hash);
	driver_close(&d);
}

/* Each part of a token shows in the hash. */
static void
test_token__hash(void **state)
{
	struct driver d;
	uint64_t hashes[5];
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		driver_open(&d);
		struct eng_command command = driver_token_command(&d, i == 1 ? 2 : 1, "a");
		if (i == 2)
			command.token_create.roles = ENG_ROLE_OPERATOR;
		if (i == 3)
			command.token_create.scope = bytes_text("*");
		if (i == 4)
			command.token_create.expires_ns = d.now_ns + 1;
		assert_int_equal(driver_try(&d, &command), FROE_OK);
		hashes[i] = eng_hash(d.eng);
		for (size_t j = 0; j < i; j++)
			assert_true(hashes[i] != hashes[j]);
		driver_close(&d);
	}
}

static void
test_token__scopes_and_patterns(void **state)
{
	struct bytes list[] = {bytes_text("orders:*"), bytes_text("mail:send")};
	struct bytes all[] = {bytes_text("*")};
	(void)state;
	assert_true(eng_scope_covers(bytes_text("*"), bytes_text("a")));
	assert_true(eng_scope_covers(bytes_text("*"), bytes_text("*")));
	assert_true(eng_scope_covers(bytes_text("a"), bytes_text("a")));
	assert_false(eng_scope_covers(bytes_text("a"), bytes_text("ab")));
	assert_false(eng_scope_covers(bytes_text("a"), bytes_text("*")));
	assert_true(eng_actions_allow(list, 2, bytes_text("orders:")));
	assert_true(eng_actions_allow(list, 2, bytes_text("orders:ship")));
	assert_true(eng_actions_allow(list, 2, bytes_text("mail:send")));
	assert_false(eng_actions_allow(list, 2, bytes_text("order")));
	assert_false(eng_actions_allow(list, 2, bytes_text("orders")));
	assert_false(eng_actions_allow(list, 2, bytes_text("mail:sender")));
	assert_false(eng_actions_allow(list, 2, bytes_text("mail:sen")));
	assert_false(eng_actions_allow(list, 2, bytes_text("")));
	assert_true(eng_actions_allow(all, 1, bytes_text("anything")));
	assert_true(eng_actions_allow(NULL, 0, bytes_text("anything")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token__made_found_revoked),
	    cmocka_unit_test(test_token__refused),
	    cmocka_unit_test(test_token__patterns_at_their_limit),
	    cmocka_unit_test(test_token__as_many_as_may_be),
	    cmocka_unit_test(test_token__events_that_do_not_fit),
	    cmocka_unit_test(test_token__hash),
	    cmocka_unit_test(test_token__scopes_and_patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
