/*
 * Power is lost, or the process ends, at every point of the log's life: creation, appending,
 * rolling over, recovery, cutting. The oracle: what was reported durable is replayed, and what is
 * replayed is a prefix of what was appended (world_replay compares each record); a second recovery
 * finds what the first one found.
 */
#include "log_world.h"

#include "log/paths_int.h"

/* Opens; what was known to be durable is there. */
static void
recover(struct world *world)
{
	size_t durable = world->durable_events, appended = world->appended;
	OK(world, world_try_open(world));
	assert_in_range(world->replayed, durable, appended);
}

/* The same again, without having written a record between. */
static void
recover_twice(struct world *world)
{
	recover(world);
	struct log_report first = world->report;
	world_close(world);
	recover(world);
	assert_int_equal(world->report.records, first.records);
	assert_int_equal(world->report.last_frame_seq, first.last_frame_seq);
	assert_int_equal(world->report.last_time_ns, first.last_time_ns);
	assert_int_equal(world->report.end.v, first.end.v);
	assert_int_equal(world->report.epoch, first.epoch + 1);
	assert_int_equal(world->report.cut_bytes, 0);
	assert_true(uuid_equal(world->report.store, first.store));
}

/* Steps of all sizes, as many as there is room for, and some turns. False: the process is dead or
 * the log has failed. */
static bool
run_some(struct world *world, unsigned steps)
{
	size_t largest = log_payload_bytes_max(world->log) - LOG_RECORD_HEADER_BYTES;
	for (unsigned i = 0; i < steps; i++) {
		uint64_t kind = world_below(world, 40);
		size_t sizes[3] = {world_below(world, 300), world_below(world, 9000), 0};
		size_t count = 1 + world_below(world, 3);
		if (kind == 0)
			sizes[0] = world_below(world, largest);
		for (unsigned turns = 0; !log_has_room(world->log, step_bytes(count, sizes));
		     turns++) {
			if (turns == 400 || log_failed(world->log, NULL))
				return false;
			world_turn(world);
		}
		world_append(world, count, sizes);
		if (kind < 25)
			log_flush(world->log);
		if (kind < 12)
			world_turn(world);
		if (log_failed(world->log, NULL))
			return false;
	}
	return true;
}

static struct world *
crash_world(uint64_t seed)
{
	struct sim_options options = {
	    .seed = seed,
	    .start_wall_ns = WALL_NS,
	    .short_write_per_million = seed % 2 == 0 ? 0 : 100000,
	};
	struct world *world = world_sim_with(&options);
	world->options.spares = 1;
	world->options.inflight_max = 1 + (unsigned)(seed % LOG_INFLIGHT_MAX);
	return world;
}

/* Up to four frames are in flight and end in any order. */
static void
test_crash__power_is_lost_while_appending(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct world *world = crash_world(seed);
		for (unsigned life = 0; life < 5; life++) {
			world_open(world);
			assert_true(run_some(world, 1 + (unsigned)world_below(world, 150)));
			world_note_durable(world);
			world_crash(world);
			recover_twice(world);
			world_close(world);
		}
		world_free(world);
	}
}

/* The same, stopped in the middle of any file operation. */
static void
test_crash__process_dies_in_any_operation(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct world *world = crash_world(seed);
		for (unsigned life = 0; life < 5; life++) {
			world_open(world);
			sim_die_after(world->env, world_below(world, 120));
			while (run_some(world, 20))
				;
			world_note_durable(world);
			world_crash(world);
			recover_twice(world);
			world_close(world);
		}
		world_free(world);
	}
}

/* Creation, operation by operation: afterwards there is a store, or the next open makes it. */
static void
test_crash__in_creation(void **state)
{
	(void)state;
	bool whole = false;
	for (uint64_t at = 0; !whole; at++) {
		assert_true(at < 500);
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct world *world = world_sim(seed);
			sim_die_after(world->env, at);
			whole = world_try_open(world) == FROE_OK;
			world_crash(world);
			recover(world);
			assert_int_equal(world->report.records, 0);
			world_start(world);
			world_put(world, 10);
			world_settle(world);
			world_crash(world);
			recover_twice(world);
			assert_int_equal(world->report.records, 1);
			world_free(world);
		}
	}
}

/* A creation that fails at any operation says so, and can be tried again. */
static void
test_crash__error_in_creation(void **state)
{
	(void)state;
	bool whole = false;
	for (uint64_t at = 0; !whole; at++) {
		struct world *world = world_sim(at + 1);
		assert_true(at < 500);
		sim_fail_after(world->env, at, at % 2 == 0 ? FROE_IO : FROE_NO_SPACE);
		enum froe_err err = world_try_open(world);
		uint64_t used = sim_operations(world->env);
		whole = used <= at;
		if (err != FROE_OK)
			assert_true(world->fault.text[0] != '\0');
		world_close(world);
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		world_open(world);
		world_put(world, 10);
		world_settle(world);
		world_crash(world);
		recover_twice(world);
		assert_int_equal(world->report.records, 1);
		world_free(world);
	}
}

/* A store whose tail is torn: `seed` gives another one each time. */
static struct world *
torn_world(uint64_t seed)
{
	struct world *world = crash_world(4 * seed + 3); /* four in flight */
	world_open(world);
	assert_true(run_some(world, 20 + (unsigned)seed % 40));
	size_t sizes[1] = {0};
	for (unsigned i = 0; i < LOG_INFLIGHT_MAX; i++) {
		sizes[0] = 1000 + world_below(world, 30000);
		world_wait_for_room(world, step_bytes(1, sizes));
		world_append(world, 1, sizes);
		log_flush(world->log);
	}
	world_note_durable(world);
	world_crash(world);
	return world;
}

/* Recovery, and the cut, operation by operation: it is done again, with the same end. */
static void
test_crash__in_recovery(void **state)
{
	(void)state;
	unsigned cuts = 0;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		uint64_t operations = UINT64_MAX;
		for (uint64_t at = 0; at < operations; at++) {
			struct world *world = torn_world(seed);
			uint64_t before = sim_operations(world->env);
			sim_die_after(world->env, at);
			size_t durable = world->durable_events, appended = world->appended;
			if (world_try_open(world) == FROE_OK)
				operations = sim_operations(world->env) - before;
			world->durable_events = durable;
			world->appended = appended;
			world_crash(world);
			recover_twice(world);
			world_close(world);
			world_free(world);
		}
		struct world *world = torn_world(seed);
		recover(world);
		cuts += world->report.cut_bytes > 0;
		world_free(world);
	}
	assert_true(cuts >= 3); /* else the test says little */
}

/* Recovery that dies again and again, each time a little later, does not lose its way. */
static void
test_crash__recovery_dies_many_times(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 115; seed++) {
		struct world *world = torn_world(seed);
		size_t durable = world->durable_events, appended = world->appended;
		size_t end = SIZE_MAX;
		for (unsigned try = 0; try < 12; try++) {
			sim_die_after(world->env, 8 + world_below(world, 60));
			bool opened = world_try_open(world) == FROE_OK;
			assert_false(world->replay_wrong);
			if (opened) {
				assert_true(end == SIZE_MAX || end == world->replayed);
				end = world->replayed;
			}
			world->durable_events = durable;
			world->appended = appended;
			world_crash(world);
		}
		recover_twice(world);
		assert_true(end == SIZE_MAX || end == world->replayed);
		world_free(world);
	}
}

struct copies {
	struct world *world;
	unsigned count;
	uint64_t bytes;
	uint64_t hash; /* of all, in the order of their segments' numbers: so of any order */
};

static bool
each_copy(void *context, const char *name)
{
	struct copies *copies = context;
	struct world *world = copies->world;
	struct path path = path_join("/store/shard-0000/quarantine", name);
	uint64_t size = 0;
	int file;

	OK(world, io_file_open(world->env, path.text, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_size(world->env, file, &size, &world->fault));
	uint8_t *bytes = mem_pages(size);
	OK(world, io_file_read(world->env, file, bytes, size, 0, &world->fault));
	io_file_close(world->env, file);
	copies->count++;
	copies->bytes += size;
	copies->hash += hash64(bytes, size, hash64(name, strlen(name), 1));
	mem_pages_free(bytes, size);
	return true;
}

/* What was cut is not gone: its copy lasts as long as the zeros that replace it. */
static void
test_crash__the_copy_of_a_cut_is_durable(void **state)
{
	(void)state;
	unsigned cuts = 0;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world *world = torn_world(seed);
		struct copies before = {.world = world}, after = {.world = world};
		recover(world);
		uint64_t cut_bytes = world->report.cut_bytes;
		OK(world, io_path_list(world->env, "/store/shard-0000/quarantine", each_copy,
		    &before, &world->fault));
		world_crash(world);
		OK(world, io_path_list(world->env, "/store/shard-0000/quarantine", each_copy,
		    &after, &world->fault));
		assert_int_equal(before.bytes, cut_bytes);
		assert_int_equal(after.count, before.count);
		assert_int_equal(after.bytes, before.bytes);
		assert_int_equal(after.hash, before.hash);
		cuts += before.count > 0;
		world_free(world);
	}
	assert_true(cuts >= 3);
}

/* A read or write error in recovery is an error, not a verdict; without it all is there. */
static void
test_crash__error_in_recovery(void **state)
{
	(void)state;
	uint64_t operations = UINT64_MAX;
	for (uint64_t at = 0; at < operations; at++) {
		struct world *world = torn_world(5);
		size_t durable = world->durable_events, appended = world->appended;
		uint64_t before = sim_operations(world->env);
		sim_fail_after(world->env, at, FROE_IO);
		enum froe_err err = world_try_open(world);
		if (sim_operations(world->env) - before <= at)
			operations = at;
		else
			assert_true(err == FROE_OK || err == FROE_IO);
		world_close(world);
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		world->durable_events = durable;
		world->appended = appended;
		recover_twice(world);
		world_free(world);
	}
}

/* Any operation fails: the log fails at once, nothing after it counts, and the next process,
 * started by a kill or after a loss of power, goes on from there. Then power is lost. */
static void
life_with_error(struct world *world)
{
	world_open(world);
	sim_fail_after(world->env, world_below(world, 150), FROE_IO);
	bool fine = run_some(world, 100);
	world_note_durable(world);
	if (!fine) {
		uint64_t durable = log_durable_seq(world->log);
		assert_true(log_failed(world->log, &world->fault));
		bool frame = strncmp(world->fault.text, "writing frame", 13) == 0;
		for (unsigned i = 0; i < 20; i++)
			world_turn(world);
		if (frame) {
			assert_false(log_has_room(world->log, 0));
			assert_int_equal(log_durable_seq(world->log), durable);
		}
		world_note_durable(world);
	}
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	if (world_below(world, 2) == 0)
		world_crash(world);
	else
		world_close(world);
	recover(world);
	world_start(world);
	assert_true(run_some(world, 30));
	world_settle(world);
	world_crash(world);
	recover_twice(world);
	world_close(world);
}

static void
test_crash__errors_at_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++) {
		struct world *world = crash_world(seed);
		for (unsigned life = 0; life < 4; life++)
			life_with_error(world);
		world_free(world);
	}
}

/* Housekeeping is stopped in any operation by a kill, which leaves names that only the kernel
 * knows. The next process writes into the segments it finds, without housekeeping; then power is
 * lost. */
static void
kill_in_housekeeping(uint64_t at, uint64_t seed)
{
	const size_t size = 60000;
	struct world *world = world_sim(seed);
	world_open(world);
	while (log_durable_lsn(world->log).v >> 32 < 2) {
		world_put(world, size);
		world_settle(world);
	}
	while (log_has_room(world->log, size)) {
		world_append(world, 1, &size);
		world_turn_alone(world);
	}
	sim_fail_after(world->env, at, FROE_IO);
	while (log_spares_step(world->log))
		;
	world_close(world);
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	recover(world);
	world_start(world);
	for (unsigned i = 0; i < 40 && log_has_room(world->log, size + 64); i++) {
		world_append(world, 1, &size);
		for (unsigned turn = 0; turn < 10; turn++)
			world_turn_alone(world);
	}
	world_crash(world);
	recover_twice(world);
	world_free(world);
}

static void
test_crash__killed_in_housekeeping(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 8; at++) { /* the activation of a segment */
		for (uint64_t seed = 1; seed <= 8; seed++)
			kill_in_housekeeping(at, seed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crash__power_is_lost_while_appending),
	    cmocka_unit_test(test_crash__process_dies_in_any_operation),
	    cmocka_unit_test(test_crash__in_creation),
	    cmocka_unit_test(test_crash__error_in_creation),
	    cmocka_unit_test(test_crash__in_recovery),
	    cmocka_unit_test(test_crash__recovery_dies_many_times),
	    cmocka_unit_test(test_crash__the_copy_of_a_cut_is_durable),
	    cmocka_unit_test(test_crash__error_in_recovery),
	    cmocka_unit_test(test_crash__errors_at_random),
	    cmocka_unit_test(test_crash__killed_in_housekeeping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
