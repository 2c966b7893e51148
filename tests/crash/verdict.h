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
 *             6. a key's triggers are one run; a child's number is one run, whichever attempt asks
 *                for it, and a run has no other children; a memo has one value; a sleep is not too
 *                short; a run does not begin before its time; a completed attempt's chunks are all
 *                there, in order, each once.
 * Ownership   verdict_release frees what the checks have gathered.
 */
#ifndef CRASH_VERDICT_H
#define CRASH_VERDICT_H

#include "crash/ledger.h"
#include "crash/load.h"

#include <stdarg.h>

#define VERDICT_SHOWN 20u
#define VERDICT_KEPT_MS 2000u /* in rounds with retention */
#define VERDICT_KEPT "2s"

/* What the server has recorded of a task. */
struct verdict_task {
	struct froe_id id;
	bool completed;
	uint32_t attempt; /* of the execution whose output it is */
	uint32_t attempts; /* the newest that is recorded */
	int pid;
	uint64_t not_before_ns; /* 0: at any time */
};

struct verdict {
	unsigned faults;
	bool forgetful; /* the server keeps what has ended for a moment only */
	bool quiet;     /* faults are counted, not shown */
	bool rotten;    /* the store is damaged: what is said to be so is told, not lost */
	unsigned told;
	struct verdict_task *tasks;
	size_t task_count;
	size_t task_room;
	struct ledger_event *events; /* all but C lines */
	size_t event_count;
	size_t event_room;
	size_t runs;
	size_t executions;
	size_t children;
	size_t chunks;
};

static inline void __attribute__((format(printf, 3, 4)))
verdict_fault(struct verdict *verdict, const struct froe_id *id, const char *format, ...)
{
	char text[FROE_ID_TEXT_SIZE] = "";
	va_list args;

	if (verdict->faults++ >= VERDICT_SHOWN || verdict->quiet)
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

static inline uint64_t
verdict_value(enum ledger_workflow workflow, uint64_t n)
{
	if (workflow == LEDGER_OF_DAG)
		return ledger_dag_value(n, LEDGER_D);
	if (workflow == LEDGER_OF_PARENT)
		return ledger_parent_value(n);
	return workflow == LEDGER_OF_DURABLE ? ledger_durable_value(n) : ledger_single_value(n);
}

/* The trigger before it had the same key: both are one run, and share its fate. */
static inline bool
verdict_mate(struct verdict *verdict, struct load_run *before, struct load_run *run)
{
	bool same = memcmp(&before->id, &run->id, sizeof(run->id)) == 0;

	if (run->key == 0 || run->key != before->key)
		return false;
	if (before->acknowledged && run->acknowledged && !same)
		verdict_fault(verdict, &run->id, "a second run with its key");
	before->cancel_asked = run->cancel_asked = before->cancel_asked || run->cancel_asked;
	before->cancelled = run->cancelled = before->cancelled || run->cancelled;
	return before->acknowledged && same;
}

static inline bool
verdict_of_run(const struct froe_id *task, const struct froe_id *run)
{
	struct froe_id of = *task;

	of.bytes[14] &= 0xfc; /* a task's id is its run's, with a number in the low ten bits */
	of.bytes[15] = 0;
	return memcmp(&of, run, sizeof(of)) == 0;
}

/*
 * The server keeps it for VERDICT_KEPT_MS after its end, and kills followed one another so quickly
 * that the client could not ask in time: then a worker has executed it that long before, or it was
 * cancelled. (Strict where nothing is forgotten: in two of three rounds.)
 */
static inline bool
verdict_forgotten(const struct verdict *verdict, const struct load_run *run)
{
	if (!verdict->forgetful || run->gone_ns == 0 || run->ended)
		return false;
	for (size_t i = 0; i < verdict->event_count; i++) {
		const struct ledger_event *event = &verdict->events[i];

		if (event->kind == 'E' && verdict_of_run(&event->task, &run->id) &&
		    event->ns + VERDICT_KEPT_MS * LEDGER_NS_PER_MS <= run->gone_ns)
			return true;
	}
	return run->cancelled;
}

/*
 * A child's result is kept for VERDICT_KEPT_MS after the child's end: on a machine that stops
 * for that long, a parent that is tried again cannot have it, and fails. One that took less has no
 * such excuse.
 */
static inline bool
verdict_outlived(const struct verdict *verdict, const struct load_run *run)
{
	uint64_t kept_ns = VERDICT_KEPT_MS * LEDGER_NS_PER_MS;

	if (!verdict->forgetful ||
	    (run->workflow != LEDGER_OF_PARENT && run->workflow != LEDGER_OF_DURABLE))
		return false;
	if (run->gone_ns != 0) /* and then its own time was over, too */
		return run->gone_ns - run->asked_ns >= 2 * kept_ns;
	return run->ended && run->status == FROE_RUN_FAILED &&
	    strcmp(run->text, "not found") == 0 && run->ended_ns - run->asked_ns >= kept_ns;
}

static inline void
verdict_run(struct verdict *verdict, const struct load_run *run)
{
	uint64_t expected = verdict_value(run->workflow, run->input.n);
	bool completed = run->status == FROE_RUN_COMPLETED;

	verdict->runs++;
	if (run->refused)
		verdict_fault(verdict, NULL, "a trigger was refused: %s", run->text);
	else if (!run->acknowledged)
		verdict_fault(verdict, NULL, "a trigger was never answered");
	else if (verdict_forgotten(verdict, run) || verdict_outlived(verdict, run))
		return;
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

/* After a start the index may need a moment: is it worth asking again? */
static inline bool
verdict_again(enum froe_err err, unsigned *tries)
{
	struct timespec span = {0, 20000000};

	if (err != FROE_INDEX_BEHIND || ++*tries == 500)
		return false;
	nanosleep(&span, NULL);
	return true;
}

static inline enum froe_err
verdict_list(struct froe_client *client, const struct froe_list_options *options,
    struct froe_run_page **ret_page, struct froe_error *error)
{
	enum froe_err err;
	unsigned tries = 0;

	do
		err = froe_run_list(client, options, LOAD_CALL_MS, ret_page, error);
	while (verdict_again(err, &tries));
	return err;
}

static inline enum froe_err
verdict_get(struct froe_client *client, struct froe_id run, struct froe_run_view **ret_view,
    struct froe_error *error)
{
	enum froe_err err;
	unsigned tries = 0;

	do
		err = froe_run_get(client, run, /* payloads = */ true, LOAD_CALL_MS, ret_view,
		    error);
	while (verdict_again(err, &tries));
	return err;
}

static inline void
verdict_view_task(struct verdict *verdict, const struct froe_run_view *view,
    const struct froe_task_view *from, uint64_t not_before_ns)
{
	struct verdict_task task = {.id = from->id, .not_before_ns = not_before_ns};
	struct ledger_output output;
	unsigned completed = 0;
	uint32_t attempt = 0;

	for (size_t i = 0; i < from->attempt_count; i++) {
		if (from->attempts[i].attempt > task.attempts)
			task.attempts = from->attempts[i].attempt;
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

/* A child has ended well: nobody cancels one, and its tasks fail once at most. */
static inline void
verdict_child(struct verdict *verdict, struct froe_client *client, struct froe_id child)
{
	struct froe_run_view *view;
	struct froe_error error;

	if (verdict_get(client, child, &view, &error) != FROE_OK) {
		if (verdict->forgetful && error.code == FROE_NOT_FOUND)
			return;
		verdict_fault(verdict, &child, "LOST: a child: %s", error.text);
		return;
	}
	if (view->status != FROE_RUN_COMPLETED)
		verdict_fault(verdict, &child, "a child is %s", froe_status_name(view->status));
	for (size_t i = 0; i < view->task_count; i++)
		verdict_view_task(verdict, view, &view->tasks[i], 0);
	froe_run_view_free(view);
}

static inline void
verdict_children(struct verdict *verdict, struct froe_client *client, const struct load_run *run)
{
	size_t most = run->workflow == LEDGER_OF_PARENT ? LEDGER_CHILDREN : 1;
	struct froe_list_options options = {.parent = run->id, .limit = 10};
	struct froe_run_page *page;
	struct froe_error error;

	if (verdict_list(client, &options, &page, &error) != FROE_OK) {
		verdict_fault(verdict, &run->id, "its children: %s", error.text);
		return;
	}
	if (page->row_count > most ||
	    (!verdict->forgetful && run->status == FROE_RUN_COMPLETED && page->row_count != most))
		verdict_fault(verdict, &run->id, "%zu children, not %zu", page->row_count, most);
	verdict->children += page->row_count;
	for (size_t i = 0; i < page->row_count; i++)
		verdict_child(verdict, client, page->rows[i].run);
	froe_run_page_free(page);
}

/* Each attempt's chunks are the first ones, in order; a completed one's are all there. */
static inline void
verdict_chunks(struct verdict *verdict, const struct load_run *run,
    const struct froe_stream_page *page)
{
	uint32_t attempt = 0;
	uint32_t next = 1;
	char text[64];

	for (size_t i = 0; i < page->chunk_count; i++) {
		const struct froe_chunk *chunk = &page->chunks[i];

		if (chunk->attempt != attempt)
			next = 1;
		attempt = chunk->attempt;
		snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu32, run->input.n, next++);
		if (chunk->data.size != strlen(text) ||
		    memcmp(chunk->data.data, text, chunk->data.size) != 0)
			verdict_fault(verdict, &run->id, "chunk %zu of attempt %" PRIu32
			    " is not %s", i, attempt, text);
	}
	verdict->chunks += page->chunk_count;
	if (run->status == FROE_RUN_COMPLETED &&
	    (attempt != run->attempt || next != LEDGER_CHUNKS + 1))
		verdict_fault(verdict, &run->id, "its stream ends with chunk %" PRIu32
		    " of attempt %" PRIu32, next - 1, attempt);
}

static inline void
verdict_stream(struct verdict *verdict, struct froe_client *client, const struct load_run *run)
{
	struct froe_stream_page *page;
	struct froe_error error;

	if (froe_stream_read(client, run->id, NULL, 0, LOAD_CALL_MS, &page, &error) != FROE_OK) {
		if (verdict->forgetful && error.code == FROE_NOT_FOUND)
			return;
		verdict_fault(verdict, &run->id, "its stream: %s", error.text);
		return;
	}
	verdict_chunks(verdict, run, page);
	froe_stream_page_free(page);
}

static inline void
verdict_view(struct verdict *verdict, struct froe_client *client, const struct load_run *run)
{
	struct froe_run_view *view;
	struct froe_error error;
	uint64_t not_before_ns = 0;

	if (!run->acknowledged || verdict_outlived(verdict, run))
		return;
	if (verdict_get(client, run->id, &view, &error) != FROE_OK) {
		if (error.code == FROE_NOT_FOUND &&
		    ((verdict->forgetful && run->ended) || verdict_forgotten(verdict, run)))
			return;
		verdict_fault(verdict, &run->id, "LOST: after a restart: %s", error.text);
		return;
	}
	if (run->ended && view->status != run->status)
		verdict_fault(verdict, &run->id, "LOST: shown as %s, and after a restart %s",
		    froe_status_name(run->status), froe_status_name(view->status));
	if (run->delay_ms != 0) /* engine time may run 5 % fast */
		not_before_ns = run->asked_ns + run->delay_ms * LEDGER_NS_PER_MS * 9 / 10;
	/* One that was cancelled before its time has none. */
	if (view->task_count != (run->workflow == LEDGER_OF_DAG ? 4u : 1u) &&
	    !(run->delay_ms != 0 && run->cancel_asked && view->task_count == 0))
		verdict_fault(verdict, &run->id, "%zu tasks", view->task_count);
	for (size_t i = 0; i < view->task_count; i++)
		verdict_view_task(verdict, view, &view->tasks[i], not_before_ns);
	if (run->status == FROE_RUN_COMPLETED && view->task_count > 0) {
		const struct verdict_task *last = &verdict->tasks[verdict->task_count - 1];

		if (last->completed && (last->attempt != run->attempt || last->pid != run->pid))
			verdict_fault(verdict, &run->id, "its result is not its last task's");
	}
	froe_run_view_free(view);
	if (run->workflow == LEDGER_OF_PARENT)
		verdict_stream(verdict, client, run);
	if (run->workflow == LEDGER_OF_PARENT || run->workflow == LEDGER_OF_DURABLE)
		verdict_children(verdict, client, run);
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

/* A child's number, or a memo: what an earlier attempt was told, every other is told. */
static inline void
verdict_repeated(struct verdict *verdict, const struct verdict_task *task,
    const struct ledger_event *events, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (events[i].kind == events[at].kind && events[i].attempt == events[at].attempt &&
		    strcmp(events[i].more, events[at].more) != 0)
			verdict_fault(verdict, &task->id, "%c %" PRIu32 " is %s, was %s",
			    events[at].kind, events[at].attempt, events[at].more,
			    events[i].more);
	}
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
		if (events[i].kind == 'X')
			verdict_fault(verdict, &task->id, "its handler saw a fault: %c, %" PRIu32,
			    events[i].end, events[i].attempt);
		if (events[i].kind == 'K' || events[i].kind == 'M')
			verdict_repeated(verdict, task, events, i);
		if (events[i].kind != 'E')
			continue;
		verdict->executions++;
		if (events[i].ns < task->not_before_ns)
			verdict_fault(verdict, &task->id, "it began before its time");
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
	if (verdict->forgetful)
		return;
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
