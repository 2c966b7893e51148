/*
 * base/recent: pointers by numbers that mostly ascend and mostly go in about the order they came.
 *
 * Purpose     A ring in which a number's last bits are its place: no hash, no probing, neighbours
 *             in one line. Whoever still has its place when a newer one needs it moves to a map.
 * Ownership   the caller owns what the values point to.
 * Threading   its owner only.
 * Invariants  1. each number is in the ring, at its place, or in `older`; `count` is both together.
 *             2. the ring has twice as many places as there are numbers, or more.
 * Bound       whatever numbers a stranger chooses, it is a map with a ring before it.
 */
#ifndef BASE_RECENT_H
#define BASE_RECENT_H

#include "base/fault.h"
#include "base/map.h"

struct recent_slot {
	uint64_t number;
	void *value; /* NULL: nobody's */
};

struct recent {
	struct recent_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	struct map older;
};

void recent_init(struct recent *recent);
void recent_release(struct recent *recent);

/* recent_add where the ring is full, or the place is not free. */
bool recent_add_slow(struct recent *recent, uint64_t number, void *value);

static inline struct recent_slot *
recent_slot(const struct recent *recent, uint64_t number)
{
	return &recent->slots[number & (recent->capacity - 1)];
}

/* NULL: absent. */
static inline void *
recent_get(const struct recent *recent, uint64_t number)
{
	if (recent->count == 0)
		return NULL;
	const struct recent_slot *slot = recent_slot(recent, number);
	if (slot->number == number && slot->value != NULL)
		return slot->value;
	return recent->older.count > 0 ? map_get_u64(&recent->older, number) : NULL;
}

/* False: it is there, and stays as it is. */
static inline bool
recent_add(struct recent *recent, uint64_t number, void *value)
{
	froe_assert(value != NULL);
	if (2 * recent->count >= recent->capacity || recent->older.count > 0 ||
	    recent_slot(recent, number)->value != NULL)
		return recent_add_slow(recent, number, value);
	*recent_slot(recent, number) = (struct recent_slot){number, value};
	recent->count++;
	return true;
}

/* What was there, or NULL. */
static inline void *
recent_remove(struct recent *recent, uint64_t number)
{
	if (recent->count == 0)
		return NULL;
	struct recent_slot *slot = recent_slot(recent, number);
	void *value = slot->number == number ? slot->value : NULL;
	if (value != NULL)
		slot->value = NULL;
	else if (recent->older.count > 0)
		value = map_remove_u64(&recent->older, number);
	recent->count -= value != NULL;
	return value;
}

#endif
