/*
 * server/hot: the hot thread: one turn after the other.
 *
 * Purpose     Composes loop 0, shard, hub and the bridge to the edge loop. A turn: wait once for
 *             whatever comes; let out what has become durable; decide timers; take input; write
 *             one frame; send. Nothing in it waits for another thread.
 * Ownership   owns everything it opens; borrows env.
 * Threading   hot_run is the thread's body. hot_stop, hot_set_tls: one other thread.
 * Failure     hot_open says why the server cannot start, with the exit status for it. A failed log
 *             write ends the process (exit 74) before anything more is acknowledged.
 */
#ifndef SERVER_HOT_H
#define SERVER_HOT_H

#include "server/bridge.h"
#include "server/edge.h"
#include "server/hub.h"
#include "server/keeper.h"
#include "server/loop.h"
#include "server/prefaulter.h"
#include "server/server.h"

struct hot_port {
	struct api_port port; /* first: post() finds the hot thread by it */
	struct hot *hot;
};

struct hot {
	const struct server_options *options;
	struct io_env *env;
	struct io *io;
	int quick_file; /* io/quick.h; -1: none */
	struct shard shard;
	struct hub hub;
	struct indexer indexer;
	bool index_open;
	enum froe_err index_err;     /* why it is not */
	struct froe_fault index_fault;
	uint64_t index_applied;
	struct keeper keeper;
	struct prefaulter prefaulter;
	struct snapshotter_options snapshots;
	struct loop *loop;
	struct strangers_addresses addresses; /* of this loop and the edge's */
	struct bridge bridge;
	struct edge edge;
	struct gateway *gateway; /* of the edge */
	struct hot_port port;
	struct api_command *stalled; /* the edge's command that found no room */
	bool refused;                /* loop 0's port has refused since the last resume */
	atomic_bool opened; /* hot_stop may be called */
	atomic_bool ready;
	atomic_bool stop;
	sem_t told; /* hot_stop has done with io: only then may it be closed */
	uint16_t listen_port;
	uint64_t stop_at_ns;         /* boot-time clock: then the rest is cut off */
	uint64_t watchdog_ns;        /* how often the service manager hears of us; 0: never */
	uint64_t watchdog_at_ns;     /* boot-time clock */
	_Atomic int64_t tls_expires_s; /* the certificate; 0: there is none */
};

/* Recovers and starts everything. On failure *ret_exit is the exit status: the process ends, since
 * nothing was acknowledged. */
enum froe_err hot_open(struct hot *hot, const struct server_options *options,
    struct tls_context *tls /* hot's from here on; NULL: none */, struct io_env *env,
    enum froe_exit *ret_exit, struct froe_fault *fault) FROE_CHECKED;
void hot_run(struct hot *hot); /* until hot_stop and all is written */
void hot_stop(struct hot *hot); /* once */
/* From now on new TLS connections get this certificate. Between hot_open and hot_stop. */
void hot_set_tls(struct hot *hot, struct tls_context *tls);
void hot_close(struct hot *hot); /* after hot_run */

#endif
