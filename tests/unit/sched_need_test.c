/*
 * Slots of several types and needs of several slots, against a plain model: nobody is over
 * capacity, nothing that could run is left lying, queues of one demand are served in turn, and a
 * task that needs many slots starts within the bound of sched/fair.h, however many need few.
 */
#include "sched/fair.h"

#include "base/fault.h"
#include "base/mem.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { TYPES = 3, ACTIONS = 2, QUEUES = 8, WORKERS = 5, TASKS = 400, NEEDS = 6 };

struct task {
	struct fair_item item;
	int queue;      /* -1: not there */
	int worker;     /* -1: it waits */
	uint64_t until; /* when it will have ended */
};

struct worker {
	struct fair_worker fair;
	unsigned actions; /* bits */
	uint32_t slots[TYPES];
	uint32_t used[TYPES];
	bool enabled;
};

struct world {
	struct fair fair;
	struct fair_tenant tenant;
	struct fair_action actions[ACTIONS];
	struct fair_queue queues[QUEUES];
	unsigned action_of[QUEUES];
	uint32_t need_of[QUEUES][TYPES];
	struct worker workers[WORKERS];
	struct task tasks[TASKS];
	/* [i][j]: services of j since i was served, while both were backlogged, one demand */
	uint32_t waited[QUEUES][QUEUES];
	uint64_t served_at[QUEUES]; /* or when it became backlogged */
	uint64_t dice, now, served, kept;
};

static void
need_make(const uint32_t counts[TYPES], struct fair_need *ret_need)
{
	struct fair_amount amounts[TYPES];
	for (uint32_t i = 0; i < TYPES; i++) /* from the last: the order means nothing */
		amounts[i] = (struct fair_amount){TYPES - 1 - i, counts[TYPES - 1 - i]};
	need_init(ret_need, amounts, TYPES);
}

static bool
need_is_large(const uint32_t need[TYPES])
{
	return need[0] + need[1] + need[2] > 1;
}

static void
queue_make(struct world *world, int queue, unsigned action, const uint32_t need[TYPES])
{
	struct fair_need made;
	memcpy(world->need_of[queue], need, sizeof(world->need_of[queue]));
	world->action_of[queue] = action;
	need_make(need, &made);
	fair_queue_init(&world->queues[queue], &world->actions[action], &made, 1);
}

static void
worker_make(struct world *world, int number, unsigned actions, const uint32_t slots[TYPES])
{
	struct worker *worker = &world->workers[number];
	struct fair_action *served[ACTIONS];
	struct fair_amount amounts[TYPES];
	size_t count = 0, types = 0;
	for (unsigned i = 0; i < ACTIONS; i++) {
		if (actions >> i & 1)
			served[count++] = &world->actions[i];
	}
	for (uint32_t i = 0; i < TYPES; i++) {
		if (slots[i] > 0)
			amounts[types++] = (struct fair_amount){i, slots[i]};
	}
	worker->actions = actions;
	memcpy(worker->slots, slots, sizeof(worker->slots));
	fair_worker_init(&worker->fair, &world->tenant, served, count, amounts, types);
	fair_worker_enable(&worker->fair, true);
	worker->enabled = true;
}

static struct world *
world_open(uint64_t seed)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world->dice = seed;
	fair_init(&world->fair);
	fair_tenant_init(&world->tenant, &world->fair, 1);
	for (int i = 0; i < ACTIONS; i++)
		fair_action_init(&world->actions[i], &world->tenant);
	for (int i = 0; i < TASKS; i++)
		world->tasks[i].queue = world->tasks[i].worker = -1;
	return world;
}

static void
task_end(struct world *world, struct task *task)
{
	struct worker *worker = &world->workers[task->worker];
	fair_unassign(&worker->fair, &world->queues[task->queue].demand->need);
	for (int i = 0; i < TYPES; i++)
		worker->used[i] -= world->need_of[task->queue][i];
	task->queue = task->worker = -1;
}

static void
world_close(struct world *world)
{
	for (int i = 0; i < TASKS; i++) {
		if (world->tasks[i].worker >= 0)
			task_end(world, &world->tasks[i]);
		fair_remove(&world->tasks[i].item);
	}
	fair_check(&world->fair);
	for (int i = 0; i < WORKERS; i++) {
		if (world->workers[i].fair.pool != NULL)
			fair_worker_release(&world->workers[i].fair);
	}
	for (int i = 0; i < QUEUES; i++) {
		if (world->queues[i].demand != NULL)
			fair_queue_release(&world->queues[i]);
	}
	for (int i = 0; i < ACTIONS; i++)
		fair_action_release(&world->actions[i]);
	fair_tenant_release(&world->tenant);
	mem_free(world);
}

/* ------------------------------------------------------------------------- the plain model */

static bool
worker_serves(const struct world *world, const struct worker *worker, int queue)
{
	return worker->enabled && (worker->actions >> world->action_of[queue] & 1) != 0;
}

static bool
worker_able(const struct world *world, const struct worker *worker, int queue)
{
	for (int i = 0; i < TYPES; i++) {
		if (worker->slots[i] < world->need_of[queue][i])
			return false;
	}
	return worker_serves(world, worker, queue);
}

static bool
worker_has(const struct world *world, const struct worker *worker, int queue)
{
	for (int i = 0; i < TYPES; i++) {
		if (worker->slots[i] - worker->used[i] < world->need_of[queue][i])
			return false;
	}
	return worker_serves(world, worker, queue);
}

/* Kept for a need other than the queue's, with a type in common. */
static bool
worker_kept_off(const struct world *world, const struct worker *worker, int queue)
{
	const struct fair_need *kept = fair_worker_kept(&worker->fair);
	const struct fair_need *need = &world->queues[queue].demand->need;
	return kept != NULL && !need_equal(kept, need) && need_meets(kept, need);
}

static bool
queue_runs(const struct world *world, int queue)
{
	for (int i = 0; i < WORKERS; i++) {
		if (worker_has(world, &world->workers[i], queue) &&
		    !worker_kept_off(world, &world->workers[i], queue))
			return true;
	}
	return false;
}

/* Nothing is kept for nothing: for a large need somebody waits for, by somebody who is able. */
static void
kept_check(struct world *world)
{
	for (int i = 0; i < WORKERS; i++) {
		const struct worker *worker = &world->workers[i];
		const struct fair_need *kept = fair_worker_kept(&worker->fair);
		bool wanted = false;
		if (kept == NULL)
			continue;
		world->kept++;
		assert_true(need_large(kept));
		for (int queue = 0; queue < QUEUES; queue++) {
			wanted = wanted || (world->queues[queue].length > 0 &&
			        need_equal(&world->queues[queue].demand->need, kept) &&
			        worker_able(world, worker, queue));
		}
		assert_true(wanted);
	}
}

/* Between two services of a queue that stays backlogged, another one of its demand gets one. */
static void
turns_check(struct world *world, int served)
{
	for (int other = 0; other < QUEUES; other++) {
		world->waited[served][other] = 0;
		if (other == served || world->queues[other].demand == NULL)
			continue;
		if (world->queues[other].length == 0 ||
		    world->queues[other].demand != world->queues[served].demand)
			world->waited[other][served] = 0;
		else
			assert_true(++world->waited[other][served] <= 1);
	}
}

static void
serve(struct world *world, struct fair_item *item, struct fair_worker *to, uint64_t until)
{
	struct task *task = container_of(item, struct task, item);
	struct worker *worker = container_of(to, struct worker, fair);
	assert_true(worker_has(world, worker, task->queue));
	assert_false(worker_kept_off(world, worker, task->queue));
	fair_assign(&world->fair, item, to);
	for (int i = 0; i < TYPES; i++) {
		worker->used[i] += world->need_of[task->queue][i];
		assert_true(worker->used[i] <= worker->slots[i]);
	}
	task->worker = (int)(worker - world->workers);
	task->until = until;
	turns_check(world, task->queue);
	world->served_at[task->queue] = world->now;
	world->served++;
}

static void
push(struct world *world, struct task *task, int queue)
{
	task->queue = queue;
	if (world->queues[queue].length == 0)
		world->served_at[queue] = world->now;
	for (int other = 0; other < QUEUES && world->queues[queue].length == 0; other++)
		world->waited[queue][other] = 0;
	fair_push(&world->queues[queue], &task->item, 1, false);
}

/* --------------------------------------------------------------------------- random worlds */

static void
random_step(struct world *world)
{
	uint64_t roll = dice_roll(&world->dice), kind = roll >> 56;
	struct task *task = &world->tasks[roll % 60];
	struct fair_item *item;
	struct fair_worker *to;
	if (kind < 90 && task->queue < 0) {
		push(world, task, (int)((roll >> 20) % QUEUES));
	} else if (kind < 100 && task->queue >= 0 && task->worker < 0) {
		fair_remove(&task->item);
		if (world->queues[task->queue].length == 0)
			memset(world->waited[task->queue], 0, sizeof(world->waited[0]));
		task->queue = -1;
	} else if (kind < 160 && task->worker >= 0) {
		task_end(world, task);
	} else if (kind < 165) {
		struct worker *worker = &world->workers[(roll >> 30) % WORKERS];
		worker->enabled = !worker->enabled;
		fair_worker_enable(&worker->fair, worker->enabled);
	} else if (kind >= 165) {
		bool any = false;
		for (int queue = 0; queue < QUEUES; queue++)
			any = any || (world->queues[queue].length > 0 && queue_runs(world, queue));
		assert_int_equal(fair_next(&world->fair, &item, &to), any);
		if (any)
			serve(world, item, to, 0);
	}
	kept_check(world);
	fair_check(&world->fair);
}

static void
test_need__random_worlds(void **state)
{
	uint64_t kept = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct world *world = world_open(seed);
		for (int i = 0; i < QUEUES; i++) {
			uint64_t roll = dice_roll(&world->dice);
			uint32_t need[TYPES] = {(uint32_t)roll % 5, (uint32_t)(roll >> 8) % 3,
			    (uint32_t)(roll >> 16) % 3};
			if (i < 3 || need[0] + need[1] + need[2] == 0)
				memcpy(need, (uint32_t[TYPES]){1, 0, 0}, sizeof(need));
			queue_make(world, i, (unsigned)(roll >> 24) % ACTIONS, need);
		}
		for (int i = 0; i < WORKERS; i++) {
			uint64_t roll = dice_roll(&world->dice);
			uint32_t slots[TYPES] = {(uint32_t)roll % 7 + 1, (uint32_t)(roll >> 8) % 4,
			    (uint32_t)(roll >> 16) % 3};
			worker_make(world, i, (unsigned)(roll >> 24) % 3 + 1, slots);
		}
		for (int i = 0; i < 2000; i++)
			random_step(world);
		assert_true(world->served > 50);
		kept += world->kept;
		world_close(world);
	}
	assert_true(kept > 1000);
}

/* ------------------------------------------------------------------------------- starvation */

/*
 * Time passes, each task takes up to LONG; queues that need one slot are never empty, so every slot
 * that comes free has a taker. A large task then starts within LONG for each queue whose turn may
 * come before (one wait for a kept worker each), and one for itself.
 */
enum { LONG = 20 };

static void
flood_turn(struct world *world)
{
	struct fair_item *item;
	struct fair_worker *to;
	world->now++;
	for (int i = 0; i < TASKS; i++) {
		struct task *task = &world->tasks[i];
		int queue = i % QUEUES;
		bool large = need_is_large(world->need_of[queue]);
		if (task->worker >= 0 && task->until <= world->now)
			task_end(world, task);
		if (task->queue < 0 && (!large || dice_roll(&world->dice) % 8 == 0))
			push(world, task, queue);
	}
	while (fair_next(&world->fair, &item, &to))
		serve(world, item, to, world->now + dice_roll(&world->dice) % LONG + 1);
	kept_check(world);
	fair_check(&world->fair);
}

static void
test_need__large_ones_do_not_starve(void **state)
{
	static const uint32_t needs[QUEUES][TYPES] = {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {4, 0, 0},
	    {3, 1, 0}, {2, 0, 1}, {6, 0, 0}, {1, 1, 1}};
	enum { LARGE = 5 };
	uint64_t worst = 0, kept = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world *world = world_open(seed);
		for (int i = 0; i < QUEUES; i++)
			queue_make(world, i, (unsigned)(i + (int)seed) % ACTIONS, needs[i]);
		for (int i = 0; i < 3; i++) /* each is able to do everything */
			worker_make(world, i, 3, (const uint32_t[TYPES]){6 + (uint32_t)i, 1, 1});
		for (int turn = 0; turn < 2000; turn++) {
			flood_turn(world);
			for (int i = QUEUES - LARGE; i < QUEUES; i++) {
				uint64_t waited = world->now - world->served_at[i];
				if (world->queues[i].length > 0 && waited > worst)
					worst = waited;
			}
		}
		kept += world->kept;
		world_close(world);
	}
	assert_in_range(worst, LONG / 2, (LARGE + 1) * LONG);
	assert_true(kept > 1000);
}

/* Without keeping, four slots would never be free at once: each that comes free is taken. */
static void
test_need__four_behind_a_stream_of_ones(void **state)
{
	struct world *world = world_open(1);
	struct fair_item *item;
	struct fair_worker *to;
	uint64_t small = 0;
	(void)state;
	queue_make(world, 0, 0, (const uint32_t[TYPES]){1, 0, 0});
	queue_make(world, 1, 0, (const uint32_t[TYPES]){4, 0, 0});
	queue_make(world, 2, 0, (const uint32_t[TYPES]){0, 1, 0});
	worker_make(world, 0, 1, (const uint32_t[TYPES]){4, 2, 0});
	for (int i = 0; i < 200; i++)
		push(world, &world->tasks[i], 0);
	for (int i = 0; i < 4; i++) {
		assert_true(fair_next(&world->fair, &item, &to));
		serve(world, item, to, 0);
	}
	push(world, &world->tasks[200], 1);
	push(world, &world->tasks[201], 2);
	assert_true(fair_next(&world->fair, &item, &to)); /* another type's slots go on */
	assert_int_equal(container_of(item, struct task, item)->queue, 2);
	serve(world, item, to, 0);
	for (int i = 0; i < TASKS; i++) { /* one by one they end, in the order they began */
		struct task *task = &world->tasks[i];
		if (task->queue != 0 || task->worker < 0)
			continue;
		task_end(world, task);
		if (!fair_next(&world->fair, &item, &to))
			continue;
		serve(world, item, to, 0);
		if (world->tasks[200].worker >= 0)
			break;
		small++;
	}
	assert_int_equal(world->tasks[200].worker, 0);
	assert_in_range(small, 0, 1); /* its turn came after one of theirs at most */
	assert_int_equal(world->workers[0].used[0], 4);
	world_close(world);
}

/* Who is kept is let go when nobody waits any more, or when it goes: then another is kept. */
static void
test_need__kept_until(void **state)
{
	struct world *world = world_open(1);
	struct fair_item *item;
	struct fair_worker *to;
	(void)state;
	queue_make(world, 0, 0, (const uint32_t[TYPES]){1, 0, 0});
	queue_make(world, 1, 0, (const uint32_t[TYPES]){2, 0, 0});
	worker_make(world, 0, 1, (const uint32_t[TYPES]){2, 0, 0});
	worker_make(world, 1, 1, (const uint32_t[TYPES]){2, 0, 0});
	for (int i = 0; i < 20; i++)
		push(world, &world->tasks[i], 0);
	while (fair_next(&world->fair, &item, &to))
		serve(world, item, to, 0);
	push(world, &world->tasks[30], 1);
	struct worker *first = &world->workers[0], *second = &world->workers[1];
	for (int i = 0; i < 20 && fair_worker_kept(&first->fair) == NULL &&
	     fair_worker_kept(&second->fair) == NULL; i++) {
		task_end(world, &world->tasks[i]); /* until its turn is the lowest */
		while (fair_next(&world->fair, &item, &to))
			serve(world, item, to, 0);
	}
	struct worker *kept = fair_worker_kept(&first->fair) != NULL ? first : second;
	struct worker *other = kept == first ? second : first;
	assert_non_null(fair_worker_kept(&kept->fair));
	assert_null(fair_worker_kept(&other->fair));
	fair_worker_enable(&kept->fair, false);
	kept->enabled = false;
	assert_null(fair_worker_kept(&kept->fair));
	assert_non_null(fair_worker_kept(&other->fair));
	fair_remove(&world->tasks[30].item);
	assert_null(fair_worker_kept(&other->fair));
	fair_check(&world->fair);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_need__random_worlds),
	    cmocka_unit_test(test_need__large_ones_do_not_starve),
	    cmocka_unit_test(test_need__four_behind_a_stream_of_ones),
	    cmocka_unit_test(test_need__kept_until),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
