/*
 * What workers hear of their durable tasks' nodes: at once or later, within the window, with bytes
 * that have left memory, over connections that break; and who asks for approval.
 */
#include "server_hub_world.h"

#include "base/fingerprint.h"

static const struct flow_task DURABLE[] = {{.name = "send", .retries = 2, .durable = true}};

static void
durable_begin(struct world *world, uint64_t window)
{
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, window);
	uint64_t put = say_flow(world, CLIENT, "mail", DURABLE, 1);
	hear(world, CLIENT, put, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE);
	uint64_t request = say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 4, NULL, 0);
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
}

static struct eng_fence
durable_run(struct world *world)
{
	say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	return hear_dispatch(world, WORKER);
}

static uint64_t
say_memo(struct world *world, uint64_t conn, struct eng_fence fence, uint32_t node,
    const struct bytes *value)
{
	struct eng_command engine = {
	    .type = ENG_CMD_DURABLE_STEP,
	    .durable =
	        {
	            .fence = fence,
	            .node = node,
	            .kind = ENG_NODE_MEMO,
	            .name = bytes_text("memo"),
	            .has_value = value != NULL,
	        },
	};
	if (value != NULL)
		engine.durable.value = *value;
	return say_engine(world, conn, &engine, false);
}

static uint64_t
say_wait(struct world *world, uint64_t conn, struct eng_fence fence, uint32_t node, uint32_t kind,
    const char *name)
{
	struct eng_condition condition = {
	    .kind = kind, .name = bytes_text(name), .data = bytes_text("[1]")};
	struct eng_command engine = {
	    .type = ENG_CMD_DURABLE_STEP,
	    .durable =
	        {
	            .fence = fence,
	            .node = node,
	            .kind = ENG_NODE_WAIT,
	            .conditions = &condition,
	            .condition_count = 1,
	        },
	};
	return say_engine(world, conn, &engine, false);
}

static uint64_t
say_event(struct world *world, uint64_t conn, const char *key, struct bytes payload)
{
	struct eng_command engine = {
	    .type = ENG_CMD_EVENT_PUSH,
	    .event_push = {.key = bytes_text(key), .payload = payload},
	};
	return say_engine(world, conn, &engine, false);
}

static Froe__NodeDone *
hear_node(struct world *world, uint64_t conn, uint64_t request)
{
	return hear_body(world, conn, request, FROE__ENVELOPE__BODY_NODE_DONE);
}

static void
expect_node(struct world *world, uint64_t conn, uint64_t request, Froe__NodeState state,
    struct bytes payload)
{
	Froe__NodeDone *done = hear_node(world, conn, request);
	assert_int_equal(done->state, state);
	assert_int_equal(done->payload.len, payload.size);
	if (payload.size > 0)
		assert_memory_equal(done->payload.data, payload.data, payload.size);
	message_done(done);
}

static const struct bytes NOTHING;

static void
test_hub_durable__memo(void **state)
{
	static const size_t caches[] = {16 << 20, 0};
	struct bytes value = text_large(1 << 19, 'v');
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		durable_begin(world, WINDOW);
		struct eng_fence fence = durable_run(world);
		uint64_t request = say_memo(world, WORKER, fence, 1, NULL);
		expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_ABSENT, NOTHING);
		request = say_memo(world, WORKER, fence, 1, &value);
		Froe__NodeDone *done = hear_node(world, WORKER, request);
		assert_int_equal(done->state, FROE__NODE_STATE__NODE_DONE);
		assert_true(done->stored); /* it does not travel back */
		assert_int_equal(done->payload.len, 0);
		message_done(done);
		say_fail(world, WORKER, fence, "again");
		fence = hear_dispatch(world, WORKER);
		request = say_memo(world, WORKER, fence, 1, NULL);
		expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_DONE, value);
		assert_int_equal(world->hub.stats.needs > 0, caches[i] == 0);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)value.data);
}

/* What an attempt has done goes with the next one's dispatch: what is in memory, and is small. */
static void
test_hub_durable__dispatch_brings_what_is_known(void **state)
{
	static const size_t caches[] = {16 << 20, 0};
	struct bytes large = text_large(HUB_NODES_KNOWN_BYTES, 'v'), small = bytes_text("[1]");
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *world = world_open(caches[i]);
		durable_begin(world, WINDOW);
		Froe__Dispatch *dispatch;
		struct eng_fence fence = durable_run(world);
		hear(world, WORKER, say_memo(world, WORKER, fence, 1, &large),
		    FROE__ENVELOPE__BODY_NODE_DONE);
		hear(world, WORKER, say_memo(world, WORKER, fence, 2, &small),
		    FROE__ENVELOPE__BODY_NODE_DONE);
		hear(world, WORKER, say_wait(world, WORKER, fence, 3, ENG_CONDITION_EVENT, "k"),
		    FROE__ENVELOPE__BODY_NODE_DONE);
		say_fail(world, WORKER, fence, "again");
		dispatch = hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
		assert_int_equal(dispatch->n_nodes, i == 0 ? 1 : 0);
		for (size_t k = 0; k < dispatch->n_nodes; k++) {
			const Froe__NodeDone *node = dispatch->nodes[k];
			assert_int_equal(node->node, 2);
			assert_int_equal(node->state, FROE__NODE_STATE__NODE_DONE);
			assert_false(node->stored);
			assert_true(node->fingerprint ==
			    fingerprint_begin(ENG_NODE_MEMO, bytes_text("memo")));
			assert_int_equal(node->payload.len, small.size);
			assert_memory_equal(node->payload.data, small.data, small.size);
		}
		message_done(dispatch);
		world_close(world);
	}
	mem_free((void *)(uintptr_t)large.data);
}

/* Results wait for the window, as all pushes do; answers too. */
static void
test_hub_durable__window(void **state)
{
	struct world *world = world_open(0);
	struct bytes payload = text_large(5000, 'p');
	(void)state;
	durable_begin(world, 1000);
	struct eng_fence fence = durable_run(world);
	uint64_t request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_PENDING, NOTHING);
	say_event(world, CLIENT, "k", payload);
	world_settle(world);
	assert_null(heard(world, WORKER, 0, FROE__ENVELOPE__BODY_NODE_DONE));
	request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	world_settle(world);
	assert_null(heard(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE));
	say_credit(world, WORKER, 6000);
	expect_node(world, WORKER, 0, FROE__NODE_STATE__NODE_DONE, payload);
	world_settle(world);
	assert_null(heard(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE));
	say_credit(world, WORKER, 6000);
	expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_DONE, payload);
	mem_free((void *)(uintptr_t)payload.data);
	world_close(world);
}

/* What came while the worker was away it hears when it asks. */
static void
test_hub_durable__asked_again(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	durable_begin(world, WINDOW);
	struct eng_fence fence = durable_run(world);
	uint64_t request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_PENDING, NOTHING);
	say_close(world, WORKER);
	say_event(world, CLIENT, "k", bytes_text("{\"e\":1}"));
	world_settle(world);
	say_open(world, OTHER, WINDOW);
	say_register(world, OTHER, 1, 1, MAIL_ACTIONS, 4, &fence, 1);
	world_settle(world);
	assert_null(heard(world, OTHER, 0, FROE__ENVELOPE__BODY_NODE_DONE));
	request = say_wait(world, OTHER, fence, 1, ENG_CONDITION_EVENT, "k");
	expect_node(world, OTHER, request, FROE__NODE_STATE__NODE_DONE, bytes_text("{\"e\":1}"));
	world_close(world);
}

/* The server ends with an evicted task, and the next one dispatches it when its event comes. */
static void
test_hub_durable__evicted_over_a_restart(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	durable_begin(world, WINDOW);
	struct eng_fence fence = durable_run(world);
	uint64_t request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE);
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_EVICT, .durable = {.fence = fence, .node = 1}};
	hear_done(world, WORKER, say_engine(world, WORKER, &engine, false));
	world_settle(world);
	world_stop(world);
	world_forget(world);
	world_start(world);
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, WINDOW);
	say_register(world, WORKER, 1, 1, MAIL_ACTIONS, 4, NULL, 0);
	say_event(world, CLIENT, "k", bytes_text("7"));
	Froe__Dispatch *dispatch = hear_body(world, WORKER, 0, FROE__ENVELOPE__BODY_DISPATCH);
	assert_int_equal(dispatch->attempt, 1);
	assert_int_equal(dispatch->invocation, 2);
	assert_true(dispatch->durable);
	fence = fence_of(dispatch);
	message_done(dispatch);
	request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	expect_node(world, WORKER, request, FROE__NODE_STATE__NODE_DONE, bytes_text("7"));
	world_close(world);
}

/* A step that is asked for, then the run is cancelled or the connection closes, at each moment. */
static void
test_hub_durable__gone_at_each_moment(void **state)
{
	struct bytes value = text_large(200000, 'v');
	(void)state;
	for (int moment = 0; moment < 40; moment++) {
		struct world *world = world_open(0);
		durable_begin(world, moment % 2 == 0 ? WINDOW : 2000);
		uint64_t started = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
		struct uuid run = hear_started(world, CLIENT, started);
		struct eng_fence fence = hear_dispatch(world, WORKER);
		uint64_t request = say_memo(world, WORKER, fence, 1, &value);
		hear(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE);
		request = say_memo(world, WORKER, fence, 1, NULL);
		for (int i = 0; i < moment / 4; i++)
			world_step(world, 20000);
		if (moment % 4 < 2)
			say_close(world, WORKER);
		else
			say_cancel(world, CLIENT, run);
		world_settle(world);
		if (moment % 4 == 2) { /* it is answered, whatever became of the lease */
			bool answered =
			    heard(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE) != NULL ||
			    heard(world, WORKER, request, FROE__ENVELOPE__BODY_ERROR) != NULL;
			assert_true(answered);
		}
		world_close(world);
	}
	mem_free((void *)(uintptr_t)value.data);
}

static void
test_hub_durable__nondeterminism(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	durable_begin(world, WINDOW);
	struct eng_fence fence = durable_run(world);
	uint64_t request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "k");
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE);
	request = say_wait(world, WORKER, fence, 1, ENG_CONDITION_EVENT, "other");
	assert_int_equal(hear_error(world, WORKER, request), FROE_NONDETERMINISM);
	request = say_memo(world, WORKER, fence, 2, NULL);
	assert_int_equal(hear_error(world, WORKER, request), FROE_LEASE_LAPSED);
	world_close(world);
}

static uint64_t
say_approvals(struct world *world, uint64_t after, uint32_t limit)
{
	struct api_command command = command_of(world, CLIENT, API_OP_APPROVAL_LIST);
	command.approvals.after = after;
	command.approvals.limit = limit;
	world_say(world, &command);
	return command.origin.request;
}

static void
test_hub_durable__approvals(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	durable_begin(world, WINDOW);
	struct eng_fence fences[3];
	for (int i = 0; i < 3; i++) {
		fences[i] = durable_run(world);
		uint64_t request =
		    say_wait(world, WORKER, fences[i], 1, ENG_CONDITION_APPROVAL, "ok");
		hear(world, WORKER, request, FROE__ENVELOPE__BODY_NODE_DONE);
	}
	Froe__ApprovalPage *page = hear_body(world, CLIENT, say_approvals(world, 0, 2),
	    FROE__ENVELOPE__BODY_APPROVAL_PAGE);
	assert_int_equal(page->n_rows, 2);
	assert_int_equal(page->next, 2);
	assert_string_equal(page->rows[0]->name, "ok");
	assert_string_equal(page->rows[0]->workflow, "mail");
	assert_string_equal(page->rows[0]->task, "send");
	assert_memory_equal(page->rows[0]->data.data, "[1]", 3);
	message_done(page);
	page = hear_body(world, CLIENT, say_approvals(world, 2, 2),
	    FROE__ENVELOPE__BODY_APPROVAL_PAGE);
	assert_int_equal(page->n_rows, 1);
	assert_int_equal(page->next, 0);
	message_done(page);
	struct eng_command engine = {
	    .type = ENG_CMD_APPROVAL_DECIDE,
	    .actor = bytes_text("ann"),
	    .approval_decide = {.approval = 2, .approved = true, .reason = bytes_text("why")},
	};
	hear_done(world, CLIENT, say_engine(world, CLIENT, &engine, false));
	Froe__NodeDone *done = hear_node(world, WORKER, 0);
	assert_true(done->approved);
	assert_string_equal(done->reason, "why");
	assert_memory_equal(done->task.data, fences[1].task.bytes, 16);
	message_done(done);
	assert_int_equal(hear_error(world, CLIENT, say_engine(world, CLIENT, &engine, false)),
	    FROE_FAILED_PRECONDITION);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_durable__memo),
	    cmocka_unit_test(test_hub_durable__dispatch_brings_what_is_known),
	    cmocka_unit_test(test_hub_durable__window),
	    cmocka_unit_test(test_hub_durable__asked_again),
	    cmocka_unit_test(test_hub_durable__evicted_over_a_restart),
	    cmocka_unit_test(test_hub_durable__gone_at_each_moment),
	    cmocka_unit_test(test_hub_durable__nondeterminism),
	    cmocka_unit_test(test_hub_durable__approvals),
	};
	return cmocka_run_group_tests_name("server hub_durable", tests, NULL, NULL);
}
