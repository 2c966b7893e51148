/*
 * An index of the runs, in a real directory, filled by the server's own code from the log's files,
 * as a server does that has lost its own. Only some worlds have it.
 */
#include "sim/world/process_int.h"

#include "index/openset.h"
#include "server/indexer.h"
#include "server/rebuild.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char dir[64];
	char path[80];
};

/* One for all children of a parent, one after the other. */
static struct place
place_of(pid_t parent)
{
	struct place place;
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(place.dir, sizeof(place.dir), "%s/froe-sim-%d", base, (int)parent);
	snprintf(place.path, sizeof(place.path), "%s/index", place.dir);
	return place;
}

static void
place_remove(const struct place *place)
{
	FROE_DROP(index_delete(place->path, NULL), "mostly there is none");
	rmdir(place->path);
	rmdir(place->dir);
}

void
process_index_clean(void)
{
	struct place place = place_of(getpid());
	place_remove(&place);
}

void
process_index_close(struct process *process)
{
	struct place place = place_of(getppid());
	if (process->index == NULL)
		return;
	index_close(process->index);
	process->index = NULL;
	place_remove(&place);
}

static void
index_begin(struct process *process)
{
	struct place place = place_of(getppid());
	struct froe_fault fault;
	uint64_t applied;
	if (process->index != NULL)
		return;
	place_remove(&place);
	if (mkdir(place.dir, 0700) != 0)
		judge_fail(process->judge, "no directory for an index");
	if (index_open(place.path, process->shard.report.store, &process->index, &applied,
	        &fault) != FROE_OK)
		judge_fail(process->judge, "no index: %s", fault.text);
}

enum froe_err
process_index_fill(struct process *process, uint64_t until, struct froe_fault *fault)
{
	struct names names;
	struct rebuild_options options = {
	    .env = process->env,
	    .dir = PROCESS_DIR,
	    .store = process->shard.report.store,
	    .until = until,
	    .names = &names,
	};
	index_begin(process);
	names_init(&names);
	struct rebuild *rebuild = rebuild_open(&options, process->index, fault);
	enum froe_err err = rebuild != NULL ? FROE_OK : fault->code;
	bool done = false;
	while (err == FROE_OK && !done)
		err = rebuild_step(rebuild, &done, fault);
	rebuild_close(rebuild);
	names_release(&names);
	return err == FROE_OK ? index_commit(process->index, until, true, fault) : err;
}

/* ---------------------------------------------------------------------------------------- pages */

struct page {
	struct walk *walk;
	uint32_t rows;
	uint64_t next;
};

/* As the index thread: one more than the limit is looked for. */
static bool
page_take(void *context, const struct index_run *row)
{
	struct page *page = context;
	if (page->walk->count == page->rows) {
		page->next = page->walk->rows[page->rows - 1].number;
		return false;
	}
	walk_row(page->walk, row->number, row->id);
	return true;
}

static void
run_opened(void *context, uint64_t run, const struct eng_run_info *info, enum eng_status status)
{
	openset_put(context, info->tenant, run, indexer_kinds(status, info->version == 0));
}

/* Names are the log's: it has to be there from its beginning. */
bool
process_index_may(const struct process *process)
{
	return plan_does(process->plan, KIND_INDEX) && !plan_does(process->plan, KIND_RETENTION);
}

enum froe_err
process_index_page(struct process *process, uint32_t tenant, const struct api_command *list,
    uint32_t rows, struct walk *walk)
{
	struct froe_fault fault;
	struct openset open;
	struct indexer_job *question;
	struct page page = {.walk = walk, .rows = rows};
	uint64_t next;
	enum froe_err err = process_index_fill(process, process->durable, &fault);
	if (err != FROE_OK && !process_excused(process, err))
		judge_fail(process->judge, "the index cannot be made: %s", fault.text);
	if (err != FROE_OK)
		return err;
	openset_init(&open);
	eng_runs_open(process->shard.eng, run_opened, &open);
	question = indexer_list_job();
	indexer_list_filter(question->list, (struct eng_tenant_id){tenant}, list);
	question->list->filter.open = &open;
	walk_page(walk);
	if (index_list(process->index, &question->list->filter, page_take, &page, &next) != FROE_OK)
		judge_fail(process->judge, "the index cannot be listed");
	walk_page_end(walk, page.next != 0 ? page.next : next);
	indexer_job_free(question);
	openset_release(&open);
	judge_mark(process->judge, KIND_JOB_INDEX);
	return FROE_OK;
}
