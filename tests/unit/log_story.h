/*
 * A story of runs whose segments are retired: what they said must be read back, from hot segments
 * or cold files, for as long as it must be there.
 *
 * The model: runs of some records each; most close soon, some after many segments, some never. At
 * every look, each record of a run that is open or closed within the retention must be read back.
 */
#ifndef TESTS_LOG_STORY_H
#define TESTS_LOG_STORY_H

#include "log_world.h"

#include "log/log_int.h"
#include "log/retention.h"
#include "log/snapshot.h"
#include "log/trail.h"
#include "log/walk.h"

#define RUNS_MAX 4096u
#define RECORDS_MAX 64u
#define KEEP_NS (UINT64_C(1000) * MS)

struct run {
	uint32_t count;
	uint64_t closed_ns;
	bool reopened;
	struct log_place places[RECORDS_MAX];
	uint64_t hashes[RECORDS_MAX];
	uint64_t frames[RECORDS_MAX];
};

struct story {
	struct world *world;
	struct retention *retention;
	struct run runs[RUNS_MAX + 1];
	uint32_t run_count;
	uint64_t events;
	struct log_base base; /* what the newest snapshot is of */
};

/* ----------------------------------------------------------------------------------- the store */

static inline enum froe_err
replay_nothing(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct story *story = context;
	(void)fault;
	story->events = record->event_seq;
	return FROE_OK;
}

static inline void
story_start_retention(struct story *story)
{
	struct retention_options options = {.keep_ns = KEEP_NS};
	story->retention = retention_open(story->world->log, &options);
}

static inline enum froe_err
story_open(struct story *story)
{
	struct world *world = story->world;
	enum froe_err err = log_open(world->env, &world->options, replay_nothing, story,
	    &world->log, &world->report, &world->fault);
	if (err != FROE_OK) {
		world->log = NULL;
		return err;
	}
	world_start(world);
	story_start_retention(story);
	return FROE_OK;
}

static inline void
story_close(struct story *story)
{
	if (story->retention != NULL)
		retention_close(story->retention);
	story->retention = NULL;
	world_close(story->world);
}

static inline struct story *
story_new(uint64_t seed)
{
	struct story *story = mem_zalloc(sizeof(*story));
	story->world = world_sim(seed);
	OK(story->world, story_open(story));
	return story;
}

static inline void
story_free(struct story *story)
{
	story_close(story);
	world_free(story->world);
	mem_free(story);
}

/* One record, durable when it returns. False: the process is dead. */
static inline bool
story_put(struct story *story, uint32_t key, size_t size, uint8_t flags)
{
	struct world *world = story->world;
	struct run *run = &story->runs[key];
	struct log_entry entry = {
	    .type = 7,
	    .flags = flags,
	    .run_event_no = run->count + 1,
	    .run_key = key,
	    .time_ns = world->now_ns += MS,
	    .body = bytes_of(world->body + world_below(world, 64), size),
	};
	assert_true(run->count < RECORDS_MAX);
	for (unsigned i = 0; !log_has_room(world->log, step_bytes(1, &size)); i++) {
		if (i > 1000 || log_failed(world->log, NULL))
			return false;
		world_turn(world);
	}
	log_append(world->log, world->now_ns, &entry, 1, &run->places[run->count]);
	run->hashes[run->count] = hash64(entry.body.data, size, 0);
	run->frames[run->count] = log_tail_seq(world->log);
	run->count++;
	if ((flags & LOG_RECORD_CLOSES) != 0)
		run->closed_ns = world->now_ns;
	if ((flags & LOG_RECORD_REOPENS) != 0) {
		run->closed_ns = 0;
		run->reopened = true;
	}
	for (unsigned i = 0; log_durable_seq(world->log) < log_tail_seq(world->log); i++) {
		if (i > 1000 || log_failed(world->log, NULL))
			return false;
		log_flush(world->log);
		io_step(world->io, io_mono_ns(world->env) + MS);
	}
	return true;
}

/* The state up to the newest sealed segment is in both snapshots, as far as MANIFEST says. */
static inline enum froe_err
story_snapshot(struct story *story)
{
	struct log *log = story->world->log;
	struct log_manifest manifest = log_manifest_read(log);
	for (unsigned i = 0; i < 2; i++)
		manifest.snapshots[i].number = log_sealed(log);
	return log_manifest_write(log, &manifest, &story->world->fault);
}

static inline enum froe_err
walk_past(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context;
	(void)record;
	(void)fault;
	return FROE_OK;
}

/* A real one, with some rows, of all that is sealed; the one before it stays. */
static inline void
story_snapshot_make(struct story *story)
{
	struct world *world = story->world;
	struct log_manifest manifest = log_manifest_read(world->log);
	struct snapshot_writer *writer;
	struct log_entry entry = {.type = 16390, .body = bytes_of(world->body, 3000)};
	uint64_t bytes, before = story->base.number;
	struct walk *walk = walk_open(
	    world->env, world->dir, world->report.store, &story->base, &world->fault);
	while (!walk_base(walk, &story->base) || story->base.number != log_sealed(world->log))
		OK(world, walk_step(walk, walk_past, NULL, &world->fault));
	walk_close(walk);
	if (story->base.number == before)
		return;
	OK(world, snapshot_create(world->env, world->dir, world->report.store, &story->base,
		      &writer, &world->fault));
	for (unsigned i = 0; i < 5; i++)
		OK(world, snapshot_put(writer, &entry, &world->fault));
	OK(world, snapshot_finish(writer, 77, &bytes, &world->fault));
	manifest.snapshots[1] = manifest.snapshots[0];
	manifest.snapshots[0] = (struct log_snapshot_ref){
	    story->base.number, log_base_lsn(&story->base), story->base.frame_seq};
	OK(world, log_manifest_write(world->log, &manifest, &world->fault));
}

/* A turn of the log's owner. */
static inline void
story_turn(struct story *story)
{
	log_tick(story->world->log, io_mono_ns(story->world->env));
	log_pass_time(story->world->log, story->world->now_ns);
}

static inline void
story_retain(struct story *story)
{
	story_turn(story);
	for (unsigned idle = 0; idle < 3;) {
		idle = retention_step(story->retention, UINT64_MAX - 1) ? 0 : idle + 1;
		story_turn(story);
	}
}

static inline struct retention_stats
story_stats(struct story *story)
{
	struct retention_stats stats;
	retention_stats(story->retention, &stats);
	return stats;
}

/* -------------------------------------------------------------------------------------- reading */

struct answer {
	struct log_read read;
	bool done;
	enum froe_err err;
	uint64_t hash;
	uint64_t run;
	uint32_t no;
};

static inline void
answered(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct answer *answer = container_of(read, struct answer, read);
	answer->done = true;
	answer->err = err;
	if (err != FROE_OK)
		return;
	answer->hash = hash64(record->body.data, record->body.size, 0);
	answer->run = record->run_key;
	answer->no = record->run_event_no;
}

static inline enum froe_err
story_read(struct story *story, uint32_t key, uint32_t index)
{
	struct world *world = story->world;
	const struct run *run = &story->runs[key];
	struct answer answer = {0};
	log_read_start(
	    world->log, &answer.read, run->places[index], key, index + 1, answered);
	for (unsigned i = 0; !answer.done; i++) {
		assert_true(i < 1000);
		io_step(world->io, io_mono_ns(world->env) + MS);
	}
	if (answer.err == FROE_OK) {
		assert_int_equal(answer.hash, run->hashes[index]);
		assert_int_equal(answer.run, key);
		assert_int_equal(answer.no, index + 1);
	}
	return answer.err;
}

static inline bool
must_be_there(const struct story *story, const struct run *run)
{
	return run->closed_ns == 0 || run->closed_ns + KEEP_NS > story->world->now_ns;
}

/* Records up to this frame. Returns how many were not there any more. */
static inline size_t
story_check(struct story *story, uint64_t frame)
{
	size_t gone = 0;
	for (uint32_t key = 1; key <= story->run_count; key++) {
		const struct run *run = &story->runs[key];
		for (uint32_t i = 0; i < run->count && run->frames[i] <= frame; i++) {
			enum froe_err err = story_read(story, key, i);
			if (err == FROE_NOT_FOUND && !must_be_there(story, run))
				gone++;
			else if (err != FROE_OK)
				fail_msg("run %u record %u of %u: %s", key, i + 1, run->count,
				    froe_err_name(err));
		}
	}
	return gone;
}

/* What the index is made from, anew. */
struct followed {
	struct story *story;
	uint32_t counts[RUNS_MAX + 1]; /* of records in their order, from the first on */
};

static inline enum froe_err
follow(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct followed *followed = context;
	(void)fault;
	uint32_t *count = &followed->counts[record->run_key];
	const struct run *run = &followed->story->runs[record->run_key];
	const struct log_place *place = &run->places[*count];
	if (record->run_key == 0 || record->run_event_no != *count + 1)
		return FROE_OK; /* its beginning is gone */
	assert_int_equal(record->lsn.v, place->lsn.v);
	assert_int_equal(record->event_seq, place->event_seq);
	assert_int_equal(record->body.size + LOG_RECORD_HEADER_BYTES, place->size);
	assert_int_equal(hash64(record->body.data, record->body.size, 0), run->hashes[*count]);
	(*count)++;
	return FROE_OK;
}

/* Each record of a run that must be there comes, once and in order. Returns how many runs do
 * not. */
static inline size_t
story_follow(struct story *story)
{
	struct world *world = story->world;
	struct followed *followed = mem_zalloc(sizeof(*followed));
	struct trail *trail =
	    trail_open(world->env, world->options.dir, world->report.store, &world->fault);
	size_t gone = 0;
	followed->story = story;
	assert_non_null(trail);
	while (trail_frame(trail) < log_durable_seq(world->log))
		OK(world, trail_step(trail, follow, followed, &world->fault));
	trail_close(trail);
	for (uint32_t key = 1; key <= story->run_count; key++) {
		if (followed->counts[key] == story->runs[key].count)
			continue;
		assert_false(must_be_there(story, &story->runs[key]));
		gone++;
	}
	mem_free(followed);
	return gone;
}

/* -------------------------------------------------------------------------------------- living */

/* Goes on with open runs and begins new ones. One of 16 runs stays open, as long as it may. */
static inline bool
story_live(struct story *story, unsigned records)
{
	struct world *world = story->world;
	for (unsigned i = 0; i < records; i++) {
		uint32_t key = story->run_count + 1;
		if (story->run_count > 4 && world_below(world, 3) != 0)
			key = 1 + (uint32_t)world_below(world, story->run_count);
		struct run *run = &story->runs[key];
		uint8_t flags = 0;
		if (run->closed_ns != 0 || run->count >= RECORDS_MAX - 2)
			continue;
		if (key > story->run_count)
			story->run_count = key;
		if (run->count > 1 && key % 16 != 0 && world_below(world, 3) == 0)
			flags = LOG_RECORD_CLOSES;
		if (!story_put(story, key, 100 + world_below(world, 20000), flags))
			return false;
	}
	return true;
}

/* So many new runs, one record each. */
static inline void
story_fill(struct story *story, unsigned count, uint8_t flags)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(story_put(story, ++story->run_count, 20000, flags));
}

/* ------------------------------------------------------------------------------ with cold files */

static inline struct story *
story_with_cold(uint64_t seed)
{
	struct story *story = story_new(seed);
	for (unsigned i = 0; i < 8; i++) {
		assert_true(story_live(story, 120));
		story->world->now_ns += KEEP_NS / 2;
		OK(story->world, story_snapshot(story));
		story_retain(story);
	}
	assert_true(story_stats(story).cold_files > 0);
	/* The snapshots are but words in MANIFEST here. */
	struct log_manifest manifest = log_manifest_read(story->world->log);
	for (unsigned i = 0; i < 2; i++)
		manifest.snapshots[i].number = 0;
	OK(story->world, log_manifest_write(story->world->log, &manifest, &story->world->fault));
	return story;
}

static inline void
flip(struct world *world, const char *path, uint64_t at)
{
	uint8_t *block = mem_pages(4096);
	uint8_t byte;
	int file;
	OK(world, io_file_open(world->env, path, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_read(world->env, file, block, 4096, at / 4096 * 4096, &world->fault));
	io_file_close(world->env, file);
	byte = block[at % 4096] ^ 4;
	mem_pages_free(block, 4096);
	assert_int_equal(sim_corrupt(world->env, path, at, &byte, 1), FROE_OK);
}

#endif
