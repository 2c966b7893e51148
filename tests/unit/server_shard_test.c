/*
 * A shard that starts again and again on a full disk: as long as its segment has a place it comes
 * up, then it says that it cannot, and comes up when there is space.
 */
#include "server/shard.h"

#include "base/duration.h"
#include "io/file.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define STARTS_MAX 400u

static void
hook_event(void *context, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	(void)context;
	(void)place;
	(void)event;
	(void)frame;
}

static void
hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	(void)context;
	(void)effect;
	(void)frame;
}

/* One process, which does nothing but start and make its frames durable. */
static enum froe_err
serve_once(struct io_env *env, struct froe_fault *fault)
{
	static const struct shard_hooks hooks = {.event = hook_event, .effect = hook_effect};
	struct shard_options options = {
	    .log = {.dir = "/data", .segment_bytes = MIB, .inflight_max = 4, .spares = 1},
	    .replay_all = true,
	};
	struct shard shard;
	struct io *io;
	if (shard_open(&shard, env, &options, &hooks, fault) != FROE_OK)
		fail_msg("%s", fault->text);
	if (io_open(env, &io, fault) != FROE_OK)
		fail_msg("%s", fault->text);
	enum froe_err err = shard_start(&shard, io, fault);
	log_flush(shard.log);
	while (log_durable_seq(shard.log) < log_tail_seq(shard.log))
		io_step(io, io_mono_ns(env) + NS_PER_S);
	io_close(io);
	shard_close(&shard);
	return err;
}

static void
ballast_put(struct io_env *env)
{
	struct froe_fault fault;
	struct io_space space;
	int file;
	assert_int_equal(io_path_space(env, "/", &space, &fault), FROE_OK);
	assert_int_equal(io_file_open(env, "/ballast", IO_OPEN_WRITE | IO_OPEN_CREATE, &file,
	    &fault), FROE_OK);
	assert_int_equal(io_file_allocate(env, file, space.free_bytes - MIB / 4, &fault), FROE_OK);
	io_file_close(env, file);
}

static void
test_server__starts_on_a_full_disk(void **state)
{
	struct sim_options options = {.seed = 7, .disk_bytes = 16 * MIB};
	struct io_env *env = sim_open(&options);
	struct froe_fault fault;
	enum froe_err err = FROE_OK;
	unsigned starts = 0;
	(void)state;
	assert_int_equal(serve_once(env, &fault), FROE_OK);
	ballast_put(env);
	while (err == FROE_OK && ++starts < STARTS_MAX)
		err = serve_once(env, &fault);
	assert_int_equal(err, FROE_NO_SPACE);
	assert_true(starts > 20);
	assert_int_equal(serve_once(env, &fault), FROE_NO_SPACE);
	assert_int_equal(io_path_unlink(env, "/ballast", &fault), FROE_OK);
	assert_int_equal(io_path_sync_dir(env, "/", &fault), FROE_OK);
	assert_int_equal(serve_once(env, &fault), FROE_OK);
	sim_release(env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_server__starts_on_a_full_disk),
	};
	return cmocka_run_group_tests_name("server_shard", tests, NULL, NULL);
}
