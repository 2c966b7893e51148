#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif
#include "client_fake.h"

#include "froe/froe.h"

#include <sys/resource.h>

#define WAIT_MS 10000
#define THREADS 8
#define CALLS 200

/* Watches are answered when the test says so, everything else at once. */
struct stage {
	uint64_t watches[THREADS];
	unsigned watched;
};

static bool
script(struct fake *fake, const Froe__Envelope *envelope)
{
	struct stage *stage = fake->context;
	if (envelope->body_case != FROE__ENVELOPE__BODY_RUN_WATCH) {
		fake_done(fake, envelope->request);
		return true;
	}
	pthread_mutex_lock(&fake->lock);
	assert_true(stage->watched < THREADS);
	stage->watches[stage->watched++] = envelope->request;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return true;
}

struct sleeper {
	pthread_t thread;
	struct froe_client *client;
	enum froe_err err;
	long switches; /* how often it went to sleep while it waited */
};

static long
thread_switches(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *
sleeper_main(void *argument)
{
	struct sleeper *sleeper = argument;
	struct froe_id run = {{1}};
	struct froe_event *end;
	long before = thread_switches();
	sleeper->err = froe_run_await(sleeper->client, run, WAIT_MS, &end, NULL);
	sleeper->switches = thread_switches() - before;
	if (sleeper->err == FROE_OK)
		froe_event_free(end);
	return NULL;
}

static void
sleepers_start(struct sleeper sleepers[THREADS], struct fake *fake, struct froe_client *client)
{
	struct stage *stage = fake->context;
	for (int i = 0; i < THREADS; i++) {
		sleepers[i] = (struct sleeper){.client = client};
		assert_int_equal(
		    pthread_create(&sleepers[i].thread, NULL, sleeper_main, &sleepers[i]), 0);
	}
	fake_await(fake, &stage->watched, THREADS);
}

static void
sleepers_end(struct sleeper sleepers[THREADS], struct fake *fake)
{
	const struct stage *stage = fake->context;
	ProtobufCBinaryData run = wire_bytes("0123456789abcdef", 16);
	for (int i = THREADS; i-- > 0;)
		fake_event(fake, stage->watches[i], run, FROE__RUN_STATUS__COMPLETED, "1");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(sleepers[i].thread, NULL);
		assert_int_equal(sleepers[i].err, FROE_OK);
	}
}

/* What comes in for one thread is no reason to wake the others. */
static void
test_wait__an_answer_wakes_nobody_else(void **state)
{
	struct fake fake;
	struct stage stage = {0};
	struct sleeper sleepers[THREADS];
	struct froe_client *client;
	struct froe_id run = {{2}};
	(void)state;
	fake_open(&fake, script, &stage);
	fake_start(&fake);
	struct froe_client_options options = {.address = fake.address};
	assert_int_equal(froe_client_open(&options, &client, NULL), FROE_OK);
	sleepers_start(sleepers, &fake, client);
	for (int i = 0; i < CALLS; i++)
		assert_int_equal(froe_run_cancel(client, run, "why", WAIT_MS, NULL), FROE_OK);
	sleepers_end(sleepers, &fake);
	for (int i = 0; i < THREADS; i++)
		assert_true(sleepers[i].switches < CALLS / 4);
	froe_client_close(client);
	fake_close(&fake);
}

/* Nobody steps but those that wait: whoever has its answer leaves the stepping to another one. */
static void
test_wait__without_a_thread_they_step_in_turn(void **state)
{
	struct fake fake;
	struct stage stage = {0};
	struct sleeper sleepers[THREADS];
	struct froe_client *client;
	(void)state;
	fake_open(&fake, script, &stage);
	fake_start(&fake);
	struct froe_client_options options = {.address = fake.address, .no_thread = true};
	assert_int_equal(froe_client_open(&options, &client, NULL), FROE_OK);
	sleepers_start(sleepers, &fake, client);
	sleepers_end(sleepers, &fake);
	froe_client_close(client);
	fake_close(&fake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wait__an_answer_wakes_nobody_else),
	    cmocka_unit_test(test_wait__without_a_thread_they_step_in_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
