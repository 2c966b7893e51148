#include "client/request.h"

#include "base/mem.h"
#include "base/message.h"

#define WATCH_FRAME_SIZE_MAX 64u

#define BODY(name) FROE__ENVELOPE__BODY_##name

/* By the number of the body; one that is not there is no request of ours. TaskComplete and TaskFail
 * are made harmless by their fence, RunStart by the run's id. */
#define KIND(name, by, ...)                                                                        \
	[BODY(name)] = {.number = BODY(name), .answer = BODY(by), ##__VA_ARGS__}
static const struct request_kind kinds[] = {
    KIND(PING, PONG),
    KIND(WORKFLOW_PUT, WORKFLOW_PUT_DONE, .repeat = true),
    KIND(RUN_START, RUN_STARTED, .repeat = true),
    KIND(RUN_START_MANY, RUNS_STARTED, .repeat = true),
    KIND(RUN_GET, RUN_VIEW, .repeat = true),
    KIND(RUN_LIST, RUN_PAGE, .repeat = true),
    KIND(RUN_CANCEL, DONE, .repeat = true),
    KIND(RUN_WATCH, _NOT_SET, .repeat = true),
    KIND(RUN_UNWATCH, DONE),
    KIND(TASK_OUTPUT_GET, TASK_OUTPUT, .repeat = true),
    KIND(WORKER_REGISTER, WORKER_REGISTERED),
    KIND(WORKER_DRAIN, DONE, .worker = true),
    KIND(HEARTBEAT, DONE, .worker = true),
    KIND(TASK_COMPLETE, DONE, .repeat = true, .worker = true),
    KIND(TASK_FAIL, DONE, .repeat = true, .worker = true),
    KIND(TASK_REFRESH, TASK_REFRESHED, .worker = true),
    KIND(TOKEN_CREATE, TOKEN_CREATED),
    KIND(TOKEN_LIST, TOKEN_PAGE, .repeat = true),
    KIND(TOKEN_REVOKE, DONE),
    KIND(RUN_REPLAY, DONE),
    KIND(RUN_CANCEL_MANY, JOB_STARTED),
    KIND(RUN_REPLAY_MANY, JOB_STARTED),
    KIND(JOB_GET, JOB_VIEW, .repeat = true),
    KIND(JOB_LIST, JOB_PAGE, .repeat = true),
    KIND(JOB_CANCEL, DONE),
    KIND(TASK_STREAM, DONE, .repeat = true, .worker = true),
    KIND(STREAM_GET, STREAM_PAGE, .repeat = true),
    KIND(TASK_LOG, DONE, .worker = true),
    KIND(TASK_RELEASE, DONE, .repeat = true, .worker = true),
    KIND(WORKER_LIST, WORKER_PAGE, .repeat = true),
    KIND(WORKER_GET, WORKER_VIEW, .repeat = true),
    KIND(WORKER_PAUSE, DONE, .repeat = true),
    KIND(WHY, WHY_VIEW, .repeat = true),
    KIND(DURABLE_STEP, NODE_DONE, .repeat = true, .worker = true),
    KIND(TASK_EVICT, DONE, .repeat = true, .worker = true),
    KIND(EVENT_PUSH, EVENT_PUSHED),
    KIND(TASK_RESTORE, DONE),
    KIND(EVENT_LIST, EVENT_PAGE, .repeat = true),
    KIND(EVENT_GET, EVENT_VIEW, .repeat = true),
    KIND(WORKFLOW_LIST, WORKFLOW_PAGE, .repeat = true),
    KIND(WORKFLOW_GET, WORKFLOW_VIEW, .repeat = true),
    KIND(WORKFLOW_PAUSE, DONE, .repeat = true),
    KIND(WORKFLOW_DELETE, DONE),
    KIND(APPROVAL_LIST, APPROVAL_PAGE, .repeat = true),
    KIND(APPROVAL_DECIDE, DONE),
};

const struct request_kind *
request_kind(uint32_t number)
{
	bool known = number < sizeof(kinds) / sizeof(kinds[0]) && kinds[number].number != 0;
	return known ? &kinds[number] : NULL;
}

/* The body is still to be written, to *ret_body. */
static struct request *
request_begin(uint64_t id, uint32_t number, size_t body_size, uint8_t **ret_body)
{
	froe_assert(id > 0);
	size_t size = wire_frame_size(id, number, body_size);
	size_t capacity = size > WATCH_FRAME_SIZE_MAX ? size : WATCH_FRAME_SIZE_MAX;
	struct request *request = mem_alloc(sizeof(*request) + capacity);
	const struct request_kind *kind = request_kind(number);
	*request = (struct request){
	    .id = id, .number = number, .size = size, .capacity = capacity};
	request->worker = kind != NULL && kind->worker;
	*ret_body = wire_frame_begin(request->frame, id, number, body_size);
	return request;
}

struct request *
request_new(uint64_t id, uint32_t number, const ProtobufCMessage *body, request_answer *answer,
    void *context)
{
	uint8_t *to;
	struct request *request = request_begin(id, number, message_size(body), &to);
	message_encode(body, to);
	request->answer = answer;
	request->context = context;
	return request;
}

struct request *
request_encoded(uint64_t id, uint32_t number, struct bytes body, request_answer *answer,
    void *context)
{
	uint8_t *to;
	struct request *request = request_begin(id, number, body.size, &to);
	if (body.size > 0)
		memcpy(to, body.data, body.size);
	request->answer = answer;
	request->context = context;
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
	size_t body_size = message_size(&watch.base);
	request->size = wire_frame_size(request->id, request->number, body_size);
	froe_assert(request->size <= request->capacity);
	message_encode(&watch.base,
	    wire_frame_begin(request->frame, request->id, request->number, body_size));
}
