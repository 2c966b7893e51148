/*
 * Everything is kept normalised, so that fair_next() only looks: the first tenant, its first
 * demand, that demand's first queue, the queue's first item, the least loaded worker that fits.
 *
 * 1. A demand's backlog is in order of turns because turns are given in ascending order and
 *    whoever takes one goes to the tail.
 * 2. The tenant's heap holds demands that can go, or could have a worker kept, by the turn of their
 *    first queue. While the first cannot go, a worker is kept for it, and it leaves the heap: so
 *    the first, if there is one, holds the ready queue with the lowest turn. A demand that loses
 *    its last worker leaves the heap with all its queues, in one operation; when it comes back they
 *    have their turns.
 * 3. After each change: backlog, then demand_settle(), then tenant_settle().
 */
#include "sched/fair.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/plant.h"
#include "sched/demand_int.h"
#include "sched/lane_int.h"

#include <string.h>

/* ------------------------------------------------------------------------------ turns, heaps */

static void
tenant_settle(struct fair_tenant *tenant)
{
	struct heap_node *first;
	while (!tenant->fair->loading && (first = heap_first(&tenant->ready)) != NULL &&
	    !demand_free(container_of(first, struct fair_demand, node)))
		demand_keep(container_of(first, struct fair_demand, node));
	if (tenant->ready.count > 0)
		heap_put(&tenant->fair->ready, &tenant->node, tenant->turn);
	else
		heap_remove(&tenant->fair->ready, &tenant->node);
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
	list_push(&queue->demand->backlog, &queue->link);
}

/* A service: costs 1. Who has nothing left to serve has left the round already. */
static void
queue_charge(struct fair_queue *queue)
{
	struct fair_tenant *tenant = queue->tenant;
	if (queue->length > 0 && !plant(QUEUE_SKIPPED) && --queue->deficit == 0)
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
	list_init(&action->demands);
	list_push(&tenant->actions, &action->link);
}

void
fair_action_release(struct fair_action *action)
{
	froe_assert(list_empty(&action->demands));
	froe_assert(action->pool_count == 0);
	list_remove(&action->link);
	mem_free(action->pools);
	action->pools = NULL;
}

void
fair_queue_init(struct fair_queue *queue, struct fair_action *action, const struct fair_need *need,
    uint32_t weight)
{
	froe_assert(weight > 0);
	*queue = (struct fair_queue){
	    .tenant = action->tenant,
	    .demand = demand_require(action, need),
	    .weight = weight,
	};
	for (int i = 0; i < FAIR_PRIORITIES; i++)
		list_init(&queue->items[i]);
	list_init(&queue->link);
	list_push(&queue->demand->queues, &queue->demand_link);
}

void
fair_queue_release(struct fair_queue *queue)
{
	froe_assert(queue->length == 0);
	froe_assert(!list_linked(&queue->link));
	list_remove(&queue->demand_link);
	if (list_empty(&queue->demand->queues))
		demand_release(queue->demand);
	queue->demand = NULL;
}

/* ------------------------------------------------------------------------------------ workers */

/* It is the last of its equals now. */
static void
worker_changed(struct fair_worker *worker)
{
	worker->stamp = ++worker->tenant->fair->stamps;
	lane_refresh(worker);
}

/* Within a grain it keeps its place among its equals: the next task is for the same worker. */
static void
worker_loaded(struct fair_worker *worker, uint32_t used_before)
{
	if (used_before / worker->grain != worker->used / worker->grain)
		worker_changed(worker);
	else
		lane_refresh(worker);
}

static uint32_t
worker_grain(uint32_t slots)
{
	if (slots < FAIR_GRAIN_SLOTS_MIN)
		return 1;
	return slots / FAIR_GRAINS < FAIR_GRAIN_MAX ? slots / FAIR_GRAINS : FAIR_GRAIN_MAX;
}

void
fair_worker_init(struct fair_worker *worker, struct fair_tenant *tenant,
    struct fair_action *const *actions, size_t action_count, const struct fair_amount *slots,
    size_t type_count)
{
	froe_assert(type_count <= FAIR_WORKER_TYPES_MAX);
	*worker = (struct fair_worker){.tenant = tenant, .type_count = (uint32_t)type_count};
	for (size_t i = 0; i < type_count; i++) {
		froe_assert(need_slots(worker->types, i, slots[i].type) == NULL);
		worker->types[i].type = slots[i].type;
		worker->types[i].slots = slots[i].count;
		worker->slots += slots[i].count;
	}
	worker->grain = worker_grain(worker->slots);
	worker->pool = pool_require(tenant, actions, action_count);
	list_push(&worker->pool->workers, &worker->pool_link);
	pool_worker_places(worker->pool, worker);
	tenant_settle(tenant);
}

void
fair_worker_release(struct fair_worker *worker)
{
	struct fair_pool *pool = worker->pool;
	froe_assert(worker->used == 0);
	fair_worker_enable(worker, false);
	list_remove(&worker->pool_link);
	for (uint32_t i = 0; i < worker->place_count; i++) {
		froe_assert(worker->places[i]->node.place == 0);
		mem_free(worker->places[i]);
	}
	mem_free(worker->places);
	worker->places = NULL;
	worker->pool = NULL;
	if (list_empty(&pool->workers))
		pool_release(pool);
}

void
fair_worker_enable(struct fair_worker *worker, bool enabled)
{
	if (worker->enabled == enabled)
		return;
	if (worker->kept != NULL)
		lane_drop(worker->kept);
	worker->enabled = enabled;
	worker_changed(worker);
	tenant_settle(worker->tenant);
}

bool
fair_worker_serves(const struct fair_worker *worker, const struct fair_action *action)
{
	return pool_serves(worker->pool, action);
}

static bool
worker_room(const struct fair_worker *worker, const struct fair_need *need)
{
	for (uint32_t i = 0; i < need->count; i++) {
		const struct fair_slots *has =
		    need_slots((struct fair_slots *)(uintptr_t)worker->types,
		        worker->type_count, need->amounts[i].type);
		if (has == NULL || has->slots - has->used < need->amounts[i].count)
			return false;
	}
	return true;
}

/* It has room for it. */
static void
worker_use(struct fair_worker *worker, const struct fair_need *need)
{
	for (uint32_t i = 0; i < need->count; i++) {
		uint32_t count = need->amounts[i].count;
		struct fair_slots *has =
		    need_slots(worker->types, worker->type_count, need->amounts[i].type);
		froe_assert(has != NULL && has->slots - has->used >= count);
		has->used += count;
		worker->used += count;
	}
}

bool
fair_worker_fits(const struct fair_worker *worker, const struct fair_queue *queue)
{
	return worker->enabled && worker_room(worker, &queue->demand->need);
}

const struct fair_need *
fair_worker_kept(const struct fair_worker *worker)
{
	return worker->kept != NULL ? &worker->kept->need : NULL;
}

void
fair_explain(const struct fair_queue *queue,
    void (*each)(void *context, struct fair_worker *worker, enum fair_stand stand, bool kept),
    void *context)
{
	const struct fair_demand *demand = queue->demand;
	struct list *at;
	for (uint32_t i = 0; i < demand->lane_count; i++) {
		const struct fair_lane *lane = demand->lanes[i];
		list_for_each(at, &lane->pool->workers) {
			struct fair_worker *worker =
			    container_of(at, struct fair_worker, pool_link);
			each(context, worker, lane_stand(lane, worker), lane->kept == worker);
		}
	}
}

/* -------------------------------------------------------------------------------------- items */

void
fair_push(struct fair_queue *queue, struct fair_item *item, uint8_t priority, bool front)
{
	struct fair_tenant *tenant = queue->tenant;
	froe_assert(item->queue == NULL);
	froe_assert(priority > 0 && priority < FAIR_PRIORITIES);
	item->queue = queue;
	if (front || plant(QUEUE_LIFO))
		list_push_front(&queue->items[priority], &item->link);
	else
		list_push(&queue->items[priority], &item->link);
	if (tenant->length++ == 0)
		tenant_turn(tenant);
	if (queue->length++ > 0 || queue->held)
		return;
	queue_turn(queue);
	demand_settle(queue->demand);
	tenant_settle(tenant);
}

void
fair_remove(struct fair_item *item)
{
	struct fair_queue *queue = item->queue;
	if (queue == NULL)
		return;
	item_take(item);
	demand_settle(queue->demand);
	if (list_empty(&queue->demand->backlog))
		demand_emptied(queue->demand);
	tenant_settle(queue->tenant);
}

void
fair_queue_hold(struct fair_queue *queue, bool held)
{
	struct fair_tenant *tenant = queue->tenant;
	froe_assert(!tenant->fair->loading || queue->length == 0);
	if (queue->held == held)
		return;
	queue->held = held;
	if (queue->length == 0)
		return;
	if (held) {
		list_remove(&queue->link);
		queue->deficit = 0;
	} else {
		queue_turn(queue);
	}
	demand_settle(queue->demand);
	if (list_empty(&queue->demand->backlog))
		demand_emptied(queue->demand);
	tenant_settle(tenant);
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
	struct fair_demand *demand = container_of(first, struct fair_demand, node);
	struct fair_queue *queue = demand_first(demand);
	froe_assert(queue->deficit > 0);
	*ret_item = queue_item(queue);
	*ret_worker = demand_worker(demand);
	return true;
}

void
fair_assign(struct fair *fair, struct fair_item *item, struct fair_worker *worker)
{
	struct fair_queue *queue = item->queue;
	froe_assert(queue != NULL);
	froe_assert(queue->tenant->fair == fair);
	froe_assert(worker->tenant == queue->tenant);
	froe_assert(!queue->held);
	froe_assert(worker->enabled);
	froe_assert_slow(fair_worker_fits(worker, queue));
	froe_assert_slow(fair_worker_serves(worker, queue->demand->action));
	item_take(item);
	queue_charge(queue);
	demand_served(queue->demand);
	uint32_t before = worker->used;
	worker_use(worker, &queue->demand->need);
	worker_loaded(worker, before);
	demand_settle(queue->demand);
	tenant_settle(queue->tenant);
}

void
fair_unassign(struct fair_worker *worker, const struct fair_need *need)
{
	uint32_t before = worker->used;
	for (uint32_t i = 0; i < need->count; i++) {
		uint32_t count = need->amounts[i].count;
		struct fair_slots *has =
		    need_slots(worker->types, worker->type_count, need->amounts[i].type);
		froe_assert(has != NULL && has->used >= count && worker->used >= count);
		has->used -= count;
		worker->used -= count;
	}
	worker_loaded(worker, before);
	tenant_settle(worker->tenant);
}

/* ------------------------------------------------------------------------------------ loading */

void
fair_load_begin(struct fair *fair)
{
	fair->loading = true;
}

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
	struct list *backlog = &queue->demand->backlog, *after = backlog->prev;
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
	list_push(&queue->items[priority], &item->link);
	queue->tenant->length++;
	if (queue->length++ > 0 || queue->held)
		return;
	backlog_insert(queue);
	demand_settle(queue->demand);
	tenant_settle(queue->tenant);
}

bool
fair_worker_take(struct fair_worker *worker, const struct fair_queue *queue)
{
	froe_assert(!worker->enabled);
	if (!worker_room(worker, &queue->demand->need))
		return false;
	worker_use(worker, &queue->demand->need);
	return true;
}

void
fair_worker_load(struct fair_worker *worker, bool enabled)
{
	froe_assert(!worker->enabled);
	worker->enabled = enabled;
	lane_refresh(worker);
	tenant_settle(worker->tenant);
}

bool
fair_worker_load_kept(struct fair_worker *worker, const struct fair_need *need)
{
	struct fair_lane *lane = lane_find(worker->pool, need);
	if (lane == NULL || lane->kept != NULL || worker->kept != NULL || !worker->enabled ||
	    !lane_wanted(lane))
		return false;
	lane_keep(lane, worker);
	tenant_settle(worker->tenant);
	return true;
}

void
fair_worker_forget(struct fair_worker *worker)
{
	froe_assert(!worker->enabled);
	for (uint32_t i = 0; i < worker->type_count; i++)
		worker->types[i].used = 0;
	worker->used = 0;
}

static bool
queue_valid(const struct fair_queue *queue)
{
	if (queue->turn > queue->tenant->turns)
		return false;
	return queue->length > 0 && !queue->held
	    ? queue->deficit >= 1 && queue->deficit <= queue->weight
	    : queue->deficit == 0;
}

static bool
demand_valid(const struct fair_demand *demand)
{
	struct list *at;
	uint64_t turn = 0;
	list_for_each(at, &demand->queues) {
		if (!queue_valid(container_of(at, struct fair_queue, demand_link)))
			return false;
	}
	list_for_each(at, &demand->backlog) {
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
	struct list *at, *of;
	list_for_each(at, &tenant->actions) {
		const struct fair_action *action = container_of(at, struct fair_action, link);
		list_for_each(of, &action->demands) {
			if (!demand_valid(container_of(of, struct fair_demand, link)))
				return false;
		}
	}
	return tenant->length > 0 ? tenant->deficit >= 1 && tenant->deficit <= tenant->weight
	                          : tenant->deficit == 0;
}

bool
fair_load_end(struct fair *fair)
{
	struct list *at;
	bool valid = true;
	fair->loading = false;
	list_for_each(at, &fair->tenants) {
		struct fair_tenant *tenant = container_of(at, struct fair_tenant, link);
		if (tenant->turn > fair->turns || !tenant_valid(tenant))
			valid = false;
	}
	list_for_each(at, &fair->tenants) {
		if (valid)
			tenant_settle(container_of(at, struct fair_tenant, link));
	}
	return valid;
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
			length++;
		}
	}
	froe_assert(length == queue->length);
	bool waits = length > 0 && !queue->held;
	froe_assert(list_linked(&queue->link) == waits); /* 1 */
	if (waits)
		froe_assert(queue->deficit >= 1 && queue->deficit <= queue->weight); /* 3 */
	else
		froe_assert(queue->deficit == 0);
	return length;
}

static uint64_t
demand_check(const struct fair_demand *demand)
{
	uint64_t length = 0, turn = 0;
	uint32_t states[FAIR_LANE_STATES] = {0};
	struct list *at;
	list_for_each(at, &demand->queues) {
		const struct fair_queue *queue = container_of(at, struct fair_queue, demand_link);
		froe_assert(queue->demand == demand);
		length += queue_check(queue);
	}
	list_for_each(at, &demand->backlog) {
		const struct fair_queue *queue = container_of(at, struct fair_queue, link);
		froe_assert(queue->length > 0 && !queue->held); /* 1 */
		froe_assert(queue->turn > turn); /* 1 */
		froe_assert(queue->turn <= demand->action->tenant->turns);
		turn = queue->turn;
	}
	for (uint32_t i = 0; i < demand->lane_count; i++) {
		const struct fair_lane *lane = demand->lanes[i];
		froe_assert(need_equal(&lane->need, &demand->need));
		states[lane->state]++;
		froe_assert(lane->kept == NULL || lane_wanted(lane)); /* 7 */
	}
	froe_assert(demand->lane_count == demand->action->pool_count); /* 6 */
	froe_assert(memcmp(states, demand->lane_states, sizeof(states)) == 0); /* 6 */
	bool able = states[FAIR_LANE_KEPT] == 0 && states[FAIR_LANE_ABLE] > 0;
	froe_assert((demand->node.place > 0) ==
	    (!list_empty(&demand->backlog) && (states[FAIR_LANE_FREE] > 0 || able))); /* 2 */
	if (demand->node.place > 0)
		froe_assert(demand->node.key == demand_first(demand)->turn); /* 2 */
	return length;
}

static uint64_t
action_check(const struct fair_action *action)
{
	uint64_t length = 0;
	struct list *at;
	list_for_each(at, &action->demands)
		length += demand_check(container_of(at, struct fair_demand, link));
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
	if (tenant->ready.count > 0)
		froe_assert(demand_free(container_of(heap_first(&tenant->ready),
		    struct fair_demand, node))); /* 2 */
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
