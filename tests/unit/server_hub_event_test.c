/* Events that were pushed: their list, one of them, over a lost index and a crash. */
#include "server_hub_world.h"

static uint64_t
push(struct world *world, const char *key, const char *payload, const char *value)
{
	struct bytes pair[2] = {bytes_text("customer"), bytes_text(value)};
	struct eng_command engine = {
	    .type = ENG_CMD_EVENT_PUSH,
	    .event_push = {.key = bytes_text(key), .payload = bytes_text(payload),
	        .metadata = pair, .metadata_count = 2},
	};
	Froe__EventPushed *pushed = hear_body(world, CLIENT,
	    say_engine(world, CLIENT, &engine, false), FROE__ENVELOPE__BODY_EVENT_PUSHED);
	uint64_t number = pushed->number;
	message_done(pushed);
	return number;
}

static Froe__EventPage *
list(struct world *world, uint64_t conn, const char *key, const char *value, uint64_t before)
{
	struct bytes pair[2] = {bytes_text("customer"), bytes_text(value)};
	struct api_command command = command_of(world, conn, API_OP_EVENT_LIST);
	command.list.limit = 2;
	command.list.before = before;
	command.list.workflow = bytes_text(key);
	command.list.metadata = pair;
	command.list.metadata_count = value[0] != 0 ? 2 : 0;
	world_say(world, &command);
	return hear_body(world, conn, command.origin.request, FROE__ENVELOPE__BODY_EVENT_PAGE);
}

static uint64_t
get(struct world *world, uint64_t conn, uint64_t number, bool payload)
{
	struct api_command command = command_of(world, conn, API_OP_EVENT_GET);
	command.event_get.number = number;
	command.event_get.payload = payload;
	world_say(world, &command);
	return command.origin.request;
}

/* All of them are as they were pushed. */
static void
look(struct world *world, const uint64_t numbers[3])
{
	Froe__EventPage *page = list(world, CLIENT, "", "", 0);
	assert_int_equal(page->n_rows, 2);
	assert_int_equal(page->rows[0]->number, numbers[2]);
	assert_int_equal(page->rows[1]->number, numbers[1]);
	assert_string_equal(page->rows[1]->key, "b");
	assert_true(page->rows[0]->time_ns >= page->rows[1]->time_ns);
	uint64_t next = page->next;
	message_done(page);
	page = list(world, CLIENT, "", "", next);
	assert_int_equal(page->n_rows, 1);
	assert_int_equal(page->next, 0);
	message_done(page);
	page = list(world, CLIENT, "a", "", 0);
	assert_int_equal(page->n_rows, 2);
	message_done(page);
	page = list(world, CLIENT, "a", "7", 0);
	assert_int_equal(page->n_rows, 1);
	assert_int_equal(page->rows[0]->number, numbers[0]);
	message_done(page);
	Froe__EventView *view = hear_body(
	    world, CLIENT, get(world, CLIENT, numbers[1], true), FROE__ENVELOPE__BODY_EVENT_VIEW);
	assert_string_equal(view->key, "b");
	assert_int_equal(view->payload.len, 7);
	assert_memory_equal(view->payload.data, "{\"x\":1}", 7);
	assert_int_equal(view->n_metadata, 1);
	assert_string_equal(view->metadata[0]->value, "8");
	message_done(view);
	view = hear_body(world, CLIENT, get(world, CLIENT, numbers[1], false),
	    FROE__ENVELOPE__BODY_EVENT_VIEW);
	assert_false(view->has_payload);
	message_done(view);
}

/* Runs have the same numbers: neither is taken for the other. */
static void
look_runs(struct world *world)
{
	uint64_t request = say_list(world, CLIENT, 0, 10, 0, 0);
	Froe__RunPage *page = hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE);
	assert_int_equal(page->n_rows, 3);
	assert_string_equal(page->rows[0]->workflow, "mail");
	struct uuid run = uuid_in(page->rows[2]->run);
	message_done(page);
	request = say_of_run(world, CLIENT, API_OP_RUN_GET, run, true, "");
	message_done(hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_VIEW));
}

static void
start_over(struct world *world, bool index_lost)
{
	struct froe_fault fault;
	world_stop(world);
	sim_crash(world->env);
	world_forget(world);
	world->promise_count = 0;
	if (index_lost)
		assert_int_equal(index_delete(world->index, &fault), FROE_OK);
	world_start(world);
	say_open(world, CLIENT, WINDOW);
}

static void
test_hub_event__listed_and_found(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	uint64_t numbers[3];
	world_mail(world, 3);
	for (int i = 0; i < 3; i++)
		hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	numbers[0] = push(world, "a", "{}", "7");
	numbers[1] = push(world, "b", "{\"x\":1}", "8");
	numbers[2] = push(world, "a", "", "8");
	for (int i = 0; i < 2; i++) /* a run's places are not forgotten with an event's */
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	world_settle(world);
	look(world, numbers);
	look_runs(world);
	start_over(world, /* index_lost= */ false);
	look(world, numbers);
	look_runs(world);
	start_over(world, /* index_lost= */ true);
	look(world, numbers);
	look_runs(world);
	assert_int_equal(push(world, "c", "", "9"), numbers[2] + 1);
	index_check(world->indexer.index);
	world_close(world);
}

/* Those of others are not there. */
static void
test_hub_event__of_one_tenant(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	say_open(world, CLIENT, WINDOW);
	uint64_t number = push(world, "a", "", "7");
	struct api_command open = command_of(world, OTHER, API_OP_OPEN);
	open.open.tenant = bytes_text("other");
	world_say(world, &open);
	Froe__EventPage *page = list(world, OTHER, "", "", 0);
	assert_int_equal(page->n_rows, 0);
	message_done(page);
	assert_int_equal(
	    hear_error(world, OTHER, get(world, OTHER, number, true)), FROE_NOT_FOUND);
	assert_int_equal(
	    hear_error(world, CLIENT, get(world, CLIENT, number + 1, true)), FROE_NOT_FOUND);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_event__listed_and_found),
	    cmocka_unit_test(test_hub_event__of_one_tenant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
