#include "sim/world/ledger.h"

#include "base/mem.h"

#include <inttypes.h>

static const char *const promise_names[] = {
    [PROMISE_RUN] = "an acknowledged run",
    [PROMISE_WORKFLOW] = "an acknowledged workflow",
    [PROMISE_CANCELLED] = "an acknowledged cancel",
    [PROMISE_REPLAYED] = "an acknowledged replay",
    [PROMISE_COMPLETED] = "an acknowledged completion",
    [PROMISE_ENDED] = "an acknowledged failure",
    [PROMISE_ASSIGNED] = "a dispatched assignment",
    [PROMISE_CLOSED] = "a shown result",
    [PROMISE_NODE] = "a node's result",
    [PROMISE_CHUNK] = "an acknowledged chunk",
    [PROMISE_EVENT] = "an acknowledged event",
    [PROMISE_TOKEN] = "an acknowledged token, or its end",
    [PROMISE_RATE] = "an acknowledged rate limit",
    [PROMISE_JOB] = "an acknowledged job",
    [PROMISE_JOB_OVER] = "an acknowledged end of a job",
    [PROMISE_WORKER] = "an acknowledged registration",
};

void
ledger_write(struct ledger *ledger, const struct ledger_row *row)
{
	if (ledger->count == ledger->capacity) {
		ledger->capacity = ledger->capacity != 0 ? ledger->capacity * 2 : 64;
		ledger->rows = mem_resize(ledger->rows, ledger->capacity * sizeof(*ledger->rows));
	}
	ledger->rows[ledger->count++] = *row;
}

void
ledger_release(struct ledger *ledger)
{
	mem_free(ledger->rows);
	*ledger = (struct ledger){0};
}

static bool
workflow_holds(const struct model *model, const struct ledger_row *row)
{
	const struct model_workflow *workflow = &model->workflows[row->tenant][row->workflow];
	return row->lease >= 1 && row->lease <= workflow->version_count &&
	    workflow->versions[row->lease - 1]->hash == row->hash;
}

static bool
worker_holds(const struct model *model, const struct ledger_row *row)
{
	const struct model_worker *worker = model_worker(model, row->lease);
	return worker != NULL && uuid_equal(worker->id, row->id);
}

static bool
node_holds(const struct model_run *run, const struct ledger_row *row)
{
	uint64_t hash;
	uint32_t which;
	bool done = model_node_result(run, row->task, (uint32_t)row->lease, &hash, &which);
	return done && hash == row->hash && which == row->workflow;
}

static bool
chunk_holds(const struct model_run *run, const struct ledger_row *row)
{
	for (uint32_t i = 0; i < run->chunk_count; i++) {
		const struct model_chunk *chunk = &run->chunks[i];
		if (chunk->task == row->task && chunk->lease == row->lease &&
		    chunk->sequence == row->workflow)
			return chunk->bytes.hash == row->hash;
	}
	return false;
}

static bool
task_holds(const struct model_run *run, const struct ledger_row *row)
{
	const struct model_task *task = &run->tasks[row->task];
	if (row->promise == PROMISE_COMPLETED && run->replays > row->replays)
		return task->lease >= row->lease;
	if (row->promise == PROMISE_COMPLETED)
		return task->state == MODEL_COMPLETED && task->output.hash == row->hash;
	if (row->promise == PROMISE_ENDED)
		return task->lease > row->lease ||
		    (task->lease == row->lease && task->state != MODEL_HELD);
	bool same = task->lease != row->lease || task->state != MODEL_HELD ||
	    task->worker == row->hash;
	return task->lease >= row->lease && same;
}

static bool
promise_holds(const struct model *model, const struct ledger_row *row)
{
	if (row->promise == PROMISE_WORKFLOW)
		return workflow_holds(model, row);
	if (row->promise == PROMISE_WORKER)
		return worker_holds(model, row);
	if (row->promise == PROMISE_TOKEN)
		return model_token_revoked(model, row->lease) ||
		    (row->hash == 0 && model_token_good(model, row->lease));
	if (row->promise == PROMISE_RATE)
		return model->rates[row->tenant][row->task].limit >= row->lease;
	if (row->promise == PROMISE_JOB)
		return row->lease <= model->job_count &&
		    model->jobs[row->lease - 1].filter_hash == row->hash;
	if (row->promise == PROMISE_JOB_OVER)
		return model_job_over(model, row->lease);
	if (row->promise == PROMISE_EVENT)
		return model->event_last >= row->lease;
	const struct model_run *run = model_run_by_id(model, row->id);
	if (run == NULL)
		return false;
	bool later = run->replays > row->replays; /* what ended then may go on now */
	if (row->promise == PROMISE_REPLAYED)
		return run->replays >= row->lease;
	if (row->promise == PROMISE_NODE)
		return later || node_holds(run, row);
	if (row->promise == PROMISE_CHUNK)
		return chunk_holds(run, row);
	if (row->promise == PROMISE_RUN)
		return run->input_hash == row->hash && run->tenant == row->tenant;
	if (row->promise == PROMISE_CANCELLED)
		return later || (run->closed && run->cancel_reason != 0);
	if (row->promise == PROMISE_CLOSED)
		return later || (run->closed && run->status == (enum eng_status)row->lease);
	return task_holds(run, row);
}

void
ledger_check(const struct ledger *ledger, struct model *model)
{
	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_row *row = &ledger->rows[i];
		char text[UUID_TEXT_SIZE];
		uuid_format(row->id, text);
		if (!promise_holds(model, row))
			judge_fail(model->judge, "%s is gone: %s, task %u, lease %" PRIu64,
			    promise_names[row->promise], text, row->task, row->lease);
	}
}

bool
ledger_completed(
    const struct ledger *ledger, struct uuid run, unsigned replays, uint32_t task)
{
	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_row *row = &ledger->rows[i];
		if (row->promise == PROMISE_COMPLETED && row->task == task &&
		    row->replays == replays &&
		    uuid_equal(row->id, run))
			return true;
	}
	return false;
}
