/*
 * When a snapshot is made: as soon as so much log has come as it is to wait for, and not before;
 * or when a minute has passed. It gets its name when the index has what is in it.
 */
#include "server/snapshotter.h"

#include "base/duration.h"
#include "io/file.h"
#include "io/sim.h"
#include "server/indexer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define PAYLOAD_BYTES 60000u /* of JSON text */

struct scene {
	struct io_env *env;
	struct io *io;
	struct shard shard;
	struct snapshotter snapshotter;
	struct indexer indexer; /* says how far it is; that is all */
};

static void
hook_event(void *context, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	(void)context;
	(void)event;
	(void)place;
	(void)frame;
}

static void
hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	(void)context;
	(void)effect;
	(void)frame;
}

/* In a frame of its own. */
static void
scene_step(struct scene *scene, struct eng_command *command)
{
	while (!shard_has_room(&scene->shard, command))
		assert_true(log_spares_step(scene->shard.log));
	assert_true(shard_step(&scene->shard, command) > 0);
	log_flush(scene->shard.log);
	while (log_durable_seq(scene->shard.log) < log_tail_seq(scene->shard.log))
		io_step(scene->io, io_mono_ns(scene->env) + NS_PER_S);
}

static void
scene_open(struct scene *scene, uint64_t log_bytes)
{
	static const struct shard_hooks hooks = {.event = hook_event, .effect = hook_effect};
	struct snapshotter_options snapshots = {
	    .log_bytes = log_bytes, .quiet = true, .indexer = &scene->indexer};
	struct sim_options sim = {.seed = 7, .disk_bytes = 128 * MIB};
	struct shard_options options = {
	    .log = {.dir = "/data", .segment_bytes = MIB, .inflight_max = 4, .spares = 2},
	};
	struct froe_fault fault;
	*scene = (struct scene){.env = sim_open(&sim)};
	atomic_store(&scene->indexer.applied, UINT64_MAX);
	if (shard_open(&scene->shard, scene->env, &options, &hooks, &fault) != FROE_OK ||
	    io_open(scene->env, &scene->io, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
	snapshotter_init(&scene->snapshotter, &scene->shard, "/data", &snapshots);
	assert_int_equal(shard_start(&scene->shard, scene->io, &fault), FROE_OK);
	struct eng_command tenant = {.type = ENG_CMD_TENANT_OPEN};
	tenant.tenant_open.name = bytes_of("default", 7);
	scene_step(scene, &tenant);
}

static void
scene_close(struct scene *scene)
{
	snapshotter_release(&scene->snapshotter);
	io_close(scene->io);
	shard_close(&scene->shard);
	sim_release(scene->env);
}

static void
scene_push(struct scene *scene)
{
	static char payload[PAYLOAD_BYTES];
	struct eng_command command = {.type = ENG_CMD_EVENT_PUSH, .tenant.v = 1};
	memset(payload, '1', sizeof(payload));
	command.event_push.key = bytes_of("key", 3);
	command.event_push.payload = bytes_of(payload, sizeof(payload));
	scene_step(scene, &command);
}

/* What housekeeping does when a segment is sealed. */
static uint64_t
scene_look(struct scene *scene)
{
	struct snapshotter_stats stats;
	while (snapshotter_step(&scene->snapshotter))
		;
	snapshotter_stats(&scene->snapshotter, &stats);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.alarms, 0);
	return stats.number;
}

/* Writes until so many segments are sealed; the number of the newest snapshot then. */
static uint64_t
scene_fill(struct scene *scene, uint64_t segments)
{
	uint64_t number = 0;
	while (log_sealed(scene->shard.log) < segments) {
		uint64_t sealed = log_sealed(scene->shard.log);
		scene_push(scene);
		if (log_sealed(scene->shard.log) != sealed)
			number = scene_look(scene);
	}
	return number;
}

static void
test_snapshotter__so_much_log(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, 4 * MIB);
	assert_int_equal(scene_fill(&scene, 3), 0);
	assert_int_equal(scene_fill(&scene, 4), 4);
	assert_int_equal(scene_fill(&scene, 7), 4);
	assert_int_equal(scene_fill(&scene, 8), 8);
	assert_true(io_mono_ns(scene.env) < SNAPSHOTTER_INTERVAL_NS);
	scene_close(&scene);
}

/* Nobody makes one, for want of a processor say: it is late, until it is made. */
static void
test_snapshotter__late(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, 2 * MIB);
	while (log_sealed(scene.shard.log) < 4)
		scene_push(&scene);
	assert_false(snapshotter_late(&scene.snapshotter));
	while (log_sealed(scene.shard.log) < 5)
		scene_push(&scene);
	assert_true(snapshotter_late(&scene.snapshotter));
	assert_int_equal(scene_look(&scene), 5);
	assert_false(snapshotter_late(&scene.snapshotter));
	scene_close(&scene);
}

static void
test_snapshotter__or_a_minute(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, 4 * MIB);
	assert_int_equal(scene_fill(&scene, 1), 0);
	uint64_t due_ns = snapshotter_due_ns(&scene.snapshotter);
	assert_true(due_ns <= io_mono_ns(scene.env) + SNAPSHOTTER_INTERVAL_NS);
	while (io_mono_ns(scene.env) < due_ns) {
		assert_int_equal(scene_look(&scene), 0);
		io_step(scene.io, due_ns);
	}
	assert_int_equal(scene_look(&scene), 1);
	assert_int_equal(snapshotter_due_ns(&scene.snapshotter), UINT64_MAX);
	scene_close(&scene);
}

/* More segments than notes of them are kept: that of the last one is there, and is looked at. */
static void
test_snapshotter__many_segments(void **state)
{
	struct scene scene;
	struct snapshotter_stats stats;
	const uint64_t segments = SHARD_NOTES + 2;
	(void)state;
	scene_open(&scene, segments * MIB);
	assert_int_equal(scene_fill(&scene, segments), segments);
	snapshotter_stats(&scene.snapshotter, &stats);
	assert_int_equal(stats.compared, 1);
	scene_close(&scene);
}

/* Until it gives up, which is soon: what else housekeeping does waits for it. */
static void
scene_give_up(struct scene *scene)
{
	struct snapshotter_stats stats = {0};
	uint64_t begin_ns = io_mono_ns(scene->env);
	while (stats.failed == 0) {
		while (snapshotter_step(&scene->snapshotter))
			;
		snapshotter_stats(&scene->snapshotter, &stats);
		assert_true(snapshotter_due_ns(&scene->snapshotter) > io_mono_ns(scene->env));
		io_step(scene->io, snapshotter_due_ns(&scene->snapshotter));
	}
	assert_int_equal(stats.number, 0);
	assert_true(io_mono_ns(scene->env) - begin_ns < 2 * SNAPSHOTTER_INTERVAL_NS);
}

static void
test_snapshotter__index_is_behind(void **state)
{
	struct scene scene;
	struct snapshotter_stats stats;
	(void)state;
	scene_open(&scene, 2 * MIB);
	atomic_store(&scene.indexer.applied, 5);
	assert_int_equal(scene_fill(&scene, 2), 0);
	for (int i = 0; i < 1000; i++) /* housekeeping has much to do: that is no time */
		assert_false(snapshotter_step(&scene.snapshotter));
	assert_false(snapshotter_idle(&scene.snapshotter));
	scene_give_up(&scene);
	assert_true(snapshotter_idle(&scene.snapshotter));
	while (snapshotter_step(&scene.snapshotter)) /* a minute later */
		;
	assert_false(snapshotter_idle(&scene.snapshotter));
	atomic_store(&scene.indexer.applied, scene.snapshotter.base.frame_seq - 1);
	assert_false(snapshotter_step(&scene.snapshotter));
	atomic_store(&scene.indexer.applied, scene.snapshotter.base.frame_seq);
	while (snapshotter_step(&scene.snapshotter))
		;
	snapshotter_stats(&scene.snapshotter, &stats);
	assert_int_equal(stats.number, 2);
	assert_int_equal(stats.made, 1);
	scene_close(&scene);
}

static void
scene_fill_disk(struct scene *scene)
{
	struct io_space space;
	int file;
	assert_int_equal(io_path_space(scene->env, "/data", &space, NULL), FROE_OK);
	assert_int_equal(
	    io_file_open(scene->env, "/data/full", IO_OPEN_WRITE | IO_OPEN_CREATE, &file, NULL),
	    FROE_OK);
	assert_int_equal(
	    io_file_allocate(scene->env, file, space.free_bytes - MIB, NULL), FROE_OK);
	io_file_close(scene->env, file);
	while (log_spares_step(scene->shard.log))
		;
}

/* Retention can free nothing behind the older snapshot, and an index needs space to be written. */
static void
test_snapshotter__disk_is_full(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, 2 * MIB);
	atomic_store(&scene.indexer.applied, 5);
	assert_int_equal(scene_fill(&scene, 2), 0);
	assert_false(snapshotter_idle(&scene.snapshotter));
	scene_fill_disk(&scene);
	assert_true(log_short_of_space(scene.shard.log));
	assert_int_equal(scene_look(&scene), 2);
	scene_close(&scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_snapshotter__so_much_log),
	    cmocka_unit_test(test_snapshotter__late),
	    cmocka_unit_test(test_snapshotter__or_a_minute),
	    cmocka_unit_test(test_snapshotter__many_segments),
	    cmocka_unit_test(test_snapshotter__index_is_behind),
	    cmocka_unit_test(test_snapshotter__disk_is_full),
	};
	return cmocka_run_group_tests_name("server_snapshotter", tests, NULL, NULL);
}
