#include "sched/pool_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "sched/lane_int.h"

#include <string.h>

/* The place of the action in the sorted array, or where it would go. Addresses differ from process
 * to process: their order decides who equals whom, and never anything that can be seen. */
static uint32_t
pool_search(const struct fair_pool *pool, const struct fair_action *action)
{
	uint32_t from = 0, to = pool->action_count;
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if ((uintptr_t)pool->actions[middle] < (uintptr_t)action)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

bool
pool_serves(const struct fair_pool *pool, const struct fair_action *action)
{
	uint32_t at = pool_search(pool, action);
	return at < pool->action_count && pool->actions[at] == action;
}

/* Sets have a thousand members at most: an insertion is a move of a few kilobytes. */
static void
pool_add(struct fair_pool *pool, struct fair_action *action)
{
	uint32_t at = pool_search(pool, action);
	if (at < pool->action_count && pool->actions[at] == action)
		return;
	memmove(&pool->actions[at + 1], &pool->actions[at],
	    (pool->action_count - at) * sizeof(pool->actions[0]));
	pool->actions[at] = action;
	pool->action_count++;
}

static struct fair_pool *
pool_find(const struct fair_tenant *tenant, const struct fair_pool *wanted)
{
	struct list *at;
	size_t size = wanted->action_count * sizeof(wanted->actions[0]);
	list_for_each(at, &tenant->pools) {
		struct fair_pool *pool = container_of(at, struct fair_pool, link);
		if (pool->action_count == wanted->action_count &&
		    memcmp(pool->actions, wanted->actions, size) == 0)
			return pool;
	}
	return NULL;
}

static void
action_push(struct fair_action *action, struct fair_pool *pool)
{
	struct list *at;
	if (action->pool_count == action->pool_capacity) {
		action->pool_capacity = action->pool_capacity != 0 ? action->pool_capacity * 2 : 2;
		action->pools = mem_resize(action->pools,
		    action->pool_capacity * sizeof(struct fair_pool *));
	}
	action->pools[action->pool_count++] = pool;
	list_for_each(at, &action->demands)
		lane_join(pool, container_of(at, struct fair_demand, link));
}

static void
action_pop(struct fair_action *action, const struct fair_pool *pool)
{
	uint32_t at = 0;
	while (at < action->pool_count && action->pools[at] != pool)
		at++;
	froe_assert(at < action->pool_count);
	action->pools[at] = action->pools[--action->pool_count];
}

struct fair_pool *
pool_require(struct fair_tenant *tenant, struct fair_action *const *actions, size_t action_count)
{
	size_t size = action_count * sizeof(actions[0]);
	struct fair_pool *pool = mem_zalloc(sizeof(*pool) + size), *found;
	for (size_t i = 0; i < action_count; i++) {
		froe_assert(actions[i]->tenant == tenant);
		pool_add(pool, actions[i]);
	}
	found = pool_find(tenant, pool);
	if (found != NULL) {
		mem_free(pool);
		return found;
	}
	list_init(&pool->workers);
	list_push(&tenant->pools, &pool->link);
	for (uint32_t i = 0; i < pool->action_count; i++)
		action_push(pool->actions[i], pool);
	return pool;
}

void
pool_release(struct fair_pool *pool)
{
	froe_assert(list_empty(&pool->workers));
	for (uint32_t i = 0; i < pool->action_count; i++)
		action_pop(pool->actions[i], pool);
	for (uint32_t i = 0; i < pool->lane_count; i++)
		lane_free(pool->lanes[i]);
	list_remove(&pool->link);
	mem_free(pool->lanes);
	mem_free(pool);
}

void
pool_worker_places(const struct fair_pool *pool, struct fair_worker *worker)
{
	if (pool->lane_count == worker->place_count)
		return;
	worker->places =
	    mem_resize(worker->places, pool->lane_count * sizeof(struct fair_place *));
	for (; worker->place_count < pool->lane_count; worker->place_count++) {
		struct fair_place *place = mem_zalloc(sizeof(*place));
		place->worker = worker;
		worker->places[worker->place_count] = place;
	}
}

static void
worker_check(const struct fair_pool *pool, const struct fair_worker *worker)
{
	uint32_t slots = 0, used = 0;
	for (uint32_t i = 0; i < worker->type_count; i++) {
		froe_assert(worker->types[i].used <= worker->types[i].slots);
		slots += worker->types[i].slots;
		used += worker->types[i].used;
	}
	froe_assert(slots == worker->slots);
	froe_assert(used == worker->used);
	froe_assert(worker->pool == pool);
	froe_assert(worker->place_count == pool->lane_count); /* 2 */
	if (worker->kept != NULL)
		froe_assert(worker->kept->kept == worker);
}

void
pool_check(const struct fair_pool *pool)
{
	struct list *link;
	froe_assert(!list_empty(&pool->workers));
	list_for_each(link, &pool->workers)
		worker_check(pool, container_of(link, struct fair_worker, pool_link));
	for (uint32_t i = 0; i < pool->lane_count; i++) {
		froe_assert(pool->lanes[i]->index == i); /* 3 */
		lane_check(pool->lanes[i]);
	}
}
