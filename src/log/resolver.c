/*
 * Each run has a dense array of entries. The cache is a ring of bytes with ever-growing positions:
 * a body lies at position p of the ring, byte p % size; it is in memory while p has not been passed
 * by the ring's tail. So an entry needs no back pointer, and forgetting costs nothing. A body never
 * wraps: what is left at the ring's end is skipped.
 */
#include "log/resolver.h"

#include "base/map.h"
#include "base/mem.h"

/* Position 0 says "never cached". */
#define CACHE_START 1u

struct resolver_entry {
	uint16_t type;
	uint64_t time_ns;
	uint64_t cached_at;
};

/* One block a run: the places (handed out as an array), then what else is known of each. */
struct resolver_list {
	uint32_t count;
	uint32_t capacity;
	struct log_place places[];
};

/* What a run of one task needs: started, queued, assigned, completed, closed. */
#define LIST_CAPACITY 5u

static struct resolver_entry *
list_entries(const struct resolver_list *list)
{
	return (struct resolver_entry *)(uintptr_t)(list->places + list->capacity);
}

struct resolver {
	struct map runs; /* run key -> struct resolver_list */
	uint8_t *cache;
	size_t cache_bytes;
	uint64_t head; /* position of the next byte */
	/* The run of the newest record: a step's records are mostly of one run. */
	uint64_t last_key;
	struct resolver_list *last;
};

struct resolver *
resolver_open(size_t cache_bytes)
{
	struct resolver *resolver = mem_zalloc(sizeof(*resolver));
	resolver->cache_bytes = cache_bytes;
	resolver->cache = cache_bytes > 0 ? mem_pages(cache_bytes) : NULL;
	resolver->head = CACHE_START;
	return resolver;
}

static struct resolver_list *
list_new(uint32_t capacity)
{
	struct resolver_list *list = mem_alloc(sizeof(*list) +
	    capacity * (sizeof(struct log_place) + sizeof(struct resolver_entry)));
	list->count = 0;
	list->capacity = capacity;
	return list;
}

static struct resolver_list *
list_grow(struct resolver_list *list)
{
	struct resolver_list *grown = list_new(list->capacity * 2);
	grown->count = list->count;
	memcpy(grown->places, list->places, list->count * sizeof(struct log_place));
	memcpy(list_entries(grown), list_entries(list),
	    list->count * sizeof(struct resolver_entry));
	mem_free(list);
	return grown;
}

void
resolver_close(struct resolver *resolver)
{
	for (size_t i = 0; i < resolver->runs.capacity; i++)
		mem_free(resolver->runs.entries[i].value);
	map_release(&resolver->runs);
	if (resolver->cache != NULL)
		mem_pages_free(resolver->cache, resolver->cache_bytes);
	mem_free(resolver);
}

/* Copies the body into the ring; its position, or 0 when it cannot be cached. */
static uint64_t
cache_push(struct resolver *resolver, struct bytes body)
{
	if (resolver->cache == NULL || body.size > resolver->cache_bytes / 2)
		return 0;
	size_t at = (size_t)(resolver->head % resolver->cache_bytes);
	if (resolver->cache_bytes - at < body.size) {
		resolver->head += resolver->cache_bytes - at;
		at = 0;
	}
	uint64_t position = resolver->head;
	if (body.size > 0)
		memcpy(resolver->cache + at, body.data, body.size);
	resolver->head += body.size;
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
	struct resolver_list *list =
	    resolver->last_key == run_key ? resolver->last : map_get_u64(&resolver->runs, run_key);
	if (list == NULL) {
		list = list_new(LIST_CAPACITY);
		map_put_u64(&resolver->runs, run_key, list);
	} else if (list->count == list->capacity) {
		list = list_grow(list);
		map_put_u64(&resolver->runs, run_key, list);
	}
	froe_assert(run_event_no == list->count + 1);
	list->places[list->count] = place;
	list_entries(list)[list->count] = (struct resolver_entry){
	    .type = type,
	    .time_ns = time_ns,
	    .cached_at = cache_push(resolver, body),
	};
	list->count++;
	resolver->last_key = run_key;
	resolver->last = list;
}

void
resolver_load(struct resolver *resolver, uint64_t run_key, const struct log_place *places,
    uint32_t count)
{
	struct resolver_list *list = map_get_u64(&resolver->runs, run_key);
	if (list == NULL) {
		list = list_new(count > LIST_CAPACITY ? count : LIST_CAPACITY);
		map_put_u64(&resolver->runs, run_key, list);
	}
	while (list->capacity - list->count < count) {
		list = list_grow(list);
		map_put_u64(&resolver->runs, run_key, list);
	}
	memcpy(list->places + list->count, places, count * sizeof(*places));
	memset(list_entries(list) + list->count, 0, count * sizeof(struct resolver_entry));
	list->count += count;
	resolver->last_key = 0;
	resolver->last = NULL;
}

static const struct resolver_list *
list_with(const struct resolver *resolver, uint64_t run_key, uint32_t run_event_no)
{
	const struct resolver_list *list = map_get_u64(&resolver->runs, run_key);
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
	if (list == NULL || !cache_holds(resolver, list_entries(list)[run_event_no - 1].cached_at))
		return false;
	const struct resolver_entry *entry = &list_entries(list)[run_event_no - 1];
	*ret_record = (struct resolver_record){
	    .type = entry->type,
	    .time_ns = entry->time_ns,
	    .body = bytes_of(resolver->cache + entry->cached_at % resolver->cache_bytes,
	        list->places[run_event_no - 1].size - LOG_RECORD_HEADER_BYTES),
	};
	return true;
}

const struct log_place *
resolver_run(const struct resolver *resolver, uint64_t run_key, uint32_t *ret_count)
{
	const struct resolver_list *list = map_get_u64(&resolver->runs, run_key);
	*ret_count = list != NULL ? list->count : 0;
	return list != NULL ? list->places : NULL;
}

void
resolver_forget(struct resolver *resolver, uint64_t run_key)
{
	struct resolver_list *list = map_remove_u64(&resolver->runs, run_key);
	if (resolver->last_key == run_key) {
		resolver->last_key = 0;
		resolver->last = NULL;
	}
	mem_free(list);
}

size_t
resolver_runs(const struct resolver *resolver)
{
	return resolver->runs.count;
}
