/*
 * Steps of durable tasks. A handler that takes a step sleeps until the server has answered it: with
 * the node's result, or with "pending", after which the result comes as a push; or until the task
 * is cancelled. A step that has been pending for the worker's evict_after asks for eviction: the
 * lease ends, the handler is told by way of a cancellation ("evicted"), and the task comes back as
 * another dispatch. A push may be lost with its connection, so that each new registration asks for
 * the pending steps again. Results of steps that earlier attempts have taken come with the dispatch
 * and are not asked for.
 */
#include "client/start_int.h"
#include "client/argument.h"
#include "client/worker_int.h"

#include "base/fingerprint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/message.h"

#include <stdio.h>

#define EVICT_AGAIN_NS ((uint64_t)1000 * 1000000)

/* What a step has returned to its handler; freed with the task. */
struct task_result {
	struct task_result *next;
	char bytes[];
};

/* On the stack of the handler that takes it. */
struct task_step {
	struct froe_task *task;
	Froe__DurableStep *message;
	const struct start *start; /* the child that it starts; NULL: it starts none */
	uint64_t asked; /* request under way; 0: none */
	uint64_t evict; /* the same, of its eviction */
	uint64_t evict_ns;
	bool look; /* something has changed: */
	bool pending;
	bool done;
	bool absent;
	bool failed;
	struct froe_error error;
	bool stored;
	bool spawn; /* it is enough that it is pending */
	struct froe_id child;
	enum froe_status status;
	struct froe_durable_result result;
};

void
durable_free(struct froe_task *task)
{
	while (task->results != NULL) {
		struct task_result *result = task->results;
		task->results = result->next;
		mem_free(result);
	}
}

/* ---------------------------------------------------------------------------------- results */

static const char *
result_keep(struct froe_task *task, const void *data, size_t size)
{
	struct task_result *result = mem_alloc(sizeof(*result) + size + 1);
	result->next = task->results;
	task->results = result;
	if (size > 0)
		memcpy(result->bytes, data, size);
	result->bytes[size] = 0;
	return result->bytes;
}

static const char *
result_text(struct froe_task *task, const char *text)
{
	return text != NULL && text[0] != 0 ? result_keep(task, text, strlen(text)) : "";
}

static void
step_look(struct task_step *step)
{
	step->look = true;
	client_notify(step->task->worker->client, &step->look);
}

void
durable_wake(struct froe_task *task)
{
	if (task->step != NULL)
		step_look(task->step);
}

/* As long as the task, like all results. */
static const struct froe_pair *
result_pairs(struct froe_task *task, Froe__Pair *const *wire, size_t count)
{
	struct froe_pair pairs[FROE_METADATA_PAIRS_MAX];
	for (size_t i = 0; i < count; i++)
		pairs[i] = (struct froe_pair){
		    result_text(task, wire[i]->key), result_text(task, wire[i]->value)};
	if (count == 0)
		return NULL;
	return (const void *)result_keep(task, pairs, count * sizeof(pairs[0]));
}

static uint64_t
step_evict_ns(const struct task_step *step)
{
	if (!step->pending || step->evict != 0 || step->evict_ns == UINT64_MAX)
		return UINT64_MAX;
	return step->task->worker->draining ? 0 : step->evict_ns;
}

static void step_evict(struct task_step *step);

/* What must be waited for. An eviction that is due at once is no reason to wake the handler. */
static void
step_pend(struct task_step *step)
{
	if (!step->pending)
		step->evict_ns = clock_now_ns() + step->task->worker->evict_after_ns;
	step->pending = true;
	if (!step->spawn && step_evict_ns(step) <= clock_now_ns())
		step_evict(step);
	else
		step_look(step);
}

static void
step_take(struct task_step *step, const Froe__NodeDone *done)
{
	FROE_DROP(wire_id_get(done->child, &step->child), "only a child step has one");
	if (done->state == FROE__NODE_STATE__NODE_PENDING) {
		step_pend(step);
		return;
	}
	if (done->state == FROE__NODE_STATE__NODE_ABSENT) {
		step->absent = true;
	} else {
		size_t pairs = done->n_metadata < FROE_METADATA_PAIRS_MAX ? done->n_metadata
									  : FROE_METADATA_PAIRS_MAX;
		step->done = true;
		step->stored = done->stored;
		step->status = (enum froe_status)done->status;
		step->result = (struct froe_durable_result){
		    .which = done->which,
		    .payload.size = done->payload.len,
		    .payload.data =
		        result_keep(step->task, done->payload.data, done->payload.len),
		    .metadata = result_pairs(step->task, done->metadata, pairs),
		    .metadata_count = pairs,
		    .approved = done->approved,
		    .reason = result_text(step->task, done->reason),
		    .actor = result_text(step->task, done->actor),
		    .time_ns = done->time_ns,
		};
	}
	step_look(step);
}

void
durable_done(struct froe_task *task, const Froe__NodeDone *done)
{
	struct task_step *step = task->step;
	if (step != NULL && step->message->node == done->node && !step->done)
		step_take(step, done);
}

/* ----------------------------------------------------------------------------------- asking */

/* The lease is over: nothing that the handler still says counts. */
static void
step_lapse(struct task_step *step, const char *reason)
{
	step->task->revoked = true;
	held_cancel(step->task, reason);
}

static void
step_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct task_step *step = request->context;
	(void)client;
	step->asked = 0;
	if (envelope != NULL) {
		if (!step->done)
			step_take(step, envelope->node_done);
		return;
	}
	if (error->code == FROE_LEASE_LAPSED) {
		step_lapse(step, "lost");
		return;
	}
	/* The server has failed the attempt by this answer. */
	step->task->revoked = step->task->revoked || error->code == FROE_NONDETERMINISM;
	step->failed = true;
	step->error = *error;
	step_look(step);
}

#define STEP_CHILD 8u /* DurableStep.child, its last field */

static void
step_ask(struct task_step *step)
{
	struct froe_client *client = step->task->worker->client;
	struct buf *body = client_body(client);
	message_push(&step->message->base, body);
	if (step->start != NULL) {
		const struct froe_id *id = &step->start->options->id;
		bool given = !bytes_zero(id->bytes, sizeof(id->bytes));
		size_t begun = message_begin(body, STEP_CHILD);
		start_put(body, step->start, given ? id : NULL);
		message_end(body, begun);
	}
	struct request *request = request_encoded(&client->requests,
	    FROE__ENVELOPE__BODY_DURABLE_STEP, buf_bytes(body), step_answer, step);
	step->asked = request->id;
	client_submit(client, request);
}

void
durable_again(struct froe_task *task)
{
	if (task->step != NULL && task->step->pending && !task->step->done &&
	    task->step->asked == 0)
		step_ask(task->step);
}

/* ---------------------------------------------------------------------------------- eviction */

static void
evict_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct task_step *step = request->context;
	(void)client;
	step->evict = 0;
	if (envelope != NULL)
		step_lapse(step, "evicted");
	else if (error->code == FROE_LEASE_LAPSED)
		step_lapse(step, "lost");
	else if (froe_err_class(error->code) == FROE_CLASS_RETRY)
		step->evict_ns = clock_now_ns() + EVICT_AGAIN_NS;
	else /* its result is on its way */
		step->evict_ns = UINT64_MAX;
	step_look(step);
}

static void
step_evict(struct task_step *step)
{
	struct froe_client *client = step->task->worker->client;
	Froe__TaskEvict evict = FROE__TASK_EVICT__INIT;
	evict.has_task = true;
	evict.task = wire_id(&step->task->id);
	evict.has_lease = true;
	evict.lease = step->task->lease;
	evict.has_node = true;
	evict.node = step->message->node;
	step->evict_ns = UINT64_MAX;
	struct request *request = request_new(&client->requests, FROE__ENVELOPE__BODY_TASK_EVICT,
	    &evict.base, evict_answer, step);
	step->evict = request->id;
	client_submit(client, request);
}

/* ----------------------------------------------------------------------------------- waiting */

static bool
step_over(const struct task_step *step)
{
	return step->done || step->absent || step->failed || step->task->cancelled ||
	    (step->spawn && step->pending);
}

static void
step_wait(struct task_step *step)
{
	struct froe_task *task = step->task;
	struct froe_client *client = task->worker->client;
	while (!step_over(step)) {
		uint64_t deadline_ns = worker_lapse_ns(task->worker);
		uint64_t evict_ns = step_evict_ns(step);
		if (evict_ns <= clock_now_ns()) {
			step_evict(step);
			continue;
		}
		client_wait(client, &step->look, /* stop= */ NULL,
		    evict_ns < deadline_ns ? evict_ns : deadline_ns);
		step->look = false;
		task_look(task);
	}
}

static void
request_drop(struct froe_client *client, uint64_t id)
{
	struct request *request = id != 0 ? requests_find(&client->requests, id) : NULL;
	if (request != NULL && !request->abandoned)
		call_abandon(client, request);
}

static enum froe_err
step_end(struct task_step *step, struct froe_error *error)
{
	struct froe_task *task = step->task;
	if (step->done || step->absent || (step->spawn && step->pending)) {
		if (step->message->node == task->step_last + 1 && !step->absent)
			task->step_last++;
		return FROE_OK;
	}
	if (step->failed)
		return error_copy(error, &step->error);
	return error_set(error, FROE_CANCELLED, "the task is %s: return at once", task->reason);
}

/* With the lock. */
static enum froe_err
step_begin(struct task_step *step, struct froe_error *error)
{
	struct froe_task *task = step->task;
	struct froe_client *client = task->worker->client;
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK)
		err = call_room(client, step->message->value.len, error);
	if (err == FROE_OK && !task->durable)
		err = error_set(error, FROE_FAILED_PRECONDITION,
		    "task %s is not durable: set `durable` in its definition", task->name);
	if (err == FROE_OK && task->cancelled)
		err = error_set(
		    error, FROE_CANCELLED, "the task is %s: return at once", task->reason);
	if (err == FROE_OK && task->step != NULL)
		err = error_set(error, FROE_FAILED_PRECONDITION,
		    "another thread of this task is taking a step: they are taken by one");
	return err;
}

static uint64_t
step_fingerprint(const Froe__DurableStep *message)
{
	uint64_t fingerprint =
	    fingerprint_begin((uint32_t)message->kind, bytes_text(wire_text_get(message->name)));
	for (size_t i = 0; i < message->n_conditions; i++) {
		const Froe__Condition *condition = message->conditions[i];
		fingerprint = fingerprint_condition(fingerprint, (uint32_t)condition->kind,
		    condition->sleep_ms, condition->until_ns,
		    bytes_text(wire_text_get(condition->name)));
	}
	return fingerprint;
}

/* Its result came with the dispatch. A step that differs is the server's to refuse. */
static void
step_recall(struct task_step *step)
{
	const struct froe_task *task = step->task;
	for (size_t i = 0; i < task->known_count && !step->done; i++) {
		const struct task_known *known = &task->known[i];
		if (known->node != step->message->node ||
		    known->fingerprint != step_fingerprint(step->message))
			continue;
		Froe__NodeDone *done =
		    froe__node_done__unpack(NULL, known->done.size, known->done.data);
		if (done == NULL)
			return; /* garbled: the server is asked */
		step_take(step, done);
		froe__node_done__free_unpacked(done, NULL);
	}
}

static enum froe_err
step_make(struct task_step *step, struct froe_error *error)
{
	struct froe_task *task = step->task;
	struct froe_client *client = task->worker->client;
	client_lock(client);
	enum froe_err err = step_begin(step, error);
	if (err == FROE_OK) {
		step->message->has_task = true;
		step->message->task = wire_id(&task->id);
		step->message->has_lease = true;
		step->message->lease = task->lease;
		if (!step->message->has_node) /* else one that was taken before */
			step->message->node = task->step_last + 1;
		step->message->has_node = true;
		task->step = step;
		step_recall(step);
		if (!step->done) {
			step_ask(step);
			step_wait(step);
		}
		task->step = NULL;
		request_drop(client, step->asked);
		request_drop(client, step->evict);
		err = step_end(step, error);
	}
	client_unlock(client);
	return err;
}

/* ------------------------------------------------------------------------------------- memos */

static enum froe_err
memo_make(struct froe_task *task, const char *key, const struct froe_bytes *value,
    struct task_step *step, struct froe_error *error)
{
	Froe__DurableStep message = FROE__DURABLE_STEP__INIT;
	*step = (struct task_step){.task = task, .message = &message, .evict_ns = UINT64_MAX};
	message.has_kind = true;
	message.kind = FROE__NODE_KIND__NODE_MEMO;
	message.name = wire_text(key);
	message.has_value = value != NULL;
	if (value != NULL)
		message.value = wire_bytes(value->data, value->size);
	return step_make(step, error);
}

enum froe_err
froe_task_memo_get(struct froe_task *task, const char *key, struct froe_bytes *ret_value,
    struct froe_error *error)
{
	if (argument_missing(error, "task", task, "key", key, "ret_value", ret_value, NULL))
		return FROE_INVALID_ARGUMENT;
	struct task_step step;
	enum froe_err err = memo_make(task, key, NULL, &step, error);
	if (err == FROE_OK && step.absent)
		return error_set_field(error, FROE_NOT_FOUND, "key",
		    "the task has not kept %s yet: find it and call froe_task_memo_put", key);
	if (err == FROE_OK)
		*ret_value = step.result.payload;
	return err;
}

enum froe_err
froe_task_memo_put(struct froe_task *task, const char *key, const void *json, size_t size,
    struct froe_bytes *ret_value, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "key", key, NULL) ||
	    argument_short(error, "value", json, size))
		return FROE_INVALID_ARGUMENT;
	struct task_step step;
	struct froe_bytes value = {.data = json, .size = size};
	size_t at;
	if (!json_valid(json, size, &at)) {
		return error_set_field(error, FROE_INVALID_ARGUMENT, "value",
		    "the value is not JSON: wrong at byte %zu", at);
	}
	enum froe_err err = memo_make(task, key, &value, &step, error);
	if (err != FROE_OK || ret_value == NULL)
		return err;
	*ret_value = step.result.payload;
	if (step.stored)
		*ret_value = (struct froe_bytes){
		    .data = result_keep(task, json, size), .size = size};
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- waits */

static void
condition_encode(const struct froe_condition *condition, Froe__Condition *wire)
{
	froe__condition__init(wire);
	wire->has_kind = true;
	wire->kind = (Froe__ConditionKind)condition->kind;
	wire->name = wire_text(condition->name);
	wire->has_sleep_ms = condition->sleep_ms != 0;
	wire->sleep_ms = condition->sleep_ms;
	wire->has_until_ns = condition->until_ns != 0;
	wire->until_ns = condition->until_ns;
	wire->has_data = condition->data.size != 0;
	wire->data = wire_bytes(condition->data.data, condition->data.size);
}

enum froe_err
froe_task_await(struct froe_task *task, const struct froe_condition *conditions, size_t count,
    struct froe_durable_result *ret_result, struct froe_error *error)
{
	if (argument_missing(error, "task", task, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__Condition wire[FROE_CONDITIONS_MAX], *rows[FROE_CONDITIONS_MAX];
	Froe__DurableStep message = FROE__DURABLE_STEP__INIT;
	struct task_step step = {.task = task, .message = &message, .evict_ns = UINT64_MAX};
	if (count == 0 || count > FROE_CONDITIONS_MAX) {
		return error_set_field(error, FROE_INVALID_ARGUMENT, "conditions",
		    "a wait has 1 to %u conditions, not %zu", FROE_CONDITIONS_MAX, count);
	}
	if (argument_short(error, "conditions", conditions, count))
		return FROE_INVALID_ARGUMENT;
	for (size_t i = 0; i < count; i++) {
		const struct froe_bytes *data = &conditions[i].data;
		if (argument_short(error, "data", data->data, data->size))
			return FROE_INVALID_ARGUMENT;
		condition_encode(&conditions[i], &wire[i]);
		rows[i] = &wire[i];
	}
	message.has_kind = true;
	message.kind = FROE__NODE_KIND__NODE_WAIT;
	message.conditions = rows;
	message.n_conditions = count;
	enum froe_err err = step_make(&step, error);
	if (err == FROE_OK && ret_result != NULL)
		*ret_result = step.result;
	return err;
}

enum froe_err
froe_task_sleep(struct froe_task *task, uint64_t ms, struct froe_error *error)
{
	struct froe_condition sleep = {.kind = FROE_ON_SLEEP, .sleep_ms = ms};
	return froe_task_await(task, &sleep, 1, NULL, error);
}

enum froe_err
froe_task_approval(struct froe_task *task, const char *name, struct froe_bytes data,
    struct froe_durable_result *ret_result, struct froe_error *error)
{
	struct froe_condition approval = {.kind = FROE_ON_APPROVAL, .name = name, .data = data};
	return froe_task_await(task, &approval, 1, ret_result, error);
}

/* ---------------------------------------------------------------------------------- children */

enum froe_err
froe_task_child_start(struct froe_task *task, const struct froe_run_options *options,
    struct froe_child *ret_child, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "options", options, "ret_child", ret_child, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__DurableStep message = FROE__DURABLE_STEP__INIT;
	const struct start start = {.options = options};
	struct task_step step = {.task = task, .message = &message, .start = &start,
	    .evict_ns = UINT64_MAX, .spawn = true};
	if (options->workflow == NULL)
		return error_set_field(
		    error, FROE_INVALID_ARGUMENT, "workflow", "the child's workflow is missing");
	if (start_check(options, error) != FROE_OK)
		return FROE_INVALID_ARGUMENT;
	if (options->input.size > FROE_PAYLOAD_BYTES_MAX) {
		return error_set_field(error, FROE_TOO_LARGE, "input",
		    "an input of %zu bytes is over the limit of %u", options->input.size,
		    FROE_PAYLOAD_BYTES_MAX);
	}
	message.has_kind = true;
	message.kind = FROE__NODE_KIND__NODE_CHILD;
	enum froe_err err = step_make(&step, error);
	if (err == FROE_OK) {
		ret_child->node = message.node;
		ret_child->run = step.child;
		ret_child->workflow =
		    result_keep(task, options->workflow, strlen(options->workflow));
	}
	return err;
}

/* Kept as a memo, so that the child's own history may be gone when the task is run again. */
static enum froe_err
child_result(struct froe_task *task, const struct froe_child *child,
    struct froe_child_result *result, struct froe_error *error)
{
	struct froe_event *end;
	char key[32];
	snprintf(key, sizeof(key), "result of step %u", child->node);
	enum froe_err err = froe_task_memo_get(task, key, &result->output, error);
	if (err != FROE_NOT_FOUND)
		return err;
	err = froe_run_await(
	    task->worker->client, result->run, /* timeout_ms= */ -1, &end, error);
	if (err != FROE_OK)
		return err;
	if (end->result_omitted || end->result.size > FROE_PAYLOAD_BYTES_MAX)
		err = error_set(error, FROE_TOO_LARGE,
		    "the child's result is larger than a value that a task may keep");
	else
		err = froe_task_memo_put(
		    task, key, end->result.data, end->result.size, &result->output, error);
	froe_event_free(end);
	return err;
}

enum froe_err
froe_task_child_await(struct froe_task *task, const struct froe_child *child,
    struct froe_child_result *ret_result, struct froe_error *error)
{
	if (argument_missing(error, "task", task, "child", child, "ret_result", ret_result, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__DurableStep message = FROE__DURABLE_STEP__INIT;
	const struct froe_run_options options = {.workflow = child->workflow};
	const struct start start = {.options = &options};
	struct task_step step = {
	    .task = task, .message = &message, .start = &start, .evict_ns = UINT64_MAX};
	message.has_kind = true;
	message.kind = FROE__NODE_KIND__NODE_CHILD;
	message.has_node = true;
	message.node = child->node;
	enum froe_err err = step_make(&step, error);
	if (err != FROE_OK)
		return err;
	*ret_result = (struct froe_child_result){.run = step.child, .status = step.status};
	return step.status == FROE_RUN_COMPLETED ? child_result(task, child, ret_result, error)
	                                         : FROE_OK;
}

enum froe_err
froe_task_child(struct froe_task *task, const struct froe_run_options *options,
    struct froe_child_result *ret_result, struct froe_error *error)
{
	if (argument_missing(
		error, "task", task, "options", options, "ret_result", ret_result, NULL))
		return FROE_INVALID_ARGUMENT;
	struct froe_child child;
	enum froe_err err = froe_task_child_start(task, options, &child, error);
	return err == FROE_OK ? froe_task_child_await(task, &child, ret_result, error) : err;
}

uint32_t
froe_task_invocation(const struct froe_task *task)
{
	return task != NULL ? task->invocation : 0;
}
