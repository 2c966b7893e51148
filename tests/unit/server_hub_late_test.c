/*
 * Log lines that come when their attempt, or their run, has ended: they are in the run's history,
 * wherever that is told from, and over crashes; and a replay of the run goes on behind them.
 */
#include "server_hub_world.h"

static uint64_t
say_line(struct world *world, struct uuid task, uint32_t attempt, const char *line)
{
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.holder = true;
	command.attempt = attempt;
	command.engine = (struct eng_command){
	    .type = ENG_CMD_TASK_LOG,
	    .origin = command.origin,
	    .task = {.fence = {.task = task, .lease = UINT64_MAX}, .bytes = bytes_text(line)},
	};
	world_say(world, &command);
	return command.origin.request;
}

static void
line(struct world *world, struct uuid task, uint32_t attempt, const char *text)
{
	hear_done(world, CLIENT, say_line(world, task, attempt, text));
}

/* All lines of the run's task, as "attempt:line attempt:line". */
static void
expect_lines(struct world *world, struct uuid run, const char *lines)
{
	char text[512] = "";
	uint64_t request = say_of_run(world, CLIENT, API_OP_RUN_GET, run, false, "");
	Froe__RunView *view = hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_VIEW);
	const Froe__TaskView *task = view->tasks[0];
	assert_int_equal(task->n_log, task->n_log_attempts);
	assert_int_equal(task->n_log, task->n_log_ns);
	for (size_t i = 0; i < task->n_log; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof(text) - used, "%s%u:%s", i > 0 ? " " : "",
		    task->log_attempts[i], task->log[i]);
		assert_true(i == 0 || task->log_ns[i] >= task->log_ns[i - 1]);
	}
	assert_string_equal(text, lines);
	message_done(view);
}

/* One run of mail, which has ended, and its task. */
static struct uuid
run_end(struct world *world, struct uuid *ret_task)
{
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
	struct uuid run = hear_started(world, CLIENT, request);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_log(world, WORKER, fence, "one"));
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	*ret_task = fence.task;
	return run;
}

/* The index has all of the run, and a later frame: only it knows where the records lie. */
static void
expect_forgotten(struct world *world, struct uuid run)
{
	enum eng_status status;
	struct uuid task;
	uint64_t key;
	run_end(world, &task); /* it brings frames */
	world_pass(world, 2000);
	assert_true(eng_closed_find(
	    world->shard.eng, (struct eng_tenant_id){1}, run, &key, &status));
	assert_int_equal(resolver_count(world->shard.resolver, key), 0);
}

static uint64_t
say_replay(struct world *world, struct uuid run)
{
	struct api_command command = command_of(world, CLIENT, API_OP_RUN_REPLAY);
	command.replay.run = run;
	world_say(world, &command);
	return command.origin.request;
}

/* Its process ends, is killed, or the machine loses power; `anew`: and its index is lost. */
enum fall { STOPS, CRASHES, CRASHES_ANEW };

static void
fall(struct world *world, enum fall how)
{
	struct froe_fault fault;
	world_settle(world);
	world_stop(world);
	if (how != STOPS)
		sim_crash(world->env);
	if (how == CRASHES_ANEW)
		assert_int_equal(index_delete(world->index, &fault), FROE_OK);
	world_start(world);
	world->promise_count = 0;
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, WINDOW);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 4, NULL, 0);
	world_settle(world);
}

/* While the resolver knows the run still, and when only the index does. */
static void
test_hub_late__lines_of_a_closed_run(void **state)
{
	static const size_t caches[] = {0, 1 << 20};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		struct uuid task, run;
		world_mail(world, 4);
		world->index_stuck = true;
		run = run_end(world, &task);
		line(world, task, 1, "two");
		expect_lines(world, run, "1:one 1:two");
		world->index_stuck = false;
		expect_forgotten(world, run);
		line(world, task, 0, "three");
		expect_lines(world, run, "1:one 1:two 1:three");
		line(world, task, 1, "four");
		line(world, task, 1, "five");
		expect_forgotten(world, run);
		expect_lines(world, run, "1:one 1:two 1:three 1:four 1:five");
		world_close(world);
	}
}

static void
test_hub_late__lines_of_an_attempt_before(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 4);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
	struct uuid run = hear_started(world, CLIENT, request);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_fail(world, WORKER, fence, "again"));
	fence = hear_dispatch(world, WORKER);
	line(world, fence.task, 1, "a");
	line(world, fence.task, 2, "b");
	line(world, fence.task, 0, "c");
	assert_int_equal(
	    hear_error(world, CLIENT, say_line(world, fence.task, 3, "d")), FROE_NOT_FOUND);
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	line(world, fence.task, 1, "e");
	line(world, fence.task, 2, "f");
	expect_lines(world, run, "1:a 2:b 2:c 1:e 2:f");
	world_close(world);
}

/* Whether the index had got the line or not, and from the log alone. */
static void
test_hub_late__lines_outlive_the_process(void **state)
{
	static const enum fall falls[] = {STOPS, CRASHES, CRASHES_ANEW};
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct world *world = world_open(1 << 20);
		struct uuid task, run;
		world_mail(world, 4);
		run = run_end(world, &task);
		if (i % 2 == 0)
			expect_forgotten(world, run);
		world->index_stuck = true;
		line(world, task, 1, "two");
		fall(world, falls[i / 2]);
		line(world, task, 1, "three"); /* while the index is made anew, perhaps */
		world->index_stuck = false;
		world_pass(world, 2000);
		expect_lines(world, run, "1:one 1:two 1:three");
		expect_forgotten(world, run);
		expect_lines(world, run, "1:one 1:two 1:three");
		fall(world, CRASHES_ANEW);
		line(world, task, 1, "four");
		world_pass(world, 2000);
		expect_lines(world, run, "1:one 1:two 1:three 1:four");
		world_close(world);
	}
}

/* The replay knows of no line when it looks for the run: it looks again. */
static void
test_hub_late__a_line_during_a_replay(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		struct world *world = world_open(0);
		struct uuid task, run;
		world_mail(world, 4);
		run = run_end(world, &task);
		expect_forgotten(world, run);
		world->index_stuck = true; /* where its records lie */
		uint64_t replay = say_replay(world, run);
		line(world, task, 1, "two");
		if (again != 0)
			line(world, task, 1, "three");
		world->index_stuck = false;
		hear_done(world, CLIENT, replay);
		struct eng_fence fence = hear_dispatch(world, WORKER);
		assert_true(uuid_equal(fence.task, task));
		line(world, task, 1, "of before");
		hear_done(world, WORKER, say_log(world, WORKER, fence, "now"));
		hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("2")));
		world_settle(world);
		line(world, task, 2, "last");
		expect_lines(world, run, again != 0
		    ? "1:one 1:two 1:three 1:of before 2:now 2:last"
		    : "1:one 1:two 1:of before 2:now 2:last");
		fall(world, CRASHES_ANEW);
		hear_done(world, CLIENT, say_replay(world, run));
		fence = hear_dispatch(world, WORKER);
		hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("3")));
		world_pass(world, 2000);
		line(world, task, 0, "end");
		expect_lines(world, run, again != 0
		    ? "1:one 1:two 1:three 1:of before 2:now 2:last 3:end"
		    : "1:one 1:two 1:of before 2:now 2:last 3:end");
		world_close(world);
	}
}

static void
test_hub_late__of_no_history(void **state)
{
	struct world *world = world_open(1 << 20);
	struct uuid task, run;
	(void)state;
	world_mail(world, 4);
	run = run_end(world, &task);
	assert_int_equal(hear_error(world, CLIENT, say_line(world, uuid_task(run, 1), 1, "x")),
	    FROE_NOT_FOUND);
	assert_int_equal(
	    hear_error(world, CLIENT, say_line(world, run, 1, "x")), FROE_NOT_FOUND);
	world->indexer.keep_ns = 1000 * NS_PER_MS;
	world_pass(world, 500);
	line(world, task, 1, "two");
	world_pass(world, 600);
	assert_int_equal(
	    hear_error(world, CLIENT, say_line(world, task, 1, "x")), FROE_NOT_FOUND);
	world_close(world);
}

/* A job lets runs go on that get lines while it reads them. */
static void
test_hub_late__a_line_during_a_job(void **state)
{
	struct world *world = world_open(0);
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	struct uuid tasks[8], runs[8];
	uint8_t packed[64];
	(void)state;
	world_mail(world, 8);
	for (int i = 0; i < 8; i++)
		runs[i] = run_end(world, &tasks[i]);
	world_pass(world, 2000);
	filter.workflow = (char[]){"mail"};
	struct eng_command engine = {
	    .type = ENG_CMD_JOB_START,
	    .job_start = {.kind = ENG_JOB_REPLAY, .reason = bytes_text("why")},
	};
	engine.job_start.filter = bytes_of(packed, froe__run_list__pack(&filter, packed));
	Froe__JobStarted *started = hear_body(world, CLIENT,
	    say_engine(world, CLIENT, &engine, false), FROE__ENVELOPE__BODY_JOB_STARTED);
	uint64_t number = started->job;
	message_done(started);
	struct eng_job_view view = {0};
	for (int i = 0; eng_job(world->shard.eng, number, &view) && view.status == ENG_RUNNING;
	    i++) {
		assert_true(i < 5000);
		if (i < 100)
			FROE_DROP(say_line(world, tasks[i % 8], 1, "late"), "answers are many");
		world_step(world, NS_PER_MS / 20);
	}
	assert_int_equal(view.status, ENG_COMPLETED);
	assert_int_equal(view.done, 8);
	assert_int_equal(view.refused, 0);
	assert_true(eng_run_find(world->shard.eng, (struct eng_tenant_id){1}, runs[0], &number));
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_late__lines_of_a_closed_run),
	    cmocka_unit_test(test_hub_late__lines_of_an_attempt_before),
	    cmocka_unit_test(test_hub_late__lines_outlive_the_process),
	    cmocka_unit_test(test_hub_late__a_line_during_a_replay),
	    cmocka_unit_test(test_hub_late__of_no_history),
	    cmocka_unit_test(test_hub_late__a_line_during_a_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
