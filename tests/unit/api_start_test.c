/* What a run's start may say, streams, tokens: each limit at the limit and one past it. */
#include "api_decode.h"

#include "api/access.h"
#include "api/token.h"

/* ------------------------------------------------------------------------- what runs may say */

static void
test_request__run_start_options(void **state)
{
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_RUN_START;
	Froe__RunStart start = FROE__RUN_START__INIT;
	(void)state;
	start.workflow = "w";
	start.key_ttl_ms = 5;
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "key");
	start.key = "k";
	assert_int_equal(decode(body, &start), FROE_OK);
	start.key_until_end = true;
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "key_ttl_ms");
	start.key = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(body, &start), FROE_TOO_LARGE, "key");
	start = (Froe__RunStart)FROE__RUN_START__INIT;
	start.workflow = "w";
	start.start_ns = start.delay_ms = 1;
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "delay_ms");
	start.delay_ms = 0;
	assert_int_equal(decode(body, &start), FROE_OK);
	assert_int_equal(command.engine.run_start.start_ns, 1);
}

static void
test_request__run_start_child(void **state)
{
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_RUN_START;
	Froe__RunStart start = FROE__RUN_START__INIT;
	(void)state;
	start.workflow = "w";
	start.child_index = 1;
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "parent");
	start.child_index = 0;
	start.child_key = "k";
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "parent");
	start.has_parent = true;
	start.parent = data_of(task_bytes, 16);
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "parent_lease");
	start.parent_lease = 3;
	assert_int_equal(decode(body, &start), FROE_OK);
	assert_true(command.engine.run_start.child);
	assert_int_equal(command.engine.run_start.parent.lease, 3);
	start.parent.len = 15;
	expect_fault(decode(body, &start), FROE_INVALID_ARGUMENT, "parent");
	start.child_key = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(body, &start), FROE_TOO_LARGE, "child_key");
}

static void
test_request__run_start_many(void **state)
{
	static Froe__RunStart starts[FROE_BULK_RUNS_MAX + 1], *at[FROE_BULK_RUNS_MAX + 1];
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_RUN_START_MANY;
	Froe__RunStartMany many = FROE__RUN_START_MANY__INIT;
	(void)state;
	for (size_t i = 0; i <= FROE_BULK_RUNS_MAX; i++) {
		froe__run_start__init(&starts[i]);
		starts[i].workflow = "w";
		at[i] = &starts[i];
	}
	many.runs = at;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "runs");
	many.n_runs = FROE_BULK_RUNS_MAX + 1;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "runs");
	many.n_runs = FROE_BULK_RUNS_MAX;
	assert_int_equal(decode(body, &many), FROE_OK);
	assert_int_equal(command.engine.run_start_many.count, FROE_BULK_RUNS_MAX);
	starts[7].wait = true;
	starts[9].workflow = "";
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "runs[7].wait");
	assert_non_null(strstr(fault.text, "2 of 1000"));
}

static void
test_request__task_stream(void **state)
{
	static uint8_t data[FROE_STREAM_CHUNK_BYTES_MAX + 1];
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_TASK_STREAM;
	Froe__TaskStream stream = FROE__TASK_STREAM__INIT;
	(void)state;
	expect_fault(decode(body, &stream), FROE_INVALID_ARGUMENT, "task");
	stream.has_task = true;
	stream.task = data_of(task_bytes, 16);
	stream.lease = 1;
	expect_fault(decode(body, &stream), FROE_INVALID_ARGUMENT, "data");
	stream.has_data = true;
	stream.data = data_of(data, FROE_STREAM_CHUNK_BYTES_MAX);
	assert_int_equal(decode(body, &stream), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_TASK_STREAM);
	stream.data.len++;
	expect_fault(decode(body, &stream), FROE_TOO_LARGE, "data");
}

/* --------------------------------------------------------------------------------- tokens */

static void
test_request__token_create(void **state)
{
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_TOKEN_CREATE;
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	char *roles[] = {"client", "worker"};
	(void)state;
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "name");
	create.name = "ci";
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "roles");
	create.roles = roles;
	create.n_roles = 2;
	assert_int_equal(decode(body, &create), FROE_OK);
	assert_int_equal(command.op, API_OP_TOKEN_CREATE);
	assert_int_equal(command.token_create.roles,
	    access_role_parse(bytes_text("client")) | access_role_parse(bytes_text("worker")));
	assert_int_equal(command.token_create.expires_ms, FROE_TOKEN_MS_DEFAULT);
	assert_int_equal(command.token_create.action_count, 0);
	create.tenant = "*";
	assert_int_equal(decode(body, &create), FROE_OK);
	assert_true(bytes_equal(command.token_create.tenant, bytes_text("*")));
	create.tenant = "**";
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "tenant");
	create.tenant = NULL;
	roles[1] = "root";
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "roles");
}

static void
test_request__token_expiry(void **state)
{
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_TOKEN_CREATE;
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	char *roles[] = {"admin"};
	(void)state;
	create.name = "ci";
	create.roles = roles;
	create.n_roles = 1;
	create.expires_ms = FROE_TOKEN_MS_MAX;
	assert_int_equal(decode(body, &create), FROE_OK);
	assert_int_equal(command.token_create.expires_ms, FROE_TOKEN_MS_MAX);
	create.expires_ms++;
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "expires_ms");
	create.expires_ms = 5;
	create.never_expires = true;
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "expires_ms");
	create.expires_ms = 0;
	assert_int_equal(decode(body, &create), FROE_OK);
	assert_true(command.token_create.expires_ms == UINT64_MAX);
}

static void
test_request__token_pool(void **state)
{
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_TOKEN_CREATE;
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	char *roles[] = {"worker"}, *actions[FROE_TOKEN_ACTIONS_MAX + 1];
	size_t most = FROE_TOKEN_ACTIONS_BYTES_MAX / FROE_TOKEN_ACTIONS_MAX;
	(void)state;
	create.name = "pool";
	create.roles = roles;
	create.n_roles = 1;
	create.actions = actions;
	for (size_t i = 0; i <= FROE_TOKEN_ACTIONS_MAX; i++)
		actions[i] = text_of_size(most);
	create.n_actions = FROE_TOKEN_ACTIONS_MAX;
	assert_int_equal(decode(body, &create), FROE_OK);
	assert_int_equal(command.token_create.action_count, FROE_TOKEN_ACTIONS_MAX);
	create.n_actions++;
	expect_fault(decode(body, &create), FROE_TOO_LARGE, "actions");
	create.n_actions--;
	text_of_size(most + 1); /* all of them: they are the same text */
	expect_fault(decode(body, &create), FROE_TOO_LARGE, "actions");
	text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(body, &create), FROE_TOO_LARGE, "actions[0]");
	actions[1] = "";
	text_of_size(1);
	expect_fault(decode(body, &create), FROE_INVALID_ARGUMENT, "actions[1]");
}

static void
test_request__token_list_and_revoke(void **state)
{
	Froe__TokenList list = FROE__TOKEN_LIST__INIT;
	Froe__TokenRevoke revoke = FROE__TOKEN_REVOKE__INIT;
	static const char *const bad[] = {"", "abc", "abcdefghijk", "froe1_abcd", "a b c d e "};
	(void)state;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TOKEN_LIST, &list), FROE_OK);
	assert_int_equal(command.op, API_OP_TOKEN_LIST);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		revoke.id = (char *)(uintptr_t)bad[i];
		expect_fault(decode(FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke),
		    FROE_INVALID_ARGUMENT, "id");
	}
	char kid[TOKEN_KID_TEXT_SIZE];
	token_kid_format(77, kid);
	revoke.id = kid;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke), FROE_OK);
	assert_int_equal(command.op, API_OP_TOKEN_REVOKE);
	assert_int_equal(command.token_revoke.kid, 77);
	token_kid_format(0, kid); /* nobody's */
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke), FROE_INVALID_ARGUMENT, "id");
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request__run_start_options),
	    cmocka_unit_test(test_request__run_start_child),
	    cmocka_unit_test(test_request__run_start_many),
	    cmocka_unit_test(test_request__task_stream),
	    cmocka_unit_test(test_request__token_create),
	    cmocka_unit_test(test_request__token_expiry),
	    cmocka_unit_test(test_request__token_pool),
	    cmocka_unit_test(test_request__token_list_and_revoke),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
