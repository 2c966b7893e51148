/* What waits and what is worked on: of the tenant that asks, and of the moment. */
#include "server_hub_world.h"

static Froe__QueuePage *
ask_queues(struct world *world)
{
	struct api_command command = command_of(world, CLIENT, API_OP_QUEUE_LIST);
	world_say(world, &command);
	return hear_body(
	    world, CLIENT, command.origin.request, FROE__ENVELOPE__BODY_QUEUE_PAGE);
}

static void
test_queues__waiting_and_running(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	struct uuid run = {0};
	world_mail(world, 2); /* slots */
	Froe__QueuePage *page = ask_queues(world);
	assert_int_equal(page->n_rows, 0);
	message_done(page);
	for (int i = 0; i < 5; i++) {
		uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		run = hear_started(world, CLIENT, request);
	}
	assert_false(uuid_is_nil(run));
	page = ask_queues(world);
	assert_int_equal(page->n_rows, 2);
	assert_string_equal(page->rows[0]->action, "mail:send");
	assert_string_equal(page->rows[0]->workflow, "mail");
	assert_int_equal(page->rows[0]->queued, 3);
	assert_true(page->rows[0]->oldest_ns > 0);
	assert_null(page->rows[1]->action);
	assert_string_equal(page->rows[1]->task, "send");
	assert_int_equal(page->rows[1]->running, 2);
	message_done(page);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_queues__waiting_and_running),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
