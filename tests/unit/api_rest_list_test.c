/* Lists, and what changes something. */
#include "api_rest_world.h"

#define RUNS "/api/v1/stable/tenants/acme/workflow-runs"

struct page {
	Froe__RunPage page;
	Froe__RunRow rows[4], *list[4];
	uint8_t ids[4][16];
};

/* Runs 0x..XX00 with these numbers instead of XX. */
static void
page_init(struct page *p, const char *numbers, uint64_t next)
{
	*p = (struct page){0};
	froe__run_page__init(&p->page);
	for (size_t i = 0; numbers[i] != 0; i++) {
		struct uuid id;
		assert_true(uuid_parse(RUN, 36, &id));
		id.bytes[13] = (uint8_t)numbers[i];
		memcpy(p->ids[i], id.bytes, 16);
		froe__run_row__init(&p->rows[i]);
		p->rows[i].has_run = p->rows[i].has_status = true;
		p->rows[i].run = (ProtobufCBinaryData){16, p->ids[i]};
		p->rows[i].workflow = workflow_name;
		p->rows[i].status = FROE__RUN_STATUS__RUNNING;
		p->list[i] = &p->rows[i];
		p->page.n_rows++;
	}
	p->page.rows = p->list;
	p->page.has_next = true;
	p->page.next = next;
}

static void
answer_page(struct world *w, const struct api_command *command, const char *numbers, uint64_t next)
{
	struct page page;
	page_init(&page, numbers, next);
	answer(w, command, FROE__ENVELOPE__BODY_RUN_PAGE, &page.page, 0);
}

/* Views come in any order, rows in that of the index. */
static void
test_rest__a_list(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, ASK("GET", RUNS "?since=2026-01-01T00%3A00%3A00%2B01%3A00&limit=2&offset=1"
		"&statuses=RUNNING&statuses=FAILED&additional_metadata=k%3Av%3Aw&unknown=1", ""));
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_RUN_LIST);
	assert_int_equal(
	    list->list.statuses, 1u << ENG_RUNNING | 1u << ENG_EVICTED | 1u << ENG_FAILED);
	assert_int_equal(list->list.since_ns, UINT64_C(1767222000000000000));
	assert_int_equal(list->list.metadata_count, 2);
	assert_true(bytes_equal(list->list.metadata[1], bytes_text("v:w")));
	assert_int_equal(list->list.limit, 1); /* it is skipped unseen */
	answer_page(w, list, "z", 9);
	list = asked(w, API_OP_RUN_LIST);
	assert_int_equal(list->list.before, 9);
	assert_int_equal(list->list.limit, 2);
	answer_page(w, list, "yx", 7);
	const struct api_command *first = asked(w, API_OP_RUN_GET);
	const struct api_command *second = asked(w, API_OP_RUN_GET);
	assert_true(first->run.payloads);
	assert_int_equal(first->run.run.bytes[13], 'y');
	answer_run(w, second);
	answer_run(w, first);
	answer_page(w, asked(w, API_OP_RUN_LIST), "wv", 0);
	const char *text = heard(w, 200);
	const char *y = strstr(text, "478e97791800"), *x = strstr(text, "478e97781800");
	assert_non_null(y);
	assert_non_null(x);
	assert_true(y < x);
	assert_non_null(strstr(
	    text, "\"pagination\":{\"current_page\":1,\"next_page\":2,\"num_pages\":3}"));
	world_free(w);
}

static void
test_rest__a_list_of_tasks(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, ASK("GET", RUNS "?since=2026-01-01&only_tasks=True&statuses=RUNNING&limit=1"
		"&include_payloads=false&offset=1", ""));
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_RUN_LIST);
	assert_int_equal(list->list.statuses, 0); /* they are of the tasks */
	answer_page(w, list, "zy", 0);
	const struct api_command *first = asked(w, API_OP_RUN_GET);
	assert_false(first->run.payloads);
	answer_run(w, first);
	answer_run(w, asked(w, API_OP_RUN_GET));
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "478e97791801")); /* the first task of the second run */
	assert_null(strstr(text, "478e977a18"));
	assert_null(strstr(text, "\"displayName\":\"second\""));
	assert_non_null(strstr(text, "\"input\":{}"));
	world_free(w);
}

static void
test_rest__lists_that_are_refused(void **state)
{
	(void)state;
	static const char *const CASES[][2] = {
	    {"", "since"}, {"?since=x", "since"}, {"?since=2026-01-01&until=2025-01-01", "until"},
	    {"?since=2026-01-01&limit=10001", "limit"}, {"?since=2026-01-01&limit=-1", "limit"},
	    {"?since=2026-01-01&statuses=DONE", "statuses"},
	    {"?since=2026-01-01&workflow_ids=a", "workflow_ids"},
	    {"?since=2026-01-01&additional_metadata=a", "additional_metadata"},
	    {"?since=2026-01-01&additional_metadata_operator=XOR", "additional_metadata_operator"},
	    {"?since=2026-01-01&only_tasks=maybe", "only_tasks"},
	    {"?since=2026-01-01&worker_id=a", "worker_id"},
	    {"?since=2026-01-01&running_filter=a", "running_filter"},
	    {"?since=2026-01-01&only_tasks=true&offset=100001", "offset"},
	};
	struct world *w = world_new();
	char request[512], part[64];
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(request, sizeof(request),
		    "GET " RUNS "%s HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n", CASES[i][0]);
		snprintf(part, sizeof(part), "\"field\":\"%s\"", CASES[i][1]);
		feed(w, request);
		if (i == 0)
			welcome(w, ENG_ROLE_CLIENT);
		expect(w, 400, part);
	}
	world_free(w);
}

/* Workflows have names here: those of the ids are looked for. */
static void
test_rest__ids_of_workflows(void **state)
{
	(void)state;
	struct world *w = world_new();
	char request[512], id[UUID_TEXT_SIZE], other[] = "other";
	uuid_format(alias_workflow(jwt_tenant(bytes_text("acme")), bytes_text("flow")), id);
	snprintf(request, sizeof(request),
	    "GET " RUNS "/external-ids?since=2026-01-01&workflow_ids="
	    "%s&workflow_ids=" RUN " HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n",
	    id);
	feed(w, request);
	welcome(w, ENG_ROLE_CLIENT);
	Froe__WorkflowPage page = FROE__WORKFLOW_PAGE__INIT;
	Froe__WorkflowRow rows[2] = {FROE__WORKFLOW_ROW__INIT, FROE__WORKFLOW_ROW__INIT};
	Froe__WorkflowRow *list[2] = {&rows[0], &rows[1]};
	rows[0].name = other;
	rows[1].name = workflow_name;
	page.rows = list;
	page.n_rows = 2;
	answer(w, asked(w, API_OP_WORKFLOW_LIST), FROE__ENVELOPE__BODY_WORKFLOW_PAGE, &page, 0);
	const struct api_command *runs = asked(w, API_OP_RUN_LIST);
	assert_true(bytes_equal(runs->list.workflow, bytes_text("flow")));
	answer_page(w, runs, "zy", 0);
	expect(w, 200, "[\"01a1ff63-efd9-789d-aaff-478e977a1800\",\"01a1");
	world_free(w);
}

/* ---------------------------------------------------------------------------- what is changed */

static void
feed_body(struct world *w, const char *method, const char *path, const char *body)
{
	char request[2048];
	snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: a\r\n" TOKEN "Content-Length: %zu\r\n\r\n%s", method, path,
	    strlen(body), body);
	feed(w, request);
}

#define TASKS "/api/v1/stable/tenants/acme/tasks"

static void
answer_done(struct world *w, const struct api_command *command)
{
	Froe__Done done = FROE__DONE__INIT;
	answer(w, command, FROE__ENVELOPE__BODY_DONE, &done, 0);
}

static void
test_rest__cancel_by_ids(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed_body(w, "POST", TASKS "/cancel",
	    "{\"externalIds\":[\"" RUN
	    "\",\"01a1ff63-efd9-789d-aaff-478e977a1800\"],\"filter\":null}");
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *first = asked(w, API_OP_ENGINE);
	assert_int_equal(first->engine.type, ENG_CMD_RUN_CANCEL);
	assert_false(first->engine.run_cancel.children);
	answer_error(w, asked(w, API_OP_ENGINE), FROE_FAILED_PRECONDITION);
	answer_done(w, first);
	expect(w, 200, "{\"ids\":[\"" RUN "\"]}");

	feed_body(w, "POST", TASKS "/cancel", "{\"externalIds\":[\"" RUN "\"]}");
	answer_error(w, asked(w, API_OP_ENGINE), FROE_NOT_FOUND);
	expect(w, 404, "externalIds");

	/* One of its tasks, alone. */
	feed_body(w, "POST", TASKS "/cancel",
	    "{\"externalIds\":[\"01a1ff63-efd9-789d-aaff-478e97291802\"]}");
	first = asked(w, API_OP_ENGINE);
	assert_int_equal(first->engine.run_cancel.task, 2);
	answer_done(w, first);
	expect(w, 200, "478e97291802");
	world_free(w);
}

static void
test_rest__replay_from_a_task(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed_body(w, "POST", TASKS "/replay",
	    "{\"externalIds\":[\"01a1ff63-efd9-789d-aaff-478e97291802\"]}");
	welcome(w, ENG_ROLE_CLIENT);
	answer_run(w, asked(w, API_OP_RUN_GET));
	const struct api_command *replay = asked(w, API_OP_RUN_REPLAY);
	assert_true(bytes_equal(replay->replay.task, bytes_text("second")));
	answer_done(w, replay);
	expect(w, 200, "478e97291802");
	world_free(w);
}

static void
test_rest__cancel_by_a_filter(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed_body(w, "POST", TASKS "/cancel",
	    "{\"filter\":{\"since\":\"2026-01-01T00:00:00Z\",\"statuses\":[\"RUNNING\",\"FAILED\"],"
	    "\"additionalMetadata\":[\"a:b\"]}}");
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_RUN_LIST);
	assert_int_equal(list->list.statuses, 1u << ENG_RUNNING | 1u << ENG_EVICTED);
	assert_true(bytes_equal(list->list.metadata[0], bytes_text("a")));
	answer_page(w, list, "z", 3);
	answer_page(w, asked(w, API_OP_RUN_LIST), "y", 0);
	answer_done(w, asked(w, API_OP_ENGINE));
	answer_done(w, asked(w, API_OP_ENGINE));
	expect(w, 200, "478e977a1800\",\"01a1ff63-efd9-789d-aaff-478e97791800\"]}");
	world_free(w);
}

static void
test_rest__bodies_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		const char *body;
		const char *part;
	} CASES[] = {
	    {TASKS "/cancel", "", "the body is missing"},
	    {TASKS "/cancel", "{", "not JSON"},
	    {TASKS "/cancel", "[]", "not a JSON object"},
	    {TASKS "/cancel", "{\"a\":1,\"a\":2}", "duplicate"},
	    {TASKS "/cancel", "{}", "one of the two"},
	    {TASKS "/cancel", "{\"externalIds\":[],\"filter\":{}}", "one of the two"},
	    {TASKS "/cancel", "{\"externalIds\":[1]}", "externalIds[0]"},
	    {TASKS "/cancel", "{\"externalIds\":\"a\"}", "array"},
	    {TASKS "/replay", "{\"filter\":{}}", "filter.since"},
	    {TASKS "/replay", "{\"filter\":{\"since\":\"2026-01-01\",\"statuses\":[\"X\"]}}",
		"status"},
	    {RUNS "/trigger", "{\"input\":{}}", "workflowName"},
	    {RUNS "/trigger", "{\"workflowName\":\"a\",\"input\":[]}", "not an object"},
	    {RUNS "/trigger", "{\"workflowName\":\"a\",\"priority\":4}", "priority"},
	    {RUNS "/trigger", "{\"workflowName\":\"a\",\"additionalMetadata\":[]}",
		"not an object"},
	    {RUNS "/trigger", "{\"workflowName\":\"\"}", "workflow"},
	};
	struct world *w = world_new();
	feed(w, ASK("GET", "/api/v1/tenants/acme", ""));
	welcome(w, ENG_ROLE_CLIENT);
	heard(w, 200);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		feed_body(w, "POST", CASES[i].path, CASES[i].body);
		expect(w, 400, CASES[i].part);
	}
	world_free(w);
}

/* The input goes to the run byte for byte; a name in large letters is tried in small ones. */
static void
test_rest__trigger(void **state)
{
	(void)state;
	struct sample sample;
	sample_init(&sample);
	struct world *w = world_new();
	feed_body(w, "POST", RUNS "/trigger",
	    "{\"workflowName\":\"Flow\",\"input\":{\"n\": 12345678901234567890, \"x\":1.10},"
	    "\"additionalMetadata\":{\"a\":\"b\",\"n\":5},\"priority\":2}");
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *start = asked(w, API_OP_ENGINE);
	assert_int_equal(start->engine.type, ENG_CMD_RUN_START);
	assert_true(bytes_equal(start->engine.run_start.workflow, bytes_text("Flow")));
	answer_error(w, start, FROE_NOT_FOUND);
	start = asked(w, API_OP_ENGINE);
	assert_true(bytes_equal(start->engine.run_start.workflow, bytes_text("flow")));
	assert_true(bytes_equal(start->engine.run_start.input,
	    bytes_text("{\"n\": 12345678901234567890, \"x\":1.10}")));
	assert_int_equal(start->engine.run_start.priority, 2);
	assert_int_equal(start->engine.run_start.metadata_count, 4);
	assert_true(bytes_equal(start->engine.run_start.metadata[3], bytes_text("5")));
	Froe__RunStarted started = FROE__RUN_STARTED__INIT;
	started.has_run = true;
	started.run = sample.view.run;
	answer(w, start, FROE__ENVELOPE__BODY_RUN_STARTED, &started, 0);
	answer_run(w, asked(w, API_OP_RUN_GET));
	expect(w, 200, "\"run\":{\"metadata\":{\"id\":\"" RUN "\"");
	world_free(w);
}

static void
test_rest__a_worker_is_paused(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct uuid id;
	char name[] = "w", paused[] = "paused", slots[] = "default";
	assert_true(uuid_parse(RUN, 36, &id));
	feed_body(w, "PATCH", "/api/v1/workers/" RUN, "{\"isPaused\":true}");
	welcome(w, ENG_ROLE_WORKER);
	const struct api_command *pause = asked(w, API_OP_ENGINE);
	assert_int_equal(pause->engine.type, ENG_CMD_WORKER_PAUSE);
	assert_true(pause->engine.worker_pause.paused);
	assert_true(uuid_equal(pause->engine.worker_pause.worker, id));
	answer_done(w, pause);
	Froe__WorkerView view = FROE__WORKER_VIEW__INIT;
	Froe__WorkerSlots one = FROE__WORKER_SLOTS__INIT, *list[] = {&one};
	one.type = slots;
	one.has_count = one.has_used = true;
	one.count = 5;
	one.used = 2;
	view.has_id = true;
	view.id = (ProtobufCBinaryData){16, id.bytes};
	view.name = name;
	view.state = paused;
	view.n_slots = 1;
	view.slots = list;
	answer(w, asked(w, API_OP_WORKER_GET), FROE__ENVELOPE__BODY_WORKER_VIEW, &view, 0);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "\"status\":\"PAUSED\""));
	assert_non_null(strstr(text, "\"slotConfig\":{\"default\":{\"available\":3,\"limit\":5}}"));
	feed_body(w, "PATCH", "/api/v1/workers/" RUN, "{\"isPaused\":1}");
	expect(w, 400, "isPaused");
	world_free(w);
}

static void
test_rest__logs(void **state)
{
	(void)state;
	static char one[] = "one", two[] = "two";
	char *lines[] = {one, two};
	uint64_t times[] = {UINT64_C(1767225600000001000), UINT64_C(1767225600000002000)};
	uint32_t attempts[] = {1, 2};
	struct sample sample;
	sample_init(&sample);
	sample.tasks[0].log = lines;
	sample.tasks[0].log_ns = times;
	sample.tasks[0].log_attempts = attempts;
	sample.tasks[0].n_log = sample.tasks[0].n_log_ns = sample.tasks[0].n_log_attempts = 2;
	struct world *w = world_new();
	feed(w, ASK("GET", "/api/v1/stable/tasks/01a1ff63-efd9-789d-aaff-478e97291801/logs"
		"?order_by_direction=DESC", ""));
	welcome(w, ENG_ROLE_CLIENT);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	const char *text = heard(w, 200);
	assert_true(strstr(text, "\"two\"") < strstr(text, "\"one\""));
	assert_non_null(strstr(text, "{\"createdAt\":\"2026-01-01T00:00:00.000002Z\","
	    "\"message\":\"two\",\"metadata\":{}"));
	feed(w, ASK("GET", "/api/v1/stable/tasks/01a1ff63-efd9-789d-aaff-478e97291801/logs"
		"?search=n&attempt=1&levels=WARN&levels=INFO", ""));
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	text = heard(w, 200);
	assert_non_null(strstr(text, "\"one\""));
	assert_null(strstr(text, "\"two\""));
	world_free(w);
}

static void
test_rest__rate_limits(void **state)
{
	(void)state;
	static char a[] = "api:one", b[] = "mail", c[] = "api:two";
	Froe__RateLimitPage page = FROE__RATE_LIMIT_PAGE__INIT;
	Froe__RateLimitRow rows[3] = {FROE__RATE_LIMIT_ROW__INIT, FROE__RATE_LIMIT_ROW__INIT,
	    FROE__RATE_LIMIT_ROW__INIT};
	Froe__RateLimitRow *list[3] = {&rows[0], &rows[1], &rows[2]};
	rows[0].key = a;
	rows[1].key = b;
	rows[2].key = c;
	rows[2].has_limit = rows[2].has_window = rows[2].has_put_ns = true;
	rows[2].limit = 12;
	rows[2].window = FROE__RATE_WINDOW__WINDOW_WEEK;
	rows[2].put_ns = UINT64_C(1767225600000001000);
	page.rows = list;
	page.n_rows = 2;
	page.has_next = true;
	page.next = 7;
	struct world *w = world_new();
	feed(w, ASK("GET", "/api/v1/tenants/acme/rate-limits?search=api&offset=1&limit=1", ""));
	welcome(w, ENG_ROLE_WORKER);
	const struct api_command *ask = asked(w, API_OP_RATE_LIST);
	assert_int_equal(ask->rates.after, 0);
	answer(w, ask, FROE__ENVELOPE__BODY_RATE_LIMIT_PAGE, &page, 0);
	ask = asked(w, API_OP_RATE_LIST);
	assert_int_equal(ask->rates.after, 7);
	page.rows = list + 2;
	page.n_rows = 1;
	page.has_next = false;
	answer(w, ask, FROE__ENVELOPE__BODY_RATE_LIMIT_PAGE, &page, 0);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "{\"rows\":[{\"key\":\"api:two\",\"tenantId\":"));
	assert_non_null(strstr(text, "\"limitValue\":12,\"value\":12,\"window\":\"WEEK\","
	    "\"lastRefill\":\"2026-01-01T00:00:00.000001Z\"}],"
	    "\"pagination\":{\"current_page\":2"));
	assert_null(strstr(text, "mail"));
	world_free(w);
}

static void
test_rest__queues(void **state)
{
	(void)state;
	static char a[] = "flow:first", b[] = "solo", first[] = "first";
	Froe__QueuePage page = FROE__QUEUE_PAGE__INIT;
	Froe__QueueRow rows[3] = {
	    FROE__QUEUE_ROW__INIT, FROE__QUEUE_ROW__INIT, FROE__QUEUE_ROW__INIT};
	Froe__QueueRow *list[3] = {&rows[0], &rows[1], &rows[2]};
	rows[0].action = a;
	rows[1].action = b;
	rows[2].task = first;
	rows[0].has_queued = rows[1].has_queued = rows[2].has_running = rows[0].has_oldest_ns =
	    true;
	rows[0].queued = 3;
	rows[0].oldest_ns = UINT64_C(1767225600000001000);
	rows[1].queued = 1;
	rows[2].running = 2;
	page.rows = list;
	page.n_rows = 3;
	struct world *w = world_new();
	feed(w, ASK("GET", "/api/v1/tenants/acme/step-run-queue-metrics", ""));
	welcome(w, ENG_ROLE_CLIENT);
	answer(w, asked(w, API_OP_QUEUE_LIST), FROE__ENVELOPE__BODY_QUEUE_PAGE, &page, 0);
	expect(w, 200, "{\"queues\":{\"flow:first\":3,\"solo\":1}}");
	feed(w, ASK("GET", "/api/v1/tenants/acme/task-stats", ""));
	answer(w, asked(w, API_OP_QUEUE_LIST), FROE__ENVELOPE__BODY_QUEUE_PAGE, &page, 0);
	expect(w, 200, "{\"first\":{\"queued\":{\"total\":3,\"oldest\":"
	    "\"2026-01-01T00:00:00.000001Z\"},\"running\":{\"total\":2}},\"solo\":{");
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest__a_list),
	    cmocka_unit_test(test_rest__a_list_of_tasks),
	    cmocka_unit_test(test_rest__lists_that_are_refused),
	    cmocka_unit_test(test_rest__ids_of_workflows),
	    cmocka_unit_test(test_rest__cancel_by_ids),
	    cmocka_unit_test(test_rest__replay_from_a_task),
	    cmocka_unit_test(test_rest__cancel_by_a_filter),
	    cmocka_unit_test(test_rest__bodies_that_are_refused),
	    cmocka_unit_test(test_rest__trigger),
	    cmocka_unit_test(test_rest__a_worker_is_paused),
	    cmocka_unit_test(test_rest__logs),
	    cmocka_unit_test(test_rest__queues),
	    cmocka_unit_test(test_rest__rate_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
