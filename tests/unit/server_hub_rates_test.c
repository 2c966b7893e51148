/*
 * Rate limits through the hub: put, listed page by page, of the tenant that asks.
 */
#include "server_hub_world.h"

#include "engine/rate.h"

static void
put_rate(struct world *world, const char *key, uint32_t limit, enum froe_err expected)
{
	struct eng_command engine = {.type = ENG_CMD_RATE_LIMIT_PUT};
	engine.rate_put.key = bytes_text(key);
	engine.rate_put.limit = limit;
	engine.rate_put.window = ENG_WINDOW_HOUR;
	uint64_t request = say_engine(world, CLIENT, &engine, false);
	if (expected == FROE_OK)
		hear_done(world, CLIENT, request);
	else
		assert_int_equal(hear_error(world, CLIENT, request), expected);
}

static Froe__RateLimitPage *
list_rates(struct world *world, uint64_t after, uint32_t limit)
{
	struct api_command command = command_of(world, CLIENT, API_OP_RATE_LIST);
	command.rates.after = after;
	command.rates.limit = limit;
	world_say(world, &command);
	return hear_body(
	    world, CLIENT, command.origin.request, FROE__ENVELOPE__BODY_RATE_LIMIT_PAGE);
}

static void
test_rates__pages(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	say_open(world, CLIENT, WINDOW);
	put_rate(world, "one", 1, FROE_OK);
	put_rate(world, "two", 2, FROE_OK);
	put_rate(world, "", 2, FROE_INVALID_ARGUMENT);
	put_rate(world, "three", 3, FROE_OK);
	put_rate(world, "one", 4, FROE_OK);
	Froe__RateLimitPage *page = list_rates(world, 0, 2);
	assert_int_equal(page->n_rows, 2);
	assert_string_equal(page->rows[0]->key, "one");
	assert_int_equal(page->rows[0]->limit, 4);
	assert_int_equal(page->rows[0]->window, FROE__RATE_WINDOW__WINDOW_HOUR);
	assert_true(page->rows[0]->put_ns > 0);
	assert_true(page->has_next);
	uint64_t next = page->next;
	message_done(page);
	page = list_rates(world, next, 1);
	assert_int_equal(page->n_rows, 1);
	assert_string_equal(page->rows[0]->key, "three");
	assert_false(page->has_next);
	message_done(page);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rates__pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
