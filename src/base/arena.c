#include "base/arena.h"

#include "base/mem.h"

#include <string.h>

#define CHUNK_SIZE ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *older;
	size_t used;
	size_t size;
	_Alignas(max_align_t) uint8_t data[];
};

void
arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){.limit = limit};
}

void
arena_release(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *older = arena->chunks->older;
		mem_free(arena->chunks);
		arena->chunks = older;
	}
}

void
arena_reset(struct arena *arena)
{
	while (arena->chunks != NULL && arena->chunks->older != NULL) {
		struct arena_chunk *older = arena->chunks->older;
		mem_free(arena->chunks);
		arena->chunks = older;
	}
	if (arena->chunks != NULL && arena->chunks->size > CHUNK_SIZE)
		arena_release(arena);
	if (arena->chunks != NULL)
		arena->chunks->used = 0;
	arena->taken = 0;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	size_t align = _Alignof(max_align_t);
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) / align * align;
	if (arena->limit != 0 && size > arena->limit - arena->taken)
		return NULL;
	struct arena_chunk *chunk = arena->chunks;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = mem_alloc(sizeof(*chunk) + room);
		chunk->older = arena->chunks;
		chunk->used = 0;
		chunk->size = room;
		arena->chunks = chunk;
	}
	void *block = chunk->data + chunk->used;
	chunk->used += size;
	arena->taken += size;
	return block;
}

void *
arena_copy(struct arena *arena, const void *data, size_t size)
{
	void *block = arena_alloc(arena, size);
	if (block != NULL && size > 0)
		memcpy(block, data, size);
	return block;
}
