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

#include "base/list.h"
#include "base/prefault.h"

#include <stddef.h>
#include <stdint.h>

#define STOCK_OBJECT_MAX 4096u
#define STOCK_CLASSES 60u

struct stock {
	struct list open[STOCK_CLASSES]; /* struct stock_chunk: those with room */
	struct list free;               /* chunks without objects */
	struct list regions;
	struct list spare;              /* regions that are mapped, and were never used */
	struct prefault *prefault;      /* NULL: regions are mapped when they are needed */
	size_t free_count;
	size_t region_count; /* those in `spare` too */
	size_t spare_count;
	size_t used; /* objects, large ones too */
};

void stock_init(struct stock *stock);
/* From now on regions of a large stock are mapped ahead, for another thread to make present. */
void stock_prefault(struct stock *stock, struct prefault *prefault);
void stock_release(struct stock *stock); /* with all objects up to STOCK_OBJECT_MAX */

void *stock_alloc(struct stock *stock, size_t size);  /* not zeroed; aligned to 8 bytes */
void *stock_zalloc(struct stock *stock, size_t size); /* zeroed */
/* NULL is allowed; the size that it was asked for with. */
void stock_free(struct stock *stock, void *object, size_t size);

size_t stock_bytes(const struct stock *stock); /* that it has from the kernel */

#endif
