/*
 * server/hub_read: questions: a run's view, its end, its outputs; lists.
 *
 * A run's records answer everything about it: places of open and lately closed runs are in the
 * resolver, older ones in the index. The records' bytes come from memory or the log (history.c).
 * Every answer is queued in the outbox behind the frame that was newest when it was made.
 */
#include "server/hub_int.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define LIST_LIMIT_DEFAULT 50u

struct hub_read {
	struct list link; /* hub->reads, while the index thread has its job */
	struct hub *hub;
	enum api_op op;
	struct eng_origin origin;
	struct eng_tenant_id tenant;
	struct uuid run;
	bool payloads;
	char *task;         /* OUTPUT_GET; owned */
	uint32_t statuses;  /* LIST */
	uint64_t cookie;
	uint64_t due_ns;    /* LIST */
};

static void
read_free(struct hub_read *read)
{
	list_remove(&read->link);
	mem_free(read->task);
	mem_free(read);
}

static void
read_fail(struct hub_read *read, enum froe_err err, const char *field, const char *text)
{
	hub_queue_error(read->hub, &read->origin, err, field, text);
}

/* --------------------------------------------------------------------------------- from history */

static void
answer_event(struct hub_read *read, const struct history_fold *fold)
{
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	struct buf result;
	buf_init(&result);
	event.has_run = event.has_status = event.has_final = event.has_time_ns = true;
	event.run = fold->view->run;
	event.status = fold->view->status;
	event.final = true;
	event.time_ns = fold->view->finished_ns;
	if (event.status == FROE__RUN_STATUS__COMPLETED) {
		event.has_result = history_result(fold, &result);
		event.result = (ProtobufCBinaryData){buf_used(&result), result.data};
		event.has_result_omitted = event.result_omitted = !event.has_result;
	} else if (fold->error.size != 0) {
		event.error = (char *)(uintptr_t)fold->error.data; /* ends with a zero byte */
	}
	hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_RUN_EVENT, &event.base);
	buf_release(&result);
}

static void
answer_view(struct hub_read *read, const struct history_fold *fold)
{
	struct buf result;
	buf_init(&result);
	if (read->payloads && fold->view->status == FROE__RUN_STATUS__COMPLETED &&
	    history_result(fold, &result)) {
		fold->view->has_result = true;
		fold->view->result = (ProtobufCBinaryData){buf_used(&result), result.data};
		if (froe__run_view__get_packed_size(fold->view) > FROE_MESSAGE_BYTES_MAX - 1024)
			fold->view->has_result = false;
	}
	hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_RUN_VIEW,
	    &fold->view->base);
	buf_release(&result);
}

static void
answer_output(struct hub_read *read, const struct history_fold *fold)
{
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	for (uint32_t i = 0; i < fold->version.task_count; i++) {
		if (!bytes_equal(fold->version.tasks[i].name, bytes_text(read->task)))
			continue;
		if (fold->outputs[i].size == 0) {
			read_fail(read, FROE_FAILED_PRECONDITION, "task",
			    "the task has no output (yet)");
			return;
		}
		output.has_output = true;
		output.output = (ProtobufCBinaryData){fold->outputs[i].size,
		    (uint8_t *)(uintptr_t)fold->outputs[i].data};
		hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_TASK_OUTPUT,
		    &output.base);
		return;
	}
	read_fail(read, FROE_NOT_FOUND, "task", "the run's workflow has no such task");
}

static void
history_done(struct history *history, enum froe_err err)
{
	struct hub_read *read = history->context;
	struct history_fold fold;
	struct froe_fault fault = {.text = "a record of the run cannot be read"};
	if (err == FROE_OK)
		err = history_fold(history, read->payloads, &fold, &fault);
	if (err != FROE_OK)
		read_fail(read, err, "run", fault.text);
	else if (fold.tenant != read->tenant.v)
		read_fail(read, FROE_NOT_FOUND, "run", "no run has this id");
	else if (read->op == API_OP_RUN_GET)
		answer_view(read, &fold);
	else if (read->op == API_OP_OUTPUT_GET)
		answer_output(read, &fold);
	else
		answer_event(read, &fold);
	read_free(read);
	history_free(history);
}

/* -------------------------------------------------------------------------------- to the index */

/* The index thread answers with a job that carries the read's cookie. */
static void
read_ask(struct hub_read *read, struct indexer_job *job)
{
	struct hub *hub = read->hub;
	read->cookie = ++hub->reads_last;
	read->due_ns = hub->mono_ns + HUB_INDEX_WAIT_NS;
	job->cookie = read->cookie;
	list_push(&hub->reads, &read->link);
	if (!indexer_post(hub->indexer, job)) {
		indexer_job_free(job);
		read_fail(read, FROE_INDEX_BEHIND, "", "the index thread is busy: try again");
		read_free(read);
	}
}

static void
read_find(struct hub_read *read)
{
	struct indexer_job *job = indexer_job_new(INDEXER_FIND);
	job->row.id = read->run;
	read_ask(read, job);
}

static void
read_list(struct hub_read *read, const struct api_command *command)
{
	struct indexer_job *job = indexer_job_new(INDEXER_LIST);
	uint32_t limit = command->list.limit != 0 ? command->list.limit : LIST_LIMIT_DEFAULT;
	job->tenant = read->tenant.v;
	job->statuses = command->list.statuses;
	job->limit = limit < FROE_LIST_MAX ? limit : FROE_LIST_MAX;
	job->before = command->list.before;
	job->block = mem_copy(command->list.workflow.data, command->list.workflow.size);
	job->workflow = bytes_of(job->block, command->list.workflow.size);
	read->statuses = command->list.statuses;
	read_ask(read, job);
}

/* --------------------------------------------------------------------------------------- asking */

/* The watch is in place; with changes, the run's state now comes first. */
static void
read_watch(struct hub_read *read, struct hub_conn *conn, uint64_t run, bool changes)
{
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	enum eng_status status;
	if (conn->watch_count >= FROE_WATCHES_MAX) {
		read_fail(read, FROE_RESOURCE_EXHAUSTED, "", "too many watches on this connection");
		read_free(read);
		return;
	}
	hub_watch_add(read->hub, conn, read->origin.request, run, changes);
	if (changes) {
		froe_assert(eng_run_status(read->hub->shard->eng, run, &status));
		event.has_run = event.has_status = event.has_final = event.has_time_ns = true;
		event.run = (ProtobufCBinaryData){16, read->run.bytes};
		event.status = (Froe__RunStatus)status;
		event.final = false;
		event.time_ns = read->hub->shard->clock.now_ns;
		hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_RUN_EVENT,
		    &event.base);
	}
	read_free(read);
}

static void
read_run(struct hub_read *read, struct hub_conn *conn, bool changes)
{
	struct shard *shard = read->hub->shard;
	uint64_t run = 0;
	enum eng_status status;
	uint32_t count = 0;
	bool open = eng_run_find(shard->eng, read->tenant, read->run, &run);
	if (open && read->op == API_OP_RUN_WATCH) {
		read_watch(read, conn, run, changes);
		return;
	}
	const struct log_place *places = NULL;
	if (open || eng_closed_find(shard->eng, read->run, &run, &status))
		places = resolver_run(shard->resolver, run, &count);
	if (count > 0)
		history_start(shard, run, places, count, history_done, read);
	else
		read_find(read);
}

void
hub_read_open(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	struct hub_read *read = mem_zalloc(sizeof(*read));
	read->hub = hub;
	read->op = command->op;
	read->origin = command->origin;
	read->tenant = conn->tenant;
	if (command->op == API_OP_RUN_LIST) {
		read_list(read, command);
		return;
	}
	read->run = command->run.run;
	read->payloads = command->run.payloads;
	if (command->op == API_OP_OUTPUT_GET) {
		read->task = mem_zalloc(command->run.task.size + 1);
		if (command->run.task.size > 0)
			memcpy(read->task, command->run.task.data, command->run.task.size);
	}
	read_run(read, conn, command->run.changes);
}

/* -------------------------------------------------------------------------- the index's answers */

static struct hub_read *
read_of(struct hub *hub, uint64_t cookie)
{
	struct list *at;
	list_for_each(at, &hub->reads) {
		struct hub_read *read = container_of(at, struct hub_read, link);
		if (read->cookie == cookie)
			return read;
	}
	return NULL; /* it was refused meanwhile */
}

static void
answer_found(struct hub_read *read, const struct indexer_job *job)
{
	uint32_t count = job->found ? history_places_count(job->row.places) : 0;
	if (count == 0 || job->row.tenant != read->tenant.v) {
		read_fail(read, FROE_NOT_FOUND, "run", "no run has this id");
		read_free(read);
		return;
	}
	struct log_place *places = mem_array(count, sizeof(*places));
	for (uint32_t i = 0; i < count; i++)
		places[i] = history_place_decode(job->row.places, i);
	list_remove(&read->link);
	history_start(read->hub->shard, job->row.number, places, count, history_done, read);
	mem_free(places);
}

/* What the run is now: the index knows only whether it was open when its row was written. */
static enum eng_status
row_status(const struct hub *hub, const struct index_run *row)
{
	enum eng_status status = (enum eng_status)row->status;
	uint64_t run;
	if (row->finished_ns != 0 || eng_run_status(hub->shard->eng, row->number, &status) ||
	    eng_closed_find(hub->shard->eng, row->id, &run, &status))
		return status;
	return (enum eng_status)row->status;
}

static void
answer_list(struct hub_read *read, const struct indexer_job *job)
{
	struct hub *hub = read->hub;
	Froe__RunPage page = FROE__RUN_PAGE__INIT;
	arena_reset(&hub->arena);
	Froe__RunRow *rows = arena_alloc(&hub->arena, job->row_count * sizeof(*rows));
	page.rows = arena_alloc(&hub->arena, job->row_count * sizeof(Froe__RunRow *));
	for (uint32_t i = 0; i < job->row_count; i++) {
		const struct index_run *from = &job->rows[i];
		enum eng_status status = row_status(hub, from);
		if (read->statuses != 0 && (read->statuses & 1u << status) == 0)
			continue;
		char *workflow = arena_alloc(&hub->arena, from->workflow.size + 1);
		memcpy(workflow, from->workflow.data, from->workflow.size);
		workflow[from->workflow.size] = 0;
		Froe__RunRow *row = &rows[i];
		froe__run_row__init(row);
		row->has_run = row->has_number = row->has_status = row->has_created_ns = true;
		row->run = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)from->id.bytes};
		row->number = from->number;
		row->workflow = workflow;
		row->status = (Froe__RunStatus)status;
		row->created_ns = from->created_ns;
		row->has_finished_ns = from->finished_ns != 0;
		row->finished_ns = from->finished_ns;
		page.rows[page.n_rows++] = row;
	}
	page.has_next = true;
	page.next = job->next;
	hub_queue_reply(hub, &read->origin, FROE__ENVELOPE__BODY_RUN_PAGE, &page.base);
	read_free(read);
}

void
hub_read_answers(struct hub *hub)
{
	struct indexer_job *job;
	while ((job = indexer_pop(hub->indexer)) != NULL) {
		struct hub_read *read = read_of(hub, job->cookie);
		if (read != NULL && job->op == INDEXER_LIST)
			answer_list(read, job);
		else if (read != NULL)
			answer_found(read, job);
		indexer_job_free(job);
	}
}

void
hub_read_expire(struct hub *hub)
{
	while (!list_empty(&hub->reads)) {
		struct hub_read *read = container_of(hub->reads.next, struct hub_read, link);
		char text[128];
		if (read->due_ns > hub->mono_ns)
			return;
		snprintf(text, sizeof(text),
		    "the index is at frame %" PRIu64 " of %" PRIu64 ": try again",
		    indexer_applied(hub->indexer), log_durable_seq(hub->shard->log));
		read_fail(read, FROE_INDEX_BEHIND, "position", text);
		read_free(read);
	}
}

uint64_t
hub_read_deadline_ns(const struct hub *hub)
{
	return list_empty(&hub->reads)
	    ? UINT64_MAX
	    : container_of(hub->reads.next, struct hub_read, link)->due_ns;
}

void
hub_read_release_all(struct hub *hub)
{
	while (!list_empty(&hub->reads))
		read_free(container_of(hub->reads.next, struct hub_read, link));
}
