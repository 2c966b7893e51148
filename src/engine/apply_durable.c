/*
 * engine/apply_durable: apply functions of nodes, evictions, events and approvals.
 */
#include "engine/apply_int.h"
#include "engine/durable_int.h"

/* A durable task of the event's run whose lease this is, and which makes its next node. */
static enum froe_err
find_stepping(const struct apply *apply, struct eng_task **ret_task)
{
	const struct eng_event *event = apply->event;
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	struct eng_task *task = &run->tasks[event->task];
	uint32_t count = task_durable(task) != NULL ? task_durable(task)->count : 0;
	if (!run->version->definitions[event->task].durable)
		return misfit(apply, "the task is not durable");
	if (task->state != ENG_TASK_ASSIGNED || task->lease != event->lease)
		return misfit(apply, "not its lease");
	if (event->node != count + 1 || count >= FROE_DURABLE_NODES_MAX)
		return misfit(apply, "not the next node");
	if (event->text.size > ENG_LABEL_BYTES_MAX)
		return misfit(apply, "its label is too long");
	*ret_task = task;
	return FROE_OK;
}

enum froe_err
apply_node_waited(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_parsed parsed[FROE_CONDITIONS_MAX];
	struct eng_task *task;
	uint64_t approvals = 0;
	enum froe_err err = find_stepping(apply, &task);
	if (err != FROE_OK)
		return err;
	if (event->condition_count == 0 || event->condition_count > FROE_CONDITIONS_MAX ||
	    event->data_count != event->condition_count)
		return misfit(apply, "its conditions are none, or too many");
	for (uint32_t i = 0; i < event->condition_count; i++) {
		if (!durable_parse(event->conditions[i], &parsed[i]))
			return misfit(apply, "a condition is none");
		approvals += parsed[i].kind == ENG_CONDITION_APPROVAL ? 1 : 0;
	}
	if (approvals != 0 && event->approval != run_tenant(task_run(task))->approval_last + 1)
		return misfit(apply, "not the next approval");
	task_run(task)->event_count++;
	struct eng_durable_node *node = durable_add(apply->eng, task, event, ENG_NODE_WAIT);
	node->wait = durable_wait_add(apply->eng, task, event, parsed);
	task_durable(task)->pending++;
	return FROE_OK;
}

/* The run was started by an event before this one. */
enum froe_err
apply_child_spawned(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_stepping(apply, &task);
	if (err != FROE_OK)
		return err;
	const struct eng_child *child = durable_child(task, apply->event->node);
	if (child == NULL || !uuid_equal(child->id, apply->event->child))
		return misfit(apply, "no such child");
	task_run(task)->event_count++;
	struct eng_durable_node *node = durable_add(apply->eng, task, apply->event, ENG_NODE_CHILD);
	node->wait = durable_wait_new(task, apply->event->node, 1);
	node->wait->parts[0].kind = ENG_CONDITION_CHILD;
	task_durable(task)->pending++;
	return FROE_OK;
}

enum froe_err
apply_memo_put(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_stepping(apply, &task);
	if (err != FROE_OK)
		return err;
	task_run(task)->event_count++;
	durable_add(apply->eng, task, apply->event, ENG_NODE_MEMO)->result =
	    apply->event->run_event_no;
	return FROE_OK;
}

/* The pending node that the event satisfies, by the condition that it names. */
static enum froe_err
find_pending(const struct apply *apply, struct eng_task **ret_task,
    struct eng_durable_node **ret_node)
{
	const struct eng_event *event = apply->event;
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	struct eng_durable_node *node = durable_node(&run->tasks[event->task], event->node);
	if (node == NULL || node->wait == NULL)
		return misfit(apply, "no such node waits");
	if (event->which >= node->wait->part_count)
		return misfit(apply, "no such condition");
	*ret_task = &run->tasks[event->task];
	*ret_node = node;
	return FROE_OK;
}

enum froe_err
apply_node_satisfied(struct apply *apply)
{
	struct eng_task *task;
	struct eng_durable_node *node;
	enum froe_err err = find_pending(apply, &task, &node);
	if (err != FROE_OK)
		return err;
	const struct eng_wait_part *part = &node->wait->parts[apply->event->which];
	if (part->kind == ENG_CONDITION_APPROVAL)
		return misfit(apply, "an approval is decided, not satisfied");
	if (part->kind == ENG_CONDITION_CHILD) {
		const struct eng_child *child = durable_child(task, apply->event->node);
		if (child == NULL || child->open)
			return misfit(apply, "its child has not ended");
	}
	if (part->key != NULL && part->key->number != apply->event->number)
		return misfit(apply, "no such event has come for it");
	task_run(task)->event_count++;
	durable_satisfy(apply->eng, task, node, apply->event);
	return FROE_OK;
}

enum froe_err
apply_approval_decided(struct apply *apply)
{
	struct eng_task *task;
	struct eng_durable_node *node;
	enum froe_err err = find_pending(apply, &task, &node);
	if (err != FROE_OK)
		return err;
	const struct eng_wait_part *part = &node->wait->parts[apply->event->which];
	if (part->approval == NULL || part->approval->number != apply->event->approval)
		return misfit(apply, "no such approval is open");
	task_run(task)->event_count++;
	durable_satisfy(apply->eng, task, node, apply->event);
	return FROE_OK;
}

/* A run whose only work is parked is EVICTED; its next assignment makes it RUNNING again. */
static bool
run_parked(const struct eng_run *run)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		if (run->tasks[i].state == ENG_TASK_ASSIGNED)
			return false;
	}
	return true;
}

enum froe_err
apply_task_evicted(struct apply *apply)
{
	struct eng_task *task;
	uint64_t lapse_ns = apply->event->lapse_ns;
	enum froe_err err = find_lease(apply, ENG_TASK_EVICTED, &task);
	if (err != FROE_OK)
		return err;
	const struct eng_durable_node *node = durable_node(task, apply->event->node);
	if (apply->event->node != 0 && (node == NULL || node->wait == NULL))
		return misfit(apply, "no such node waits");
	if (!task_definition(task)->durable)
		return misfit(apply, "the task is not durable");
	uint64_t worker = task->held.worker->id;
	task_move(apply->eng, task, ENG_TASK_EVICTED);
	task_release_slot(task);
	task_lapse_set(task, lapse_ns != 0 ? worker : 0, lapse_ns);
	durable_require(apply->eng, task)->returns = true;
	if (run_parked(task_run(task)))
		run_status_set(apply->eng, task_run(task), ENG_EVICTED);
	return FROE_OK;
}

enum froe_err
apply_event_pushed(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	if (tenant == NULL || event->number != eng->event_last + 1)
		return misfit(apply, "no such tenant, or not the next event");
	if (metadata_fault(event->metadata, event->metadata_count) != NULL)
		return misfit(apply, "its metadata is none");
	eng->event_last++;
	struct eng_key *key = durable_key_find(tenant, event->name);
	if (key != NULL)
		durable_key_deliver(eng, key, event->number, event->payload,
		    (struct metadata){event->metadata, event->metadata_count});
	return FROE_OK;
}
