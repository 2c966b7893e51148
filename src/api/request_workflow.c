/*
 * api/request_workflow: what an operator does to a workflow, as a command.
 */
#include "api/request_int.h"

#include "engine/workflow.h"
#include "froe/limits.h"

static enum froe_err
decode_set(const char *workflow, const char *reason, enum eng_workflow_change change,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_WORKFLOW_SET);
	engine->workflow_set.change = change;
	enum froe_err err = take_name(workflow, "workflow", /* required= */ true,
	    &engine->workflow_set.name, fault);
	if (err != FROE_OK)
		return err;
	return take_text(reason, "reason", FROE_REASON_BYTES_MAX, &engine->workflow_set.reason,
	    fault);
}

enum froe_err
decode_workflow_pause(const Froe__WorkflowPause *pause, struct api_command *command,
    struct froe_fault *fault)
{
	enum froe_err err = decode_set(pause->workflow, pause->reason,
	    pause->resume ? ENG_WORKFLOW_RESUME : ENG_WORKFLOW_PAUSE, command, fault);
	command->engine.workflow_set.drops =
	    (pause->drops_scheduled ? (uint32_t)ENG_DROPS_SCHEDULED : 0) |
	    (pause->drops_cron ? (uint32_t)ENG_DROPS_CRON : 0);
	return err;
}

enum froe_err
decode_workflow_delete(const Froe__WorkflowDelete *from, struct api_command *command,
    struct froe_fault *fault)
{
	return decode_set(from->workflow, from->reason, ENG_WORKFLOW_DELETE, command, fault);
}
