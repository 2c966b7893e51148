/* Workflows are paused, deleted; durable tasks come back, and branch; what happened to tasks. */
#include "api_rest_world.h"

#include "engine/workflow.h"

#define STABLE_TENANT "/api/v1/stable/tenants/acme"
#define TASK_ONE "01a1ff63-efd9-789d-aaff-478e97291801"

static void
ask_body(struct world *w, const char *method, const char *path, const char *body)
{
	char request[2048];
	snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: a\r\n" TOKEN "Content-Length: %zu\r\n\r\n%s", method, path,
	    strlen(body), body);
	feed(w, request);
}

static void
done(struct world *w, const struct api_command *command)
{
	Froe__Done done = FROE__DONE__INIT;
	answer(w, command, FROE__ENVELOPE__BODY_DONE, &done, 0);
}

static void
row_init(Froe__WorkflowRow *row)
{
	froe__workflow_row__init(row);
	row->name = workflow_name;
	row->has_version = row->has_created_ns = row->has_put_ns = true;
	row->version = 2;
	row->created_ns = UINT64_C(1767225600000001000);
	row->put_ns = UINT64_C(1767225601000001000);
}

static void
answer_names(struct world *w)
{
	Froe__WorkflowPage page = FROE__WORKFLOW_PAGE__INIT;
	Froe__WorkflowRow row, *rows[1] = {&row};
	row_init(&row);
	page.rows = rows;
	page.n_rows = 1;
	answer(w, asked(w, API_OP_WORKFLOW_LIST), FROE__ENVELOPE__BODY_WORKFLOW_PAGE, &page, 0);
}

static void
answer_workflow(struct world *w, bool paused)
{
	Froe__WorkflowView view = FROE__WORKFLOW_VIEW__INIT;
	Froe__WorkflowDefinition definition = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__WorkflowRow row;
	uint8_t packed[64];
	row_init(&row);
	row.has_paused = row.has_drops_cron = paused;
	row.paused = row.drops_cron = paused;
	definition.name = workflow_name;
	view.row = &row;
	view.has_newest = view.has_definition = true;
	view.newest = 2;
	view.definition.len = protobuf_c_message_pack(&definition.base, packed);
	view.definition.data = packed;
	answer(w, asked(w, API_OP_WORKFLOW_GET), FROE__ENVELOPE__BODY_WORKFLOW_VIEW, &view, 0);
}

static const char *
workflow_path(void)
{
	static char path[128];
	char id[UUID_TEXT_SIZE];
	uuid_format(alias_workflow(jwt_tenant(bytes_text("acme")), bytes_text("flow")), id);
	snprintf(path, sizeof(path), "/api/v1/workflows/%s", id);
	return path;
}

static void
test_rest_workflow__paused_and_resumed(void **state)
{
	(void)state;
	struct world *w = world_new();
	ask_body(w, "PATCH", workflow_path(), "{\"pause\":{\"action\":\"pause\","
		"\"pausedWorkflowCronRunQueueBehavior\":\"DROP\","
		"\"pausedWorkflowScheduledRunQueueBehavior\":\"QUEUE\","
		"\"pausedWorkflowQueueTTL\":\"1h\"}}");
	welcome(w, ENG_ROLE_CLIENT);
	answer_names(w);
	const struct api_command *pause = asked(w, API_OP_ENGINE);
	assert_int_equal(pause->engine.type, ENG_CMD_WORKFLOW_SET);
	assert_int_equal(pause->engine.workflow_set.change, ENG_WORKFLOW_PAUSE);
	assert_int_equal(pause->engine.workflow_set.drops, ENG_DROPS_CRON);
	assert_true(bytes_equal(pause->engine.workflow_set.name, bytes_text("flow")));
	done(w, pause);
	answer_workflow(w, /* paused= */ true);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "\"isPaused\":true,"
		"\"pausedWorkflowCronRunQueueBehavior\":\"DROP\","
		"\"pausedWorkflowScheduledRunQueueBehavior\":\"QUEUE\""));
	assert_non_null(strstr(text, "\"createdAt\":\"2026-01-01T00:00:00.000001Z\","
		"\"updatedAt\":\"2026-01-01T00:00:01.000001Z\""));
	ask_body(w, "PATCH", workflow_path(), "{\"pause\":{\"action\":\"unpause\"}}");
	answer_names(w);
	pause = asked(w, API_OP_ENGINE);
	assert_int_equal(pause->engine.workflow_set.change, ENG_WORKFLOW_RESUME);
	done(w, pause);
	answer_workflow(w, /* paused= */ false);
	expect(w, 200, "\"isPaused\":false");
	ask_body(w, "PATCH", workflow_path(), "{}");
	answer_names(w);
	answer_workflow(w, /* paused= */ false);
	expect(w, 200, "\"isPaused\":false");
	ask_body(w, "PATCH", workflow_path(), "{\"pause\":{\"action\":\"stop\"}}");
	expect(w, 400, "pause.action");
	ask_body(w, "PATCH", workflow_path(), "{\"pause\":7}");
	expect(w, 400, "pause.action");
	ask_body(w, "PATCH", workflow_path(), "{\"pause\":{\"action\":\"pause\","
		"\"pausedWorkflowCronRunQueueBehavior\":\"KEEP\"}}");
	expect(w, 400, "pausedWorkflowCronRunQueueBehavior");
	world_free(w);
}

static void
test_rest_workflow__deleted(void **state)
{
	(void)state;
	struct world *w = world_new();
	char request[256];
	snprintf(request, sizeof(request), "DELETE %s HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n",
	    workflow_path());
	feed(w, request);
	welcome(w, ENG_ROLE_CLIENT);
	answer_names(w);
	const struct api_command *deletion = asked(w, API_OP_ENGINE);
	assert_int_equal(deletion->engine.workflow_set.change, ENG_WORKFLOW_DELETE);
	done(w, deletion);
	expect(w, 200, "{}");
	feed(w, ASK("DELETE", "/api/v1/workflows/" RUN, ""));
	answer_names(w);
	expect(w, 404, "workflow");
	world_free(w);
}

static void
test_rest_workflow__a_task_is_restored(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct uuid task;
	assert_true(uuid_parse(TASK_ONE, 36, &task));
	feed(w, ASK("POST", "/api/v1/stable/tasks/" RUN "/restore", ""));
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *restore = asked(w, API_OP_ENGINE);
	assert_int_equal(restore->engine.type, ENG_CMD_TASK_RESTORE);
	assert_true(uuid_equal(restore->engine.task_restore.task, task));
	done(w, restore);
	expect(w, 200, "{\"requeued\":true}");
	feed(w, ASK("POST", "/api/v1/stable/tasks/" TASK_ONE "/restore", ""));
	answer_error(w, asked(w, API_OP_ENGINE), FROE_FAILED_PRECONDITION);
	expect(w, 200, "{\"requeued\":false}");
	feed(w, ASK("POST", "/api/v1/stable/tasks/" TASK_ONE "/restore", ""));
	answer_error(w, asked(w, API_OP_ENGINE), FROE_NOT_FOUND);
	expect(w, 404, "where");
	world_free(w);
}

static void
test_rest_workflow__a_branch(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct sample sample;
	Froe__NodeView node = FROE__NODE_VIEW__INIT, *nodes[2] = {&node, &node};
	static const char BODY[] =
	    "{\"taskExternalId\":\"" TASK_ONE "\",\"nodeId\":2,\"branchId\":0}";
	sample_init(&sample);
	sample.tasks[0].nodes = nodes;
	sample.tasks[0].n_nodes = 2;
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch", BODY);
	welcome(w, ENG_ROLE_CLIENT);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	const struct api_command *replay = asked(w, API_OP_RUN_REPLAY);
	assert_int_equal(replay->replay.node, 2);
	assert_true(bytes_equal(replay->replay.task, bytes_text("first")));
	done(w, replay);
	expect(w, 200, "{\"taskExternalId\":\"" TASK_ONE "\",\"nodeId\":2,\"branchId\":1}");
	sample.tasks[0].n_nodes = 1;
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch", BODY);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 400, "nodeId");
	sample.tasks[0].n_nodes = 2;
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch", BODY);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	answer_error(w, asked(w, API_OP_RUN_REPLAY), FROE_FAILED_PRECONDITION);
	expect(w, 409, "where");
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch",
	    "{\"taskExternalId\":\"" TASK_ONE "\",\"nodeId\":0,\"branchId\":0}");
	expect(w, 400, "nodeId");
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch",
	    "{\"taskExternalId\":\"" TASK_ONE "\",\"nodeId\":1,\"branchId\":2}");
	expect(w, 400, "branchId");
	ask_body(w, "POST", STABLE_TENANT "/durable-tasks/branch", "{\"nodeId\":1}");
	expect(w, 400, "taskExternalId");
	world_free(w);
}

/* In pages; a task's own, and those of all tasks of its run. */
static void
test_rest_workflow__events_of_tasks(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct sample sample;
	sample_init(&sample);
	feed(w, ASK("GET", "/api/v1/stable/tasks/" TASK_ONE "/task-events?limit=1&offset=1", ""));
	welcome(w, ENG_ROLE_CLIENT);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "{\"rows\":[{\"id\":2,\"taskId\":\"" TASK_ONE "\""));
	assert_null(strstr(text, "\"id\":1,"));
	assert_null(strstr(text, "\"id\":3,"));
	assert_non_null(strstr(text, "\"pagination\":{\"current_page\":2"));
	feed(w, ASK("GET", DETAILS "/task-events", ""));
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 200, "\"eventType\":\"ASSIGNED\"");
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest_workflow__paused_and_resumed),
	    cmocka_unit_test(test_rest_workflow__deleted),
	    cmocka_unit_test(test_rest_workflow__a_task_is_restored),
	    cmocka_unit_test(test_rest_workflow__a_branch),
	    cmocka_unit_test(test_rest_workflow__events_of_tasks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
