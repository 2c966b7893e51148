/*
 * tests/engine_driver: plays the shell around the engine, and trusts it in nothing.
 *
 * Each step: asks for the bound of the log's bytes, steps, keeps every event in a ledger, checks
 * the effects against the ledger, checks the engine's invariants. With a twin, a second engine is
 * given the same commands and dice and must decide the same events. At the end of each test
 * (driver_close) all events are applied to a fresh engine, which must come out equal.
 */
#ifndef TESTS_ENGINE_DRIVER_H
#define TESTS_ENGINE_DRIVER_H

#include "base/json.h"
#include "engine/job.h"
#include "engine/save.h"
#include "engine_ledger.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define START_NS (UINT64_C(1800000000) * SECOND)

struct driver {
	struct eng *eng;
	struct eng *twin; /* NULL: none */
	struct ledger ledger;
	struct arena arena;
	const struct eng_output *out;
	uint64_t now_ns;
	uint64_t dice;
	uint64_t request;
	uint64_t ids;
	uint64_t epoch;
	uint64_t lapse_ns; /* of leases whose worker says nothing; 0: they lapse at once */
	uint64_t downtime_ns; /* all of it: uptime is now_ns less this */
	uint64_t steps;
	uint32_t check_every; /* steps between checks of the invariants */
	struct eng_tenant_id tenant;
};

/* SplitMix64. */
/* --------------------------------------------------------------------------- checking effects */

static inline bool
command_answered(const struct eng_command *command)
{
	switch (command->type) {
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_TASK_PROVIDE:
		return false;
	case ENG_CMD_WORKER_LEAVE:
		return !command->worker.lost;
	case ENG_CMD_TENANT_OPEN:
	case ENG_CMD_WORKFLOW_PUT:
	case ENG_CMD_RUN_START:
	case ENG_CMD_RUN_START_MANY:
	case ENG_CMD_RUN_CANCEL:
	case ENG_CMD_RUN_REPLAY:
	case ENG_CMD_JOB_START:
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_END:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_WORKER_REGISTER:
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
	case ENG_CMD_DURABLE_STEP:
	case ENG_CMD_TASK_EVICT:
	case ENG_CMD_EVENT_PUSH:
	case ENG_CMD_APPROVAL_DECIDE:
	case ENG_CMD_RATE_LIMIT_PUT:
	case ENG_CMD_TOKEN_CREATE:
	case ENG_CMD_TOKEN_REVOKE:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
	case ENG_CMD_WORKER_PAUSE:
	case ENG_CMD_WORKFLOW_SET:
	case ENG_CMD_TASK_RESTORE:
		return true;
	}
	froe_never("an unknown command");
}

static inline void
check_reply(const struct eng_command *command, const struct eng_effect *effect)
{
	froe_assert(effect->origin.conn == command->origin.conn);
	froe_assert(effect->origin.request == command->origin.request);
	froe_assert(effect->command == command->type);
	froe_assert((effect->err != FROE_OK) == (effect->fault != NULL));
	if (effect->fault == NULL)
		return;
	froe_assert(effect->fault->code == effect->err);
	froe_assert(effect->fault->text[0] != 0);
	froe_assert(utf8_valid(effect->fault->text, strlen(effect->fault->text)));
}

/* A reference names a record that is what it says, of the task that it names. */
static inline void
check_ref(const struct driver *driver, uint64_t run_key, const struct eng_ref *ref)
{
	struct eng_version_view view;
	const struct ledger_run *run = ledger_run(&driver->ledger, run_key);
	froe_assert(eng_version(driver->eng, run->workflow, run->version, &view));
	if (ref->skipped) {
		froe_assert(ref->record == 0);
		return;
	}
	const struct eng_event *event = ledger_record(&driver->ledger, run_key, ref->record);
	froe_assert(event->type == (ref->error ? ENG_EV_ATTEMPT_ENDED : ENG_EV_TASK_COMPLETED));
	froe_assert(bytes_equal(view.tasks[event->task].name, ref->task));
}

static inline void
check_dispatch(struct driver *driver, const struct eng_effect *effect)
{
	struct eng_dispatch dispatch;
	const struct ledger_run *run = ledger_run(&driver->ledger, effect->run);
	const struct ledger_task *task = &run->tasks[effect->task];
	froe_assert(task->state == ENG_TASK_ASSIGNED);
	froe_assert(task->lease == effect->lease);
	froe_assert(task->worker == effect->worker);
	froe_assert(eng_dispatch(driver->eng, effect->run, effect->task, effect->lease,
	    driver->now_ns, &dispatch));
	froe_assert(uuid_equal(dispatch.run, run->id));
	froe_assert(uuid_equal(dispatch.task, uuid_task(run->id, effect->task)));
	froe_assert(dispatch.worker == task->worker);
	froe_assert(dispatch.attempt == task->attempt);
	const struct eng_event *input =
	    ledger_record(&driver->ledger, effect->run, dispatch.input);
	froe_assert(input->type == ENG_EV_RUN_STARTED ||
	    (input->type == ENG_EV_RUN_REPLAYED && input->payload.size != 0));
	for (uint32_t i = 0; i < dispatch.ref_count; i++)
		check_ref(driver, effect->run, &dispatch.refs[i]);
	froe_assert(!eng_dispatch(driver->eng, effect->run, effect->task, effect->lease + 1,
	    driver->now_ns, &dispatch));
	froe_assert(!eng_dispatch(driver->eng, effect->run, effect->task, effect->lease - 1,
	    driver->now_ns, &dispatch));
}

static inline void
check_closed(const struct driver *driver, const struct eng_effect *effect)
{
	const struct ledger_run *run = ledger_run(&driver->ledger, effect->run);
	froe_assert(run->closed);
	froe_assert(run->status == effect->status);
	froe_assert(run->tenant == effect->tenant);
	froe_assert(uuid_equal(run->id, effect->id));
	froe_assert((effect->status == ENG_FAILED) ==
	    (effect->ref_count == 1 && effect->refs[0].error));
	for (uint32_t i = 0; i < effect->ref_count; i++)
		check_ref(driver, effect->run, &effect->refs[i]);
}

static inline void
check_revoke(const struct driver *driver, const struct eng_effect *effect)
{
	const struct ledger_run *run = ledger_run(&driver->ledger, effect->run);
	uint32_t number;
	froe_assert(uuid_equal(uuid_run_of(effect->id, &number), run->id));
	froe_assert(number >= 1 && number <= run->task_count);
	const struct ledger_task *task = &run->tasks[number - 1];
	froe_assert(effect->lease >= 1 && effect->lease <= task->lease);
	froe_assert(task->lease != effect->lease || task->state != ENG_TASK_ASSIGNED);
}

/* What the events of the step ask for; revoked: leases ended against their worker's will. */
struct expected {
	size_t dispatches;
	size_t closed;
	size_t revoked;
};

/* Dispatches first: asking for one must not disturb the other effects. */
static inline void
check_effects(struct driver *driver, const struct eng_command *command,
    const struct expected *expected)
{
	const struct eng_output *out = driver->out;
	size_t replies = 0, dispatches = 0, closed = 0, revoked = 0;
	for (size_t i = 0; i < out->effect_count; i++) {
		if (out->effects[i].type != ENG_EFF_DISPATCH)
			continue;
		check_dispatch(driver, &out->effects[i]);
		dispatches++;
	}
	for (size_t i = 0; i < out->effect_count; i++) {
		const struct eng_effect *effect = &out->effects[i];
		if (effect->type == ENG_EFF_REPLY) {
			check_reply(command, effect);
			replies++;
		} else if (effect->type == ENG_EFF_RUN_CLOSED) {
			check_closed(driver, effect);
			closed++;
		} else if (effect->type == ENG_EFF_REVOKE) {
			check_revoke(driver, effect);
			revoked++;
		}
	}
	froe_assert(replies == (command_answered(command) ? 1 : 0));
	froe_assert(closed == expected->closed);
	froe_assert(revoked == expected->revoked);
	if (command->type == ENG_CMD_TASK_PROVIDE)
		froe_assert(dispatches - expected->dispatches <= 1);
	else
		froe_assert(dispatches == expected->dispatches);
}

/* ----------------------------------------------------------------------------------- stepping */

static inline uint32_t
version_tasks(const struct eng *eng, const struct eng_event *event, uint32_t workflow)
{
	struct eng_version_view view;
	if (event->type != ENG_EV_RUN_STARTED && event->type != ENG_EV_RUN_DUE)
		return 0;
	froe_assert(eng_version(eng, workflow, event->version, &view));
	return view.task_count;
}

static inline void
driver_keep(struct driver *driver, const struct eng_event *event, struct expected *expected)
{
	bool held = false;
	if (event->type == ENG_EV_TASK_CANCELLED) {
		const struct ledger_run *run = ledger_run(&driver->ledger, event->run);
		held = run->tasks[event->task].state == ENG_TASK_ASSIGNED;
	}
	held = held || (event->type == ENG_EV_ATTEMPT_ENDED &&
	        (event->reason == ENG_REASON_TIMED_OUT || event->reason == ENG_REASON_LOST));
	expected->revoked += held ? 1 : 0;
	expected->dispatches += event->type == ENG_EV_TASK_ASSIGNED ? 1 : 0;
	expected->closed += event->type == ENG_EV_RUN_CLOSED ? 1 : 0;
	froe_assert(event->time_ns == driver->now_ns);
	uint32_t workflow = event->type == ENG_EV_RUN_DUE
	    ? ledger_run(&driver->ledger, event->run)->workflow
	    : event->workflow;
	ledger_keep(&driver->ledger, event, version_tasks(driver->eng, event, workflow));
}

static inline void
twin_step(struct driver *driver, const struct eng_command *command, uint64_t random)
{
	if (driver->twin == NULL)
		return;
	const struct eng_output *out = eng_step(driver->twin, command, driver->now_ns, random);
	froe_assert(out->event_count == driver->out->event_count);
	froe_assert(out->effect_count == driver->out->effect_count);
	for (size_t i = 0; i < out->event_count; i++)
		froe_assert(event_equal(&out->events[i], &driver->out->events[i]));
}

static inline size_t
driver_events(const struct driver *driver, enum eng_event_type type)
{
	size_t count = 0;
	for (size_t i = 0; i < driver->out->event_count; i++)
		count += driver->out->events[i].type == type ? 1 : 0;
	return count;
}

/* One command, with everything checked. The output is valid until the next one. */
static inline const struct eng_output *
driver_step(struct driver *driver, const struct eng_command *from)
{
	struct eng_command command = *from;
	struct expected expected = {0};
	bool quiet = !eng_pending(driver->eng);
	uint64_t random = dice_roll(&driver->dice);
	size_t bytes_max = eng_step_bytes_max(driver->eng, &command), bytes = 0;
	command.origin = (struct eng_origin){.conn = 77, .request = ++driver->request};
	if (command.lapse_ns == 0 && driver->lapse_ns != 0)
		command.lapse_ns = driver->now_ns + driver->lapse_ns;
	driver->out = eng_step(driver->eng, &command, driver->now_ns, random);
	for (size_t i = 0; i < driver->out->event_count; i++) {
		bytes += event_size(&driver->out->events[i]);
		driver_keep(driver, &driver->out->events[i], &expected);
	}
	froe_assert(bytes <= bytes_max);
	check_effects(driver, &command, &expected);
	bool refused = driver->out->effect_count > 0 && driver->out->effects[0].err != FROE_OK;
	/* But for two: a durable task that does not do the same again has failed by that; and a
	 * late result says that its handler has ended. */
	if (quiet && refused && driver->out->effects[0].err != FROE_NONDETERMINISM)
		froe_assert(driver->out->event_count == driver_events(driver, ENG_EV_LEASE_ENDED));
	twin_step(driver, &command, random);
	if (++driver->steps % driver->check_every == 0)
		eng_check(driver->eng);
	return driver->out;
}

/* The reply of the last step. */
static inline const struct eng_effect *
driver_reply(const struct driver *driver)
{
	for (size_t i = 0; i < driver->out->effect_count; i++) {
		if (driver->out->effects[i].type == ENG_EFF_REPLY)
			return &driver->out->effects[i];
	}
	froe_never("the last command has no reply");
}

static inline const struct eng_effect *
driver_effect(const struct driver *driver, enum eng_effect_type type, size_t number)
{
	for (size_t i = 0; i < driver->out->effect_count; i++) {
		if (driver->out->effects[i].type == type && number-- == 0)
			return &driver->out->effects[i];
	}
	return NULL;
}

/* What recovery does: all events, applied to a fresh engine. */
static inline struct eng *
driver_replay(const struct driver *driver)
{
	struct eng *eng = eng_open();
	struct froe_fault fault;
	for (size_t i = 0; i < driver->ledger.event_count; i++) {
		if (eng_apply_logged(eng, &driver->ledger.events[i], &fault) != FROE_OK)
			froe_panic(__FILE__, __LINE__, __func__, fault.text);
	}
	return eng;
}

/* A saved record, kept. An event's pointers are into the saved engine, which stays. */
struct kept_record {
	struct eng_saved saved;
	struct eng_event event;
};

struct kept {
	struct kept_record *records;
	size_t count;
	size_t capacity;
	struct arena arena;
};

static inline enum froe_err
kept_push(void *context, const struct eng_saved *saved, struct froe_fault *fault)
{
	struct kept *kept = context;
	(void)fault;
	if (kept->count == kept->capacity) {
		kept->capacity = kept->capacity * 2 + 64;
		kept->records =
		    mem_resize(kept->records, kept->capacity * sizeof(*kept->records));
	}
	struct kept_record *record = &kept->records[kept->count++];
	*record = (struct kept_record){.saved = *saved};
	record->saved.body = bytes_of(
	    arena_copy(&kept->arena, saved->body.data, saved->body.size), saved->body.size);
	if (saved->event == NULL)
		return FROE_OK;
	record->event = *saved->event;
	struct bytes *actions = arena_copy(
	    &kept->arena, saved->event->actions, saved->event->action_count * sizeof(*actions));
	record->event.actions = actions;
	struct bytes *types = arena_copy(
	    &kept->arena, saved->event->types, saved->event->type_count * sizeof(*types));
	for (uint32_t i = 0; i < saved->event->type_count; i++)
		types[i] = text_copy(&kept->arena, (const char *)types[i].data, types[i].size);
	record->event.types = types;
	return FROE_OK;
}

/* The definition as the log's reader would have decoded it. */
static inline const struct eng_definition *
ledger_definition(const struct ledger *ledger, const struct eng_event *event)
{
	for (size_t i = 0; i < ledger->event_count; i++) {
		const struct eng_event *put = &ledger->events[i];
		if (put->type != ENG_EV_WORKFLOW_PUT || put->workflow != event->workflow ||
		    put->version != event->version)
			continue;
		froe_assert(put->tenant == event->tenant);
		froe_assert(bytes_equal(put->name, event->name));
		froe_assert(bytes_equal(put->payload, event->payload));
		return put->definition;
	}
	froe_never("a definition that was never put");
}

static inline void
driver_save(const struct driver *driver, const struct eng *eng, struct kept *kept)
{
	struct froe_fault fault;
	*kept = (struct kept){0};
	arena_init(&kept->arena, 0);
	froe_assert(eng_save(eng, kept_push, kept, &fault) == FROE_OK);
	for (size_t i = 0; i < kept->count; i++) {
		struct kept_record *record = &kept->records[i];
		if (record->saved.event == NULL)
			continue;
		record->saved.event = &record->event;
		if (record->event.type == ENG_EV_WORKFLOW_PUT)
			record->event.definition =
			    ledger_definition(&driver->ledger, &record->event);
	}
}

static inline void
kept_release(struct kept *kept)
{
	mem_free(kept->records);
	arena_release(&kept->arena);
}

static inline enum froe_err
kept_load(const struct kept *kept, struct eng **ret_eng, struct froe_fault *fault)
{
	struct eng_load *load = eng_load_open();
	for (size_t i = 0; i < kept->count; i++) {
		enum froe_err err = eng_load_put(load, &kept->records[i].saved, fault);
		if (err != FROE_OK) {
			eng_load_abort(load);
			return err;
		}
	}
	return eng_load_close(load, ret_eng, fault);
}

static inline void
kept_check_equal(const struct kept *one, const struct kept *other)
{
	froe_assert(one->count == other->count);
	for (size_t i = 0; i < one->count; i++) {
		const struct eng_saved *a = &one->records[i].saved, *b = &other->records[i].saved;
		froe_assert(a->type == b->type && a->run == b->run);
		froe_assert((a->event != NULL) == (b->event != NULL));
		froe_assert(bytes_equal(a->body, b->body));
		if (a->event != NULL)
			froe_assert(event_equal(a->event, b->event));
	}
}

static inline void
counts_check_equal(const struct eng *one, const struct eng *other)
{
	struct eng_counts a, b;
	eng_counts(one, &a);
	eng_counts(other, &b);
	froe_assert(memcmp(&a, &b, sizeof(a)) == 0);
}

/* The same engine, by way of what was saved of it. */
static inline struct eng *
driver_reload(const struct driver *driver, const struct eng *eng)
{
	struct kept kept, again;
	struct froe_fault fault;
	struct eng *loaded;
	driver_save(driver, eng, &kept);
	if (kept_load(&kept, &loaded, &fault) != FROE_OK)
		froe_panic(__FILE__, __LINE__, __func__, fault.text);
	eng_check(loaded);
	froe_assert(eng_hash(loaded) == eng_hash(eng));
	counts_check_equal(eng, loaded);
	driver_save(driver, loaded, &again);
	kept_check_equal(&kept, &again);
	kept_release(&again);
	kept_release(&kept);
	return loaded;
}

static inline void
driver_replay_check(const struct driver *driver)
{
	struct eng *eng = driver_replay(driver);
	eng_check(eng);
	froe_assert(eng_hash(eng) == eng_hash(driver->eng));
	eng_close(eng);
	eng_close(driver_reload(driver, driver->eng));
}

/* --------------------------------------------------------------------------- opening, closing */

static inline void
driver_boot(struct driver *driver, uint64_t downtime_ns)
{
	struct eng_command command = {.type = ENG_CMD_ENGINE_START};
	command.engine_start.epoch = ++driver->epoch;
	command.engine_start.downtime_ns = downtime_ns;
	driver->downtime_ns += downtime_ns;
	driver_step(driver, &command);
}

static inline struct eng_tenant_id
driver_tenant(struct driver *driver, const char *name)
{
	struct eng_command command = {.type = ENG_CMD_TENANT_OPEN};
	command.tenant_open.name = bytes_text(name);
	driver_step(driver, &command);
	return (struct eng_tenant_id){driver_reply(driver)->tenant};
}

static inline void
driver_open(struct driver *driver)
{
	*driver = (struct driver){
	    .eng = eng_open(),
	    .now_ns = START_NS,
	    .check_every = 1,
	};
	ledger_init(&driver->ledger);
	arena_init(&driver->arena, 0);
	driver_boot(driver, 0);
	driver->tenant = driver_tenant(driver, "acme");
}

static inline void
driver_close(struct driver *driver)
{
	eng_check(driver->eng);
	driver_replay_check(driver);
	if (driver->twin != NULL) {
		froe_assert(eng_hash(driver->twin) == eng_hash(driver->eng));
		eng_close(driver->twin);
	}
	eng_close(driver->eng);
	ledger_release(&driver->ledger);
	arena_release(&driver->arena);
}

/* The process dies, and another recovers from the log after a while. */
static inline void
driver_crash(struct driver *driver, uint64_t downtime_ns)
{
	struct eng *eng = driver_replay(driver);
	eng_check(eng);
	froe_assert(eng_hash(eng) == eng_hash(driver->eng));
	eng_close(driver->eng);
	driver->eng = eng;
	driver->now_ns += downtime_ns;
	driver_boot(driver, downtime_ns);
}

/* ----------------------------------------------------------------------------------- commands */

static inline struct eng_command
driver_command(const struct driver *driver, enum eng_command_type type)
{
	return (struct eng_command){.type = type, .tenant = driver->tenant};
}

static inline enum froe_err
driver_try(struct driver *driver, const struct eng_command *command)
{
	driver_step(driver, command);
	return driver_reply(driver)->err;
}

static inline uint32_t
driver_put(struct driver *driver, struct workflow *workflow)
{
	struct eng_command command = driver_command(driver, ENG_CMD_WORKFLOW_PUT);
	workflow_encode(workflow);
	command.workflow_put.definition = workflow->definition;
	assert_int_equal(driver_try(driver, &command), FROE_OK);
	return driver_reply(driver)->version;
}

/* A workflow straight from its line. */
static inline void
driver_define(struct driver *driver, const char *name, const char *line)
{
	struct workflow workflow;
	workflow_parse(&workflow, &driver->arena, name, line);
	driver_put(driver, &workflow);
}

static inline struct uuid
driver_id(struct driver *driver)
{
	uint64_t seed[2];
	uint8_t random[16];
	seed[0] = ++driver->ids;
	seed[1] = seed[0] * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(random, seed, sizeof(random));
	return uuid_run(driver->now_ns, random);
}

static inline struct eng_command
driver_start_command(struct driver *driver, const char *workflow)
{
	struct eng_command command = driver_command(driver, ENG_CMD_RUN_START);
	command.run_start.workflow = bytes_text(workflow);
	command.run_start.run = driver_id(driver);
	command.run_start.input = bytes_text("{\"x\":1}");
	return command;
}

/* Starts a run; its key. */
static inline uint64_t
driver_start(struct driver *driver, const char *workflow)
{
	struct eng_command command = driver_start_command(driver, workflow);
	assert_int_equal(driver_try(driver, &command), FROE_OK);
	return driver_reply(driver)->run;
}

static inline enum froe_err
driver_cancel(struct driver *driver, uint64_t run)
{
	struct eng_command command = driver_command(driver, ENG_CMD_RUN_CANCEL);
	command.run_cancel.run = ledger_run(&driver->ledger, run)->id;
	command.run_cancel.reason = bytes_text("because");
	return driver_try(driver, &command);
}

static inline enum froe_err
driver_rate(struct driver *driver, const char *key, uint32_t limit, uint32_t window)
{
	struct eng_command command = driver_command(driver, ENG_CMD_RATE_LIMIT_PUT);
	command.rate_put.key = bytes_text(key);
	command.rate_put.limit = limit;
	command.rate_put.window = window;
	return driver_try(driver, &command);
}

static inline struct uuid
worker_uuid(uint32_t number)
{
	struct uuid id = {{0xa0, 1, 2, 3}};
	memcpy(id.bytes + 8, &number, sizeof(number));
	return id;
}

/* What the shell would say of a closed run that is to go on from the task of this index + 1. */
static inline struct eng_command
driver_replay_command(struct driver *driver, uint64_t key, uint32_t from, struct bytes input)
{
	const struct ledger_run *run = ledger_run(&driver->ledger, key);
	const struct eng_event *first = ledger_record(&driver->ledger, key, 1);
	struct eng_command command = driver_command(driver, ENG_CMD_RUN_REPLAY);
	struct eng_past_task *tasks =
	    arena_alloc(&driver->arena, run->task_count * sizeof(*tasks));
	for (uint32_t i = 0; i < run->task_count; i++) {
		tasks[i] = (struct eng_past_task){
		    .state = run->tasks[i].state,
		    .lease = (uint32_t)run->tasks[i].lease,
		    .attempt = run->tasks[i].attempt,
		    .worker = run->tasks[i].lapse_ns != 0 ? run->tasks[i].worker : 0,
		    .lapse_ns = run->tasks[i].lapse_ns,
		};
	}
	command.run_replay = (struct eng_replay){
	    .run = run->id,
	    .key = key,
	    .workflow = run->workflow,
	    .version = run->version,
	    .priority = run->priority,
	    .created_ns = first->time_ns,
	    .parent = first->parent,
	    .metadata = first->metadata,
	    .metadata_count = first->metadata_count,
	    .records = (uint32_t)run->record_count,
	    .input_record = 1,
	    .tasks = tasks,
	    .task_count = run->task_count,
	    .places = bytes_text("places"),
	    .from = from,
	    .input = input,
	    .reason = bytes_text("try again"),
	};
	for (uint32_t i = 1; i <= run->record_count; i++) {
		const struct eng_event *event = ledger_record(&driver->ledger, key, i);
		if (event->type == ENG_EV_TASK_COMPLETED)
			tasks[event->task].output = i;
		if (event->type == ENG_EV_RUN_REPLAYED)
			command.run_replay.input_record = event->input;
	}
	return command;
}

/* The job's number. */
static inline uint64_t
driver_job(struct driver *driver, enum eng_job_kind kind, const char *filter)
{
	struct eng_command command = driver_command(driver, ENG_CMD_JOB_START);
	command.actor = bytes_text("olga");
	command.job_start.kind = kind;
	command.job_start.filter = bytes_text(filter);
	command.job_start.reason = bytes_text("too many");
	froe_assert(driver_try(driver, &command) == FROE_OK);
	return driver_reply(driver)->number;
}

/* The job has come to the run, and does with it what it is for. */
static inline enum froe_err
driver_job_step(struct driver *driver, uint64_t job, uint64_t run)
{
	struct eng_job_view view;
	froe_assert(eng_job(driver->eng, job, &view));
	struct eng_command command = driver_command(driver, ENG_CMD_RUN_CANCEL);
	if (view.kind == ENG_JOB_REPLAY) {
		command = driver_replay_command(driver, run, 0, bytes_of(NULL, 0));
	} else {
		command.run_cancel.run = ledger_run(&driver->ledger, run)->id;
		command.run_cancel.reason = view.reason;
		command.run_cancel.children = view.children;
	}
	command.actor = view.actor;
	command.job = (struct eng_job_step){.number = job, .cursor = run};
	return driver_try(driver, &command);
}

static inline enum froe_err
driver_job_over(struct driver *driver, enum eng_command_type type, uint64_t job, uint64_t run,
    enum froe_err err)
{
	struct eng_command command = driver_command(driver, type);
	command.actor = bytes_text("otto");
	command.job = (struct eng_job_step){.number = job, .cursor = run};
	command.job_over.err = err;
	command.job_over.text =
	    err != FROE_OK ? bytes_text("it cannot") : bytes_of(NULL, 0);
	return driver_try(driver, &command);
}

static inline struct eng_command
driver_worker_command(struct driver *driver, uint32_t number, uint32_t slots, const char *actions)
{
	struct eng_command command = driver_command(driver, ENG_CMD_WORKER_REGISTER);
	command.worker_register.id = worker_uuid(number);
	command.worker_register.name = bytes_text("worker");
	command.worker_register.incarnation = 1;
	command.worker_register.slots = slots;
	command.worker_register.actions = words_of(&driver->arena, actions, " ",
	    &command.worker_register.action_count);
	return command;
}

static inline uint64_t
driver_worker(struct driver *driver, uint32_t number, uint32_t slots, const char *actions)
{
	struct eng_command command = driver_worker_command(driver, number, slots, actions);
	assert_int_equal(driver_try(driver, &command), FROE_OK);
	return driver_reply(driver)->worker;
}

/* DETACH, DRAIN, LEAVE. */
static inline void
driver_worker_say(struct driver *driver, enum eng_command_type type, uint64_t worker, bool lost)
{
	struct eng_command command = driver_command(driver, type);
	command.worker.worker.v = worker;
	command.worker.lost = lost;
	driver_step(driver, &command);
}

static inline enum froe_err
driver_pause(struct driver *driver, uint32_t number, bool paused)
{
	struct eng_command command = driver_command(driver, ENG_CMD_WORKER_PAUSE);
	command.worker_pause.worker = worker_uuid(number);
	command.worker_pause.paused = paused;
	command.worker_pause.reason = bytes_text("to look at it");
	command.actor = bytes_text("ann");
	return driver_try(driver, &command);
}

static inline enum froe_err
driver_workflow_set(struct driver *driver, const char *name, uint32_t change, uint32_t drops)
{
	struct eng_command command = driver_command(driver, ENG_CMD_WORKFLOW_SET);
	command.workflow_set.name = bytes_text(name);
	command.workflow_set.change = change;
	command.workflow_set.drops = drops;
	command.workflow_set.reason = bytes_text("to mend it");
	command.actor = bytes_text("ann");
	return driver_try(driver, &command);
}

/* Until nothing is left that waits for a step only. */
static inline void
driver_settle(struct driver *driver)
{
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	for (int i = 0; eng_pending(driver->eng); i++) {
		froe_assert(i < 1000);
		driver_step(driver, &command);
		froe_assert(driver->out->event_count > 0);
	}
}

/* Time passes, and every timer that falls due fires at its time. */
static inline void
driver_advance(struct driver *driver, uint64_t ns)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint64_t until_ns = driver->now_ns + ns, next_ns;
	while ((next_ns = eng_next_deadline_ns(driver->eng)) <= until_ns) {
		if (next_ns > driver->now_ns)
			driver->now_ns = next_ns;
		driver_step(driver, &command);
		driver_settle(driver);
	}
	driver->now_ns = until_ns;
}

/* ------------------------------------------------------------------------------ tasks by name */

static inline uint32_t
driver_index(const struct driver *driver, uint64_t run_key, const char *name)
{
	struct eng_version_view view;
	const struct ledger_run *run = ledger_run(&driver->ledger, run_key);
	froe_assert(eng_version(driver->eng, run->workflow, run->version, &view));
	for (uint32_t i = 0; i < view.task_count; i++) {
		if (bytes_equal(view.tasks[i].name, bytes_text(name)))
			return i;
	}
	froe_never("no task has this name");
}

static inline const struct ledger_task *
driver_task(const struct driver *driver, uint64_t run, const char *name)
{
	return &ledger_run(&driver->ledger, run)->tasks[driver_index(driver, run, name)];
}

/* COMPLETE, FAIL, REFRESH, LOG, PROVIDE by the worker that holds the newest lease. */
static inline struct eng_command
driver_task_command(const struct driver *driver, enum eng_command_type type, uint64_t run,
    const char *name)
{
	struct eng_command command = driver_command(driver, type);
	const struct ledger_task *task = driver_task(driver, run, name);
	command.task.worker.v = task->worker;
	command.task.fence.task =
	    uuid_task(ledger_run(&driver->ledger, run)->id, driver_index(driver, run, name));
	command.task.fence.lease = task->lease;
	command.task.bytes = bytes_text(type == ENG_CMD_TASK_FAIL ? "it broke" : "{\"y\":2}");
	return command;
}

/* A log line of an attempt that has ended. */
static inline struct eng_command
driver_late_command(const struct driver *driver, uint64_t run, const char *name, uint32_t attempt)
{
	struct eng_command command = driver_command(driver, ENG_CMD_TASK_LOG);
	command.task.fence.task =
	    uuid_task(ledger_run(&driver->ledger, run)->id, driver_index(driver, run, name));
	command.task.bytes = bytes_text("late");
	command.task.late = true;
	command.task.attempt = attempt;
	return command;
}

static inline void
driver_complete(struct driver *driver, uint64_t run, const char *name)
{
	struct eng_command command = driver_task_command(driver, ENG_CMD_TASK_COMPLETE, run, name);
	assert_int_equal(driver_try(driver, &command), FROE_OK);
}

static inline void
driver_fail(struct driver *driver, uint64_t run, const char *name)
{
	struct eng_command command = driver_task_command(driver, ENG_CMD_TASK_FAIL, run, name);
	assert_int_equal(driver_try(driver, &command), FROE_OK);
}

#define assert_task(driver, run, name, expected)                                                   \
	assert_int_equal(driver_task((driver), (run), (name))->state, (expected))

#define assert_run_open(driver, run) assert_false(ledger_run(&(driver)->ledger, (run))->closed)

#define assert_run_closed(driver, run, expected)                                                   \
	do {                                                                                       \
		assert_true(ledger_run(&(driver)->ledger, (run))->closed);                         \
		assert_int_equal(ledger_run(&(driver)->ledger, (run))->status, (expected));        \
	} while (0)

#endif
