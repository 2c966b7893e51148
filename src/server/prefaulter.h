/*
 * server/prefaulter: the thread that makes memory present before the hot thread touches it.
 *
 * Purpose     see base/prefault. It sleeps until something is asked for, and an idle server asks
 *             for nothing.
 * Threading   prefaulter_start, prefaulter_stop, prefault_ask: the hot thread.
 */
#ifndef SERVER_PREFAULTER_H
#define SERVER_PREFAULTER_H

#include "base/fault.h"
#include "base/prefault.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct prefaulter {
	struct prefault prefault;
	pthread_t thread;
	sem_t work;
	atomic_bool stop;
	bool running;
};

enum froe_err prefaulter_start(struct prefaulter *prefaulter, struct froe_fault *fault)
    FROE_CHECKED;
/* Before anything that asks is closed; nothing is asked for any more then. */
void prefaulter_stop(struct prefaulter *prefaulter);

#endif
