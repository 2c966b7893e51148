/*
 * The hub: nothing is said before it is durable, answers, payloads that have left memory,
 * questions, rooms and refusals, restarts.
 */
#include "server_hub_world.h"

static void
test_hub__a_run_from_end_to_end(void **state)
{
	static const size_t caches[] = {1 << 20, 0};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		char *result;
		world_mail(world, 1);
		uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{\"to\":1}"), true);
		struct uuid run = hear_started(world, CLIENT, request);
		Froe__Dispatch *dispatch =
		    hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
		assert_true(uuid_equal(uuid_in(dispatch->run), run));
		assert_string_equal(dispatch->action, "mail:send");
		assert_string_equal(dispatch->workflow, "mail");
		assert_int_equal(dispatch->attempt, 1);
		assert_true(dispatch->timeout_ms > 59000 && dispatch->timeout_ms <= 60000);
		assert_memory_equal(dispatch->input.data, "{\"to\":1}", dispatch->input.len);
		uint64_t done =
		    say_complete(world, WORKER, fence_of(dispatch), bytes_text("[true]"));
		message_done(dispatch);
		hear_done(world, WORKER, done);
		assert_int_equal(hear_end(world, CLIENT, request, &result), ENG_COMPLETED);
		assert_string_equal(result, "[true]");
		mem_free(result);
		assert_true((world->hub.stats.needs > 0) == (caches[i] == 0));
		world_settle(world);
		assert_int_equal(world->hub.stats.dispatches, 1);
		world_close(world);
	}
}

/* Commands are run and nothing is said until the disk has it, step by step. */
static void
test_hub__nothing_before_it_is_durable(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 100);
	world_settle(world);
	for (int i = 0; i < 50; i++) {
		size_t before = world->message_count;
		uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
		uint64_t view = say_heartbeat(world, WORKER);
		assert_int_equal(world->message_count, before);
		world_turn(world); /* the frame is on its way */
		assert_int_equal(world->message_count, before);
		hear_started(world, CLIENT, request);
		hear_done(world, WORKER, view);
		struct eng_fence fence = hear_dispatch(world, WORKER);
		before = world->message_count;
		uint64_t done = say_complete(world, WORKER, fence, bytes_text("1"));
		assert_int_equal(world->message_count, before);
		world_turn(world);
		assert_int_equal(world->message_count, before);
		hear_done(world, WORKER, done);
		assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	}
	world_close(world);
}

/* Whoever is told something asks for more at once, and only then reads what it was told. */
#define ASKED_WHILE_TOLD 300u

static void
deliver_and_ask(void *context, const struct api_effect *effect)
{
	struct world *world = context;
	if (effect->number == FROE__ENVELOPE__BODY_RUN_STARTED && effect->conn == CLIENT) {
		for (unsigned i = 0; i < ASKED_WHILE_TOLD; i++)
			say_heartbeat(world, WORKER);
	}
	world_deliver(context, effect);
}

static void
test_hub__asked_while_it_tells(void **state)
{
	struct world *world = world_open(1 << 20);
	uint64_t requests[8];
	(void)state;
	world_mail(world, 8);
	world_settle(world);
	for (int i = 0; i < 8; i++)
		requests[i] = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	world->hub.deliver = deliver_and_ask;
	size_t before = world->message_count;
	world_settle(world);
	world->hub.deliver = world_deliver;
	for (int i = 0; i < 8; i++)
		hear_started(world, CLIENT, requests[i]);
	/* Of each start the answer and the dispatch. */
	assert_int_equal(world->message_count - before, 8 * (2 + ASKED_WHILE_TOLD));
	world_close(world);
}

/* Runs wait; the worker that comes hears that it is registered first. */
static void
test_hub__registered_comes_before_its_tasks(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 0);
	for (int i = 0; i < 5; i++)
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	world_settle(world);
	size_t before = world->message_count;
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 3, NULL, 0);
	world_settle(world);
	assert_int_equal(world->message_count, before + 4);
	assert_int_equal(world->messages[before].number, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	for (size_t i = 1; i <= 3; i++)
		assert_int_equal(world->messages[before + i].number, FROE__ENVELOPE__BODY_DISPATCH);
	world_close(world);
}

/* ------------------------------------------------------------------------------------- payloads */

static const struct flow_task FAN[] = {
    {.name = "a"}, {.name = "b"}, {.name = "c"},
    {.name = "join", .parents = {"a", "b", "c"}},
};
static const char *const FAN_ACTIONS[] = {"fan:a", "fan:b", "fan:c", "fan:join", NULL};

/* Parents' outputs travel along as far as they fit; the others are fetched. */
static void
test_hub__parents_outputs(void **state)
{
	static const size_t caches[] = {16 << 20, 1 << 20, 0};
	struct bytes large = text_large(3 << 20, 'p');
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *world = world_open(caches[i]);
		world_close(world);
		world = world_open(caches[i]);
		world_stop(world); /* larger segments for larger payloads */
		struct sim_options options = {.seed = 12, .start_wall_ns = NS_PER_S};
		sim_release(world->env);
		world->env = sim_open(&options);
		world->segment_bytes = 32u << 20;
		struct froe_fault fault;
		assert_int_equal(index_delete(world->index, &fault), FROE_OK);
		world_start(world);
		say_open(world, CLIENT, WINDOW);
		say_open(world, WORKER, WINDOW);
		say_flow(world, CLIENT, "fan", FAN, 4);
		say_register(world, WORKER, 1, 1, FAN_ACTIONS, 4, NULL, 0);
		uint64_t request = say_run(world, CLIENT, "fan", bytes_text("7"), true);
		struct uuid run = hear_started(world, CLIENT, request);
		for (int task = 0; task < 3; task++) {
			Froe__Dispatch *part =
			    hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
			say_complete(world, WORKER, fence_of(part),
			    strcmp(part->name, "b") == 0 ? bytes_text("1") : large);
			message_done(part);
		}
		Froe__Dispatch *join =
		    hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
		assert_int_equal(join->n_parents, 3);
		assert_int_equal(join->input.len, 1);
		assert_string_equal(join->parents[0]->task, "a");
		assert_int_equal(join->parents[0]->output.len, large.size);
		assert_int_equal(join->parents[1]->output.len, 1);
		assert_true(join->parents[2]->omitted);
		assert_false(join->parents[2]->has_output);
		uint64_t get = say_of_run(world, WORKER, API_OP_OUTPUT_GET, run, false, "c");
		Froe__TaskOutput *output =
		    hear_body(world, WORKER, get, FROE__ENVELOPE__BODY_TASK_OUTPUT);
		assert_int_equal(output->output.len, large.size);
		message_done(output);
		say_complete(world, WORKER, fence_of(join), bytes_text("\"end\""));
		message_done(join);
		assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)large.data);
}

static void
test_hub__result_too_large_is_omitted(void **state)
{
	static const struct flow_task wide[] = {{.name = "a"}, {.name = "b"}, {.name = "c"},
	    {.name = "d"}};
	static const char *const actions[] = {"wide:a", "wide:b", "wide:c", "wide:d", NULL};
	static const size_t caches[] = {16 << 20, 0};
	struct bytes large = text_large(1000000, 'r');
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		say_open(world, CLIENT, WINDOW);
		say_open(world, WORKER, WINDOW);
		say_flow(world, CLIENT, "wide", wide, 4);
		say_register(world, WORKER, 1, 1, actions, 4, NULL, 0);
		uint64_t request = say_run(world, CLIENT, "wide", bytes_text("1"), true);
		struct uuid run = hear_started(world, CLIENT, request);
		for (int task = 0; task < 4; task++) {
			struct eng_fence fence = hear_dispatch(world, WORKER);
			say_complete(world, WORKER, fence, large);
		}
		Froe__RunEvent *event =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_EVENT);
		assert_true(event->has_result); /* 4 MB fit */
		assert_int_equal(event->result.data[0], '{');
		message_done(event);
		uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, run, true, "");
		Froe__RunView *view =
		    hear_body(world, CLIENT, get, FROE__ENVELOPE__BODY_RUN_VIEW);
		assert_int_equal(view->n_tasks, 4);
		assert_false(view->has_result); /* twice 4 MB do not */
		message_done(view);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)large.data);
}

static void
test_hub__too_large_for_the_log(void **state)
{
	struct world *world = world_open(0);
	struct bytes large = text_large(1 << 20, 'l'), over = text_large((1 << 20) + 1, 'o');
	(void)state;
	world_mail(world, 1);
	assert_int_equal(shard_payload_bytes_max(&world->shard), 1 << 20);
	uint64_t request = say_run(world, CLIENT, "mail", over, false);
	assert_int_equal(hear_error(world, CLIENT, request), FROE_TOO_LARGE);
	request = say_run(world, CLIENT, "mail", large, true);
	hear_started(world, CLIENT, request);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	uint64_t done = say_complete(world, WORKER, fence, over);
	assert_int_equal(hear_error(world, WORKER, done), FROE_TOO_LARGE);
	done = say_complete(world, WORKER, fence, large); /* the lease is still held */
	hear_done(world, WORKER, done);
	assert_int_equal(hear_end(world, CLIENT, request, NULL), ENG_COMPLETED);
	mem_free((void *)(uintptr_t)large.data);
	mem_free((void *)(uintptr_t)over.data);
	world_close(world);
}

/* Its input cannot be read back: the task fails for good, and says why. */
static void
test_hub__unreadable_input(void **state)
{
	struct world *world = world_open(0);
	uint8_t rot[4096];
	(void)state;
	world_mail(world, 0);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("\"precious\""), true);
	struct uuid run = hear_started(world, CLIENT, request);
	world_settle(world);
	uint64_t key;
	struct log_place place;
	struct eng_tenant_id tenant = {1};
	assert_true(eng_run_find(world->shard.eng, tenant, run, &key));
	assert_true(resolver_place(world->shard.resolver, key, 1, &place));
	memset(rot, 0x5a, sizeof(rot));
	uint64_t offset = place.lsn.v & UINT32_MAX;
	assert_int_equal(sim_corrupt(world->env, "/data/shard-0000/log/0000000000000001.seg",
	    offset + 40, rot, 8), FROE_OK);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 1, NULL, 0);
	Froe__RunEvent *event = hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_EVENT);
	assert_int_equal(event->status, FROE__RUN_STATUS__FAILED);
	assert_non_null(strstr(event->error, "cannot read"));
	message_done(event);
	assert_null(heard(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH));
	uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, run, false, "");
	assert_int_equal(hear_error(world, CLIENT, get), FROE_CORRUPT);
	world_close(world);
}

/* ------------------------------------------------------------------------------------ questions */

/* Asked in the very turn in which it was started: its records are in no file yet. */
static void
test_hub__get_of_what_is_not_durable(void **state)
{
	static const size_t caches[] = {1 << 20, 0};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		struct uuid run = {{1, 2, 3, 4, 5, 6, 0x70, 0, 0x80}};
		world_mail(world, 1);
		world_settle(world);
		struct eng_command engine = {
		    .type = ENG_CMD_RUN_START,
		    .run_start = {.workflow = bytes_text("mail"), .run = run,
		        .input = bytes_text("\"new\"")},
		};
		size_t before = world->message_count;
		uint64_t start = say_engine(world, CLIENT, &engine, false);
		uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, run, true, "");
		assert_int_equal(world->message_count, before);
		world_turn(world);
		assert_int_equal(world->message_count, before);
		Froe__RunView *view = hear_body(world, CLIENT, get, FROE__ENVELOPE__BODY_RUN_VIEW);
		hear_started(world, CLIENT, start);
		assert_int_equal(view->input.len, 5);
		assert_string_equal(view->tasks[0]->state, "assigned");
		message_done(view);
		world_close(world);
	}
}

static void
test_hub__get_refuses(void **state)
{
	struct world *world = world_open(0);
	struct uuid none = {{7}};
	(void)state;
	world_mail(world, 1);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct uuid run = hear_started(world, CLIENT, request);
	request = say_of_run(world, CLIENT, API_OP_RUN_GET, none, false, "");
	assert_int_equal(hear_error(world, CLIENT, request), FROE_NOT_FOUND);
	request = say_of_run(world, CLIENT, API_OP_OUTPUT_GET, run, false, "send");
	assert_int_equal(hear_error(world, CLIENT, request), FROE_FAILED_PRECONDITION);
	request = say_of_run(world, CLIENT, API_OP_OUTPUT_GET, run, false, "nope");
	assert_int_equal(hear_error(world, CLIENT, request), FROE_NOT_FOUND);
	/* Another tenant knows nothing of it, open or closed. */
	struct api_command open = command_of(world, OTHER, API_OP_OPEN);
	open.open.tenant = bytes_text("other");
	world_say(world, &open);
	request = say_of_run(world, OTHER, API_OP_RUN_GET, run, false, "");
	assert_int_equal(hear_error(world, OTHER, request), FROE_NOT_FOUND);
	say_cancel(world, CLIENT, run);
	world_settle(world);
	request = say_of_run(world, OTHER, API_OP_RUN_GET, run, false, "");
	assert_int_equal(hear_error(world, OTHER, request), FROE_NOT_FOUND);
	request = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, false, "");
	say_credit(world, OTHER, WINDOW);
	assert_int_equal(hear_error(world, OTHER, request), FROE_NOT_FOUND);
	world_close(world);
}

static uint64_t
say_watch_named(struct world *world, struct uuid run, bool named)
{
	struct api_command command = command_of(world, OTHER, API_OP_RUN_WATCH);
	command.run.run = run;
	command.run.named = named;
	world_say(world, &command);
	return command.origin.request;
}

static void
check_end(struct world *world, uint64_t watch, const char *result, const char *task)
{
	Froe__RunEvent *event = hear_body(world, OTHER, watch, FROE__ENVELOPE__BODY_RUN_EVENT);
	assert_true(event->final && event->has_result);
	assert_int_equal(event->result.len, strlen(result));
	assert_memory_equal(event->result.data, result, strlen(result));
	if (task != NULL)
		assert_string_equal(event->task, task);
	else
		assert_null(event->task);
	message_done(event);
}

static const struct flow_task PAIR[] = {{.name = "one"}, {.name = "two", .parents = {"one"}}};
static const char *const PAIR_ACTIONS[] = {"pair:one", "pair:two", NULL};

/* An end that was asked for it names the only task: from the state, and from the records. */
static void
test_hub__an_end_names_its_task(void **state)
{
	static const size_t caches[] = {1 << 20, 0};
	static const bool named[] = {true, false};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		world_mail(world, 1);
		say_open(world, OTHER, WINDOW);
		uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		struct uuid run = hear_started(world, CLIENT, request);
		uint64_t early = say_watch_named(world, run, true);
		uint64_t plain = say_watch_named(world, run, false);
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("\"out\""));
		check_end(world, early, "\"out\"", "send");
		check_end(world, plain, "\"out\"", NULL);
		for (size_t k = 0; k < 2; k++) {
			uint64_t late = say_watch_named(world, run, named[k]);
			check_end(world, late, "\"out\"", named[k] ? "send" : NULL);
		}
		world_close(world);
	}
}

/* With two tasks there is no only one, though one alone makes the result. */
static void
test_hub__an_end_of_two_tasks_names_none(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, WINDOW);
	say_open(world, OTHER, WINDOW);
	say_flow(world, CLIENT, "pair", PAIR, 2);
	say_register(world, WORKER, 1, 1, PAIR_ACTIONS, 1, NULL, 0);
	uint64_t request = say_run(world, CLIENT, "pair", bytes_text("{}"), false);
	struct uuid run = hear_started(world, CLIENT, request);
	uint64_t early = say_watch_named(world, run, true);
	for (int task = 0; task < 2; task++)
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	check_end(world, early, "{\"two\":1}", NULL);
	check_end(world, say_watch_named(world, run, true), "{\"two\":1}", NULL);
	world_close(world);
}

static void
test_hub__lists(void **state)
{
	struct world *world = world_open(0);
	uint64_t last = 0, before = 0;
	(void)state;
	world_mail(world, 2);
	for (int i = 0; i < 30; i++) {
		uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		Froe__RunStarted *started =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_STARTED);
		assert_true(api_position_decode(bytes_of(started->position.data,
		    started->position.len), &last));
		message_done(started);
		/* A list with that position, or without: the run is there, as it is. */
		request = say_list(world, CLIENT, 0, 1, 0, i % 2 == 0 ? last : 0);
		Froe__RunPage *page =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE);
		assert_int_equal(page->n_rows, 1);
		assert_int_equal(page->rows[0]->number, i + 1);
		assert_string_equal(page->rows[0]->workflow, "mail");
		assert_int_equal(page->next != 0, i > 0);
		message_done(page);
		if (i % 3 == 0)
			say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
	}
	uint64_t rows = 0;
	do {
		uint64_t request = say_list(world, CLIENT, 1u << ENG_COMPLETED, 4, before, 0);
		Froe__RunPage *page =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE);
		for (size_t i = 0; i < page->n_rows; i++) {
			assert_int_equal(page->rows[i]->status, FROE__RUN_STATUS__COMPLETED);
			assert_true(page->rows[i]->has_finished_ns);
		}
		rows += page->n_rows;
		before = page->next;
		message_done(page);
	} while (before != 0);
	assert_int_equal(rows, 10);
	world_close(world);
}

/* The index does not answer: after a second that is said, and a late answer hurts nobody. */
static void
test_hub__index_behind(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	world_settle(world);
	world->index_stuck = true;
	uint64_t list = say_list(world, CLIENT, 0, 10, 0, 0);
	uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, (struct uuid){{9}}, false, "");
	sim_advance(world->env, 999 * NS_PER_MS);
	world_turn(world);
	assert_null(heard(world, CLIENT, list, FROE__ENVELOPE__BODY_ERROR));
	assert_true(hub_deadline_ns(&world->hub) <= io_mono_ns(world->env) + NS_PER_MS);
	sim_advance(world->env, NS_PER_MS);
	world_turn(world);
	assert_int_equal(hear_error(world, CLIENT, list), FROE_INDEX_BEHIND);
	assert_int_equal(hear_error(world, CLIENT, get), FROE_INDEX_BEHIND);
	size_t before = world->message_count;
	world->index_stuck = false;
	world_settle(world);
	assert_int_equal(world->message_count, before);
	/* A position that nobody was given. */
	uint64_t tail = log_tail_seq(world->shard.log);
	list = say_list(world, CLIENT, 0, 10, 0, tail + 1000);
	sim_advance(world->env, NS_PER_S);
	world_turn(world);
	assert_int_equal(hear_error(world, CLIENT, list), FROE_INDEX_BEHIND);
	/* One that is about to be. */
	list = say_list(world, CLIENT, 0, 10, 0, tail + 1);
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	Froe__RunPage *page = hear_body(world, CLIENT, list, FROE__ENVELOPE__BODY_RUN_PAGE);
	assert_int_equal(page->n_rows, 1);
	message_done(page);
	world_close(world);
}

/* ------------------------------------------------------------------------------- room, refusals */

/* A disk that does not complete: commands are refused for room, and taken when there is some. */
static void
test_hub__no_room_is_told_and_ends(void **state)
{
	struct world *world = world_open(0);
	struct bytes input = text_large(200000, 'i');
	uint64_t taken = 0, answered = 0;
	(void)state;
	world_mail(world, 0);
	world_settle(world);
	struct api_command command = command_of(world, CLIENT, API_OP_ENGINE);
	command.engine = (struct eng_command){
	    .type = ENG_CMD_RUN_START,
	    .run_start = {.workflow = bytes_text("mail"), .input = input},
	};
	uint64_t first = command.origin.request;
	while (hub_command(&world->hub, &command)) {
		log_flush(world->shard.log);
		command.origin.request = ++world->requests;
		assert_true(++taken < 1000);
	}
	assert_true(taken > 4);
	assert_false(hub_command(&world->hub, &command));
	/* A connection may ask and leave all the same. */
	say_open(world, OTHER, 0);
	say_close(world, OTHER);
	uint64_t last = command.origin.request;
	world_say(world, &command);
	for (uint64_t request = first; request <= last; request++)
		answered += heard(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_STARTED) != NULL;
	for (uint64_t i = answered; i < taken + 1; i++)
		world_step(world, NS_PER_MS);
	world_settle(world);
	for (uint64_t request = first; request <= last; request++)
		answered += heard(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_STARTED) != NULL;
	assert_int_equal(answered, taken + 1);
	mem_free((void *)(uintptr_t)input.data);
	world_close(world);
}

/* A refused Hello leaves a connection that may say nothing. */
static void
test_hub__refused_hello(void **state)
{
	struct world *world = world_open(0);
	char name[300];
	(void)state;
	memset(name, 'n', sizeof(name));
	struct api_command open = command_of(world, OTHER, API_OP_OPEN);
	open.open.tenant = bytes_of(name, sizeof(name));
	open.open.push_window = UINT64_MAX; /* as is, and more */
	world_say(world, &open);
	assert_int_equal(hear_error(world, OTHER, open.origin.request), FROE_INVALID_ARGUMENT);
	uint64_t request = say_run(world, OTHER, "mail", bytes_text("{}"), false);
	assert_int_equal(hear_error(world, OTHER, request), FROE_FAILED_PRECONDITION);
	say_credit(world, OTHER, UINT64_MAX);
	say_close(world, OTHER);
	say_open(world, OTHER, UINT64_MAX);
	say_credit(world, OTHER, UINT64_MAX);
	say_credit(world, OTHER, 5);
	assert_true(hub_conn_find(&world->hub, OTHER)->window <= UINT64_C(1) << 40);
	struct api_command late = command_of(world, CLIENT, API_OP_HEARTBEAT);
	assert_true(hub_command(&world->hub, &late)); /* of no connection: dropped */
	world_close(world);
}

/* ------------------------------------------------------------------------------------- restarts */

/* Old runs are found by the index after a restart, and their places are forgotten here. */
static void
test_hub__restart(void **state)
{
	static const size_t caches[] = {1 << 20, 0};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world *world = world_open(caches[i % 2]);
		struct uuid runs[20];
		world_mail(world, 1);
		for (int r = 0; r < 20; r++) {
			uint64_t request =
			    say_run(world, CLIENT, "mail", bytes_text("\"in\""), true);
			runs[r] = hear_started(world, CLIENT, request);
			if (r < 15)
				say_complete(world, WORKER, hear_dispatch(world, WORKER),
				    bytes_text("\"out\""));
		}
		world_settle(world);
		if (i >= 2) /* the index has some of it */
			FROE_DROP(say_list(world, CLIENT, 0, 1, 0, 0), "it commits");
		world_settle(world);
		world->index_stuck = true;
		world_stop(world);
		world->index_stuck = false;
		sim_crash(world->env);
		world_forget(world);
		world->promise_count = 0;
		world_start(world);
		say_open(world, CLIENT, WINDOW);
		world_settle(world);
		for (int r = 0; r < 20; r++) {
			uint64_t request =
			    say_of_run(world, CLIENT, API_OP_RUN_GET, runs[r], true, "");
			Froe__RunView *view =
			    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_VIEW);
			assert_int_equal(view->status == FROE__RUN_STATUS__COMPLETED, r < 15);
			assert_int_equal(view->has_result, r < 15);
			assert_int_equal(view->input.len, 4);
			message_done(view);
		}
		uint64_t request = say_list(world, CLIENT, 0, 100, 0, 0);
		Froe__RunPage *page =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE);
		assert_int_equal(page->n_rows, 20);
		message_done(page);
		/* What the index has for sure is not kept here. */
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		world_settle(world);
		FROE_DROP(say_list(world, CLIENT, 0, 1, 0, 0), "it commits");
		world_settle(world);
		world_settle(world);
		assert_int_equal(resolver_runs(world->shard.resolver), 6);
		assert_true(list_empty(&world->hub.forgets));
		request = say_of_run(world, CLIENT, API_OP_OUTPUT_GET, runs[3], false, "send");
		Froe__TaskOutput *output =
		    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_TASK_OUTPUT);
		assert_memory_equal(output->output.data, "\"out\"", output->output.len);
		message_done(output);
		world_close(world);
	}
}

/* The index has one row of a frame when the process dies: the frame's other row is put. */
static void
test_hub__restart_with_a_frame_half_applied(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 0);
	world_settle(world);
	uint64_t first = say_run(world, CLIENT, "mail", bytes_text("1"), false);
	uint64_t second = say_run(world, CLIENT, "mail", bytes_text("2"), false);
	world->index_eager = true;
	world->index_stuck = true;
	hear_started(world, CLIENT, first);
	hear_started(world, CLIENT, second);
	assert_int_equal(indexer_applied(&world->indexer), log_durable_seq(world->shard.log));
	world_stop(world);
	sim_crash(world->env);
	world->promise_count = 0;
	world->index_stuck = false;
	world_start(world);
	say_open(world, CLIENT, WINDOW);
	uint64_t request = say_list(world, CLIENT, 0, 10, 0, 0);
	Froe__RunPage *page = hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE);
	assert_int_equal(page->n_rows, 2);
	message_done(page);
	world_close(world);
}

/* The process ends with everything under way: nothing is leaked, nothing touched after. */
static void
test_hub__released_at_any_moment(void **state)
{
	(void)state;
	for (int moment = 0; moment < 40; moment++) {
		struct world *world = world_open(0);
		world_mail(world, 3);
		struct uuid old = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
		for (int i = 0; i < 4; i++)
			say_run(world, CLIENT, "mail", bytes_text("{}"), true);
		say_of_run(world, CLIENT, API_OP_RUN_GET, old, true, "");
		say_of_run(world, CLIENT, API_OP_RUN_WATCH, old, true, "");
		say_of_run(world, CLIENT, API_OP_RUN_WATCH, old, true, "");
		say_of_run(world, CLIENT, API_OP_OUTPUT_GET, old, true, "send");
		say_list(world, CLIENT, 0, 10, 0, 0);
		for (int i = 0; i < moment; i++) {
			io_step(world->io, io_mono_ns(world->env) + 20000);
			world_turn(world);
		}
		while (hub_reading(&world->hub)) /* as at a clean stop */
			io_step(world->io, io_mono_ns(world->env) + NS_PER_S);
		world_close(world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub__a_run_from_end_to_end),
	    cmocka_unit_test(test_hub__nothing_before_it_is_durable),
	    cmocka_unit_test(test_hub__asked_while_it_tells),
	    cmocka_unit_test(test_hub__registered_comes_before_its_tasks),
	    cmocka_unit_test(test_hub__parents_outputs),
	    cmocka_unit_test(test_hub__result_too_large_is_omitted),
	    cmocka_unit_test(test_hub__too_large_for_the_log),
	    cmocka_unit_test(test_hub__unreadable_input),
	    cmocka_unit_test(test_hub__get_of_what_is_not_durable),
	    cmocka_unit_test(test_hub__get_refuses),
	    cmocka_unit_test(test_hub__an_end_names_its_task),
	    cmocka_unit_test(test_hub__an_end_of_two_tasks_names_none),
	    cmocka_unit_test(test_hub__lists),
	    cmocka_unit_test(test_hub__index_behind),
	    cmocka_unit_test(test_hub__no_room_is_told_and_ends),
	    cmocka_unit_test(test_hub__refused_hello),
	    cmocka_unit_test(test_hub__restart),
	    cmocka_unit_test(test_hub__restart_with_a_frame_half_applied),
	    cmocka_unit_test(test_hub__released_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
