/*
 * sched/pool: the workers of one tenant that serve the same set of actions.
 *
 * Purpose     what such workers have in common: a lane for each need of these actions.
 * Ownership   a tenant's list links its pools; a pool is made with its first worker and freed with
 *             its last, lanes included.
 * Invariants  1. each demand of each of its actions is in exactly one lane, of its need. 2. a
 *             worker has a place in each lane. 3. lanes[i].index is i.
 * Threading   its owner only.
 */
#ifndef SCHED_POOL_INT_H
#define SCHED_POOL_INT_H

#include "sched/fair.h"

struct fair_pool {
	struct list link; /* in tenant->pools */
	struct list workers;
	struct fair_lane **lanes;
	uint32_t lane_count;
	uint32_t action_count;
	struct fair_action *actions[]; /* sorted by address, each once */
};

/* Finds the tenant's pool for this set, or makes one and adds it to the actions' tables. */
struct fair_pool *pool_require(struct fair_tenant *tenant, struct fair_action *const *actions,
    size_t action_count);
void pool_release(struct fair_pool *pool); /* it must have no worker */
bool pool_serves(const struct fair_pool *pool, const struct fair_action *action);

/* The worker gets a place in each lane that it has none in. */
void pool_worker_places(const struct fair_pool *pool, struct fair_worker *worker);
void pool_check(const struct fair_pool *pool);

#endif
