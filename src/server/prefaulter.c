#include "server/prefaulter.h"

static void
prefaulter_wake(void *context)
{
	struct prefaulter *prefaulter = context;
	sem_post(&prefaulter->work);
}

/* An interrupted wait is only an early look. */
static void *
prefaulter_run(void *context)
{
	struct prefaulter *prefaulter = context;
	while (!atomic_load_explicit(&prefaulter->stop, memory_order_acquire)) {
		if (!prefault_step(&prefaulter->prefault))
			sem_wait(&prefaulter->work);
	}
	return NULL;
}

enum froe_err
prefaulter_start(struct prefaulter *prefaulter, struct froe_fault *fault)
{
	prefault_init(&prefaulter->prefault, prefaulter_wake, prefaulter);
	sem_init(&prefaulter->work, /* pshared= */ 0, 0);
	int failed = pthread_create(&prefaulter->thread, NULL, prefaulter_run, prefaulter);
	if (failed != 0) {
		sem_destroy(&prefaulter->work);
		prefault_release(&prefaulter->prefault);
		return fault_set_thread(fault, failed, "cannot start the thread for fresh memory");
	}
	prefaulter->running = true;
	return FROE_OK;
}

void
prefaulter_stop(struct prefaulter *prefaulter)
{
	if (!prefaulter->running)
		return;
	atomic_store_explicit(&prefaulter->stop, true, memory_order_release);
	sem_post(&prefaulter->work);
	pthread_join(prefaulter->thread, NULL);
	sem_destroy(&prefaulter->work);
	prefault_release(&prefaulter->prefault);
	prefaulter->running = false;
}
