/*
 * Repair: says what it would cost, changes nothing without leave, keeps the longest prefix that
 * verifies, moves the rest to quarantine; what it leaves starts, and goes on.
 */
#include "log_store.h"

#include "log/repair.h"

static struct repair_report report;

static enum froe_err
repair(struct world *world, bool accept)
{
	return repair_run(world->env, world->dir, accept, &report, &world->fault);
}

/* Refused by a start; only reported; then repaired: `records` are left, and the store goes on. */
static void
expect_repaired(struct world *world, size_t records)
{
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	uint64_t before = sim_digest(world->env);
	assert_int_equal(repair(world, false), FROE_CORRUPT);
	assert_true(report.log_damaged);
	assert_false(report.repaired);
	assert_true(sim_digest(world->env) == before);
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	OK(world, repair(world, true));
	assert_true(report.repaired);
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, records);
	world_start(world);
	world_put(world, 5000);
	world_settle(world);
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, records + 1);
	world_close(world);
	OK(world, repair(world, true)); /* there is nothing more to do */
	assert_false(report.repaired);
}

static bool
quarantined_name(void *context, const char *name)
{
	unsigned *count = context;
	*count += strstr(name, ".tmp") == NULL;
	return true;
}

static unsigned
quarantined(struct world *world)
{
	struct paths paths;
	unsigned count = 0;
	OK(world, paths_init(&paths, world->dir, &world->fault));
	OK(world, io_path_list(world->env, paths.quarantine, quarantined_name, &count,
	    &world->fault));
	return count;
}

/* Frames 2..13 hold one record each. */
static void
test_log__repair_of_a_frame(void **state)
{
	(void)state;
	for (uint64_t frame = 2; frame <= 13; frame++) {
		struct image image;
		struct world *world = store_written(&image);
		world_close(world);
		image_flip(&image, image_frame(&image, frame)->offset + 4200);
		expect_repaired(world, (size_t)frame - 2);
		OK(world, repair(world, false));
		assert_true(quarantined(world) >= 1);
		store_free(world, &image);
	}
}

/* Many segments; one in the middle is missing, or nobody can read its header. */
static void
test_log__repair_of_a_segment(void **state)
{
	(void)state;
	for (unsigned missing = 0; missing < 2; missing++) {
		struct world *world = world_sim(20 + missing);
		struct image image;
		size_t records = 0;
		world_open(world);
		for (unsigned i = 0; i < 60; i++) {
			world_put(world, 90000);
			world_settle(world);
		}
		world_settle_watermark(world);
		world_close(world);
		for (uint64_t no = 1; no <= 2; no++) {
			image_load(&image, world, no);
			for (size_t i = 0; i < image.count; i++)
				records += image.frames[i].header.records;
			image_free(&image);
		}
		struct path third = image_segment_path(world, 3);
		if (missing) {
			OK(world, io_path_unlink(world->env, third.text, &world->fault));
		} else {
			image_load(&image, world, 3);
			image_zero(&image, 0, SEG_HEADER_BYTES);
			image_free(&image);
		}
		expect_repaired(world, records);
		assert_true(quarantined(world) >= 3);
		world_free(world);
	}
}

static void
test_log__repair_of_the_watermark(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct paths paths;
	uint8_t bad[8192];
	(void)state;
	memset(bad, 0x77, sizeof(bad));
	OK(world, paths_init(&paths, world->dir, &world->fault));
	struct path path = path_join(paths.shard, "WATERMARK");
	assert_int_equal(sim_corrupt(world->env, path.text, 0, bad, sizeof(bad)), FROE_OK);
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	assert_int_equal(repair(world, false), FROE_CORRUPT);
	assert_true(report.watermark_damaged && !report.log_damaged);
	OK(world, repair(world, true));
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, SERIAL + BURST);
	store_free(world, &image);
}

static void
test_log__repair_of_a_whole_store(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	uint64_t before = sim_digest(world->env);
	OK(world, repair(world, true));
	assert_false(report.repaired || report.log_damaged);
	assert_true(sim_digest(world->env) == before);
	OK(world, world_try_open(world));
	assert_int_equal(repair(world, true), FROE_IN_USE);
	store_free(world, &image);
}

/* Power is lost at any moment of a repair: it can be done again, and ends the same. */
static void
test_log__repair_that_dies(void **state)
{
	bool ended = false;
	(void)state;
	for (uint64_t at = 0; !ended; at++) {
		struct image image;
		struct world *world = store_written(&image);
		image_flip(&image, image_frame(&image, 6)->offset + 4200);
		sim_die_after(world->env, at);
		ended = repair(world, true) == FROE_OK;
		sim_crash(world->env);
		enum froe_err err = world_try_open(world);
		if (err != FROE_OK) {
			OK(world, repair(world, true));
			OK(world, world_try_open(world));
		}
		assert_int_equal(world->replayed, 4);
		assert_true(at < 300);
		store_free(world, &image);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__repair_of_a_frame),
	    cmocka_unit_test(test_log__repair_of_a_segment),
	    cmocka_unit_test(test_log__repair_of_the_watermark),
	    cmocka_unit_test(test_log__repair_of_a_whole_store),
	    cmocka_unit_test(test_log__repair_that_dies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
