#include "server/keeper.h"

#include <time.h>

static void
keeper_sleep(struct keeper *keeper)
{
	struct timespec until;
	if (!log_short_of_space(keeper->log)) {
		sem_wait(&keeper->work); /* an interrupted wait is only an early look */
		return;
	}
	timespec_get(&until, TIME_UTC);
	until.tv_sec++;
	sem_timedwait(&keeper->work, &until);
}

static void *
keeper_run(void *context)
{
	struct keeper *keeper = context;
	while (!atomic_load_explicit(&keeper->stop, memory_order_acquire)) {
		if (!log_spares_step(keeper->log))
			keeper_sleep(keeper);
	}
	return NULL;
}

static void
keeper_wake(void *context)
{
	struct keeper *keeper = context;
	sem_post(&keeper->work);
}

enum froe_err
keeper_start(struct keeper *keeper, struct log *log, struct froe_fault *fault)
{
	*keeper = (struct keeper){.log = log};
	sem_init(&keeper->work, 0, 0);
	log_set_spares_wake(log, keeper_wake, keeper);
	int failed = pthread_create(&keeper->thread, NULL, keeper_run, keeper);
	if (failed != 0)
		return fault_set_errno(fault, failed, "cannot start the housekeeping thread");
	keeper->running = true;
	return FROE_OK;
}

void
keeper_stop(struct keeper *keeper)
{
	if (!keeper->running)
		return;
	atomic_store_explicit(&keeper->stop, true, memory_order_release);
	sem_post(&keeper->work);
	pthread_join(keeper->thread, NULL);
	sem_destroy(&keeper->work);
	keeper->running = false;
}
