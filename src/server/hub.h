/*
 * server/hub: what connections want of the shard, and what the shard has for them.
 *
 * Purpose     Takes commands from sessions on any loop, runs them on the shard, and holds everything
 *             that must not be seen yet in an outbox, in order, each item with the frame that
 *             must be durable first. Resolves payloads of dispatches and results (asking the log when
 *             they have left memory), keeps watches, push windows and workers' liveness.
 * Files       hub.c: commands and replies; hub_push.c: dispatches, revocations, watched runs, within
 *             each connection's window; hub_read.c: views, lists, outputs; hub_worker.c: liveness.
 * Ownership   owns its connections, watches and workers; borrows shard, indexer and the deliver hook.
 * Threading   the hot thread (or the simulator).
 * Invariants  1. an item leaves the outbox only when its frame is durable (rule 1 of ARCHITECTURE.md).
 *             2. a connection's pushes leave in order and within its window.
 *             3. pending pushes are references, never payloads: a slow reader costs a few bytes each,
 *                bounded by its worker's slots and its watches.
 */
#ifndef SERVER_HUB_H
#define SERVER_HUB_H

#include "api/port.h"
#include "base/map.h"
#include "froe/limits.h"
#include "sched/wheel.h"
#include "server/failpoint.h"
#include "server/indexer.h"
#include "server/shard.h"

struct hub_options {
	uint32_t heartbeat_ms;
	uint32_t heartbeat_lost_ms;
	uint32_t reconnect_grace_ms;
};

struct hub_stats {
	uint64_t dispatches;
	uint64_t needs;    /* payloads that had left memory */
	uint64_t refused;  /* commands answered with an error */
	uint64_t workers_lost;
	uint64_t connections;
};

struct hub {
	struct shard *shard;
	struct indexer *indexer;
	struct hub_options options;
	/* How effects reach a connection, on whatever loop it lives. */
	void (*deliver)(void *context, const struct api_effect *effect);
	void (*metrics)(void *context, struct buf *to); /* what others add to /metrics */
	void *deliver_context;

	struct buf outbox;         /* items: struct hub_item, then its bytes */
	uint64_t mono_ns;          /* of this turn */
	struct map conns;          /* handle -> struct hub_conn */
	struct map watches;        /* run key -> struct hub_watch, chained */
	uint32_t change_watches;   /* watches that want every change */
	struct map workers;        /* worker -> struct hub_worker */
	struct wheel wheel;        /* boot-time clock: workers' liveness */
	struct list loaded;        /* pushes whose bytes have come from the log */
	struct hub_load *providing; /* during TASK_PROVIDE: the bytes for the dispatch it causes */
	struct list reads;         /* questions at the index thread, oldest first */
	struct list forgets;       /* closed runs whose places the index does not have yet */
	struct list backlog;       /* index rows of recovery that did not fit the ring */
	uint64_t reads_last;
	struct arena arena;        /* of one command or delivery */
	struct buf scratch;
	const struct api_command *command; /* being run: hooks relate effects to it */
	struct hub_stats stats;
	struct failpoint failpoint;
};

void hub_init(struct hub *hub, const struct hub_options *options);
void hub_release(struct hub *hub);

/* The shard's hooks; their context is the hub. */
extern const struct shard_hooks hub_hooks;

/* After shard_open: rows that the index lacks go to it; known workers get their grace. */
void hub_start(struct hub *hub, struct shard *shard, struct indexer *indexer,
    uint64_t index_applied);

/* False: no room now. The command is borrowed for the call. */
bool hub_command(struct hub *hub, const struct api_command *command);

/* Lets out what is durable; takes the index thread's answers; liveness. Each turn. */
void hub_release_durable(struct hub *hub);
void hub_turn(struct hub *hub, uint64_t mono_ns);
uint64_t hub_deadline_ns(const struct hub *hub); /* boot-time clock; UINT64_MAX: none */
bool hub_idle(const struct hub *hub);            /* nothing waits in the outbox */

#endif
