#include "server/prefaulter.h"

#include "base/thread.h"

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
	enum froe_err err = thread_start(&prefaulter->thread, "froe-memory", prefaulter_run,
	    prefaulter, fault);
	prefaulter->running = err == FROE_OK;
	if (err != FROE_OK) {
		sem_destroy(&prefaulter->work);
		prefault_release(&prefaulter->prefault);
	}
	return err;
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
