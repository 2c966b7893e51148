/*
 * Durable tasks: nodes that outlive attempts, what satisfies them, eviction and return.
 */
#include "engine_durable.h"

#include "froe/limits.h"

static void
test_durable__sleep(void **state)
{
	struct driver d;
	struct eng_condition sleep = on_sleep(100);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	const struct eng_effect *reply = durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(reply->err, FROE_OK);
	assert_int_equal(reply->node_state, ENG_NODE_PENDING);
	assert_true(reply->created);
	driver_advance(&d, 99 * MS);
	reply = durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(reply->node_state, ENG_NODE_PENDING);
	assert_false(reply->created);
	driver_advance(&d, MS);
	const struct eng_effect *done = driver_effect(&d, ENG_EFF_NODE, 0);
	assert_non_null(done);
	assert_int_equal(done->node, 1);
	assert_int_equal(done->lease, 1);
	record_of(&d, run, done->record, ENG_EV_NODE_SATISFIED);
	reply = durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	driver_complete(&d, run, "a");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

static void
test_durable__memo_is_computed_once(void **state)
{
	struct driver d;
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	const struct eng_effect *reply = durable_memo(&d, run, "a", 1, "plan", NULL);
	assert_int_equal(reply->node_state, ENG_NODE_ABSENT);
	assert_int_equal(d.out->event_count, 0);
	reply = durable_memo(&d, run, "a", 1, "plan", "[1,2]");
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	assert_true(reply->created);
	reply = durable_memo(&d, run, "a", 1, "plan", "[3]"); /* the first one stays */
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	assert_false(reply->created);
	const struct eng_event *event = record_of(&d, run, reply->record, ENG_EV_MEMO_PUT);
	assert_true(bytes_equal(event->payload, bytes_text("[1,2]")));
	assert_true(bytes_equal(event->text, bytes_text("memo plan")));
	driver_fail(&d, run, "a");
	reply = durable_memo(&d, run, "a", 1, "plan", NULL); /* by the next attempt */
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	driver_close(&d);
}

static void
test_durable__first_of_several(void **state)
{
	struct driver d;
	struct eng_condition either[] = {on_event("paid"), on_sleep(1000), on_approval("ok", "")};
	struct eng_counts counts;
	(void)state;
	durable_open(&d, 4);
	uint64_t event = driver_start(&d, "wf"), sleep = driver_start(&d, "wf");
	uint64_t approval = driver_start(&d, "wf");
	durable_wait(&d, event, "a", 1, either, 3);
	assert_int_equal(driver_push(&d, "other", bytes_text("1")), FROE_OK);
	assert_null(driver_effect(&d, ENG_EFF_NODE, 0));
	assert_int_equal(driver_push(&d, "paid", bytes_text("{\"by\":7}")), FROE_OK);
	assert_int_equal(driver_reply(&d)->number, 2);
	const struct eng_effect *done = driver_effect(&d, ENG_EFF_NODE, 0);
	assert_non_null(done);
	assert_int_equal(done->which, 0);
	const struct eng_event *record =
	    record_of(&d, event, done->record, ENG_EV_NODE_SATISFIED);
	assert_true(bytes_equal(record->payload, bytes_text("{\"by\":7}")));
	assert_int_equal(record->number, 2);
	assert_int_equal(driver_approve(&d, 1, true, "eve"), FROE_FAILED_PRECONDITION);

	durable_wait(&d, sleep, "a", 1, either, 3);
	driver_advance(&d, 1000 * MS);
	done = driver_effect(&d, ENG_EFF_NODE, 0);
	assert_non_null(done);
	assert_int_equal(done->which, 1);

	durable_wait(&d, approval, "a", 1, either, 3);
	assert_int_equal(driver_approve(&d, 3, false, "eve"), FROE_OK);
	done = driver_effect(&d, ENG_EFF_NODE, 0);
	assert_non_null(done);
	assert_int_equal(done->which, 2);
	record = record_of(&d, approval, done->record, ENG_EV_APPROVAL_DECIDED);
	assert_int_equal(record->approved, 0);
	assert_true(bytes_equal(record->actor, bytes_text("eve")));
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.approvals, 0);
	assert_int_equal(counts.timers, 3); /* of the leases */
	driver_close(&d);
}

static void
test_durable__a_wait_hears_of_later_events_only(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(driver_push(&d, "paid", bytes_text("1")), FROE_OK);
	durable_wait(&d, run, "a", 1, &paid, 1);
	d.tenant = driver_tenant(&d, "other"); /* whose events are its own */
	assert_int_equal(driver_push(&d, "paid", bytes_text("2")), FROE_OK);
	assert_null(driver_effect(&d, ENG_EFF_NODE, 0));
	d.tenant = (struct eng_tenant_id){1};
	assert_int_equal(driver_push(&d, "paid", bytes_text("3")), FROE_OK);
	assert_non_null(driver_effect(&d, ENG_EFF_NODE, 0));
	driver_close(&d);
}

static void
test_durable__nodes_outlive_attempts(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	durable_memo(&d, run, "a", 1, "m", "1");
	durable_wait(&d, run, "a", 2, &paid, 1);
	driver_fail(&d, run, "a");
	assert_int_equal(driver_task(&d, run, "a")->attempt, 2);
	driver_crash(&d, SECOND);
	driver_worker(&d, 1, 1, "wf:a"); /* without it: released, a third attempt */
	assert_int_equal(driver_task(&d, run, "a")->attempt, 3);
	assert_int_equal(driver_push(&d, "paid", bytes_text("5")), FROE_OK);
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->lease, 3);
	assert_int_equal(durable_memo(&d, run, "a", 1, "m", NULL)->node_state, ENG_NODE_DONE);
	assert_int_equal(durable_wait(&d, run, "a", 2, &paid, 1)->node_state, ENG_NODE_DONE);
	driver_complete(&d, run, "a");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

static void
test_durable__nondeterminism(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid"), sleep = on_sleep(5000);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	durable_wait(&d, run, "a", 1, &paid, 1);
	driver_fail(&d, run, "a");
	struct eng_command told = durable_command(&d, ENG_CMD_DURABLE_STEP, run, "a", 1);
	told.durable.kind = ENG_NODE_WAIT;
	told.durable.conditions = &sleep;
	told.durable.condition_count = 1;
	told.durable.told = true;
	assert_int_equal(driver_try(&d, &told), FROE_NONDETERMINISM);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED); /* its handler may still end it */
	const struct eng_effect *reply = durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(reply->err, FROE_NONDETERMINISM);
	assert_non_null(strstr(reply->fault->text, "\"event paid\""));
	assert_non_null(strstr(reply->fault->text, "\"sleep 5000 ms\""));
	assert_task(&d, run, "a", ENG_TASK_FAILED); /* although it has a retry left */
	assert_run_closed(&d, run, ENG_FAILED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	const struct eng_event *ended = ledger_record(&d.ledger, run, closed->refs[0].record);
	assert_non_null(memmem(ended->text.data, ended->text.size, "step 1", 6));
	driver_close(&d);
}

static void
test_durable__refused_steps(void **state)
{
	struct driver d;
	struct eng_condition many[FROE_CONDITIONS_MAX + 1];
	struct eng_condition odd = {.kind = 9}, unnamed = on_event("");
	static char large[FROE_APPROVAL_DATA_BYTES_MAX + 2];
	(void)state;
	durable_open(&d, 2);
	driver_define(&d, "plain", "a");
	driver_worker(&d, 2, 1, "plain:a");
	uint64_t run = driver_start(&d, "wf"), plain = driver_start(&d, "plain");
	for (size_t i = 0; i <= FROE_CONDITIONS_MAX; i++)
		many[i] = on_sleep(i);
	assert_int_equal(durable_memo(&d, run, "a", 0, "m", "1")->err, FROE_INVALID_ARGUMENT);
	assert_int_equal(durable_memo(&d, run, "a", 2, "m", "1")->err, FROE_INVALID_ARGUMENT);
	assert_int_equal(durable_wait(&d, run, "a", 1, NULL, 0)->err, FROE_INVALID_ARGUMENT);
	assert_int_equal(durable_wait(&d, run, "a", 1, many, FROE_CONDITIONS_MAX + 1)->err,
	    FROE_INVALID_ARGUMENT);
	assert_int_equal(durable_wait(&d, run, "a", 1, &odd, 1)->err, FROE_INVALID_ARGUMENT);
	assert_int_equal(durable_wait(&d, run, "a", 1, &unnamed, 1)->err, FROE_INVALID_ARGUMENT);
	memset(large, '1', sizeof(large) - 1);
	struct eng_condition fat = on_approval("ok", large);
	assert_int_equal(durable_wait(&d, run, "a", 1, &fat, 1)->err, FROE_TOO_LARGE);
	assert_int_equal(durable_memo(&d, plain, "a", 1, "m", "1")->err, FROE_FAILED_PRECONDITION);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_FAILED_PRECONDITION);
	assert_int_equal(durable_memo(&d, run, "a", 1, "m", "1")->err, FROE_OK);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_FAILED_PRECONDITION);
	assert_int_equal(durable_wait(&d, run, "a", 2, many, FROE_CONDITIONS_MAX)->err, FROE_OK);
	driver_complete(&d, run, "a");
	assert_int_equal(durable_memo(&d, run, "a", 1, "m", NULL)->err, FROE_LEASE_LAPSED);
	assert_int_equal(driver_push(&d, "", bytes_text("1")), FROE_INVALID_ARGUMENT);
	driver_close(&d);
}

static void
test_durable__as_many_nodes_as_there_may_be(void **state)
{
	struct driver d;
	(void)state;
	durable_open(&d, 1);
	d.check_every = 1000;
	uint64_t run = driver_start(&d, "wf");
	for (uint32_t i = 1; i <= FROE_DURABLE_NODES_MAX; i++)
		assert_int_equal(durable_memo(&d, run, "a", i, "m", "1")->err, FROE_OK);
	assert_int_equal(durable_memo(&d, run, "a", FROE_DURABLE_NODES_MAX + 1, "m", "1")->err,
	    FROE_RESOURCE_EXHAUSTED);
	driver_complete(&d, run, "a");
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------ children */

static void
test_durable__child(void **state)
{
	struct driver d;
	(void)state;
	durable_open(&d, 1);
	driver_define(&d, "kid", "x");
	driver_worker(&d, 2, 4, "kid:x");
	uint64_t run = driver_start(&d, "wf");
	const struct eng_effect *reply = driver_child(&d, run, "a", 1, "kid");
	assert_int_equal(reply->err, FROE_OK);
	assert_int_equal(reply->node_state, ENG_NODE_PENDING);
	uint64_t child = d.ledger.run_count;
	assert_true(uuid_equal(reply->child, ledger_run(&d.ledger, child)->id));
	reply = driver_child(&d, run, "a", 1, "kid"); /* the same one */
	assert_int_equal(d.ledger.run_count, child);
	assert_true(uuid_equal(reply->child, ledger_run(&d.ledger, child)->id));
	assert_int_equal(driver_child(&d, run, "a", 2, "none")->err, FROE_NOT_FOUND);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK);
	d.twin = driver_reload(&d, d.eng);
	driver_complete(&d, child, "x");
	assert_run_closed(&d, child, ENG_COMPLETED);
	assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED); /* it is back */
	reply = driver_child(&d, run, "a", 1, "kid");
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	const struct eng_event *done = record_of(&d, run, reply->record, ENG_EV_NODE_SATISFIED);
	assert_int_equal(done->reason, ENG_REASON_COMPLETED);
	assert_int_equal(driver_child(&d, run, "a", 1, "wf")->err, FROE_NONDETERMINISM);
	driver_close(&d);
}

static void
test_durable__children_that_fail(void **state)
{
	struct driver d;
	(void)state;
	durable_open(&d, 1);
	driver_define(&d, "kid", "x");
	driver_worker(&d, 2, 4, "kid:x");
	uint64_t run = driver_start(&d, "wf");
	driver_child(&d, run, "a", 1, "kid");
	uint64_t one = d.ledger.run_count;
	driver_child(&d, run, "a", 2, "kid");
	uint64_t two = d.ledger.run_count;
	driver_child(&d, run, "a", 3, "kid");
	uint64_t three = d.ledger.run_count;
	driver_fail(&d, one, "x");
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->node, 1);
	driver_cancel(&d, two);
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->node, 2);
	const struct eng_effect *reply = driver_child(&d, run, "a", 1, "kid");
	assert_int_equal(record_of(&d, run, reply->record, ENG_EV_NODE_SATISFIED)->reason,
	    ENG_REASON_FAILED);
	reply = driver_child(&d, run, "a", 2, "kid");
	assert_int_equal(record_of(&d, run, reply->record, ENG_EV_NODE_SATISFIED)->reason,
	    ENG_REASON_REQUESTED);
	driver_crash(&d, SECOND);
	driver_worker(&d, 2, 4, "kid:x"); /* what it held is released, and comes to it again */
	driver_complete(&d, three, "x");
	driver_worker(&d, 1, 1, "wf:a");
	assert_int_equal(driver_child(&d, run, "a", 3, "kid")->node_state, ENG_NODE_DONE);
	driver_child(&d, run, "a", 4, "kid");
	driver_complete(&d, run, "a"); /* before its child */
	driver_complete(&d, d.ledger.run_count, "x");
	driver_close(&d);
}

/* A handler's own names for children look like those of nodes, and are not. */
static void
test_durable__children_that_look_like_nodes(void **state)
{
	static const char *const keys[] = {"node:01", "node:", "node:1x", "node:00000000000000001"};
	struct driver d;
	(void)state;
	durable_open(&d, 1);
	driver_define(&d, "kid", "x");
	driver_worker(&d, 2, 10, "kid:x");
	uint64_t run = driver_start(&d, "wf");
	driver_child(&d, run, "a", 1, "kid");
	uint64_t child = d.ledger.run_count;
	for (int i = 0; i < 4; i++) {
		struct eng_command command = driver_start_command(&d, "kid");
		struct eng_command lease = driver_task_command(&d, ENG_CMD_TASK_LOG, run, "a");
		command.run_start.child = true;
		command.run_start.parent = lease.task.fence;
		command.run_start.worker = lease.task.worker;
		command.run_start.child_key = bytes_text(keys[i]);
		assert_int_equal(driver_try(&d, &command), FROE_OK);
		driver_complete(&d, d.ledger.run_count, "x");
		assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 0);
	}
	driver_complete(&d, child, "x");
	assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 1);
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------ eviction */

static void
test_durable__evicted_and_back(void **state)
{
	struct driver d;
	struct eng_condition sleep = on_sleep(1000);
	enum eng_status status;
	struct eng_dispatch dispatch;
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf"), next = driver_start(&d, "wf");
	durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK);
	assert_task(&d, run, "a", ENG_TASK_EVICTED);
	assert_true(eng_run_status(d.eng, run, &status));
	assert_int_equal(status, ENG_EVICTED);
	assert_task(&d, next, "a", ENG_TASK_ASSIGNED); /* it has the slot */
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_LEASE_LAPSED);
	driver_advance(&d, 1000 * MS);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_complete(&d, next, "a");
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_task(&d, run, "a")->attempt, 1);
	assert_int_equal(driver_task(&d, run, "a")->lease, 2);
	assert_true(eng_dispatch(d.eng, run, 0, 2, d.now_ns, &dispatch));
	assert_int_equal(dispatch.invocation, 2);
	assert_true(eng_run_status(d.eng, run, &status));
	assert_int_equal(status, ENG_RUNNING);
	assert_int_equal(durable_wait(&d, run, "a", 1, &sleep, 1)->node_state, ENG_NODE_DONE);
	driver_fail(&d, run, "a"); /* from here on it is another attempt */
	assert_int_equal(driver_task(&d, run, "a")->attempt, 2);
	driver_complete(&d, run, "a");
	driver_close(&d);
}

/* What has come before the eviction is not slept through. */
static void
test_durable__eviction_that_is_late(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	durable_wait(&d, run, "a", 1, &paid, 1);
	assert_int_equal(driver_push(&d, "paid", bytes_text("1")), FROE_OK);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_FAILED_PRECONDITION);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

static void
test_durable__evicted_over_a_restart(void **state)
{
	struct driver d;
	struct eng_condition sleep = on_sleep(1000);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf"), late = driver_start(&d, "wf");
	uint64_t began_ns = d.now_ns;
	durable_wait(&d, run, "a", 1, &sleep, 1);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK);
	durable_wait(&d, late, "a", 1, &sleep, 1);
	assert_int_equal(durable_evict(&d, late, "a", 1), FROE_OK);
	driver_crash(&d, 300 * MS); /* wall time goes on */
	assert_int_equal(eng_next_deadline_ns(d.eng), began_ns + 1000 * MS);
	driver_crash(&d, 2 * SECOND); /* it fell due meanwhile */
	driver_advance(&d, 0);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_worker(&d, 2, 2, "wf:a");
	driver_complete(&d, run, "a");
	driver_complete(&d, late, "a");
	driver_close(&d);
}

static void
test_durable__evicted_is_cancelled(void **state)
{
	struct driver d;
	struct eng_condition waits[] = {on_event("paid"), on_approval("ok", "{}"), on_sleep(99)};
	struct eng_counts counts;
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	durable_wait(&d, run, "a", 1, waits, 3);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_run_closed(&d, run, ENG_CANCELLED);
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.timers, 0);
	assert_int_equal(driver_push(&d, "paid", bytes_text("1")), FROE_OK);
	assert_int_equal(driver_approve(&d, 1, true, ""), FROE_FAILED_PRECONDITION);
	driver_close(&d);
}

/* -------------------------------------------------------------------------- events in slices */

static void
test_durable__event_in_slices(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	static char payload[40000];
	uint64_t runs[20];
	struct eng_counts counts;
	(void)state;
	durable_open(&d, 20);
	for (int i = 0; i < 20; i++) {
		runs[i] = driver_start(&d, "wf");
		durable_wait(&d, runs[i], "a", 1, &paid, 1);
		if (i % 2 == 0)
			assert_int_equal(durable_evict(&d, runs[i], "a", 1), FROE_OK);
	}
	memset(payload, '1', sizeof(payload));
	d.twin = driver_reload(&d, d.eng);
	assert_int_equal(driver_push(&d, "paid", bytes_of(payload, sizeof(payload))), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 1);
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.deliveries, 1);
	assert_int_equal(driver_push(&d, "paid", bytes_text("2")), FROE_OK); /* for nobody */
	assert_int_equal(driver_cancel(&d, runs[19]), FROE_OK); /* one that has not been told */
	eng_close(driver_reload(&d, d.eng));
	driver_replay_check(&d);
	driver_settle(&d);
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.deliveries, 0);
	for (int i = 0; i < 19; i++)
		assert_int_equal(durable_wait(&d, runs[i], "a", 1, &paid, 1)->node_state,
		    ENG_NODE_DONE);
	driver_close(&d);
}

static enum froe_err
push_pairs(struct driver *d, const struct bytes *texts, uint32_t count)
{
	struct eng_command command = driver_command(d, ENG_CMD_EVENT_PUSH);
	command.event_push.key = bytes_text("paid");
	command.event_push.payload = bytes_text("7");
	command.event_push.metadata = texts;
	command.event_push.metadata_count = count;
	return driver_try(d, &command);
}

/* What goes with an event reaches each that waits, in slices that count it, also when the engine
 * is loaded in between. */
static void
test_durable__event_metadata(void **state)
{
	static char large[FROE_METADATA_BYTES_MAX];
	struct driver d;
	struct eng_condition paid = on_event("paid");
	struct bytes texts[] = {bytes_text("order"), bytes_text("12"), bytes_text("note"),
	    bytes_of(large, sizeof(large) - 11)};
	size_t told = 0;
	(void)state;
	memset(large, 'm', sizeof(large));
	durable_open(&d, 20);
	for (int i = 0; i < 20; i++)
		durable_wait(&d, driver_start(&d, "wf"), "a", 1, &paid, 1);
	assert_int_equal(push_pairs(&d, texts, 4), FROE_OK); /* 8192 bytes */
	assert_in_range(driver_events(&d, ENG_EV_NODE_SATISFIED), 1, 7);
	d.twin = driver_reload(&d, d.eng);
	while (eng_pending(d.eng)) {
		struct eng_command command = {.type = ENG_CMD_SCHEDULE};
		driver_step(&d, &command);
		assert_in_range(driver_events(&d, ENG_EV_NODE_SATISFIED), 0, 7);
	}
	for (size_t i = 0; i < d.ledger.event_count; i++) {
		const struct eng_event *event = &d.ledger.events[i];
		if (event->type != ENG_EV_NODE_SATISFIED)
			continue;
		assert_int_equal(event->metadata_count, 4);
		for (uint32_t j = 0; j < 4; j++)
			assert_true(bytes_equal(event->metadata[j], texts[j]));
		told++;
	}
	assert_int_equal(told, 20);
	driver_close(&d);
}

static void
test_durable__event_metadata_is_limited(void **state)
{
	static char large[FROE_METADATA_BYTES_MAX];
	struct driver d;
	struct bytes texts[2 * FROE_METADATA_PAIRS_MAX + 2];
	(void)state;
	memset(large, 'm', sizeof(large));
	durable_open(&d, 1);
	for (uint32_t i = 0; i < FROE_METADATA_PAIRS_MAX + 1; i++) {
		char key[16];
		int size = snprintf(key, sizeof(key), "k%u", i);
		texts[2 * i] = bytes_of(arena_copy(&d.arena, key, (size_t)size), (size_t)size);
		texts[2 * i + 1] = bytes_text("v");
	}
	assert_int_equal(push_pairs(&d, texts, 2 * FROE_METADATA_PAIRS_MAX), FROE_OK);
	assert_int_equal(
	    push_pairs(&d, texts, 2 * FROE_METADATA_PAIRS_MAX + 2), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "metadata");
	texts[1] = bytes_of(large, sizeof(large) - 2);
	assert_int_equal(push_pairs(&d, texts, 2), FROE_OK);
	texts[1] = bytes_of(large, sizeof(large) - 1);
	assert_int_equal(push_pairs(&d, texts, 2), FROE_INVALID_ARGUMENT);
	assert_int_equal(d.out->event_count, 0);
	texts[1] = texts[3] = bytes_text("v");
	texts[2] = texts[0];
	assert_int_equal(push_pairs(&d, texts, 4), FROE_INVALID_ARGUMENT); /* twice */
	driver_close(&d);
}

/* One payload that is larger than a slice goes alone, never with another command. */
static void
test_durable__event_larger_than_a_slice(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	static char payload[1 << 20];
	(void)state;
	durable_open(&d, 2);
	uint64_t one = driver_start(&d, "wf"), two = driver_start(&d, "wf");
	durable_wait(&d, one, "a", 1, &paid, 1);
	durable_wait(&d, two, "a", 1, &paid, 1);
	memset(payload, '1', sizeof(payload));
	assert_int_equal(driver_push(&d, "paid", bytes_of(payload, sizeof(payload))), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 0);
	assert_true(eng_pending(d.eng));
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	driver_step(&d, &command);
	assert_int_equal(driver_events(&d, ENG_EV_NODE_SATISFIED), 1);
	driver_settle(&d);
	assert_int_equal(durable_wait(&d, two, "a", 1, &paid, 1)->node_state, ENG_NODE_DONE);
	driver_close(&d);
}

static void
test_durable__deliveries_are_capped(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid");
	size_t size = (size_t)4 << 20;
	char *payload = mem_alloc(size);
	enum froe_err err = FROE_OK;
	int pushed = 0;
	(void)state;
	memset(payload, '1', size);
	durable_open(&d, 40);
	/* One slice is decided by the step that goes on with the work; here none is. */
	while (err == FROE_OK && pushed < 40) {
		uint64_t run = driver_start(&d, "wf");
		durable_wait(&d, run, "a", 1, &paid, 1);
		err = driver_push(&d, "paid", bytes_of(payload, size));
		pushed += err == FROE_OK ? 1 : 0;
	}
	assert_int_equal(err, FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(pushed, 16);
	driver_settle(&d);
	assert_int_equal(driver_push(&d, "paid", bytes_of(payload, size)), FROE_OK);
	driver_settle(&d);
	mem_free(payload);
	driver_close(&d);
}

/* ----------------------------------------------------------------------------------- approvals */

static void
test_durable__approvals(void **state)
{
	struct driver d;
	struct eng_condition ship = on_approval("ship", "{\"order\":1}");
	struct eng_approval_view views[4];
	(void)state;
	durable_open(&d, 3);
	uint64_t runs[3];
	for (int i = 0; i < 3; i++) {
		runs[i] = driver_start(&d, "wf");
		durable_wait(&d, runs[i], "a", 1, &ship, 1);
	}
	assert_int_equal(eng_approvals(d.eng, d.tenant, 0, views, 4), 3);
	assert_int_equal(views[0].number, 1);
	assert_int_equal(views[2].number, 3);
	assert_true(bytes_equal(views[0].name, bytes_text("ship")));
	assert_true(bytes_equal(views[0].data, bytes_text("{\"order\":1}")));
	assert_true(bytes_equal(views[0].workflow, bytes_text("wf")));
	assert_int_equal(eng_approvals(d.eng, d.tenant, 1, views, 1), 1);
	assert_int_equal(views[0].number, 2);
	assert_int_equal(driver_approve(&d, 2, true, "ann"), FROE_OK);
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->run, runs[1]);
	assert_int_equal(driver_approve(&d, 2, false, "bob"), FROE_FAILED_PRECONDITION);
	assert_non_null(strstr(driver_reply(&d)->fault->text, "approved by ann"));
	assert_int_equal(driver_approve(&d, 4, true, "ann"), FROE_NOT_FOUND);
	assert_int_equal(driver_approve(&d, 0, true, "ann"), FROE_NOT_FOUND);
	driver_complete(&d, runs[0], "a"); /* without the answer */
	assert_int_equal(driver_approve(&d, 1, true, "ann"), FROE_FAILED_PRECONDITION);
	assert_int_equal(eng_approvals(d.eng, d.tenant, 0, views, 4), 1);
	struct eng_tenant_id ours = d.tenant;
	d.tenant = driver_tenant(&d, "other");
	assert_int_equal(driver_approve(&d, 3, true, "eve"), FROE_NOT_FOUND);
	assert_int_equal(eng_approvals(d.eng, d.tenant, 0, views, 4), 0);
	d.tenant = ours;
	driver_close(&d);
}

/* --------------------------------------------------------------------------------- random life */

struct life {
	struct driver d;
	uint64_t runs[12];
	uint64_t dice;
	uint32_t evictions;
};

static uint32_t
life_roll(struct life *life, uint32_t sides)
{
	return (uint32_t)(dice_roll(&life->dice) % sides);
}

static void
life_step(struct life *life, uint64_t run)
{
	static const char *const keys[] = {"k0", "k1", "k2"};
	struct driver *d = &life->d;
	const struct ledger_task *task = driver_task(d, run, "a");
	struct eng_condition conditions[3] = {on_event(keys[life_roll(life, 3)]),
	    on_sleep(life_roll(life, 5000)), on_approval("ok", "[1]")};
	if (life_roll(life, 6) == 0)
		conditions[0] = on_value("v");
	if (task->state != ENG_TASK_ASSIGNED)
		return;
	uint32_t what = life_roll(life, 12), next = task->nodes + 1;
	if (what == 11 && life_roll(life, 3) == 0)
		driver_child(d, run, "a", next, "kid");
	else if (what < 3)
		durable_memo(d, run, "a", next, "m", what == 0 ? NULL : "[7]");
	else if (what < 6)
		durable_wait(d, run, "a", next, conditions, 1 + life_roll(life, 3));
	else if (what == 6 && life_roll(life, 2) == 0)
		durable_park(d, run, "a", life_roll(life, task->nodes + 1));
	else if (what == 6 && task->nodes > 0 && life_roll(life, 4) == 0)
		durable_give(d, run, "a", 1 + life_roll(life, task->nodes), "v", "[9]");
	else if (what < 8)
		life->evictions += durable_evict(d, run, "a", task->nodes) == FROE_OK ? 1 : 0;
	else if (what == 8 && life_roll(life, 3) == 0)
		driver_fail(d, run, "a");
	else if (what == 9 && life_roll(life, 3) == 0)
		driver_complete(d, run, "a");
	else if (task->nodes > 0 && life_roll(life, 9) == 0) /* seldom the same again */
		durable_wait(d, run, "a", 1 + life_roll(life, task->nodes), conditions, 1);
}

/* A child run ends, if the one that the dice name is one and is open. */
static void
life_kid(struct life *life)
{
	struct driver *d = &life->d;
	if (d->ledger.run_count == 0)
		return;
	uint64_t run = 1 + life_roll(life, (uint32_t)d->ledger.run_count);
	const struct ledger_run *kid = ledger_run(&d->ledger, run);
	struct eng_version_view view;
	froe_assert(eng_version(d->eng, kid->workflow, kid->version, &view));
	if (!bytes_equal(view.workflow, bytes_text("kid")) || kid->closed)
		return;
	if (kid->tasks[0].state == ENG_TASK_ASSIGNED && life_roll(life, 2) == 0)
		driver_complete(d, run, "x");
	else
		driver_cancel(d, run);
}

static void
life_turn(struct life *life)
{
	struct driver *d = &life->d;
	char key[] = "k0";
	uint64_t *run = &life->runs[life_roll(life, 12)];
	switch (life_roll(life, 8)) {
	case 0:
		key[1] = (char)('0' + life_roll(life, 3));
		driver_push(d, key, bytes_text("{\"e\":1}"));
		return;
	case 1:
		driver_approve(d, life_roll(life, 60), life_roll(life, 2) != 0, "ann");
		return;
	case 2:
		driver_advance(d, life_roll(life, 2000) * MS);
		life_kid(life);
		return;
	case 3:
		if (life_roll(life, 20) == 0)
			eng_close(driver_reload(d, d->eng));
		if (life_roll(life, 40) == 0) {
			driver_crash(d, life_roll(life, 3000) * MS);
			driver_worker(d, 1, 8, "wf:a");
			driver_worker(d, 2, 100, "kid:x");
		}
		return;
	default:
		if (*run == 0 || ledger_run(&d->ledger, *run)->closed)
			*run = driver_start(d, "wf");
		life_step(life, *run);
		driver_settle(d);
	}
}

static void
test_durable__random_life(void **state)
{
	uint32_t evictions = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct life life = {.dice = seed};
		durable_open(&life.d, 8);
		driver_define(&life.d, "kid", "x");
		driver_worker(&life.d, 2, 100, "kid:x");
		for (int i = 0; i < 1000; i++)
			life_turn(&life);
		evictions += life.evictions;
		driver_close(&life.d);
	}
	assert_true(evictions > 50);
}

/* Why a durable task is where it is: its first step without a result, in its slot or out of it. */
static void
test_durable__why_it_waits(void **state)
{
	struct driver d;
	struct eng_condition event = on_event("paid"), sleep = on_sleep(1000);
	struct eng_why why;
	(void)state;
	durable_open(&d, 2);
	uint64_t run = driver_start(&d, "wf");
	uint32_t task = driver_index(&d, run, "a");
	assert_true(eng_why(d.eng, run, task, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_RUNS);
	durable_wait(&d, run, "a", 1, &event, 1);
	assert_int_equal(driver_push(&d, "paid", bytes_text("{}")), FROE_OK);
	durable_wait(&d, run, "a", 2, &sleep, 1);
	durable_wait(&d, run, "a", 3, &event, 1);
	assert_true(eng_why(d.eng, run, task, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_WAIT);
	assert_int_equal(why.count, 2); /* the first one has its result */
	assert_int_equal(why.until_ns, d.now_ns + 1000 * MS);
	driver_advance(&d, 1000 * MS);
	assert_true(eng_why(d.eng, run, task, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.count, 3);
	assert_int_equal(why.until_ns, 0);
	assert_int_equal(durable_evict(&d, run, "a", 3), FROE_OK);
	assert_true(eng_why(d.eng, run, task, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_WAIT);
	assert_int_equal(why.count, 3);
	assert_int_equal(driver_push(&d, "paid", bytes_text("{}")), FROE_OK);
	assert_true(eng_why(d.eng, run, task, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_RUNS);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_durable__sleep),
	    cmocka_unit_test(test_durable__memo_is_computed_once),
	    cmocka_unit_test(test_durable__first_of_several),
	    cmocka_unit_test(test_durable__a_wait_hears_of_later_events_only),
	    cmocka_unit_test(test_durable__nodes_outlive_attempts),
	    cmocka_unit_test(test_durable__nondeterminism),
	    cmocka_unit_test(test_durable__refused_steps),
	    cmocka_unit_test(test_durable__as_many_nodes_as_there_may_be),
	    cmocka_unit_test(test_durable__child),
	    cmocka_unit_test(test_durable__children_that_fail),
	    cmocka_unit_test(test_durable__children_that_look_like_nodes),
	    cmocka_unit_test(test_durable__evicted_and_back),
	    cmocka_unit_test(test_durable__eviction_that_is_late),
	    cmocka_unit_test(test_durable__evicted_over_a_restart),
	    cmocka_unit_test(test_durable__evicted_is_cancelled),
	    cmocka_unit_test(test_durable__event_in_slices),
	    cmocka_unit_test(test_durable__event_metadata),
	    cmocka_unit_test(test_durable__event_metadata_is_limited),
	    cmocka_unit_test(test_durable__event_larger_than_a_slice),
	    cmocka_unit_test(test_durable__deliveries_are_capped),
	    cmocka_unit_test(test_durable__approvals),
	    cmocka_unit_test(test_durable__random_life),
	    cmocka_unit_test(test_durable__why_it_waits),
	};
	return cmocka_run_group_tests_name("engine durable", tests, NULL, NULL);
}
