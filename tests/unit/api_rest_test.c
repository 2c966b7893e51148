/* Conversations with the REST side of an HTTP session: what is asked of the shard, and what becomes
 * of its answers. */
#include "api/http_api.h"

#include "api/alias.h"
#include "api/jwt.h"
#include "api/rest_int.h"
#include "base/json.h"
#include "base/mem.h"
#include "net_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HANDLE UINT64_C(0x0200000003000001)
#define POSTED_MAX 64u

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct http_api http;
	struct api_port port;
	atomic_bool ready;
	struct api_command *posted[POSTED_MAX];
	size_t count;
	size_t seen; /* that the test has looked at */
	bool full;
	enum api_progress progress;
};

static bool
world_post(struct api_port *port, const struct api_command *command)
{
	struct world *w = container_of(port, struct world, port);
	if (w->full)
		return false;
	assert_true(w->count < POSTED_MAX);
	w->posted[w->count++] = api_command_clone(command);
	return true;
}

static void
settle(struct world *w)
{
	struct list *node;
	while ((node = list_pop(&w->set.ready)) != NULL) {
		conn_step(&w->conn);
		w->progress = conn_ending(&w->conn) && http_api_close(&w->http)
		    ? API_IDLE
		    : http_api_step(&w->http);
		conn_settle(&w->conn);
	}
	while ((node = list_pop(&w->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
}

static struct world *
world_new(void)
{
	struct world *w = mem_zalloc(sizeof(*w));
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	w->port.post = world_post;
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	conn_serve(&w->conn, CONN_HTTP);
	http_api_open(&w->http, &w->conn, &w->port, &w->ready, HANDLE);
	settle(w);
	return w;
}

static void
world_free(struct world *w)
{
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (int i = 0; i < 4 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	assert_true(http_api_close(&w->http));
	http_api_release(&w->http);
	conn_release(&w->conn);
	fake_release(&w->fake);
	for (size_t i = 0; i < w->count; i++)
		mem_free(w->posted[i]);
	mem_free(w);
}

static void
feed(struct world *w, const char *text)
{
	assert_true(fake_feed(&w->fake, text, strlen(text)));
	settle(w);
}

/* What the client has read since the last call: its body, which must be JSON. */
static const char *
heard(struct world *w, unsigned status)
{
	static char text[262144];
	settle(w);
	while (fake_take(&w->fake, SIZE_MAX) > 0)
		settle(w);
	struct bytes bytes = buf_bytes(&w->fake.wire);
	assert_true(bytes.size < sizeof(text));
	if (bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = 0;
	buf_reset(&w->fake.wire);
	if (bytes.size < 12 || (unsigned)atoi(text + 9) != status)
		fail_msg("not %u: %s", status, text);
	const char *body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	assert_true(json_valid(body + 4, strlen(body + 4), NULL));
	return text;
}

static void
expect(struct world *w, unsigned status, const char *part)
{
	const char *text = heard(w, status);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in %s", part, text);
}

/* The next command; it must be this one. */
static const struct api_command *
asked(struct world *w, enum api_op op)
{
	settle(w);
	if (w->seen == w->count)
		fail_msg("nothing was asked, not %d", (int)op);
	const struct api_command *command = w->posted[w->seen++];
	assert_int_equal(command->op, op);
	assert_int_equal(command->origin.conn, HANDLE);
	return command;
}

static void
answer(struct world *w, const struct api_command *command, uint32_t number, const void *message,
    uint32_t roles)
{
	struct api_effect effect = {
	    .conn = HANDLE,
	    .request = command->origin.request,
	    .number = number,
	    .roles = roles,
	};
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = mem_alloc(size + 1);
	effect.packed = bytes_of(packed, protobuf_c_message_pack(message, packed));
	http_api_deliver(&w->http, &effect);
	mem_free(packed);
	settle(w);
}

static void
answer_error(struct world *w, const struct api_command *command, enum froe_err err)
{
	Froe__Error error = FROE__ERROR__INIT;
	char text[] = "why", field[] = "where";
	error.has_code = true;
	error.code = (uint32_t)err;
	error.field = field;
	error.text = text;
	answer(w, command, FROE__ENVELOPE__BODY_ERROR, &error, 0);
}

static void
welcome(struct world *w, uint32_t roles)
{
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	char tenant[] = "acme";
	welcome.tenant = tenant;
	answer(w, asked(w, API_OP_OPEN), FROE__ENVELOPE__BODY_WELCOME, &welcome, roles);
}

#define TOKEN "Authorization: Bearer abc\r\n"
#define ASK(method, path, more) method " " path " HTTP/1.1\r\nHost: a\r\n" TOKEN more "\r\n"
#define RUN "01a1ff63-efd9-789d-aaff-478e97291800"
#define DETAILS "/api/v1/stable/workflow-runs/" RUN

/* ------------------------------------------------------------------------------- the session */

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

/* ------------------------------------------------------------------------------------- views */

/* A run of two tasks: the second waits for the first, which has failed once and been evicted. */
struct sample {
	Froe__RunView view;
	Froe__TaskView tasks[2], *task_list[2];
	Froe__AttemptView attempts[2], *attempt_list[2];
	Froe__Pair pair, *pairs[1];
	char *parents[1];
	struct uuid run;
};

static ProtobufCBinaryData
binary(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static char first_name[] = "first", second_name[] = "second", workflow_name[] = "flow";
static char error_text[] = "a \"quote\"\n", outcome_failed[] = "failed", pair_key[] = "k",
	    pair_value[] = "v";

static void
sample_init(struct sample *s)
{
	*s = (struct sample){0};
	assert_true(uuid_parse(RUN, 36, &s->run));
	froe__run_view__init(&s->view);
	for (int i = 0; i < 2; i++) {
		froe__task_view__init(&s->tasks[i]);
		froe__attempt_view__init(&s->attempts[i]);
		s->task_list[i] = &s->tasks[i];
		s->attempt_list[i] = &s->attempts[i];
		s->attempts[i].has_attempt = true;
		s->attempts[i].attempt = (uint32_t)i + 1;
		s->attempts[i].has_assigned_ns = true;
		s->attempts[i].assigned_ns = UINT64_C(1767225600123456789);
	}
	s->attempts[0].has_finished_ns = s->attempts[0].has_status = true;
	s->attempts[0].finished_ns = UINT64_C(1767225601123456789);
	s->attempts[0].status = FROE__RUN_STATUS__FAILED;
	s->attempts[0].outcome = outcome_failed;
	s->attempts[0].error = error_text;
	s->tasks[0].name = first_name;
	s->tasks[0].n_attempts = 2;
	s->tasks[0].attempts = s->attempt_list;
	s->tasks[0].has_status = s->tasks[0].has_queued_ns = true;
	s->tasks[0].queued_ns = UINT64_C(1767225600000000000);
	s->tasks[0].status = FROE__RUN_STATUS__EVICTED;
	s->tasks[1].name = second_name;
	s->parents[0] = first_name;
	s->tasks[1].parents = s->parents;
	s->tasks[1].n_parents = 1;
	froe__pair__init(&s->pair);
	s->pair.key = pair_key;
	s->pair.value = pair_value;
	s->pairs[0] = &s->pair;
	s->view.has_run = s->view.has_number = s->view.has_version = s->view.has_status = true;
	s->view.run = (ProtobufCBinaryData){16, s->run.bytes};
	s->view.number = 7;
	s->view.version = 3;
	s->view.workflow = workflow_name;
	s->view.status = FROE__RUN_STATUS__RUNNING;
	s->view.has_created_ns = true;
	s->view.created_ns = UINT64_C(1767225600000000000);
	s->view.has_input = true;
	s->view.input = binary(" [1,2.50, 12345678901234567890]");
	s->view.n_tasks = 2;
	s->view.tasks = s->task_list;
	s->view.n_metadata = 1;
	s->view.metadata = s->pairs;
}

static void
test_rest__details(void **state)
{
	(void)state;
	static const char *const PARTS[] = {
	    "\"input\":{\"value\": [1,2.50, 12345678901234567890]}", "\"output\":{}",
	    "\"additionalMetadata\":{\"k\":\"v\"}", "\"status\":\"RUNNING\",\"isEvicted\":true",
	    "\"startedAt\":\"2026-01-01T00:00:00.100000Z\"", "\"retryCount\":1,\"attempt\":2",
	    "\"eventType\":\"FAILED\",\"message\":\"failed\"", "a \\\"quote\\\"\\n",
	    "\"timestamp\":\"2026-01-01T00:00:01.123456Z\"", "\"type\":\"DAG\"",
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
	    cmocka_unit_test(test_rest__details),
	    cmocka_unit_test(test_rest__tasks),
	    cmocka_unit_test(test_rest__status),
	    cmocka_unit_test(test_rest__times),
	    cmocka_unit_test(test_rest__members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
