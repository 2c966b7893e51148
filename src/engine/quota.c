/*
 * engine/quota: how many names, versions and workers a tenant may have.
 *
 * Names live as long as the engine, in memory and in each snapshot, and so do definitions: whoever
 * makes up new ones without end is told to stop. Known ones are never refused. Only deciding asks
 * here; applying takes what the log says.
 */
#include "engine/durable_int.h"

#include "base/hash.h"

/* Of one task of a definition, in memory: struct eng_task_definition, its node, its queue. */
#define TASK_BYTES 256u
#define VERSION_BYTES 512u

uint64_t
definition_bytes(const struct eng_definition *definition)
{
	return VERSION_BYTES + definition->encoded.size +
	       (uint64_t)definition->task_count * TASK_BYTES;
}

/* ----------------------------------------------------------------------------------- new names */

/* Counts names that a map does not have, each once. */
struct fresh {
	const struct map *known;
	struct map seen; /* hash of a name -> any */
	uint32_t count;
};

static void
fresh_name(struct fresh *fresh, struct bytes name)
{
	uint64_t hash = hash64(name.data, name.size, 0);
	if (named_find(fresh->known, name) != NULL)
		return;
	if (map_add_u64(&fresh->seen, hash, fresh))
		fresh->count++;
}

static bool
fresh_fits(struct fresh *fresh, uint32_t max)
{
	map_release(&fresh->seen);
	return fresh->count == 0 || fresh->known->count + fresh->count <= max;
}

static bool
definition_actions_fit(const struct eng_tenant *tenant, const struct eng_definition *definition)
{
	struct fresh fresh = {.known = &tenant->actions};
	char text[2 * FROE_NAME_BYTES_MAX + 1];
	if (tenant->actions.count + definition->task_count <= FROE_TENANT_ACTIONS_MAX)
		return true;
	for (uint32_t i = 0; i < definition->task_count; i++) {
		const struct eng_task_definition *task = &definition->tasks[i];
		struct bytes name = definition->name;
		if (task->action.size != 0) {
			fresh_name(&fresh, task->action);
			continue;
		}
		memcpy(text, name.data, name.size);
		text[name.size] = ':';
		memcpy(text + name.size + 1, task->name.data, task->name.size);
		fresh_name(&fresh, bytes_of(text, name.size + 1 + task->name.size));
	}
	return fresh_fits(&fresh, FROE_TENANT_ACTIONS_MAX);
}

static bool
definition_types_fit(const struct eng_tenant *tenant, const struct eng_definition *definition)
{
	struct fresh fresh = {.known = &tenant->slot_types};
	for (uint32_t i = 0; i < definition->task_count; i++) {
		const struct eng_task_definition *task = &definition->tasks[i];
		for (uint32_t j = 0; j < task->slot_count; j++)
			fresh_name(&fresh, task->slots[j].type);
	}
	return fresh_fits(&fresh, FROE_TENANT_SLOT_TYPES_MAX);
}

static enum froe_err
actions_fault(const char *field, struct froe_fault *fault)
{
	return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, field,
	    "the tenant would have more than %u different actions: names that are made up for "
	    "each run belong into its input or metadata; use some that are there already",
	    FROE_TENANT_ACTIONS_MAX);
}

static enum froe_err
types_fault(const char *field, struct froe_fault *fault)
{
	return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, field,
	    "the tenant would have more than %u types of slots: use some that are there already",
	    FROE_TENANT_SLOT_TYPES_MAX);
}

/* ----------------------------------------------------------------------------------- questions */

enum froe_err
quota_tenant(const struct eng *eng, struct froe_fault *fault)
{
	if (eng->tenant_count < FROE_TENANTS_MAX)
		return FROE_OK;
	return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "tenant",
	    "the server has %u tenants, the most there are: use one of them", eng->tenant_count);
}

enum froe_err
quota_definition(const struct eng_tenant *tenant, const struct eng_workflow *workflow,
    const struct eng_definition *definition, struct froe_fault *fault)
{
	if (workflow == NULL && tenant->workflows.count >= FROE_TENANT_WORKFLOWS_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "name",
		    "the tenant has %u workflows, the most there are: use a name that is there "
		    "already",
		    FROE_TENANT_WORKFLOWS_MAX);
	if (workflow != NULL && workflow->version_count >= FROE_WORKFLOW_VERSIONS_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "name",
		    "the workflow has %u versions, the most there are: give it a new name; if two "
		    "programs register it by turns, each in its own way, let them agree",
		    workflow->version_count);
	if (tenant->definition_bytes + definition_bytes(definition) >
	    FROE_TENANT_DEFINITION_BYTES_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "",
		    "the tenant's definitions, all versions of them, would take more than %u MiB "
		    "of memory: register smaller ones, or not a new one for each run",
		    FROE_TENANT_DEFINITION_BYTES_MAX >> 20);
	if (!definition_actions_fit(tenant, definition))
		return actions_fault("tasks", fault);
	if (!definition_types_fit(tenant, definition))
		return types_fault("tasks", fault);
	return FROE_OK;
}

enum froe_err
quota_worker(const struct eng_tenant *tenant, const struct eng_command *command, bool replaces,
    struct froe_fault *fault)
{
	struct fresh actions = {.known = &tenant->actions}, types = {.known = &tenant->slot_types};
	if (!replaces && tenant->workers.count >= FROE_TENANT_WORKERS_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "",
		    "the tenant has %u workers, the most there are: give each more slots instead, "
		    "and let a process that comes back use its id",
		    FROE_TENANT_WORKERS_MAX);
	for (uint32_t i = 0; i < command->worker_register.action_count; i++)
		fresh_name(&actions, command->worker_register.actions[i]);
	for (uint32_t i = 0; i < command->worker_register.type_count; i++)
		fresh_name(&types, command->worker_register.types[i].type);
	bool actions_fit = fresh_fits(&actions, FROE_TENANT_ACTIONS_MAX);
	bool types_fit = fresh_fits(&types, FROE_TENANT_SLOT_TYPES_MAX);
	if (!actions_fit)
		return actions_fault("actions", fault);
	return types_fit ? FROE_OK : types_fault("slot_types", fault);
}

enum froe_err
quota_run(const struct eng_turn *turn, uint32_t before, struct froe_fault *fault)
{
	uint64_t max = turn->command->runs_max, open = turn->eng->counts.runs;
	if (max == 0 || open + before < max)
		return FROE_OK;
	return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "",
	    "the server has %llu open runs and takes %llu: try again when some have ended, or "
	    "cancel what nobody needs; --open-runs of the server is the limit",
	    (unsigned long long)open, (unsigned long long)max);
}

/* Records of a run: each has a place in memory while the run is open. */
enum froe_err
quota_records(uint32_t records, struct froe_fault *fault)
{
	if (records < FROE_RUN_RECORDS_MAX)
		return FROE_OK;
	return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "",
	    "the run has %u records, the most there are, of lines, chunks, attempts: log less, or "
	    "go on in a child run",
	    records);
}

enum froe_err
quota_record(const struct eng_run *run, struct froe_fault *fault)
{
	return quota_records(run->event_count, fault);
}

enum froe_err
quota_approvals(const struct eng_task *task, uint32_t more, struct froe_fault *fault)
{
	const struct eng_tenant *tenant = run_tenant(task_run((struct eng_task *)(uintptr_t)task));
	const struct eng_durable *durable = task_durable(task);
	uint32_t asked = durable != NULL ? durable->approval_count : 0;
	if (more > 0 && asked + more > FROE_TASK_APPROVALS_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "conditions",
		    "a task asks for at most %u approvals: let child runs ask for some",
		    FROE_TASK_APPROVALS_MAX);
	if (more > 0 && tenant->approval_count + more > FROE_TENANT_APPROVALS_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "conditions",
		    "the tenant has %u open approvals, of at most %u: decide some first, or let a "
		    "sleep among the conditions end those that nobody decides",
		    tenant->approval_count, FROE_TENANT_APPROVALS_MAX);
	return FROE_OK;
}
