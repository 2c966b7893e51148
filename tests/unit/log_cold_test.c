/*
 * A store with everything at once: hot segments, cold files, two snapshots. Backed up, restored,
 * repaired, looked through; with damage in each cold file, with an error in each operation, with
 * the power lost in each.
 *
 * One store is made, and a backup of it; each case works on a store restored from that.
 */
#include "log_story.h"

#include "log/backup.h"
#include "log/repair.h"
#include "log/scrub.h"

#define COLD_MAX 32u

/* ----------------------------------------------------------------------------------- the store */

struct chilled {
	struct story *story;
	uint64_t frame; /* the last one */
	size_t gone;    /* records that retention took */
	unsigned cases;
	uint64_t cold[COLD_MAX]; /* the newest first */
	size_t cold_count;
};

static void
chilled_note(struct chilled *chilled)
{
	struct log *log = chilled->story->world->log;
	const struct cold_set *set = log->shelf.current;
	chilled->frame = log_durable_seq(log);
	chilled->cold_count = set->count;
	assert_in_range(set->count, 3, COLD_MAX);
	uint64_t newest = log_manifest_read(log).cold;
	size_t count = 0;
	chilled->cold[count++] = newest;
	for (size_t i = 0; i < set->count; i++) {
		if (set->files[i]->no != newest)
			chilled->cold[count++] = set->files[i]->no;
	}
	assert_int_equal(count, set->count);
}

static struct chilled *
chilled_new(uint64_t seed)
{
	struct chilled *chilled = mem_zalloc(sizeof(*chilled));
	struct story *story = story_new(seed);
	struct world *world = story->world;
	struct backup_report report;
	chilled->story = story;
	for (unsigned i = 0; i < 8; i++) {
		assert_true(story_live(story, 100));
		world->now_ns += KEEP_NS / 4;
		story_snapshot_make(story);
		story_retain(story);
	}
	assert_false(story_stats(story).failed);
	log_read_turn(world->log);
	chilled_note(chilled);
	chilled->gone = story_check(story, UINT64_MAX);
	assert_true(chilled->gone > 0);
	assert_true(log_manifest_read(world->log).snapshots[1].number != 0);
	assert_true(log_manifest_read(world->log).segment_oldest > 1);
	story_close(story);
	OK(world, backup_make(world->env, world->dir, "/backup", &report, &world->fault));
	return chilled;
}

static void
chilled_free(struct chilled *chilled)
{
	story_free(chilled->story);
	mem_free(chilled);
}

struct names {
	struct world *world;
	const char *dir;
};

static bool
name_unlink(void *context, const char *name)
{
	const struct names *names = context;
	FROE_DROP(io_path_unlink(names->world->env, path_join(names->dir, name).text, NULL),
	    "directories stay");
	return true;
}

/* A case that is done gives its space back. */
static void
files_unlink(struct world *world, const char *dir)
{
	static const char *const parts[] = {"", "/shard-0000", "/shard-0000/log",
	    "/shard-0000/cold", "/shard-0000/ckpt", "/shard-0000/quarantine"};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char path[300];
		snprintf(path, sizeof(path), "%.200s%s", dir, parts[i]);
		struct names names = {world, path};
		FROE_DROP(io_path_list(world->env, path, name_unlink, &names, NULL),
		    "it need not be there");
	}
}

/* The store is a fresh one, as it was when the backup was made. */
static struct world *
chilled_case(struct chilled *chilled)
{
	struct world *world = chilled->story->world;
	struct backup_report report;
	story_close(chilled->story);
	if (chilled->cases > 0)
		files_unlink(world, world->dir);
	snprintf(world->dir, sizeof(world->dir), "/case%u", chilled->cases++);
	OK(world, backup_restore(world->env, "/backup", world->dir, &report, &world->fault));
	return world;
}

static struct path
chilled_path(const struct chilled *chilled, uint64_t no)
{
	struct paths paths;
	assert_int_equal(paths_init(&paths, chilled->story->world->dir, NULL), FROE_OK);
	return cold_path(&paths, no);
}

static uint64_t
file_size(struct world *world, const char *path)
{
	uint64_t size = 0;
	int file;
	OK(world, io_file_open(world->env, path, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_size(world->env, file, &size, &world->fault));
	io_file_close(world->env, file);
	return size;
}

/* It starts, and all is there that was. */
static void
chilled_whole(struct chilled *chilled)
{
	struct story *story = chilled->story;
	OK(story->world, story_open(story));
	assert_int_equal(story_check(story, chilled->frame), chilled->gone);
	story_follow(story);
}

/* --------------------------------------------------------------------------- backup and restore */

static void
test_cold__backup_and_restore(void **state)
{
	struct chilled *chilled = chilled_new(1);
	struct world *world = chilled_case(chilled);
	(void)state;
	chilled_whole(chilled);
	assert_int_equal(world->log->shelf.current->count, chilled->cold_count);
	/* And it lives on: what was retired before is neither lost nor comes back. */
	assert_true(story_live(chilled->story, 100));
	world->now_ns += KEEP_NS;
	story_snapshot_make(chilled->story);
	story_retain(chilled->story);
	assert_false(story_stats(chilled->story).failed);
	story_check(chilled->story, UINT64_MAX);
	chilled_free(chilled);
}

/* Damage in any cold file, or one that is missing: there is no backup of that, and a backup that
 * rots is found out. */
static void
test_cold__backup_finds_damage(void **state)
{
	struct chilled *chilled = chilled_new(2);
	struct backup_report report;
	struct lsn from = {0};
	(void)state;
	for (size_t i = 0; i < 2 * chilled->cold_count; i++) {
		struct world *world = chilled_case(chilled);
		uint64_t no = chilled->cold[i / 2];
		struct path path = chilled_path(chilled, no);
		char target[32];
		snprintf(target, sizeof(target), "/target%zu", i);
		if (i % 2 == 0)
			flip(world, path.text,
			    8192 + world_below(world, file_size(world, path.text) - 8192));
		else
			OK(world, io_path_unlink(world->env, path.text, &world->fault));
		assert_int_equal(backup_make(world->env, world->dir, target, &report,
				     &world->fault),
		    i % 2 == 0 || i < 2 ? FROE_CORRUPT : FROE_NOT_FOUND);
		assert_non_null(strstr(world->fault.text, "cold/"));
		assert_int_equal(backup_restore(world->env, target, NULL, &report, &world->fault),
		    FROE_NOT_FOUND);
		files_unlink(world, target);
	}
	struct world *world = chilled->story->world;
	for (size_t i = 0; i < chilled->cold_count; i++) {
		char name[64], other[32];
		snprintf(name, sizeof(name), "/backup/shard-0000/cold/%016llx.seg",
		    (unsigned long long)chilled->cold[i]);
		uint64_t at = 8192 + world_below(world, file_size(world, name) - 8192);
		flip(world, name, at);
		assert_int_equal(backup_restore(world->env, "/backup", NULL, &report,
				     &world->fault),
		    FROE_CORRUPT);
		snprintf(other, sizeof(other), "/other%zu", i);
		assert_int_equal(
		    backup_restore(world->env, "/backup", other, &report, &world->fault),
		    FROE_CORRUPT);
		assert_int_equal(
		    log_scan(world->env, other, from, NULL, NULL, &world->report, &world->fault),
		    FROE_NOT_FOUND);
		files_unlink(world, other);
		flip(world, name, at);
	}
	OK(world, backup_restore(world->env, "/backup", NULL, &report, &world->fault));
	chilled_free(chilled);
}

/* An error in the n-th operation is told, or did no harm: what is said to be made verifies. Returns
 * whether the work came so far. */
static bool
backup_with_an_error(struct chilled *chilled, uint64_t at, enum froe_err error, unsigned *failed)
{
	struct world *world = chilled->story->world;
	struct backup_report report;
	char made[32], restored[32];
	snprintf(made, sizeof(made), "/made%u-%u", (unsigned)at, (unsigned)error);
	snprintf(restored, sizeof(restored), "/restored%u-%u", (unsigned)at, (unsigned)error);
	uint64_t begin = sim_operations(world->env);
	sim_fail_after(world->env, at, error);
	enum froe_err first = backup_make(world->env, "/store", made, &report, &world->fault);
	uint64_t middle = sim_operations(world->env);
	sim_fail_after(world->env, at, error);
	enum froe_err second =
	    backup_restore(world->env, "/backup", restored, &report, &world->fault);
	uint64_t end = sim_operations(world->env);
	sim_fail_after(world->env, UINT64_MAX, error);
	assert_true(first == FROE_OK || first == error);
	assert_true(second == FROE_OK || second == error);
	if (first == FROE_OK)
		OK(world, backup_restore(world->env, made, NULL, &report, &world->fault));
	*failed += (first != FROE_OK) + (second != FROE_OK);
	files_unlink(world, made);
	files_unlink(world, restored);
	return middle - begin > at || end - middle > at;
}

static void
test_cold__backup_with_an_error_anywhere(void **state)
{
	static const enum froe_err errors[] = {FROE_IO, FROE_NO_SPACE};
	struct chilled *chilled = chilled_new(3);
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned failed = 0;
		uint64_t at = 0;
		while (backup_with_an_error(chilled, at, errors[i], &failed))
			at += i == 0 ? 1 + at / 48 : 17;
		assert_true(failed > 20);
	}
	OK(chilled->story->world, story_open(chilled->story)); /* the source has not suffered */
	chilled_free(chilled);
}

/* --------------------------------------------------------------------------------------- repair */

static struct repair_report report;

static enum froe_err
repair(struct world *world, bool accept)
{
	return repair_run(world->env, world->dir, accept, &report, &world->fault);
}

/* Which runs a file says anything of. */
static void
runs_of(struct chilled *chilled, uint64_t no, bool *touched)
{
	struct world *world = chilled->story->world;
	struct cold_file *file;
	struct paths paths;
	OK(world, paths_init(&paths, world->dir, &world->fault));
	OK(world, cold_open(world->env, &paths, world->report.store, no, &file, &world->fault));
	for (size_t i = 0; i < file->count; i++)
		touched[file->extents[i].run_key] = true;
	cold_free(file);
}

/* It starts. Of the runs that were not touched all is there; of the others a record is, or is not,
 * and never another. Returns how many are missing. */
static size_t
chilled_without(struct chilled *chilled, const bool *touched)
{
	struct story *story = chilled->story;
	size_t missing = 0;
	OK(story->world, story_open(story));
	for (uint32_t key = 1; key <= story->run_count; key++) {
		const struct run *run = &story->runs[key];
		for (uint32_t i = 0; i < run->count; i++) {
			enum froe_err err = story_read(story, key, i);
			assert_true(err == FROE_OK || err == FROE_NOT_FOUND);
			assert_true(err == FROE_OK || touched[key] || !must_be_there(story, run));
			missing += err != FROE_OK && must_be_there(story, run);
		}
	}
	story_close(story);
	return missing;
}

/* How a cold file is hurt. */
enum hurt {
	HURT_RECORD,
	HURT_INDEX,
	HURT_MISSING,
	HURTS,
};

static void
cold_hurt(struct chilled *chilled, uint64_t no, enum hurt hurt)
{
	struct world *world = chilled->story->world;
	struct path path = chilled_path(chilled, no);
	if (hurt == HURT_RECORD)
		flip(world, path.text, 8192 + 500);
	if (hurt == HURT_INDEX)
		flip(world, path.text, file_size(world, path.text) - 4096 + 100);
	if (hurt == HURT_MISSING)
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
}

/* Only told at first; then repaired; then there is nothing more to do. */
static void
repair_cold(struct chilled *chilled, unsigned damaged)
{
	struct world *world = chilled->story->world;
	uint64_t before = sim_digest(world->env);
	assert_int_equal(repair(world, false), FROE_CORRUPT);
	assert_false(report.repaired || report.log_damaged || report.watermark_damaged);
	assert_int_equal(report.cold_damaged, damaged);
	assert_non_null(strstr(report.cold_text, "cold/"));
	assert_true(sim_digest(world->env) == before);
	OK(world, repair(world, true));
	assert_true(report.repaired);
	assert_int_equal(report.cold_damaged, damaged);
	OK(world, repair(world, true));
	assert_false(report.repaired);
}

/* Each cold file in each way: the newest too, which names the others. */
static void
test_cold__repair_of_each_file(void **state)
{
	struct chilled *chilled = chilled_new(4);
	size_t missing = 0;
	(void)state;
	for (size_t i = 0; i < chilled->cold_count * HURTS; i++) {
		bool touched[RUNS_MAX + 1] = {false};
		uint64_t no = chilled->cold[i / HURTS];
		chilled_case(chilled);
		runs_of(chilled, no, touched);
		cold_hurt(chilled, no, (enum hurt)(i % HURTS));
		if (i % HURTS != HURT_RECORD)
			assert_int_equal(story_open(chilled->story), FROE_CORRUPT);
		repair_cold(chilled, 1);
		missing += chilled_without(chilled, touched);
	}
	assert_true(missing > 0);
	chilled_free(chilled);
}

/* All of them: nothing cold is left, and the hot log is whole. */
static void
test_cold__repair_of_all_files(void **state)
{
	struct chilled *chilled = chilled_new(5);
	struct world *world = chilled_case(chilled);
	bool touched[RUNS_MAX + 1] = {false};
	(void)state;
	for (size_t i = 0; i < chilled->cold_count; i++) {
		runs_of(chilled, chilled->cold[i], touched);
		cold_hurt(chilled, chilled->cold[i], HURT_RECORD);
	}
	repair_cold(chilled, (unsigned)chilled->cold_count);
	assert_true(chilled_without(chilled, touched) > 0);
	OK(world, story_open(chilled->story));
	assert_int_equal(log_manifest_read(world->log).cold, 0);
	assert_int_equal(world->log->shelf.current->count, 0);
	/* New cold files come, and are found. */
	assert_true(story_live(chilled->story, 200));
	chilled_free(chilled);
}

/* A leftover with a number that MANIFEST does not know yet is none of the store's: its records are
 * still in the log. */
static void
test_cold__repair_beside_a_leftover(void **state)
{
	struct chilled *chilled = chilled_new(6);
	struct world *world = chilled_case(chilled);
	bool touched[RUNS_MAX + 1] = {false};
	struct cold_writer writer;
	struct cold_file *file;
	struct paths paths;
	uint64_t newest = chilled->cold[0];
	(void)state;
	runs_of(chilled, newest, touched);
	OK(world, paths_init(&paths, world->dir, &world->fault));
	cold_begin(&writer, world->env, &paths, world->report.store, newest + 1);
	OK(world, cold_finish(&writer, chilled->cold, chilled->cold_count, &file, &world->fault));
	cold_free(file);
	cold_hurt(chilled, newest, HURT_INDEX);
	repair_cold(chilled, 1);
	chilled_without(chilled, touched);
	OK(world, story_open(chilled->story));
	assert_int_equal(world->log->shelf.current->count, chilled->cold_count);
	chilled_free(chilled);
}

/* The newest cold file is damaged, and the log; the power fails in the n-th operation of the
 * repair: it is done again, and ends the same. Returns whether it came to its end before. */
static bool
die_in_repair(struct chilled *chilled, uint64_t at)
{
	struct world *world = chilled_case(chilled);
	bool touched[RUNS_MAX + 1] = {false};
	runs_of(chilled, chilled->cold[0], touched);
	cold_hurt(chilled, chilled->cold[0], at % 2 == 0 ? HURT_INDEX : HURT_RECORD);
	uint64_t before = sim_operations(world->env);
	sim_die_after(world->env, at);
	enum froe_err err = repair(world, true);
	bool ended = sim_operations(world->env) - before <= at;
	sim_crash(world->env);
	assert_true(ended == (err == FROE_OK));
	OK(world, repair(world, true));
	chilled_without(chilled, touched);
	assert_int_equal(repair(world, true), FROE_OK);
	assert_false(report.repaired);
	return ended;
}

static void
test_cold__repair_that_dies(void **state)
{
	struct chilled *chilled = chilled_new(7);
	uint64_t at = 0;
	(void)state;
	while (!die_in_repair(chilled, at))
		at += 1 + at / 20;
	assert_true(at > 50);
	chilled_free(chilled);
}

/* An error in the n-th operation of a repair is told; then it can be done. */
static bool
repair_with_an_error(struct chilled *chilled, uint64_t at, unsigned *failed)
{
	struct world *world = chilled_case(chilled);
	bool touched[RUNS_MAX + 1] = {false};
	runs_of(chilled, chilled->cold[1], touched);
	cold_hurt(chilled, chilled->cold[1], HURT_RECORD);
	uint64_t before = sim_operations(world->env);
	sim_fail_after(world->env, at, FROE_IO);
	enum froe_err err = repair(world, true);
	bool reached = sim_operations(world->env) - before > at;
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	assert_true(err == FROE_IO || (err == FROE_OK && report.repaired));
	*failed += err != FROE_OK;
	OK(world, repair(world, true));
	chilled_without(chilled, touched);
	return reached;
}

static void
test_cold__repair_with_an_error_anywhere(void **state)
{
	struct chilled *chilled = chilled_new(8);
	unsigned failed = 0;
	uint64_t at = 0;
	(void)state;
	while (repair_with_an_error(chilled, at, &failed))
		at += 1 + at / 20;
	assert_true(failed > 30);
	chilled_free(chilled);
}

/* -------------------------------------------------------------------- looked through as it is */

struct told {
	unsigned count;
	unsigned cold;
};

static void
tell(void *context, const char *why)
{
	struct told *told = context;
	told->count++;
	told->cold += strstr(why, "cold/") != NULL;
}

/* One pass of the scrub; an error in its n-th operation. Returns whether it came so far. */
static bool
scrub_pass(struct chilled *chilled, uint64_t at, struct told *told)
{
	struct log *log = chilled->story->world->log;
	struct io_env *env = chilled->story->world->env;
	struct scrub_options options = {.bytes_per_s = 1u << 30, .fault = tell, .context = told};
	struct scrub *scrub = scrub_open(log, &options);
	struct log_storage storage;
	uint64_t now_ns = 0, before = sim_operations(env);
	log_storage(log, &storage);
	uint64_t pass = storage.scrub_passes;
	*told = (struct told){0};
	sim_fail_after(env, at, FROE_IO);
	for (unsigned i = 0; storage.scrub_passes == pass; i++) {
		assert_true(i < 10000);
		now_ns = scrub_step(scrub, now_ns);
		assert_int_equal(scrub_step(scrub, now_ns - 1), now_ns); /* not before its time */
		log_storage(log, &storage);
	}
	sim_fail_after(env, UINT64_MAX, FROE_IO);
	scrub_close(scrub);
	return sim_operations(env) - before > at;
}

/* An error that the disk has once is told once, and all other files are looked at. */
static void
test_cold__scrub_with_an_error_anywhere(void **state)
{
	struct chilled *chilled = chilled_new(9);
	struct world *world = chilled_case(chilled);
	struct told told;
	unsigned failed = 0;
	(void)state;
	OK(world, story_open(chilled->story));
	for (uint64_t at = 0; scrub_pass(chilled, at, &told); at++) {
		assert_in_range(told.count, 0, 1);
		failed += told.count;
	}
	assert_int_equal(told.count, 0);
	assert_true(failed > 40);
	/* One that has rotted is told in each pass; if it names the others, once for all. */
	cold_hurt(chilled, chilled->cold[1], HURT_RECORD);
	scrub_pass(chilled, UINT64_MAX / 2, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.cold, 1);
	cold_hurt(chilled, chilled->cold[0], HURT_INDEX);
	scrub_pass(chilled, UINT64_MAX / 2, &told);
	assert_int_equal(told.count, 1);
	chilled_free(chilled);
}

struct trailed {
	struct story *story;
	uint64_t records;
};

/* Whatever comes is what was appended. */
static enum froe_err
trail_each(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct trailed *trailed = context;
	const struct run *run = &trailed->story->runs[record->run_key];
	(void)fault;
	trailed->records++;
	if (record->run_key == 0)
		return FROE_OK;
	assert_in_range(record->run_event_no, 1, run->count);
	assert_int_equal(hash64(record->body.data, record->body.size, 0),
	    run->hashes[record->run_event_no - 1]);
	return FROE_OK;
}

/* All that the store has, in one go; how it ended. */
static enum froe_err
trail_all(struct chilled *chilled, uint64_t *ret_records)
{
	struct world *world = chilled->story->world;
	struct trailed trailed = {.story = chilled->story};
	struct trail *trail =
	    trail_open(world->env, world->dir, world->report.store, &world->fault);
	if (trail == NULL)
		return world->fault.code;
	enum froe_err err = trail_check_cold(trail, &world->fault);
	while (err == FROE_OK && trail_frame(trail) < chilled->frame)
		err = trail_step(trail, trail_each, &trailed, &world->fault);
	trail_close(trail);
	*ret_records = trailed.records;
	return err;
}

static void
test_cold__trail_with_an_error_anywhere(void **state)
{
	struct chilled *chilled = chilled_new(10);
	struct world *world = chilled_case(chilled);
	uint64_t all = 0, records = 0, operations = sim_operations(world->env);
	(void)state;
	OK(world, trail_all(chilled, &all));
	operations = sim_operations(world->env) - operations;
	assert_true(all > 100 && operations > 20);
	for (uint64_t at = 0; at < operations; at++) {
		sim_fail_after(world->env, at, FROE_IO);
		assert_int_equal(trail_all(chilled, &records), FROE_IO);
	}
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	OK(world, trail_all(chilled, &records));
	assert_int_equal(records, all);
	chilled_free(chilled);
}

/* A trail without the check of every byte: damage in a record is found when it is read. */
static void
test_cold__trail_over_damage(void **state)
{
	struct chilled *chilled = chilled_new(11);
	(void)state;
	for (size_t i = 0; i < chilled->cold_count; i++) {
		struct world *world = chilled_case(chilled);
		struct trailed trailed = {.story = chilled->story};
		struct path path = chilled_path(chilled, chilled->cold[i]);
		struct cold_file *file;
		struct paths paths;
		enum froe_err err = FROE_OK;
		OK(world, paths_init(&paths, world->dir, &world->fault));
		OK(world, cold_open(world->env, &paths, world->report.store, chilled->cold[i],
			      &file, &world->fault));
		for (size_t j = 0; j < file->count; j++) {
			if (file->extents[j].bytes > 0)
				flip(world, path.text, file->extents[j].offset + 40);
		}
		struct trail *trail =
		    trail_open(world->env, world->dir, world->report.store, &world->fault);
		assert_non_null(trail);
		while (err == FROE_OK && trail_frame(trail) < chilled->frame)
			err = trail_step(trail, trail_each, &trailed, &world->fault);
		if (file->count > 0)
			assert_int_equal(err, FROE_CORRUPT);
		cold_free(file);
		trail_close(trail);
	}
	chilled_free(chilled);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cold__backup_and_restore),
	    cmocka_unit_test(test_cold__backup_finds_damage),
	    cmocka_unit_test(test_cold__backup_with_an_error_anywhere),
	    cmocka_unit_test(test_cold__repair_of_each_file),
	    cmocka_unit_test(test_cold__repair_of_all_files),
	    cmocka_unit_test(test_cold__repair_beside_a_leftover),
	    cmocka_unit_test(test_cold__repair_that_dies),
	    cmocka_unit_test(test_cold__repair_with_an_error_anywhere),
	    cmocka_unit_test(test_cold__scrub_with_an_error_anywhere),
	    cmocka_unit_test(test_cold__trail_with_an_error_anywhere),
	    cmocka_unit_test(test_cold__trail_over_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
