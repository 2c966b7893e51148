/*
 * base/thread: threads with names.
 *
 * Purpose     Who looks at a process (top -H, perf, /proc/PID/task) sees which thread does what;
 *             docs/operating.md has the names.
 * Ownership   the thread is the caller's, who joins it.
 * Threading   any. The mask of signals is inherited, as ever.
 * Errors      FROE_RESOURCE_EXHAUSTED at the limit of threads, others by their errno.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/fault.h"

#include <pthread.h>

/* `name`: at most 15 bytes, which is the kernel's bound. */
enum froe_err thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
    void *context, struct froe_fault *fault);

#endif
