/*
 * sched/fair: which task goes next, and to which worker.
 *
 * Purpose     Deficit round robin (Shreedhar and Varghese 1995) across tenants and, inside a
 *             tenant, across queues; inside a queue by priority, then first in first out. Of the
 *             workers that serve the action and have a free slot: the least loaded, among equals
 *             round robin.
 * Purity      fair_next() is a peek and changes nothing. All changes come through the other calls,
 *             which only the engine's apply makes, so that replaying the same events gives the
 *             same cursors and deficits.
 * Ownership   every object is embedded in or pointed to by its engine object; this module links
 *             them and owns only its pools, its heaps and the pool tables of actions.
 * Words       A queue is backlogged when it has items, an action is free when a worker that serves
 *             it has a free slot, a queue is ready when it is backlogged and its action is free. A
 *             tenant is ready when one of its queues is.
 * Turns       A queue's place in the round is a number, its turn: the ready queue with the lowest
 *             goes next. A queue that becomes backlogged, or has used up its deficit, takes the
 *             tenant's next number and a quantum equal to its weight (a task costs 1). A queue that
 *             only waits for a free slot keeps its turn and its deficit: otherwise one slot that
 *             comes and goes would always find the same queue first. The same for tenants.
 * Bound       Between two services of a queue that stays ready, every other queue of its tenant is
 *             served at most its own weight: that ends its turn, and its next turn comes later. The
 *             same between tenants. So over any window in which queues i and j stay ready, their
 *             services s and weights w keep |s(i)/w(i) - s(j)/w(j)| <= 2 - 1/max(w(i), w(j)): with
 *             weights of 1 none lags by more than one task. With greater ones a quantum is served
 *             in one go, so a lag is up to one quantum, and less than two if a queue that had
 *             waited for a slot came back in the middle of another's turn. A window in which both
 *             stay backlogged on one action counts as well, however often its slots run out.
 *             Serving by fair_assign() what fair_next() did not choose is charged, but is not under
 *             the bound.
 * Invariants  (fair_check) 1. a queue is in its action's backlog iff it has items; the backlog is
 *             in order of turns. 2. an action is in its tenant's heap, by the turn of its first
 *             queue, iff it is free and has a backlog; a tenant is in the heap of tenants, by its
 *             turn, iff its own heap is not empty. 3. 1 <= deficit <= weight for whatever is
 *             backlogged: what is first can be served. 4. a worker is in its pool's bucket `used`
 *             iff it is enabled and used < slots. 5. 0 <= used <= slots. 6. an action's
 *             free_pools counts its pools that have a worker in a bucket.
 * Cost        fair_next is O(pools serving the action), usually 1; assign, unassign, push and
 *             remove are O(log actions of the tenant), and O(actions of the worker's pool) times
 *             that when the pool's last free slot goes or its first comes. Nothing depends on the
 *             number of queues.
 * Threading   its owner only.
 */
#ifndef SCHED_FAIR_H
#define SCHED_FAIR_H

#include "base/list.h"
#include "sched/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_PRIORITIES 5 /* 1..3 by users, 4 for retries; 0 unused */

struct fair {
	struct heap ready;   /* tenants, by turn */
	struct list tenants; /* all */
	uint64_t turns;      /* the last number given */
	uint64_t stamps;     /* the same for workers that enter a bucket */
};

struct fair_tenant {
	struct list link;       /* in fair->tenants */
	struct heap_node node;  /* in fair->ready */
	struct heap ready;      /* actions, by the turn of their first queue */
	struct list actions;    /* all */
	struct list pools;      /* all */
	struct fair *fair;
	uint64_t length; /* of all its queues */
	uint64_t turns;
	uint64_t turn;
	uint32_t weight; /* >= 1 */
	int64_t deficit;
};

/* Something that workers serve: the queues that need it, the pools that serve it. */
struct fair_action {
	struct list link;      /* in tenant->actions */
	struct heap_node node; /* in tenant->ready */
	struct fair_tenant *tenant;
	struct list queues;  /* all queues on it */
	struct list backlog; /* those with items, by turn */
	struct fair_pool **pools;
	uint32_t pool_count;
	uint32_t pool_capacity;
	uint32_t free_pools; /* pools with a free slot */
};

struct fair_queue {
	struct list link;        /* in action->backlog */
	struct list action_link; /* in action->queues */
	struct fair_tenant *tenant;
	struct fair_action *action;
	struct list items[FAIR_PRIORITIES];
	uint64_t length;
	uint64_t turn;
	uint32_t weight;
	int64_t deficit;
};

struct fair_item {
	struct list link;
	struct fair_queue *queue; /* NULL: not queued */
	uint8_t priority;
};

struct fair_worker {
	struct list link;      /* in its pool's bucket */
	struct list pool_link; /* in pool->workers */
	struct fair_tenant *tenant;
	struct fair_pool *pool;
	uint64_t stamp; /* when it entered its bucket */
	uint32_t slots;
	uint32_t used;
	bool enabled;
};

/* Release in the reverse order: workers, queues (empty), actions, tenants. With the last tenant
 * nothing is left to free. */
void fair_init(struct fair *fair);
void fair_tenant_init(struct fair_tenant *tenant, struct fair *fair, uint32_t weight);
void fair_tenant_release(struct fair_tenant *tenant);
void fair_action_init(struct fair_action *action, struct fair_tenant *tenant);
void fair_action_release(struct fair_action *action);
void fair_queue_init(struct fair_queue *queue, struct fair_action *action, uint32_t weight);
void fair_queue_release(struct fair_queue *queue);

/* A worker that serves these actions of one tenant; starts disabled with no slot used. Workers
 * with the same set of actions share a pool. The array is copied; order and repeats do not
 * matter. */
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

/* The item leaves its queue, the worker's slot is used, the turn moves on. Legal for any queued
 * item and any enabled worker with a free slot, also if fair_next() would choose others now. */
void fair_assign(struct fair *fair, struct fair_item *item, struct fair_worker *worker);
void fair_unassign(struct fair_worker *worker); /* one of its slots is free again */

/* A saved state comes back: where the tenant, the queue stand in their rounds; then, in their
 * order, the queue's items; then, once the worker's stamp is set, what it holds; then fair->turns
 * and fair->stamps. Nothing is charged and no turn is given. The numbers may be anything:
 * fair_valid() says in the end whether they hold together; if not, all that is left to do is to
 * release everything. */
void fair_tenant_load(struct fair_tenant *tenant, uint64_t turns, uint64_t turn, uint32_t deficit);
void fair_queue_load(struct fair_queue *queue, uint64_t turn, uint32_t deficit);
void fair_item_load(struct fair_queue *queue, struct fair_item *item, uint8_t priority);
void fair_worker_load(struct fair_worker *worker, uint32_t used, bool enabled);
bool fair_valid(const struct fair *fair);

void fair_check(const struct fair *fair); /* every invariant; walks everything */

#endif
