/*
 * Time is cut into ticks of 2^20 ns; a tick is written in base 64, eight digits. A timer waits at
 * the level of the highest digit in which its tick differs from now_tick, in the slot of its own
 * digit there. So nothing ever wraps: at each level only slots above now's digit are occupied, and
 * the earliest timer is in the lowest occupied slot of the lowest occupied level.
 *
 * Advance: take that slot if it begins at or before the target, move now_tick to its beginning,
 * and place its timers again, lower (level 0: into `due`, sorted). Else now_tick jumps to the
 * target: every digit that decides a level stays as it was. A timer moves at most WHEEL_LEVELS
 * times in its life.
 *
 * Timers of equal deadline are always in the same list, since level and slot are a function of
 * (tick, now_tick); lists are first in first out and the sort is stable: hence order of insertion.
 *
 * A slot's lower bound is exact until a timer leaves the slot. A stale bound costs one early
 * wake-up: wheel_expired() at that time takes the slot, because it begins no later, and so the
 * bound goes.
 */
#include "sched/wheel.h"

#include "base/fault.h"
#include "base/plant.h"

#include <assert.h>
#include <stddef.h>

#define LEVEL_DUE WHEEL_LEVELS
#define DIGIT_MASK (WHEEL_SLOTS - 1)

static_assert(WHEEL_TICK_BITS + WHEEL_LEVELS * WHEEL_SLOT_BITS >= 64, "every deadline has a slot");
static_assert(WHEEL_SLOTS == 64, "occupied is one word a level");

static struct timer *
timer_of(const struct list *link)
{
	return (struct timer *)(uintptr_t)((uintptr_t)link - offsetof(struct timer, link));
}

static uint64_t
tick_of(uint64_t ns)
{
	return ns >> WHEEL_TICK_BITS;
}

static uint8_t
digit_of(uint64_t tick, unsigned level)
{
	return (uint8_t)((tick >> (level * WHEEL_SLOT_BITS)) & DIGIT_MASK);
}

/* Requires tick > now_tick. */
static uint8_t
level_of(const struct wheel *wheel, uint64_t tick)
{
	unsigned bit = 63u - (unsigned)__builtin_clzll(tick ^ wheel->now_tick);
	return (uint8_t)(bit / WHEEL_SLOT_BITS);
}

/* The lowest occupied slot of the lowest occupied level: false if there is none. */
static bool
slot_first(const struct wheel *wheel, unsigned *ret_level, unsigned *ret_slot)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		if (wheel->occupied[level] == 0)
			continue;
		*ret_level = level;
		*ret_slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
		return true;
	}
	return false;
}

static uint64_t
slot_tick(const struct wheel *wheel, unsigned level, unsigned slot)
{
	unsigned shift = level * WHEEL_SLOT_BITS;
	uint64_t above = wheel->now_tick >> shift >> WHEEL_SLOT_BITS << WHEEL_SLOT_BITS;
	return (above | slot) << shift;
}

static void
slot_push(struct wheel *wheel, struct timer *timer, uint8_t level, uint8_t slot)
{
	uint64_t *earliest = &wheel->earliest[level][slot];
	uint64_t bit = UINT64_C(1) << slot;
	timer->level = level;
	timer->slot = slot;
	if ((wheel->occupied[level] & bit) == 0 || timer->deadline_ns < *earliest)
		*earliest = timer->deadline_ns;
	wheel->occupied[level] |= bit;
	list_push(&wheel->slots[level][slot], &timer->link);
}

/* From the tail: what is due now mostly comes last. A very old deadline goes to the head. */
static void
due_push(struct wheel *wheel, struct timer *timer)
{
	struct list *after = wheel->due.prev;
	timer->level = LEVEL_DUE;
	if (!list_empty(&wheel->due) &&
	    timer->deadline_ns < timer_of(wheel->due.next)->deadline_ns)
		after = &wheel->due;
	while (after != &wheel->due && timer_of(after)->deadline_ns > timer->deadline_ns)
		after = after->prev;
	list_push_front(after, &timer->link);
}

static void
list_append(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev->next = from->next;
	to->prev = from->prev;
	list_init(from);
}

/* Merges two sorted lists into *to (empty before); equal deadlines: a's first. */
static void
list_merge(struct list *to, struct list *a, struct list *b)
{
	while (!list_empty(a) && !list_empty(b)) {
		bool first = timer_of(a->next)->deadline_ns <= timer_of(b->next)->deadline_ns;
		list_push(to, list_pop(first ? a : b));
	}
	list_append(to, a);
	list_append(to, b);
}

/* A bottom-up merge sort, stable: runs[i] holds 2^i timers or none, older ones at higher i. */
static void
list_sort(struct list *list)
{
	struct list runs[64], merged, *link;
	unsigned used = 0, i;
	while ((link = list_pop(list)) != NULL) {
		list_init(&merged);
		list_push(&merged, link);
		for (i = 0; i < used && !list_empty(&runs[i]); i++) {
			struct list sum;
			list_init(&sum);
			list_merge(&sum, &runs[i], &merged);
			list_append(&merged, &sum);
		}
		if (i == used)
			list_init(&runs[used++]);
		list_append(&runs[i], &merged);
	}
	for (i = 0; i < used; i++) {
		list_init(&merged);
		list_merge(&merged, &runs[i], list);
		list_append(list, &merged);
	}
}

/* Moves now_tick to the beginning of the slot and its timers to lower levels or to `due`. */
static void
slot_take(struct wheel *wheel, unsigned level, unsigned slot)
{
	struct list taken, ready, *link;
	list_init(&taken);
	list_init(&ready);
	wheel->now_tick = slot_tick(wheel, level, slot);
	wheel->occupied[level] &= ~(UINT64_C(1) << slot);
	list_append(&taken, &wheel->slots[level][slot]);
	while ((link = list_pop(&taken)) != NULL) {
		struct timer *timer = timer_of(link);
		uint64_t tick = tick_of(timer->deadline_ns);
		froe_assert(tick >= wheel->now_tick);
		if (tick > wheel->now_tick) {
			uint8_t lower = level_of(wheel, tick);
			froe_assert(lower < level);
			slot_push(wheel, timer, lower, digit_of(tick, lower));
		} else {
			timer->level = LEVEL_DUE;
			list_push(&ready, link);
		}
	}
	list_sort(&ready);
	list_append(&wheel->due, &ready);
}

/* Until something is due or the target is reached. */
static void
wheel_advance(struct wheel *wheel, uint64_t target_tick)
{
	while (list_empty(&wheel->due) && wheel->now_tick < target_tick) {
		unsigned level, slot;
		if (!slot_first(wheel, &level, &slot) ||
		    slot_tick(wheel, level, slot) > target_tick) {
			wheel->now_tick = target_tick;
			return;
		}
		slot_take(wheel, level, slot);
	}
}

void
wheel_init(struct wheel *wheel, uint64_t now_ns)
{
	*wheel = (struct wheel){.now_tick = tick_of(now_ns)};
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	}
	list_init(&wheel->due);
}

bool
wheel_active(const struct timer *timer)
{
	return list_linked(&timer->link);
}

void
wheel_insert(struct wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
	uint64_t tick = tick_of(deadline_ns);
	froe_assert(!wheel_active(timer));
	timer->deadline_ns = deadline_ns;
	wheel->count++;
	if (tick <= wheel->now_tick) {
		due_push(wheel, timer);
		return;
	}
	uint8_t level = level_of(wheel, tick);
	slot_push(wheel, timer, level, digit_of(tick, level));
}

void
wheel_remove(struct wheel *wheel, struct timer *timer)
{
	if (!wheel_active(timer))
		return;
	list_remove(&timer->link);
	froe_assert(wheel->count > 0);
	wheel->count--;
	if (timer->level != LEVEL_DUE && list_empty(&wheel->slots[timer->level][timer->slot]))
		wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
}

struct timer *
wheel_expired(struct wheel *wheel, uint64_t now_ns)
{
	wheel_advance(wheel, tick_of(now_ns));
	if (list_empty(&wheel->due))
		return NULL;
	struct timer *timer = timer_of(wheel->due.next);
	return timer->deadline_ns <= now_ns || plant(TIMER_EARLY) ? timer : NULL;
}

void
wheel_each(const struct wheel *wheel, void (*each)(void *context, struct timer *timer),
    void *context)
{
	struct list *at;
	list_for_each(at, &wheel->due)
		each(context, timer_of(at));
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
			list_for_each(at, &wheel->slots[level][slot])
				each(context, timer_of(at));
		}
	}
}

uint64_t
wheel_next(const struct wheel *wheel)
{
	unsigned level, slot;
	if (!list_empty(&wheel->due))
		return timer_of(wheel->due.next)->deadline_ns;
	if (slot_first(wheel, &level, &slot))
		return wheel->earliest[level][slot];
	return UINT64_MAX;
}

static uint64_t
slot_check(const struct wheel *wheel, unsigned level, unsigned slot)
{
	const struct list *head = &wheel->slots[level][slot], *link;
	uint64_t count = 0;
	list_for_each(link, head) {
		const struct timer *timer = timer_of(link);
		uint64_t tick = tick_of(timer->deadline_ns);
		froe_assert(tick > wheel->now_tick);
		froe_assert(timer->level == level && timer->slot == slot);
		froe_assert(level_of(wheel, tick) == level);                        /* 4 */
		froe_assert(digit_of(tick, level) == slot);                         /* 4 */
		froe_assert(wheel->earliest[level][slot] <= timer->deadline_ns);    /* 3 */
		count++;
	}
	froe_assert(((wheel->occupied[level] >> slot & 1) != 0) == (count > 0)); /* 5 */
	if (count > 0)
		froe_assert(tick_of(wheel->earliest[level][slot]) >= slot_tick(wheel, level, slot));
	return count;
}

void
wheel_check(const struct wheel *wheel)
{
	uint64_t count = 0, last_ns = 0;
	const struct list *link;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			count += slot_check(wheel, level, slot);
	}
	list_for_each(link, &wheel->due) {
		const struct timer *timer = timer_of(link);
		froe_assert(timer->level == LEVEL_DUE);
		froe_assert(tick_of(timer->deadline_ns) <= wheel->now_tick); /* 6 */
		froe_assert(timer->deadline_ns >= last_ns);                  /* 2, 6 */
		last_ns = timer->deadline_ns;
		count++;
	}
	froe_assert(count == wheel->count);
}
