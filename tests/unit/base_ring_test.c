/*
 * The ring alone, then between two threads: every item once, in order, with what it points at.
 */
#include "base/ring.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_ring__bounds(void **state)
{
	struct ring ring;
	int items[8];
	(void)state;
	ring_init(&ring, 8);
	assert_null(ring_pop(&ring));
	for (int round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 7; i++) {
			assert_int_equal(ring_used(&ring), i);
			assert_int_equal(ring_room(&ring), 7 - i);
			assert_true(ring_push(&ring, &items[i]));
		}
		assert_int_equal(ring_room(&ring), 0);
		assert_false(ring_push(&ring, &items[7]));
		for (int i = 0; i < 7; i++)
			assert_ptr_equal(ring_pop(&ring), &items[i]);
		assert_null(ring_pop(&ring));
		/* So that each round begins elsewhere. */
		assert_true(ring_push(&ring, &items[round]));
		assert_ptr_equal(ring_pop(&ring), &items[round]);
	}
	ring_release(&ring);
}

#define ITEMS 200000u

struct message {
	uint64_t number;
	uint64_t twice;
};

static void *
producer_run(void *context)
{
	struct ring *ring = context;
	for (uint64_t i = 0; i < ITEMS; i++) {
		struct message *message = mem_alloc(sizeof(*message));
		*message = (struct message){i, 2 * i};
		while (!ring_push(ring, message))
			sched_yield();
	}
	return NULL;
}

static void
test_ring__two_threads(void **state)
{
	struct ring ring;
	pthread_t producer;
	(void)state;
	ring_init(&ring, 64);
	assert_int_equal(pthread_create(&producer, NULL, producer_run, &ring), 0);
	for (uint64_t i = 0; i < ITEMS; i++) {
		struct message *message;
		while ((message = ring_pop(&ring)) == NULL)
			sched_yield();
		assert_true(message->number == i);
		assert_true(message->twice == 2 * i);
		mem_free(message);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_null(ring_pop(&ring));
	ring_release(&ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ring__bounds),
	    cmocka_unit_test(test_ring__two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
