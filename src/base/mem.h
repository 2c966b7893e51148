/*
 * base/mem: the only place that calls malloc.
 *
 * Purpose     heap blocks that never fail (out of memory is fatal: it is the same as kill -9 and
 *             recovery handles it) and slabs of equal objects for live state.
 * Ownership   the caller owns what mem_* returns and gives it back with mem_free; a slab owns its
 *             objects until slab_release.
 * Threading   mem_*: any thread. A slab: its owner only.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);              /* not zeroed */
void *mem_zalloc(size_t size);             /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; the product is checked */
void *mem_resize(void *block, size_t size);
void *mem_copy(const void *data, size_t size); /* NULL for size 0 */
char *mem_strdup(const char *text);
void mem_free(void *block);

/* Clears a block of some hundred bytes, or copies one: what the compiler makes of an assignment of
 * that size takes twice as long. */
void mem_zero(void *block, size_t size);
void mem_assign(void *block, const void *from, size_t size);

/* Page-aligned, zeroed, from the kernel; for buffers that O_DIRECT or a ring uses. */
void *mem_pages(size_t size);
void mem_pages_free(void *block, size_t size);

/* The same, aligned to its size, a power of two; `huge`: in pages of 2 MiB, if they can be had. */
void *mem_region(size_t size, bool huge);

/* Zeroed: large tables, looked up at random, in pages of 2 MiB. */
void *mem_table(size_t count, size_t size);
void mem_table_free(void *block, size_t count, size_t size);

/* Objects of one size; freed objects are used again first. */
struct slab {
	size_t object_size;
	size_t per_chunk;
	void *free_list;
	void *chunks;
	size_t used;
};

void slab_init(struct slab *slab, size_t object_size, size_t per_chunk);
void slab_release(struct slab *slab);
void *slab_alloc(struct slab *slab); /* zeroed */
void slab_free(struct slab *slab, void *object);

#endif
