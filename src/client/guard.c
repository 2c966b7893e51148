/*
 * Exactly once: the server begins another attempt only when this one has surely stopped, which it
 * takes for granted once it has not heard of this worker for the lost-after time. So a handler of
 * such a task is told to stop a while before that, and if it has not returned when the time is
 * over, the process ends: a second attempt at the same time would be worse than a lost process.
 * The time counts from when the last confirmed heartbeat was sent, which is before the server
 * heard it. A revocation overtakes the answers to later heartbeats: the lapse known when it comes
 * is the one that the server waits for.
 */
#include "client/worker_int.h"

#include <stdio.h>
#include <unistd.h>

#define EXIT_OVERRUN 79

/* When a task that is not told to stop yet is. */
static uint64_t
guard_notice_ns(const struct froe_worker *worker)
{
	uint64_t lost_ns = (uint64_t)worker->client->heartbeat_lost_ms * 1000000u;
	uint64_t notice_ns = worker->stop_notice_ns;
	if (notice_ns == 0)
		notice_ns = lost_ns / 4 < GUARD_NOTICE_NS ? lost_ns / 4 : GUARD_NOTICE_NS;
	uint64_t lapse_ns = worker_lapse_ns(worker);
	return lapse_ns > notice_ns ? lapse_ns - notice_ns : 0;
}

uint64_t
guard_cancel_ns(const struct froe_task *task)
{
	return task->exactly_once ? guard_notice_ns(task->worker) : worker_lapse_ns(task->worker);
}

void
guard_cancelled(struct froe_task *task)
{
	if (task->exactly_once)
		task->stop_by_ns = worker_lapse_ns(task->worker);
}

static _Noreturn void
guard_exit(const struct froe_task *task)
{
	char id[FROE_ID_TEXT_SIZE];
	froe_id_format(task->id, id);
	fprintf(stderr,
	    "libfroe: exactly once: the handler of task %s (%s) has not returned and its lease has "
	    "lapsed: the process ends, so that it does not run beside the next attempt\n", id,
	    task->name);
	_exit(EXIT_OVERRUN);
}

void
guard_tick(struct froe_worker *worker, uint64_t now_ns)
{
	struct list *node;
	if (worker->exactly_once_count == 0)
		return;
	list_for_each(node, &worker->tasks)
	{
		struct froe_task *task = container_of(node, struct froe_task, node);
		if (!task->exactly_once)
			continue;
		if (!task->cancelled && now_ns >= guard_cancel_ns(task))
			held_cancel(task, "lost");
		if (task->cancelled && task->state == TASK_RUNNING && now_ns >= task->stop_by_ns &&
		    !worker->never_exit)
			guard_exit(task);
	}
}

uint64_t
guard_deadline_ns(const struct froe_worker *worker)
{
	const struct list *node;
	uint64_t deadline_ns = UINT64_MAX;
	if (worker->exactly_once_count == 0)
		return UINT64_MAX;
	list_for_each(node, &worker->tasks)
	{
		const struct froe_task *task = container_of(
		    (struct list *)(uintptr_t)node, struct froe_task, node);
		uint64_t at_ns = UINT64_MAX;
		if (task->exactly_once && !task->cancelled)
			at_ns = guard_cancel_ns(task);
		else if (task->exactly_once && task->state == TASK_RUNNING && !worker->never_exit)
			at_ns = task->stop_by_ns;
		deadline_ns = at_ns < deadline_ns ? at_ns : deadline_ns;
	}
	return deadline_ns;
}
