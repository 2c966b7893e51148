/*
 * The index is a function of the log (I8): one that is made from the log's files, as a server does
 * that has lost its own, holds the runs of the model, and nothing else. It lies in a real
 * directory, so only some worlds have it.
 */
#include "index/texts.h"
#include "sim/world/audit.h"
#include "sim/world/world.h"

#include <inttypes.h>

struct index_audit {
	struct world *world;
	struct index *index;
	unsigned tenant;
	uint64_t last; /* number of the row before it in a list */
	size_t found;
};

static void
row_check(void *context, const struct index_run *row)
{
	struct index_audit *audit = context;
	const struct model *model = &audit->world->model;
	const struct model_run *run = model_run_by_id(model, row->id);
	char workflow[RECIPE_NAME_BYTES];
	if (run == NULL || run->key != row->number)
		judge_fail(&audit->world->judge, "the index has run %" PRIu64 ", which is none",
		    row->number);
	recipe_workflow_name(run->workflow, workflow);
	uint32_t task, seq = run->event_count;
	bool same = row->tenant == model->tenant_numbers[run->tenant] && row->seq == seq &&
	    row->status == (uint8_t)run->status && row->created_ns == run->created_ns &&
	    row->finished_ns == run->closed_ns &&
	    bytes_equal(row->workflow, bytes_text(workflow)) &&
	    uuid_equal(row->parent, uuid_run_of(run->parent, &task));
	for (unsigned i = 0; i < MODEL_METADATA && same; i++) {
		uint8_t key = (uint8_t)('a' + i);
		same = texts_have_pair(row->metadata, bytes_of(&key, 1),
			   bytes_of(&run->metadata[i], 1)) == (run->metadata[i] != 0);
	}
	if (!same)
		judge_fail(&audit->world->judge, "the index says other things of run %" PRIu64,
		    run->key);
}

static bool
row_listed(void *context, const struct index_run *row)
{
	struct index_audit *audit = context;
	row_check(audit, row);
	if (audit->last != 0 && row->number >= audit->last)
		judge_fail(&audit->world->judge, "run %" PRIu64 " is listed behind run %" PRIu64,
		    row->number, audit->last);
	audit->last = row->number;
	audit->found++;
	return true;
}

/* With retention, runs may be gone. */
static bool
run_kept(const struct world *world)
{
	return !plan_does(&world->plan, KIND_RETENTION);
}

static size_t
list_all(struct index_audit *audit, unsigned tenant, uint32_t statuses)
{
	struct index_filter filter = {
	    .tenant = audit->world->model.tenant_numbers[tenant],
	    .statuses = statuses,
	};
	audit->found = 0;
	audit->last = 0;
	do {
		if (index_list(audit->index, &filter, row_listed, audit, &filter.before) != FROE_OK)
			judge_fail(&audit->world->judge, "the index cannot be listed");
	} while (filter.before != 0);
	return audit->found;
}

static void
index_compare(struct index_audit *audit)
{
	struct world *world = audit->world;
	const struct model *model = &world->model;
	size_t counts[PLAN_TENANTS_MAX] = {0}, failed[PLAN_TENANTS_MAX] = {0};
	for (size_t i = 0; i < model->run_count && run_kept(world); i++) {
		const struct model_run *run = model->runs[i];
		counts[run->tenant]++;
		failed[run->tenant] += run->status == ENG_FAILED ? 1 : 0;
		if (index_find(audit->index, run->id, row_check, audit) != FROE_OK)
			judge_fail(&world->judge, "run %" PRIu64 " is not in the index", run->key);
	}
	for (unsigned tenant = 0; tenant < world->plan.tenants; tenant++) {
		size_t all = list_all(audit, tenant, 0);
		if (run_kept(world) && all != counts[tenant])
			judge_fail(&world->judge, "%zu runs of %zu are listed", all,
			    counts[tenant]);
		size_t some = list_all(audit, tenant, 1u << ENG_FAILED);
		if (run_kept(world) && some != failed[tenant])
			judge_fail(&world->judge, "%zu failed runs of %zu are listed", some,
			    failed[tenant]);
	}
	index_check(audit->index);
}

void
audit_index(struct world *world)
{
	struct index_audit audit = {.world = world};
	struct process *process = &world->process;
	struct froe_fault fault = {0};
	if (!plan_does(&world->plan, KIND_INDEX) || process->oldest != 1)
		return; /* names that the log no longer tells would have to be known */
	process_index_close(process); /* one of jobs: it is made from nothing */
	enum froe_err err =
	    process_index_fill(process, process->shard.report.last_frame_seq, &fault);
	audit.index = process->index;
	if (err == FROE_OK)
		index_compare(&audit);
	else if (!process_excused(process, err))
		judge_fail(&world->judge, "the index cannot be made: %s", fault.text);
	process_index_close(process);
	judge_mark(&world->judge, KIND_INDEX);
}
