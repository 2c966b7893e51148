#define _GNU_SOURCE /* pthread_getname_np */
#include "base/thread.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *
wait_for(void *context)
{
	sem_t *go = context;
	while (sem_wait(go) != 0)
		; /* a signal */
	return go;
}

static void
test_thread__runs_under_its_name(void **state)
{
	pthread_t thread;
	sem_t go;
	char name[16];
	void *result = NULL;
	(void)state;
	sem_init(&go, 0, 0);
	assert_int_equal(thread_start(&thread, "froe-fifteen---", wait_for, &go, NULL), FROE_OK);
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	assert_string_equal(name, "froe-fifteen---");
	sem_post(&go);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &go);
	sem_destroy(&go);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_thread__runs_under_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
