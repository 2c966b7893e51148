/*
 * sched/pool: the workers of one tenant that serve the same set of actions, by their load.
 *
 * Purpose     the least loaded worker with a free slot, among equals the one that has had this load
 *             for longest, in O(1).
 * Ownership   a tenant's list links its pools; a pool is made with its first worker and freed with
 *             its last. It owns its table of buckets, one a load, which grows to the highest seen.
 * Invariants  1. worker.link is in bucket `used` iff the worker is enabled and used < slots.
 *             2. bit n of `occupied` is set iff bucket n is not empty. 3. free_count counts the
 *             workers in buckets; `lowest` is the first occupied bucket if there is one.
 * Threading   its owner only.
 */
#ifndef SCHED_POOL_INT_H
#define SCHED_POOL_INT_H

#include "sched/fair.h"

struct fair_pool {
	struct list link; /* in tenant->pools */
	struct list workers;
	struct list *buckets;
	uint64_t *occupied;
	uint32_t bucket_count; /* a multiple of 64 */
	uint32_t lowest;
	uint32_t free_count;
	uint32_t action_count;
	struct fair_action *actions[]; /* sorted by address, each once */
};

/* Finds the tenant's pool for this set, or makes one and adds it to the actions' tables. */
struct fair_pool *pool_require(struct fair_tenant *tenant, struct fair_action *const *actions,
    size_t action_count);
void pool_release(struct fair_pool *pool); /* it must have no worker */
bool pool_serves(const struct fair_pool *pool, const struct fair_action *action);

/* Takes the worker out of its bucket, if it is in one, before its load changes; puts it into the
 * one of its load, if it has a free slot, after that. */
void pool_take(struct fair_pool *pool, struct fair_worker *worker);
void pool_place(struct fair_pool *pool, struct fair_worker *worker, uint64_t stamp);

/* The worker that is next; requires free_count > 0. */
struct fair_worker *pool_first(const struct fair_pool *pool);
/* Stamps that were loaded: distinct where they decide, and none above the last one given. */
bool pool_valid(const struct fair_pool *pool, uint64_t stamps);
void pool_check(const struct fair_pool *pool);

#endif
