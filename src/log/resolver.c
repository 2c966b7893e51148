/*
 * Each run has a dense array of places, and one of positions in the cache. The cache is a ring of
 * bytes with ever-growing positions: a record (its header's rest, then its body) lies at position p
 * of the ring, byte p % size; it is in memory while p has not been passed by the ring's tail. So a
 * position needs no back pointer, and forgetting costs nothing. A record never wraps: what is left
 * at the ring's end is skipped.
 */
#include "log/resolver.h"

#include "base/keyset.h"
#include "base/mem.h"
#include "base/stock.h"

/* Position 0 says "never cached". */
#define CACHE_START 1u

/* In the ring, before a record's body; not aligned. */
struct resolver_head {
	uint64_t time_ns;
	uint16_t type;
};

/* One block a run: the places (handed out as an array), then where each record is in the ring. */
struct resolver_list {
	uint64_t run_key;
	uint32_t count;
	uint32_t capacity;
	struct log_place places[];
};

/* A run that waits for a worker has two records, one of one task that has ended five. */
#define LIST_CAPACITY 2u
#define LIST_CAPACITY_NEXT 5u

struct resolver {
	struct keyset runs; /* struct resolver_list by run key */
	struct stock stock;
	uint8_t *cache;
	size_t cache_bytes;
	uint64_t head; /* position of the next byte */
	/* The run of the newest record: a step's records are mostly of one run. */
	uint64_t last_key;
	struct resolver_list *last;
	struct keyset_batch batch; /* resolver_load_next */
};

static uint64_t *
list_positions(const struct resolver_list *list)
{
	return (uint64_t *)(uintptr_t)(list->places + list->capacity);
}

static size_t
list_size(uint32_t capacity)
{
	return sizeof(struct resolver_list) +
	    capacity * (sizeof(struct log_place) + sizeof(uint64_t));
}

struct resolver *
resolver_open(size_t cache_bytes)
{
	struct resolver *resolver = mem_zalloc(sizeof(*resolver));
	stock_init(&resolver->stock);
	keyset_init(
	    &resolver->runs, offsetof(struct resolver_list, run_key), sizeof(uint64_t));
	keyset_batch_init(&resolver->batch, &resolver->runs);
	resolver->cache_bytes = cache_bytes;
	resolver->cache = cache_bytes > 0 ? mem_pages(cache_bytes) : NULL;
	resolver->head = CACHE_START;
	return resolver;
}

static struct resolver_list *
list_new(struct resolver *resolver, uint64_t run_key, uint32_t capacity)
{
	struct resolver_list *list = stock_alloc(&resolver->stock, list_size(capacity));
	list->run_key = run_key;
	list->count = 0;
	list->capacity = capacity;
	return list;
}

static void
list_free(struct resolver *resolver, struct resolver_list *list)
{
	if (list != NULL)
		stock_free(&resolver->stock, list, list_size(list->capacity));
}

static struct resolver_list *
list_grow(struct resolver *resolver, struct resolver_list *list, uint32_t capacity)
{
	struct resolver_list *grown = list_new(resolver, list->run_key, capacity);
	grown->count = list->count;
	memcpy(grown->places, list->places, list->count * sizeof(struct log_place));
	memcpy(list_positions(grown), list_positions(list), list->count * sizeof(uint64_t));
	keyset_put(&resolver->runs, grown);
	list_free(resolver, list);
	return grown;
}

/* The run's list with room for so many more. */
static struct resolver_list *
list_require(struct resolver *resolver, uint64_t run_key, uint32_t count)
{
	struct resolver_list *list = keyset_get_u64(&resolver->runs, run_key);
	if (list == NULL) {
		list = list_new(resolver, run_key, count > LIST_CAPACITY ? count : LIST_CAPACITY);
		keyset_add(&resolver->runs, list);
	} else if (list->capacity - list->count < count) {
		uint32_t capacity =
		    list->capacity < LIST_CAPACITY_NEXT ? LIST_CAPACITY_NEXT : list->capacity * 2;
		if (capacity - list->count < count)
			capacity = list->count + count;
		list = list_grow(resolver, list, capacity);
	}
	return list;
}

void
resolver_close(struct resolver *resolver)
{
	FROE_DROP(keyset_batch_flush(&resolver->batch), "a load may have been given up");
	for (size_t i = 0; i < resolver->runs.capacity; i++)
		list_free(resolver, keyset_at(&resolver->runs, i));
	keyset_release(&resolver->runs);
	stock_release(&resolver->stock);
	if (resolver->cache != NULL)
		mem_pages_free(resolver->cache, resolver->cache_bytes);
	mem_free(resolver);
}

/* Copies the record into the ring; its position, or 0 when it cannot be cached. */
static uint64_t
cache_push(struct resolver *resolver, const struct resolver_head *head, struct bytes body)
{
	size_t size = sizeof(*head) + body.size;
	if (resolver->cache == NULL || size > resolver->cache_bytes / 2)
		return 0;
	size_t at = (size_t)(resolver->head % resolver->cache_bytes);
	if (resolver->cache_bytes - at < size) {
		resolver->head += resolver->cache_bytes - at;
		at = 0;
	}
	uint64_t position = resolver->head;
	memcpy(resolver->cache + at, head, sizeof(*head));
	if (body.size > 0)
		memcpy(resolver->cache + at + sizeof(*head), body.data, body.size);
	resolver->head += size;
	return position;
}

/* Nothing at this position has been written over. */
static bool
cache_holds(const struct resolver *resolver, uint64_t position)
{
	return position != 0 && position + resolver->cache_bytes >= resolver->head;
}

void
resolver_add(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct log_place place, uint16_t type, uint64_t time_ns, struct bytes body)
{
	struct resolver_head head = {.time_ns = time_ns, .type = type};
	struct resolver_list *list = resolver->last;
	if (resolver->last_key != run_key || list->count == list->capacity)
		list = list_require(resolver, run_key, 1);
	froe_assert(run_event_no == list->count + 1);
	list->places[list->count] = place;
	list_positions(list)[list->count] = cache_push(resolver, &head, body);
	list->count++;
	resolver->last_key = run_key;
	resolver->last = list;
}

static void
list_load(struct resolver_list *list, const struct log_place *places, uint32_t count)
{
	memcpy(list->places + list->count, places, count * sizeof(*places));
	memset(list_positions(list) + list->count, 0, count * sizeof(uint64_t));
	list->count += count;
}

void
resolver_load(struct resolver *resolver, uint64_t run_key, const struct log_place *places,
    uint32_t count)
{
	list_load(list_require(resolver, run_key, count), places, count);
	resolver->last_key = 0;
	resolver->last = NULL;
}

void
resolver_load_next(struct resolver *resolver, uint64_t run_key, const struct log_place *places,
    uint32_t count)
{
	if (resolver->last_key == run_key) { /* one of very many records */
		FROE_DROP(keyset_batch_flush(&resolver->batch), "resolver_load_end says so again");
		list_load(list_require(resolver, run_key, count), places, count);
		return;
	}
	struct resolver_list *list =
	    list_new(resolver, run_key, count > LIST_CAPACITY ? count : LIST_CAPACITY);
	list_load(list, places, count);
	keyset_batch_add(&resolver->batch, list);
	resolver->last_key = run_key;
}

bool
resolver_load_end(struct resolver *resolver)
{
	resolver->last_key = 0;
	bool once = keyset_batch_flush(&resolver->batch);
	list_free(resolver, resolver->batch.left);
	resolver->batch.left = NULL;
	return once;
}

static const struct resolver_list *
list_with(const struct resolver *resolver, uint64_t run_key, uint32_t run_event_no)
{
	const struct resolver_list *list = keyset_get_u64(&resolver->runs, run_key);
	return list != NULL && run_event_no >= 1 && run_event_no <= list->count ? list : NULL;
}

bool
resolver_place(const struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct log_place *ret_place)
{
	const struct resolver_list *list = list_with(resolver, run_key, run_event_no);
	if (list == NULL)
		return false;
	*ret_place = list->places[run_event_no - 1];
	return true;
}

bool
resolver_record(const struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct resolver_record *ret_record)
{
	const struct resolver_list *list = list_with(resolver, run_key, run_event_no);
	uint64_t position = list != NULL ? list_positions(list)[run_event_no - 1] : 0;
	if (!cache_holds(resolver, position))
		return false;
	struct resolver_head head;
	const uint8_t *at = resolver->cache + position % resolver->cache_bytes;
	memcpy(&head, at, sizeof(head));
	*ret_record = (struct resolver_record){
	    .type = head.type,
	    .time_ns = head.time_ns,
	    .body = bytes_of(at + sizeof(head),
	        list->places[run_event_no - 1].size - LOG_RECORD_HEADER_BYTES),
	};
	return true;
}

const struct log_place *
resolver_run(const struct resolver *resolver, uint64_t run_key, uint32_t *ret_count)
{
	const struct resolver_list *list = keyset_get_u64(&resolver->runs, run_key);
	*ret_count = list != NULL ? list->count : 0;
	return list != NULL ? list->places : NULL;
}

void
resolver_forget(struct resolver *resolver, uint64_t run_key)
{
	struct resolver_list *list = keyset_remove_u64(&resolver->runs, run_key);
	if (resolver->last_key == run_key) {
		resolver->last_key = 0;
		resolver->last = NULL;
	}
	list_free(resolver, list);
}

size_t
resolver_runs(const struct resolver *resolver)
{
	return resolver->runs.count;
}
