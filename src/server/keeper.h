/*
 * server/keeper: the housekeeping threads.
 *
 * Purpose     One steps the log's background machine (spare segments, free space) so that the hot
 *             thread never waits for it. Sleeps until woken; while the disk is short of space it
 *             looks again each second, so that the state leaves by itself. The other one, of low
 *             priority, does what takes long and may come late: snapshots, retention.
 * Threading   keeper_start, keeper_stop: the hot thread. keeper_wake: any.
 */
#ifndef SERVER_KEEPER_H
#define SERVER_KEEPER_H

#include "log/log.h"
#include "log/retention.h"
#include "log/scrub.h"
#include "server/indexer.h"
#include "server/snapshotter.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct keeper {
	struct log *log;
	struct io_env *env;
	struct snapshotter snapshotter;
	struct retention *retention; /* NULL: everything is kept */
	atomic_bool retention_stopped; /* and it was told; read by any thread */
	struct scrub *scrub;
	struct indexer *indexer;
	pthread_t thread;
	pthread_t slow_thread;
	sem_t work;
	sem_t slow_work;
	atomic_bool stop;
	bool running;
	bool slow_running;
};

/* `dir`: the data directory; it and the shard outlive the threads. `snapshots` NULL: none is made.
 */
enum froe_err keeper_start(struct keeper *keeper, struct shard *shard, const char *dir,
    const struct snapshotter_options *snapshots, struct froe_fault *fault) FROE_CHECKED;

/* Before keeper_start(): old segments go, once the index is past them. */
void keeper_retain(struct keeper *keeper, struct log *log, struct indexer *indexer,
    const struct retention_options *options);
void keeper_stop(struct keeper *keeper);

#endif
