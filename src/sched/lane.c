#include "sched/lane_int.h"

#include "base/fault.h"
#include "base/mem.h"

/* Above all keys of workers that fit. */
#define KEY_FULL (UINT64_C(1) << 63)
/* A load in 17 bits, then a stamp: enough for a hundred thousand assignments a second for twenty
 * years. */
#define KEY_LOAD_SHIFT 46

/* The key that the worker has if it gets a place: of the types that are needed, the slots in use
 * in whole grains, or those that must come free first. */
static enum fair_stand
lane_measure(const struct fair_lane *lane, const struct fair_worker *worker, uint64_t *ret_key)
{
	const struct fair_need *need = &lane->need;
	bool other = worker->kept != NULL && worker->kept != lane;
	uint64_t load = 0, shortfall = 0;
	if (!worker->enabled)
		return FAIR_AWAY;
	for (uint32_t i = 0; i < need->count; i++) {
		uint32_t count = need->amounts[i].count;
		const struct fair_slots *has = need_slots(
		    (struct fair_slots *)(uintptr_t)worker->types, worker->type_count,
		    need->amounts[i].type);
		if (has == NULL || has->slots < count)
			return FAIR_SMALL;
		uint32_t left = has->slots - has->used;
		load += has->used;
		shortfall += left < count ? count - left : 0;
	}
	froe_assert(worker->stamp >> KEY_LOAD_SHIFT == 0);
	froe_assert((load | shortfall) >> (63 - KEY_LOAD_SHIFT) == 0);
	bool fits = shortfall == 0;
	load -= load % worker->grain;
	*ret_key = (fits ? load << KEY_LOAD_SHIFT : KEY_FULL | shortfall << KEY_LOAD_SHIFT) |
	    worker->stamp;
	if (other && (!fits || need_meets(&worker->kept->need, need)))
		return FAIR_KEPT;
	return fits ? FAIR_FITS : FAIR_FULL;
}

enum fair_stand
lane_stand(const struct fair_lane *lane, const struct fair_worker *worker)
{
	uint64_t key;
	return lane_measure(lane, worker, &key);
}

static bool
lane_places(const struct fair_lane *lane, enum fair_stand stand)
{
	return stand == FAIR_FITS || (stand == FAIR_FULL && need_large(&lane->need));
}

static enum fair_lane_state
lane_state_of(const struct fair_lane *lane)
{
	const struct heap_node *first = heap_first(&lane->workers);
	if (first != NULL && first->key < KEY_FULL)
		return FAIR_LANE_FREE;
	if (lane->kept != NULL)
		return FAIR_LANE_KEPT;
	return first != NULL ? FAIR_LANE_ABLE : FAIR_LANE_NONE;
}

static void
lane_settle(struct fair_lane *lane)
{
	enum fair_lane_state state = lane_state_of(lane);
	if (state == lane->state)
		return;
	for (uint32_t i = 0; i < lane->demand_count; i++) {
		struct fair_demand *demand = lane->demands[i];
		froe_assert(demand->lane_states[lane->state] > 0);
		demand->lane_states[lane->state]--;
		demand->lane_states[state]++;
		demand_settle(demand);
	}
	lane->state = state;
}

static void
lane_place(struct fair_lane *lane, struct fair_worker *worker)
{
	struct heap_node *node = &worker->places[lane->index]->node;
	uint64_t key;
	if (lane_places(lane, lane_measure(lane, worker, &key)))
		heap_put(&lane->workers, node, key);
	else
		heap_remove(&lane->workers, node);
}

void
lane_refresh(struct fair_worker *worker)
{
	struct fair_pool *pool = worker->pool;
	for (uint32_t i = 0; i < pool->lane_count; i++) {
		lane_place(pool->lanes[i], worker);
		lane_settle(pool->lanes[i]);
	}
}

struct fair_lane *
lane_find(const struct fair_pool *pool, const struct fair_need *need)
{
	for (uint32_t i = 0; i < pool->lane_count; i++) {
		if (need_equal(&pool->lanes[i]->need, need))
			return pool->lanes[i];
	}
	return NULL;
}

static struct fair_lane *
lane_require(struct fair_pool *pool, const struct fair_need *need)
{
	struct list *at;
	struct fair_lane *lane = lane_find(pool, need);
	if (lane != NULL)
		return lane;
	lane = mem_zalloc(sizeof(*lane));
	lane->pool = pool;
	lane->need = *need;
	lane->index = pool->lane_count;
	heap_init(&lane->workers);
	pool->lanes = mem_resize(pool->lanes, (lane->index + 1) * sizeof(struct fair_lane *));
	pool->lanes[pool->lane_count++] = lane;
	list_for_each(at, &pool->workers) {
		struct fair_worker *worker = container_of(at, struct fair_worker, pool_link);
		pool_worker_places(pool, worker);
		lane_place(lane, worker);
	}
	lane->state = lane_state_of(lane);
	return lane;
}

void
lane_join(struct fair_pool *pool, struct fair_demand *demand)
{
	struct fair_lane *lane = lane_require(pool, &demand->need);
	if (lane->demand_count == lane->demand_capacity) {
		lane->demand_capacity = lane->demand_capacity != 0 ? lane->demand_capacity * 2 : 2;
		lane->demands = mem_resize(lane->demands,
		    lane->demand_capacity * sizeof(struct fair_demand *));
	}
	if (demand->lane_count == demand->lane_capacity) {
		demand->lane_capacity = demand->lane_capacity != 0 ? demand->lane_capacity * 2 : 2;
		demand->lanes = mem_resize(demand->lanes,
		    demand->lane_capacity * sizeof(struct fair_lane *));
	}
	lane->demands[lane->demand_count++] = demand;
	demand->lanes[demand->lane_count++] = lane;
	demand->lane_states[lane->state]++;
	demand_settle(demand);
}

void
lane_leave(struct fair_lane *lane, const struct fair_demand *demand)
{
	uint32_t at = 0;
	while (at < lane->demand_count && lane->demands[at] != demand)
		at++;
	froe_assert(at < lane->demand_count);
	lane->demands[at] = lane->demands[--lane->demand_count];
}

static void
demand_forget(struct fair_demand *demand, const struct fair_lane *lane)
{
	uint32_t at = 0;
	while (at < demand->lane_count && demand->lanes[at] != lane)
		at++;
	froe_assert(at < demand->lane_count);
	demand->lanes[at] = demand->lanes[--demand->lane_count];
	demand->lane_states[lane->state]--;
	demand_settle(demand);
}

void
lane_free(struct fair_lane *lane)
{
	froe_assert(lane->kept == NULL);
	for (uint32_t i = 0; i < lane->demand_count; i++)
		demand_forget(lane->demands[i], lane);
	heap_release(&lane->workers);
	mem_free(lane->demands);
	mem_free(lane);
}

bool
lane_first(const struct fair_lane *lane, uint64_t *ret_key, struct fair_worker **ret_worker)
{
	struct heap_node *first = heap_first(&lane->workers);
	if (first == NULL)
		return false;
	*ret_key = first->key;
	*ret_worker = container_of(first, struct fair_place, node)->worker;
	return true;
}

bool
lane_wanted(const struct fair_lane *lane)
{
	for (uint32_t i = 0; i < lane->demand_count; i++) {
		if (!list_empty(&lane->demands[i]->backlog))
			return true;
	}
	return false;
}

void
lane_keep(struct fair_lane *lane, struct fair_worker *worker)
{
	froe_assert(lane->kept == NULL);
	froe_assert(worker->kept == NULL);
	lane->kept = worker;
	worker->kept = lane;
	lane_refresh(worker);
}

void
lane_drop(struct fair_lane *lane)
{
	struct fair_worker *worker = lane->kept;
	if (worker == NULL)
		return;
	lane->kept = NULL;
	worker->kept = NULL;
	lane_refresh(worker);
}

void
lane_check(const struct fair_lane *lane)
{
	struct list *at;
	size_t placed = 0;
	heap_check(&lane->workers);
	list_for_each(at, &lane->pool->workers) {
		struct fair_worker *worker = container_of(at, struct fair_worker, pool_link);
		const struct fair_place *place = worker->places[lane->index];
		uint64_t key;
		bool in = lane_places(lane, lane_measure(lane, worker, &key));
		froe_assert(place->worker == worker);
		froe_assert((place->node.place > 0) == in); /* 1 */
		if (in)
			froe_assert(place->node.key == key); /* 1 */
		placed += in ? 1 : 0;
	}
	froe_assert(placed == lane->workers.count); /* 1 */
	froe_assert(lane->state == lane_state_of(lane)); /* 2 */
	if (lane->kept != NULL)
		froe_assert(lane->kept->kept == lane && lane->kept->enabled); /* 3 */
}
