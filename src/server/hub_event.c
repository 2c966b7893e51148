/*
 * server/hub_event: events that were pushed: a page of them, and one.
 *
 * The index says which there are and where their records lie (server/pushed.h). An event's record
 * is read from the log each time: there is no cache of what few ask for.
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "server/record.h"

#define NO_EVENT "no event has this number, or it was pushed longer ago than the retention"

struct hub_event {
	struct list link; /* hub->events_reading */
	struct hub *hub;
	struct eng_origin origin;
	bool payload;
	struct log_read read;
};

static void
page_row(struct hub *hub, const struct index_run *from, Froe__EventRow *row)
{
	froe__event_row__init(row);
	row->has_number = row->has_time_ns = true;
	row->number = from->number;
	row->time_ns = from->created_ns;
	row->key = hub_text(hub, from->workflow);
}

void
hub_event_page(struct hub *hub, const struct eng_origin *origin, const struct indexer_list *list)
{
	Froe__EventPage page = FROE__EVENT_PAGE__INIT;
	arena_reset(&hub->arena);
	Froe__EventRow *rows = arena_alloc(&hub->arena, list->row_count * sizeof(*rows));
	page.rows = arena_alloc(&hub->arena, list->row_count * sizeof(Froe__EventRow *));
	for (uint32_t i = 0; i < list->row_count; i++) {
		page_row(hub, &list->rows[i].run, &rows[i]);
		page.rows[page.n_rows++] = &rows[i];
	}
	page.has_next = true;
	page.next = list->next;
	page.damages = indexer_damages(hub->indexer);
	page.has_damages = page.damages != 0;
	hub_queue_reply(hub, origin, FROE__ENVELOPE__BODY_EVENT_PAGE, &page.base);
}

/* ---------------------------------------------------------------------------------------- one */

static void
view_pairs(struct hub *hub, const struct eng_event *event, Froe__EventView *view)
{
	size_t count = event->metadata_count / 2;
	Froe__Pair *pairs = arena_alloc(&hub->arena, count * sizeof(*pairs));
	view->metadata = arena_alloc(&hub->arena, count * sizeof(Froe__Pair *));
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = hub_text(hub, event->metadata[2 * i]);
		pairs[i].value = hub_text(hub, event->metadata[2 * i + 1]);
		view->metadata[view->n_metadata++] = &pairs[i];
	}
}

static enum froe_err
event_answer(struct hub_event *event, const struct log_record *record)
{
	struct hub *hub = event->hub;
	Froe__EventView view = FROE__EVENT_VIEW__INIT;
	struct eng_event pushed;
	arena_reset(&hub->arena);
	enum froe_err err = record_decode(record, &hub->arena, &pushed, NULL);
	if (err != FROE_OK || pushed.type != ENG_EV_EVENT_PUSHED)
		return FROE_CORRUPT;
	view.has_number = view.has_time_ns = true;
	view.number = pushed.number;
	view.time_ns = pushed.time_ns;
	view.key = hub_text(hub, pushed.name);
	view.by = hub_text(hub, pushed.actor);
	view_pairs(hub, &pushed, &view);
	view.has_payload = event->payload && pushed.payload.size > 0;
	view.payload = (ProtobufCBinaryData){
	    pushed.payload.size, (uint8_t *)(uintptr_t)pushed.payload.data};
	hub_queue_reply(hub, &event->origin, FROE__ENVELOPE__BODY_EVENT_VIEW, &view.base);
	return FROE_OK;
}

static void
event_read(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct hub_event *event = container_of(read, struct hub_event, read);
	if (err == FROE_OK)
		err = event_answer(event, record);
	if (err != FROE_OK)
		hub_queue_error(event->hub, &event->origin, err, "number",
		    err == FROE_NOT_FOUND ? NO_EVENT
		                          : "the event's record cannot be read: \"froe log "
		                            "verify\" says what is damaged");
	list_remove(&event->link);
	mem_free(event);
}

void
hub_event_found(struct hub *hub, const struct eng_origin *origin, struct eng_tenant_id tenant,
    const struct indexer_job *job, bool payload)
{
	const struct index_run *row = &job->row;
	if (job->damaged) {
		hub_queue_error(hub, origin, FROE_CORRUPT, "number", HUB_DAMAGED);
		return;
	}
	if (!job->found || row->tenant != (tenant.v | INDEX_EVENTS)) {
		hub_queue_error(hub, origin, FROE_NOT_FOUND, "number", NO_EVENT);
		return;
	}
	froe_assert(history_places_count(row->places) == 1);
	struct hub_event *event = mem_zalloc(sizeof(*event));
	event->hub = hub;
	event->origin = *origin;
	event->payload = payload;
	list_push(&hub->events_reading, &event->link);
	log_read_start(hub->shard->log, &event->read, history_place_decode(row->places, 0),
	    /* run_key= */ 0, /* run_event_no= */ 0, event_read);
}

void
hub_event_release_all(struct hub *hub)
{
	while (!list_empty(&hub->events_reading)) {
		struct hub_event *event =
		    container_of(hub->events_reading.next, struct hub_event, link);
		list_remove(&event->link);
		mem_free(event);
	}
}
