/* What a worker is told to do; texts on the way. */
#include "gateway/action.h"

#include "gateway/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uint8_t run_id[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80};
static uint8_t task_id[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 0, 0, 0, 0, 0, 0, 2};

static int
setup(void **state)
{
	static struct arena arena;
	arena_init(&arena, 0);
	*state = &arena;
	return 0;
}

static int
teardown(void **state)
{
	arena_release(*state);
	return 0;
}

static ProtobufCBinaryData
json(char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static void
test_action__payload_has_what_sdks_read(void **state)
{
	char workflow[] = "orders", name[] = "b", action_id[] = "orders:b", first[] = "a",
	     second[] = "s", input[] = "{\"x\":1}", output[] = "{\"v\":2}", why[] = "no \"way\"",
	     key[] = "k", value[] = "v";
	Froe__Dispatch dispatch = FROE__DISPATCH__INIT;
	Froe__ParentOutput parents[2] = {FROE__PARENT_OUTPUT__INIT, FROE__PARENT_OUTPUT__INIT};
	Froe__ParentOutput *rows[2] = {&parents[0], &parents[1]};
	Froe__TaskError error = FROE__TASK_ERROR__INIT, *errors[1] = {&error};
	Froe__Pair pair = FROE__PAIR__INIT, *pairs[1] = {&pair};
	dispatch.run = (ProtobufCBinaryData){16, run_id};
	dispatch.task = (ProtobufCBinaryData){16, task_id};
	dispatch.workflow = workflow;
	dispatch.name = name;
	dispatch.action = action_id;
	dispatch.attempt = 3;
	dispatch.input = json(input);
	parents[0].task = first;
	parents[0].output = json(output);
	parents[1].task = second;
	parents[1].skipped = true;
	dispatch.parents = rows;
	dispatch.n_parents = 2;
	error.task = first;
	error.error = why;
	dispatch.errors = errors;
	dispatch.n_errors = 1;
	pair.key = key;
	pair.value = value;
	dispatch.metadata = pairs;
	dispatch.n_metadata = 1;
	const Hatchet__AssignedAction *action =
	    action_start(&dispatch, (struct uuid){{9}}, *state);
	assert_non_null(action);
	assert_string_equal(action->action_payload,
	    "{\"input\":{\"x\":1},\"parents\":{\"a\":{\"v\":2},\"s\":{\"skipped\":true}},"
	    "\"triggered_by\":\"manual\",\"triggers\":{},\"user_data\":{},\"overrides\":{},"
	    "\"step_run_errors\":{\"a\":\"no \\\"way\\\"\"}}");
	assert_int_equal(action->retry_count, 2);
	assert_string_equal(action->workflow_run_id, "01020304-0506-7007-8000-000000000000");
	assert_string_equal(action->task_run_external_id, "01020304-0506-7007-8000-000000000002");
	assert_string_equal(action->additional_metadata, "{\"k\":\"v\"}");
	assert_false(action->has_durable_task_invocation_count);
	parents[0].omitted = true;
	assert_null(action_start(&dispatch, (struct uuid){{9}}, *state));
}

static void
test_action__cancel_names_the_attempt(void **state)
{
	char workflow[] = "orders", name[] = "b", action_id[] = "orders:b";
	struct action_cancel from = {
	    .attempt = 2, .workflow = workflow, .name = name, .action = action_id};
	memcpy(from.task.bytes, task_id, sizeof(task_id));
	const Hatchet__AssignedAction *action = action_cancel(&from, *state);
	assert_int_equal(action->action_type, HATCHET__ACTION_TYPE__CANCEL_STEP_RUN);
	assert_int_equal(action->retry_count, 1);
	assert_string_equal(action->workflow_run_id, "01020304-0506-7007-8000-000000000000");
	assert_string_equal(action->action_id, "orders:b");
}

static void
test_text__metadata_is_pairs_of_text(void **state)
{
	Froe__Pair **pairs;
	size_t count;
	assert_true(text_metadata(*state, "{\"a\":\"x\",\"n\":[1,{\"b\":null}]}", &pairs, &count));
	assert_int_equal(count, 2);
	assert_string_equal(pairs[0]->value, "x");
	assert_string_equal(pairs[1]->value, "[1,{\"b\":null}]");
	assert_string_equal(text_metadata_json(*state, pairs, count),
	    "{\"a\":\"x\",\"n\":\"[1,{\\\"b\\\":null}]\"}");
	assert_true(text_metadata(*state, "", &pairs, &count));
	assert_int_equal(count, 0);
	assert_null(text_metadata_json(*state, pairs, count));
	assert_false(text_metadata(*state, "[1]", &pairs, &count));
	assert_false(text_metadata(*state, "{", &pairs, &count));
}

static void
test_text__durations(void **state)
{
	uint64_t ms;
	(void)state;
	assert_true(text_duration_ms("1.5s", &ms));
	assert_int_equal(ms, 1500);
	assert_true(text_duration_ms("1d", &ms));
	assert_int_equal(ms, 86400000);
	assert_true(text_duration_ms("1y", &ms));
	assert_int_equal(ms, UINT64_C(365) * 86400000);
	assert_true(text_duration_ms("1us", &ms));
	assert_int_equal(ms, 1);
	assert_false(text_duration_ms("5", &ms));
	assert_false(text_duration_ms("w", &ms));
	assert_false(text_duration_ms("0w", &ms));
	assert_false(text_duration_ms("-1s", &ms));
}

/* As long as it may be, and still what the SDK that reads it takes for an error of its own. */
static void
test_text__long_errors_stay_json(void **state)
{
	static char long_text[20000], given[20100];
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_string_equal(text_error(*state, "", "nothing"), "nothing");
	assert_string_equal(text_error(*state, "short", "nothing"), "short");
	assert_int_equal(strlen(text_error(*state, long_text, "")), 8192);
	snprintf(given, sizeof(given), "{\"message\":\"why\",\"stack\":\"%s\"}", long_text);
	const char *made = text_error(*state, given, "");
	assert_true(strlen(made) <= 8192);
	assert_memory_equal(made, "{\"message\":\"why\",\"stack\":\"xxx", 28);
	assert_string_equal(made + strlen(made) - 3, "x\"}");
}

static void
test_text__cuts_between_characters(void **state)
{
	(void)state;
	assert_int_equal(text_cut("ab", 2), 2);
	assert_int_equal(text_cut("abc", 2), 2);
	assert_int_equal(text_cut("a\xc3\xa9", 2), 1);
	assert_int_equal(text_cut("\xe2\x82\xac", 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_action__payload_has_what_sdks_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_action__cancel_names_the_attempt, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_text__metadata_is_pairs_of_text, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_text__durations, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_text__long_errors_stay_json, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_text__cuts_between_characters, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
