/*
 * tests/unit/dice: SplitMix64, for tests that repeat: the seed is the dice's first value.
 */
#ifndef TESTS_UNIT_DICE_H
#define TESTS_UNIT_DICE_H

#include "base/hash.h"

static inline uint64_t
dice_roll(uint64_t *dice)
{
	return hash_words(0, *dice += HASH_GOLDEN);
}

#endif
