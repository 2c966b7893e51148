/*
 * Each run has a dense array of places. The cache is a ring of bytes with ever-growing positions: a
 * record (its header's rest, then its body) lies at position p of the ring, byte p % size; it is in
 * memory while p has not been passed by the ring's tail. So a position needs no back pointer, and
 * forgetting costs nothing. A record never wraps: what is left at the ring's end is skipped.
 *
 * Where in the ring a record is, is known of the newest records only, by their event numbers, which
 * grow by one a record: a table of so many positions as the ring holds records, each slot the
 * newest event's that falls on it. A slot holds the begin of a record, which has its event's
 * number, so a slot that is another event's is known as such. A run that waits costs nothing here.
 */
#include "log/resolver.h"

#include "base/mem.h"
#include "base/numtable.h"
#include "base/stock.h"

/* Position 0 says "never cached". */
#define CACHE_START 1u

/* About what a record takes of the ring: so many have a position. */
#define CACHE_RECORD_BYTES 64u
#define POSITIONS_MIN 16u
/* The next piece of a ring is asked for when less than this is left until it is written to. */
#define AHEAD_BYTES (PREFAULT_PIECE_BYTES / 4 * 3)

/* In the ring, before a record's body; not aligned. */
struct resolver_head {
	uint64_t event_seq;
	uint64_t time_ns;
	uint64_t type;
};

/* A struct log_place, without the gap at its end: there are some millions. */
struct resolver_place {
	uint64_t lsn;
	uint64_t event_seq;
	uint32_t size;
} __attribute__((packed, aligned(4)));

/* One block a run. */
struct resolver_list {
	uint64_t run_key;
	uint32_t count;
	uint32_t capacity;
	struct resolver_place places[];
};

/* A run that waits for a worker has two records, one of one task that has ended five. */
#define LIST_CAPACITY 2u
#define LIST_CAPACITY_NEXT 5u

/* How much of a ring, which is written to from its beginning to its end and again, has been asked
 * for: as bytes ever written. */
struct resolver_ahead {
	uint64_t asked;
	uint64_t end; /* a whole round: from here on all of it has been written to */
};

struct resolver {
	struct numtable runs; /* struct resolver_list by run key */
	struct stock stock;
	uint8_t *cache;
	size_t cache_bytes;
	size_t record_bytes_max; /* with its head: what is cached at all; 0: nothing is */
	uint64_t head;   /* position of the next byte */
	size_t cache_at; /* where in the ring that is */
	uint64_t *positions;
	size_t position_count; /* a power of two */
	struct prefault *prefault;
	struct resolver_ahead cache_ahead;
	struct resolver_ahead positions_ahead;
	/* The run that was asked for last: a step's records are mostly of one run. `last` is NULL
	 * while it is not in the table. */
	uint64_t last_key;
	struct resolver_list *last;
	bool twice; /* resolver_load_next */
};

static size_t
list_size(uint32_t capacity)
{
	return sizeof(struct resolver_list) + capacity * sizeof(struct resolver_place);
}

static struct resolver_place
place_pack(struct log_place place)
{
	return (struct resolver_place){
	    .lsn = place.lsn.v, .event_seq = place.event_seq, .size = place.size};
}

static struct log_place
place_unpack(struct resolver_place place)
{
	return (struct log_place){
	    .lsn.v = place.lsn, .event_seq = place.event_seq, .size = place.size};
}

struct resolver *
resolver_open(size_t cache_bytes)
{
	struct resolver *resolver = mem_zalloc(sizeof(*resolver));
	stock_init(&resolver->stock);
	numtable_init(&resolver->runs, &resolver->stock);
	resolver->cache_bytes = cache_bytes;
	resolver->record_bytes_max = cache_bytes / 2;
	resolver->cache = cache_bytes > 0 ? mem_table(cache_bytes, 1) : NULL;
	resolver->head = CACHE_START;
	resolver->cache_at = CACHE_START;
	resolver->position_count = POSITIONS_MIN;
	while (resolver->position_count < cache_bytes / CACHE_RECORD_BYTES)
		resolver->position_count *= 2;
	resolver->positions = mem_table(resolver->position_count, sizeof(uint64_t));
	return resolver;
}

void
resolver_prefault(struct resolver *resolver, struct prefault *prefault)
{
	resolver->prefault = prefault;
	stock_prefault(&resolver->stock, prefault);
}

/* `written`: so many bytes ever. Nothing is asked for while the ring's first piece is enough. */
static void
ring_look_ahead(struct resolver *resolver, struct resolver_ahead *ahead, uint8_t *ring,
    size_t size, uint64_t written)
{
	if (written + AHEAD_BYTES < ahead->asked || ahead->asked >= ahead->end)
		return;
	size_t at = (size_t)(ahead->asked % size);
	size_t room = size - at;
	prefault_ask(resolver->prefault, ring + at,
	    room < PREFAULT_PIECE_BYTES ? room : PREFAULT_PIECE_BYTES);
	ahead->asked += PREFAULT_PIECE_BYTES;
}

static void
ring_begin(struct resolver_ahead *ahead, size_t size, uint64_t written)
{
	ahead->asked = (written / PREFAULT_PIECE_BYTES + 1) * PREFAULT_PIECE_BYTES;
	ahead->end = ahead->asked + size;
}

static void
cache_look_ahead(struct resolver *resolver, uint64_t event_seq)
{
	size_t size = resolver->position_count * sizeof(resolver->positions[0]);
	uint64_t written = event_seq * sizeof(resolver->positions[0]);
	if (resolver->cache_ahead.end == 0) {
		ring_begin(&resolver->cache_ahead, resolver->cache_bytes, resolver->head);
		ring_begin(&resolver->positions_ahead, size, written);
	}
	ring_look_ahead(resolver, &resolver->cache_ahead, resolver->cache,
	    resolver->cache_bytes, resolver->head);
	ring_look_ahead(resolver, &resolver->positions_ahead, (uint8_t *)resolver->positions,
	    size, written);
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
	memcpy(grown->places, list->places, list->count * sizeof(list->places[0]));
	numtable_replace(&resolver->runs, grown->run_key, grown);
	list_free(resolver, list);
	return grown;
}

/* NULL: it has none. It is found quickly the next time. */
static struct resolver_list *
list_find(struct resolver *resolver, uint64_t run_key)
{
	if (resolver->last != NULL && resolver->last_key == run_key)
		return resolver->last;
	struct resolver_list *list = numtable_get(&resolver->runs, run_key);
	if (list != NULL) {
		resolver->last_key = run_key;
		resolver->last = list;
	}
	return list;
}

/* Of a run that begins with so many records. More than a waiting one has: it is under way already,
 * and its places are where they stay. */
static uint32_t
capacity_first(uint32_t count)
{
	if (count <= LIST_CAPACITY)
		return LIST_CAPACITY;
	return count > LIST_CAPACITY_NEXT ? count : LIST_CAPACITY_NEXT;
}

/* The list of a run that is not there. */
static struct resolver_list *
list_begin(struct resolver *resolver, uint64_t run_key, uint32_t count)
{
	struct resolver_list *list = list_new(resolver, run_key, capacity_first(count));
	bool fresh = numtable_add(&resolver->runs, run_key, list);
	froe_assert(fresh);
	resolver->last_key = run_key;
	resolver->last = list;
	return list;
}

/* The run's list with room for so many more. */
static struct resolver_list *
list_require(struct resolver *resolver, uint64_t run_key, uint32_t count)
{
	struct resolver_list *list = list_find(resolver, run_key);
	if (list == NULL)
		return list_begin(resolver, run_key, count);
	if (list->capacity - list->count < count) {
		uint32_t capacity =
		    list->capacity < LIST_CAPACITY_NEXT ? LIST_CAPACITY_NEXT : list->capacity * 2;
		if (capacity - list->count < count)
			capacity = list->count + count;
		list = list_grow(resolver, list, capacity);
	}
	resolver->last_key = run_key;
	resolver->last = list;
	return list;
}

static void
list_free_each(void *context, void *list)
{
	list_free(context, list);
}

void
resolver_close(struct resolver *resolver)
{
	numtable_each(&resolver->runs, list_free_each, resolver);
	numtable_release(&resolver->runs);
	stock_release(&resolver->stock);
	if (resolver->cache != NULL)
		mem_table_free(resolver->cache, resolver->cache_bytes, 1);
	mem_table_free(resolver->positions, resolver->position_count, sizeof(uint64_t));
	mem_free(resolver);
}

static uint64_t *
position_of(const struct resolver *resolver, uint64_t event_seq)
{
	return &resolver->positions[event_seq & (resolver->position_count - 1)];
}

/* Copies the record into the ring, if it is not too large. */
static void
cache_push(struct resolver *resolver, uint64_t event_seq, const struct log_entry *entry)
{
	struct resolver_head head = {event_seq, entry->time_ns, entry->type};
	size_t size = sizeof(head) + entry->body.size;
	if (size > resolver->record_bytes_max)
		return;
	if (resolver->cache_bytes - resolver->cache_at < size) {
		resolver->head += resolver->cache_bytes - resolver->cache_at;
		resolver->cache_at = 0;
	}
	uint8_t *at = resolver->cache + resolver->cache_at;
	*position_of(resolver, event_seq) = resolver->head;
	memcpy(at, &head, sizeof(head));
	if (entry->body.size > 0)
		memcpy(at + sizeof(head), entry->body.data, entry->body.size);
	resolver->head += size;
	resolver->cache_at += size;
}

/* Where the record with this event number begins; NULL: it is not in memory. */
static const uint8_t *
cache_find(
    const struct resolver *resolver, uint64_t event_seq, struct resolver_head *ret_head)
{
	uint64_t position = *position_of(resolver, event_seq);
	uint64_t back = resolver->head - position;
	if (position == 0 || back > resolver->cache_bytes)
		return NULL;
	size_t round = back > resolver->cache_at ? resolver->cache_bytes : 0;
	const uint8_t *at = resolver->cache + (resolver->cache_at + round - back);
	memcpy(ret_head, at, sizeof(*ret_head));
	return ret_head->event_seq == event_seq ? at + sizeof(*ret_head) : NULL;
}

void
resolver_add(struct resolver *resolver, const struct log_entry *entries,
    const struct log_place *places, uint32_t count)
{
	uint64_t run_key = entries[0].run_key;
	/* A run's first record: it need not be looked for. */
	struct resolver_list *list = entries[0].run_event_no == 1
	    ? list_begin(resolver, run_key, count)
	    : list_require(resolver, run_key, count);
	for (uint32_t i = 0; i < count; i++) {
		froe_assert(entries[i].run_key == run_key);
		froe_assert(entries[i].run_event_no == list->count + 1);
		list->places[list->count++] = place_pack(places[i]);
		cache_push(resolver, places[i].event_seq, &entries[i]);
	}
	if (resolver->prefault != NULL && resolver->cache != NULL)
		cache_look_ahead(resolver, places[count - 1].event_seq);
}

void
resolver_add_late(struct resolver *resolver, const struct log_entry *entry,
    const struct log_place *place)
{
	if (list_find(resolver, entry->run_key) != NULL)
		resolver_add(resolver, entry, place, 1);
}

void
resolver_reserve(struct resolver *resolver, uint64_t runs)
{
	numtable_reserve(&resolver->runs, runs);
}

void
resolver_prefetch(const struct resolver *resolver, uint64_t run_key)
{
	if (run_key != resolver->last_key)
		numtable_prefetch(&resolver->runs, run_key);
}

static void
list_load(struct resolver_list *list, const struct log_place *places, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		list->places[list->count++] = place_pack(places[i]);
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
	struct resolver_list *list;
	if (resolver->last_key == run_key) { /* one of very many records */
		list = list_require(resolver, run_key, count);
	} else {
		list = list_new(resolver, run_key, count > LIST_CAPACITY ? count : LIST_CAPACITY);
		if (!numtable_add(&resolver->runs, run_key, list)) {
			resolver->twice = true;
			list_free(resolver, list);
			return;
		}
		resolver->last_key = run_key;
		resolver->last = list;
	}
	list_load(list, places, count);
}

bool
resolver_load_end(struct resolver *resolver)
{
	bool once = !resolver->twice;
	resolver->last_key = 0;
	resolver->last = NULL;
	resolver->twice = false;
	return once;
}

static const struct resolver_list *
list_with(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no)
{
	const struct resolver_list *list = list_find(resolver, run_key);
	return list != NULL && run_event_no >= 1 && run_event_no <= list->count ? list : NULL;
}

bool
resolver_place(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct log_place *ret_place)
{
	const struct resolver_list *list = list_with(resolver, run_key, run_event_no);
	if (list == NULL)
		return false;
	*ret_place = place_unpack(list->places[run_event_no - 1]);
	return true;
}

bool
resolver_record(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct resolver_record *ret_record)
{
	const struct resolver_list *list = list_with(resolver, run_key, run_event_no);
	if (list == NULL)
		return false;
	struct resolver_head head;
	struct resolver_place place = list->places[run_event_no - 1];
	const uint8_t *body = cache_find(resolver, place.event_seq, &head);
	if (body == NULL)
		return false;
	*ret_record = (struct resolver_record){
	    .type = (uint16_t)head.type,
	    .time_ns = head.time_ns,
	    .body = bytes_of(body, place.size - LOG_RECORD_HEADER_BYTES),
	};
	return true;
}

uint32_t
resolver_count(struct resolver *resolver, uint64_t run_key)
{
	const struct resolver_list *list = list_find(resolver, run_key);
	return list != NULL ? list->count : 0;
}

void
resolver_places(struct resolver *resolver, uint64_t run_key, uint32_t from, uint32_t count,
    struct log_place *to)
{
	const struct resolver_list *list = list_find(resolver, run_key);
	froe_assert(count == 0 ||
	    (list != NULL && from <= list->count && count <= list->count - from));
	for (uint32_t i = 0; i < count; i++)
		to[i] = place_unpack(list->places[from + i]);
}

void
resolver_forget(struct resolver *resolver, uint64_t run_key)
{
	struct resolver_list *list = numtable_remove(&resolver->runs, run_key);
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
