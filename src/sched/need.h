/*
 * sched/need: slots of named types: what a worker has of them, what one task takes.
 *
 * Purpose     A worker has so many slots of each of a few types, a task takes so many of each that
 *             it needs. Types are numbers here; their names are the engine's.
 * Invariants  a need's types ascend, each stands once, with a count of at least 1.
 * Threading   none of its own.
 */
#ifndef SCHED_NEED_H
#define SCHED_NEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_WORKER_TYPES_MAX 8
#define FAIR_NEED_TYPES_MAX 4

struct fair_amount {
	uint32_t type;
	uint32_t count;
};

struct fair_need {
	uint32_t count;
	struct fair_amount amounts[FAIR_NEED_TYPES_MAX];
};

/* Of one worker. */
struct fair_slots {
	uint32_t type;
	uint32_t slots;
	uint32_t used;
};

/* Counts of 0 are left out, counts of one type added up. At most FAIR_NEED_TYPES_MAX types. */
void need_init(struct fair_need *need, const struct fair_amount *amounts, size_t count);
bool need_equal(const struct fair_need *a, const struct fair_need *b);
bool need_meets(const struct fair_need *a, const struct fair_need *b); /* they share a type */

/* More than one slot: there may be free slots, and yet not enough of them. */
static inline bool
need_large(const struct fair_need *need)
{
	return need->count > 1 || need->amounts[0].count > 1;
}

/* Of the amount's type; NULL: the worker has none. */
static inline struct fair_slots *
need_slots(struct fair_slots *slots, size_t count, uint32_t type)
{
	for (size_t i = 0; i < count; i++) {
		if (slots[i].type == type)
			return &slots[i];
	}
	return NULL;
}

#endif
