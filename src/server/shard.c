#include "server/shard.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/plant.h"
#include "server/record.h"

#include <inttypes.h>

/* Timers and cut work decided in one turn, so that sockets get theirs. */
#define TURN_STEPS_MAX 1000

/* ------------------------------------------------------------------------------------ recovery */

static void
shard_replays(struct shard *shard)
{
	if (!shard->replaying && shard->hooks.replays != NULL)
		shard->hooks.replays(shard->hooks.context, &shard->report);
	shard->replaying = true;
}

static enum froe_err
shard_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct shard *shard = context;
	shard_replays(shard);
	return state_loader.begin(&shard->state, base, whole, fault);
}

static enum froe_err
shard_load(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct shard *shard = context;
	return state_loader.record(&shard->state, record, fault);
}

static enum froe_err
shard_loaded(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct shard *shard = context;
	return state_loader.end(&shard->state, state_hash, fault);
}

static const struct log_loader shard_loader = {
    .begin = shard_begin,
    .record = shard_load,
    .end = shard_loaded,
};

/* The hooks look at the shard's engine and resolver. */
static enum froe_err
shard_replay(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct shard *shard = context;
	struct eng_event event;
	struct eng_run_info info = {0};
	shard_replays(shard);
	shard->eng = shard->state.eng;
	shard->resolver = shard->state.resolver;
	enum froe_err err = state_apply(&shard->state, record, &event, &info, fault);
	struct log_place place = log_place_of(record);
	if (err == FROE_OK && event.type != 0 && shard->hooks.replayed != NULL)
		shard->hooks.replayed(
		    shard->hooks.context, &event, &place, &info, record->frame_seq);
	return err;
}

/* From here on they are the shard's. */
static void
shard_take_state(struct shard *shard)
{
	shard->eng = shard->state.eng;
	shard->resolver = shard->state.resolver;
	shard->state.eng = NULL;
	shard->state.resolver = NULL;
	state_release(&shard->state);
}

enum froe_err
shard_open(struct shard *shard, struct io_env *env, const struct shard_options *options,
    const struct shard_hooks *hooks, struct froe_fault *fault)
{
	struct log_options log = options->log;
	*shard = (struct shard){.env = env, .hooks = *hooks, .runs_max = options->runs_max};
	log.loader = options->replay_all ? NULL : &shard_loader;
	state_init(&shard->state, env, options->cache_bytes);
	shard->state.hurry = true;
	ring_init(&shard->notes, SHARD_NOTES);
	buf_init(&shard->bodies);
	enum froe_err err =
	    log_open(env, &log, shard_replay, shard, &shard->log, &shard->report, fault);
	if (err != FROE_OK) {
		state_release(&shard->state);
		shard->log = NULL;
		shard->eng = NULL;
		shard->resolver = NULL;
		shard_close(shard);
		return err;
	}
	shard_take_state(shard);
	clock_init(&shard->clock, env, shard->report.last_time_ns);
	io_random(env, &shard->dice, sizeof(shard->dice));
	return FROE_OK;
}

enum froe_err
shard_start(struct shard *shard, struct io *io, struct froe_fault *fault)
{
	uint64_t last_ns = shard->report.last_time_ns;
	log_start(shard->log, io);
	uint64_t now_ns = clock_read(&shard->clock, io_mono_ns(shard->env));
	struct eng_command command = {
	    .type = ENG_CMD_ENGINE_START,
	    .engine_start =
	        {
	            .epoch = shard->report.epoch,
	            .downtime_ns = last_ns != 0 ? now_ns - last_ns : 0,
	        },
	};
	if (!log_has_place(shard->log, eng_step_bytes_max(shard->eng, &command)))
		return fault_set(fault, FROE_NO_SPACE,
		    "the disk is full, and the log's segment has no place left to write down that "
		    "the server starts: free the space of one segment");
	FROE_DROP(shard_step(shard, &command), "it always has an event");
	return FROE_OK;
}

void
shard_prefault(struct shard *shard, struct prefault *prefault)
{
	eng_prefault(shard->eng, prefault);
	resolver_prefault(shard->resolver, prefault);
}

void
shard_close(struct shard *shard)
{
	if (shard->log != NULL)
		log_close(shard->log);
	if (shard->eng != NULL) {
		resolver_close(shard->resolver);
		eng_close(shard->eng);
	}
	struct shard_note *note;
	while ((note = ring_pop(&shard->notes)) != NULL)
		mem_free(note);
	ring_release(&shard->notes);
	buf_release(&shard->bodies);
	mem_free(shard->entries);
	mem_free(shard->places);
}

size_t
shard_payload_bytes_max(const struct shard *shard)
{
	return (size_t)log_payload_bytes_max(shard->log);
}

bool
shard_has_room(const struct shard *shard, const struct eng_command *command)
{
	return log_has_room(shard->log, eng_step_bytes_max(shard->eng, command));
}

static void
step_reserve(struct shard *shard, size_t count)
{
	if (count <= shard->entry_capacity)
		return;
	shard->entry_capacity = count * 2;
	shard->entries =
	    mem_resize(shard->entries, shard->entry_capacity * sizeof(*shard->entries));
	shard->places = mem_resize(shard->places, shard->entry_capacity * sizeof(*shard->places));
}

/* What retention has to know of a run. */
static uint8_t
record_flags(enum eng_event_type type)
{
	if (type == ENG_EV_RUN_REPLAYED)
		return LOG_RECORD_REOPENS;
	return type == ENG_EV_RUN_CLOSED ? LOG_RECORD_CLOSES : 0;
}

/* How many of the first ones are of the same run. */
static uint32_t
entries_alike(const struct log_entry *entries, size_t count)
{
	uint32_t alike = 1;
	while (alike < count && entries[alike].run_key == entries[0].run_key)
		alike++;
	return alike;
}

/* The resolver learns where the runs' records lie. */
static void
step_resolve(struct shard *shard, size_t count)
{
	const struct log_entry *entry = shard->entries, *end = entry + count;
	const struct log_place *place = shard->places;
	while (entry < end) {
		uint32_t alike = 1;
		if (entry->type == ENG_EV_LATE_LOGGED) {
			resolver_add_late(shard->resolver, entry, place);
		} else if (entry->run_key != 0) {
			alike = entries_alike(entry, (size_t)(end - entry));
			resolver_add(shard->resolver, entry, place, alike);
		}
		entry += alike;
		place += alike;
	}
}

/* No less than what the log takes of it. */
static size_t
step_size_max(const struct eng_output *output)
{
	size_t size = 0;
	for (size_t i = 0; i < output->event_count; i++)
		size += log_record_span(record_size_max(&output->events[i]));
	return size;
}

/* The step's events as entries, with their bodies where they would lie from `at` on. False: that
 * there is room for them in so many bytes is not sure. */
static bool
step_encode(const struct eng_output *output, struct log_entry *entry, uint8_t *at, size_t room)
{
	const struct eng_event *event = output->events, *end = event + output->event_count;
	for (; event < end; event++, entry++) {
		if (log_record_span(record_size_max(event)) > room)
			return false;
		uint8_t *body = at + LOG_RECORD_HEADER_BYTES;
		size_t size = (size_t)(record_store(event, body) - body);
		*entry = (struct log_entry){
		    .type = (uint16_t)event->type,
		    .flags = record_flags(event->type),
		    .run_event_no = event->run_event_no,
		    .run_key = event->run,
		    .time_ns = event->time_ns,
		    .body = bytes_of(body, size),
		};
		size_t span = log_record_span(size);
		froe_assert(span <= room);
		at += span;
		room -= span;
	}
	return true;
}

/* All events of the step go into one frame. They are encoded where they will lie there, if that is
 * known. */
static void
step_append(struct shard *shard, const struct eng_output *output)
{
	size_t count = output->event_count, room = 0;
	step_reserve(shard, count);
	uint8_t *at = log_tail(shard->log, &room);
	if (at == NULL || !step_encode(output, shard->entries, at, room)) {
		room = step_size_max(output);
		buf_reset(&shard->bodies);
		at = buf_reserve(&shard->bodies, room);
		froe_assert(step_encode(output, shard->entries, at, room));
	}
	log_append(shard->log, shard->clock.now_ns, shard->entries, count, shard->places);
	step_resolve(shard, count);
}

/* The step was the first of a new segment. Without room for a note there is none. */
static void
shard_note(struct shard *shard, uint64_t segment, uint64_t digest, size_t count)
{
	struct shard_note *note = mem_zalloc(sizeof(*note));
	*note = (struct shard_note){
	    .segment = segment,
	    .digest = digest,
	    .event_seq = shard->places[count - 1].event_seq,
	};
	if (eng_small(shard->eng, SHARD_NOTE_SIZE_MAX))
		note->state_hash = eng_hash(shard->eng);
	if (!ring_push(&shard->notes, note))
		mem_free(note);
}

/* SplitMix64 (base/hash.h), for jitter, which need not be kept secret. */
static uint64_t
shard_random(struct shard *shard)
{
	return hash_words(0, shard->dice += HASH_GOLDEN);
}

/* What a command does not say, but the shard. */
static void
step_complete(struct shard *shard, struct eng_command *command)
{
	command->hold = log_space(shard->log) >= LOG_SPACE_HARD && !plant(HOLD_IGNORED);
	command->runs_max = shard->runs_max;
	if (command->lapse_ns == 0)
		command->lapse_ns = shard->clock.now_ns + shard->lapse_ns;
}

size_t
shard_step(struct shard *shard, struct eng_command *command)
{
	step_complete(shard, command);
	bool near = shard->noting && log_segment_may_end(shard->log);
	uint64_t digest = near ? eng_digest(shard->eng) : 0;
	uint64_t segment = log_segment(shard->log);
	const struct eng_output *output =
	    eng_step(shard->eng, command, shard->clock.now_ns, shard_random(shard));
	if (output->event_count > 0)
		step_append(shard, output);
	if (shard->noting && log_segment(shard->log) != segment)
		shard_note(shard, segment, digest, output->event_count);
	uint64_t frame = log_tail_seq(shard->log);
	const struct log_place *place = shard->places;
	for (size_t i = 0; i < output->event_count; i++, place++)
		shard->hooks.event(shard->hooks.context, &output->events[i], place, frame);
	for (size_t i = 0; i < output->effect_count; i++) {
		bool early = plant(DISPATCH_EARLY) && output->effects[i].type == ENG_EFF_DISPATCH;
		shard->hooks.effect(shard->hooks.context, &output->effects[i], frame - early);
	}
	return output->event_count;
}

bool
shard_turn(struct shard *shard, uint64_t mono_ns)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint64_t now_ns = clock_read(&shard->clock, mono_ns);
	log_pass_time(shard->log, now_ns);
	bool hold = log_space(shard->log) >= LOG_SPACE_HARD && !plant(HOLD_IGNORED);
	for (int i = 0; i < TURN_STEPS_MAX; i++) {
		if (eng_next_deadline_ns(shard->eng) <= now_ns)
			command.type = ENG_CMD_TIMER;
		else if (eng_pending(shard->eng) && !hold)
			command.type = ENG_CMD_SCHEDULE;
		else
			return false;
		if (!shard_has_room(shard, &command))
			return true;
		/* A timer's step without an event: the deadline was a bound; it is exact now. */
		FROE_DROP(shard_step(shard, &command), "see above");
	}
	return true;
}

uint64_t
shard_deadline_ns(const struct shard *shard)
{
	uint64_t timer_ns = eng_next_deadline_ns(shard->eng);
	uint64_t alarm_ns = log_alarm_ns(shard->log);
	return clock_mono_of(&shard->clock, timer_ns < alarm_ns ? timer_ns : alarm_ns);
}
