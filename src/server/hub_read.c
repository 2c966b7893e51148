/*
 * server/hub_read: questions: a run's view, its end, its outputs; lists.
 *
 * A run's records answer everything about it: places of open and lately closed runs are in the
 * resolver, older ones in the index. The records' bytes come from memory or the log (history.c).
 * Every answer is queued in the outbox behind the frame that was newest when it was made.
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "server/pushed.h"

#include <inttypes.h>
#include <stdio.h>

#define LIST_LIMIT_DEFAULT 50u
/* Children that a view shows: how many there are is told too. */
#define VIEW_CHILDREN_MAX 1000u

struct hub_read {
	struct list link; /* hub->reads while the index thread has its job, then hub->reading */
	struct hub *hub;
	enum api_op op;   /* RUN_WATCH: the end of a run that has closed */
	struct eng_origin origin;
	struct eng_tenant_id tenant;
	struct uuid run;
	enum history_want want;
	char *task;         /* OUTPUT_GET, STREAM_GET; owned */
	uint32_t after;     /* STREAM_GET */
	bool wait;          /* STREAM_GET */
	bool again;         /* RUN_REPLAY: the run's newest record may not be durable yet */
	bool payload;       /* EVENT_GET */
	bool changes;       /* STREAM_GET */
	bool named;         /* RUN_WATCH */
	struct hub_replay_ask *replay; /* RUN_REPLAY; owned */
	uint64_t cookie;
	uint64_t due_ns;
	uint64_t position;       /* the frame it waits for */
	struct indexer_job *job; /* until it is posted; owned */
	bool gone;          /* unwatched */
	struct history *history;
};

/* A watch is done with: the connection's next one may be read. */
static void
ended_over(struct hub_read *read)
{
	struct hub_conn *conn = hub_conn_find(read->hub, read->origin.conn);
	if (read->op != API_OP_RUN_WATCH || conn == NULL)
		return;
	conn->ended_busy = false;
	hub_watch_wake(read->hub, conn);
}

static void
read_free(struct hub_read *read)
{
	list_remove(&read->link);
	if (read->cookie != 0)
		map_remove_u64(&read->hub->reads_by_cookie, read->cookie);
	if (read->history != NULL)
		history_free(read->history);
	if (read->job != NULL) {
		indexer_job_free(read->job);
		read->hub->reads_held--;
	}
	hub_replay_free(read->replay);
	mem_free(read->task);
	mem_free(read);
}

static void
read_fail(struct hub_read *read, enum froe_err err, const char *field, const char *text)
{
	const struct eng_job_step *job = hub_replay_job(read->replay);
	if (job != NULL)
		hub_job_loaded(read->hub, job, NULL, err);
	else if (!read->gone)
		hub_queue_error(read->hub, &read->origin, err, field, text);
	ended_over(read);
	read_free(read);
}

/* --------------------------------------------------------------------------------- from history */

static void
event_fill(const struct history_fold *fold, bool named, struct buf *result, Froe__RunEvent *event)
{
	froe__run_event__init(event);
	event->has_run = event->has_status = event->has_final = event->has_time_ns = true;
	event->run = fold->view->run;
	event->status = fold->view->status;
	event->final = true;
	event->time_ns = fold->view->finished_ns;
	if (event->status == FROE__RUN_STATUS__COMPLETED) {
		event->has_result = history_result(fold, result);
		event->result = (ProtobufCBinaryData){buf_used(result), result->data};
		event->has_result_omitted = event->result_omitted = !event->has_result;
		if (named && event->has_result && fold->view->n_tasks == 1)
			event->task = fold->view->tasks[0]->name;
	} else if (fold->error.data != NULL) {
		event->error = (char *)(uintptr_t)fold->error.data; /* ends with a zero byte */
	}
}

/* A push: it goes through the outbox and the connection's window. */
static void
answer_event(struct hub_read *read, const struct history_fold *fold)
{
	Froe__RunEvent event;
	struct hub_push *push;
	struct buf result;
	if (read->gone || hub_conn_find(read->hub, read->origin.conn) == NULL) {
		ended_over(read);
		return;
	}
	buf_init(&result);
	event_fill(fold, read->named, &result, &event);
	push = hub_push_new(read->hub, HUB_PUSH_ENDED, read->origin.conn);
	push->request = read->origin.request;
	size_t size = froe__run_event__get_packed_size(&event);
	uint8_t *packed = mem_alloc(size);
	push->packed = bytes_of(packed, froe__run_event__pack(&event, packed));
	hub_item_object(read->hub, log_tail_seq(read->hub->shard->log), HUB_ITEM_PUSH, push);
	buf_release(&result);
}

struct child_fill {
	struct hub *hub;
	Froe__RunView *view;
};

static void
child_fill(void *context, const struct eng_child_view *child)
{
	struct child_fill *fill = context;
	struct hub *hub = fill->hub;
	Froe__RunView *view = fill->view;
	if (view->n_children == VIEW_CHILDREN_MAX)
		return;
	Froe__ChildView *to = arena_alloc(&hub->arena, sizeof(*to));
	froe__child_view__init(to);
	to->has_run = to->has_status = true;
	to->run =
	    (ProtobufCBinaryData){16, arena_copy(&hub->arena, child->id.bytes, 16)};
	to->status = (Froe__RunStatus)child->status;
	to->task = child->task < view->n_tasks ? view->tasks[child->task]->name : NULL;
	to->has_index = child->key.size == 0;
	to->index = child->index;
	if (child->key.size != 0)
		to->key = hub_text(hub, child->key);
	view->children[view->n_children++] = to;
}

/* Those that the engine knows: of an open run. */
static void
view_children(struct hub *hub, Froe__RunView *view)
{
	struct child_fill fill = {.hub = hub, .view = view};
	arena_reset(&hub->arena);
	view->children = arena_alloc(&hub->arena, VIEW_CHILDREN_MAX * sizeof(*view->children));
	view->child_count = eng_children(hub->shard->eng, view->number, child_fill, &fill);
	view->has_child_count = view->child_count > 0;
}

/* What it says of attempts may be many times what their records take. */
static enum froe_err
view_fits(Froe__RunView *view, struct froe_fault *fault)
{
	size_t max = FROE_MESSAGE_BYTES_MAX - 1024;
	if (froe__run_view__get_packed_size(view) > max)
		view->n_children = 0; /* how many there are is still told */
	if (froe__run_view__get_packed_size(view) <= max)
		return FROE_OK;
	return fault_set_field(fault, FROE_TOO_LARGE, "run",
	    "the run's history is larger than a message: see froe log dump");
}

static enum froe_err
answer_view(struct hub_read *read, const struct history_fold *fold, struct froe_fault *fault)
{
	Froe__RunView *view = fold->view;
	struct buf result;
	view_children(read->hub, view);
	enum froe_err err = view_fits(view, fault);
	if (err != FROE_OK)
		return err;
	buf_init(&result);
	if (read->want == HISTORY_ALL && view->status == FROE__RUN_STATUS__COMPLETED &&
	    history_result(fold, &result)) {
		view->result = (ProtobufCBinaryData){buf_used(&result), result.data};
		view->has_result = true;
		view->has_result =
		    froe__run_view__get_packed_size(view) <= FROE_MESSAGE_BYTES_MAX - 1024;
	}
	hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_RUN_VIEW, &view->base);
	buf_release(&result);
	return FROE_OK;
}

static enum froe_err
answer_output(struct hub_read *read, const struct history_fold *fold, struct froe_fault *fault)
{
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	uint32_t i = 0;
	while (i < fold->version.task_count &&
	    !bytes_equal(fold->version.tasks[i].name, bytes_text(read->task)))
		i++;
	if (i == fold->version.task_count)
		return fault_set_field(fault, FROE_NOT_FOUND, "task",
		    "the run's workflow has no such task");
	if (fold->outputs[i].size == 0)
		return fault_set_field(fault, FROE_FAILED_PRECONDITION, "task",
		    "the task has no output (yet)");
	output.has_output = true;
	output.output = (ProtobufCBinaryData){fold->outputs[i].size,
	    (uint8_t *)(uintptr_t)fold->outputs[i].data};
	hub_queue_reply(read->hub, &read->origin, FROE__ENVELOPE__BODY_TASK_OUTPUT, &output.base);
	return FROE_OK;
}

static enum froe_err
history_fault(const struct history *history, enum froe_err err, struct froe_fault *fault)
{
	if (err == FROE_TOO_LARGE)
		return fault_set_field(fault, err, "run",
		    "the run's history is larger than a message: see froe log dump");
	if (err == FROE_NOT_FOUND)
		return fault_set_field(fault, err, "run",
		    "the run ended longer ago than the server's retention: its history is gone");
	if (history->bad == 0)
		return fault_set_field(fault, err, "run", "the run's records do not fit together");
	return fault_set_field(fault, err, "run",
	    "record %" PRIu32 " of the run, at %016" PRIx64
	    ", cannot be read: \"froe log verify\" says what is damaged",
	    history->bad, history->places[history->bad - 1].lsn.v);
}

static enum froe_err
read_answer(struct hub_read *read, enum froe_err err, struct froe_fault *fault)
{
	struct history_fold fold;
	if (err != FROE_OK)
		return history_fault(read->history, err, fault);
	if (read->op == API_OP_RUN_REPLAY)
		return hub_read_replay_step(read, fault);
	err = history_fold(read->history, &fold, fault);
	if (err != FROE_OK)
		return err;
	if (fold.tenant != read->tenant.v)
		return fault_set_field(fault, FROE_NOT_FOUND, "run", HUB_NO_RUN);
	if (read->op == API_OP_OUTPUT_GET)
		return answer_output(read, &fold, fault);
	if (read->op == API_OP_RUN_GET)
		return answer_view(read, &fold, fault);
	if (read->op == API_OP_WHY)
		hub_why_ended(read->hub, &read->origin, &fold);
	else
		answer_event(read, &fold);
	return FROE_OK;
}

/* It is not read any more, and waits for its turn. */
static void
read_loaded(struct hub_read *read, const struct eng_job_step *job)
{
	list_remove(&read->link);
	hub_job_loaded(read->hub, job, read, FROE_OK);
}

static void
history_done(struct history *history, enum froe_err err)
{
	struct hub_read *read = history->context;
	struct froe_fault fault = {0};
	const struct eng_job_step *job = hub_replay_job(read->replay);
	if (job != NULL && err == FROE_OK) {
		read_loaded(read, job);
		return;
	}
	if (err == FROE_OK && hub_read_stale(read)) {
		hub_read_again(read);
		return;
	}
	err = read_answer(read, err, &fault);
	if (err == FROE_OK)
		read_free(read);
	else
		read_fail(read, err, fault.field, fault.text);
}

static void
read_load(struct hub_read *read, uint64_t run, const struct log_place *places, uint32_t count)
{
	const char *task = read->task != NULL ? read->task : "";
	if (read->op == API_OP_STREAM_GET) {
		struct hub_stream_ask ask = {
		    .run = read->run,
		    .task = bytes_text(task),
		    .after = read->after,
		    .wait = read->wait,
		    .changes = read->changes,
		};
		hub_stream_begin(read->hub, &read->origin, read->tenant, run, places, count, &ask);
		read_free(read);
		return;
	}
	list_remove(&read->link);
	list_push(&read->hub->reading, &read->link);
	read->history =
	    history_open(read->hub->shard, run, places, count, history_done, read);
	history_start(read->history, read->want, bytes_text(task));
}

/* -------------------------------------------------------------------------------- to the index */

/* The index thread answers with a job that carries the read's cookie. */
static bool
read_post(struct hub_read *read)
{
	struct hub *hub = read->hub;
	if (!list_empty(&hub->backlog) || !indexer_post(hub->indexer, read->job))
		return false;
	read->job = NULL;
	hub->reads_held--;
	return true;
}

static void read_behind(struct hub_read *read);

/* A question sees the rows that were posted before it: those of the frames let out by now. A
 * position behind the newest frame is of no reply of this store, as it is now: waiting for it would
 * be for nothing. */
static void
read_ask(struct hub_read *read, struct indexer_job *job, uint64_t position)
{
	struct hub *hub = read->hub;
	read->cookie = ++hub->reads_last;
	read->due_ns = hub->mono_ns + HUB_INDEX_WAIT_NS;
	read->position = position;
	read->job = job;
	job->cookie = read->cookie;
	list_push(&hub->reads, &read->link);
	map_put_u64(&hub->reads_by_cookie, read->cookie, read);
	hub->reads_held++;
	if (position > log_tail_seq(hub->shard->log) + 1) {
		read_behind(read);
		return;
	}
	if (position > hub->released_frame) /* nobody was told of it yet: hub_read_answers() */
		return;
	if (!read_post(read))
		read_fail(read, FROE_INDEX_BEHIND, "", "the index thread is busy: try again");
}

static void
read_find(struct hub_read *read)
{
	struct indexer_job *job = indexer_job_new(INDEXER_FIND);
	job->row.id = read->run;
	job->whole = read->op == API_OP_RUN_REPLAY;
	read_ask(read, job, read->again ? log_tail_seq(read->hub->shard->log) : 0);
}

static void
read_list(struct hub_read *read, const struct api_command *command)
{
	struct indexer_job *job = indexer_list_job();
	uint32_t limit = command->list.limit != 0 ? command->list.limit : LIST_LIMIT_DEFAULT;
	job->list->limit = limit < FROE_LIST_MAX ? limit : FROE_LIST_MAX;
	indexer_list_filter(job->list, read->tenant, command);
	read_ask(read, job, command->list.position);
}

/* --------------------------------------------------------------------------------------- asking */

static struct hub_read *
read_new(struct hub *hub, const struct hub_conn *conn, enum api_op op, uint64_t request)
{
	struct hub_read *read = mem_zalloc(sizeof(*read));
	read->hub = hub;
	read->op = op;
	read->origin = (struct eng_origin){.conn = conn->handle, .request = request};
	read->tenant = conn->tenant;
	return read;
}

/* Where the run's records lie: here, or the index knows. */
static void
read_run(struct hub_read *read)
{
	struct shard *shard = read->hub->shard;
	uint64_t run = 0;
	enum eng_status status;
	uint32_t count = 0;
	if (read->replay != NULL)
		hub_replay_look(read->hub, read->replay, read->run);
	if (eng_run_find(shard->eng, read->tenant, read->run, &run) ||
	    eng_closed_find(shard->eng, read->tenant, read->run, &run, &status))
		count = resolver_count(shard->resolver, run);
	if (count == 0) {
		read_find(read);
		return;
	}
	struct log_place *places = mem_array(count, sizeof(*places));
	resolver_places(shard->resolver, run, 0, count, places);
	read_load(read, run, places, count);
	mem_free(places);
}

/* With changes, the run's state now comes first. */
static void
read_watch(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	uint64_t run = 0, request = command->origin.request;
	bool changes = command->run.changes, named = command->run.named;
	const char *refused = hub_watch_refused(conn, request);
	if (refused != NULL) {
		hub_queue_error(hub, &command->origin, FROE_RESOURCE_EXHAUSTED, "", refused);
	} else if (eng_run_find(hub->shard->eng, conn->tenant, command->run.run, &run)) {
		hub_watch_add(hub, conn, request, run, (changes ? HUB_WATCH_CHANGES : 0) |
		    (named ? HUB_WATCH_NAMED : 0));
		if (changes)
			hub_watch_state(hub, conn, request, run);
	} else {
		hub_watch_ended(hub, conn, request, command->run.run, named);
	}
}

void
hub_read_ended(struct hub *hub, struct hub_conn *conn, struct uuid run, bool named)
{
	struct hub_read *read = read_new(hub, conn, API_OP_RUN_WATCH, conn->ended_request);
	read->run = run;
	read->named = named;
	read->want = HISTORY_RESULT;
	read_run(read);
}

static char *
text_copy(struct bytes text)
{
	char *copy = mem_zalloc(text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	return copy;
}

void
hub_read_open(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	if (command->op == API_OP_RUN_WATCH) {
		read_watch(hub, conn, command);
		return;
	}
	struct hub_read *read = read_new(hub, conn, command->op, command->origin.request);
	if (command->op == API_OP_RUN_LIST || command->op == API_OP_EVENT_LIST) {
		read_list(read, command);
		return;
	}
	if (command->op == API_OP_EVENT_GET) {
		read->run = pushed_id(conn->tenant.v, command->event_get.number);
		read->payload = command->event_get.payload;
		read_find(read);
		return;
	}
	read->run = command->op == API_OP_RUN_REPLAY ? command->replay.run : command->run.run;
	read->want = HISTORY_NONE;
	if (command->op == API_OP_RUN_GET && command->run.payloads) {
		read->want = HISTORY_ALL;
	} else if (command->op == API_OP_OUTPUT_GET) {
		read->want = HISTORY_OUTPUT;
		read->task = text_copy(command->run.task);
	} else if (command->op == API_OP_RUN_REPLAY) {
		read->replay = hub_replay_ask(conn, command);
	} else if (command->op == API_OP_STREAM_GET) {
		read->task = text_copy(command->run.task);
		read->after = command->run.after;
		read->wait = command->run.wait;
		read->changes = command->run.changes;
	}
	read_run(read);
}

void
hub_read_replay(struct hub *hub, struct eng_tenant_id tenant, struct uuid run,
    struct hub_replay_ask *ask)
{
	struct hub_read *read = mem_zalloc(sizeof(*read));
	read->hub = hub;
	read->op = API_OP_RUN_REPLAY;
	read->tenant = tenant;
	read->run = run;
	read->want = HISTORY_NONE;
	read->replay = ask;
	read_run(read);
}

enum froe_err
hub_read_replay_step(struct hub_read *read, struct froe_fault *fault)
{
	return hub_replay(
	    read->hub, &read->origin, read->tenant, read->replay, read->history, fault);
}

bool
hub_read_stale(const struct hub_read *read)
{
	uint64_t run;
	return read->op == API_OP_RUN_REPLAY &&
	    !eng_run_find(read->hub->shard->eng, read->tenant, read->run, &run) &&
	    hub_replay_stale(read->hub, read->replay, read->run, read->history->count);
}

void
hub_read_again(struct hub_read *read)
{
	history_free(read->history);
	read->history = NULL;
	list_remove(&read->link);
	read->again = true;
	read_run(read);
}

size_t
hub_read_bytes(const struct hub_read *read)
{
	return read->history->kept_bytes;
}

void
hub_read_drop(struct hub_read *read)
{
	read_free(read);
}

/* Nothing of this watch is said any more. */
void
hub_read_unwatch(struct hub *hub, const struct eng_origin *watch)
{
	struct list *const lists[] = {&hub->reads, &hub->reading};
	struct list *at;
	for (size_t i = 0; i < 2; i++) {
		list_for_each(at, lists[i]) {
			struct hub_read *read = container_of(at, struct hub_read, link);
			if (read->op == API_OP_RUN_WATCH && read->origin.conn == watch->conn &&
			    read->origin.request == watch->request)
				read->gone = true;
		}
	}
}

/* -------------------------------------------------------------------------- the index's answers */

/* NULL: it was refused meanwhile. */
static struct hub_read *
read_of(struct hub *hub, uint64_t cookie)
{
	return map_get_u64(&hub->reads_by_cookie, cookie);
}

/* Both positions: how far it is, and how far it has to come. */
static void
read_behind(struct hub_read *read)
{
	struct hub *hub = read->hub;
	uint64_t frame, until;
	char text[160];
	if (indexer_behind(hub->indexer, &frame, &until))
		snprintf(text, sizeof(text), "the index is being made anew from the log, and is at "
		    "frame %" PRIu64 " of %" PRIu64 ": try again later", frame, until);
	else
		snprintf(text, sizeof(text),
		    "the index is at frame %" PRIu64 " of %" PRIu64 ": try again",
		    indexer_applied(hub->indexer), log_durable_seq(hub->shard->log));
	read_fail(read, FROE_INDEX_BEHIND, "position", text);
}

static void
answer_found(struct hub_read *read, const struct indexer_job *job)
{
	if (read->op == API_OP_EVENT_GET) {
		hub_event_found(read->hub, &read->origin, read->tenant, job, read->payload);
		read_free(read);
		return;
	}
	uint32_t count = job->found ? history_places_count(job->row.places) : 0;
	if (job->damaged) {
		read_fail(read, FROE_CORRUPT, "run", HUB_DAMAGED);
		return;
	}
	if (count == 0 || job->row.tenant != read->tenant.v) {
		read_fail(read, FROE_NOT_FOUND, "run", HUB_NO_RUN);
		return;
	}
	struct log_place *places = mem_array(count, sizeof(*places));
	for (uint32_t i = 0; i < count; i++)
		places[i] = history_place_decode(job->row.places, i);
	read_load(read, job->row.number, places, count);
	mem_free(places);
}

static void
row_fill(struct arena *arena, const struct indexer_row *from, Froe__RunRow *row)
{
	const struct index_run *run = &from->run;
	bool open = run->finished_ns == 0;
	char *workflow = arena_alloc(arena, run->workflow.size + 1);
	memcpy(workflow, run->workflow.data, run->workflow.size);
	workflow[run->workflow.size] = 0;
	froe__run_row__init(row);
	row->has_run = row->has_number = row->has_status = row->has_created_ns = true;
	row->run = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)run->id.bytes};
	row->number = run->number;
	row->workflow = workflow;
	row->status = (Froe__RunStatus)(open ? indexer_status(from->kinds) : run->status);
	row->created_ns = run->created_ns;
	row->has_finished_ns = !open;
	row->finished_ns = run->finished_ns;
	row->has_parent = !uuid_is_nil(run->parent);
	if (row->has_parent)
		row->parent = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)run->parent.bytes};
	row->has_scheduled = row->scheduled = (from->kinds & 1u << INDEXER_SCHEDULED) != 0;
}

static void
answer_list(struct hub_read *read, const struct indexer_job *job)
{
	struct hub *hub = read->hub;
	const struct indexer_list *list = job->list;
	Froe__RunPage page = FROE__RUN_PAGE__INIT;
	if (!job->found) {
		read_fail(read, FROE_INTERNAL, "", "the index cannot be read");
		return;
	}
	if (read->op == API_OP_EVENT_LIST) {
		hub_event_page(hub, &read->origin, list);
		read_free(read);
		return;
	}
	arena_reset(&hub->arena);
	Froe__RunRow *rows = arena_alloc(&hub->arena, list->row_count * sizeof(*rows));
	page.rows = arena_alloc(&hub->arena, list->row_count * sizeof(Froe__RunRow *));
	for (uint32_t i = 0; i < list->row_count; i++) {
		row_fill(&hub->arena, &list->rows[i], &rows[i]);
		page.rows[page.n_rows++] = &rows[i];
	}
	page.has_next = true;
	page.next = list->next;
	page.damages = indexer_damages(hub->indexer);
	page.has_damages = page.damages != 0;
	hub_queue_reply(hub, &read->origin, FROE__ENVELOPE__BODY_RUN_PAGE, &page.base);
	read_free(read);
}

/* The frames they ask for are there. */
static void
reads_post(struct hub *hub)
{
	struct list *at;
	list_for_each(at, &hub->reads) {
		struct hub_read *read = container_of(at, struct hub_read, link);
		if (read->job != NULL && read->position <= hub->released_frame && !read_post(read))
			return;
	}
}

void
hub_read_answers(struct hub *hub)
{
	struct indexer_job *job;
	if (hub->reads_held > 0)
		reads_post(hub);
	while ((job = indexer_pop(hub->indexer)) != NULL) {
		struct hub_read *read = read_of(hub, job->cookie);
		if (read != NULL && job->behind)
			read_behind(read);
		else if (read != NULL && job->op == INDEXER_LIST)
			answer_list(read, job);
		else if (read != NULL)
			answer_found(read, job);
		else if (job->op == INDEXER_LIST)
			hub_job_answer(hub, job);
		indexer_job_free(job);
	}
}

void
hub_read_expire(struct hub *hub)
{
	while (!list_empty(&hub->reads)) {
		struct hub_read *read = container_of(hub->reads.next, struct hub_read, link);
		if (read->due_ns > hub->mono_ns)
			return;
		read_behind(read);
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
	while (!list_empty(&hub->reading))
		read_free(container_of(hub->reading.next, struct hub_read, link));
	map_release(&hub->reads_by_cookie);
}
