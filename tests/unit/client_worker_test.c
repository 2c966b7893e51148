#include "client_fake.h"

#include "client/worker_int.h"

#include "base/fingerprint.h"
#include "froe/froe.h"

#include <poll.h>
#include <stdatomic.h>

#define WAIT_MS 10000

/* What the scripts have seen of a worker; guarded by the fake's lock where threads meet. */
struct stage {
	unsigned registered;
	unsigned results; /* TaskComplete and TaskFail */
	unsigned reported; /* on_result calls */
	enum froe_err last_err;
	unsigned held;      /* of the last registration */
	uint64_t lapse;     /* a lease that the next registration is told has lapsed */
	bool cut_results;   /* cut the connection instead of answering the first result */
	bool mute;          /* no heartbeat is answered */
	bool drained, left;
	char output[256];
	char error[256];
	bool fatal;
	uint64_t retry_after_ms;
	enum froe_err answer; /* to results; FROE_OK: Done */
	atomic_uint running, most, handled;
	atomic_bool go, saw_cancel, lease_valid;
	char reason[32];
	uint64_t spare_ns; /* between the time given to a handler and the worker's lapse */
	enum froe_err refresh;
};

static const uint8_t TASK[16] = {1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t RUN[16] = {1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0};

static void
script_register(struct fake *fake, const Froe__Envelope *envelope)
{
	struct stage *stage = fake->context;
	Froe__WorkerRegistered registered = FROE__WORKER_REGISTERED__INIT;
	Froe__HeldLease lease = FROE__HELD_LEASE__INIT;
	Froe__HeldLease *lapsed[] = {&lease};
	const Froe__WorkerRegister *message = envelope->worker_register;
	assert_int_equal(message->id.len, 16);
	assert_int_not_equal(message->incarnation, 0);
	stage->held = (unsigned)message->n_held;
	if (stage->lapse != 0) {
		lease.has_task = lease.has_lease = true;
		lease.task = wire_bytes(TASK, 16);
		lease.lease = stage->lapse;
		registered.n_lapsed = 1;
		registered.lapsed = lapsed;
	}
	fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_WORKER_REGISTERED, &registered);
	stage->registered++;
}

static bool
script_result(struct fake *fake, const Froe__Envelope *envelope)
{
	struct stage *stage = fake->context;
	bool complete = envelope->body_case == FROE__ENVELOPE__BODY_TASK_COMPLETE;
	stage->results++;
	if (complete) {
		snprintf(stage->output, sizeof(stage->output), "%.*s",
		    (int)envelope->task_complete->output.len, envelope->task_complete->output.data);
	} else {
		snprintf(stage->error, sizeof(stage->error), "%s", envelope->task_fail->error);
		stage->fatal = envelope->task_fail->fatal;
		stage->retry_after_ms = envelope->task_fail->retry_after_ms;
	}
	if (stage->cut_results && stage->results == 1)
		return false;
	if (stage->answer != FROE_OK && complete)
		fake_error(fake, envelope->request, stage->answer, "refused by the script");
	else
		fake_done(fake, envelope->request);
	return true;
}

static bool
script_worker(struct fake *fake, const Froe__Envelope *envelope)
{
	struct stage *stage = fake->context;
	Froe__WorkflowPutDone put = FROE__WORKFLOW_PUT_DONE__INIT;
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	switch ((int)envelope->body_case) {
	case FROE__ENVELOPE__BODY_WORKFLOW_PUT:
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE, &put);
		return true;
	case FROE__ENVELOPE__BODY_WORKER_REGISTER:
		script_register(fake, envelope);
		return true;
	case FROE__ENVELOPE__BODY_HEARTBEAT:
		if (!stage->mute)
			fake_done(fake, envelope->request);
		return true;
	case FROE__ENVELOPE__BODY_TASK_COMPLETE:
	case FROE__ENVELOPE__BODY_TASK_FAIL:
		return script_result(fake, envelope);
	case FROE__ENVELOPE__BODY_TASK_OUTPUT_GET:
		output.has_output = true;
		output.output = wire_bytes("\"fetched\"", 9);
		fake_send(fake, envelope->request, FROE__ENVELOPE__BODY_TASK_OUTPUT, &output);
		return true;
	case FROE__ENVELOPE__BODY_TASK_REFRESH:
		return false; /* its answer never comes */
	case FROE__ENVELOPE__BODY_WORKER_DRAIN:
		stage->drained = true;
		stage->left = stage->left || envelope->worker_drain->leave;
		fake_done(fake, envelope->request);
		return true;
	default:
		fake_done(fake, envelope->request);
		return true;
	}
}

static void
dispatch(struct fake *fake, uint64_t lease, uint8_t number)
{
	Froe__Dispatch message = FROE__DISPATCH__INIT;
	Froe__ParentOutput small = FROE__PARENT_OUTPUT__INIT, large = FROE__PARENT_OUTPUT__INIT;
	Froe__ParentOutput skipped = FROE__PARENT_OUTPUT__INIT;
	Froe__ParentOutput *parents[] = {&small, &large, &skipped};
	Froe__TaskError failure = FROE__TASK_ERROR__INIT;
	Froe__TaskError *errors[] = {&failure};
	uint8_t id[16];
	memcpy(id, TASK, 16);
	id[15] = number;
	small.task = wire_text("small");
	small.has_output = true;
	small.output = wire_bytes("{\"s\":1}", 7);
	large.task = wire_text("large");
	large.has_omitted = large.omitted = true;
	skipped.task = wire_text("skipped");
	skipped.has_skipped = skipped.skipped = true;
	failure.task = wire_text("charge");
	failure.error = wire_text("card refused");
	message.has_task = message.has_lease = message.has_attempt = message.has_timeout_ms = true;
	message.has_run = message.has_input = true;
	message.task = wire_bytes(id, 16);
	message.run = wire_bytes(RUN, 16);
	message.lease = lease;
	message.action = wire_text("w:t");
	message.workflow = wire_text("w");
	message.name = wire_text("t");
	message.attempt = 2;
	message.timeout_ms = 60000;
	message.input = wire_bytes("{\"i\":1}", 7);
	message.n_parents = 3;
	message.parents = parents;
	message.n_errors = 1;
	message.errors = errors;
	fake_send(fake, 0, FROE__ENVELOPE__BODY_DISPATCH, &message);
}

static void
on_result(void *context, struct froe_id task, uint32_t attempt, enum froe_err err)
{
	struct fake *fake = context;
	struct stage *stage = fake->context;
	assert_int_equal(attempt, 2);
	assert_memory_equal(task.bytes, TASK, 15);
	pthread_mutex_lock(&fake->lock);
	stage->reported++;
	stage->last_err = err;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

struct rig {
	struct fake fake;
	struct stage stage;
	struct froe_client *client;
	struct froe_worker *worker;
	bool threaded_pool; /* threads for handlers even if the client has none */
};

static void
rig_open(struct rig *rig, froe_handler *handler, uint32_t slots, bool inline_handlers)
{
	struct froe_error error;
	struct froe_client_options options = {.address = rig->fake.address,
	    .no_thread = inline_handlers};
	struct froe_worker_options worker_options = {.slots = slots, .on_result = on_result,
	    .context = &rig->fake, .inline_handlers = inline_handlers && !rig->threaded_pool};
	struct froe_task_def task = {.name = "t", .handler = handler, .context = rig};
	struct froe_workflow workflow = {.name = "w", .tasks = &task, .task_count = 1};
	fake_start(&rig->fake);
	assert_int_equal(froe_client_open(&options, &rig->client, &error), FROE_OK);
	assert_int_equal(
	    froe_worker_open(rig->client, &worker_options, &rig->worker, &error), FROE_OK);
	assert_int_equal(froe_worker_workflow(rig->worker, &workflow, &error), FROE_OK);
	if (froe_worker_start(rig->worker, WAIT_MS, &error) != FROE_OK)
		fail_msg("start: %s", error.text);
}

static void
rig_close(struct rig *rig)
{
	froe_worker_close(rig->worker);
	froe_client_close(rig->client);
	fake_close(&rig->fake);
}

/* ---------------------------------------------------------------------------- what it sees */

static enum froe_err
handler_looks(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	struct froe_bytes output;
	struct froe_error error;
	const char *failed, *text;
	assert_string_equal(froe_task_name(task), "t");
	assert_string_equal(froe_task_workflow(task), "w");
	assert_int_equal(froe_task_attempt(task), 2);
	assert_int_equal(froe_task_lease(task), 5);
	assert_memory_equal(froe_task_input(task).data, "{\"i\":1}", 7);
	assert_memory_equal(froe_task_id(task).bytes, TASK, 16);
	assert_memory_equal(froe_task_run(task).bytes, RUN, 16);
	assert_int_equal(froe_task_parent(task, "small", &output, NULL), FROE_OK);
	assert_memory_equal(output.data, "{\"s\":1}", 7);
	assert_int_equal(froe_task_parent(task, "large", &output, NULL), FROE_OK);
	assert_memory_equal(output.data, "\"fetched\"", 9);
	assert_int_equal(froe_task_parent(task, "skipped", &output, NULL), FROE_OK);
	assert_int_equal(output.size, 0);
	assert_int_equal(froe_task_parent(task, "none", &output, &error), FROE_NOT_FOUND);
	assert_true(froe_task_failure(task, 0, &failed, &text));
	assert_string_equal(text, "card refused");
	assert_false(froe_task_failure(task, 1, &failed, &text));
	assert_in_range(froe_task_left_ms(task), 1, 60000);
	assert_false(froe_task_cancelled(task));
	assert_true(froe_task_lease_valid(task));
	assert_int_equal(froe_task_log(task, "a line", NULL), FROE_OK);
	assert_int_equal(froe_task_log(task, "\xff", NULL), FROE_INVALID_ARGUMENT);
	assert_int_equal(froe_task_output(task, "{broken", 7, &error), FROE_INVALID_ARGUMENT);
	assert_int_equal(froe_task_output(task, "{\"ok\":1}", 8, &error), FROE_OK);
	atomic_fetch_add(&rig->stage.handled, 1);
	return FROE_OK;
}

static void
test_worker__handler_sees_its_task_and_completes_it(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_looks, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	assert_string_equal(rig.stage.output, "{\"ok\":1}");
	assert_int_equal(fake_count(&rig.fake, FROE__ENVELOPE__BODY_TASK_LOG), 1);
	assert_int_equal(froe_worker_held(rig.worker), 0);
	rig_close(&rig);
	assert_true(rig.stage.left);
}

static enum froe_err
handler_slow(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	(void)task;
	atomic_fetch_add(&rig->stage.handled, 1);
	while (!atomic_load(&rig->stage.go))
		usleep(1000);
	return FROE_OK;
}

static void
test_worker__inline_handlers_run_inside_step(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_looks, 4, /* inline_handlers= */ true);
	dispatch(&rig.fake, 5, 1);
	for (int i = 0; i < 1000 && rig.stage.reported == 0; i++)
		assert_int_equal(froe_client_step(rig.client, WAIT_MS, NULL), FROE_OK);
	assert_int_equal(rig.stage.reported, 1);
	assert_string_equal(rig.stage.output, "{\"ok\":1}");
	rig_close(&rig);
}

/* The owner of a no_thread client may not step for a long time: a handler's thread sends its
 * result itself. */
static void
test_worker__a_result_does_not_wait_for_the_next_step(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig.threaded_pool = true;
	rig_open(&rig, handler_slow, 1, /* no_thread= */ true);
	dispatch(&rig.fake, 5, 1);
	while (atomic_load(&rig.stage.handled) == 0)
		assert_int_equal(froe_client_step(rig.client, 1, NULL), FROE_OK);
	atomic_store(&rig.stage.go, true);
	fake_await(&rig.fake, &rig.fake.counts[FROE__ENVELOPE__BODY_TASK_COMPLETE], 1);
	rig_close(&rig);
}

/* -------------------------------------------------------------------------------- failures */

static enum froe_err
handler_fails(struct froe_task *task, void *context)
{
	(void)context;
	froe_task_error(task, "no %s today", "luck");
	froe_task_fatal(task);
	froe_task_retry_after(task, 1234);
	return FROE_TASK_FAILED;
}

static void
test_worker__a_failure_carries_its_text_and_advice(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_fails, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_string_equal(rig.stage.error, "no luck today");
	assert_true(rig.stage.fatal);
	assert_int_equal(rig.stage.retry_after_ms, 1234);
	rig_close(&rig);
}

static enum froe_err
handler_succeeds(struct froe_task *task, void *context)
{
	(void)task;
	(void)context;
	return FROE_OK;
}

static void
test_worker__a_refused_output_fails_the_attempt(void **state)
{
	(void)state;
	struct rig rig = {.stage = {.answer = FROE_TOO_LARGE}};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_succeeds, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.results, 2);
	assert_string_equal(
	    rig.stage.output, "null"); /* what a handler that says nothing outputs */
	assert_non_null(strstr(rig.stage.error, "refused by the script"));
	assert_true(rig.stage.fatal);
	rig_close(&rig);
}

static void
test_worker__a_lapsed_result_is_told_so(void **state)
{
	(void)state;
	struct rig rig = {.stage = {.answer = FROE_LEASE_LAPSED}};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_succeeds, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.last_err, FROE_LEASE_LAPSED);
	assert_int_equal(rig.stage.results, 1);
	rig_close(&rig);
}

/* A busy server is asked again. */
static bool
script_busy(struct fake *fake, const Froe__Envelope *envelope)
{
	struct stage *stage = fake->context;
	stage->answer = stage->results == 0 ? FROE_UNAVAILABLE : FROE_OK;
	return script_worker(fake, envelope);
}

static void
test_worker__a_result_is_sent_again_to_a_busy_server(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_busy, &rig.stage);
	rig_open(&rig, handler_succeeds, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	assert_int_equal(rig.stage.results, 2);
	rig_close(&rig);
}

/* ------------------------------------------------------------------------ leases and breaks */

/* Waits for its cancellation, by descriptor and by froe_task_wait. */
static enum froe_err
handler_waits(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	struct pollfd fd = {.fd = froe_task_fd(task), .events = POLLIN};
	atomic_fetch_add(&rig->stage.handled, 1);
	if (!froe_task_wait(task, WAIT_MS))
		return FROE_TIMEOUT;
	assert_int_equal(poll(&fd, 1, 0), 1);
	snprintf(rig->stage.reason, sizeof(rig->stage.reason), "%s", froe_task_cancel_reason(task));
	atomic_store(&rig->stage.lease_valid, froe_task_lease_valid(task));
	atomic_store(&rig->stage.saw_cancel, true);
	return FROE_CANCELLED;
}

static void
await_atomic(atomic_uint *value, unsigned least)
{
	for (int i = 0; i < 10000 && atomic_load(value) < least; i++)
		usleep(1000);
	assert_true(atomic_load(value) >= least);
}

static void
test_worker__revoke_cancels_and_nothing_is_reported(void **state)
{
	(void)state;
	struct rig rig = {0};
	Froe__Revoke revoke = FROE__REVOKE__INIT;
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_waits, 1, false);
	dispatch(&rig.fake, 5, 1);
	dispatch(&rig.fake, 6, 2); /* waits in the queue: there is one slot */
	await_atomic(&rig.stage.handled, 1);
	revoke.has_task = revoke.has_lease = true;
	uint8_t second[16];
	memcpy(second, TASK, 16);
	second[15] = 2;
	revoke.task = wire_bytes(second, 16);
	revoke.lease = 6;
	fake_send(&rig.fake, 0, FROE__ENVELOPE__BODY_REVOKE, &revoke);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_false(atomic_load(&rig.stage.saw_cancel)); /* another lease */
	revoke.task = wire_bytes(TASK, 16);
	revoke.lease = 5;
	revoke.reason = wire_text("timed_out");
	fake_send(&rig.fake, 0, FROE__ENVELOPE__BODY_REVOKE, &revoke);
	fake_await(&rig.fake, &rig.stage.reported, 2);
	assert_true(atomic_load(&rig.stage.saw_cancel));
	assert_false(atomic_load(&rig.stage.lease_valid));
	assert_string_equal(rig.stage.reason, "timed_out");
	assert_int_equal(rig.stage.last_err, FROE_LEASE_LAPSED);
	assert_int_equal(rig.stage.results, 0);
	assert_int_equal(atomic_load(&rig.stage.handled), 1);
	rig_close(&rig);
}

static enum froe_err
handler_gated(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	unsigned now = atomic_fetch_add(&rig->stage.running, 1) + 1;
	unsigned most = atomic_load(&rig->stage.most);
	while (now > most && !atomic_compare_exchange_weak(&rig->stage.most, &most, now))
		;
	atomic_fetch_add(&rig->stage.handled, 1);
	while (!atomic_load(&rig->stage.go))
		usleep(1000);
	atomic_fetch_sub(&rig->stage.running, 1);
	(void)task;
	return FROE_OK;
}

static void
test_worker__slots_run_together_and_no_more(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_gated, 3, false);
	for (uint8_t i = 0; i < 6; i++)
		dispatch(&rig.fake, 10 + i, 1 + i);
	await_atomic(&rig.stage.handled, 3);
	usleep(20000);
	assert_int_equal(atomic_load(&rig.stage.handled), 3);
	atomic_store(&rig.stage.go, true);
	fake_await(&rig.fake, &rig.stage.reported, 6);
	assert_int_equal(atomic_load(&rig.stage.most), 3);
	rig_close(&rig);
}

/* The connection breaks while a handler runs: it is listed as held, and its result is accepted. */
static void
test_worker__a_reconnect_lists_what_is_held(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_gated, 1, false);
	dispatch(&rig.fake, 5, 1);
	await_atomic(&rig.stage.handled, 1);
	fake_cut(&rig.fake);
	fake_await(&rig.fake, &rig.fake.counts[FROE__ENVELOPE__BODY_WORKER_REGISTER], 2);
	assert_int_equal(rig.stage.held, 1);
	atomic_store(&rig.stage.go, true);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	rig_close(&rig);
}

/* A result whose answer was lost is sent again, after the registration. */
static void
test_worker__an_unanswered_result_is_sent_again(void **state)
{
	(void)state;
	struct rig rig = {.stage = {.cut_results = true}};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_succeeds, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.results, 2);
	assert_int_equal(rig.stage.registered, 2);
	assert_int_equal(rig.stage.held, 1);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	rig_close(&rig);
}

static void
test_worker__what_lapsed_meanwhile_is_cancelled(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_waits, 1, false);
	dispatch(&rig.fake, 5, 1);
	await_atomic(&rig.stage.handled, 1);
	rig.stage.lapse = 5;
	fake_cut(&rig.fake);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_string_equal(rig.stage.reason, "lost");
	assert_int_equal(rig.stage.results, 0);
	rig_close(&rig);
}

static enum froe_err
handler_looks_until_when(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	struct froe_worker *worker = task->worker;
	task->exactly_once = true;
	worker->exactly_once_count++;
	atomic_fetch_add(&rig->stage.handled, 1);
	froe_task_wait(task, WAIT_MS);
	client_lock(worker->client);
	rig->stage.spare_ns = worker_lapse_ns(worker) - task->stop_by_ns;
	client_unlock(worker->client);
	return FROE_CANCELLED;
}

/* The server waits since it took the lease back: the registration in which this is heard of does
 * not give the handler more time. */
static void
test_worker__what_lapsed_meanwhile_has_no_more_time(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_looks_until_when, 1, false);
	dispatch(&rig.fake, 5, 1);
	await_atomic(&rig.stage.handled, 1);
	rig.stage.lapse = 5;
	fake_cut(&rig.fake);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.registered, 2);
	assert_in_range(rig.stage.spare_ns, 1, UINT64_C(3600) * 1000000000);
	rig_close(&rig);
}

/* No heartbeat is confirmed: the leases lapse here without a word from the server, the handler
 * stops, and the next registration does not list the attempt. */
static void
test_worker__without_contact_leases_lapse_here(void **state)
{
	(void)state;
	struct rig rig = {.stage = {.mute = true}};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig.fake.heartbeat_ms = 20;
	rig.fake.heartbeat_lost_ms = 200;
	rig_open(&rig, handler_waits, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_true(atomic_load(&rig.stage.saw_cancel));
	assert_false(atomic_load(&rig.stage.lease_valid));
	assert_string_equal(rig.stage.reason, "lost");
	assert_int_equal(rig.stage.results, 0);
	fake_await(&rig.fake, &rig.stage.registered, 2);
	rig_close(&rig);
}

static enum froe_err
handler_refreshes(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	rig->stage.refresh = froe_task_refresh(task, 1000, WAIT_MS, NULL);
	return FROE_OK;
}

/* Adding to a deadline twice is not the same as once: never repeated. */
static void
test_worker__a_refresh_of_unknown_outcome_is_told_so(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_refreshes, 1, false);
	dispatch(&rig.fake, 5, 1);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	assert_int_equal(rig.stage.refresh, FROE_CLOSED);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	rig_close(&rig);
}

/* -------------------------------------------------------------------------------- stopping */

static void
test_worker__stop_lets_handlers_finish(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_gated, 1, false);
	dispatch(&rig.fake, 5, 1);
	await_atomic(&rig.stage.handled, 1);
	atomic_store(&rig.stage.go, true);
	froe_worker_stop(rig.worker, WAIT_MS);
	assert_int_equal(rig.stage.reported, 1);
	assert_int_equal(rig.stage.last_err, FROE_OK);
	assert_true(rig.stage.drained);
	assert_true(rig.stage.left);
	rig_close(&rig);
}

static void
test_worker__stop_cancels_at_its_limit(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_waits, 1, false);
	dispatch(&rig.fake, 5, 1);
	await_atomic(&rig.stage.handled, 1);
	froe_worker_stop(rig.worker, 10);
	assert_string_equal(rig.stage.reason, "stopping");
	assert_int_equal(rig.stage.results, 0); /* giving up is no failure of the task */
	assert_true(rig.stage.left);
	rig_close(&rig);
}

static void
test_worker__misuse_is_refused(void **state)
{
	(void)state;
	struct rig rig = {0};
	struct froe_error error;
	struct froe_worker *second;
	struct froe_worker_options none = {0};
	fake_open(&rig.fake, script_worker, &rig.stage);
	rig_open(&rig, handler_succeeds, 1, false);
	assert_int_equal(froe_worker_open(rig.client, &none, &second, &error),
	    FROE_FAILED_PRECONDITION);
	assert_int_equal(froe_worker_serve(rig.worker, "x", handler_succeeds, NULL, &error),
	    FROE_FAILED_PRECONDITION);
	assert_int_equal(froe_worker_start(rig.worker, 0, &error), FROE_FAILED_PRECONDITION);
	rig_close(&rig);
}

/* ----------------------------------------------------------------------------- durable tasks */

static void
dispatch_durable(struct fake *fake)
{
	Froe__Dispatch message = FROE__DISPATCH__INIT;
	Froe__NodeDone memo = FROE__NODE_DONE__INIT, wait = FROE__NODE_DONE__INIT;
	Froe__NodeDone other = FROE__NODE_DONE__INIT;
	Froe__NodeDone *nodes[] = {&memo, &wait, &other};
	memo.has_node = memo.has_state = memo.has_payload = memo.has_fingerprint = true;
	memo.node = 1;
	memo.state = FROE__NODE_STATE__NODE_DONE;
	memo.payload = wire_bytes("[1]", 3);
	memo.fingerprint = fingerprint_begin(FROE__NODE_KIND__NODE_MEMO, bytes_text("plan"));
	wait = memo;
	wait.node = 2;
	wait.has_which = true;
	wait.which = 1;
	wait.payload = wire_bytes("{\"e\":1}", 7);
	wait.fingerprint = fingerprint_begin(FROE__NODE_KIND__NODE_WAIT, bytes_text(""));
	wait.fingerprint = fingerprint_condition(wait.fingerprint, FROE_ON_SLEEP, 0, 77,
	    bytes_text(""));
	wait.fingerprint = fingerprint_condition(wait.fingerprint, FROE_ON_EVENT, 0, 0,
	    bytes_text("paid"));
	other = memo;
	other.node = 3;
	message.has_task = message.has_run = message.has_lease = message.has_attempt = true;
	message.has_durable = message.durable = message.has_input = true;
	message.task = wire_bytes(TASK, 16);
	message.run = wire_bytes(RUN, 16);
	message.lease = 5;
	message.action = wire_text("w:t");
	message.attempt = 2;
	message.input = wire_bytes("{}", 2);
	message.n_nodes = 3;
	message.nodes = nodes;
	fake_send(fake, 0, FROE__ENVELOPE__BODY_DISPATCH, &message);
}

/* The first two steps are known; the third is another one than it was: that is for the server. */
static enum froe_err
handler_recalls(struct froe_task *task, void *context)
{
	struct rig *rig = context;
	struct froe_condition conditions[] = {{.kind = FROE_ON_SLEEP, .until_ns = 77},
	    {.kind = FROE_ON_EVENT, .name = "paid"}};
	struct froe_durable_result result;
	struct froe_bytes plan;
	struct froe_error error;
	assert_int_equal(froe_task_memo_get(task, "plan", &plan, &error), FROE_OK);
	assert_int_equal(plan.size, 3);
	assert_memory_equal(plan.data, "[1]", 3);
	assert_int_equal(froe_task_await(task, conditions, 2, &result, &error), FROE_OK);
	assert_int_equal(result.which, 1);
	assert_memory_equal(result.payload.data, "{\"e\":1}", 7);
	assert_int_equal(fake_count(&rig->fake, FROE__ENVELOPE__BODY_DURABLE_STEP), 0);
	assert_int_equal(froe_task_sleep(task, 5, &error), FROE_NONDETERMINISM);
	assert_string_equal(error.text, "another step");
	return FROE_TASK_FAILED;
}

static bool
script_differs(struct fake *fake, const Froe__Envelope *envelope)
{
	if (envelope->body_case != FROE__ENVELOPE__BODY_DURABLE_STEP)
		return script_worker(fake, envelope);
	assert_int_equal(envelope->durable_step->node, 3);
	fake_error(fake, envelope->request, FROE_NONDETERMINISM, "another step");
	return true;
}

static void
test_worker__known_steps_are_not_asked_for(void **state)
{
	(void)state;
	struct rig rig = {0};
	fake_open(&rig.fake, script_differs, &rig.stage);
	rig_open(&rig, handler_recalls, 1, false);
	dispatch_durable(&rig.fake);
	fake_await(&rig.fake, &rig.stage.reported, 1);
	fake_await(&rig.fake, &rig.fake.counts[FROE__ENVELOPE__BODY_DURABLE_STEP], 1);
	rig_close(&rig);
	assert_int_equal(rig.fake.counts[FROE__ENVELOPE__BODY_DURABLE_STEP], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_worker__handler_sees_its_task_and_completes_it),
	    cmocka_unit_test(test_worker__inline_handlers_run_inside_step),
	    cmocka_unit_test(test_worker__a_result_does_not_wait_for_the_next_step),
	    cmocka_unit_test(test_worker__a_failure_carries_its_text_and_advice),
	    cmocka_unit_test(test_worker__a_refused_output_fails_the_attempt),
	    cmocka_unit_test(test_worker__a_lapsed_result_is_told_so),
	    cmocka_unit_test(test_worker__a_result_is_sent_again_to_a_busy_server),
	    cmocka_unit_test(test_worker__revoke_cancels_and_nothing_is_reported),
	    cmocka_unit_test(test_worker__slots_run_together_and_no_more),
	    cmocka_unit_test(test_worker__a_reconnect_lists_what_is_held),
	    cmocka_unit_test(test_worker__an_unanswered_result_is_sent_again),
	    cmocka_unit_test(test_worker__what_lapsed_meanwhile_is_cancelled),
	    cmocka_unit_test(test_worker__what_lapsed_meanwhile_has_no_more_time),
	    cmocka_unit_test(test_worker__without_contact_leases_lapse_here),
	    cmocka_unit_test(test_worker__a_refresh_of_unknown_outcome_is_told_so),
	    cmocka_unit_test(test_worker__stop_lets_handlers_finish),
	    cmocka_unit_test(test_worker__stop_cancels_at_its_limit),
	    cmocka_unit_test(test_worker__known_steps_are_not_asked_for),
	    cmocka_unit_test(test_worker__misuse_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
