/*
 * engine/decide_run: tenants, workflows, runs.
 */
#include "engine/engine_int.h"

#include "base/json.h"

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
	struct eng_workflow *workflow =
	    eng_workflow_find(command_tenant(turn), definition->name);
	uint32_t newest = workflow != NULL ? workflow->version_count : 0;
	bool same = newest != 0 &&
	    bytes_equal(workflow->versions[newest - 1]->encoded, definition->encoded);
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

/* Queues the tasks without parents. */
static void
run_begin(struct eng_turn *turn, struct eng_run *run)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		if (run->tasks[i].pending == 0 && i != run->version->on_failure)
			task_queue(turn, &run->tasks[i], ENG_REASON_READY);
	}
}

static bool
run_id_usable(struct eng_turn *turn, struct uuid id)
{
	uint32_t number;
	uuid_run_of(id, &number);
	if (number != 0 || uuid_is_nil(id)) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "run",
		    "a run's id is a UUIDv7 whose low ten bits are zero: leave it out to get one");
		return false;
	}
	struct eng_run *run = eng_run_by_id(turn->eng, id);
	struct eng_closed *closed = map_get_uuid(&turn->eng->closed, id);
	if (run == NULL && closed == NULL)
		return true;
	uint32_t tenant = run != NULL ? run->tenant->id : closed->tenant;
	reply_fault(turn, FROE_ALREADY_EXISTS, "run", "a run with this id was started before");
	struct eng_output *output = &turn->eng->output;
	struct eng_effect *effect = &output->effects[output->effect_count - 1];
	effect->id = id;
	if (tenant == turn->command->tenant.v) /* of another tenant's run nothing is told */
		effect->run = run != NULL ? run->key : closed->key;
	return false;
}

void
decide_run_start(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct bytes name = command->run_start.workflow;
	struct eng_workflow *workflow = eng_workflow_find(command_tenant(turn), name);
	if (workflow == NULL) {
		reply_fault(turn, FROE_NOT_FOUND, "workflow",
		    "no workflow is named \"%.*s\": start a worker that registers it",
		    name_clip(name, FROE_NAME_BYTES_MAX), (const char *)name.data);
		return;
	}
	if (command->run_start.priority > FROE_PRIORITY_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "priority", "1 to %u",
		    FROE_PRIORITY_MAX);
		return;
	}
	const char *fault =
	    metadata_fault(command->run_start.metadata, command->run_start.metadata_count);
	if (fault != NULL) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "metadata", "%s", fault);
		return;
	}
	if (!run_id_usable(turn, command->run_start.run))
		return;
	struct eng_version *version = workflow->versions[workflow->version_count - 1];
	uint64_t timeout_ms = command->run_start.timeout_ms != 0 ? command->run_start.timeout_ms
	                                                          : version->run_timeout_ms;
	struct eng_event event = {
	    .type = ENG_EV_RUN_STARTED,
	    .run = turn->eng->run_last + 1,
	    .tenant = command->tenant.v,
	    .workflow = workflow->id,
	    .version = version->number,
	    .id = command->run_start.run,
	    .priority = command->run_start.priority != 0 ? command->run_start.priority
	                                                 : version->priority,
	    .deadline_ns = timeout_ms != 0 ? turn->now_ns + delay_ns_of(timeout_ms) : 0,
	    .payload = command->run_start.input,
	    .metadata = command->run_start.metadata,
	    .metadata_count = command->run_start.metadata_count,
	};
	uint64_t key = emit(turn, &event)->run;
	struct eng_effect *effect = reply_ok(turn);
	effect->run = key;
	effect->id = command->run_start.run;
	run_begin(turn, eng_run_get(turn->eng, key));
}

void
decide_run_cancel(struct eng_turn *turn)
{
	struct uuid id = turn->command->run_cancel.run;
	struct eng_run *run = eng_run_by_id(turn->eng, id);
	struct eng_closed *closed = map_get_uuid(&turn->eng->closed, id);
	if (run != NULL && run->tenant->id == turn->command->tenant.v) {
		reply_ok(turn)->run = run->key;
		run_cancel(turn, run, ENG_REASON_REQUESTED, turn->command->run_cancel.reason);
	} else if (closed != NULL && closed->tenant == turn->command->tenant.v) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run", "the run has ended already");
	} else {
		reply_fault(turn, FROE_NOT_FOUND, "run", "no open run has this id");
	}
}
