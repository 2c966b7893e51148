/*
 * tests/crash/verdict: compares what was acknowledged, what workers did and what the server says.
 *
 * Purpose     The checks of tests/crash/crash.c, made when all runs have ended.
 * Checks      1. an acknowledged run has ended, COMPLETED with the right result; CANCELLED only if
 *                that was asked for, always if that was acknowledged.
 *             2. a server started afresh says the same of each run, with one completed attempt a
 *                task, no more.
 *             3. per task at most one completion was acknowledged to a worker, and it is the one
 *                that the server has recorded.
 *             4. no execution began after the task's completion was acknowledged.
 *             5. no attempt was executed twice; nothing was executed that nobody had asked for; no
 *                result is of an execution that did not happen.
 * Ownership   verdict_release frees what the checks have gathered.
 */
#ifndef CRASH_VERDICT_H
#define CRASH_VERDICT_H

#include "crash/ledger.h"
#include "crash/load.h"

#include <stdarg.h>

#define VERDICT_SHOWN 20u

/* What the server has recorded of a task. */
struct verdict_task {
	struct froe_id id;
	bool completed;
	uint32_t attempt; /* of the execution whose output it is */
	int pid;
};

struct verdict {
	unsigned faults;
	struct verdict_task *tasks;
	size_t task_count;
	size_t task_room;
	struct ledger_event *events; /* E, A and L lines */
	size_t event_count;
	size_t event_room;
	size_t runs;
	size_t executions;
};

static inline void __attribute__((format(printf, 3, 4)))
verdict_fault(struct verdict *verdict, const struct froe_id *id, const char *format, ...)
{
	char text[FROE_ID_TEXT_SIZE] = "";
	va_list args;

	if (verdict->faults++ >= VERDICT_SHOWN)
		return;
	if (id != NULL)
		froe_id_format(*id, text);
	printf("  FAULT %s: ", text);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* The next element of a growing array. */
static inline void *
verdict_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room == 0 ? 4096 : 2 * *room;
	array = realloc(array, *room * size);
	if (array == NULL) {
		perror("crash: verdict");
		exit(2);
	}
	return array;
}

static inline int
verdict_compare_ids(const struct froe_id *a, const struct froe_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline int
verdict_compare_tasks(const void *a, const void *b)
{
	return verdict_compare_ids(&((const struct verdict_task *)a)->id,
	    &((const struct verdict_task *)b)->id);
}

static inline int
verdict_compare_events(const void *a, const void *b)
{
	const struct ledger_event *x = a;
	const struct ledger_event *y = b;
	int order = verdict_compare_ids(&x->task, &y->task);

	return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* ------------------------------------------------------------------- 1: what clients were told */

static inline void
verdict_run(struct verdict *verdict, const struct load_run *run)
{
	uint64_t expected = run->dag ? ledger_dag_value(run->input.n, LEDGER_D)
	                             : ledger_single_value(run->input.n);
	bool completed = run->status == FROE_RUN_COMPLETED;

	verdict->runs++;
	if (run->refused)
		verdict_fault(verdict, NULL, "a trigger was refused: %s", run->text);
	else if (!run->acknowledged)
		verdict_fault(verdict, NULL, "a trigger was never answered");
	else if (!run->ended)
		verdict_fault(verdict, &run->id, "LOST: acknowledged, but no end %s", run->text);
	else if (run->cancelled && run->status != FROE_RUN_CANCELLED)
		verdict_fault(verdict, &run->id, "LOST: the cancel was acknowledged, but it is %s",
		    froe_status_name(run->status));
	else if (!completed && !(run->cancel_asked && run->status == FROE_RUN_CANCELLED))
		verdict_fault(verdict, &run->id, "it ended %s: %s", froe_status_name(run->status),
		    run->text);
	else if (completed && (!run->value_read || run->value != expected))
		verdict_fault(verdict, &run->id, "not %" PRIu64 " but %s", expected, run->text);
}

/* ------------------------------------------------------------------- 2: what the server says */

static inline void
verdict_view_task(struct verdict *verdict, const struct froe_run_view *view,
    const struct froe_task_view *from)
{
	struct verdict_task task = {.id = from->id};
	struct ledger_output output;
	unsigned completed = 0;
	uint32_t attempt = 0;

	for (size_t i = 0; i < from->attempt_count; i++) {
		if (strcmp(from->attempts[i].outcome, "completed") == 0) {
			completed++;
			attempt = from->attempts[i].attempt;
		}
	}
	task.completed = from->status == FROE_RUN_COMPLETED;
	if (completed != (task.completed ? 1u : 0u)) {
		verdict_fault(verdict, &from->id, "%u completed attempts of a task that is %s",
		    completed, froe_status_name(from->status));
	} else if (view->status == FROE_RUN_COMPLETED && !task.completed) {
		verdict_fault(verdict, &from->id, "%s in a run that is COMPLETED",
		    froe_status_name(from->status));
	} else if (task.completed && !ledger_output_read(from->output, &output)) {
		verdict_fault(verdict, &from->id, "no output that can be read");
		task.completed = false;
	} else if (task.completed && output.attempt != attempt) {
		verdict_fault(verdict, &from->id, "attempt %" PRIu32 " completed it, %" PRIu32
		    " computed it", attempt, output.attempt);
	}
	if (task.completed) {
		task.attempt = output.attempt;
		task.pid = output.pid;
	}
	verdict->tasks = verdict_grow(verdict->tasks, verdict->task_count, &verdict->task_room,
	    sizeof(*verdict->tasks));
	verdict->tasks[verdict->task_count++] = task;
}

static inline void
verdict_view(struct verdict *verdict, struct froe_client *client, const struct load_run *run)
{
	struct froe_run_view *view;
	struct froe_error error;

	if (!run->acknowledged)
		return;
	if (froe_run_get(client, run->id, /* payloads = */ true, LOAD_CALL_MS, &view, &error) !=
	    FROE_OK) {
		verdict_fault(verdict, &run->id, "LOST: after a restart: %s", error.text);
		return;
	}
	if (run->ended && view->status != run->status)
		verdict_fault(verdict, &run->id, "LOST: shown as %s, and after a restart %s",
		    froe_status_name(run->status), froe_status_name(view->status));
	if (view->task_count != (run->dag ? 4u : 1u))
		verdict_fault(verdict, &run->id, "%zu tasks", view->task_count);
	for (size_t i = 0; i < view->task_count; i++)
		verdict_view_task(verdict, view, &view->tasks[i]);
	if (run->status == FROE_RUN_COMPLETED && view->task_count > 0) {
		const struct verdict_task *last = &verdict->tasks[verdict->task_count - 1];

		if (last->completed && (last->attempt != run->attempt || last->pid != run->pid))
			verdict_fault(verdict, &run->id, "its result is not its last task's");
	}
	froe_run_view_free(view);
}

/* --------------------------------------------------------------------- 3..5: what workers did */

static inline void
verdict_read_ledger(struct verdict *verdict, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[LEDGER_LINE_BYTES];
	size_t order = 0;

	if (file == NULL) {
		verdict_fault(verdict, NULL, "no ledger");
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		struct ledger_event event;

		if (!ledger_read(line, &event)) {
			verdict_fault(verdict, NULL, "the ledger has a bad line: %s", line);
			continue;
		}
		event.order = order++;
		if (event.kind == 'C')
			continue;
		verdict->events = verdict_grow(verdict->events, verdict->event_count,
		    &verdict->event_room, sizeof(*verdict->events));
		verdict->events[verdict->event_count++] = event;
	}
	fclose(file);
}

/* The execution that an acknowledgement is of; NULL: there was none before it. */
static inline const struct ledger_event *
verdict_execution(const struct ledger_event *events, size_t before, uint32_t attempt, int pid)
{
	for (size_t i = before; i-- > 0;) {
		if (events[i].kind == 'E' && events[i].attempt == attempt && events[i].pid == pid)
			return &events[i];
	}
	return NULL;
}

static inline void
verdict_acknowledged(struct verdict *verdict, const struct verdict_task *task,
    const struct ledger_event *events, size_t at, bool *accepted)
{
	const struct ledger_event *end = &events[at];
	const struct ledger_event *begun = verdict_execution(events, at, end->attempt, end->pid);

	if (begun == NULL) {
		verdict_fault(verdict, &task->id, "acknowledged to a worker that had not run it");
		return;
	}
	if (begun->end == 'f')
		return; /* a failure was recorded: the next attempt is as it should be */
	if (*accepted)
		verdict_fault(verdict, &task->id, "DUPLICATE: a second completion was accepted");
	*accepted = true;
	if (!task->completed)
		verdict_fault(verdict, &task->id, "LOST: its completion was acknowledged");
	else if (task->attempt != end->attempt || task->pid != end->pid)
		verdict_fault(verdict, &task->id, "attempt %" PRIu32 " by %d was acknowledged, %"
		    PRIu32 " by %d is recorded", end->attempt, end->pid, task->attempt, task->pid);
}

/* The events of one task, in order. */
static inline void
verdict_task(struct verdict *verdict, const struct verdict_task *task,
    const struct ledger_event *events, size_t count)
{
	bool accepted = false;

	for (size_t i = 0; i < count; i++) {
		if (events[i].kind == 'A')
			verdict_acknowledged(verdict, task, events, i, &accepted);
		if (events[i].kind != 'E')
			continue;
		verdict->executions++;
		if (accepted)
			verdict_fault(verdict, &task->id,
			    "AGAIN: executed after its completion was acknowledged");
		for (size_t j = 0; j < i; j++) {
			if (events[j].kind == 'E' && events[j].attempt == events[i].attempt)
				verdict_fault(verdict, &task->id,
				    "attempt %" PRIu32 " was executed twice", events[i].attempt);
		}
	}
	if (task->completed && verdict_execution(events, count, task->attempt, task->pid) == NULL)
		verdict_fault(verdict, &task->id, "its output is of an execution that nobody did");
}

static inline void
verdict_unasked(struct verdict *verdict, size_t at)
{
	verdict_fault(verdict, &verdict->events[at].task, "executed, but never asked for");
}

static inline void
verdict_ledger(struct verdict *verdict)
{
	size_t at = 0;

	qsort(verdict->tasks, verdict->task_count, sizeof(*verdict->tasks), verdict_compare_tasks);
	qsort(verdict->events, verdict->event_count, sizeof(*verdict->events),
	    verdict_compare_events);
	for (size_t i = 0; i < verdict->task_count; i++) {
		const struct verdict_task *task = &verdict->tasks[i];
		size_t first;

		for (; at < verdict->event_count &&
		     verdict_compare_ids(&verdict->events[at].task, &task->id) < 0;
		     at++)
			verdict_unasked(verdict, at);
		first = at;
		while (at < verdict->event_count &&
		       verdict_compare_ids(&verdict->events[at].task, &task->id) == 0)
			at++;
		verdict_task(verdict, task, &verdict->events[first], at - first);
	}
	for (; at < verdict->event_count; at++)
		verdict_unasked(verdict, at);
}

static inline void
verdict_release(struct verdict *verdict)
{
	free(verdict->tasks);
	free(verdict->events);
	memset(verdict, 0, sizeof(*verdict));
}

#endif
