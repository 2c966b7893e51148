/*
 * base/prefault: memory that will be used soon is made present by another thread.
 *
 * Purpose     The kernel clears a page when it is touched first; one of 2 MiB takes a fifth of a
 *             millisecond, and some milliseconds on a virtual machine whose host has to find it
 *             first. Whoever has something better to do maps memory a little ahead, asks, and finds
 *             it there later. If it is not there yet, the kernel does what it always does.
 * Ownership   the ranges are the asker's. Nothing in them changes. One that was unmapped meanwhile
 *             is passed over; if something else was mapped there, that is made present.
 * Threading   prefault_ask: one thread. prefault_step: one other thread.
 * Failure     none: it is only ever a wish. A kernel before 5.14 does not grant it.
 */
#ifndef BASE_PREFAULT_H
#define BASE_PREFAULT_H

#include "base/ring.h"

#include <stddef.h>

#define PREFAULT_PIECE_BYTES ((size_t)2 << 20)

struct prefault {
	struct ring pieces; /* first bytes of what is asked for */
	void (*wake)(void *context);
	void *context;
};

/* `wake` is called, by the thread that asks, when there is something to do. */
void prefault_init(struct prefault *prefault, void (*wake)(void *context), void *context);
void prefault_release(struct prefault *prefault);

/* Whole pieces only. `prefault` may be NULL. What finds no place in the ring is not asked for. */
void prefault_ask(struct prefault *prefault, void *block, size_t bytes);

/* Makes the oldest piece present. False: there was none. */
bool prefault_step(struct prefault *prefault);

#endif
