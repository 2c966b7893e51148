/*
 * engine/decide_durable: the steps of durable tasks.
 *
 * A handler says what its step number n is. If the log has a node n, it must be the same step (its
 * fingerprint says so) and its result is the answer; if not, the node is made. So a new attempt
 * goes through the steps of the old ones without doing them again. A step that differs means that
 * the handler does not do the same each time: nothing that it would do from there on can be
 * trusted, and its attempt fails for good.
 */
#include "engine/durable_int.h"

#include "base/fingerprint.h"
#include "base/plant.h"

#include <inttypes.h>
#include <stdio.h>

/* ------------------------------------------------------------------------------- what a step is */

struct label {
	char text[ENG_LABEL_BYTES_MAX + 1];
	size_t size;
};

static void
label_push(struct label *label, const char *text, struct bytes name)
{
	size_t room = ENG_LABEL_BYTES_MAX - label->size, size = strlen(text);
	if (size > room)
		size = room;
	memcpy(label->text + label->size, text, size);
	label->size += size;
	size = (size_t)name_clip(name, ENG_LABEL_BYTES_MAX - label->size);
	if (size > 0)
		memcpy(label->text + label->size, name.data, size);
	label->size += size;
	label->text[label->size] = 0;
}

static void
label_condition(struct label *label, const struct eng_condition *condition)
{
	char text[48];
	switch ((enum eng_condition_kind)condition->kind) {
	case ENG_CONDITION_SLEEP:
		if (condition->until_ns != 0)
			snprintf(text, sizeof(text), "sleep until %" PRIu64 " ns",
			    condition->until_ns);
		else
			snprintf(text, sizeof(text), "sleep %" PRIu64 " ms", condition->sleep_ms);
		label_push(label, text, bytes_of(NULL, 0));
		return;
	case ENG_CONDITION_EVENT:
		label_push(label, "event ", condition->name);
		return;
	case ENG_CONDITION_APPROVAL:
		label_push(label, "approval ", condition->name);
		return;
	case ENG_CONDITION_VALUE:
		label_push(label, "value ", condition->name);
		return;
	case ENG_CONDITION_CHILD: /* refused before it gets here, but for its name */
		return;
	}
}

static void
step_label(const struct eng_command *command, struct label *label)
{
	label->size = 0;
	label->text[0] = 0;
	if (command->durable.kind == ENG_NODE_MEMO)
		label_push(label, "memo ", command->durable.name);
	if (command->durable.kind == ENG_NODE_CHILD)
		label_push(label, "child ", command->durable.child.workflow);
	for (uint32_t i = 0; i < command->durable.condition_count; i++) {
		if (i > 0)
			label_push(label, " or ", bytes_of(NULL, 0));
		label_condition(label, &command->durable.conditions[i]);
	}
}

static uint64_t
step_fingerprint(const struct eng_command *command)
{
	struct bytes name = command->durable.kind == ENG_NODE_CHILD
	    ? command->durable.child.workflow
	    : command->durable.name;
	uint64_t fingerprint = fingerprint_begin(command->durable.kind, name);
	for (uint32_t i = 0; i < command->durable.condition_count; i++) {
		const struct eng_condition *condition = &command->durable.conditions[i];
		fingerprint = fingerprint_condition(fingerprint, condition->kind,
		    condition->sleep_ms, condition->until_ns, condition->name);
	}
	return fingerprint;
}

/* ------------------------------------------------------------------------------------ answering */

static struct eng_effect *
reply_node(struct eng_turn *turn, struct eng_task *task, uint32_t number)
{
	const struct eng_durable_node *node = durable_node(task, number);
	if (number > 1 && plant(MEMO_SWAPPED))
		node = durable_node(task, number - 1);
	struct eng_effect *effect = reply_ok(turn);
	effect->run = task_run(task)->key;
	effect->id = uuid_task(task_run(task)->id, task->index);
	effect->task = task->index;
	effect->lease = task->lease;
	effect->worker = task->held.worker->id;
	effect->node = number;
	if (node == NULL) {
		effect->node_state = ENG_NODE_ABSENT;
		return effect;
	}
	effect->node_state = node->result != 0 ? ENG_NODE_DONE : ENG_NODE_PENDING;
	effect->record = node->result;
	effect->which = node->which;
	effect->order = durable_order(task_durable(task), node);
	if (node->kind == ENG_NODE_CHILD && durable_child(task, number) != NULL)
		effect->child = durable_child(task, number)->id;
	return effect;
}

void
node_follow(struct eng_turn *turn, struct eng_task *task, uint32_t number)
{
	const struct eng_durable_node *node = durable_node(task, number);
	if (task->state == ENG_TASK_EVICTED) {
		task_queue_lapsed(turn, task, ENG_REASON_SATISFIED);
		return;
	}
	if (task->state != ENG_TASK_ASSIGNED)
		return; /* its next attempt asks */
	struct eng_effect *effect = effect_push(turn, ENG_EFF_NODE);
	effect->run = task_run(task)->key;
	effect->id = uuid_task(task_run(task)->id, task->index);
	effect->task = task->index;
	effect->lease = task->lease;
	effect->worker = task->held.worker->id;
	effect->node = number;
	effect->node_state = ENG_NODE_DONE;
	effect->record = node->result;
	effect->which = node->which;
	effect->order = durable_order(task_durable(task), node);
}

/* The handler does not do what it did: both steps are named, and the attempt is over, unless its
 * handler wants to end it. */
static void
step_differs(struct eng_turn *turn, struct eng_task *task, const struct eng_durable_node *node)
{
	struct label now;
	step_label(turn->command, &now);
	reply_fault(turn, FROE_NONDETERMINISM, "node",
	    "step %u of the task was \"%.*s\" before and is \"%s\" now: a durable handler takes "
	    "the same steps in each attempt; put what may differ into a memo",
	    turn->command->durable.node, (int)node->label.size, (const char *)node->label.data,
	    now.text);
	if (turn->command->durable.told)
		return;
	const char *text = turn->eng->fault.text;
	size_t size = strlen(text);
	task_attempt_lapse(turn, task, ENG_REASON_FATAL,
	    bytes_of(arena_copy(&turn->eng->arena, text, size), size), command_lapse_ns(turn));
}

/* -------------------------------------------------------------------------------------- making */

static struct bytes
condition_text(struct eng_turn *turn, const struct eng_condition *condition)
{
	char sleep[32];
	const char *prefix = "event:";
	struct bytes rest = condition->name;
	if (condition->kind == ENG_CONDITION_SLEEP) {
		uint64_t deadline_ns = condition->until_ns;
		if (deadline_ns == 0)
			deadline_ns = turn->now_ns + delay_ns_of(condition->sleep_ms);
		prefix = "sleep:";
		snprintf(sleep, sizeof(sleep), "%" PRIu64, deadline_ns);
		rest = bytes_text(sleep);
	} else if (condition->kind == ENG_CONDITION_APPROVAL) {
		prefix = "approval:";
	} else if (condition->kind == ENG_CONDITION_VALUE) {
		prefix = "value:";
	}
	size_t size = strlen(prefix);
	uint8_t *text = arena_alloc(&turn->eng->arena, size + rest.size);
	memcpy(text, prefix, size);
	memcpy(text + size, rest.data, rest.size);
	return bytes_of(text, size + rest.size);
}

static void
wait_event(struct eng_turn *turn, struct eng_event *event)
{
	const struct eng_command *command = turn->command;
	uint32_t count = command->durable.condition_count;
	struct bytes *texts = arena_alloc(&turn->eng->arena, count * sizeof(*texts));
	struct bytes *data = arena_alloc(&turn->eng->arena, count * sizeof(*data));
	bool approvals = false;
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_condition *condition = &command->durable.conditions[i];
		bool approval = condition->kind == ENG_CONDITION_APPROVAL;
		texts[i] = condition_text(turn, condition);
		data[i] = approval ? condition->data : bytes_of(NULL, 0);
		approvals = approvals || approval;
	}
	event->type = ENG_EV_NODE_WAITED;
	event->conditions = texts;
	event->condition_count = count;
	event->data = data;
	event->data_count = count;
	if (approvals)
		event->approval = command_tenant(turn)->approval_last + 1;
}

/* The run and its node, in one step; a run that is there already is taken for it. */
static bool
child_make(struct eng_turn *turn, struct eng_task *task, struct eng_event *event)
{
	const struct eng_command *command = turn->command;
	struct eng_start start = command->durable.child;
	char *key = arena_alloc(&turn->eng->arena, ENG_NODE_KEY_SIZE);
	struct eng_started started;
	struct froe_fault fault;
	start.child = true;
	start.parent = command->durable.fence;
	start.worker = command->durable.worker;
	start.child_key = bytes_of(key, durable_child_key(command->durable.node, key));
	enum froe_err err = run_start_one(turn, &start, &started, &fault);
	if (err != FROE_OK) {
		reply_fault(turn, err, fault.field, "%s", fault.text);
		return false;
	}
	event->type = ENG_EV_CHILD_SPAWNED;
	event->child = started.id;
	emit(turn, event);
	const struct eng_child *child = durable_child(task, event->node);
	if (!child->open)
		child_closed(turn, uuid_task(task_run(task)->id, task->index), child);
	return true;
}

void
child_closed(struct eng_turn *turn, struct uuid parent, const struct eng_child *child)
{
	static const enum eng_reason reasons[] = {
	    [ENG_COMPLETED] = ENG_REASON_COMPLETED,
	    [ENG_FAILED] = ENG_REASON_FAILED,
	    [ENG_CANCELLED] = ENG_REASON_REQUESTED,
	};
	uint32_t index, number = durable_child_node(child->key);
	struct eng_run *run = eng_run_by_id(turn->eng, uuid_run_of(parent, &index));
	if (run == NULL || number == 0)
		return;
	struct eng_task *task = &run->tasks[index - 1];
	const struct eng_durable_node *node = durable_node(task, number);
	if (node == NULL || node->kind != ENG_NODE_CHILD || node->wait == NULL)
		return;
	struct eng_event event = {
	    .type = ENG_EV_NODE_SATISFIED,
	    .run = run->key,
	    .task = task->index,
	    .node = number,
	    .reason = (uint32_t)reasons[child->status],
	    .child = child->id,
	};
	emit(turn, &event);
	node_follow(turn, task, number);
}

/* False: it was refused. */
static bool
node_make(struct eng_turn *turn, struct eng_task *task)
{
	const struct eng_command *command = turn->command;
	struct label *label = arena_alloc(&turn->eng->arena, sizeof(*label));
	step_label(command, label);
	struct eng_event event = {
	    .type = ENG_EV_MEMO_PUT,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .lease = task->lease,
	    .node = command->durable.node,
	    .fingerprint = step_fingerprint(command),
	    .text = bytes_of(label->text, label->size),
	};
	if (command->durable.kind == ENG_NODE_CHILD)
		return child_make(turn, task, &event);
	if (command->durable.kind == ENG_NODE_WAIT)
		wait_event(turn, &event);
	else
		event.payload = command->durable.value;
	emit(turn, &event);
	return true;
}

/* ------------------------------------------------------------------------------------- commands */

static bool
condition_valid(struct eng_turn *turn, uint32_t index)
{
	const struct eng_condition *condition = &turn->command->durable.conditions[index];
	bool sleep = condition->kind == ENG_CONDITION_SLEEP;
	char field[32];
	snprintf(field, sizeof(field), "conditions[%u]", index);
	if (condition->kind < ENG_CONDITION_SLEEP || condition->kind > ENG_CONDITION_VALUE ||
	    condition->kind == ENG_CONDITION_CHILD)
		reply_fault(turn, FROE_INVALID_ARGUMENT, field, "unknown kind %u", condition->kind);
	else if (!sleep &&
		 (condition->name.size == 0 || condition->name.size > FROE_NAME_BYTES_MAX))
		reply_fault(turn, FROE_INVALID_ARGUMENT, field,
		    "a name of 1 to %u bytes is missing", FROE_NAME_BYTES_MAX);
	else if (condition->data.size > FROE_APPROVAL_DATA_BYTES_MAX)
		reply_fault(turn, FROE_TOO_LARGE, field,
		    "what an approver is shown has at most %u bytes: pass a reference",
		    FROE_APPROVAL_DATA_BYTES_MAX);
	else
		return true;
	return false;
}

static bool
step_valid(struct eng_turn *turn, const struct eng_task *task)
{
	const struct eng_command *command = turn->command;
	uint32_t count = task_durable(task) != NULL ? task_durable(task)->count : 0;
	uint32_t conditions = command->durable.condition_count;
	bool wait = command->durable.kind == ENG_NODE_WAIT;
	if (!wait && command->durable.kind != ENG_NODE_MEMO &&
	    command->durable.kind != ENG_NODE_CHILD) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "kind", "unknown kind %u",
		    command->durable.kind);
		return false;
	}
	if (command->durable.node == 0 || command->durable.node > count + 1) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "node",
		    "step %u is not the next: the task has made %u", command->durable.node, count);
		return false;
	}
	if (command->durable.node > FROE_DURABLE_NODES_MAX) {
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "node",
		    "a durable task takes at most %u steps: go on in a run of its own",
		    FROE_DURABLE_NODES_MAX);
		return false;
	}
	if (wait != (conditions > 0) || conditions > FROE_CONDITIONS_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "conditions",
		    "a wait has 1 to %u conditions, any other step none", FROE_CONDITIONS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < conditions; i++) {
		if (!condition_valid(turn, i))
			return false;
	}
	return true;
}

static struct eng_task *
durable_lease(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_task *task =
	    fence_lease(turn, command->durable.worker.v, &command->durable.fence);
	if (task == NULL || task_definition(task)->durable)
		return task;
	reply_fault(turn, FROE_FAILED_PRECONDITION, "task",
	    "the task is not durable: set `durable` in its definition");
	return NULL;
}

/* Known steps are answered whatever there is of them. */
static bool
node_allowed(struct eng_turn *turn, const struct eng_task *task)
{
	const struct eng_command *command = turn->command;
	struct froe_fault fault;
	uint32_t approvals = 0;
	for (uint32_t i = 0; i < command->durable.condition_count; i++)
		approvals += command->durable.conditions[i].kind == ENG_CONDITION_APPROVAL ? 1 : 0;
	if (quota_approvals(task, approvals, &fault) == FROE_OK)
		return true;
	reply_fault(turn, fault.code, fault.field, "%s", fault.text);
	return false;
}

/* The handler gives what the node waits for. One that has its result keeps it. */
static void
value_give(struct eng_turn *turn, struct eng_task *task)
{
	const struct eng_command *command = turn->command;
	const struct eng_durable_node *node = durable_node(task, command->durable.node);
	const struct eng_wait *wait = node->wait;
	uint32_t which = 0;
	while (wait != NULL && which < wait->part_count &&
	    wait->parts[which].kind != ENG_CONDITION_VALUE)
		which++;
	if (wait == NULL || which == wait->part_count)
		return;
	struct eng_event event = {
	    .type = ENG_EV_NODE_SATISFIED,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .node = command->durable.node,
	    .which = which,
	    .payload = command->durable.value,
	};
	emit(turn, &event);
}

void
decide_durable_step(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_task *task = durable_lease(turn);
	if (task != NULL && command->durable.kind == 0) {
		reply_node(turn, task, command->durable.node);
		return;
	}
	if (task == NULL || !step_valid(turn, task))
		return;
	const struct eng_durable_node *node = durable_node(task, command->durable.node);
	if (node != NULL && node->fingerprint != step_fingerprint(command)) {
		step_differs(turn, task, node);
		return;
	}
	bool asks = command->durable.kind == ENG_NODE_MEMO && !command->durable.has_value;
	if (node == NULL && !asks && (!node_allowed(turn, task) || !node_make(turn, task)))
		return;
	if (command->durable.kind == ENG_NODE_WAIT && command->durable.has_value)
		value_give(turn, task);
	reply_node(turn, task, command->durable.node)->created = node == NULL && !asks;
}

/* Would it wait for ever, or for longer than it has to? */
static bool
results_missed(const struct eng_turn *turn, const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	uint32_t results = durable != NULL ? durable->count - durable->pending : 0;
	return results > turn->command->durable.results || !durable_parked(task);
}

/* Its worker wants the slot for others. What it waits for may have come meanwhile: then it is
 * told so, and the node's result is on its way. Its handler returns when it hears of this: an
 * exactly-once task comes back when that has happened, or has surely happened. */
void
decide_task_evict(struct eng_turn *turn)
{
	struct eng_task *task = durable_lease(turn);
	if (task == NULL)
		return;
	uint32_t number = turn->command->durable.node;
	const struct eng_durable_node *node = durable_node(task, number);
	if (number != 0 && (node == NULL || node->wait == NULL)) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "node",
		    node == NULL ? "the task has made no such step"
		                 : "the step has its result: nothing is waited for");
		return;
	}
	if (number != 0 && !durable_parked(task)) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "node",
		    "the step waits for a value that the task's handler gives");
		return;
	}
	bool returns = number == 0 && results_missed(turn, task);
	struct eng_event event = {
	    .type = ENG_EV_TASK_EVICTED,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .lease = task->lease,
	    .node = number,
	    .lapse_ns = task_lapse_ns(turn, task),
	};
	emit(turn, &event);
	if (returns)
		task_queue_lapsed(turn, task, ENG_REASON_SATISFIED);
	reply_ok(turn);
}

/* A sleep is over. */
void
wait_due(struct eng_turn *turn, struct eng_wait *wait)
{
	struct eng_task *task = wait->task;
	uint32_t number = wait->node, which = 0;
	while (wait->parts[which].kind != ENG_CONDITION_SLEEP ||
	    wait->parts[which].deadline_ns != wait->timer.timer.deadline_ns)
		which++;
	struct eng_event event = {
	    .type = ENG_EV_NODE_SATISFIED,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .node = number,
	    .which = which,
	};
	emit(turn, &event);
	node_follow(turn, task, number);
}
