/*
 * tests/server_host: a hot thread and an edge thread over real sockets, for a shard that the test
 * fakes.
 *
 * The test embeds a struct host as its first member, fills in what it wants of the options and a
 * turn, and starts it.
 */
#ifndef TESTS_SERVER_HOST_H
#define TESTS_SERVER_HOST_H

#include "server/edge.h"
#include "server/loop.h"

#include "base/duration.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct host {
	struct io_env *env;
	struct loop_options loop_options; /* listeners, port and ready are filled in */
	struct edge_options edge_options; /* so are index, env, bridge and ready */
	size_t bridge_room;               /* small, so that it fills */
	void (*turn)(struct host *host);  /* takes and answers commands: host_step around it */
	pthread_t thread;
	struct io *io;
	struct loop *loop;
	struct bridge bridge;
	struct edge edge;
	struct api_port port;
	sem_t leave; /* nobody wakes its io any more */
	uint16_t tcp_port;
	atomic_bool ready, stop, drain, drained;
};

/* What came, and what is due. */
static inline void
host_step(struct host *host, uint64_t deadline_ns)
{
	io_step(host->io, deadline_ns);
	loop_timers(host->loop, io_mono_ns(host->env));
}

/* What the commands came to goes out. */
static inline void
host_say(struct host *host)
{
	if (atomic_load(&host->drain)) {
		loop_drain(host->loop);
		edge_drain(&host->edge);
	}
	loop_input(host->loop);
	loop_output(host->loop);
	if (atomic_load(&host->drain) && loop_drained(host->loop) && edge_drained(&host->edge))
		atomic_store(&host->drained, true);
}

static inline void
host_deliver(struct host *host, const struct api_effect *effect)
{
	if (api_conn_loop(effect->conn) == 0)
		loop_deliver(host->loop, effect);
	else
		bridge_hot_deliver(&host->bridge, effect);
}

/* A command goes back where its block came from: the bridge's, or a clone of the port's. */
static inline void
host_done(struct host *host, struct api_command *command)
{
	if (api_conn_loop(command->origin.conn) == 0)
		mem_free(command);
	else
		bridge_hot_done(&host->bridge, command);
}

static inline bool
host_handover(void *context, int socket, struct bytes input)
{
	struct host *host = context;
	return bridge_hot_handover(&host->bridge, socket, input);
}

static inline void
host_open(struct host *host)
{
	struct froe_fault fault;
	struct loop_options *loop = &host->loop_options;
	struct edge_options *edge = &host->edge_options;
	loop->also_listener = loop->admin_listener = -1;
	loop->port = &host->port;
	loop->ready = edge->ready = &host->ready;
	assert_int_equal(io_open(host->env, &host->io, &fault), FROE_OK);
	assert_int_equal(
	    io_listen("127.0.0.1:0", &loop->listener, &host->tcp_port, &fault), FROE_OK);
	assert_int_equal(loop_open(&host->loop, 0, host->io, loop, &fault), FROE_OK);
	loop_set_handover(host->loop, host_handover, host);
	bridge_init(&host->bridge, host->io, host->bridge_room);
	edge->index = 1;
	edge->env = host->env;
	edge->bridge = &host->bridge;
	assert_int_equal(edge_start(&host->edge, edge, &fault), FROE_OK);
}

/* io_uring's rings belong to the thread that opens them. */
static inline void *
host_thread(void *argument)
{
	struct host *host = argument;
	host_open(host);
	atomic_store(&host->ready, true); /* also tells the test that tcp_port is there */
	while (!atomic_load(&host->stop))
		host->turn(host);
	edge_stop(&host->edge);
	loop_close(host->loop);
	bridge_release(&host->bridge);
	while (sem_wait(&host->leave) != 0)
		;
	io_close(host->io);
	return NULL;
}

static inline void
host_start(struct host *host)
{
	sem_init(&host->leave, /* pshared= */ 0, 0);
	assert_int_equal(pthread_create(&host->thread, NULL, host_thread, host), 0);
	while (!atomic_load(&host->ready))
		usleep(1000);
}

static inline void
host_stop(struct host *host)
{
	atomic_store(&host->stop, true);
	io_wake(host->io);
	sem_post(&host->leave);
	pthread_join(host->thread, NULL);
	sem_destroy(&host->leave);
}

/* Waits for a counter of the server's to come to something. */
static inline void
await(const atomic_uint *counter, unsigned value)
{
	for (int i = 0; i < 10000 && atomic_load(counter) != value; i++)
		usleep(1000);
	assert_int_equal(atomic_load(counter), value);
}

/* A socket to it; receive_buffer 0: as it comes. */
static inline int
host_connect(const struct host *host, int receive_buffer)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(host->tcp_port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int with = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(with >= 0);
	if (receive_buffer > 0)
		setsockopt(
		    with, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	assert_int_equal(connect(with, (struct sockaddr *)&to, sizeof(to)), 0);
	return with;
}

#endif
