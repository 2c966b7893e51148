#include "client/call_int.h"
#include "client/argument.h"
#include "client/definition.h"
#include "client/view.h"

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
	if (argument_missing(error, "client", client, "workflow", workflow, NULL))
		return FROE_INVALID_ARGUMENT;
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

static void
page_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_workflow_page **ret_page = call->result;
	*ret_page = workflow_page_copy(envelope->workflow_page);
}

enum froe_err
froe_workflow_list(struct froe_client *client, uint32_t after, uint32_t limit, int timeout_ms,
    struct froe_workflow_page **ret_page, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__WorkflowList list = FROE__WORKFLOW_LIST__INIT;
	struct call call = {.error = error, .take = page_take, .result = ret_page};
	list.has_after = after != 0;
	list.after = after;
	list.has_limit = limit != 0;
	list.limit = limit;
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_WORKFLOW_LIST, &list.base, timeout_ms);
}

static void
view_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_workflow_view **ret_view = call->result;
	*ret_view = workflow_view_copy(envelope->workflow_view);
}

enum froe_err
froe_workflow_get(struct froe_client *client, const char *name, uint32_t version, int timeout_ms,
    struct froe_workflow_view **ret_view, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "name", name, "ret_view", ret_view, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__WorkflowGet get = FROE__WORKFLOW_GET__INIT;
	struct froe_workflow_view *view = NULL;
	struct call call = {.error = error, .take = view_take, .result = &view};
	get.workflow = wire_text(name);
	get.has_version = version != 0;
	get.version = version;
	enum froe_err err =
	    call_make(client, &call, FROE__ENVELOPE__BODY_WORKFLOW_GET, &get.base, timeout_ms);
	if (err == FROE_OK && view == NULL)
		return error_set(error, FROE_PROTOCOL,
		    "the server's definition cannot be read: is it newer than this library?");
	if (err == FROE_OK)
		*ret_view = view;
	return err;
}
