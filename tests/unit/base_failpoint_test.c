#include "base/failpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The wait status of a process with this setting that comes by two places three times. */
static int
pass_three_times(const char *setting)
{
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setting != NULL)
			setenv("FROE_FAILPOINT", setting, 1);
		else
			unsetenv("FROE_FAILPOINT");
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(99);
		for (int i = 0; i < 3; i++) {
			failpoint_pass(FAILPOINT_commit_appended);
			if (i == 1)
				failpoint_pass(FAILPOINT_commit_stored);
		}
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_failpoint__dies_where_it_is_told(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(pass_three_times(NULL)), 7);
	assert_int_equal(WTERMSIG(pass_three_times("commit_appended:1")), SIGKILL);
	assert_int_equal(WTERMSIG(pass_three_times("commit_appended:3")), SIGKILL);
	assert_int_equal(WEXITSTATUS(pass_three_times("commit_appended:4")), 7);
	assert_int_equal(WTERMSIG(pass_three_times("commit_stored:1")), SIGKILL);
	assert_int_equal(WEXITSTATUS(pass_three_times("commit_stored:2")), 7);
	assert_int_equal(WEXITSTATUS(pass_three_times("commit_durable:1")), 7);
}

/* A misspelt one must not look like a place that is never reached. */
static void
test_failpoint__name_that_is_none(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(pass_three_times("commit:1")), 2);
	assert_int_equal(WEXITSTATUS(pass_three_times("commit_appended2:1")), 2);
	assert_int_equal(WEXITSTATUS(pass_three_times(":1")), 2);
}

static void
test_failpoint__names(void **state)
{
	(void)state;
	assert_true(FAILPOINTS >= 60);
	for (unsigned i = 0; i < FAILPOINTS; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(
			    failpoint_name((enum failpoint)i), failpoint_name((enum failpoint)j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_failpoint__dies_where_it_is_told),
	    cmocka_unit_test(test_failpoint__name_that_is_none),
	    cmocka_unit_test(test_failpoint__names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
