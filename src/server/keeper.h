/*
 * server/keeper: the housekeeping thread.
 *
 * Purpose     Steps the log's background machine (spare segments, free space) so that the hot
 *             thread never waits for it. Sleeps until woken; while the disk is short of space it
 *             looks again each second, so that the state leaves by itself.
 * Threading   keeper_start, keeper_stop: the hot thread. keeper_wake: any.
 */
#ifndef SERVER_KEEPER_H
#define SERVER_KEEPER_H

#include "log/log.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct keeper {
	struct log *log;
	pthread_t thread;
	sem_t work;
	atomic_bool stop;
	bool running;
};

enum froe_err keeper_start(struct keeper *keeper, struct log *log, struct froe_fault *fault)
    FROE_CHECKED;
void keeper_stop(struct keeper *keeper);

#endif
