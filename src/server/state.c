#include "server/state.h"

#include "base/mem.h"
#include "server/history.h"
#include "server/record.h"

#include <inttypes.h>

#define PLACES_ROWS_MAX 4096u
/* eng_small() up to which the hash is always looked at: some ten milliseconds. */
#define HURRY_SIZE_MAX 100000u

void
state_init(struct state *state, size_t cache_bytes)
{
	*state = (struct state){
	    .eng = eng_open(),
	    .resolver = resolver_open(cache_bytes),
	    .cache_bytes = cache_bytes,
	};
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
	if (base->number == 0)
		state->eng = eng_open();
	else
		state->load = eng_load_open();
	return FROE_OK;
}

static enum froe_err
load_places(struct state *state, const struct log_record *record, struct froe_fault *fault)
{
	uint32_t count = history_places_count(record->body), known;
	if (record->run_key == 0 || count == 0 ||
	    (size_t)count * HISTORY_PLACE_BYTES != record->body.size)
		return fault_set(
		    fault, FROE_CORRUPT, "the places of run %" PRIu64 " are none", record->run_key);
	FROE_DROP(resolver_run(state->resolver, record->run_key, &known), "only how many");
	if (known + (uint64_t)count > UINT32_MAX)
		return fault_set(fault, FROE_CORRUPT, "the places of run %" PRIu64 " are too many",
		    record->run_key);
	struct log_place *places = arena_alloc(&state->arena, count * sizeof(*places));
	for (uint32_t i = 0; i < count; i++)
		places[i] = history_place_decode(record->body, i);
	resolver_load(state->resolver, record->run_key, places, count);
	return FROE_OK;
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
	return eng_load_put(state->load, &saved, fault);
}

struct places_check {
	const struct state *state;
	size_t runs;
	uint64_t bad; /* a run */
};

static void
places_check_run(void *context, uint64_t run, uint32_t records)
{
	struct places_check *check = context;
	uint32_t count;
	FROE_DROP(resolver_run(check->state->resolver, run, &count), "only how many");
	if (count != records)
		check->bad = run;
	check->runs++;
}

static enum froe_err
state_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct state *state = context;
	struct eng_load *load = state->load;
	state->load = NULL;
	enum froe_err err = eng_load_close(load, &state->eng, fault);
	if (err != FROE_OK)
		return err;
	bool looks = !state->hurry || eng_small(state->eng, HURRY_SIZE_MAX);
	if (looks && eng_hash(state->eng) != state_hash)
		return fault_set(
		    fault, FROE_CORRUPT, "the state that was loaded is not the one that was saved");
	struct places_check check = {.state = state};
	eng_run_lengths(state->eng, places_check_run, &check);
	if (check.bad != 0 || check.runs != resolver_runs(state->resolver))
		return fault_set(fault, FROE_CORRUPT,
		    "the places of run %" PRIu64 "'s records are not all there, or too many",
		    check.bad);
	return FROE_OK;
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
	enum froe_err err = record_decode(record, &state->arena, ret_event, fault);
	if (err != FROE_OK || ret_event->type == 0)
		return err;
	if (before != NULL)
		FROE_DROP(eng_run_info(state->eng, ret_event->run,
			      ret_event->type == ENG_EV_RUN_CLOSED ? &state->arena : NULL, before),
		    "a run that starts is not there yet");
	err = eng_apply_logged(state->eng, ret_event, fault);
	if (err != FROE_OK || ret_event->run == 0)
		return err;
	if (ret_event->type == ENG_EV_RUN_REPLAYED)
		err = history_adopt(state->resolver, ret_event, fault);
	if (err != FROE_OK)
		return err;
	struct log_place place = {
	    .lsn = record->lsn,
	    .event_seq = record->event_seq,
	    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)record->body.size,
	};
	resolver_add(state->resolver, ret_event->run, ret_event->run_event_no, place, record->type,
	    record->time_ns, record->body);
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- saving */

struct saving {
	const struct state *state;
	struct snapshot_writer *writer;
	const atomic_bool *stop;
	struct buf body;
};

static enum froe_err
save_places(struct saving *saving, uint64_t run, struct froe_fault *fault)
{
	uint32_t count;
	const struct log_place *places = resolver_run(saving->state->resolver, run, &count);
	enum froe_err err = FROE_OK;
	for (uint32_t at = 0; at < count && err == FROE_OK; at += PLACES_ROWS_MAX) {
		uint32_t rows = count - at < PLACES_ROWS_MAX ? count - at : PLACES_ROWS_MAX;
		struct log_entry entry = {.type = STATE_PLACES_TYPE, .run_key = run};
		buf_reset(&saving->body);
		history_places_encode(places + at, rows, &saving->body);
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
