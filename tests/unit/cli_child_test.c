#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct lines {
	unsigned count;
	size_t longest;
	char last[256];
};

static void
on_line(void *context, const char *line)
{
	struct lines *lines = context;
	lines->count++;
	if (strlen(line) > lines->longest)
		lines->longest = strlen(line);
	snprintf(lines->last, sizeof(lines->last), "%.255s", line);
}

static void
start(struct child *child, struct lines *lines, const char *script, struct bytes input)
{
	struct froe_fault fault;
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
	char *environment[] = {"PATH=/usr/bin:/bin", "GREETING=hello", NULL};
	*child = (struct child){.on_line = on_line, .context = lines};
	*lines = (struct lines){0};
	if (child_start(child, argv, environment, input, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
}

static void
finish(struct child *child)
{
	for (int i = 0; i < 10000 && !child->ended; i++)
		child_step(child, -1, 1000);
	assert_true(child->ended);
}

static void
assert_output(const struct child *child, const char *text)
{
	assert_int_equal(buf_used(&child->output), strlen(text));
	assert_memory_equal(buf_bytes(&child->output).data, text, strlen(text));
}

static void
test_child__input_becomes_output(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	size_t size = (size_t)1 << 20; /* more than a pipe holds, both ways at once */
	char *large = malloc(size);
	memset(large, 'x', size);
	start(&child, &lines, "cat", bytes_of(large, size));
	finish(&child);
	assert_int_equal(WEXITSTATUS(child.status), 0);
	assert_int_equal(buf_used(&child.output), size);
	child_release(&child);
	free(large);
}

static void
test_child__environment_status_and_unread_input(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	size_t size = (size_t)1 << 20;
	char *large = calloc(1, size);
	signal(SIGPIPE, SIG_IGN); /* as main() does */
	start(&child, &lines, "echo $GREETING; exec 0<&-; exit 7", bytes_of(large, size));
	finish(&child);
	assert_true(WIFEXITED(child.status));
	assert_int_equal(WEXITSTATUS(child.status), 7);
	assert_output(&child, "hello\n");
	child_release(&child);
	free(large);
}

static void
test_child__a_missing_command_cannot_be_started(void **state)
{
	(void)state;
	struct child child = {.on_line = on_line};
	struct froe_fault fault;
	char *argv[] = {"/nonexistent/command", NULL};
	char *environment[] = {NULL};
	assert_int_equal(child_start(&child, argv, environment, bytes_of(NULL, 0), &fault),
	    FROE_NOT_FOUND);
	assert_non_null(strstr(fault.text, "/nonexistent/command"));
}

static void
test_child__lines_are_split_and_cleaned(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	start(&child, &lines, "printf 'one\\r\\n\\ntwo\\n\\377bad\\nend' >&2", bytes_of(NULL, 0));
	finish(&child);
	assert_int_equal(lines.count, 4); /* the empty one is none; the last needs no newline */
	assert_string_equal(lines.last, "end");
	assert_string_equal(child.last, "end");
	child_release(&child);
	start(&child, &lines, "head -c 25000 /dev/zero | tr '\\0' x >&2", bytes_of(NULL, 0));
	finish(&child);
	assert_int_equal(lines.count, 3);
	assert_int_equal(lines.longest, 10000);
	child_release(&child);
}

/* The command ignores SIGTERM and has a child of its own: the group is killed after the delay. */
static void
test_child__a_stubborn_group_is_killed(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	start(&child, &lines, "trap '' TERM; sleep 600 & echo $!; wait; sleep 600",
	    bytes_of(NULL, 0));
	while (buf_used(&child.output) == 0)
		child_step(&child, -1, 1000);
	pid_t grandchild = (pid_t)atoi((const char *)buf_bytes(&child.output).data);
	assert_int_equal(kill(grandchild, 0), 0);
	child_end(&child, CHILD_TIMED_OUT);
	child_end(&child, CHILD_CANCELLED); /* the first reason stays */
	child_step(&child, -1, 50);
	assert_false(child.ended);
	child.kill_ns = child_now_ns(); /* not five seconds in a test */
	finish(&child);
	assert_int_equal(child.stop, CHILD_TIMED_OUT);
	assert_true(WIFSIGNALED(child.status));
	child_release(&child);
	for (int i = 0; i < 5000 && kill(grandchild, 0) == 0; i++)
		usleep(1000);
	/* Gone, or a zombie that its reaper has not seen yet: it takes no signals either way. */
	char path[64], stat[128] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)grandchild);
	FILE *file = fopen(path, "r");
	if (file != NULL) {
		assert_non_null(fgets(stat, sizeof(stat), file));
		assert_non_null(strstr(stat, ") Z"));
		fclose(file);
	}
}

/* What is left in the background ends with the command, and does not keep it waiting. */
static void
test_child__leftovers_end_with_the_command(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	start(&child, &lines, "sleep 600 & echo done", bytes_of(NULL, 0));
	uint64_t before_ns = child_now_ns();
	finish(&child);
	assert_true(child_now_ns() - before_ns < (uint64_t)60 * 1000000000u);
	assert_output(&child, "done\n");
	assert_int_equal(WEXITSTATUS(child.status), 0);
	child_release(&child);
}

static void
test_child__a_flood_of_output_is_stopped(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	start(&child, &lines, "cat /dev/zero", bytes_of(NULL, 0));
	finish(&child);
	assert_int_equal(child.stop, CHILD_FLOODED);
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(WTERMSIG(child.status), SIGTERM);
	child_release(&child);
}

static void
test_child__a_wake_up_ends_the_wait(void **state)
{
	(void)state;
	struct child child;
	struct lines lines;
	int wake[2];
	assert_int_equal(pipe(wake), 0);
	assert_int_equal(write(wake[1], "x", 1), 1);
	start(&child, &lines, "sleep 600", bytes_of(NULL, 0));
	uint64_t before_ns = child_now_ns();
	child_step(&child, wake[0], 60000);
	assert_true(child_now_ns() - before_ns < (uint64_t)30 * 1000000000u);
	assert_false(child.ended);
	child_release(&child); /* kills it */
	close(wake[0]);
	close(wake[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_child__input_becomes_output),
	    cmocka_unit_test(test_child__environment_status_and_unread_input),
	    cmocka_unit_test(test_child__a_missing_command_cannot_be_started),
	    cmocka_unit_test(test_child__lines_are_split_and_cleaned),
	    cmocka_unit_test(test_child__a_stubborn_group_is_killed),
	    cmocka_unit_test(test_child__leftovers_end_with_the_command),
	    cmocka_unit_test(test_child__a_flood_of_output_is_stopped),
	    cmocka_unit_test(test_child__a_wake_up_ends_the_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
