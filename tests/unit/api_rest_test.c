/* One session, routes, views of one run. */
#include "api_rest_world.h"


static void
test_rest__a_session_is_opened_once(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, ASK("GET", "/api/v1/tenants/acme", ""));
	assert_true(bytes_equal(w->posted[0]->open.token, bytes_text("abc")));
	assert_true(bytes_equal(w->posted[0]->open.tenant, bytes_text("acme")));
	assert_int_equal(w->posted[0]->open.push_window, 0);
	assert_false(http_api_known(&w->http));
	welcome(w, ENG_ROLE_CLIENT);
	assert_true(http_api_known(&w->http));
	expect(w, 200, "\"version\":\"V1\"");
	feed(w, ASK("GET", "/api/v1/tenants/acme", ""));
	expect(w, 200, "\"slug\":\"acme\"");
	assert_int_equal(w->seen, w->count);

	/* By the tenant's id it is another session, and so with another token. */
	char text[256], id[UUID_TEXT_SIZE];
	uuid_format(jwt_tenant(bytes_text("acme")), id);
	snprintf(text, sizeof(text),
	    "GET /api/v1/tenants/%s HTTP/1.1\r\nHost: a\r\nAuthorization: BEARER abd\r\n\r\n", id);
	feed(w, text);
	asked(w, API_OP_CLOSE);
	welcome(w, ENG_ROLE_CLIENT);
	expect(w, 200, id);
	world_free(w);
}

static void
test_rest__the_token_decides(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, "GET /api/v1/tenants/acme HTTP/1.1\r\nHost: a\r\n\r\n");
	answer_error(w, asked(w, API_OP_OPEN), FROE_UNAUTHENTICATED);
	expect(w, 403, "{\"errors\":[{\"code\":25,\"field\":\"where\",\"description\":\"why\"}]}");
	assert_false(http_api_known(&w->http));

	feed(w, ASK("GET", "/api/v1/tenants/b287eced-c34b-8cd6-bd23-1c32fbb8b5df", ""));
	asked(w, API_OP_CLOSE);
	welcome(w, ENG_ROLE_CLIENT);
	expect(w, 403, "another tenant");

	feed(w, ASK("GET", "/api/v1/tenants/acme", ""));
	asked(w, API_OP_CLOSE);
	welcome(w, 0);
	expect(w, 403, "roles");
	world_free(w);
}

static void
test_rest__a_revoked_token_ends_the_connection(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, ASK("GET", DETAILS, ""));
	welcome(w, ENG_ROLE_CLIENT);
	asked(w, API_OP_RUN_GET);
	http_api_deliver(&w->http, &(struct api_effect){.conn = HANDLE,
	    .number = FROE__ENVELOPE__BODY_ERROR, .close = true});
	expect(w, 403, "revoked");
	assert_true(conn_ending(&w->conn));
	world_free(w);
}

static void
test_rest__a_full_port(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->full = true;
	feed(w, ASK("GET", DETAILS "/status", ""));
	assert_int_equal(w->progress, API_BLOCKED);
	w->full = false;
	conn_ready(&w->conn);
	settle(w);
	w->full = true;
	welcome(w, ENG_ROLE_CLIENT);
	assert_int_equal(w->progress, API_BLOCKED);
	w->full = false;
	conn_ready(&w->conn);
	answer_error(w, asked(w, API_OP_RUN_GET), FROE_NOT_FOUND);
	expect(w, 404, "why");
	w->full = true;
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	assert_false(http_api_close(&w->http));
	w->full = false;
	assert_true(http_api_close(&w->http));
	asked(w, API_OP_CLOSE);
	world_free(w);
}

/* ----------------------------------------------------------------------------------- routing */

static void
test_rest__routes(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		unsigned status;
		const char *part;
	} CASES[] = {
	    {ASK("GET", "/api/live", ""), 200, "{}"},
	    {ASK("GET", "/api/ready", ""), 503, "Retry-After: 1"},
	    {ASK("GET", "/api/v1/meta", ""), 200, "bearer"},
	    {ASK("GET", "/api/v1/version", ""), 200, "froe "},
	    {ASK("HEAD", "/api/v1/nothing", ""), 404, "Content-Length: "},
	    {ASK("GET", "/api/", ""), 404, "openapi.json"},
	    {ASK("GET", "/api/v1/tenants/", ""), 404, "openapi.json"},
	    {ASK("GET", "/api/v1/tenants/acme/", ""), 404, "openapi.json"},
	    {ASK("GET", "/api/v1/tenants//worker", ""), 404, "openapi.json"},
	    {ASK("POST", "/api/v1/meta", "Content-Length: 0\r\n"), 405, "Allow: GET, HEAD\r\n"},
	    {ASK("DELETE", "/api/v1/tenants/acme", ""), 405, "Allow: GET, HEAD\r\n"},
	    {ASK("OPTIONS", "/api/v1/meta", ""), 405, "errors"},
	    {ASK("GET", "/api/v1/meta?a=%zz", ""), 400, "percent"},
	    {ASK("GET", "/api/v1/meta?a=%4", ""), 400, "percent"},
	    {ASK("GET", "/api/v1/meta?a=%00", ""), 400, "percent"},
	    {ASK("GET", "/api/v1/meta?a=%ff", ""), 400, "percent"},
	    {ASK("GET", "/api/v1/meta?a=%41&&b&=c&a=2", ""), 200, "auth"},
	};
	struct world *w = world_new();
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		feed(w, CASES[i].request);
		if (strncmp(CASES[i].request, "HEAD", 4) == 0) {
			while (fake_take(&w->fake, SIZE_MAX) > 0)
				settle(w);
			assert_memory_equal(w->fake.wire.data, "HTTP/1.1 404", 12);
			buf_reset(&w->fake.wire);
			continue;
		}
		expect(w, CASES[i].status, CASES[i].part);
	}
	assert_int_equal(w->count, 0); /* none of them is the shard's business */
	world_free(w);
}

/* Each route is in the document with its parameters, and nothing else is. */
static void
test_rest__the_document_is_the_table(void **state)
{
	(void)state;
	struct world *w = world_new();
	size_t told = 0;
	const char *path, *method;
	json_t *operations, *operation;
	feed(w, "GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n");
	const char *text = heard(w, 200);
	json_t *all = json_loads(strstr(text, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
	json_t *schemas = json_object_get(json_object_get(all, "components"), "schemas");
	json_object_foreach(json_object_get(all, "paths"), path, operations) {
		json_object_foreach(operations, method, operation) {
			assert_true(json_is_object(operation));
			told++;
		}
	}
	assert_int_equal(told, REST_ROUTE_COUNT);
	for (size_t i = 0; i < REST_ROUTE_COUNT; i++) {
		const struct rest_route *route = &REST_ROUTES[i];
		char name[16] = {0};
		for (size_t j = 0; rest_method_name(route->method)[j] != 0; j++)
			name[j] = (char)(rest_method_name(route->method)[j] | 0x20);
		operations = json_object_get(json_object_get(all, "paths"), route->path);
		operation = json_object_get(operations, name);
		assert_non_null(operation);
		assert_string_equal(
		    json_string_value(json_object_get(operation, "summary")), route->summary);
		assert_int_equal(json_array_size(json_object_get(operation, "x-roles")) == 0,
		    route->roles == REST_ANYONE);
		assert_non_null(json_object_get(schemas, route->schema));
		/* Its own path leads to it, and to no other before it. */
		struct bytes params[REST_PARAMS_MAX], tenant;
		uint32_t allow;
		assert_ptr_equal(rest_route_find(route->method, bytes_text(route->path), params,
		    &tenant, &allow), route);
	}
	json_decref(all);
	world_free(w);
}

/* ------------------------------------------------------------------------------------- views */

static void
test_rest__details(void **state)
{
	(void)state;
	static const char *const PARTS[] = {
	    "\"input\":{\"value\": [1,2.50, 12345678901234567890]}", "\"output\":{}",
	    "\"additionalMetadata\":{\"k\":\"v\"}", "\"status\":\"RUNNING\",\"isEvicted\":true",
	    "\"startedAt\":\"2026-01-01T00:00:00.100000Z\"", "\"retryCount\":1,\"attempt\":2",
	    "\"eventType\":\"FAILED\",\"message\":\"failed\"", "a \\\"quote\\\"\\n",
	    "\"timestamp\":\"2026-01-01T00:00:01.123456Z\"", "\"type\":\"TASK\"",
	    "\"taskName\":\"second\",\"childrenStepIds\":[]", "\"taskId\":7170",
	    "\"taskExternalId\":\"01a1ff63-efd9-789d-aaff-478e97291802\"",
	};
	struct sample sample;
	sample_init(&sample);
	sample.view.has_started_ns = true;
	sample.view.started_ns = UINT64_C(1767225600100000000);
	struct world *w = world_new();
	feed(w, ASK("GET", DETAILS, ""));
	welcome(w, ENG_ROLE_WORKER);
	const struct api_command *get = asked(w, API_OP_RUN_GET);
	assert_true(get->run.payloads);
	assert_true(uuid_equal(get->run.run, sample.run));
	answer(w, get, FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	const char *text = heard(w, 200);
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		if (strstr(text, PARTS[i]) == NULL)
			fail_msg("\"%s\" is not in %s", PARTS[i], text);
	}
	world_free(w);
}

/* A run of one task has one id for both; the task of a larger one has its own alone. */
static void
test_rest__tasks(void **state)
{
	(void)state;
	struct sample sample;
	struct world *w = world_new();
	sample_init(&sample);
	feed(w, ASK("GET", "/api/v1/stable/tasks/" RUN, ""));
	welcome(w, ENG_ROLE_CLIENT);
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 404, "no task");
	sample.view.n_tasks = 1;
	feed(w, ASK("GET", "/api/v1/stable/tasks/" RUN, ""));
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 200, "\"taskExternalId\":\"" RUN "\"");
	feed(w, ASK("GET", "/api/v1/stable/tasks/01a1ff63-efd9-789d-aaff-478e97291801", ""));
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 200, "\"taskExternalId\":\"" RUN "\"");
	feed(w, ASK("GET", "/api/v1/stable/tasks/01a1ff63-efd9-789d-aaff-478e97291803", ""));
	answer(w, asked(w, API_OP_RUN_GET), FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 404, "no task");
	feed(w, ASK("GET", "/api/v1/stable/tasks/nobody", ""));
	expect(w, 400, "\"field\":\"task\"");
	world_free(w);
}

static void
test_rest__status(void **state)
{
	(void)state;
	struct sample sample;
	struct world *w = world_new();
	sample_init(&sample);
	feed(w, ASK("GET", DETAILS "/status", ""));
	welcome(w, ENG_ROLE_OPERATOR);
	sample.view.status = FROE__RUN_STATUS__EVICTED;
	const struct api_command *get = asked(w, API_OP_RUN_GET);
	assert_false(get->run.payloads);
	answer(w, get, FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
	expect(w, 200, "\r\n\r\n\"RUNNING\"");
	world_free(w);
}

static void
test_rest__times(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t ns;
	} CASES[] = {
	    {"2026-01-01T00:00:00Z", UINT64_C(1767225600000000000)},
	    {"2026-01-01T00:00:00.5", UINT64_C(1767225600500000000)},
	    {"2026-01-01 01:30:00.000001+01:30", UINT64_C(1767225600000001000)},
	    {"2025-12-31T23:00:00-01:00", UINT64_C(1767225600000000000)},
	};
	static const char *const BAD[] = {"", "now", "2026-13-01", "2026-01-01T00:00:00+1:00",
	    "1970-01-01T00:00:00+01:00"};
	uint64_t ns;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		assert_true(rest_time_parse(bytes_text(CASES[i].text), &ns));
		assert_int_equal(ns, CASES[i].ns);
	}
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		assert_false(rest_time_parse(bytes_text(BAD[i]), &ns));
}

static void
test_rest__members(void **state)
{
	(void)state;
	static const char BODY[] =
	    " { \"a\\\"b\" : \"x}\" , \"n\":{\"input\":1}, \"t\":true, "
	    "\"input\" : [ {\"]\":1} ] ,\"z\":-1.5e3}";
	struct bytes value;
	assert_true(rest_member(bytes_text(BODY), "input", &value));
	assert_true(bytes_equal(value, bytes_text("[ {\"]\":1} ]")));
	assert_true(rest_member(bytes_text(BODY), "t", &value));
	assert_true(bytes_equal(value, bytes_text("true")));
	assert_true(rest_member(bytes_text(BODY), "z", &value));
	assert_true(bytes_equal(value, bytes_text("-1.5e3")));
	assert_false(rest_member(bytes_text(BODY), "b", &value));
	assert_false(rest_member(bytes_text("{}"), "a", &value));
	assert_false(rest_member(bytes_text("[1]"), "a", &value));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest__a_session_is_opened_once),
	    cmocka_unit_test(test_rest__the_token_decides),
	    cmocka_unit_test(test_rest__a_revoked_token_ends_the_connection),
	    cmocka_unit_test(test_rest__a_full_port),
	    cmocka_unit_test(test_rest__routes),
	    cmocka_unit_test(test_rest__the_document_is_the_table),
	    cmocka_unit_test(test_rest__details),
	    cmocka_unit_test(test_rest__tasks),
	    cmocka_unit_test(test_rest__status),
	    cmocka_unit_test(test_rest__times),
	    cmocka_unit_test(test_rest__members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
