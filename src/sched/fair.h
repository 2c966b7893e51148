/*
 * sched/fair: which task goes next, and to which worker.
 *
 * Purpose     Deficit round robin (Shreedhar and Varghese 1995) across tenants and, inside a
 *             tenant, across queues; inside a queue by priority, then first in first out. Of the
 *             workers that serve the action and have a free slot: the least loaded, among equals
 *             round robin.
 * Purity      fair_next() is a peek and changes nothing. All changes come through the other calls,
 *             which only the engine's apply makes, so that replaying the same events gives the same
 *             cursors and deficits.
 * Ownership   every object is embedded in or pointed to by its engine object; this module links them
 *             and owns only its pools and action tables.
 * Bound       Between two services of a queue that stays ready, every other ready queue of its
 *             tenant is served at most `its weight` times the largest cost (1 today), and every other ready tenant at
 *             most its weight. So of n ready queues of equal weight none lags its share by more than
 *             one task per queue: the property test in tests/unit/sched_fair_test.c proves it.
 * Invariants  (fair_check) 1. a queue is in its tenant's ring iff it has items and its action has a
 *             free slot on an enabled worker. 2. a tenant is in the ring of tenants iff its own ring
 *             is not empty. 3. the head of each ring can be served (its deficit covers its item).
 *             4. a worker is in its pool's bucket `used` iff it is enabled and used < slots.
 *             5. 0 <= used <= slots.
 * Cost        assign and unassign are O(1), O(actions of the worker's pool) when the pool's last free slot goes
 *             or its first comes; fair_next is O(pools serving the action), usually 1.
 * Threading   its owner only.
 */
#ifndef SCHED_FAIR_H
#define SCHED_FAIR_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_PRIORITIES 5 /* 1..3 by users, 4 for retries; 0 unused */

struct fair {
	struct list tenants; /* ready ones, in turn */
};

struct fair_tenant {
	struct list link;
	struct list queues; /* ready ones, in turn */
	struct list pools;  /* of this tenant */
	struct fair *fair;
	uint32_t weight; /* >= 1 */
	int64_t deficit;
};

/* Something that workers serve: the queues that need it, the pools that serve it. */
struct fair_action {
	struct fair_tenant *tenant;
	struct list queues; /* all queues on it */
	struct fair_pool **pools;
	uint32_t pool_count;
	uint32_t pool_capacity;
	uint32_t free_pools; /* pools with a free slot */
};

struct fair_queue {
	struct list link;        /* in the tenant's ring of ready queues */
	struct list action_link; /* in action->queues */
	struct fair_tenant *tenant;
	struct fair_action *action;
	struct list items[FAIR_PRIORITIES];
	uint64_t length;
	uint32_t weight;
	int64_t deficit;
};

struct fair_item {
	struct list link;
	struct fair_queue *queue; /* NULL: not queued */
	uint8_t priority;
};

struct fair_worker {
	struct list link; /* in its pool's bucket */
	struct fair_pool *pool;
	uint32_t slots;
	uint32_t used;
	bool enabled;
};

void fair_init(struct fair *fair);
void fair_tenant_init(struct fair_tenant *tenant, struct fair *fair, uint32_t weight);
void fair_tenant_release(struct fair_tenant *tenant); /* frees its pools; all else is released */
void fair_action_init(struct fair_action *action, struct fair_tenant *tenant);
void fair_action_release(struct fair_action *action);
void fair_queue_init(struct fair_queue *queue, struct fair_action *action, uint32_t weight);
void fair_queue_release(struct fair_queue *queue); /* it must be empty */

/* A worker that serves these actions of one tenant; starts disabled with no slot used. Workers with
 * the same set of actions share a pool. The array is copied; order and repeats do not matter. */
void fair_worker_init(struct fair_worker *worker, struct fair_tenant *tenant,
    struct fair_action *const *actions, size_t action_count, uint32_t slots);
void fair_worker_release(struct fair_worker *worker); /* no slot may be used */
void fair_worker_enable(struct fair_worker *worker, bool enabled);
bool fair_worker_serves(const struct fair_worker *worker, const struct fair_action *action);

/* Queue an item; priority 1..4, higher first; `front` puts it before its equals (a task that comes
 * back because its worker never had it). Remove: harmless if not queued. */
void fair_push(struct fair_queue *queue, struct fair_item *item, uint8_t priority, bool front);
void fair_remove(struct fair_item *item);

/* What goes next, or false: nothing can run now. */
bool fair_next(const struct fair *fair, struct fair_item **ret_item,
    struct fair_worker **ret_worker);

/* The item leaves its queue, the worker's slot is used, the turn moves on. Legal for any queued item
 * and any enabled worker with a free slot, also if fair_next() would choose others now. */
void fair_assign(struct fair *fair, struct fair_item *item, struct fair_worker *worker);
void fair_unassign(struct fair_worker *worker); /* one of its slots is free again */

void fair_check(const struct fair *fair); /* every invariant reachable from the ready rings and pools */

#endif
