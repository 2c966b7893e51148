#include "client/request.h"

#include "base/mem.h"
#include "base/message.h"

#define FRAME_MIN 192u /* most requests take less; a RunWatch does */
#ifdef FROE_SLOW
#define KEPT_MAX 0u /* sanitizers see each request come from the heap, and go there */
#else
#define KEPT_MAX 1024u /* bytes of a frame that is kept */
#endif

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

/* A kept one, made larger if it has to be. */
static struct request *
request_take(struct requests *requests, size_t capacity)
{
	struct list *node = list_pop(&requests->kept);
	struct request *request = NULL;
	capacity = capacity > FRAME_MIN ? capacity : FRAME_MIN;
	if (node != NULL)
		request = container_of(node, struct request, node);
	if (request == NULL || request->capacity < capacity)
		request = mem_resize(request, sizeof(*request) + capacity);
	else
		capacity = request->capacity;
	*request = (struct request){.capacity = capacity};
	return request;
}

void
request_free(struct requests *requests, struct request *request)
{
	if (request->capacity <= KEPT_MAX)
		list_push_front(&requests->kept, &request->node);
	else
		mem_free(request);
}

struct request *
request_begin(struct requests *requests, uint32_t number, size_t body_size, request_answer *answer,
    void *context, uint8_t **ret_body)
{
	struct request *request = request_take(requests, WIRE_HEAD_BYTES_MAX + body_size);
	const struct request_kind *kind = request_kind(number);
	request->id = requests_number(requests);
	request->number = number;
	request->worker = kind != NULL && kind->worker;
	request->answer = answer;
	request->context = context;
	*ret_body = wire_frame_begin(request->frame, request->id, number, body_size);
	request->size = (size_t)(*ret_body - request->frame) + body_size;
	return request;
}

struct request *
request_new(struct requests *requests, uint32_t number, const ProtobufCMessage *body,
    request_answer *answer, void *context)
{
	uint8_t *to;
	struct request *request =
	    request_begin(requests, number, message_size(body), answer, context, &to);
	message_encode(body, to);
	return request;
}

struct request *
request_encoded(struct requests *requests, uint32_t number, struct bytes body,
    request_answer *answer, void *context)
{
	uint8_t *to;
	struct request *request =
	    request_begin(requests, number, body.size, answer, context, &to);
	if (body.size > 0)
		memcpy(to, body.data, body.size);
	return request;
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
	froe_assert(WIRE_HEAD_BYTES_MAX + body_size <= request->capacity);
	uint8_t *end = message_encode(&watch.base,
	    wire_frame_begin(request->frame, request->id, request->number, body_size));
	request->size = (size_t)(end - request->frame);
}
