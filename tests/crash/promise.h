/*
 * tests/crash/promise: what was acknowledged by a moment, and whether a store still has it.
 *
 * Purpose     For tests that look at a store as it was, or might have been, at some moment of a
 *             load: gathers from clients and workers what had been acknowledged, and compares it
 *             with what a server says that was started on that store, without workers.
 * Checks      1. each run whose start was acknowledged is there, in the list too, with its input;
 *                a child of which its parent's worker was told is there.
 *             2. an end that was shown is the end: status, result, and which execution made it; a
 *                cancel that was acknowledged holds.
 *             3. a completion that was acknowledged to a worker is recorded, as its execution made
 *                it; an execution that began is recorded as an attempt.
 *             4. there is no run that nobody asked for.
 *             5. the list and the run itself agree about ends.
 * Ownership   promises_release frees what was gathered; loads outlive it.
 * Units       ns of CLOCK_MONOTONIC.
 */
#ifndef CRASH_PROMISE_H
#define CRASH_PROMISE_H

#include "crash/process.h"
#include "crash/verdict.h"

#define PROMISE_PAGE 1000u
#define PROMISE_CALL_MS 10000
/* For an index that is being made anew; in all, as one that cannot be made stays behind. */
#define PROMISE_PATIENCE_NS (20000 * LEDGER_NS_PER_MS)

struct promise {
	struct froe_id run;
	uint64_t since_ns;	     /* it was acknowledged */
	const struct load_run *told; /* what its client was told; NULL: a child */
	bool listed;
	enum froe_status listed_status;
};

struct promises {
	struct promise *list; /* by id; several may be of one run */
	size_t count;
	size_t room;
	struct verdict ledger; /* its events, by task and order */
	uint64_t patient_ns;   /* until then a look waits for the index */
};

/* One look at a server. */
struct promise_look {
	const char *address;
	uint64_t until_ns; /* what was acknowledged before it must be there */
	uint64_t seed;
	size_t newest; /* so many of the newest are looked at in detail, */
	size_t others; /* and about so many of the others */
	pid_t server;  /* when it has ended nothing more is asked; 0: it will not end */
};

static inline int
promise_compare(const void *a, const void *b)
{
	return verdict_compare_ids(
	    &((const struct promise *)a)->run, &((const struct promise *)b)->run);
}

static inline void
promises_add(struct promises *promises, struct promise promise)
{
	promises->list =
	    verdict_grow(promises->list, promises->count, &promises->room, sizeof(*promises->list));
	promises->list[promises->count++] = promise;
}

/* When nothing is under way any more. */
static inline void
promises_gather(
    struct promises *promises, const struct load *loads, size_t load_count, const char *ledger)
{
	struct verdict *events = &promises->ledger;

	for (size_t i = 0; i < load_count; i++) {
		for (size_t j = 0; j < loads[i].run_count; j++) {
			const struct load_run *run = &loads[i].runs[j];

			if (run->acknowledged)
				promises_add(promises, (struct promise){.run = run->id,
							   .since_ns = run->acknowledged_ns,
							   .told = run});
		}
	}
	verdict_read_ledger(events, ledger);
	for (size_t i = 0; i < events->event_count; i++) {
		const struct ledger_event *event = &events->events[i];
		struct promise child = {.since_ns = event->ns};

		if (event->kind == 'K' && froe_id_parse(event->more, &child.run))
			promises_add(promises, child);
	}
	qsort(promises->list, promises->count, sizeof(*promises->list), promise_compare);
	qsort(events->events, events->event_count, sizeof(*events->events), verdict_compare_events);
}

static inline void
promises_release(struct promises *promises)
{
	free(promises->list);
	verdict_release(&promises->ledger);
	memset(promises, 0, sizeof(*promises));
}

/* The first promise of the run; count: there is none. */
static inline size_t
promises_find(const struct promises *promises, const struct froe_id *run)
{
	size_t low = 0;
	size_t high = promises->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (verdict_compare_ids(&promises->list[middle].run, run) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < promises->count && verdict_compare_ids(&promises->list[low].run, run) != 0)
		return promises->count;
	return low;
}

/* ------------------------------------------------------------------------------------ the list */

static inline void
promise_row(struct promises *promises, struct verdict *verdict, const struct froe_run_row *row)
{
	size_t at = promises_find(promises, &row->run);

	if (at == promises->count)
		verdict_fault(verdict, &row->run, "it is listed, but nobody has asked for it");
	for (; at < promises->count && verdict_compare_ids(&promises->list[at].run, &row->run) == 0;
	     at++) {
		promises->list[at].listed = true;
		promises->list[at].listed_status = row->status;
	}
}

static inline bool
promise_gone(const struct promise_look *look)
{
	return look->server != 0 && process_ended(look->server);
}

/* After a start the index may be in the making. */
static inline bool
promise_waits(const struct promises *promises)
{
	struct timespec span = {0, 20000000};

	nanosleep(&span, NULL);
	return ledger_now_ns() < promises->patient_ns;
}

static inline void
promise_list(struct promises *promises, struct verdict *verdict, struct froe_client *client,
    const struct promise_look *look)
{
	struct froe_list_options options = {.limit = PROMISE_PAGE};
	struct froe_run_page *page;
	struct froe_error error;

	for (size_t i = 0; i < promises->count; i++)
		promises->list[i].listed = false;
	do {
		enum froe_err err;

		while ((err = froe_run_list(client, &options, PROMISE_CALL_MS, &page, &error)) ==
			   FROE_INDEX_BEHIND &&
		       promise_waits(promises))
			;
		if (err != FROE_OK && promise_gone(look))
			return;
		if (err != FROE_OK) {
			verdict_fault(verdict, NULL, "the list: %s", error.text);
			return;
		}
		for (size_t i = 0; i < page->row_count; i++)
			promise_row(promises, verdict, &page->rows[i]);
		options.before = page->next;
		froe_run_page_free(page);
	} while (options.before != 0);
}

/* ------------------------------------------------------------------------------------ one run */

static inline bool
promise_ended(const struct load_run *told, uint64_t until_ns)
{
	return told != NULL && told->ended && told->ended_ns < until_ns;
}

static inline void
promise_input(
    struct verdict *verdict, const struct load_run *told, const struct froe_run_view *view)
{
	char input[LEDGER_OUTPUT_BYTES];
	size_t size = (size_t)ledger_input_print(input, sizeof(input), told->input);

	/* A trigger that was answered with an earlier one's run has that one's. */
	if (told->key == 0 &&
	    (view->input.size != size || memcmp(view->input.data, input, size) != 0))
		verdict_fault(verdict, &told->id, "not its input: %.*s", (int)view->input.size,
		    (const char *)view->input.data);
}

static inline void
promise_end(struct verdict *verdict, const struct load_run *told, const struct froe_run_view *view)
{
	struct load_run now = {.workflow = told->workflow};

	if (view->status != told->status) {
		verdict_fault(verdict, &told->id, "LOST: shown as %s, now %s",
		    froe_status_name(told->status), froe_status_name(view->status));
		return;
	}
	if (told->status != FROE_RUN_COMPLETED)
		return;
	load_read_result(&now, view->result);
	if (!now.value_read || now.value != told->value || now.attempt != told->attempt ||
	    now.pid != told->pid)
		verdict_fault(verdict, &told->id, "LOST: its result is %s", now.text);
}

static inline bool
promise_closed(enum froe_status status)
{
	return status == FROE_RUN_COMPLETED || status == FROE_RUN_FAILED ||
	       status == FROE_RUN_CANCELLED;
}

static inline void
promise_view(struct verdict *verdict, const struct promise *promise,
    const struct promise_look *look, const struct froe_run_view *view)
{
	const struct load_run *told = promise->told;

	if (promise->listed &&
	    (promise_closed(view->status) || promise_closed(promise->listed_status)) &&
	    promise->listed_status != view->status)
		verdict_fault(verdict, &promise->run, "it is %s, and listed as %s",
		    froe_status_name(view->status), froe_status_name(promise->listed_status));
	for (size_t i = 0; i < view->task_count; i++)
		verdict_view_task(verdict, view, &view->tasks[i], 0);
	if (told == NULL)
		return;
	promise_input(verdict, told, view);
	if (promise_ended(told, look->until_ns))
		promise_end(verdict, told, view);
	if (told->cancelled && told->cancelled_ns < look->until_ns &&
	    view->status != FROE_RUN_CANCELLED)
		verdict_fault(verdict, &told->id, "LOST: its cancel was acknowledged, it is %s",
		    froe_status_name(view->status));
	if (view->status == FROE_RUN_CANCELLED && !told->cancel_asked && told->key == 0)
		verdict_fault(verdict, &told->id, "cancelled, and nobody has asked for that");
}

static inline void
promise_check(const struct promises *promises, struct verdict *verdict, struct froe_client *client,
    const struct promise *promise, const struct promise_look *look)
{
	struct froe_run_view *view;
	struct froe_error error;
	enum froe_err err;

	while ((err = froe_run_get(client, promise->run, /* payloads = */ true, PROMISE_CALL_MS,
		    &view, &error)) == FROE_INDEX_BEHIND &&
	       promise_waits(promises))
		;
	if (err == FROE_OK) {
		promise_view(verdict, promise, look, view);
		froe_run_view_free(view);
		return;
	}
	if (promise_gone(look))
		return;
	if (verdict->rotten && error.code == FROE_CORRUPT) {
		verdict->told++;
		return;
	}
	/* Who forgets soon may have forgotten a child whenever it ended. */
	if (verdict->forgetful && error.code == FROE_NOT_FOUND &&
	    (promise->told == NULL || promise_ended(promise->told, look->until_ns)))
		return;
	verdict_fault(verdict, &promise->run, "LOST: acknowledged, but %s", error.text);
}

/* --------------------------------------------------------------------------- what workers did */

static inline void
promise_task(struct verdict *verdict, const struct verdict_task *task,
    const struct ledger_event *events, size_t count, uint64_t until_ns)
{
	for (size_t i = 0; i < count; i++) {
		const struct ledger_event *end = &events[i];
		const struct ledger_event *begun;

		if (end->ns >= until_ns)
			continue;
		if (end->kind == 'E' && end->attempt > task->attempts)
			verdict_fault(verdict, &task->id,
			    "LOST: attempt %" PRIu32 " was executed, %" PRIu32 " recorded",
			    end->attempt, task->attempts);
		if (end->kind != 'A')
			continue;
		begun = verdict_execution(events, i, end->attempt, end->pid);
		if (begun == NULL || begun->end == 'f')
			continue; /* verdict.h looks at these */
		if (!task->completed)
			verdict_fault(verdict, &task->id, "LOST: its completion was acknowledged");
		else if (task->attempt != end->attempt || task->pid != end->pid)
			verdict_fault(verdict, &task->id,
			    "attempt %" PRIu32 " by %d was "
			    "acknowledged, %" PRIu32 " by %d is recorded",
			    end->attempt, end->pid, task->attempt, task->pid);
	}
}

static inline void
promise_tasks(const struct promises *promises, struct verdict *verdict, uint64_t until_ns)
{
	const struct ledger_event *events = promises->ledger.events;
	size_t count = promises->ledger.event_count;
	size_t at = 0;

	qsort(verdict->tasks, verdict->task_count, sizeof(*verdict->tasks), verdict_compare_tasks);
	for (size_t i = 0; i < verdict->task_count; i++) {
		const struct verdict_task *task = &verdict->tasks[i];
		size_t first;

		while (at < count && verdict_compare_ids(&events[at].task, &task->id) < 0)
			at++;
		for (first = at;
		     at < count && verdict_compare_ids(&events[at].task, &task->id) == 0;)
			at++;
		promise_task(verdict, task, &events[first], at - first, until_ns);
		at = first; /* a run may have been looked at twice */
	}
}

/* ------------------------------------------------------------------------------------- a look */

static inline int
promise_compare_times(const void *a, const void *b)
{
	const struct promise *x = *(const struct promise *const *)a;
	const struct promise *y = *(const struct promise *const *)b;

	return (x->since_ns > y->since_ns) - (x->since_ns < y->since_ns);
}

/* All that are due are listed, or looked for; of the rest some are looked at. */
static inline void
promise_runs(struct promises *promises, struct verdict *verdict, struct froe_client *client,
    const struct promise_look *look)
{
	const struct promise **due = calloc(promises->count + 1, sizeof(*due));
	uint64_t seed = look->seed | 1;
	size_t count = 0;

	for (size_t i = 0; i < promises->count; i++) {
		if (promises->list[i].since_ns < look->until_ns)
			due[count++] = &promises->list[i];
	}
	qsort(due, count, sizeof(*due), promise_compare_times);
	verdict->runs = count;
	for (size_t i = 0; i < count && !promise_gone(look); i++) {
		bool chosen =
		    count - i <= look->newest || load_random(&seed) % count < look->others;

		if (chosen || !due[i]->listed)
			promise_check(promises, verdict, client, due[i], look);
	}
	free(due);
}

static inline void
promises_check(struct promises *promises, struct verdict *verdict, const struct promise_look *look)
{
	struct froe_client_options options = {.address = look->address, .open_ms = 60000};
	struct froe_client *client;
	struct froe_error error;

	if (froe_client_open(&options, &client, &error) != FROE_OK) {
		verdict_fault(verdict, NULL, "no connection to judge by: %s", error.text);
		return;
	}
	promises->patient_ns = ledger_now_ns() + PROMISE_PATIENCE_NS;
	promise_list(promises, verdict, client, look);
	promise_runs(promises, verdict, client, look);
	froe_client_close(client);
	promise_tasks(promises, verdict, look->until_ns);
}

#endif
