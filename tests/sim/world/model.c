#include "sim/world/model.h"

#include "base/hash.h"
#include "base/mem.h"
#include "sim/world/model_int.h"

#include <inttypes.h>

const char *
model_tenant_name(unsigned tenant)
{
	return tenant == 0 ? "default" : "other";
}

void
model_init(struct model *model, struct judge *judge, const struct recipe_book *book)
{
	*model = (struct model){.judge = judge, .book = book};
	map_init(&model->run_ids);
}

static void
run_free(struct model_run *run)
{
	for (uint32_t i = 0; i < MODEL_TASKS_MAX; i++)
		mem_free(run->tasks[i].nodes);
	mem_free(run->chunks);
	mem_free(run);
}

static void
state_release(struct model *model)
{
	for (size_t i = 0; i < model->run_count; i++)
		run_free(model->runs[i]);
	for (size_t i = 0; i < model->worker_count; i++)
		mem_free(model->workers[i]);
	mem_free(model->runs);
	mem_free(model->workers);
	mem_free(model->keys);
	mem_free(model->approvals);
	model_jobs_release(model);
	map_release(&model->run_ids);
}

void
model_release(struct model *model)
{
	state_release(model);
	mem_free(model->steps_seen);
	mem_free(model->batches);
	mem_free(model->batch_ids);
}

void
model_reset(struct model *model)
{
	struct model before = *model;
	state_release(model);
	model_init(model, before.judge, before.book);
	model->steps_seen = before.steps_seen;
	model->step_seen_count = before.step_seen_count;
	model->batches = before.batches;
	model->batch_count = before.batch_count;
	model->batch_ids = before.batch_ids;
	model->batch_id_count = before.batch_id_count;
}

/* By doubling: the capacity is the next power of two. */
void *
model_grow(void *rows, size_t count, size_t size)
{
	bool full = (count & (count - 1)) == 0;
	return full ? mem_resize(rows, (count != 0 ? 2 * count : 1) * size) : rows;
}

/* ------------------------------------------------------------------------------------- look-ups */

struct model_run *
model_run(const struct model *model, uint64_t key)
{
	return key >= 1 && key <= model->run_count ? model->runs[key - 1] : NULL;
}

struct model_run *
model_run_by_id(const struct model *model, struct uuid id)
{
	return map_get_uuid(&model->run_ids, id);
}

struct model_worker *
model_worker(const struct model *model, uint64_t number)
{
	return number >= 1 && number <= model->worker_count ? model->workers[number - 1] : NULL;
}

struct model_worker *
model_worker_by_id(const struct model *model, struct uuid id)
{
	for (size_t i = model->worker_count; i-- > 0;) {
		struct model_worker *worker = model->workers[i];
		if (uuid_equal(worker->id, id) && !worker->leaving && !worker->left)
			return worker;
	}
	return NULL;
}

const struct model_worker *
model_worker_paused(const struct model *model, struct uuid id)
{
	const struct model_worker *worker = model_worker_by_id(model, id);
	return worker != NULL && worker->paused ? worker : NULL;
}

struct model_task *
model_fence_task(const struct model *model, uint64_t worker, const struct eng_fence *fence)
{
	uint32_t number;
	struct model_run *run = model_run_by_id(model, uuid_run_of(fence->task, &number));
	if (run == NULL || number == 0 || number > run->recipe->task_count)
		return NULL;
	struct model_task *task = &run->tasks[number - 1];
	bool current = task->state == MODEL_HELD && task->lease == fence->lease &&
	    task->worker == worker && !task->dropped;
	return current ? task : NULL;
}

bool
model_fence_current(const struct model *model, uint64_t worker, const struct eng_fence *fence)
{
	return model_fence_task(model, worker, fence) != NULL;
}

static bool
node_record(const struct model_run *run, uint32_t record, uint64_t *ret_hash)
{
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		const struct model_task *task = &run->tasks[i];
		for (uint32_t j = 0; j < task->node_count; j++) {
			*ret_hash = task->nodes[j].result.hash;
			if (task->nodes[j].result.record == record)
				return true;
		}
	}
	return false;
}

bool
model_record(const struct model_run *run, uint32_t record, uint64_t *ret_hash)
{
	if (record == 1 || record == run->input.record) {
		*ret_hash = record == 1 ? run->input_hash : run->input.hash;
		return true;
	}
	for (uint32_t i = 0; i < run->recipe->task_count && record != 0; i++) {
		const struct model_task *task = &run->tasks[i];
		if (task->output.record == record || task->error.record == record) {
			*ret_hash = task->output.record == record ? task->output.hash
			                                          : task->error.hash;
			return true;
		}
	}
	return record != 0 && node_record(run, record, ret_hash);
}

bool
model_any(const struct model_run *run, enum model_state state)
{
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		if (run->tasks[i].state == state)
			return true;
	}
	return false;
}

/* A cancelled run is cancelled; else one that has a failed task has failed; else a task that was
 * cancelled cancels it. */
enum eng_status
model_outcome(const struct model_run *run)
{
	if (run->cancel_reason != 0)
		return ENG_CANCELLED;
	if (model_any(run, MODEL_FAILED))
		return ENG_FAILED;
	return model_any(run, MODEL_CANCELLED) ? ENG_CANCELLED : ENG_COMPLETED;
}

/* ------------------------------------------------------------------ what a command is answered */

unsigned
model_tenant_of(const struct model *model, uint32_t number)
{
	unsigned tenant = 0;
	while (tenant < PLAN_TENANTS_MAX && model->tenant_numbers[tenant] != number)
		tenant++;
	froe_assert(tenant < PLAN_TENANTS_MAX); /* the harness asks for tenants first */
	return tenant;
}

struct model_workflow *
model_workflow_of(struct model *model, unsigned tenant, struct bytes name)
{
	char text[RECIPE_NAME_BYTES];
	for (unsigned i = 0; i < PLAN_WORKFLOWS_MAX; i++) {
		recipe_workflow_name(i, text);
		if (bytes_equal(name, bytes_text(text)))
			return &model->workflows[tenant][i];
	}
	return NULL;
}

static void
answer_workflow_put(struct model *model, unsigned tenant)
{
	const struct eng_definition *definition = &model->cause->workflow_put.definition;
	const struct recipe *recipe =
	    recipe_find(model->book, tenant, definition->encoded);
	if (recipe == NULL) {
		model->answer.err = FROE_INVALID_ARGUMENT;
		return;
	}
	struct model_workflow *workflow = model_workflow_of(model, tenant, definition->name);
	model->answer.created = workflow->version_count == 0 ||
	    !bytes_equal(workflow->versions[workflow->version_count - 1]->definition->encoded,
	        definition->encoded);
}

static void
answer_run_cancel(struct model *model, unsigned tenant)
{
	struct model_run *run = model_run_by_id(model, model->cause->run_cancel.run);
	uint32_t task = model->cause->run_cancel.task;
	if (run == NULL || run->tenant != tenant)
		model->answer.err = FROE_NOT_FOUND;
	else if (run->closed)
		model->answer.err = FROE_FAILED_PRECONDITION;
	else if (task != 0 && (run->unbound || task > run->recipe->task_count))
		model->answer.err = FROE_NOT_FOUND;
	else if (task != 0 && model_closed(&run->tasks[task - 1]))
		model->answer.err = FROE_FAILED_PRECONDITION;
	else
		model->answer.run = run->key;
	model->answer.any = run != NULL && run->closed &&
	    model->now_ns - run->closed_ns > MODEL_CLOSED_TTL_NS / 2;
}

uint64_t
model_actions(const struct bytes *names, uint32_t count)
{
	uint64_t actions = 0;
	char text[RECIPE_NAME_BYTES];
	for (uint32_t i = 0; i < count; i++) {
		for (unsigned action = 0; action < RECIPE_ACTIONS; action++) {
			recipe_action_name(action, text);
			if (bytes_equal(names[i], bytes_text(text)))
				actions |= UINT64_C(1) << action;
		}
	}
	return actions;
}

static void
model_slots(const struct eng_command *command, uint32_t slots[RECIPE_SLOTS])
{
	memset(slots, 0, RECIPE_SLOTS * sizeof(*slots));
	slots[RECIPE_SLOT_DEFAULT] = command->worker_register.slots;
	for (uint32_t i = 0; i < command->worker_register.type_count; i++) {
		const struct eng_slots *from = &command->worker_register.types[i];
		unsigned slot = 0;
		while (!bytes_equal(from->type, bytes_text(recipe_slot_name(slot))))
			froe_assert(++slot < RECIPE_SLOTS);
		slots[slot] = from->count;
	}
}

static void
answer_register(struct model *model, unsigned tenant)
{
	const struct eng_command *command = model->cause;
	struct model_worker *worker = model_worker_by_id(model, command->worker_register.id);
	if (worker == NULL || worker->incarnation != command->worker_register.incarnation)
		return;
	uint64_t actions = model_actions(command->worker_register.actions,
	    command->worker_register.action_count);
	froe_assert(worker->tenant == tenant); /* ids are a tenant's own; here none has two */
	uint32_t slots[RECIPE_SLOTS];
	model_slots(command, slots);
	if (memcmp(worker->slots, slots, sizeof(slots)) != 0 || worker->actions != actions)
		model->answer.err = FROE_FAILED_PRECONDITION;
}

static void
answer_worker(struct model *model)
{
	const struct eng_command *command = model->cause;
	struct model_worker *worker = model_worker(model, command->worker.worker.v);
	bool gone = worker == NULL || worker->leaving || worker->left;
	if (command->type == ENG_CMD_WORKER_DRAIN && gone)
		model->answer.err = FROE_FAILED_PRECONDITION;
	if (command->type == ENG_CMD_WORKER_LEAVE && command->worker.lost)
		model->answer.replies = false;
}

static void
answer_pause(struct model *model, unsigned tenant)
{
	const struct model_worker *worker =
	    model_worker_by_id(model, model->cause->worker_pause.worker);
	if (worker == NULL || worker->tenant != tenant)
		model->answer.err = FROE_NOT_FOUND;
}

/* A late word of a lease that the next attempt waits for. */
static void
answer_late(struct model *model)
{
	const struct eng_command *command = model->cause;
	uint32_t number;
	const struct model_run *run =
	    model_run_by_id(model, uuid_run_of(command->task.fence.task, &number));
	bool ends = command->type == ENG_CMD_TASK_COMPLETE || command->type == ENG_CMD_TASK_FAIL;
	if (run == NULL || number == 0 || number > run->recipe->task_count || !ends)
		return;
	const struct model_task *task = &run->tasks[number - 1];
	model->answer.ended = task->lapsing != 0 && task->lapsing == command->task.worker.v &&
	    task->lease == command->task.fence.lease;
}

/* A chunk that has come before is taken, one that is not the next is refused. */
static void
answer_stream(struct model *model)
{
	const struct model_task *task = model_fence_task(
	    model, model->cause->task.worker.v, &model->cause->task.fence);
	if (model->cause->task.sequence > task->streamed + 1)
		model->answer.err = FROE_INVALID_ARGUMENT;
}

static void
answer_decide(struct model *model)
{
	const struct eng_command *command = model->cause;
	model->answer = (struct model_answer){.replies = true};
	switch (command->type) {
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_WORKER_DETACH:
		model->answer.replies = false;
		return;
	case ENG_CMD_TENANT_OPEN:
		return;
	case ENG_CMD_WORKFLOW_PUT:
		answer_workflow_put(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_RUN_START:
	case ENG_CMD_RUN_START_MANY:
		answer_starts(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_RUN_CANCEL:
		answer_run_cancel(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_WORKER_REGISTER:
		answer_register(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_WORKER_LEAVE:
		answer_worker(model);
		return;
	case ENG_CMD_WORKER_PAUSE:
		answer_pause(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_DURABLE_STEP:
		answer_durable_step(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_TASK_EVICT:
		answer_evict(model);
		return;
	case ENG_CMD_EVENT_PUSH:
	case ENG_CMD_RATE_LIMIT_PUT:
		return;
	case ENG_CMD_APPROVAL_DECIDE:
		answer_approval(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_RUN_REPLAY:
		answer_replay(model);
		return;
	case ENG_CMD_TOKEN_CREATE:
	case ENG_CMD_TOKEN_REVOKE:
		answer_token(model);
		return;
	case ENG_CMD_JOB_START:
		answer_job_start(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_JOB_END:
		answer_job(model, model_tenant_of(model, command->tenant.v));
		return;
	case ENG_CMD_WORKFLOW_SET: /* unit tests have these two */
	case ENG_CMD_TASK_RESTORE:
		froe_never("the simulated clients do not send this");
	case ENG_CMD_TASK_PROVIDE:
		model->answer.replies = false;
		/* fallthrough */
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
		if (command->type == ENG_CMD_TASK_LOG && command->task.late) {
			answer_late_line(model);
			return;
		}
		model->answer.current = model_fence_current(model, command->task.worker.v,
		    &command->task.fence);
		if (!model->answer.current)
			model->answer.err = FROE_LEASE_LAPSED;
		if (!model->answer.current)
			answer_late(model);
		else if (command->type == ENG_CMD_TASK_STREAM)
			answer_stream(model);
		else if (command->type == ENG_CMD_TASK_RETURN &&
		    model_fence_task(model, command->task.worker.v, &command->task.fence)->begun)
			model->answer.err = FROE_FAILED_PRECONDITION;
		return;
	}
}

void
model_before(struct model *model, const struct eng_command *command)
{
	froe_assert(model->cause == NULL);
	model->cause = command;
	model->step = (struct model_step){0};
	model->steps++;
	answer_decide(model);
	bool changes = command->type == ENG_CMD_RUN_CANCEL || command->type == ENG_CMD_RUN_REPLAY;
	if (changes && command->job.number != 0)
		answer_job_step(model);
}

/* ------------------------------------------------------------------------------------- effects */

static void
effect_lapsed(struct model *model, const struct eng_effect *effect)
{
	const struct eng_command *command = model->cause;
	uint32_t lapsed = 0;
	for (uint32_t i = 0; i < command->worker_register.held_count; i++) {
		const struct eng_fence *fence = &command->worker_register.held[i];
		if (model_fence_current(model, effect->worker, fence))
			continue;
		bool told = lapsed < effect->lapsed_count &&
		    uuid_equal(effect->lapsed[lapsed].task, fence->task) &&
		    effect->lapsed[lapsed].lease == fence->lease;
		if (!told)
			judge_fail(model->judge, "a held lease %" PRIu64 " has lapsed and is not "
			    "reported at the registration", fence->lease);
		lapsed++;
	}
	if (lapsed != effect->lapsed_count)
		judge_fail(model->judge, "%u leases are reported lapsed, %u are",
		    effect->lapsed_count, lapsed);
}

/* What some commands are told beside that they were done. */
static void
effect_details(struct model *model, const struct eng_effect *effect)
{
	switch (model->cause->type) {
	case ENG_CMD_WORKER_REGISTER:
		effect_lapsed(model, effect);
		return;
	case ENG_CMD_RUN_START:
	case ENG_CMD_RUN_START_MANY:
		effect_started(model, effect);
		return;
	case ENG_CMD_DURABLE_STEP:
		effect_step(model, effect);
		return;
	case ENG_CMD_JOB_START:
		if (effect->number != model->job_count)
			judge_fail(model->judge, "a job is told another's number");
		return;
	case ENG_CMD_EVENT_PUSH:
		if (effect->number != model->event_last)
			judge_fail(model->judge, "an event is told another's number");
		return;
	default:
		return;
	}
}

static void
effect_reply(struct model *model, const struct eng_effect *effect)
{
	const struct model_answer *answer = &model->answer;
	const struct eng_command *command = model->cause;
	if (effect->command != command->type || effect->origin.conn != command->origin.conn ||
	    effect->origin.request != command->origin.request)
		judge_fail(model->judge, "a reply to somebody else: command %d", effect->command);
	if (!answer->replies || effect->err != answer->err)
		judge_fail(model->judge, "command %d (current %d) was answered %s, expected %s",
		    command->type, answer->current, froe_err_name(effect->err),
		    answer->replies ? froe_err_name(answer->err) : "nothing");
	if ((effect->err != FROE_OK) != (effect->fault != NULL))
		judge_fail(model->judge, "command %d: an error without a text", command->type);
	if (effect->err == FROE_LEASE_LAPSED)
		judge_mark(model->judge, KIND_FENCED);
	if (command->type == ENG_CMD_WORKFLOW_PUT && effect->created != answer->created)
		judge_fail(model->judge, "a workflow: created %d, expected %d", effect->created,
		    answer->created);
	bool run = command->type == ENG_CMD_RUN_START || command->type == ENG_CMD_RUN_CANCEL ||
	    command->type == ENG_CMD_APPROVAL_DECIDE || command->type == ENG_CMD_RUN_REPLAY;
	if (run && effect->run != answer->run)
		judge_fail(model->judge, "command %d is about run %" PRIu64 ", expected %" PRIu64,
		    command->type, effect->run, answer->run);
	if (effect->err == FROE_OK)
		effect_details(model, effect);
	model->step.replies++;
}

static void
effect_dispatch(struct model *model, const struct eng_effect *effect)
{
	struct model_run *run = model_run(model, effect->run);
	if (run == NULL || effect->task >= run->recipe->task_count)
		judge_fail(model->judge, "a dispatch of no task");
	struct model_task *task = &run->tasks[effect->task];
	if (task->state != MODEL_HELD || task->lease != effect->lease ||
	    task->worker != effect->worker)
		judge_fail(model->judge, "a dispatch of run %" PRIu64 " task %u lease %" PRIu64
		    ", which worker %" PRIu64 " does not hold", effect->run, effect->task,
		    effect->lease, effect->worker);
	model->step.dispatches++;
}

static void
effect_closed(struct model *model, const struct eng_effect *effect)
{
	struct model_run *run = model_run(model, effect->run);
	if (run == NULL || !run->closed || !uuid_equal(run->id, effect->id) ||
	    run->status != effect->status)
		judge_fail(model->judge, "run %" PRIu64 " is said to be closed and is not",
		    effect->run);
	for (uint32_t i = 0; i < effect->ref_count; i++) {
		uint64_t hash;
		if (!model_record(run, effect->refs[i].record, &hash))
			judge_fail(model->judge, "the result of run %" PRIu64 " names record "
			    "%u, which is no output", run->key, effect->refs[i].record);
	}
	model->step.closes++;
}

void
model_effect(struct model *model, const struct eng_effect *effect)
{
	switch (effect->type) {
	case ENG_EFF_REPLY:
		effect_reply(model, effect);
		return;
	case ENG_EFF_DISPATCH:
		effect_dispatch(model, effect);
		return;
	case ENG_EFF_REVOKE:
		model->step.revokes++;
		return;
	case ENG_EFF_RUN_CLOSED:
		effect_closed(model, effect);
		return;
	case ENG_EFF_NODE:
		effect_node(model, effect);
		return;
	}
}

/* ---------------------------------------------------------------------------- after a step */

static bool
parents_closed(const struct model_run *run, uint32_t index)
{
	const struct recipe_task *task = &run->recipe->tasks[index];
	for (unsigned i = 0; i < task->parent_count; i++) {
		if (!model_closed(&run->tasks[task->parents[i]]))
			return false;
	}
	return true;
}

/* Nothing of a run that could go on was left lying. */
static void
run_check(struct model *model, const struct model_run *run)
{
	uint32_t open = 0;
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		const struct model_task *task = &run->tasks[i];
		open += model_closed(task) ? 0 : 1;
		if (task->state == MODEL_SETTLING)
			judge_fail(model->judge, "run %" PRIu64 " task %u was left between states",
			    run->key, i);
		if (task->state == MODEL_WAITING && !run->recipe->tasks[i].on_failure &&
		    parents_closed(run, i))
			judge_fail(model->judge, "run %" PRIu64 " task %u waits for parents that "
			    "are done", run->key, i);
	}
	if ((open == 0) != run->closed && !run->unbound)
		judge_fail(model->judge, "run %" PRIu64 " has %u open tasks and is %s", run->key,
		    open, run->closed ? "closed" : "open");
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		if (open == 1 && run->tasks[i].state == MODEL_WAITING)
			judge_fail(model->judge, "run %" PRIu64 ": its on-failure task was "
			    "forgotten", run->key);
	}
}

void
model_check_touched(struct model *model)
{
	for (unsigned i = 0; i < model->touched_count; i++) {
		model->touched[i]->touched = false;
		run_check(model, model->touched[i]);
	}
	model_job_settled(model);
	model->touched_count = 0;
}

bool
model_listed(const struct eng_command *command, struct uuid task, uint64_t lease)
{
	for (uint32_t i = 0; i < command->worker_register.held_count; i++) {
		const struct eng_fence *fence = &command->worker_register.held[i];
		if (uuid_equal(fence->task, task) && fence->lease == lease)
			return true;
	}
	return false;
}

/* What a worker that came back did not list is its no more: given anew, or to others. */
static void
check_registered(struct model *model)
{
	const struct eng_command *command = model->cause;
	const struct model_worker *worker =
	    model_worker_by_id(model, command->worker_register.id);
	if (worker->pause_kept && !worker->paused)
		judge_fail(model->judge, "worker %" PRIu64 " was paused, its next incarnation is "
		    "not", worker->number);
	if (worker->drained && !worker->draining)
		judge_fail(model->judge, "worker %" PRIu64 " came back and drains no more",
		    worker->number);
	for (size_t i = 0; i < model->run_count; i++) {
		const struct model_run *run = model->runs[i];
		for (uint32_t j = 0; j < run->recipe->task_count; j++) {
			const struct model_task *task = &run->tasks[j];
			if (task->state == MODEL_HELD && task->worker == worker->number &&
			    task->step != model->steps && !task->dropped &&
			    !model_listed(command, uuid_task(run->id, j), task->lease))
				judge_fail(model->judge,
				    "run %" PRIu64 " task %u stays with a worker "
				    "that does not have it",
				    run->key, j);
		}
	}
}

void
model_after(struct model *model, bool hold)
{
	const struct model_step *step = &model->step;
	const struct eng_command *command = model->cause;
	bool provided = command->type == ENG_CMD_TASK_PROVIDE && model->answer.current;
	model_check_touched(model);
	if (step->replies != (model->answer.replies ? 1u : 0u))
		judge_fail(model->judge, "command %d was answered %u times", command->type,
		    step->replies);
	if (step->dispatches != step->assigned + (provided ? 1 : 0))
		judge_fail(model->judge, "%u assignments, %u dispatches", step->assigned,
		    step->dispatches);
	if (step->revokes != step->revoked)
		judge_fail(model->judge, "%u leases were ended, %u workers were told",
		    step->revoked, step->revokes);
	if (step->closes != step->closed)
		judge_fail(model->judge, "%u runs have closed, %u were told", step->closed,
		    step->closes);
	if (step->nodes != step->satisfied)
		judge_fail(model->judge, "%u nodes of tasks at work were satisfied, %u were told",
		    step->satisfied, step->nodes);
	batch_keep(model);
	if (hold && step->assigned > 0)
		judge_fail(model->judge, "tasks are assigned although the disk is full");
	bool may = model->answer.differs || model->answer.ended;
	if (model->answer.replies && model->answer.err != FROE_OK && !may &&
	    step->events > step->assigned)
		judge_fail(model->judge, "a refused command %d changed something", command->type);
	if (command->type == ENG_CMD_WORKER_REGISTER && model->answer.err == FROE_OK)
		check_registered(model);
	model->cause = NULL;
}

/* Tasks that take more than one slot may keep a worker waiting for them: others of the tenant wait
 * then too, for good reason. */
static bool
any_large(const struct model *model, unsigned tenant)
{
	for (size_t i = 0; i < model->run_count; i++) {
		const struct model_run *run = model->runs[i];
		for (uint32_t j = 0; j < run->recipe->task_count && run->tenant == tenant; j++) {
			const uint32_t *need = run->recipe->tasks[j].need;
			if (!run->closed && run->tasks[j].state == MODEL_QUEUED &&
			    need[0] + need[1] + need[2] > 1)
				return true;
		}
	}
	return false;
}

static bool
worker_can(const struct model_worker *worker, unsigned tenant, const struct recipe_task *task)
{
	return worker->attached && !worker->draining && !worker->paused && !worker->leaving &&
	    !worker->left && worker->tenant == tenant && model_slots_fit(worker, task) &&
	    (worker->actions >> task->action & 1) != 0;
}

static void
queued_settled(struct model *model, const struct model_run *run, uint32_t index)
{
	for (size_t i = 0; i < model->worker_count; i++) {
		if (worker_can(model->workers[i], run->tenant, &run->recipe->tasks[index]) &&
		    !any_large(model, run->tenant))
			judge_fail(model->judge, "run %" PRIu64 " task %u is queued, worker "
			    "%" PRIu64 " has a free slot for it", run->key, index,
			    model->workers[i]->number);
	}
}

static void
task_settled(struct model *model, const struct model_run *run, uint32_t index, uint64_t now_ns,
    bool hold)
{
	const struct model_task *task = &run->tasks[index];
	uint64_t uptime_ns = model_uptime(model, now_ns);
	if ((task->state == MODEL_HELD && task->due_ns <= uptime_ns) ||
	    (task->state == MODEL_DELAYED &&
	        task->due_ns <= (task->lapsing != 0 ? uptime_ns : now_ns)) ||
	    (task->state == MODEL_QUEUED && task->due_ns != 0 && task->due_ns <= uptime_ns))
		judge_fail(model->judge, "run %" PRIu64 " task %u: a timer was lost in state %d",
		    run->key, index, task->state);
	if (task->state == MODEL_QUEUED && !hold)
		queued_settled(model, run, index);
}

static void
run_settled(struct model *model, const struct model_run *run, uint64_t now_ns, bool hold)
{
	uint64_t due_ns = run->unbound ? run->start_ns : run->due_ns;
	if (due_ns != 0 && due_ns <= now_ns)
		judge_fail(model->judge, "run %" PRIu64 ": its %s was missed", run->key,
		    run->unbound ? "time" : "deadline");
	if (run->doomed && !hold)
		judge_fail(model->judge, "run %" PRIu64 " goes on, it was cancelled with those "
		    "above it", run->key);
	for (uint32_t task = 0; task < run->recipe->task_count; task++)
		task_settled(model, run, task, now_ns, hold);
	if (!hold)
		nodes_settled(model, run, now_ns);
}

void
model_settled(struct model *model, uint64_t now_ns, bool hold)
{
	for (size_t i = 0; i < model->worker_count; i++) {
		if (model->workers[i]->leaving && !model->workers[i]->left)
			judge_fail(model->judge, "worker %zu never finishes leaving", i + 1);
	}
	for (size_t i = 0; i < model->run_count; i++) {
		if (!model->runs[i]->closed)
			run_settled(model, model->runs[i], now_ns, hold);
	}
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
model_due_ns(const struct model *model)
{
	uint64_t due_ns = UINT64_MAX;
	for (size_t i = 0; i < model->run_count; i++) {
		const struct model_run *run = model->runs[i];
		if (run->closed)
			continue;
		uint64_t run_ns = run->unbound ? run->start_ns : run->due_ns;
		due_ns = earlier(due_ns, run_ns != 0 ? run_ns : UINT64_MAX);
		due_ns = earlier(due_ns, nodes_due_ns(run));
		for (uint32_t j = 0; j < run->recipe->task_count; j++) {
			const struct model_task *task = &run->tasks[j];
			bool uptime = task->state == MODEL_HELD || task->state == MODEL_QUEUED ||
			    (task->state == MODEL_DELAYED && task->lapsing != 0);
			if (task->due_ns != 0 && (uptime || task->state == MODEL_DELAYED))
				due_ns = earlier(due_ns,
				    task->due_ns + (uptime ? model->downtime_ns : 0));
		}
	}
	return due_ns;
}
