/*
 * Retention: segments go, what is needed of them stays readable under its old place, at whatever
 * moment power is lost; files that are not needed any more go too.
 *
 * The model: runs of some records each; most close soon, some after many segments, some never. At
 * every look, each record of a run that is open or closed within the retention must be read back.
 */
#include "log_world.h"

#include "log/copy_int.h"
#include "log/log_int.h"
#include "log/retention.h"
#include "log/scrub.h"
#include "log/trail.h"

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
};

/* ----------------------------------------------------------------------------------- the store */

static enum froe_err
replay_nothing(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct story *story = context;
	(void)fault;
	story->events = record->event_seq;
	return FROE_OK;
}

static void
story_start_retention(struct story *story)
{
	struct retention_options options = {.keep_ns = KEEP_NS};
	story->retention = retention_open(story->world->log, &options);
}

static enum froe_err
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

static void
story_close(struct story *story)
{
	if (story->retention != NULL)
		retention_close(story->retention);
	story->retention = NULL;
	world_close(story->world);
}

static struct story *
story_new(uint64_t seed)
{
	struct story *story = mem_zalloc(sizeof(*story));
	story->world = world_sim(seed);
	OK(story->world, story_open(story));
	return story;
}

static void
story_free(struct story *story)
{
	story_close(story);
	world_free(story->world);
	mem_free(story);
}

/* One record, durable when it returns. False: the process is dead. */
static bool
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
static enum froe_err
story_snapshot(struct story *story)
{
	struct log *log = story->world->log;
	struct log_manifest manifest = log_manifest_read(log);
	for (unsigned i = 0; i < 2; i++)
		manifest.snapshots[i].number = log_sealed(log);
	return log_manifest_write(log, &manifest, &story->world->fault);
}

static void
story_retain(struct story *story)
{
	struct retention_stats stats;
	for (unsigned idle = 0; idle < 3;) {
		idle = retention_step(story->retention, UINT64_MAX - 1) ? 0 : idle + 1;
		log_tick(story->world->log, io_mono_ns(story->world->env));
	}
	retention_stats(story->retention, &stats);
	if (stats.failed && strstr(stats.why, "dead") == NULL)
		return;
}

static struct retention_stats
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

static void
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

static enum froe_err
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

static bool
must_be_there(const struct story *story, const struct run *run)
{
	return run->closed_ns == 0 || run->closed_ns + KEEP_NS > story->world->now_ns;
}

/* Records up to this frame. Returns how many were not there any more. */
static size_t
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

static enum froe_err
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
static size_t
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
static bool
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

static void
test_retention__segments_go_and_open_runs_stay(void **state)
{
	struct story *story = story_new(1);
	(void)state;
	size_t gone = 0, gone_runs = 0;
	for (unsigned i = 0; i < 40; i++) {
		assert_true(story_live(story, 120));
		OK(story->world, story_snapshot(story));
		story_retain(story);
		gone = story_check(story, UINT64_MAX);
		if (i % 10 == 9)
			gone_runs = story_follow(story);
	}
	struct retention_stats stats = story_stats(story);
	assert_false(stats.failed);
	assert_true(gone_runs > 20);
	assert_in_range(stats.segment_oldest, 10, log_sealed(story->world->log));
	assert_true(gone > 100);
	assert_true(stats.records_copied > 0);
	assert_true(stats.merges > 0);
	assert_in_range(stats.cold_files, 1, 17);
	/* And after a restart, from the files alone. */
	story_close(story);
	OK(story->world, story_open(story));
	assert_int_equal(story_check(story, UINT64_MAX), gone);
	assert_int_equal(story_stats(story).cold_bytes, stats.cold_bytes);
	story_free(story);
}

/* A run that sleeps for a year does not pin a year of log, and can be read to its end. */
static void
test_retention__a_sleeper_pins_nothing(void **state)
{
	struct story *story = story_new(2);
	(void)state;
	story->run_count = 200;
	for (uint32_t key = 1; key <= 200; key++) {
		assert_true(story_put(story, key, 20000, 0));
		if (key != 7)
			assert_true(story_put(story, key, 100, LOG_RECORD_CLOSES));
	}
	story->world->now_ns += 400 * KEEP_NS;
	for (uint32_t key = 201; key <= 300; key++) {
		assert_true(story_put(story, key, 20000, 0));
		story->run_count = key;
	}
	OK(story->world, story_snapshot(story));
	story_retain(story);
	struct retention_stats stats = story_stats(story);
	assert_in_range(stats.segment_oldest, 4, 7);
	assert_int_equal(stats.cold_files, 1);
	assert_int_equal(stats.records_copied, 1);
	assert_true(stats.cold_bytes < 64 * 1024);
	assert_int_equal(story_read(story, 7, 0), FROE_OK);
	assert_int_equal(story_read(story, 8, 0), FROE_NOT_FOUND);
	/* It ends; its time comes; its cold records go, and then the file. */
	assert_true(story_put(story, 7, 100, LOG_RECORD_CLOSES));
	for (uint32_t key = 301; key <= 500; key++) {
		assert_true(story_put(story, key, 20000, LOG_RECORD_CLOSES));
		story->run_count = key;
		if (key == 400)
			story->world->now_ns += 400 * KEEP_NS;
	}
	OK(story->world, story_snapshot(story));
	story_retain(story);
	assert_in_range(story_stats(story).runs_gone, 200, 300);
	story_check(story, UINT64_MAX);
	assert_int_equal(story_read(story, 7, 0), FROE_NOT_FOUND);
	story_free(story);
}

/* A run that was closed long ago and replayed yesterday is read from its beginning. */
static void
test_retention__reopened(void **state)
{
	for (unsigned restart = 0; restart < 2; restart++) {
		struct story *story = story_new(3);
		(void)state;
		story->run_count = 2;
		assert_true(story_put(story, 1, 1000, 0));
		assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
		assert_true(story_put(story, 2, 1000, LOG_RECORD_CLOSES));
		for (uint32_t key = 3; key <= 150; key++) {
			assert_true(story_put(story, key, 20000, LOG_RECORD_CLOSES));
			story->run_count = key;
		}
		assert_true(story_put(story, 1, 1000, LOG_RECORD_REOPENS));
		if (restart == 1) {
			story_close(story);
			OK(story->world, story_open(story));
		}
		story->world->now_ns += 2 * KEEP_NS;
		for (uint32_t key = 151; key <= 300; key++) {
			assert_true(story_put(story, key, 20000, 0));
			story->run_count = key;
		}
		OK(story->world, story_snapshot(story));
		story_retain(story);
		assert_true(story_stats(story).segment_oldest > 3);
		assert_int_equal(story_read(story, 1, 0), FROE_OK);
		assert_int_equal(story_read(story, 2, 0), FROE_NOT_FOUND);
		story_check(story, UINT64_MAX);
		story_free(story);
	}
}

/* So many new runs, one record each. */
static void
story_fill(struct story *story, unsigned count, uint8_t flags)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(story_put(story, ++story->run_count, 20000, flags));
}

/* Time passes; what was put up to now is retired. */
static void
story_age(struct story *story)
{
	story->world->now_ns += 2 * KEEP_NS;
	story_fill(story, 150, LOG_RECORD_CLOSES);
	OK(story->world, story_snapshot(story));
	story_retain(story);
}

/* One that was replayed and has ended for good goes as any other, in the same process. */
static void
test_retention__reopened_and_closed_again(void **state)
{
	struct story *story = story_new(3);
	(void)state;
	story->run_count = 1;
	assert_true(story_put(story, 1, 1000, 0));
	assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
	for (unsigned i = 0; i < 2; i++) {
		story_fill(story, 100, LOG_RECORD_CLOSES);
		assert_true(story_put(story, 1, 1000, LOG_RECORD_REOPENS));
		story_fill(story, 100, LOG_RECORD_CLOSES);
		assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
	}
	for (unsigned i = 0; i < 3; i++)
		story_age(story);
	assert_false(story_stats(story).failed);
	for (uint32_t i = 0; i < story->runs[1].count; i++)
		assert_int_equal(story_read(story, 1, i), FROE_NOT_FOUND);
	assert_int_equal(story->world->log->reopened.count, 0);
	story_check(story, UINT64_MAX);
	story_free(story);
}

/* Its records of before it was replayed and those of after, while it is open, come into one cold
 * file: that it had closed once does not count. */
static void
test_retention__reopened_and_merged(void **state)
{
	for (unsigned restart = 0; restart < 2; restart++) {
		struct story *story = story_new(4);
		uint64_t merges = 0;
		(void)state;
		story->run_count = 1;
		assert_true(story_put(story, 1, 1000, 0));
		assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
		story_fill(story, 100, 0);
		assert_true(story_put(story, 1, 1000, LOG_RECORD_REOPENS));
		story_fill(story, 100, 0);
		story_age(story);
		assert_true(story_stats(story).cold_files > 1);
		for (uint32_t key = 2; key <= 201; key++)
			assert_true(story_put(story, key, 1000, LOG_RECORD_CLOSES));
		for (unsigned i = 0; i < 3; i++) {
			story_age(story);
			merges += story_stats(story).merges;
			if (restart == 0)
				continue;
			story_close(story);
			OK(story->world, story_open(story));
		}
		assert_true(merges > 0);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(story_read(story, 1, i), FROE_OK);
		story_check(story, UINT64_MAX);
		story_free(story);
	}
}

/* Where nothing is ever retired, nothing has to be known. */
static void
test_retention__off_knows_nothing(void **state)
{
	struct story *story = story_new(5);
	struct retention_options off = {.keep_ns = UINT64_MAX};
	(void)state;
	story->run_count = 1;
	assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
	assert_true(story_put(story, 1, 1000, LOG_RECORD_REOPENS));
	assert_int_equal(log_reopened(story->world->log), 1);
	retention_close(story->retention);
	story->retention = retention_open(story->world->log, &off);
	assert_int_equal(log_reopened(story->world->log), 0);
	assert_true(story_put(story, 1, 1000, LOG_RECORD_REOPENS));
	assert_int_equal(log_reopened(story->world->log), 0);
	story_free(story);
}

/* What is past retention is told by the time of what is durable: a crash takes the rest back. */
static void
test_retention__counts_durable_time(void **state)
{
	struct story *story = story_new(77);
	struct log *log = story->world->log;
	struct log_entry entry = {.type = 7, .run_event_no = 1, .run_key = 1};
	(void)state;
	uint64_t before_ns = log_time_ns(log), now_ns = story->world->now_ns + 1000 * KEEP_NS;
	entry.time_ns = now_ns;
	log_append(log, now_ns, &entry, 1, NULL);
	assert_int_equal(log_time_ns(log), before_ns);
	world_settle(story->world);
	assert_int_equal(log_time_ns(log), now_ns);
	story_free(story);
}

/* Nothing goes that only one snapshot has, or that the index does not have. */
static void
test_retention__waits_for_snapshot_and_index(void **state)
{
	struct story *story = story_new(4);
	(void)state;
	for (uint32_t key = 1; key <= 300; key++) {
		assert_true(story_put(story, key, 20000, LOG_RECORD_CLOSES));
		story->run_count = key;
	}
	story->world->now_ns += 2 * KEEP_NS;
	assert_true(story_put(story, 301, 20000, LOG_RECORD_CLOSES));
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	struct log_manifest manifest = log_manifest_read(story->world->log);
	manifest.snapshots[0].number = 4;
	manifest.snapshots[1].number = 2;
	OK(story->world, log_manifest_write(story->world->log, &manifest, &story->world->fault));
	for (unsigned i = 0; i < 500; i++)
		(void)!retention_step(story->retention, 3);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 3);
	story_check(story, UINT64_MAX);
	story_free(story);
}

/* Beside a backup nothing is removed. */
/* It has its place in the turnstile, but not the hold yet. */
static int
copy_that_waits(struct story *story)
{
	struct world *world = story->world;
	struct path path = path_join(world->log->paths.shard, "HOLD.next");
	int file;
	OK(world, io_file_open(world->env, path.text, IO_OPEN_READ | IO_OPEN_WRITE, &file,
	    &world->fault));
	OK(world, io_file_lock(world->env, file, false, &world->fault));
	return file;
}

static void
test_retention__waits_for_a_backup(void **state)
{
	struct story *story = story_new(5);
	int hold;
	(void)state;
	assert_true(story_live(story, 300));
	story->world->now_ns += 2 * KEEP_NS;
	assert_true(story_live(story, 300));
	OK(story->world, story_snapshot(story));
	OK(story->world, copy_hold(story->world->env, &story->world->log->paths, &hold,
	    &story->world->fault));
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	assert_false(story_stats(story).failed);
	io_file_close(story->world->env, hold);
	hold = copy_that_waits(story);
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	io_file_close(story->world->env, hold);
	story_retain(story);
	assert_true(story_stats(story).segment_oldest > 2);
	story_check(story, UINT64_MAX);
	story_free(story);
}

/* Damage in what is about to go: retention stops and says so; the log goes on. */
static void
test_retention__stops_at_damage(void **state)
{
	struct story *story = story_new(6);
	uint8_t bad[64];
	struct path path;
	(void)state;
	memset(bad, 0x5a, sizeof(bad));
	assert_true(story_live(story, 300));
	story->world->now_ns += 2 * KEEP_NS;
	assert_true(story_live(story, 300));
	OK(story->world, story_snapshot(story));
	while (retention_step(story->retention, UINT64_MAX - 1) &&
	    story_stats(story).segments_retired == 0)
		log_tick(story->world->log, io_mono_ns(story->world->env));
	path = path_segment(&story->world->log->paths, story_stats(story).segment_oldest + 1);
	assert_int_equal(
	    sim_corrupt(story->world->env, path.text, 600000, bad, sizeof(bad)), FROE_OK);
	story_retain(story);
	assert_true(story_stats(story).failed);
	assert_non_null(strstr(story_stats(story).why, "does not verify"));
	assert_true(story_live(story, 100));
	story_free(story);
}

/* --------------------------------------------------------------------------- damage in the cold */

static struct story *
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

static void
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

/* Any bit of a cold file matters, but for one of the header's two copies. */
static void
test_retention__cold_damage_is_found(void **state)
{
	struct story *story = story_with_cold(7);
	struct world *world = story->world;
	struct log *log = world->log;
	const struct cold_file *file = log->shelf.current->files[0];
	struct path path = cold_path(&log->paths, file->no);
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t at = 8192 + world_below(world, file->bytes - 8192);
		flip(world, path.text, at);
		assert_int_equal(cold_verify(world->env, &log->paths, log->store.id, file->no,
				     &world->fault),
		    FROE_CORRUPT);
		flip(world, path.text, at);
	}
	OK(world, cold_verify(world->env, &log->paths, log->store.id, file->no, &world->fault));
	story_free(story);
}

/* A cold file whose index is damaged, or that is missing: no start. */
static void
test_retention__cold_damage_is_refused(void **state)
{
	(void)state;
	for (unsigned missing = 0; missing < 2; missing++) {
		struct story *story = story_with_cold(8);
		struct world *world = story->world;
		const struct cold_set *set = world->log->shelf.current;
		const struct cold_file *file = set->files[missing ? set->count - 1 : 0];
		struct path path = cold_path(&world->log->paths, file->no);
		uint64_t seal_at = file->bytes - 4096;
		story_close(story);
		if (missing)
			OK(world, io_path_unlink(world->env, path.text, &world->fault));
		else
			flip(world, path.text, seal_at);
		assert_int_equal(story_open(story), FROE_CORRUPT);
		assert_non_null(strstr(world->fault.text, "cold/"));
		story_free(story);
	}
}

/* ------------------------------------------------------------------------------------ scrubbing */

struct told {
	unsigned count;
	char why[400];
};

static void
tell(void *context, const char *why)
{
	struct told *told = context;
	told->count++;
	snprintf(told->why, sizeof(told->why), "%s", why);
}

static struct log_storage
scrub_pass(struct story *story, struct scrub *scrub, uint64_t *now_ns)
{
	struct log_storage storage;
	log_storage(story->world->log, &storage);
	uint64_t pass = storage.scrub_passes;
	for (unsigned i = 0; storage.scrub_passes == pass; i++) {
		assert_true(i < 100000);
		*now_ns = scrub_step(scrub, *now_ns);
		log_storage(story->world->log, &storage);
	}
	return storage;
}

static void
test_retention__scrub_finds_rot(void **state)
{
	struct story *story = story_with_cold(9);
	struct world *world = story->world;
	struct log *log = world->log;
	struct told told = {0};
	struct scrub_options options = {.fault = tell, .context = &told};
	struct scrub *scrub = scrub_open(log, &options);
	uint64_t now_ns = 0;
	(void)state;
	struct log_storage storage = scrub_pass(story, scrub, &now_ns);
	assert_int_equal(told.count, 0);
	assert_true(storage.scrub_bytes > (1u << 20));
	assert_int_equal(storage.scrub_faults, 0);
	assert_true(now_ns >= storage.scrub_bytes / 262144 * 1000 * MS); /* at a low rate */
	flip(world, path_segment(&log->paths, log_sealed(log)).text, 500000);
	flip(world, cold_path(&log->paths, log->shelf.current->files[0]->no).text, 8200);
	storage = scrub_pass(story, scrub, &now_ns);
	assert_int_equal(told.count, 2);
	assert_non_null(strstr(told.why, "cold/"));
	assert_int_equal(storage.scrub_faults, 2);
	assert_true(story_live(story, 50)); /* the log goes on */
	scrub_close(scrub);
	story_free(story);
}

/* -------------------------------------------------------------------------------- power is lost */

/* Dies in the n-th file operation of a retention; true: it ended before. */
static bool
die_in_retention(uint64_t seed, uint64_t at)
{
	struct story *story = story_new(seed);
	struct world *world = story->world;
	assert_true(story_live(story, 250));
	OK(world, story_snapshot(story));
	world->now_ns += KEEP_NS;
	assert_true(story_live(story, 60));
	story_retain(story);
	world->now_ns += KEEP_NS;
	assert_true(story_live(story, 150));
	OK(world, story_snapshot(story));
	world_settle_watermark(world);
	uint64_t frame = log_durable_seq(world->log);
	uint64_t before = sim_operations(world->env);
	sim_die_after(world->env, at);
	story_retain(story);
	bool ended = sim_operations(world->env) - before < at;
	sim_crash(world->env);
	story_close(story);
	OK(world, story_open(story));
	story_check(story, frame);
	story_retain(story);
	assert_false(story_stats(story).failed);
	story_check(story, frame);
	assert_true(story_live(story, 50));
	story_check(story, UINT64_MAX);
	story_free(story);
	return ended;
}

static void
test_retention__power_lost_at_each_step(void **state)
{
	uint64_t at = 0;
	(void)state;
	for (uint64_t seed = 1000; !die_in_retention(seed, at); seed++)
		at += at < 40 ? 1 : 1 + at / 16;
	assert_true(at > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_retention__segments_go_and_open_runs_stay),
	    cmocka_unit_test(test_retention__a_sleeper_pins_nothing),
	    cmocka_unit_test(test_retention__reopened),
	    cmocka_unit_test(test_retention__reopened_and_closed_again),
	    cmocka_unit_test(test_retention__reopened_and_merged),
	    cmocka_unit_test(test_retention__off_knows_nothing),
	    cmocka_unit_test(test_retention__counts_durable_time),
	    cmocka_unit_test(test_retention__waits_for_snapshot_and_index),
	    cmocka_unit_test(test_retention__waits_for_a_backup),
	    cmocka_unit_test(test_retention__stops_at_damage),
	    cmocka_unit_test(test_retention__cold_damage_is_found),
	    cmocka_unit_test(test_retention__cold_damage_is_refused),
	    cmocka_unit_test(test_retention__scrub_finds_rot),
	    cmocka_unit_test(test_retention__power_lost_at_each_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
