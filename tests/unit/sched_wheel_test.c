/*
 * The wheel against a sorted array, and the cases that a random walk would rarely meet.
 */
#include "sched/wheel.h"

#include "base/fault.h"
#include "base/mem.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TICK (UINT64_C(1) << WHEEL_TICK_BITS)

/* ------------------------------------------------------------------------------- single cases */

static void
test_wheel__empty(void **state)
{
	struct wheel wheel;
	struct timer timer = {0};
	(void)state;
	wheel_init(&wheel, 12345);
	assert_true(wheel_next(&wheel) == UINT64_MAX);
	assert_null(wheel_expired(&wheel, UINT64_MAX));
	assert_false(wheel_active(&timer));
	wheel_remove(&wheel, &timer);
	wheel_check(&wheel);
}

static void
test_wheel__order(void **state)
{
	static const uint64_t deadlines[] = {7 * TICK, 3, 3 * TICK + 9, 3 * TICK + 1, 0,
	    5000 * TICK, UINT64_MAX, UINT64_C(1) << 63, 3,
	    64 * TICK, 63 * TICK, 4096 * TICK, 4095 * TICK + 1};
	enum { COUNT = sizeof(deadlines) / sizeof(deadlines[0]) };
	struct timer timers[COUNT] = {0};
	struct wheel wheel;
	uint64_t last_ns = 0;
	size_t count = 0;
	(void)state;
	wheel_init(&wheel, 0);
	for (size_t i = 0; i < COUNT; i++)
		wheel_insert(&wheel, &timers[i], deadlines[i]);
	wheel_check(&wheel);
	struct timer *timer;
	for (; (timer = wheel_expired(&wheel, UINT64_MAX)) != NULL; count++) {
		assert_true(timer->deadline_ns >= last_ns);
		assert_true(wheel_active(timer));
		if (timer == &timers[8])
			assert_false(wheel_active(&timers[1])); /* equal: inserted earlier */
		last_ns = timer->deadline_ns;
		wheel_remove(&wheel, timer);
		assert_false(wheel_active(timer));
		wheel_check(&wheel);
	}
	assert_int_equal(count, COUNT);
	assert_true(last_ns == UINT64_MAX);
}

/* Never a nanosecond early, also within a tick. */
static void
test_wheel__never_early(void **state)
{
	struct wheel wheel;
	struct timer timer = {0};
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++) {
		uint64_t deadline_ns = (UINT64_C(1) << shift) + 1;
		wheel_init(&wheel, 0);
		wheel_insert(&wheel, &timer, deadline_ns);
		assert_true(wheel_next(&wheel) == deadline_ns);
		assert_null(wheel_expired(&wheel, deadline_ns - 1));
		assert_true(wheel_next(&wheel) == deadline_ns);
		assert_ptr_equal(wheel_expired(&wheel, deadline_ns), &timer);
		wheel_remove(&wheel, &timer);
		wheel_check(&wheel);
	}
}

/* A sleeper that only wakes at wheel_next() wakes once a deadline: none for a cascade alone. */
static void
test_wheel__no_idle_wakes(void **state)
{
	struct wheel wheel;
	struct timer timers[64] = {0};
	unsigned wakes = 0, fired = 0;
	(void)state;
	wheel_init(&wheel, 99 * TICK);
	for (unsigned i = 0; i < 64; i++)
		wheel_insert(&wheel, &timers[i], (UINT64_C(1) << i) + 100 * TICK + i);
	while (wheel_next(&wheel) != UINT64_MAX) {
		uint64_t now_ns = wheel_next(&wheel);
		unsigned before = fired;
		struct timer *timer;
		wakes++;
		for (; (timer = wheel_expired(&wheel, now_ns)) != NULL; fired++) {
			assert_true(timer->deadline_ns == now_ns);
			wheel_remove(&wheel, timer);
		}
		assert_true(fired > before);
	}
	assert_int_equal(fired, 64);
	assert_int_equal(wakes, 64);
}

/* What has passed when it is inserted is due at once, in order among the due. */
static void
test_wheel__past(void **state)
{
	static const uint64_t deadlines[] = {900, 100, 500, 100, 1000, 0, 950};
	static const int expected[] = {5, 1, 3, 2, 0, 6, 4};
	struct timer timers[7] = {0};
	struct wheel wheel;
	(void)state;
	wheel_init(&wheel, 1000 * TICK);
	for (int i = 0; i < 7; i++)
		wheel_insert(&wheel, &timers[i], deadlines[i] * TICK);
	wheel_check(&wheel);
	for (int i = 0; i < 7; i++) {
		struct timer *timer = wheel_expired(&wheel, 1000 * TICK);
		assert_ptr_equal(timer, &timers[expected[i]]);
		wheel_remove(&wheel, timer);
	}
	assert_null(wheel_expired(&wheel, UINT64_MAX));
}

/* Removing the earliest leaves a stale bound: one early wake-up, then the exact deadline. */
static void
test_wheel__stale_bound(void **state)
{
	struct wheel wheel;
	struct timer first = {0}, second = {0};
	(void)state;
	wheel_init(&wheel, 0);
	wheel_insert(&wheel, &first, 10000 * TICK);
	wheel_insert(&wheel, &second, 10010 * TICK + 5);
	wheel_remove(&wheel, &first);
	assert_true(wheel_next(&wheel) <= second.deadline_ns);
	assert_null(wheel_expired(&wheel, wheel_next(&wheel)));
	assert_true(wheel_next(&wheel) == second.deadline_ns);
	wheel_remove(&wheel, &second);
	assert_true(wheel_next(&wheel) == UINT64_MAX);
	wheel_check(&wheel);
}

/* Many timers in one tick, in the worst order: sorted in one go. */
static void
test_wheel__one_tick(void **state)
{
	enum { COUNT = 100000 };
	struct timer *timers = mem_array(COUNT, sizeof(*timers));
	struct wheel wheel;
	(void)state;
	wheel_init(&wheel, 0);
	for (uint64_t i = 0; i < COUNT; i++)
		wheel_insert(&wheel, &timers[i], 5 * TICK + (COUNT - 1 - i) / 2);
	for (uint64_t i = 0; i < COUNT; i++) {
		struct timer *timer = wheel_expired(&wheel, 6 * TICK);
		/* Pairs of equal deadlines, each in order of insertion. */
		assert_ptr_equal(timer, &timers[(COUNT - 1 - i) ^ 1]);
		wheel_remove(&wheel, timer);
	}
	assert_int_equal(wheel.count, 0);
	mem_free(timers);
}

/* --------------------------------------------------------------------------------- the model */

#define MODEL_TIMERS 512

struct model_row {
	uint64_t deadline_ns;
	uint64_t order;
	struct timer *timer;
};

struct model {
	struct wheel wheel;
	struct timer timers[MODEL_TIMERS];
	struct model_row rows[MODEL_TIMERS]; /* sorted by (deadline, order of insertion) */
	size_t count;
	uint64_t order;
	uint64_t now_ns;
	uint64_t dice;
	uint64_t fired;
};

static void
model_insert(struct model *model, struct timer *timer, uint64_t deadline_ns)
{
	size_t at = model->count;
	while (at > 0 && model->rows[at - 1].deadline_ns > deadline_ns)
		at--;
	memmove(&model->rows[at + 1], &model->rows[at],
	    (model->count - at) * sizeof(model->rows[0]));
	model->rows[at] = (struct model_row){deadline_ns, model->order++, timer};
	model->count++;
	wheel_insert(&model->wheel, timer, deadline_ns);
}

static void
model_remove(struct model *model, struct timer *timer)
{
	for (size_t at = 0; at < model->count; at++) {
		if (model->rows[at].timer != timer)
			continue;
		model->count--;
		memmove(&model->rows[at], &model->rows[at + 1],
		    (model->count - at) * sizeof(model->rows[0]));
		break;
	}
	wheel_remove(&model->wheel, timer);
}

static uint64_t
model_deadline(struct model *model)
{
	uint64_t roll = dice_roll(&model->dice), span = dice_roll(&model->dice) >> (roll >> 8 & 63);
	switch (roll % 8) {
	case 0: /* the past, far or near */
		return model->now_ns > span ? model->now_ns - span : 0;
	case 1: /* the same as another */
		return model->count > 0 ? model->rows[span % model->count].deadline_ns : 7;
	case 2:
		return model->now_ns + span % (3 * TICK);
	case 3:
		return model->now_ns + span % 1000 * TICK;
	case 4:
		return UINT64_MAX - span % 3;
	default:
		return model->now_ns + span < span ? UINT64_MAX : model->now_ns + span;
	}
}

static void
model_expire(struct model *model, size_t limit)
{
	for (; limit > 0; limit--) {
		struct timer *timer = wheel_expired(&model->wheel, model->now_ns);
		if (model->count == 0 || model->rows[0].deadline_ns > model->now_ns) {
			assert_null(timer);
			return;
		}
		assert_ptr_equal(timer, model->rows[0].timer);
		model_remove(model, timer);
		model->fired++;
	}
}

static void
model_pass(struct model *model)
{
	uint64_t roll = dice_roll(&model->dice);
	uint64_t span = (roll & 1) != 0 ? roll >> 8 & (64 * TICK - 1) : roll >> 20 & (TICK - 1);
	uint64_t next_ns = wheel_next(&model->wheel);
	if ((roll & 6) == 0 && next_ns != UINT64_MAX && next_ns > model->now_ns)
		model->now_ns = next_ns; /* sleep to the next deadline */
	else if (model->now_ns < UINT64_MAX - span)
		model->now_ns += span;
	/* Before the clock comes near its end, go on from a new beginning. */
	if (model->now_ns > UINT64_MAX / 4 * 3 && model->count == 0) {
		model->now_ns = roll >> 30;
		wheel_init(&model->wheel, model->now_ns);
	}
}

static void
model_run(struct model *model, unsigned operations, bool removals)
{
	for (unsigned i = 0; i < operations; i++) {
		uint64_t roll = dice_roll(&model->dice);
		struct timer *timer = &model->timers[roll >> 8 & (MODEL_TIMERS - 1)];
		if (roll % 8 < 3 && !wheel_active(timer))
			model_insert(model, timer, model_deadline(model));
		else if (roll % 8 == 3 && removals)
			model_remove(model, timer);
		else if (roll % 8 > 5)
			model_pass(model);
		model_expire(model, roll >> 32 & 3); /* some stay due for a while */
		uint64_t earliest_ns = model->count > 0 ? model->rows[0].deadline_ns : UINT64_MAX;
		if (removals)
			assert_true(wheel_next(&model->wheel) <= earliest_ns);
		else
			assert_true(wheel_next(&model->wheel) == earliest_ns);
		assert_int_equal(model->wheel.count, model->count);
		if (i % 16 == 0)
			wheel_check(&model->wheel);
	}
}

/* Sleeps from deadline to deadline until nothing is left; counts the wake-ups for nothing. */
static void
model_drain(struct model *model)
{
	unsigned idle = 0, slots = 0;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		slots += (unsigned)__builtin_popcountll(model->wheel.occupied[level]);
	while (model->count > 0) {
		uint64_t next_ns = wheel_next(&model->wheel);
		if (next_ns > model->now_ns)
			model->now_ns = next_ns;
		uint64_t fired = model->fired;
		model_expire(model, SIZE_MAX);
		if (model->fired > fired)
			continue;
		idle++;
		assert_true(wheel_next(&model->wheel) == model->rows[0].deadline_ns);
	}
	assert_true(idle <= slots);
	assert_true(wheel_next(&model->wheel) == UINT64_MAX);
	wheel_check(&model->wheel);
}

static void
model_test(uint64_t seed, bool removals)
{
	struct model *model = mem_zalloc(sizeof(*model));
	model->dice = seed;
	wheel_init(&model->wheel, 0);
	for (int round = 0; round < 25; round++) {
		model_run(model, 2000, removals);
		model_drain(model);
		model->now_ns = dice_roll(&model->dice) >> (round % 3 == 0 ? 1 : 30);
		wheel_init(&model->wheel, model->now_ns);
	}
	assert_true(model->fired > 1000);
	mem_free(model);
}

static void
test_wheel__model(void **state)
{
	(void)state;
	model_test(1, /* removals= */ true);
}

static void
test_wheel__model_exact_next(void **state)
{
	(void)state;
	model_test(2, /* removals= */ false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wheel__empty),
	    cmocka_unit_test(test_wheel__order),
	    cmocka_unit_test(test_wheel__never_early),
	    cmocka_unit_test(test_wheel__no_idle_wakes),
	    cmocka_unit_test(test_wheel__past),
	    cmocka_unit_test(test_wheel__stale_bound),
	    cmocka_unit_test(test_wheel__one_tick),
	    cmocka_unit_test(test_wheel__model),
	    cmocka_unit_test(test_wheel__model_exact_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
