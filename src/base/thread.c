#define _GNU_SOURCE /* pthread_setname_np */
#include "base/thread.h"

#include <errno.h>

enum froe_err
thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context), void *context,
    struct froe_fault *fault)
{
	int failed = pthread_create(ret_thread, NULL, run, context);
	/* Elsewhere EAGAIN says that another one has it; here that there are too many threads. */
	if (failed == EAGAIN)
		return fault_set(fault, FROE_RESOURCE_EXHAUSTED,
		    "cannot start thread %s: the limit of threads is reached: raise ulimit -u, or "
		    "TasksMax=", name);
	if (failed != 0)
		return fault_set_errno(fault, failed, "cannot start thread %s", name);
	FROE_DROP(pthread_setname_np(*ret_thread, name), "it may have ended already");
	return FROE_OK;
}
