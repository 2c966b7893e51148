/*
 * engine/decide_run: tenants, workflows, runs.
 */
#include "engine/engine_int.h"

#include "base/json.h"
#include "base/plant.h"

#include <stdio.h>

void
decide_engine_start(struct eng_turn *turn)
{
	uint64_t uptime_ns = eng_uptime_ns(turn->eng, turn->now_ns);
	uint64_t downtime_ns = turn->command->engine_start.downtime_ns;
	struct eng_event event = {
	    .type = ENG_EV_ENGINE_STARTED,
	    .epoch = turn->command->engine_start.epoch,
	    .downtime_ns = downtime_ns < uptime_ns ? downtime_ns : uptime_ns,
	};
	emit(turn, &event);
}

void
decide_tenant_open(struct eng_turn *turn)
{
	struct bytes name = turn->command->tenant_open.name;
	struct froe_fault fault;
	if (name.size == 0 || name.size > FROE_NAME_BYTES_MAX ||
	    !utf8_valid(name.data, name.size)) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "tenant",
		    "a tenant's name is 1 to %u bytes of UTF-8", FROE_NAME_BYTES_MAX);
		return;
	}
	struct eng_named *named = named_find(&turn->eng->tenant_names, name);
	uint32_t id = turn->eng->tenant_count + 1;
	if (named != NULL) {
		id = container_of(named, struct eng_tenant, named)->id;
	} else if (quota_tenant(turn->eng, &fault) != FROE_OK) {
		reply_fault(turn, fault.code, fault.field, "%s", fault.text);
		return;
	} else {
		struct eng_event event = {
		    .type = ENG_EV_TENANT_CREATED,
		    .tenant = id,
		    .name = name,
		};
		emit(turn, &event);
	}
	reply_ok(turn)->tenant = id;
}

struct eng_tenant *
command_tenant(struct eng_turn *turn)
{
	struct eng_tenant *tenant = eng_tenant_get(turn->eng, turn->command->tenant.v);
	froe_assert(tenant != NULL);
	return tenant;
}

static bool
new_version_refused(const struct eng_tenant *tenant, const struct eng_workflow *workflow,
    const struct eng_definition *definition, struct froe_fault *fault)
{
	const char *needs = needs_fault(tenant, definition);
	enum froe_err err = quota_definition(tenant, workflow, definition, fault);
	if (err == FROE_OK && needs != NULL)
		err = fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "tasks", "%s", needs);
	return err != FROE_OK;
}

void
decide_workflow_put(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	const struct eng_definition *definition = &turn->command->workflow_put.definition;
	size_t faults = eng_definition_check(definition, eng->faults);
	if (faults != 0) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, eng->faults[0].field,
		    "the definition has %zu fault%s; the first: %s", faults, faults > 1 ? "s" : "",
		    eng->faults[0].text);
		struct eng_effect *effect = &eng->output.effects[eng->output.effect_count - 1];
		effect->faults = eng->faults;
		effect->fault_count = faults;
		return;
	}
	const struct eng_tenant *tenant = command_tenant(turn);
	struct eng_workflow *workflow = eng_workflow_find(tenant, definition->name);
	uint32_t newest = workflow != NULL ? workflow->version_count : 0;
	bool same = newest != 0 && !workflow->deleted &&
	    bytes_equal(workflow->versions[newest - 1]->encoded, definition->encoded);
	struct froe_fault fault;
	if (!same && new_version_refused(tenant, workflow, definition, &fault)) {
		reply_fault(turn, fault.code, fault.field, "%s", fault.text);
		return;
	}
	if (!same) {
		struct eng_event event = {
		    .type = ENG_EV_WORKFLOW_PUT,
		    .tenant = turn->command->tenant.v,
		    .workflow = workflow != NULL ? workflow->id : eng->workflow_count + 1,
		    .version = newest + 1,
		    .name = definition->name,
		    .payload = definition->encoded,
		    .definition = definition,
		};
		emit(turn, &event);
	}
	struct eng_effect *effect = reply_ok(turn);
	effect->version = same ? newest : newest + 1;
	effect->created = !same;
}

/* Descendants of what was cancelled, in slices: when one has closed, its own children follow. */
void
decide_doomed(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	size_t start = eng->output.event_count;
	/* One of the three in a step: see eng_step_bytes_max(). */
	if (eng_leases_end(eng) || !list_empty(&eng->deliveries))
		return;
	while (!list_empty(&eng->doomed) && eng->output.event_count - start < ENG_STEP_DOOMED_MAX) {
		struct eng_ties *ties =
		    container_of(eng->doomed.next, struct eng_ties, doomed_link);
		char id[UUID_TEXT_SIZE], text[64];
		uuid_format(ties->doom, id);
		int size = snprintf(text, sizeof(text), "cancelled with run %s", id);
		const char *copy = arena_copy(&eng->arena, text, (size_t)size);
		run_cancel(turn, ties->run, ENG_REASON_PARENT, bytes_of(copy, (size_t)size),
		    ties->doom);
	}
}

static void
cancel_task(struct eng_turn *turn, struct eng_run *run)
{
	uint32_t number = turn->command->run_cancel.task;
	if (number > run->version->task_count) { /* a scheduled run has none */
		reply_fault(turn, FROE_NOT_FOUND, "run", "the run has no such task (yet)");
	} else if (task_closed(&run->tasks[number - 1])) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run", "the task has ended already");
	} else {
		reply_ok(turn)->run = run->key;
		task_cancel_alone(turn, &run->tasks[number - 1]);
	}
}

void
decide_run_cancel(struct eng_turn *turn)
{
	struct uuid id = turn->command->run_cancel.run;
	struct eng_run *run = eng_run_by_id(turn->eng, id);
	struct eng_closed *closed = keyset_get_uuid(&turn->eng->closed, id);
	bool own = run != NULL &&
	    (run_tenant(run)->id == turn->command->tenant.v || plant(CANCEL_FOREIGN));
	if (own && turn->command->run_cancel.task != 0) {
		cancel_task(turn, run);
	} else if (own) {
		reply_ok(turn)->run = run->key;
		run_cancel(turn, run, ENG_REASON_REQUESTED, turn->command->run_cancel.reason,
		    turn->command->run_cancel.children ? id : (struct uuid){0});
	} else if (closed != NULL && closed->tenant == turn->command->tenant.v) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run", "the run has ended already");
	} else {
		reply_fault(turn, FROE_NOT_FOUND, "run", "no open run has this id");
	}
}
