/*
 * Runs that have ended and go on (see model_event.c): what runs anew, what is kept, and what is not
 * theirs any more.
 */
#include "base/duration.h"
#include "sim/world/model_int.h"

#include <inttypes.h>
#include <stdio.h>

void
answer_replay(struct model *model)
{
	const struct model_run *run = model_run_by_id(model, model->cause->run_replay.run);
	froe_assert(run != NULL);
	if (!run->closed)
		model->answer.err = FROE_FAILED_PRECONDITION;
	else
		model->answer.run = run->key;
}

/* The task, and all that come after it. */
static void
reset_from(const struct recipe *recipe, uint32_t index, bool reset[MODEL_TASKS_MAX])
{
	reset[index] = true;
	for (uint32_t i = 0; i < recipe->task_count; i++) {
		for (unsigned j = 0; j < recipe->tasks[i].parent_count && !reset[i]; j++) {
			if (recipe->tasks[i].parents[j] == index)
				reset_from(recipe, i, reset);
		}
	}
}

static void
task_again(struct witness *witness, struct model_task *task, uint32_t nodes)
{
	bool lapses = task->past_worker != 0 &&
	    task->past_lapse_ns > model_uptime(witness->model, witness->event->time_ns);
	for (uint32_t i = 0; i < nodes; i++)
		require(witness, i < task->node_count && task->nodes[i].done,
		    "a node without a result is kept");
	*task = (struct model_task){
	    .state = MODEL_WAITING,
	    .lease = task->lease,
	    .lease_before = task->lease,
	    .attempt = task->attempt,
	    .nodes = task->nodes,
	    .node_count = nodes,
	    .invocation = nodes > 0 ? 1 : 0,
	    .past_worker = task->past_worker,
	    .past_lapse_ns = task->past_lapse_ns,
	    .lapsing = lapses ? task->past_worker : 0,
	    .lapse_ns = lapses ? task->past_lapse_ns : 0,
	};
}

/* "STATE:LEASE:ATTEMPT:OUTPUT", and whose handler may still be at it, until when. */
static void
check_kept(const struct witness *witness, uint32_t index, bool again)
{
	char text[96];
	const struct model_task *task = &witness->run->tasks[index];
	char state = again ? 'W' : task->state == MODEL_SKIPPED ? 'S' : 'C';
	int size = snprintf(text, sizeof(text), "%c:%" PRIu64 ":%" PRIu32 ":%" PRIu32, state,
	    task->lease, task->attempt, again ? 0 : task->output.record);
	if (again && task->lapsing != 0)
		size += snprintf(text + size, sizeof(text) - (size_t)size, ":%" PRIu64 ":%" PRIu64,
		    task->lapsing, task->lapse_ns);
	require(witness, bytes_equal(witness->event->kept[index], bytes_of(text, (size_t)size)),
	    "a task is kept otherwise");
}

static void
tasks_again(struct witness *witness)
{
	struct model_run *run = witness->run;
	const struct eng_event *event = witness->event;
	bool reset[MODEL_TASKS_MAX] = {false};
	require(witness, event->kept_count == run->recipe->task_count, "not all its tasks");
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		bool done = run->tasks[i].state == MODEL_COMPLETED ||
		    run->tasks[i].state == MODEL_SKIPPED;
		if (event->from == 0 || event->from == i + 1 || !done ||
		    run->recipe->tasks[i].on_failure)
			reset_from(run->recipe, i, reset);
	}
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		if (reset[i])
			task_again(witness, &run->tasks[i],
			    event->from == i + 1 ? event->nodes_count : 0);
		check_kept(witness, i, reset[i]);
	}
}

/* Those that it had started are nobody's children now; its key and its approvals are over. */
static void
relations_end(struct model *model, struct model_run *run)
{
	uint32_t number;
	run->independent = true;
	for (size_t i = 0; i < model->run_count; i++) {
		struct model_run *child = model->runs[i];
		if (uuid_is_nil(child->parent) ||
		    !uuid_equal(uuid_run_of(child->parent, &number), run->id))
			continue;
		child->independent = true;
		child->unlisted = true;
	}
	for (size_t i = 0; i < model->key_count; i++) {
		if (model->keys[i].run == run->key && model->keys[i].until_ns == 0)
			model->keys[i].tenant = UINT32_MAX;
	}
	for (size_t i = 0; i < model->approval_count; i++)
		model->approvals[i].over |= model->approvals[i].run == run->key;
}

void
on_run_replayed(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	struct model_run *run = witness->run;
	bool edited = event->payload.size != 0;
	require(witness, run->closed, "it has not ended");
	require(witness, cause == NULL || (cause->type == ENG_CMD_RUN_REPLAY &&
	    uuid_equal(cause->run_replay.run, run->id) && cause->run_replay.from == event->from &&
	    bytes_equal(cause->run_replay.input, event->payload)), "nobody asked for it");
	require(witness, uuid_equal(event->id, run->id) && event->version == run->version &&
	    event->priority == run->priority && event->created_ns == run->created_ns &&
	    event->chunks == run->chunk_count && uuid_equal(event->parent, run->parent),
	    "as another run");
	require(witness, event->input ==
	    (edited ? event->run_event_no : run->input.record), "with another input");
	tasks_again(witness);
	relations_end(witness->model, run);
	uint64_t timeout_ms = run->recipe->run_timeout_ms;
	run->due_ns = timeout_ms != 0 ? event->time_ns + timeout_ms * NS_PER_MS : 0;
	require(witness, event->deadline_ns == run->due_ns, "another deadline");
	if (edited)
		run->input = (struct model_bytes){event->run_event_no, bytes_hash(event->payload)};
	model_job_change(witness, ENG_JOB_REPLAY);
	run->replays++;
	run->opened = witness->model->event_count;
	run->cancel_reason = 0;
	run->doomed = false;
	run->closed = false;
	witness->model->run_open++;
	judge_mark(witness->model->judge, event->from != 0 ? KIND_REPLAYED_FROM : KIND_REPLAYED);
	if (event->nodes_count > 0)
		judge_mark(witness->model->judge, KIND_BRANCHED);
}
