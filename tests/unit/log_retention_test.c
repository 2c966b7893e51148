/*
 * Retention: segments go, what is needed of them stays readable under its old place, at whatever
 * moment power is lost; files that are not needed any more go too.
 */
#include "log_story.h"

#include "log/copy_int.h"
#include "log/retention_int.h"
#include "log/scrub.h"

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
	story_turn(story);
	while (retention_step(story->retention, UINT64_MAX - 1) &&
	    story_stats(story).segments_retired == 0)
		story_turn(story);
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

/* ------------------------------------------------------------------------------- single errors */

/* An error in the n-th operation. Returns whether retention came so far. */
static bool
retain_with_an_error(struct story *story, uint64_t at, enum froe_err error)
{
	struct io_env *env = story->world->env;
	uint64_t before = sim_operations(env);
	sim_fail_after(env, at, error);
	story_retain(story);
	sim_fail_after(env, UINT64_MAX, error);
	return sim_operations(env) - before > at;
}

static void
story_age_by_half(struct story *story)
{
	assert_true(story_live(story, 120));
	story->world->now_ns += KEEP_NS / 2;
	OK(story->world, story_snapshot(story));
	world_settle_watermark(story->world);
}

static void
story_restart(struct story *story)
{
	story_close(story);
	OK(story->world, story_open(story));
	world_settle_watermark(story->world);
}

/* Each operation of a retention fails once: it stops and says why, the log goes on, nothing is
 * lost; the next start's goes on where it was. */
static void
test_retention__error_anywhere(void **state)
{
	struct story *story = story_new(21);
	unsigned failed = 0;
	(void)state;
	story_age_by_half(story);
	for (uint64_t at = 0; at < 170; at += at < 40 || at > 100 ? 1 : 6) { /* there: copying */
		if (!retain_with_an_error(story, at, FROE_IO) || !story_stats(story).failed) {
			story_age_by_half(story);
			story_age_by_half(story);
			retain_with_an_error(story, at, FROE_IO);
		}
		struct retention_stats stats = story_stats(story);
		failed += stats.failed;
		if (stats.failed) {
			assert_non_null(strstr(stats.why, "injected"));
			assert_false(retention_holds(story->retention));
			assert_false(retention_step(story->retention, UINT64_MAX - 1));
		}
		if (at % 16 == 0) {
			assert_true(story_put(story, ++story->run_count, 100, 0));
			story_check(story, UINT64_MAX);
		}
		story_restart(story);
	}
	story_retain(story);
	assert_false(story_stats(story).failed);
	story_check(story, UINT64_MAX);
	assert_true(failed > 80);
	story_free(story);
}

/* Lack of space passes: what was begun is given up, and done another time. Unless it was MANIFEST
 * that could not be written: nobody knows what it says. */
static void
test_retention__no_space_anywhere(void **state)
{
	struct story *story = story_new(22);
	unsigned failed = 0;
	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		story_age_by_half(story);
		for (uint64_t at = round; at < 1000; at += 8) {
			struct retention_stats stats;
			bool reached = retain_with_an_error(story, at, FROE_NO_SPACE);
			stats = story_stats(story);
			failed += stats.failed;
			if (stats.failed) {
				assert_non_null(strstr(stats.why, "MANIFEST"));
				story_restart(story);
			}
			if (!reached)
				break;
		}
		story_check(story, UINT64_MAX);
	}
	assert_in_range(failed, 0, 16);
	assert_true(story_stats(story).segment_oldest > 5);
	assert_true(story_stats(story).cold_files > 0);
	story_free(story);
}

/* -------------------------------------------------------------------------------- other reasons */

/* When there is more than may be, closed runs go before their time; open ones do not. */
static void
test_retention__bytes_max(void **state)
{
	struct story *story = story_new(23);
	struct retention_options options = {.keep_ns = UINT64_MAX, .bytes_max = 6 * MIB};
	(void)state;
	retention_close(story->retention);
	story->retention = retention_open(story->world->log, &options);
	story->run_count = 1;
	assert_true(story_put(story, 1, 1000, 0));
	story_fill(story, 250, LOG_RECORD_CLOSES); /* five segments */
	OK(story->world, story_snapshot(story));
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	story_fill(story, 250, LOG_RECORD_CLOSES);
	OK(story->world, story_snapshot(story));
	story_retain(story);
	struct retention_stats stats = story_stats(story);
	uint64_t segments = log_sealed(story->world->log) + 1 - stats.segment_oldest;
	assert_false(stats.failed);
	assert_true(stats.cold_bytes + segments * MIB <= 6 * MIB);
	assert_true(stats.segment_oldest > 3);
	assert_int_equal(story_read(story, 1, 0), FROE_OK);
	assert_int_equal(story_read(story, 2, 0), FROE_NOT_FOUND);
	assert_int_equal(story_read(story, story->run_count, 0), FROE_OK);
	story_free(story);
}

/* What was said of a run after its end goes with it, also when it lies in a later segment. */
static void
test_retention__a_record_behind_the_end(void **state)
{
	struct story *story = story_new(24);
	(void)state;
	story->run_count = 1;
	assert_true(story_put(story, 1, 1000, 0));
	assert_true(story_put(story, 1, 1000, LOG_RECORD_CLOSES));
	story_fill(story, 150, LOG_RECORD_CLOSES);
	assert_true(story_put(story, 1, 1000, 0));
	story_fill(story, 100, LOG_RECORD_CLOSES);
	story_age(story);
	struct retention_stats stats = story_stats(story);
	assert_false(stats.failed);
	assert_true(stats.segment_oldest > 4);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(story_read(story, 1, i), FROE_NOT_FOUND);
	assert_int_equal(stats.records_copied, 0);
	assert_int_equal(stats.cold_files, 0);
	story_free(story);
}

/* So many segments go at once that their cold files are merged before the next one goes. */
static void
test_retention__a_crowd_of_files(void **state)
{
	struct story *story = story_new(25);
	struct log *log = story->world->log;
	size_t most = 0;
	(void)state;
	while (log_sealed(log) < 80) {
		assert_true(story_put(story, ++story->run_count, 1000, 0));
		assert_true(story_put(story, ++story->run_count, 250000, LOG_RECORD_CLOSES));
	}
	story->world->now_ns += 2 * KEEP_NS;
	story_fill(story, 100, 0);
	OK(story->world, story_snapshot(story));
	story_turn(story);
	for (unsigned idle = 0; idle < 3;) {
		idle = retention_step(story->retention, UINT64_MAX - 1) ? 0 : idle + 1;
		story_turn(story);
		size_t files = story_stats(story).cold_files;
		most = files > most ? files : most;
	}
	assert_false(story_stats(story).failed);
	assert_int_equal(most, 64);
	assert_in_range(story_stats(story).cold_files, 1, 17);
	assert_true(story_stats(story).segment_oldest >= 80);
	story_check(story, UINT64_MAX);
	story_free(story);
}

/* The disk fails between the look at a segment and the copying: the copy is not made of it. */
static void
test_retention__stops_at_damage_while_it_copies(void **state)
{
	struct story *story = story_new(26);
	struct world *world = story->world;
	struct retention_stats stats;
	(void)state;
	story_fill(story, 150, 0);
	world->now_ns += 2 * KEEP_NS;
	story_fill(story, 100, 0);
	OK(world, story_snapshot(story));
	story_turn(story);
	while (story->retention->state != RETENTION_COPY)
		assert_true(retention_step(story->retention, UINT64_MAX - 1));
	assert_true(retention_holds(story->retention));
	flip(world, path_segment(&world->log->paths, 1).text,
	    (story->runs[7].places[0].lsn.v & UINT32_MAX) + 1000);
	story_retain(story);
	stats = story_stats(story);
	assert_true(stats.failed);
	assert_non_null(strstr(stats.why, "verified a moment ago"));
	assert_int_equal(stats.segment_oldest, 1);
	assert_false(retention_holds(story->retention));
	assert_int_equal(story_read(story, 6, 0), FROE_OK);
	assert_int_equal(story_read(story, 7, 0), FROE_CORRUPT);
	story_free(story);
}

/* A merge that finds rot in what it would copy stops; the files stay as they are. */
static void
test_retention__stops_at_damage_while_it_merges(void **state)
{
	struct story *story = story_with_cold(27);
	struct world *world = story->world;
	const struct cold_set *set = world->log->shelf.current;
	(void)state;
	for (size_t i = 0; i < set->count; i++) {
		struct path path = cold_path(&world->log->paths, set->files[i]->no);
		for (size_t j = 0; j < set->files[i]->count; j++) {
			const struct cold_extent *extent = &set->files[i]->extents[j];
			if (extent->bytes > 0)
				flip(world, path.text, extent->offset + 60);
		}
	}
	for (unsigned i = 0; i < 20 && !story_stats(story).failed; i++) {
		story_age_by_half(story);
		story_retain(story);
	}
	assert_true(story_stats(story).failed);
	assert_non_null(strstr(story_stats(story).why, "verified a moment ago"));
	story_close(story);
	OK(world, story_open(story)); /* the damage is in records, which no start reads */
	story_free(story);
}

/* A segment of many small records of runs that stay: copied in more than one step. */
static void
test_retention__copies_in_pieces(void **state)
{
	struct story *story = story_new(29);
	struct retention_stats stats;
	(void)state;
	for (unsigned i = 0; i < 1500; i++)
		assert_true(story_put(story, story->run_count = 1 + i / 60, 50, 0));
	story_fill(story, 100, LOG_RECORD_CLOSES);
	story->world->now_ns += 2 * KEEP_NS;
	story_fill(story, 60, 0);
	OK(story->world, story_snapshot(story));
	story_retain(story);
	stats = story_stats(story);
	assert_false(stats.failed);
	assert_int_equal(stats.records_copied, 1500);
	assert_in_range(story_check(story, UINT64_MAX), 50, 100);
	story_free(story);
}

/* Closed in the middle of its work, it gives back what it held. */
static void
test_retention__closed_at_any_step(void **state)
{
	struct story *story = story_new(28);
	struct world *world = story->world;
	int hold;
	(void)state;
	retention_close(NULL);
	for (unsigned steps = 1; steps < 400; steps += 1 + steps / 8) {
		story_age_by_half(story);
		for (unsigned i = 0; i < steps; i++) {
			story_turn(story);
			FROE_DROP(retention_step(story->retention, UINT64_MAX - 1), "or idle");
		}
		story_close(story);
		OK(world, story_open(story));
		OK(world, copy_hold_try(world->env, &world->log->paths, &hold, &world->fault));
		io_file_close(world->env, hold);
		story_check(story, UINT64_MAX);
	}
	story_free(story);
}

/* Closed when the new set was handed over, and when the owner has taken it and the old one was not
 * fetched: for segments and for merges. */
static void
test_retention__closed_while_sets_change_hands(void **state)
{
	struct story *story = story_new(30);
	unsigned merges = 0, segments = 0;
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		if (i % 2 == 0)
			story_age_by_half(story);
		for (unsigned steps = 0; story->retention->state != RETENTION_DRAIN && steps < 3;)
			steps = retention_step(story->retention, UINT64_MAX - 1) ? 0 : steps + 1;
		if (story->retention->state == RETENTION_DRAIN) {
			merges += story->retention->victim_count > 0;
			segments += story->retention->retiring != 0;
			if (i % 3 != 0)
				log_read_turn(story->world->log);
		}
		story_restart(story);
		if (i % 8 == 0)
			story_check(story, UINT64_MAX);
	}
	assert_true(merges > 5 && segments > 5);
	story_check(story, UINT64_MAX);
	story_free(story);
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
	    cmocka_unit_test(test_retention__waits_for_snapshot_and_index),
	    cmocka_unit_test(test_retention__waits_for_a_backup),
	    cmocka_unit_test(test_retention__stops_at_damage),
	    cmocka_unit_test(test_retention__cold_damage_is_found),
	    cmocka_unit_test(test_retention__cold_damage_is_refused),
	    cmocka_unit_test(test_retention__scrub_finds_rot),
	    cmocka_unit_test(test_retention__power_lost_at_each_step),
	    cmocka_unit_test(test_retention__error_anywhere),
	    cmocka_unit_test(test_retention__no_space_anywhere),
	    cmocka_unit_test(test_retention__bytes_max),
	    cmocka_unit_test(test_retention__a_record_behind_the_end),
	    cmocka_unit_test(test_retention__a_crowd_of_files),
	    cmocka_unit_test(test_retention__stops_at_damage_while_it_copies),
	    cmocka_unit_test(test_retention__stops_at_damage_while_it_merges),
	    cmocka_unit_test(test_retention__copies_in_pieces),
	    cmocka_unit_test(test_retention__closed_at_any_step),
	    cmocka_unit_test(test_retention__closed_while_sets_change_hands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
