#include "client/call_int.h"
#include "client/definition.h"

static void
version_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_workflow_version *version = call->result;
	if (version == NULL)
		return;
	version->version = envelope->workflow_put_done->version;
	version->created = envelope->workflow_put_done->created;
}

enum froe_err
froe_workflow_put(struct froe_client *client, const struct froe_workflow *workflow, int timeout_ms,
    struct froe_workflow_version *ret_version, struct froe_error *error)
{
	struct arena arena;
	Froe__WorkflowPut put;
	struct call call = {.error = error, .take = version_take, .result = ret_version};
	arena_init(&arena, 0);
	enum froe_err err = definition_encode(&arena, workflow, &put, error);
	if (err == FROE_OK) {
		err = call_make(client, &call, FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put.base,
		    timeout_ms);
	}
	arena_release(&arena);
	return err;
}
