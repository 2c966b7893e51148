/*
 * What a handler asks of its task, and says about it.
 */
#include "client/worker_int.h"
#include "client/argument.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------ cancellation */

void
held_cancel(struct froe_task *task, const char *reason)
{
	uint64_t one = 1;
	if (task->cancelled)
		return;
	task->cancelled = true;
	guard_cancelled(task);
	snprintf(task->reason, sizeof(task->reason), "%s", reason);
	if (task->fd >= 0)
		FROE_DROP(write(task->fd, &one, sizeof(one)), "a fresh counter has room");
	durable_wake(task);
	client_notify(task->worker->client, &task->cancelled);
}

/* With the lock: a lease lapses by the clock alone, even if nobody steps the client. */
void
task_look(struct froe_task *task)
{
	uint64_t now_ns = clock_now_ns();
	if (task->cancelled || now_ns < guard_cancel_ns(task))
		return;
	if (now_ns >= worker_lapse_ns(task->worker))
		task->worker->lapsed = true;
	held_cancel(task, "lost");
}

bool
froe_task_cancelled(struct froe_task *task)
{
	if (task == NULL)
		return true;
	struct froe_client *client = task->worker->client;
	client_lock(client);
	task_look(task);
	bool cancelled = task->cancelled;
	client_unlock(client);
	return cancelled;
}

const char *
froe_task_cancel_reason(struct froe_task *task)
{
	return task != NULL && froe_task_cancelled(task) ? task->reason : ""; /* written once */
}

bool
froe_task_wait(struct froe_task *task, uint32_t timeout_ms)
{
	if (task == NULL)
		return true;
	struct froe_client *client = task->worker->client;
	uint64_t deadline_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
	client_lock(client);
	uint64_t lapse_ns = guard_cancel_ns(task);
	client_wait(client, &task->cancelled, /* stop= */ NULL,
	    deadline_ns < lapse_ns ? deadline_ns : lapse_ns);
	while (!task->cancelled && clock_now_ns() < deadline_ns) {
		task_look(task); /* the lapse moved away meanwhile, or has come */
		lapse_ns = guard_cancel_ns(task);
		client_wait(client, &task->cancelled, /* stop= */ NULL,
		    deadline_ns < lapse_ns ? deadline_ns : lapse_ns);
	}
	task_look(task);
	bool cancelled = task->cancelled;
	client_unlock(client);
	return cancelled;
}

int
froe_task_fd(struct froe_task *task)
{
	if (task == NULL)
		return -1;
	struct froe_client *client = task->worker->client;
	client_lock(client);
	if (task->fd < 0)
		task->fd = eventfd(task->cancelled ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
	int fd = task->fd;
	client_unlock(client);
	return fd;
}

bool
froe_task_lease_valid(struct froe_task *task)
{
	if (task == NULL)
		return false;
	struct froe_client *client = task->worker->client;
	client_lock(client);
	bool valid = !task->revoked && task->worker->state != WORKER_LEFT &&
	    clock_now_ns() < worker_lapse_ns(task->worker);
	client_unlock(client);
	return valid;
}

/* --------------------------------------------------------------------------- what it was given */

struct froe_id
froe_task_id(const struct froe_task *task)
{
	return task != NULL ? task->id : (struct froe_id){0};
}

struct froe_id
froe_task_run(const struct froe_task *task)
{
	return task != NULL ? task->run : (struct froe_id){0};
}

const char *
froe_task_name(const struct froe_task *task)
{
	return task != NULL ? task->name : "";
}

const char *
froe_task_action(const struct froe_task *task)
{
	return task != NULL ? task->action : "";
}

const char *
froe_task_workflow(const struct froe_task *task)
{
	return task != NULL ? task->workflow : "";
}

uint32_t
froe_task_attempt(const struct froe_task *task)
{
	return task != NULL ? task->attempt : 0;
}

uint32_t
froe_task_retries(const struct froe_task *task)
{
	return task != NULL ? task->retries : 0;
}

uint64_t
froe_task_lease(const struct froe_task *task)
{
	return task != NULL ? task->lease : 0;
}

struct froe_bytes
froe_task_input(const struct froe_task *task)
{
	return task != NULL ? task->input : (struct froe_bytes){0};
}

bool
froe_task_metadata_at(const struct froe_task *task, size_t index, struct froe_pair *ret_pair)
{
	if (task == NULL || ret_pair == NULL || index >= task->metadata_count)
		return false;
	*ret_pair = task->metadata[index];
	return true;
}

const char *
froe_task_metadata(const struct froe_task *task, const char *key)
{
	if (task == NULL || key == NULL)
		return NULL;
	for (size_t i = 0; i < task->metadata_count; i++) {
		if (strcmp(task->metadata[i].key, key) == 0)
			return task->metadata[i].value;
	}
	return NULL;
}

enum froe_err
froe_task_parent(struct froe_task *task, const char *parent, struct froe_bytes *ret_output,
    struct froe_error *error)
{
	if (argument_missing(error, "task", task, "parent", parent, "ret_output", ret_output, NULL))
		return FROE_INVALID_ARGUMENT;
	for (size_t i = 0; i < task->parent_count; i++) {
		struct task_parent *found = &task->parents[i];
		if (strcmp(found->name, parent) != 0)
			continue;
		if (found->omitted && found->fetched == NULL) {
			enum froe_err err = froe_output_get(task->worker->client, task->run, parent,
			    /* timeout_ms= */ -1, &found->fetched, &found->output.size, error);
			if (err != FROE_OK)
				return err;
			found->output.data = found->fetched;
		}
		*ret_output = found->skipped ? (struct froe_bytes){0} : found->output;
		return FROE_OK;
	}
	return error_set_field(
	    error, FROE_NOT_FOUND, "parent", "task %s has no parent %s", task->name, parent);
}

bool
froe_task_failure(const struct froe_task *task, size_t index, const char **ret_task,
    const char **ret_error)
{
	if (task == NULL || index >= task->failure_count)
		return false;
	if (ret_task != NULL)
		*ret_task = task->failures[index].task;
	if (ret_error != NULL)
		*ret_error = task->failures[index].error;
	return true;
}

uint64_t
froe_task_left_ms(struct froe_task *task)
{
	if (task == NULL)
		return 0;
	struct froe_client *client = task->worker->client;
	client_lock(client); /* a refresh moves the deadline */
	uint64_t deadline_ns = task->deadline_ns;
	client_unlock(client);
	uint64_t now_ns = clock_now_ns();
	if (deadline_ns == UINT64_MAX)
		return UINT64_MAX;
	return deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000u : 0;
}

/* --------------------------------------------------------------------------------- what it says */

enum froe_err
froe_task_output(struct froe_task *task, const void *json, size_t size, struct froe_error *error)
{
	if ((task == NULL && argument_missing(error, "task", task, NULL)) ||
	    argument_short(error, "output", json, size))
		return FROE_INVALID_ARGUMENT;
	size_t at;
	if (size > FROE_PAYLOAD_BYTES_MAX) {
		return error_set_field(error, FROE_TOO_LARGE, "output",
		    "an output of %zu bytes is over the limit of %u", size, FROE_PAYLOAD_BYTES_MAX);
	}
	if (!json_valid(json, size, &at)) {
		return error_set_field(error, FROE_INVALID_ARGUMENT, "output",
		    "the output is not JSON: wrong at byte %zu", at);
	}
	if (size > task->output_capacity) {
		mem_free(task->output);
		task->output = mem_alloc(size);
		task->output_capacity = size;
	}
	if (size > 0)
		memmove(task->output, json, size); /* it may be what was put out before */
	task->output_size = size;
	return FROE_OK;
}

void
froe_task_error(struct froe_task *task, const char *format, ...)
{
	va_list args;
	if (task == NULL)
		return;
	mem_free(task->error);
	task->error = NULL;
	if (format == NULL)
		return;
	task->error = mem_alloc(FROE_ERROR_TEXT_BYTES_MAX + 1);
	va_start(args, format);
	vsnprintf(task->error, FROE_ERROR_TEXT_BYTES_MAX + 1, format, args);
	va_end(args);
}

void
froe_task_fatal(struct froe_task *task)
{
	if (task != NULL)
		task->fatal = true;
}

void
froe_task_retry_after(struct froe_task *task, uint64_t delay_ms)
{
	if (task != NULL)
		task->retry_after_ms = delay_ms;
}

enum froe_err
froe_task_log(struct froe_task *task, const char *line, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "line", line, NULL))
		return FROE_INVALID_ARGUMENT;
	struct froe_client *client = task->worker->client;
	char cut[FROE_LOG_LINE_BYTES_MAX + 1];
	size_t size = strnlen(line, FROE_LOG_LINE_BYTES_MAX);
	if (size == FROE_LOG_LINE_BYTES_MAX) {
		while (size > 0 && ((uint8_t)line[size] & 0xc0) == 0x80)
			size--; /* not inside a character */
	}
	memcpy(cut, line, size);
	cut[size] = 0;
	if (!utf8_valid(cut, size))
		return error_set_field(
		    error, FROE_INVALID_ARGUMENT, "line", "a log line is UTF-8 text");
	Froe__TaskLog log = FROE__TASK_LOG__INIT;
	log.has_task = true;
	log.task = wire_id(&task->id);
	log.has_lease = true;
	log.lease = task->lease;
	log.line = cut;
	client_lock(client);
	enum froe_err err = call_room(client, 0, error);
	if (err == FROE_OK && task->revoked)
		err = error_set(
		    error, FROE_LEASE_LAPSED, "the lease was taken back: %s", task->reason);
	if (err == FROE_OK) {
		client_submit(client, request_new(&client->requests,
		    FROE__ENVELOPE__BODY_TASK_LOG, &log.base, NULL, NULL));
	}
	client_unlock(client);
	return err;
}

/* Chunks that may be under way before one is waited for. */
#define STREAM_WINDOW 64u

enum froe_err
froe_task_stream(struct froe_task *task, const void *data, size_t size, struct froe_error *error)
{
	if (argument_missing(error, "task", task, NULL) ||
	    argument_short(error, "data", data, size))
		return FROE_INVALID_ARGUMENT;
	struct froe_client *client = task->worker->client;
	Froe__TaskStream stream = FROE__TASK_STREAM__INIT;
	struct call call = {.error = error};
	if (size == 0 || size > FROE_STREAM_CHUNK_BYTES_MAX)
		return error_set_field(error, FROE_INVALID_ARGUMENT, "data",
		    "a chunk has 1 to %u bytes, not %zu", FROE_STREAM_CHUNK_BYTES_MAX, size);
	stream.has_task = stream.has_lease = stream.has_data = stream.has_sequence = true;
	stream.task = wire_id(&task->id);
	stream.lease = task->lease;
	stream.data = wire_bytes(data, size);
	client_lock(client);
	enum froe_err err = call_room(client, size, error);
	if (err == FROE_OK && task->revoked)
		err = error_set(
		    error, FROE_LEASE_LAPSED, "the lease was taken back: %s", task->reason);
	bool wait = (task->streamed + 1) % STREAM_WINDOW == 0;
	if (err == FROE_OK) {
		stream.sequence = ++task->streamed;
		struct request *request = request_new(&client->requests,
		    FROE__ENVELOPE__BODY_TASK_STREAM, &stream.base, wait ? call_answer : NULL,
		    wait ? &call : NULL);
		if (wait) /* a chunk given up would leave a gap: for as long as it takes */
			err = call_wait(client, &call, request, client_deadline_ns(-1));
		else
			client_submit(client, request);
	}
	client_unlock(client);
	return err;
}

static void
refresh_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_task *task = call->result;
	uint64_t left_ms = envelope->task_refreshed->timeout_ms;
	if (left_ms < UINT64_MAX / 2000000u)
		task->deadline_ns = clock_now_ns() + left_ms * 1000000u;
}

enum froe_err
froe_task_refresh(struct froe_task *task, uint64_t add_ms, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "task", task, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__TaskRefresh refresh = FROE__TASK_REFRESH__INIT;
	struct call call = {.error = error, .take = refresh_take, .result = task};
	refresh.has_task = true;
	refresh.task = wire_id(&task->id);
	refresh.has_lease = true;
	refresh.lease = task->lease;
	refresh.has_add_ms = true;
	refresh.add_ms = add_ms;
	return call_make(task->worker->client, &call, FROE__ENVELOPE__BODY_TASK_REFRESH,
	    &refresh.base, timeout_ms);
}

static void
release_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_task *task = call->result;
	(void)envelope;
	task->worker->released_count += task->released ? 0 : 1;
	task->released = true;
}

enum froe_err
froe_task_release_slot(struct froe_task *task, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "task", task, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__TaskRelease release = FROE__TASK_RELEASE__INIT;
	struct call call = {.error = error, .take = release_take, .result = task};
	release.has_task = true;
	release.task = wire_id(&task->id);
	release.has_lease = true;
	release.lease = task->lease;
	return call_make(task->worker->client, &call, FROE__ENVELOPE__BODY_TASK_RELEASE,
	    &release.base, timeout_ms);
}
