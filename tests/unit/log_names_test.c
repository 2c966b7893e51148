/*
 * Snapshots by their names: listed, removed, kept in quarantine/, cleaned up; and made, on a disk
 * that fails in between.
 */
#include "log_world.h"

#include "log/copy_int.h"
#include "log/snapshot.h"

static void
snapshot_make(struct world *world, uint64_t number)
{
	struct log_base base = {.number = number};
	struct snapshot_writer *writer;
	uint64_t bytes;
	OK(world, snapshot_create(world->env, world->dir, world->report.store, &base, &writer,
		      &world->fault));
	OK(world, snapshot_finish(writer, 77, &bytes, &world->fault));
}

/* The second and the third. */
static struct world *
world_with_snapshots(void)
{
	struct world *world = world_sim(3);
	world_open(world);
	world_settle_watermark(world);
	snapshot_make(world, 2);
	snapshot_make(world, 3);
	return world;
}

static void
count_each(void *context, uint64_t number)
{
	uint64_t *sum = context;
	*sum += number;
}

static unsigned
snapshots_listed(struct world *world, uint64_t *ret_sum)
{
	*ret_sum = 0;
	OK(world, snapshot_list(world->env, world->dir, count_each, ret_sum, &world->fault));
	return (unsigned)*ret_sum;
}

static void
file_make(struct world *world, const char *name)
{
	struct path path = path_join(world->dir, name);
	int file;
	OK(world, io_file_open(world->env, path.text, IO_OPEN_WRITE | IO_OPEN_CREATE, &file,
		      &world->fault));
	io_file_close(world->env, file);
}

/* Names that are none of ours are left alone; what was not finished goes; a bad one is kept. */
static void
test_snapshot__names(void **state)
{
	static const char *const others[] = {"shard-0000/ckpt/short", "shard-0000/ckpt/x",
	    "shard-0000/ckpt/0000000000000007.snapshot", "shard-0000/ckpt/000000000000000g.snap",
	    "shard-0000/ckpt/0000000000000000.snap", "shard-0000/ckpt/0000000000000008.other"};
	struct world *world = world_with_snapshots();
	uint64_t sum;
	int file;
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		file_make(world, others[i]);
	file_make(world, "shard-0000/ckpt/0000000000000009.snap.tmp");
	assert_int_equal(snapshots_listed(world, &sum), 5);
	OK(world, snapshot_list(world->env, world->dir, NULL, NULL, &world->fault));
	OK(world, snapshot_clean(world->env, world->dir, &world->fault));
	assert_int_equal(
	    io_file_open(world->env,
		path_join(world->dir, "shard-0000/ckpt/0000000000000009.snap.tmp").text,
		IO_OPEN_READ, &file, &world->fault),
	    FROE_NOT_FOUND);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		OK(world, io_file_open(world->env, path_join(world->dir, others[i]).text,
			      IO_OPEN_READ, &file, &world->fault));
		io_file_close(world->env, file);
	}
	OK(world, snapshot_quarantine(world->env, world->dir, 3, &world->fault));
	OK(world, snapshot_quarantine(world->env, world->dir, 3, &world->fault)); /* once more */
	OK(world, io_file_open(world->env,
		      path_join(world->dir, "shard-0000/quarantine/0000000000000003.snap").text,
		      IO_OPEN_READ, &file, &world->fault));
	io_file_close(world->env, file);
	assert_int_equal(snapshots_listed(world, &sum), 2);
	OK(world, snapshot_remove(world->env, world->dir, 2, &world->fault));
	OK(world, snapshot_remove(world->env, world->dir, 2, &world->fault));
	assert_int_equal(snapshots_listed(world, &sum), 0);
	world_free(world);
}

/* Beside a copy of the store nothing is removed. */
static void
test_snapshot__remove_waits_for_a_backup(void **state)
{
	struct world *world = world_with_snapshots();
	struct paths paths;
	uint64_t sum;
	int hold;
	(void)state;
	OK(world, paths_init(&paths, world->dir, &world->fault));
	OK(world, copy_hold(world->env, &paths, &hold, &world->fault));
	assert_int_equal(
	    snapshot_remove(world->env, world->dir, 2, &world->fault), FROE_IN_USE);
	io_file_close(world->env, hold);
	assert_int_equal(snapshots_listed(world, &sum), 5);
	OK(world, snapshot_remove(world->env, world->dir, 2, &world->fault));
	assert_int_equal(snapshots_listed(world, &sum), 3);
	world_free(world);
}

static enum froe_err
names_call(struct world *world, unsigned call)
{
	uint64_t sum = 0;
	switch (call) {
	case 0:
		return snapshot_remove(world->env, world->dir, 2, &world->fault);
	case 1:
		return snapshot_quarantine(world->env, world->dir, 2, &world->fault);
	case 2:
		return snapshot_list(world->env, world->dir, count_each, &sum, &world->fault);
	default:
		return snapshot_clean(world->env, world->dir, &world->fault);
	}
}

/* Each call that changes names, with an error in each of its operations: told, and done when it is
 * asked again. */
static void
test_snapshot__names_with_an_error_anywhere(void **state)
{
	(void)state;
	for (unsigned call = 0; call < 4; call++) {
		bool reached = true;
		for (uint64_t at = 0; reached; at++) {
			struct world *world = world_with_snapshots();
			uint64_t sum;
			file_make(world, "shard-0000/ckpt/0000000000000009.snap.tmp");
			uint64_t before = sim_operations(world->env);
			sim_fail_after(world->env, at, FROE_IO);
			for (unsigned tries = 0; tries < 2; tries++) {
				enum froe_err err = names_call(world, call);
				if (tries == 0) {
					reached = sim_operations(world->env) - before > at;
					assert_int_equal(err, reached ? FROE_IO : FROE_OK);
					sim_fail_after(world->env, UINT64_MAX, FROE_IO);
				} else {
					assert_int_equal(err, FROE_OK);
				}
			}
			assert_int_equal(snapshots_listed(world, &sum), call < 2 ? 3 : 5);
			world_free(world);
		}
	}
}

/* The disk fails in the n-th operation of the making: nothing is left that a start would take. */
static void
test_snapshot__error_while_it_is_made(void **state)
{
	static const struct log_base base = {.number = 0x1f};
	unsigned failed = 0;
	bool reached = true;
	(void)state;
	for (uint64_t at = 0; reached; at++) {
		struct world *world = world_sim(80);
		struct snapshot_writer *writer;
		struct log_entry entry = {.type = 16390, .body = bytes_of(world->body, 400000)};
		struct log_base read;
		uint64_t bytes, sum;
		world_open(world);
		world_settle_watermark(world);
		uint64_t before = sim_operations(world->env);
		sim_fail_after(world->env, at, at % 2 == 0 ? FROE_IO : FROE_NO_SPACE);
		enum froe_err err = snapshot_create(world->env, world->dir, world->report.store,
		    &base, &writer, &world->fault);
		for (unsigned i = 0; i < 6 && err == FROE_OK; i++) {
			err = snapshot_put(writer, &entry, &world->fault);
			if (err != FROE_OK)
				snapshot_discard(writer);
		}
		if (err == FROE_OK)
			err = snapshot_finish(writer, 77, &bytes, &world->fault);
		reached = sim_operations(world->env) - before > at;
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		failed += err != FROE_OK;
		if (err == FROE_OK)
			OK(world, snapshot_read(world->env, world->dir, world->report.store, 0x1f,
				      NULL, NULL, false, &read, &world->fault));
		else
			assert_true(err == FROE_IO || err == FROE_NO_SPACE);
		OK(world, snapshot_clean(world->env, world->dir, &world->fault));
		/* Named, and perhaps not for ever: MANIFEST does not name it. */
		assert_true(snapshots_listed(world, &sum) == 0x1f || err != FROE_OK);
		world_free(world);
	}
	assert_true(failed > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_snapshot__names),
	    cmocka_unit_test(test_snapshot__remove_waits_for_a_backup),
	    cmocka_unit_test(test_snapshot__names_with_an_error_anywhere),
	    cmocka_unit_test(test_snapshot__error_while_it_is_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
