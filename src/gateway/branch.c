/*
 * gateway/branch: BranchDurableTask, a durable task goes on from one of its steps.
 *
 * It is a replay of its run: those tasks that do not follow it keep their outputs, the steps before
 * the named one their results.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "froe/limits.h"
#include "gateway/durable.h"
#include "gateway/text.h"

static const Hatchet__BranchDurableTaskRequest *
request_again(const struct call *call, struct arena *arena)
{
	const void *request =
	    wire_unpack(call->unary->request, buf_bytes(&call->message), arena);
	froe_assert(request != NULL);
	return request;
}

static void
on_replayed(struct call *call, const struct answer *answer)
{
	Hatchet__BranchDurableTaskResponse response = HATCHET__BRANCH_DURABLE_TASK_RESPONSE__INIT;
	if (call_failed(call, answer))
		return;
	const Hatchet__BranchDurableTaskRequest *request = request_again(call, answer->arena);
	response.task_external_id = request->task_external_id;
	response.has_node_id = response.has_branch_id = true;
	response.node_id = request->node_id;
	response.branch_id = DURABLE_BRANCH;
	call_reply(call, &response.base);
}

static char *
task_name(const Froe__RunView *view, struct uuid task)
{
	for (size_t i = 0; i < view->n_tasks; i++) {
		if (memcmp(view->tasks[i]->id.data, task.bytes, sizeof(task.bytes)) == 0)
			return view->tasks[i]->name;
	}
	return NULL;
}

static void
on_view(struct call *call, const struct answer *answer)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	struct ask_options options = {.role = ENG_ROLE_CLIENT};
	uint32_t number;
	if (call_failed(call, answer))
		return;
	replay.task = task_name((const void *)answer->message, call->id);
	if (replay.task == NULL) {
		call_refuse(call, FROE_NOT_FOUND, "task_external_id", "the run has no such task");
		return;
	}
	replay.has_run = replay.has_node = true;
	replay.run = text_id_bytes(answer->arena, uuid_run_of(call->id, &number));
	replay.node = (uint32_t)request_again(call, answer->arena)->node_id;
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_REPLAY;
	envelope.run_replay = &replay;
	call_ask(call, &envelope, &options, answer->arena, on_replayed);
}

void
branch_durable_task(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__BranchDurableTaskRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.role = ENG_ROLE_WORKER};
	uint32_t number;
	if (!task_take(call, request->task_external_id))
		return;
	if (request->node_id < 1 || request->node_id > FROE_DURABLE_NODES_MAX) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "node_id",
		    "node_id is %lld: give that of one of the task's steps, 1 to %u",
		    (long long)request->node_id, FROE_DURABLE_NODES_MAX);
		return;
	}
	if (request->branch_id != 0 && request->branch_id != DURABLE_BRANCH) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "branch_id",
		    "branch_id is %lld: all steps are on branch %d",
		    (long long)request->branch_id, DURABLE_BRANCH);
		return;
	}
	get.has_run = true;
	get.run = text_id_bytes(arena, uuid_run_of(call->id, &number));
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
	envelope.run_get = &get;
	call_ask(call, &envelope, &options, arena, on_view);
}
