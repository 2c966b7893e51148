/* base/relay: blocks that one thread fills, another uses up, and the first gets back. */
#include "base/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#define BLOCK_BYTES 48u
#define CAPACITY 16u
#define COUNT 200000u

static void
test_relay__blocks_come_back(void **state)
{
	(void)state;
	struct relay relay;
	void *first[CAPACITY], *again[CAPACITY];
	unsigned same = 0;
	relay_init(&relay, BLOCK_BYTES, CAPACITY);
	for (unsigned i = 0; i < CAPACITY - 1; i++) {
		first[i] = relay_take(&relay, i + 1);
		assert_int_equal((uintptr_t)first[i] % 16, 0);
		memset(first[i], 'x', i + 1);
	}
	for (unsigned i = 0; i < CAPACITY - 1; i++)
		relay_done(&relay, first[i]);
	for (unsigned i = 0; i < CAPACITY - 1; i++) {
		again[i] = relay_take(&relay, BLOCK_BYTES);
		memset(again[i], 'y', BLOCK_BYTES); /* whatever its first size was */
		for (unsigned k = 0; k < CAPACITY - 1; k++)
			same += again[i] == first[k] ? 1 : 0;
	}
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(same, CAPACITY - 1);
#endif
	for (unsigned i = 0; i < CAPACITY - 1; i++)
		relay_done(&relay, again[i]);
	relay_release(&relay);
}

/* More than may wait, and larger ones than are kept: nothing leaks (LeakSanitizer). */
static void
test_relay__too_many_and_too_large(void **state)
{
	(void)state;
	struct relay relay;
	void *all[3 * CAPACITY];
	relay_init(&relay, BLOCK_BYTES, CAPACITY);
	for (unsigned i = 0; i < 3 * CAPACITY; i++) {
		size_t size = i % 2 == 0 ? BLOCK_BYTES : BLOCK_BYTES + 1 + i;
		all[i] = relay_take(&relay, size);
		memset(all[i], 'x', size);
	}
	for (unsigned i = 0; i < 3 * CAPACITY; i++)
		relay_done(&relay, all[i]);
	relay_done(&relay, NULL);
	relay_done(&relay, relay_take(&relay, 1)); /* the others are fetched by this */
	relay_release(&relay);
}

struct pair {
	struct relay relay;
	struct ring forth;
	uint64_t sum;
};

static void *
use_up(void *argument)
{
	struct pair *pair = argument;
	for (uint32_t used = 0; used < COUNT;) {
		uint64_t *number = ring_pop(&pair->forth);
		if (number == NULL)
			continue;
		pair->sum += *number;
		*number = UINT64_MAX; /* nobody sees it */
		relay_done(&pair->relay, number);
		used++;
	}
	return NULL;
}

static void
test_relay__two_threads(void **state)
{
	(void)state;
	struct pair pair = {.sum = 0};
	pthread_t user;
	relay_init(&pair.relay, BLOCK_BYTES, CAPACITY);
	ring_init(&pair.forth, 4 * CAPACITY);
	assert_int_equal(pthread_create(&user, NULL, use_up, &pair), 0);
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t *number = relay_take(&pair.relay, sizeof(*number));
		*number = i;
		while (!ring_push(&pair.forth, number))
			;
	}
	pthread_join(user, NULL);
	assert_int_equal(pair.sum, (uint64_t)COUNT * (COUNT - 1) / 2);
	ring_release(&pair.forth);
	relay_release(&pair.relay);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_relay__blocks_come_back),
	    cmocka_unit_test(test_relay__too_many_and_too_large),
	    cmocka_unit_test(test_relay__two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
