/*
 * What is sent unasked: windows and credit, slow readers, watches in all orders, workers that come,
 * go, come back elsewhere and fall silent; connections that close at each moment.
 */
#include "server_hub_world.h"

/* -------------------------------------------------------------------------------------- windows */

static void
test_hub_push__window_and_credit(void **state)
{
	static const size_t caches[] = {1 << 20, 0};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		uint64_t granted = 0;
		say_open(world, CLIENT, WINDOW);
		say_open(world, WORKER, 0);
		say_flow(world, CLIENT, "mail", MAIL, 1);
		say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 10, NULL, 0);
		for (int r = 0; r < 10; r++)
			say_run(world, CLIENT, "mail", bytes_text("\"input of a task\""), false);
		world_settle(world);
		assert_null(heard(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH));
		for (int step = 0; step < 200; step++) {
			say_credit(world, WORKER, 13);
			granted += 13;
			world_settle(world);
			assert_true(world_pushed(world, WORKER) <= granted);
		}
		/* All that fits was sent: each is about 100 bytes. */
		assert_true(granted - world_pushed(world, WORKER) < 200 ||
		    world->hub.stats.dispatches == 10);
		say_credit(world, WORKER, 10000);
		world_settle(world);
		for (int r = 0; r < 10; r++)
			hear_dispatch(world, WORKER);
		world_close(world);
	}
}

/* It waits, with all that is behind it, until the window takes the whole of it. */
static void
test_hub_push__larger_than_the_window(void **state)
{
	static const size_t caches[] = {16 << 20, 0};
	struct bytes input = text_large(1 << 20, 'i');
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		say_open(world, CLIENT, WINDOW);
		say_open(world, WORKER, 1000);
		say_flow(world, CLIENT, "mail", MAIL, 1);
		say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 2, NULL, 0);
		say_run(world, CLIENT, "mail", input, false);
		world_settle(world);
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		world_settle(world);
		assert_int_equal(world_pushed(world, WORKER), 0);
		say_credit(world, WORKER, 1 << 20);
		world_settle(world);
		assert_true(world_pushed(world, WORKER) > 1 << 20);
		Froe__Dispatch *first =
		    hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
		assert_int_equal(first->input.len, input.size);
		message_done(first);
		hear_dispatch(world, WORKER);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)input.data);
}

/* A revocation costs nothing and does not wait behind what has to. */
static void
test_hub_push__revocations_overtake(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, 200);
	say_flow(world, CLIENT, "mail", MAIL, 1);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 5, NULL, 0);
	struct uuid runs[5];
	for (int r = 0; r < 5; r++)
		runs[r] = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	world_settle(world);
	uint64_t sent = world->hub.stats.dispatches;
	assert_true(sent >= 1 && sent < 5);
	for (int r = 0; r < 5; r++)
		say_cancel(world, CLIENT, runs[r]);
	world_settle(world);
	for (int r = 0; r < 5; r++) {
		Froe__Revoke *revoke = hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_REVOKE);
		assert_string_equal(revoke->reason, "cancelled");
		message_done(revoke);
	}
	say_credit(world, WORKER, WINDOW); /* what waited is not sent any more */
	world_settle(world);
	assert_int_equal(world->hub.stats.dispatches, sent);
	world_close(world);
}

/* -------------------------------------------------------------------------------------- watches */

/* Nobody takes the changes in: they are bounded, the end still comes. */
static void
test_hub_push__slow_watcher(void **state)
{
	struct world *world = world_open(0);
	char line[5001];
	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	world_mail(world, 1);
	say_open(world, OTHER, 0);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("\"in\""), false);
	struct uuid run = hear_started(world, CLIENT, request);
	uint64_t watch = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, true, "");
	struct eng_fence fence = hear_dispatch(world, WORKER);
	for (int i = 0; i < 1000; i++) {
		say_log(world, WORKER, fence, line);
		if (i % 50 == 0)
			world_settle(world);
		assert_true(hub_conn_find(&world->hub, OTHER)->event_bytes <= HUB_EVENT_BYTES_MAX);
	}
	say_complete(world, WORKER, fence, bytes_text("\"out\""));
	world_settle(world);
	assert_int_equal(world_pushed(world, OTHER), 0);
	struct hub_conn *conn = hub_conn_find(&world->hub, OTHER);
	size_t waiting = 0;
	struct list *at;
	list_for_each(at, &conn->pushes)
		waiting++;
	assert_true(waiting > 100 && waiting < 300);
	say_credit(world, OTHER, WINDOW);
	uint32_t changes = 0;
	for (bool final = false; !final; changes++) {
		Froe__RunEvent *event =
		    hear_body(world, OTHER, watch, FROE__ENVELOPE__BODY_RUN_EVENT);
		if (changes == 0)
			assert_null(event->change);
		if (event->change != NULL && strcmp(event->change, "logged") == 0)
			assert_int_equal(strlen(event->error), 5000);
		final = event->final;
		message_done(event);
	}
	assert_int_equal(changes, waiting);
	assert_int_equal(conn->event_bytes, 0);
	assert_int_equal((int)conn->requests.count, 0);
	world_close(world);
}

/* Each change is told, that of the step which closes the run too, and in order. */
static void
test_hub_push__changes(void **state)
{
	static const char *const expected[] = {"", "queued", "assigned", "attempt_ended", "queued",
	    "assigned", "logged", "completed", "final"};
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 0);
	uint64_t request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct uuid run = hear_started(world, CLIENT, request);
	uint64_t watch = say_of_run(world, CLIENT, API_OP_RUN_WATCH, run, true, "");
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 1, NULL, 0);
	say_fail(world, WORKER, hear_dispatch(world, WORKER), "no \"luck\"");
	struct eng_fence fence = hear_dispatch(world, WORKER);
	say_log(world, WORKER, fence, "a line");
	say_complete(world, WORKER, fence, bytes_text("5"));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (i == 1)
			continue; /* it was queued before it was watched */
		Froe__RunEvent *event =
		    hear_body(world, CLIENT, watch, FROE__ENVELOPE__BODY_RUN_EVENT);
		const char *change = event->change != NULL ? event->change : "";
		assert_true(uuid_equal(uuid_in(event->run), run));
		assert_string_equal(event->final ? "final" : change, expected[i]);
		if (strcmp(change, "attempt_ended") == 0)
			assert_string_equal(event->error, "no \"luck\"");
		if (change[0] != 0)
			assert_string_equal(event->task, "send");
		assert_int_equal(event->status, event->final ? ENG_COMPLETED
		    : i == 0 ? ENG_QUEUED : ENG_RUNNING);
		message_done(event);
	}
	world_close(world);
}

/* The end of a run that has closed costs credit too, and one is read at a time. */
static void
test_hub_push__watch_of_an_ended_run(void **state)
{
	static const size_t caches[] = {16 << 20, 0};
	struct bytes large = text_large(500000, 'o');
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		uint64_t watches[10];
		world_mail(world, 1);
		struct uuid run = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
		say_complete(world, WORKER, hear_dispatch(world, WORKER), large);
		/* In the same turn: its end is not durable yet. */
		uint64_t early = say_of_run(world, CLIENT, API_OP_RUN_WATCH, run, i == 1, "");
		assert_null(heard(world, CLIENT, early, FROE__ENVELOPE__BODY_RUN_EVENT));
		assert_int_equal(hear_end(world, CLIENT, early, NULL), ENG_COMPLETED);
		say_open(world, OTHER, 0);
		for (int w = 0; w < 10; w++)
			watches[w] = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, false, "");
		world_settle(world);
		assert_int_equal(hub_conn_find(&world->hub, OTHER)->requests.count, 10);
		assert_int_equal(world_pushed(world, OTHER), 0);
		for (int w = 0; w < 10; w++) {
			say_credit(world, OTHER, 500100);
			world_settle(world);
			assert_true(world_pushed(world, OTHER) <= (uint64_t)(w + 1) * 500100);
			assert_int_equal(hear_end(world, OTHER, watches[w], NULL), ENG_COMPLETED);
		}
		assert_int_equal(hub_conn_find(&world->hub, OTHER)->requests.count, 0);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)large.data);
}

/* Watches that wait for credit while the run is replayed: they hear of the end that it has then. */
static void
test_hub_push__watch_of_a_run_that_goes_on(void **state)
{
	struct world *world = world_open(1 << 20);
	struct api_command replay = command_of(world, CLIENT, API_OP_RUN_REPLAY);
	uint64_t watches[3];
	(void)state;
	world_mail(world, 1);
	replay.replay.run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	world_settle(world);
	say_open(world, OTHER, 0);
	for (int w = 0; w < 3; w++)
		watches[w] = say_of_run(
		    world, OTHER, API_OP_RUN_WATCH, replay.replay.run, w == 1, "");
	world_settle(world);
	world_say(world, &replay);
	hear_done(world, CLIENT, replay.origin.request);
	say_credit(world, OTHER, WINDOW);
	world_settle(world);
	for (int w = 0; w < 3; w++)
		assert_null(heard(world, OTHER, watches[w], FROE__ENVELOPE__BODY_RUN_EVENT));
	hear_done(world, CLIENT, say_cancel(world, CLIENT, replay.replay.run));
	for (int w = 0; w < 3; w++)
		assert_int_equal(hear_end(world, OTHER, watches[w], NULL), ENG_CANCELLED);
	assert_int_equal(hub_conn_find(&world->hub, OTHER)->requests.count, 0);
	world_close(world);
}

/* A watched run's result that waits for credit while the run is forgotten here: the index knows. */
static void
test_hub_push__end_after_the_run_is_forgotten(void **state)
{
	struct world *world = world_open(0);
	char *result;
	(void)state;
	world_mail(world, 1);
	say_open(world, OTHER, 0);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	uint64_t watch = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, false, "");
	say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("\"kept\""));
	world_settle(world);
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	world_settle(world);
	FROE_DROP(say_list(world, CLIENT, 0, 1, 0, 0), "it commits");
	world_settle(world);
	world_settle(world);
	assert_int_equal(resolver_runs(world->shard.resolver), 1);
	say_credit(world, OTHER, WINDOW);
	assert_int_equal(hear_end(world, OTHER, watch, &result), ENG_COMPLETED);
	assert_string_equal(result, "\"kept\"");
	mem_free(result);
	world_close(world);
}

/* A client that waits for many runs and grants nothing costs little; later it hears all. */
static void
test_hub_push__slow_waiter(void **state)
{
	struct world *world = world_open(0);
	uint64_t requests[200];
	(void)state;
	world_mail(world, 1);
	say_open(world, OTHER, 0);
	struct hub_conn *conn = hub_conn_find(&world->hub, OTHER);
	conn->event_bytes = HUB_EVENT_BYTES_MAX - 100 * sizeof(struct hub_push); /* as if */
	for (int r = 0; r < 200; r++) {
		requests[r] = say_run(world, OTHER, "mail", bytes_text("{}"), true);
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
	}
	assert_true(conn->event_bytes <= HUB_EVENT_BYTES_MAX);
	assert_true(conn->requests.count > 90); /* the others are watches on runs that closed */
	for (int r = 0; r < 200; r++) {
		say_credit(world, OTHER, 100);
		world_settle(world);
	}
	for (int r = 0; r < 200; r++)
		assert_int_equal(hear_end(world, OTHER, requests[r], NULL), ENG_COMPLETED);
	assert_int_equal(conn->requests.count, 0);
	assert_int_equal(conn->event_bytes, HUB_EVENT_BYTES_MAX - 100 * sizeof(struct hub_push));
	world_close(world);
}

/* A worker that grants nothing: each attempt times out, and is not kept. */
static void
test_hub_push__slow_worker(void **state)
{
	static const struct flow_task stubborn[] = {{.name = "send", .retries = 1000}};
	struct world *world = world_open(0);
	(void)state;
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, 0);
	say_flow(world, CLIENT, "mail", stubborn, 1);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 1, NULL, 0);
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	for (int i = 0; i < 50; i++) {
		world_pass(world, 20000);
		hear_done(world, WORKER, say_heartbeat(world, WORKER));
	}
	struct hub_conn *conn = hub_conn_find(&world->hub, WORKER);
	assert_ptr_equal(conn->pushes.next, conn->pushes.prev); /* one, or none */
	for (int i = 0; i < 10; i++)
		hear(world, WORKER, 0, FROE__ENVELOPE__BODY_REVOKE);
	say_credit(world, WORKER, WINDOW);
	assert_true(hear_dispatch(world, WORKER).lease > 10);
	world_close(world);
}

/* After Unwatch's Done nothing of the watch is said, wherever it waited. */
static void
test_hub_push__unwatch(void **state)
{
	(void)state;
	for (int credit = 0; credit < 3; credit++) {
		for (int moment = 0; moment < 6; moment++) {
			struct world *world = world_open(0);
			world_mail(world, 1);
			say_open(world, OTHER, credit == 0 ? 0 : credit == 1 ? 60 : WINDOW);
			struct uuid run = hear_started(world, CLIENT,
			    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
			uint64_t watch = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, true, "");
			struct eng_fence fence = hear_dispatch(world, WORKER);
			say_log(world, WORKER, fence, "one");
			if (moment > 0)
				world_settle(world);
			if (moment > 1)
				say_complete(world, WORKER, fence, bytes_text("1"));
			if (moment > 2) {
				log_flush(world->shard.log);
				io_step(world->io, io_mono_ns(world->env) + NS_PER_S);
				world_turn(world);
			}
			if (moment > 3) { /* and one more, on the run that has ended */
				world_settle(world);
				watch = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, false, "");
			}
			if (moment > 4)
				world_turn(world);
			uint64_t done = say_unwatch(world, OTHER, watch);
			hear_done(world, OTHER, done);
			while (heard(world, OTHER, watch, FROE__ENVELOPE__BODY_RUN_EVENT) != NULL)
				;
			say_log(world, WORKER, fence, "two");
			say_credit(world, OTHER, WINDOW);
			world_settle(world);
			assert_null(heard(world, OTHER, watch, FROE__ENVELOPE__BODY_RUN_EVENT));
			assert_null(heard(world, OTHER, watch, FROE__ENVELOPE__BODY_ERROR));
			/* Others are served as before. */
			watch = say_of_run(world, OTHER, API_OP_RUN_WATCH, run, true, "");
			say_complete(world, WORKER, fence, bytes_text("1"));
			assert_int_equal(hear_end(world, OTHER, watch, NULL), ENG_COMPLETED);
			world_close(world);
		}
	}
}

static void
test_hub_push__too_many_watches(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 0);
	struct uuid run = hear_started(world, CLIENT,
	    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	for (uint32_t i = 0; i < FROE_WATCHES_MAX; i++)
		say_of_run(world, CLIENT, API_OP_RUN_WATCH, run, false, "");
	uint64_t request = say_of_run(world, CLIENT, API_OP_RUN_WATCH, run, false, "");
	assert_int_equal(hear_error(world, CLIENT, request), FROE_RESOURCE_EXHAUSTED);
	struct api_command again = command_of(world, CLIENT, API_OP_RUN_WATCH);
	say_unwatch(world, CLIENT, request - 1);
	again.origin.request = request - 2; /* in use */
	again.run.run = run;
	world_say(world, &again);
	assert_int_equal(hear_error(world, CLIENT, request - 2), FROE_RESOURCE_EXHAUSTED);
	again.origin.request = request - 1; /* free again */
	world_say(world, &again);
	assert_null(heard(world, CLIENT, request - 1, FROE__ENVELOPE__BODY_ERROR));
	request = say_run(world, CLIENT, "mail", bytes_text("{}"), true);
	assert_int_equal(hear_error(world, CLIENT, request), FROE_RESOURCE_EXHAUSTED);
	request = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	hear_started(world, CLIENT, request);
	say_close(world, CLIENT);
	assert_int_equal(world->hub.watches.count, 0);
	world_close(world);
}

/* -------------------------------------------------------------------------------------- workers */

/* The worker comes back on another connection, which is its own from then on. */
static void
test_hub_push__worker_on_a_second_connection(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 2);
	for (int r = 0; r < 3; r++)
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct eng_fence held = hear_dispatch(world, WORKER);
	struct eng_fence lapsed = hear_dispatch(world, WORKER);
	say_open(world, OTHER, WINDOW);
	struct eng_fence claims[2] = {held, {.task = held.task, .lease = 99}};
	uint64_t request = say_register(world, OTHER, 1, 1, MAIL_ACTIONS, 2, claims, 2);
	Froe__WorkerRegistered *registered =
	    hear_body(world, OTHER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	assert_int_equal(registered->number, 1);
	assert_int_equal(registered->n_lapsed, 1);
	assert_int_equal(registered->lapsed[0]->lease, 99);
	message_done(registered);
	/* What it did not claim is given to it anew, there; on the old connection it is nobody. */
	struct eng_fence again = hear_dispatch(world, OTHER);
	assert_true(uuid_equal(again.task, lapsed.task));
	assert_int_equal(again.lease, lapsed.lease + 1);
	request = say_heartbeat(world, WORKER);
	assert_int_equal(hear_error(world, WORKER, request), FROE_FAILED_PRECONDITION);
	request = say_complete(world, WORKER, held, bytes_text("1"));
	assert_int_equal(hear_error(world, WORKER, request), FROE_LEASE_LAPSED);
	say_close(world, WORKER);
	world_pass(world, 6000); /* the old one's end means nothing */
	request = say_heartbeat(world, OTHER);
	hear_done(world, OTHER, request);
	hear_done(world, OTHER, say_complete(world, OTHER, held, bytes_text("1")));
	hear_done(world, OTHER, say_complete(world, OTHER, again, bytes_text("1")));
	hear_dispatch(world, OTHER);
	assert_null(heard(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH));
	assert_int_equal(world->hub.stats.workers_lost, 0);
	world_close(world);
}

/* Its connection breaks: the grace, then its leases go to another. */
static void
test_hub_push__worker_grace(void **state)
{
	(void)state;
	for (int comes_back = 0; comes_back < 2; comes_back++) {
		struct world *world = world_open(0);
		world_mail(world, 1);
		say_open(world, OTHER, WINDOW);
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		struct eng_fence fence = hear_dispatch(world, WORKER);
		say_close(world, WORKER);
		say_register(world, OTHER, 2, 1, MAIL_ACTIONS, 1, NULL, 0);
		world_pass(world, 4800);
		assert_null(heard(world, OTHER, 0, FROE__ENVELOPE__BODY_DISPATCH));
		if (comes_back == 1) {
			say_open(world, WORKER, WINDOW);
			say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 1, &fence, 1);
			world_pass(world, 2000);
			assert_null(heard(world, OTHER, 0, FROE__ENVELOPE__BODY_DISPATCH));
			hear_done(world, WORKER,
			    say_complete(world, WORKER, fence, bytes_text("1")));
			assert_int_equal(world->hub.stats.workers_lost, 0);
		} else {
			world_pass(world, 300);
			struct eng_fence next = hear_dispatch(world, OTHER);
			assert_int_equal(next.lease, fence.lease + 1);
			assert_int_equal(world->hub.stats.workers_lost, 1);
		}
		world_close(world);
	}
}

/* Connected and silent; then one that beats, or works. */
static void
test_hub_push__worker_silence(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	for (int i = 0; i < 2; i++) {
		world_pass(world, 25000);
		uint64_t request = i % 2 == 0 ? say_heartbeat(world, WORKER)
		                              : say_log(world, WORKER, fence, "here");
		hear_done(world, WORKER, request);
	}
	assert_int_equal(world->hub.stats.workers_lost, 0);
	world_pass(world, 29800);
	assert_int_equal(world->hub.stats.workers_lost, 0);
	world_pass(world, 300);
	assert_int_equal(world->hub.stats.workers_lost, 1);
	uint64_t request = say_heartbeat(world, WORKER);
	assert_int_equal(hear_error(world, WORKER, request), FROE_FAILED_PRECONDITION);
	say_close(world, WORKER);
	world_pass(world, 100);
	world_close(world);
}

/* The process stood still: a worker gets the time of one more beat. */
static void
test_hub_push__worker_after_a_pause(void **state)
{
	(void)state;
	for (int beats = 0; beats < 2; beats++) {
		struct world *world = world_open(0);
		world_mail(world, 1);
		world_settle(world);
		sim_advance(world->env, 100 * NS_PER_S);
		world_turn(world);
		world_turn(world);
		assert_int_equal(world->hub.stats.workers_lost, 0);
		if (beats == 1)
			say_heartbeat(world, WORKER);
		world_pass(world, 4200);
		assert_int_equal(world->hub.stats.workers_lost, beats == 1 ? 0 : 1);
		world_close(world);
	}
}

/* One connection, another worker on it, and another incarnation: the newest is its worker. */
static void
test_hub_push__two_workers_on_one_connection(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	uint64_t request = say_register(world, WORKER, 2, 1, MAIL_ACTIONS, 1, NULL, 0);
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	world_pass(world, 6000); /* the first one is lost: its connection has gone to another */
	assert_int_equal(world->hub.stats.workers_lost, 1);
	hear_done(world, WORKER, say_heartbeat(world, WORKER));
	request = say_register(world, WORKER, 2, 2, MAIL_ACTIONS, 1, NULL, 0);
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
	hear_done(world, WORKER, say_heartbeat(world, WORKER));
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	hear_done(world, WORKER,
	    say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1")));
	struct eng_command leave = {.type = ENG_CMD_WORKER_LEAVE};
	hear_done(world, WORKER, say_engine(world, WORKER, &leave, false));
	request = say_heartbeat(world, WORKER);
	assert_int_equal(hear_error(world, WORKER, request), FROE_FAILED_PRECONDITION);
	world_close(world);
}

/* After a restart each known worker has the grace, and keeps its leases if it comes. */
static void
test_hub_push__worker_after_a_restart(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 1);
	say_open(world, OTHER, WINDOW);
	say_register(world, OTHER, 2, 1, MAIL_ACTIONS, 1, NULL, 0);
	for (int r = 0; r < 2; r++)
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	struct eng_fence first = hear_dispatch(world, WORKER);
	struct eng_fence second = hear_dispatch(world, OTHER);
	world_settle(world);
	world_stop(world);
	sim_crash(world->env);
	world->promise_count = 0;
	world_start(world);
	say_open(world, WORKER, WINDOW);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 1, &first, 1);
	world_pass(world, 4800);
	assert_int_equal(world->hub.stats.workers_lost, 0);
	world_pass(world, 400);
	assert_int_equal(world->hub.stats.workers_lost, 1);
	hear_done(world, WORKER, say_complete(world, WORKER, first, bytes_text("1")));
	struct eng_fence again = hear_dispatch(world, WORKER);
	assert_true(uuid_equal(again.task, second.task));
	world_close(world);
}

/* ------------------------------------------------------------------------------- closing, dice */

/* A connection closes after each possible number of steps, whatever is under way for it. */
static void
test_hub_push__close_at_each_moment(void **state)
{
	const uint64_t conns[] = {CLIENT, WORKER, OTHER};
	(void)state;
	for (int moment = 0; moment < 45; moment++) {
		struct world *world = world_open(moment % 2 == 0 ? 0 : 300);
		world_mail(world, 3);
		say_open(world, OTHER, moment % 4 < 2 ? WINDOW : 300);
		struct uuid old = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("{}"), false));
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
		struct uuid run = hear_started(world, CLIENT,
		    say_run(world, CLIENT, "mail", bytes_text("\"x\""), true));
		for (int i = 0; i < 5; i++) {
			say_run(world, CLIENT, "mail", bytes_text("\"x\""), true);
			say_of_run(world, OTHER, API_OP_RUN_WATCH, run, true, "");
			say_of_run(world, OTHER, API_OP_RUN_WATCH, old, i % 2 == 0, "");
			say_of_run(world, OTHER, API_OP_RUN_GET, i % 2 == 0 ? run : old, true, "");
			say_list(world, OTHER, 0, 10, 0, 0);
		}
		struct eng_fence fence = hear_dispatch(world, WORKER);
		say_fail(world, WORKER, fence, "again");
		for (int i = 0; i < moment / 3 * 2; i++) {
			io_step(world->io, io_mono_ns(world->env) + 15000);
			world_turn(world);
		}
		say_close(world, conns[moment % 3]);
		size_t before = world->message_count;
		world_settle(world);
		for (size_t i = before; i < world->message_count; i++)
			assert_true(world->messages[i].conn != conns[moment % 3] ||
			    world->messages[i].number != FROE__ENVELOPE__BODY_DISPATCH);
		say_open(world, conns[moment % 3] + (1u << 24), WINDOW);
		world_settle(world);
		world_close(world);
	}
}

static uint64_t
dice(uint64_t *seed, uint64_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (*seed >> 33) % below;
}

struct game {
	struct world *world;
	uint64_t seed;
	uint64_t conn[4]; /* 0: closed */
	uint64_t generation;
	struct uuid runs[16];
	uint64_t watches[16];
	size_t run_count;
	uint64_t granted[4];
};

static void
game_open(struct game *game, size_t i)
{
	uint64_t window = dice(&game->seed, 3) == 0 ? WINDOW : dice(&game->seed, 500);
	game->conn[i] = api_conn_handle((uint8_t)(i % 2), (uint32_t)++game->generation,
	    (uint32_t)i);
	game->granted[i] = window;
	say_open(game->world, game->conn[i], window);
	if (i >= 2) {
		static const char *const actions[] = {"mail:send", "fan:a", "fan:b", "fan:join",
		    NULL};
		struct eng_fence held[4];
		uint32_t count = (uint32_t)dice(&game->seed, 5);
		for (uint32_t h = 0; h < count; h++) {
			held[h].task = uuid_task(game->runs[dice(&game->seed, 16)],
			    (uint32_t)dice(&game->seed, 3));
			held[h].lease = 1 + dice(&game->seed, 3);
		}
		say_register(game->world, game->conn[i], (uint8_t)(1 + dice(&game->seed, 2)),
		    dice(&game->seed, 2), actions, 3, held, count);
	}
}

/* The newest dispatch of a worker's connection: completed, failed, logged. */
static void
game_work(struct game *game, uint64_t conn)
{
	struct message *message = heard(game->world, conn, 0, FROE__ENVELOPE__BODY_DISPATCH);
	if (message == NULL)
		return;
	Froe__Dispatch *dispatch = message_body(message);
	struct eng_fence fence = fence_of(dispatch);
	message_done(dispatch);
	if (dice(&game->seed, 3) == 0)
		say_log(game->world, conn, fence, "line");
	if (dice(&game->seed, 4) == 0)
		say_fail(game->world, conn, fence, "error");
	else
		say_complete(game->world, conn, fence, bytes_text("{\"o\":1}"));
}

static void
game_ask(struct game *game, uint64_t conn)
{
	struct world *world = game->world;
	size_t at = dice(&game->seed, 16);
	struct uuid run = game->runs[at];
	switch (dice(&game->seed, 8)) {
	case 0:
		say_of_run(world, conn, API_OP_RUN_GET, run, dice(&game->seed, 2) == 0, "");
		return;
	case 1:
	case 2:
		game->watches[at] = say_of_run(world, conn, API_OP_RUN_WATCH, run,
		    dice(&game->seed, 2) == 0, "");
		return;
	case 3:
		say_unwatch(world, conn, game->watches[at]);
		return;
	case 4:
		say_of_run(world, conn, API_OP_OUTPUT_GET, run, false, "send");
		return;
	case 5:
		say_list(world, conn, (uint32_t)dice(&game->seed, 64), 5, dice(&game->seed, 20), 0);
		return;
	case 6:
		say_heartbeat(world, conn);
		return;
	default:
		say_cancel(world, conn, run);
		return;
	}
}

static void
game_start(struct game *game, uint64_t conn)
{
	struct uuid run = {{(uint8_t)game->run_count, (uint8_t)(game->run_count >> 8), 1, 0, 0, 0,
	    0x70, 0, 0x80}};
	struct eng_command engine = {
	    .type = ENG_CMD_RUN_START,
	    .run_start =
	        {
	            .workflow = bytes_text(dice(&game->seed, 2) == 0 ? "mail" : "fan"),
	            .run = run,
	            .input = bytes_text("{\"i\":1}"),
	        },
	};
	game->runs[game->run_count++ % 16] = run;
	say_engine(game->world, conn, &engine, dice(&game->seed, 2) == 0);
}

static void
game_step(struct game *game)
{
	size_t i = dice(&game->seed, 4);
	uint64_t conn = game->conn[i], grant = dice(&game->seed, 400);
	if (conn == 0) {
		game_open(game, i);
		return;
	}
	switch (dice(&game->seed, 12)) {
	case 0:
		if (dice(&game->seed, 3) == 0) {
			say_close(game->world, conn);
			game->conn[i] = 0;
		}
		return;
	case 1:
	case 2:
		say_credit(game->world, conn, grant);
		game->granted[i] += grant;
		return;
	case 3:
	case 4:
		game_start(game, conn);
		return;
	case 5:
	case 6:
		game_ask(game, conn);
		return;
	case 7:
		sim_advance(game->world->env, dice(&game->seed, 3000) * NS_PER_MS);
		world_turn(game->world);
		return;
	case 8:
	case 9:
		game_work(game, conn);
		return;
	default:
		io_step(game->world->io, io_mono_ns(game->world->env) + dice(&game->seed, 200000));
		world_turn(game->world);
		return;
	}
}

static void
test_hub_push__games(void **state)
{
	static const struct flow_task fan[] = {
	    {.name = "a", .retries = 1}, {.name = "b"},
	    {.name = "join", .parents = {"a", "b"}},
	};
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		static const size_t caches[] = {1 << 20, 0, 400};
		struct game game = {.world = world_open(caches[seed % 3]), .seed = seed};
		say_open(game.world, CLIENT, WINDOW);
		say_flow(game.world, CLIENT, "mail", MAIL, 1);
		say_flow(game.world, CLIENT, "fan", fan, 3);
		for (int step = 0; step < 1200; step++) {
			game_step(&game);
			for (size_t i = 0; i < 4; i++) {
				if (game.conn[i] != 0)
					assert_true(world_pushed(game.world, game.conn[i]) <=
					    game.granted[i]);
			}
			if (step % 100 == 0)
				eng_check(game.world->shard.eng);
		}
		world_settle(game.world);
		assert_true(game.world->hub.stats.dispatches > 5);
		world_close(game.world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_push__window_and_credit),
	    cmocka_unit_test(test_hub_push__larger_than_the_window),
	    cmocka_unit_test(test_hub_push__revocations_overtake),
	    cmocka_unit_test(test_hub_push__slow_watcher),
	    cmocka_unit_test(test_hub_push__changes),
	    cmocka_unit_test(test_hub_push__watch_of_an_ended_run),
	    cmocka_unit_test(test_hub_push__watch_of_a_run_that_goes_on),
	    cmocka_unit_test(test_hub_push__end_after_the_run_is_forgotten),
	    cmocka_unit_test(test_hub_push__slow_waiter),
	    cmocka_unit_test(test_hub_push__slow_worker),
	    cmocka_unit_test(test_hub_push__unwatch),
	    cmocka_unit_test(test_hub_push__too_many_watches),
	    cmocka_unit_test(test_hub_push__worker_on_a_second_connection),
	    cmocka_unit_test(test_hub_push__worker_grace),
	    cmocka_unit_test(test_hub_push__worker_silence),
	    cmocka_unit_test(test_hub_push__worker_after_a_pause),
	    cmocka_unit_test(test_hub_push__two_workers_on_one_connection),
	    cmocka_unit_test(test_hub_push__worker_after_a_restart),
	    cmocka_unit_test(test_hub_push__close_at_each_moment),
	    cmocka_unit_test(test_hub_push__games),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
