/*
 * io/sim_dice: the simulator's random numbers.
 *
 * Purpose     xoshiro256** 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number
 *             generators", 2018), its state filled by SplitMix64 (Steele, Lea and Flood, 2014).
 *             Each use in a world has a stream of its own, so that a call more in one does not
 *             change the others.
 */
#ifndef IO_SIM_DICE_INT_H
#define IO_SIM_DICE_INT_H

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_dice {
	uint64_t state[4];
};

static inline void
sim_dice_init(struct sim_dice *dice, uint64_t seed, uint64_t stream)
{
	uint64_t at = seed ^ (stream * 0xd1342543de82ef95u);
	for (unsigned i = 0; i < 4; i++) {
		at += 0x9e3779b97f4a7c15u;
		uint64_t x = at;
		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
		x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
		dice->state[i] = x ^ (x >> 31);
	}
}

static inline uint64_t
sim_dice_rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t
sim_dice_next(struct sim_dice *dice)
{
	uint64_t *s = dice->state;
	uint64_t result = sim_dice_rotate(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = sim_dice_rotate(s[3], 45);
	return result;
}

/* 0..limit-1. The bias of the remainder is below 2^-32 for the limits used here. */
static inline uint64_t
sim_dice_below(struct sim_dice *dice, uint64_t limit)
{
	froe_assert(limit > 0);
	return sim_dice_next(dice) % limit;
}

static inline bool
sim_dice_hits(struct sim_dice *dice, uint32_t per_million)
{
	return per_million != 0 && sim_dice_below(dice, 1000000) < per_million;
}

#endif
