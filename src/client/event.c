/*
 * Events and approvals, from outside of tasks.
 */
#include "client/call_int.h"
#include "client/argument.h"
#include "client/view.h"

static void
pushed_take(struct call *call, const Froe__Envelope *envelope)
{
	uint64_t *ret_number = call->result;
	if (ret_number != NULL)
		*ret_number = envelope->event_pushed->number;
}

enum froe_err
froe_event_push(struct froe_client *client, const char *key, struct froe_bytes payload,
    int timeout_ms, uint64_t *ret_number, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "key", key, NULL) ||
	    argument_short(error, "payload", payload.data, payload.size))
		return FROE_INVALID_ARGUMENT;
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	struct call call = {.error = error, .take = pushed_take, .result = ret_number};
	if (payload.size > FROE_PAYLOAD_BYTES_MAX) {
		return error_set_field(error, FROE_TOO_LARGE, "payload",
		    "a payload of %zu bytes is over the limit of %u", payload.size,
		    FROE_PAYLOAD_BYTES_MAX);
	}
	push.key = wire_text(key);
	push.has_payload = payload.size != 0;
	push.payload = wire_bytes(payload.data, payload.size);
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_EVENT_PUSH, &push.base, timeout_ms);
}

static void
approvals_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_approval_page **ret_page = call->result;
	*ret_page = approval_page_copy(envelope->approval_page);
}

enum froe_err
froe_approval_list(struct froe_client *client, uint64_t after, uint32_t limit, int timeout_ms,
    struct froe_approval_page **ret_page, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__ApprovalList list = FROE__APPROVAL_LIST__INIT;
	struct call call = {.error = error, .take = approvals_take, .result = ret_page};
	list.has_after = after != 0;
	list.after = after;
	list.has_limit = limit != 0;
	list.limit = limit;
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_APPROVAL_LIST, &list.base, timeout_ms);
}

enum froe_err
froe_approval_decide(struct froe_client *client, uint64_t approval, bool approved,
    const char *reason, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__ApprovalDecide decide = FROE__APPROVAL_DECIDE__INIT;
	struct call call = {.error = error};
	decide.has_approval = true;
	decide.approval = approval;
	decide.has_approved = true;
	decide.approved = approved;
	decide.reason = wire_text(reason);
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide.base, timeout_ms);
}
