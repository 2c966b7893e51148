/*
 * server/hub_why: why a run's tasks are where they are, in words.
 *
 * The engine says it in numbers (eng_why, from the function that schedules); here it becomes one
 * sentence a task, and what to do about it. A run that has ended says how it ended.
 */
#include "server/hub_int.h"

#include "base/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_SIZE 2048u
/* What an answer counts of queues, for all of its tasks together. */
#define COUNT_MAX 50000u

static char *FROE_PRINTF(2, 3)
text_print(struct hub *hub, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	int size = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	froe_assert(
	    size >= 0 && (size_t)size < sizeof(text)); /* names are 255 bytes, actions 511 */
	return hub_text(hub, bytes_of(text, (size_t)size));
}

static const char *
kind_name(enum eng_why_kind kind)
{
	static const char *const names[] = {
	    [ENG_WHY_CLOSED] = "ended",
	    [ENG_WHY_RUNS] = "running",
	    [ENG_WHY_AWAY] = "away",
	    [ENG_WHY_PARENTS] = "parents",
	    [ENG_WHY_LAST] = "on_failure",
	    [ENG_WHY_TIMER] = "timer",
	    [ENG_WHY_LAPSE] = "lapse",
	    [ENG_WHY_WAIT] = "wait",
	    [ENG_WHY_HELD] = "disk_full",
	    [ENG_WHY_PAUSED] = "paused",
	    [ENG_WHY_NO_WORKER] = "no_worker",
	    [ENG_WHY_IDLE] = "workers_idle",
	    [ENG_WHY_SMALL] = "too_large",
	    [ENG_WHY_KEPT] = "kept",
	    [ENG_WHY_BEHIND] = "behind",
	    [ENG_WHY_NO_SLOT] = "no_slot",
	    [ENG_WHY_TURN] = "turn",
	};
	return names[kind];
}

static const char *
state_name(enum eng_task_state state)
{
	static const char *const names[] = {
	    [ENG_TASK_WAITING] = "waiting",
	    [ENG_TASK_QUEUED] = "queued",
	    [ENG_TASK_DELAYED] = "delayed",
	    [ENG_TASK_ASSIGNED] = "assigned",
	    [ENG_TASK_EVICTED] = "evicted",
	    [ENG_TASK_SETTLING] = "settling",
	    [ENG_TASK_COMPLETED] = "completed",
	    [ENG_TASK_FAILED] = "failed",
	    [ENG_TASK_CANCELLED] = "cancelled",
	    [ENG_TASK_SKIPPED] = "skipped",
	};
	return names[state];
}

struct answer {
	struct hub *hub;
	const struct eng_why *why;
	Froe__WhyTask *to;
	const char *action;
	const char *type;
	const char *worker;
	char left[DURATION_TEXT_SIZE]; /* until until_ns */
};

#define S(count) ((count) == 1 ? "" : "s")

static void
say_idle(struct answer *answer)
{
	const struct eng_why *why = answer->why;
	uint32_t away = why->workers - why->paused - why->draining;
	answer->to->text = text_print(answer->hub,
	    "%u worker%s serve%s action %s, and none takes tasks: %u paused, %u draining, %u "
	    "without a connection", why->workers, S(why->workers), why->workers == 1 ? "s" : "",
	    answer->action, why->paused, why->draining, away);
	answer->to->advice = text_print(answer->hub, "%s",
	    why->paused > 0 ? "resume one with \"froe workers resume\", or start another"
	                    : "wait until one is back, or start another");
}

static void
say_slots(struct answer *answer)
{
	const struct eng_why *why = answer->why;
	struct hub *hub = answer->hub;
	const char *more = why->more ? " or more" : "";
	answer->to->text = text_print(hub,
	    "its workers are busy: %u of %u slot%s of type %s are in use, it needs %u; %" PRIu64
	    "%s task%s of its queue go%s before it", why->used, why->slots, S(why->slots),
	    answer->type, why->need, why->count, more, S(why->count), why->count == 1 ? "es" : "");
	answer->to->advice =
	    text_print(hub, "wait, start another worker, or give the workers more slots");
}

static void
say_queued(struct answer *answer)
{
	const struct eng_why *why = answer->why;
	struct hub *hub = answer->hub;
	Froe__WhyTask *to = answer->to;
	if (why->kind == ENG_WHY_PAUSED) {
		to->text = text_print(hub, "its workflow is paused: none of its tasks is given to "
		    "a worker");
		to->advice = text_print(hub, "let the workflow go on");
	} else if (why->kind == ENG_WHY_NO_WORKER) {
		to->text = text_print(hub, "no worker serves action %s", answer->action);
		to->advice = text_print(hub, "start a worker that does");
	} else if (why->kind == ENG_WHY_IDLE) {
		say_idle(answer);
	} else if (why->kind == ENG_WHY_SMALL) {
		to->text = text_print(hub, "it needs %u slot%s of type %s at a time, and no worker "
		    "that serves it has more than %u", why->need, S(why->need), answer->type,
		    why->slots);
		to->advice = text_print(hub, "start a worker with as many, or lower what it needs");
	} else if (why->kind == ENG_WHY_KEPT) {
		to->text = text_print(hub, "its turn has come, and worker %s is kept free for it: "
		    "%u of its %u slots of type %s are in use still, the task needs %u",
		    answer->worker, why->used, why->slots, answer->type, why->need);
	} else if (why->kind == ENG_WHY_BEHIND) {
		to->text = text_print(hub, "the free slots of type %s are kept for tasks that need "
		    "more of them and whose turns came before", answer->type);
	} else if (why->kind == ENG_WHY_NO_SLOT) {
		say_slots(answer);
	} else if (why->kind == ENG_WHY_HELD) {
		to->text = text_print(hub, "the disk is nearly full: no task is given to workers");
		to->advice =
		    text_print(hub, "free space in the file system of the data directory");
	} else {
		to->text = text_print(hub, "a worker is free for it; %" PRIu64 " task%s of its "
		    "queue, and other queues' turns, come first", why->count, S(why->count));
	}
}

static void
say(struct answer *answer)
{
	const struct eng_why *why = answer->why;
	struct hub *hub = answer->hub;
	Froe__WhyTask *to = answer->to;
	char *name = hub_text(hub, why->name);
	switch (why->kind) {
	case ENG_WHY_RUNS:
		to->text = text_print(hub, "worker %s is working on attempt %u", answer->worker,
		    why->attempt);
		return;
	case ENG_WHY_AWAY:
		to->text = text_print(hub, "worker %s works on attempt %u, and its connection is "
		    "broken: it is lost unless it is back in time", answer->worker, why->attempt);
		return;
	case ENG_WHY_PARENTS:
		to->text = text_print(hub, "it waits for %" PRIu64 " parent%s, such as %s",
		    why->count, S(why->count), name);
		return;
	case ENG_WHY_LAST:
		to->text = text_print(hub, "it runs when the %" PRIu64 " other open task%s have "
		    "ended, if one has failed", why->count, S(why->count));
		return;
	case ENG_WHY_TIMER:
		to->text = text_print(hub, "its next attempt is due in %s", answer->left);
		return;
	case ENG_WHY_LAPSE:
		to->text = text_print(hub, "exactly once: worker %s may still be at it; the next "
		    "attempt is due in %s, when its lease has surely lapsed", answer->worker,
		    answer->left);
		return;
	case ENG_WHY_WAIT:
		if (why->until_ns != 0)
			to->text = text_print(hub, "its step %" PRIu64 " waits: %s; %s left",
			    why->count, name, answer->left);
		else
			to->text = text_print(hub, "its step %" PRIu64 " waits: %s", why->count,
			    name);
		if (strncmp(name, "approval", 8) == 0)
			to->advice = text_print(hub, "decide it: \"froe approvals list\"");
		return;
	case ENG_WHY_CLOSED:
		return;
	case ENG_WHY_HELD:
	case ENG_WHY_PAUSED:
	case ENG_WHY_NO_WORKER:
	case ENG_WHY_IDLE:
	case ENG_WHY_SMALL:
	case ENG_WHY_KEPT:
	case ENG_WHY_BEHIND:
	case ENG_WHY_NO_SLOT:
	case ENG_WHY_TURN:
		say_queued(answer);
		return;
	}
}

static char *
worker_text(struct hub *hub, uint64_t worker)
{
	struct bytes name = eng_worker_name(hub->shard->eng, worker);
	if (name.size == 0)
		return text_print(hub, "%" PRIu64, worker);
	return hub_text(hub, name);
}

static void
task_fill(struct hub *hub, const struct eng_why *why, Froe__WhyTask *to)
{
	struct answer answer = {.hub = hub, .why = why, .to = to};
	uint64_t now_ns = hub->shard->clock.now_ns;
	froe__why_task__init(to);
	to->name = hub_text(hub, why->task_name);
	to->has_id = true;
	to->id = (ProtobufCBinaryData){16, arena_copy(&hub->arena, why->task.bytes, 16)};
	to->state = (char *)(uintptr_t)state_name(why->state);
	to->reason = (char *)(uintptr_t)kind_name(why->kind);
	to->action = hub_text(hub, why->action);
	to->slot_type = hub_text(hub, why->type);
	to->worker = why->worker != 0 ? worker_text(hub, why->worker) : NULL;
	to->has_until_ns = why->until_ns != 0;
	to->until_ns = why->until_ns;
	to->has_need = to->has_slots = to->has_used = why->type.size != 0;
	to->need = why->need;
	to->slots = why->slots;
	to->used = why->used;
	to->has_count = true;
	to->count = why->count;
	to->has_since_ns = why->since_ns != 0;
	to->since_ns = why->since_ns;
	answer.action = to->action;
	answer.type = to->slot_type;
	answer.worker = to->worker != NULL ? to->worker : "";
	duration_format(why->until_ns > now_ns ? why->until_ns - now_ns : 0, answer.left);
	say(&answer);
}

static char *
unbound_text(struct hub *hub, const struct eng_run_info *info)
{
	char left[DURATION_TEXT_SIZE];
	uint64_t now_ns = hub->shard->clock.now_ns;
	duration_format(info->start_ns > now_ns ? info->start_ns - now_ns : 0, left);
	return text_print(hub, "the run is scheduled: it begins in %s", left);
}

bool
hub_why(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng *eng = hub->shard->eng;
	Froe__WhyView view = FROE__WHY_VIEW__INIT;
	struct uuid id = command->run.run;
	struct eng_run_info info;
	struct eng_version_view version;
	enum eng_status status;
	struct eng_why why;
	uint64_t run, left = COUNT_MAX;
	bool hold = log_space(hub->shard->log) >= LOG_SPACE_HARD;
	if (!eng_run_find(eng, conn->tenant, id, &run))
		return false;
	froe_assert(eng_run_info(eng, run, NULL, &info));
	bool bound = info.version != 0;
	froe_assert(eng_version(eng, info.workflow, info.version, &version));
	froe_assert(eng_run_status(eng, run, &status));
	arena_reset(&hub->arena);
	view.has_run = view.has_status = true;
	view.run = (ProtobufCBinaryData){sizeof(id.bytes), id.bytes};
	view.workflow = hub_text(hub, version.workflow);
	view.status = (Froe__RunStatus)status;
	view.tasks = arena_alloc(&hub->arena, version.task_count * sizeof(Froe__WhyTask *));
	if (!bound)
		view.text = unbound_text(hub, &info);
	for (uint32_t i = 0; i < version.task_count && bound; i++) {
		if (!eng_why(eng, run, i, hold, left, &why) || why.kind == ENG_WHY_CLOSED)
			continue;
		if (why.kind >= ENG_WHY_HELD)
			left -= why.count < left ? why.count : left;
		Froe__WhyTask *task = arena_alloc(&hub->arena, sizeof(*task));
		task_fill(hub, &why, task);
		view.tasks[view.n_tasks++] = task;
	}
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_WHY_VIEW, &view.base);
	return true;
}

void
hub_why_ended(struct hub *hub, const struct eng_origin *origin, const struct history_fold *fold)
{
	Froe__WhyView view = FROE__WHY_VIEW__INIT;
	const Froe__RunView *run = fold->view;
	struct buf error;
	arena_reset(&hub->arena);
	view.has_run = view.has_status = true;
	view.run = run->run;
	view.workflow = run->workflow;
	view.status = run->status;
	buf_init(&error);
	buf_push_text(&error, "the run has failed: ");
	buf_push(&error, fold->error.data, fold->error.size);
	if (run->status == FROE__RUN_STATUS__FAILED)
		view.text = hub_text(hub, buf_bytes(&error));
	else if (run->status == FROE__RUN_STATUS__CANCELLED)
		view.text = text_print(hub, "the run was cancelled: %s",
		    run->reason != NULL && run->reason[0] != 0 ? run->reason
		                                               : "a task of it was");
	else
		view.text = text_print(hub, "the run has completed");
	buf_release(&error);
	hub_queue_reply(hub, origin, FROE__ENVELOPE__BODY_WHY_VIEW, &view.base);
}
