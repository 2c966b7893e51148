/*
 * api/rest_durable: a durable task comes back from its eviction, or goes on from one of its nodes.
 */
#include "api/rest_int.h"

/* There is one line of nodes: a branch takes the place of what it leaves. */
#define BRANCH 1u

static char REASON[] = "over REST";

static void
restore_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	bool refused = reply->error != NULL && reply->error->code == FROE_FAILED_PRECONDITION;
	(void)tag;
	if (!refused && rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_put_bool(&sheet, "requeued", !refused);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_restore(struct rest_call *call)
{
	Froe__TaskRestore restore = FROE__TASK_RESTORE__INIT;
	struct uuid id;
	uint32_t index;
	bool is_run;
	if (!rest_param_uuid(call, 0, "task", &id))
		return;
	struct uuid run = alias_run(id, &index, &is_run);
	struct uuid task = uuid_task(run, index);
	restore.has_task = true;
	restore.task = (ProtobufCBinaryData){16, task.bytes};
	FROE_DROP(rest_ask(
	    call, FROE__ENVELOPE__BODY_TASK_RESTORE, &restore.base, restore_heard, 0),
	    "refused is answered");
}

/* ------------------------------------------------------------------------------------ branches */

struct branch {
	struct uuid id; /* as it was given */
	struct uuid run;
	uint32_t index;
	uint32_t node;
};

static void
branch_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	const struct branch *branch = call->state;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_put_uuid(&sheet, "taskExternalId", branch->id);
	sheet_put_number(&sheet, "nodeId", branch->node);
	sheet_put_number(&sheet, "branchId", BRANCH);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

static void
branch_found(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct branch *branch = call->state;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	const Froe__RunView *view = (const Froe__RunView *)reply->message;
	if (branch->index >= view->n_tasks) {
		rest_fail(call, 404, "taskExternalId", "no task of the tenant has this id");
		return;
	}
	const Froe__TaskView *task = view->tasks[branch->index];
	if (branch->node > task->n_nodes) {
		rest_fail(call, 400, "nodeId", "the task has %zu nodes", task->n_nodes);
		return;
	}
	struct bytes name = rest_keep(call, bytes_text(task->name));
	replay.has_run = replay.has_node = true;
	replay.run = (ProtobufCBinaryData){16, branch->run.bytes};
	replay.node = branch->node;
	replay.task = (char *)(uintptr_t)name.data;
	replay.reason = REASON;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay.base, branch_heard, 0),
	    "refused is answered");
}

/* A whole number of the body. False: it was refused. */
static bool
take_number(struct rest_call *call, const char *name, uint64_t least, uint64_t most,
    uint64_t *ret_number)
{
	const json_t *value = json_object_get(call->json, name);
	json_int_t number = json_integer_value(value);
	*ret_number = (uint64_t)number;
	if (json_is_integer(value) && number >= (json_int_t)least && number <= (json_int_t)most)
		return true;
	rest_fail(call, 400, name, "%s is not a whole number from %llu to %llu", name,
	    (unsigned long long)least, (unsigned long long)most);
	return false;
}

void
rest_branch(struct rest_call *call)
{
	struct branch *branch = call->state = rest_zalloc(call, sizeof(*branch));
	Froe__RunGet get = FROE__RUN_GET__INIT;
	uint64_t node, of;
	bool is_run;
	if (!rest_body(call))
		return;
	const json_t *id = json_object_get(call->json, "taskExternalId");
	if (!json_is_string(id) ||
	    !uuid_parse(json_string_value(id), json_string_length(id), &branch->id)) {
		rest_fail(call, 400, "taskExternalId", "taskExternalId is not a UUID");
		return;
	}
	if (!take_number(call, "nodeId", 1, UINT32_MAX, &node) ||
	    !take_number(call, "branchId", 0, BRANCH, &of))
		return;
	branch->node = (uint32_t)node;
	branch->run = alias_run(branch->id, &branch->index, &is_run);
	get.has_run = true;
	get.run = (ProtobufCBinaryData){16, branch->run.bytes};
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, branch_found, 0),
	    "refused is answered");
}
