/*
 * The index is a function of the log (I8): one that is made from the log's files, as a server does
 * that has lost its own, holds the runs of the model, and nothing else. It lies in a real
 * directory, so only some worlds have it.
 */
#include "base/mem.h"
#include "index/texts.h"
#include "server/rebuild.h"
#include "sim/world/audit.h"
#include "sim/world/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct index_audit {
	struct world *world;
	struct index *index;
	char dir[64];
	char path[80];
	unsigned tenant;
	uint64_t last; /* number of the row before it in a list */
	size_t found;
};

/* One for all children of a parent, one after the other. */
static void
index_path(struct index_audit *audit, pid_t parent)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(audit->dir, sizeof(audit->dir), "%s/froe-sim-%d", base, (int)parent);
	snprintf(audit->path, sizeof(audit->path), "%s/index", audit->dir);
}

static void
index_remove(const struct index_audit *audit)
{
	FROE_DROP(index_delete(audit->path, NULL), "mostly there is none");
	rmdir(audit->path);
	rmdir(audit->dir);
}

void
audit_index_clean(void)
{
	struct index_audit audit;
	index_path(&audit, getpid());
	index_remove(&audit);
}

static enum froe_err
index_fill(struct index_audit *audit, struct names *names, struct froe_fault *fault)
{
	const struct log_report *report = &audit->world->process.shard.report;
	struct rebuild_options options = {
	    .env = audit->world->env,
	    .dir = PROCESS_DIR,
	    .store = report->store,
	    .until = report->last_frame_seq,
	    .names = names,
	};
	struct rebuild *rebuild = rebuild_open(&options, audit->index, fault);
	enum froe_err err = rebuild != NULL ? FROE_OK : fault->code;
	bool done = false;
	while (err == FROE_OK && !done)
		err = rebuild_step(rebuild, &done, fault);
	rebuild_close(rebuild);
	return err == FROE_OK ? index_commit(audit->index, options.until, true, fault) : err;
}

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
	struct froe_fault fault = {0};
	struct names names;
	uint64_t applied;
	if (!plan_does(&world->plan, KIND_INDEX) || world->process.oldest != 1)
		return; /* names that the log no longer tells would have to be known */
	index_path(&audit, getppid());
	index_remove(&audit);
	if (mkdir(audit.dir, 0700) != 0)
		judge_fail(&world->judge, "no directory for an index");
	names_init(&names);
	enum froe_err err = index_open(audit.path, world->process.shard.report.store, &audit.index,
	    &applied, &fault);
	if (err != FROE_OK)
		judge_fail(&world->judge, "no index: %s", fault.text);
	err = index_fill(&audit, &names, &fault);
	if (err == FROE_OK)
		index_compare(&audit);
	else if (!process_excused(&world->process, err))
		judge_fail(&world->judge, "the index cannot be made: %s", fault.text);
	index_close(audit.index);
	index_remove(&audit);
	names_release(&names);
	judge_mark(&world->judge, KIND_INDEX);
}
