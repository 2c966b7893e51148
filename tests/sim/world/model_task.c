/*
 * What may happen to a task (see model_event.c): its way from waiting to its end, its leases,
 * retries and deadlines.
 */
#include "base/duration.h"
#include "sim/world/model_int.h"

bool
caused_by_fence(const struct witness *witness, enum eng_command_type type)
{
	const struct eng_command *cause = witness->model->cause;
	if (cause == NULL)
		return true;
	return cause->type == type && cause->task.fence.lease == witness->task->lease &&
	    cause->task.worker.v == witness->task->worker &&
	    uuid_equal(cause->task.fence.task, uuid_task(witness->run->id, witness->event->task));
}

static uint64_t
uptime(const struct witness *witness)
{
	return model_uptime(witness->model, witness->event->time_ns);
}

static bool
others_closed(const struct witness *witness)
{
	for (uint32_t i = 0; i < witness->run->recipe->task_count; i++) {
		if (i != witness->event->task && !model_closed(&witness->run->tasks[i]))
			return false;
	}
	return true;
}

/* All parents have ended well; *ret_skipped: all of them were skipped. */
static bool
parents_done(const struct witness *witness, bool *ret_skipped)
{
	*ret_skipped = witness->recipe->parent_count > 0;
	for (unsigned i = 0; i < witness->recipe->parent_count; i++) {
		enum model_state state = witness->run->tasks[witness->recipe->parents[i]].state;
		if (state != MODEL_COMPLETED && state != MODEL_SKIPPED)
			return false;
		*ret_skipped = *ret_skipped && state == MODEL_SKIPPED;
	}
	return true;
}

static void
queued_parents(struct witness *witness)
{
	bool skipped;
	require(witness, parents_done(witness, &skipped) && !skipped, "its parents are not done");
	require(witness, witness->run->cancel_reason == 0, "the run is cancelled");
}

static void
queued_ready(struct witness *witness)
{
	require(witness, witness->task->state == MODEL_WAITING, "it does not wait");
	queued_parents(witness);
	uint32_t priority = witness->recipe->priority;
	require(witness, witness->event->priority ==
	    (priority != 0 ? priority : witness->run->priority), "another priority");
	if (!witness->recipe->on_failure)
		return;
	require(witness, others_closed(witness), "the run has not settled");
	require(witness, model_any(witness->run, MODEL_FAILED), "nothing has failed");
	judge_mark(witness->model->judge, KIND_FAILURE_TASK);
}

static bool
may_retry(const struct witness *witness)
{
	if (witness->recipe->delivery == ENG_AT_MOST_ONCE)
		return false;
	return (witness->task->reason == ENG_REASON_FAILED ||
	           witness->task->reason == ENG_REASON_TIMED_OUT) &&
	    witness->task->failures <= witness->recipe->retries;
}

static void
queued_retry(struct witness *witness)
{
	const struct model_task *task = witness->task;
	uint64_t min_ns, max_ns;
	if (task->state == MODEL_WAITING) {
		require(witness, witness->run->replays > 0, "its run did not go on after its end");
		queued_parents(witness);
		return;
	}
	if (task->state == MODEL_DELAYED) {
		uint64_t now_ns = witness->event->time_ns;
		require(witness, caused_by(witness, ENG_CMD_TIMER), "no timer fired");
		require(witness, (task->lapsing != 0 ? task->retry_ns : task->due_ns) <= now_ns,
		    "before its time");
		return;
	}
	require(witness, task->state == MODEL_SETTLING, "no attempt has ended");
	require(witness, may_retry(witness), "it may not be tried again");
	recipe_backoff_ns(witness->recipe, task->failures, &min_ns, &max_ns);
	require(witness, min_ns == 0 && task->retry_after_ms == 0, "without the delay");
}

/* Exactly once: the next attempt begins when the old lease has surely lapsed. Whether it has, the
 * workers' own clocks say (worker.c). */
void
lease_unconfirmed(struct witness *witness, bool whole)
{
	struct model_task *task = witness->task;
	uint64_t lapse_ns = witness->event->lapse_ns;
	bool exactly = witness->recipe->delivery == ENG_EXACTLY_ONCE;
	require(witness, (lapse_ns != 0) == exactly, "how long its handler may still be at it");
	require(witness, !exactly || !whole || lapse_ns == uptime(witness) + MODEL_LAPSE_NS,
	    "its handler is heard of until now");
	task->lapsing = exactly ? task->worker : 0;
	task->lapse_ns = lapse_ns;
	task->past_worker = task->lapsing;
	task->past_lapse_ns = lapse_ns;
}

/* What would be queued now waits for the old lease's end. */
static bool
is_lapsing(const struct witness *witness)
{
	return witness->task->lapsing != 0 && witness->task->lapse_ns > uptime(witness);
}

/* An evicted task returns because one of its nodes has got its result. */
static void
queued_satisfied(struct witness *witness)
{
	bool done = false;
	for (uint32_t i = 0; i < witness->task->node_count; i++)
		done = done || witness->task->nodes[i].done;
	require(witness, witness->task->state == MODEL_EVICTED, "it is not evicted");
	require(witness, done, "nothing has come for it");
}

void
on_task_queued(struct witness *witness)
{
	struct model_task *task = witness->task;
	uint32_t reason = witness->event->reason;
	if (reason == ENG_REASON_READY) {
		queued_ready(witness);
	} else if (reason == ENG_REASON_RETRY) {
		queued_retry(witness);
	} else if (reason == ENG_REASON_SATISFIED) {
		queued_satisfied(witness);
	} else {
		require(witness, reason == ENG_REASON_RELEASED || reason == ENG_REASON_LOST,
		    "queued for no reason");
		require(witness, task->state == MODEL_SETTLING && task->reason == reason,
		    "its attempt did not end so");
		require(witness, task->losses <= MODEL_LOSSES_MAX, "lost too often");
		require(witness, witness->recipe->delivery != ENG_AT_MOST_ONCE,
		    "at most once, and again");
	}
	if (reason != ENG_REASON_READY)
		require(witness, witness->event->priority > witness->run->priority,
		    "a retry does not go first");
	require(witness, !is_lapsing(witness), "before the old lease has lapsed");
	uint64_t schedule_ms = witness->recipe->schedule_ms;
	struct model *model = witness->model;
	task->lapsing = 0;
	task->turn = reason == ENG_REASON_RELEASED ? --model->turn_first : ++model->turn_last;
	task->priority = witness->event->priority;
	task->state = MODEL_QUEUED;
	task->due_ns = schedule_ms != 0 ? uptime(witness) + schedule_ms * NS_PER_MS : 0;
	require(witness, witness->event->deadline_ns == task->due_ns, "another schedule timeout");
}

/* Tasks of one workflow that need the same action: higher priorities first, then the oldest. What
 * was given back goes before the others. */
static bool
is_next(const struct witness *witness)
{
	const struct model *model = witness->model;
	for (size_t i = 0; i < model->run_count; i++) {
		const struct model_run *run = model->runs[i];
		if (run->tenant != witness->run->tenant || run->closed ||
		    run->recipe->workflow != witness->run->recipe->workflow)
			continue;
		for (uint32_t j = 0; j < run->recipe->task_count; j++) {
			const struct model_task *task = &run->tasks[j];
			const struct recipe_task *recipe = &run->recipe->tasks[j];
			if (task->state != MODEL_QUEUED ||
			    recipe->action != witness->recipe->action ||
			    memcmp(recipe->need, witness->recipe->need, sizeof(recipe->need)) != 0)
				continue;
			if (task->priority > witness->task->priority ||
			    (task->priority == witness->task->priority &&
			        task->turn < witness->task->turn))
				return false;
		}
	}
	return true;
}

void
on_task_assigned(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_event *event = witness->event;
	struct model_worker *worker = model_worker(witness->model, event->worker);
	bool skipped;
	require(witness, task->state == MODEL_QUEUED, "it is not queued");
	require(witness, parents_done(witness, &skipped), "its parents are not done");
	require(witness, event->lease == task->lease + 1, "not the next lease");
	require(witness, event->attempt == task->attempt + (task->returns ? 0 : 1),
	    "not the next attempt");
	require(witness, task->node_count == 0 ||
	    event->invocation == task->invocation + (task->returns ? 1 : 0),
	    "not the next invocation");
	require(witness, witness->recipe->delivery != ENG_AT_MOST_ONCE ||
	    task->lease == task->lease_before || task->returns, "at most once, and again");
	require(witness, worker != NULL && worker->attached && !worker->leaving && !worker->left,
	    "the worker is not there");
	require(witness, !worker->draining, "the worker drains");
	require(witness, worker->tenant == witness->run->tenant, "another tenant's worker");
	require(witness, !worker->paused, "the worker is paused");
	require(witness, model_slots_fit(worker, witness->recipe), "the worker has no slots");
	require(witness, worker->actions >> witness->recipe->action & 1, "it does not serve it");
	require(witness, is_next(witness), "another one's turn in its queue is earlier");
	uint64_t execution_ms = witness->recipe->execution_ms;
	if (execution_ms == 0)
		execution_ms = MODEL_EXECUTION_MS;
	for (unsigned slot = 0; slot < RECIPE_SLOTS; slot++)
		worker->used[slot] += witness->recipe->need[slot];
	worker->leases++;
	if (task->returns)
		judge_mark(witness->model->judge, KIND_RETURNED);
	task->returns = false;
	task->released = false;
	task->begun = false;
	task->past_worker = 0;
	task->streamed = 0;
	task->invocation = event->invocation;
	task->state = MODEL_HELD;
	task->lease = event->lease;
	task->attempt = event->attempt;
	task->worker = event->worker;
	task->frame = witness->model->frame;
	task->step = witness->model->steps;
	task->due_ns = uptime(witness) + execution_ms * NS_PER_MS;
	require(witness, event->deadline_ns == task->due_ns, "another execution timeout");
	witness->model->step.assigned++;
}

bool
model_slots_fit(const struct model_worker *worker, const struct recipe_task *task)
{
	for (unsigned slot = 0; slot < RECIPE_SLOTS; slot++) {
		if (worker->used[slot] + task->need[slot] > worker->slots[slot])
			return false;
	}
	return true;
}

static void
slots_return(struct witness *witness)
{
	struct model_worker *worker = model_worker(witness->model, witness->task->worker);
	require(witness, worker != NULL, "its worker is nobody");
	for (unsigned slot = 0; slot < RECIPE_SLOTS; slot++) {
		require(witness, worker->used[slot] >= witness->recipe->need[slot],
		    "its worker has not these slots in use");
		worker->used[slot] -= witness->recipe->need[slot];
	}
}

void
task_slot_free(struct witness *witness)
{
	struct model_worker *worker = model_worker(witness->model, witness->task->worker);
	require(witness, worker != NULL && worker->leases > 0, "its worker has no lease");
	if (!witness->task->released)
		slots_return(witness);
	worker->leases--;
	witness->task->worker = 0;
	witness->task->dropped = false;
}

static void
task_close(struct witness *witness, enum model_state state)
{
	witness->task->state = state;
	witness->task->lapsing = 0;
	witness->task->reason = witness->event->reason;
	witness->task->close_frame = witness->model->frame;
}

void
on_task_completed(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_command *cause = witness->model->cause;
	require(witness, task->state == MODEL_HELD, "nobody holds it");
	require(witness, witness->event->lease == task->lease, "not the current lease");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_COMPLETE),
	    "its holder did not complete it");
	task->output = (struct model_bytes){
	    .record = witness->event->run_event_no,
	    .hash = bytes_hash(witness->event->payload),
	};
	require(witness, cause == NULL || task->output.hash == bytes_hash(cause->task.bytes),
	    "another output");
	task_slot_free(witness);
	task_close(witness, MODEL_COMPLETED);
}

/* The worker leaves, came back without it, or says that it never came. */
static bool
lease_let_go(const struct witness *witness)
{
	const struct model_worker *worker = model_worker(witness->model, witness->task->worker);
	if (witness->task->dropped ||
	    (worker->leaving && worker->leaving_reason == ENG_REASON_LEFT))
		return true;
	return caused_by_fence(witness, ENG_CMD_TASK_RETURN) && !witness->task->begun;
}

static bool
attempt_may_end(const struct witness *witness)
{
	const struct model *model = witness->model;
	const struct model_worker *worker = model_worker(model, witness->task->worker);
	switch (witness->event->reason) {
	case ENG_REASON_FAILED:
		return caused_by_fence(witness, ENG_CMD_TASK_FAIL) &&
		    (model->cause == NULL || !model->cause->task.fatal);
	case ENG_REASON_FATAL:
		if (model->cause != NULL && model->answer.differs)
			return model->answer.err == FROE_NONDETERMINISM;
		return caused_by_fence(witness, ENG_CMD_TASK_FAIL) &&
		    (model->cause == NULL || model->cause->task.fatal);
	case ENG_REASON_TIMED_OUT:
		return caused_by(witness, ENG_CMD_TIMER) &&
		    witness->task->due_ns <= uptime(witness);
	case ENG_REASON_LOST:
		return worker->leaving && worker->leaving_reason != ENG_REASON_LEFT;
	case ENG_REASON_RELEASED:
		return lease_let_go(witness) && witness->recipe->delivery != ENG_AT_MOST_ONCE;
	case ENG_REASON_NOT_DELIVERED:
		judge_mark(model->judge, KIND_NOT_DELIVERED);
		return lease_let_go(witness) && witness->recipe->delivery == ENG_AT_MOST_ONCE;
	default:
		return false;
	}
}

static void
attempt_count(struct witness *witness)
{
	struct model_task *task = witness->task;
	struct judge *judge = witness->model->judge;
	uint32_t reason = witness->event->reason;
	if (reason == ENG_REASON_LOST) {
		judge_mark(judge, KIND_LOST);
		witness->model->step.revoked++;
	}
	if (reason == ENG_REASON_RELEASED)
		judge_mark(judge, KIND_RELEASED);
	if (reason == ENG_REASON_TIMED_OUT) {
		judge_mark(judge, KIND_TIMED_OUT);
		witness->model->step.revoked++;
	}
	task->losses += reason == ENG_REASON_LOST ? 1 : 0;
	bool failed = reason == ENG_REASON_FAILED || reason == ENG_REASON_FATAL ||
	    reason == ENG_REASON_TIMED_OUT;
	task->failures += failed ? 1 : 0;
}

/* Has its holder said that the handler has ended? Of a fatal end a recovery does not know. */
static void
attempt_word(struct witness *witness)
{
	uint32_t reason = witness->event->reason;
	bool differs = witness->model->cause != NULL ? witness->model->answer.differs
	                                             : witness->event->lapse_ns != 0;
	bool silent = reason == ENG_REASON_LOST || reason == ENG_REASON_TIMED_OUT ||
	    ((reason == ENG_REASON_RELEASED || reason == ENG_REASON_NOT_DELIVERED) &&
	        !witness->task->dropped) ||
	    (reason == ENG_REASON_FATAL && differs);
	witness->task->lapsing = 0;
	if (silent)
		lease_unconfirmed(witness,
		    reason == ENG_REASON_TIMED_OUT || reason == ENG_REASON_FATAL);
	else
		require(witness, witness->event->lapse_ns == 0, "it has ended");
}

void
on_attempt_ended(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_command *cause = witness->model->cause;
	uint32_t reason = witness->event->reason;
	require(witness, task->state == MODEL_HELD, "nobody holds it");
	require(witness, witness->event->lease == task->lease, "not the current lease");
	require(witness, attempt_may_end(witness), "it did not end so");
	task->retry_after_ms = 0;
	if (cause != NULL && cause->type == ENG_CMD_TASK_FAIL &&
	    (reason == ENG_REASON_FAILED || reason == ENG_REASON_FATAL)) {
		require(witness, bytes_equal(cause->task.bytes, witness->event->text),
		    "another error");
		task->retry_after_ms = cause->task.retry_after_ms;
	}
	attempt_count(witness);
	if (reason != ENG_REASON_RELEASED) {
		task->error = (struct model_bytes){
		    .record = witness->event->run_event_no,
		    .hash = bytes_hash(witness->event->text),
		};
	}
	attempt_word(witness);
	task_slot_free(witness);
	task->state = MODEL_SETTLING;
	task->reason = reason;
}

/* As long as the old lease takes, and as the delay does. */
static void
delayed_lapsing(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_event *event = witness->event;
	require(witness, is_lapsing(witness), "no old lease is to lapse");
	require(witness, event->worker == task->lapsing, "of another worker");
	require(witness, event->deadline_ns == task->lapse_ns, "at another time");
	task->retry_ns = event->retry_ns;
	judge_mark(witness->model->judge, KIND_LAPSING);
}

/* It comes back, or begins anew, while its old lease may be held. */
static void
delayed_again(struct witness *witness)
{
	bool skipped;
	require(witness, is_lapsing(witness), "no attempt has ended");
	require(witness, witness->event->retry_ns == witness->event->time_ns, "with a delay");
	if (witness->task->state == MODEL_EVICTED)
		queued_satisfied(witness);
	else
		require(witness, parents_done(witness, &skipped) && !skipped,
		    "its parents are not done");
	judge_mark(witness->model->judge, KIND_LAPSING_AGAIN);
}

static void
delayed_attempt(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_event *event = witness->event;
	bool lapses = event->worker != 0;
	uint64_t min_ns = 0, max_ns = 0;
	uint64_t delay_ns = (lapses ? event->retry_ns : event->deadline_ns) - event->time_ns;
	require(witness, task->state == MODEL_SETTLING, "no attempt has ended");
	if (may_retry(witness))
		recipe_backoff_ns(witness->recipe, task->failures, &min_ns, &max_ns);
	else
		require(witness, lapses && task->losses <= MODEL_LOSSES_MAX,
		    "it may not be tried again");
	if (task->retry_after_ms != 0)
		min_ns = max_ns = task->retry_after_ms * NS_PER_MS;
	if (witness->model->cause != NULL) /* else what the worker said is not known any more */
		require(witness, delay_ns >= min_ns && delay_ns <= max_ns, "another delay");
}

void
on_task_delayed(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_event *event = witness->event;
	if (task->state == MODEL_EVICTED || task->state == MODEL_WAITING)
		delayed_again(witness);
	else
		delayed_attempt(witness);
	judge_mark(witness->model->judge, KIND_DELAYED);
	if (event->worker != 0)
		delayed_lapsing(witness);
	else
		require(witness, !is_lapsing(witness), "before the old lease has lapsed");
	if (event->worker == 0)
		task->lapsing = 0;
	task->state = MODEL_DELAYED;
	task->due_ns = event->deadline_ns;
}

/* The old lease's handler has ended: only the delay is left. */
void
on_lease_ended(struct witness *witness)
{
	struct model_task *task = witness->task;
	bool waits = task->state == MODEL_DELAYED || task->state == MODEL_EVICTED ||
	    task->state == MODEL_WAITING;
	require(witness, waits && task->lapsing != 0, "no old lease is waited for");
	bool lapsed = task->state == MODEL_DELAYED && task->lapse_ns <= uptime(witness) &&
	    caused_by(witness, ENG_CMD_TIMER);
	require(witness, witness->model->cause == NULL || witness->model->answer.ended || lapsed,
	    "nobody said that it has ended");
	task->lapsing = 0;
	task->past_worker = 0;
	if (task->state == MODEL_DELAYED)
		task->due_ns = task->retry_ns;
	judge_mark(witness->model->judge, KIND_LEASE_ENDED);
}

void
on_slots_released(struct witness *witness)
{
	struct model_task *task = witness->task;
	require(witness, task->state == MODEL_HELD && !task->released,
	    "its slots are free already");
	require(witness, witness->event->lease == task->lease, "not the current lease");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_RELEASE),
	    "its holder did not ask for it");
	slots_return(witness);
	task->released = true;
}

void
on_task_begun(struct witness *witness)
{
	struct model_task *task = witness->task;
	require(witness, task->state == MODEL_HELD && !task->begun, "it has begun before");
	require(witness, witness->event->lease == task->lease, "not the current lease");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_BEGIN),
	    "its holder did not say so");
	task->begun = true;
}

void
on_task_failed(struct witness *witness)
{
	struct model_task *task = witness->task;
	require(witness, task->state == MODEL_SETTLING, "no attempt has ended");
	require(witness, task->reason == witness->event->reason, "for another reason");
	require(witness, task->reason != ENG_REASON_RELEASED, "it was only given back");
	require(witness, !may_retry(witness), "it may be tried again");
	if (task->reason == ENG_REASON_LOST &&
	    witness->recipe->delivery != ENG_AT_MOST_ONCE) {
		require(witness, task->losses > MODEL_LOSSES_MAX, "not lost often enough");
		judge_mark(witness->model->judge, KIND_LOST_FOR_GOOD);
	}
	task_close(witness, MODEL_FAILED);
}

static bool
parent_bad(const struct witness *witness)
{
	for (unsigned i = 0; i < witness->recipe->parent_count; i++) {
		enum model_state state = witness->run->tasks[witness->recipe->parents[i]].state;
		if (state == MODEL_FAILED || state == MODEL_CANCELLED)
			return true;
	}
	return false;
}

static bool
asked_alone(const struct witness *witness)
{
	const struct eng_command *cause = witness->model->cause;
	const struct model_run *run = witness->run;
	return cause == NULL || (cause->type == ENG_CMD_RUN_CANCEL &&
	    uuid_equal(cause->run_cancel.run, run->id) &&
	    cause->run_cancel.task == witness->event->task + 1 &&
	    bytes_equal(cause->run_cancel.reason, witness->event->text) &&
	    cause->tenant.v == witness->model->tenant_numbers[run->tenant]);
}

static bool
may_cancel(const struct witness *witness)
{
	const struct model_task *task = witness->task;
	switch (witness->event->reason) {
	case ENG_REASON_PARENT:
		return (task->state == MODEL_WAITING && parent_bad(witness)) ||
		    witness->run->cancel_reason == ENG_REASON_PARENT;
	case ENG_REASON_TASK_REQUESTED:
		return asked_alone(witness);
	case ENG_REASON_REQUESTED:
	case ENG_REASON_RUN_TIMEOUT:
		return witness->run->cancel_reason == witness->event->reason;
	case ENG_REASON_SCHEDULE_TIMEOUT:
		judge_mark(witness->model->judge, KIND_SCHEDULE_TIMED_OUT);
		return task->state == MODEL_QUEUED && task->due_ns != 0 &&
		    task->due_ns <= uptime(witness) && caused_by(witness, ENG_CMD_TIMER);
	default:
		return false;
	}
}

void
on_task_cancelled(struct witness *witness)
{
	require(witness, !model_closed(witness->task), "it has ended");
	require(witness, may_cancel(witness), "there is no reason to");
	if (witness->task->state == MODEL_HELD) {
		lease_unconfirmed(witness, /* whole= */ true);
		task_slot_free(witness);
		witness->model->step.revoked++;
	} else {
		require(witness, witness->event->lapse_ns == 0, "nobody holds it");
	}
	task_close(witness, MODEL_CANCELLED);
}

void
on_task_skipped(struct witness *witness)
{
	bool skipped;
	require(witness, witness->task->state == MODEL_WAITING, "it does not wait");
	if (witness->recipe->on_failure) {
		require(witness, others_closed(witness), "the run has not settled");
		require(witness, !model_any(witness->run, MODEL_FAILED), "something has failed");
	} else {
		require(witness, parents_done(witness, &skipped) && skipped,
		    "its parents were not skipped");
	}
	task_close(witness, MODEL_SKIPPED);
}

void
on_lease_refreshed(struct witness *witness)
{
	struct model_task *task = witness->task;
	const struct eng_command *cause = witness->model->cause;
	uint64_t due_ns = witness->event->deadline_ns;
	require(witness, task->state == MODEL_HELD, "nobody holds it");
	require(witness, witness->event->lease == task->lease, "not the current lease");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_REFRESH), "nobody asked for it");
	if (cause != NULL)
		require(witness, due_ns == task->due_ns + cause->task.add_ms * NS_PER_MS,
		    "by another time");
	require(witness, due_ns >= task->due_ns, "to an earlier time");
	task->due_ns = due_ns;
}

void
on_task_streamed(struct witness *witness)
{
	require(witness, witness->task->state == MODEL_HELD, "nobody holds it");
	require(witness, witness->event->lease == witness->task->lease, "not the current lease");
	require(witness, witness->event->attempt == witness->task->attempt, "another attempt");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_STREAM), "its holder sent nothing");
	const struct eng_command *cause = witness->model->cause;
	struct model_run *run = witness->run;
	struct model_chunk chunk = {
	    .task = witness->event->task,
	    .lease = witness->event->lease,
	    .sequence = ++witness->task->streamed,
	    .bytes = {witness->event->run_event_no, bytes_hash(witness->event->payload)},
	};
	require(witness, cause == NULL || cause->task.sequence == 0 ||
	    cause->task.sequence == chunk.sequence, "not the next chunk");
	require(witness, cause == NULL || chunk.bytes.hash == bytes_hash(cause->task.bytes),
	    "another chunk");
	run->chunks = model_grow(run->chunks, run->chunk_count, sizeof(*run->chunks));
	run->chunks[run->chunk_count++] = chunk;
}

void
on_task_logged(struct witness *witness)
{
	require(witness, witness->task->state == MODEL_HELD, "nobody holds it");
	require(witness, witness->event->lease == witness->task->lease, "not the current lease");
	require(witness, caused_by_fence(witness, ENG_CMD_TASK_LOG), "its holder logged nothing");
}

/* A line of an attempt that there was, while the engine remembers its run. */
void
answer_late_line(struct model *model)
{
	const struct eng_command *command = model->cause;
	uint32_t number;
	const struct model_run *run =
	    model_run_by_id(model, uuid_run_of(command->task.fence.task, &number));
	bool known = run != NULL && !run->unbound && number != 0 &&
	    number <= run->recipe->task_count &&
	    model->tenant_numbers[run->tenant] == command->tenant.v;
	if (!known) {
		model->answer.err = FROE_NOT_FOUND;
	} else if (!run->closed) {
		uint32_t attempt = run->tasks[number - 1].attempt;
		if (attempt == 0 || command->task.attempt > attempt)
			model->answer.err = FROE_NOT_FOUND;
	} else {
		model->answer.any = model->now_ns - run->closed_ns > MODEL_CLOSED_TTL_NS / 2;
	}
}

void
on_late_logged(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	require(witness, uuid_equal(event->id, witness->run->id), "another run");
	require(witness, witness->model->tenant_numbers[witness->run->tenant] == event->tenant,
	    "another tenant");
	if (cause == NULL)
		return;
	require(witness, cause->type == ENG_CMD_TASK_LOG && cause->task.late &&
	    uuid_equal(cause->task.fence.task, uuid_task(witness->run->id, event->task)),
	    "nobody logged it");
	require(witness, bytes_equal(event->text, cause->task.bytes), "another line");
	require(witness, cause->task.attempt == 0 || event->attempt == cause->task.attempt,
	    "of another attempt");
}
