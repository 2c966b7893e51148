/*
 * index/openset: which runs are open, and how: a set of run numbers for each tenant and kind.
 *
 * Purpose     What an open run is at (queued, running, ...) changes often and is gone when the run
 *             closes: it is kept here, in memory, and never written. Lists by such a kind ask
 *             here; everything else about an open run is in its row.
 * Layout      a trie of 64-bit words, six bits of the number a level, found by hash: level 0 has
 *             a bit a run, a bit of level n + 1 says that a word of level n is not zero. About 80
 *             bytes a run when runs are far apart, a byte when they are neighbours.
 * Threading   its owner only.
 */
#ifndef INDEX_OPENSET_H
#define INDEX_OPENSET_H

#include "base/map.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define OPENSET_KINDS 4u

#define OPENSET_RECENT 64u

struct openset {
	struct map nodes; /* (level and tenant, number) -> struct openset_node */
	struct slab slab;
	struct openset_recent {
		uint64_t at;
		uint32_t tenant;
		struct openset_node *node; /* NULL: none */
	} recent[OPENSET_RECENT]; /* of level 0, by `at`: runs change soon after they began */
	uint64_t count;   /* of runs in some kind */
};

void openset_init(struct openset *set);
void openset_release(struct openset *set);

/* The run is in exactly these kinds (bits 1 << kind); 0: it is not open. */
void openset_put(struct openset *set, uint32_t tenant, uint64_t number, uint32_t kinds);
uint32_t openset_get(const struct openset *set, uint32_t tenant, uint64_t number);

/* The highest number up to and including `number` in any of the kinds; false: there is none. */
bool openset_floor(const struct openset *set, uint32_t tenant, uint32_t kinds, uint64_t number,
    uint64_t *ret_number);

/* Adds to words[0..count) the runs of the kinds from `base` on, a bit each. `base` is a multiple of
 * 64. */
void openset_collect(const struct openset *set, uint32_t tenant, uint32_t kinds, uint64_t base,
    uint64_t *words, uint32_t count);

#endif
