#include "sched/demand_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "sched/lane_int.h"

struct fair_demand *
demand_require(struct fair_action *action, const struct fair_need *need)
{
	struct list *at;
	list_for_each(at, &action->demands) {
		struct fair_demand *found = container_of(at, struct fair_demand, link);
		if (need_equal(&found->need, need))
			return found;
	}
	struct fair_demand *demand = mem_zalloc(sizeof(*demand));
	demand->action = action;
	demand->need = *need;
	list_init(&demand->queues);
	list_init(&demand->backlog);
	list_push(&action->demands, &demand->link);
	for (uint32_t i = 0; i < action->pool_count; i++)
		lane_join(action->pools[i], demand);
	return demand;
}

void
demand_release(struct fair_demand *demand)
{
	froe_assert(list_empty(&demand->queues));
	froe_assert(demand->node.place == 0);
	for (uint32_t i = 0; i < demand->lane_count; i++)
		lane_leave(demand->lanes[i], demand);
	list_remove(&demand->link);
	mem_free(demand->lanes);
	mem_free(demand);
}

void
demand_settle(struct fair_demand *demand)
{
	struct heap *ready = &demand->action->tenant->ready;
	const uint32_t *states = demand->lane_states;
	bool able = states[FAIR_LANE_KEPT] == 0 && states[FAIR_LANE_ABLE] > 0;
	if (!list_empty(&demand->backlog) && (demand_free(demand) || able))
		heap_put(ready, &demand->node, demand_first(demand)->turn);
	else
		heap_remove(ready, &demand->node);
}

/* The best of all lanes in this state: keys of lanes of one need compare. */
static struct fair_worker *
demand_best(const struct fair_demand *demand, enum fair_lane_state state,
    struct fair_lane **ret_lane)
{
	struct fair_worker *best = NULL, *worker;
	uint64_t best_key = UINT64_MAX, key;
	for (uint32_t i = 0; i < demand->lane_count; i++) {
		struct fair_lane *lane = demand->lanes[i];
		if (lane->state != state || !lane_first(lane, &key, &worker) || key > best_key)
			continue;
		best = worker;
		best_key = key;
		*ret_lane = lane;
	}
	froe_assert(best != NULL);
	return best;
}

struct fair_worker *
demand_worker(const struct fair_demand *demand)
{
	struct fair_lane *lane;
	return demand_best(demand, FAIR_LANE_FREE, &lane);
}

void
demand_keep(struct fair_demand *demand)
{
	struct fair_lane *lane;
	struct fair_worker *worker = demand_best(demand, FAIR_LANE_ABLE, &lane);
	lane_keep(lane, worker);
	froe_assert(demand->node.place == 0);
}

void
demand_served(struct fair_demand *demand)
{
	for (uint32_t i = 0; i < demand->lane_count; i++)
		lane_drop(demand->lanes[i]);
}

void
demand_emptied(struct fair_demand *demand)
{
	for (uint32_t i = 0; i < demand->lane_count; i++) {
		if (demand->lanes[i]->kept != NULL && !lane_wanted(demand->lanes[i]))
			lane_drop(demand->lanes[i]);
	}
}
