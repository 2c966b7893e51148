#include "server/edge.h"

#include "base/thread.h"

/* One turn. The order is that of server/loop.h. */
static void
edge_turn(struct edge *edge)
{
	struct loop *loop = edge->loop;
	bridge_edge_step(edge->options.bridge, loop);
	if (atomic_load_explicit(&edge->drain, memory_order_relaxed)) {
		loop_drain(loop); /* again each turn is harmless */
		bool drained = loop_drained(loop);
		/* Release: who sees it sees every command of these connections in the ring. */
		atomic_store_explicit(&edge->drained, drained, memory_order_release);
	}
	loop_input(loop);
	loop_output(loop);
	io_step(edge->io, loop_deadline_ns(loop));
	loop_timers(loop, io_mono_ns(edge->options.env));
}

static enum froe_err
edge_open(struct edge *edge, struct froe_fault *fault)
{
	struct loop_options options = {
	    .listener = -1,
	    .also_listener = -1,
	    .admin_listener = -1,
	    .port = bridge_edge_port(edge->options.bridge),
	    .ready = edge->options.ready,
	    .gateway = edge->options.gateway,
	    .connections_max = edge->options.connections_max,
	    .tls = edge->options.tls,
	    .plain = edge->options.plain,
	    .stall_ms = edge->options.stall_ms,
	    .idle_ms = edge->options.idle_ms,
	    .strangers = edge->options.strangers,
	    .head_ms = edge->options.head_ms,
	};
	enum froe_err err = io_open(edge->options.env, &edge->io, fault);
	if (err != FROE_OK)
		return err;
	err = loop_open(&edge->loop, edge->options.index, edge->io, &options, fault);
	if (err != FROE_OK)
		io_close(edge->io);
	return err;
}

void
edge_run(struct edge *edge)
{
	edge->start_err = edge_open(edge, &edge->start_fault);
	if (edge->start_err == FROE_OK)
		bridge_edge_attach(edge->options.bridge, edge->io);
	sem_post(&edge->started);
	if (edge->start_err != FROE_OK)
		return;
	while (!atomic_load_explicit(&edge->stop, memory_order_acquire))
		edge_turn(edge);
	bridge_edge_attach(edge->options.bridge, NULL);
	loop_close(edge->loop);
	while (sem_wait(&edge->leave) != 0)
		; /* a signal */
	io_close(edge->io);
}

static void *
edge_thread(void *argument)
{
	edge_run(argument);
	return NULL;
}

enum froe_err
edge_start(struct edge *edge, const struct edge_options *options, struct froe_fault *fault)
{
	memset(edge, 0, sizeof(*edge));
	edge->options = *options;
	sem_init(&edge->started, /* pshared= */ 0, 0);
	sem_init(&edge->leave, /* pshared= */ 0, 0);
	enum froe_err err =
	    thread_start(&edge->thread, "froe-edge", edge_thread, edge, fault);
	if (err != FROE_OK)
		return err;
	while (sem_wait(&edge->started) != 0)
		; /* a signal */
	if (edge->start_err == FROE_OK)
		return FROE_OK;
	pthread_join(edge->thread, NULL);
	sem_destroy(&edge->started);
	sem_destroy(&edge->leave);
	*fault = edge->start_fault;
	return edge->start_err;
}

void
edge_drain(struct edge *edge)
{
	atomic_store_explicit(&edge->drain, true, memory_order_relaxed);
	io_wake(edge->io);
}

bool
edge_drained(const struct edge *edge)
{
	return atomic_load_explicit(&edge->drained, memory_order_acquire);
}

void
edge_stop(struct edge *edge)
{
	atomic_store_explicit(&edge->stop, true, memory_order_release);
	io_wake(edge->io);
	/* The wake of a ring leaves with its next turn (io/uring.c): this one. */
	io_step(edge->options.bridge->hot_io, 0);
	sem_post(&edge->leave);
	pthread_join(edge->thread, NULL);
	sem_destroy(&edge->started);
	sem_destroy(&edge->leave);
}

void
edge_stats(const struct edge *edge, struct conn_stats *ret_stats)
{
	loop_stats(edge->loop, ret_stats);
}
