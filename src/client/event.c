/*
 * Events and approvals, from outside of tasks.
 */
#include "client/call_int.h"
#include "client/argument.h"
#include "client/view.h"

#include "base/arena.h"

static void
pushed_take(struct call *call, const Froe__Envelope *envelope)
{
	uint64_t *ret_number = call->result;
	if (ret_number != NULL)
		*ret_number = envelope->event_pushed->number;
}

/* Room for as many as are allowed: one more is refused by the server, and many more here. */
static enum froe_err
push_pairs(const struct froe_event_options *options, struct arena *arena, Froe__EventPush *push,
    struct froe_error *error)
{
	size_t count = options->metadata_count;
	if (count > FROE_METADATA_PAIRS_MAX)
		return error_set_field(error, FROE_TOO_LARGE, "metadata",
		    "%zu pairs of metadata; there are at most %u", count, FROE_METADATA_PAIRS_MAX);
	Froe__Pair *pairs = arena_alloc(arena, count * sizeof(*pairs));
	push->metadata = arena_alloc(arena, count * sizeof(Froe__Pair *));
	push->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = wire_text(wire_text_get(options->metadata[i].key));
		pairs[i].value = wire_text(wire_text_get(options->metadata[i].value));
		push->metadata[i] = &pairs[i];
	}
	return FROE_OK;
}

enum froe_err
froe_event_push_options(struct froe_client *client, const struct froe_event_options *options,
    int timeout_ms, uint64_t *ret_number, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "options", options, NULL) ||
	    argument_missing(error, "key", options->key, NULL) ||
	    argument_short(error, "payload", options->payload.data, options->payload.size) ||
	    argument_short(error, "metadata", options->metadata, options->metadata_count))
		return FROE_INVALID_ARGUMENT;
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	struct call call = {.error = error, .take = pushed_take, .result = ret_number};
	struct arena arena;
	if (options->payload.size > FROE_PAYLOAD_BYTES_MAX) {
		return error_set_field(error, FROE_TOO_LARGE, "payload",
		    "a payload of %zu bytes is over the limit of %u", options->payload.size,
		    FROE_PAYLOAD_BYTES_MAX);
	}
	push.key = wire_text(options->key);
	push.has_payload = options->payload.size != 0;
	push.payload = wire_bytes(options->payload.data, options->payload.size);
	arena_init(&arena, 0);
	enum froe_err err = push_pairs(options, &arena, &push, error);
	if (err == FROE_OK)
		err = call_make(
		    client, &call, FROE__ENVELOPE__BODY_EVENT_PUSH, &push.base, timeout_ms);
	arena_release(&arena);
	return err;
}

enum froe_err
froe_event_push(struct froe_client *client, const char *key, struct froe_bytes payload,
    int timeout_ms, uint64_t *ret_number, struct froe_error *error)
{
	struct froe_event_options options = {.key = key, .payload = payload};
	return froe_event_push_options(client, &options, timeout_ms, ret_number, error);
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
