/*
 * May this event happen now? One function an event type: each first says what must be true before,
 * then follows. In live operation (model->cause) it also asks who caused it: nothing happens that
 * was not submitted. Here: everything but tasks (model_task.c).
 */
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "sim/world/model_int.h"

#include <inttypes.h>

void
require(const struct witness *witness, bool holds, const char *what)
{
	const struct eng_event *event = witness->event;
	if (holds)
		return;
	judge_fail(witness->model->judge,
	    "event %d of run %" PRIu64 " (no %u, task %u, lease %" PRIu64 ", worker %" PRIu64
	    ", reason %s, state %d): %s",
	    event->type, event->run, event->run_event_no, event->task, event->lease, event->worker,
	    eng_reason_name((enum eng_reason)event->reason),
	    witness->task != NULL ? (int)witness->task->state : -1, what);
}

bool
caused_by(const struct witness *witness, enum eng_command_type type)
{
	const struct eng_command *cause = witness->model->cause;
	return cause == NULL || cause->type == type;
}

uint64_t
bytes_hash(struct bytes bytes)
{
	return hash64(bytes.data, bytes.size, 0);
}

/* ----------------------------------------------------------------- engine, tenants, definitions */

static void
on_engine_started(struct witness *witness)
{
	struct model *model = witness->model;
	require(witness, caused_by(witness, ENG_CMD_ENGINE_START), "nobody started the engine");
	require(witness, witness->event->epoch > model->epoch, "the epoch did not grow");
	model->epoch = witness->event->epoch;
	model->started_ns = witness->event->time_ns;
	model->epoch_began = model->event_count;
	model->downtime_ns += witness->event->downtime_ns;
	require(witness, model->downtime_ns <= witness->event->time_ns, "down for too long");
	for (size_t i = 0; i < model->worker_count; i++)
		model->workers[i]->attached = false;
}

static void
on_tenant_created(struct witness *witness)
{
	struct model *model = witness->model;
	unsigned tenant = 0;
	while (tenant < PLAN_TENANTS_MAX &&
	    !bytes_equal(witness->event->name, bytes_text(model_tenant_name(tenant))))
		tenant++;
	require(witness, caused_by(witness, ENG_CMD_TENANT_OPEN), "nobody asked for a tenant");
	require(witness, tenant < PLAN_TENANTS_MAX, "a tenant nobody named");
	require(witness, model->tenant_numbers[tenant] == 0, "a tenant twice");
	require(witness, witness->event->tenant == model->tenant_count + 1, "not the next tenant");
	model->tenant_numbers[tenant] = ++model->tenant_count;
}

unsigned
event_tenant(const struct witness *witness)
{
	for (unsigned tenant = 0; tenant < PLAN_TENANTS_MAX; tenant++) {
		if (witness->event->tenant != 0 &&
		    witness->model->tenant_numbers[tenant] == witness->event->tenant)
			return tenant;
	}
	require(witness, false, "no such tenant");
	return 0;
}

static void
on_workflow_put(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	unsigned tenant = event_tenant(witness);
	const struct recipe *recipe = recipe_find(model->book, tenant, event->payload);
	char name[RECIPE_NAME_BYTES];
	require(witness, caused_by(witness, ENG_CMD_WORKFLOW_PUT), "nobody registered a workflow");
	require(witness, recipe != NULL, "a definition nobody wrote");
	recipe_workflow_name(recipe->workflow, name);
	require(witness, bytes_equal(event->name, bytes_text(name)), "another workflow's name");
	struct model_workflow *workflow = &model->workflows[tenant][recipe->workflow];
	if (workflow->number == 0)
		workflow->number = ++model->workflow_count;
	require(witness, event->workflow == workflow->number, "another workflow's number");
	require(witness, event->version == workflow->version_count + 1, "not the next version");
	require(witness, workflow->version_count == 0 ||
	    workflow->versions[workflow->version_count - 1]->hash != recipe->hash,
	    "a version without a change");
	workflow->versions[workflow->version_count++] = recipe;
}

/* ----------------------------------------------------------------------------------------- runs */

static void
on_run_cancel_requested(struct witness *witness)
{
	const struct eng_command *cause = witness->model->cause;
	struct model_run *run = witness->run;
	require(witness, run->cancel_reason == 0, "cancelled twice");
	run->cancel_reason = witness->event->reason;
	require(witness, run->cancel_reason == ENG_REASON_REQUESTED || witness->event->job == 0,
	    "for a job that did not ask for it");
	if (run->cancel_reason == ENG_REASON_RUN_TIMEOUT) {
		require(witness, caused_by(witness, ENG_CMD_TIMER), "no timer fired");
		require(witness, run->due_ns != 0 && run->due_ns <= witness->event->time_ns,
		    "before its deadline");
		judge_mark(witness->model->judge, KIND_RUN_TIMED_OUT);
		return;
	}
	if (run->cancel_reason == ENG_REASON_PARENT) {
		require(witness, run->doomed, "nothing above it was cancelled with it");
		require(witness, caused_by(witness, ENG_CMD_TIMER), "out of turn");
		judge_mark(witness->model->judge, KIND_DESCENDANTS);
		return;
	}
	require(witness, run->cancel_reason == ENG_REASON_REQUESTED, "for no reason");
	require(witness, cause == NULL || (cause->type == ENG_CMD_RUN_CANCEL &&
	    uuid_equal(cause->run_cancel.run, run->id) && cause->run_cancel.task == 0 &&
	    cause->tenant.v == witness->model->tenant_numbers[run->tenant]), "nobody cancelled it");
	bool all = !uuid_is_nil(witness->event->parent);
	require(witness, cause == NULL || cause->run_cancel.children == all,
	    "with others than it was asked for");
	model_job_change(witness, ENG_JOB_CANCEL);
	if (all)
		model_doom(witness->model, run);
}

static void
on_run_closed(struct witness *witness)
{
	struct model_run *run = witness->run;
	for (uint32_t i = 0; i < run->recipe->task_count; i++)
		require(witness, model_closed(&run->tasks[i]), "it has open tasks");
	run->status = (enum eng_status)witness->event->status;
	require(witness, run->status == model_outcome(run), "its status is another");
	if (run->replays == 0)
		run->first_status = run->status;
	run->closed = true;
	run->ended = witness->model->event_count;
	run->closed_ns = witness->event->time_ns;
	witness->model->run_open--;
	witness->model->step.closed++;
	if (run->status == ENG_COMPLETED)
		judge_mark(witness->model->judge, KIND_RUN_COMPLETED);
	else
		judge_mark(witness->model->judge, run->status == ENG_FAILED ? KIND_RUN_FAILED
		                                                            : KIND_RUN_CANCELLED);
}

/* -------------------------------------------------------------------------------------- workers */

/* "gpu=4" */
static void
slots_read(const struct witness *witness, struct model_worker *worker)
{
	for (uint32_t i = 0; i < witness->event->type_count; i++) {
		struct bytes text = witness->event->types[i];
		bool known = false;
		for (unsigned slot = 1; slot < RECIPE_SLOTS; slot++) {
			const char *name = recipe_slot_name((enum recipe_slot)slot);
			size_t size = strlen(name);
			if (text.size != size + 2 || memcmp(text.data, name, size) != 0)
				continue;
			worker->slots[slot] = (uint32_t)(text.data[size + 1] - '0');
			known = text.data[size] == '=';
		}
		require(witness, known, "slots of a type that it did not name");
	}
}

/* It is that of the worker that is lost in this step, and as that was. */
static bool
is_kept(const struct witness *witness)
{
	const struct eng_command *cause = witness->model->cause;
	const struct eng_event *event = witness->event;
	if (cause == NULL || cause->type != ENG_CMD_WORKER_LEAVE || !cause->worker.kept)
		return false;
	const struct model_worker *lost =
	    model_worker(witness->model, cause->worker.worker.v);
	return lost != NULL && uuid_equal(lost->id, event->id) &&
	    lost->incarnation == event->incarnation &&
	    lost->slots[RECIPE_SLOT_DEFAULT] == event->slots &&
	    lost->actions == model_actions(event->actions, event->action_count);
}

static void
on_worker_registered(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	unsigned tenant = event_tenant(witness);
	require(witness, caused_by(witness, ENG_CMD_WORKER_REGISTER) || is_kept(witness),
	    "no worker came");
	require(witness, event->worker == model->worker_count + 1, "not the next worker");
	require(witness, model_worker_by_id(model, event->id) == NULL, "it is here already");
	struct model_worker *worker = mem_zalloc(sizeof(*worker));
	*worker = (struct model_worker){
	    .number = event->worker,
	    .id = event->id,
	    .tenant = tenant,
	    .incarnation = event->incarnation,
	    .slots = {event->slots},
	    .actions = model_actions(event->actions, event->action_count),
	    .attached = true,
	};
	slots_read(witness, worker);
	for (size_t i = 0; i < model->worker_count; i++) {
		if (model->workers[i]->pause_kept && uuid_equal(model->workers[i]->id, worker->id))
			worker->pause_kept = true;
		if (uuid_equal(model->workers[i]->id, worker->id))
			model->workers[i]->pause_kept = false;
	}
	model->workers = model_grow(model->workers, model->worker_count,
	    sizeof(struct model_worker *));
	model->workers[model->worker_count++] = worker;
}

static struct model_worker *
event_worker(const struct witness *witness)
{
	struct model_worker *worker = model_worker(witness->model, witness->event->worker);
	require(witness, worker != NULL && !worker->left, "no such worker");
	return worker;
}

static void
on_worker_attached(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	const struct eng_command *cause = witness->model->cause;
	require(witness, !worker->leaving, "it leaves");
	require(witness, cause == NULL || (cause->type == ENG_CMD_WORKER_REGISTER &&
	    uuid_equal(cause->worker_register.id, worker->id) &&
	    cause->worker_register.incarnation == worker->incarnation), "it did not come");
	worker->attached = true;
	worker->drained = worker->draining;
	worker->draining = false;
}

static void
on_worker_detached(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	const struct eng_command *cause = witness->model->cause;
	bool kept = cause != NULL && cause->type == ENG_CMD_WORKER_LEAVE && cause->worker.kept &&
	    worker->number == witness->model->worker_count;
	require(witness, kept || caused_by(witness, ENG_CMD_WORKER_DETACH),
	    "its connection is whole");
	require(witness, worker->attached, "it is detached");
	worker->attached = false;
}

static void
on_worker_draining(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	bool again = worker->drained && caused_by(witness, ENG_CMD_WORKER_REGISTER);
	require(witness, again || caused_by(witness, ENG_CMD_WORKER_DRAIN),
	    "it did not ask for it");
	worker->draining = true;
}

static bool
may_leave(const struct witness *witness, const struct model_worker *worker)
{
	const struct eng_command *cause = witness->model->cause;
	if (cause == NULL)
		return true;
	switch (witness->event->reason) {
	case ENG_REASON_LEFT:
	case ENG_REASON_LOST:
		return cause->type == ENG_CMD_WORKER_LEAVE &&
		    cause->worker.worker.v == worker->number &&
		    cause->worker.lost == (witness->event->reason == ENG_REASON_LOST);
	case ENG_REASON_REPLACED:
		return cause->type == ENG_CMD_WORKER_REGISTER &&
		    uuid_equal(cause->worker_register.id, worker->id) &&
		    cause->worker_register.incarnation != worker->incarnation;
	default:
		return false;
	}
}

static void
on_worker_leaving(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	require(witness, !worker->leaving, "it leaves already");
	require(witness, may_leave(witness, worker), "it has no reason to leave");
	worker->leaving = true;
	worker->leaving_reason = witness->event->reason;
	worker->pause_kept = worker->paused && worker->leaving_reason == ENG_REASON_REPLACED;
}

static bool
pause_caused(const struct witness *witness, const struct model_worker *worker, bool paused)
{
	const struct eng_command *cause = witness->model->cause;
	if (cause == NULL)
		return true;
	if (cause->type == ENG_CMD_WORKER_REGISTER)
		return paused && worker->pause_kept;
	return cause->type == ENG_CMD_WORKER_PAUSE && cause->worker_pause.paused == paused &&
	    uuid_equal(cause->worker_pause.worker, worker->id);
}

static void
on_worker_paused(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	bool paused = witness->event->type == ENG_EV_WORKER_PAUSED;
	require(witness, worker->paused != paused, "it is so already");
	require(witness, !worker->leaving, "it leaves");
	require(witness, pause_caused(witness, worker, paused), "nobody asked for it");
	worker->paused = paused;
	worker->pause_kept = false;
}

static void
on_worker_left(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	require(witness, worker->leaving, "it does not leave");
	require(witness, worker->leases == 0, "it holds leases");
	worker->left = true;
}

/* It came back without these: they will end. */
static void
on_leases_dropped(struct witness *witness)
{
	struct model_worker *worker = event_worker(witness);
	const struct eng_command *cause = witness->model->cause;
	struct bytes rows = witness->event->payload;
	require(witness, !worker->leaving, "it leaves");
	require(witness, caused_by(witness, ENG_CMD_WORKER_REGISTER), "it did not come");
	require(witness, rows.size > 0 && rows.size % 12 == 0, "no list of leases");
	for (size_t at = 0; at < rows.size; at += 12) {
		struct model_run *run = model_run(witness->model, le64_load(rows.data + at));
		uint32_t task = le32_load(rows.data + at + 8);
		require(witness, run != NULL && task < run->recipe->task_count, "no such task");
		struct model_task *held = &run->tasks[task];
		require(witness, held->state == MODEL_HELD && held->worker == worker->number &&
		    !held->dropped, "it does not hold one of them");
		require(witness, cause == NULL || !model_listed(cause, uuid_task(run->id, task),
		    held->lease), "it has listed one of them");
		held->dropped = true;
	}
}

/* ------------------------------------------------------------------------------------ the table */

struct event_row {
	enum eng_event_type type;
	void (*follow)(struct witness *witness);
	enum { OF_NOTHING, OF_RUN, OF_TASK } of;
};

static const struct event_row event_table[] = {
    {ENG_EV_ENGINE_STARTED, on_engine_started, OF_NOTHING},
    {ENG_EV_TENANT_CREATED, on_tenant_created, OF_NOTHING},
    {ENG_EV_WORKFLOW_PUT, on_workflow_put, OF_NOTHING},
    {ENG_EV_RUN_STARTED, on_run_started, OF_NOTHING},
    {ENG_EV_TASK_QUEUED, on_task_queued, OF_TASK},
    {ENG_EV_TASK_ASSIGNED, on_task_assigned, OF_TASK},
    {ENG_EV_TASK_COMPLETED, on_task_completed, OF_TASK},
    {ENG_EV_ATTEMPT_ENDED, on_attempt_ended, OF_TASK},
    {ENG_EV_TASK_DELAYED, on_task_delayed, OF_TASK},
    {ENG_EV_TASK_FAILED, on_task_failed, OF_TASK},
    {ENG_EV_TASK_CANCELLED, on_task_cancelled, OF_TASK},
    {ENG_EV_TASK_SKIPPED, on_task_skipped, OF_TASK},
    {ENG_EV_LEASE_REFRESHED, on_lease_refreshed, OF_TASK},
    {ENG_EV_RUN_CANCEL_REQUESTED, on_run_cancel_requested, OF_RUN},
    {ENG_EV_RUN_CLOSED, on_run_closed, OF_RUN},
    {ENG_EV_RUN_REPLAYED, on_run_replayed, OF_RUN},
    {ENG_EV_WORKER_REGISTERED, on_worker_registered, OF_NOTHING},
    {ENG_EV_WORKER_ATTACHED, on_worker_attached, OF_NOTHING},
    {ENG_EV_WORKER_DETACHED, on_worker_detached, OF_NOTHING},
    {ENG_EV_WORKER_DRAINING, on_worker_draining, OF_NOTHING},
    {ENG_EV_WORKER_LEAVING, on_worker_leaving, OF_NOTHING},
    {ENG_EV_WORKER_LEFT, on_worker_left, OF_NOTHING},
    {ENG_EV_WORKER_PAUSED, on_worker_paused, OF_NOTHING},
    {ENG_EV_WORKER_RESUMED, on_worker_paused, OF_NOTHING},
    {ENG_EV_SLOTS_RELEASED, on_slots_released, OF_TASK},
    {ENG_EV_TASK_BEGUN, on_task_begun, OF_TASK},
    {ENG_EV_LEASE_ENDED, on_lease_ended, OF_TASK},
    {ENG_EV_RUN_DUE, on_run_due, OF_RUN},
    {ENG_EV_NODE_WAITED, on_node_waited, OF_TASK},
    {ENG_EV_MEMO_PUT, on_memo_put, OF_TASK},
    {ENG_EV_CHILD_SPAWNED, on_child_spawned, OF_TASK},
    {ENG_EV_NODE_SATISFIED, on_node_satisfied, OF_TASK},
    {ENG_EV_TASK_EVICTED, on_task_evicted, OF_TASK},
    {ENG_EV_APPROVAL_DECIDED, on_approval_decided, OF_TASK},
    {ENG_EV_EVENT_PUSHED, on_event_pushed, OF_NOTHING},
    {ENG_EV_LEASES_DROPPED, on_leases_dropped, OF_NOTHING},
    {ENG_EV_TASK_LOGGED, on_task_logged, OF_TASK},
    {ENG_EV_LATE_LOGGED, on_late_logged, OF_TASK},
    {ENG_EV_TASK_STREAMED, on_task_streamed, OF_TASK},
    {ENG_EV_RATE_LIMIT_PUT, on_rate_limit_put, OF_NOTHING},
    {ENG_EV_TOKEN_CREATED, on_token_created, OF_NOTHING},
    {ENG_EV_TOKEN_REVOKED, on_token_revoked, OF_NOTHING},
    {ENG_EV_JOB_STARTED, on_job_started, OF_NOTHING},
    {ENG_EV_JOB_ADVANCED, on_job_advanced, OF_NOTHING},
    {ENG_EV_JOB_ENDED, on_job_ended, OF_NOTHING},
};

static const struct event_row *
event_find(const struct witness *witness)
{
	for (size_t i = 0; i < sizeof(event_table) / sizeof(event_table[0]); i++) {
		if (event_table[i].type == witness->event->type)
			return &event_table[i];
	}
	require(witness, false, "an event of no known type");
	return NULL;
}

static void
witness_run(struct witness *witness, bool of_task)
{
	const struct eng_event *event = witness->event;
	struct model_run *run = model_run(witness->model, event->run);
	require(witness, run != NULL, "no such run");
	require(witness, !run->closed || event->type == ENG_EV_RUN_REPLAYED ||
	    event->type == ENG_EV_LATE_LOGGED,
	    "after the run's end");
	witness->run = run;
	if (!of_task)
		return;
	require(witness, event->task < run->recipe->task_count, "no such task");
	witness->task = &run->tasks[event->task];
	witness->recipe = &run->recipe->tasks[event->task];
}

static void
witness_number(struct witness *witness, uint64_t frame)
{
	struct model *model = witness->model;
	struct model_run *run = witness->run;
	require(witness, witness->event->run_event_no == run->event_count + 1,
	    "its number is not the next");
	run->event_count++;
	run->frame = frame;
	if (!run->touched && model->touched_count < 64) {
		run->touched = true;
		model->touched[model->touched_count++] = run;
	}
}

static void
witness_queues(const struct witness *witness, bool queued)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	bool now = witness->task != NULL && witness->task->state == MODEL_QUEUED;
	if (now && !queued)
		fairness_enter(&model->fairness, witness->run->recipe, event->task);
	else if (queued && !now)
		fairness_leave(&model->fairness, witness->run->recipe, event->task,
		    event->type == ENG_EV_TASK_ASSIGNED, model->judge);
}

void
model_event(struct model *model, const struct eng_event *event, uint64_t frame)
{
	struct witness witness = {.model = model, .event = event};
	const struct event_row *row = event_find(&witness);
	require(&witness, event->time_ns >= model->time_ns, "time went back");
	require(&witness, frame >= model->frame, "frames went back");
	if (frame > model->frame && model->cause == NULL)
		model_check_touched(model); /* a frame holds whole steps */
	model->time_ns = event->time_ns;
	model->frame = frame;
	model->step.events++;
	model->event_count++;
	if (row->of != OF_NOTHING)
		witness_run(&witness, row->of == OF_TASK);
	bool queued = witness.task != NULL && witness.task->state == MODEL_QUEUED;
	row->follow(&witness);
	witness_queues(&witness, queued);
	model_audit(&witness);
	if (witness.run != NULL)
		witness_number(&witness, frame);
}
