/*
 * sim/world/shrink: which kinds does a seed need to fail? The others are switched off.
 *
 * One kind after the other is switched off and stays off if the world still fails in the same
 * oracle. A world without a kind is another world, so this finds a small set, not always the
 * smallest; it is deterministic.
 */
#ifndef SIM_WORLD_SHRINK_H
#define SIM_WORLD_SHRINK_H

#include "sim/world/batch.h"

/* The seed fails: prints the kinds that are left and the line that repeats it. */
void shrink_print(const struct batch *batch, uint64_t seed);
/* Of a list "A,B": false if one is no kind that can be switched off. */
bool shrink_parse(const char *list, bool off[KINDS]);

#endif
