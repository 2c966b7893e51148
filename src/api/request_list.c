/*
 * api/request_list: lists, as commands.
 */
#include "api/request_int.h"

#include "froe/limits.h"

static enum froe_err
take_statuses(const Froe__RunList *list, struct api_command *command, struct froe_fault *fault)
{
	for (size_t i = 0; i < list->n_statuses; i++) {
		int status = (int)list->statuses[i];
		if (status < ENG_QUEUED || status > ENG_EVICTED)
			return fault_set_field(fault, FROE_INVALID_ARGUMENT, "statuses",
			    "status %d is not known: give 0 (QUEUED) to 5 (EVICTED)", status);
		command->list.statuses |= UINT32_C(1) << status;
	}
	return FROE_OK;
}

static enum froe_err
take_list_position(protobuf_c_boolean there, ProtobufCBinaryData from, struct api_command *command,
    struct froe_fault *fault)
{
	struct bytes position = there ? bytes_of(from.data, from.len) : bytes_of(NULL, 0);
	if (position.size > 0 && !api_position_decode(position, &command->list.position))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "position",
		    "position is not one that this server gave: pass on the bytes of a reply");
	return FROE_OK;
}

static enum froe_err
take_list_pairs(Froe__Pair *const *from, size_t count, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_start pairs = {0};
	enum froe_err err = take_metadata(from, count, arena, &pairs, fault);
	command->list.metadata = pairs.metadata;
	command->list.metadata_count = pairs.metadata_count;
	return err;
}

static enum froe_err
take_list_times(uint64_t since_ns, uint64_t until_ns, struct api_command *command,
    struct froe_fault *fault)
{
	command->list.since_ns = since_ns;
	command->list.until_ns = until_ns;
	if (until_ns != 0 && until_ns <= since_ns)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "until_ns",
		    "no time is at or after since_ns and before until_ns: exchange them");
	return FROE_OK;
}

static enum froe_err
take_list_page(uint32_t limit, uint64_t before, struct api_command *command,
    struct froe_fault *fault)
{
	command->list.before = before;
	return take_limit(limit, REQUEST_LIST_DEFAULT, &command->list.limit, fault);
}

enum froe_err
decode_run_list(const Froe__RunList *list, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_RUN_LIST;
	command->list.scheduled = list->scheduled;
	enum froe_err err = take_list_page(list->limit, list->before, command, fault);
	if (err == FROE_OK)
		err = take_statuses(list, command, fault);
	if (err == FROE_OK)
		err = take_list_position(list->has_position, list->position, command, fault);
	if (err == FROE_OK)
		err = take_list_times(list->since_ns, list->until_ns, command, fault);
	if (err == FROE_OK)
		err = take_name(list->workflow, "workflow", /* required= */ false,
		    &command->list.workflow, fault);
	if (err == FROE_OK)
		err = take_name(list->worker, "worker", /* required= */ false,
		    &command->list.worker, fault);
	if (err == FROE_OK && list->has_parent && list->parent.len > 0)
		err = take_run(list->has_parent, list->parent, &command->list.parent, fault);
	if (err != FROE_OK)
		return err;
	return take_list_pairs(list->metadata, list->n_metadata, arena, command, fault);
}

enum froe_err
decode_event_list(const Froe__EventList *list, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_EVENT_LIST;
	enum froe_err err = take_list_page(list->limit, list->before, command, fault);
	if (err == FROE_OK)
		err = take_list_position(list->has_position, list->position, command, fault);
	if (err == FROE_OK)
		err = take_list_times(list->since_ns, list->until_ns, command, fault);
	if (err == FROE_OK)
		err = take_name(list->key, "key", /* required= */ false,
		    &command->list.workflow, fault);
	if (err != FROE_OK)
		return err;
	return take_list_pairs(list->metadata, list->n_metadata, arena, command, fault);
}

enum froe_err
decode_event_get(const Froe__EventGet *get, struct api_command *command, struct froe_fault *fault)
{
	command->op = API_OP_EVENT_GET;
	command->event_get.number = get->number;
	command->event_get.payload = get->payload;
	if (get->number == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "number",
		    "number is missing: EventPushed and EventPage tell it");
	return FROE_OK;
}

enum froe_err
decode_workflow_list(const Froe__WorkflowList *list, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_WORKFLOW_LIST;
	command->workflows.after = list->after;
	return take_limit(list->limit, REQUEST_WORKFLOWS_DEFAULT, &command->workflows.limit, fault);
}

enum froe_err
decode_workflow_get(const Froe__WorkflowGet *get, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_WORKFLOW_GET;
	command->workflows.version = get->version;
	return take_name(get->workflow, "workflow", /* required= */ true, &command->workflows.name,
	    fault);
}

enum froe_err
decode_approval_list(const Froe__ApprovalList *list, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_APPROVAL_LIST;
	command->approvals.after = list->after;
	return take_limit(list->limit, REQUEST_APPROVALS_DEFAULT, &command->approvals.limit, fault);
}

enum froe_err
decode_rate_list(const Froe__RateLimitList *list, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_RATE_LIST;
	command->rates.after = list->after;
	return take_limit(list->limit, REQUEST_LIST_DEFAULT, &command->rates.limit, fault);
}

enum froe_err
decode_rate_put(const Froe__RateLimitPut *put, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_RATE_LIMIT_PUT);
	engine->rate_put.limit = put->limit;
	engine->rate_put.window = (uint32_t)put->window;
	return take_name(put->key, "key", /* required= */ true, &engine->rate_put.key, fault);
}
