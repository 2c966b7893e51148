#include "base/ring.h"

#include "base/mem.h"

void
ring_init(struct ring *ring, unsigned capacity)
{
	ring->buffer = mem_array(capacity, sizeof(ring->buffer[0]));
	ck_ring_init(&ring->ck, capacity);
}

void
ring_release(struct ring *ring)
{
	mem_free(ring->buffer);
	ring->buffer = NULL;
}

bool
ring_push(struct ring *ring, void *item)
{
	return ck_ring_enqueue_spsc(&ring->ck, ring->buffer, item);
}

void *
ring_pop(struct ring *ring)
{
	void *item = NULL;
	return ck_ring_dequeue_spsc(&ring->ck, ring->buffer, (void *)&item) ? item : NULL;
}

unsigned
ring_used(const struct ring *ring)
{
	return ck_ring_size(&ring->ck);
}

unsigned
ring_room(const struct ring *ring)
{
	return ck_ring_capacity(&ring->ck) - 1 - ck_ring_size(&ring->ck);
}
