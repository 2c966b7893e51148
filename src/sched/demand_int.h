/*
 * sched/demand: an action and a need, and the queues whose tasks have both.
 *
 * Purpose     when the demand is in its tenant's heap, which worker it gets, and which one is kept
 *             for it when its turn has come and none fits (sched/fair.h).
 * Ownership   an action links its demands; one is made with its first queue, freed with its last.
 * Invariants  1, 2, 6, 7 of sched/fair.h.
 * Threading   its owner only.
 */
#ifndef SCHED_DEMAND_INT_H
#define SCHED_DEMAND_INT_H

#include "sched/fair.h"

struct fair_demand *demand_require(struct fair_action *action, const struct fair_need *need);
void demand_release(struct fair_demand *demand); /* it must have no queue */

/* Into its tenant's heap or out of it, after its backlog or its lanes have changed. */
void demand_settle(struct fair_demand *demand);

static inline struct fair_queue *
demand_first(const struct fair_demand *demand)
{
	return container_of(demand->backlog.next, struct fair_queue, link);
}

static inline bool
demand_free(const struct fair_demand *demand)
{
	return demand->lane_states[FAIR_LANE_FREE] > 0;
}

/* Across pools as within one: the least loaded that fits. Requires demand_free(). */
struct fair_worker *demand_worker(const struct fair_demand *demand);

/* A worker is kept for it; requires that it is in the heap and none fits. */
void demand_keep(struct fair_demand *demand);

/* One of its tasks was served: what was kept for its need is kept no more. */
void demand_served(struct fair_demand *demand);

/* It has no backlog any more: nor is anything kept that nobody else waits for. */
void demand_emptied(struct fair_demand *demand);

#endif
