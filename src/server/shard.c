#include "server/shard.h"

#include "base/mem.h"
#include "server/record.h"

/* Timers and cut work decided in one turn, so that sockets get theirs. */
#define TURN_STEPS_MAX 1000

static enum froe_err
shard_replay(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct shard *shard = context;
	struct eng_event event;
	struct eng_run_info info = {0};
	if (!shard->replaying && shard->hooks.replays != NULL)
		shard->hooks.replays(shard->hooks.context, &shard->report);
	shard->replaying = true;
	arena_reset(&shard->arena);
	enum froe_err err = record_decode(record, &shard->arena, &event, fault);
	if (err != FROE_OK || event.type == 0)
		return err;
	FROE_DROP(eng_run_info(shard->eng, event.run,
	              event.type == ENG_EV_RUN_CLOSED ? &shard->arena : NULL, &info),
	    "a run that starts is not there yet");
	err = eng_apply_logged(shard->eng, &event, fault);
	if (err != FROE_OK)
		return err;
	if (event.run != 0) {
		struct log_place place = {
		    .lsn = record->lsn,
		    .event_seq = record->event_seq,
		    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)record->body.size,
		};
		resolver_add(shard->resolver, event.run, event.run_event_no, place, record->type,
		    record->time_ns, record->body);
	}
	if (shard->hooks.replayed != NULL)
		shard->hooks.replayed(shard->hooks.context, &event, &info, record->frame_seq);
	return FROE_OK;
}

enum froe_err
shard_open(struct shard *shard, struct io_env *env, const struct shard_options *options,
    const struct shard_hooks *hooks, struct froe_fault *fault)
{
	*shard = (struct shard){
	    .env = env,
	    .eng = eng_open(),
	    .resolver = resolver_open(options->cache_bytes),
	    .hooks = *hooks,
	};
	arena_init(&shard->arena, 0);
	buf_init(&shard->bodies);
	enum froe_err err = log_open(env, &options->log, shard_replay, shard, &shard->log,
	    &shard->report, fault);
	if (err != FROE_OK) {
		shard->log = NULL;
		shard_close(shard);
		return err;
	}
	clock_init(&shard->clock, env, shard->report.last_time_ns);
	return FROE_OK;
}

void
shard_start(struct shard *shard, struct io *io)
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
	FROE_DROP(shard_step(shard, &command), "it always has an event");
}

void
shard_close(struct shard *shard)
{
	if (shard->log != NULL)
		log_close(shard->log);
	resolver_close(shard->resolver);
	eng_close(shard->eng);
	arena_release(&shard->arena);
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
	return type == ENG_EV_RUN_CLOSED ? LOG_RECORD_CLOSES : 0;
}

/* All events of the step go into one frame; the resolver learns where the runs' lie. */
static void
step_append(struct shard *shard, const struct eng_output *output)
{
	size_t count = output->event_count, at = 0;
	step_reserve(shard, count);
	buf_reset(&shard->bodies);
	for (size_t i = 0; i < count; i++) {
		const struct eng_event *event = &output->events[i];
		shard->entries[i] = (struct log_entry){
		    .type = (uint16_t)event->type,
		    .flags = record_flags(event->type),
		    .run_event_no = event->run_event_no,
		    .run_key = event->run,
		    .time_ns = event->time_ns,
		    .body.size = record_encode(event, &shard->bodies),
		};
	}
	for (size_t i = 0; i < count; i++) { /* the buffer has stopped moving */
		shard->entries[i].body.data = shard->bodies.data + at;
		at += shard->entries[i].body.size;
	}
	log_append(shard->log, shard->clock.now_ns, shard->entries, count, shard->places);
	for (size_t i = 0; i < count; i++) {
		const struct log_entry *entry = &shard->entries[i];
		if (entry->run_key != 0) {
			resolver_add(shard->resolver, entry->run_key, entry->run_event_no,
			    shard->places[i], entry->type, entry->time_ns, entry->body);
		}
	}
}

size_t
shard_step(struct shard *shard, const struct eng_command *command)
{
	uint64_t random;
	struct eng_command step = *command;
	step.hold = log_space(shard->log) >= LOG_SPACE_HARD;
	io_random(shard->env, &random, sizeof(random));
	const struct eng_output *output =
	    eng_step(shard->eng, &step, shard->clock.now_ns, random);
	if (output->event_count > 0)
		step_append(shard, output);
	uint64_t frame = log_tail_seq(shard->log);
	for (size_t i = 0; i < output->event_count; i++)
		shard->hooks.event(shard->hooks.context, &output->events[i], frame);
	for (size_t i = 0; i < output->effect_count; i++)
		shard->hooks.effect(shard->hooks.context, &output->effects[i], frame);
	return output->event_count;
}

bool
shard_turn(struct shard *shard, uint64_t mono_ns)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint64_t now_ns = clock_read(&shard->clock, mono_ns);
	bool hold = log_space(shard->log) >= LOG_SPACE_HARD;
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
	return clock_mono_of(&shard->clock, eng_next_deadline_ns(shard->eng));
}
