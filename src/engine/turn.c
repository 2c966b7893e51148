/*
 * engine/turn: one step: a command is decided, then what can run is assigned.
 */
#include "engine/durable_int.h"

#include "base/mem.h"
#include "base/plant.h"

#include <stdarg.h>
#include <stdio.h>

#define EVENT_PLAIN_BYTES offsetof(struct eng_event, slots)

/* Of these types, the most frequent ones, all members behind that are zero. */
static inline bool
event_plain(enum eng_event_type type)
{
	uint32_t plain = 1u << ENG_EV_RUN_STARTED | 1u << ENG_EV_TASK_QUEUED |
	    1u << ENG_EV_TASK_ASSIGNED | 1u << ENG_EV_TASK_COMPLETED | 1u << ENG_EV_RUN_CLOSED;
	return type < 32 && (plain >> type & 1) != 0;
}

/* Where the step's next event goes: an earlier step's, or zero. */
static struct eng_event *
event_place(struct eng *eng)
{
	struct eng_output *output = &eng->output;
	size_t size = sizeof(*output->events);
	if (output->event_count == eng->event_capacity) {
		eng->event_capacity = eng->event_capacity != 0 ? eng->event_capacity * 2 : 64;
		output->events = mem_resize(output->events, eng->event_capacity * size);
		mem_zero(&output->events[output->event_count],
		    (eng->event_capacity - output->event_count) * size);
	}
	return &output->events[output->event_count];
}

/* Is it as its type promises? */
static bool
event_holds(const struct eng_event *event)
{
	const uint8_t *bytes = (const uint8_t *)event;
	for (size_t i = EVENT_PLAIN_BYTES; i < sizeof(*event); i++) {
		if (bytes[i] != 0 && event_plain(event->type))
			return false;
	}
	return true;
}

struct eng_event *
event_next(struct eng_turn *turn, enum eng_event_type type)
{
	struct eng_event *event = event_place(turn->eng);
	mem_zero(event, event_plain(event->type) ? EVENT_PLAIN_BYTES : sizeof(*event));
	event->type = type;
	event->time_ns = turn->now_ns;
	return event;
}

struct eng_event *
event_of_run(struct eng_turn *turn, enum eng_event_type type, struct eng_run *run)
{
	struct eng_event *event = event_next(turn, type);
	event->run = run->key;
	event->run_event_no = run->event_count + 1;
	turn->eng->recent = run; /* apply will look for it */
	return event;
}

void
event_happens(struct eng_turn *turn, const struct eng_event *event)
{
	struct eng *eng = turn->eng;
	froe_assert(event == &eng->output.events[eng->output.event_count]);
	froe_assert_slow(event_holds(event));
	eng->output.event_count++;
	if (eng_apply_decided(eng, event, &eng->fault) != FROE_OK)
		froe_panic(__FILE__, __LINE__, __func__, eng->fault.text);
}

const struct eng_event *
emit(struct eng_turn *turn, const struct eng_event *event)
{
	struct eng *eng = turn->eng;
	struct eng_event *stored = event_place(eng);
	*stored = *event;
	stored->time_ns = turn->now_ns;
	/* The run of a replay, of a late line is not there (any more). */
	if (stored->run != 0 && stored->type != ENG_EV_RUN_REPLAYED &&
	    stored->type != ENG_EV_LATE_LOGGED)
		stored->run_event_no = eng_run_recall(eng, stored->run)->event_count + 1;
	event_happens(turn, stored);
	return stored;
}

struct eng_effect *
effect_push(struct eng_turn *turn, enum eng_effect_type type)
{
	struct eng *eng = turn->eng;
	struct eng_output *output = &eng->output;
	if (output->effect_count == eng->effect_capacity) {
		eng->effect_capacity = eng->effect_capacity != 0 ? eng->effect_capacity * 2 : 64;
		output->effects =
		    mem_resize(output->effects, eng->effect_capacity * sizeof(*output->effects));
	}
	struct eng_effect *effect = &output->effects[output->effect_count++];
	mem_zero(effect, sizeof(*effect));
	effect->type = type;
	return effect;
}

struct eng_effect *
reply_ok(struct eng_turn *turn)
{
	struct eng_effect *effect = effect_push(turn, ENG_EFF_REPLY);
	effect->origin = turn->command->origin;
	effect->command = turn->command->type;
	return effect;
}

void
reply_fault(struct eng_turn *turn, enum froe_err err, const char *field, const char *format, ...)
{
	struct froe_fault *fault = &turn->eng->fault;
	*fault = (struct froe_fault){.code = err};
	snprintf(fault->field, sizeof(fault->field), "%s", field);
	va_list args;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	text_clean(fault->text);
	struct eng_effect *effect = reply_ok(turn);
	effect->err = err;
	effect->fault = fault;
}

/* A caller's, or one of a job's. */
static void
decide_change(struct eng_turn *turn, void (*change)(struct eng_turn *turn))
{
	if (turn->command->job.number != 0)
		decide_job_step(turn, change);
	else
		change(turn);
}

/* The table of commands. */
static void
decide(struct eng_turn *turn)
{
	switch (turn->command->type) {
	case ENG_CMD_ENGINE_START:
		decide_engine_start(turn);
		return;
	case ENG_CMD_TIMER:
		decide_timer(turn);
		return;
	case ENG_CMD_SCHEDULE:
		decide_doomed(turn);
		return;
	case ENG_CMD_TENANT_OPEN:
		decide_tenant_open(turn);
		return;
	case ENG_CMD_WORKFLOW_PUT:
		decide_workflow_put(turn);
		return;
	case ENG_CMD_RUN_START:
		decide_run_start(turn);
		return;
	case ENG_CMD_RUN_START_MANY:
		decide_run_start_many(turn);
		return;
	case ENG_CMD_RUN_REPLAY:
		decide_change(turn, decide_run_replay);
		return;
	case ENG_CMD_RUN_CANCEL:
		decide_change(turn, decide_run_cancel);
		return;
	case ENG_CMD_JOB_START:
		decide_job_start(turn);
		return;
	case ENG_CMD_JOB_SKIP:
		decide_job_skip(turn);
		return;
	case ENG_CMD_JOB_END:
		decide_job_end(turn);
		return;
	case ENG_CMD_JOB_CANCEL:
		decide_job_cancel(turn);
		return;
	case ENG_CMD_WORKER_REGISTER:
		decide_worker_register(turn);
		return;
	case ENG_CMD_WORKER_DETACH:
		decide_worker_detach(turn);
		return;
	case ENG_CMD_WORKER_DRAIN:
		decide_worker_drain(turn);
		return;
	case ENG_CMD_WORKER_LEAVE:
		decide_worker_leave(turn);
		return;
	case ENG_CMD_WORKER_PAUSE:
		decide_worker_pause(turn);
		return;
	case ENG_CMD_TASK_COMPLETE:
		decide_task_complete(turn);
		return;
	case ENG_CMD_TASK_FAIL:
		decide_task_fail(turn);
		return;
	case ENG_CMD_TASK_REFRESH:
		decide_task_refresh(turn);
		return;
	case ENG_CMD_TASK_LOG:
		decide_task_log(turn);
		return;
	case ENG_CMD_TASK_STREAM:
		decide_task_stream(turn);
		return;
	case ENG_CMD_TASK_RELEASE:
		decide_task_release(turn);
		return;
	case ENG_CMD_TASK_BEGIN:
		decide_task_begin(turn);
		return;
	case ENG_CMD_TASK_RETURN:
		decide_task_return(turn);
		return;
	case ENG_CMD_TASK_PROVIDE:
		decide_task_provide(turn);
		return;
	case ENG_CMD_DURABLE_STEP:
		decide_durable_step(turn);
		return;
	case ENG_CMD_TASK_EVICT:
		decide_task_evict(turn);
		return;
	case ENG_CMD_EVENT_PUSH:
		decide_event_push(turn);
		return;
	case ENG_CMD_APPROVAL_DECIDE:
		decide_approval_decide(turn);
		return;
	case ENG_CMD_TASK_RESTORE:
		decide_task_restore(turn);
		return;
	case ENG_CMD_WORKFLOW_SET:
		decide_workflow_set(turn);
		return;
	case ENG_CMD_RATE_LIMIT_PUT:
		decide_rate_limit_put(turn);
		return;
	case ENG_CMD_TOKEN_CREATE:
		decide_token_create(turn);
		return;
	case ENG_CMD_TOKEN_REVOKE:
		decide_token_revoke(turn);
		return;
	}
	froe_never("an unknown command");
}

const struct eng_output *
eng_step(struct eng *eng, const struct eng_command *command, uint64_t now_ns, uint64_t random)
{
	struct eng_turn turn = {
	    .eng = eng,
	    .now_ns = now_ns,
	    .random = random,
	    .command = command,
	};
	arena_reset(&eng->arena);
	eng->output.event_count = 0;
	eng->output.effect_count = 0;
	bool leaving = eng_leases_end(eng);
	decide(&turn);
	if (eng_leases_end(eng))
		decide_leaving(&turn);
	if (!leaving && !list_empty(&eng->deliveries)) /* one kind of long work a step */
		decide_deliveries(&turn);
	if (!command->hold && !fair_idle(&eng->fair))
		decide_schedule(&turn);
	return &eng->output;
}

/*
 * The bound, from the most events each kind of command can cause:
 *   every step    ENG_STEP_ASSIGNMENTS_MAX assignments; ENG_STEP_LEASES_MAX events of leaving
 *                 workers, and two events a task of one run more, should the last lease to end
 *                 fail its run
 *   a run's       each of its tasks ends once and its children are queued: two events a task
 *   a register    12 bytes a lease of the worker, in one event
 *   a slice of    ENG_DELIVERY_STEP_WAITS waits that are satisfied and tasks that return, with
 *   an event      ENG_DELIVERY_STEP_BYTES of payloads or one that is larger; never with leaving
 *                 workers
 *   many runs     what they are started with, and each one's first tasks
 *   a schedule    cancelled descendants, unless workers leave or an event is delivered:
 *                 ENG_STEP_DOOMED_MAX events, each other one as large as two (it says which cancel
 *                 it is of), and the last run's
 * An event without bytes of a caller's takes at most EVENT_BYTES in the log: a header of 32, the
 * fields (at most 58), a text of the engine's own (at most 32).
 */
#define EVENT_BYTES 112u

/* RUN_STARTED has more fields than others: parent, child's number, two times; and texts, whose
 * tags and lengths take at most TEXT_HEAD_BYTES each. */
#define START_BYTES 64u
#define TEXT_HEAD_BYTES 5u
#define INHERITED_BYTES_MAX                                                                        \
	(FROE_METADATA_BYTES_MAX + 2 * FROE_METADATA_PAIRS_MAX * TEXT_HEAD_BYTES)

/* The metadata that its parent's run has. Without a parent that holds the lease it is refused. */
static size_t
inherited_bytes(const struct eng *eng, const struct eng_start *start)
{
	struct eng_task *parent = eng_lease_find(eng, start->worker.v, &start->parent);
	if (parent == NULL)
		return 0;
	const struct eng_run *run = task_run(parent);
	const uint8_t *at = run_texts(run);
	size_t size = 0;
	for (uint32_t i = 0; i < run_text_count(run); i++)
		size += metadata_next(&at).size + TEXT_HEAD_BYTES;
	return size;
}

static size_t
start_bytes(const struct eng *eng, const struct eng_start *start)
{
	size_t size = START_BYTES + start->input.size + start->key.size + start->child_key.size;
	for (uint32_t i = 0; i < start->metadata_count; i++)
		size += start->metadata[i].size + TEXT_HEAD_BYTES;
	return size + (start->child ? inherited_bytes(eng, start) : 0);
}

/* Each run begins with the tasks that wait for no other. */
static size_t
many_bytes(const struct eng *eng, const struct eng_command *command)
{
	const struct eng_tenant *tenant = eng_tenant_get(eng, command->tenant.v);
	size_t size = 0;
	for (uint32_t i = 0; i < command->run_start_many.count; i++) {
		const struct eng_start *start = &command->run_start_many.starts[i];
		const struct eng_workflow *workflow =
		    tenant != NULL ? eng_workflow_find(tenant, start->workflow) : NULL;
		uint32_t roots = workflow != NULL
		    ? workflow->versions[workflow->version_count - 1]->root_count
		    : 0;
		size += (1 + (size_t)roots) * EVENT_BYTES + start_bytes(eng, start);
	}
	return size;
}

/* A node with its label and its conditions; or an error that names two labels. */
static size_t
durable_bytes(const struct eng *eng, const struct eng_command *command)
{
	size_t size = sizeof(struct froe_fault) + ENG_LABEL_BYTES_MAX + command->durable.value.size;
	if (command->durable.kind == ENG_NODE_CHILD)
		size += start_bytes(eng, &command->durable.child) + INHERITED_BYTES_MAX +
		    EVENT_BYTES;
	for (uint32_t i = 0; i < command->durable.condition_count; i++) {
		const struct eng_condition *condition = &command->durable.conditions[i];
		size += condition->name.size + condition->data.size + 48;
	}
	return size;
}

/* What pushed events take of a step: see decide_deliveries(). */
static size_t
delivery_bytes(const struct eng *eng, const struct eng_command *command)
{
	size_t size = ENG_DELIVERY_STEP_BYTES;
	if ((command->type != ENG_CMD_SCHEDULE && command->type != ENG_CMD_EVENT_PUSH) ||
	    eng_leases_end(eng))
		return 0;
	if (command->type == ENG_CMD_SCHEDULE && list_empty(&eng->deliveries))
		return 0;
	if (command->type == ENG_CMD_SCHEDULE) {
		const struct eng_key *key =
		    container_of(eng->deliveries.next, struct eng_key, link);
		size = durable_key_bytes(key) > size ? durable_key_bytes(key) : size;
	}
	return size + (size_t)ENG_DELIVERY_STEP_WAITS * 2 * EVENT_BYTES;
}

static size_t
token_payload(const struct eng_command *command)
{
	size_t size = command->token_create.name.size + command->token_create.scope.size +
	    command->token_create.digest.size;
	for (uint32_t i = 0; i < command->token_create.action_count; i++)
		size += command->token_create.actions[i].size + 8;
	return size;
}

/* RUN_REPLAYED: what is kept of each task and node, and where the earlier records lie. */
#define KEPT_BYTES 48u
#define KEPT_LAPSE_BYTES 42u

static size_t
replay_bytes(const struct eng_replay *replay)
{
	size_t size = START_BYTES + replay->input.size + replay->reason.size + replay->places.size;
	for (uint32_t i = 0; i < replay->metadata_count; i++)
		size += replay->metadata[i].size + 5;
	for (uint32_t i = 0; i < replay->node_count; i++)
		size += KEPT_BYTES + 24 + replay->nodes[i].label.size;
	for (uint32_t i = 0; i < replay->task_count; i++)
		size += KEPT_BYTES + (replay->tasks[i].worker != 0 ? KEPT_LAPSE_BYTES : 0);
	return size;
}

static size_t
register_bytes(const struct eng *eng, const struct eng_command *command)
{
	size_t size = command->worker_register.name.size;
	for (uint32_t i = 0; i < command->worker_register.action_count; i++)
		size += command->worker_register.actions[i].size + 8;
	for (uint32_t i = 0; i < command->worker_register.type_count; i++)
		size += command->worker_register.types[i].type.size + 16;
	struct eng_worker *worker =
	    eng_worker_by_uuid(eng, command->tenant.v, command->worker_register.id);
	if (worker != NULL)
		size += (size_t)worker->lease_count * ENG_DROPPED_BYTES;
	return size;
}

/* It is registered anew with what it has. */
static size_t
keep_bytes(const struct eng *eng, const struct eng_command *command)
{
	const struct eng_worker *worker = eng_worker_get(eng, command->worker.worker.v);
	if (worker == NULL || !command->worker.kept)
		return 0;
	size_t size = worker->name.size;
	for (uint32_t i = 0; i < worker->action_count; i++)
		size += worker->actions[i]->named.name.size + 8;
	for (uint32_t i = 0; i < worker->fair.type_count; i++)
		size += slot_type_name(worker->tenant, worker->fair.types[i].type).size + 16;
	return size;
}

/* What the caller's bytes add. */
static size_t
command_payload(const struct eng *eng, const struct eng_command *command)
{
	switch (command->type) {
	case ENG_CMD_RUN_START:
		return start_bytes(eng, &command->run_start);
	case ENG_CMD_RUN_START_MANY:
		return many_bytes(eng, command);
	case ENG_CMD_WORKFLOW_PUT:
		return command->workflow_put.definition.encoded.size +
		    command->workflow_put.definition.name.size;
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
		return command->task.bytes.size;
	case ENG_CMD_RUN_CANCEL:
		return command->run_cancel.reason.size + START_BYTES;
	case ENG_CMD_RUN_REPLAY:
		return replay_bytes(&command->run_replay);
	case ENG_CMD_JOB_START:
		return command->job_start.filter.size + command->job_start.reason.size +
		    command->job_start.task.size;
	case ENG_CMD_JOB_END:
		return command->job_over.text.size;
	case ENG_CMD_TENANT_OPEN:
		return command->tenant_open.name.size;
	case ENG_CMD_EVENT_PUSH:
		return command->event_push.key.size +
		    durable_event_bytes(command->event_push.payload, command->event_push.metadata,
		        command->event_push.metadata_count);
	case ENG_CMD_APPROVAL_DECIDE:
		return command->approval_decide.reason.size;
	case ENG_CMD_DURABLE_STEP:
		return durable_bytes(eng, command);
	case ENG_CMD_RATE_LIMIT_PUT:
		return command->rate_put.key.size;
	case ENG_CMD_TOKEN_CREATE:
		return token_payload(command);
	case ENG_CMD_WORKFLOW_SET:
		return command->workflow_set.reason.size + command->actor.size;
	case ENG_CMD_WORKER_PAUSE:
		return command->worker_pause.reason.size + command->actor.size;
	case ENG_CMD_WORKER_REGISTER:
		return register_bytes(eng, command);
	case ENG_CMD_WORKER_LEAVE:
		return keep_bytes(eng, command);
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_TASK_RESTORE:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
	case ENG_CMD_TASK_PROVIDE:
	case ENG_CMD_TASK_EVICT:
	case ENG_CMD_TOKEN_REVOKE:
		return 0;
	}
	froe_never("an unknown command");
}

/* May the command itself end a run, or a timer begin one? */
static bool
command_of_run(const struct eng_command *command)
{
#define BIT(type) (UINT64_C(1) << (type))
	uint64_t all = BIT(ENG_CMD_RUN_CANCEL) | BIT(ENG_CMD_RUN_REPLAY) | BIT(ENG_CMD_TIMER) |
	    BIT(ENG_CMD_TASK_COMPLETE) | BIT(ENG_CMD_TASK_FAIL) | BIT(ENG_CMD_TASK_RETURN) |
	    BIT(ENG_CMD_DURABLE_STEP);
	return (all & BIT(command->type)) != 0;
#undef BIT
}

/* Do leases end in slices, or begin to, or do descendants of what was cancelled? */
static size_t
slice_events(const struct eng *eng, const struct eng_command *command)
{
	if (eng_leases_end(eng) || command->type == ENG_CMD_WORKER_LEAVE ||
	    command->type == ENG_CMD_WORKER_REGISTER)
		return ENG_STEP_LEASES_MAX + 2 * FROE_WORKFLOW_TASKS_MAX;
	if (command->type == ENG_CMD_SCHEDULE && !list_empty(&eng->doomed) &&
	    list_empty(&eng->deliveries))
		return 2 * ENG_STEP_DOOMED_MAX + 2 * FROE_WORKFLOW_TASKS_MAX;
	return 0;
}

/* Tight enough for a timer and a leaving worker in one step to fit half a segment of 1 MiB, the
 * most that the log takes: a step that never fits would never be made. */
size_t
eng_step_bytes_max(const struct eng *eng, const struct eng_command *command)
{
	size_t events = 8 + ENG_STEP_ASSIGNMENTS_MAX + slice_events(eng, command);
	if (command_of_run(command))
		events += 2 * FROE_WORKFLOW_TASKS_MAX;
	else if (command->type == ENG_CMD_RUN_START)
		events += FROE_WORKFLOW_TASKS_MAX; /* its first tasks are queued */
	events += command->job.number != 0 ? 1 : 0; /* JOB_ADVANCED */
	return events * EVENT_BYTES + command->actor.size + delivery_bytes(eng, command) +
	    (plant(BOUND_SMALL) ? 0 : command_payload(eng, command));
}
