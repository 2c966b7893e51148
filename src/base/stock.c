#include "base/stock.h"

#include "base/fault.h"
#include "base/mem.h"

#include <string.h>

#define CHUNK_BYTES (64u << 10)
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

/* At the beginning of its 64 KiB, where the address of each of its objects leads. */
struct stock_chunk {
	struct list link; /* stock->open, stock->free, or none: it is full */
	struct stock_region *region;
	void *free_list;
	uint32_t class;
	uint32_t used;
	uint32_t size;	/* of an object */
	uint32_t fresh; /* offset of those that were never used */
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

/* Steps of 8 bytes up to 128, of 16 up to 512, of 64 up to 1024, of 256 up to 4096. */
static uint32_t
class_of(size_t size, uint32_t *ret_size)
{
	uint32_t bytes = size != 0 ? (uint32_t)size : 1;
	uint32_t step = bytes <= 128 ? 8 : bytes <= 512 ? 16 : bytes <= 1024 ? 64 : 256;
	bytes = (bytes + step - 1) / step * step;
	*ret_size = bytes;
	if (bytes <= 128)
		return bytes / 8 - 1;
	if (bytes <= 512)
		return 16 + (bytes - 128) / 16 - 1;
	return bytes <= 1024 ? 40 + (bytes - 512) / 64 - 1 : 48 + (bytes - 1024) / 256 - 1;
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

static struct stock_chunk *
chunk_open(struct stock *stock, uint32_t class, uint32_t size)
{
	if (list_empty(&stock->free))
		region_open(stock);
	struct stock_chunk *chunk = container_of(list_pop(&stock->free), struct stock_chunk, link);
	stock->free_count--;
	chunk->region->used++;
	chunk->free_list = NULL;
	chunk->class = class;
	chunk->used = 0;
	chunk->size = size;
	chunk->fresh = CHUNK_HEAD_BYTES;
	list_push_front(&stock->open[class], &chunk->link);
	return chunk;
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

#ifdef FROE_SLOW
#define OBJECT_MAX 0u
#else
#define OBJECT_MAX STOCK_OBJECT_MAX
#endif

static bool
from_heap(size_t size)
{
	return size > OBJECT_MAX || OBJECT_MAX == 0;
}

void *
stock_alloc(struct stock *stock, size_t size)
{
	uint32_t rounded;
	stock->used++;
	if (from_heap(size))
		return mem_alloc(size);
	uint32_t class = class_of(size, &rounded);
	struct stock_chunk *chunk =
	    list_empty(&stock->open[class])
		? chunk_open(stock, class, rounded)
		: container_of(stock->open[class].next, struct stock_chunk, link);
	void *object = chunk->free_list;
	if (object != NULL) {
		chunk->free_list = *(void **)object;
	} else {
		object = (uint8_t *)chunk + chunk->fresh;
		chunk->fresh += rounded;
	}
	chunk->used++;
	if (chunk->free_list == NULL && chunk->fresh + rounded > CHUNK_BYTES)
		list_remove(&chunk->link);
	return object;
}

void
stock_free(struct stock *stock, void *object, size_t size)
{
	uint32_t rounded;
	if (object == NULL)
		return;
	stock->used--;
	if (from_heap(size)) {
		mem_free(object);
		return;
	}
	uint32_t class = class_of(size, &rounded);
	struct stock_chunk *chunk = (void *)((uintptr_t)object & ~(uintptr_t)(CHUNK_BYTES - 1));
	froe_assert(chunk->class == class && chunk->used > 0);
	if (chunk->free_list == NULL && chunk->fresh + rounded > CHUNK_BYTES)
		list_push(&stock->open[class], &chunk->link);
	*(void **)object = chunk->free_list;
	chunk->free_list = object;
	if (--chunk->used == 0)
		chunk_close(stock, chunk);
}

void *
stock_zalloc(struct stock *stock, size_t size)
{
	return memset(stock_alloc(stock, size), 0, size);
}
