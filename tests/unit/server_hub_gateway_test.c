/* What a gateway says for workers that are elsewhere: whose lease is meant, who lives. */
#include "server_hub_world.h"

static uint64_t
say_held(struct world *world, struct uuid task, uint32_t attempt)
{
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.holder = true;
	command.attempt = attempt;
	command.engine = (struct eng_command){
	    .type = ENG_CMD_TASK_COMPLETE,
	    .origin = command.origin,
	    .task = {.fence.task = task, .bytes = bytes_text("1")},
	};
	world_say(world, &command);
	return command.origin.request;
}

static uint64_t
say_named(struct world *world, struct eng_fence fence)
{
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.holder = true;
	command.engine = (struct eng_command){
	    .type = ENG_CMD_TASK_COMPLETE,
	    .origin = command.origin,
	    .task = {.fence = fence, .bytes = bytes_text("1")},
	};
	world_say(world, &command);
	return command.origin.request;
}

static uint64_t
say_lives(struct world *world, uint8_t worker)
{
	struct api_command command = command_of(world, CLIENT, API_OP_HEARTBEAT);
	command.worker = (struct uuid){.bytes = {worker, 1}};
	world_say(world, &command);
	return command.origin.request;
}

static uint64_t
say_leaves(struct world *world, uint8_t worker)
{
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.worker = (struct uuid){.bytes = {worker, 1}};
	command.engine = (struct eng_command){
	    .type = ENG_CMD_WORKER_LEAVE,
	    .origin = command.origin,
	};
	world_say(world, &command);
	return command.origin.request;
}

static void
test_hub_gateway__a_task_and_its_attempt_say_whose_lease(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 1);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
	hear_started(world, CLIENT, request);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_fail(world, WORKER, fence, "again"));
	fence = hear_dispatch(world, WORKER);
	assert_int_equal(
	    hear_error(world, CLIENT, say_held(world, fence.task, 1)), FROE_LEASE_LAPSED);
	hear_done(world, CLIENT, say_held(world, fence.task, 2));
	assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	assert_int_equal(
	    hear_error(world, CLIENT, say_held(world, fence.task, 2)), FROE_LEASE_LAPSED);
	world_close(world);
}

/* Who names a lease means that one: no earlier one, no later one. */
static void
test_hub_gateway__a_lease_that_is_named(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 1);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
	hear_started(world, CLIENT, request);
	struct eng_fence fence = hear_dispatch(world, WORKER), first = fence;
	hear_done(world, WORKER, say_fail(world, WORKER, fence, "again"));
	fence = hear_dispatch(world, WORKER);
	assert_int_not_equal(fence.lease, first.lease);
	assert_int_equal(hear_error(world, CLIENT, say_named(world, first)), FROE_LEASE_LAPSED);
	first.lease = fence.lease + 1;
	assert_int_equal(hear_error(world, CLIENT, say_named(world, first)), FROE_LEASE_LAPSED);
	hear_done(world, CLIENT, say_named(world, fence));
	assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	world_close(world);
}

/* A task of nobody, and what is no task at all. */
static void
test_hub_gateway__nobody_holds_it(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 0);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct uuid run = hear_started(world, CLIENT, request);
	assert_int_equal(hear_error(world, CLIENT, say_held(world, uuid_task(run, 0), 0)),
	    FROE_LEASE_LAPSED);
	assert_int_equal(hear_error(world, CLIENT, say_held(world, uuid_task(run, 1), 0)),
	    FROE_LEASE_LAPSED);
	assert_int_equal(hear_error(world, CLIENT, say_held(world, run, 0)), FROE_LEASE_LAPSED);
	world_close(world);
}

/* The run of a task that nobody works on is nobody's child: it begins all the same. */
static void
test_hub_gateway__a_late_child_is_a_run(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 0);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct uuid run = hear_started(world, CLIENT, request);
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.holder = true;
	command.engine = (struct eng_command){
	    .type = ENG_CMD_RUN_START,
	    .origin = command.origin,
	    .run_start = {.workflow = bytes_text("mail"),
	        .input = bytes_text("{}"),
	        .child = true,
	        .parent.task = uuid_task(run, 0)},
	};
	world_say(world, &command);
	struct uuid other = hear_started(world, CLIENT, command.origin.request);
	assert_false(uuid_equal(other, run));
	world_close(world);
}

static void
test_hub_gateway__lives_and_leaves_by_id(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 1);
	hear_done(world, CLIENT, say_lives(world, 1));
	assert_int_equal(hear_error(world, CLIENT, say_lives(world, 2)), FROE_NOT_FOUND);
	say_close(world, WORKER);
	assert_int_equal(
	    hear_error(world, CLIENT, say_lives(world, 1)), FROE_FAILED_PRECONDITION);
	hear_done(world, CLIENT, say_leaves(world, 1));
	assert_int_equal(hear_error(world, CLIENT, say_leaves(world, 1)), FROE_NOT_FOUND);
	world_close(world);
}

/* One that roams is waited for as long as a silent one; others are not. It may come back by its id
 * for much longer. */
static void
test_hub_gateway__who_roams_is_waited_for(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 1);
	say_open(world, OTHER, WINDOW);
	uint64_t request = say_register(
	    world, OTHER, 7, API_INCARNATION_ROAMING, MAIL_ACTIONS, 1, NULL, 0);
	hear(world, OTHER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	say_close(world, WORKER);
	say_close(world, OTHER);
	world_pass(world, 6000);
	assert_int_equal(hear_error(world, CLIENT, say_lives(world, 1)), FROE_NOT_FOUND);
	assert_int_equal(
	    hear_error(world, CLIENT, say_lives(world, 7)), FROE_FAILED_PRECONDITION);
	world_pass(world, 500000);
	assert_int_equal(
	    hear_error(world, CLIENT, say_lives(world, 7)), FROE_FAILED_PRECONDITION);
	say_open(world, OTHER, WINDOW);
	request = say_register(world, OTHER, 7, API_INCARNATION_ROAMING, MAIL_ACTIONS, 1, NULL, 0);
	hear(world, OTHER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	say_close(world, OTHER);
	world_pass(world, 500000);
	assert_int_equal(
	    hear_error(world, CLIENT, say_lives(world, 7)), FROE_FAILED_PRECONDITION);
	world_pass(world, 150000);
	assert_int_equal(hear_error(world, CLIENT, say_lives(world, 7)), FROE_NOT_FOUND);
	world_close(world);
}

/* Its heartbeats come, and it does not listen: it is waited for, but not for ever. */
static void
test_hub_gateway__who_lives_is_waited_for_longer(void **state)
{
	struct world *world = world_open(1 << 20);
	unsigned beats = 0;
	(void)state;
	world_mail(world, 0);
	say_open(world, OTHER, WINDOW);
	uint64_t request = say_register(
	    world, OTHER, 7, API_INCARNATION_ROAMING, MAIL_ACTIONS, 1, NULL, 0);
	hear(world, OTHER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	hear_started(world, CLIENT, say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_command refresh = {.type = ENG_CMD_TASK_REFRESH,
	    .task = {.fence = hear_dispatch(world, OTHER), .add_ms = 3600000}};
	hear(world, OTHER, say_engine(world, OTHER, &refresh, false),
	    FROE__ENVELOPE__BODY_TASK_REFRESHED);
	say_close(world, OTHER);
	while (world->hub.stats.workers_lost == 0) {
		assert_int_equal(
		    hear_error(world, CLIENT, say_lives(world, 7)), FROE_FAILED_PRECONDITION);
		world_pass(world, 20000);
		beats++;
		assert_true(beats < 20);
	}
	assert_true(beats >= 4);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_gateway__a_task_and_its_attempt_say_whose_lease),
	    cmocka_unit_test(test_hub_gateway__a_lease_that_is_named),
	    cmocka_unit_test(test_hub_gateway__nobody_holds_it),
	    cmocka_unit_test(test_hub_gateway__a_late_child_is_a_run),
	    cmocka_unit_test(test_hub_gateway__lives_and_leaves_by_id),
	    cmocka_unit_test(test_hub_gateway__who_roams_is_waited_for),
	    cmocka_unit_test(test_hub_gateway__who_lives_is_waited_for_longer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
