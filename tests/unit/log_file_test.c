/*
 * The rows of recovery's decision table (docs/log-format.md, section 6) that judge whole files:
 * segments, MANIFEST, WATERMARK; and STORE.
 */
#include "log_store.h"

/* ----------------------------------------------------------------------------------- segments */

static void
test_log__row_segment_size(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	assert_int_equal(sim_truncate(world->env, image.path.text, MIB - 4096), FROE_OK);
	must_refuse(world, "its header says", 0);
	assert_int_equal(world->report.bad.v >> 32, 1);
	assert_int_equal(sim_truncate(world->env, image.path.text, 4096), FROE_OK);
	must_refuse(world, "was cut to", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_both_bad(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image_flip(&image, 70);
	image_flip(&image, 4096 + 70);
	must_refuse(world, "both copies", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_one_bad(void **state)
{
	(void)state;
	for (unsigned copy = 0; copy < 2; copy++) {
		struct image image;
		struct world *world = store_written(&image);
		image_zero(&image, copy * LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
		must_start(world, SERIAL + BURST);
		store_free(world, &image);
	}
}

static void
test_log__row_segment_header_of_another_store(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.header.store.bytes[3] ^= 1;
	seg_header_encode(image.bytes, &image.header);
	image_store(&image, 0, SEG_HEADER_BYTES);
	must_refuse(world, "another store", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_wrong_number(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.header.no = 2;
	seg_header_encode(image.bytes, &image.header);
	image_store(&image, 0, SEG_HEADER_BYTES);
	must_refuse(world, "wrong name", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_newer_format(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.bytes[8] = 2; /* major */
	struct hash128 hash = hash128(image.bytes, 4080);
	le64_store(image.bytes + 4080, hash.low);
	le64_store(image.bytes + 4088, hash.high);
	image_store(&image, 0, LOG_BLOCK_BYTES);
	assert_int_equal(world_try_open(world), FROE_INCOMPATIBLE);
	store_free(world, &image);
}

/* Two full segments, a third with frames, a fourth that is ready. */
static struct world *
store_of_segments(void)
{
	struct world *world = world_sim(5);
	world_open(world);
	for (unsigned i = 0; i < 24; i++) {
		world_put(world, 100000);
		world_settle(world);
	}
	assert_int_equal(log_durable_lsn(world->log).v >> 32, 3);
	world_close(world);
	return world;
}

static void
sync_log_directory(struct world *world)
{
	struct path path = image_path(world, "shard-0000/log");
	OK(world, io_path_sync_dir(world->env, path.text, &world->fault));
}

static void
test_log__row_segment_missing(void **state)
{
	(void)state;
	for (uint64_t no = 1; no <= 3; no++) {
		struct world *world = store_of_segments();
		struct path path = image_segment_path(world, no);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		sync_log_directory(world);
		must_refuse(world, "is missing", 0);
		assert_int_equal(world->report.bad.v >> 32, no);
		world_free(world);
	}
}

static void
test_log__row_segment_missing_after_seal(void **state)
{
	struct world *world = store_of_segments();
	(void)state;
	for (uint64_t no = 3; no <= 4; no++) {
		struct path path = image_segment_path(world, no);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
	}
	sync_log_directory(world);
	must_refuse(world, "0000000000000003.seg is missing", 0);
	world_free(world);
}

/* --------------------------------------------------------------------------------- the slots */

static void
slot_damage(struct world *world, const char *name, unsigned slot)
{
	struct path path = image_path(world, name);
	assert_int_equal(sim_corrupt(world->env, path.text, slot * LOG_BLOCK_BYTES + 44, "\x99", 1),
	    FROE_OK);
}

static const char *const slot_files[] = {"shard-0000/MANIFEST", "shard-0000/WATERMARK"};

static void
test_log__row_one_slot(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct image image;
		struct world *world = store_written(&image);
		slot_damage(world, slot_files[i / 2], i % 2);
		must_start(world, SERIAL + BURST);
		assert_int_equal(world->report.epoch, 2); /* the other evidence still tells */
		world_close(world);
		/* It was rewritten: now the other one may go. */
		slot_damage(world, slot_files[i / 2], 1 - i % 2);
		must_start(world, SERIAL + BURST);
		store_free(world, &image);
	}
}

static void
test_log__row_both_slots(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct image image;
		struct world *world = store_written(&image);
		slot_damage(world, slot_files[i], 0);
		slot_damage(world, slot_files[i], 1);
		must_refuse(world, "both slots", 0);
		store_free(world, &image);
	}
}

static void
test_log__row_both_slots_missing_file(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct image image;
		struct world *world = store_written(&image);
		struct path path = image_path(world, slot_files[i]);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		sync_log_directory(world);
		must_refuse(world, "is missing", 0);
		store_free(world, &image);
	}
}

/* ------------------------------------------------------------------------------------ STORE */

static void
test_log__store_one_copy(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct path path = image_path(world, "STORE");
	(void)state;
	assert_int_equal(sim_corrupt(world->env, path.text, 41, "\x99", 1), FROE_OK);
	must_start(world, SERIAL + BURST);
	world_close(world);
	assert_int_equal(sim_corrupt(world->env, path.text, 4096 + 41, "\x99", 1), FROE_OK);
	must_refuse(world, "STORE: both copies", 0);
	store_free(world, &image);
}

static void
test_log__store_lost_is_not_made_again(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct path path = image_path(world, "STORE");
	(void)state;
	OK(world, io_path_unlink(world->env, path.text, &world->fault));
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "STORE is missing"));
	store_free(world, &image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__row_segment_size),
	    cmocka_unit_test(test_log__row_segment_header_both_bad),
	    cmocka_unit_test(test_log__row_segment_header_one_bad),
	    cmocka_unit_test(test_log__row_segment_header_of_another_store),
	    cmocka_unit_test(test_log__row_segment_header_wrong_number),
	    cmocka_unit_test(test_log__row_segment_header_newer_format),
	    cmocka_unit_test(test_log__row_segment_missing),
	    cmocka_unit_test(test_log__row_segment_missing_after_seal),
	    cmocka_unit_test(test_log__row_one_slot),
	    cmocka_unit_test(test_log__row_both_slots),
	    cmocka_unit_test(test_log__row_both_slots_missing_file),
	    cmocka_unit_test(test_log__store_one_copy),
	    cmocka_unit_test(test_log__store_lost_is_not_made_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
