/*
 * The nodes of durable tasks: what a step must be answered, what may satisfy a wait, and what was
 * forgotten (see model_event.c).
 *
 * The log has a step's fingerprint only, which is the engine's own: what it stands for is noted
 * when the step is first taken, and kept across restarts.
 */
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "sim/world/model_int.h"

#include <inttypes.h>
#include <stdlib.h>

/* What a handler may not say otherwise in its next attempt. */
static uint64_t
step_of(const struct eng_command *command)
{
	bool child = command->durable.kind == ENG_NODE_CHILD;
	struct bytes name = child ? command->durable.child.workflow : command->durable.name;
	uint64_t step = hash64(name.data, name.size, 100 + command->durable.kind);
	for (uint32_t i = 0; i < command->durable.condition_count; i++) {
		const struct eng_condition *condition = &command->durable.conditions[i];
		uint64_t words[] = {step, condition->kind, condition->sleep_ms,
		    condition->until_ns, bytes_hash(condition->name)};
		step = hash64(words, sizeof(words), 1);
	}
	return step;
}

static void
step_keep(struct witness *witness)
{
	struct model *model = witness->model;
	uint64_t step = step_of(model->cause), fingerprint = witness->event->fingerprint;
	for (size_t i = 0; i < model->step_seen_count; i++) {
		const struct model_step_seen *seen = &model->steps_seen[i];
		require(witness, (seen->fingerprint == fingerprint) == (seen->step == step),
		    "two steps with one fingerprint, or one with two");
		if (seen->step == step)
			return;
	}
	model->steps_seen =
	    model_grow(model->steps_seen, model->step_seen_count, sizeof(*model->steps_seen));
	model->steps_seen[model->step_seen_count++] =
	    (struct model_step_seen){.fingerprint = fingerprint, .step = step};
}

static uint64_t
step_seen(const struct witness *witness)
{
	for (size_t i = 0; i < witness->model->step_seen_count; i++) {
		if (witness->model->steps_seen[i].fingerprint == witness->event->fingerprint)
			return witness->model->steps_seen[i].step;
	}
	require(witness, false, "a step that nobody took");
	return 0;
}

bool
model_node_result(const struct model_run *run, uint32_t task, uint32_t node, uint64_t *ret_hash,
    uint32_t *ret_which)
{
	if (task >= run->recipe->task_count || node == 0 || node > run->tasks[task].node_count)
		return false;
	const struct model_node *found = &run->tasks[task].nodes[node - 1];
	*ret_hash = found->result.hash;
	*ret_which = found->which;
	return found->done;
}

/* ------------------------------------------------------------------------------------- answers */

/* The command's task; NULL: answered. */
static struct model_task *
answer_task(struct model *model)
{
	const struct eng_command *command = model->cause;
	struct model_task *task =
	    model_fence_task(model, command->durable.worker.v, &command->durable.fence);
	uint32_t number;
	model->answer.current = task != NULL;
	if (task == NULL) {
		model->answer.err = FROE_LEASE_LAPSED;
		return NULL;
	}
	const struct model_run *run =
	    model_run_by_id(model, uuid_run_of(command->durable.fence.task, &number));
	if (run->recipe->tasks[number - 1].durable)
		return task;
	model->answer.err = FROE_FAILED_PRECONDITION;
	return NULL;
}

void
answer_durable_step(struct model *model, unsigned tenant)
{
	const struct eng_command *command = model->cause;
	uint32_t number = command->durable.node;
	struct model_task *task = answer_task(model);
	if (task == NULL)
		return;
	if (number == 0 || number > task->node_count + 1) {
		model->answer.err = FROE_INVALID_ARGUMENT;
		return;
	}
	if (number <= task->node_count) {
		model->answer.differs = task->nodes[number - 1].step != step_of(command);
		if (model->answer.differs)
			model->answer.err = FROE_NONDETERMINISM;
		else
			judge_mark(model->judge, KIND_NODE_AGAIN);
		return;
	}
	model->answer.created =
	    command->durable.kind != ENG_NODE_MEMO || command->durable.has_value;
	if (command->durable.kind == ENG_NODE_CHILD)
		model->answer.err = answer_child_node(model, tenant);
}

void
answer_evict(struct model *model)
{
	uint32_t number = model->cause->durable.node;
	const struct model_task *task = answer_task(model);
	if (task == NULL)
		return;
	if (number == 0 || number > task->node_count || task->nodes[number - 1].done)
		model->answer.err = FROE_FAILED_PRECONDITION;
}

static bool
approval_open(const struct model *model, const struct model_approval *approval)
{
	const struct model_run *run = model_run(model, approval->run);
	const struct model_task *task = &run->tasks[approval->task];
	return !approval->over && !run->closed && !model_closed(task) &&
	    !task->nodes[approval->node - 1].done;
}

static const struct model_approval *
approval_find(const struct model *model, unsigned tenant, uint64_t number)
{
	for (size_t i = 0; i < model->approval_count; i++) {
		const struct model_approval *approval = &model->approvals[i];
		if (approval->tenant == tenant && approval->number == number)
			return approval;
	}
	return NULL;
}

uint64_t
model_approval_open(const struct model *model, unsigned tenant)
{
	for (size_t i = 0; i < model->approval_count; i++) {
		const struct model_approval *approval = &model->approvals[i];
		if (approval->tenant == tenant && approval_open(model, approval))
			return approval->number;
	}
	return 0;
}

static bool
task_waits_for_event(const struct model_task *task)
{
	for (uint32_t i = 0; i < task->node_count && !model_closed(task); i++) {
		const struct model_node *node = &task->nodes[i];
		for (uint32_t j = 0; j < node->condition_count && !node->done; j++) {
			if (node->conditions[j].kind == ENG_CONDITION_EVENT)
				return true;
		}
	}
	return false;
}

bool
model_waits_for_event(const struct model *model, unsigned tenant)
{
	for (size_t i = 0; i < model->run_count; i++) {
		const struct model_run *run = model->runs[i];
		for (uint32_t j = 0; j < run->recipe->task_count && !run->closed; j++) {
			if (run->tenant == tenant && task_waits_for_event(&run->tasks[j]))
				return true;
		}
	}
	return false;
}

void
answer_approval(struct model *model, unsigned tenant)
{
	const struct model_approval *approval =
	    approval_find(model, tenant, model->cause->approval_decide.approval);
	if (approval == NULL) {
		model->answer.err = FROE_NOT_FOUND;
	} else if (approval_open(model, approval)) {
		model->answer.run = approval->run;
	} else {
		model->answer.err = FROE_FAILED_PRECONDITION;
		judge_mark(model->judge, KIND_DECIDED_AGAIN);
	}
}

/* ------------------------------------------------------------------------------------- effects */

static const struct model_node *
effect_of_node(struct model *model, const struct eng_effect *effect)
{
	const struct model_run *run = model_run(model, effect->run);
	if (run == NULL || effect->task >= run->recipe->task_count || effect->node == 0)
		judge_fail(model->judge, "a node of no task");
	const struct model_task *task = &run->tasks[effect->task];
	return effect->node <= task->node_count ? &task->nodes[effect->node - 1] : NULL;
}

static void
check_node(struct model *model, const struct eng_effect *effect, const struct model_node *node)
{
	enum eng_node_state state = node == NULL ? ENG_NODE_ABSENT
	    : node->done                         ? ENG_NODE_DONE
	                                         : ENG_NODE_PENDING;
	if (effect->node_state != state)
		judge_fail(model->judge, "run %" PRIu64 " task %u node %u is said to be %d, is %d",
		    effect->run, effect->task, effect->node, effect->node_state, state);
	if (state != ENG_NODE_DONE)
		return;
	if (effect->record != node->result.record || effect->which != node->which)
		judge_fail(model->judge, "run %" PRIu64 " task %u node %u: record %u by condition "
		    "%u, expected %u by %u", effect->run, effect->task, effect->node,
		    effect->record, effect->which, node->result.record, node->which);
}

void
effect_step(struct model *model, const struct eng_effect *effect)
{
	const struct model_node *node = effect_of_node(model, effect);
	check_node(model, effect, node);
	const struct eng_command *command = model->cause;
	if (effect->lease != command->durable.fence.lease ||
	    effect->worker != command->durable.worker.v)
		judge_fail(model->judge, "a step is answered to another lease");
	if (effect->created != model->answer.created)
		judge_fail(model->judge, "node %u: created %d, expected %d", effect->node,
		    effect->created, model->answer.created);
	const struct model_run *child = node != NULL ? model_run(model, node->child) : NULL;
	/* Of a node that was kept in a replay the record tells, whose bytes the shell sends. */
	const struct model_run *run = model_run(model, effect->run);
	bool kept = node != NULL && node->done && run->replays > 0 && uuid_is_nil(effect->child);
	if (child != NULL && !kept && !uuid_equal(effect->child, child->id))
		judge_fail(model->judge, "node %u is told another child", effect->node);
}

void
effect_node(struct model *model, const struct eng_effect *effect)
{
	const struct model_node *node = effect_of_node(model, effect);
	if (node == NULL || !node->done)
		judge_fail(model->judge, "a node is told that has no result");
	if (effect->lease != node->lease || effect->worker != node->worker)
		judge_fail(model->judge, "a node of run %" PRIu64 " task %u is told to worker "
		    "%" PRIu64 ", which did not hold it", effect->run, effect->task,
		    effect->worker);
	check_node(model, effect, node);
	model->step.nodes++;
}

/* --------------------------------------------------------------------------------- what happens */

static bool
caused_by_step(const struct witness *witness, enum eng_command_type type, uint32_t number)
{
	const struct eng_command *cause = witness->model->cause;
	if (cause == NULL)
		return true;
	return cause->type == type && cause->durable.node == number &&
	    cause->durable.worker.v == witness->task->worker &&
	    cause->durable.fence.lease == witness->task->lease &&
	    uuid_equal(cause->durable.fence.task,
	        uuid_task(witness->run->id, witness->event->task));
}

static struct model_node *
node_enter(struct witness *witness, uint32_t kind)
{
	struct model_task *task = witness->task;
	const struct eng_command *cause = witness->model->cause;
	const struct eng_event *event = witness->event;
	require(witness, task->state == MODEL_HELD && task->lease == event->lease,
	    "not the current lease");
	require(witness, witness->recipe->durable, "it is not durable");
	require(witness, event->node == task->node_count + 1, "not the next node");
	require(witness, caused_by_step(witness, ENG_CMD_DURABLE_STEP, event->node),
	    "its holder took no such step");
	require(witness, cause == NULL || (cause->durable.kind == kind &&
	    witness->model->answer.created), "not the step that was taken");
	if (cause != NULL)
		step_keep(witness);
	if (task->node_count == 0)
		task->invocation = 1; /* counted from the first node on */
	if (task->nodes == NULL)
		task->nodes = mem_zalloc(MODEL_NODES_MAX * sizeof(*task->nodes));
	froe_assert(task->node_count < MODEL_NODES_MAX); /* scripts are shorter */
	struct model_node *node = &task->nodes[task->node_count++];
	*node = (struct model_node){.kind = kind, .step = step_seen(witness)};
	return node;
}

static void
approval_enter(struct witness *witness, struct model_condition *condition, uint32_t which,
    uint64_t number)
{
	struct model *model = witness->model;
	unsigned tenant = witness->run->tenant;
	require(witness, number == model->approval_last[tenant] + 1, "not the next approval");
	model->approval_last[tenant] = number;
	condition->approval = number;
	model->approvals =
	    model_grow(model->approvals, model->approval_count, sizeof(*model->approvals));
	model->approvals[model->approval_count++] = (struct model_approval){
	    .tenant = tenant,
	    .number = number,
	    .run = witness->run->key,
	    .task = witness->event->task,
	    .node = witness->event->node,
	    .which = which,
	};
}

static bool
starts_with(struct bytes text, const char *prefix, struct bytes *ret_rest)
{
	size_t size = strlen(prefix);
	if (text.size < size || memcmp(text.data, prefix, size) != 0)
		return false;
	*ret_rest = bytes_of(text.data + size, text.size - size);
	return true;
}

/* As it is written in docs/log-format.md. */
static void
condition_read(struct witness *witness, struct bytes text, struct model_condition *condition)
{
	struct bytes rest;
	char digits[24] = "";
	if (starts_with(text, "sleep:", &rest)) {
		require(witness, rest.size < sizeof(digits), "a sleep until when?");
		memcpy(digits, rest.data, rest.size);
		condition->kind = ENG_CONDITION_SLEEP;
		condition->due_ns = strtoull(digits, NULL, 10);
	} else if (starts_with(text, "event:", &rest)) {
		condition->kind = ENG_CONDITION_EVENT;
		condition->name = bytes_hash(rest);
	} else {
		require(witness, starts_with(text, "approval:", &rest), "a condition of no kind");
		condition->kind = ENG_CONDITION_APPROVAL;
		condition->name = bytes_hash(rest);
	}
}

static void
condition_check(const struct witness *witness, const struct model_condition *condition,
    const struct eng_condition *asked)
{
	uint64_t due_ns = asked->until_ns != 0
	    ? asked->until_ns
	    : witness->event->time_ns + asked->sleep_ms * NS_PER_MS;
	require(witness, condition->kind == asked->kind, "another kind of condition");
	if (condition->kind == ENG_CONDITION_SLEEP)
		require(witness, condition->due_ns == due_ns, "a sleep of another length");
	else
		require(witness, condition->name == bytes_hash(asked->name), "another name");
}

void
on_node_waited(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	struct model_node *node = node_enter(witness, ENG_NODE_WAIT);
	uint64_t approval = event->approval;
	require(witness, event->condition_count >= 1 &&
	    event->condition_count <= MODEL_CONDITIONS_MAX, "conditions that nobody named");
	node->condition_count = event->condition_count;
	for (uint32_t i = 0; i < event->condition_count; i++) {
		struct model_condition *condition = &node->conditions[i];
		condition_read(witness, event->conditions[i], condition);
		if (cause != NULL)
			condition_check(witness, condition, &cause->durable.conditions[i]);
		if (condition->kind == ENG_CONDITION_APPROVAL)
			approval_enter(witness, condition, i, approval++);
	}
}

void
on_memo_put(struct witness *witness)
{
	const struct eng_command *cause = witness->model->cause;
	struct model_node *node = node_enter(witness, ENG_NODE_MEMO);
	node->done = true;
	node->result = (struct model_bytes){
	    .record = witness->event->run_event_no,
	    .hash = bytes_hash(witness->event->payload),
	};
	require(witness, cause == NULL ||
	    node->result.hash == bytes_hash(cause->durable.value), "another value");
}

void
on_child_spawned(struct witness *witness)
{
	struct model_node *node = node_enter(witness, ENG_NODE_CHILD);
	struct model_run *child = model_run_by_id(witness->model, witness->event->child);
	struct uuid task = uuid_task(witness->run->id, witness->event->task);
	require(witness, child != NULL && uuid_equal(child->parent, task), "no child of it");
	node->child = child->key;
	judge_mark(witness->model->judge, KIND_CHILD_NODE);
}

/* The node has its result: a task that is held is told, an evicted one returns. */
static struct model_node *
node_done(struct witness *witness, struct bytes bytes)
{
	const struct eng_event *event = witness->event;
	struct model_task *task = witness->task;
	require(witness, !model_closed(task), "its task has ended");
	require(witness, event->node >= 1 && event->node <= task->node_count, "no such node");
	struct model_node *node = &task->nodes[event->node - 1];
	require(witness, !node->done, "it has a result");
	node->done = true;
	node->which = event->which;
	node->result = (struct model_bytes){event->run_event_no, bytes_hash(bytes)};
	if (task->state != MODEL_HELD)
		return node;
	node->lease = task->lease;
	node->worker = task->worker;
	witness->model->step.satisfied++;
	return node;
}

static void
child_ended(const struct witness *witness, const struct model_node *node)
{
	const struct model_run *child = model_run(witness->model, node->child);
	uint32_t reason = child->status == ENG_COMPLETED ? ENG_REASON_COMPLETED
	    : child->status == ENG_FAILED                ? ENG_REASON_FAILED
	                                                 : ENG_REASON_REQUESTED;
	require(witness, child->closed, "its child has not ended");
	require(witness, witness->event->reason == reason, "its child has ended otherwise");
	require(witness, uuid_equal(witness->event->child, child->id), "another child");
}

void
on_node_satisfied(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	struct model_node *node = node_done(witness, event->payload);
	if (node->kind == ENG_NODE_CHILD) {
		child_ended(witness, node);
		return;
	}
	require(witness, event->which < node->condition_count, "no such condition");
	const struct model_condition *condition = &node->conditions[event->which];
	if (condition->kind == ENG_CONDITION_SLEEP) {
		require(witness, caused_by(witness, ENG_CMD_TIMER), "no timer fired");
		require(witness, condition->due_ns <= event->time_ns, "before its time");
		require(witness, event->payload.size == 0, "a sleep brings nothing");
		judge_mark(witness->model->judge, KIND_SLEPT);
		return;
	}
	require(witness, condition->kind == ENG_CONDITION_EVENT, "an approval was not decided");
	require(witness, condition->event != 0, "no event came since it waits");
	require(witness, condition->event == event->number, "by another event");
	require(witness, condition->payload == node->result.hash, "the event brought other bytes");
	judge_mark(witness->model->judge, KIND_EVENT_CAME);
}

void
on_approval_decided(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	const struct model_approval *approval =
	    approval_find(witness->model, witness->run->tenant, event->approval);
	require(witness, approval != NULL && !approval->over && approval->run == event->run &&
	    approval->task == event->task && approval->node == event->node &&
	    approval->which == event->which, "no such approval");
	require(witness, cause == NULL || (cause->type == ENG_CMD_APPROVAL_DECIDE &&
	    cause->approval_decide.approval == event->approval &&
	    cause->approval_decide.approved == (event->approved != 0) &&
	    bytes_equal(cause->approval_decide.reason, event->text)), "nobody decided so");
	node_done(witness, event->text);
	judge_mark(witness->model->judge, KIND_DECIDED);
}

void
on_task_evicted(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_event *event = witness->event;
	require(witness, task->state == MODEL_HELD && task->lease == event->lease,
	    "not the current lease");
	require(witness, caused_by_step(witness, ENG_CMD_TASK_EVICT, event->node),
	    "its holder did not ask for it");
	require(witness, event->node >= 1 && event->node <= task->node_count &&
	    !task->nodes[event->node - 1].done, "it does not wait");
	lease_unconfirmed(witness, /* whole= */ true);
	task_slot_free(witness);
	task->state = MODEL_EVICTED;
	task->due_ns = 0;
	task->returns = true;
}

/* Those that wait for the key now are to get this event; those that come later are not. */
static void
event_reach(struct witness *witness, struct model_task *task)
{
	uint64_t name = bytes_hash(witness->event->name);
	for (uint32_t i = 0; i < task->node_count; i++) {
		struct model_node *node = &task->nodes[i];
		for (uint32_t j = 0; j < node->condition_count && !node->done; j++) {
			struct model_condition *condition = &node->conditions[j];
			if (condition->kind != ENG_CONDITION_EVENT || condition->name != name ||
			    condition->event != 0)
				continue;
			condition->event = witness->event->number;
			condition->payload = bytes_hash(witness->event->payload);
		}
	}
}

void
on_event_pushed(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_command *cause = model->cause;
	unsigned tenant = event_tenant(witness);
	require(witness, witness->event->number == model->event_last + 1, "not the next event");
	require(witness, cause == NULL || (cause->type == ENG_CMD_EVENT_PUSH &&
	    bytes_equal(cause->event_push.key, witness->event->name) &&
	    bytes_equal(cause->event_push.payload, witness->event->payload)), "nobody pushed it");
	model->event_last++;
	for (size_t i = 0; i < model->run_count; i++) {
		struct model_run *run = model->runs[i];
		for (uint32_t j = 0; j < run->recipe->task_count && run->tenant == tenant; j++) {
			if (!run->closed && !model_closed(&run->tasks[j]))
				event_reach(witness, &run->tasks[j]);
		}
	}
}

/* ---------------------------------------------------------------------------- what is forgotten */

static bool
condition_came(const struct model_condition *condition, uint64_t now_ns)
{
	if (condition->kind == ENG_CONDITION_SLEEP)
		return condition->due_ns <= now_ns;
	return condition->event != 0;
}

static bool
node_came(const struct model *model, const struct model_node *node, uint64_t now_ns)
{
	bool came = node->child != 0 && model_run(model, node->child)->closed;
	for (unsigned i = 0; i < node->condition_count; i++)
		came = came || condition_came(&node->conditions[i], now_ns);
	return came;
}

void
nodes_settled(struct model *model, const struct model_run *run, uint64_t now_ns)
{
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		const struct model_task *task = &run->tasks[i];
		for (uint32_t j = 0; j < task->node_count && !model_closed(task); j++) {
			const struct model_node *node = &task->nodes[j];
			if (!node->done && node_came(model, node, now_ns))
				judge_fail(model->judge, "run %" PRIu64 " task %u node %u: what "
				    "it waits for has come", run->key, i, j + 1);
			if (node->done && task->state == MODEL_EVICTED && task->returns &&
			    j + 1 == task->node_count)
				judge_fail(model->judge, "run %" PRIu64 " task %u is away, what "
				    "it waits for has come", run->key, i);
		}
	}
}

uint64_t
nodes_due_ns(const struct model_run *run)
{
	uint64_t due_ns = UINT64_MAX;
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		const struct model_task *task = &run->tasks[i];
		for (uint32_t j = 0; j < task->node_count && !model_closed(task); j++) {
			const struct model_node *node = &task->nodes[j];
			for (uint32_t k = 0; k < node->condition_count && !node->done; k++) {
				if (node->conditions[k].kind == ENG_CONDITION_SLEEP &&
				    node->conditions[k].due_ns < due_ns)
					due_ns = node->conditions[k].due_ns;
			}
		}
	}
	return due_ns;
}
