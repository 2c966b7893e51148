/*
 * What somebody who means no good may ask of the hub: of runs that are not theirs, or not begun, or
 * too large; of streams that nobody reads; of positions that nobody gave.
 */
#include "server_hub_world.h"

static const struct flow_task DURABLE[] = {{.name = "send", .retries = 2, .durable = true}};

static uint64_t
say_open_tenant(struct world *world, uint64_t conn, const char *tenant)
{
	struct api_command command = command_of(world, conn, API_OP_OPEN);
	command.open.push_window = WINDOW;
	command.open.tenant = bytes_text(tenant);
	world_say(world, &command);
	return command.origin.request;
}

static uint64_t
say_stream_get(struct world *world, uint64_t conn, struct uuid run, const char *task,
    uint32_t after, bool wait)
{
	struct api_command command = command_of(world, conn, API_OP_STREAM_GET);
	command.run.run = run;
	command.run.task = bytes_text(task);
	command.run.after = after;
	command.run.wait = wait;
	world_say(world, &command);
	return command.origin.request;
}

static uint64_t
say_chunk(struct world *world, struct eng_fence fence, const char *text)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_STREAM,
	    .task = {.fence = fence, .bytes = bytes_text(text)},
	};
	return say_engine(world, WORKER, &engine, false);
}

static uint64_t
say_replay(struct world *world, uint64_t conn, struct uuid run, const char *task, uint32_t node)
{
	struct api_command command = command_of(world, conn, API_OP_RUN_REPLAY);
	command.replay.run = run;
	command.replay.task = bytes_text(task);
	command.replay.node = node;
	world_say(world, &command);
	return command.origin.request;
}

static struct uuid
run_later(struct world *world, uint64_t delay_ms)
{
	struct eng_command engine = {
	    .type = ENG_CMD_RUN_START,
	    .run_start = {.workflow = bytes_text("mail"), .input = bytes_text("{}"),
	        .delay_ms = delay_ms},
	};
	return hear_started(world, CLIENT, say_engine(world, CLIENT, &engine, false));
}

static void
expect_page(struct world *world, uint64_t request, size_t chunks, bool ended)
{
	Froe__StreamPage *page =
	    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_STREAM_PAGE);
	assert_int_equal(page->n_chunks, chunks);
	assert_int_equal(page->ended, ended);
	message_done(page);
}

/* ---------------------------------------------------------------- a run that has not begun */

static void
test_hub_hostile__stream_of_a_scheduled_run(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	struct uuid run = run_later(world, 5000);
	expect_page(world, say_stream_get(world, CLIENT, run, "", 0, false), 0, false);
	expect_page(world, say_stream_get(world, CLIENT, run, "send", 0, false), 0, false);
	uint64_t waits = say_stream_get(world, CLIENT, run, "send", 0, true);
	uint64_t wrong = say_stream_get(world, CLIENT, run, "none", 0, true);
	world_pass(world, 6000);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	assert_null(heard(world, CLIENT, waits, FROE__ENVELOPE__BODY_STREAM_PAGE));
	hear_done(world, WORKER, say_chunk(world, fence, "a"));
	expect_page(world, waits, 1, false);
	assert_int_equal(hear_error(world, CLIENT, wrong), FROE_INVALID_ARGUMENT);
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	expect_page(world, say_stream_get(world, CLIENT, run, "", 0, true), 1, true);
	world_close(world);
}

static void
test_hub_hostile__a_scheduled_run_that_never_begins(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	struct uuid run = run_later(world, 5000);
	uint64_t waits = say_stream_get(world, CLIENT, run, "", 0, true);
	Froe__WhyView *why = hear_body(world, CLIENT,
	    say_of_run(world, CLIENT, API_OP_WHY, run, false, ""), FROE__ENVELOPE__BODY_WHY_VIEW);
	assert_int_equal(why->n_tasks, 0);
	assert_non_null(why->text);
	assert_non_null(strstr(why->text, "begins in"));
	message_done(why);
	hear_done(world, CLIENT, say_cancel(world, CLIENT, run));
	expect_page(world, waits, 0, true);
	expect_page(world, say_stream_get(world, CLIENT, run, "send", 0, true), 0, true);
	uint64_t replay = say_replay(world, CLIENT, run, "", 0);
	assert_int_equal(hear_error(world, CLIENT, replay), FROE_FAILED_PRECONDITION);
	world_close(world);
}

/* A position that no run has: of a run that is open, that has ended, and that is known from the
 * index alone. */
static void
test_hub_hostile__stream_from_beyond(void **state)
{
	static const uint32_t beyond[] = {UINT32_MAX, UINT32_MAX - 1, 1u << 31};
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_chunk(world, fence, "a"));
	for (size_t i = 0; i < 3; i++)
		expect_page(world, say_stream_get(world, CLIENT, run, "", beyond[i], false), 0,
		    false);
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	for (size_t i = 0; i < 3; i++)
		expect_page(world, say_stream_get(world, CLIENT, run, "", beyond[i], true), 0,
		    true);
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	world_pass(world, 2000); /* the resolver has forgotten the first */
	assert_int_equal(resolver_runs(world->shard.resolver), 1);
	for (size_t i = 0; i < 3; i++)
		expect_page(world, say_stream_get(world, CLIENT, run, "", beyond[i], true), 0,
		    true);
	world_close(world);
}

/* ------------------------------------------------------------------------ readers who wait */

static void
test_hub_hostile__streams_go_with_their_connection(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 2);
	struct uuid runs[2];
	struct eng_fence fences[2];
	for (int i = 0; i < 2; i++) {
		runs[i] = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
		fences[i] = hear_dispatch(world, WORKER);
	}
	say_open(world, OTHER, WINDOW);
	for (int i = 0; i < 300; i++)
		say_stream_get(world, OTHER, runs[i % 2], i % 3 == 0 ? "send" : "", 0, true);
	uint64_t mine = say_stream_get(world, CLIENT, runs[0], "", 0, true);
	world_settle(world);
	assert_int_equal(world->hub.streams_wheel.count, 301);
	say_stream_get(world, OTHER, runs[0], "", 0, true); /* it is being read */
	say_close(world, OTHER);
	world_settle(world);
	assert_int_equal(world->hub.streams_wheel.count, 1);
	hear_done(world, WORKER, say_chunk(world, fences[0], "a"));
	expect_page(world, mine, 1, false);
	assert_true(list_empty(&world->hub.streams_waiting));
	assert_int_equal(world->hub.streams.count, 0);
	hear_done(world, WORKER, say_chunk(world, fences[1], "b"));
	world_close(world);
}

/* Whoever was woken for nothing waits for what is left of its time. */
static void
test_hub_hostile__streams_wait_their_time(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 2);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_chunk(world, fence, "a"));
	uint64_t early = say_stream_get(world, CLIENT, run, "", 1000, true);
	world_pass(world, 20000);
	say_heartbeat(world, WORKER);
	uint64_t late = say_stream_get(world, CLIENT, run, "", 1000, true);
	hear_done(world, WORKER, say_chunk(world, fence, "b"));
	world_pass(world, 11000);
	expect_page(world, early, 0, false);
	assert_null(heard(world, CLIENT, late, FROE__ENVELOPE__BODY_STREAM_PAGE));
	say_heartbeat(world, WORKER);
	world_pass(world, 20000);
	expect_page(world, late, 0, false);
	world_close(world);
}

/* ------------------------------------------------------------------------- others' runs */

/* Another tenant's run is as one that never was, open and closed, in memory and only in the index:
 * word for word. */
static void
expect_nobodys(struct world *world, struct uuid run)
{
	static const enum api_op ops[] = {API_OP_RUN_GET, API_OP_RUN_WATCH, API_OP_STREAM_GET,
	    API_OP_OUTPUT_GET, API_OP_WHY};
	char text[256] = "";
	for (int i = 0; i < 7; i++) {
		uint64_t request = i < 5 ? say_of_run(world, OTHER, ops[i], run, true, "send")
		                         : say_replay(world, OTHER, run, "none", i == 6 ? 3 : 0);
		Froe__Error *error = hear_body(world, OTHER, request, FROE__ENVELOPE__BODY_ERROR);
		assert_int_equal(error->code, FROE_NOT_FOUND);
		if (text[0] == 0)
			snprintf(text, sizeof(text), "%s", error->text);
		assert_string_equal(error->text, text);
		assert_string_equal(error->field, "run");
		message_done(error);
	}
	Froe__Error *error = hear_body(world, OTHER, say_cancel(world, OTHER, run),
	    FROE__ENVELOPE__BODY_ERROR);
	assert_int_equal(error->code, FROE_NOT_FOUND);
	message_done(error);
}

static void
test_hub_hostile__runs_of_another_tenant(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 2);
	hear(world, OTHER, say_open_tenant(world, OTHER, "other"), FROE__ENVELOPE__BODY_WELCOME);
	struct uuid open = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	hear_dispatch(world, WORKER);
	struct uuid closed = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	world->index_stuck = true;
	say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	world_turn(world);
	world->index_stuck = false;
	expect_nobodys(world, closed); /* its records are here still */
	world_settle(world);
	world_pass(world, 2000);
	expect_nobodys(world, closed);
	expect_nobodys(world, open);
	expect_nobodys(world, run_later(world, 60000));
	expect_nobodys(world, (struct uuid){{9}});
	world_close(world);
}

/* ---------------------------------------------------------------------------------- too large */

/* More than the largest step of the smallest segments. */
static void
test_hub_hostile__worker_of_too_many_actions(void **state)
{
	struct world *world = world_open(0);
	struct bytes names[FROE_WORKER_ACTIONS_MAX];
	static char texts[FROE_WORKER_ACTIONS_MAX][FROE_NAME_BYTES_MAX];
	(void)state;
	world_stop(world);
	sim_release(world->env);
	struct sim_options options = {.seed = 12, .start_wall_ns = UINT64_C(1700000000) * NS_PER_S};
	world->env = sim_open(&options);
	world->segment_bytes = LOG_SEGMENT_BYTES_MIN;
	world_start(world);
	say_open(world, WORKER, WINDOW);
	for (uint32_t i = 0; i < FROE_WORKER_ACTIONS_MAX; i++) {
		memset(texts[i], 'a', sizeof(texts[i]));
		int size = snprintf(texts[i], sizeof(texts[i]), "%u", i);
		texts[i][size] = '.';
		names[i] = bytes_of(texts[i], sizeof(texts[i]));
	}
	struct eng_command engine = {
	    .type = ENG_CMD_WORKER_REGISTER,
	    .worker_register = {.id.bytes = {1, 1}, .incarnation = 1, .actions = names,
	        .action_count = FROE_WORKER_ACTIONS_MAX, .slots = 1},
	};
	uint64_t request = say_engine(world, WORKER, &engine, false);
	assert_int_equal(hear_error(world, WORKER, request), FROE_TOO_LARGE);
	engine.worker_register.action_count = 800;
	request = say_engine(world, WORKER, &engine, false);
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	world_close(world);
}

/* What a view says of many attempts is more than a message takes: it is an error, not a message. */
static void
test_hub_hostile__view_larger_than_a_message(void **state)
{
	static const struct flow_task stubborn[] = {{.name = "send", .retries = 5000}};
	struct world *world = world_open(64u << 20);
	char *error = mem_zalloc(FROE_ERROR_TEXT_BYTES_MAX + 1);
	(void)state;
	memset(error, 'e', FROE_ERROR_TEXT_BYTES_MAX);
	world_mail(world, 1);
	say_flow(world, CLIENT, "mail", stubborn, 1);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	for (int i = 0; i < 400; i++)
		say_fail(world, WORKER, hear_dispatch(world, WORKER), error);
	uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, run, true, "");
	hear(world, CLIENT, get, FROE__ENVELOPE__BODY_RUN_VIEW);
	for (int i = 0; i < 400; i++)
		say_fail(world, WORKER, hear_dispatch(world, WORKER), error);
	get = say_of_run(world, CLIENT, API_OP_RUN_GET, run, true, "");
	assert_int_equal(hear_error(world, CLIENT, get), FROE_TOO_LARGE);
	mem_free(error);
	world_close(world);
}

/* A durable task's many nodes are kept in one step: or not at all. */
static void
test_hub_hostile__replay_that_keeps_too_much(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world->segment_bytes = 4u << 20;
	world_mail(world, 1);
	say_flow(world, CLIENT, "mail", DURABLE, 1);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	struct eng_command engine = {
	    .type = ENG_CMD_DURABLE_STEP,
	    .durable = {.fence = fence, .kind = ENG_NODE_MEMO, .has_value = true,
	        .value = bytes_text("1"), .name = bytes_text(
	        "a name so long that its label is as long as the label of a node may be")},
	};
	for (uint32_t i = 1; i <= FROE_DURABLE_NODES_MAX; i++) {
		engine.durable.node = i;
		say_engine(world, WORKER, &engine, false);
		if (i % 500 == 0)
			world_settle(world);
		if (i % 500 == 0)
			world_forget(world);
		say_credit(world, WORKER, 1000);
	}
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	world_settle(world);
	uint64_t replay = say_replay(world, CLIENT, run, "send", FROE_DURABLE_NODES_MAX);
	world_settle(world);
	hear_done(world, CLIENT, replay);
	fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("1")));
	world_settle(world);
	world_close(world);
}

/* ------------------------------------------------------------------------ positions, many lists */

static void
test_hub_hostile__a_position_of_nobody(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	world_settle(world);
	uint64_t tail = log_tail_seq(world->shard.log), requests[2000];
	for (int i = 0; i < 2000; i++)
		requests[i] = say_list(world, CLIENT, 0, 1, 0, tail + 2 + (uint64_t)i);
	assert_true(list_empty(&world->hub.reads)); /* nothing waits for what never comes */
	for (int i = 0; i < 2000; i++)
		assert_int_equal(hear_error(world, CLIENT, requests[i]), FROE_INDEX_BEHIND);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_hostile__stream_of_a_scheduled_run),
	    cmocka_unit_test(test_hub_hostile__a_scheduled_run_that_never_begins),
	    cmocka_unit_test(test_hub_hostile__stream_from_beyond),
	    cmocka_unit_test(test_hub_hostile__streams_go_with_their_connection),
	    cmocka_unit_test(test_hub_hostile__streams_wait_their_time),
	    cmocka_unit_test(test_hub_hostile__runs_of_another_tenant),
	    cmocka_unit_test(test_hub_hostile__worker_of_too_many_actions),
	    cmocka_unit_test(test_hub_hostile__view_larger_than_a_message),
	    cmocka_unit_test(test_hub_hostile__replay_that_keeps_too_much),
	    cmocka_unit_test(test_hub_hostile__a_position_of_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
