/*
 * A slot has, beside the address, two parts of its key's hash: the 12 lowest bits, and 7 from bit
 * 18 on. The first part and the slot's place say how far the object is from its home, so they say
 * where its home is: that is, all the bits that the table's capacity takes. A table of twice the
 * capacity takes one more: below 2^12 slots it is of the first part, from 2^18 to 2^25 of the
 * second. So neither a removal nor the growing of a large table reads an object, which no cache
 * holds. (Those between are few enough that one does.)
 *
 * An old table is moved up to an empty slot at a time: then no object that it still has is looked
 * for from a home that is moved.
 */
#include "base/keyset.h"

#include "base/fault.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define CAPACITY_MIN 16u
/* A slot: the hash's lowest bits, its bits from 18 on, the address without its three lowest. */
#define TAG_MASK UINT64_C(0xfff)
#define TAG_SHIFT 52u
#define NEXT_MASK UINT64_C(0x7f)
#define NEXT_BIT 18u   /* of the hash */
#define NEXT_BITS 7u
#define MARK_SHIFT 45u /* of both parts */
#define ALIGN_BITS 3u
#define ADDRESS_BITS 48u
/* The next table is mapped ahead if it is of at least so many slots: smaller ones lie in the heap.
 */
#define AHEAD_MIN ((size_t)1 << 19)
/* So many objects ahead are asked of memory while a large table grows. */
#define LOOK_AHEAD 16u
/* Larger tables grow by degrees: so many slots are moved with each add. They are done after an
 * eighth of the adds that the old table took, and the new one takes as many. */
#define DEGREES_MIN 64u
#define DEGREE_SLOTS 8u
/* In an old table: what was here is gone. Address 8 is nobody's. */
#define SLOT_GONE UINT64_C(1)

void
keyset_init(struct keyset *set, size_t key_offset, size_t key_size)
{
	froe_assert(key_size == sizeof(uint64_t) || key_size == sizeof(struct uuid));
	*set = (struct keyset){
	    .key_offset = key_offset, .key_size = key_size, .seed = HASH_SEED_FIXED};
}

static void
ahead_drop(struct keyset *set)
{
	if (set->ahead != NULL)
		mem_table_free(set->ahead, set->capacity * 2, sizeof(set->slots[0]));
	set->ahead = NULL;
}

static void
old_drop(struct keyset *set)
{
	if (set->old != NULL)
		mem_table_free(set->old, set->old_capacity, sizeof(set->slots[0]));
	set->old = NULL;
	set->old_capacity = 0;
	set->moved = 0;
}

void
keyset_seed(struct keyset *set, const struct hash_seed *seed)
{
	froe_assert(set->count == 0);
	set->seed = *seed;
}

void
keyset_release(struct keyset *set)
{
	ahead_drop(set);
	old_drop(set);
	mem_table_free(set->slots, set->capacity, sizeof(set->slots[0]));
	*set = (struct keyset){
	    .key_offset = set->key_offset, .key_size = set->key_size, .seed = set->seed};
}

void
keyset_prefault(struct keyset *set, struct prefault *prefault)
{
	set->prefault = prefault;
}

/* ---------------------------------------------------------------------------------------- keys */

/* A key as words: the second one is 0 in one of 8 bytes. */
struct key {
	uint64_t words[2];
};

static inline struct key
key_load(const struct keyset *set, const void *from)
{
	struct key key = {{0}};
	if (set->key_size == sizeof(uint64_t))
		memcpy(key.words, from, sizeof(uint64_t));
	else
		memcpy(key.words, from, sizeof(struct uuid));
	return key;
}

static inline struct key
key_of(const struct keyset *set, const void *object)
{
	return key_load(set, (const uint8_t *)object + set->key_offset);
}

static inline bool
key_equal(struct key a, struct key b)
{
	return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

static inline uint64_t
key_hash(const struct keyset *set, struct key key)
{
	return set->key_size == sizeof(uint64_t) ? hash_number(key.words[0])
	                                         : hash_seeded(&set->seed, key.words);
}

/* --------------------------------------------------------------------------------------- slots */

static uint64_t
mark_of(uint64_t hash)
{
	return (hash & TAG_MASK) << NEXT_BITS | (hash >> NEXT_BIT & NEXT_MASK);
}

static uint64_t
slot_of(const void *object, uint64_t hash)
{
	uint64_t address = (uint64_t)(uintptr_t)object;
	froe_assert(object != NULL && address >> ADDRESS_BITS == 0 && address % 8 == 0);
	return address >> ALIGN_BITS | mark_of(hash) << MARK_SHIFT;
}

static void *
object_of(uint64_t slot)
{
	return (void *)(uintptr_t)((slot & ((UINT64_C(1) << MARK_SHIFT) - 1)) << ALIGN_BITS);
}

/* How far from its home the object in slot `at` of a table is. */
static inline size_t
slot_distance(uint64_t slot, size_t at, size_t capacity)
{
	return (at - (slot >> TAG_SHIFT)) & (capacity - 1) & TAG_MASK;
}

/* Of its hash: what the table's capacity takes, and what the slot has. */
static inline uint64_t
slot_hash(uint64_t slot, size_t at, size_t capacity)
{
	size_t home = (at - slot_distance(slot, at, capacity)) & (capacity - 1);
	return home | slot >> TAG_SHIFT | (slot >> MARK_SHIFT & NEXT_MASK) << NEXT_BIT;
}

/* The slot of the key, or the empty one where it belongs. */
static inline size_t
slot_find(const struct keyset *set, struct key key, uint64_t hash)
{
	size_t mask = set->capacity - 1;
	size_t at = hash & mask;
	uint64_t mark = mark_of(hash);
	for (; set->slots[at] != 0; at = (at + 1) & mask) {
		if (set->slots[at] >> MARK_SHIFT == mark &&
		    key_equal(key_of(set, object_of(set->slots[at])), key))
			break;
	}
	return at;
}

static void
slot_place(struct keyset *set, uint64_t slot, uint64_t hash)
{
	size_t mask = set->capacity - 1;
	size_t at = hash & mask;
	while (set->slots[at] != 0)
		at = (at + 1) & mask;
	set->slots[at] = slot;
	froe_assert(((at - hash) & mask) <= TAG_MASK);
}

/* ------------------------------------------------------------------------------------- growing */

static void
look_ahead(const struct keyset *set)
{
	size_t at = set->moved + LOOK_AHEAD;
	if (at < set->old_capacity && set->old[at] > SLOT_GONE)
		__builtin_prefetch((const uint8_t *)object_of(set->old[at]) + set->key_offset);
}

/* Does slot_hash() have all the bits that the new table takes? */
static bool
old_known(const struct keyset *set)
{
	uint64_t more = (set->capacity - 1) & ~(set->old_capacity - 1);
	return (more & ~(TAG_MASK | NEXT_MASK << NEXT_BIT)) == 0;
}

/* Moves what is in the next so many slots of the old table, or a few more: up to an empty one. */
static void
old_move(struct keyset *set, size_t count)
{
	bool known = old_known(set);
	size_t last = set->moved + count;
	for (; set->moved < set->old_capacity; set->moved++) {
		uint64_t slot = set->old[set->moved];
		if (slot == 0 && set->moved >= last)
			return;
		if (!known)
			look_ahead(set);
		if (slot > SLOT_GONE)
			slot_place(set, slot,
			    known ? slot_hash(slot, set->moved, set->old_capacity)
				  : key_hash(set, key_of(set, object_of(slot))));
	}
	old_drop(set);
}

void
keyset_settle(struct keyset *set)
{
	if (set->old != NULL)
		old_move(set, set->old_capacity - set->moved);
}

/* Nothing is moved yet. */
static void
keyset_begin_growing(struct keyset *set, size_t capacity)
{
	bool prepared = set->ahead != NULL && capacity == set->capacity * 2;
	keyset_settle(set);
	if (!prepared)
		ahead_drop(set);
	set->old = set->slots;
	set->old_capacity = set->capacity;
	set->slots = prepared ? set->ahead : mem_table(capacity, sizeof(set->slots[0]));
	set->capacity = capacity;
	set->ahead = NULL;
}

/* Five eighths full: there is some time left until it is three quarters. */
static void
keyset_look_ahead(struct keyset *set)
{
	size_t capacity = set->capacity * 2;
	if (set->prefault == NULL || set->ahead != NULL || capacity < AHEAD_MIN)
		return;
	set->ahead = mem_table(capacity, sizeof(set->slots[0]));
	prefault_ask(set->prefault, set->ahead, capacity * sizeof(set->slots[0]));
}

void
keyset_reserve(struct keyset *set, size_t count)
{
	size_t capacity = set->capacity != 0 ? set->capacity : CAPACITY_MIN;
	if (count <= set->capacity / 4 * 3)
		return;
	while (count > capacity / 4 * 3)
		capacity *= 2;
	keyset_begin_growing(set, capacity);
	keyset_settle(set);
}

/* Room for one more. */
static inline void
keyset_grow(struct keyset *set)
{
	if (set->old != NULL)
		old_move(set, DEGREE_SLOTS);
	if (set->count < set->capacity / 4 * 3)
		return;
	if (set->capacity < DEGREES_MIN)
		keyset_reserve(set, set->count + 1);
	else
		keyset_begin_growing(set, set->capacity * 2);
}

/* --------------------------------------------------------------------------------- one object */

/* The slot of the key in the old table; SIZE_MAX: it is not there, or no longer. */
static size_t
old_find(const struct keyset *set, struct key key, uint64_t hash)
{
	size_t mask = set->old_capacity - 1;
	uint64_t mark = mark_of(hash);
	if (set->old == NULL || (hash & mask) < set->moved)
		return SIZE_MAX;
	for (size_t at = hash & mask; set->old[at] != 0; at = (at + 1) & mask) {
		uint64_t slot = set->old[at];
		if (at >= set->moved && slot != SLOT_GONE && slot >> MARK_SHIFT == mark &&
		    key_equal(key_of(set, object_of(slot)), key))
			return at;
	}
	return SIZE_MAX;
}

static void *
keyset_get(const struct keyset *set, struct key key)
{
	if (set->capacity == 0)
		return NULL;
	uint64_t hash = key_hash(set, key);
	uint64_t slot = set->slots[slot_find(set, key, hash)];
	if (slot == 0 && set->old != NULL) {
		size_t at = old_find(set, key, hash);
		slot = at != SIZE_MAX ? set->old[at] : 0;
	}
	return object_of(slot);
}

void *
keyset_get_u64(const struct keyset *set, uint64_t key)
{
	froe_assert(set->key_size == sizeof(key));
	return keyset_get(set, key_load(set, &key));
}

void *
keyset_get_uuid(const struct keyset *set, struct uuid key)
{
	froe_assert(set->key_size == sizeof(key));
	return keyset_get(set, key_load(set, &key));
}

static void
slot_fill(struct keyset *set, size_t at, void *object, uint64_t hash)
{
	froe_assert(((at - hash) & (set->capacity - 1)) <= TAG_MASK);
	set->slots[at] = slot_of(object, hash);
	if (++set->count == set->capacity / 8 * 5)
		keyset_look_ahead(set);
}

bool
keyset_add(struct keyset *set, void *object)
{
	struct key key = key_of(set, object);
	uint64_t hash = key_hash(set, key);
	keyset_grow(set);
	size_t at = slot_find(set, key, hash);
	if (set->slots[at] != 0 || old_find(set, key, hash) != SIZE_MAX)
		return false;
	slot_fill(set, at, object, hash);
	return true;
}

void
keyset_add_new(struct keyset *set, void *object)
{
	struct key key = key_of(set, object);
	uint64_t hash = key_hash(set, key);
	froe_assert_slow(keyset_get(set, key) == NULL);
	keyset_grow(set);
	size_t mask = set->capacity - 1;
	size_t at = hash & mask;
	while (set->slots[at] != 0)
		at = (at + 1) & mask;
	slot_fill(set, at, object, hash);
}

void *
keyset_put(struct keyset *set, void *object)
{
	struct key key = key_of(set, object);
	uint64_t hash = key_hash(set, key);
	keyset_grow(set);
	size_t at = slot_find(set, key, hash);
	size_t old_at = set->slots[at] == 0 ? old_find(set, key, hash) : SIZE_MAX;
	uint64_t *slot = old_at != SIZE_MAX ? &set->old[old_at] : &set->slots[at];
	void *was = object_of(*slot);
	if (was != NULL)
		*slot = slot_of(object, hash);
	else
		slot_fill(set, at, object, hash);
	return was;
}

static void *
old_remove(struct keyset *set, struct key key, uint64_t hash)
{
	size_t at = old_find(set, key, hash);
	if (at == SIZE_MAX)
		return NULL;
	void *object = object_of(set->old[at]);
	set->old[at] = SLOT_GONE;
	set->count--;
	return object;
}

static void *
keyset_remove(struct keyset *set, struct key key)
{
	if (set->capacity == 0)
		return NULL;
	size_t mask = set->capacity - 1;
	uint64_t hash = key_hash(set, key);
	size_t hole = slot_find(set, key, hash);
	void *object = object_of(set->slots[hole]);
	if (object == NULL)
		return old_remove(set, key, hash);
	set->count--;
	for (size_t at = (hole + 1) & mask; set->slots[at] != 0; at = (at + 1) & mask) {
		/* Move back unless its home lies cyclically in (hole, at]. */
		if (slot_distance(set->slots[at], at, set->capacity) < ((at - hole) & mask))
			continue;
		set->slots[hole] = set->slots[at];
		hole = at;
	}
	set->slots[hole] = 0;
	return object;
}

void *
keyset_remove_u64(struct keyset *set, uint64_t key)
{
	froe_assert(set->key_size == sizeof(key));
	return keyset_remove(set, key_load(set, &key));
}

void *
keyset_remove_uuid(struct keyset *set, struct uuid key)
{
	froe_assert(set->key_size == sizeof(key));
	return keyset_remove(set, key_load(set, &key));
}

size_t
keyset_slots(const struct keyset *set)
{
	return set->capacity + set->old_capacity - set->moved;
}

/* Those of an old table that are not moved yet come last. */
void *
keyset_at(const struct keyset *set, size_t slot)
{
	froe_assert(slot < keyset_slots(set));
	if (slot < set->capacity)
		return object_of(set->slots[slot]);
	uint64_t old = set->old[set->moved + slot - set->capacity];
	return old != SLOT_GONE ? object_of(old) : NULL;
}

/* --------------------------------------------------------------------------------------- many */

static void
keyset_prefetch(const struct keyset *set, struct key key)
{
	uint64_t hash = key_hash(set, key);
	if (set->capacity != 0)
		__builtin_prefetch(&set->slots[hash & (set->capacity - 1)], /* for writing */ 1);
	size_t old_at = hash & (set->old_capacity - 1);
	if (set->old != NULL && old_at >= set->moved)
		__builtin_prefetch(&set->old[old_at]);
}

void
keyset_prefetch_u64(const struct keyset *set, uint64_t key)
{
	keyset_prefetch(set, key_load(set, &key));
}

void
keyset_prefetch_uuid(const struct keyset *set, struct uuid key)
{
	keyset_prefetch(set, key_load(set, &key));
}

void
keyset_batch_init(struct keyset_batch *batch, struct keyset *set)
{
	*batch = (struct keyset_batch){.set = set};
}

static void
batch_add_oldest(struct keyset_batch *batch)
{
	void *object = batch->objects[batch->added++ % KEYSET_BATCH];
	if (keyset_add(batch->set, object))
		return;
	batch->twice = true;
	batch->left = object;
}

void
keyset_batch_add(struct keyset_batch *batch, void *object)
{
	if (batch->count - batch->added == KEYSET_BATCH)
		batch_add_oldest(batch);
	batch->objects[batch->count++ % KEYSET_BATCH] = object;
	keyset_prefetch(batch->set, key_of(batch->set, object));
}

bool
keyset_batch_flush(struct keyset_batch *batch)
{
	while (batch->added < batch->count)
		batch_add_oldest(batch);
	return !batch->twice;
}
