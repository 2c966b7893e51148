#include "base/stock.h"

#include "base/mem.h"

#include <string.h>

#define CHUNK_BYTES STOCK_CHUNK_BYTES
#define CHUNK_HEAD_BYTES 64u
#define REGION_BYTES (2u << 20)
#define REGION_CHUNKS (REGION_BYTES / CHUNK_BYTES)
/* From so many regions on, it is worth the kernel's while to map them whole. */
#define REGION_HUGE_MIN 8u
/* Regions are mapped ahead so many at a time, when fewer than so many are left. */
#define SPARES_MAPPED 4u
#define SPARES_MIN 2u

struct stock_region {
	struct list link;
	uint8_t *bytes;
	uint32_t used; /* chunks with objects */
};

_Static_assert(sizeof(struct stock_chunk) <= CHUNK_HEAD_BYTES, "the head holds it");

void
stock_init(struct stock *stock)
{
	*stock = (struct stock){0};
	for (size_t i = 0; i < STOCK_CLASSES; i++)
		list_init(&stock->open[i]);
	list_init(&stock->free);
	list_init(&stock->regions);
	list_init(&stock->spare);
}

void
stock_prefault(struct stock *stock, struct prefault *prefault)
{
	stock->prefault = prefault;
}

/* ---------------------------------------------------------------------------- regions, chunks */

static struct stock_region *
region_new(struct stock *stock)
{
	struct stock_region *region = mem_zalloc(sizeof(*region));
	region->bytes = mem_region(REGION_BYTES, stock->region_count >= REGION_HUGE_MIN);
	stock->region_count++;
	return region;
}

/* All are mapped before one is asked for: while pages are made present, mapping more would wait. */
static void
spares_map(struct stock *stock)
{
	struct stock_region *fresh[SPARES_MAPPED];
	for (unsigned i = 0; i < SPARES_MAPPED; i++) {
		fresh[i] = region_new(stock);
		list_push(&stock->spare, &fresh[i]->link);
	}
	stock->spare_count += SPARES_MAPPED;
	for (unsigned i = 0; i < SPARES_MAPPED; i++)
		prefault_ask(stock->prefault, fresh[i]->bytes, REGION_BYTES);
}

static struct stock_region *
region_take(struct stock *stock)
{
	if (stock->prefault == NULL || stock->region_count < REGION_HUGE_MIN)
		return region_new(stock);
	if (stock->spare_count < SPARES_MIN)
		spares_map(stock);
	stock->spare_count--;
	return container_of(list_pop(&stock->spare), struct stock_region, link);
}

static void
region_open(struct stock *stock)
{
	struct stock_region *region = region_take(stock);
	list_push(&stock->regions, &region->link);
	for (uint32_t i = REGION_CHUNKS; i-- > 0;) {
		struct stock_chunk *chunk = (void *)(region->bytes + i * CHUNK_BYTES);
		chunk->region = region;
		list_push_front(&stock->free, &chunk->link);
	}
	stock->free_count += REGION_CHUNKS;
}

static void
region_close(struct stock *stock, struct stock_region *region)
{
	list_remove(&region->link);
	stock->region_count--;
	mem_pages_free(region->bytes, REGION_BYTES);
	mem_free(region);
}

static void
chunk_open(struct stock *stock, struct stock_class class)
{
	if (list_empty(&stock->free))
		region_open(stock);
	struct stock_chunk *chunk = container_of(list_pop(&stock->free), struct stock_chunk, link);
	stock->free_count--;
	chunk->region->used++;
	chunk->free_list = NULL;
	chunk->class = class.number;
	chunk->used = 0;
	chunk->size = class.size;
	chunk->fresh = CHUNK_HEAD_BYTES;
	list_push_front(&stock->open[class.number], &chunk->link);
}

/* Its last object is gone. A region without any is given back when others have room for as much. */
static void
chunk_close(struct stock *stock, struct stock_chunk *chunk)
{
	struct stock_region *region = chunk->region;
	list_remove(&chunk->link);
	list_push_front(&stock->free, &chunk->link);
	stock->free_count++;
	if (--region->used > 0 || stock->free_count < 2 * REGION_CHUNKS)
		return;
	for (uint32_t i = 0; i < REGION_CHUNKS; i++) {
		struct stock_chunk *one = (void *)(region->bytes + i * CHUNK_BYTES);
		list_remove(&one->link);
	}
	stock->free_count -= REGION_CHUNKS;
	region_close(stock, region);
}

void
stock_release(struct stock *stock)
{
	while (!list_empty(&stock->regions))
		region_close(stock, container_of(stock->regions.next, struct stock_region, link));
	while (!list_empty(&stock->spare))
		region_close(stock, container_of(stock->spare.next, struct stock_region, link));
	*stock = (struct stock){0};
}

size_t
stock_bytes(const struct stock *stock)
{
	return stock->region_count * REGION_BYTES;
}

/* ------------------------------------------------------------------------------------- objects */

/* What stock_alloc() does if the first chunk of the class has no room, or if there is none. Full
 * ones are found out here, and put aside until they have some. */
void *
stock_alloc_more(struct stock *stock, size_t size)
{
	if (!stock_inside(size)) {
		stock->used++;
		return mem_alloc(size);
	}
	struct stock_class class = stock_class_of(size);
	struct list *open = &stock->open[class.number];
	while (!list_empty(open)) {
		struct stock_chunk *chunk = container_of(open->next, struct stock_chunk, link);
		if (chunk->free_list != NULL || chunk->fresh + class.size <= CHUNK_BYTES)
			break;
		list_remove(&chunk->link);
	}
	if (list_empty(open))
		chunk_open(stock, class);
	return stock_alloc(stock, size);
}

/* What stock_free() does with the first object of a chunk, and with the last one. */
void
stock_free_last(struct stock *stock, void *object, size_t size)
{
	stock->used--;
	if (!stock_inside(size)) {
		mem_free(object);
		return;
	}
	struct stock_chunk *chunk = stock_chunk_of(object);
	froe_assert(chunk->class == stock_class_of(size).number && chunk->used > 0);
	if (chunk->free_list == NULL) { /* what was used last is in the cache, and is used next */
		list_remove(&chunk->link);
		list_push_front(&stock->open[chunk->class], &chunk->link);
	}
	*(void **)object = chunk->free_list;
	chunk->free_list = object;
	if (--chunk->used == 0)
		chunk_close(stock, chunk);
}
