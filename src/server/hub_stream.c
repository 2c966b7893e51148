/*
 * server/hub_stream: readers of streams: pages of chunks, and waiting for the next one.
 *
 * A chunk is a record of its run, so a reader is a cursor: a record number. Its request is
 * answered with the chunks after it, or waits here until the run has another one or ends. Nothing
 * is kept for a slow reader, and one that was away asks again where it was. What waits goes with
 * its connection.
 *
 * A page looks at PAGE_RECORDS_MAX records; those that have left memory are read one by one.
 *
 * What became of the tasks are records of the same run: a reader who wants those too gets them
 * between the chunks, in the one order there is.
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "server/record.h"

#define PAGE_RECORDS_MAX 4096u
#define WAIT_NS (UINT64_C(30) * 1000000000)
/* Of a chunk in a page, besides its bytes and its task's name. */
#define CHUNK_BYTES 96u

struct hub_stream {
	struct list link;     /* hub->streams_waiting or streams_reading */
	struct list conn_link; /* of its connection, while that is open */
	struct timer timer;   /* waiting: hub->streams_wheel */
	struct list run_link; /* waiting: a ring of those that wait for the same run */
	struct hub *hub;
	struct eng_origin origin;
	struct eng_tenant_id tenant;
	uint64_t run;
	struct uuid id;
	char *task; /* "": all */
	bool wait;
	bool changes;
	bool busy; /* in stream_go(): a read that is done at once stays out of it */
	uint64_t due_ns;
	bool begun;			 /* the version is known */
	uint32_t heads;			 /* records that were looked at for it */
	uint32_t workflow;
	struct eng_version_view version;
	struct log_place *places;	 /* of a run whose records the resolver does not know */
	uint32_t count;			 /* records of the run */
	uint32_t after;			 /* looked at; of a new page: its beginning */
	uint32_t looked;		 /* in this page */
	size_t bytes;			 /* of this page */
	enum froe_err err;
	struct log_read read;
	bool reading;
	bool forgotten;	    /* its places are in the index by now */
	struct arena arena; /* of this page */
	Froe__StreamChunk **chunks;
	size_t chunk_count;
	size_t chunk_capacity;
};

static void
stream_free(struct hub_stream *stream)
{
	list_remove(&stream->link);
	list_remove(&stream->conn_link);
	arena_release(&stream->arena);
	mem_free(stream->chunks);
	mem_free(stream->places);
	mem_free(stream->task);
	mem_free(stream);
}

/* ------------------------------------------------------------------------------------ waiting */

static void
wait_begin(struct hub_stream *stream)
{
	struct hub *hub = stream->hub;
	struct hub_stream *other = map_get_u64(&hub->streams, stream->run);
	list_push(&hub->streams_waiting, &stream->link);
	wheel_insert(&hub->streams_wheel, &stream->timer, stream->due_ns);
	if (other != NULL)
		list_push(&other->run_link, &stream->run_link);
	else
		map_put_u64(&hub->streams, stream->run, stream);
}

static void
wait_end(struct hub_stream *stream)
{
	struct hub *hub = stream->hub;
	if (!list_empty(&stream->run_link))
		map_put_u64(&hub->streams, stream->run,
		    container_of(stream->run_link.next, struct hub_stream, run_link));
	else
		map_remove_u64(&hub->streams, stream->run);
	list_remove(&stream->run_link);
	list_remove(&stream->link);
	wheel_remove(&hub->streams_wheel, &stream->timer);
}

static bool
stream_open(const struct hub_stream *stream)
{
	enum eng_status status;
	return eng_run_status(stream->hub->shard->eng, stream->run, &status);
}

/* ------------------------------------------------------------------------------------- a page */

/* NULL: it is none that is told. */
static const char *
change_of(enum eng_event_type type)
{
	switch ((int)type) {
	case ENG_EV_TASK_ASSIGNED:
		return "assigned";
	case ENG_EV_TASK_COMPLETED:
		return "completed";
	case ENG_EV_ATTEMPT_ENDED:
		return "attempt_ended";
	case ENG_EV_TASK_FAILED:
		return "failed";
	case ENG_EV_TASK_CANCELLED:
		return "cancelled";
	case ENG_EV_TASK_SKIPPED:
		return "skipped";
	default:
		return NULL;
	}
}

static char *
text_keep(struct hub_stream *stream, struct bytes from)
{
	char *text = arena_alloc(&stream->arena, from.size + 1);
	if (from.size > 0)
		memcpy(text, from.data, from.size);
	text[from.size] = 0;
	return text;
}

static void
change_fill(struct hub_stream *stream, const struct eng_event *event, Froe__StreamChunk *chunk)
{
	struct uuid id = uuid_task(stream->id, event->task);
	chunk->change = (char *)(uintptr_t)change_of(event->type);
	chunk->has_task_id = true;
	chunk->task_id = (ProtobufCBinaryData){16, arena_copy(&stream->arena, id.bytes, 16)};
	if (chunk->change == NULL)
		return;
	if (event->reason != ENG_REASON_NONE)
		chunk->reason =
		    (char *)(uintptr_t)eng_reason_name((enum eng_reason)event->reason);
	if (event->text.size > 0)
		chunk->error = text_keep(stream, event->text);
	stream->bytes += event->text.size;
}

static void
chunk_add(struct hub_stream *stream, const struct eng_event *event, uint32_t position)
{
	struct bytes payload = event->payload;
	struct bytes name = stream->version.tasks[event->task].name;
	if (stream->task[0] != 0 && !bytes_equal(name, bytes_text(stream->task)))
		return;
	if (stream->chunk_count == stream->chunk_capacity) {
		stream->chunk_capacity =
		    stream->chunk_capacity != 0 ? stream->chunk_capacity * 2 : 16;
		stream->chunks =
		    mem_resize(stream->chunks, stream->chunk_capacity * sizeof(stream->chunks[0]));
	}
	Froe__StreamChunk *chunk = arena_alloc(&stream->arena, sizeof(*chunk));
	if (payload.size > FROE_STREAM_CHUNK_BYTES_MAX)
		payload.size = 0;
	froe__stream_chunk__init(chunk);
	chunk->has_position = chunk->has_attempt = chunk->has_time_ns = chunk->has_data = true;
	chunk->position = position;
	chunk->task = text_keep(stream, name);
	chunk->attempt = event->attempt;
	chunk->time_ns = event->time_ns;
	chunk->data = (ProtobufCBinaryData){
	    payload.size, arena_copy(&stream->arena, payload.data, payload.size)};
	if (stream->changes)
		change_fill(stream, event, chunk);
	stream->chunks[stream->chunk_count++] = chunk;
	stream->bytes += payload.size + name.size + CHUNK_BYTES;
}

/* The first record says whose run it is, and of which version; that of a scheduled run is known
 * only from its second, if it came so far that it was due. So they are looked at first. */
static enum froe_err
head_take(struct hub_stream *stream, uint32_t number, const struct eng_event *event)
{
	bool due = event->type == ENG_EV_RUN_DUE;
	if ((number == 1) != (event->type == ENG_EV_RUN_STARTED))
		return FROE_CORRUPT;
	if (number == 1 && event->tenant != stream->tenant.v)
		return FROE_NOT_FOUND;
	if (number == 1)
		stream->workflow = event->workflow;
	uint32_t version = number == 1 || due ? event->version : 0;
	stream->begun = number > 1 || version != 0;
	if (!eng_version(
		stream->hub->shard->eng, stream->workflow, version, &stream->version))
		return FROE_CORRUPT;
	for (uint32_t i = 0; stream->task[0] != 0 && i < stream->version.task_count; i++) {
		if (bytes_equal(stream->version.tasks[i].name, bytes_text(stream->task)))
			return FROE_OK;
	}
	return stream->task[0] != 0 && version != 0 ? FROE_INVALID_ARGUMENT : FROE_OK;
}

static bool
record_wanted(const struct hub_stream *stream, uint16_t type)
{
	return type == ENG_EV_TASK_STREAMED ||
	    (stream->changes && change_of((enum eng_event_type)type) != NULL);
}

static enum froe_err
record_take(struct hub_stream *stream, uint32_t number, const struct log_record *record)
{
	struct eng_event event;
	enum froe_err err = FROE_OK;
	if (stream->begun && !record_wanted(stream, record->type))
		return FROE_OK;
	struct arena arena;
	arena_init(&arena, 0);
	err = record_decode(record, &arena, &event, NULL);
	if (err == FROE_OK && !stream->begun)
		err = head_take(stream, number, &event);
	else if (err == FROE_OK && event.task < stream->version.task_count)
		chunk_add(stream, &event, number);
	arena_release(&arena);
	return err;
}

/* ------------------------------------------------------------------------------------ reading */

static void stream_go(struct hub_stream *stream);

/* The number of the record to look at now. A reader may say any number: one more than the largest
 * is none of the run's, too. */
static uint64_t
stream_next(const struct hub_stream *stream)
{
	return stream->begun ? (uint64_t)stream->after + 1 : (uint64_t)stream->heads + 1;
}

static void
stream_took(struct hub_stream *stream, const struct log_record *record)
{
	bool begun = stream->begun;
	uint32_t number = (uint32_t)stream_next(stream);
	stream->err = record_take(stream, number, record);
	if (begun)
		stream->after = number;
	else
		stream->heads = number;
	stream->looked++;
}

static void
read_done(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct hub_stream *stream = container_of(read, struct hub_stream, read);
	stream->reading = false;
	list_remove(&stream->link);
	if (err == FROE_OK)
		stream_took(stream, record);
	else
		stream->err = err;
	if (!stream->busy)
		stream_go(stream);
}

static bool
stream_place(const struct hub_stream *stream, uint32_t number, struct log_place *ret_place)
{
	if (stream->places == NULL)
		return resolver_place(stream->hub->shard->resolver, stream->run, number, ret_place);
	*ret_place = stream->places[number - 1];
	return true;
}

/* Looks at the next record, in memory or by a read: that may be done when this returns. */
static void
stream_look(struct hub_stream *stream)
{
	struct hub *hub = stream->hub;
	uint32_t number = (uint32_t)stream_next(stream); /* the run has it */
	struct resolver_record found;
	struct log_place place;
	if (stream->places == NULL &&
	    resolver_record(hub->shard->resolver, stream->run, number, &found)) {
		struct log_record record = {
		    .type = found.type,
		    .time_ns = found.time_ns,
		    .run_key = stream->run,
		    .run_event_no = number,
		    .body = found.body,
		};
		stream_took(stream, &record);
	} else if (stream_place(stream, number, &place)) {
		stream->reading = true;
		list_push(&hub->streams_reading, &stream->link);
		log_read_start(hub->shard->log, &stream->read, place, stream->run, number,
		    read_done);
	} else { /* it closed while we read: asked again, the index knows where it lies */
		stream->forgotten = true;
	}
}

/* ------------------------------------------------------------------------------------ answers */

static void
stream_answer(struct hub_stream *stream, bool ended)
{
	Froe__StreamPage page = FROE__STREAM_PAGE__INIT;
	page.chunks = stream->chunks;
	page.n_chunks = stream->chunk_count;
	page.has_next = page.has_ended = true;
	page.next = stream->after;
	page.ended = ended;
	hub_queue_reply(stream->hub, &stream->origin, FROE__ENVELOPE__BODY_STREAM_PAGE, &page.base);
	stream_free(stream);
}

static void
stream_fail(struct hub_stream *stream)
{
	enum froe_err err = stream->err;
	const char *field = err == FROE_INVALID_ARGUMENT ? "task" : "run";
	const char *text = err == FROE_NOT_FOUND	  ? HUB_NO_RUN
			   : err == FROE_INVALID_ARGUMENT ? "the run's workflow has no such task"
							  : "a record of the run cannot be read";
	hub_queue_error(stream->hub, &stream->origin, err, field, text);
	stream_free(stream);
}

/* How many records the run has by now; one that has ended has no more. */
static void
stream_count(struct hub_stream *stream)
{
	uint32_t count = resolver_count(stream->hub->shard->resolver, stream->run);
	if (stream->places == NULL && count != 0)
		stream->count = count;
}

static void
stream_go(struct hub_stream *stream)
{
	stream->busy = true;
	stream_count(stream);
	while (stream->err == FROE_OK && !stream->reading && !stream->forgotten &&
	       stream->looked < PAGE_RECORDS_MAX && stream->bytes < FROE_STREAM_PAGE_BYTES &&
	       stream_next(stream) <= stream->count)
		stream_look(stream);
	stream->busy = false;
	if (stream->reading)
		return;
	bool all = stream_next(stream) > stream->count && !stream->forgotten;
	bool open = stream_open(stream);
	if (stream->err != FROE_OK)
		stream_fail(stream);
	else if (hub_conn_find(stream->hub, stream->origin.conn) == NULL)
		stream_free(stream);
	else if (stream->chunk_count > 0 || !all || !open || !stream->wait)
		stream_answer(stream, all && !open);
	else
		wait_begin(stream);
}

void
hub_stream_begin(struct hub *hub, const struct eng_origin *origin, struct eng_tenant_id tenant,
    uint64_t run, const struct log_place *places, uint32_t count, const struct hub_stream_ask *ask)
{
	struct hub_stream *stream = mem_zalloc(sizeof(*stream));
	struct hub_conn *conn = hub_conn_find(hub, origin->conn);
	stream->hub = hub;
	stream->origin = *origin;
	stream->tenant = tenant;
	stream->run = run;
	stream->id = ask->run;
	stream->changes = ask->changes;
	stream->task = mem_zalloc(ask->task.size + 1);
	if (ask->task.size > 0)
		memcpy(stream->task, ask->task.data, ask->task.size);
	stream->wait = ask->wait;
	stream->after = ask->after;
	stream->count = count;
	stream->due_ns = hub->mono_ns + WAIT_NS;
	if (!stream_open(stream) || resolver_count(hub->shard->resolver, run) == 0)
		stream->places = mem_copy(places, count * sizeof(*places));
	list_init(&stream->link);
	list_init(&stream->run_link);
	list_init(&stream->conn_link);
	if (conn != NULL)
		list_push(&conn->streams, &stream->conn_link);
	arena_init(&stream->arena, 0);
	stream_go(stream);
}

/* -------------------------------------------------------------------------------------- waking */

/* The run has a new record: those who wait look again. What they find is let out behind its
 * frame. */
void
hub_stream_event(struct hub *hub, const struct eng_event *event)
{
	struct list woken;
	struct hub_stream *stream;
	if (event->type != ENG_EV_TASK_STREAMED && event->type != ENG_EV_RUN_CLOSED &&
	    change_of(event->type) == NULL)
		return;
	list_init(&woken);
	while ((stream = map_get_u64(&hub->streams, event->run)) != NULL) {
		wait_end(stream);
		list_push(&woken, &stream->link);
	}
	while (!list_empty(&woken)) {
		stream = container_of(woken.next, struct hub_stream, link);
		list_remove(&stream->link);
		stream->looked = 0;
		stream_go(stream);
	}
}

/* Those that are being read end when they have been. */
void
hub_stream_conn_gone(struct hub *hub, struct hub_conn *conn)
{
	struct list *at;
	(void)hub;
	while ((at = list_pop(&conn->streams)) != NULL) {
		struct hub_stream *stream = container_of(at, struct hub_stream, conn_link);
		if (!wheel_active(&stream->timer))
			continue;
		wait_end(stream);
		stream_free(stream);
	}
}

void
hub_stream_expire(struct hub *hub)
{
	struct timer *timer;
	while ((timer = wheel_expired(&hub->streams_wheel, hub->mono_ns)) != NULL) {
		struct hub_stream *stream = container_of(timer, struct hub_stream, timer);
		wait_end(stream);
		stream_answer(stream, false);
	}
}

uint64_t
hub_stream_deadline_ns(const struct hub *hub)
{
	return wheel_next(&hub->streams_wheel);
}

void
hub_stream_release_all(struct hub *hub)
{
	while (!list_empty(&hub->streams_waiting)) {
		struct hub_stream *stream =
		    container_of(hub->streams_waiting.next, struct hub_stream, link);
		wait_end(stream);
		stream_free(stream);
	}
	while (!list_empty(&hub->streams_reading))
		stream_free(container_of(hub->streams_reading.next, struct hub_stream, link));
	map_release(&hub->streams);
}
