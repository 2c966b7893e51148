/* cli/view: what `froe runs get` says of a run. */
#include "cli/view.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct froe_task_view
task_of(const char *name)
{
	return (struct froe_task_view){
	    .name = name,
	    .status = FROE_RUN_COMPLETED,
	    .state = "closed",
	    .error = "",
	};
}

static struct froe_run_view
run_of(const struct froe_task_view *tasks, size_t count)
{
	return (struct froe_run_view){
	    .workflow = "order",
	    .version = 1,
	    .status = FROE_RUN_COMPLETED,
	    .reason = "",
	    .cancelled_by = "",
	    .position = "",
	    .child_key = "",
	    .key = "",
	    .tasks = tasks,
	    .task_count = count,
	};
}

static struct froe_attempt_view
attempt_of(uint32_t attempt, uint64_t lease, uint32_t invocation)
{
	return (struct froe_attempt_view){
	    .attempt = attempt,
	    .lease = lease,
	    .invocation = invocation,
	    .worker = "w",
	    .error = "",
	    .outcome = "",
	    .position = "",
	};
}

static void
table(const struct froe_run_view *run, char *text, size_t size)
{
	static const struct terminal terminal;
	struct buf to;
	buf_init(&to);
	view_table(run, false, &terminal, 0, &to);
	snprintf(text, size, "%.*s", (int)buf_used(&to), (const char *)to.data);
	buf_release(&to);
}

static void
json(const struct froe_run_view *run, char *text, size_t size)
{
	size_t at;
	struct buf to;
	buf_init(&to);
	view_json(run, &to);
	snprintf(text, size, "%.*s", (int)buf_used(&to), (const char *)to.data);
	assert_true(json_valid(text, strlen(text), &at));
	buf_release(&to);
}

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		if (strstr((text), (part)) == NULL)                                                \
			fail_msg("not there: \"%s\" in\n%s", (part), (text));                      \
	} while (0)

/* One attempt that was evicted twice, and came back; then a second one. */
static void
test_view__attempts(void **state)
{
	struct froe_task_view task = task_of("agent");
	struct froe_attempt_view attempts[] = {attempt_of(1, 1, 0), attempt_of(1, 2, 2),
	    attempt_of(1, 3, 3), attempt_of(2, 4, 3)};
	struct froe_run_view run = run_of(&task, 1);
	char text[4096];
	(void)state;
	task.attempts = attempts;
	task.attempt_count = 3;
	table(&run, text, sizeof(text));
	assert_has(text, "COMPLETED   -          1         w");
	task.attempt_count = 4;
	table(&run, text, sizeof(text));
	assert_has(text, "COMPLETED   -          2         w");
	json(&run, text, sizeof(text));
	assert_has(text, "\"attempt\":1,\"lease\":3,\"status\":\"QUEUED\",\"invocation\":3,");
	task.attempt_count = 0;
	table(&run, text, sizeof(text));
	assert_has(text, "COMPLETED   -          0");
}

static void
test_view__replays(void **state)
{
	struct froe_task_view task = task_of("a");
	struct froe_replay_view replays[] = {
	    {.time_ns = 1, .by = "ann", .reason = "bad input", .task = "a", .edited = true},
	    {.time_ns = UINT64_C(1800000000000000000), .by = "bob", .reason = "again", .task = "",
	        .job = 17},
	};
	struct froe_run_view run = run_of(&task, 1);
	char text[4096];
	(void)state;
	run.replays = replays;
	run.replay_count = 2;
	table(&run, text, sizeof(text));
	assert_has(text, " by ann, from task a, with another input: bad input\n");
	assert_has(text, " by bob, job 17: again\n");
	json(&run, text, sizeof(text));
	assert_has(text, "\"by\":\"bob\",\"reason\":\"again\",\"from\":\"\",");
	assert_has(text, "\"edited\":false,\"job\":17");
}

static void
test_view__cancels(void **state)
{
	struct froe_task_view task = task_of("a");
	struct froe_run_view run = run_of(&task, 1);
	char text[4096];
	(void)state;
	run.status = FROE_RUN_CANCELLED;
	run.reason = "cancelled with run x";
	table(&run, text, sizeof(text));
	assert_has(text, "\nreason: cancelled with run x\n");
	run.cancelled_by = "ann";
	run.reason = "not wanted";
	table(&run, text, sizeof(text));
	assert_has(text, "\ncancelled by ann: not wanted\n");
	run.cancel_job = 3;
	run.reason = "";
	table(&run, text, sizeof(text));
	assert_has(text, "\ncancelled by ann, job 3\n");
	json(&run, text, sizeof(text));
	assert_has(text, "\"cancelled_by\":\"ann\",\"cancel_job\":3,");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_view__attempts),
	    cmocka_unit_test(test_view__replays),
	    cmocka_unit_test(test_view__cancels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
