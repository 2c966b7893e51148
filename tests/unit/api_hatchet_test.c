/* The bytes are those that the Python SDK of tests/hatchet writes. */
#include "api/wire.h"

#include "hatchet/admin.pb-c.h"
#include "hatchet/dispatcher.pb-c.h"
#include "hatchet/durable.pb-c.h"
#include "hatchet/events.pb-c.h"
#include "hatchet/workflow.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int
setup(void **state)
{
	static struct arena arena;
	arena_init(&arena, /* limit= */ 4096);
	*state = &arena;
	return 0;
}

static int
teardown(void **state)
{
	arena_release(*state);
	return 0;
}

static void *
unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, const char *data,
    size_t size)
{
	char field[WIRE_FIELD_SIZE];
	struct bytes message = bytes_of(data, size);
	assert_int_equal(wire_check(descriptor, message, field), WIRE_GOOD);
	void *unpacked = wire_unpack(descriptor, message, arena);
	assert_non_null(unpacked);
	return unpacked;
}

/* Of a literal with zero bytes. */
#define UNPACK(arena, name, data) \
	unpack((arena), &hatchet__##name##__descriptor, (data), sizeof(data) - 1)

static void
test_hatchet__maps_are_lists_of_entries(void **state)
{
	const Hatchet__WorkerRegisterRequest *request = UNPACK(*state, worker_register_request,
	    "\x0a\x01\x77\x12\x03\x61\x3a\x62\x2a\x07\x0a\x01\x6e\x12\x02\x10\x00\x3a\x02\x10\x02"
	    "\x4a\x0b\x0a\x07\x64\x65\x66\x61\x75\x6c\x74\x10\x05");
	assert_string_equal(request->worker_name, "w");
	assert_int_equal(request->n_actions, 1);
	assert_string_equal(request->actions[0], "a:b");
	assert_false(request->has_slots);
	assert_int_equal(request->n_slot_config, 1);
	assert_string_equal(request->slot_config[0]->key, "default");
	assert_int_equal(request->slot_config[0]->value, 5);
	assert_int_equal(request->n_labels, 1);
	assert_true(request->labels[0]->value->has_int_value);
	assert_int_equal(request->labels[0]->value->int_value, 0);
	assert_null(request->labels[0]->value->str_value);
	assert_int_equal(request->runtime_info->language, HATCHET__SDK_LANGUAGE__PYTHON);
}

static void
test_hatchet__absent_is_told_from_zero(void **state)
{
	const Hatchet__StepActionEvent *event = UNPACK(*state, step_action_event,
	    "\x2a\x01\x74\x40\x03\x50\x00\x58\x01\x60\xdc\x0b");
	assert_true(event->has_retry_count);
	assert_int_equal(event->retry_count, 0);
	assert_true(event->should_not_retry);
	assert_int_equal(event->event_type, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_FAILED);
	assert_int_equal(event->retry_after_ms, 1500);
	assert_null(event->event_payload);

	event = UNPACK(*state, step_action_event, "");
	assert_false(event->has_retry_count);
	assert_false(event->has_event_type);
}

static void
test_hatchet__durable_request_is_one_of_several(void **state)
{
	const Hatchet__DurableTaskRequest *request = UNPACK(*state, durable_task_request,
	    "\x22\x12\x08\x01\x1a\x0e\x0a\x0c\x0a\x06\x0a\x01\x6b\x1a\x01\x67\x12\x02\x31\x73");
	assert_int_equal(request->message_case, HATCHET__DURABLE_TASK_REQUEST__MESSAGE_WAIT_FOR);
	assert_int_equal(request->wait_for->invocation_count, 1);
	const Hatchet__DurableEventListenerConditions *wait =
	    request->wait_for->wait_for_conditions;
	assert_int_equal(wait->n_sleep_conditions, 1);
	assert_string_equal(wait->sleep_conditions[0]->sleep_for, "1s");
	assert_string_equal(wait->sleep_conditions[0]->condition->readable_data_key, "k");
	assert_string_equal(wait->sleep_conditions[0]->condition->or_group_id, "g");
}

static void
test_hatchet__task_options(void **state)
{
	const Hatchet__CreateTaskOpts *task = UNPACK(*state, create_task_opts,
	    "\x0a\x01\x41\x4d\x00\x00\x00\x40\x62\x00\x70\x01\x7a\x0b\x0a\x07\x64\x75\x72\x61\x62"
	    "\x6c\x65\x10\x01");
	assert_string_equal(task->readable_id, "A");
	assert_true(task->has_backoff_factor);
	assert_true(task->backoff_factor == 2.0f);
	assert_true(task->is_durable);
	assert_non_null(task->conditions); /* always sent, and empty */
	assert_int_equal(task->conditions->n_sleep_conditions, 0);
	assert_string_equal(task->slot_requests[0]->key, "durable");
}

static void
test_hatchet__fields_of_newer_sdks_are_skipped(void **state)
{
	const Hatchet__TriggerWorkflowRequest *request =
	    UNPACK(*state, trigger_workflow_request, "\x0a\x01\x61\xfa\x07\x03xyz\x28\x00");
	assert_string_equal(request->name, "a");
	assert_true(request->has_child_index);
	assert_int_equal(request->base.n_unknown_fields, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hatchet__maps_are_lists_of_entries),
	    cmocka_unit_test(test_hatchet__absent_is_told_from_zero),
	    cmocka_unit_test(test_hatchet__durable_request_is_one_of_several),
	    cmocka_unit_test(test_hatchet__task_options),
	    cmocka_unit_test(test_hatchet__fields_of_newer_sdks_are_skipped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
