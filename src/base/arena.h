/*
 * base/arena: memory for one request or one turn: take, use, reset all at once.
 *
 * Ownership   the arena owns everything taken from it, until arena_reset or arena_release.
 * Failure     arena_alloc returns NULL once `limit` bytes are taken; nothing else fails.
 * Threading   its owner only.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the oldest is kept by reset */
	uint8_t *next;  /* free memory of the newest */
	size_t room;    /* that may be taken there; a multiple of the alignment */
	size_t taken;
	size_t limit; /* 0: none */
	bool grown;   /* beyond one chunk of the usual size */
};

void arena_init(struct arena *arena, size_t limit);
void arena_release(struct arena *arena);
void *arena_grow(struct arena *arena, size_t size); /* arena_alloc where there is no room */
void arena_shrink(struct arena *arena); /* arena_reset of one that has grown */

static inline void
arena_reset(struct arena *arena)
{
	if (arena->grown) {
		arena_shrink(arena);
	} else if (arena->taken != 0) {
		arena->next -= arena->taken;
		arena->room += arena->taken;
		arena->taken = 0;
	}
}

/* Aligned, not zeroed; NULL over the limit. */
static inline void *
arena_alloc(struct arena *arena, size_t size)
{
	size_t align = _Alignof(max_align_t);
	if (size > arena->room || arena->next == NULL) /* also nothing has an address */
		return arena_grow(arena, size);
	size = (size + align - 1) / align * align;
	uint8_t *block = arena->next;
	arena->next += size;
	arena->room -= size;
	arena->taken += size;
	return block;
}

void *arena_copy(struct arena *arena, const void *data, size_t size);

#endif
