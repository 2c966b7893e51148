/*
 * A run's row is put when its first record comes, so that it is found by its id early on; its end
 * is told by what changes then (index_end). In between only the places of its records are kept
 * here. A record that does not follow the one before it in its run is of a run whose beginning is
 * gone: nothing is kept of it.
 */
#include "server/rebuild.h"

#include "base/mem.h"
#include "index/texts.h"
#include "log/trail.h"
#include "server/history.h"
#include "server/pushed.h"
#include "server/record.h"

/* A step reads so many bytes of records, and a frame more. */
#define STEP_BYTES ((size_t)256 << 10)

/* An open run. */
struct rebuild_run {
	struct uuid id;
	uint32_t tenant;
	uint32_t count;
	struct buf places;
};

struct rebuild {
	struct rebuild_options options;
	struct index *index;
	struct trail *trail;
	struct map runs; /* run key -> struct rebuild_run */
	struct map dropped; /* run key -> itself, so to speak */
	struct arena arena; /* of one record */
	struct buf texts;
	struct buf places; /* of an event */
	size_t step_bytes;
};

struct rebuild *
rebuild_open(const struct rebuild_options *options, struct index *index, struct froe_fault *fault)
{
	struct rebuild *rebuild = mem_zalloc(sizeof(*rebuild));
	rebuild->options = *options;
	rebuild->index = index;
	arena_init(&rebuild->arena, 0);
	buf_init(&rebuild->texts);
	buf_init(&rebuild->places);
	map_init(&rebuild->runs);
	map_init(&rebuild->dropped);
	rebuild->trail = trail_open(options->env, options->dir, options->store, fault);
	if (rebuild->trail == NULL) {
		rebuild_close(rebuild);
		return NULL;
	}
	if (options->pass_damage)
		trail_pass_damage(rebuild->trail);
	return rebuild;
}

static void
run_free(struct rebuild_run *run)
{
	buf_release(&run->places);
	mem_free(run);
}

void
rebuild_close(struct rebuild *rebuild)
{
	if (rebuild == NULL)
		return;
	for (size_t i = 0; i < rebuild->runs.capacity; i++) {
		if (rebuild->runs.entries[i].value != NULL)
			run_free(rebuild->runs.entries[i].value);
	}
	map_release(&rebuild->runs);
	map_release(&rebuild->dropped);
	trail_close(rebuild->trail);
	arena_release(&rebuild->arena);
	buf_release(&rebuild->texts);
	buf_release(&rebuild->places);
	mem_free(rebuild);
}

void
rebuild_drop(struct rebuild *rebuild, uint64_t run)
{
	struct rebuild_run *known = map_remove_u64(&rebuild->runs, run);
	if (known != NULL)
		run_free(known);
	map_put_u64(&rebuild->dropped, run, rebuild);
}

uint64_t
rebuild_frame(const struct rebuild *rebuild)
{
	return trail_frame(rebuild->trail);
}

/* -------------------------------------------------------------------------------------- records */

static void
put_started(struct rebuild *rebuild, const struct eng_event *event)
{
	uint32_t number;
	struct index_run row = {
	    .number = event->run,
	    .tenant = event->tenant,
	    .seq = event->run_event_no,
	    .id = event->id,
	    .parent = uuid_run_of(event->parent, &number),
	    .status = ENG_QUEUED,
	    .created_ns =
	        event->type == ENG_EV_RUN_REPLAYED ? event->created_ns : event->time_ns,
	    .workflow = names_get(rebuild->options.names, NAMES_WORKFLOW, event->workflow),
	};
	buf_reset(&rebuild->texts);
	for (uint32_t i = 0; i < event->metadata_count; i++)
		texts_push(&rebuild->texts, event->metadata[i]);
	row.metadata = buf_bytes(&rebuild->texts);
	index_put(rebuild->index, &row);
}

static struct rebuild_run *
run_begin(struct rebuild *rebuild, const struct eng_event *event)
{
	struct rebuild_run *run = mem_zalloc(sizeof(*run));
	run->id = event->id;
	run->tenant = event->tenant;
	buf_init(&run->places);
	map_put_u64(&rebuild->runs, event->run, run);
	if (event->type == ENG_EV_RUN_REPLAYED) { /* it knows where the earlier ones lie */
		buf_push(&run->places, event->places.data, event->places.size);
		run->count = history_places_count(event->places);
	}
	put_started(rebuild, event);
	return run;
}

static void
run_close(struct rebuild *rebuild, const struct eng_event *event, struct rebuild_run *run)
{
	struct index_run end = {
	    .number = event->run,
	    .tenant = run->tenant,
	    .seq = event->run_event_no,
	    .status = (uint8_t)event->status,
	    .finished_ns = event->time_ns,
	    .places = buf_bytes(&run->places),
	};
	index_end(rebuild->index, &end);
	map_remove_u64(&rebuild->runs, event->run);
	run_free(run);
}

/* A record behind the run's end. */
static void
run_late(struct rebuild *rebuild, const struct eng_event *event, const struct log_place *place)
{
	struct index_run row = {
	    .number = event->run, .tenant = event->tenant, .seq = event->run_event_no};
	buf_reset(&rebuild->texts);
	history_places_encode(place, 1, &rebuild->texts);
	row.places = buf_bytes(&rebuild->texts);
	index_extend(rebuild->index, &row);
}

/* Records that were not read lay where the log is damaged: whoever reads them there is told. False:
 * it is not damaged. */
static bool
run_fill(struct rebuild *rebuild, struct rebuild_run *run, uint32_t before)
{
	struct log_place place = {.size = LOG_RECORD_HEADER_BYTES};
	if (run->count + 1 < before && trail_damages(rebuild->trail, &place.lsn) == 0)
		return false;
	for (; run->count + 1 < before; run->count++)
		history_places_encode(&place, 1, &run->places);
	return true;
}

static void
run_record(struct rebuild *rebuild, const struct eng_event *event, const struct log_place *place)
{
	struct rebuild_run *run = map_get_u64(&rebuild->runs, event->run);
	if (run == NULL && event->type == ENG_EV_LATE_LOGGED)
		run_late(rebuild, event, place);
	if (run == NULL &&
	    (event->type == ENG_EV_RUN_STARTED || event->type == ENG_EV_RUN_REPLAYED) &&
	    map_get_u64(&rebuild->dropped, event->run) == NULL)
		run = run_begin(rebuild, event);
	if (run == NULL || event->run_event_no <= run->count ||
	    !run_fill(rebuild, run, event->run_event_no))
		return;
	history_places_encode(place, 1, &run->places);
	run->count++;
	if (event->type == ENG_EV_TASK_ASSIGNED) {
		struct bytes worker =
		    names_get(rebuild->options.names, NAMES_WORKER, event->worker);
		if (worker.size > 0)
			index_touch(rebuild->index, run->tenant, event->run, worker);
	}
	if (event->type == ENG_EV_RUN_CLOSED)
		run_close(rebuild, event, run);
}

static void
put_pushed(struct rebuild *rebuild, const struct eng_event *event, const struct log_place *place)
{
	struct index_run row = pushed_row(event, place, &rebuild->texts, &rebuild->places);
	index_put(rebuild->index, &row);
}

static enum froe_err
rebuild_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct rebuild *rebuild = context;
	struct eng_event event;
	rebuild->step_bytes += record->body.size + LOG_RECORD_HEADER_BYTES;
	if (record->frame_seq > rebuild->options.until)
		return FROE_OK;
	arena_reset(&rebuild->arena);
	enum froe_err err = record_decode(record, &rebuild->arena, &event, fault);
	if (err != FROE_OK || event.type == 0)
		return err;
	struct log_place place = log_place_of(record);
	if (event.type == ENG_EV_WORKFLOW_PUT)
		names_put(rebuild->options.names, NAMES_WORKFLOW, event.workflow, event.name);
	else if (event.type == ENG_EV_WORKER_REGISTERED)
		names_put(rebuild->options.names, NAMES_WORKER, event.worker, event.name);
	else if (event.type == ENG_EV_WORKER_LEFT)
		names_left(rebuild->options.names, NAMES_WORKER, event.worker);
	else if (event.type == ENG_EV_EVENT_PUSHED)
		put_pushed(rebuild, &event, &place);
	else if (event.run != 0)
		run_record(rebuild, &event, &place);
	return FROE_OK;
}

enum froe_err
rebuild_step(struct rebuild *rebuild, bool *ret_done, struct froe_fault *fault)
{
	rebuild->step_bytes = 0;
	*ret_done = trail_frame(rebuild->trail) >= rebuild->options.until;
	while (!*ret_done && rebuild->step_bytes < STEP_BYTES) {
		rebuild->step_bytes += LOG_BLOCK_BYTES; /* also where nothing is found */
		enum froe_err err = trail_step(rebuild->trail, rebuild_record, rebuild, fault);
		if (err != FROE_OK)
			return err;
		*ret_done = trail_frame(rebuild->trail) >= rebuild->options.until;
	}
	return FROE_OK;
}

/* -------------------------------------------------------------------------------- what is lost */

unsigned
rebuild_damages(const struct rebuild *rebuild)
{
	struct lsn last;
	return trail_damages(rebuild->trail, &last);
}

static void
lost_look(void *context, const struct index_run *row)
{
	bool *open = context;
	*open = row->finished_ns == 0;
}

enum froe_err
rebuild_lost(const struct rebuild *rebuild, const struct openset *set)
{
	for (size_t i = 0; i < rebuild->runs.capacity; i++) {
		const struct rebuild_run *run = rebuild->runs.entries[i].value;
		uint64_t number = rebuild->runs.entries[i].key[1];
		bool open = false;
		if (run == NULL || openset_get(set, run->tenant, number) != 0)
			continue;
		enum froe_err err = index_find(rebuild->index, run->id, lost_look, &open);
		if (err != FROE_OK && err != FROE_NOT_FOUND)
			return err;
		if (open)
			index_drop(rebuild->index, run->tenant, number);
	}
	return FROE_OK;
}
