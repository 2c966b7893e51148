/*
 * Children of a task, from within its handler. Those without a key are numbered in the order of the
 * calls, which is how an attempt finds again what an earlier one has started. A number whose call
 * failed is given out again, so that a handler may simply repeat it.
 */
#include "client/start_int.h"
#include "client/argument.h"
#include "client/worker_int.h"

#include "base/mem.h"

static uint32_t
numbers_take(struct froe_task *task, size_t count)
{
	struct froe_client *client = task->worker->client;
	client_lock(client);
	uint32_t first = task->child_next;
	task->child_next += (uint32_t)count;
	client_unlock(client);
	return first;
}

/* Unless another thread of the handler has gone on from there. */
static void
numbers_return(struct froe_task *task, uint32_t first, size_t count)
{
	struct froe_client *client = task->worker->client;
	client_lock(client);
	if (task->child_next == first + (uint32_t)count)
		task->child_next = first;
	client_unlock(client);
}

enum froe_err
froe_task_spawn(struct froe_task *task, const struct froe_run_options *options,
    const char *child_key, int timeout_ms, struct froe_started *ret_started,
    struct froe_error *error)
{
	if (argument_missing(error, "task", task, "options", options, NULL))
		return FROE_INVALID_ARGUMENT;
	struct start start = {.options = options, .parent = task, .child_key = child_key};
	bool numbered = child_key == NULL || child_key[0] == 0;
	if (numbered) {
		start.child_key = NULL;
		start.child_index = numbers_take(task, 1);
	}
	enum froe_err err =
	    start_one(task->worker->client, &start, timeout_ms, ret_started, error);
	if (err != FROE_OK && numbered)
		numbers_return(task, start.child_index, 1);
	return err;
}

enum froe_err
froe_task_spawn_many(struct froe_task *task, const struct froe_run_options *options, size_t count,
    int timeout_ms, struct froe_started *ret_started, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "options", options, NULL))
		return FROE_INVALID_ARGUMENT;
	if (count == 0 || count > FROE_TASK_CHILDREN_MAX)
		return error_set_field(error, FROE_INVALID_ARGUMENT, "count",
		    "%zu children: a task starts 1 to %u", count, FROE_TASK_CHILDREN_MAX);
	uint32_t first = numbers_take(task, count);
	struct start *starts = mem_array(count, sizeof(*starts));
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < count; i++) {
		starts[i] = (struct start){.options = &options[i], .parent = task,
		    .child_index = first + (uint32_t)i};
	}
	for (size_t at = 0; at < count && err == FROE_OK; at += FROE_BULK_RUNS_MAX) {
		size_t some = count - at < FROE_BULK_RUNS_MAX ? count - at : FROE_BULK_RUNS_MAX;
		err = start_many(task->worker->client, starts + at, some, timeout_ms,
		    ret_started != NULL ? ret_started + at : NULL, error);
	}
	if (err != FROE_OK)
		numbers_return(task, first, count);
	mem_free(starts);
	return err;
}

enum froe_err
froe_child_await(struct froe_task *task, struct froe_id child, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "ret_end", ret_end, NULL))
		return FROE_INVALID_ARGUMENT;
	return run_await(
	    task->worker->client, child, &task->cancelled, timeout_ms, ret_end, error);
}
