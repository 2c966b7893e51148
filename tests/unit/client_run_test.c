#include "client_fake.h"

#include "client/client_int.h"
#include "froe/froe.h"

#define WAIT_MS 10000

static struct froe_client *
client_open(struct fake *fake, bool no_thread)
{
	struct froe_client_options options = {.address = fake->address, .no_thread = no_thread};
	struct froe_client *client = NULL;
	struct froe_error error;
	fake_start(fake);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		fail_msg("open: %s", error.text);
	return client;
}

/* ------------------------------------------------------------------------------ connecting */

static void
test_client__open_without_server_says_where(void **state)
{
	(void)state;
	struct fake fake;
	fake_open(&fake, NULL, NULL);
	char address[32];
	memcpy(address, fake.address, sizeof(address));
	fake_start(&fake);
	fake_close(&fake); /* the port is free again */
	struct froe_client_options options = {.address = address};
	struct froe_client *client = NULL;
	struct froe_error error = {0};
	assert_int_equal(froe_client_open(&options, &client, &error), FROE_UNAVAILABLE);
	assert_null(client);
	assert_non_null(strstr(error.text, address));
	assert_non_null(strstr(error.text, "refused"));
}

static void
test_client__open_refuses_a_malformed_address(void **state)
{
	(void)state;
	const char *bad[] = {
	    "localhost", "127.0.0.1:0", "127.0.0.1:99999", ":7077", "[::1:7077", "a:b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct froe_client_options options = {.address = bad[i]};
		struct froe_client *client;
		struct froe_error error = {0};
		assert_int_equal(
		    froe_client_open(&options, &client, &error), FROE_INVALID_ARGUMENT);
		assert_string_equal(error.field, "address");
	}
}

static void
test_client__open_passes_on_the_servers_refusal(void **state)
{
	(void)state;
	struct fake fake;
	fake_open(&fake, NULL, NULL);
	fake.refuse = "tenant paused";
	fake_start(&fake);
	struct froe_client_options options = {.address = fake.address, .open_ms = 60000};
	struct froe_client *client;
	struct froe_error error = {0};
	assert_int_equal(froe_client_open(&options, &client, &error), FROE_DENIED);
	assert_string_equal(error.text, "tenant paused");
	fake_close(&fake);
}

/* ------------------------------------------------------------------------- start and await */

static bool
script_runs(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_START) {
		fake_started(fake, envelope->request, envelope->run_start->run, 7);
		if (envelope->run_start->wait)
			fake_event(fake, envelope->request, envelope->run_start->run,
			    FROE__RUN_STATUS__COMPLETED, "[1]");
	} else if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_WATCH) {
		fake_event(fake, envelope->request, envelope->run_watch->run,
		    FROE__RUN_STATUS__FAILED, "{}");
	} else {
		fake_error(fake, envelope->request, FROE_UNSUPPORTED, "not in the script");
	}
	return true;
}

static void
test_client__start_and_await(void **state)
{
	(void)state;
	for (int no_thread = 0; no_thread < 2; no_thread++) {
		struct fake fake;
		fake_open(&fake, script_runs, NULL);
		struct froe_client *client = client_open(&fake, no_thread != 0);
		struct froe_run_options options = {.workflow = "order"};
		struct froe_started started;
		struct froe_event *end;
		assert_int_equal(
		    froe_run_start(client, &options, WAIT_MS, &started, NULL), FROE_OK);
		assert_int_equal(started.number, 7);
		assert_int_equal(started.position.size, 8);
		assert_int_equal(started.run.bytes[6] >> 4, 7); /* a UUIDv7 */
		assert_int_equal(started.run.bytes[15], 0);
		assert_int_equal(froe_run_await(client, started.run, WAIT_MS, &end, NULL), FROE_OK);
		assert_int_equal(end->status, FROE_RUN_FAILED);
		assert_memory_equal(&end->run, &started.run, sizeof(end->run));
		assert_int_equal(froe_client_pending(client), 0);
		froe_event_free(end);
		froe_client_close(client);
		fake_close(&fake);
	}
}

struct tally {
	unsigned started, ended, failed;
};

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct tally *tally = context;
	assert_true((started == NULL) != (error == NULL));
	tally->started += error == NULL;
	tally->failed += error != NULL;
}

static void
on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct tally *tally = context;
	if (error != NULL) {
		tally->failed++;
		return;
	}
	assert_true(event->final);
	assert_memory_equal(event->result.data, "[1]", 3);
	tally->ended++;
}

/* Many more than may be under way at once: the rest waits in the queue. */
static void
test_client__pipelines_thousands_from_one_thread(void **state)
{
	(void)state;
	struct fake fake;
	struct tally tally = {0};
	fake_open(&fake, script_runs, NULL);
	fake.requests_max = 64;
	struct froe_client *client = client_open(&fake, /* no_thread= */ true);
	struct froe_run_options options = {.workflow = "w", .input = {.data = "{}", .size = 2}};
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(
		    froe_run_start_async(client, &options, on_started, on_end, &tally, NULL),
		    FROE_OK);
	}
	while (tally.ended < 3000)
		assert_int_equal(froe_client_step(client, WAIT_MS, NULL), FROE_OK);
	assert_int_equal(tally.started, 3000);
	assert_int_equal(tally.failed, 0);
	assert_int_equal(froe_client_pending(client), 0);
	froe_client_close(client);
	fake_close(&fake);
}

/* Without a wait there is no question whether something is there: it is simply received. */
static void
test_client__steps_that_do_not_wait(void **state)
{
	(void)state;
	struct fake fake;
	struct tally tally = {0};
	fake_open(&fake, script_runs, NULL);
	struct froe_client *client = client_open(&fake, /* no_thread= */ true);
	struct froe_run_options options = {.workflow = "w", .input = {.data = "{}", .size = 2}};
	uint64_t heard_ns = client->heard_ns;
	for (int i = 0; i < 10; i++)
		assert_int_equal(froe_client_step(client, 0, NULL), FROE_OK);
	assert_true(client->heard_ns == heard_ns); /* nothing was: it would hide a dead server */
	assert_int_equal(froe_run_start_async(client, &options, on_started, on_end, &tally, NULL),
	    FROE_OK);
	while (tally.ended < 1)
		assert_int_equal(froe_client_step(client, 0, NULL), FROE_OK);
	assert_true(client->heard_ns > heard_ns);
	fake_cut(&fake);
	while (froe_client_connected(client))
		assert_int_equal(froe_client_step(client, 0, NULL), FROE_OK);
	froe_client_close(client);
	fake_close(&fake);
}

struct nest {
	struct froe_client *client;
	enum froe_err blocking;
	enum froe_err stepping;
	bool done;
};

static void
on_nested(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct nest *nest = context;
	struct froe_run_options options = {.workflow = "w"};
	(void)started;
	assert_null(error);
	nest->blocking = froe_run_start(nest->client, &options, WAIT_MS, NULL, NULL);
	nest->stepping = froe_client_step(nest->client, 0, NULL);
	nest->done = true;
}

static void
test_client__a_callback_may_not_wait(void **state)
{
	(void)state;
	struct fake fake;
	fake_open(&fake, script_runs, NULL);
	struct nest nest = {.client = client_open(&fake, /* no_thread= */ true)};
	struct froe_run_options options = {.workflow = "w"};
	assert_int_equal(froe_run_start_async(nest.client, &options, on_nested, NULL, &nest, NULL),
	    FROE_OK);
	while (!nest.done)
		froe_client_step(nest.client, WAIT_MS, NULL);
	assert_int_equal(nest.blocking, FROE_FAILED_PRECONDITION);
	assert_int_equal(nest.stepping, FROE_FAILED_PRECONDITION);
	froe_client_close(nest.client);
	fake_close(&fake);
}

static void
test_client__a_payload_over_its_limit_is_refused_here(void **state)
{
	(void)state;
	struct fake fake;
	struct froe_error error;
	fake_open(&fake, script_runs, NULL);
	struct froe_client *client = client_open(&fake, false);
	struct froe_run_options options = {.workflow = "w",
	    .input = {.data = "x", .size = FROE_PAYLOAD_BYTES_MAX + 1}};
	assert_int_equal(froe_run_start(client, &options, WAIT_MS, NULL, &error), FROE_TOO_LARGE);
	assert_int_equal(fake_count(&fake, FROE__ENVELOPE__BODY_RUN_START), 0);
	froe_client_close(client);
	fake_close(&fake);
}

/* ------------------------------------------------------------------------ lost connections */

/* Cuts the connection at the first of a kind; answers the second. */
struct cut {
	unsigned seen;
	uint8_t run[16];
	enum froe_err again; /* what the second RunStart is told */
};

static bool
script_cut(struct fake *fake, const Froe__Envelope *envelope)
{
	struct cut *cut = fake->context;
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_START) {
		assert_int_equal(envelope->run_start->run.len, 16);
		if (cut->seen++ == 0) {
			memcpy(cut->run, envelope->run_start->run.data, 16);
			return false;
		}
		assert_memory_equal(cut->run, envelope->run_start->run.data, 16);
		fake_error(fake, envelope->request, cut->again, "it is known");
	} else if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_WATCH) {
		if (fake->connections < 3 && cut->seen != 2)
			return false;
		fake_event(fake, envelope->request, envelope->run_watch->run,
		    FROE__RUN_STATUS__COMPLETED, "[1]");
	} else {
		return false;
	}
	return true;
}

static void
test_client__a_start_of_unknown_outcome_is_repeated(void **state)
{
	(void)state;
	struct fake fake;
	struct cut cut = {.again = FROE_ALREADY_EXISTS};
	fake_open(&fake, script_cut, &cut);
	struct froe_client *client = client_open(&fake, false);
	struct froe_run_options options = {.workflow = "w"};
	struct froe_started started;
	struct froe_error error;
	assert_int_equal(froe_run_start(client, &options, WAIT_MS, &started, &error), FROE_OK);
	assert_int_equal(started.number, 0); /* not known */
	assert_memory_equal(started.run.bytes, cut.run, 16);
	assert_int_equal(fake.connections, 2);
	froe_client_close(client);
	fake_close(&fake);
}

static void
test_client__a_repeated_start_still_hears_of_its_end(void **state)
{
	(void)state;
	struct fake fake;
	struct cut cut = {.again = FROE_ALREADY_EXISTS};
	struct tally tally = {0};
	fake_open(&fake, script_cut, &cut);
	struct froe_client *client = client_open(&fake, /* no_thread= */ true);
	struct froe_run_options options = {.workflow = "w"};
	assert_int_equal(froe_run_start_async(client, &options, on_started, on_end, &tally, NULL),
	    FROE_OK);
	while (tally.ended == 0)
		froe_client_step(client, WAIT_MS, NULL);
	assert_int_equal(tally.started, 1);
	assert_int_equal(tally.failed, 0);
	froe_client_close(client);
	fake_close(&fake);
}

static void
test_client__a_callers_own_id_that_exists_is_an_error(void **state)
{
	(void)state;
	struct fake fake;
	struct cut cut = {.seen = 1, .again = FROE_ALREADY_EXISTS};
	fake_open(&fake, script_cut, &cut);
	struct froe_client *client = client_open(&fake, false);
	struct froe_run_options options = {
	    .workflow = "w", .id = {{1, 2, 3, 4, 5, 6, 0x70, 0, 0x80}}};
	memcpy(cut.run, options.id.bytes, 16);
	struct froe_error error;
	assert_int_equal(
	    froe_run_start(client, &options, WAIT_MS, NULL, &error), FROE_ALREADY_EXISTS);
	assert_string_equal(error.text, "it is known");
	froe_client_close(client);
	fake_close(&fake);
}

static void
test_client__an_await_survives_restarts(void **state)
{
	(void)state;
	struct fake fake;
	struct cut cut = {0};
	fake_open(&fake, script_cut, &cut);
	struct froe_client *client = client_open(&fake, false);
	struct froe_id run = {{9}};
	struct froe_event *end;
	assert_int_equal(froe_run_await(client, run, WAIT_MS, &end, NULL), FROE_OK);
	assert_int_equal(end->status, FROE_RUN_COMPLETED);
	assert_int_equal(fake.connections, 3);
	froe_event_free(end);
	froe_client_close(client);
	fake_close(&fake);
}

/* The index is being made anew when the run is asked about; then it knows the end. */
static bool
script_behind(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case != FROE__ENVELOPE__BODY_RUN_WATCH)
		return true;
	if (fake_count(fake, FROE__ENVELOPE__BODY_RUN_WATCH) < 2)
		fake_error(fake, envelope->request, FROE_INDEX_BEHIND, "later");
	else
		fake_event(fake, envelope->request, envelope->run_watch->run,
		    FROE__RUN_STATUS__COMPLETED, "1");
	return true;
}

static void
test_client__a_watch_waits_for_the_index(void **state)
{
	(void)state;
	for (int no_thread = 0; no_thread < 2; no_thread++) {
		struct fake fake;
		struct froe_event *end;
		struct froe_error error;
		struct froe_id run = {{1}};
		fake_open(&fake, script_behind, NULL);
		struct froe_client *client = client_open(&fake, no_thread != 0);
		assert_int_equal(froe_run_await(client, run, 20, &end, &error), FROE_TIMEOUT);
		assert_int_equal(froe_run_await(client, run, WAIT_MS, &end, &error), FROE_OK);
		assert_int_equal(end->status, FROE_RUN_COMPLETED);
		froe_event_free(end);
		froe_client_close(client);
		fake_close(&fake);
	}
}

static bool
script_silent(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_WATCH)
		fake->watch = envelope->request;
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_UNWATCH) {
		assert_int_equal(envelope->run_unwatch->watch, fake->watch);
		/* Too late: events that crossed the unwatch are dropped. */
		fake_event(fake, fake->watch, wire_bytes("0123456789abcdef", 16),
		    FROE__RUN_STATUS__FAILED, "1");
		fake_done(fake, envelope->request);
	}
	return true;
}

static void
test_client__a_call_times_out_and_its_late_answer_is_ignored(void **state)
{
	(void)state;
	for (int no_thread = 0; no_thread < 2; no_thread++) {
		struct fake fake;
		struct froe_event *end;
		struct froe_error error;
		struct froe_id run = {{1}};
		fake_open(&fake, script_silent, NULL);
		struct froe_client *client = client_open(&fake, no_thread != 0);
		assert_int_equal(froe_run_cancel(client, run, "why", 30, &error), FROE_TIMEOUT);
		assert_non_null(strstr(error.text, "unknown"));
		assert_int_equal(froe_run_await(client, run, 30, &end, &error), FROE_TIMEOUT);
		while (no_thread != 0 && fake_count(&fake, FROE__ENVELOPE__BODY_RUN_UNWATCH) == 0)
			froe_client_step(client, 10, NULL);
		fake_await(&fake, &fake.counts[FROE__ENVELOPE__BODY_RUN_UNWATCH], 1);
		froe_client_close(client);
		fake_close(&fake);
	}
}

static void
test_client__close_ends_what_is_under_way(void **state)
{
	(void)state;
	for (int no_thread = 0; no_thread < 2; no_thread++) {
		struct fake fake;
		struct tally tally = {0};
		fake_open(&fake, script_silent, NULL);
		struct froe_client *client = client_open(&fake, no_thread != 0);
		struct froe_run_options options = {.workflow = "w"};
		for (int i = 0; i < 10; i++) {
			assert_int_equal(froe_run_start_async(
					     client, &options, on_started, on_end, &tally, NULL),
			    FROE_OK);
		}
		froe_client_close(client);
		assert_int_equal(tally.failed, 10);
		assert_int_equal(tally.ended, 0);
		fake_close(&fake);
	}
}

static bool
script_garbage(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_GET) {
		/* First a frame that is no message, then one of a size that no frame has. */
		const char *bytes =
		    fake->connections == 1 ? "\2\0\0\0\xff\xff" : "\xff\xff\xff\x7f";
		if (fake->connections <= 2)
			fake_raw_send(fake, bytes, fake->connections == 1 ? 6 : 4);
		else
			fake_error(fake, envelope->request, FROE_NOT_FOUND, "no such run");
	}
	return true;
}

static void
test_client__garbage_is_met_with_a_new_connection(void **state)
{
	(void)state;
	struct fake fake;
	struct froe_error error;
	struct froe_run_view *view;
	struct froe_id run = {{1}};
	fake_open(&fake, script_garbage, NULL);
	struct froe_client *client = client_open(&fake, false);
	assert_int_equal(froe_run_get(client, run, false, WAIT_MS, &view, &error), FROE_NOT_FOUND);
	assert_string_equal(error.text, "no such run");
	assert_int_equal(fake.connections, 3);
	froe_client_close(client);
	fake_close(&fake);
}

/* After Goaway nothing new is sent, but what was read before is still answered. */
static bool
script_goaway(struct fake *fake, const Froe__Envelope *envelope)
{
	Froe__Goaway goaway = FROE__GOAWAY__INIT;
	if (fake->connections > 1) {
		fake_done(fake, envelope->request);
		return true;
	}
	if (fake->counts[FROE__ENVELOPE__BODY_RUN_CANCEL] > 0)
		fail_msg("a request after Goaway");
	fake_send(fake, 0, FROE__ENVELOPE__BODY_GOAWAY, &goaway);
	fake_done(fake, envelope->request);
	return true;
}

static void
test_client__goaway_lets_answers_through_and_holds_requests(void **state)
{
	(void)state;
	struct fake fake;
	struct froe_id run = {{1}};
	fake_open(&fake, script_goaway, NULL);
	struct froe_client *client = client_open(&fake, false);
	assert_int_equal(froe_run_cancel(client, run, NULL, WAIT_MS, NULL), FROE_OK);
	assert_int_equal(fake.connections, 1);
	assert_int_equal(froe_run_cancel(client, run, NULL, 50, NULL), FROE_TIMEOUT);
	fake_cut(&fake);
	assert_int_equal(froe_run_cancel(client, run, NULL, WAIT_MS, NULL), FROE_OK);
	assert_int_equal(fake.connections, 2);
	froe_client_close(client);
	fake_close(&fake);
}

/* ---------------------------------------------------------------------------- flow control */

static void
on_change(void *context, const struct froe_event *event, const struct froe_error *error)
{
	unsigned *count = context;
	assert_null(error);
	(*count)++;
	if (!event->final)
		assert_string_equal(event->change, "queued");
}

/* 4096 pushes of 4 KiB are twice the window: the client has to grant. */
static bool
script_flood(struct fake *fake, const Froe__Envelope *envelope)
{
	static char padding[4096];
	if (envelope->body_case != FROE__ENVELOPE__BODY_RUN_WATCH)
		return true;
	memset(padding, 'x', sizeof(padding) - 1);
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	event.error = padding;
	event.change = wire_text("queued");
	for (int i = 0; i < 4096; i++)
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_RUN_EVENT, &event);
	fake_event(
	    fake, envelope->request, envelope->run_watch->run, FROE__RUN_STATUS__COMPLETED, "1");
	return true;
}

static void
test_client__grants_credit_for_what_it_consumed(void **state)
{
	(void)state;
	struct fake fake;
	unsigned count = 0;
	struct froe_id run = {{1}};
	fake_open(&fake, script_flood, NULL);
	struct froe_client *client = client_open(&fake, /* no_thread= */ true);
	assert_int_equal(froe_run_watch(client, run, true, on_change, &count, NULL, NULL), FROE_OK);
	while (count < 4097)
		assert_int_equal(froe_client_step(client, WAIT_MS, NULL), FROE_OK);
	for (int i = 0; i < 100; i++) { /* the last grant is still on its way to the fake */
		froe_client_step(client, 1, NULL);
		pthread_mutex_lock(&fake.lock);
		bool enough = fake.credit >= fake.pushed + FROE_MESSAGE_BYTES_MAX;
		pthread_mutex_unlock(&fake.lock);
		if (enough)
			break;
	}
	/* Never more than consumed and the window; always room for one largest message. */
	assert_true(fake.credit <= fake.pushed + (8u << 20));
	assert_true(fake.credit >= fake.pushed + FROE_MESSAGE_BYTES_MAX);
	froe_client_close(client);
	fake_close(&fake);
}

/* ----------------------------------------------------------------------------- definitions */

static bool
script_put(struct fake *fake, const Froe__Envelope *envelope)
{
	Froe__WorkflowDefinition *workflow = envelope->workflow_put->workflow;
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_WORKFLOW_PUT);
	if (strcmp(workflow->name, "bad") == 0) {
		Froe__Error error = FROE__ERROR__INIT;
		Froe__Fault one = FROE__FAULT__INIT, two = FROE__FAULT__INIT;
		Froe__Fault *faults[] = {&one, &two};
		one.field = wire_text("tasks[0].name");
		one.text = wire_text("is empty");
		two.field = wire_text("tasks[1].parents[0]");
		two.text = wire_text("no such task");
		error.has_code = true;
		error.code = FROE_INVALID_ARGUMENT;
		error.text = wire_text("2 faults");
		error.n_faults = 2;
		error.faults = faults;
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_ERROR, &error);
		return true;
	}
	assert_int_equal(workflow->n_tasks, 2);
	assert_string_equal(workflow->tasks[1]->parents[0], "a");
	assert_int_equal(workflow->tasks[1]->n_parents, 1);
	assert_int_equal(workflow->tasks[1]->backoff->kind, FROE__BACKOFF_KIND__BACKOFF_TABLE);
	assert_int_equal(workflow->tasks[1]->backoff->n_table_ms, 2);
	assert_int_equal(workflow->tasks[1]->backoff->table_ms[1], 20);
	assert_int_equal(workflow->tasks[0]->execution_timeout_ms, 500);
	assert_true(workflow->tasks[1]->on_failure);
	Froe__WorkflowPutDone done = FROE__WORKFLOW_PUT_DONE__INIT;
	done.has_version = done.has_created = true;
	done.version = 3;
	done.created = true;
	fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE, &done);
	return true;
}

static void
test_client__puts_definitions_and_tells_every_fault(void **state)
{
	(void)state;
	struct fake fake;
	struct froe_error error = {0};
	struct froe_workflow_version version;
	fake_open(&fake, script_put, NULL);
	struct froe_client *client = client_open(&fake, false);
	uint64_t table[] = {10, 20};
	struct froe_task_def tasks[] = {
	    {.name = "a", .execution_timeout_ms = 500},
	    {.name = "b", .parents = (const char *const[]){"a", NULL}, .on_failure = true,
	        .backoff = {.kind = FROE_BACKOFF_TABLE, .table_ms = table, .table_count = 2}},
	};
	struct froe_workflow workflow = {.name = "good", .tasks = tasks, .task_count = 2};
	assert_int_equal(froe_workflow_put(client, &workflow, WAIT_MS, &version, NULL), FROE_OK);
	assert_int_equal(version.version, 3);
	assert_true(version.created);
	workflow.name = "bad";
	assert_int_equal(froe_workflow_put(client, &workflow, WAIT_MS, NULL, &error),
	    FROE_INVALID_ARGUMENT);
	assert_string_equal(error.field, "tasks[0].name");
	assert_non_null(strstr(error.text, "tasks[1].parents[0]: no such task"));
	workflow.task_count = 0;
	assert_int_equal(froe_workflow_put(client, &workflow, WAIT_MS, NULL, &error),
	    FROE_INVALID_ARGUMENT);
	froe_client_close(client);
	fake_close(&fake);
}

/* ----------------------------------------------------------------------------------- views */

static bool
script_views(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_LIST) {
		Froe__RunPage page = FROE__RUN_PAGE__INIT;
		Froe__RunRow row = FROE__RUN_ROW__INIT;
		Froe__RunRow *rows[] = {&row};
		assert_int_equal(envelope->run_list->n_statuses, 2);
		assert_int_equal(envelope->run_list->statuses[1], FROE__RUN_STATUS__FAILED);
		assert_int_equal(envelope->run_list->before, 44);
		row.has_run = row.has_number = row.has_status = true;
		row.run = wire_bytes("0123456789abcdef", 16);
		row.number = 43;
		row.status = FROE__RUN_STATUS__FAILED;
		row.workflow = wire_text("order");
		page.n_rows = 1;
		page.rows = rows;
		page.has_next = true;
		page.next = 43;
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_RUN_PAGE, &page);
	} else if (envelope->body_case == FROE__ENVELOPE__BODY_RUN_GET) {
		Froe__RunView view = FROE__RUN_VIEW__INIT;
		Froe__TaskView task = FROE__TASK_VIEW__INIT;
		Froe__AttemptView attempt = FROE__ATTEMPT_VIEW__INIT;
		Froe__TaskView *tasks[] = {&task};
		Froe__AttemptView *attempts[] = {&attempt};
		char *log[] = {wire_text("one"), wire_text("two")};
		assert_true(envelope->run_get->payloads);
		attempt.has_lease = true;
		attempt.lease = 5;
		attempt.outcome = wire_text("lost");
		task.name = wire_text("charge");
		task.n_log = 2;
		task.log = log;
		task.has_output = true;
		task.output = wire_bytes("{\"a\":1}", 7);
		task.n_attempts = 1;
		task.attempts = attempts;
		view.n_tasks = 1;
		view.tasks = tasks;
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_RUN_VIEW, &view);
	} else if (envelope->body_case == FROE__ENVELOPE__BODY_TASK_OUTPUT_GET) {
		Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
		assert_string_equal(envelope->task_output_get->task, "charge");
		output.has_output = true;
		output.output = wire_bytes("[2]", 3);
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_TASK_OUTPUT, &output);
	}
	return true;
}

static void
test_client__lists_gets_and_fetches(void **state)
{
	(void)state;
	struct fake fake;
	struct froe_run_page *page;
	struct froe_run_view *view;
	void *data;
	size_t size;
	struct froe_id run = {{1}};
	fake_open(&fake, script_views, NULL);
	struct froe_client *client = client_open(&fake, /* no_thread= */ true);
	struct froe_list_options list = {.before = 44,
	    .statuses = 1u << FROE_RUN_RUNNING | 1u << FROE_RUN_FAILED};
	assert_int_equal(froe_run_list(client, &list, WAIT_MS, &page, NULL), FROE_OK);
	assert_int_equal(page->row_count, 1);
	assert_int_equal(page->next, 43);
	assert_string_equal(page->rows[0].workflow, "order");
	assert_int_equal(page->rows[0].status, FROE_RUN_FAILED);
	froe_run_page_free(page);
	assert_int_equal(froe_run_get(client, run, true, WAIT_MS, &view, NULL), FROE_OK);
	assert_int_equal(view->task_count, 1);
	assert_string_equal(view->tasks[0].log[1], "two");
	assert_int_equal(view->tasks[0].output.size, 7);
	assert_string_equal(view->tasks[0].attempts[0].outcome, "lost");
	assert_string_equal(view->tasks[0].error, ""); /* absent texts are empty */
	froe_run_view_free(view);
	assert_int_equal(
	    froe_output_get(client, run, "charge", WAIT_MS, &data, &size, NULL), FROE_OK);
	assert_int_equal(size, 3);
	froe_output_free(data);
	froe_client_close(client);
	fake_close(&fake);
}

/* --------------------------------------------------------------------------- many threads */

static void *
start_many(void *context)
{
	struct froe_client *client = context;
	struct froe_run_options options = {.workflow = "w"};
	uintptr_t failures = 0;
	for (int i = 0; i < 200; i++)
		failures += froe_run_start(client, &options, WAIT_MS, NULL, NULL) != FROE_OK;
	return (void *)failures;
}

static void
test_client__many_threads_share_a_client(void **state)
{
	(void)state;
	for (int no_thread = 0; no_thread < 2; no_thread++) {
		struct fake fake;
		pthread_t threads[4];
		fake_open(&fake, script_runs, NULL);
		struct froe_client *client = client_open(&fake, no_thread != 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, start_many, client), 0);
		for (int i = 0; i < 4; i++) {
			void *failures;
			pthread_join(threads[i], &failures);
			assert_null(failures);
		}
		fake_await(&fake, &fake.counts[FROE__ENVELOPE__BODY_RUN_START], 800);
		froe_client_close(client);
		fake_close(&fake);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_client__open_without_server_says_where),
	    cmocka_unit_test(test_client__open_refuses_a_malformed_address),
	    cmocka_unit_test(test_client__open_passes_on_the_servers_refusal),
	    cmocka_unit_test(test_client__start_and_await),
	    cmocka_unit_test(test_client__pipelines_thousands_from_one_thread),
	    cmocka_unit_test(test_client__steps_that_do_not_wait),
	    cmocka_unit_test(test_client__a_callback_may_not_wait),
	    cmocka_unit_test(test_client__a_payload_over_its_limit_is_refused_here),
	    cmocka_unit_test(test_client__a_start_of_unknown_outcome_is_repeated),
	    cmocka_unit_test(test_client__a_repeated_start_still_hears_of_its_end),
	    cmocka_unit_test(test_client__a_callers_own_id_that_exists_is_an_error),
	    cmocka_unit_test(test_client__an_await_survives_restarts),
	    cmocka_unit_test(test_client__a_watch_waits_for_the_index),
	    cmocka_unit_test(test_client__a_call_times_out_and_its_late_answer_is_ignored),
	    cmocka_unit_test(test_client__close_ends_what_is_under_way),
	    cmocka_unit_test(test_client__garbage_is_met_with_a_new_connection),
	    cmocka_unit_test(test_client__goaway_lets_answers_through_and_holds_requests),
	    cmocka_unit_test(test_client__grants_credit_for_what_it_consumed),
	    cmocka_unit_test(test_client__puts_definitions_and_tells_every_fault),
	    cmocka_unit_test(test_client__lists_gets_and_fetches),
	    cmocka_unit_test(test_client__many_threads_share_a_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
