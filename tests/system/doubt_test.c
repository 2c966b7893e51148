/*
 * A worker of Hatchet's kind, and tasks that did or did not reach it: given to it in the moment in
 * which the server is killed, or in which its stream breaks. The worker is a bare gRPC client, so
 * that it can be silent where an SDK would speak. No task here can time out within the test: what
 * is given out again was given back.
 */
#include "system/peer.h"

#include "hatchet/admin.pb-c.h"
#include "hatchet/dispatcher.pb-c.h"
#include "hatchet/shared.pb-c.h"

#include <stdlib.h>

struct guest {
	struct server server;
	struct peer peer;
	struct heard *stream;
	const char *agent; /* whose SDK it passes for */
	char id[64];
	size_t heard; /* actions of this stream */
};

static Hatchet__AssignedAction *
next_action(struct guest *guest)
{
	struct bytes message;
	while (!client_message(guest->stream, guest->heard, &message, NULL)) {
		assert_false(guest->stream->closed || guest->peer.ended);
		peer_step(&guest->peer);
	}
	guest->heard++;
	Hatchet__AssignedAction *action =
	    hatchet__assigned_action__unpack(NULL, message.size, message.data);
	assert_non_null(action);
	return action;
}

static struct heard *
begin_call(struct guest *guest, const char *path, const ProtobufCMessage *request)
{
	uint8_t packed[4096];
	const struct client_field fields[] = {{"user-agent", guest->agent}, {NULL, NULL}};
	struct heard *heard = client_call(&guest->peer.client, path, fields);
	assert_true(protobuf_c_message_get_packed_size(request) <= sizeof(packed));
	size_t size = protobuf_c_message_pack(request, packed);
	client_say(&guest->peer.client, heard, bytes_of(packed, size), true);
	return heard;
}

static struct bytes
call(struct guest *guest, const char *path, const ProtobufCMessage *request)
{
	struct bytes message;
	struct heard *heard = begin_call(guest, path, request);
	while (!heard->closed) {
		peer_step(&guest->peer);
		assert_false(guest->peer.ended);
	}
	assert_string_equal(heard->status, "0");
	assert_true(client_message(heard, 0, &message, NULL));
	return message;
}

static void
put_workflow(struct guest *guest)
{
	static char name[] = "wf", task_name[] = "task", action[] = "wf:task", timeout[] = "5h";
	Hatchet__CreateWorkflowVersionRequest put =
	    HATCHET__CREATE_WORKFLOW_VERSION_REQUEST__INIT;
	Hatchet__CreateTaskOpts task = HATCHET__CREATE_TASK_OPTS__INIT;
	Hatchet__CreateTaskOpts *tasks = &task;
	task.readable_id = task_name;
	task.action = action;
	task.timeout = timeout;
	put.name = name;
	put.n_tasks = 1;
	put.tasks = &tasks;
	call(guest, "/v1.AdminService/PutWorkflow", &put.base);
}

static void
register_worker(struct guest *guest)
{
	static char name[] = "worker", action[] = "wf:task";
	char *actions = action;
	Hatchet__WorkerRegisterRequest request = HATCHET__WORKER_REGISTER_REQUEST__INIT;
	request.worker_name = name;
	request.n_actions = 1;
	request.actions = &actions;
	struct bytes answer = call(guest, "/Dispatcher/Register", &request.base);
	Hatchet__WorkerRegisterResponse *response =
	    hatchet__worker_register_response__unpack(NULL, answer.size, answer.data);
	assert_non_null(response);
	snprintf(guest->id, sizeof(guest->id), "%s", response->worker_id);
	hatchet__worker_register_response__free_unpacked(response, NULL);
}

/* Also once more, by the id that it has. */
static void
listen_again(struct guest *guest)
{
	Hatchet__WorkerListenRequest request = HATCHET__WORKER_LISTEN_REQUEST__INIT;
	request.worker_id = guest->id;
	guest->heard = 0;
	guest->stream = begin_call(guest, "/Dispatcher/ListenV2", &request.base);
}

static void
trigger_fill(Hatchet__TriggerWorkflowRequest *request)
{
	static char name[] = "wf", input[] = "{}";
	hatchet__trigger_workflow_request__init(request);
	request->name = name;
	request->input = input;
}

static void
trigger(struct guest *guest)
{
	Hatchet__TriggerWorkflowRequest request;
	trigger_fill(&request);
	call(guest, "/WorkflowService/TriggerWorkflow", &request.base);
}

static void
say(struct guest *guest, const Hatchet__AssignedAction *action, Hatchet__StepActionEventType type)
{
	static char output[] = "{\"done\":true}";
	Hatchet__StepActionEvent event = HATCHET__STEP_ACTION_EVENT__INIT;
	event.task_run_external_id = action->task_run_external_id;
	event.has_event_type = event.has_retry_count = true;
	event.event_type = type;
	event.retry_count = action->retry_count;
	if (type == HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED)
		event.event_payload = output;
	call(guest, "/Dispatcher/SendStepActionEvent", &event.base);
}

/* Its run has ended well, in the given attempt; the action is freed. */
static void
complete(struct guest *guest, Hatchet__AssignedAction *action, uint32_t attempt)
{
	struct froe_id run;
	say(guest, action, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED);
	assert_true(froe_id_parse(action->workflow_run_id, &run));
	hatchet__assigned_action__free_unpacked(action, NULL);
	struct froe_client *client = client_open(&guest->server, NULL);
	froe_event_free(await_run(client, run));
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->status, FROE_RUN_COMPLETED);
	assert_int_equal(view->tasks[0].attempt_count, attempt);
	froe_run_view_free(view);
	froe_client_close(client);
}

static void
guest_open(struct guest *guest, const char *agent, const char *begun_wait)
{
	*guest = (struct guest){.agent = agent};
	server_init(&guest->server);
	guest->server.extra[0] = "--begun-wait";
	guest->server.extra[1] = begun_wait;
	guest->server.extra[2] = "--heartbeat-lost"; /* nor is it lost */
	guest->server.extra[3] = "1h";
	server_start(&guest->server);
	peer_open(&guest->peer, &guest->server);
	put_workflow(guest);
	register_worker(guest);
	listen_again(guest);
}

static void
guest_close(struct guest *guest)
{
	peer_close(&guest->peer);
	server_release(&guest->server);
}

static void
reconnect(struct guest *guest)
{
	peer_close(&guest->peer);
	peer_open(&guest->peer, &guest->server);
	listen_again(guest);
}

/* The frame with the assignment counts, and the process is gone before it has sent anything: the
 * task is given out again, once. */
static void
test_doubt__killed_before_it_was_sent(void **state)
{
	struct guest guest;
	int status;
	(void)state;
	assert_int_equal(setenv("FROE_FAILPOINT", "after_commit_before_send:1", 1), 0);
	guest_open(&guest, "grpc-go/1", "10m");
	assert_int_equal(unsetenv("FROE_FAILPOINT"), 0);
	Hatchet__TriggerWorkflowRequest request;
	trigger_fill(&request);
	begin_call(&guest, "/WorkflowService/TriggerWorkflow", &request.base);
	while (!guest.peer.ended)
		peer_step(&guest.peer);
	assert_int_equal(waitpid(guest.server.pid, &status, 0), guest.server.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(buf_used(&guest.stream->body), 0);
	server_start(&guest.server);
	reconnect(&guest);
	Hatchet__AssignedAction *action = next_action(&guest);
	assert_int_equal(action->retry_count, 1);
	say(&guest, action, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED);
	complete(&guest, action, 2);
	trigger(&guest); /* nothing came in between */
	action = next_action(&guest);
	assert_int_equal(action->retry_count, 0);
	complete(&guest, action, 1);
	guest_close(&guest);
}

/* Of two tasks that the worker has got it has begun one, when the server is killed or its stream
 * breaks. It says no more of either: the other one is given out again. */
static void
lost_on_the_way(const char *agent, bool kills)
{
	struct guest guest;
	guest_open(&guest, agent, "10m");
	trigger(&guest);
	Hatchet__AssignedAction *begun = next_action(&guest);
	say(&guest, begun, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED);
	trigger(&guest);
	Hatchet__AssignedAction *silent = next_action(&guest);
	if (kills)
		server_restart(&guest.server);
	reconnect(&guest);
	Hatchet__AssignedAction *again = next_action(&guest);
	assert_string_equal(again->task_run_external_id, silent->task_run_external_id);
	assert_int_equal(again->retry_count, 1);
	hatchet__assigned_action__free_unpacked(silent, NULL);
	complete(&guest, again, 2);
	trigger(&guest);
	again = next_action(&guest); /* and not the one that has begun */
	assert_int_equal(again->retry_count, 0);
	assert_string_not_equal(again->task_run_external_id, begun->task_run_external_id);
	complete(&guest, again, 1);
	complete(&guest, begun, 1);
	guest_close(&guest);
}

static void
test_doubt__killed(void **state)
{
	(void)state;
	lost_on_the_way("grpc-go/1", true);
	lost_on_the_way("grpc-node-js/1", true);
}

static void
test_doubt__stream_broke(void **state)
{
	(void)state;
	lost_on_the_way("grpc-python-asyncio/1", false);
}

/* Its word comes over the restart, before it listens again: it keeps the task. */
static void
test_doubt__it_says_so_again(void **state)
{
	struct guest guest;
	(void)state;
	guest_open(&guest, "grpc-node-js/1", "10m");
	trigger(&guest);
	Hatchet__AssignedAction *first = next_action(&guest);
	trigger(&guest);
	Hatchet__AssignedAction *silent = next_action(&guest);
	server_restart(&guest.server);
	peer_close(&guest.peer);
	peer_open(&guest.peer, &guest.server);
	say(&guest, first, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED);
	listen_again(&guest);
	Hatchet__AssignedAction *again = next_action(&guest);
	assert_string_equal(again->task_run_external_id, silent->task_run_external_id);
	hatchet__assigned_action__free_unpacked(silent, NULL);
	complete(&guest, again, 2);
	complete(&guest, first, 1);
	guest_close(&guest);
}

/* Away for longer than SDKs repeat themselves: its silence says nothing. */
static void
test_doubt__away_too_long(void **state)
{
	struct guest guest;
	(void)state;
	guest_open(&guest, "grpc-node-js/1", "1ms");
	trigger(&guest);
	Hatchet__AssignedAction *silent = next_action(&guest);
	server_end(&guest.server, SIGKILL);
	sleep_ms(20);
	server_start(&guest.server);
	reconnect(&guest);
	trigger(&guest);
	Hatchet__AssignedAction *next = next_action(&guest);
	assert_int_equal(next->retry_count, 0);
	complete(&guest, next, 1);
	complete(&guest, silent, 1);
	guest_close(&guest);
}

/* Metrics tell of what has happened, other answers of what is on disk by then. */
static void
await_durable(const struct server *server)
{
	struct froe_client *client = client_open(server, NULL);
	struct froe_workflow_page *page;
	struct froe_error error;
	CALL(froe_workflow_list(client, 0, 1, -1, &page, &error), error);
	froe_workflow_page_free(page);
	froe_client_close(client);
}

/* Away until it was lost, over a restart: what it held goes on elsewhere, here when it is back; and
 * by the id that it has it gets new tasks. */
static void
test_doubt__lost_and_back(void **state)
{
	struct guest guest;
	(void)state;
	guest_open(&guest, "grpc-node-js/1", "10m");
	trigger(&guest);
	Hatchet__AssignedAction *held = next_action(&guest);
	say(&guest, held, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED);
	server_end(&guest.server, SIGKILL);
	guest.server.extra[3] = "300ms";
	server_start(&guest.server);
	while (server_metric(&guest.server, "froe_workers_lost_total") == 0)
		sleep_ms(20);
	await_durable(&guest.server);
	server_end(&guest.server, SIGKILL); /* nor is it known from memory */
	guest.server.extra[3] = "1h";
	server_start(&guest.server);
	reconnect(&guest);
	Hatchet__AssignedAction *again = next_action(&guest);
	assert_string_equal(again->task_run_external_id, held->task_run_external_id);
	assert_int_equal(again->retry_count, 1);
	say(&guest, held, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED); /* late: no harm */
	hatchet__assigned_action__free_unpacked(held, NULL);
	complete(&guest, again, 2);
	guest_close(&guest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_doubt__killed_before_it_was_sent),
	    cmocka_unit_test(test_doubt__killed),
	    cmocka_unit_test(test_doubt__stream_broke),
	    cmocka_unit_test(test_doubt__it_says_so_again),
	    cmocka_unit_test(test_doubt__away_too_long),
	    cmocka_unit_test(test_doubt__lost_and_back),
	};
	return cmocka_run_group_tests_name("doubt", tests, NULL, NULL);
}
