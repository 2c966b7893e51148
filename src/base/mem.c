#include "base/mem.h"

#include "base/fault.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Tables of at least so many bytes have pages of their own. */
#define TABLE_PAGES_MIN ((size_t)4 << 20)
#define SMALL_BYTES 1024u

static void *
mem_require(void *block, size_t size)
{
	if (block == NULL)
		froe_fatal(FROE_EXIT_SOFTWARE, "out of memory: %zu bytes were refused", size);
	return block;
}

void *
mem_alloc(size_t size)
{
	return mem_require(malloc(size != 0 ? size : 1), size);
}

/* The C library's calloc leaves its quick lists alone; for small blocks they are worth more than
 * knowing that fresh pages are zero. */
void *
mem_zalloc(size_t size)
{
	if (size <= SMALL_BYTES)
		return memset(mem_alloc(size), 0, size);
	return mem_require(calloc(1, size != 0 ? size : 1), size);
}

void *
mem_array(size_t count, size_t size)
{
	return mem_require(calloc(count != 0 ? count : 1, size), count);
}

void *
mem_resize(void *block, size_t size)
{
	return mem_require(realloc(block, size != 0 ? size : 1), size);
}

void *
mem_copy(const void *data, size_t size)
{
	if (size == 0)
		return NULL;
	void *block = mem_alloc(size);
	memcpy(block, data, size);
	return block;
}

void
mem_zero(void *block, size_t size)
{
	memset(block, 0, size);
}

void
mem_assign(void *block, const void *from, size_t size)
{
	memcpy(block, from, size);
}

char *
mem_strdup(const char *text)
{
	return mem_copy(text, strlen(text) + 1);
}

void
mem_free(void *block)
{
	free(block);
}

void *
mem_pages(size_t size)
{
	void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mem_require(block != MAP_FAILED ? block : NULL, size);
}

void
mem_pages_free(void *block, size_t size)
{
	if (block != NULL)
		froe_assert(munmap(block, size) == 0);
}

/* More than is asked for is mapped, and what is not aligned given back. */
void *
mem_region(size_t size, bool huge)
{
	uint8_t *block = mem_pages(2 * size);
	size_t before = (size - ((uintptr_t)block & (size - 1))) & (size - 1);
	mem_pages_free(before > 0 ? block : NULL, before);
	mem_pages_free(before < size ? block + before + size : NULL, size - before);
	if (huge)
		FROE_DROP(madvise(block + before, size, MADV_HUGEPAGE), "only a wish");
	return block + before;
}

void *
mem_table(size_t count, size_t size)
{
	size_t bytes;
	froe_assert(!__builtin_mul_overflow(count, size, &bytes));
	if (bytes < TABLE_PAGES_MIN)
		return mem_array(count, size);
	void *block = mem_pages(bytes);
	FROE_DROP(madvise(block, bytes, MADV_HUGEPAGE), "only a wish");
	return block;
}

void
mem_table_free(void *block, size_t count, size_t size)
{
	if (count * size < TABLE_PAGES_MIN)
		mem_free(block);
	else
		mem_pages_free(block, count * size);
}

void
slab_init(struct slab *slab, size_t object_size, size_t per_chunk)
{
	size_t align = _Alignof(max_align_t);
	froe_assert(per_chunk > 0);
	*slab = (struct slab){
	    .object_size = (object_size + align - 1) / align * align,
	    .per_chunk = per_chunk,
	};
}

void
slab_release(struct slab *slab)
{
	while (slab->chunks != NULL) {
		void *next = *(void **)slab->chunks;
		mem_free(slab->chunks);
		slab->chunks = next;
	}
	*slab = (struct slab){0};
}

static void
slab_grow(struct slab *slab)
{
	size_t head = _Alignof(max_align_t);
	uint8_t *chunk = mem_alloc(head + slab->object_size * slab->per_chunk);
	*(void **)(void *)chunk = slab->chunks;
	slab->chunks = chunk;
	for (size_t i = slab->per_chunk; i-- > 0;) {
		void *object = chunk + head + i * slab->object_size;
		*(void **)object = slab->free_list;
		slab->free_list = object;
	}
}

void *
slab_alloc(struct slab *slab)
{
	if (slab->free_list == NULL)
		slab_grow(slab);
	void *object = slab->free_list;
	slab->free_list = *(void **)object;
	memset(object, 0, slab->object_size);
	slab->used++;
	return object;
}

void
slab_free(struct slab *slab, void *object)
{
	froe_assert(slab->used > 0);
	slab->used--;
	*(void **)object = slab->free_list;
	slab->free_list = object;
}
