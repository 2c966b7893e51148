/* Events over REST, and the runs that they have started. */
#include "api_rest_world.h"

#define EVENTS "/api/v1/stable/tenants/acme/events"
#define RUNS "/api/v1/stable/tenants/acme/workflow-runs"
#define PUSHED_NS UINT64_C(1767225600000001000)

static struct uuid
event_id(uint64_t number)
{
	return alias_event(jwt_tenant(bytes_text("acme")), number);
}

static void
answer_events(struct world *w, const struct api_command *command, const char *keys, uint64_t first,
    uint64_t next)
{
	Froe__EventPage page = FROE__EVENT_PAGE__INIT;
	Froe__EventRow rows[4], *list[4];
	char texts[4][2];
	page.rows = list;
	for (size_t i = 0; keys[i] != 0; i++) {
		froe__event_row__init(&rows[i]);
		texts[i][0] = keys[i];
		texts[i][1] = 0;
		rows[i].has_number = true;
		rows[i].number = first - i;
		rows[i].key = texts[i];
		list[page.n_rows++] = &rows[i];
	}
	page.has_next = true;
	page.next = next;
	answer(w, command, FROE__ENVELOPE__BODY_EVENT_PAGE, &page, 0);
}

static void
answer_event(struct world *w, const struct api_command *command, const char *key)
{
	Froe__EventView view = FROE__EVENT_VIEW__INIT;
	Froe__Pair pair = FROE__PAIR__INIT, *pairs[1] = {&pair};
	char name[16];
	snprintf(name, sizeof(name), "%s", key);
	view.has_number = view.has_time_ns = true;
	view.number = command->event_get.number;
	view.time_ns = PUSHED_NS;
	view.key = name;
	view.has_payload = command->event_get.payload;
	view.payload = binary("{\"order\":7}");
	pair.key = pair_key;
	pair.value = pair_value;
	view.metadata = pairs;
	view.n_metadata = 1;
	answer(w, command, FROE__ENVELOPE__BODY_EVENT_VIEW, &view, 0);
}

/* One run that it has started, which is at this, and a child of that. */
static void
answer_started(struct world *w, const struct api_command *command, Froe__RunStatus status)
{
	Froe__RunPage page = FROE__RUN_PAGE__INIT;
	Froe__RunRow rows[2] = {FROE__RUN_ROW__INIT, FROE__RUN_ROW__INIT};
	Froe__RunRow *list[2] = {&rows[0], &rows[1]};
	struct uuid id, child;
	assert_true(uuid_parse(RUN, 36, &id));
	child = id;
	child.bytes[0] = 0xff;
	for (int i = 0; i < 2; i++) {
		rows[i].has_run = rows[i].has_status = true;
		rows[i].run = (ProtobufCBinaryData){16, i == 0 ? child.bytes : id.bytes};
		rows[i].workflow = workflow_name;
		rows[i].status = status;
	}
	rows[0].has_parent = true;
	rows[0].parent = (ProtobufCBinaryData){16, id.bytes};
	page.rows = list;
	page.n_rows = 2;
	answer(w, command, FROE__ENVELOPE__BODY_RUN_PAGE, &page, 0);
}

static void
assert_asks_runs(const struct api_command *command, uint64_t number)
{
	char text[UUID_TEXT_SIZE];
	uuid_format(event_id(number), text);
	assert_int_equal(command->list.metadata_count, 2);
	assert_true(bytes_equal(command->list.metadata[0], bytes_text("hatchet__event_id")));
	assert_true(bytes_equal(command->list.metadata[1], bytes_text(text)));
}

static void
test_rest_event__a_list(void **state)
{
	(void)state;
	struct world *w = world_new();
	char part[128], id[UUID_TEXT_SIZE];
	feed(w, ASK("GET", EVENTS "?offset=1&limit=1&keys=a&additionalMetadata=k%3Av"
		"&since=2026-01-01T00:00:00Z", ""));
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_EVENT_LIST);
	assert_true(bytes_equal(list->list.workflow, bytes_text("a")));
	assert_int_equal(list->list.metadata_count, 2);
	assert_int_equal(list->list.since_ns, UINT64_C(1767225600000000000));
	assert_int_equal(list->list.limit, 3); /* the one that is skipped, and one behind */
	answer_events(w, list, "aaa", 9, 5);
	const struct api_command *get = asked(w, API_OP_EVENT_GET);
	assert_int_equal(get->event_get.number, 8);
	answer_event(w, get, "a");
	answer_event(w, asked(w, API_OP_EVENT_GET), "a");
	const struct api_command *runs = asked(w, API_OP_RUN_LIST);
	assert_asks_runs(runs, 8);
	assert_int_equal(runs->list.since_ns, PUSHED_NS);
	answer_started(w, asked(w, API_OP_RUN_LIST), FROE__RUN_STATUS__FAILED);
	answer_started(w, runs, FROE__RUN_STATUS__EVICTED);
	const char *text = heard(w, 200);
	uuid_format(event_id(8), id);
	snprintf(part, sizeof(part), "{\"rows\":[{\"metadata\":{\"id\":\"%s\"", id);
	assert_non_null(strstr(text, part));
	assert_non_null(strstr(text, "\"payload\":{\"order\":7}"));
	assert_non_null(strstr(text, "\"additionalMetadata\":{\"k\":\"v\"}"));
	assert_non_null(strstr(text, "\"workflowRunSummary\":{\"queued\":0,\"running\":1,"
		"\"succeeded\":0,\"failed\":0,\"cancelled\":0}"));
	assert_non_null(strstr(text, "\"triggeredRuns\":[{\"workflowRunId\":\"" RUN "\"}]"));
	assert_non_null(strstr(
	    text, "\"pagination\":{\"current_page\":2,\"next_page\":3,\"num_pages\":3}"));
	world_free(w);
}

/* Several keys, and what runs have become: looked at one by one. */
static void
test_rest_event__by_runs(void **state)
{
	(void)state;
	struct world *w = world_new();
	char request[512], id[UUID_TEXT_SIZE];
	uuid_format(alias_workflow(jwt_tenant(bytes_text("acme")), bytes_text("flow")), id);
	snprintf(request, sizeof(request), "GET " EVENTS "?keys=a&keys=b&workflowRunStatuses=FAILED"
		"&workflowIds=%s HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n", id);
	feed(w, request);
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_EVENT_LIST);
	assert_int_equal(list->list.workflow.size, 0);
	answer_events(w, list, "axb", 3, 0);
	answer_event(w, asked(w, API_OP_EVENT_GET), "a");
	const struct api_command *last = asked(w, API_OP_EVENT_GET);
	assert_int_equal(last->event_get.number, 1);
	answer_event(w, last, "b");
	answer_started(w, asked(w, API_OP_RUN_LIST), FROE__RUN_STATUS__COMPLETED);
	answer_started(w, asked(w, API_OP_RUN_LIST), FROE__RUN_STATUS__FAILED);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, "\"key\":\"b\""));
	assert_null(strstr(text, "\"key\":\"a\""));
	assert_non_null(strstr(text, "\"pagination\":{\"current_page\":1,\"num_pages\":1}"));
	world_free(w);
}

/* An id is one of the tenant's numbers; others find nothing. What it finds must fit the rest. */
static void
test_rest_event__by_ids(void **state)
{
	(void)state;
	struct world *w = world_new();
	char request[512], three[UUID_TEXT_SIZE], four[UUID_TEXT_SIZE];
	uuid_format(event_id(3), three);
	uuid_format(event_id(4), four);
	snprintf(request, sizeof(request), "GET " EVENTS "?eventIds=%s&eventIds=%s&eventIds=" RUN
		"&eventIds=%s&keys=b HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n", three, four, three);
	feed(w, request);
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *get = asked(w, API_OP_EVENT_GET);
	assert_int_equal(get->event_get.number, 4);
	answer_event(w, get, "a"); /* another key */
	get = asked(w, API_OP_EVENT_GET);
	assert_int_equal(get->event_get.number, 3);
	answer_event(w, get, "b");
	answer_started(w, asked(w, API_OP_RUN_LIST), FROE__RUN_STATUS__QUEUED);
	const char *text = heard(w, 200);
	assert_non_null(strstr(text, three));
	assert_null(strstr(text, four));
	snprintf(request, sizeof(request),
	    "GET " EVENTS "/%s HTTP/1.1\r\nHost: a\r\n" TOKEN "\r\n", four);
	feed(w, request);
	answer_event(w, asked(w, API_OP_EVENT_GET), "a");
	answer_started(w, asked(w, API_OP_RUN_LIST), FROE__RUN_STATUS__QUEUED);
	expect(w, 200, "\r\n\r\n{\"metadata\":{\"id\":");
	feed(w, request);
	answer_error(w, asked(w, API_OP_EVENT_GET), FROE_NOT_FOUND);
	expect(w, 404, "event");
	feed(w, ASK("GET", EVENTS "/" RUN, ""));
	expect(w, 404, "event");
	feed(w, ASK("GET", EVENTS "?scopes=s", ""));
	expect(w, 200, "{\"rows\":[],\"pagination\"");
	feed(w, ASK("GET", EVENTS "?eventIds=x", ""));
	expect(w, 400, "eventIds");
	feed(w, ASK("GET", EVENTS "?workflowRunStatuses=x", ""));
	expect(w, 400, "workflowRunStatuses");
	world_free(w);
}

/* Runs that an event has started: not their children, though they have its id, too. */
static void
test_rest_event__runs_of_one(void **state)
{
	(void)state;
	struct world *w = world_new();
	char request[512], id[UUID_TEXT_SIZE];
	uuid_format(event_id(3), id);
	snprintf(request, sizeof(request), "GET " RUNS "/external-ids?since=2026-01-01&"
		"triggering_event_external_id=%s&additional_metadata=a%%3Ab HTTP/1.1\r\n"
		"Host: a\r\n" TOKEN "\r\n", id);
	feed(w, request);
	welcome(w, ENG_ROLE_CLIENT);
	const struct api_command *list = asked(w, API_OP_RUN_LIST);
	assert_int_equal(list->list.metadata_count, 4);
	assert_true(bytes_equal(list->list.metadata[0], bytes_text("a")));
	assert_true(bytes_equal(list->list.metadata[3], bytes_text(id)));
	answer_started(w, list, FROE__RUN_STATUS__QUEUED);
	expect(w, 200, "\r\n\r\n[\"" RUN "\"]");
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest_event__a_list),
	    cmocka_unit_test(test_rest_event__by_runs),
	    cmocka_unit_test(test_rest_event__by_ids),
	    cmocka_unit_test(test_rest_event__runs_of_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
