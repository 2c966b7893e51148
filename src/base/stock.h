/*
 * base/stock: many small objects of different sizes, close together, given back as a whole.
 *
 * Purpose     What a state of a million runs is made of: no header an object, no system call a
 *             page, and the memory of objects that are gone goes to others of any size, or back to
 *             the kernel.
 * Layout      A size is rounded up to one of sixty classes. Objects of a class lie in chunks
 *             of 64 KiB; chunks are cut from regions of 2 MiB. An empty chunk may serve any class
 *             next; an empty region is given back, but for one.
 * Ownership   the stock owns the memory of all its objects, until stock_release. Objects above
 *             STOCK_OBJECT_MAX are the heap's, and have to be freed before it.
 * Threading   its owner only.
 * Failure     out of memory is fatal, as in base/mem. Sanitizers get each object from the heap, so
 *             that they see what is done to it.
 */
#ifndef BASE_STOCK_H
#define BASE_STOCK_H

#include "base/fault.h"
#include "base/list.h"
#include "base/prefault.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STOCK_OBJECT_MAX 4096u
#define STOCK_CLASSES 60u
#define STOCK_CHUNK_BYTES (64u << 10)

struct stock {
	struct list open[STOCK_CLASSES]; /* struct stock_chunk: those with room, and perhaps full */
	struct list free;		 /* chunks without objects */
	struct list regions;
	struct list spare;	   /* regions that are mapped, and were never used */
	struct prefault *prefault; /* NULL: regions are mapped when they are needed */
	size_t free_count;
	size_t region_count; /* those in `spare` too */
	size_t spare_count;
	size_t used; /* objects, large ones too */
};

void stock_init(struct stock *stock);
/* From now on regions of a large stock are mapped ahead, for another thread to make present. */
void stock_prefault(struct stock *stock, struct prefault *prefault);
void stock_release(struct stock *stock); /* with all objects up to STOCK_OBJECT_MAX */

size_t stock_bytes(const struct stock *stock); /* that it has from the kernel */

/* ------------------------------------------------------------------------------------- objects */

/* At the beginning of its 64 KiB, where the address of each of its objects leads. One whose
 * free_list is not empty is linked. */
struct stock_chunk {
	struct list link; /* stock->open, stock->free, or none: it is full */
	struct stock_region *region;
	void *free_list;
	uint32_t class;
	uint32_t used;
	uint32_t size;	/* of an object */
	uint32_t fresh; /* offset of those that were never used */
};

struct stock_class {
	uint32_t number;
	uint32_t size;
};

static inline struct stock_class
stock_class_in(uint32_t first, uint32_t above, uint32_t step, uint32_t size)
{
	uint32_t steps = (size - above + step - 1) / step;
	return (struct stock_class){.number = first + steps - 1, .size = above + steps * step};
}

/* Steps of 8 bytes up to 128, of 16 up to 512, of 64 up to 1024, of 256 up to 4096. Inline: of a
 * size that the compiler knows it knows the class, too. */
static inline struct stock_class
stock_class_of(size_t size)
{
	uint32_t bytes = size != 0 ? (uint32_t)size : 1;
	if (bytes <= 128)
		return stock_class_in(0, 0, 8, bytes);
	if (bytes <= 512)
		return stock_class_in(16, 128, 16, bytes);
	return bytes <= 1024 ? stock_class_in(40, 512, 64, bytes)
			     : stock_class_in(48, 1024, 256, bytes);
}

/* Else it is the heap's. */
static inline bool
stock_inside(size_t size)
{
#ifdef FROE_SLOW
	(void)size;
	return false;
#else
	return size <= STOCK_OBJECT_MAX;
#endif
}

static inline struct stock_chunk *
stock_chunk_of(void *object)
{
	return (struct stock_chunk *)((uintptr_t)object & ~(uintptr_t)(STOCK_CHUNK_BYTES - 1));
}

void *stock_alloc_more(struct stock *stock, size_t size);
void stock_free_last(struct stock *stock, void *object, size_t size);

/* Not zeroed; aligned to 8 bytes. */
static inline void *
stock_alloc(struct stock *stock, size_t size)
{
	if (!stock_inside(size))
		return stock_alloc_more(stock, size);
	struct stock_class class = stock_class_of(size);
	struct list *first = stock->open[class.number].next;
	struct stock_chunk *chunk = container_of(first, struct stock_chunk, link);
	if (first == &stock->open[class.number])
		return stock_alloc_more(stock, size);
	void *object = chunk->free_list;
	if (object != NULL) {
		memcpy(&chunk->free_list, object, sizeof(chunk->free_list));
	} else if (chunk->fresh + class.size <= STOCK_CHUNK_BYTES) {
		object = (uint8_t *)chunk + chunk->fresh;
		chunk->fresh += class.size;
	} else {
		return stock_alloc_more(stock, size);
	}
	chunk->used++;
	stock->used++;
	return object;
}

static inline void *
stock_zalloc(struct stock *stock, size_t size)
{
	return memset(stock_alloc(stock, size), 0, size);
}

/* NULL is allowed; the size that it was asked for with. */
static inline void
stock_free(struct stock *stock, void *object, size_t size)
{
	struct stock_chunk *chunk = stock_chunk_of(object);
	if (object == NULL)
		return;
	if (!stock_inside(size) || chunk->free_list == NULL || chunk->used == 1) {
		stock_free_last(stock, object, size);
		return;
	}
	froe_assert(chunk->class == stock_class_of(size).number && chunk->used > 0);
	memcpy(object, &chunk->free_list, sizeof(chunk->free_list));
	chunk->free_list = object;
	chunk->used--;
	stock->used--;
}

#endif
