/*
 * gateway/change: runs are cancelled or replayed by their ids, one after the other.
 *
 * A task's id stands for its run. Those that are not there, or are past changing, are left out of
 * the answer.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "gateway/text.h"

#define IDS_MAX 1000u

/* The ids of either request: the messages are the same but for their names. */
static char **
ids_of(
    const struct call *call, const ProtobufCMessage *message, size_t *ret_count, bool *ret_filter)
{
	if (call->unary->request == &hatchet__cancel_tasks_request__descriptor) {
		const Hatchet__CancelTasksRequest *request = (const void *)message;
		*ret_count = request->n_external_ids;
		*ret_filter = request->filter != NULL;
		return request->external_ids;
	}
	const Hatchet__ReplayTasksRequest *request = (const void *)message;
	*ret_count = request->n_external_ids;
	*ret_filter = request->filter != NULL;
	return request->external_ids;
}

/* What was changed: kept as UUIDs. */
static void
change_reply(struct call *call, struct arena *arena)
{
	struct bytes kept = buf_bytes(&call->kept);
	size_t count = kept.size / sizeof(struct uuid);
	char **ids = arena_alloc(arena, (count + 1) * sizeof(*ids));
	froe_assert(ids != NULL);
	for (size_t i = 0; i < count; i++) {
		struct uuid id;
		memcpy(id.bytes, kept.data + i * sizeof(id), sizeof(id));
		ids[i] = text_uuid(arena, id);
	}
	if (call->unary->request == &hatchet__cancel_tasks_request__descriptor) {
		Hatchet__CancelTasksResponse response = HATCHET__CANCEL_TASKS_RESPONSE__INIT;
		response.cancelled_tasks = ids;
		response.n_cancelled_tasks = count;
		call_reply(call, &response.base);
		return;
	}
	Hatchet__ReplayTasksResponse response = HATCHET__REPLAY_TASKS_RESPONSE__INIT;
	response.replayed_tasks = ids;
	response.n_replayed_tasks = count;
	call_reply(call, &response.base);
}

static void change_next(struct call *call, const ProtobufCMessage *message, struct arena *arena);

static void
on_changed(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	bool fails = answer_fault(answer, &fault);
	if (fails && fault.code != FROE_NOT_FOUND && fault.code != FROE_FAILED_PRECONDITION) {
		call_fail(call, &fault);
		return;
	}
	if (!fails)
		buf_push(&call->kept, call->id.bytes, sizeof(call->id));
	call->at++;
	const ProtobufCMessage *message =
	    wire_unpack(call->unary->request, buf_bytes(&call->message), answer->arena);
	froe_assert(message != NULL);
	change_next(call, message, answer->arena);
}

static void
change_next(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	size_t count;
	bool filter;
	uint32_t number;
	char **ids = ids_of(call, message, &count, &filter);
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	struct ask_options options = {.role = ENG_ROLE_CLIENT};
	if (call->at == count) {
		change_reply(call, arena);
		return;
	}
	if (!text_id(ids[call->at], &call->id)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "external_ids",
		    "external_ids[%u] is not a UUID", call->at);
		return;
	}
	struct uuid run = uuid_run_of(call->id, &number);
	cancel.has_run = replay.has_run = true;
	cancel.run = replay.run = text_id_bytes(arena, run);
	if (call->unary->request == &hatchet__cancel_tasks_request__descriptor) {
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_CANCEL;
		envelope.run_cancel = &cancel;
	} else {
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_REPLAY;
		envelope.run_replay = &replay;
	}
	call_ask(call, &envelope, &options, arena, on_changed);
}

void
change_tasks(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	size_t count;
	bool filter;
	ids_of(call, message, &count, &filter);
	if (filter)
		call_refuse(call, FROE_INVALID_ARGUMENT, "filter",
		    "filter: name the runs by external_ids; by REST there are filters");
	else if (count > IDS_MAX)
		call_refuse(call, FROE_INVALID_ARGUMENT, "external_ids",
		    "%zu ids: give at most %u at a time", count, IDS_MAX);
	else
		change_next(call, message, arena);
}
