/*
 * sched/wheel: a hierarchical timer wheel (Varghese and Lauck 1987, scheme 6), in nanoseconds.
 *
 * Purpose     insert, remove and find the next expired timer in O(1); the exact earliest deadline,
 *             so that an idle server sleeps until it and makes no other system call.
 * Ownership   timers are embedded in their objects; the wheel only links them.
 * Invariants  (wheel_check) 1. a timer is never reported before its deadline. 2. expired timers
 *             come in order of deadline, equal ones in order of insertion. 3. wheel_next() is never
 *             later than the earliest deadline, and exact unless timers were removed from its slot;
 *             a wake-up that finds nothing makes it exact. 4. a timer's level is the highest digit
 *             (base 64) in which its tick differs from now_tick, its slot that digit, so every
 *             timer of a level is due before every timer of a higher one. 5. a slot's bit in
 *             `occupied` is set iff it holds a timer. 6. `due` holds the timers of ticks <=
 *             now_tick, sorted.
 * Units       absolute nanoseconds of the engine's clock.
 * Threading   its owner only.
 */
#ifndef SCHED_WHEEL_H
#define SCHED_WHEEL_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_BITS 20
#define WHEEL_SLOT_BITS 6
#define WHEEL_SLOTS (1u << WHEEL_SLOT_BITS)
#define WHEEL_LEVELS 8 /* 2^(20 + 48) ns covers every 64-bit deadline */

struct timer {
	struct list link;
	uint64_t deadline_ns;
	uint8_t level; /* WHEEL_LEVELS: in the list of due ones */
	uint8_t slot;
	uint8_t owner; /* whatever its owner likes: the wheel does not look at it */
};

struct wheel {
	uint64_t now_tick;
	uint64_t occupied[WHEEL_LEVELS];
	uint64_t earliest[WHEEL_LEVELS][WHEEL_SLOTS]; /* a lower bound of the slot's deadlines */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list due;
	uint64_t count;
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* The timer is zeroed or was removed. A deadline that has passed is due at once, in its order. */
void wheel_insert(struct wheel *wheel, struct timer *timer, uint64_t deadline_ns);
void wheel_remove(struct wheel *wheel, struct timer *timer); /* harmless if not inserted */
bool wheel_active(const struct timer *timer);

/* The first timer whose deadline is <= now, still inserted; NULL: none. Moves timers between
 * levels, which changes nothing that can be seen. */
struct timer *wheel_expired(struct wheel *wheel, uint64_t now_ns);

/* Every timer once, those of equal deadline in order of insertion: inserted into another wheel in
 * this order they expire as they would have here. */
void wheel_each(const struct wheel *wheel, void (*each)(void *context, struct timer *timer),
    void *context);

uint64_t wheel_next(const struct wheel *wheel); /* UINT64_MAX: no timer */
void wheel_check(const struct wheel *wheel);

#endif
