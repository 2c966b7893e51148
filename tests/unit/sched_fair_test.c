/*
 * Cases first; then a random world, checked after every step against brute force: who is ready,
 * which item, which worker, and the bound of sched/fair.h over every window.
 */
#include "sched/fair.h"

#include "base/fault.h"
#include "base/hash.h"
#include "base/mem.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One slot of the first type; a worker of such slots. */
static const struct fair_need need_one = {1, {{0, 1}}};

static void
worker_init(struct fair_worker *worker, struct fair_tenant *tenant,
    struct fair_action *const *actions, size_t action_count, uint32_t slots)
{
	const struct fair_amount amount = {0, slots};
	fair_worker_init(worker, tenant, actions, action_count, &amount, 1);
}

/* ------------------------------------------------------------------------------- single cases */

/* One tenant, one action, queues of given weights, workers of given slots, enabled. */
#define STAND_ITEMS 2000
struct stand {
	struct fair fair;
	struct fair_tenant tenant;
	struct fair_action action;
	struct fair_queue queues[4];
	struct fair_worker workers[4];
	struct fair_item items[STAND_ITEMS];
	unsigned queue_count, worker_count, item_count;
};

static struct stand *
stand_open(unsigned queues, const uint32_t *weights, unsigned workers, const uint32_t *slots)
{
	struct stand *stand = mem_zalloc(sizeof(*stand));
	struct fair_action *actions[] = {&stand->action};
	fair_init(&stand->fair);
	fair_tenant_init(&stand->tenant, &stand->fair, 1);
	fair_action_init(&stand->action, &stand->tenant);
	for (; stand->queue_count < queues; stand->queue_count++)
		fair_queue_init(&stand->queues[stand->queue_count], &stand->action,
		    &need_one, weights[stand->queue_count]);
	for (; stand->worker_count < workers; stand->worker_count++) {
		struct fair_worker *worker = &stand->workers[stand->worker_count];
		worker_init(worker, &stand->tenant, actions, 1, slots[stand->worker_count]);
		fair_worker_enable(worker, true);
	}
	fair_check(&stand->fair);
	return stand;
}

static void
stand_close(struct stand *stand)
{
	for (unsigned i = 0; i < stand->item_count; i++)
		fair_remove(&stand->items[i]);
	for (unsigned i = 0; i < stand->worker_count; i++) {
		while (stand->workers[i].used > 0)
			fair_unassign(&stand->workers[i], &need_one);
		fair_worker_release(&stand->workers[i]);
	}
	for (unsigned i = 0; i < stand->queue_count; i++)
		fair_queue_release(&stand->queues[i]);
	fair_check(&stand->fair);
	fair_action_release(&stand->action);
	fair_tenant_release(&stand->tenant);
	mem_free(stand);
}

static struct fair_item *
stand_push(struct stand *stand, unsigned queue, uint8_t priority, bool front)
{
	assert_true(stand->item_count < STAND_ITEMS);
	struct fair_item *item = &stand->items[stand->item_count++];
	fair_push(&stand->queues[queue], item, priority, front);
	return item;
}

/* Serves the next one; *ret_worker: its worker's number. The item's queue's number, or -1. */
static int
stand_serve(struct stand *stand, int *ret_worker)
{
	struct fair_item *item;
	struct fair_worker *worker;
	if (!fair_next(&stand->fair, &item, &worker))
		return -1;
	int queue = (int)(item->queue - stand->queues);
	fair_assign(&stand->fair, item, worker);
	assert_null(item->queue);
	fair_check(&stand->fair);
	*ret_worker = (int)(worker - stand->workers);
	return queue;
}

static void
test_fair__nothing(void **state)
{
	const uint32_t ones[] = {1, 1};
	struct stand *stand = stand_open(1, ones, 0, NULL);
	int worker;
	(void)state;
	assert_int_equal(stand_serve(stand, &worker), -1);
	struct fair_item *item = stand_push(stand, 0, 1, false);
	assert_int_equal(stand_serve(stand, &worker), -1);
	assert_ptr_equal(item->queue, &stand->queues[0]);
	fair_remove(item);
	fair_remove(item);
	stand_close(stand);
}

static void
test_fair__priority_then_fifo(void **state)
{
	const uint32_t one[] = {1}, many[] = {100};
	static const uint8_t priorities[] = {1, 3, 2, 4, 1, 3, 2, 4};
	static const int expected[] = {3, 7, 8, 1, 5, 2, 6, 0, 4};
	struct stand *stand = stand_open(1, one, 1, many);
	struct fair_item *item;
	struct fair_worker *worker;
	(void)state;
	for (int i = 0; i < 8; i++)
		stand_push(stand, 0, priorities[i], false);
	stand_push(stand, 0, 3, /* front= */ true);
	for (int i = 0; i < 9; i++) {
		assert_true(fair_next(&stand->fair, &item, &worker));
		assert_int_equal(item - stand->items, expected[i]);
		fair_assign(&stand->fair, item, worker);
	}
	stand_close(stand);
}

static void
test_fair__least_loaded_then_round_robin(void **state)
{
	const uint32_t one[] = {1}, slots[] = {2, 3, 2};
	static const int expected[] = {0, 1, 2, 0, 1, 2, 1, -1};
	struct stand *stand = stand_open(1, one, 3, slots);
	int worker = -1;
	(void)state;
	for (int i = 0; i < 20; i++)
		stand_push(stand, 0, 1, false);
	for (int i = 0; i < 8; i++) {
		worker = -1;
		stand_serve(stand, &worker);
		assert_int_equal(worker, expected[i]);
	}
	fair_unassign(&stand->workers[1], &need_one); /* 2, 2, 2 used: only worker 1 has a slot */
	stand_serve(stand, &worker);
	assert_int_equal(worker, 1);
	fair_unassign(&stand->workers[2], &need_one);
	fair_unassign(&stand->workers[0], &need_one);
	stand_serve(stand, &worker);
	assert_int_equal(worker, 2); /* equals: the one that waits longest */
	fair_worker_enable(&stand->workers[0], false);
	assert_int_equal(stand_serve(stand, &worker), -1);
	stand_close(stand);
}

/* Many slots: a grain of 8 for one worker, then one for the next; 100 are too few for that. */
static void
test_fair__many_slots_are_filled_by_the_grain(void **state)
{
	const uint32_t one[] = {1}, slots[] = {256, 256}, few[] = {100, 100};
	struct stand *stand = stand_open(1, one, 2, slots);
	int worker = -1;
	(void)state;
	for (int i = 0; i < 100; i++)
		stand_push(stand, 0, 1, false);
	for (int i = 0; i < 32; i++) {
		stand_serve(stand, &worker);
		assert_int_equal(worker, i / 8 % 2);
	}
	fair_unassign(&stand->workers[1], &need_one); /* 16, 15: the second has a grain less */
	for (int i = 0; i < 9; i++) {
		stand_serve(stand, &worker);
		assert_int_equal(worker, i == 0 ? 1 : 0);
	}
	stand_close(stand);
	stand = stand_open(1, one, 2, few);
	for (int i = 0; i < 20; i++) {
		stand_push(stand, 0, 1, false);
		stand_serve(stand, &worker);
		assert_int_equal(worker, i % 2);
	}
	stand_close(stand);
}

/* The one slot comes and goes after each task: the turn must outlive that. */
static void
test_fair__one_slot_alternates(void **state)
{
	const uint32_t ones[] = {1, 1, 1}, slot[] = {1};
	struct stand *stand = stand_open(3, ones, 1, slot);
	int worker;
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		stand_push(stand, i / 100, 1, false);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(stand_serve(stand, &worker), i % 3);
		assert_int_equal(stand_serve(stand, &worker), -1);
		fair_unassign(&stand->workers[0], &need_one);
	}
	stand_close(stand);
}

static void
test_fair__weights(void **state)
{
	const uint32_t weights[] = {3, 1, 2}, slot[] = {1};
	static const int expected[] = {0, 0, 0, 1, 2, 2};
	struct stand *stand = stand_open(3, weights, 1, slot);
	int worker;
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		stand_push(stand, i / 100, 1, false);
	for (int i = 0; i < 180; i++) {
		assert_int_equal(stand_serve(stand, &worker), expected[i % 6]);
		fair_unassign(&stand->workers[0], &need_one);
	}
	stand_close(stand);
}

/* A flood of one weight w delays a single task elsewhere by at most w services. */
static void
test_fair__flood_and_trickle(void **state)
{
	const uint32_t weights[] = {5, 1}, slot[] = {1};
	struct stand *stand = stand_open(2, weights, 1, slot);
	int worker;
	(void)state;
	for (unsigned i = 0; i < 1500; i++)
		stand_push(stand, 0, 3, false);
	for (unsigned i = 0; i < 200; i++) {
		unsigned waited = 0;
		stand_push(stand, 1, 1, false);
		for (; stand_serve(stand, &worker) != 1; waited++)
			fair_unassign(&stand->workers[0], &need_one);
		fair_unassign(&stand->workers[0], &need_one);
		assert_true(waited <= 5);
	}
	stand_close(stand);
}

/* A worker's load may go to thousands. */
static void
test_fair__many_slots(void **state)
{
	const uint32_t one[] = {1}, slots[] = {10000, 600};
	struct stand *stand = stand_open(1, one, 2, slots);
	int worker;
	(void)state;
	for (int i = 0; i < STAND_ITEMS; i++) {
		stand_push(stand, 0, 1, false);
		assert_int_equal(stand_serve(stand, &worker), 0);
		assert_int_equal(worker, i < 1200 ? i / 8 % 2 : 0);
	}
	assert_int_equal(stand->workers[0].used, 1400);
	assert_int_equal(stand->workers[1].used, 600);
	stand_close(stand);
}

/* Equal sets of actions are one pool, whatever the order and the repeats. */
static void
test_fair__pools(void **state)
{
	struct fair fair;
	struct fair_tenant tenant;
	struct fair_action a, b, c;
	struct fair_worker workers[4];
	struct fair_action *sets[][3] = {{&a, &b, &a}, {&b, &a, &b}, {&a, &b, &c}};
	(void)state;
	fair_init(&fair);
	fair_tenant_init(&tenant, &fair, 1);
	fair_action_init(&a, &tenant);
	fair_action_init(&b, &tenant);
	fair_action_init(&c, &tenant);
	for (int i = 0; i < 3; i++)
		worker_init(&workers[i], &tenant, sets[i], 3, 1);
	worker_init(&workers[3], &tenant, NULL, 0, 1);
	fair_worker_enable(&workers[3], true);
	assert_ptr_equal(workers[0].pool, workers[1].pool);
	assert_ptr_not_equal(workers[0].pool, workers[2].pool);
	assert_true(fair_worker_serves(&workers[1], &a));
	assert_false(fair_worker_serves(&workers[1], &c));
	assert_true(fair_worker_serves(&workers[2], &c));
	assert_false(fair_worker_serves(&workers[3], &a));
	assert_int_equal(a.pool_count, 2);
	assert_int_equal(c.pool_count, 1);
	fair_check(&fair);
	for (int i = 0; i < 4; i++)
		fair_worker_release(&workers[i]);
	assert_true(list_empty(&tenant.pools));
	fair_action_release(&a);
	fair_action_release(&b);
	fair_action_release(&c);
	fair_tenant_release(&tenant);
}

/* ------------------------------------------------------------------------------ random worlds */

enum { TENANTS = 3, ACTIONS = 3, QUEUES = 6, WORKERS = 6, ITEMS = 300 };

struct model_item {
	struct fair_item item;
	int64_t order; /* among its queue's items of one priority */
	unsigned priority;
	int tenant, queue; /* -1: not queued */
};

struct model_worker {
	struct fair_worker worker;
	unsigned actions; /* as bits */
	uint64_t stamp;   /* when its load or state changed */
	bool present;
};

/* Services of two, each times the other's weight, over the window in which both could be served. */
struct pair {
	int64_t lead, low, high;
};

struct model_tenant {
	struct fair_tenant tenant;
	struct fair_action actions[ACTIONS];
	struct fair_queue queues[QUEUES];
	struct model_worker workers[WORKERS];
	struct pair pairs[QUEUES][QUEUES];
	/* [i][j]: services of j since i was served or became ready */
	uint32_t waited[QUEUES][QUEUES];
};

struct model {
	struct fair fair;
	struct model_tenant tenants[TENANTS];
	struct pair pairs[TENANTS][TENANTS];
	uint32_t waited[TENANTS][TENANTS];
	struct model_item items[ITEMS];
	uint64_t dice, stamps, trace, services;
	int64_t orders;
	bool mirrored; /* the same world at other addresses */
};

static struct model_tenant *
model_tenant(struct model *model, int tenant)
{
	return &model->tenants[model->mirrored ? TENANTS - 1 - tenant : tenant];
}

static struct fair_action *
model_action(struct model *model, struct model_tenant *tenant, int action)
{
	return &tenant->actions[model->mirrored ? ACTIONS - 1 - action : action];
}

static struct model_worker *
model_worker(struct model *model, struct model_tenant *tenant, int worker)
{
	return &tenant->workers[model->mirrored ? WORKERS - 1 - worker : worker];
}

static struct model *
model_open(uint64_t seed, bool mirrored)
{
	struct model *model = mem_zalloc(sizeof(*model));
	model->dice = seed;
	model->mirrored = mirrored;
	fair_init(&model->fair);
	for (int t = 0; t < TENANTS; t++) {
		struct model_tenant *tenant = model_tenant(model, t);
		/* Weights of 1 in even worlds, else 1..4. */
		fair_tenant_init(&tenant->tenant, &model->fair,
		    seed % 2 == 0 ? 1 : (uint32_t)t + 1);
		for (int a = 0; a < ACTIONS; a++)
			fair_action_init(model_action(model, tenant, a), &tenant->tenant);
		for (int q = 0; q < QUEUES; q++)
			fair_queue_init(&tenant->queues[q],
			    model_action(model, tenant, q % ACTIONS), &need_one,
			    seed % 2 == 0 ? 1 : (uint32_t)q % 4 + 1);
	}
	for (int i = 0; i < ITEMS; i++)
		model->items[i].tenant = -1;
	return model;
}

static void
model_close(struct model *model)
{
	for (int i = 0; i < ITEMS; i++)
		fair_remove(&model->items[i].item);
	for (int t = 0; t < TENANTS; t++) {
		struct model_tenant *tenant = &model->tenants[t];
		for (int w = 0; w < WORKERS; w++) {
			struct fair_worker *worker = &tenant->workers[w].worker;
			while (tenant->workers[w].present && worker->used > 0)
				fair_unassign(worker, &need_one);
			if (tenant->workers[w].present)
				fair_worker_release(worker);
		}
		for (int q = 0; q < QUEUES; q++)
			fair_queue_release(&tenant->queues[q]);
		for (int a = 0; a < ACTIONS; a++)
			fair_action_release(&tenant->actions[a]);
		fair_tenant_release(&tenant->tenant);
	}
	mem_free(model);
}

/* -------------------------------------------------------------------------------- brute force */

/* In whole grains: a 32nd of 128 slots and more, at most 8; else of one. */
static uint32_t
brute_load(const struct model_worker *worker)
{
	uint32_t slots = worker->worker.slots, grain = 1;
	if (slots >= 256)
		grain = 8;
	else if (slots >= 128)
		grain = slots / 32;
	return worker->worker.used / grain * grain;
}

static struct model_worker *
brute_worker(struct model_tenant *tenant, const struct fair_action *action)
{
	struct model_worker *best = NULL;
	for (int w = 0; w < WORKERS; w++) {
		struct model_worker *at = &tenant->workers[w];
		if (!at->present || !at->worker.enabled || at->worker.used >= at->worker.slots ||
		    (at->actions >> (action - tenant->actions) & 1) == 0)
			continue;
		assert_true(fair_worker_serves(&at->worker, action));
		if (best == NULL || brute_load(at) < brute_load(best) ||
		    (brute_load(at) == brute_load(best) && at->stamp < best->stamp))
			best = at;
	}
	return best;
}

static struct model_item *
brute_item(struct model *model, int tenant, int queue)
{
	struct model_item *best = NULL;
	for (int i = 0; i < ITEMS; i++) {
		struct model_item *at = &model->items[i];
		if (at->tenant != tenant || at->queue != queue)
			continue;
		if (best == NULL || at->priority > best->priority ||
		    (at->priority == best->priority && at->order < best->order))
			best = at;
	}
	return best;
}

static bool
queue_ready(struct model_tenant *tenant, int queue)
{
	return tenant->queues[queue].length > 0 &&
	    brute_worker(tenant, tenant->queues[queue].demand->action) != NULL;
}

static bool
tenant_ready(struct model_tenant *tenant)
{
	for (int q = 0; q < QUEUES; q++) {
		if (queue_ready(tenant, q))
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------------------------- the bound */

/* The first of the pair was served (or, with sign -1, the second); range of the lead so far. */
static void
pair_serve(struct pair *pair, int64_t step, int64_t weight_a, int64_t weight_b)
{
	int64_t least = weight_a < weight_b ? weight_a : weight_b;
	pair->lead += step;
	if (pair->lead > pair->high)
		pair->high = pair->lead;
	if (pair->lead < pair->low)
		pair->low = pair->lead;
	/* |s(i)/w(i) - s(j)/w(j)| <= 2 - 1/max(w), times w(i) w(j) */
	assert_true(pair->high - pair->low <= 2 * weight_a * weight_b - least);
}

static void
pair_reset(struct pair *pair)
{
	*pair = (struct pair){0};
}

/* It has emptied, or was served out of turn. Only the latter excuses what others wait for it. */
static void
bound_queue_reset(struct model_tenant *tenant, int queue, bool charged_early)
{
	for (int q = 0; q < QUEUES; q++) {
		pair_reset(&tenant->pairs[queue][q]);
		pair_reset(&tenant->pairs[q][queue]);
		tenant->waited[queue][q] = 0;
		if (charged_early)
			tenant->waited[q][queue] = 0;
	}
}

static void
bound_tenant_reset(struct model *model, int tenant, bool charged_early)
{
	for (int t = 0; t < TENANTS; t++) {
		pair_reset(&model->pairs[tenant][t]);
		pair_reset(&model->pairs[t][tenant]);
		model->waited[tenant][t] = 0;
		if (charged_early)
			model->waited[t][tenant] = 0;
	}
}

static void
bound_queue_serve(struct model_tenant *tenant, int served)
{
	int64_t weight = tenant->queues[served].weight;
	for (int q = 0; q < QUEUES; q++) {
		if (q == served)
			continue;
		tenant->waited[served][q] = 0;
		if (!queue_ready(tenant, q)) {
			pair_reset(&tenant->pairs[served][q]);
			pair_reset(&tenant->pairs[q][served]);
			tenant->waited[q][served] = 0;
			continue;
		}
		int64_t other = tenant->queues[q].weight;
		pair_serve(&tenant->pairs[served][q], other, weight, other);
		pair_serve(&tenant->pairs[q][served], -other, other, weight);
		assert_true(++tenant->waited[q][served] <= weight);
	}
}

static void
bound_tenant_serve(struct model *model, int served)
{
	int64_t weight = model_tenant(model, served)->tenant.weight;
	for (int t = 0; t < TENANTS; t++) {
		if (t == served)
			continue;
		model->waited[served][t] = 0;
		if (!tenant_ready(model_tenant(model, t))) {
			pair_reset(&model->pairs[served][t]);
			pair_reset(&model->pairs[t][served]);
			model->waited[t][served] = 0;
			continue;
		}
		int64_t other = model_tenant(model, t)->tenant.weight;
		pair_serve(&model->pairs[served][t], other, weight, other);
		pair_serve(&model->pairs[t][served], -other, other, weight);
		assert_true(++model->waited[t][served] <= weight);
	}
}

/* --------------------------------------------------------------------------------- operations */

static void
model_left(struct model *model, struct model_item *item)
{
	struct model_tenant *tenant = model_tenant(model, item->tenant);
	if (tenant->queues[item->queue].length == 0)
		bound_queue_reset(tenant, item->queue, /* charged_early= */ false);
	if (tenant->tenant.length == 0)
		bound_tenant_reset(model, item->tenant, /* charged_early= */ false);
	item->tenant = -1;
}

static void
model_push(struct model *model, uint64_t roll)
{
	struct model_item *item = &model->items[roll % ITEMS];
	bool front = (roll >> 10 & 7) == 0;
	if (item->tenant >= 0)
		return;
	item->tenant = (int)((roll >> 16) % TENANTS);
	/* Queue 0 is flooded, the last one trickles. */
	item->queue = (int)((roll >> 20) % (QUEUES * 2));
	if (item->queue >= QUEUES)
		item->queue = item->queue == QUEUES * 2 - 1 ? QUEUES - 1 : 0;
	item->priority = (unsigned)(roll >> 30) % 4 + 1;
	model->orders++;
	item->order = front ? -model->orders : model->orders;
	fair_push(&model_tenant(model, item->tenant)->queues[item->queue], &item->item,
	    (uint8_t)item->priority, front);
}

static void
model_remove(struct model *model, uint64_t roll)
{
	struct model_item *item = &model->items[roll % ITEMS];
	fair_remove(&item->item);
	if (item->tenant >= 0)
		model_left(model, item);
}

static void
model_worker_step(struct model *model, uint64_t roll)
{
	struct model_tenant *tenant = model_tenant(model, (int)(roll % TENANTS));
	struct model_worker *worker = model_worker(model, tenant, (int)((roll >> 8) % WORKERS));
	struct fair_action *actions[ACTIONS * 2];
	size_t count = 0;
	worker->stamp = ++model->stamps;
	if (worker->present && worker->worker.used == 0 && (roll >> 16 & 3) == 0) {
		fair_worker_release(&worker->worker);
		worker->present = false;
	} else if (worker->present) {
		fair_worker_enable(&worker->worker, !worker->worker.enabled);
	} else {
		worker->actions = 0;
		for (int i = 0; i < ACTIONS * 2; i++) {
			if ((roll >> (20 + i) & 1) == 0)
				continue;
			actions[count] = model_action(model, tenant, i % ACTIONS);
			worker->actions |= 1u << (actions[count++] - tenant->actions);
		}
		worker_init(&worker->worker, &tenant->tenant, actions, count,
		    (roll >> 40 & 7) == 0 ? 200 : (uint32_t)(roll >> 44) % 4);
		fair_worker_enable(&worker->worker, true);
		worker->present = true;
	}
}

static void
model_unassign(struct model *model, uint64_t roll)
{
	struct model_tenant *tenant = model_tenant(model, (int)(roll % TENANTS));
	struct model_worker *worker = model_worker(model, tenant, (int)((roll >> 8) % WORKERS));
	if (!worker->present || worker->worker.used == 0)
		return;
	uint32_t before = brute_load(worker);
	fair_unassign(&worker->worker, &need_one);
	if (brute_load(worker) != before)
		worker->stamp = ++model->stamps;
}

static void
model_assign(struct model *model, struct model_item *item, struct model_worker *worker)
{
	uint32_t before = brute_load(worker);
	fair_assign(&model->fair, &item->item, &worker->worker);
	if (brute_load(worker) != before)
		worker->stamp = ++model->stamps;
	model->services++;
	model_left(model, item);
}

static void
model_next(struct model *model)
{
	struct fair_item *item;
	struct fair_worker *worker;
	bool ready = false;
	for (int t = 0; t < TENANTS; t++)
		ready |= tenant_ready(&model->tenants[t]);
	assert_int_equal(fair_next(&model->fair, &item, &worker), ready);
	if (!ready)
		return;
	struct model_item *chosen = container_of(item, struct model_item, item);
	struct model_tenant *tenant = model_tenant(model, chosen->tenant);
	struct model_worker *brute =
	    brute_worker(tenant, tenant->queues[chosen->queue].demand->action);
	assert_non_null(brute);
	assert_ptr_equal(worker, &brute->worker);
	assert_ptr_equal(chosen, brute_item(model, chosen->tenant, chosen->queue));
	bound_queue_serve(tenant, chosen->queue);
	bound_tenant_serve(model, chosen->tenant);
	uint64_t picked[] = {(uint64_t)(chosen - model->items),
	    (uint64_t)(brute - tenant->workers)};
	if (model->mirrored)
		picked[1] = WORKERS - 1 - picked[1];
	model->trace = hash64(picked, sizeof(picked), model->trace);
	model_assign(model, chosen, brute);
}

/* What the engine may do in recovery: an assignment that fair_next() would not make now. */
static void
model_assign_any(struct model *model, uint64_t roll)
{
	struct model_item *item = &model->items[roll % ITEMS];
	if (item->tenant < 0)
		return;
	struct model_tenant *tenant = model_tenant(model, item->tenant);
	int number = item->tenant, queue = item->queue;
	struct model_worker *worker = brute_worker(tenant, tenant->queues[queue].demand->action);
	if (worker == NULL)
		return;
	model_assign(model, item, worker);
	bound_queue_reset(tenant, queue, /* charged_early= */ true);
	bound_tenant_reset(model, number, /* charged_early= */ true);
}

static void
model_step(struct model *model)
{
	uint64_t roll = dice_roll(&model->dice), kind = roll >> 56;
	if (kind < 90)
		model_push(model, roll);
	else if (kind < 100)
		model_remove(model, roll);
	else if (kind < 110)
		model_worker_step(model, roll);
	else if (kind < 165)
		model_unassign(model, roll);
	else if (kind < 167)
		model_assign_any(model, roll);
	else
		model_next(model);
	fair_check(&model->fair);
}

static uint64_t
model_run(uint64_t seed, bool mirrored, unsigned steps)
{
	struct model *model = model_open(seed, mirrored);
	for (unsigned i = 0; i < steps; i++)
		model_step(model);
	assert_true(model->services > steps / 50);
	uint64_t trace = model->trace;
	model_close(model);
	return trace;
}

static void
test_fair__model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++)
		model_run(seed, /* mirrored= */ false, 2000);
}

/* The same calls give the same answers, whatever the addresses. */
static void
test_fair__deterministic(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 104; seed++) {
		uint64_t trace = model_run(seed, /* mirrored= */ false, 2000);
		assert_true(model_run(seed, /* mirrored= */ true, 2000) == trace);
		assert_true(model_run(seed + 50, /* mirrored= */ false, 2000) != trace);
	}
}

/* It keeps its items and takes no part; then it goes on with its own, in their order. */
static void
test_fair__a_queue_is_held(void **state)
{
	static const uint32_t weights[] = {3, 1}, slots[] = {1};
	struct stand *stand = stand_open(2, weights, 1, slots);
	struct fair_item *item;
	struct fair_worker *worker;
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fair_push(&stand->queues[i / 2], &stand->items[i], 1, false);
	stand->item_count = 4;
	fair_queue_hold(&stand->queues[0], true);
	fair_check(&stand->fair);
	for (unsigned i = 2; i < 4; i++) {
		assert_true(fair_next(&stand->fair, &item, &worker));
		assert_ptr_equal(item, &stand->items[i]);
		fair_assign(&stand->fair, item, worker);
		fair_check(&stand->fair);
		fair_unassign(worker, &need_one);
	}
	assert_false(fair_next(&stand->fair, &item, &worker));
	fair_push(&stand->queues[0], &stand->items[2], 1, false);
	fair_remove(&stand->items[0]);
	fair_check(&stand->fair);
	assert_false(fair_next(&stand->fair, &item, &worker));
	fair_queue_hold(&stand->queues[0], false);
	fair_check(&stand->fair);
	assert_true(fair_next(&stand->fair, &item, &worker));
	assert_ptr_equal(item, &stand->items[1]);
	stand_close(stand);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fair__a_queue_is_held),
	    cmocka_unit_test(test_fair__nothing),
	    cmocka_unit_test(test_fair__priority_then_fifo),
	    cmocka_unit_test(test_fair__least_loaded_then_round_robin),
	    cmocka_unit_test(test_fair__many_slots_are_filled_by_the_grain),
	    cmocka_unit_test(test_fair__one_slot_alternates),
	    cmocka_unit_test(test_fair__weights),
	    cmocka_unit_test(test_fair__flood_and_trickle),
	    cmocka_unit_test(test_fair__many_slots),
	    cmocka_unit_test(test_fair__pools),
	    cmocka_unit_test(test_fair__model),
	    cmocka_unit_test(test_fair__deterministic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
