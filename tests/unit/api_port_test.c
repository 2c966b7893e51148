/* What crosses from loop to loop: clones of commands, encoded effects, definitions. */
#include "api/definition.h"
#include "api/envelope.h"
#include "api/port.h"
#include "base/mem.h"
#include "froe/limits.h"

#include "proto/native.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
test_port__handle_parts(void **state)
{
	(void)state;
	uint64_t conn = api_conn_handle(255, 0xfedcba98u, 0xabcdefu);
	assert_int_equal(api_conn_loop(conn), 255);
	assert_int_equal(api_conn_generation(conn), 0xfedcba98u);
	assert_int_equal(api_conn_slot(conn), 0xabcdefu);
}

static void
test_port__position(void **state)
{
	(void)state;
	uint8_t bytes[API_POSITION_BYTES];
	uint64_t frame = 0;
	api_position_encode(0xffffffffffffu, bytes);
	assert_true(api_position_decode(bytes_of(bytes, sizeof(bytes)), &frame));
	assert_int_equal(frame, 0xffffffffffffu);
	assert_false(api_position_decode(bytes_of(bytes, 7), &frame));
	bytes[7] = 1; /* of another shard */
	assert_false(api_position_decode(bytes_of(bytes, sizeof(bytes)), &frame));
}

/* A definition in heap memory that is poisoned and freed after the clone. */
static struct api_command *
clone_of_definition(void)
{
	struct bytes *parents = mem_array(2, sizeof(*parents));
	char *text = mem_strdup("onetwo");
	parents[0] = bytes_of(text, 3);
	parents[1] = bytes_of(text + 3, 3);
	uint64_t *table_ms = mem_array(2, sizeof(*table_ms));
	table_ms[0] = 10;
	table_ms[1] = 20;
	struct eng_task_definition *tasks = mem_array(3, sizeof(*tasks));
	tasks[2] = (struct eng_task_definition){
	    .name = parents[1],
	    .parents = parents,
	    .parent_count = 2,
	    .backoff = {.kind = ENG_BACKOFF_TABLE, .table_ms = table_ms, .table_count = 2},
	    .on_failure = true,
	};
	struct api_command command = {
	    .op = API_OP_ENGINE,
	    .origin = {.conn = 5, .request = 6},
	    .engine = {.type = ENG_CMD_WORKFLOW_PUT, .workflow_put.definition = {
	        .name = parents[0], .tasks = tasks, .task_count = 3, .encoded = bytes_of(text, 6)}},
	};
	struct api_command *clone = api_command_clone(&command);
	memset(text, 'x', 6);
	mem_free(text);
	mem_free(parents);
	mem_free(table_ms);
	mem_free(tasks);
	return clone;
}

static void
test_port__clone_of_a_definition_is_deep(void **state)
{
	(void)state;
	struct api_command *clone = clone_of_definition();
	const struct eng_definition *definition = &clone->engine.workflow_put.definition;
	assert_int_equal(clone->origin.request, 6);
	assert_true(bytes_equal(definition->name, bytes_text("one")));
	assert_true(bytes_equal(definition->encoded, bytes_text("onetwo")));
	assert_int_equal(definition->task_count, 3);
	const struct eng_task_definition *task = &definition->tasks[2];
	assert_true(bytes_equal(task->name, bytes_text("two")));
	assert_int_equal(task->parent_count, 2);
	assert_true(bytes_equal(task->parents[0], bytes_text("one")));
	assert_true(bytes_equal(task->parents[1], bytes_text("two")));
	assert_int_equal(task->backoff.table_ms[1], 20);
	assert_true(task->on_failure);
	mem_free(clone);
}

static void
test_port__clone_of_a_registration_is_deep(void **state)
{
	(void)state;
	struct eng_fence held[2] = {{.lease = 3}, {.lease = 4}};
	char name[] = "name";
	struct bytes actions[] = {bytes_of(name, 1), bytes_of(name, 4), bytes_of(NULL, 0)};
	struct api_command command = {.op = API_OP_ENGINE,
	    .engine = {.type = ENG_CMD_WORKER_REGISTER,
		.worker_register = {.name = bytes_of(name, 4),
		    .actions = actions,
		    .action_count = 3,
		    .held = held,
		    .held_count = 2,
		    .slots = 9}}};
	struct api_command *clone = api_command_clone(&command);
	memset(held, 0xff, sizeof(held));
	memset(name, 'x', 4);
	memset(actions, 0, sizeof(actions));
	assert_int_equal(clone->engine.worker_register.held[1].lease, 4);
	assert_true(bytes_equal(clone->engine.worker_register.name, bytes_text("name")));
	assert_true(bytes_equal(clone->engine.worker_register.actions[0], bytes_text("n")));
	assert_true(bytes_equal(clone->engine.worker_register.actions[1], bytes_text("name")));
	assert_int_equal(clone->engine.worker_register.actions[2].size, 0);
	assert_int_equal(clone->engine.worker_register.slots, 9);
	mem_free(clone);
}

/* Every kind of command with bytes: the clone points into its own block. */
static void
test_port__clone_owns_its_bytes(void **state)
{
	(void)state;
	char text[] = "text";
	struct bytes bytes = bytes_of(text, 4);
	struct api_command commands[] = {
	    {.op = API_OP_OPEN, .open = {.tenant = bytes}},
	    {.op = API_OP_RUN_LIST, .list = {.workflow = bytes}},
	    {.op = API_OP_RUN_LIST, .list = {.worker = bytes}},
	    {.op = API_OP_RUN_LIST, .list = {.metadata = &bytes, .metadata_count = 1}},
	    {.op = API_OP_WORKFLOW_GET, .workflows = {.name = bytes}},
	    {.op = API_OP_OUTPUT_GET, .run = {.task = bytes}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_TENANT_OPEN, .tenant_open = {.name = bytes}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_RUN_START, .run_start = {.input = bytes}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_RUN_START,
		    .run_start = {.metadata = &bytes, .metadata_count = 1}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_RUN_CANCEL, .run_cancel = {.reason = bytes}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_JOB_START, .job_start = {.filter = bytes}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_JOB_START, .job_start = {.reason = bytes}}},
	    {.op = API_OP_ENGINE,
		.engine = {.type = ENG_CMD_JOB_START, .job_start = {.task = bytes}}},
	    {.op = API_OP_ENGINE, .engine = {.type = ENG_CMD_TASK_FAIL, .task = {.bytes = bytes}}},
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct api_command *clone = api_command_clone(&commands[i]);
		struct bytes copies[] = {clone->open.tenant, clone->list.workflow,
		    clone->list.worker, i == 3 ? clone->list.metadata[0] : bytes,
		    clone->workflows.name, clone->run.task, clone->engine.tenant_open.name,
		    clone->engine.run_start.input,
		    i == 8 ? clone->engine.run_start.metadata[0] : bytes,
		    clone->engine.run_cancel.reason, clone->engine.job_start.filter,
		    clone->engine.job_start.reason, clone->engine.job_start.task,
		    clone->engine.task.bytes};
		assert_ptr_not_equal(copies[i].data, text);
		assert_int_equal(copies[i].size, 4);
		assert_memory_equal(copies[i].data, "text", 4);
		mem_free(clone);
	}
	struct api_command plain = {.op = API_OP_CREDIT, .credit.bytes = 12};
	struct api_command *clone = api_command_clone(&plain);
	assert_int_equal(clone->credit.bytes, 12);
	mem_free(clone);
}

/* ------------------------------------------------------------------------------- envelope */

static Froe__Envelope *
decode_frame(const struct buf *frame, size_t size)
{
	assert_int_equal(buf_used(frame), size + 4);
	assert_int_equal(le32_load(frame->data), size);
	Froe__Envelope *envelope = froe__envelope__unpack(NULL, size, frame->data + 4);
	assert_non_null(envelope);
	return envelope;
}

static void
test_envelope__message_and_packed_are_the_same(void **state)
{
	(void)state;
	static const uint64_t REQUESTS[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
	char text[300];
	memset(text, 'e', sizeof(text));
	text[299] = 0;
	Froe__Error error = FROE__ERROR__INIT;
	error.text = text;
	uint8_t packed[400];
	size_t packed_size = froe__error__pack(&error, packed);
	for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++) {
		struct buf a, b;
		buf_init(&a);
		buf_init(&b);
		struct api_effect effect = {
		    .request = REQUESTS[i], .number = 2, .message = &error.base};
		size_t size = envelope_size(&effect);
		envelope_encode(&effect, UINT32_MAX, &a);
		effect.message = NULL;
		effect.packed = bytes_of(packed, packed_size);
		envelope_encode(&effect, UINT32_MAX, &b);
		assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
		Froe__Envelope *envelope = decode_frame(&a, size);
		assert_int_equal(envelope->request, REQUESTS[i]);
		assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_ERROR);
		assert_string_equal(envelope->error->text, text);
		froe__envelope__free_unpacked(envelope, NULL);
		buf_release(&a);
		buf_release(&b);
	}
}

static void
test_envelope__empty_body(void **state)
{
	(void)state;
	struct buf frame;
	buf_init(&frame);
	struct api_effect effect = {.request = 300, .number = 41};
	envelope_encode(&effect, UINT32_MAX, &frame);
	Froe__Envelope *envelope = decode_frame(&frame, envelope_size(&effect));
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_DONE);
	froe__envelope__free_unpacked(envelope, NULL);
	buf_release(&frame);
}

/* ----------------------------------------------------------------------------- definition */

static size_t
pack_definition(Froe__WorkflowDefinition *workflow, uint8_t *to)
{
	return froe__workflow_definition__pack(workflow, to);
}

static void
test_definition__all_fields(void **state)
{
	(void)state;
	uint64_t table_ms[] = {1, 2, 3};
	Froe__Backoff backoff = FROE__BACKOFF__INIT;
	backoff.has_kind = true;
	backoff.kind = FROE__BACKOFF_KIND__BACKOFF_TABLE;
	backoff.has_factor = true;
	backoff.factor = 1.5;
	backoff.table_ms = table_ms;
	backoff.n_table_ms = 3;
	char *parents[] = {"a"};
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT;
	task.name = "b";
	task.parents = parents;
	task.n_parents = 1;
	task.backoff = &backoff;
	task.has_retries = true;
	task.retries = 4;
	Froe__TaskDefinition *tasks[] = {&task};
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	workflow.name = "w";
	workflow.tasks = tasks;
	workflow.n_tasks = 1;
	workflow.has_priority = true;
	workflow.priority = 2;
	uint8_t encoded[128];
	size_t size = pack_definition(&workflow, encoded);

	struct arena arena;
	struct eng_definition definition;
	struct froe_fault fault;
	arena_init(&arena, 0);
	assert_int_equal(
	    definition_decode(bytes_of(encoded, size), &arena, &definition, &fault), FROE_OK);
	assert_true(bytes_equal(definition.name, bytes_text("w")));
	assert_int_equal(definition.priority, 2);
	assert_int_equal(definition.task_count, 1);
	assert_true(bytes_equal(definition.tasks[0].parents[0], bytes_text("a")));
	assert_int_equal(definition.tasks[0].retries, 4);
	assert_int_equal(definition.tasks[0].backoff.kind, ENG_BACKOFF_TABLE);
	assert_int_equal(definition.tasks[0].backoff.table_ms[2], 3);
	assert_true(
	    definition.tasks[0].backoff.factor > 1.4 && definition.tasks[0].backoff.factor < 1.6);
	assert_true(bytes_equal(definition.encoded, bytes_of(encoded, size)));
	arena_release(&arena);
}

/* Unknown fields at every level and another field order encode to the same bytes. */
static void
test_definition__encoding_is_canonical(void **state)
{
	(void)state;
	static const uint8_t PLAIN[] = {0x0a, 1, 'w', 0x12, 7, 0x0a, 1, 't', 0x2a, 2, 0x08, 1};
	static const uint8_t ODD[] = {0x98, 6, 1, /* 99 */
	    0x12, 13, 0x2a, 5, 0x08, 1, 0x98, 6, 2, 0x98, 6, 3, 0x0a, 1, 't',
	    0x0a, 1, 'v', 0x0a, 1, 'w'};
	struct arena arena;
	struct eng_definition plain, odd;
	struct froe_fault fault;
	arena_init(&arena, 0);
	assert_int_equal(
	    definition_decode(bytes_of(PLAIN, sizeof(PLAIN)), &arena, &plain, &fault), FROE_OK);
	assert_int_equal(
	    definition_decode(bytes_of(ODD, sizeof(ODD)), &arena, &odd, &fault), FROE_OK);
	assert_true(bytes_equal(plain.encoded, bytes_of(PLAIN, sizeof(PLAIN))));
	assert_true(bytes_equal(odd.encoded, plain.encoded));
	assert_true(bytes_equal(odd.name, bytes_text("w")));
	arena_release(&arena);
}

static void
test_definition__refusals(void **state)
{
	(void)state;
	struct arena arena;
	struct eng_definition definition;
	struct froe_fault fault;
	arena_init(&arena, 0);
	assert_int_equal(definition_decode(bytes_of("\x0a\x7f", 2), &arena, &definition, &fault),
	    FROE_CORRUPT);
	assert_int_equal(
	    definition_decode(bytes_of("\x0a\x01\xff", 3), &arena, &definition, &fault),
	    FROE_CORRUPT);
	assert_string_equal(fault.field, "name");
	/* At the limit and one past it. */
	static char name[FROE_DEFINITION_BYTES_MAX];
	memset(name, 'n', sizeof(name));
	for (size_t over = 0; over < 2; over++) {
		Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
		size_t size = FROE_DEFINITION_BYTES_MAX - 4 + over; /* a tag and three of length */
		name[size] = 0;
		workflow.name = name;
		const struct eng_definition *made = definition_from_proto(&workflow, &arena);
		name[size] = 'n';
		assert_int_equal(made == NULL, over);
	}
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_port__handle_parts),
	    cmocka_unit_test(test_port__position),
	    cmocka_unit_test(test_port__clone_of_a_definition_is_deep),
	    cmocka_unit_test(test_port__clone_of_a_registration_is_deep),
	    cmocka_unit_test(test_port__clone_owns_its_bytes),
	    cmocka_unit_test(test_envelope__message_and_packed_are_the_same),
	    cmocka_unit_test(test_envelope__empty_body),
	    cmocka_unit_test(test_definition__all_fields),
	    cmocka_unit_test(test_definition__encoding_is_canonical),
	    cmocka_unit_test(test_definition__refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
