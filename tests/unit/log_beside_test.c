/*
 * What happens beside a server: a look at its log while it writes, with the housekeeping thread
 * that a server has.
 */
#include "log_world.h"

#include <pthread.h>
#include <stdatomic.h>

struct beside {
	struct world *world;
	atomic_bool stop;
	atomic_size_t durable; /* records that a scan begun now must see */
	uint64_t scans;
	size_t seen; /* by the scan that runs */
	size_t seen_max;
	size_t segments_max;
};

static void *
housekeeping(void *context)
{
	struct beside *beside = context;
	while (!atomic_load(&beside->stop)) {
		if (!log_spares_step(beside->world->log))
			usleep(200);
	}
	return NULL;
}

static enum froe_err
seen(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct beside *beside = context;
	(void)fault;
	beside->seen++;
	assert_int_equal(record->event_seq, beside->seen);
	return FROE_OK;
}

/* Scans again and again: each sees all that was durable when it began, and never damage. */
static void *
scanning(void *context)
{
	struct beside *beside = context;
	struct world *world = beside->world;
	struct lsn start = {0};
	while (!atomic_load(&beside->stop)) {
		struct log_report report;
		struct froe_fault fault = {0};
		size_t durable = atomic_load(&beside->durable);
		beside->seen = 0;
		enum froe_err err =
		    log_scan(world->env, world->dir, start, seen, beside, &report, &fault);
		if (err != FROE_OK)
			froe_fatal(FROE_EXIT_DATA, "scan %d: %s", (int)beside->scans, fault.text);
		froe_assert(beside->seen >= durable);
		froe_assert(beside->seen == report.records);
		froe_assert(beside->seen >= beside->seen_max);
		beside->seen_max = beside->seen;
		beside->segments_max = report.segments;
		beside->scans++;
	}
	return NULL;
}

static void
look_beside(struct io_env *env)
{
	struct beside beside = {.world = world_real(env)};
	struct world *world = beside.world;
	pthread_t keeper, scanner;

	world_open(world);
	assert_int_equal(pthread_create(&keeper, NULL, housekeeping, &beside), 0);
	assert_int_equal(pthread_create(&scanner, NULL, scanning, &beside), 0);
	uint64_t end_ns = io_mono_ns(env) + 1500 * MS;
	while (io_mono_ns(env) < end_ns && world->appended + 8 < WORLD_RECORDS_MAX) {
		size_t size = world_below(world, 3000);
		for (unsigned i = 0; i < 8 && log_has_room(world->log, size + 40); i++)
			world_append(world, 1, &size);
		world_turn_alone(world);
		atomic_store(&beside.durable, world->durable_events);
	}
	while (log_durable_seq(world->log) < log_tail_seq(world->log))
		world_turn_alone(world);
	atomic_store(&beside.stop, true);
	pthread_join(scanner, NULL);
	pthread_join(keeper, NULL);
	assert_true(beside.scans >= 2);
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, world->appended);
	world_free(world);
}

static void
test_beside__scan_while_a_server_writes_posix(void **state)
{
	(void)state;
	look_beside(io_env_posix());
}

static void
test_beside__scan_while_a_server_writes_uring(void **state)
{
	(void)state;
	if (!world_has_uring())
		skip();
	look_beside(io_env_uring());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_beside__scan_while_a_server_writes_posix),
	    cmocka_unit_test(test_beside__scan_while_a_server_writes_uring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
