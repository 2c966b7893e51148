/*
 * gateway/log: lines that tasks put.
 *
 * The SDKs put lines beside the result, and neither waits for the other: a line is taken when its
 * attempt, or its run, has ended, too.
 */
#include "gateway/method.h"

#include "froe/limits.h"
#include "gateway/text.h"

static void
on_line(struct call *call, const struct answer *answer)
{
	Hatchet__PutLogResponse response = HATCHET__PUT_LOG_RESPONSE__INIT;
	if (!call_failed(call, answer))
		call_reply(call, &response.base);
}

void
put_log(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__PutLogRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskLog log = FROE__TASK_LOG__INIT;
	struct ask_options options = {.holder = true};
	if (!task_take(call, request->task_run_external_id))
		return;
	if (request->has_task_retry_count)
		options.attempt = (uint32_t)request->task_retry_count + 1;
	log.has_task = log.has_lease = true;
	log.task = text_id_bytes(arena, call->id);
	log.lease = UINT64_MAX;
	log.line = text_copy(arena, bytes_of(request->message != NULL ? request->message : "",
	    text_cut(request->message != NULL ? request->message : "", FROE_LOG_LINE_BYTES_MAX)));
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_LOG;
	envelope.task_log = &log;
	call_ask(call, &envelope, &options, arena, on_line);
}
