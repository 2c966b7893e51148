/*
 * server/hub_index: rows for the index, and when a closed run's places may be forgotten.
 *
 * A run's row is put when it starts and once more when it has closed, and it is touched when a
 * worker gets a task of it, each when its frame is durable. Rows of the index's last frame are put
 * again after a restart, and a run is forgotten here only when a later frame has been applied. When
 * a segment is sealed, the index is told how far it is (indexer_mark_job).
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "index/texts.h"
#include "server/pushed.h"

/* Places of a frame's closed runs are forgotten here once the index has them. A run that goes
 * on meanwhile, replayed, has more records then: the end that comes with them counts. So it is with
 * a record behind the end. */
struct hub_forget {
	struct list link;
	uint64_t frame;
	uint32_t count;
	struct {
		uint64_t run;
		uint32_t records;
	} runs[];
};

/* The frame's rows, to which more may be added: the frame is not durable yet. */
static struct indexer_job *
index_rows(struct hub *hub, uint64_t frame)
{
	if (hub->rows == NULL || hub->rows_frame != frame) {
		hub->rows = indexer_rows_job(frame);
		hub->rows_frame = frame;
		hub_item_object(hub, frame, HUB_ITEM_INDEX, hub->rows);
	}
	return hub->rows;
}

/* The same, of a frame that is replayed. */
static struct indexer_job *
index_rows_replayed(struct hub *hub, uint64_t frame)
{
	if (hub->rows == NULL || hub->rows_frame != frame) {
		hub->rows = indexer_rows_job(frame);
		hub->rows_frame = frame;
		list_push(&hub->backlog, &hub->rows->link);
	}
	return hub->rows;
}

/* It has no version before it begins. */
static bool
run_scheduled(const struct eng_run_info *info)
{
	return info->version == 0;
}

static struct bytes
workflow_name(const struct hub *hub, uint32_t workflow, uint32_t version)
{
	struct eng_version_view view;
	froe_assert(eng_version(hub->shard->eng, workflow, version, &view));
	return view.workflow;
}

static struct uuid
run_of(struct uuid task)
{
	uint32_t number;
	return uuid_is_nil(task) ? task : uuid_run_of(task, &number);
}

/* What a row points to lies behind its entry: the workflow's name, metadata as texts, places. */
struct index_source {
	struct bytes workflow;
	const struct bytes *metadata;
	uint32_t metadata_count;
	uint32_t place_count;
};

static size_t
source_bytes(const struct index_source *source)
{
	size_t size = source->workflow.size + (size_t)source->place_count * HISTORY_PLACE_BYTES;
	for (uint32_t i = 0; i < source->metadata_count; i++)
		size += texts_size(source->metadata[i]);
	return size;
}

static void
source_put(const struct index_source *source, struct indexer_entry *entry)
{
	uint8_t *at = (uint8_t *)(entry + 1), *texts = at + source->workflow.size;
	struct index_run *row = &entry->run;
	memcpy(at, source->workflow.data, source->workflow.size);
	row->workflow = bytes_of(at, source->workflow.size);
	for (uint32_t i = 0; i < source->metadata_count; i++) {
		texts_store(texts, source->metadata[i]);
		texts += texts_size(source->metadata[i]);
	}
	row->metadata =
	    bytes_of(at + row->workflow.size, (size_t)(texts - at) - row->workflow.size);
	row->places = bytes_of(texts, (size_t)source->place_count * HISTORY_PLACE_BYTES);
}

/* An open run's row, as it is after the event. */
static struct indexer_entry *
index_started(struct hub *hub, struct indexer_job *job, const struct eng_event *event)
{
	bool scheduled = event->version == 0; /* it has no version before it begins */
	struct index_source source = {
	    .workflow = workflow_name(hub, event->workflow, event->version),
	    .metadata = event->metadata,
	    .metadata_count = event->metadata_count,
	};
	struct indexer_entry *entry = indexer_rows_new(job, event->tenant, event->run,
	    /* finished_ns= */ 0, indexer_kinds(ENG_QUEUED, scheduled), source_bytes(&source));
	source_put(&source, entry);
	entry->run.seq = event->run_event_no;
	entry->run.id = event->id;
	entry->run.parent = run_of(event->parent);
	entry->run.status = ENG_QUEUED;
	entry->run.created_ns =
	    event->type == ENG_EV_RUN_REPLAYED ? event->created_ns : event->time_ns;
	return entry;
}

/* In a few, so that a run of many records needs no memory for them. */
#define PLACES_STEP 16u

static void
places_put(struct resolver *resolver, uint64_t run, uint32_t count, uint8_t *to)
{
	struct log_place places[PLACES_STEP];
	for (uint32_t at = 0, rows; at < count; at += rows) {
		rows = count - at < PLACES_STEP ? count - at : PLACES_STEP;
		resolver_places(resolver, run, at, rows, places);
		history_places_store(places, rows, to + (size_t)at * HISTORY_PLACE_BYTES);
	}
}

static struct indexer_entry *
index_ended(struct hub *hub, struct indexer_job *job, uint64_t run, const struct eng_run_info *info,
    enum eng_status status, uint64_t finished_ns)
{
	struct resolver *resolver = hub->shard->resolver;
	struct index_source source = {
	    .workflow = workflow_name(hub, info->workflow, info->version),
	    .metadata = info->metadata,
	    .metadata_count = info->metadata_count,
	    .place_count = resolver_count(resolver, run),
	};
	struct indexer_entry *entry = indexer_rows_new(
	    job, info->tenant, run, finished_ns, /* kinds= */ 0, source_bytes(&source));
	source_put(&source, entry);
	places_put(resolver, run, source.place_count, (uint8_t *)(uintptr_t)entry->run.places.data);
	entry->run.seq = source.place_count;
	entry->run.id = info->id;
	entry->run.parent = run_of(info->parent);
	entry->run.status = (uint8_t)status;
	entry->run.created_ns = info->created_ns;
	return entry;
}

static bool
index_touches(const struct eng_event *event)
{
	return event->type == ENG_EV_TASK_ASSIGNED || event->type == ENG_EV_TASK_EVICTED ||
	    event->type == ENG_EV_RUN_DUE;
}

/* What an open run is at after the event's step. NULL: it is not open any more. */
static struct indexer_entry *
index_touch_row(struct hub *hub, struct indexer_job *job, const struct eng_event *event)
{
	struct bytes worker = {0};
	uint32_t tenant;
	enum eng_status status;
	bool scheduled;
	if (!eng_run_stands(hub->shard->eng, event->run, &tenant, &status, &scheduled))
		return NULL;
	if (event->type == ENG_EV_TASK_ASSIGNED)
		worker = eng_worker_name(hub->shard->eng, event->worker);
	return indexer_rows_touch(
	    job, tenant, event->run, worker, indexer_kinds(status, scheduled));
}

/* A record behind the run's end. One of an open run is in the row of its end. */
static void
index_late(struct hub *hub, struct indexer_job *job, const struct eng_event *event,
    const struct log_place *place)
{
	buf_reset(&hub->places);
	history_places_encode(place, 1, &hub->places);
	indexer_rows_extend(
	    job, event->tenant, event->run, event->run_event_no, buf_bytes(&hub->places));
}

static bool
index_extends(struct hub *hub, const struct eng_event *event)
{
	struct eng_run_info info;
	return event->type == ENG_EV_LATE_LOGGED &&
	    !eng_run_info(hub->shard->eng, event->run, NULL, &info);
}

static bool
index_starts(const struct eng_event *event)
{
	return event->type == ENG_EV_RUN_STARTED || event->type == ENG_EV_RUN_REPLAYED;
}

/* What rows made from the log's files need, should the index be lost while we serve. */
static struct indexer_job *
index_job_named(const struct eng_event *event)
{
	if (event->type == ENG_EV_WORKFLOW_PUT)
		return indexer_name_job(NAMES_WORKFLOW, event->workflow, event->name);
	if (event->type == ENG_EV_WORKER_REGISTERED)
		return indexer_name_job(NAMES_WORKER, event->worker, event->name);
	if (event->type == ENG_EV_WORKER_LEFT)
		return indexer_name_job(NAMES_WORKER, event->worker, bytes_of(NULL, 0));
	return NULL;
}

/* What the openset has under the event's number is a run. */
static void
index_pushed(struct hub *hub, struct indexer_job *job, const struct eng_event *event,
    const struct log_place *place)
{
	struct index_run row = pushed_row(event, place, &hub->texts, &hub->places);
	indexer_rows_put(job, &row, INDEXER_KEEP);
}

void
hub_index_event(struct hub *hub, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	if (index_starts(event))
		index_started(hub, index_rows(hub, frame), event);
	else if (index_touches(event))
		index_touch_row(hub, index_rows(hub, frame), event);
	else if (index_extends(hub, event))
		index_late(hub, index_rows(hub, frame), event, place);
}

void
hub_index_event_apart(
    struct hub *hub, const struct eng_event *event, const struct log_place *place, uint64_t frame)
{
	struct indexer_job *named = index_job_named(event);
	if (named != NULL)
		hub_item_object(hub, frame, HUB_ITEM_INDEX, named);
	else if (event->type == ENG_EV_EVENT_PUSHED)
		index_pushed(hub, index_rows(hub, frame), event, place);
}

void
hub_index_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	index_ended(hub, index_rows(hub, frame), effect->run, &effect->info, effect->status,
	    hub->shard->clock.now_ns);
}

/* Recovery. What the index has is not kept; what the runs are at is told when all is replayed. */
void
hub_index_replayed(struct hub *hub, const struct eng_event *event, const struct log_place *place,
    const struct eng_run_info *info, uint64_t frame)
{
	struct indexer_entry *entry = NULL;
	bool closed = event->type == ENG_EV_RUN_CLOSED;
	if (frame < hub->index_applied) {
		if (closed)
			resolver_forget(hub->shard->resolver, event->run);
		return;
	}
	if (event->type == ENG_EV_EVENT_PUSHED)
		index_pushed(hub, index_rows_replayed(hub, frame), event, place);
	else if (index_starts(event))
		entry = index_started(hub, index_rows_replayed(hub, frame), event);
	else if (closed)
		entry = index_ended(hub, index_rows_replayed(hub, frame), event->run, info,
		    (enum eng_status)event->status, event->time_ns);
	else if (index_touches(event))
		entry = index_touch_row(hub, index_rows_replayed(hub, frame), event);
	else if (index_extends(hub, event))
		index_late(hub, index_rows_replayed(hub, frame), event, place);
	if (entry != NULL)
		entry->kinds = INDEXER_KEEP;
}

/* ---------------------------------------------------------------------------------- forgetting */

/* A run has ended, or had before. An event has no places here. */
static bool
entry_closes(const struct indexer_entry *entry)
{
	return entry->change == INDEXER_EXTEND ||
	    (entry->change == INDEXER_PUT && entry->run.finished_ns != 0 &&
	        entry->run.tenant < INDEX_EVENTS);
}

static void
forget_later(struct hub *hub, const struct indexer_job *job)
{
	if (job->closed == 0)
		return;
	struct hub_forget *forget =
	    mem_alloc(sizeof(*forget) + job->closed * sizeof(forget->runs[0]));
	*forget = (struct hub_forget){.frame = job->frame};
	for (const struct indexer_entry *at = job->first; at != NULL; at = at->next) {
		if (!entry_closes(at))
			continue;
		forget->runs[forget->count].run = at->run.number;
		forget->runs[forget->count++].records = at->run.seq;
	}
	list_push(&hub->forgets, &forget->link);
}

static void
forget_run(struct resolver *resolver, uint64_t run, uint32_t records)
{
	if (resolver_count(resolver, run) == records)
		resolver_forget(resolver, run);
}

static void
forget_applied(struct hub *hub)
{
	uint64_t applied = indexer_applied(hub->indexer);
	struct resolver *resolver = hub->shard->resolver;
	while (!list_empty(&hub->forgets)) {
		struct hub_forget *forget =
		    container_of(hub->forgets.next, struct hub_forget, link);
		if (forget->frame >= applied)
			return;
		for (uint32_t i = 0; i < forget->count; i++)
			forget_run(resolver, forget->runs[i].run, forget->runs[i].records);
		list_remove(&forget->link);
		mem_free(forget);
	}
}

/* ------------------------------------------------------------------------------------- posting */

/* The ring is full only in recovery, or when timers closed many runs: hub_command() sees to its
 * room. Rows stay in order. */
void
hub_index_post(struct hub *hub, struct indexer_job *job)
{
	forget_later(hub, job);
	if (job == hub->rows)
		hub->rows = NULL; /* it is another thread's now */
	if (!list_empty(&hub->backlog) || !indexer_post(hub->indexer, job))
		list_push(&hub->backlog, &job->link);
}

/* A seal has no rows, nor may the frames before it have any. A snapshot of the segment, and its
 * retirement, wait until the index is past it all the same. */
void
hub_index_released(struct hub *hub)
{
	uint64_t sealed = log_sealed(hub->shard->log);
	if (sealed == hub->marked_segment)
		return;
	hub->marked_segment = sealed;
	hub_index_post(hub, indexer_mark_job(hub->released_frame));
}

static void
run_opened(void *context, uint64_t run, const struct eng_run_info *info, enum eng_status status)
{
	indexer_opened(context, info->tenant, run, indexer_kinds(status, run_scheduled(info)));
}

static void
worker_named(void *context, uint64_t worker, bool attached, struct bytes name)
{
	(void)attached;
	indexer_name(context, NAMES_WORKER, worker, name);
}

static void
index_names(struct hub *hub)
{
	struct eng_version_view version;
	for (uint32_t id = 1; eng_version(hub->shard->eng, id, 1, &version); id++)
		indexer_name(hub->indexer, NAMES_WORKFLOW, id, version.workflow);
	eng_workers(hub->shard->eng, worker_named, hub->indexer);
}

/* The index may have been opened only after the replay: then its rows are here still. */
void
hub_index_start(struct hub *hub)
{
	struct list *at, *next;
	hub->rows = NULL;
	eng_runs_open(hub->shard->eng, run_opened, hub->indexer);
	index_names(hub);
	for (at = hub->backlog.next; at != &hub->backlog; at = next) {
		struct indexer_job *job = container_of(at, struct indexer_job, link);
		next = at->next;
		if (job->frame >= hub->index_applied) {
			forget_later(hub, job);
			continue;
		}
		for (const struct indexer_entry *row = job->first; row != NULL; row = row->next) {
			if (entry_closes(row))
				forget_run(
				    hub->shard->resolver, row->run.number, row->run.seq);
		}
		list_remove(at);
		indexer_job_free(job);
	}
}

void
hub_index_turn(struct hub *hub)
{
	while (!list_empty(&hub->backlog)) {
		struct list *at = list_pop(&hub->backlog); /* once posted, it is another thread's */
		if (!indexer_post(hub->indexer, container_of(at, struct indexer_job, link))) {
			list_push_front(&hub->backlog, at);
			break;
		}
	}
	forget_applied(hub);
}

void
hub_index_release_all(struct hub *hub)
{
	struct list *at;
	while ((at = list_pop(&hub->backlog)) != NULL)
		indexer_job_free(container_of(at, struct indexer_job, link));
	while ((at = list_pop(&hub->forgets)) != NULL)
		mem_free(container_of(at, struct hub_forget, link));
}
