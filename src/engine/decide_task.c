/*
 * engine/decide_task: how a task goes on, and what that means for its run.
 *
 * A task that closes is followed through the DAG with a work list: a failed or cancelled parent
 * cancels its children at once; the last parent to close queues the child, or skips it when all
 * parents were skipped. When nothing is open but the on-failure task, it is queued or skipped; when
 * nothing is open at all, the run closes.
 */
#include "engine/durable_int.h"

#include "base/plant.h"

/* The step's next event: for event_happens(). */
static struct eng_event *
task_event(struct eng_turn *turn, struct eng_task *task, enum eng_event_type type,
    enum eng_reason reason)
{
	struct eng_event *event = event_of_run(turn, type, task_run(task));
	event->task = task->index;
	event->reason = (uint32_t)reason;
	return event;
}

void
task_queue(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	const struct eng_task_definition *definition = task_definition(task);
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_QUEUED, reason);
	bool first = reason == ENG_REASON_READY;
	uint32_t priority =
	    definition->priority != 0 ? definition->priority : task_run(task)->priority;
	event->priority = first ? priority : ENG_RETRY_PRIORITY;
	if (definition->schedule_timeout_ms != 0) {
		event->deadline_ns = eng_uptime_ns(turn->eng, turn->now_ns) +
		    delay_ns_of(definition->schedule_timeout_ms);
	}
	event_happens(turn, event);
}

/* By squaring: a task may fail a million times. Infinity is larger than any limit. */
static double
power(double base, uint32_t exponent)
{
	double result = 1;
	for (; exponent != 0; exponent >>= 1, base *= base) {
		if (exponent & 1)
			result *= base;
	}
	return result;
}

/* Delay before the attempt after `failures` of them, without jitter. */
static uint64_t
backoff_ms(const struct eng_backoff *backoff, uint32_t failures)
{
	double delay = 0, limit = backoff->max_ms != 0 ? (double)backoff->max_ms : 86400000.0;
	double factor = backoff->factor != 0 ? backoff->factor : 2;
	uint32_t row = failures < backoff->table_count ? failures : backoff->table_count;
	switch ((enum eng_backoff_kind)backoff->kind) {
	case ENG_BACKOFF_NONE:
		return 0;
	case ENG_BACKOFF_TABLE:
		return backoff->table_ms[row - 1];
	case ENG_BACKOFF_CONSTANT:
		delay = (double)backoff->initial_ms;
		break;
	case ENG_BACKOFF_LINEAR:
		delay = (double)backoff->initial_ms * failures;
		break;
	case ENG_BACKOFF_EXPONENTIAL:
		delay = (double)backoff->initial_ms * power(factor, failures - 1);
		break;
	}
	return (uint64_t)(delay < limit ? delay : limit);
}

static uint64_t
retry_delay_ns(struct eng_turn *turn, struct eng_task *task, uint64_t retry_after_ms)
{
	const struct eng_backoff *backoff = &task_definition(task)->backoff;
	if (retry_after_ms != 0)
		return delay_ns_of(retry_after_ms);
	uint64_t delay_ns = backoff_ms(backoff, task->failures) * 1000000;
	uint64_t span_ns = delay_ns / 100 * backoff->jitter_percent;
	return span_ns != 0 ? delay_ns - turn->random % (span_ns + 1) : delay_ns;
}

uint64_t
command_lapse_ns(const struct eng_turn *turn)
{
	uint64_t lapse_ns = turn->command->lapse_ns;
	return lapse_ns > turn->eng->downtime_ns ? eng_uptime_ns(turn->eng, lapse_ns) : 0;
}

/* Of a lease that ends now, without its holder's word. */
uint64_t
task_lapse_ns(const struct eng_turn *turn, struct eng_task *task)
{
	return task_definition(task)->delivery == ENG_EXACTLY_ONCE ? command_lapse_ns(turn) : 0;
}

/* Queued again at retry_ns (wall), or when the old lease has surely lapsed (uptime: the wall clock
 * may be set, and a worker counts its own), whichever is later. */
static void
task_delay(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason, uint64_t retry_ns,
    uint64_t worker, uint64_t lapse_ns)
{
	bool lapsing = lapse_ns > eng_uptime_ns(turn->eng, turn->now_ns);
	if (!lapsing && retry_ns <= turn->now_ns) {
		task_queue(turn, task, reason);
		return;
	}
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_DELAYED, reason);
	event->deadline_ns = lapsing ? lapse_ns : retry_ns;
	if (lapsing) {
		event->worker = worker;
		event->retry_ns = retry_ns;
	}
	event_happens(turn, event);
}

/* Without an end it would go on adding records. */
static bool
run_full(const struct eng_task *task)
{
	struct froe_fault fault;
	return quota_record(task_run((struct eng_task *)(uintptr_t)task), &fault) != FROE_OK;
}

void
task_queue_lapsed(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	if (task->place != ENG_PLACE_LAPSE)
		task_queue(turn, task, reason);
	else
		task_delay(
		    turn, task, reason, turn->now_ns, task->lapse.worker, task->lapse.until_ns);
}

/* At most once: whatever became of it, it has begun, or may have. */
static bool
attempt_final(const struct eng_task_definition *definition, const struct eng_task *task,
    enum eng_reason reason)
{
	if ((definition->delivery == ENG_AT_MOST_ONCE && !plant(AT_MOST_ONCE)) || run_full(task))
		return true;
	if (reason == ENG_REASON_RELEASED)
		return false;
	if (reason == ENG_REASON_LOST)
		return task->losses > FROE_INFRA_RETRIES_MAX;
	bool may_retry = reason == ENG_REASON_FAILED || reason == ENG_REASON_TIMED_OUT;
	return !may_retry || task->failures > definition->retries;
}

/* The attempt is over without a result: again, later, or never. May close the run. */
static void
attempt_end(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason,
    struct bytes text, uint64_t retry_after_ms, uint64_t lapse_ns)
{
	const struct eng_task_definition *definition = task_definition(task);
	uint64_t worker = task->held.worker->id, delay_ns = 0;
	bool once = definition->delivery == ENG_AT_MOST_ONCE;
	if ((once || run_full(task)) && reason == ENG_REASON_RELEASED) {
		reason = ENG_REASON_NOT_DELIVERED;
		if (!once)
			text = bytes_text("the run has too many records to be attempted again");
		else if (text.size == 0)
			text = bytes_text("the worker does not have it");
	}
	struct eng_event *event = task_event(turn, task, ENG_EV_ATTEMPT_ENDED, reason);
	event->lease = task->lease;
	event->text = text;
	event->lapse_ns = definition->delivery == ENG_EXACTLY_ONCE ? lapse_ns : 0;
	event_happens(turn, event);
	if (attempt_final(definition, task, reason)) {
		event = task_event(turn, task, ENG_EV_TASK_FAILED, reason);
		event_happens(turn, event);
		task_settled(turn, task);
		return;
	}
	if (definition->delivery != ENG_EXACTLY_ONCE || plant(EXACTLY_ONCE))
		lapse_ns = 0;
	if (reason == ENG_REASON_FAILED || reason == ENG_REASON_TIMED_OUT) {
		delay_ns = retry_delay_ns(turn, task, retry_after_ms);
		reason = ENG_REASON_RETRY;
	}
	task_delay(turn, task, reason, turn->now_ns + delay_ns, worker, lapse_ns);
}

void
task_attempt_end(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason,
    struct bytes text, uint64_t retry_after_ms)
{
	attempt_end(turn, task, reason, text, retry_after_ms, /* lapse_ns= */ 0);
}

void
task_attempt_lapse(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason,
    struct bytes text, uint64_t lapse_ns)
{
	attempt_end(turn, task, reason, text, /* retry_after_ms= */ 0, lapse_ns);
}

void
task_revoke(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	struct eng_effect *effect = effect_push(turn, ENG_EFF_REVOKE);
	effect->run = task_run(task)->key;
	effect->id = uuid_task(task_run(task)->id, task->index);
	effect->worker = task->held.worker->id;
	effect->lease = task->lease;
	effect->reason = reason;
}

static void
cancel_happens(struct eng_turn *turn, struct eng_task *task, struct eng_event *event)
{
	if (task->state == ENG_TASK_ASSIGNED) {
		task_revoke(turn, task, (enum eng_reason)event->reason);
		event->lapse_ns = task_lapse_ns(turn, task);
	}
	event->lease = task->lease;
	event_happens(turn, event);
}

/* Cancels a task that is not closed; its children are the caller's to settle. */
void
task_cancel(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_CANCELLED, reason);
	cancel_happens(turn, task, event);
}

/* For a caller, whose word is kept with it; what depends on the task is cancelled too. */
void
task_cancel_alone(struct eng_turn *turn, struct eng_task *task)
{
	struct eng_event *event =
	    task_event(turn, task, ENG_EV_TASK_CANCELLED, ENG_REASON_TASK_REQUESTED);
	event->text = turn->command->run_cancel.reason;
	event->actor = plant(ACTOR_LOST) ? bytes_of(NULL, 0) : turn->command->actor;
	cancel_happens(turn, task, event);
	task_settled(turn, task);
}

/* -------------------------------------------------------------------------- following the DAG */

static bool
parents_skipped(struct eng_task *task)
{
	const struct eng_node *node = task_node(task);
	for (uint16_t i = 0; i < node->parent_count; i++) {
		if (task_run(task)->tasks[node->parents[i]].state != ENG_TASK_SKIPPED)
			return false;
	}
	return true;
}

/* True: that closes the task. */
static bool
ready_or_skipped(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	if (task_node(task)->parent_count == 0 || !parents_skipped(task)) {
		task_queue_lapsed(turn, task, reason);
		return false;
	}
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_SKIPPED, ENG_REASON_PARENT);
	event_happens(turn, event);
	return true;
}

void
task_ready(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason)
{
	if (ready_or_skipped(turn, task, reason))
		task_settled(turn, task);
}

/* One parent of the task has closed; true: that closes the task too. */
static bool
child_follow(struct eng_turn *turn, struct eng_task *task, bool parent_bad)
{
	if (task->state != ENG_TASK_WAITING)
		return false;
	if (parent_bad) {
		task_cancel(turn, task, ENG_REASON_PARENT);
		return true;
	}
	if (task->pending != 0)
		return false;
	return ready_or_skipped(turn, task, ENG_REASON_READY);
}

static bool
run_any(const struct eng_run *run, enum eng_task_state state)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		if (run->tasks[i].state == state)
			return true;
	}
	return false;
}

static enum eng_status
run_outcome(const struct eng_run *run)
{
	if (run->cancel_reason != ENG_REASON_NONE)
		return ENG_CANCELLED;
	if (run_any(run, ENG_TASK_FAILED))
		return ENG_FAILED;
	return run_any(run, ENG_TASK_CANCELLED) ? ENG_CANCELLED : ENG_COMPLETED;
}

/* The first task that failed for good: its error is the run's. */
static const struct eng_task *
run_culprit(const struct eng_run *run)
{
	const struct eng_task *first = NULL;
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		const struct eng_task *task = &run->tasks[i];
		if (task->state == ENG_TASK_FAILED &&
		    (first == NULL || task_error(task) < task_error(first)))
			first = task;
	}
	return first;
}

/* What the run's end shows: outputs nobody waits for, or the error. In the step's arena. */
static void
closed_refs(struct eng_turn *turn, const struct eng_run *run, struct eng_effect *effect)
{
	const struct eng_version *version = run->version;
	struct eng_ref *refs =
	    arena_alloc(&turn->eng->arena, version->task_count * sizeof(struct eng_ref));
	uint32_t count = 0;
	if (effect->status == ENG_FAILED) {
		const struct eng_task *culprit = run_culprit(run);
		refs[count++] = (struct eng_ref){
		    .task = version->definitions[culprit->index].name,
		    .record = task_error(culprit),
		    .error = true,
		};
	}
	for (uint32_t i = 0; i < version->task_count && effect->status == ENG_COMPLETED; i++) {
		if (version->child_counts[i] != 0 || task_output(&run->tasks[i]) == 0 ||
		    i == version->on_failure)
			continue;
		refs[count++] = (struct eng_ref){
		    .task = version->definitions[i].name,
		    .record = task_output(&run->tasks[i]),
		};
	}
	effect->refs = refs;
	effect->ref_count = count;
	effect->bare = version->task_count - (version->on_failure != ENG_NO_TASK ? 1 : 0) == 1;
}

static void
run_close(struct eng_turn *turn, struct eng_run *run)
{
	struct eng_effect *effect = effect_push(turn, ENG_EFF_RUN_CLOSED);
	effect->run = run->key;
	effect->id = run->id;
	effect->tenant = run_tenant(run)->id;
	effect->status = run_outcome(run);
	closed_refs(turn, run, effect);
	run_info(run, &turn->eng->arena, &effect->info);
	struct eng_child *child = run_ties(run)->child;
	struct uuid parent = run_ties(run)->parent;
	struct eng_event *event = event_of_run(turn, ENG_EV_RUN_CLOSED, run);
	event->status = (uint32_t)effect->status;
	event_happens(turn, event);
	if (child != NULL)
		child_closed(turn, parent, child);
}

void
run_settled(struct eng_turn *turn, struct eng_run *run)
{
	uint32_t last = run->version->on_failure;
	if (run->open == 1 && last != ENG_NO_TASK && run->tasks[last].state == ENG_TASK_WAITING) {
		if (run_any(run, ENG_TASK_FAILED) && run->cancel_reason == ENG_REASON_NONE) {
			task_queue_lapsed(turn, &run->tasks[last], ENG_REASON_READY);
		} else {
			struct eng_event *event = task_event(turn, &run->tasks[last],
			    ENG_EV_TASK_SKIPPED, ENG_REASON_PARENT);
			event_happens(turn, event);
		}
	}
	if (run->open == 0)
		run_close(turn, run);
}

/* The task has just closed: follows its children, then its run, which may be gone after. */
void
task_settled(struct eng_turn *turn, struct eng_task *task)
{
	struct eng_run *run = task_run(task);
	uint16_t work[FROE_WORKFLOW_TASKS_MAX];
	uint32_t count = 0;
	work[count++] = task->index;
	while (count > 0) {
		struct eng_task *parent = &run->tasks[work[--count]];
		const struct eng_node *node = task_node(parent);
		bool bad = parent->state == ENG_TASK_FAILED || parent->state == ENG_TASK_CANCELLED;
		for (uint16_t i = 0; i < node->child_count; i++) {
			struct eng_task *child = &run->tasks[node->children[i]];
			if (child_follow(turn, child, bad))
				work[count++] = child->index;
		}
	}
	run_settled(turn, run);
}

void
run_cancel(struct eng_turn *turn, struct eng_run *run, enum eng_reason reason, struct bytes text,
    struct uuid doom)
{
	struct eng_event event = {
	    .type = ENG_EV_RUN_CANCEL_REQUESTED,
	    .run = run->key,
	    .reason = (uint32_t)reason,
	    .text = text,
	    .actor = plant(ACTOR_LOST) ? bytes_of(NULL, 0) : turn->command->actor,
	    .job = plant(JOB_ANONYMOUS) ? 0 : turn->command->job.number,
	    .parent = doom,
	};
	emit(turn, &event);
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		if (plant(CANCEL_FORGETS) && run->tasks[i].state == ENG_TASK_ASSIGNED)
			continue;
		if (!task_closed(&run->tasks[i]))
			task_cancel(turn, &run->tasks[i], reason);
	}
	run_settled(turn, run);
}

/* --------------------------------------------------------------------------------- commands */

/* The old lease is no reason to wait any more: what is left is the delay. */
static void
lease_ended(struct eng_turn *turn, struct eng_task *task)
{
	struct eng_event *event = task_event(turn, task, ENG_EV_LEASE_ENDED, ENG_REASON_NONE);
	event->lease = task->lease;
	event_happens(turn, event);
}

/* A late result is not used; but it says that its handler has ended. */
static void
fence_late(struct eng_turn *turn)
{
	const struct eng_fence *fence = &turn->command->task.fence;
	uint32_t number;
	struct eng_run *run = eng_run_by_id(turn->eng, uuid_run_of(fence->task, &number));
	if (run == NULL || number == 0 || number > run->version->task_count)
		return;
	struct eng_task *task = &run->tasks[number - 1];
	if (task_lapsing(task) == 0 || task_lapsing(task) != turn->command->task.worker.v ||
	    task->lease != fence->lease)
		return;
	lease_ended(turn, task);
}

struct eng_task *
fence_lease(struct eng_turn *turn, uint64_t worker, const struct eng_fence *fence)
{
	struct eng_task *task = eng_lease_find(turn->eng, worker, fence);
	if (task == NULL)
		reply_fault(turn, FROE_LEASE_LAPSED, "lease",
		    "this worker does not hold this lease (any more): stop the handler");
	return task;
}

static struct eng_task *
command_lease(struct eng_turn *turn)
{
	return fence_lease(turn, turn->command->task.worker.v, &turn->command->task.fence);
}

/* The same for what only adds a record. */
static struct eng_task *
command_lease_room(struct eng_turn *turn)
{
	struct eng_task *task = command_lease(turn);
	struct froe_fault fault;
	if (task == NULL || quota_record(task_run(task), &fault) == FROE_OK)
		return task;
	reply_fault(turn, fault.code, fault.field, "%s", fault.text);
	return NULL;
}

void
decide_task_complete(struct eng_turn *turn)
{
	struct eng_task *task = command_lease(turn);
	if (task == NULL) {
		fence_late(turn);
		return;
	}
	struct eng_event *event =
	    task_event(turn, task, ENG_EV_TASK_COMPLETED, ENG_REASON_COMPLETED);
	event->lease = task->lease;
	event->payload = turn->command->task.bytes;
	event_happens(turn, event);
	reply_ok(turn);
	task_settled(turn, task);
}

void
decide_task_fail(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_task *task = command_lease(turn);
	if (task == NULL) {
		fence_late(turn);
		return;
	}
	reply_ok(turn);
	task_attempt_end(turn, task, command->task.fatal ? ENG_REASON_FATAL : ENG_REASON_FAILED,
	    command->task.bytes, command->task.retry_after_ms);
}

void
decide_task_refresh(struct eng_turn *turn)
{
	struct eng_task *task = command_lease_room(turn);
	if (task == NULL)
		return;
	struct eng_event *event = task_event(turn, task, ENG_EV_LEASE_REFRESHED, ENG_REASON_NONE);
	event->lease = task->lease;
	uint64_t now_ns = eng_uptime_ns(turn->eng, turn->now_ns);
	uint64_t latest_ns = now_ns + delay_ns_of(ENG_DELAY_MS_MAX);
	uint64_t deadline_ns =
	    task_work(task)->timer.timer.deadline_ns + delay_ns_of(turn->command->task.add_ms);
	if (deadline_ns > latest_ns) /* repeated refreshes do not overflow */
		deadline_ns = latest_ns;
	event->deadline_ns = deadline_ns;
	event_happens(turn, event);
	reply_ok(turn)->timeout_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

void
decide_task_log(struct eng_turn *turn)
{
	if (turn->command->task.late) {
		decide_task_late(turn);
		return;
	}
	struct eng_task *task = command_lease_room(turn);
	if (task == NULL)
		return;
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_LOGGED, ENG_REASON_NONE);
	event->lease = task->lease;
	event->attempt = task->attempt;
	event->text = turn->command->task.bytes;
	event_happens(turn, event);
	reply_ok(turn);
}

void
decide_task_stream(struct eng_turn *turn)
{
	struct eng_task *task = command_lease_room(turn);
	if (task == NULL)
		return;
	uint32_t sequence = turn->command->task.sequence;
	uint32_t streamed = task_work(task)->streamed;
	if (sequence != 0 && sequence <= streamed) { /* sent again: it is there */
		reply_ok(turn);
		return;
	}
	if (sequence > streamed + 1) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "sequence",
		    "the lease has streamed %u chunks: the next one is %u, not %u", streamed,
		    streamed + 1, sequence);
		return;
	}
	if (run_ties(task_run(task))->chunks >= FROE_STREAM_CHUNKS_MAX) {
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "data",
		    "the run has streamed %u chunks, the most there are: send larger ones, fewer",
		    FROE_STREAM_CHUNKS_MAX);
		return;
	}
	struct eng_event *event = task_event(turn, task, ENG_EV_TASK_STREAMED, ENG_REASON_NONE);
	event->lease = task->lease;
	event->attempt = task->attempt;
	event->payload = turn->command->task.bytes;
	event_happens(turn, event);
	reply_ok(turn);
}

/* Its slots are free for others, its lease stays, and with it the next attempt should the worker be
 * lost. A worker holds no more leases than its registration may list. */
void
decide_task_release(struct eng_turn *turn)
{
	struct eng_task *task = command_lease(turn);
	if (task == NULL)
		return;
	const struct eng_worker *worker = task->held.worker;
	if (!task->released &&
	    worker->fair.slots + worker->released_count >= FROE_WORKER_SLOTS_MAX) {
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "",
		    "a worker's slots and the tasks that released theirs are at most %u",
		    FROE_WORKER_SLOTS_MAX);
		return;
	}
	if (!task->released) {
		struct eng_event *event =
		    task_event(turn, task, ENG_EV_SLOTS_RELEASED, ENG_REASON_NONE);
		event->lease = task->lease;
		event_happens(turn, event);
	}
	reply_ok(turn);
}

/* Who is told again what was sent to it could do it twice: so its word is kept over a restart. */
void
decide_task_begin(struct eng_turn *turn)
{
	struct eng_task *task = command_lease(turn);
	if (task == NULL)
		return;
	if (!task->begun) {
		struct eng_event *event =
		    task_event(turn, task, ENG_EV_TASK_BEGUN, ENG_REASON_NONE);
		event->lease = task->lease;
		event_happens(turn, event);
	}
	reply_ok(turn);
}

/* It was on its way, and the way is gone. */
void
decide_task_return(struct eng_turn *turn)
{
	struct eng_task *task = command_lease(turn);
	if (task == NULL)
		return;
	if (task->begun && !plant(BEGUN_RETURNED)) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "lease",
		    "its holder has begun it: complete it, or fail it");
		return;
	}
	reply_ok(turn);
	task_attempt_end(turn, task, ENG_REASON_RELEASED,
	    bytes_text("it did not reach its worker"), 0);
}

/* The bytes of a dispatch have come: send it, if the lease is still the one. */
void
decide_task_provide(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_task *task =
	    eng_lease_find(turn->eng, command->task.worker.v, &command->task.fence);
	if (task == NULL)
		return;
	struct eng_effect *effect = effect_push(turn, ENG_EFF_DISPATCH);
	effect->run = task_run(task)->key;
	effect->task = task->index;
	effect->lease = task->lease;
	effect->worker = task->held.worker->id;
}

/* ------------------------------------------------------------------------------------- timers */

static void
task_due(struct eng_turn *turn, struct eng_task *task)
{
	switch ((enum eng_task_state)task->state) {
	case ENG_TASK_QUEUED:
		task_cancel(turn, task, ENG_REASON_SCHEDULE_TIMEOUT);
		task_settled(turn, task);
		return;
	case ENG_TASK_DELAYED:
		if (task_lapsing(task) != 0 && task->lapse.until_ns > turn->now_ns)
			lease_ended(turn, task);
		else
			task_queue(turn, task, ENG_REASON_RETRY);
		return;
	case ENG_TASK_ASSIGNED:
		task_revoke(turn, task, ENG_REASON_TIMED_OUT);
		task_attempt_lapse(turn, task, ENG_REASON_TIMED_OUT,
		    bytes_text("the execution timeout has passed"), command_lapse_ns(turn));
		return;
	case ENG_TASK_WAITING:
	case ENG_TASK_SETTLING:
	case ENG_TASK_EVICTED:
	case ENG_TASK_COMPLETED:
	case ENG_TASK_FAILED:
	case ENG_TASK_CANCELLED:
	case ENG_TASK_SKIPPED:
		froe_never("a task in this state has no timer");
	}
}

/* The one that is due longest, on either clock. */
static struct eng_timer *
timer_expired(struct eng *eng, uint64_t now_ns)
{
	struct timer *uptime =
	    wheel_expired(&eng->wheels[ENG_UPTIME], eng_uptime_ns(eng, now_ns));
	struct timer *wall = wheel_expired(&eng->wheels[ENG_WALL], now_ns);
	struct timer *first = uptime;
	if (uptime == NULL ||
	    (wall != NULL && wall->deadline_ns < uptime->deadline_ns + eng->downtime_ns))
		first = wall;
	return first != NULL ? container_of(first, struct eng_timer, timer) : NULL;
}

static void
run_timer_due(struct eng_turn *turn, struct eng_run *run)
{
	if (run_unbound(run))
		run_due(turn, run);
	else
		run_cancel(turn, run, ENG_REASON_RUN_TIMEOUT,
		    bytes_text("the run's deadline has passed"), (struct uuid){0});
}

void
decide_timer(struct eng_turn *turn)
{
	struct eng_timer *timer = timer_expired(turn->eng, turn->now_ns);
	if (timer == NULL)
		return;
	switch ((enum eng_timer_owner)timer->timer.owner) {
	case ENG_TIMER_TASK:
		task_due(turn, container_of(timer, struct eng_work, timer)->task);
		return;
	case ENG_TIMER_RUN:
		run_timer_due(turn, container_of(timer, struct eng_ties, timer)->run);
		return;
	case ENG_TIMER_WAIT:
		wait_due(turn, container_of(timer, struct eng_wait, timer));
		return;
	}
}
