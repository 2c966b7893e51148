/*
 * bench/grpc: runs a second over gRPC, by a client as cheap as one can be: what Hatchet's services
 * cost froe, without what an SDK costs.
 *
 * Two processes do what the SDKs do, each over a connection of its own. The worker: PutWorkflow,
 * Register, ListenV2, a Heartbeat every four seconds; for each action SendStepActionEvent STARTED
 * and COMPLETED, whose output is the task's input. The client: SubscribeToWorkflowRuns, once; for
 * each run TriggerWorkflow, the run's id over the subscription, its WorkflowRunEvent. A run's time
 * is from its trigger to that event, which must have the output that belongs to it. The end of a
 * run starts the next.
 *
 *     HATCHET_CLIENT_TOKEN=... grpc --address HOST:PORT [--inflight N] [--seconds S] [--warmup S]
 *         [--payload N]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cli/samples.h"
#include "grpc/channel.h"

#include "hatchet/admin.pb-c.h"
#include "hatchet/dispatcher.pb-c.h"
#include "hatchet/shared.pb-c.h"
#include "hatchet/workflow.pb-c.h"

#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WORKFLOW "bench-grpc"
#define ACTION WORKFLOW ":task"
#define INFLIGHT_MAX 1024u /* the streams of a connection are bounded */
#define PAYLOAD_MIN 20u
#define PAYLOAD_MAX 65536u
#define ID_SIZE 37
#define HEARTBEAT_MS 4000
#define LONGEST_NS (60 * SAMPLES_NS_PER_S)

struct options {
	const char *address;
	const char *token;
	uint32_t inflight;
	uint32_t payload;
	double seconds;
	double warmup_s;
};

#define UNPACK(type, data, size) type##__unpack(NULL, size, data)

static void *
unpacked(void *message)
{
	if (message == NULL)
		die("a message that is none");
	return message;
}

/* ------------------------------------------------------------------------------------- worker */

struct worker {
	const struct options *options;
	struct channel channel;
	char id[ID_SIZE];
	bool registered, listening, ended;
};

static void
event_send(struct worker *worker, const Hatchet__AssignedAction *action,
    Hatchet__StepActionEventType type, char *payload)
{
	Hatchet__StepActionEvent event = HATCHET__STEP_ACTION_EVENT__INIT;

	event.worker_id = worker->id;
	event.job_id = action->job_id;
	event.job_run_id = action->job_run_id;
	event.task_id = action->task_id;
	event.task_run_external_id = action->task_run_external_id;
	event.action_id = action->action_id;
	event.has_event_type = true;
	event.event_type = type;
	event.event_payload = payload;
	event.has_retry_count = action->has_retry_count;
	event.retry_count = action->retry_count;
	channel_call(
	    &worker->channel, "/Dispatcher/SendStepActionEvent", &event.base, /* last= */ true);
}

/* {"input":{"p":"..."},...}: the input, which has no brace within. */
static void
on_action(struct call *call, const uint8_t *data, size_t size)
{
	struct worker *worker = call->owner;
	Hatchet__AssignedAction *action = unpacked(UNPACK(hatchet__assigned_action, data, size));
	char *input =
	    action->action_payload != NULL ? strstr(action->action_payload, "\"input\":") : NULL;
	char *end = input != NULL ? strchr(input, '}') : NULL;

	if (end == NULL)
		die("an action without an input: %s", action->action_payload);
	end[1] = 0;
	event_send(worker, action, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED, (char[]){0});
	event_send(worker, action, HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED,
	    input + strlen("\"input\":"));
	hatchet__assigned_action__free_unpacked(action, NULL);
}

static void
on_listen_end(struct call *call)
{
	struct worker *worker = call->owner;

	if (!worker->ended)
		die("ListenV2 ended with status %d", call->status);
}

static void
on_registered(struct call *call, const uint8_t *data, size_t size)
{
	struct worker *worker = call->owner;
	Hatchet__WorkerRegisterResponse *reply =
	    unpacked(UNPACK(hatchet__worker_register_response, data, size));

	snprintf(worker->id, sizeof(worker->id), "%s", reply->worker_id);
	worker->registered = true;
	hatchet__worker_register_response__free_unpacked(reply, NULL);
}

static void
on_alive(struct call *call)
{
	struct worker *worker = call->owner;

	worker->listening = call->status == 0;
}

static void
heartbeat(struct worker *worker)
{
	Hatchet__HeartbeatRequest beat = HATCHET__HEARTBEAT_REQUEST__INIT;

	beat.worker_id = worker->id;
	struct call *call =
	    channel_call(&worker->channel, "/Dispatcher/Heartbeat", &beat.base, true);
	call->owner = worker;
	call->end = on_alive;
}

static void
worker_register(struct worker *worker)
{
	Hatchet__CreateTaskOpts task = HATCHET__CREATE_TASK_OPTS__INIT, *tasks[] = {&task};
	Hatchet__CreateWorkflowVersionRequest put = HATCHET__CREATE_WORKFLOW_VERSION_REQUEST__INIT;
	Hatchet__WorkerRegisterRequest request = HATCHET__WORKER_REGISTER_REQUEST__INIT;
	Hatchet__WorkerRegisterRequest__SlotConfigEntry
	    slot = HATCHET__WORKER_REGISTER_REQUEST__SLOT_CONFIG_ENTRY__INIT,
	    *slots[] = {&slot};
	char name[] = WORKFLOW, action[] = ACTION, readable[] = "task", timeout[] = "60s",
	     kind[] = "default";
	char *actions[] = {action};

	task.readable_id = readable;
	task.action = action;
	task.timeout = timeout;
	put.name = name;
	put.tasks = tasks;
	put.n_tasks = 1;
	channel_call(&worker->channel, "/v1.AdminService/PutWorkflow", &put.base, true);
	slot.key = kind;
	slot.has_value = true;
	slot.value = (int32_t)worker->options->inflight;
	request.worker_name = name;
	request.actions = actions;
	request.n_actions = 1;
	request.slot_config = slots;
	request.n_slot_config = 1;
	struct call *call =
	    channel_call(&worker->channel, "/Dispatcher/Register", &request.base, true);
	call->owner = worker;
	call->message = on_registered;
	while (!worker->registered)
		channel_turn(&worker->channel, -1, -1);
}

/* Its stream is there when a heartbeat is answered with OK. */
static void
worker_listen(struct worker *worker)
{
	Hatchet__WorkerListenRequest listen = HATCHET__WORKER_LISTEN_REQUEST__INIT;

	listen.worker_id = worker->id;
	struct call *call =
	    channel_call(&worker->channel, "/Dispatcher/ListenV2", &listen.base, true);
	call->owner = worker;
	call->message = on_action;
	call->end = on_listen_end;
	while (!worker->listening) {
		heartbeat(worker);
		channel_turn(&worker->channel, -1, 100);
	}
}

static void
on_unsubscribed(struct call *call)
{
	bool *gone = call->owner;

	*gone = true;
}

/* Until the client has closed its end of `told`. */
static void
worker_run(const struct options *options, int ready, int told)
{
	struct worker worker = {.options = options};
	Hatchet__WorkerUnsubscribeRequest leave = HATCHET__WORKER_UNSUBSCRIBE_REQUEST__INIT;
	struct pollfd over = {.fd = told, .events = POLLIN};
	uint64_t beat_ns = samples_now_ns();
	bool gone = false;

	channel_open(&worker.channel, options->address, options->token);
	worker_register(&worker);
	worker_listen(&worker);
	if (write(ready, "r", 1) != 1)
		die("the client is gone");
	while (poll(&over, 1, 0) == 0) {
		channel_turn(&worker.channel, told, HEARTBEAT_MS);
		if (samples_now_ns() < beat_ns + HEARTBEAT_MS * (SAMPLES_NS_PER_S / 1000))
			continue;
		beat_ns = samples_now_ns();
		heartbeat(&worker);
	}
	worker.ended = true;
	leave.worker_id = worker.id;
	struct call *call =
	    channel_call(&worker.channel, "/Dispatcher/Unsubscribe", &leave.base, true);
	call->owner = &gone;
	call->end = on_unsubscribed;
	while (!gone)
		channel_turn(&worker.channel, -1, -1);
}

/* ------------------------------------------------------------------------------------- client */

/* A run under way. */
struct run {
	uint64_t started_ns;
	bool named; /* its id is known */
	char id[ID_SIZE];
};

struct client {
	const struct options *options;
	struct channel channel;
	struct call *results;
	struct samples samples;
	struct run runs[INFLIGHT_MAX];
	char input[PAYLOAD_MAX + 1];
	uint32_t under_way;
};

static void run_start(struct client *client, uint64_t number, uint64_t now_ns);

/* The number of a run is in its input, and so in its output: {"p":"00000017xxx..."}. */
static uint64_t
output_number(struct client *client, const char *output)
{
	char *end;
	uint64_t number = strlen(output) == client->options->payload
			      ? strtoull(output + strlen("{\"p\":\""), &end, 10)
			      : UINT64_MAX;

	if (number >= client->options->inflight || !client->runs[number].named)
		die("a result that belongs to no run: %.80s", output);
	return number;
}

static void
on_result(struct call *call, const uint8_t *data, size_t size)
{
	struct client *client = call->owner;
	Hatchet__WorkflowRunEvent *event =
	    unpacked(UNPACK(hatchet__workflow_run_event, data, size));
	uint64_t now_ns = samples_now_ns();

	if (event->n_results != 1 || event->results[0]->output == NULL)
		die("run %s has no result", event->workflow_run_id);
	uint64_t number = output_number(client, event->results[0]->output);
	struct run *run = &client->runs[number];
	if (strcmp(event->workflow_run_id, run->id) != 0)
		die("run %s has another's result", event->workflow_run_id);
	hatchet__workflow_run_event__free_unpacked(event, NULL);
	samples_push(&client->samples, run->started_ns, now_ns);
	run->named = false;
	client->under_way--;
	if (now_ns < client->samples.end_ns)
		run_start(client, number, now_ns);
}

static void
on_triggered(struct call *call, const uint8_t *data, size_t size)
{
	struct client *client = call->owner;
	struct run *run = &client->runs[call->number];
	Hatchet__TriggerWorkflowResponse *reply =
	    unpacked(UNPACK(hatchet__trigger_workflow_response, data, size));
	Hatchet__SubscribeToWorkflowRunsRequest wanted =
	    HATCHET__SUBSCRIBE_TO_WORKFLOW_RUNS_REQUEST__INIT;

	snprintf(run->id, sizeof(run->id), "%s", reply->workflow_run_id);
	run->named = true;
	wanted.workflow_run_id = run->id;
	if (client->results == NULL) {
		client->results = channel_call(&client->channel,
		    "/Dispatcher/SubscribeToWorkflowRuns", &wanted.base, /* last= */ false);
		client->results->owner = client;
		client->results->message = on_result;
	} else {
		call_send(client->results, &wanted.base);
	}
	hatchet__trigger_workflow_response__free_unpacked(reply, NULL);
}

static void
run_start(struct client *client, uint64_t number, uint64_t now_ns)
{
	Hatchet__TriggerWorkflowRequest request = HATCHET__TRIGGER_WORKFLOW_REQUEST__INIT;
	char name[] = WORKFLOW;

	snprintf(client->input, sizeof(client->input), "{\"p\":\"%08u", (unsigned)number);
	size_t head = strlen(client->input), whole = client->options->payload;
	memset(client->input + head, 'x', whole - head - 2);
	memcpy(client->input + whole - 2, "\"}", 3);
	request.name = name;
	request.input = client->input;
	client->runs[number].started_ns = now_ns;
	client->under_way++;
	struct call *call = channel_call(
	    &client->channel, "/WorkflowService/TriggerWorkflow", &request.base, /* last= */ true);
	call->owner = client;
	call->number = number;
	call->message = on_triggered;
}

static void
client_run(const struct options *options)
{
	struct client *client = mem_zalloc(sizeof(*client));

	client->options = options;
	channel_open(&client->channel, options->address, options->token);
	samples_init(&client->samples, options->warmup_s, options->seconds);
	for (uint32_t i = 0; i < options->inflight; i++)
		run_start(client, i, samples_now_ns());
	while (client->under_way > 0) {
		channel_turn(&client->channel, -1, 1000);
		if (samples_now_ns() > client->samples.end_ns + LONGEST_NS)
			die("%u runs have no result", client->under_way);
	}
	printf("{\"inflight\":%u,\"tasks\":1,", options->inflight);
	samples_print_json(&client->samples, stdout);
	printf("}\n");
	samples_release(&client->samples);
	mem_free(client);
}

/* --------------------------------------------------------------------------------------- main */

static uint32_t
option_count(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < least || value > most)
		die("%s: a number from %u to %u is wanted", text, least, most);
	return (uint32_t)value;
}

static double
option_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(value >= 0) || value > 3600)
		die("%s: seconds from 0 to 3600 are wanted", text);
	return value;
}

static void
options_parse(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
	    {"address", required_argument, NULL, 'a'},
	    {"inflight", required_argument, NULL, 'i'},
	    {"payload", required_argument, NULL, 'p'},
	    {"seconds", required_argument, NULL, 's'},
	    {"warmup", required_argument, NULL, 'w'},
	    {NULL, 0, NULL, 0},
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'a')
			options->address = optarg;
		else if (name == 'i')
			options->inflight = option_count(optarg, 1, INFLIGHT_MAX);
		else if (name == 'p')
			options->payload = option_count(optarg, PAYLOAD_MIN, PAYLOAD_MAX);
		else if (name == 's')
			options->seconds = option_seconds(optarg);
		else if (name == 'w')
			options->warmup_s = option_seconds(optarg);
		else
			exit(64);
	}
	options->token = getenv("HATCHET_CLIENT_TOKEN");
	if (options->address == NULL || options->token == NULL)
		die("--address and HATCHET_CLIENT_TOKEN are wanted");
}

int
main(int argc, char **argv)
{
	struct options options = {.inflight = 1, .payload = 64, .seconds = 5, .warmup_s = 1};
	int ready[2], told[2], status = 0;
	char none;

	options_parse(&options, argc, argv);
	if (pipe(ready) != 0 || pipe(told) != 0)
		die("pipe: %s", strerror(errno));
	pid_t worker = fork();
	if (worker < 0)
		die("fork: %s", strerror(errno));
	if (worker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		close(told[1]);
		worker_run(&options, ready[1], told[0]);
		return 0;
	}
	close(ready[1]);
	close(told[0]);
	if (read(ready[0], &none, 1) != 1)
		die("the worker ended before it listened");
	client_run(&options);
	close(told[1]);
	waitpid(worker, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
