#include "base/arena.h"

#include "base/mem.h"

#include <string.h>

#define CHUNK_SIZE ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	_Alignas(max_align_t) uint8_t data[];
};

void
arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){.limit = limit};
}

/* The newest chunk is used from its beginning. */
static void
chunk_begin(struct arena *arena)
{
	size_t align = _Alignof(max_align_t);
	size_t left = arena->limit != 0 ? (arena->limit - arena->taken) / align * align : SIZE_MAX;
	struct arena_chunk *chunk = arena->chunks;
	arena->next = chunk != NULL ? chunk->data : NULL;
	arena->room = chunk == NULL ? 0 : chunk->size < left ? chunk->size : left;
}

void
arena_release(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *older = arena->chunks->older;
		mem_free(arena->chunks);
		arena->chunks = older;
	}
	arena->taken = 0;
	arena->grown = false;
	chunk_begin(arena);
}

void
arena_shrink(struct arena *arena)
{
	while (arena->chunks != NULL && arena->chunks->older != NULL) {
		struct arena_chunk *older = arena->chunks->older;
		mem_free(arena->chunks);
		arena->chunks = older;
	}
	if (arena->chunks != NULL && arena->chunks->size > CHUNK_SIZE)
		arena_release(arena);
	arena->taken = 0;
	arena->grown = false;
	chunk_begin(arena);
}

void *
arena_grow(struct arena *arena, size_t size)
{
	size_t align = _Alignof(max_align_t);
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) / align * align;
	if (arena->limit != 0 && size > arena->limit - arena->taken)
		return NULL;
	size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + room);
	*chunk = (struct arena_chunk){.older = arena->chunks, .size = room};
	arena->grown = chunk->older != NULL || room > CHUNK_SIZE;
	arena->chunks = chunk;
	chunk_begin(arena);
	return arena_alloc(arena, size);
}

void *
arena_copy(struct arena *arena, const void *data, size_t size)
{
	void *block = arena_alloc(arena, size);
	if (block != NULL && size > 0)
		memcpy(block, data, size);
	return block;
}
