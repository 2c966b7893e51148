/*
 * Backup and restore: what was durable comes back record by record; a copy that died in the middle
 * is neither a backup nor a store; damage is found on either way; nothing is written over.
 */
#include "log_image.h"

#include "log/backup.h"
#include "log/block_int.h"
#include "log/copy_int.h"

#define BACKUP "/backup"
#define RESTORED "/restored"

static struct backup_report report;

static enum froe_err
make(struct world *world)
{
	return backup_make(world->env, world->dir, BACKUP, &report, &world->fault);
}

static enum froe_err
restore(struct world *world, const char *from, const char *to)
{
	return backup_restore(world->env, from, to, &report, &world->fault);
}

/* Opens the restored store: `records` of the model come back, and more can be appended. */
static void
expect_restored(struct world *world, size_t records)
{
	world_close(world);
	snprintf(world->dir, sizeof(world->dir), "%s", RESTORED);
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, records);
	assert_int_equal(world->report.cut_bytes, 0);
	world_start(world);
	world_put(world, 5000);
	world_settle(world);
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, records + 1);
}

/* Three segments and a bit, with frames of all sizes. */
static struct world *
written(uint64_t seed)
{
	struct world *world = world_sim(seed);
	world_open(world);
	for (unsigned i = 0; i < 60; i++) {
		world_put(world, 100 + world_below(world, 90000));
		if (i % 3 == 0)
			world_settle(world);
	}
	world_settle(world);
	return world;
}

static void
test_log__backup_beside_a_writer(void **state)
{
	struct world *world = written(1);
	size_t durable = world->appended;
	(void)state;
	size_t size = 3000;
	world_append(world, 1, &size); /* not durable: it is not in the copy */
	OK(world, make(world));
	assert_int_equal(report.log.records, durable);
	assert_int_equal(report.log.last_frame_seq, log_durable_seq(world->log));
	assert_true(report.log.segments >= 3);
	for (unsigned i = 0; i < 10; i++)
		world_put(world, 50000);
	world_settle(world);
	OK(world, restore(world, BACKUP, NULL));
	OK(world, restore(world, BACKUP, RESTORED));
	assert_int_equal(report.log.records, durable);
	expect_restored(world, durable);
	world_free(world);
}

static void
test_log__backup_of_a_backup(void **state)
{
	struct world *world = written(2);
	size_t durable = world->appended;
	(void)state;
	world_stop(world);
	OK(world, make(world));
	OK(world, restore(world, BACKUP, "/second"));
	snprintf(world->dir, sizeof(world->dir), "/second");
	OK(world, backup_make(world->env, "/second", "/third", &report, &world->fault));
	OK(world, restore(world, "/third", RESTORED));
	expect_restored(world, durable);
	world_free(world);
}

static void
test_log__backup_of_a_new_store(void **state)
{
	struct world *world = world_sim(3);
	(void)state;
	world_open(world);
	OK(world, make(world));
	OK(world, restore(world, BACKUP, RESTORED));
	assert_int_equal(report.log.frames, 0);
	expect_restored(world, 0);
	world_free(world);
}

/* A log that ends with a seal, whose next segment nobody has written to. */
static void
test_log__backup_that_ends_with_a_seal(void **state)
{
	struct world *world = world_sim(4);
	struct image image;
	(void)state;
	world_open(world);
	while (log_durable_lsn(world->log).v >> 32 < 2) {
		world_put(world, 60000);
		world_settle(world);
	}
	world_close(world);
	image_load(&image, world, 2);
	image_zero(&image, SEG_HEADER_BYTES, image.size - SEG_HEADER_BYTES);
	image_free(&image);
	image_load(&image, world, 1);
	size_t records = 0;
	for (size_t i = 0; i < image.count; i++)
		records += image.frames[i].header.records;
	uint64_t seal = image_last(&image)->header.seq;
	image_free(&image);
	/* As if the watermark had not come further: frames of segment 2 were not confirmed. */
	struct paths paths;
	struct slots_value value = {
	    .epoch = 1, .watermark = {.durable_seq = seal - 1, .durable_lsn = UINT64_C(1) << 32}};
	OK(world, paths_init(&paths, world->dir, &world->fault));
	OK(world, slots_create(world->env, paths.shard, SLOTS_WATERMARK, world->report.store,
	    &value, &world->fault));
	OK(world, make(world));
	assert_int_equal(report.log.last_frame_seq, seal);
	OK(world, restore(world, BACKUP, RESTORED));
	expect_restored(world, records);
	world_free(world);
}

static void
test_log__backup_writes_over_nothing(void **state)
{
	struct world *world = written(5);
	(void)state;
	assert_int_equal(
	    backup_make(world->env, world->dir, world->dir, &report, &world->fault),
	    FROE_INVALID_ARGUMENT);
	OK(world, make(world));
	uint64_t before = sim_digest(world->env);
	assert_int_equal(make(world), FROE_INVALID_ARGUMENT);
	assert_non_null(strstr(world->fault.text, "not empty"));
	assert_int_equal(restore(world, BACKUP, world->dir), FROE_INVALID_ARGUMENT);
	assert_int_equal(restore(world, BACKUP, BACKUP), FROE_INVALID_ARGUMENT);
	assert_int_equal(restore(world, world->dir, RESTORED), FROE_NOT_FOUND);
	assert_non_null(strstr(world->fault.text, "no finished backup"));
	assert_int_equal(
	    backup_make(world->env, BACKUP, RESTORED, &report, &world->fault), FROE_NOT_FOUND);
	assert_int_equal(
	    backup_make(world->env, "/nowhere", RESTORED, &report, &world->fault), FROE_NOT_FOUND);
	assert_true(sim_digest(world->env) == before);
	world_free(world);
}

static void
test_log__backup_one_at_a_time(void **state)
{
	struct world *world = written(6);
	struct paths paths;
	int hold;
	(void)state;
	OK(world, paths_init(&paths, world->dir, &world->fault));
	OK(world, copy_hold(world->env, &paths, &hold, &world->fault));
	assert_int_equal(make(world), FROE_IN_USE);
	io_file_close(world->env, hold);
	OK(world, make(world));
	world_free(world);
}

/* Dies in its n-th operation, for each n: what is left is whole or is refused. */
static bool
die_in_backup(uint64_t at)
{
	struct world *world = world_sim(100 + at);
	world_open(world);
	for (unsigned i = 0; i < 3; i++)
		world_put(world, 20000);
	world_settle_watermark(world);
	size_t durable = world->appended;
	world_close(world);
	sim_die_after(world->env, at);
	bool made = make(world) == FROE_OK;
	sim_crash(world->env);
	enum froe_err err = restore(world, BACKUP, RESTORED);
	assert_true(err == FROE_OK || err == FROE_NOT_FOUND);
	assert_true(!made || err == FROE_OK);
	OK(world, world_try_open(world)); /* the source has not suffered */
	assert_int_equal(world->replayed, durable);
	if (err == FROE_OK)
		expect_restored(world, durable);
	world_free(world);
	return made;
}

static void
test_log__backup_that_dies(void **state)
{
	uint64_t at = 0;
	(void)state;
	while (!die_in_backup(at))
		at++;
	assert_in_range(at, 20, 500);
}

static bool
die_in_restore(uint64_t at)
{
	struct world *world = world_sim(100 + at);
	world_open(world);
	for (unsigned i = 0; i < 3; i++)
		world_put(world, 20000);
	world_settle_watermark(world);
	size_t durable = world->appended;
	OK(world, make(world));
	world_close(world);
	sim_die_after(world->env, at);
	bool made = restore(world, BACKUP, RESTORED) == FROE_OK;
	sim_crash(world->env);
	snprintf(world->dir, sizeof(world->dir), "%s", RESTORED);
	world->options.read_only = true;
	enum froe_err err = world_try_open(world);
	assert_true(err == FROE_OK || err == FROE_NOT_FOUND);
	assert_true(!made || err == FROE_OK);
	world->options.read_only = false;
	if (err == FROE_OK)
		expect_restored(world, durable);
	world_free(world);
	return made;
}

static void
test_log__restore_that_dies(void **state)
{
	uint64_t at = 0;
	(void)state;
	while (!die_in_restore(at))
		at++;
	assert_in_range(at, 20, 500);
}

/* A flipped bit in any block of any frame, of the source or of the backup, is found. */
static void
test_log__backup_finds_damage(void **state)
{
	struct world *world = written(7);
	struct image image;
	(void)state;
	world_settle_watermark(world);
	world_close(world);
	OK(world, make(world));
	for (unsigned i = 0; i < 40; i++) {
		bool source = i % 2 == 0;
		struct world other = *world;
		if (!source)
			snprintf(other.dir, sizeof(other.dir), "%s", BACKUP);
		image_load(&image, &other, 1 + i / 2 % 3);
		uint64_t at = SEG_HEADER_BYTES + world_below(world, image.end - SEG_HEADER_BYTES);
		image_flip(&image, at);
		enum froe_err err = source
		    ? backup_make(world->env, world->dir, RESTORED, &report, &world->fault)
		    : restore(world, BACKUP, NULL);
		if (err != FROE_CORRUPT)
			fail_msg("%u: byte %llu: %s", i, (unsigned long long)at, world->fault.text);
		image_flip(&image, at);
		image_free(&image);
		if (source) { /* the unfinished copy is in the way */
			world_free(world);
			world = written(7);
			world_settle_watermark(world);
			world_close(world);
			OK(world, make(world));
		}
	}
	OK(world, restore(world, BACKUP, NULL));
	world_free(world);
}

static void
test_log__backup_marker_damaged(void **state)
{
	struct world *world = written(8);
	uint8_t bad = 0x55;
	(void)state;
	OK(world, make(world));
	assert_int_equal(sim_corrupt(world->env, BACKUP "/BACKUP", 100, &bad, 1), FROE_OK);
	OK(world, restore(world, BACKUP, NULL)); /* the second copy serves */
	assert_int_equal(sim_corrupt(world->env, BACKUP "/BACKUP", 4196, &bad, 1), FROE_OK);
	assert_int_equal(restore(world, BACKUP, NULL), FROE_CORRUPT);
	world_free(world);
}

/* BACKUP of a later backup with the files of an earlier one. */
static void
test_log__backup_mixed(void **state)
{
	struct world *world = written(9);
	(void)state;
	OK(world, make(world));
	world_put(world, 100);
	world_settle(world);
	OK(world, backup_make(world->env, world->dir, "/second", &report, &world->fault));
	OK(world, io_path_rename(world->env, "/second/BACKUP", BACKUP "/BACKUP", &world->fault));
	assert_int_equal(restore(world, BACKUP, NULL), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "two backups are mixed"));
	world_free(world);
}

static void
test_log__backup_on_a_full_disk(void **state)
{
	struct sim_options options = {
	    .seed = 10, .start_wall_ns = WALL_NS, .disk_bytes = 5 * MIB + MIB / 2};
	struct world *world = world_sim_with(&options);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 12; i++)
		world_put(world, 90000);
	world_settle(world);
	assert_int_equal(make(world), FROE_NO_SPACE);
	assert_int_equal(restore(world, BACKUP, NULL), FROE_NOT_FOUND);
	world_put(world, 100); /* the writer has not suffered */
	world_settle(world);
	world_free(world);
}

/* A field of BACKUP changes, its hash is right. */
static void
marker_forge(struct world *world, size_t at, uint8_t value)
{
	uint8_t *blocks = mem_pages(8192);
	int file;
	OK(world, io_file_open(
		      world->env, BACKUP "/BACKUP", IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_read(world->env, file, blocks, 8192, 0, &world->fault));
	io_file_close(world->env, file);
	blocks[at] = value;
	block_close(blocks);
	memcpy(blocks + 4096, blocks, 4096);
	OK(world, sim_corrupt(world->env, BACKUP "/BACKUP", 0, blocks, 8192));
	mem_pages_free(blocks, 8192);
}

/* A backup of a version that has what this one does not know; one that ends elsewhere. */
static void
test_log__backup_marker_of_a_newer_version(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum froe_err err;
	} cases[] = {
	    {8, 9, FROE_INCOMPATIBLE},   /* major version */
	    {32, 2, FROE_INCOMPATIBLE},  /* shards */
	    {40, 1, FROE_INCOMPATIBLE},  /* segment bytes */
	    {49, 0x20, FROE_INCOMPATIBLE}, /* block bytes */
	    {96, 0xff, FROE_CORRUPT},    /* the last frame */
	    {105, 0xff, FROE_CORRUPT},   /* where it ends */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = written(11);
		OK(world, make(world));
		OK(world, restore(world, BACKUP, NULL));
		marker_forge(world, cases[i].at, cases[i].value);
		assert_int_equal(restore(world, BACKUP, RESTORED), cases[i].err);
		world->options.read_only = true;
		world_close(world);
		snprintf(world->dir, sizeof(world->dir), "%s", RESTORED);
		assert_int_equal(world_try_open(world), FROE_NOT_FOUND);
		world_free(world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__backup_beside_a_writer),
	    cmocka_unit_test(test_log__backup_of_a_backup),
	    cmocka_unit_test(test_log__backup_of_a_new_store),
	    cmocka_unit_test(test_log__backup_that_ends_with_a_seal),
	    cmocka_unit_test(test_log__backup_writes_over_nothing),
	    cmocka_unit_test(test_log__backup_one_at_a_time),
	    cmocka_unit_test(test_log__backup_that_dies),
	    cmocka_unit_test(test_log__restore_that_dies),
	    cmocka_unit_test(test_log__backup_finds_damage),
	    cmocka_unit_test(test_log__backup_marker_damaged),
	    cmocka_unit_test(test_log__backup_mixed),
	    cmocka_unit_test(test_log__backup_on_a_full_disk),
	    cmocka_unit_test(test_log__backup_marker_of_a_newer_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
