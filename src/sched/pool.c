#include "sched/pool_int.h"

#include "base/fault.h"
#include "base/mem.h"

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
	if (action->pool_count == action->pool_capacity) {
		action->pool_capacity = action->pool_capacity != 0 ? action->pool_capacity * 2 : 2;
		action->pools = mem_resize(action->pools,
		    action->pool_capacity * sizeof(struct fair_pool *));
	}
	action->pools[action->pool_count++] = pool;
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
	froe_assert(pool->free_count == 0);
	for (uint32_t i = 0; i < pool->action_count; i++)
		action_pop(pool->actions[i], pool);
	list_remove(&pool->link);
	mem_free(pool->buckets);
	mem_free(pool->occupied);
	mem_free(pool);
}

/* Makes room for bucket `at`. The heads move: their neighbours must hear of it. */
static void
pool_grow(struct fair_pool *pool, uint32_t at)
{
	uint32_t count = pool->bucket_count != 0 ? pool->bucket_count : 64;
	while (count <= at)
		count *= 2;
	struct list *buckets = mem_array(count, sizeof(*buckets));
	for (uint32_t i = 0; i < count; i++) {
		list_init(&buckets[i]);
		if (i >= pool->bucket_count || list_empty(&pool->buckets[i]))
			continue;
		buckets[i] = pool->buckets[i];
		buckets[i].next->prev = &buckets[i];
		buckets[i].prev->next = &buckets[i];
	}
	uint64_t *occupied = mem_array(count / 64, sizeof(*occupied));
	if (pool->bucket_count > 0)
		memcpy(occupied, pool->occupied, pool->bucket_count / 8);
	mem_free(pool->buckets);
	mem_free(pool->occupied);
	pool->buckets = buckets;
	pool->occupied = occupied;
	pool->bucket_count = count;
}

/* Requires that an occupied bucket lies at or above `lowest`. */
static void
pool_rise(struct fair_pool *pool)
{
	uint32_t word = pool->lowest / 64;
	while (pool->occupied[word] == 0) {
		word++;
		froe_assert(word < pool->bucket_count / 64);
	}
	pool->lowest = word * 64 + (uint32_t)__builtin_ctzll(pool->occupied[word]);
}

void
pool_take(struct fair_pool *pool, struct fair_worker *worker)
{
	uint32_t at = worker->used;
	if (!list_linked(&worker->link))
		return;
	list_remove(&worker->link);
	froe_assert(pool->free_count > 0);
	pool->free_count--;
	if (!list_empty(&pool->buckets[at]))
		return;
	pool->occupied[at / 64] &= ~(UINT64_C(1) << (at % 64));
	if (at == pool->lowest && pool->free_count > 0)
		pool_rise(pool);
}

/* The newest stamp goes to the end; one that is loaded to where it was. */
static void
bucket_insert(struct list *bucket, struct fair_worker *worker)
{
	struct list *after = bucket->prev;
	while (after != bucket &&
	    container_of(after, struct fair_worker, link)->stamp > worker->stamp)
		after = after->prev;
	list_push_front(after, &worker->link);
}

void
pool_place(struct fair_pool *pool, struct fair_worker *worker, uint64_t stamp)
{
	uint32_t at = worker->used;
	froe_assert(!list_linked(&worker->link));
	if (!worker->enabled || at >= worker->slots)
		return;
	if (at >= pool->bucket_count)
		pool_grow(pool, at);
	worker->stamp = stamp;
	bucket_insert(&pool->buckets[at], worker);
	pool->occupied[at / 64] |= UINT64_C(1) << (at % 64);
	if (pool->free_count++ == 0 || at < pool->lowest)
		pool->lowest = at;
}

struct fair_worker *
pool_first(const struct fair_pool *pool)
{
	froe_assert(pool->free_count > 0);
	froe_assert(!list_empty(&pool->buckets[pool->lowest]));
	return container_of(pool->buckets[pool->lowest].next, struct fair_worker, link);
}

bool
pool_valid(const struct fair_pool *pool, uint64_t stamps)
{
	struct list *link;
	for (uint32_t at = 0; at < pool->bucket_count; at++) {
		uint64_t stamp = 0;
		list_for_each(link, &pool->buckets[at]) {
			const struct fair_worker *worker =
			    container_of(link, struct fair_worker, link);
			if (worker->stamp <= stamp || worker->stamp > stamps)
				return false;
			stamp = worker->stamp;
		}
	}
	return true;
}

static uint32_t
bucket_check(const struct fair_pool *pool, uint32_t at)
{
	uint32_t count = 0;
	uint64_t stamp = 0;
	struct list *link;
	list_for_each(link, &pool->buckets[at]) {
		const struct fair_worker *worker = container_of(link, struct fair_worker, link);
		froe_assert(worker->used == at); /* 1 */
		froe_assert(worker->stamp > stamp);
		stamp = worker->stamp;
		count++;
	}
	froe_assert((pool->occupied[at / 64] >> (at % 64) & 1) == (count > 0)); /* 2 */
	if (count > 0)
		froe_assert(at >= pool->lowest); /* 3 */
	return count;
}

void
pool_check(const struct fair_pool *pool)
{
	uint32_t count = 0;
	struct list *link;
	for (uint32_t at = 0; at < pool->bucket_count; at++)
		count += bucket_check(pool, at);
	froe_assert(count == pool->free_count); /* 3 */
	if (count > 0)
		froe_assert(!list_empty(&pool->buckets[pool->lowest])); /* 3 */
	froe_assert(!list_empty(&pool->workers));
	list_for_each(link, &pool->workers) {
		const struct fair_worker *worker =
		    container_of(link, struct fair_worker, pool_link);
		froe_assert(worker->pool == pool);
		froe_assert(worker->used <= worker->slots);
		froe_assert(list_linked(&worker->link) ==
		    (worker->enabled && worker->used < worker->slots)); /* 1 */
	}
}
