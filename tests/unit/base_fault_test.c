/*
 * The three tiers: what a fault says, how a bug and a fatal error end the process. State tables.
 */
#include "base/fault.h"

#include "base/sm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_fault__table(void **state)
{
	(void)state;
	assert_string_equal(froe_err_name(FROE_OK), "OK");
	assert_int_equal(FROE_OK, 0);
	assert_string_equal(froe_err_name(FROE_INDEX_BEHIND), "INDEX_BEHIND");
	assert_int_equal(froe_err_class(FROE_INDEX_BEHIND), FROE_CLASS_RETRY);
	assert_string_equal(froe_err_name((enum froe_err)9999), "UNKNOWN");
	assert_string_equal(froe_err_text((enum froe_err)9999), "unknown error");
	assert_int_equal(froe_err_class((enum froe_err)9999), FROE_CLASS_SYSTEM);
	/* Numbers are dense, so each has its name, and no name is given twice. */
	for (int i = 0; i <= FROE_INTERNAL; i++) {
		const char *name = froe_err_name((enum froe_err)i);
		assert_string_not_equal(name, "UNKNOWN");
		assert_true(strlen(froe_err_text((enum froe_err)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, froe_err_name((enum froe_err)j));
		assert_int_equal(froe_err_class((enum froe_err)i) == FROE_CLASS_NONE, i == 0);
	}
}

static void
test_fault__set(void **state)
{
	struct froe_fault fault;
	char wide[1000];
	(void)state;
	memset(&fault, 0xee, sizeof(fault));
	assert_int_equal(fault_set(&fault, FROE_TOO_LARGE, "%d bytes", 7), FROE_TOO_LARGE);
	assert_int_equal(fault.code, FROE_TOO_LARGE);
	assert_int_equal(fault.sys_errno, 0);
	assert_string_equal(fault.field, "");
	assert_string_equal(fault.text, "7 bytes");
	assert_int_equal(fault_set(NULL, FROE_IO, "nobody asks"), FROE_IO);
	fault_set_field(&fault, FROE_INVALID_ARGUMENT, "tasks[2].name", "is empty");
	assert_string_equal(fault.field, "tasks[2].name");
	memset(wide, 'x', sizeof(wide));
	wide[sizeof(wide) - 1] = 0;
	fault_set_field(&fault, FROE_INVALID_ARGUMENT, wide, "%s", wide);
	assert_int_equal(strlen(fault.field), sizeof(fault.field) - 1);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
}

static void
test_fault__errno(void **state)
{
	struct froe_fault fault;
	char wide[1000];
	(void)state;
	assert_int_equal(fault_set_errno(&fault, ENOSPC, "write %s", "x.seg"), FROE_NO_SPACE);
	assert_int_equal(fault.sys_errno, ENOSPC);
	assert_string_equal(fault.text, "write x.seg: No space left on device");
	assert_int_equal(froe_err_from_errno(ENOENT), FROE_NOT_FOUND);
	assert_int_equal(froe_err_from_errno(EPERM), FROE_DENIED);
	assert_int_equal(froe_err_from_errno(EADDRINUSE), FROE_IN_USE);
	assert_int_equal(froe_err_from_errno(EIO), FROE_IO);
	assert_int_equal(froe_err_from_errno(12345), FROE_IO);
	memset(wide, 'x', sizeof(wide));
	wide[sizeof(wide) - 1] = 0;
	fault_set_errno(&fault, EIO, "%s", wide);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
}

/* ------------------------------------------------------------------------- ends of the process */

enum { STATE_IDLE, STATE_BUSY, STATE_DONE };
static const struct sm_row table[] = {
    [STATE_IDLE] = {"idle", SM_TO(STATE_BUSY)},
    [STATE_BUSY] = {"busy", SM_TO(STATE_IDLE) | SM_TO(STATE_DONE)},
    [STATE_DONE] = {"done", 0},
};

static void
body_assert(void)
{
	int two = 2;
	froe_assert(two + two == 4);
	froe_assert(two + two == 5);
}

static void
body_never(void)
{
	froe_never("it was to be");
}

static void
body_fatal(void)
{
	froe_fatal(FROE_EXIT_IO, "write of %s failed", "0001.seg");
}

static void
body_illegal_move(void)
{
	unsigned state = STATE_DONE;
	sm_move(table, &state, STATE_IDLE);
}

/* Runs it in a child; its wait status, and what it said. */
static int
child_run(void (*body)(void), char text[512])
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* cmocka and the sanitizers would catch the signal first. */
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], 2);
		body();
		_exit(0);
	}
	close(ends[1]);
	ssize_t size = 0, n;
	while (size < 511 && (n = read(ends[0], text + size, (size_t)(511 - size))) > 0)
		size += n;
	text[size] = 0;
	close(ends[0]);
	assert_true(waitpid(child, &status, 0) == child);
	return status;
}

static void
test_fault__panics(void **state)
{
	char text[512];
	(void)state;
	int status = child_run(body_assert, text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "base_fault_test.c:"));
	assert_non_null(strstr(text, "body_assert: two + two == 5"));
	status = child_run(body_never, text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "never: it was to be"));
}

static void
test_fault__fatal(void **state)
{
	char text[512];
	(void)state;
	int status = child_run(body_fatal, text);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FROE_EXIT_IO);
	assert_string_equal(text, "froe: fatal: write of 0001.seg failed\n");
}

static void
test_fault__state_tables(void **state)
{
	unsigned machine = STATE_IDLE;
	char text[512];
	(void)state;
	sm_move(table, &machine, STATE_BUSY);
	sm_move(table, &machine, STATE_IDLE);
	sm_move(table, &machine, STATE_BUSY);
	sm_move(table, &machine, STATE_DONE);
	assert_int_equal(machine, STATE_DONE);
	assert_false(sm_legal(table, STATE_IDLE, STATE_DONE));
	int status = child_run(body_illegal_move, text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fault__table),
	    cmocka_unit_test(test_fault__set),
	    cmocka_unit_test(test_fault__errno),
	    cmocka_unit_test(test_fault__panics),
	    cmocka_unit_test(test_fault__fatal),
	    cmocka_unit_test(test_fault__state_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
