#include "rot/reading.h"

#include "base/hash.h"
#include "log/trail.h"
#include "rot/region.h"
#include "server/shard.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define CACHE_BYTES ((size_t)1 << 20)

static void
on_event(
    void *context, const struct eng_event *event, const struct log_place *place, uint64_t frame)
{
	(void)context, (void)event, (void)place, (void)frame;
}

static void
on_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	(void)context, (void)effect, (void)frame;
}

/* As the server's hub: a run that has ended is the index's. */
static void
on_replayed(void *context, const struct eng_event *event, const struct log_place *place,
    const struct eng_run_info *info, uint64_t frame)
{
	const struct shard *shard = *(const struct shard *const *)context;

	(void)place, (void)info, (void)frame;
	if (event->type == ENG_EV_RUN_CLOSED)
		resolver_forget(shard->resolver, event->run);
}

static enum froe_err
on_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct reading *reading = context;
	/* Where a cold one (it has no frame) once lay is told, not used. */
	uint64_t words[] = {record->frame_seq == 0 ? 0 : record->lsn.v, record->event_seq,
	    record->type, (uint64_t)record->flags << 8 | record->schema, record->run_event_no,
	    record->run_key, record->time_ns};
	struct reading_record *to;

	(void)fault;
	if (reading->count == reading->room) {
		reading->room = reading->room == 0 ? 4096 : 2 * reading->room;
		reading->records =
		    realloc(reading->records, reading->room * sizeof(*reading->records));
		if (reading->records == NULL)
			abort();
	}
	to = &reading->records[reading->count++];
	to->event_seq = record->event_seq;
	to->run = record->run_key;
	to->hash = hash64(record->body.data, record->body.size, hash64(words, sizeof(words), 0));
	return FROE_OK;
}

static int
compare_records(const void *a, const void *b)
{
	const struct reading_record *x = a;
	const struct reading_record *y = b;

	return (x->event_seq > y->event_seq) - (x->event_seq < y->event_seq);
}

/* Of each run that has records, where the server thinks that they lie. */
static uint64_t
places_hash(const struct reading *reading, struct resolver *resolver)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < reading->count; i++) {
		uint64_t run = reading->records[i].run;
		uint32_t count = resolver_count(resolver, run);

		for (uint32_t j = 0; j < count; j++) {
			struct log_place place;

			resolver_places(resolver, run, j, 1, &place);
			uint64_t words[] = {run, place.lsn.v, place.event_seq, place.size};

			sum += hash64(words, sizeof(words), 0);
		}
	}
	return sum;
}

static enum froe_err
read_records(
    struct reading *reading, const struct shard *shard, const char *dir, struct froe_fault *fault)
{
	struct trail *trail = trail_open(shard->env, dir, shard->report.store, fault);
	enum froe_err err = trail == NULL ? fault->code : FROE_OK;

	while (err == FROE_OK && trail_frame(trail) < reading->last_frame)
		err = trail_step(trail, on_record, reading, fault);
	trail_close(trail);
	return err;
}

enum froe_err
reading_make(struct reading *reading, const char *dir, struct froe_fault *fault)
{
	struct shard_options options = {
	    .log = {.dir = dir, .inflight_max = LOG_INFLIGHT_MAX, .spares = 2, .dev = true},
	    .cache_bytes = CACHE_BYTES,
	};
	struct shard shard;
	struct shard *self = &shard;
	struct shard_hooks hooks = {
	    .event = on_event, .effect = on_effect, .replayed = on_replayed, .context = &self};
	enum froe_err err;

	*reading = (struct reading){0};
	err = shard_open(&shard, io_env_posix(), &options, &hooks, fault);
	if (err != FROE_OK)
		return err;
	reading->stage = READING_RECORDS;
	reading->last_frame = shard.report.last_frame_seq;
	eng_check(shard.eng);
	reading->state_hash = eng_hash(shard.eng);
	err = read_records(reading, &shard, dir, fault);
	if (err == FROE_OK) {
		qsort(reading->records, reading->count, sizeof(*reading->records), compare_records);
		reading->places_hash = places_hash(reading, shard.resolver);
		reading->stage = READING_DONE;
	}
	shard_close(&shard);
	return err;
}

void
reading_release(struct reading *reading)
{
	free(reading->records);
	*reading = (struct reading){0};
}

/* ------------------------------------------------------------------------------------ evidence */

static uint64_t
number_at(const uint8_t *from)
{
	uint64_t value = 0;

	for (size_t i = 8; i-- > 0;)
		value = value << 8 | from[i];
	return value;
}

uint64_t
reading_evidence(const struct tree *tree)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < tree->count; i++) {
		const struct tree_file *file = &tree->files[i];
		enum region_class class = region_class(file);
		uint64_t here = 0;

		if (file->directory)
			continue;
		for (size_t at = 0; at + BLOCK <= file->size; at += BLOCK) {
			if (class == REGION_WATERMARK)
				here = number_at(file->data + at + 48);
			else if (class == REGION_SEGMENT && memcmp(file->data + at, "FRAM", 4) == 0)
				here = number_at(file->data + at + 24);
			highest = here > highest ? here : highest;
		}
	}
	return highest;
}

/* ---------------------------------------------------------------------------------- comparison */

const char *
reading_differs_before(const struct reading *reading, const struct reading *from)
{
	if (reading->count > from->count)
		return "there are more records";
	for (size_t i = 0; i < reading->count; i++) {
		if (reading->records[i].event_seq != from->records[i].event_seq)
			return "a record in the middle is missing, or came twice";
		if (reading->records[i].hash != from->records[i].hash)
			return "a record has other bytes";
	}
	return NULL;
}

const char *
reading_differs(const struct reading *reading, const struct reading *from)
{
	const char *different = reading_differs_before(reading, from);

	if (different == NULL && reading->count != from->count)
		different = "records are missing";
	if (different == NULL && reading->last_frame != from->last_frame)
		different = "it ends with another frame";
	if (different == NULL && reading->state_hash != from->state_hash)
		different = "the state is another";
	if (different == NULL && reading->places_hash != from->places_hash)
		different = "the places of open runs' records are others";
	return different;
}
