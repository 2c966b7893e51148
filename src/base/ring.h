/*
 * base/ring: a bounded lock-free ring of pointers, one producer and one consumer (ck_ring).
 *
 * Purpose     the only way two threads meet. A full ring is backpressure, never a wait.
 * Ownership   a pushed pointer belongs to the consumer once it is popped.
 * Threading   one thread pushes, one thread pops; nothing else.
 * See         Concurrency Kit's ck_ring(3): the push releases, the pop acquires.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <ck_ring.h>
#include <stdbool.h>
#include <stddef.h>

struct ring {
	struct ck_ring ck;
	struct ck_ring_buffer *buffer;
};

void ring_init(struct ring *ring, unsigned capacity); /* a power of two; holds capacity - 1 */
void ring_release(struct ring *ring);
bool ring_push(struct ring *ring, void *item); /* false: full */
void *ring_pop(struct ring *ring);             /* NULL: empty */
unsigned ring_used(const struct ring *ring);   /* a snapshot */
unsigned ring_room(const struct ring *ring);   /* a snapshot; exact or less for the producer */

#endif
