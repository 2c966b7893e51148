/*
 * sim/world/dice: the dice of a world's plan, clients and workers (splitmix64).
 *
 * Threading   none of its own. The disk and the process have dice of their own (io/sim.h), so that
 *             a change there does not reshuffle what the clients do.
 * Caution     C leaves open in which order the parts of an expression or an initializer are
 *             evaluated: one throw each, or compilers disagree about the world.
 */
#ifndef SIM_WORLD_DICE_H
#define SIM_WORLD_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t
dice_next(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t
dice_below(struct dice *dice, uint64_t limit) /* limit > 0 */
{
	return dice_next(dice) % limit;
}

static inline uint64_t
dice_range(struct dice *dice, uint64_t from, uint64_t to) /* both possible */
{
	return from + dice_below(dice, to - from + 1);
}

static inline bool
dice_hits(struct dice *dice, unsigned percent)
{
	return dice_below(dice, 100) < percent;
}

/* A span of time of any size from 0 to about the limit: each order of magnitude is as likely. */
static inline uint64_t
dice_span_ns(struct dice *dice, uint64_t limit_ns)
{
	unsigned bits = 64u - (unsigned)__builtin_clzll(limit_ns | 1);
	uint64_t shift = 64 - dice_range(dice, 1, bits);
	uint64_t span_ns = dice_next(dice) >> shift;
	return span_ns < limit_ns ? span_ns : limit_ns;
}

#endif
