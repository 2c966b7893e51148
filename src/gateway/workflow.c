/*
 * gateway/workflow: workflows are registered.
 */
#include "gateway/method.h"

#include "api/alias.h"
#include "api/wire.h"
#include "gateway/definition.h"
#include "gateway/text.h"
#include "gateway/trigger.h"

/* What SDKs go by: from v0.80.0 on they use the stream DurableTask. */
#define VERSION "v0.79.0"

void
get_version(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	Hatchet__GetVersionResponse response = HATCHET__GET_VERSION_RESPONSE__INIT;
	(void)message;
	response.version = text_copy(arena, bytes_text(VERSION));
	call_reply(call, &response.base);
}

static void
on_put(struct call *call, const struct answer *answer)
{
	Hatchet__CreateWorkflowVersionResponse response =
	    HATCHET__CREATE_WORKFLOW_VERSION_RESPONSE__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__WorkflowPutDone *done = (const void *)answer->message;
	const Hatchet__CreateWorkflowVersionRequest *request = (const void *)wire_unpack(
	    call->unary->request, buf_bytes(&call->message), answer->arena);
	froe_assert(request != NULL);
	trigger_put(call->gateway, call->session->seat.tenant,
	    text_copy(answer->arena, buf_bytes(&call->kept)), request->event_triggers,
	    request->n_event_triggers);
	struct uuid workflow =
	    alias_workflow(call->session->seat.tenant, buf_bytes(&call->kept));
	response.workflow_id = text_uuid(answer->arena, workflow);
	response.id = text_uuid(answer->arena, alias_version(workflow, done->version));
	call_reply(call, &response.base);
}

void
put_workflow(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__CreateWorkflowVersionRequest *request = (const void *)message;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct froe_fault fault;
	if (definition_of(request, arena, &put.workflow, &fault) != FROE_OK) {
		call_fail(call, &fault);
		return;
	}
	buf_push_text(&call->kept, put.workflow->name);
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_PUT;
	envelope.workflow_put = &put;
	call_ask(call, &envelope, NULL, arena, on_put);
}
