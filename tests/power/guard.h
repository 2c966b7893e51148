/*
 * tests/power/guard: ends a FUSE connection whose process was killed in the middle.
 *
 * Purpose     A process that serves a FUSE file system and has mounts on it cannot end by itself
 *             when it is killed: the kernel unmounts them first, that writes to the FUSE files, and
 *             the descriptor that would refuse the writes is closed after that. A process of its
 *             own, in a session of its own, sees the other stuck and aborts the connection.
 * Ownership   guard_start before the FUSE mount and the mount namespace; guard_end before the
 *             recorder is closed.
 */
#ifndef POWER_GUARD_H
#define POWER_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

struct guard {
	pid_t pid;
	int pipe;
};

bool guard_start(struct guard *guard);		     /* false: errno */
void guard_watch(struct guard *guard, dev_t device); /* of the FUSE mount */
void guard_end(struct guard *guard);

#endif
