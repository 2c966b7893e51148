/*
 * base/arena: memory for one request or one turn: take, use, reset all at once.
 *
 * Ownership   the arena owns everything taken from it, until arena_reset or arena_release.
 * Failure     arena_alloc returns NULL once `limit` bytes are taken; nothing else fails.
 * Threading   its owner only.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the oldest is kept by reset */
	size_t taken;
	size_t limit; /* 0: none */
};

void arena_init(struct arena *arena, size_t limit);
void arena_release(struct arena *arena);
void arena_reset(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size); /* aligned, not zeroed; NULL over the limit */
void *arena_copy(struct arena *arena, const void *data, size_t size);

#endif
