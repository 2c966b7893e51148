/*
 * The index and the newest snapshot: whenever a server is killed, the index has what is in the
 * snapshot that the next start begins with, so that nothing is made anew.
 */
#include "server_hub_world.h"

#include "server/snapshotter.h"

#define INPUT_BYTES 200000u
#define LINE_BYTES 4000u

struct scene {
	struct world *world;
	struct snapshotter snapshotter;
};

static void
scene_open(struct scene *scene)
{
	*scene = (struct scene){.world = world_open(1 << 20)};
	struct snapshotter_options options = {
	    .log_bytes = 1, .quiet = true, .indexer = &scene->world->indexer};
	world_mail(scene->world, 200);
	snapshotter_init(&scene->snapshotter, &scene->world->shard, "/data", &options);
}

static uint64_t
scene_snapshots(const struct scene *scene)
{
	struct snapshotter_stats stats;
	snapshotter_stats(&scene->snapshotter, &stats);
	assert_int_equal(stats.failed, 0);
	return stats.made;
}

/* As far as it goes without the index. */
static void
scene_snapshot(struct scene *scene)
{
	while (snapshotter_step(&scene->snapshotter))
		;
}

/* Runs begin and end, until a segment is sealed and the next one has some, too. */
static void
scene_fill(struct scene *scene)
{
	struct world *world = scene->world;
	struct bytes input = text_large(INPUT_BYTES, 'x');
	uint64_t sealed = log_sealed(world->shard.log);
	for (unsigned more = 3; more > 0; more -= log_sealed(world->shard.log) > sealed ? 1 : 0) {
		hear_started(world, CLIENT, say_run(world, CLIENT, "mail", input, false));
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
	}
	mem_free((void *)(uintptr_t)input.data);
}

/* The process is gone, and what was not durable; another one serves. */
static void
scene_kill(struct scene *scene)
{
	struct world *world = scene->world;
	snapshotter_release(&scene->snapshotter);
	world_stop(world);
	sim_crash(world->env);
	world_forget(world);
	world->promise_count = 0;
	world->index_stuck = false;
	world_start(world);
}

static bool
scene_behind(const struct scene *scene)
{
	uint64_t frame, until;
	return indexer_behind(&scene->world->indexer, &frame, &until);
}

/* What happens behind a segment's end, in order; the last thing is the old snapshot's removal. */
enum moment {
	MOMENT_SEALED,
	MOMENT_WRITTEN, /* a snapshot */
	MOMENT_TAKEN,   /* the rows, by the index thread */
	MOMENT_BATCH,   /* they are durable */
	MOMENT_NAMED,
	MOMENT_REMOVED,
	MOMENTS,
};

static void
moment_come(struct scene *scene, enum moment moment)
{
	struct world *world = scene->world;
	if (moment == MOMENT_SEALED) {
		world->index_stuck = true;
		scene_fill(scene);
	} else if (moment == MOMENT_WRITTEN || moment == MOMENT_REMOVED) {
		scene_snapshot(scene);
	} else if (moment == MOMENT_NAMED) {
		uint64_t made = scene_snapshots(scene);
		while (scene_snapshots(scene) == made)
			assert_true(snapshotter_step(&scene->snapshotter));
	} else {
		if (moment == MOMENT_BATCH)
			sim_advance(world->env, INDEXER_BATCH_NS);
		indexer_step(&world->indexer);
	}
	assert_int_equal(scene_snapshots(scene) > 0, moment >= MOMENT_NAMED);
}

static void
test_mark__killed_at_each_moment(void **state)
{
	(void)state;
	for (enum moment last = MOMENT_SEALED; last < MOMENTS; last++) {
		struct scene scene;
		scene_open(&scene);
		hear_started(scene.world, CLIENT,
		    say_run(scene.world, CLIENT, "mail", bytes_text("1"), false));
		world_pass(scene.world, 300); /* the index is not new */
		for (enum moment moment = MOMENT_SEALED; moment <= last; moment++)
			moment_come(&scene, moment);
		scene_kill(&scene);
		assert_int_equal(scene.world->shard.report.snapshot != 0, last >= MOMENT_NAMED);
		assert_true(scene.world->index_applied != 0);
		assert_false(scene_behind(&scene));
		world_close(scene.world);
	}
}

/* Frames of which the index wants nothing, up to a segment's end. */
static void
test_mark__no_rows(void **state)
{
	struct scene scene;
	char line[LINE_BYTES + 1];
	(void)state;
	scene_open(&scene);
	struct world *world = scene.world;
	memset(line, 'l', LINE_BYTES);
	line[LINE_BYTES] = 0;
	hear_started(world, CLIENT, say_run(world, CLIENT, "mail", bytes_text("1"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	world_pass(world, 300);
	uint64_t applied = indexer_applied(&world->indexer);
	assert_true(applied > 0);
	while (log_sealed(world->shard.log) == 0) {
		say_log(world, WORKER, fence, line);
		world_turn(world);
	}
	world_settle(world);
	world_pass(world, 300);
	assert_true(indexer_applied(&world->indexer) > applied);
	scene_snapshot(&scene);
	assert_int_equal(scene_snapshots(&scene), 1);
	scene_kill(&scene);
	assert_true(world->index_applied >= world->shard.report.snapshot_frame_seq);
	assert_int_equal(world->shard.report.snapshot, 1);
	assert_false(scene_behind(&scene));
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mark__killed_at_each_moment),
	    cmocka_unit_test(test_mark__no_rows),
	};
	return cmocka_run_group_tests_name("server_mark", tests, NULL, NULL);
}
