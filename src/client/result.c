/*
 * What becomes of a handler's result. It is kept until the server has answered it, across any
 * number of reconnects; the fence (task, lease) makes a repeated one harmless. When the server
 * has taken the lease back there is nothing to say. A handler that gave up because its lease
 * lapsed here, or because the worker stops, is not a failure of the task: the attempt is simply no
 * longer held, and the server queues it again.
 */
#include "client/worker_int.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/message.h"

#define RETRY_NS ((uint64_t)200 * 1000000)

void
result_drop(struct froe_task *task, enum froe_err err)
{
	struct froe_worker *worker = task->worker;
	list_remove(&task->node); /* no longer held */
	if (worker->on_result != NULL) {
		worker->calling++;
		client_unlock(worker->client);
		worker->on_result(worker->context, task->id, task->attempt, err);
		client_lock(worker->client);
		worker->calling--;
		client_notify(worker->client, &worker->quiet);
	}
	held_free(task);
}

static void result_answer(struct froe_client *client, struct request *request,
    const Froe__Envelope *envelope, const struct froe_error *error);

/* TaskComplete is written field by field, since every task ends with one. */
enum {
	COMPLETE_TASK = 1,
	COMPLETE_LEASE = 2,
	COMPLETE_OUTPUT = 3,
};

static void
result_complete(struct froe_task *task)
{
	struct froe_client *client = task->worker->client;
	struct bytes id = bytes_of(task->id.bytes, sizeof(task->id.bytes)), output;
	output = task->output_size > 0 ? bytes_of(task->output, task->output_size)
				       : bytes_text("null");
	size_t size = 2 + id.size + 1 + varint_size(task->lease) + 1 + varint_size(output.size) +
	    output.size;
	uint8_t *at;
	struct request *request = request_begin(&client->requests,
	    FROE__ENVELOPE__BODY_TASK_COMPLETE, size, result_answer, task, &at);
	at = message_store_bytes(at, COMPLETE_TASK, id);
	at = message_store_number(at, COMPLETE_LEASE, task->lease);
	at = message_store_bytes(at, COMPLETE_OUTPUT, output);
	froe_assert(at == request->frame + request->size);
	client_submit(client, request);
}

/* A text that the wire takes: what is not UTF-8 becomes "?". */
static const char *
text_clean(char *text)
{
	if (!utf8_valid(text, strlen(text))) {
		for (char *at = text; *at != 0; at++) {
			if ((uint8_t)*at >= 0x80)
				*at = '?';
		}
	}
	return text;
}

static void
result_fail(struct froe_task *task)
{
	struct froe_client *client = task->worker->client;
	Froe__TaskFail fail = FROE__TASK_FAIL__INIT;
	const char *text = task->error != NULL ? text_clean(task->error) : froe_err_text(task->err);
	fail.has_task = true;
	fail.task = wire_id(&task->id);
	fail.has_lease = true;
	fail.lease = task->lease;
	fail.error = wire_text(text);
	fail.has_fatal = task->fatal;
	fail.fatal = task->fatal;
	fail.has_retry_after_ms = task->retry_after_ms != 0;
	fail.retry_after_ms = task->retry_after_ms;
	client_submit(client, request_new(&client->requests, FROE__ENVELOPE__BODY_TASK_FAIL,
	    &fail.base, result_answer, task));
}

static void
result_report(struct froe_task *task)
{
	if (task->err == FROE_OK)
		result_complete(task);
	else
		result_fail(task);
}

/* A refused output would leave the attempt hanging: it fails instead, with the server's reason. */
static void
result_refused(struct froe_task *task, const struct froe_error *error)
{
	froe_task_error(task, "the output was refused: %s", error->text);
	task->err = error->code;
	task->fatal = true;
	result_fail(task);
}

static void
result_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct froe_task *task = request->context;
	(void)client;
	if (envelope != NULL) {
		result_drop(task, FROE_OK);
		return;
	}
	bool again = froe_err_class(error->code) == FROE_CLASS_RETRY ||
	    error->code == FROE_RESOURCE_EXHAUSTED;
	if (again && task->worker->state != WORKER_LEFT) {
		task->delayed = true;
		task->worker->retry_ns = clock_now_ns() + RETRY_NS;
		client_wake(task->worker->client);
	} else if (task->err == FROE_OK &&
	    (error->code == FROE_INVALID_ARGUMENT || error->code == FROE_TOO_LARGE)) {
		result_refused(task, error);
	} else {
		result_drop(task, error->code);
	}
}

void
result_retry(struct froe_worker *worker)
{
	struct list *node;
	worker->retry_ns = UINT64_MAX;
	list_for_each(node, &worker->tasks)
	{
		struct froe_task *task = container_of(node, struct froe_task, node);
		if (!task->delayed)
			continue;
		task->delayed = false;
		result_report(task);
	}
}

void
result_send(struct froe_task *task)
{
	froe_assert(task->state == TASK_RUNNING);
	bool gave_up = task->err != FROE_OK && task->cancelled;
	bool tells = task->exactly_once && task->revoked && worker_serving(task->worker);
	if (tells) { /* it will not be used; but the next attempt need not wait any longer */
		task->state = TASK_REPORTING;
		result_report(task);
		return;
	}
	if (task->revoked || gave_up || task->worker->state == WORKER_LEFT) {
		result_drop(task, FROE_LEASE_LAPSED);
		return;
	}
	task->state = TASK_REPORTING;
	result_report(task);
}

static void
detach_list(struct froe_client *client, struct list *list)
{
	struct froe_error left;
	error_set(&left, FROE_CLOSED, "the worker has left: the outcome is unknown");
	struct list *node = list->next;
	while (node != list) {
		struct request *request = container_of(node, struct request, node);
		node = node->next;
		bool ours = request->worker ||
		    request->number == FROE__ENVELOPE__BODY_WORKER_REGISTER;
		if (!ours || request->abandoned)
			continue;
		if (request->waited) /* a handler that would wait for ever */
			client_finish(client, request, NULL, &left);
		else
			call_abandon(client, request);
	}
}

void
result_detach(struct froe_worker *worker)
{
	struct froe_client *client = worker->client;
	detach_list(client, &client->sent);
	detach_list(client, &client->waiting);
	detach_list(client, &client->waiting_worker);
}
