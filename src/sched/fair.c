/*
 * Everything is kept normalised, so that fair_next() only looks: the first tenant, its first
 * action, that action's first queue, the queue's first item, the least loaded worker.
 *
 * 1. An action's backlog is in order of turns because turns are given in ascending order and
 *    whoever takes one goes to the tail.
 * 2. The tenant's heap holds free actions by the turn of their first queue, so its first action
 *    holds the ready queue with the lowest turn. An action that loses its last free slot leaves
 *    the heap with all its queues, in one operation; when it comes back they have their turns.
 * 3. After each change: backlog, then action_settle(), then tenant_settle().
 */
#include "sched/fair.h"

#include "base/fault.h"
#include "base/mem.h"
#include "sched/pool_int.h"

static struct fair_queue *
queue_first(const struct fair_action *action)
{
	return container_of(action->backlog.next, struct fair_queue, link);
}

/* ------------------------------------------------------------------------------ turns, heaps */

static void
tenant_settle(struct fair_tenant *tenant)
{
	if (tenant->ready.count > 0)
		heap_put(&tenant->fair->ready, &tenant->node, tenant->turn);
	else
		heap_remove(&tenant->fair->ready, &tenant->node);
}

static void
action_settle(struct fair_action *action)
{
	struct fair_tenant *tenant = action->tenant;
	if (action->free_pools > 0 && !list_empty(&action->backlog))
		heap_put(&tenant->ready, &action->node, queue_first(action)->turn);
	else
		heap_remove(&tenant->ready, &action->node);
}

/* To the end of the round, with a fresh quantum. */
static void
tenant_turn(struct fair_tenant *tenant)
{
	tenant->turn = ++tenant->fair->turns;
	tenant->deficit = tenant->weight;
}

static void
queue_turn(struct fair_queue *queue)
{
	queue->turn = ++queue->tenant->turns;
	queue->deficit = queue->weight;
	list_remove(&queue->link);
	list_push(&queue->action->backlog, &queue->link);
}

/* A service: costs 1. Who has nothing left to serve has left the round already. */
static void
queue_charge(struct fair_queue *queue)
{
	struct fair_tenant *tenant = queue->tenant;
	if (queue->length > 0 && --queue->deficit == 0)
		queue_turn(queue);
	if (tenant->length > 0 && --tenant->deficit == 0)
		tenant_turn(tenant);
}

static void
item_take(struct fair_item *item)
{
	struct fair_queue *queue = item->queue;
	list_remove(&item->link);
	item->queue = NULL;
	froe_assert(queue->length > 0);
	froe_assert(queue->tenant->length >= queue->length);
	if (--queue->length == 0) {
		list_remove(&queue->link);
		queue->deficit = 0;
	}
	if (--queue->tenant->length == 0)
		queue->tenant->deficit = 0;
}

/* ------------------------------------------------------------------- tenants, actions, queues */

void
fair_init(struct fair *fair)
{
	*fair = (struct fair){0};
	heap_init(&fair->ready);
	list_init(&fair->tenants);
}

void
fair_tenant_init(struct fair_tenant *tenant, struct fair *fair, uint32_t weight)
{
	froe_assert(weight > 0);
	*tenant = (struct fair_tenant){.fair = fair, .weight = weight};
	heap_init(&tenant->ready);
	list_init(&tenant->actions);
	list_init(&tenant->pools);
	list_push(&fair->tenants, &tenant->link);
}

void
fair_tenant_release(struct fair_tenant *tenant)
{
	struct fair *fair = tenant->fair;
	froe_assert(list_empty(&tenant->pools));
	froe_assert(list_empty(&tenant->actions));
	froe_assert(tenant->length == 0);
	heap_release(&tenant->ready);
	list_remove(&tenant->link);
	if (list_empty(&fair->tenants))
		heap_release(&fair->ready);
}

void
fair_action_init(struct fair_action *action, struct fair_tenant *tenant)
{
	*action = (struct fair_action){.tenant = tenant};
	list_init(&action->queues);
	list_init(&action->backlog);
	list_push(&tenant->actions, &action->link);
}

void
fair_action_release(struct fair_action *action)
{
	froe_assert(list_empty(&action->queues));
	froe_assert(action->pool_count == 0);
	froe_assert(action->node.place == 0);
	list_remove(&action->link);
	mem_free(action->pools);
	action->pools = NULL;
}

void
fair_queue_init(struct fair_queue *queue, struct fair_action *action, uint32_t weight)
{
	froe_assert(weight > 0);
	*queue = (struct fair_queue){.tenant = action->tenant, .action = action, .weight = weight};
	for (int i = 0; i < FAIR_PRIORITIES; i++)
		list_init(&queue->items[i]);
	list_init(&queue->link);
	list_push(&action->queues, &queue->action_link);
}

void
fair_queue_release(struct fair_queue *queue)
{
	froe_assert(queue->length == 0);
	froe_assert(!list_linked(&queue->link));
	list_remove(&queue->action_link);
}

/* ------------------------------------------------------------------------------------ workers */

/* The pool's first free slot came or its last one went: its actions may have become free or not. */
static void
pool_flip(struct fair_pool *pool, struct fair_tenant *tenant)
{
	for (uint32_t i = 0; i < pool->action_count; i++) {
		struct fair_action *action = pool->actions[i];
		if (pool->free_count > 0)
			action->free_pools++;
		else
			action->free_pools--;
		froe_assert(action->free_pools <= action->pool_count);
		action_settle(action);
	}
	tenant_settle(tenant);
}

/* The one place where a worker changes. */
static void
worker_change(struct fair_worker *worker, uint32_t used, bool enabled)
{
	struct fair_pool *pool = worker->pool;
	bool was_free = pool->free_count > 0;
	froe_assert(used <= worker->slots);
	pool_take(pool, worker);
	worker->used = used;
	worker->enabled = enabled;
	pool_place(pool, worker, ++worker->tenant->fair->stamps);
	if (was_free != (pool->free_count > 0))
		pool_flip(pool, worker->tenant);
}

void
fair_worker_init(struct fair_worker *worker, struct fair_tenant *tenant,
    struct fair_action *const *actions, size_t action_count, uint32_t slots)
{
	*worker = (struct fair_worker){.tenant = tenant, .slots = slots};
	worker->pool = pool_require(tenant, actions, action_count);
	list_init(&worker->link);
	list_push(&worker->pool->workers, &worker->pool_link);
}

void
fair_worker_release(struct fair_worker *worker)
{
	struct fair_pool *pool = worker->pool;
	froe_assert(worker->used == 0);
	fair_worker_enable(worker, false);
	list_remove(&worker->pool_link);
	worker->pool = NULL;
	if (list_empty(&pool->workers))
		pool_release(pool);
}

void
fair_worker_enable(struct fair_worker *worker, bool enabled)
{
	if (worker->enabled != enabled)
		worker_change(worker, worker->used, enabled);
}

bool
fair_worker_serves(const struct fair_worker *worker, const struct fair_action *action)
{
	return pool_serves(worker->pool, action);
}

/* -------------------------------------------------------------------------------------- items */

void
fair_push(struct fair_queue *queue, struct fair_item *item, uint8_t priority, bool front)
{
	struct fair_tenant *tenant = queue->tenant;
	froe_assert(item->queue == NULL);
	froe_assert(priority > 0 && priority < FAIR_PRIORITIES);
	item->queue = queue;
	item->priority = priority;
	if (front)
		list_push_front(&queue->items[priority], &item->link);
	else
		list_push(&queue->items[priority], &item->link);
	if (tenant->length++ == 0)
		tenant_turn(tenant);
	if (queue->length++ > 0)
		return;
	queue_turn(queue);
	action_settle(queue->action);
	tenant_settle(tenant);
}

void
fair_remove(struct fair_item *item)
{
	struct fair_queue *queue = item->queue;
	if (queue == NULL)
		return;
	item_take(item);
	action_settle(queue->action);
	tenant_settle(queue->tenant);
}

static struct fair_item *
queue_item(const struct fair_queue *queue)
{
	for (int priority = FAIR_PRIORITIES - 1; priority > 0; priority--) {
		if (!list_empty(&queue->items[priority]))
			return container_of(queue->items[priority].next, struct fair_item, link);
	}
	froe_never("a queue in a backlog has an item");
}

/* Across pools as within one: the least loaded, then the one that has waited longest. */
static struct fair_worker *
action_worker(const struct fair_action *action)
{
	struct fair_worker *best = NULL;
	for (uint32_t i = 0; i < action->pool_count; i++) {
		const struct fair_pool *pool = action->pools[i];
		if (pool->free_count == 0)
			continue;
		struct fair_worker *worker = pool_first(pool);
		if (best == NULL || worker->used < best->used ||
		    (worker->used == best->used && worker->stamp < best->stamp))
			best = worker;
	}
	froe_assert(best != NULL);
	return best;
}

bool
fair_next(const struct fair *fair, struct fair_item **ret_item, struct fair_worker **ret_worker)
{
	struct heap_node *first = heap_first(&fair->ready);
	if (first == NULL)
		return false;
	struct fair_tenant *tenant = container_of(first, struct fair_tenant, node);
	froe_assert(tenant->deficit > 0);
	first = heap_first(&tenant->ready);
	froe_assert(first != NULL);
	struct fair_action *action = container_of(first, struct fair_action, node);
	struct fair_queue *queue = queue_first(action);
	froe_assert(queue->deficit > 0);
	*ret_item = queue_item(queue);
	*ret_worker = action_worker(action);
	return true;
}

void
fair_assign(struct fair *fair, struct fair_item *item, struct fair_worker *worker)
{
	struct fair_queue *queue = item->queue;
	froe_assert(queue != NULL);
	froe_assert(queue->tenant->fair == fair);
	froe_assert(worker->tenant == queue->tenant);
	froe_assert(worker->enabled);
	froe_assert(worker->used < worker->slots);
	froe_assert_slow(fair_worker_serves(worker, queue->action));
	item_take(item);
	queue_charge(queue);
	worker_change(worker, worker->used + 1, /* enabled= */ true);
	action_settle(queue->action);
	tenant_settle(queue->tenant);
}

void
fair_unassign(struct fair_worker *worker)
{
	froe_assert(worker->used > 0);
	worker_change(worker, worker->used - 1, worker->enabled);
}

/* ------------------------------------------------------------------------------------ loading */

void
fair_tenant_load(struct fair_tenant *tenant, uint64_t turns, uint64_t turn, uint32_t deficit)
{
	froe_assert(tenant->length == 0);
	tenant->turns = turns;
	tenant->turn = turn;
	tenant->deficit = deficit;
}

void
fair_queue_load(struct fair_queue *queue, uint64_t turn, uint32_t deficit)
{
	froe_assert(queue->length == 0 || queue->turn == turn);
	queue->turn = turn;
	queue->deficit = deficit;
}

/* To its place by turn; mostly they come in about that order. */
static void
backlog_insert(struct fair_queue *queue)
{
	struct list *backlog = &queue->action->backlog, *after = backlog->prev;
	while (after != backlog &&
	    container_of(after, struct fair_queue, link)->turn > queue->turn)
		after = after->prev;
	list_push_front(after, &queue->link);
}

void
fair_item_load(struct fair_queue *queue, struct fair_item *item, uint8_t priority)
{
	froe_assert(item->queue == NULL);
	froe_assert(priority > 0 && priority < FAIR_PRIORITIES);
	item->queue = queue;
	item->priority = priority;
	list_push(&queue->items[priority], &item->link);
	queue->tenant->length++;
	if (queue->length++ > 0)
		return;
	backlog_insert(queue);
	action_settle(queue->action);
	tenant_settle(queue->tenant);
}

void
fair_worker_load(struct fair_worker *worker, uint32_t used, bool enabled)
{
	struct fair_pool *pool = worker->pool;
	uint64_t stamp = worker->stamp;
	froe_assert(used <= worker->slots);
	fair_worker_enable(worker, false);
	bool was_free = pool->free_count > 0;
	worker->used = used;
	worker->enabled = enabled;
	worker->stamp = stamp;
	pool_place(pool, worker, stamp);
	if (was_free != (pool->free_count > 0))
		pool_flip(pool, worker->tenant);
}

static bool
queue_valid(const struct fair_queue *queue)
{
	if (queue->turn > queue->tenant->turns)
		return false;
	return queue->length > 0 ? queue->deficit >= 1 && queue->deficit <= queue->weight
	                         : queue->deficit == 0;
}

static bool
action_valid(const struct fair_action *action)
{
	struct list *at;
	uint64_t turn = 0;
	list_for_each(at, &action->queues) {
		if (!queue_valid(container_of(at, struct fair_queue, action_link)))
			return false;
	}
	list_for_each(at, &action->backlog) {
		const struct fair_queue *queue = container_of(at, struct fair_queue, link);
		if (queue->turn <= turn)
			return false;
		turn = queue->turn;
	}
	return true;
}

static bool
tenant_valid(const struct fair_tenant *tenant)
{
	struct list *at;
	list_for_each(at, &tenant->actions) {
		if (!action_valid(container_of(at, struct fair_action, link)))
			return false;
	}
	list_for_each(at, &tenant->pools) {
		if (!pool_valid(container_of(at, struct fair_pool, link), tenant->fair->stamps))
			return false;
	}
	return tenant->length > 0 ? tenant->deficit >= 1 && tenant->deficit <= tenant->weight
	                          : tenant->deficit == 0;
}

bool
fair_valid(const struct fair *fair)
{
	struct list *at;
	list_for_each(at, &fair->tenants) {
		const struct fair_tenant *tenant = container_of(at, struct fair_tenant, link);
		if (tenant->turn > fair->turns || !tenant_valid(tenant))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------------------------- checks */

static uint64_t
queue_check(const struct fair_queue *queue)
{
	uint64_t length = 0;
	struct list *at;
	for (int priority = 0; priority < FAIR_PRIORITIES; priority++) {
		list_for_each(at, &queue->items[priority]) {
			const struct fair_item *item = container_of(at, struct fair_item, link);
			froe_assert(item->queue == queue);
			froe_assert(item->priority == priority);
			length++;
		}
	}
	froe_assert(length == queue->length);
	froe_assert(list_linked(&queue->link) == (length > 0)); /* 1 */
	if (length > 0)
		froe_assert(queue->deficit >= 1 && queue->deficit <= queue->weight); /* 3 */
	else
		froe_assert(queue->deficit == 0);
	return length;
}

static uint64_t
action_check(const struct fair_action *action)
{
	uint64_t length = 0, turn = 0;
	uint32_t free_pools = 0;
	struct list *at;
	list_for_each(at, &action->queues) {
		const struct fair_queue *queue = container_of(at, struct fair_queue, action_link);
		froe_assert(queue->action == action);
		length += queue_check(queue);
	}
	list_for_each(at, &action->backlog) {
		const struct fair_queue *queue = container_of(at, struct fair_queue, link);
		froe_assert(queue->length > 0); /* 1 */
		froe_assert(queue->turn > turn && queue->turn <= action->tenant->turns); /* 1 */
		turn = queue->turn;
	}
	for (uint32_t i = 0; i < action->pool_count; i++)
		free_pools += action->pools[i]->free_count > 0;
	froe_assert(free_pools == action->free_pools); /* 6 */
	froe_assert((action->node.place > 0) == (length > 0 && free_pools > 0)); /* 2 */
	if (action->node.place > 0)
		froe_assert(action->node.key == queue_first(action)->turn); /* 2 */
	return length;
}

static void
tenant_check(const struct fair_tenant *tenant)
{
	uint64_t length = 0;
	struct list *at;
	list_for_each(at, &tenant->pools)
		pool_check(container_of(at, struct fair_pool, link)); /* 4, 5 */
	list_for_each(at, &tenant->actions)
		length += action_check(container_of(at, struct fair_action, link));
	froe_assert(length == tenant->length);
	heap_check(&tenant->ready);
	froe_assert((tenant->node.place > 0) == (tenant->ready.count > 0)); /* 2 */
	if (tenant->node.place > 0)
		froe_assert(tenant->node.key == tenant->turn); /* 2 */
	if (length > 0)
		froe_assert(tenant->deficit >= 1 && tenant->deficit <= tenant->weight); /* 3 */
	else
		froe_assert(tenant->deficit == 0);
}

void
fair_check(const struct fair *fair)
{
	struct list *at;
	list_for_each(at, &fair->tenants)
		tenant_check(container_of(at, struct fair_tenant, link));
	heap_check(&fair->ready);
}
