/*
 * Handlers' threads: created when a task finds none idle, up to the worker's slots. Of those that
 * are idle the one that worked last is called: what it needs is still in the caches. One is on its
 * way at a time; when it has its task, and there are more, it calls the next. So tasks that come
 * together and take no time are done by one thread, and none contend for the lock. A worker with
 * inline_handlers has none: its queue is run by the thread that steps the client, after the turn.
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

static void *pool_main(void *argument);

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
	if (pthread_create(thread, NULL, pool_main, worker) == 0) {
		worker->thread_count++;
		worker->called = true;
	}
	froe_assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

static bool
pool_wake(struct froe_worker *worker)
{
	struct list *node = list_pop(&worker->idle);
	if (node != NULL)
		waiter_wake(worker->client, container_of(node, struct waiter, node));
	return node != NULL;
}

/* Somebody for what is queued, unless one is on the way. */
static void
pool_call(struct froe_worker *worker)
{
	if (worker->inline_handlers || worker->called || list_empty(&worker->queue))
		return;
	if (pool_wake(worker))
		worker->called = true;
	else if (worker->thread_count < worker->slots_sum + worker->released_count)
		pool_grow(worker);
}

void
pool_run(struct froe_worker *worker, struct froe_task *task)
{
	const struct worker_action *action = action_find(worker, task->action);
	froe_assert(task->state == TASK_QUEUED);
	list_remove(&task->queue);
	pool_call(worker);
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
	client_notify(worker->client, &worker->quiet);
}

static void *
pool_main(void *argument)
{
	struct froe_worker *worker = argument;
	struct waiter waiter;
	waiter_init(&waiter);
	client_lock(worker->client);
	worker->called = false;
	while (!worker->stopping) {
		if (!list_empty(&worker->queue)) {
			pool_run(worker, container_of(worker->queue.next, struct froe_task, queue));
			continue;
		}
		list_push_front(&worker->idle, &waiter.node);
		waiter_sleep(worker->client, &waiter, UINT64_MAX);
		worker->called = false;
	}
	client_unlock(worker->client);
	waiter_release(&waiter);
	return NULL;
}

void
pool_push(struct froe_worker *worker, struct froe_task *task)
{
	list_push(&worker->queue, &task->queue);
	if (worker->inline_handlers)
		return;
	pool_call(worker);
	if (worker->thread_count == 0) {
		/* Not even one thread: say so rather than hold the lease until it times out. */
		list_remove(&task->queue);
		task->state = TASK_RUNNING;
		froe_task_error(task, "the worker could not create a thread");
		task->err = FROE_RESOURCE_EXHAUSTED;
		result_send(task);
	}
}

void
pool_stop(struct froe_worker *worker)
{
	client_lock(worker->client);
	worker->stopping = true;
	while (pool_wake(worker))
		continue;
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
	size_t count = 0;
	const struct list *node;
	list_for_each(node, &worker->queue)
	{
		count++;
	}
	while (count-- > 0 && !list_empty(&worker->queue))
		pool_run(worker, container_of(worker->queue.next, struct froe_task, queue));
}
