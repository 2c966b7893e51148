/*
 * How runs come to be: one or several at once, as the children of a task, once over a key's time,
 * at a time. What a trigger must be answered, and whether a start may happen (see model_event.c).
 */
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "sim/world/model_int.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_TTL_MS UINT64_C(86400000)

/* Before a run has begun it has no tasks. */
static const struct recipe nothing;

/* The starts of the command at hand; a child that is a node's has the node's name for its key. */
static const struct eng_start *
cause_starts(const struct model *model, struct eng_start *child, char key[24], uint32_t *ret_count)
{
	const struct eng_command *command = model->cause;
	*ret_count = 1;
	if (command->type == ENG_CMD_RUN_START)
		return &command->run_start;
	if (command->type == ENG_CMD_RUN_START_MANY) {
		*ret_count = command->run_start_many.count;
		return command->run_start_many.starts;
	}
	*child = command->durable.child;
	child->child = true;
	child->parent = command->durable.fence;
	child->worker = command->durable.worker;
	int size = snprintf(key, 24, "node:%u", command->durable.node);
	child->child_key = bytes_of(key, (size_t)size);
	return child;
}

static uint64_t
name_hash(struct bytes name)
{
	return name.size != 0 ? bytes_hash(name) : 0;
}

static struct model_run *
child_of(const struct model *model, struct uuid parent, uint32_t index, uint64_t key)
{
	for (size_t i = 0; i < model->run_count; i++) {
		struct model_run *run = model->runs[i];
		if (!run->unlisted && uuid_equal(run->parent, parent) && run->child_key == key &&
		    (key != 0 || run->child_index == index))
			return run;
	}
	return NULL;
}

/* The key's run, while the key counts. */
static struct model_run *
run_of_key(const struct model *model, unsigned tenant, uint64_t name, uint64_t now_ns)
{
	for (size_t i = 0; i < model->key_count; i++) {
		const struct model_key *key = &model->keys[i];
		struct model_run *run = model_run(model, key->run);
		if (key->tenant != tenant || key->name != name)
			continue;
		if (key->until_ns != 0 ? now_ns < key->until_ns : !run->closed)
			return run;
	}
	return NULL;
}

/* Has an earlier trigger started it? */
static struct model_run *
start_known(const struct model *model, unsigned tenant, const struct eng_start *start)
{
	struct model_run *run = NULL;
	if (start->child) {
		run = child_of(model, start->parent.task, start->child_index,
		    name_hash(start->child_key));
		if (run != NULL)
			judge_mark(model->judge, KIND_CHILD_AGAIN);
	} else if (start->key.size != 0) {
		run = run_of_key(model, tenant, bytes_hash(start->key), model->now_ns);
		if (run != NULL)
			judge_mark(model->judge, KIND_KEY_FOUND);
	}
	if (run == NULL && model->cause->type == ENG_CMD_RUN_START_MANY) {
		run = model_run_by_id(model, start->run);
		run = run != NULL && run->tenant == tenant ? run : NULL;
	}
	return run;
}

static enum froe_err
start_refused(struct model *model, unsigned tenant, const struct eng_start *start)
{
	if (start->child && !model_fence_current(model, start->worker.v, &start->parent))
		return FROE_LEASE_LAPSED;
	if (start_known(model, tenant, start) != NULL)
		return FROE_OK;
	const struct model_workflow *workflow =
	    model_workflow_of(model, tenant, start->workflow);
	if (workflow == NULL || workflow->version_count == 0)
		return FROE_NOT_FOUND;
	struct model_run *run = model_run_by_id(model, start->run);
	if (run == NULL)
		return FROE_OK;
	model->answer.run = run->tenant == tenant ? run->key : 0;
	return FROE_ALREADY_EXISTS;
}

/* Two starts of one command that are the same run: the second one finds the first, if that is new.
 * One that was asked for before may have ended, and its key with it. */
static bool
start_same(const struct eng_start *a, const struct eng_start *b)
{
	if (a->child != b->child)
		return false;
	if (a->child)
		return uuid_equal(a->parent.task, b->parent.task) &&
		    bytes_equal(a->child_key, b->child_key) &&
		    (a->child_key.size != 0 || a->child_index == b->child_index);
	return a->key.size != 0 && bytes_equal(a->key, b->key);
}

static void
answer_start(struct model *model, unsigned tenant, const struct eng_start *starts, uint32_t i,
    uint64_t *next)
{
	struct model_started *started = &model->answer.starts[i];
	const struct model_run *known = start_known(model, tenant, &starts[i]);
	*started = (struct model_started){.run = known != NULL ? known->key : 0};
	for (uint32_t j = 0; j < i && started->run == 0; j++) {
		if (model->answer.starts[j].created && start_same(&starts[i], &starts[j]))
			started->run = model->answer.starts[j].run;
	}
	started->created = started->run == 0;
	if (started->created)
		started->run = (*next)++;
}

static enum froe_err
answer_all(struct model *model, unsigned tenant)
{
	char key[24];
	uint32_t count;
	struct eng_start child;
	const struct eng_start *starts = cause_starts(model, &child, key, &count);
	uint64_t next = model->run_count + 1;
	enum froe_err err = FROE_OK;
	froe_assert(count <= MODEL_STARTS_MAX);
	for (uint32_t i = 0; i < count && err == FROE_OK; i++)
		err = start_refused(model, tenant, &starts[i]);
	if (err != FROE_OK)
		return err;
	model->answer.start_count = count;
	for (uint32_t i = 0; i < count; i++)
		answer_start(model, tenant, starts, i, &next);
	return FROE_OK;
}

void
answer_starts(struct model *model, unsigned tenant)
{
	model->answer.err = answer_all(model, tenant);
	if (model->answer.err == FROE_OK && model->cause->type == ENG_CMD_RUN_START)
		model->answer.run = model->answer.starts[0].run;
}

enum froe_err
answer_child_node(struct model *model, unsigned tenant)
{
	return answer_all(model, tenant);
}

/* Each trigger is told its run, and whether it is the first to get it. */
void
effect_started(struct model *model, const struct eng_effect *effect)
{
	if (effect->started_count != model->answer.start_count)
		judge_fail(model->judge, "%u starts are answered, %u were asked for",
		    effect->started_count, model->answer.start_count);
	for (uint32_t i = 0; i < effect->started_count; i++) {
		const struct eng_started *started = &effect->started[i];
		const struct model_started *expected = &model->answer.starts[i];
		const struct model_run *run = model_run(model, expected->run);
		if (started->run != expected->run || started->created != expected->created)
			judge_fail(model->judge, "start %u is run %" PRIu64 " (created %d), "
			    "expected %" PRIu64 " (%d)", i, started->run, started->created,
			    expected->run, expected->created);
		if (run == NULL || !uuid_equal(run->id, started->id))
			judge_fail(model->judge, "start %u is told another id", i);
		if (!started->created && run->closed && started->status != run->status &&
		    started->status != run->first_status)
			judge_fail(model->judge, "start %u is told another end", i);
	}
}

/* What one step has started is one frame's: after any crash all of it is there, or nothing. */
void
batch_keep(struct model *model)
{
	unsigned created = 0;
	if (model->cause->type != ENG_CMD_RUN_START_MANY || model->answer.err != FROE_OK)
		return;
	uint64_t first = model->batch_id_count;
	for (uint32_t i = 0; i < model->answer.start_count; i++) {
		if (!model->answer.starts[i].created)
			continue;
		model->batch_ids = model_grow(model->batch_ids, model->batch_id_count,
		    sizeof(*model->batch_ids));
		model->batch_ids[model->batch_id_count++] =
		    model->cause->run_start_many.starts[i].run;
		created++;
	}
	model->batches = model_grow(model->batches, model->batch_count, sizeof(*model->batches));
	model->batches[model->batch_count++] =
	    (struct model_batch){.first = first, .count = created};
}

void
model_check_batches(struct model *model)
{
	for (size_t i = 0; i < model->batch_count; i++) {
		struct model_batch *batch = &model->batches[i];
		unsigned there = 0;
		for (unsigned j = 0; j < batch->count; j++)
			there += model_run_by_id(model, model->batch_ids[batch->first + j]) != NULL;
		if (there != 0 && there != batch->count)
			judge_fail(model->judge, "of %u runs that were started at once %u are "
			    "there", batch->count, there);
		if (there == 0 && batch->count > 1)
			judge_mark(model->judge, KIND_BULK_CUT);
		if (there == 0)
			batch->count = 0; /* asked again it is another batch */
	}
}

/* --------------------------------------------------------------------------------- what happens */

/* Of the command's starts the one that this event is; NULL: replaying. */
static const struct eng_start *
event_start(struct witness *witness, struct eng_start *child, char key[24])
{
	const struct model *model = witness->model;
	const struct eng_command *cause = model->cause;
	uint32_t count, i = 0;
	if (cause == NULL)
		return NULL;
	bool node = cause->type == ENG_CMD_DURABLE_STEP && cause->durable.kind == ENG_NODE_CHILD;
	require(witness, cause->type == ENG_CMD_RUN_START || node ||
	    cause->type == ENG_CMD_RUN_START_MANY, "nobody triggered a run");
	require(witness, model->answer.err == FROE_OK, "it was to be refused");
	const struct eng_start *starts = cause_starts(model, child, key, &count);
	while (i < count && (!uuid_equal(starts[i].run, witness->event->id) ||
	    !model->answer.starts[i].created))
		i++;
	require(witness, i < count, "another id, or one that was known");
	require(witness, model->answer.starts[i].run == witness->event->run, "out of order");
	return &starts[i];
}

static void
check_deadline(const struct witness *witness, const struct model_run *run,
    const struct eng_start *start)
{
	uint64_t timeout_ms = start->timeout_ms;
	if (timeout_ms == 0 && !run->unbound)
		timeout_ms = run->recipe->run_timeout_ms;
	uint64_t from_ns = run->unbound ? run->start_ns : run->created_ns;
	uint64_t due_ns = timeout_ms != 0 ? from_ns + timeout_ms * NS_PER_MS : 0;
	require(witness, run->due_ns == due_ns, "another deadline");
}

/* A trigger's time: later than now, or it has none. */
static void
check_time(const struct witness *witness, const struct model_run *run,
    const struct eng_start *start)
{
	uint64_t now_ns = witness->event->time_ns, at_ns = start->start_ns;
	if (start->delay_ms != 0)
		at_ns = now_ns + start->delay_ms * NS_PER_MS;
	require(witness, run->start_ns == (at_ns > now_ns ? at_ns : 0), "at another time");
}

static void
check_start(const struct witness *witness, const struct model_run *run,
    const struct eng_start *start)
{
	char name[RECIPE_NAME_BYTES];
	recipe_workflow_name(run->workflow, name);
	require(witness, witness->model->cause->tenant.v == witness->event->tenant,
	    "another tenant's");
	require(witness, bytes_equal(start->workflow, bytes_text(name)), "another workflow");
	require(witness, bytes_hash(start->input) == run->input_hash, "another input");
	uint32_t priority = start->priority;
	if (priority == 0 && !run->unbound)
		priority = run->recipe->priority != 0 ? run->recipe->priority : 1;
	require(witness, run->priority == priority, "another priority");
	check_time(witness, run, start);
	check_deadline(witness, run, start);
	struct uuid parent = start->child ? start->parent.task : (struct uuid){0};
	require(witness, uuid_equal(run->parent, parent), "another parent");
	require(witness, run->child_key == name_hash(start->child_key) &&
	    (run->child_key != 0 || run->child_index == start->child_index), "another child");
	require(witness, bytes_equal(start->key, witness->event->key), "another key");
}

/* Its own pairs, and those of its parent that it does not have. */
static void
check_metadata(struct witness *witness, const struct eng_start *start, struct model_run *run)
{
	uint8_t expected[MODEL_METADATA] = {0};
	const struct eng_event *event = witness->event;
	for (uint32_t i = 0; i + 1 < event->metadata_count; i += 2) {
		unsigned key = (unsigned)event->metadata[i].data[0] - 'a';
		require(witness, event->metadata[i].size == 1 && key < MODEL_METADATA &&
		    run->metadata[key] == 0, "metadata that nobody gave it");
		run->metadata[key] = event->metadata[i + 1].data[0];
	}
	if (start == NULL)
		return;
	uint32_t number;
	const struct model_run *parent =
	    model_run_by_id(witness->model, uuid_run_of(run->parent, &number));
	if (parent != NULL)
		memcpy(expected, parent->metadata, sizeof(expected));
	for (uint32_t i = 0; i + 1 < start->metadata_count; i += 2)
		expected[start->metadata[i].data[0] - 'a'] = start->metadata[i + 1].data[0];
	require(witness, memcmp(expected, run->metadata, sizeof(expected)) == 0,
	    "other metadata");
}

static void
key_take(struct witness *witness, const struct eng_start *start, const struct model_run *run)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	if (event->key.size == 0)
		return;
	uint64_t name = bytes_hash(event->key), ttl_ms = KEY_TTL_MS;
	require(witness, run_of_key(model, run->tenant, name, event->time_ns) == NULL,
	    "a second run within its key's time");
	for (size_t i = 0; i < model->key_count; i++) {
		if (model->keys[i].tenant == run->tenant && model->keys[i].name == name)
			judge_mark(model->judge, KIND_KEY_OVER);
	}
	if (start != NULL) {
		ttl_ms = start->key_ttl_ms != 0 ? start->key_ttl_ms : ttl_ms;
		uint64_t until_ns = start->key_until_end ? 0 : event->time_ns + ttl_ms * NS_PER_MS;
		require(witness, event->key_until_ns == until_ns, "its key has another time");
	}
	model->keys = model_grow(model->keys, model->key_count, sizeof(*model->keys));
	model->keys[model->key_count++] = (struct model_key){
	    .tenant = run->tenant,
	    .name = name,
	    .until_ns = event->key_until_ns,
	    .run = run->key,
	};
}

static struct model_workflow *
event_workflow(const struct witness *witness, unsigned tenant, unsigned *ret_name)
{
	for (unsigned i = 0; i < PLAN_WORKFLOWS_MAX; i++) {
		struct model_workflow *workflow = &witness->model->workflows[tenant][i];
		*ret_name = i;
		if (workflow->number != 0 && workflow->number == witness->event->workflow)
			return workflow;
	}
	require(witness, false, "no such workflow of this tenant");
	return NULL;
}

static void
child_enter(struct witness *witness, struct model_run *run)
{
	uint32_t number;
	struct model *model = witness->model;
	if (uuid_is_nil(run->parent))
		return;
	struct model_run *parent = model_run_by_id(model, uuid_run_of(run->parent, &number));
	require(witness, parent != NULL && !parent->closed && number >= 1 &&
	    number <= parent->recipe->task_count, "its parent is not there");
	require(witness, parent->tasks[number - 1].state == MODEL_HELD, "its parent does not run");
	require(witness, child_of(model, run->parent, run->child_index, run->child_key) == NULL,
	    "a second run of this child");
	run->depth = parent->depth + 1;
	run->doomed = parent->doomed;
}

static struct model_run *
run_enter(struct model *model, struct model_run *run)
{
	model->runs = model_grow(model->runs, model->run_count, sizeof(struct model_run *));
	model->runs[model->run_count++] = run;
	map_put_uuid(&model->run_ids, run->id, run);
	model->run_open++;
	model->step.started++;
	return run;
}

void
on_run_started(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	struct eng_start child;
	char key[24];
	unsigned tenant = event_tenant(witness), name;
	struct model_workflow *workflow = event_workflow(witness, tenant, &name);
	bool later = event->start_ns != 0;
	require(witness, event->run == model->run_count + 1, "not the next run");
	require(witness, model_run_by_id(model, event->id) == NULL, "a second run with this id");
	require(witness, event->version == (later ? 0 : workflow->version_count),
	    "not the newest version");
	struct model_run *run = mem_zalloc(sizeof(*run));
	*run = (struct model_run){
	    .key = event->run,
	    .id = event->id,
	    .tenant = tenant,
	    .workflow = name,
	    .recipe = later ? &nothing : workflow->versions[event->version - 1],
	    .version = event->version,
	    .unbound = later,
	    .start_ns = event->start_ns,
	    .input_hash = bytes_hash(event->payload),
	    .input = {1, bytes_hash(event->payload)},
	    .created_ns = event->time_ns,
	    .opened = witness->model->event_count,
	    .due_ns = event->deadline_ns,
	    .priority = event->priority,
	    .parent = event->parent,
	    .child_index = event->child_index,
	    .child_key = name_hash(event->child_key),
	};
	const struct eng_start *start = event_start(witness, &child, key);
	if (start != NULL)
		check_start(witness, run, start);
	check_metadata(witness, start, run);
	child_enter(witness, run);
	key_take(witness, start, run);
	witness->run = run_enter(model, run);
}

/* Its time has come: it is a run of the newest version now. */
void
on_run_due(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	struct model_run *run = witness->run;
	struct model_workflow *workflow = &model->workflows[run->tenant][run->workflow];
	require(witness, caused_by(witness, ENG_CMD_TIMER), "no timer fired");
	require(witness, run->unbound && run->cancel_reason == 0, "it does not wait for its time");
	require(witness, run->start_ns <= event->time_ns, "before its time");
	require(witness, event->version == workflow->version_count, "not the newest version");
	bool late = run->start_ns < model->started_ns;
	require(witness, (event->late != 0) == late, "late, or not, and not said so");
	judge_mark(model->judge, late ? KIND_RUN_LATE : KIND_RUN_DUE);
	uint64_t timeout_ns = run->due_ns != 0 ? run->due_ns - run->start_ns : 0;
	run->unbound = false;
	run->version = event->version;
	run->recipe = workflow->versions[event->version - 1];
	if (timeout_ns == 0)
		timeout_ns = run->recipe->run_timeout_ms * NS_PER_MS;
	run->due_ns = timeout_ns != 0 ? event->time_ns + timeout_ns : 0;
	require(witness, event->deadline_ns == run->due_ns, "another deadline");
	if (run->priority == 0)
		run->priority = run->recipe->priority != 0 ? run->recipe->priority : 1;
	require(witness, event->priority == run->priority, "another priority");
}

/* All that are open below it, now: each has to be cancelled, or to end by itself. */
void
model_doom(struct model *model, struct model_run *run)
{
	uint32_t number;
	for (size_t i = 0; i < model->run_count; i++) {
		struct model_run *child = model->runs[i];
		if (child->closed || child->doomed || child->independent ||
		    uuid_is_nil(child->parent) ||
		    !uuid_equal(uuid_run_of(child->parent, &number), run->id))
			continue;
		child->doomed = true;
		model_doom(model, child);
	}
}
