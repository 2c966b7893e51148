#include "client/request.h"

#include "base/mem.h"

#define WATCH_FRAME_SIZE_MAX 64u

#define BODY(name) FROE__ENVELOPE__BODY_##name

/* TaskComplete and TaskFail are made harmless by their fence, RunStart by the run's id. */
static const struct request_kind kinds[] = {
    {BODY(PING), BODY(PONG), .repeat = false, .worker = false},
    {BODY(WORKFLOW_PUT), BODY(WORKFLOW_PUT_DONE), .repeat = true, .worker = false},
    {BODY(RUN_START), BODY(RUN_STARTED), .repeat = true, .worker = false},
    {BODY(RUN_START_MANY), BODY(RUNS_STARTED), .repeat = true, .worker = false},
    {BODY(RUN_GET), BODY(RUN_VIEW), .repeat = true, .worker = false},
    {BODY(RUN_LIST), BODY(RUN_PAGE), .repeat = true, .worker = false},
    {BODY(RUN_CANCEL), BODY(DONE), .repeat = true, .worker = false},
    {BODY(RUN_WATCH), BODY(_NOT_SET), .repeat = true, .worker = false},
    {BODY(RUN_UNWATCH), BODY(DONE), .repeat = false, .worker = false},
    {BODY(TASK_OUTPUT_GET), BODY(TASK_OUTPUT), .repeat = true, .worker = false},
    {BODY(WORKER_REGISTER), BODY(WORKER_REGISTERED), .repeat = false, .worker = false},
    {BODY(WORKER_DRAIN), BODY(DONE), .repeat = false, .worker = true},
    {BODY(HEARTBEAT), BODY(DONE), .repeat = false, .worker = true},
    {BODY(TASK_COMPLETE), BODY(DONE), .repeat = true, .worker = true},
    {BODY(TASK_FAIL), BODY(DONE), .repeat = true, .worker = true},
    {BODY(TASK_REFRESH), BODY(TASK_REFRESHED), .repeat = false, .worker = true},
    {BODY(TOKEN_CREATE), BODY(TOKEN_CREATED), .repeat = false, .worker = false},
    {BODY(TOKEN_LIST), BODY(TOKEN_PAGE), .repeat = true, .worker = false},
    {BODY(TOKEN_REVOKE), BODY(DONE), .repeat = false, .worker = false},
    {BODY(RUN_REPLAY), BODY(DONE), .repeat = false, .worker = false},
    {BODY(RUN_CANCEL_MANY), BODY(JOB_STARTED), .repeat = false, .worker = false},
    {BODY(RUN_REPLAY_MANY), BODY(JOB_STARTED), .repeat = false, .worker = false},
    {BODY(JOB_GET), BODY(JOB_VIEW), .repeat = true, .worker = false},
    {BODY(JOB_LIST), BODY(JOB_PAGE), .repeat = true, .worker = false},
    {BODY(JOB_CANCEL), BODY(DONE), .repeat = false, .worker = false},
    {BODY(TASK_STREAM), BODY(DONE), .repeat = true, .worker = true},
    {BODY(STREAM_GET), BODY(STREAM_PAGE), .repeat = true, .worker = false},
    {BODY(TASK_LOG), BODY(DONE), .repeat = false, .worker = true},
    {BODY(TASK_RELEASE), BODY(DONE), .repeat = true, .worker = true},
    {BODY(WORKER_LIST), BODY(WORKER_PAGE), .repeat = true, .worker = false},
    {BODY(WORKER_GET), BODY(WORKER_VIEW), .repeat = true, .worker = false},
    {BODY(WORKER_PAUSE), BODY(DONE), .repeat = true, .worker = false},
    {BODY(WHY), BODY(WHY_VIEW), .repeat = true, .worker = false},
    {BODY(DURABLE_STEP), BODY(NODE_DONE), .repeat = true, .worker = true},
    {BODY(TASK_EVICT), BODY(DONE), .repeat = true, .worker = true},
    {BODY(EVENT_PUSH), BODY(EVENT_PUSHED), .repeat = false, .worker = false},
    {BODY(WORKFLOW_LIST), BODY(WORKFLOW_PAGE), .repeat = true, .worker = false},
    {BODY(WORKFLOW_GET), BODY(WORKFLOW_VIEW), .repeat = true, .worker = false},
    {BODY(APPROVAL_LIST), BODY(APPROVAL_PAGE), .repeat = true, .worker = false},
    {BODY(APPROVAL_DECIDE), BODY(DONE), .repeat = false, .worker = false},
};

const struct request_kind *
request_kind(uint32_t number)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].number == number)
			return &kinds[i];
	}
	return NULL;
}

struct request *
request_new(uint64_t id, uint32_t number, const ProtobufCMessage *body, request_answer *answer,
    void *context)
{
	froe_assert(id > 0);
	size_t size = wire_frame_size(id, number, body);
	size_t capacity = size > WATCH_FRAME_SIZE_MAX ? size : WATCH_FRAME_SIZE_MAX;
	struct request *request = mem_alloc(sizeof(*request) + capacity);
	*request = (struct request){.id = id, .number = number, .answer = answer,
	    .context = context, .size = size, .capacity = capacity};
	const struct request_kind *kind = request_kind(number);
	request->worker = kind != NULL && kind->worker;
	wire_frame_pack(request->frame, id, number, body, size);
	return request;
}

void
request_free(struct request *request)
{
	mem_free(request);
}

void
request_watch(struct request *request)
{
	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	watch.has_run = true;
	watch.run = wire_id(&request->run.run);
	watch.has_changes = request->run.changes;
	watch.changes = request->run.changes;
	request->number = FROE__ENVELOPE__BODY_RUN_WATCH;
	request->size = wire_frame_size(request->id, request->number, &watch.base);
	froe_assert(request->size <= request->capacity);
	wire_frame_pack(request->frame, request->id, request->number, &watch.base, request->size);
}
