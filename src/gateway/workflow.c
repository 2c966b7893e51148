/*
 * gateway/workflow: workflows are registered.
 */
#include "gateway/method.h"

#include "api/alias.h"
#include "api/wire.h"
#include "gateway/definition.h"
#include "gateway/legacy.h"
#include "gateway/text.h"
#include "gateway/trigger.h"

/* What SDKs go by: from v0.80.0 on they use the stream DurableTask, from v0.82.0 on they send
 * traces, which are not taken. */
#define VERSION "v0.81.0"

void
get_version(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	Hatchet__GetVersionResponse response = HATCHET__GET_VERSION_RESPONSE__INIT;
	(void)message;
	response.version = text_copy(arena, bytes_text(VERSION));
	call_reply(call, &response.base);
}

/* It is there, under the name that the call has kept: events start it from now on. */
static struct uuid
put_done(struct call *call, struct arena *arena, char *const *keys, size_t key_count)
{
	struct bytes name = buf_bytes(&call->kept);
	struct uuid tenant = call->session->seat.tenant;
	trigger_put(call->gateway, tenant, text_copy(arena, name), keys, key_count);
	return alias_workflow(tenant, name);
}

static void
put_ask(struct call *call, Froe__WorkflowDefinition *definition, struct arena *arena,
    call_then *then)
{
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	buf_push_text(&call->kept, definition->name);
	put.workflow = definition;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_PUT;
	envelope.workflow_put = &put;
	call_ask(call, &envelope, NULL, arena, then);
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
	struct uuid workflow = put_done(
	    call, answer->arena, request->event_triggers, request->n_event_triggers);
	response.workflow_id = text_uuid(answer->arena, workflow);
	response.id = text_uuid(answer->arena, alias_version(workflow, done->version));
	call_reply(call, &response.base);
}

void
put_workflow(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__CreateWorkflowVersionRequest *request = (const void *)message;
	Froe__WorkflowDefinition *definition;
	struct froe_fault fault;
	if (definition_of(request, &DEFINITION_PATHS, arena, &definition, &fault) != FROE_OK)
		call_fail(call, &fault);
	else
		put_ask(call, definition, arena, on_put);
}

/* --------------------------------------------------------------------------------- before v1 */

static void
on_put_legacy(struct call *call, const struct answer *answer)
{
	Hatchet__WorkflowVersion response = HATCHET__WORKFLOW_VERSION__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__WorkflowPutDone *done = (const void *)answer->message;
	const Hatchet__PutWorkflowRequest *request = (const void *)wire_unpack(
	    call->unary->request, buf_bytes(&call->message), answer->arena);
	froe_assert(request != NULL);
	struct uuid workflow = put_done(call, answer->arena, request->opts->event_triggers,
	    request->opts->n_event_triggers);
	response.workflow_id = text_uuid(answer->arena, workflow);
	response.id = text_uuid(answer->arena, alias_version(workflow, done->version));
	response.version = request->opts->version;
	response.has_order = true;
	response.order = done->version;
	call_reply(call, &response.base);
}

void
put_workflow_legacy(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	Froe__WorkflowDefinition *definition;
	struct froe_fault fault;
	if (legacy_definition_of((const void *)message, arena, &definition, &fault) != FROE_OK)
		call_fail(call, &fault);
	else
		put_ask(call, definition, arena, on_put_legacy);
}
