#include "server/pushed.h"

#include "index/texts.h"
#include "server/history.h"

/* A run's id is of version 7, whoever made it: none is like these. */
struct uuid
pushed_id(uint32_t tenant, uint64_t number)
{
	struct uuid id = {.bytes = {'e', 'v'}};
	le32_store(id.bytes + 2, tenant);
	id.bytes[6] = 0x80;
	le64_store(id.bytes + 8, number);
	return id;
}

struct index_run
pushed_row(const struct eng_event *event, const struct log_place *place, struct buf *texts,
    struct buf *places)
{
	froe_assert(event->type == ENG_EV_EVENT_PUSHED && event->tenant < INDEX_EVENTS);
	buf_reset(texts);
	for (uint32_t i = 0; i < event->metadata_count; i++)
		texts_push(texts, event->metadata[i]);
	buf_reset(places);
	history_places_encode(place, 1, places);
	return (struct index_run){
	    .number = event->number,
	    .tenant = event->tenant | INDEX_EVENTS,
	    .seq = 1,
	    .id = pushed_id(event->tenant, event->number),
	    .status = ENG_COMPLETED,
	    .created_ns = event->time_ns,
	    .finished_ns = event->time_ns,
	    .workflow = event->name,
	    .metadata = buf_bytes(texts),
	    .places = buf_bytes(places),
	};
}
