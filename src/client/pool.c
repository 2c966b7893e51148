/*
 * Handlers' threads: created when a task finds none idle, up to the worker's slots; they wait on
 * one condition under the client's lock. A worker with inline_handlers has none: its queue is run
 * by the thread that steps the client, after the turn.
 */
#include "client/worker_int.h"

#include "base/mem.h"

#include <signal.h>

static const struct worker_action *
action_find(const struct froe_worker *worker, const char *name)
{
	for (size_t i = 0; i < worker->action_count; i++) {
		if (strcmp(worker->actions[i].name, name) == 0)
			return &worker->actions[i];
	}
	return NULL;
}

void
pool_run(struct froe_worker *worker, struct froe_task *task)
{
	const struct worker_action *action = action_find(worker, task->action);
	froe_assert(task->state == TASK_QUEUED);
	list_remove(&task->queue);
	task->state = TASK_RUNNING;
	if (task->exactly_once && task->cancelled) { /* not to be begun any more */
		result_drop(task, FROE_LEASE_LAPSED);
		return;
	}
	worker->running++;
	client_unlock(worker->client);
	if (action != NULL) {
		task->err = action->handler(task, action->context);
	} else {
		froe_task_error(task, "this worker has no handler for action %s", task->action);
		task->err = FROE_NOT_FOUND;
	}
	client_lock(worker->client);
	worker->running--;
	result_send(task);
	client_notify(worker->client);
}

static void *
pool_main(void *argument)
{
	struct froe_worker *worker = argument;
	client_lock(worker->client);
	while (!worker->stopping) {
		if (!list_empty(&worker->queue)) {
			pool_run(worker, container_of(worker->queue.next, struct froe_task, queue));
			continue;
		}
		worker->idle++;
		froe_assert(pthread_cond_wait(&worker->work, &worker->client->lock) == 0);
		worker->idle--;
	}
	client_unlock(worker->client);
	return NULL;
}

static void
pool_grow(struct froe_worker *worker)
{
	sigset_t all, before;
	sigfillset(&all);
	froe_assert(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	if (worker->thread_count == worker->thread_capacity) {
		worker->thread_capacity = worker->thread_capacity * 2 + 8;
		worker->threads = mem_resize(
		    worker->threads, worker->thread_capacity * sizeof(worker->threads[0]));
	}
	pthread_t *thread = &worker->threads[worker->thread_count];
	if (pthread_create(thread, NULL, pool_main, worker) == 0)
		worker->thread_count++;
	froe_assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

static size_t
queue_length(const struct froe_worker *worker, size_t most)
{
	size_t count = 0;
	const struct list *node;
	list_for_each(node, &worker->queue)
	{
		if (++count > most)
			break;
	}
	return count;
}

void
pool_push(struct froe_worker *worker, struct froe_task *task)
{
	list_push(&worker->queue, &task->queue);
	if (worker->inline_handlers)
		return;
	if (queue_length(worker, worker->idle) > worker->idle &&
	    worker->thread_count < worker->slots_sum + worker->released_count)
		pool_grow(worker);
	if (worker->thread_count == 0) {
		/* Not even one thread: say so rather than hold the lease until it times out. */
		list_remove(&task->queue);
		task->state = TASK_RUNNING;
		froe_task_error(task, "the worker could not create a thread");
		task->err = FROE_RESOURCE_EXHAUSTED;
		result_send(task);
		return;
	}
	froe_assert(pthread_cond_signal(&worker->work) == 0);
}

void
pool_stop(struct froe_worker *worker)
{
	client_lock(worker->client);
	worker->stopping = true;
	froe_assert(pthread_cond_broadcast(&worker->work) == 0);
	size_t count = worker->thread_count;
	client_unlock(worker->client);
	for (size_t i = 0; i < count; i++)
		froe_assert(pthread_join(worker->threads[i], NULL) == 0);
}

bool
worker_inline_waits(const struct froe_worker *worker)
{
	return worker != NULL && worker->inline_handlers && !list_empty(&worker->queue);
}

/* Those that are queued now; what they bring about is for the next turn. */
void
worker_inline(struct froe_worker *worker)
{
	size_t count = queue_length(worker, SIZE_MAX);
	while (count-- > 0 && !list_empty(&worker->queue))
		pool_run(worker, container_of(worker->queue.next, struct froe_task, queue));
}
