/*
 * The fixture of the tests of both real loops: a loop, a directory, a listener, and ops that
 * remember what they were told.
 */
#ifndef IO_REAL_WORLD_H
#define IO_REAL_WORLD_H

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* a test that waits longer has failed */

struct world {
	struct io_env *env;
	struct io *io;
	int listener;
	uint16_t port;
	char directory[256];
	char path[300];
};

/* An op that notes its completions. */
struct probe {
	struct io_op op;
	int calls;
	int32_t result; /* the last one */
	uint64_t bytes;
};

static inline void
probe_done(struct io_op *op, int32_t result)
{
	struct probe *probe = container_of(op, struct probe, op);

	probe->calls++;
	probe->result = result;
	if (result > 0)
		probe->bytes += (uint64_t)result;
}

static inline void
probe_init(struct probe *probe)
{
	*probe = (struct probe){0};
	io_op_init(&probe->op, probe_done);
}

static inline uint64_t
world_deadline(const struct world *world, uint64_t ms)
{
	return io_mono_ns(world->env) + ms * MS;
}

static inline void
world_run_until_calls(struct world *world, const struct probe *probe, int calls)
{
	uint64_t end = world_deadline(world, PATIENCE_MS);

	while (probe->calls < calls) {
		assert_true(io_mono_ns(world->env) < end);
		io_step(world->io, end);
	}
}

/* Runs for some turns without anything being expected. */
static inline void
world_idle(struct world *world, int turns)
{
	while (turns-- > 0)
		io_step(world->io, world_deadline(world, 2));
}

/* The kernel completes a connection on the loopback by itself, before it is accepted. */
static inline int
world_dial(const struct world *world)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(world->port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(client >= 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	return client;
}

/* A connected pair over TCP, taken off the listener by hand. */
static inline void
world_pair(const struct world *world, int ends[2])
{
	ends[0] = world_dial(world);
	ends[1] = accept(world->listener, NULL, NULL);
	assert_true(ends[1] >= 0);
}

static inline int
world_open_file(const struct world *world, unsigned flags)
{
	struct froe_fault fault;
	int file = -1;

	if (io_file_open(world->env, world->path, flags, &file, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
	return file;
}

static inline int
world_setup(void **state, struct io_env *env)
{
	struct world *world = mem_zalloc(sizeof(*world));
	const char *base = getenv("TMPDIR");
	struct froe_fault fault;

	world->env = env;
	snprintf(world->directory, sizeof(world->directory), "%s/froe-io-XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(world->directory) == NULL)
		return -1;
	snprintf(world->path, sizeof(world->path), "%s/file", world->directory);
	if (io_open(env, &world->io, &fault) != FROE_OK ||
	    io_listen("127.0.0.1:0", &world->listener, &world->port, &fault) != FROE_OK) {
		fprintf(stderr, "%s\n", fault.text);
		return -1;
	}
	*state = world;
	return 0;
}

static inline int
world_setup_posix(void **state)
{
	return world_setup(state, io_env_posix());
}

static inline int
world_setup_uring(void **state)
{
	return world_setup(state, io_env_uring());
}

static inline int
world_teardown(void **state)
{
	struct world *world = *state;

	if (world->io != NULL)
		io_close(world->io);
	close(world->listener);
	unlink(world->path);
	int failed = rmdir(world->directory);
	mem_free(world);
	return failed;
}

/* The same tests on both loops; where io_uring is refused, on one. */
/* It looks before it sleeps, very long. */
#define WORLD_POLL_NS (5 * MS)
static inline int
world_setup_polling(void **state)
{
	int failed = world_setup(state, io_env_uring());

	if (failed == 0)
		io_poll(((struct world *)*state)->io, WORLD_POLL_NS);
	return failed;
}

#define POSIX_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_posix, world_teardown)
#define URING_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_uring, world_teardown)
#define POLLING_TEST(name)                                                                         \
	cmocka_unit_test_setup_teardown(name, world_setup_polling, world_teardown)

static inline bool
world_has_uring(void)
{
	struct froe_fault fault;

	if (io_uring_check(&fault) == FROE_OK)
		return true;
	fprintf(stderr, "skipping io_uring: %s\n", fault.text);
	return false;
}

#endif
