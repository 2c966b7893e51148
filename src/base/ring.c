#include "base/ring.h"

#include "base/mem.h"

/* ck_ring orders its loads and stores by inline assembly, which ThreadSanitizer does not see. It is
 * told what they mean, and not to look at the slots: what an item points at it still checks. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static void
slot_begin(void)
{
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}

static void
slot_end(void)
{
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

static void
ring_releases(struct ring *ring)
{
	__tsan_release(ring);
}

static void
ring_acquires(struct ring *ring)
{
	__tsan_acquire(ring);
}
#else
static inline void
slot_begin(void)
{
}

static inline void
slot_end(void)
{
}

static inline void
ring_releases(struct ring *ring)
{
	(void)ring;
}

static inline void
ring_acquires(struct ring *ring)
{
	(void)ring;
}
#endif

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
	ring_releases(ring);
	slot_begin();
	bool pushed = ck_ring_enqueue_spsc(&ring->ck, ring->buffer, item);
	slot_end();
	return pushed;
}

void *
ring_pop(struct ring *ring)
{
	void *item = NULL;
	slot_begin();
	bool popped = ck_ring_dequeue_spsc(&ring->ck, ring->buffer, (void *)&item);
	slot_end();
	ring_acquires(ring);
	return popped ? item : NULL;
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
