/*
 * A run that has ended goes on, as the hub lets it: its records, which the world keeps, are folded
 * by the server's own code into what the engine is told; the resolver learns again where they lie.
 */
#include "base/mem.h"
#include "sim/world/past_view.h"
#include "sim/world/process_int.h"

static uint32_t
rows_collect(const struct process *process, uint64_t run, struct past_row *rows)
{
	uint32_t count = 0;
	for (size_t i = 0; i < process->history->count; i++) {
		const struct history_row *row = &process->history->rows[i];
		if (row->run != run)
			continue;
		if (rows != NULL)
			rows[count] = (struct past_row){
			    .type = row->type,
			    .time_ns = row->time_ns,
			    .body = bytes_of(row->body, row->size),
			    .place = row->place,
			};
		count++;
	}
	return count;
}

static void
places_load(struct process *process, uint64_t run, const struct past_row *rows, uint32_t count,
    struct arena *arena)
{
	struct log_place *places = arena_alloc(arena, count * sizeof(*places));
	if (resolver_count(process->shard.resolver, run) != 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		places[i] = rows[i].place;
	resolver_load(process->shard.resolver, run, places, count);
}

bool
process_replay(struct process *process, const struct model_run *run, uint32_t from, uint32_t node,
    struct arena *arena, struct eng_command *command)
{
	struct eng_version_view version;
	struct froe_fault fault;
	const struct model_workflow *workflow =
	    &process->model->workflows[run->tenant][run->workflow];
	uint32_t count = rows_collect(process, run->key, NULL);
	struct past_row *rows = arena_alloc(arena, count * sizeof(*rows));
	FROE_DROP(rows_collect(process, run->key, rows), "as many as before");
	froe_assert(count == run->event_count);
	if (!eng_version(process->shard.eng, workflow->number, run->version, &version))
		judge_fail(process->judge, "a version is gone");
	enum froe_err err = past_view(run->key, rows, count, &version,
	    from, node, arena, &command->run_replay, &fault);
	if (err == FROE_FAILED_PRECONDITION && !run->closed)
		return false; /* as the hub answers it */
	if (err != FROE_OK)
		judge_fail(process->judge, "what a run's records say: %s", fault.text);
	places_load(process, run->key, rows, count, arena);
	return true;
}

void
process_replay_over(struct process *process, const struct model_run *run)
{
	if (run->closed)
		resolver_forget(process->shard.resolver, run->key);
}
