/*
 * A RunView as Hatchet's clients have it: a run, its tasks, its shape, what happened to it.
 *
 * A run of one task is a TASK there, with one id for both; any other is a DAG. What is evicted is
 * RUNNING, and says so. Payloads go out as they came in; one that is no object, which Hatchet does
 * not have, as {"value": ...}.
 */
#include "api/rest_view.h"

#include "api/rest_rows.h"

#include "base/duration.h"

struct uuid
view_run(const Froe__RunView *view)
{
	struct uuid id = {0};
	if (view->run.len == sizeof(id.bytes))
		memcpy(id.bytes, view->run.data, sizeof(id.bytes));
	return id;
}

static struct bytes
binary(protobuf_c_boolean there, ProtobufCBinaryData data)
{
	return there ? bytes_of(data.data, data.len) : bytes_of(NULL, 0);
}

static struct uuid
workflow_id(const struct rest_call *call, const Froe__RunView *view)
{
	return alias_workflow(call->rest->tenant, bytes_text(view->workflow));
}

static struct uuid
version_id(const struct rest_call *call, const Froe__RunView *view)
{
	return alias_version(workflow_id(call, view), view->version);
}

static struct uuid
step_id(const struct rest_call *call, const Froe__RunView *view, const char *task)
{
	return alias_step(version_id(call, view), bytes_text(task));
}

static struct uuid
task_id(const Froe__RunView *view, uint32_t index)
{
	return alias_task(view_run(view), index, (uint32_t)view->n_tasks);
}

void
view_meta(struct sheet *sheet, struct uuid id, uint64_t created_ns, uint64_t updated_ns)
{
	sheet_key(sheet, "metadata");
	sheet_open(sheet, '{');
	sheet_put_uuid(sheet, "id", id);
	sheet_key(sheet, "createdAt");
	sheet_time(sheet, created_ns);
	sheet_key(sheet, "updatedAt");
	sheet_time(sheet, updated_ns > created_ns ? updated_ns : created_ns);
	sheet_close(sheet, '}');
}

static void
write_pairs(struct sheet *sheet, const Froe__RunView *view)
{
	sheet_key(sheet, "additionalMetadata");
	sheet_open(sheet, '{');
	for (size_t i = 0; i < view->n_metadata; i++)
		sheet_put(sheet, view->metadata[i]->key,
		    view->metadata[i]->value != NULL ? view->metadata[i]->value : "");
	sheet_close(sheet, '}');
}

static void
write_times(struct sheet *sheet, uint64_t created_ns, uint64_t started_ns, uint64_t finished_ns)
{
	sheet_put_time(sheet, "createdAt", created_ns);
	sheet_put_time(sheet, "startedAt", started_ns);
	sheet_put_time(sheet, "finishedAt", finished_ns);
	if (started_ns != 0 && finished_ns >= started_ns)
		sheet_put_number(sheet, "duration", (finished_ns - started_ns) / NS_PER_MS);
}

/* Of the run: the error of the task that failed, or why it was cancelled. */
static const char *
run_error(const Froe__RunView *view)
{
	if (view->status == FROE__RUN_STATUS__CANCELLED)
		return view->reason;
	if (view->status != FROE__RUN_STATUS__FAILED)
		return NULL;
	for (size_t i = 0; i < view->n_tasks; i++) {
		if (view->tasks[i]->status == FROE__RUN_STATUS__FAILED &&
		    view->tasks[i]->error != NULL)
			return view->tasks[i]->error;
	}
	return view->reason;
}

static void
write_workflow(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "workflowId", workflow_id(call, view));
	sheet_put_uuid(sheet, "workflowVersionId", version_id(call, view));
}

static void
write_parent(struct sheet *sheet, const Froe__RunView *view)
{
	struct uuid parent = {0};
	if (!view->has_parent || view->parent.len != sizeof(parent.bytes))
		return;
	memcpy(parent.bytes, view->parent.data, sizeof(parent.bytes));
	sheet_put_uuid(sheet, "parentTaskExternalId", parent);
}

static void
write_status(struct sheet *sheet, Froe__RunStatus status)
{
	sheet_put(sheet, "status", alias_status((enum eng_status)status));
	sheet_put_bool(sheet, "isEvicted", status == FROE__RUN_STATUS__EVICTED);
}

/* ------------------------------------------------------------------------------------ tasks */

/* How often it was tried again. */
static uint32_t
task_retries(const Froe__TaskView *task)
{
	uint32_t attempt = task->n_attempts > 0 ? task->attempts[task->n_attempts - 1]->attempt : 0;
	return attempt > 0 ? attempt - 1 : 0;
}

static uint64_t
task_children(const Froe__RunView *view, const Froe__TaskView *task)
{
	uint64_t known = 0, nodes = 0;
	for (size_t i = 0; i < view->n_children; i++)
		known += view->children[i]->task != NULL &&
		    strcmp(view->children[i]->task, task->name) == 0;
	for (size_t i = 0; i < task->n_nodes; i++)
		nodes += task->nodes[i]->kind == FROE__NODE_KIND__NODE_CHILD;
	return known > nodes ? known : nodes;
}

static uint64_t
task_created_ns(const Froe__RunView *view, const Froe__TaskView *task)
{
	return task->queued_ns != 0 ? task->queued_ns : view->created_ns;
}

static struct bytes
task_output(const Froe__TaskView *task)
{
	if (task->skipped)
		return bytes_text("{\"skipped\":true}");
	return binary(task->has_output, task->output);
}

/* A run's number and the task's place in it: what has a number in Hatchet has one here too. */
static uint64_t
task_number(const Froe__RunView *view, uint32_t index)
{
	return view->number << 10 | (index + 1);
}

void
view_task(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view, uint32_t index,
    bool payloads)
{
	const Froe__TaskView *task = view->tasks[index];
	struct uuid id = task_id(view, index);
	struct bytes none = bytes_of(NULL, 0);
	uint64_t created_ns = task_created_ns(view, task);
	sheet_open(sheet, '{');
	view_meta(sheet, id, created_ns, task->finished_ns);
	write_status(sheet, task->status);
	write_workflow(call, sheet, view);
	write_times(sheet, created_ns, task->started_ns, task->finished_ns);
	write_pairs(sheet, view);
	write_parent(sheet, view);
	sheet_put(sheet, "displayName", task->name);
	sheet_put(sheet, "workflowName", view->workflow);
	sheet_put(sheet, "type", "TASK");
	sheet_put(sheet, "errorMessage", task->error);
	sheet_put(sheet, "idempotencyKey", view->key);
	sheet_put_object(sheet, "input", payloads ? binary(view->has_input, view->input) : none);
	sheet_put_object(sheet, "output", payloads ? task_output(task) : none);
	sheet_put_number(sheet, "retryCount", task_retries(task));
	sheet_put_number(sheet, "attempt", task_retries(task) + 1);
	sheet_put_number(sheet, "numSpawnedChildren", task_children(view, task));
	sheet_put_uuid(sheet, "stepId", step_id(call, view, task->name));
	sheet_put_uuid(sheet, "taskExternalId", id);
	sheet_put_number(sheet, "taskId", task_number(view, index));
	sheet_key(sheet, "taskInsertedAt");
	sheet_time(sheet, created_ns);
	sheet_put_uuid(sheet, "workflowRunExternalId", view_run(view));
	sheet_close(sheet, '}');
}

static uint64_t
run_children(const Froe__RunView *view)
{
	uint64_t count = 0;
	for (size_t i = 0; i < view->n_tasks; i++)
		count += task_children(view, view->tasks[i]);
	return count > view->child_count ? count : view->child_count;
}

/* A run of several tasks as one row, with its tasks as its children. */
static void
view_dag(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view, bool payloads)
{
	struct bytes none = bytes_of(NULL, 0);
	sheet_open(sheet, '{');
	view_meta(sheet, view_run(view), view->created_ns, view->finished_ns);
	write_status(sheet, view->status);
	write_workflow(call, sheet, view);
	write_times(sheet, view->created_ns, view->started_ns, view->finished_ns);
	write_pairs(sheet, view);
	write_parent(sheet, view);
	sheet_put(sheet, "displayName", view->workflow);
	sheet_put(sheet, "workflowName", view->workflow);
	sheet_put(sheet, "type", "DAG");
	sheet_put(sheet, "errorMessage", run_error(view));
	sheet_put(sheet, "idempotencyKey", view->key);
	sheet_put_object(sheet, "input", payloads ? binary(view->has_input, view->input) : none);
	sheet_put_object(sheet, "output", payloads ? binary(view->has_result, view->result) : none);
	sheet_put_number(sheet, "numSpawnedChildren", run_children(view));
	sheet_put_uuid(sheet, "taskExternalId", view_run(view));
	sheet_put_number(sheet, "taskId", view->number << 10);
	sheet_key(sheet, "taskInsertedAt");
	sheet_time(sheet, view->created_ns);
	sheet_put_uuid(sheet, "workflowRunExternalId", view_run(view));
	sheet_key(sheet, "children");
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < view->n_tasks; i++)
		view_task(call, sheet, view, i, payloads);
	sheet_close(sheet, ']');
	sheet_close(sheet, '}');
}

void
view_row(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view, bool payloads)
{
	if (view->n_tasks == 1)
		view_task(call, sheet, view, 0, payloads);
	else
		view_dag(call, sheet, view, payloads);
}

/* ----------------------------------------------------------------------------------- events */

struct events {
	struct rest_call *call;
	struct sheet *sheet;
	const Froe__RunView *view;
	const Froe__TaskView *task;
	uint32_t index;
	uint64_t count;
	struct rest_rows *rows; /* NULL: all of them are written */
};

static void
event_write(struct events *events, const char *type, uint64_t time_ns,
    const Froe__AttemptView *attempt, const char *message)
{
	struct sheet *sheet = events->sheet;
	events->count++;
	if (events->rows != NULL && !rest_rows_take(events->rows))
		return;
	sheet_open(sheet, '{');
	sheet_put_number(sheet, "id", events->count);
	sheet_put_uuid(sheet, "taskId", task_id(events->view, events->index));
	sheet_put_time(sheet, "timestamp", time_ns);
	sheet_put(sheet, "eventType", type);
	sheet_put(sheet, "message", message);
	sheet_put(sheet, "taskDisplayName", events->task->name);
	if (attempt != NULL) {
		sheet_put(sheet, "errorMessage", attempt->error);
		sheet_put_number(
		    sheet, "retryCount", attempt->attempt > 0 ? attempt->attempt - 1 : 0);
		sheet_put_number(sheet, "attempt", attempt->attempt);
	}
	sheet_close(sheet, '}');
}

static const char *
attempt_event(const Froe__AttemptView *attempt)
{
	static const struct {
		const char *outcome;
		const char *type;
	} ROWS[] = {
	    {"completed", "FINISHED"}, {"failed", "FAILED"}, {"timed_out", "TIMED_OUT"},
	    {"lost", "REASSIGNED"}, {"released", "REASSIGNED"}, {"cancelled", "CANCELLED"},
	    {"evicted", "DURABLE_EVICTED"},
	};
	for (size_t i = 0; attempt->outcome != NULL && i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		if (strcmp(ROWS[i].outcome, attempt->outcome) == 0)
			return ROWS[i].type;
	}
	return attempt->status == FROE__RUN_STATUS__COMPLETED ? "FINISHED" : "FAILED";
}

static void
events_task(struct events *events)
{
	const Froe__TaskView *task = events->task;
	if (task->queued_ns != 0)
		event_write(events, "QUEUED", task->queued_ns, NULL, "queued");
	for (size_t i = 0; i < task->n_attempts; i++) {
		const Froe__AttemptView *attempt = task->attempts[i];
		event_write(events, "ASSIGNED", attempt->assigned_ns, attempt,
		    attempt->worker != NULL ? attempt->worker : "");
		if (attempt->finished_ns != 0)
			event_write(events, attempt_event(attempt), attempt->finished_ns, attempt,
			    attempt->outcome != NULL ? attempt->outcome : "");
	}
	if (task->skipped)
		event_write(events, "SKIPPED", task->finished_ns, NULL, "skipped");
	else if (task->n_attempts == 0 && task->status == FROE__RUN_STATUS__CANCELLED)
		event_write(events, "CANCELLED", task->finished_ns, NULL, "cancelled");
}

void
view_events(struct rest_call *call, struct rest_rows *rows, const Froe__RunView *view,
    uint32_t index)
{
	struct events events = {
	    .call = call, .sheet = &rows->sheet, .view = view, .rows = rows};
	for (uint32_t i = 0; i < view->n_tasks; i++) {
		if (index != VIEW_ALL_TASKS && index != i)
			continue;
		events.index = i;
		events.task = view->tasks[i];
		events_task(&events);
	}
}

static void
write_events(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	struct events events = {.call = call, .sheet = sheet, .view = view};
	sheet_key(sheet, "taskEvents");
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < view->n_tasks; i++) {
		events.index = i;
		events.task = view->tasks[i];
		events_task(&events);
	}
	sheet_close(sheet, ']');
}

/* ------------------------------------------------------------------------------------ shape */

static bool
task_waits_for(const Froe__TaskView *task, const char *parent)
{
	for (size_t i = 0; i < task->n_parents; i++) {
		if (strcmp(task->parents[i], parent) == 0)
			return true;
	}
	return false;
}

void
view_shape(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < view->n_tasks; i++) {
		const char *name = view->tasks[i]->name;
		sheet_open(sheet, '{');
		sheet_put_uuid(sheet, "taskExternalId", task_id(view, i));
		sheet_put_uuid(sheet, "stepId", step_id(call, view, name));
		sheet_put(sheet, "taskName", name);
		sheet_key(sheet, "childrenStepIds");
		sheet_open(sheet, '[');
		for (size_t j = 0; j < view->n_tasks; j++) {
			if (task_waits_for(view->tasks[j], name))
				sheet_uuid(sheet, step_id(call, view, view->tasks[j]->name));
		}
		sheet_close(sheet, ']');
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, ']');
}

/* ---------------------------------------------------------------------------------- details */

static void
write_run(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_key(sheet, "run");
	sheet_open(sheet, '{');
	view_meta(sheet, view_run(view), view->created_ns, view->finished_ns);
	sheet_put(sheet, "status", alias_status((enum eng_status)view->status));
	write_workflow(call, sheet, view);
	write_times(sheet, view->created_ns, view->started_ns, view->finished_ns);
	write_pairs(sheet, view);
	write_parent(sheet, view);
	sheet_put(sheet, "displayName", view->workflow);
	sheet_put(sheet, "errorMessage", run_error(view));
	sheet_put_object(sheet, "input", binary(view->has_input, view->input));
	sheet_put_object(sheet, "output", binary(view->has_result, view->result));
	sheet_close(sheet, '}');
}

void
view_details(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_open(sheet, '{');
	write_run(call, sheet, view);
	write_events(call, sheet, view);
	sheet_key(sheet, "shape");
	view_shape(call, sheet, view);
	sheet_key(sheet, "tasks");
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < view->n_tasks; i++)
		view_task(call, sheet, view, i, /* payloads= */ true);
	sheet_close(sheet, ']');
	sheet_close(sheet, '}');
}

/* ---------------------------------------------------------------------------------- timings */

void
view_timings(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	for (uint32_t i = 0; i < view->n_tasks; i++) {
		const Froe__TaskView *task = view->tasks[i];
		sheet_open(sheet, '{');
		view_meta(sheet, task_id(view, i), task_created_ns(view, task), task->finished_ns);
		sheet_put_number(sheet, "depth", 0);
		write_status(sheet, task->status);
		write_parent(sheet, view);
		sheet_put(sheet, "taskDisplayName", task->name);
		sheet_put_uuid(sheet, "taskExternalId", task_id(view, i));
		sheet_put_number(sheet, "taskId", task_number(view, i));
		sheet_put_time(sheet, "taskInsertedAt", task_created_ns(view, task));
		sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
		sheet_put_time(sheet, "queuedAt", task->queued_ns);
		sheet_put_time(sheet, "startedAt", task->started_ns);
		sheet_put_time(sheet, "finishedAt", task->finished_ns);
		sheet_put_uuid(sheet, "workflowRunId", view_run(view));
		sheet_put_number(sheet, "retryCount", task_retries(task));
		sheet_put_number(sheet, "attempt", task_retries(task) + 1);
		sheet_close(sheet, '}');
	}
}

/* ---------------------------------------------------------------------- the older interface */

/* It has other words, and no one word for what waits: PENDING of steps and jobs, QUEUED of runs. */
static const char *
old_status(Froe__RunStatus status, const char *waiting)
{
	if (status == FROE__RUN_STATUS__COMPLETED)
		return "SUCCEEDED";
	return status == FROE__RUN_STATUS__QUEUED ? waiting : alias_status((enum eng_status)status);
}

static struct uuid
job_id(const struct rest_call *call, const Froe__RunView *view)
{
	return alias_label(version_id(call, view), bytes_text("job"));
}

static void
write_old_step(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view,
    const Froe__TaskView *task)
{
	struct uuid id = step_id(call, view, task->name);
	sheet_key(sheet, "step");
	sheet_open(sheet, '{');
	view_meta(sheet, id, view->created_ns, 0);
	sheet_put(sheet, "readableId", task->name);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "jobId", job_id(call, view));
	sheet_key(sheet, "action");
	struct buf action;
	buf_init(&action);
	buf_printf(&action, "%s:%s", view->workflow, task->name);
	sheet_text(sheet, buf_bytes(&action));
	buf_release(&action);
	sheet_close(sheet, '}');
}

static void
write_old_task(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view,
    uint32_t index)
{
	const Froe__TaskView *task = view->tasks[index];
	struct bytes output = task_output(task);
	sheet_open(sheet, '{');
	view_meta(sheet, task_id(view, index), task_created_ns(view, task), task->finished_ns);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "jobRunId", alias_label(view_run(view), bytes_text("job")));
	sheet_put_uuid(sheet, "stepId", step_id(call, view, task->name));
	write_old_step(call, sheet, view, task);
	sheet_put(sheet, "status", old_status(task->status, "PENDING"));
	if (output.size > 0) {
		sheet_key(sheet, "output");
		sheet_text(sheet, output);
	}
	sheet_put(sheet, "error", task->error);
	sheet_put_time(sheet, "startedAt", task->started_ns);
	sheet_put_time(sheet, "finishedAt", task->finished_ns);
	sheet_close(sheet, '}');
}

static void
write_old_job(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_open(sheet, '{');
	view_meta(sheet, alias_label(view_run(view), bytes_text("job")), view->created_ns,
	    view->finished_ns);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "workflowRunId", view_run(view));
	sheet_put_uuid(sheet, "jobId", job_id(call, view));
	sheet_put(sheet, "status", old_status(view->status, "PENDING"));
	sheet_put_time(sheet, "startedAt", view->started_ns);
	sheet_put_time(sheet, "finishedAt", view->finished_ns);
	sheet_key(sheet, "stepRuns");
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < view->n_tasks; i++)
		write_old_task(call, sheet, view, i);
	sheet_close(sheet, ']');
	sheet_close(sheet, '}');
}

void
view_shape_run(struct rest_call *call, struct sheet *sheet, const Froe__RunView *view)
{
	sheet_open(sheet, '{');
	view_meta(sheet, view_run(view), view->created_ns, view->finished_ns);
	write_workflow(call, sheet, view);
	sheet_put(sheet, "status", old_status(view->status, "QUEUED"));
	sheet_put(sheet, "displayName", view->workflow);
	sheet_key(sheet, "jobRuns");
	sheet_open(sheet, '[');
	write_old_job(call, sheet, view);
	sheet_close(sheet, ']');
	sheet_key(sheet, "triggeredBy");
	sheet_open(sheet, '{');
	view_meta(sheet, alias_label(view_run(view), bytes_text("trigger")), view->created_ns, 0);
	sheet_close(sheet, '}');
	sheet_put_object(sheet, "input", binary(view->has_input, view->input));
	sheet_put(sheet, "error", run_error(view));
	sheet_put_time(sheet, "startedAt", view->started_ns);
	sheet_put_time(sheet, "finishedAt", view->finished_ns);
	write_pairs(sheet, view);
	sheet_close(sheet, '}');
}
