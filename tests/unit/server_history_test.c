/*
 * Histories of hand-made records: from memory, from a log that answers at once, and from one that
 * answers later and in another order.
 */
#include "server/history.h"

#include "api/definition.h"
#include "base/mem.h"
#include "server/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS_MAX 40000
#define RUN 1u

enum from {
	FROM_MEMORY,
	FROM_LOG,      /* answered within log_read_start */
	FROM_LOG_LATE, /* answered by world_answer(), newest first */
	FROM_COUNT,
};

/* A shard of an engine and a resolver, and a log of records in memory. */
struct world {
	struct shard shard;
	struct log_record *records;
	struct log_place *places;
	uint32_t count;
	enum from from;
	uint32_t unreadable; /* record that the log cannot read; 0: none */
	struct log_read *asked[64];
	size_t asked_count;
	size_t asked_peak;
	/* what came back */
	unsigned done;
	enum froe_err err;
};

static struct world *
world_of(struct log *log)
{
	return (struct world *)(void *)log;
}

/* In the log's place: this program links without it. */
void
log_read_start(struct log *log, struct log_read *read, struct log_place place,
    uint64_t run_key, uint32_t run_event_no,
    void (*done)(struct log_read *read, enum froe_err err, const struct log_record *record))
{
	struct world *world = world_of(log);
	uint32_t number = (uint32_t)place.lsn.v;
	read->log = log;
	read->place = place;
	read->done = done;
	if (world->from == FROM_LOG_LATE) {
		assert_true(world->asked_count < 64);
		world->asked[world->asked_count++] = read;
		if (world->asked_count > world->asked_peak)
			world->asked_peak = world->asked_count;
		return;
	}
	if (number == world->unreadable)
		done(read, FROE_CORRUPT, NULL);
	else
		done(read, FROE_OK, &world->records[number - 1]);
}

static void
world_answer(struct world *world)
{
	while (world->asked_count > 0) {
		struct log_read *read = world->asked[--world->asked_count];
		uint32_t number = (uint32_t)read->place.lsn.v;
		if (number == world->unreadable)
			read->done(read, FROE_CORRUPT, NULL);
		else
			read->done(read, FROE_OK, &world->records[number - 1]);
	}
}

struct task {
	const char *name;
	const char *parents[3];
	bool on_failure;
};

static void
world_workflow(struct world *world, const struct task *tasks, size_t count)
{
	Froe__WorkflowDefinition proto = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__TaskDefinition rows[4], *at[4];
	char name[] = "flow";
	struct arena arena;
	struct buf body;
	struct froe_fault fault;
	proto.name = name;
	proto.tasks = at;
	proto.n_tasks = count;
	for (size_t i = 0; i < count; i++) {
		at[i] = &rows[i];
		froe__task_definition__init(&rows[i]);
		rows[i].name = (char *)(uintptr_t)tasks[i].name;
		rows[i].parents = (char **)(uintptr_t)tasks[i].parents;
		while (rows[i].n_parents < 3 && tasks[i].parents[rows[i].n_parents] != NULL)
			rows[i].n_parents++;
		rows[i].has_on_failure = rows[i].on_failure = tasks[i].on_failure;
	}
	arena_init(&arena, 0);
	buf_init(&body);
	struct eng_event event = {.type = ENG_EV_TENANT_CREATED, .tenant = 1,
	    .name = bytes_text("default")};
	assert_int_equal(eng_apply_logged(world->shard.eng, &event, &fault), FROE_OK);
	const struct eng_definition *definition = definition_from_proto(&proto, &arena);
	event = (struct eng_event){.type = ENG_EV_WORKFLOW_PUT, .tenant = 1, .workflow = 1,
	    .version = 1, .name = definition->name, .payload = definition->encoded,
	    .definition = definition};
	assert_int_equal(eng_apply_logged(world->shard.eng, &event, &fault), FROE_OK);
	buf_release(&body);
	arena_release(&arena);
}

static struct world *
world_open(enum from from, const struct task *tasks, size_t count)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world->from = from;
	world->records = mem_array(RECORDS_MAX, sizeof(*world->records));
	world->places = mem_array(RECORDS_MAX, sizeof(*world->places));
	world->shard.eng = eng_open();
	world->shard.resolver = resolver_open(from == FROM_MEMORY ? 64u << 20 : 0);
	world->shard.log = (struct log *)(void *)world;
	world_workflow(world, tasks, count);
	return world;
}

static void
world_close(struct world *world)
{
	for (uint32_t i = 0; i < world->count; i++)
		mem_free((void *)(uintptr_t)world->records[i].body.data);
	eng_close(world->shard.eng);
	resolver_close(world->shard.resolver);
	mem_free(world->records);
	mem_free(world->places);
	mem_free(world);
}

static uint64_t
time_of(uint32_t record)
{
	return 1000000 + record;
}

static void
world_add_body(struct world *world, uint16_t type, struct bytes body)
{
	uint32_t number = ++world->count;
	assert_true(number <= RECORDS_MAX);
	world->places[number - 1] = (struct log_place){
	    .lsn.v = number,
	    .event_seq = number,
	    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)body.size,
	};
	world->records[number - 1] = (struct log_record){
	    .type = type,
	    .run_key = RUN,
	    .run_event_no = number,
	    .time_ns = time_of(number),
	    .body = bytes_of(mem_copy(body.data, body.size), body.size),
	};
	struct log_entry entry = {
	    .type = type,
	    .run_key = RUN,
	    .run_event_no = number,
	    .time_ns = time_of(number),
	    .body = body,
	};
	resolver_add(world->shard.resolver, &entry, &world->places[number - 1], 1);
}

static void
world_add(struct world *world, struct eng_event event)
{
	struct buf body;
	buf_init(&body);
	record_encode(&event, &body);
	world_add_body(world, (uint16_t)event.type, buf_bytes(&body));
	buf_release(&body);
}

static void
world_start(struct world *world, const char *input)
{
	struct eng_event event = {.type = ENG_EV_RUN_STARTED, .tenant = 1, .workflow = 1,
	    .version = 1, .priority = 2, .payload = bytes_text(input)};
	memset(event.id.bytes, 0x40, 14);
	world_add(world, event);
}

static void
world_assign(struct world *world, uint32_t task, uint32_t attempt)
{
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_QUEUED, .task = task,
	    .reason = attempt == 1 ? ENG_REASON_READY : ENG_REASON_RETRY});
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_ASSIGNED, .task = task,
	    .attempt = attempt, .lease = attempt, .worker = 7});
}

static void
world_complete(struct world *world, uint32_t task, struct bytes output)
{
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_COMPLETED, .task = task, .lease = 1,
	    .payload = output});
}

static void
world_fail(struct world *world, uint32_t task, enum eng_reason reason, const char *text)
{
	world_add(world, (struct eng_event){.type = ENG_EV_ATTEMPT_ENDED, .task = task,
	    .reason = (uint32_t)reason, .text = bytes_text(text)});
}

static void
world_end(struct world *world, enum eng_status status)
{
	world_add(world, (struct eng_event){.type = ENG_EV_RUN_CLOSED, .status = (uint32_t)status});
}

static void
on_done(struct history *history, enum froe_err err)
{
	struct world *world = history->context;
	world->done++;
	world->err = err;
}

static struct history *
world_load(struct world *world, enum history_want want, const char *task)
{
	struct history *history = history_open(&world->shard, RUN, world->places, world->count,
	    on_done, world);
	world->done = 0;
	assert_int_equal(world->done, 0);
	history_start(history, want, bytes_text(task));
	world_answer(world);
	assert_int_equal(world->done, 1);
	return history;
}

static struct history *
world_fold(struct world *world, enum history_want want, const char *task,
    struct history_fold *fold)
{
	struct froe_fault fault = {0};
	struct history *history = world_load(world, want, task);
	assert_int_equal(world->err, FROE_OK);
	if (history_fold(history, fold, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
	return history;
}

static bool
same(ProtobufCBinaryData data, const char *text)
{
	return bytes_equal(bytes_of(data.data, data.len), bytes_text(text));
}

/* ------------------------------------------------------------------------------------- views */

static const struct task ONE[] = {{.name = "only"}};
static const struct task DIAMOND[] = {
    {.name = "a"}, {.name = "b", .parents = {"a"}}, {.name = "c", .parents = {"a"}},
    {.name = "mend", .on_failure = true},
};

static void
test_history__retries(void **state)
{
	(void)state;
	for (enum from from = 0; from < FROM_COUNT; from++) {
		struct world *world = world_open(from, ONE, 1);
		struct history_fold fold;
		world_start(world, "{\"in\":1}");
		world_assign(world, 0, 1);
		world_fail(world, 0, ENG_REASON_FAILED, "first \"error\"");
		world_add(world, (struct eng_event){.type = ENG_EV_TASK_DELAYED,
		    .deadline_ns = 5000000});
		world_assign(world, 0, 2);
		world_fail(world, 0, ENG_REASON_LOST, "the worker was lost");
		world_assign(world, 0, 3);
		world_fail(world, 0, ENG_REASON_RELEASED, "");
		world_assign(world, 0, 4);
		world_complete(world, 0, bytes_text("{\"out\":2}"));
		world_end(world, ENG_COMPLETED);
		struct history *history = world_fold(world, HISTORY_ALL, "", &fold);
		const Froe__RunView *view = fold.view;
		assert_int_equal(view->status, FROE__RUN_STATUS__COMPLETED);
		assert_int_equal(view->number, RUN);
		assert_int_equal(view->priority, 2);
		assert_string_equal(view->workflow, "flow");
		assert_true(view->has_input && same(view->input, "{\"in\":1}"));
		assert_int_equal(view->created_ns, time_of(1));
		assert_int_equal(view->started_ns, time_of(3));
		assert_int_equal(view->finished_ns, time_of(world->count));
		assert_string_equal(view->position, "0000000000000001");
		assert_true(fold.closed);
		assert_int_equal(fold.tenant, 1);
		const Froe__TaskView *task = view->tasks[0];
		static const char *const outcomes[] = {"failed", "lost", "released", "completed"};
		assert_int_equal(task->n_attempts, 4);
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(task->attempts[i]->attempt, i + 1);
			assert_string_equal(task->attempts[i]->outcome, outcomes[i]);
			assert_true(task->attempts[i]->finished_ns >
			    task->attempts[i]->assigned_ns);
		}
		assert_string_equal(task->attempts[0]->error, "first \"error\"");
		assert_string_equal(task->attempts[0]->worker, "worker 7");
		assert_null(task->attempts[2]->error);
		assert_string_equal(task->error, "the worker was lost"); /* a release is no error */
		assert_string_equal(task->state, "closed");
		assert_false(task->has_due_ns);
		assert_true(task->has_output && same(task->output, "{\"out\":2}"));
		history_free(history);
		world_close(world);
	}
}

static void
test_history__open_run_waits_for_its_retry(void **state)
{
	struct world *world = world_open(FROM_LOG, ONE, 1);
	struct history_fold fold;
	(void)state;
	world_start(world, "{}");
	world_assign(world, 0, 1);
	world_fail(world, 0, ENG_REASON_TIMED_OUT, "the execution timeout has passed");
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_DELAYED, .deadline_ns = 5000000});
	struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
	const Froe__TaskView *task = fold.view->tasks[0];
	assert_int_equal(fold.view->status, FROE__RUN_STATUS__RUNNING);
	assert_false(fold.view->has_finished_ns);
	assert_false(fold.view->has_input);
	assert_false(fold.closed);
	assert_string_equal(task->state, "delayed");
	assert_int_equal(task->status, FROE__RUN_STATUS__QUEUED);
	assert_true(task->has_due_ns && task->due_ns == 5000000);
	assert_string_equal(task->attempts[0]->outcome, "timed_out");
	history_free(history);
	world_close(world);
}

/* Of a lease that has to lapse the record tells uptime; a view tells when that will be. */
static void
test_history__open_run_waits_for_an_old_lease(void **state)
{
	static const uint64_t retries[] = {1, 9000000};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(FROM_LOG, ONE, 1);
		struct eng_event started = {.type = ENG_EV_ENGINE_STARTED, .epoch = 1,
		    .time_ns = 3000000, .downtime_ns = 2000000};
		struct history_fold fold;
		struct froe_fault fault;
		assert_int_equal(eng_apply_logged(world->shard.eng, &started, &fault), FROE_OK);
		world_start(world, "{}");
		world_assign(world, 0, 1);
		world_fail(world, 0, ENG_REASON_LOST, "the worker was lost");
		world_add(world, (struct eng_event){.type = ENG_EV_TASK_DELAYED, .worker = 1,
		    .deadline_ns = 5000000, .retry_ns = retries[i]});
		struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
		const Froe__TaskView *task = fold.view->tasks[0];
		assert_true(task->has_due_ns);
		assert_int_equal(task->due_ns, i == 0 ? 7000000 : 9000000);
		history_free(history);
		world_close(world);
	}
}

static void
test_history__cancel(void **state)
{
	struct world *world = world_open(FROM_LOG_LATE, DIAMOND, 4);
	struct history_fold fold;
	(void)state;
	world_start(world, "{}");
	world_assign(world, 0, 1);
	world_add(world, (struct eng_event){.type = ENG_EV_RUN_CANCEL_REQUESTED,
	    .reason = ENG_REASON_REQUESTED, .text = bytes_text("enough")});
	for (uint32_t i = 0; i < 4; i++) {
		world_add(world, (struct eng_event){.type = ENG_EV_TASK_CANCELLED, .task = i,
		    .reason = ENG_REASON_REQUESTED});
	}
	world_end(world, ENG_CANCELLED);
	struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
	assert_int_equal(fold.view->status, FROE__RUN_STATUS__CANCELLED);
	assert_string_equal(fold.view->reason, "enough");
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fold.view->tasks[i]->status, FROE__RUN_STATUS__CANCELLED);
	assert_int_equal(fold.view->tasks[0]->n_attempts, 1);
	assert_string_equal(fold.view->tasks[0]->attempts[0]->outcome, "cancelled");
	assert_int_equal(fold.view->tasks[1]->n_parents, 1);
	assert_string_equal(fold.view->tasks[1]->parents[0], "a");
	assert_int_equal(fold.error.size, 0);
	history_free(history);
	world_close(world);
}

/* a fails for good, b and c are cancelled for it, the on-failure task runs. */
static void
test_history__on_failure(void **state)
{
	struct world *world = world_open(FROM_MEMORY, DIAMOND, 4);
	struct history_fold fold;
	(void)state;
	world_start(world, "{}");
	world_assign(world, 0, 1);
	world_fail(world, 0, ENG_REASON_FATAL, "broken");
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_FAILED, .task = 0});
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_CANCELLED, .task = 1,
	    .reason = ENG_REASON_PARENT});
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_SKIPPED, .task = 2});
	world_assign(world, 3, 1);
	world_fail(world, 3, ENG_REASON_FAILED, "cannot mend");
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_FAILED, .task = 3});
	world_end(world, ENG_FAILED);
	struct history *history = world_fold(world, HISTORY_RESULT, "", &fold);
	assert_int_equal(fold.view->status, FROE__RUN_STATUS__FAILED);
	assert_true(bytes_equal(fold.error, bytes_text("broken")));
	assert_int_equal(fold.error.data[fold.error.size], 0);
	assert_string_equal(fold.view->tasks[0]->attempts[0]->outcome, "failed");
	assert_int_equal(fold.view->tasks[1]->n_attempts, 0);
	assert_true(fold.view->tasks[2]->skipped);
	assert_int_equal(fold.view->tasks[2]->status, FROE__RUN_STATUS__COMPLETED);
	assert_int_equal(fold.view->tasks[3]->status, FROE__RUN_STATUS__FAILED);
	history_free(history);
	world_close(world);
}

static void
test_history__logs(void **state)
{
	struct world *world = world_open(FROM_LOG_LATE, DIAMOND, 4);
	struct history_fold fold;
	char line[32];
	(void)state;
	world_start(world, "{}");
	world_assign(world, 0, 1);
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %u", i);
		world_add(world, (struct eng_event){.type = ENG_EV_TASK_LOGGED, .task = i % 2,
		    .attempt = 1, .text = bytes_text(line)});
	}
	struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
	assert_true(world->asked_peak <= HISTORY_READS_MAX);
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %u", i);
		assert_string_equal(fold.view->tasks[i % 2]->log[i / 2], line);
	}
	assert_int_equal(fold.view->tasks[0]->n_log, 50);
	history_free(history);
	world_close(world);
}

/* ------------------------------------------------------------------------------------ results */

static void
expect_result(const struct history_fold *fold, const char *text)
{
	struct buf result;
	buf_init(&result);
	assert_true(history_result(fold, &result));
	if (!bytes_equal(buf_bytes(&result), bytes_text(text)))
		fail_msg("%.*s", (int)buf_used(&result), (char *)result.data);
	buf_release(&result);
}

static void
test_history__result_bare(void **state)
{
	static const enum history_want wants[] = {HISTORY_ALL, HISTORY_RESULT};
	(void)state;
	for (enum from from = 0; from < FROM_COUNT * 2; from++) {
		struct world *world = world_open(from / 2, ONE, 1);
		struct history_fold fold;
		world_start(world, "{}");
		world_assign(world, 0, 1);
		world_complete(world, 0, bytes_text("[1]"));
		world_end(world, ENG_COMPLETED);
		struct history *history = world_fold(world, wants[from % 2], "", &fold);
		expect_result(&fold, "[1]");
		history_free(history);
		world_close(world);
	}
}

static struct world *
world_diamond(enum from from, struct bytes a, struct bytes b, struct bytes c)
{
	struct world *world = world_open(from, DIAMOND, 4);
	world_start(world, "{}");
	world_assign(world, 0, 1);
	world_complete(world, 0, a);
	world_assign(world, 1, 1);
	world_complete(world, 1, b);
	world_assign(world, 2, 1);
	world_complete(world, 2, c);
	world_add(world, (struct eng_event){.type = ENG_EV_TASK_SKIPPED, .task = 3});
	world_end(world, ENG_COMPLETED);
	return world;
}

static void
test_history__result_object(void **state)
{
	(void)state;
	for (enum from from = 0; from < FROM_COUNT; from++) {
		struct world *world = world_diamond(from, bytes_text("1"), bytes_text("\"x\""),
		    bytes_text("{\"y\":[]}"));
		struct history_fold fold;
		struct history *history = world_fold(world, HISTORY_RESULT, "", &fold);
		expect_result(&fold, "{\"b\":\"x\",\"c\":{\"y\":[]}}");
		assert_true(fold.cut[0]); /* a's output is not part of it */
		assert_false(fold.view->tasks[1]->has_output);
		history_free(history);
		world_close(world);
	}
}

static void
test_history__one_output(void **state)
{
	(void)state;
	for (enum from from = 0; from < FROM_COUNT; from++) {
		struct world *world = world_diamond(from, bytes_text("1"), bytes_text("2"),
		    bytes_text("3"));
		struct history_fold fold;
		struct history *history = world_fold(world, HISTORY_OUTPUT, "a", &fold);
		assert_true(bytes_equal(fold.outputs[0], bytes_text("1")));
		assert_int_equal(fold.outputs[1].size, 0);
		assert_true(fold.cut[1] && fold.cut[2] && !fold.cut[0] && !fold.cut[3]);
		history_free(history);
		world_close(world);
	}
}

static struct bytes
large(size_t size)
{
	uint8_t *text = mem_alloc(size);
	memset(text, 'x', size);
	text[0] = text[size - 1] = '"';
	return bytes_of(text, size);
}

/* Three outputs of 4 MiB: none is kept for a plain view; one for a view with payloads. */
static void
test_history__oversize(void **state)
{
	struct bytes output = large(FROE_PAYLOAD_BYTES_MAX);
	(void)state;
	for (enum from from = 0; from < FROM_COUNT; from++) {
		struct world *world = world_diamond(from, output, output, output);
		struct history_fold fold;
		struct buf result;
		buf_init(&result);
		struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
		assert_int_equal(history->payload_bytes, 0);
		assert_true(history->arena.taken < 1 << 20);
		assert_true(froe__run_view__get_packed_size(fold.view) < 4096);
		history_free(history);
		history = world_fold(world, HISTORY_ALL, "", &fold);
		assert_true(history->payload_bytes <= HISTORY_PAYLOAD_BYTES_MAX);
		assert_int_equal(fold.view->tasks[0]->has_output + fold.view->tasks[1]->has_output +
		    fold.view->tasks[2]->has_output, 1);
		assert_true(froe__run_view__get_packed_size(fold.view) < FROE_MESSAGE_BYTES_MAX);
		assert_false(history_result(&fold, &result));
		history_free(history);
		history = world_fold(world, HISTORY_RESULT, "", &fold);
		assert_false(history_result(&fold, &result));
		assert_int_equal(buf_used(&result), 0);
		history_free(history);
		history = world_fold(world, HISTORY_OUTPUT, "c", &fold);
		assert_int_equal(fold.outputs[2].size, FROE_PAYLOAD_BYTES_MAX);
		history_free(history);
		buf_release(&result);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)output.data);
}

/* A history of more text than a message holds is refused, not built. */
static void
test_history__too_long(void **state)
{
	struct world *world = world_open(FROM_LOG, ONE, 1);
	char *line = mem_zalloc(10001);
	(void)state;
	memset(line, 'l', 10000);
	world_start(world, "{}");
	for (int i = 0; i < 2000; i++) {
		world_add(world, (struct eng_event){.type = ENG_EV_TASK_LOGGED,
		    .text = bytes_text(line)});
	}
	struct history *history = world_load(world, HISTORY_NONE, "");
	assert_int_equal(world->err, FROE_TOO_LARGE);
	assert_true(history->arena.taken < HISTORY_BYTES_MAX + (1 << 20));
	history_free(history);
	history = history_open(&world->shard, RUN, world->places, HISTORY_RECORDS_MAX + 1, on_done,
	    world);
	history_start(history, HISTORY_NONE, bytes_text(""));
	assert_int_equal(world->err, FROE_TOO_LARGE);
	history_free(history);
	mem_free(line);
	world_close(world);
}

/* Many records that all complete within log_read_start: no recursion a record. */
static void
test_history__many_records_at_once(void **state)
{
	(void)state;
	for (enum from from = 0; from < FROM_COUNT; from++) {
		struct world *world = world_open(from, ONE, 1);
		struct history_fold fold;
		world_start(world, "{}");
		for (uint32_t i = 0; i < 10000; i++) {
			world_assign(world, 0, i + 1);
			world_fail(world, 0, ENG_REASON_FAILED, "");
		}
		struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
		assert_int_equal(fold.view->tasks[0]->n_attempts, 10000);
		history_free(history);
		world_close(world);
	}
}

/* ------------------------------------------------------------------------------------- damage */

static void
test_history__unreadable(void **state)
{
	(void)state;
	for (enum from from = FROM_LOG; from < FROM_COUNT; from++) {
		for (uint32_t number = 1; number <= 9; number++) {
			struct world *world = world_diamond(from, bytes_text("1"), bytes_text("2"),
			    bytes_text("3"));
			world->unreadable = number;
			struct history *history = world_load(world, HISTORY_ALL, "");
			assert_int_equal(world->err, FROE_CORRUPT);
			history_free(history);
			world_close(world);
		}
	}
}

static void
test_history__misfits(void **state)
{
	struct history_fold fold;
	struct froe_fault fault = {0};
	(void)state;
	/* It begins with another record. */
	struct world *world = world_open(FROM_LOG, ONE, 1);
	world_assign(world, 0, 1);
	struct history *history = world_load(world, HISTORY_NONE, "");
	assert_int_equal(world->err, FROE_CORRUPT);
	history_free(history);
	world_close(world);
	/* Of a workflow that there is not. */
	world = world_open(FROM_LOG, ONE, 1);
	world_add(world, (struct eng_event){.type = ENG_EV_RUN_STARTED, .workflow = 9,
	    .version = 1});
	history = world_load(world, HISTORY_NONE, "");
	assert_int_equal(world->err, FROE_CORRUPT);
	history_free(history);
	world_close(world);
	/* Of a task that there is not. */
	world = world_open(FROM_LOG, ONE, 1);
	world_start(world, "{}");
	world_assign(world, 1, 1);
	history = world_load(world, HISTORY_ALL, "");
	assert_int_equal(world->err, FROE_OK);
	assert_int_equal(history_fold(history, &fold, &fault), FROE_CORRUPT);
	history_free(history);
	world_close(world);
	/* A record of another run lies at the place. */
	world = world_open(FROM_LOG, ONE, 1);
	world_start(world, "{}");
	world_assign(world, 0, 1);
	world->records[1].run_key = 2;
	history = world_load(world, HISTORY_ALL, "");
	assert_int_equal(world->err, FROE_CORRUPT);
	history_free(history);
	world_close(world);
	/* Nothing at all. */
	world = world_open(FROM_LOG, ONE, 1);
	history = world_load(world, HISTORY_NONE, "");
	assert_int_equal(history_fold(history, &fold, &fault), FROE_CORRUPT);
	history_free(history);
	world_close(world);
}

/* What a later version added, and may be skipped, is skipped. */
static void
test_history__optional_types_are_skipped(void **state)
{
	struct world *world = world_open(FROM_LOG_LATE, ONE, 1);
	struct history_fold fold;
	(void)state;
	world_start(world, "{}");
	world_add_body(world, 0x9000, bytes_text("whatever"));
	world_assign(world, 0, 1);
	struct history *history = world_fold(world, HISTORY_NONE, "", &fold);
	assert_int_equal(fold.view->tasks[0]->n_attempts, 1);
	history_free(history);
	world_close(world);
}

/* A history that is given up with reads under way. */
static void
test_history__freed_while_loading(void **state)
{
	struct world *world = world_diamond(FROM_LOG_LATE, bytes_text("1"), bytes_text("2"),
	    bytes_text("3"));
	struct history *history = history_open(&world->shard, RUN, world->places, world->count,
	    on_done, world);
	(void)state;
	history_start(history, HISTORY_ALL, bytes_text(""));
	assert_int_equal(world->asked_count, 1); /* the first record alone */
	world->asked[0]->done(world->asked[0], FROE_OK, &world->records[0]);
	world->asked_count = 0;
	assert_int_equal(world->done, 0);
	assert_true(history->loading > 1);
	history_free(history);
	world_close(world);
}

static void
test_history__places(void **state)
{
	struct log_place places[3] = {{{1}, 2, 3}, {{UINT64_MAX}, UINT64_MAX, UINT32_MAX},
	    {{0}, 0, 0}};
	struct buf encoded;
	(void)state;
	buf_init(&encoded);
	history_places_encode(places, 3, &encoded);
	assert_int_equal(buf_used(&encoded), 60);
	assert_int_equal(history_places_count(buf_bytes(&encoded)), 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct log_place place = history_place_decode(buf_bytes(&encoded), i);
		assert_true(place.lsn.v == places[i].lsn.v && place.size == places[i].size &&
		    place.event_seq == places[i].event_seq);
	}
	assert_int_equal(history_places_count(bytes_of(encoded.data, 19)), 0);
	buf_release(&encoded);
}

static void
test_history__result_parts(void **state)
{
	struct result_part parts[2] = {{bytes_text("a\"\n"), bytes_text("1")},
	    {bytes_text("b"), bytes_text("[]")}};
	struct buf to;
	(void)state;
	buf_init(&to);
	assert_true(result_build(parts, 2, false, &to));
	assert_true(bytes_equal(buf_bytes(&to), bytes_text("{\"a\\\"\\n\":1,\"b\":[]}")));
	buf_reset(&to);
	assert_true(result_build(parts, 1, true, &to));
	assert_true(bytes_equal(buf_bytes(&to), bytes_text("1")));
	buf_reset(&to);
	assert_true(result_build(NULL, 0, false, &to));
	assert_true(bytes_equal(buf_bytes(&to), bytes_text("{}")));
	buf_release(&to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_history__retries),
	    cmocka_unit_test(test_history__open_run_waits_for_its_retry),
	    cmocka_unit_test(test_history__open_run_waits_for_an_old_lease),
	    cmocka_unit_test(test_history__cancel),
	    cmocka_unit_test(test_history__on_failure),
	    cmocka_unit_test(test_history__logs),
	    cmocka_unit_test(test_history__result_bare),
	    cmocka_unit_test(test_history__result_object),
	    cmocka_unit_test(test_history__one_output),
	    cmocka_unit_test(test_history__oversize),
	    cmocka_unit_test(test_history__too_long),
	    cmocka_unit_test(test_history__many_records_at_once),
	    cmocka_unit_test(test_history__unreadable),
	    cmocka_unit_test(test_history__misfits),
	    cmocka_unit_test(test_history__optional_types_are_skipped),
	    cmocka_unit_test(test_history__freed_while_loading),
	    cmocka_unit_test(test_history__places),
	    cmocka_unit_test(test_history__result_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
