/*
 * sched/lane: the workers of one pool as those see them that need the same slots.
 *
 * Purpose     For a need: the least loaded worker of the pool with enough free slots, among equals
 *             the one that has had this load for longest; if there is none, the worker that is
 *             nearest to it, which can be kept free (sched/fair.h).
 * Ownership   a pool owns its lanes; each worker of the pool has a place in each lane. A demand and
 *             its lanes know each other.
 * Invariants  1. a worker's place is in the heap iff lane_stand() says FITS, or FULL and the need
 *             is large; by (fits before full, load or shortfall, stamp). 2. `state` is what
 *             lane_state_of() gives, and each demand counts it. 3. lane.kept and worker.kept
 *             point at each other.
 * Cost        O(log workers) a place; a change of state: O(log demands) for each demand of it.
 * Threading   its owner only.
 */
#ifndef SCHED_LANE_INT_H
#define SCHED_LANE_INT_H

#include "sched/fair.h"
#include "sched/demand_int.h"
#include "sched/pool_int.h"

struct fair_place {
	struct heap_node node;
	struct fair_worker *worker;
};

struct fair_lane {
	struct fair_pool *pool;
	struct fair_need need;
	uint32_t index; /* in the pool's lanes, and in each worker's places */
	enum fair_lane_state state;
	struct heap workers;
	struct fair_worker *kept;
	struct fair_demand **demands;
	uint32_t demand_count;
	uint32_t demand_capacity;
};

struct fair_lane *lane_find(const struct fair_pool *pool, const struct fair_need *need);

/* The demand gets its lane in the pool. */
void lane_join(struct fair_pool *pool, struct fair_demand *demand);
void lane_leave(struct fair_lane *lane, const struct fair_demand *demand);
void lane_free(struct fair_lane *lane); /* its pool has no worker */

enum fair_stand lane_stand(const struct fair_lane *lane, const struct fair_worker *worker);
bool lane_wanted(const struct fair_lane *lane); /* somebody waits in it */
bool lane_first(const struct fair_lane *lane, uint64_t *ret_key, struct fair_worker **ret_worker);

/* The worker has changed: its places in all lanes of its pool, and what follows for demands. */
void lane_refresh(struct fair_worker *worker);

void lane_keep(struct fair_lane *lane, struct fair_worker *worker);
void lane_drop(struct fair_lane *lane); /* its worker is kept no more; harmless if there is none */

void lane_check(const struct fair_lane *lane);

#endif
