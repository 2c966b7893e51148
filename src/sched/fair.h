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
 * Words       A queue's items need slots: so many of each of a few types. A demand is an action and
 *             a need: the queues on it go to the same workers. A worker fits a demand when it is
 *             enabled, serves the action, has enough free slots of each type, and is not kept for
 *             another need (below). A queue is backlogged when it has items, a demand is free when
 *             a worker fits it, a queue is ready when it is backlogged and its demand is free. A
 *             tenant is ready when one of its queues is.
 * Turns       A queue's place in the round is a number, its turn: the ready queue with the lowest
 *             goes next. A queue that becomes backlogged, or has used up its deficit, takes the
 *             tenant's next number and a quantum equal to its weight (a task costs 1, whatever
 *             slots it takes). A queue that only waits for free slots keeps its turn and its
 *             deficit: otherwise one slot that comes and goes would always find the same queue
 *             first. The same for tenants.
 * Bound       Between two services of a queue that stays ready, every other queue of its tenant is
 *             served at most its own weight: that ends its turn, and its next turn comes later. The
 *             same between tenants. So over any window in which queues i and j stay ready, their
 *             services s and weights w keep |s(i)/w(i) - s(j)/w(j)| <= 2 - 1/max(w(i), w(j)): with
 *             weights of 1 none lags by more than one task. With greater ones a quantum is served
 *             in one go, so a lag is up to one quantum, and less than two if a queue that had
 *             waited for a slot came back in the middle of another's turn. A window in which both
 *             stay backlogged on one demand counts as well, however often its slots run out.
 *             Serving by fair_assign() what fair_next() did not choose is charged, but is not under
 *             the bound.
 * Grain       A worker's load is the number of its slots in use, in whole grains: of a 32nd of its
 *             slots, and 8 at most, if it has 128 or more; of one slot otherwise. What is queued
 *             goes to the same worker until its grain is full; then it is the last of its equals.
 *             So many workers with many slots get their tasks in fewer messages, and while both
 *             have room none is given more than a grain more than another one.
 * Keeping     One who needs one slot takes any that comes free; one who needs four would wait for
 *             ever behind a stream of the former. So: a queue whose turn it is (no ready queue of
 *             its tenant has a lower one) and whose large need no worker has free now, has the
 *             worker that is nearest to it kept: of those that serve it and have enough slots in
 *             all, that lack the fewest. From then on no task of another need that takes slots of
 *             one of the same types is given to that worker, until a task of this need has been
 *             served, or none waits, or the worker is disabled (then another one is kept at once,
 *             if there is one). A worker is kept for one need at a time, and a need keeps one
 *             worker of a pool; who finds all of them kept comes to its turn when one is let go.
 * Starvation  Let a queue Q stay backlogged, its need be large, and some enabled worker that serves
 *             it have enough slots in all. (1) Q's turn is a fixed number until it is served, and
 *             each service of any other queue, weight by weight, moves that one behind Q: so after
 *             at most the sum of the others' weights in services Q's turn is the lowest of all that
 *             can go. (2) Then it fits a worker and is served next; or a worker is kept for it; or
 *             all are kept for queues that came to their turns before: each of these is served
 *             once, then the worker is Q's to keep, by (1). (3) What a kept worker is doing ends,
 *             at the latest with its tasks' timeouts, and nothing is added to it. So Q waits for
 *             no more than: the services of (1), and once for each queue of (2) the longest of
 *             the tasks that one worker is doing. It does not depend on how much others bring.
 * Held        A queue may be held: it keeps its items and takes no part, as if it had none. When it
 *             is let go it takes the next turn, as one that becomes backlogged.
 * Invariants  (fair_check) 1. a queue is in its demand's backlog iff it has items and is not held;
 *             the backlog is in order of turns. 2. a demand is in its tenant's heap, by the turn of
 *             its first queue, iff it has a backlog and a lane that is FREE, or none KEPT and one
 *             ABLE; the first of the heap has one that is FREE; a tenant is in the heap of tenants,
 *             by its turn, iff its own heap is not empty. 3. 1 <= deficit <= weight for whatever is
 *             backlogged: what is first can be served. 4. lanes: sched/lane_int.h. 5. no type of a
 *             worker is used above its slots. 6. a demand counts the states of its lanes, one a
 *             pool that serves its action. 7. a worker is kept only for a lane with a backlog.
 * Cost        fair_next is O(pools serving the action), usually 1; push and remove are O(log of the
 *             tenant's demands); assign and unassign O(needs of the worker's pool * log its
 *             workers), and O(demands of a need * log demands) when the last worker that fits goes
 *             or the first comes. Nothing depends on the number of queues.
 * Threading   its owner only.
 */
#ifndef SCHED_FAIR_H
#define SCHED_FAIR_H

#include "base/list.h"
#include "sched/heap.h"
#include "sched/need.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_STAMP_MAX ((UINT64_C(1) << 46) - 1) /* of workers; sched/lane.c */
#define FAIR_GRAIN_SLOTS_MIN 128u /* more than SDKs have, unless they are told to */
#define FAIR_GRAIN_MAX 8u
#define FAIR_GRAINS 32u /* at least, of a worker that has grains */
#define FAIR_PRIORITIES 5 /* 1..3 by users, 4 for retries; 0 unused */

struct fair {
	struct heap ready;   /* tenants, by turn */
	struct list tenants; /* all */
	uint64_t turns;      /* the last number given */
	uint64_t stamps;     /* the same for workers that change */
	bool loading;
};

struct fair_tenant {
	struct list link;       /* in fair->tenants */
	struct heap_node node;  /* in fair->ready */
	struct heap ready;      /* demands, by the turn of their first queue */
	struct list actions;    /* all */
	struct list pools;      /* all */
	struct fair *fair;
	uint64_t length; /* of all its queues */
	uint64_t turns;
	uint64_t turn;
	uint32_t weight; /* >= 1 */
	int64_t deficit;
};

/* Something that workers serve: the demands on it, the pools that serve it. */
struct fair_action {
	struct list link; /* in tenant->actions */
	struct fair_tenant *tenant;
	struct list demands;
	struct fair_pool **pools;
	uint32_t pool_count;
	uint32_t pool_capacity;
};

/* What the workers of one pool are to a need. */
enum fair_lane_state {
	FAIR_LANE_NONE, /* nobody has enough slots in all, or all who have are kept for others */
	FAIR_LANE_ABLE, /* somebody has, and could be kept */
	FAIR_LANE_KEPT, /* somebody is kept, and not free yet */
	FAIR_LANE_FREE, /* somebody fits */
	FAIR_LANE_STATES,
};

/* An action and a need: made with its first queue, freed with its last. */
struct fair_demand {
	struct list link;      /* in action->demands */
	struct heap_node node; /* in tenant->ready */
	struct fair_action *action;
	struct fair_need need;
	struct list queues;  /* all queues on it */
	struct list backlog; /* those with items, by turn */
	struct fair_lane **lanes;
	uint32_t lane_count;
	uint32_t lane_capacity;
	uint32_t lane_states[FAIR_LANE_STATES]; /* how many */
};

struct fair_queue {
	struct list link;        /* in demand->backlog */
	struct list demand_link; /* in demand->queues */
	struct fair_tenant *tenant;
	struct fair_demand *demand;
	struct list items[FAIR_PRIORITIES];
	uint64_t length;
	uint64_t turn;
	uint32_t weight;
	int64_t deficit;
	bool held;
};

struct fair_item {
	struct list link;
	struct fair_queue *queue; /* NULL: not queued */
};

struct fair_worker {
	struct list pool_link; /* in pool->workers */
	struct fair_tenant *tenant;
	struct fair_pool *pool;
	struct fair_place **places; /* one a lane of the pool; owned */
	uint32_t place_count;
	struct fair_lane *kept; /* its slots are kept for this need; NULL: for all */
	struct fair_slots types[FAIR_WORKER_TYPES_MAX];
	uint32_t type_count;
	uint32_t slots; /* of all types */
	uint32_t used;
	uint32_t grain; /* load is measured in whole ones */
	uint64_t stamp; /* when its load changed */
	bool enabled;
};

/* What a worker is to a need, from the function that schedules. */
enum fair_stand {
	FAIR_AWAY,  /* disabled */
	FAIR_SMALL, /* has not so many slots at all */
	FAIR_KEPT,  /* its slots are kept for another need */
	FAIR_FULL,  /* not so many of its slots are free */
	FAIR_FITS,
};

/* Release in the reverse order: workers, queues (empty), actions, tenants. With the last tenant
 * nothing is left to free. */
void fair_init(struct fair *fair);
void fair_tenant_init(struct fair_tenant *tenant, struct fair *fair, uint32_t weight);
void fair_tenant_release(struct fair_tenant *tenant);
void fair_action_init(struct fair_action *action, struct fair_tenant *tenant);
void fair_action_release(struct fair_action *action);
void fair_queue_init(struct fair_queue *queue, struct fair_action *action,
    const struct fair_need *need, uint32_t weight);
void fair_queue_release(struct fair_queue *queue);
/* While a state is loaded: of a queue that has no items yet. */
void fair_queue_hold(struct fair_queue *queue, bool held);

/* A worker that serves these actions of one tenant; starts disabled with no slot used. Workers
 * with the same set of actions share a pool. The array is copied; order and repeats do not
 * matter. */
void fair_worker_init(struct fair_worker *worker, struct fair_tenant *tenant,
    struct fair_action *const *actions, size_t action_count, const struct fair_amount *slots,
    size_t type_count);
void fair_worker_release(struct fair_worker *worker); /* no slot may be used */
void fair_worker_enable(struct fair_worker *worker, bool enabled);
bool fair_worker_serves(const struct fair_worker *worker, const struct fair_action *action);
/* May the queue's next item be given to it, as far as slots go? Not: is it the best. */
bool fair_worker_fits(const struct fair_worker *worker, const struct fair_queue *queue);

/* The need that its slots are kept for; NULL: for all. */
const struct fair_need *fair_worker_kept(const struct fair_worker *worker);

/* Why a queue's items wait: what each worker that serves its action is to them. */
void fair_explain(const struct fair_queue *queue,
    void (*each)(void *context, struct fair_worker *worker, enum fair_stand stand, bool kept),
    void *context);

/* Queue an item; priority 1..4, higher first; `front` puts it before its equals (a task that comes
 * back because its worker never had it). Remove: harmless if not queued. */
void fair_push(struct fair_queue *queue, struct fair_item *item, uint8_t priority, bool front);
void fair_remove(struct fair_item *item);

/* Nothing can run now. */
static inline bool
fair_idle(const struct fair *fair)
{
	return fair->ready.count == 0;
}

/* What goes next, or false: nothing can run now. */
bool fair_next(const struct fair *fair, struct fair_item **ret_item,
    struct fair_worker **ret_worker);

/* The item leaves its queue, the worker's slots are used, the turn moves on. Legal for any queued
 * item of a queue that is not held and any enabled worker with the free slots, also if fair_next()
 * would choose others now. */
void fair_assign(struct fair *fair, struct fair_item *item, struct fair_worker *worker);
void fair_unassign(struct fair_worker *worker, const struct fair_need *need); /* free again */

/* A saved state comes back, between begin and end: where the tenant, the queue stand in their
 * rounds; then, in their order, the queue's items; what each worker, disabled, has of its slots in
 * use (take: false, it has not so many; forget: none, before it is released unfinished); then, its
 * stamp set, whether it is enabled and which need it is kept for (false: it cannot be); then
 * fair->turns and fair->stamps. Nothing is charged, no turn is given, no worker is kept by itself.
 * The numbers may be anything: end says whether they hold together; if not, all that is left to do
 * is to release everything. */
void fair_load_begin(struct fair *fair);
void fair_tenant_load(struct fair_tenant *tenant, uint64_t turns, uint64_t turn, uint32_t deficit);
void fair_queue_load(struct fair_queue *queue, uint64_t turn, uint32_t deficit);
void fair_item_load(struct fair_queue *queue, struct fair_item *item, uint8_t priority);
bool fair_worker_take(struct fair_worker *worker, const struct fair_queue *queue);
void fair_worker_forget(struct fair_worker *worker);
void fair_worker_load(struct fair_worker *worker, bool enabled);
bool fair_worker_load_kept(struct fair_worker *worker, const struct fair_need *need);
bool fair_load_end(struct fair *fair);

void fair_check(const struct fair *fair); /* every invariant; walks everything */

#endif
