#include "server/state.h"

#include "base/mem.h"
#include "server/history.h"
#include "server/record.h"

#include <inttypes.h>

#define PLACES_ROWS_MAX 4096u
#define PLACES_PUT 64u
/* eng_small() up to which the hash is always looked at: some ten milliseconds. */
#define HURRY_SIZE_MAX 100000u

void
state_init(struct state *state, struct io_env *env, size_t cache_bytes)
{
	*state = (struct state){
	    .eng = eng_open(),
	    .resolver = resolver_open(cache_bytes),
	    .cache_bytes = cache_bytes,
	};
	io_random(env, &state->seed, sizeof(state->seed));
	eng_seed(state->eng, &state->seed);
	arena_init(&state->arena, 0);
}

static void
state_drop(struct state *state)
{
	if (state->load != NULL)
		eng_load_abort(state->load);
	if (state->eng != NULL)
		eng_close(state->eng);
	if (state->resolver != NULL)
		resolver_close(state->resolver);
	state->load = NULL;
	state->eng = NULL;
	state->resolver = NULL;
	state->load_run = 0;
	state->load_missing = 0;
}

void
state_release(struct state *state)
{
	state_drop(state);
	arena_release(&state->arena);
}

/* ------------------------------------------------------------------------------------- loading */

static enum froe_err
state_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct state *state = context;
	(void)whole;
	(void)fault;
	state_drop(state);
	state->resolver = resolver_open(state->cache_bytes);
	if (base->number == 0) {
		state->eng = eng_open();
		eng_seed(state->eng, &state->seed);
	} else {
		state->load = eng_load_open();
		eng_load_seed(state->load, &state->seed);
	}
	return FROE_OK;
}

static enum froe_err
load_places(struct state *state, const struct log_record *record, struct froe_fault *fault)
{
	uint32_t count = history_places_count(record->body);
	if (record->run_key == 0 || count == 0 ||
	    (size_t)count * HISTORY_PLACE_BYTES != record->body.size)
		return fault_set(
		    fault, FROE_CORRUPT, "the places of run %" PRIu64 " are none", record->run_key);
	if (record->run_key != state->load_run || count > state->load_missing)
		return fault_set(fault, FROE_CORRUPT,
		    "the places of run %" PRIu64 " are too many, or not behind it",
		    record->run_key);
	state->load_missing -= count;
	struct log_place *places = arena_alloc(&state->arena, count * sizeof(*places));
	for (uint32_t i = 0; i < count; i++)
		places[i] = history_place_decode(record->body, i);
	resolver_load_next(state->resolver, record->run_key, places, count);
	return FROE_OK;
}

static enum froe_err
check_missing(const struct state *state, struct froe_fault *fault)
{
	if (state->load_missing == 0)
		return FROE_OK;
	return fault_set(fault, FROE_CORRUPT,
	    "the places of run %" PRIu64 "'s records are not all there", state->load_run);
}

static enum froe_err
state_take(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct state *state = context;
	struct eng_event event;
	struct eng_saved saved = {
	    .type = record->type,
	    .run = record->run_key,
	    .body = record->body,
	};
	arena_reset(&state->arena);
	if (record->type == STATE_PLACES_TYPE)
		return load_places(state, record, fault);
	if (record->type < ENG_OBJECT_FIRST || record->type > ENG_OBJECT_LAST) {
		enum froe_err err = record_decode(record, &state->arena, &event, fault);
		if (err != FROE_OK || event.type == 0)
			return err;
		saved.event = &event;
	}
	enum froe_err err = check_missing(state, fault);
	if (err == FROE_OK)
		err = eng_load_put(state->load, &saved, fault);
	if (err == FROE_OK && saved.type == ENG_OBJ_ENGINE)
		resolver_reserve(state->resolver, eng_load_runs(state->load));
	if (err == FROE_OK && saved.type == ENG_OBJ_RUN) {
		state->load_run = saved.run;
		state->load_missing = eng_load_records(state->load);
	}
	return err;
}

static enum froe_err
state_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct state *state = context;
	struct eng_load *load = state->load;
	state->load = NULL;
	bool once = resolver_load_end(state->resolver);
	enum froe_err err = eng_load_close(load, &state->eng, fault);
	if (err == FROE_OK)
		err = check_missing(state, fault);
	if (err != FROE_OK)
		return err;
	bool looks = !state->hurry || eng_small(state->eng, HURRY_SIZE_MAX);
	if (looks && eng_hash(state->eng) != state_hash)
		return fault_set(
		    fault, FROE_CORRUPT, "the state that was loaded is not the one that was saved");
	return once ? FROE_OK : fault_set(fault, FROE_CORRUPT, "a run's places came twice");
}

const struct log_loader state_loader = {
    .begin = state_begin,
    .record = state_take,
    .end = state_end,
};

/* ------------------------------------------------------------------------------------ applying */

enum froe_err
state_apply(struct state *state, const struct log_record *record, struct eng_event *ret_event,
    struct eng_run_info *before, struct froe_fault *fault)
{
	arena_reset(&state->arena);
	eng_prefetch(state->eng, record->run_key);
	resolver_prefetch(state->resolver, record->run_key);
	enum froe_err err = record_decode(record, &state->arena, ret_event, fault);
	if (err != FROE_OK || ret_event->type == 0)
		return err;
	if (ret_event->type == ENG_EV_RUN_STARTED)
		eng_prefetch_id(state->eng, ret_event->id);
	else if (before != NULL)
		FROE_DROP(eng_run_info(state->eng, ret_event->run,
			      ret_event->type == ENG_EV_RUN_CLOSED ? &state->arena : NULL, before),
		    "one that goes on is not there yet");
	err = eng_apply_logged(state->eng, ret_event, fault);
	if (err != FROE_OK || ret_event->run == 0)
		return err;
	if (ret_event->type == ENG_EV_RUN_REPLAYED)
		err = history_adopt(state->resolver, ret_event, fault);
	if (err != FROE_OK)
		return err;
	struct log_place place = log_place_of(record);
	struct log_entry entry = {
	    .type = record->type,
	    .run_event_no = ret_event->run_event_no,
	    .run_key = ret_event->run,
	    .time_ns = record->time_ns,
	    .body = record->body,
	};
	if (ret_event->type == ENG_EV_LATE_LOGGED)
		resolver_add_late(state->resolver, &entry, &place);
	else
		resolver_add(state->resolver, &entry, &place, 1);
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- saving */

void
state_places_put(struct resolver *resolver, uint64_t run, uint32_t from, uint32_t count,
    struct buf *to)
{
	struct log_place places[PLACES_PUT];
	for (uint32_t at = 0; at < count; at += PLACES_PUT) {
		uint32_t rows = count - at < PLACES_PUT ? count - at : PLACES_PUT;
		resolver_places(resolver, run, from + at, rows, places);
		history_places_encode(places, rows, to);
	}
}

struct saving {
	const struct state *state;
	struct snapshot_writer *writer;
	const atomic_bool *stop;
	struct buf body;
};

static enum froe_err
save_places(struct saving *saving, uint64_t run, struct froe_fault *fault)
{
	struct resolver *resolver = saving->state->resolver;
	uint32_t count = resolver_count(resolver, run);
	enum froe_err err = FROE_OK;
	for (uint32_t at = 0; at < count && err == FROE_OK; at += PLACES_ROWS_MAX) {
		uint32_t rows = count - at < PLACES_ROWS_MAX ? count - at : PLACES_ROWS_MAX;
		struct log_entry entry = {.type = STATE_PLACES_TYPE, .run_key = run};
		buf_reset(&saving->body);
		state_places_put(resolver, run, at, rows, &saving->body);
		entry.body = buf_bytes(&saving->body);
		err = snapshot_put(saving->writer, &entry, fault);
	}
	return err;
}

static enum froe_err
save_each(void *context, const struct eng_saved *saved, struct froe_fault *fault)
{
	struct saving *saving = context;
	struct log_entry entry = {
	    .type = saved->type,
	    .run_key = saved->run,
	    .body = saved->body,
	};
	if (saving->stop != NULL && atomic_load_explicit(saving->stop, memory_order_acquire))
		return fault_set(fault, FROE_UNAVAILABLE, "the server stops");
	if (saved->event != NULL) {
		buf_reset(&saving->body);
		record_encode(saved->event, &saving->body);
		entry.body = buf_bytes(&saving->body);
		entry.time_ns = saved->event->time_ns; /* of a token: when it was made */
	}
	enum froe_err err = snapshot_put(saving->writer, &entry, fault);
	if (err == FROE_OK && saved->type == ENG_OBJ_RUN)
		err = save_places(saving, saved->run, fault);
	return err;
}

enum froe_err
state_save(const struct state *state, struct snapshot_writer *writer, const atomic_bool *stop,
    struct froe_fault *fault)
{
	struct saving saving = {.state = state, .writer = writer, .stop = stop};
	buf_init(&saving.body);
	enum froe_err err = eng_save(state->eng, save_each, &saving, fault);
	buf_release(&saving.body);
	return err;
}
