/*
 * Requests that are out of place, or of something that is not there, is another's, or is too much:
 * each is answered with an error of its own, spoken by hand over the real binary, while a good
 * client goes on.
 */
#include "system/system.h"
#include "system/wire.h"

#include "system/good.h"

#define WINDOW (UINT64_C(64) << 20)

/* A tenant with a worker that holds one ordinary task and one durable one; and a stranger. */
static struct peer worker, client, stranger;
static Froe__Envelope *plain, *durable; /* the dispatches */

static void
define(struct peer *peer, const char *name, bool is_durable)
{
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT, *tasks[] = {&task};
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	task.name = (char[]){"only"};
	task.has_durable = task.durable = is_durable;
	task.has_execution_timeout_ms = 1;
	task.execution_timeout_ms = 600000;
	workflow.name = (char *)(uintptr_t)name;
	workflow.n_tasks = 1;
	workflow.tasks = tasks;
	put.workflow = &workflow;
	peer_say(peer, ++peer->request, FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put);
	heard_free(peer_expect(peer, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE));
}

static void
stage_open(void)
{
	const char *const both[] = {"plain", "durable", NULL}, *const one[] = {"plain", NULL};
	Froe__Slots slots = FROE__SLOTS__INIT, *types[] = {&slots};
	peer_open(&worker, &server, "stage", WINDOW);
	define(&worker, "plain", false);
	define(&worker, "durable", true);
	define(&worker, "idle", false); /* which nobody serves */
	Froe__WorkerRegister enrol = FROE__WORKER_REGISTER__INIT;
	uint8_t id[16] = {[0] = 0xaa};
	char *actions[] = {(char[]){"plain:only"}, (char[]){"durable:only"}};
	slots.type = (char[]){"durable"};
	slots.has_count = 1;
	slots.count = 1;
	enrol.has_id = enrol.has_incarnation = enrol.has_slots = 1;
	enrol.id = (ProtobufCBinaryData){16, id};
	enrol.incarnation = 1;
	enrol.slots = 2;
	enrol.actions = actions;
	enrol.n_actions = 2;
	enrol.slot_types = types;
	enrol.n_slot_types = 1;
	peer_say(&worker, ++worker.request, FROE__ENVELOPE__BODY_WORKER_REGISTER, &enrol);
	heard_free(peer_expect(&worker, FROE__ENVELOPE__BODY_WORKER_REGISTERED));
	peer_open(&client, &server, "stage", WINDOW);
	peer_start(&client, both[0]);
	plain = peer_expect(&worker, FROE__ENVELOPE__BODY_DISPATCH);
	peer_start(&client, both[1]);
	durable = peer_expect(&worker, FROE__ENVELOPE__BODY_DISPATCH);
	peer_open(&stranger, &server, "elsewhere", WINDOW);
	define(&stranger, "plain", false);
	peer_register(&stranger, 9, one, 1);
}

static void
stage_close(void)
{
	heard_free(plain);
	heard_free(durable);
	peer_release(&worker);
	peer_release(&client);
	peer_release(&stranger);
}

static int
setup(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	good_begin();
	stage_open();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	good_end();
	stage_close();
	server_release(&server);
	return 0;
}

/* The answer is this error, and the connection goes on. */
static void
refused(struct peer *peer, Froe__Envelope__BodyCase kind, void *body, enum froe_err code)
{
	uint64_t request = ++peer->request;
	peer_say(peer, request, kind, body);
	peer_expect_error(peer, request, code);
}

/* The run's id of a task's: its low ten bits are zero. */
static ProtobufCBinaryData
run_of(const Froe__Envelope *dispatch, uint8_t id[16])
{
	memcpy(id, dispatch->dispatch->task.data, 16);
	id[14] &= 0xfc;
	id[15] = 0;
	return (ProtobufCBinaryData){16, id};
}

static ProtobufCBinaryData
text_data(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* ------------------------------------------------------------------------------- durable steps */

static Froe__DurableStep
step_of(const Froe__Envelope *dispatch, uint32_t node, Froe__NodeKind kind)
{
	Froe__DurableStep step = FROE__DURABLE_STEP__INIT;
	step.has_task = step.has_lease = step.has_node = step.has_kind = 1;
	step.task = dispatch->dispatch->task;
	step.lease = dispatch->dispatch->lease;
	step.node = node;
	step.kind = kind;
	return step;
}

static void
refused_step(struct peer *peer, Froe__DurableStep *step, enum froe_err code)
{
	refused(peer, FROE__ENVELOPE__BODY_DURABLE_STEP, step, code);
}

static void
test_request__durable_steps(void **state)
{
	Froe__DurableStep step = step_of(plain, 1, FROE__NODE_KIND__NODE_MEMO);
	Froe__Condition condition = FROE__CONDITION__INIT, *conditions[17];
	Froe__RunStart start = FROE__RUN_START__INIT;
	static char large[FROE_APPROVAL_DATA_BYTES_MAX + 2];
	(void)state;
	step.name = (char[]){"m"};
	refused_step(&worker, &step, FROE_FAILED_PRECONDITION); /* it is not durable */
	step = step_of(durable, 1, FROE__NODE_KIND__NODE_MEMO);
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT); /* a memo has a name */
	step.name = (char[]){"m"};
	refused_step(&client, &step, FROE_LEASE_LAPSED); /* it holds nothing */
	refused_step(&stranger, &step, FROE_LEASE_LAPSED);
	step.lease++;
	refused_step(&worker, &step, FROE_LEASE_LAPSED);
	step.lease--;
	step.node = 0;
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	step.node = 2;
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT); /* a gap */
	step.node = UINT32_MAX;
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	step = step_of(durable, 1, (Froe__NodeKind)9);
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	step = step_of(durable, 1, FROE__NODE_KIND__NODE_WAIT);
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT); /* for nothing */
	for (int i = 0; i < 17; i++)
		conditions[i] = &condition;
	condition.has_kind = 1;
	condition.kind = FROE__CONDITION_KIND__CONDITION_EVENT;
	condition.name = (char[]){"k"};
	step.conditions = conditions;
	step.n_conditions = 17;
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	step.n_conditions = 1;
	condition.kind = (Froe__ConditionKind)4; /* a child's, which is not a client's to say */
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	condition.kind = FROE__CONDITION_KIND__CONDITION_APPROVAL;
	memset(large, '1', sizeof(large) - 1);
	condition.has_data = 1;
	condition.data = text_data(large);
	refused_step(&worker, &step, FROE_TOO_LARGE);
	condition.data = text_data("{");
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	step = step_of(durable, 1, FROE__NODE_KIND__NODE_CHILD);
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT); /* which one? */
	start.workflow = (char[]){"nobody's"};
	step.child = &start;
	refused_step(&worker, &step, FROE_NOT_FOUND);
	start.has_wait = start.wait = 1;
	refused_step(&worker, &step, FROE_INVALID_ARGUMENT);
	Froe__TaskEvict evict = FROE__TASK_EVICT__INIT;
	evict.has_task = evict.has_lease = evict.has_node = 1;
	evict.task = durable->dispatch->task;
	evict.lease = durable->dispatch->lease;
	evict.node = 1;
	refused(&worker, FROE__ENVELOPE__BODY_TASK_EVICT, &evict, FROE_FAILED_PRECONDITION);
	refused(&stranger, FROE__ENVELOPE__BODY_TASK_EVICT, &evict, FROE_LEASE_LAPSED);
	expect_good();
}

/* A handler's children whose keys look like those of its steps end: nothing else happens. */
static void
test_request__children_that_look_like_steps(void **state)
{
	static const char *const keys[] = {"node:01", "node:001", "node:1 ", "node:"};
	Froe__DurableStep step = step_of(durable, 1, FROE__NODE_KIND__NODE_CHILD);
	Froe__RunStart start = FROE__RUN_START__INIT;
	(void)state;
	start.workflow = (char[]){"idle"};
	step.child = &start;
	peer_say(&worker, ++worker.request, FROE__ENVELOPE__BODY_DURABLE_STEP, &step);
	Froe__Envelope *got = peer_expect(&worker, FROE__ENVELOPE__BODY_NODE_DONE);
	assert_int_equal(got->node_done->state, FROE__NODE_STATE__NODE_PENDING);
	heard_free(got);
	for (int i = 0; i < 4; i++) {
		Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
		start.has_parent = start.has_parent_lease = 1;
		start.parent = durable->dispatch->task;
		start.parent_lease = durable->dispatch->lease;
		start.child_key = (char *)(uintptr_t)keys[i];
		peer_say(&worker, ++worker.request, FROE__ENVELOPE__BODY_RUN_START, &start);
		got = peer_expect(&worker, FROE__ENVELOPE__BODY_RUN_STARTED);
		cancel.has_run = 1;
		cancel.run = got->run_started->run;
		peer_say(&client, ++client.request, FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel);
		heard_free(peer_expect(&client, FROE__ENVELOPE__BODY_DONE));
		heard_free(got);
	}
	expect_good();
}

/* -------------------------------------------------------------------------------------- streams */

static Froe__TaskStream
chunk_of(const Froe__Envelope *dispatch, ProtobufCBinaryData data)
{
	Froe__TaskStream chunk = FROE__TASK_STREAM__INIT;
	chunk.has_task = chunk.has_lease = chunk.has_data = 1;
	chunk.task = dispatch->dispatch->task;
	chunk.lease = dispatch->dispatch->lease;
	chunk.data = data;
	return chunk;
}

static void
test_request__streams(void **state)
{
	static uint8_t large[FROE_STREAM_CHUNK_BYTES_MAX + 1];
	uint8_t id[16];
	Froe__StreamGet get = FROE__STREAM_GET__INIT;
	Froe__TaskStream chunk = chunk_of(plain, (ProtobufCBinaryData){sizeof(large), large});
	(void)state;
	refused(&worker, FROE__ENVELOPE__BODY_TASK_STREAM, &chunk, FROE_TOO_LARGE);
	chunk.data.len = 1;
	refused(&stranger, FROE__ENVELOPE__BODY_TASK_STREAM, &chunk, FROE_LEASE_LAPSED);
	chunk.has_sequence = 1;
	chunk.sequence = 2;
	refused(&worker, FROE__ENVELOPE__BODY_TASK_STREAM, &chunk, FROE_INVALID_ARGUMENT);
	refused(&client, FROE__ENVELOPE__BODY_STREAM_GET, &get, FROE_INVALID_ARGUMENT);
	get.has_run = 1;
	get.run = run_of(plain, id);
	refused(&stranger, FROE__ENVELOPE__BODY_STREAM_GET, &get, FROE_NOT_FOUND);
	get.task = (char[]){"none"};
	refused(&client, FROE__ENVELOPE__BODY_STREAM_GET, &get, FROE_INVALID_ARGUMENT);
	expect_good();
}

/* As many readers as a connection may have wait, and are gone with it, again and again; those of a
 * run that has not begun too. */
static void
test_request__floods_of_readers(void **state)
{
	uint8_t id[16], later[16];
	Froe__StreamGet get = FROE__STREAM_GET__INIT;
	Froe__RunStart start = FROE__RUN_START__INIT;
	struct buf stream;
	(void)state;
	start.workflow = (char[]){"plain"};
	start.has_delay_ms = 1;
	start.delay_ms = 3600000;
	peer_say(&client, ++client.request, FROE__ENVELOPE__BODY_RUN_START, &start);
	Froe__Envelope *got = peer_expect(&client, FROE__ENVELOPE__BODY_RUN_STARTED);
	memcpy(later, got->run_started->run.data, 16);
	heard_free(got);
	get.has_run = get.has_wait = get.wait = 1;
	buf_init(&stream);
	for (unsigned i = 0; i < FROE_REQUESTS_MAX - 2; i++) {
		get.run = i % 2 == 0 ? run_of(plain, id) : (ProtobufCBinaryData){16, later};
		frame_push(&stream, 10 + i, FROE__ENVELOPE__BODY_STREAM_GET, &get);
	}
	for (int i = 0; i < 5; i++) {
		struct peer flood;
		peer_open(&flood, &server, "stage", WINDOW);
		peer_send(&flood, buf_bytes(&stream).data, buf_used(&stream));
		socket_reset(flood.fd);
		flood.fd = socket_open(&server); /* what peer_release closes */
		peer_release(&flood);
	}
	buf_release(&stream);
	Froe__TaskStream chunk = chunk_of(plain, text_data("a"));
	for (int i = 0; i < 10; i++) {
		peer_say(&worker, ++worker.request, FROE__ENVELOPE__BODY_TASK_STREAM, &chunk);
		heard_free(peer_expect(&worker, FROE__ENVELOPE__BODY_DONE));
	}
	expect_good();
}

/* ----------------------------------------------------------------------------------- many runs */

static void
test_request__many_runs(void **state)
{
	static Froe__RunStart starts[FROE_BULK_RUNS_MAX + 1], *rows[FROE_BULK_RUNS_MAX + 1];
	static char idle[] = "idle", nobodys[] = "nobody's";
	Froe__RunStartMany many = FROE__RUN_START_MANY__INIT;
	(void)state;
	for (unsigned i = 0; i <= FROE_BULK_RUNS_MAX; i++) {
		froe__run_start__init(&starts[i]);
		starts[i].workflow = idle;
		rows[i] = &starts[i];
	}
	many.runs = rows;
	refused(&client, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_INVALID_ARGUMENT);
	many.n_runs = FROE_BULK_RUNS_MAX + 1;
	refused(&client, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_INVALID_ARGUMENT);
	many.n_runs = FROE_BULK_RUNS_MAX;
	starts[999].workflow = nobodys;
	refused(&client, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_NOT_FOUND);
	starts[999].workflow = idle;
	starts[500].has_wait = starts[500].wait = 1;
	refused(&client, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_INVALID_ARGUMENT);
	starts[500].has_wait = 0;
	starts[500].wait = 0;
	refused(&stranger, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_NOT_FOUND);
	starts[0].has_parent = starts[0].has_parent_lease = 1;
	starts[0].parent = plain->dispatch->task;
	starts[0].parent_lease = plain->dispatch->lease;
	refused(&client, FROE__ENVELOPE__BODY_RUN_START_MANY, &many, FROE_LEASE_LAPSED);
	starts[0].has_parent = 0;
	starts[0].has_parent_lease = 0;
	peer_say(&client, ++client.request, FROE__ENVELOPE__BODY_RUN_START_MANY, &many);
	Froe__Envelope *got = peer_expect(&client, FROE__ENVELOPE__BODY_RUNS_STARTED);
	assert_int_equal(got->runs_started->n_runs, FROE_BULK_RUNS_MAX);
	heard_free(got);
	expect_good();
}

/* ------------------------------------------------------------------------------- of nobody */

/* What these have in common: a run's id in field 1. */
static void
test_request__runs_of_others_and_of_nobody(void **state)
{
	static const Froe__Envelope__BodyCase kinds[] = {FROE__ENVELOPE__BODY_RUN_GET,
	    FROE__ENVELOPE__BODY_RUN_WATCH, FROE__ENVELOPE__BODY_RUN_CANCEL,
	    FROE__ENVELOPE__BODY_WHY, FROE__ENVELOPE__BODY_STREAM_GET,
	    FROE__ENVELOPE__BODY_RUN_REPLAY};
	uint8_t theirs[16], nobodys[16] = {1, 2, 3, 4, 5, 6, 0x77, 8, 0x89};
	Froe__RunGet get = FROE__RUN_GET__INIT;
	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	Froe__Why why = FROE__WHY__INIT;
	Froe__StreamGet stream = FROE__STREAM_GET__INIT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	void *bodies[] = {&get, &watch, &cancel, &why, &stream, &replay};
	char none[] = "none";
	(void)state;
	get.has_run = watch.has_run = cancel.has_run = why.has_run = 1;
	stream.has_run = replay.has_run = 1;
	for (int whose = 0; whose < 2; whose++) {
		ProtobufCBinaryData run = whose == 0 ? run_of(durable, theirs)
		                                     : (ProtobufCBinaryData){16, nobodys};
		get.run = watch.run = cancel.run = why.run = stream.run = replay.run = run;
		for (int i = 0; i < 6; i++)
			refused(&stranger, kinds[i], bodies[i], FROE_NOT_FOUND);
		replay.task = none; /* no literal: it would be gone in the next round */
		replay.has_node = 1;
		replay.node = 7;
		refused(&stranger, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay, FROE_NOT_FOUND);
	}
	replay = (Froe__RunReplay)FROE__RUN_REPLAY__INIT;
	replay.has_run = 1;
	replay.run = run_of(durable, theirs);
	refused(&client, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay, FROE_FAILED_PRECONDITION);
	replay.has_input = 1;
	replay.input = text_data("{");
	refused(&client, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay, FROE_INVALID_ARGUMENT);
	replay.run = plain->dispatch->task; /* not a run's */
	refused(&client, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay, FROE_INVALID_ARGUMENT);
	expect_good();
}

static void
test_request__workers_of_others_and_of_nobody(void **state)
{
	uint8_t id[16] = {[0] = 0xaa};
	Froe__WorkerGet get = FROE__WORKER_GET__INIT;
	Froe__WorkerPause pause = FROE__WORKER_PAUSE__INIT;
	Froe__TaskRelease release = FROE__TASK_RELEASE__INIT;
	(void)state;
	refused(&client, FROE__ENVELOPE__BODY_WORKER_GET, &get, FROE_INVALID_ARGUMENT);
	get.has_id = pause.has_id = 1;
	get.id = pause.id = (ProtobufCBinaryData){16, id};
	refused(&stranger, FROE__ENVELOPE__BODY_WORKER_GET, &get, FROE_NOT_FOUND);
	refused(&stranger, FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause, FROE_NOT_FOUND);
	id[9] = 1;
	refused(&client, FROE__ENVELOPE__BODY_WORKER_GET, &get, FROE_NOT_FOUND);
	refused(&client, FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause, FROE_NOT_FOUND);
	release.has_task = release.has_lease = 1;
	release.task = plain->dispatch->task;
	release.lease = plain->dispatch->lease;
	refused(&stranger, FROE__ENVELOPE__BODY_TASK_RELEASE, &release, FROE_LEASE_LAPSED);
	refused(&client, FROE__ENVELOPE__BODY_TASK_RELEASE, &release, FROE_LEASE_LAPSED);
	expect_good();
}

static void
test_request__events_and_approvals(void **state)
{
	static char key[FROE_NAME_BYTES_MAX + 2];
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	Froe__ApprovalDecide decide = FROE__APPROVAL_DECIDE__INIT;
	Froe__ApprovalList list = FROE__APPROVAL_LIST__INIT;
	(void)state;
	refused(&client, FROE__ENVELOPE__BODY_EVENT_PUSH, &push, FROE_INVALID_ARGUMENT);
	memset(key, 'k', FROE_NAME_BYTES_MAX + 1);
	push.key = key;
	refused(&client, FROE__ENVELOPE__BODY_EVENT_PUSH, &push, FROE_TOO_LARGE);
	push.key = (char[]){"k\n"};
	refused(&client, FROE__ENVELOPE__BODY_EVENT_PUSH, &push, FROE_INVALID_ARGUMENT);
	push.key = (char[]){"k"};
	push.has_payload = 1;
	push.payload = text_data("[1,");
	refused(&client, FROE__ENVELOPE__BODY_EVENT_PUSH, &push, FROE_INVALID_ARGUMENT);
	refused(&client, FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide, FROE_INVALID_ARGUMENT);
	decide.has_approved = decide.has_approval = 1;
	refused(&client, FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide, FROE_NOT_FOUND);
	decide.approval = UINT64_MAX;
	refused(&client, FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide, FROE_NOT_FOUND);
	list.has_limit = 1;
	list.limit = FROE_LIST_MAX + 1;
	refused(&client, FROE__ENVELOPE__BODY_APPROVAL_LIST, &list, FROE_INVALID_ARGUMENT);
	expect_good();
}

static void
test_request__lists(void **state)
{
	Froe__WorkflowGet get = FROE__WORKFLOW_GET__INIT;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__Pair pair = FROE__PAIR__INIT, *pairs[FROE_METADATA_PAIRS_MAX + 1];
	uint8_t position[8] = {0xff, 0xff, 0xff, 0xff, 0xff};
	(void)state;
	refused(&client, FROE__ENVELOPE__BODY_WORKFLOW_GET, &get, FROE_INVALID_ARGUMENT);
	get.workflow = (char[]){"durable"};
	refused(&stranger, FROE__ENVELOPE__BODY_WORKFLOW_GET, &get, FROE_NOT_FOUND);
	get.has_version = 1;
	get.version = UINT32_MAX;
	refused(&client, FROE__ENVELOPE__BODY_WORKFLOW_GET, &get, FROE_NOT_FOUND);
	list.has_limit = 1;
	list.limit = FROE_LIST_MAX + 1;
	refused(&client, FROE__ENVELOPE__BODY_RUN_LIST, &list, FROE_INVALID_ARGUMENT);
	list.limit = 1;
	list.has_position = 1;
	list.position = (ProtobufCBinaryData){8, position}; /* of the far future */
	refused(&client, FROE__ENVELOPE__BODY_RUN_LIST, &list, FROE_INDEX_BEHIND);
	memset(position, 0xff, 8);
	refused(&client, FROE__ENVELOPE__BODY_RUN_LIST, &list, FROE_INVALID_ARGUMENT);
	list.has_position = 0;
	list.position.len = 0;
	for (unsigned i = 0; i <= FROE_METADATA_PAIRS_MAX; i++)
		pairs[i] = &pair;
	pair.key = (char[]){"k"};
	list.metadata = pairs;
	list.n_metadata = FROE_METADATA_PAIRS_MAX + 1;
	refused(&client, FROE__ENVELOPE__BODY_RUN_LIST, &list, FROE_TOO_LARGE);
	expect_good();
}

static void
test_request__tokens(void **state)
{
	static char action[] = "a";
	char *roles[] = {(char[]){"emperor"}}, *many[FROE_TOKEN_ACTIONS_MAX + 1];
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	Froe__TokenRevoke revoke = FROE__TOKEN_REVOKE__INIT;
	(void)state;
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_INVALID_ARGUMENT);
	create.name = (char[]){"n"};
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_INVALID_ARGUMENT);
	create.roles = roles;
	create.n_roles = 1;
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_INVALID_ARGUMENT);
	roles[0] = (char[]){"worker"};
	create.tenant = (char[]){"../x"};
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_INVALID_ARGUMENT);
	create.tenant = (char[]){"*"}; /* for every tenant there are no workers' */
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_FORBIDDEN);
	create.tenant = NULL;
	for (unsigned i = 0; i <= FROE_TOKEN_ACTIONS_MAX; i++)
		many[i] = action;
	create.actions = many;
	create.n_actions = FROE_TOKEN_ACTIONS_MAX + 1;
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_TOO_LARGE);
	create.n_actions = 0;
	create.has_expires_ms = 1;
	create.expires_ms = UINT64_MAX;
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create, FROE_INVALID_ARGUMENT);
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke, FROE_INVALID_ARGUMENT);
	revoke.id = (char[]){"zzzzzzzzzz"};
	refused(&client, FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke, FROE_NOT_FOUND);
	expect_good();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request__durable_steps),
	    cmocka_unit_test(test_request__children_that_look_like_steps),
	    cmocka_unit_test(test_request__streams),
	    cmocka_unit_test(test_request__floods_of_readers),
	    cmocka_unit_test(test_request__many_runs),
	    cmocka_unit_test(test_request__runs_of_others_and_of_nobody),
	    cmocka_unit_test(test_request__workers_of_others_and_of_nobody),
	    cmocka_unit_test(test_request__events_and_approvals),
	    cmocka_unit_test(test_request__lists),
	    cmocka_unit_test(test_request__tokens),
	};
	return cmocka_run_group_tests_name("system requests", tests, setup, teardown);
}
