/*
 * engine/decide_start: runs begin: one, many at once, as a child of a task, with an idempotency
 * key, at a time.
 *
 * A trigger whose key or child number is known is answered with the run that the first one started.
 * The others are checked, all of them, before the first event; so a bulk trigger is whole or
 * nothing. A run that is scheduled starts unbound: RUN_DUE gives it the newest version of its
 * workflow, and tasks.
 */
#include "engine/engine_int.h"

#include "base/json.h"

#include <stdio.h>

/* What the starts of one command add up to, while they are checked. */
struct batch {
	struct map ids;
	struct map children; /* parent task -> how many it would get */
	uint32_t keys;
	uint32_t runs; /* new ones */
};

/* Most have used neither. */
static void
batch_release(struct batch *batch)
{
	if (batch->ids.count != 0)
		map_release(&batch->ids);
	if (batch->children.count != 0)
		map_release(&batch->children);
}

/* One start of a command, and what the checks have found: starting it looks for nothing again. */
struct plan {
	const struct eng_start *start;
	struct eng_task *parent;       /* of a child; else NULL */
	struct eng_workflow *workflow; /* of a new one */
	struct metadata metadata;      /* the same, with what it inherits */
	struct eng_started *started;   /* what it comes to */
	bool known;                    /* an earlier trigger has started it */
	bool id_used;                  /* by a run of whomever */
};

static struct eng_tenant *
turn_tenant(struct eng_turn *turn)
{
	struct eng_tenant *tenant = eng_tenant_get(turn->eng, turn->command->tenant.v);
	froe_assert(tenant != NULL);
	return tenant;
}

/* The task that starts this child; NULL: none, or its lease is not the one. */
static struct eng_task *
start_parent(struct eng_turn *turn, const struct eng_start *start)
{
	if (!start->child)
		return NULL;
	struct eng_task *task = eng_lease_find(turn->eng, start->worker.v, &start->parent);
	return task != NULL && run_tenant(task_run(task)) == turn_tenant(turn) ? task : NULL;
}

/* When it is to begin. */
static uint64_t
start_time_ns(const struct eng_turn *turn, const struct eng_start *start)
{
	return start->delay_ms != 0 ? turn->now_ns + delay_ns_of(start->delay_ms) : start->start_ns;
}

static enum eng_status
status_of(const struct eng *eng, uint64_t run, bool open, uint8_t closed)
{
	enum eng_status status = (enum eng_status)closed;
	if (open)
		froe_assert(eng_run_status(eng, run, &status));
	return status;
}

/* A bulk trigger whose outcome was unknown comes again with the ids that it had, perhaps among
 * others that are known otherwise; it is answered, not refused. */
static bool
id_known(struct eng_turn *turn, struct plan *plan)
{
	struct uuid id = plan->start->run;
	const struct eng_run *run = eng_run_by_id(turn->eng, id);
	const struct eng_closed *closed = keyset_get_uuid(&turn->eng->closed, id);
	uint32_t tenant = run != NULL ? run_tenant(run)->id : closed != NULL ? closed->tenant : 0;
	plan->id_used = tenant != 0;
	if (turn->command->type != ENG_CMD_RUN_START_MANY || tenant != turn->command->tenant.v)
		return false; /* of another tenant's run nothing is told */
	*plan->started = (struct eng_started){
	    .run = run != NULL ? run->key : closed->key,
	    .id = id,
	    .status = (enum eng_status)(run != NULL ? run->status : closed->status),
	};
	return true;
}

static bool
child_known(struct eng_turn *turn, struct plan *plan)
{
	const struct eng_start *start = plan->start;
	struct eng_child *child = child_find(task_run(plan->parent), plan->parent->index,
	    start->child_index, start->child_key);
	if (child == NULL)
		return false;
	*plan->started = (struct eng_started){
	    .run = child->run,
	    .id = child->id,
	    .status = status_of(turn->eng, child->run, child->open, child->status),
	};
	return true;
}

static bool
key_known(struct eng_turn *turn, struct plan *plan)
{
	struct eng_idem *key = idem_find(turn_tenant(turn), plan->start->key);
	if (key == NULL || !idem_valid(key, turn->now_ns))
		return false;
	*plan->started = (struct eng_started){
	    .run = key->run,
	    .id = key->id,
	    .status = status_of(turn->eng, key->run, key->open, key->status),
	};
	return true;
}

/* Has an earlier trigger started it, as this child or under this key? */
static bool
name_known(struct eng_turn *turn, struct plan *plan)
{
	if (plan->parent != NULL)
		return child_known(turn, plan);
	return plan->start->key.size != 0 && key_known(turn, plan);
}

/* ------------------------------------------------------------------------------------ checking */

static enum froe_err
check_id(struct eng_turn *turn, const struct plan *plan, struct batch *batch,
    struct froe_fault *fault)
{
	uint32_t number;
	struct uuid id = plan->start->run;
	uuid_run_of(id, &number);
	if (number != 0 || uuid_is_nil(id))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "run",
		    "a run's id is a UUIDv7 whose low ten bits are zero: leave it out to get one");
	if (plan->id_used)
		return fault_set_field(
		    fault, FROE_ALREADY_EXISTS, "run", "a run with this id was started before");
	if (turn->command->type != ENG_CMD_RUN_START_MANY)
		return FROE_OK; /* it is the only one */
	if (map_get_uuid(&batch->ids, id) != NULL)
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, "run", "two runs of the request have this id");
	map_put_uuid(&batch->ids, id, turn);
	return FROE_OK;
}

static enum froe_err
check_child(const struct plan *plan, struct batch *batch, struct froe_fault *fault)
{
	const struct eng_start *start = plan->start;
	const struct eng_task *parent = plan->parent;
	uintptr_t more = (uintptr_t)map_get_uuid(&batch->children, start->parent.task) + 1;
	if (start->child_key.size > FROE_NAME_BYTES_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "child_key",
		    "a child's key has at most %u bytes", FROE_NAME_BYTES_MAX);
	if (start->key.size != 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "key",
		    "a child is known by its index or child_key: leave the key out");
	if (parent->child_count + more > FROE_TASK_CHILDREN_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "parent",
		    "a task starts at most %u children: let some of them start others",
		    FROE_TASK_CHILDREN_MAX);
	map_put_uuid(&batch->children, start->parent.task, (void *)more);
	return FROE_OK;
}

static enum froe_err
check_key(struct eng_turn *turn, const struct eng_start *start, struct batch *batch,
    struct froe_fault *fault)
{
	const struct eng_tenant *tenant = turn_tenant(turn);
	const struct heap_node *due = heap_first(&tenant->idems_due);
	uint32_t spare = due != NULL && due->key <= turn->now_ns ? ENG_KEYS_FORGOTTEN_MAX : 0;
	if (start->key.size == 0)
		return FROE_OK;
	if (start->key.size > FROE_NAME_BYTES_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "key",
		    "an idempotency key has at most %u bytes", FROE_NAME_BYTES_MAX);
	if (start->key_ttl_ms > FROE_KEY_TTL_MS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "key_ttl_ms",
		    "a key is kept for at most 366 days");
	if (tenant->idem_count + ++batch->keys > FROE_KEYS_MAX + spare)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "key",
		    "the tenant has %u idempotency keys in use: give them a shorter time",
		    tenant->idem_count);
	return FROE_OK;
}

static struct metadata
plan_metadata(struct eng_turn *turn, const struct plan *plan)
{
	const struct eng_start *start = plan->start;
	if (plan->parent == NULL)
		return (struct metadata){
		    .texts = start->metadata, .count = start->metadata_count};
	struct metadata inherited = run_metadata(task_run(plan->parent), &turn->eng->arena);
	return metadata_inherit(&inherited, start->metadata, start->metadata_count,
	    &turn->eng->arena);
}

/* Of one that is not known yet. */
static enum froe_err
check_new(struct eng_turn *turn, struct plan *plan, struct batch *batch,
    struct froe_fault *fault)
{
	const struct eng_start *start = plan->start;
	struct bytes name = start->workflow;
	struct eng_tenant *tenant = turn_tenant(turn);
	plan->workflow = workflow_known(tenant, name);
	if (plan->workflow == NULL)
		return fault_set_field(fault, FROE_NOT_FOUND, "workflow",
		    "no workflow is named \"%.*s\": start a worker that registers it",
		    name_clip(name, FROE_NAME_BYTES_MAX), (const char *)name.data);
	tenant->recent = plan->workflow;
	if (start->priority > FROE_PRIORITY_MAX)
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, "priority", "1 to %u", FROE_PRIORITY_MAX);
	if (start_time_ns(turn, start) > turn->now_ns + FROE_SCHEDULE_AHEAD_MS_MAX * 1000000)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "start_ns",
		    "a run is scheduled at most ten years ahead, in nanoseconds since 1970");
	enum froe_err err = quota_run(turn, batch->runs++, fault);
	if (err == FROE_OK)
		err = check_key(turn, start, batch, fault);
	if (err == FROE_OK && start->child)
		err = check_child(plan, batch, fault);
	if (err != FROE_OK)
		return err;
	plan->metadata = plan_metadata(turn, plan);
	const char *bad = plan->metadata.count == 0
	    ? NULL
	    : metadata_fault(plan->metadata.texts, plan->metadata.count);
	if (bad != NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "metadata", "%s", bad);
	return check_id(turn, plan, batch, fault);
}

static enum froe_err
plan_check(struct eng_turn *turn, struct plan *plan, struct batch *batch,
    struct froe_fault *fault)
{
	if (plan->start->child)
		plan->parent = start_parent(turn, plan->start);
	if (plan->start->child && plan->parent == NULL)
		return fault_set_field(fault, FROE_LEASE_LAPSED, "lease",
		    "this worker does not hold the parent's lease (any more): stop the handler");
	plan->known = name_known(turn, plan) || id_known(turn, plan);
	return plan->known ? FROE_OK : check_new(turn, plan, batch, fault);
}

/* ------------------------------------------------------------------------------------ starting */

/* Queues the tasks without parents. */
static void
run_begin(struct eng_turn *turn, struct eng_run *run)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		if (run->tasks[i].pending == 0 && i != run->version->on_failure)
			task_queue(turn, &run->tasks[i], ENG_REASON_READY);
	}
}

static const struct eng_version *
workflow_newest(const struct eng_workflow *workflow)
{
	return workflow->versions[workflow->version_count - 1];
}

static uint64_t
key_until_ns(const struct eng_turn *turn, const struct eng_start *start)
{
	uint64_t ttl_ms = start->key_ttl_ms != 0 ? start->key_ttl_ms : FROE_KEY_TTL_MS;
	return start->key.size == 0 || start->key_until_end ? 0
	                                                    : turn->now_ns + delay_ns_of(ttl_ms);
}

/* Members that only some runs have. */
static void
event_extend(struct eng_turn *turn, const struct plan *plan, struct eng_event *event)
{
	const struct eng_start *start = plan->start;
	event->metadata = plan->metadata.texts;
	event->metadata_count = plan->metadata.count;
	event->key = start->key;
	event->key_until_ns = key_until_ns(turn, start);
	if (!start->child)
		return;
	event->parent = start->parent.task;
	event->child_key = start->child_key;
	event->child_index = start->child_key.size == 0 ? start->child_index : 0;
}

/* A scheduled run has no version yet, and of what its workflow would give it, nothing. */
static void
event_bind(struct eng_turn *turn, const struct eng_start *start,
    const struct eng_workflow *workflow, struct eng_event *event)
{
	const struct eng_version *version = workflow_newest(workflow);
	uint64_t time_ns = start_time_ns(turn, start);
	bool scheduled = time_ns > turn->now_ns;
	uint64_t from_ns = scheduled ? time_ns : turn->now_ns;
	uint64_t timeout_ms = start->timeout_ms;
	event->priority = start->priority;
	if (scheduled) {
		event->start_ns = time_ns;
	} else {
		event->version = version->number;
		if (timeout_ms == 0)
			timeout_ms = version->run_timeout_ms;
		if (event->priority == 0)
			event->priority = version->priority;
	}
	event->deadline_ns = timeout_ms != 0 ? from_ns + delay_ns_of(timeout_ms) : 0;
}

static void
plan_go(struct eng_turn *turn, const struct plan *plan)
{
	const struct eng_start *start = plan->start;
	uint64_t key = turn->eng->run_last + 1;
	struct eng_event *event = event_next(turn, ENG_EV_RUN_STARTED);
	event->run = key;
	event->run_event_no = 1;
	event->tenant = turn->command->tenant.v;
	event->workflow = plan->workflow->id;
	event->id = start->run;
	event->payload = start->input;
	event_bind(turn, start, plan->workflow, event);
	event_extend(turn, plan, event);
	event_happens(turn, event);
	*plan->started = (struct eng_started){
	    .run = key, .id = start->run, .created = true, .status = ENG_QUEUED};
	run_begin(turn, eng_run_get(turn->eng, key));
}

/* The run's own tenant learns its number; of another tenant's run nothing is told. */
static void
reply_exists(struct eng_turn *turn, struct uuid id)
{
	struct eng_output *output = &turn->eng->output;
	struct eng_effect *effect = &output->effects[output->effect_count - 1];
	const struct eng_run *run = eng_run_by_id(turn->eng, id);
	const struct eng_closed *closed = keyset_get_uuid(&turn->eng->closed, id);
	uint32_t tenant = run != NULL ? run_tenant(run)->id : closed->tenant;
	effect->id = id;
	if (tenant == turn->command->tenant.v)
		effect->run = run != NULL ? run->key : closed->key;
}

/* A plan that stands alone. */
static enum froe_err
plan_check_one(struct eng_turn *turn, struct plan *plan, struct froe_fault *fault)
{
	struct batch batch = {0};
	enum froe_err err = plan_check(turn, plan, &batch, fault);
	batch_release(&batch);
	return err;
}

enum froe_err
run_start_one(struct eng_turn *turn, const struct eng_start *start, struct eng_started *ret_started,
    struct froe_fault *fault)
{
	struct plan plan = {.start = start, .started = ret_started};
	enum froe_err err = plan_check_one(turn, &plan, fault);
	if (err == FROE_OK && !plan.known)
		plan_go(turn, &plan);
	return err;
}

void
decide_run_start(struct eng_turn *turn)
{
	struct eng_started *started = &turn->eng->started;
	struct plan plan = {.start = &turn->command->run_start, .started = started};
	struct froe_fault fault;
	enum froe_err err = plan_check_one(turn, &plan, &fault);
	if (err != FROE_OK) {
		reply_fault(turn, err, fault.field, "%s", fault.text);
		if (err == FROE_ALREADY_EXISTS)
			reply_exists(turn, plan.start->run);
		return;
	}
	if (!plan.known)
		plan_go(turn, &plan);
	struct eng_effect *effect = reply_ok(turn);
	effect->run = started->run;
	effect->id = started->id;
	effect->started = started;
	effect->started_count = 1;
}

/* Every fault, up to ENG_FAULTS_MAX; the code is the first one's. */
static size_t
many_check(struct eng_turn *turn, struct plan *plans, enum froe_err *ret_err)
{
	const struct eng_command *command = turn->command;
	struct eng_fault *faults = turn->eng->faults;
	struct batch batch = {0};
	size_t count = 0;
	for (uint32_t i = 0; i < command->run_start_many.count && count < ENG_FAULTS_MAX; i++) {
		struct froe_fault fault;
		enum froe_err err = plan_check(turn, &plans[i], &batch, &fault);
		if (err == FROE_OK)
			continue;
		if (count == 0)
			*ret_err = err;
		snprintf(faults[count].field, sizeof(faults[count].field), "runs[%u].%.60s", i,
		    fault.field);
		snprintf(faults[count].text, sizeof(faults[count].text), "%.159s", fault.text);
		text_clean(faults[count].text);
		count++;
	}
	batch_release(&batch);
	return count;
}

void
decide_run_start_many(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng *eng = turn->eng;
	uint32_t count = command->run_start_many.count;
	struct eng_started *started = arena_alloc(&eng->arena, count * sizeof(*started));
	struct plan *plans = arena_alloc(&eng->arena, count * sizeof(*plans));
	enum froe_err err = FROE_OK;
	for (uint32_t i = 0; i < count; i++)
		plans[i] = (struct plan){
		    .start = &command->run_start_many.starts[i], .started = &started[i]};
	size_t faults = many_check(turn, plans, &err);
	if (faults != 0) {
		reply_fault(turn, err, eng->faults[0].field,
		    "nothing was started: %zu fault%s; the first: %s", faults,
		    faults > 1 ? "s" : "", eng->faults[0].text);
		struct eng_effect *effect = &eng->output.effects[eng->output.effect_count - 1];
		effect->faults = eng->faults;
		effect->fault_count = faults;
		return;
	}
	struct eng_effect *effect = reply_ok(turn);
	effect->started = started;
	effect->started_count = count;
	for (uint32_t i = 0; i < count; i++) {
		/* One before it may be the same child, or have the same key. */
		if (!plans[i].known && !name_known(turn, &plans[i]))
			plan_go(turn, &plans[i]);
	}
}

/* Its time has come, and nobody wants it any more. */
static bool
due_dropped(const struct eng_workflow *workflow)
{
	return workflow->deleted ||
	    (workflow->paused && (workflow->drops & ENG_DROPS_SCHEDULED) != 0);
}

/* A deadline of its own was counted from the time it was scheduled for. */
void
run_due(struct eng_turn *turn, struct eng_run *run)
{
	if (due_dropped(run->version->workflow)) {
		run_cancel(turn, run, ENG_REASON_REQUESTED,
		    bytes_text("its time came while its workflow was paused, or deleted"),
		    (struct uuid){0});
		return;
	}
	const struct eng_version *version = workflow_newest(run->version->workflow);
	const struct eng_ties *ties = run_ties(run);
	uint64_t timeout_ns = ties->deadline_ns != 0 ? ties->deadline_ns - ties->start_ns
	                                             : delay_ns_of(version->run_timeout_ms);
	struct eng_event event = {
	    .type = ENG_EV_RUN_DUE,
	    .run = run->key,
	    .version = version->number,
	    .priority = run->priority != 0 ? run->priority : version->priority,
	    .deadline_ns = timeout_ns != 0 ? turn->now_ns + timeout_ns : 0,
	    .late = ties->start_ns < turn->eng->started_ns ? 1 : 0,
	};
	uint64_t key = emit(turn, &event)->run;
	run_begin(turn, eng_run_get(turn->eng, key));
}
