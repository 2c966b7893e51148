#include "base/keyset.h"

#include "base/fault.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define CAPACITY_MIN 16u
/* A slot: the low bits of the hash, its three highest, the address without its three lowest. */
#define TAG_MASK 0xffffu
#define TAG_SHIFT 48u
#define MARK_SHIFT 45u /* of all the hash's bits */
#define ALIGN_BITS 3u
/* The next table is mapped ahead if it is of at least so many slots: smaller ones lie in the heap.
 */
#define AHEAD_MIN ((size_t)1 << 19)
/* So many objects ahead are asked of memory while a large table grows. */
#define LOOK_AHEAD 16u

void
keyset_init(struct keyset *set, size_t key_offset, size_t key_size)
{
	froe_assert(key_size == sizeof(uint64_t) || key_size == sizeof(struct uuid));
	*set = (struct keyset){.key_offset = key_offset, .key_size = key_size};
}

static void
ahead_drop(struct keyset *set)
{
	if (set->ahead != NULL)
		mem_table_free(set->ahead, set->capacity * 2, sizeof(set->slots[0]));
	set->ahead = NULL;
}

void
keyset_release(struct keyset *set)
{
	ahead_drop(set);
	mem_table_free(set->slots, set->capacity, sizeof(set->slots[0]));
	keyset_init(set, set->key_offset, set->key_size);
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
key_hash(struct key key)
{
	return key.words[1] == 0 ? hash_number(key.words[0])
	                         : hash_words(key.words[1], key.words[0]);
}

/* --------------------------------------------------------------------------------------- slots */

static uint64_t
mark_of(uint64_t hash)
{
	return (hash & TAG_MASK) << (TAG_SHIFT - MARK_SHIFT) | hash >> (64 - ALIGN_BITS);
}

static uint64_t
slot_of(const void *object, uint64_t hash)
{
	uint64_t address = (uint64_t)(uintptr_t)object;
	froe_assert(object != NULL && address >> TAG_SHIFT == 0 && address % 8 == 0);
	return address >> ALIGN_BITS | mark_of(hash) << MARK_SHIFT;
}

static void *
object_of(uint64_t slot)
{
	return (void *)(uintptr_t)((slot & ((UINT64_C(1) << MARK_SHIFT) - 1)) << ALIGN_BITS);
}

/* How far from its home the object in slot `at` is. */
static size_t
slot_distance(const struct keyset *set, size_t at)
{
	return (at - (set->slots[at] >> TAG_SHIFT)) & (set->capacity - 1) & TAG_MASK;
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
look_ahead(const struct keyset *set, const uint64_t *slots, size_t capacity, size_t at)
{
	if (at + LOOK_AHEAD < capacity && slots[at + LOOK_AHEAD] != 0)
		__builtin_prefetch(
		    (const uint8_t *)object_of(slots[at + LOOK_AHEAD]) + set->key_offset);
}

static void
keyset_resize(struct keyset *set, size_t capacity)
{
	struct keyset old = *set;
	bool known = capacity - 1 <= TAG_MASK; /* the tag is all that matters of the hash */
	bool prepared = set->ahead != NULL && capacity == old.capacity * 2;
	if (!prepared)
		ahead_drop(set);
	set->slots = prepared ? set->ahead : mem_table(capacity, sizeof(set->slots[0]));
	set->capacity = capacity;
	set->ahead = NULL;
	for (size_t i = 0; i < old.capacity; i++) {
		uint64_t slot = old.slots[i];
		if (!known)
			look_ahead(set, old.slots, old.capacity, i);
		if (slot != 0)
			slot_place(set, slot,
			    known ? slot >> TAG_SHIFT
				  : key_hash(key_of(set, object_of(slot))));
	}
	mem_table_free(old.slots, old.capacity, sizeof(old.slots[0]));
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
	keyset_resize(set, capacity);
}

/* --------------------------------------------------------------------------------- one object */

static void *
keyset_get(const struct keyset *set, struct key key)
{
	if (set->capacity == 0)
		return NULL;
	return object_of(set->slots[slot_find(set, key, key_hash(key))]);
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
	uint64_t hash = key_hash(key);
	keyset_reserve(set, set->count + 1);
	size_t at = slot_find(set, key, hash);
	if (set->slots[at] != 0)
		return false;
	slot_fill(set, at, object, hash);
	return true;
}

void *
keyset_put(struct keyset *set, void *object)
{
	struct key key = key_of(set, object);
	uint64_t hash = key_hash(key);
	keyset_reserve(set, set->count + 1);
	size_t at = slot_find(set, key, hash);
	void *was = object_of(set->slots[at]);
	if (was != NULL)
		set->slots[at] = slot_of(object, hash);
	else
		slot_fill(set, at, object, hash);
	return was;
}

static void *
keyset_remove(struct keyset *set, struct key key)
{
	if (set->capacity == 0)
		return NULL;
	size_t mask = set->capacity - 1;
	size_t hole = slot_find(set, key, key_hash(key));
	void *object = object_of(set->slots[hole]);
	if (object == NULL)
		return NULL;
	set->count--;
	for (size_t at = (hole + 1) & mask; set->slots[at] != 0; at = (at + 1) & mask) {
		/* Move back unless its home lies cyclically in (hole, at]. */
		if (slot_distance(set, at) < ((at - hole) & mask))
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

void *
keyset_at(const struct keyset *set, size_t slot)
{
	return object_of(set->slots[slot]);
}

/* --------------------------------------------------------------------------------------- many */

static void
keyset_prefetch(const struct keyset *set, struct key key)
{
	if (set->capacity != 0)
		__builtin_prefetch(
		    &set->slots[key_hash(key) & (set->capacity - 1)], /* for writing */ 1);
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
