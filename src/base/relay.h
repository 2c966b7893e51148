/*
 * base/relay: memory of what one thread makes and another one uses up.
 *
 * Purpose     Blocks that go back the way they came. Freed by another thread than the one that it
 *             allocates, memory is locked and looked for by both of them all the time, because
 *             neither thread's cache of the heap ever has what it wants.
 * Ownership   a block is whoever's has it, from relay_take to relay_done. All must have come back,
 *             or been given to relay_done, before relay_release.
 * Threading   relay_take: the maker. relay_done: the user. relay_init, relay_release: while
 *             neither runs.
 * Invariants  at most 2 * capacity blocks of block_bytes wait; more are the heap's again.
 * Failure     out of memory is fatal, as in base/mem. AddressSanitizer gets each block from the
 *             heap, so that it sees what is done to it.
 */
#ifndef BASE_RELAY_H
#define BASE_RELAY_H

#include "base/ring.h"

#include <stddef.h>
#include <stdint.h>

struct relay_block;

struct relay {
	struct ring back; /* user -> maker */
	struct relay_block *free; /* the maker's */
	size_t block_bytes;
};

/* capacity: a power of two. */
void relay_init(struct relay *relay, size_t block_bytes, unsigned capacity);
void relay_release(struct relay *relay);

/* Not zeroed; aligned to 16 bytes. More than block_bytes is from the heap, and goes back to it. */
void *relay_take(struct relay *relay, size_t size);
void relay_done(struct relay *relay, void *data); /* NULL is allowed */

#endif
