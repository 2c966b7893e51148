/*
 * The bridge under two threads: a ring of 8, both sides asleep whenever they have nothing to do, so
 * that a wake-up that is lost is a hang (and an alarm ends the test). Meant for ThreadSanitizer
 * too.
 */
#include "server/bridge.h"
#include "server/loop.h"

#include "base/duration.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define COMMANDS 100000u
#define CAPACITY 8u

static struct io_env *test_env;

struct world {
	struct bridge bridge;
	struct io *hot_io;
	sem_t attached;
	sem_t leave;
	uint64_t seen;      /* commands that came, in order */
	uint64_t refusals;  /* of the edge's port */
	uint32_t sockets;   /* that the edge loop adopted */
	int effects;        /* that each command gives rise to */
};

/* ------------------------------------------------------------------------------ the edge */

static void
edge_sleep(struct world *w, struct io *io, struct loop *loop)
{
	bridge_edge_step(&w->bridge, loop);
	loop_input(loop);
	io_step(io, w->bridge.stalled ? UINT64_MAX : 0);
}

static void
edge_post(struct world *w, struct io *io, struct loop *loop, uint64_t number)
{
	struct api_command command = {.op = API_OP_CREDIT, .credit.bytes = number};
	struct api_port *port = bridge_edge_port(&w->bridge);
	while (!port->post(port, &command)) {
		w->refusals++;
		edge_sleep(w, io, loop);
	}
}

static void *
edge_thread(void *argument)
{
	struct world *w = argument;
	struct io *io;
	struct loop *loop;
	struct froe_fault fault;
	atomic_bool ready = true;
	struct loop_options options = {.listener = -1, .also_listener = -1,
	    .admin_listener = -1, .port = bridge_edge_port(&w->bridge),
	    .ready = &ready};
	assert_int_equal(io_open(test_env, &io, &fault), FROE_OK);
	assert_int_equal(loop_open(&loop, 1, io, &options, &fault), FROE_OK);
	bridge_edge_attach(&w->bridge, io);
	sem_post(&w->attached);
	for (uint64_t i = 1; i <= COMMANDS; i++) {
		edge_post(w, io, loop, i);
		if (i % 1000 == 0)
			edge_sleep(w, io, loop);
	}
	/* The hot side ends when it has seen the last one; what it still sends is taken here. */
	struct conn_stats stats;
	do {
		io_step(io, io_mono_ns(test_env) + NS_PER_MS);
		bridge_edge_step(&w->bridge, loop);
		loop_input(loop);
		loop_stats(loop, &stats);
	} while (stats.adopted < COMMANDS / 1000);
	w->sockets = (uint32_t)stats.adopted;
	while (sem_wait(&w->leave) != 0)
		;
	loop_close(loop);
	io_close(io);
	return NULL;
}

/* ------------------------------------------------------------------------------- the hot */

/* Now and then a socket besides the effects: in all more than the ring holds. */
static void
hot_take(struct world *w, struct api_command *command)
{
	assert_int_equal(command->credit.bytes, w->seen + 1);
	w->seen++;
	struct api_effect effect = {.conn = api_conn_handle(1, 0, 0), .number = 41,
	    .packed = bytes_text("for nobody")};
	for (int i = 0; i < w->effects; i++)
		bridge_hot_deliver(&w->bridge, &effect);
	if (w->seen % 1000 == 0) {
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		close(pair[1]);
		assert_true(
		    bridge_hot_handover(&w->bridge, pair[0], bytes_text("neither protocol")));
	}
	bridge_hot_done(&w->bridge, command);
}

static void
run_two_threads(int effects)
{
	struct world *w = mem_zalloc(sizeof(*w));
	struct froe_fault fault;
	pthread_t thread;
	w->effects = effects;
	sem_init(&w->attached, 0, 0);
	sem_init(&w->leave, 0, 0);
	assert_int_equal(io_open(test_env, &w->hot_io, &fault), FROE_OK);
	bridge_init(&w->bridge, w->hot_io, CAPACITY);
	assert_int_equal(pthread_create(&thread, NULL, edge_thread, w), 0);
	while (sem_wait(&w->attached) != 0)
		;
	while (w->seen < COMMANDS || !list_empty(&w->bridge.overflow)) {
		struct api_command *command;
		while ((command = bridge_hot_pop(&w->bridge)) != NULL)
			hot_take(w, command);
		if (w->seen < COMMANDS || !list_empty(&w->bridge.overflow))
			io_step(w->hot_io, UINT64_MAX); /* only a wake-up ends it */
	}
	io_step(w->hot_io, 0);
	sem_post(&w->leave);
	pthread_join(thread, NULL);
	assert_int_equal(w->seen, COMMANDS);
	assert_int_equal(w->sockets, COMMANDS / 1000);
	assert_true(w->refusals > 0); /* the ring was full, or the test shows nothing */
	bridge_release(&w->bridge);
	io_close(w->hot_io);
	sem_destroy(&w->attached);
	sem_destroy(&w->leave);
	mem_free(w);
}

/* Commands alone: the hot side has no other reason to wake than the one that is tested. */
static void
test_bridge__no_wake_for_commands_is_lost(void **state)
{
	(void)state;
	run_two_threads(0);
}

static void
test_bridge__no_wake_is_lost_with_both_rings_full(void **state)
{
	(void)state;
	run_two_threads(3);
}

/* ------------------------------------------------------------------------------ one thread */

static void
test_bridge__no_commands_while_effects_overflow(void **state)
{
	(void)state;
	struct bridge bridge;
	struct io *io;
	struct froe_fault fault;
	assert_int_equal(io_open(test_env, &io, &fault), FROE_OK);
	bridge_init(&bridge, io, CAPACITY);
	struct api_port *port = bridge_edge_port(&bridge);
	struct api_command command = {.op = API_OP_HEARTBEAT};
	for (unsigned i = 0; i < CAPACITY - 1; i++)
		assert_true(port->post(port, &command));
	assert_false(port->post(port, &command));
	struct api_effect effect = {.conn = api_conn_handle(1, 1, 0), .number = 41};
	for (unsigned i = 0; i < CAPACITY - 1; i++)
		bridge_hot_deliver(&bridge, &effect);
	struct api_command *popped = bridge_hot_pop(&bridge);
	assert_non_null(popped);
	bridge_hot_done(&bridge, popped);
	bridge_hot_deliver(&bridge, &effect); /* does not fit */
	assert_false(list_empty(&bridge.overflow));
	assert_null(bridge_hot_pop(&bridge));
	relay_done(&bridge.item_blocks, ring_pop(&bridge.items)); /* the edge takes one */
	popped = bridge_hot_pop(&bridge);
	assert_non_null(popped);
	bridge_hot_done(&bridge, popped);
	bridge_release(&bridge); /* frees what is left on both ways (LeakSanitizer) */
	io_close(io);
}

static void
test_bridge__sockets_are_bounded_and_closed(void **state)
{
	(void)state;
	struct bridge bridge;
	struct io *io;
	struct froe_fault fault;
	assert_int_equal(io_open(test_env, &io, &fault), FROE_OK);
	bridge_init(&bridge, io, CAPACITY);
	for (unsigned i = 0; i < BRIDGE_SOCKETS_MAX; i++) {
		int socket = dup(0);
		assert_true(socket >= 0);
		assert_true(bridge_hot_handover(&bridge, socket, bytes_text("GET ")));
	}
	assert_false(bridge_hot_handover(&bridge, 0, bytes_of(NULL, 0)));
	int above = dup(0);
	close(above);
	bridge_release(&bridge);
	io_step(io, 0); /* a ring closes in its next turn */
	io_close(io);
	int after = dup(0);
	assert_true(after < above); /* all of them were closed */
	close(after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bridge__no_wake_for_commands_is_lost),
	    cmocka_unit_test(test_bridge__no_wake_is_lost_with_both_rings_full),
	    cmocka_unit_test(test_bridge__no_commands_while_effects_overflow),
	    cmocka_unit_test(test_bridge__sockets_are_bounded_and_closed),
	};
	const char *only = getenv("FROE_TEST_IO");
	struct froe_fault fault;
	int failed = 0;
	alarm(100);
	test_env = io_env_posix();
	if (only == NULL || strcmp(only, "posix") == 0)
		failed += cmocka_run_group_tests_name("posix", tests, NULL, NULL);
	test_env = io_env_uring();
	if ((only == NULL || strcmp(only, "io_uring") == 0) && io_uring_check(&fault) == FROE_OK)
		failed += cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
	return failed;
}
