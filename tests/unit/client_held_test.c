/*
 * Tasks as a worker holds them: of a Dispatch comes what protobuf-c reads in it, in memory that
 * was another task's before; cut off or with any byte another one, a Dispatch is refused or is a
 * task, and nothing else happens. They are found by id and lease, however many there are.
 */
#include "client/worker_int.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define SIZE_MAX_HERE 2048u

/* Everything that a Dispatch may have; `bits`: which of it this one has. */
struct sample {
	Froe__Dispatch dispatch;
	Froe__ParentOutput parents[3], *parent_rows[3];
	Froe__TaskError errors[2], *error_rows[2];
	Froe__Pair pairs[5], *pair_rows[5];
	Froe__NodeDone nodes[2], *node_rows[2];
	uint8_t id[16], run[16], input[300];
};

static char *
text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

static void
sample_rows(struct sample *sample, unsigned bits)
{
	static const char *const names[] = {"p", "second", "", "a third that is longer", "x"};
	for (unsigned i = 0; i < 3; i++) {
		froe__parent_output__init(&sample->parents[i]);
		sample->parents[i].task = text(names[i]);
		sample->parents[i].has_output = i != 1;
		sample->parents[i].output = wire_bytes(sample->input, i == 1 ? 0 : i * 77);
		sample->parents[i].has_omitted = sample->parents[i].omitted = i == 1;
		sample->parents[i].has_skipped = sample->parents[i].skipped = i == 2;
		sample->parent_rows[i] = &sample->parents[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		froe__task_error__init(&sample->errors[i]);
		sample->errors[i].task = text(names[i]);
		sample->errors[i].error = i == 0 ? text("it failed") : NULL;
		sample->error_rows[i] = &sample->errors[i];
		froe__node_done__init(&sample->nodes[i]);
		sample->nodes[i].has_node = sample->nodes[i].has_fingerprint = true;
		sample->nodes[i].node = i + 1;
		sample->nodes[i].fingerprint = UINT64_MAX - i;
		sample->nodes[i].reason = text("because");
		sample->node_rows[i] = &sample->nodes[i];
	}
	for (unsigned i = 0; i < 5; i++) {
		froe__pair__init(&sample->pairs[i]);
		sample->pairs[i].key = text(names[i]);
		sample->pairs[i].value = text(names[4 - i]);
		sample->pair_rows[i] = &sample->pairs[i];
	}
	sample->dispatch.parents = sample->parent_rows;
	sample->dispatch.n_parents = (bits & 1) != 0 ? 3 : 0;
	sample->dispatch.errors = sample->error_rows;
	sample->dispatch.n_errors = (bits & 2) != 0 ? 2 : 0;
	sample->dispatch.metadata = sample->pair_rows;
	sample->dispatch.n_metadata = (bits & 4) != 0 ? 5 : 0;
	sample->dispatch.nodes = sample->node_rows;
	sample->dispatch.n_nodes = (bits & 8) != 0 ? 2 : 0;
}

static void
sample_init(struct sample *sample, unsigned bits)
{
	Froe__Dispatch *dispatch = &sample->dispatch;
	froe__dispatch__init(dispatch);
	memset(sample->id, 0x11, 16);
	memset(sample->run, 0x22, 16);
	memset(sample->input, '7', sizeof(sample->input));
	sample_rows(sample, bits);
	dispatch->has_task = dispatch->has_lease = true;
	dispatch->task = wire_bytes(sample->id, 16);
	dispatch->lease = UINT64_C(1) << bits;
	dispatch->action = text("workflow:task");
	dispatch->workflow = (bits & 16) != 0 ? text("workflow") : NULL;
	dispatch->name = text("task");
	dispatch->has_attempt = dispatch->has_retries = (bits & 16) != 0;
	dispatch->attempt = 3;
	dispatch->retries = 70000;
	dispatch->has_timeout_ms = (bits & 1) != 0;
	dispatch->timeout_ms = 100000;
	dispatch->has_input = true;
	dispatch->input = wire_bytes(sample->input, bits * 9);
	dispatch->has_run = (bits & 2) != 0;
	dispatch->run = wire_bytes(sample->run, 16);
	dispatch->has_priority = true; /* which the library does not look at */
	dispatch->priority = 2;
	dispatch->has_invocation = dispatch->has_durable = (bits & 8) != 0;
	dispatch->invocation = 4;
	dispatch->durable = true;
	dispatch->has_delivery = (bits & 4) != 0;
	dispatch->delivery = FROE__DELIVERY__EXACTLY_ONCE;
}

static void
expect_text(const char *got, const char *wire)
{
	assert_string_equal(got, wire_text_get(wire));
}

static void
expect_bytes(struct froe_bytes got, ProtobufCBinaryData wire)
{
	assert_int_equal(got.size, wire.len);
	if (wire.len > 0)
		assert_memory_equal(got.data, wire.data, wire.len);
}

static void
expect_rows(const struct froe_task *task, const Froe__Dispatch *wire)
{
	assert_int_equal(task->parent_count, wire->n_parents);
	for (size_t i = 0; i < wire->n_parents; i++) {
		expect_text(task->parents[i].name, wire->parents[i]->task);
		expect_bytes(task->parents[i].output, wire->parents[i]->output);
		assert_int_equal(task->parents[i].omitted, wire->parents[i]->omitted);
		assert_int_equal(task->parents[i].skipped, wire->parents[i]->skipped);
	}
	assert_int_equal(task->failure_count, wire->n_errors);
	for (size_t i = 0; i < wire->n_errors; i++) {
		expect_text(task->failures[i].task, wire->errors[i]->task);
		expect_text(task->failures[i].error, wire->errors[i]->error);
	}
	assert_int_equal(task->metadata_count, wire->n_metadata);
	for (size_t i = 0; i < wire->n_metadata; i++) {
		expect_text(task->metadata[i].key, wire->metadata[i]->key);
		expect_text(task->metadata[i].value, wire->metadata[i]->value);
	}
	assert_int_equal(task->known_count, wire->n_nodes);
	for (size_t i = 0; i < wire->n_nodes; i++) {
		assert_int_equal(task->known[i].node, wire->nodes[i]->node);
		assert_true(task->known[i].fingerprint == wire->nodes[i]->fingerprint);
		Froe__NodeDone *done = froe__node_done__unpack(
		    NULL, task->known[i].done.size, task->known[i].done.data);
		assert_non_null(done);
		expect_text(done->reason, wire->nodes[i]->reason);
		froe__node_done__free_unpacked(done, NULL);
	}
}

static void
expect_task(const struct froe_task *task, const Froe__Dispatch *wire)
{
	assert_memory_equal(task->id.bytes, wire->task.data, 16);
	assert_true(task->lease == wire->lease);
	expect_text(task->action, wire->action);
	expect_text(task->workflow, wire->workflow);
	expect_text(task->name, wire->name);
	assert_int_equal(task->attempt, wire->has_attempt ? wire->attempt : 0);
	assert_int_equal(task->retries, wire->has_retries ? wire->retries : 0);
	assert_int_equal(task->deadline_ns == UINT64_MAX, !wire->has_timeout_ms);
	expect_bytes(task->input, wire->input);
	assert_int_equal(bytes_zero(task->run.bytes, 16), !wire->has_run);
	assert_int_equal(task->invocation, wire->has_invocation ? wire->invocation : 1);
	assert_int_equal(task->durable, wire->has_durable);
	assert_int_equal(task->exactly_once, wire->has_delivery);
	assert_int_equal(task->output_size, 0);
	assert_null(task->error);
	expect_rows(task, wire);
}

static void
worker_init(struct froe_worker *worker, struct froe_client *client)
{
	*client = (struct froe_client){0};
	*worker = (struct froe_worker){.client = client, .slots_sum = 1};
	held_init(worker);
}

static size_t
sample_pack(struct sample *sample, unsigned bits, uint8_t to[SIZE_MAX_HERE])
{
	sample_init(sample, bits);
	assert_true(froe__dispatch__get_packed_size(&sample->dispatch) <= SIZE_MAX_HERE);
	return froe__dispatch__pack(&sample->dispatch, to);
}

static void
test_held__is_what_was_dispatched(void **state)
{
	uint8_t packed[SIZE_MAX_HERE];
	struct froe_worker worker;
	struct froe_client client;
	struct sample sample;
	(void)state;
	worker_init(&worker, &client);
	for (unsigned bits = 0; bits < 32; bits++) {
		size_t size = sample_pack(&sample, bits, packed);
		struct froe_task *task = held_new(&worker, bytes_of(packed, size));
		assert_non_null(task);
		expect_task(task, &sample.dispatch);
		froe_task_error(task, "what it says is not the next one's");
		assert_int_equal(froe_task_output(task, "[1]", 3, NULL), FROE_OK);
		held_drop(task);
	}
	held_release(&worker);
}

static void
test_held__garbled_does_no_harm(void **state)
{
	uint8_t packed[SIZE_MAX_HERE];
	struct froe_worker worker;
	struct froe_client client;
	struct sample sample;
	unsigned refused = 0;
	(void)state;
	worker_init(&worker, &client);
	size_t size = sample_pack(&sample, 31, packed);
	for (size_t cut = 0; cut <= size; cut++) {
		uint8_t *part = mem_copy(packed, cut); /* of its own: nothing is read behind it */
		struct froe_task *task = held_new(&worker, bytes_of(part, cut));
		refused += task == NULL;
		if (task != NULL)
			held_drop(task);
		mem_free(part);
		if (cut == size)
			break;
		packed[cut] ^= 0xff;
		task = held_new(&worker, bytes_of(packed, size));
		packed[cut] ^= 0xff;
		refused += task == NULL;
		if (task != NULL)
			held_drop(task);
	}
	assert_true(refused > size); /* all but those cut off between two fields, at least */
	held_release(&worker);
}

/* More than there are rows: several in each, some of them leases of one task. */
static void
test_held__found_by_id_and_lease(void **state)
{
	uint8_t packed[SIZE_MAX_HERE];
	struct froe_worker worker;
	struct froe_client client;
	struct sample sample;
	struct froe_task *tasks[200];
	(void)state;
	worker_init(&worker, &client);
	for (unsigned i = 0; i < 200; i++) {
		sample_pack(&sample, 0, packed);
		sample.id[15] = (uint8_t)(i % 100);
		sample.dispatch.lease = i + 1;
		size_t size = froe__dispatch__pack(&sample.dispatch, packed);
		tasks[i] = held_new(&worker, bytes_of(packed, size));
		assert_null(held_find(&worker, &tasks[i]->id, i + 1));
		held_add(tasks[i]);
	}
	for (unsigned i = 0; i < 200; i++) {
		unsigned at = i * 7 % 200;
		struct froe_id id = tasks[at]->id;
		assert_ptr_equal(held_find(&worker, &id, at + 1), tasks[at]);
		assert_null(held_find(&worker, &id, at + 2));
		held_free(tasks[at]);
		assert_null(held_find(&worker, &id, at + 1));
	}
	assert_true(list_empty(&worker.tasks));
	held_release(&worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_held__is_what_was_dispatched),
	    cmocka_unit_test(test_held__garbled_does_no_harm),
	    cmocka_unit_test(test_held__found_by_id_and_lease),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
