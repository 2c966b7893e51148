#include "base/numtable.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_NUMBERS 32u
/* A page that is at most half full when the next one is made is packed. */
#define PACKED_MAX (PAGE_NUMBERS / 2)
/* One whose objects leave gets a quarter of its places when it needs no more. */
#define SHRINK 4u

struct numtable_page {
	uint64_t number;  /* of the page: its numbers' high bits */
	uint32_t present; /* a bit for each of its numbers */
	uint16_t count;	  /* of those bits */
	uint16_t places;  /* a power of two; PAGE_NUMBERS: one for each number */
	void *objects[];
};

void
numtable_init(struct numtable *table, struct stock *stock)
{
	*table = (struct numtable){.stock = stock};
	keyset_init(&table->pages, offsetof(struct numtable_page, number), sizeof(uint64_t));
}

void
numtable_reserve(struct numtable *table, uint64_t count)
{
	keyset_reserve(&table->pages, (size_t)(count / PAGE_NUMBERS + 1));
}

/* --------------------------------------------------------------------------------------- pages */

static size_t
page_size(uint32_t places)
{
	return sizeof(struct numtable_page) + places * sizeof(void *);
}

static struct numtable_page **
near_of(struct numtable *table, uint64_t page)
{
	return &table->near[page % NUMTABLE_NEAR];
}

static inline struct numtable_page *
page_find(const struct numtable *table, uint64_t number)
{
	uint64_t page = number / PAGE_NUMBERS;
	struct numtable_page *near = table->near[page % NUMTABLE_NEAR];
	if (near != NULL && near->number == page)
		return near;
	return keyset_get_u64(&table->pages, page);
}

static inline uint32_t
page_bit(uint64_t number)
{
	return UINT32_C(1) << number % PAGE_NUMBERS;
}

/* Where the number's object is, or where it would be. */
static inline uint32_t
page_place(const struct numtable_page *page, uint64_t number)
{
	return page->places == PAGE_NUMBERS
		   ? number % PAGE_NUMBERS
		   : (uint32_t)__builtin_popcount(page->present & (page_bit(number) - 1));
}

static struct numtable_page *
page_new(struct numtable *table, uint64_t number, uint32_t places)
{
	struct numtable_page *page = stock_alloc(table->stock, page_size(places));
	page->number = number;
	page->present = 0;
	page->count = 0;
	page->places = (uint16_t)places;
	return page;
}

static void
page_free(struct numtable *table, struct numtable_page *page)
{
	stock_free(table->stock, page, page_size(page->places));
}

static void
page_drop(struct numtable *table, struct numtable_page *page)
{
	struct numtable_page **near = near_of(table, page->number);
	if (*near == page)
		*near = NULL;
	froe_assert(keyset_remove_u64(&table->pages, page->number) == page);
	page_free(table, page);
}

static struct numtable_page *
page_resize(struct numtable *table, struct numtable_page *page, uint32_t places)
{
	struct numtable_page *resized = page_new(table, page->number, places);
	struct numtable_page **near = near_of(table, page->number);
	froe_assert(page != table->newest && page->count <= places);
	resized->present = page->present;
	resized->count = page->count;
	for (uint32_t rest = page->present; rest != 0; rest &= rest - 1) {
		uint32_t number = (uint32_t)__builtin_ctz(rest);
		resized->objects[page_place(resized, number)] =
		    page->objects[page_place(page, number)];
	}
	if (*near == page)
		*near = resized;
	froe_assert(keyset_put(&table->pages, resized) == page);
	page_free(table, page);
	return resized;
}

/* Mostly it is well filled. */
static void
newest_pack(struct numtable *table)
{
	struct numtable_page *page = table->newest;
	uint32_t places = 1;
	table->newest = NULL;
	if (page == NULL || page->count > PACKED_MAX)
		return;
	while (places < page->count)
		places *= 2;
	if (page->count > 0)
		page_resize(table, page, places);
	else
		page_drop(table, page);
}

static struct numtable_page *
newest_new(struct numtable *table, uint64_t number)
{
	newest_pack(table);
	struct numtable_page *page = page_new(table, number, PAGE_NUMBERS);
	keyset_add_new(&table->pages, page);
	*near_of(table, number) = page;
	table->newest = page;
	return page;
}

void
numtable_release(struct numtable *table)
{
	keyset_settle(&table->pages);
	for (size_t i = 0; i < table->pages.capacity; i++) {
		struct numtable_page *page = keyset_at(&table->pages, i);
		if (page != NULL)
			page_free(table, page);
	}
	keyset_release(&table->pages);
	numtable_init(table, table->stock);
}

/* ------------------------------------------------------------------------------------- objects */

void *
numtable_get(const struct numtable *table, uint64_t number)
{
	const struct numtable_page *page = page_find(table, number);
	if (page == NULL || (page->present & page_bit(number)) == 0)
		return NULL;
	return page->objects[page_place(page, number)];
}

bool
numtable_add(struct numtable *table, uint64_t number, void *object)
{
	struct numtable_page *page = page_find(table, number);
	froe_assert(object != NULL);
	if (page == NULL)
		page = newest_new(table, number / PAGE_NUMBERS);
	else if ((page->present & page_bit(number)) != 0)
		return false;
	else if (page->count == page->places)
		page = page_resize(table, page, page->places * 2u);
	uint32_t place = page_place(page, number);
	if (page->places != PAGE_NUMBERS)
		memmove(&page->objects[place + 1], &page->objects[place],
		    (page->count - place) * sizeof(page->objects[0]));
	page->objects[place] = object;
	page->present |= page_bit(number);
	page->count++;
	table->count++;
	return true;
}

void
numtable_replace(struct numtable *table, uint64_t number, void *object)
{
	struct numtable_page *page = page_find(table, number);
	froe_assert(object != NULL && page != NULL && (page->present & page_bit(number)) != 0);
	page->objects[page_place(page, number)] = object;
}

/* It has one object less. */
static void
page_shrink(struct numtable *table, struct numtable_page *page)
{
	if (page == table->newest)
		return;
	if (page->count == 0)
		page_drop(table, page);
	else if (page->count <= page->places / SHRINK)
		page_resize(table, page, page->places / SHRINK);
}

void *
numtable_remove(struct numtable *table, uint64_t number)
{
	struct numtable_page *page = page_find(table, number);
	if (page == NULL || (page->present & page_bit(number)) == 0)
		return NULL;
	uint32_t place = page_place(page, number);
	void *object = page->objects[place];
	page->present &= ~page_bit(number);
	page->count--;
	if (page->places != PAGE_NUMBERS)
		memmove(&page->objects[place], &page->objects[place + 1],
		    (page->count - place) * sizeof(page->objects[0]));
	table->count--;
	page_shrink(table, page);
	return object;
}

void
numtable_prefetch(const struct numtable *table, uint64_t number)
{
	uint64_t page = number / PAGE_NUMBERS;
	__builtin_prefetch(table->near[page % NUMTABLE_NEAR]);
	keyset_prefetch_u64(&table->pages, page);
}

static void
page_each(
    const struct numtable_page *page, void (*each)(void *context, void *object), void *context)
{
	for (uint32_t rest = page->present; rest != 0; rest &= rest - 1)
		each(context, page->objects[page_place(page, (uint32_t)__builtin_ctz(rest))]);
}

void
numtable_each(struct numtable *table, void (*each)(void *context, void *object), void *context)
{
	keyset_settle(&table->pages);
	for (size_t i = 0; i < table->pages.capacity; i++) {
		const struct numtable_page *page = keyset_at(&table->pages, i);
		if (page != NULL)
			page_each(page, each, context);
	}
}

static int
page_order(const void *a, const void *b)
{
	uint64_t first = (*(struct numtable_page *const *)a)->number;
	uint64_t second = (*(struct numtable_page *const *)b)->number;
	return first < second ? -1 : first > second;
}

/* Only the pages are sorted: there are few. */
struct numtable_walk
numtable_walk_begin(const struct numtable *table)
{
	struct numtable_walk walk = {0};
	walk.pages = mem_array(table->pages.count + 1, sizeof(walk.pages[0]));
	for (size_t i = 0; i < keyset_slots(&table->pages); i++) {
		struct numtable_page *page = keyset_at(&table->pages, i);
		if (page != NULL)
			walk.pages[walk.page_count++] = page;
	}
	froe_assert(walk.page_count == table->pages.count);
	qsort(walk.pages, walk.page_count, sizeof(walk.pages[0]), page_order);
	walk.rest = walk.page_count > 0 ? walk.pages[0]->present : 0;
	return walk;
}

void *
numtable_walk_next(struct numtable_walk *walk)
{
	while (walk->rest == 0 && walk->at + 1 < walk->page_count)
		walk->rest = walk->pages[++walk->at]->present;
	if (walk->rest == 0) {
		numtable_walk_end(walk);
		return NULL;
	}
	uint32_t number = (uint32_t)__builtin_ctz(walk->rest);
	walk->rest &= walk->rest - 1;
	const struct numtable_page *page = walk->pages[walk->at];
	return page->objects[page_place(page, number)];
}

void
numtable_walk_end(struct numtable_walk *walk)
{
	mem_free(walk->pages);
	*walk = (struct numtable_walk){0};
}
