/*
 * server/edge: a thread with an edge loop of its own.
 *
 * Purpose     Serves the connections that the hot loop hands over (HTTP, and native ones with
 *             edge_only), over a bridge.
 * Ownership   the caller embeds struct edge; it borrows env, bridge and ready until edge_stop.
 * Threading   edge_start, edge_stop: the thread that owns the hot io. edge_drain, edge_drained,
 *             edge_stats: any thread between them; a wake leaves with the caller's next io_step.
 * Failure     edge_start: what io_open says. Nothing runs then.
 */
#ifndef SERVER_EDGE_H
#define SERVER_EDGE_H

#include "server/bridge.h"
#include "server/loop.h"

#include <pthread.h>
#include <semaphore.h>

struct edge_options {
	uint8_t index;        /* of the loop: 1.. */
	struct io_env *env;   /* the loop's own io is opened on its thread */
	struct bridge *bridge;
	const atomic_bool *ready;
	struct api_gateway *gateway; /* its own, as in loop_options */
	uint32_t connections_max; /* 0: the default */
	struct tls_context *tls;  /* these three as in loop_options */
	enum loop_plain plain;
	uint32_t stall_ms;    /* 0: the defaults */
	uint32_t idle_ms;
	const struct strangers_limits *strangers; /* borrowed for edge_start; NULL: the defaults */
	uint32_t head_ms;
};

struct edge {
	struct edge_options options;
	pthread_t thread;
	sem_t started;
	sem_t leave;              /* nobody wakes the edge's io any more: it may be closed */
	struct io *io;
	struct loop *loop;
	enum froe_err start_err;
	struct froe_fault start_fault;
	atomic_bool drain;
	atomic_bool drained;
	atomic_bool stop;
};

enum froe_err edge_start(struct edge *edge, const struct edge_options *options,
    struct froe_fault *fault) FROE_CHECKED;

/* The thread's body: one turn after the other until edge_stop. */
void edge_run(struct edge *edge);

void edge_drain(struct edge *edge);          /* as loop_drain */
bool edge_drained(const struct edge *edge);  /* no connection is left on it */
/* Closes what is left and joins the thread. Steps the hot io once, so that wakes that are on their
 * way to the edge reach it while it is there: handlers may be called. */
void edge_stop(struct edge *edge);
void edge_stats(const struct edge *edge, struct conn_stats *ret_stats);

#endif
