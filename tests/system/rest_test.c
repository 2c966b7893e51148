/*
 * The REST operations of Hatchet's SDKs, over real HTTP: what a client is told right after a
 * result, a replay, a kill.
 */
#include "system/system.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "system/wire.h"

#include <jansson.h>

static struct server server;

static enum froe_err
serve(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	if (memmem(input.data, input.size, "\"fail\"", 6) != NULL)
		return FROE_TASK_FAILED;
	return froe_task_output(task, "{\"done\":true}", 13, NULL);
}

static const struct froe_task_def tasks[] = {
    {.name = "only", .handler = serve},
};
static const struct froe_workflow workflow = {.name = "plain", .tasks = tasks, .task_count = 1};

/* One request on a connection that stays: the answer's status, and its body as JSON. */
static json_t *
call(
    struct peer *peer, const char *method, const char *path, const char *body, unsigned *ret_status)
{
	struct buf request;
	buf_init(&request);
	buf_printf(&request, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", method,
	    path, strlen(body), body);
	assert_true(peer_send(peer, buf_bytes(&request).data, buf_used(&request)));
	buf_release(&request);
	for (;;) {
		struct bytes have = buf_bytes(&peer->input);
		const uint8_t *end =
		    have.size > 0 ? memmem(have.data, have.size, "\r\n\r\n", 4) : NULL;
		const uint8_t *length =
		    end != NULL ? memmem(have.data, have.size, "Content-Length: ", 16) : NULL;
		size_t head = end != NULL ? (size_t)(end - have.data) + 4 : 0;
		size_t size = length != NULL ? (size_t)atol((const char *)length + 16) : 0;
		if (end == NULL || have.size < head + size) {
			assert_true(peer_receive(peer, PEER_WAIT_MS));
			continue;
		}
		*ret_status = (unsigned)atoi((const char *)have.data + 9);
		json_t *json =
		    json_loadb((const char *)have.data + head, size, JSON_DECODE_ANY, NULL);
		assert_non_null(json);
		buf_pop(&peer->input, head + size);
		return json;
	}
}

/* The answer must be 200. The caller owns it. */
static json_t *
ask(struct peer *peer, const char *path)
{
	unsigned status;
	json_t *json = call(peer, "GET", path, "", &status);
	if (status != 200)
		fail_msg("%u: %s: %s", status, path, json_dumps(json, 0));
	return json;
}

static const char *
text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text != NULL ? text : "";
}

#define T "/api/v1/stable/tenants/default"
#define SINCE "since=2020-01-01T00:00:00Z"

static void
end_of(struct froe_client *client, struct froe_id run, enum froe_status status)
{
	struct froe_event *end = await_run(client, run);
	assert_int_equal(end->status, status);
	froe_event_free(end);
}

/* The newest row is the run whose result was just heard, with its end. */
static void
test_rest__a_list_knows_what_was_told(void **state)
{
	struct froe_client *client = client_open(&server, "default");
	struct worker worker;
	struct peer peer;
	char id[FROE_ID_TEXT_SIZE];
	(void)state;
	worker_open(&worker, &server, "default", &workflow, 4);
	peer_init(&peer, &server);
	for (int i = 0; i < 30; i++) {
		bool fails = i % 3 == 0;
		struct froe_id run = start_run(client, "plain", fails ? "{\"x\":\"fail\"}" : "{}");
		end_of(client, run, fails ? FROE_RUN_FAILED : FROE_RUN_COMPLETED);
		froe_id_format(run, id);
		json_t *list = ask(&peer, T "/workflow-runs?limit=1&" SINCE);
		json_t *row = json_array_get(json_object_get(list, "rows"), 0);
		assert_string_equal(text_at(row, "taskExternalId"), id);
		assert_string_equal(text_at(row, "status"), fails ? "FAILED" : "COMPLETED");
		assert_int_equal(strlen(text_at(row, "finishedAt")), 27);
		json_decref(list);
	}
	peer_release(&peer);
	worker_close(&worker);
	froe_client_close(client);
}

static size_t
count_of(struct peer *peer, const char *query)
{
	char path[256];
	snprintf(path, sizeof(path), T "/workflow-runs?" SINCE "&%s", query);
	json_t *list = ask(peer, path);
	size_t count = json_array_size(json_object_get(list, "rows"));
	json_decref(list);
	return count;
}

/* Also after a kill; pages add up. */
static void
test_rest__filters_and_pages(void **state)
{
	struct peer peer;
	unsigned status;
	(void)state;
	server_restart(&server);
	peer_init(&peer, &server);
	assert_int_equal(count_of(&peer, "limit=100"), 30);
	assert_int_equal(count_of(&peer, "limit=100&statuses=FAILED"), 10);
	assert_int_equal(count_of(&peer, "limit=7&offset=28"), 2);
	assert_int_equal(count_of(&peer, "limit=100&only_tasks=true&statuses=COMPLETED"), 20);
	json_t *list = ask(&peer, T "/workflow-runs?limit=7&offset=7&" SINCE);
	json_t *pages = json_object_get(list, "pagination");
	assert_int_equal(json_integer_value(json_object_get(pages, "current_page")), 2);
	assert_int_equal(json_integer_value(json_object_get(pages, "next_page")), 3);
	assert_int_equal(json_integer_value(json_object_get(pages, "num_pages")), 5);
	json_decref(list);
	json_t *ids = ask(&peer, T "/workflow-runs/external-ids?" SINCE);
	assert_int_equal(json_array_size(ids), 30);
	json_decref(ids);
	json_t *workflows = ask(&peer, "/api/v1/tenants/default/workflows?name=PLAIN");
	const json_t *one = json_array_get(json_object_get(workflows, "rows"), 0);
	char query[128], path[128];
	snprintf(query, sizeof(query), "limit=100&workflow_ids=%s",
	    text_at(json_object_get(one, "metadata"), "id"));
	assert_int_equal(count_of(&peer, query), 30);
	snprintf(path, sizeof(path), "/api/v1/workflows/%s",
	    text_at(json_object_get(one, "metadata"), "id"));
	json_t *view = ask(&peer, path);
	assert_string_equal(text_at(view, "name"), "plain");
	json_decref(view);
	json_decref(workflows);
	json_decref(call(&peer, "GET", "/api/v1/workflows/01a1ff63-efd9-789d-aaff-478e97291800", "",
	    &status));
	assert_int_equal(status, 404);
	peer_release(&peer);
}

static void
expect_status(struct peer *peer, const char *id, const char *wanted)
{
	char path[128];
	snprintf(path, sizeof(path), "/api/v1/stable/workflow-runs/%s/status", id);
	json_t *status = ask(peer, path);
	assert_string_equal(json_string_value(status), wanted);
	json_decref(status);
}

/* Without a worker: it waits, is cancelled, goes on, is cancelled by what it is. */
static void
test_rest__trigger_cancel_replay(void **state)
{
	struct peer peer;
	unsigned status;
	char body[256], id[64];
	(void)state;
	peer_init(&peer, &server);
	json_t *run = call(&peer, "POST", T "/workflow-runs/trigger",
	    "{\"workflowName\":\"plain\",\"input\":{\"n\":1.50},"
	    "\"additionalMetadata\":{\"k\":\"v\"}}",
	    &status);
	assert_int_equal(status, 200);
	snprintf(id, sizeof(id), "%s",
	    text_at(json_object_get(json_object_get(run, "run"), "metadata"), "id"));
	json_decref(run);
	expect_status(&peer, id, "QUEUED");
	json_t *queues = ask(&peer, "/api/v1/tenants/default/step-run-queue-metrics");
	assert_int_equal(json_integer_value(json_object_get(
	    json_object_get(queues, "queues"), "plain:only")), 1);
	json_decref(queues);
	assert_int_equal(count_of(&peer, "additional_metadata=k:v"), 1);
	snprintf(body, sizeof(body), "{\"externalIds\":[\"%s\"]}", id);
	json_decref(call(&peer, "POST", T "/tasks/cancel", body, &status));
	assert_int_equal(status, 200);
	expect_status(&peer, id, "CANCELLED");
	json_decref(call(&peer, "POST", T "/tasks/replay", body, &status));
	assert_int_equal(status, 200);
	expect_status(&peer, id, "QUEUED");
	json_t *done = call(&peer, "POST", T "/tasks/cancel",
	    "{\"filter\":{\"since\":\"2020-01-01\",\"additionalMetadata\":[\"k:v\"]}}", &status);
	assert_int_equal(json_array_size(json_object_get(done, "ids")), 1);
	json_decref(done);
	expect_status(&peer, id, "CANCELLED");
	json_decref(call(&peer, "POST", T "/workflow-runs/trigger",
	    "{\"workflowName\":\"nobody's\",\"input\":{}}", &status));
	assert_int_equal(status, 404);
	peer_release(&peer);
}

/* A large body, one that is asked for first, several requests at once. */
static void
test_rest__bodies(void **state)
{
	struct peer peer;
	unsigned status;
	(void)state;
	peer_init(&peer, &server);
	size_t size = 3u << 20;
	char *body = mem_alloc(size + 256);
	int at = sprintf(body, "{\"workflowName\":\"plain\",\"input\":{\"a\":\"");
	memset(body + at, 'a', size);
	memcpy(body + (size_t)at + size, "\"}}", 4);
	json_t *run = call(&peer, "POST", T "/workflow-runs/trigger", body, &status);
	assert_int_equal(status, 200);
	json_decref(run);
	mem_free(body);
	static const char EXPECT[] = "POST /api/v1/meta HTTP/1.1\r\nHost: a\r\n"
				     "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	assert_true(peer_send(&peer, EXPECT, sizeof(EXPECT) - 1));
	while (buf_used(&peer.input) < 25)
		assert_true(peer_receive(&peer, PEER_WAIT_MS));
	assert_memory_equal(buf_bytes(&peer.input).data, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	buf_pop(&peer.input, 25);
	assert_true(peer_send(&peer, "{}", 2));
	json_decref(call(&peer, "GET", "/api/v1/version", "", &status));
	assert_int_equal(status, 405); /* of the first; both are answered, in order */
	peer_release(&peer);
}

static int
set_up(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest__a_list_knows_what_was_told),
	    cmocka_unit_test(test_rest__filters_and_pages),
	    cmocka_unit_test(test_rest__trigger_cancel_replay),
	    cmocka_unit_test(test_rest__bodies),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
