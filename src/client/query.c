#include "client/call_int.h"
#include "client/argument.h"
#include "client/view.h"

#include "base/arena.h"
#include "base/mem.h"

static enum froe_err
run_cancel(struct froe_client *client, struct froe_id run, const char *reason, bool children,
    int timeout_ms, struct froe_error *error)
{
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	struct call call = {.error = error};
	cancel.has_run = true;
	cancel.run = wire_id(&run);
	cancel.reason = wire_text(reason);
	cancel.has_children = cancel.children = children;
	return call_make(client, &call, FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel.base, timeout_ms);
}

enum froe_err
froe_run_cancel(struct froe_client *client, struct froe_id run, const char *reason, int timeout_ms,
    struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	return run_cancel(client, run, reason, /* children= */ false, timeout_ms, error);
}

enum froe_err
froe_run_cancel_all(struct froe_client *client, struct froe_id run, const char *reason,
    int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	return run_cancel(client, run, reason, /* children= */ true, timeout_ms, error);
}

static void
view_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_run_view **ret_view = call->result;
	*ret_view = run_view_copy(envelope->run_view);
}

enum froe_err
froe_run_get(struct froe_client *client, struct froe_id run, bool payloads, int timeout_ms,
    struct froe_run_view **ret_view, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_view", ret_view, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct call call = {.error = error, .take = view_take, .result = ret_view};
	get.has_run = true;
	get.run = wire_id(&run);
	get.has_payloads = payloads;
	get.payloads = payloads;
	return call_make(client, &call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, timeout_ms);
}

static void
page_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_run_page **ret_page = call->result;
	*ret_page = run_page_copy(envelope->run_page);
}

static void
list_pairs(const struct froe_list_options *options, struct arena *arena, Froe__RunList *list)
{
	size_t count = options->metadata_count;
	Froe__Pair *pairs = arena_alloc(arena, count * sizeof(*pairs));
	list->metadata = arena_alloc(arena, count * sizeof(Froe__Pair *));
	list->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = wire_text(wire_text_get(options->metadata[i].key));
		pairs[i].value = wire_text(wire_text_get(options->metadata[i].value));
		list->metadata[i] = &pairs[i];
	}
}

void
list_fill(const struct froe_list_options *options, struct arena *arena, Froe__RunList *list)
{
	Froe__RunStatus *statuses = arena_alloc(arena, (FROE_RUN_EVICTED + 1) * sizeof(*statuses));
	froe__run_list__init(list);
	list->statuses = statuses;
	for (unsigned i = 0; i <= FROE_RUN_EVICTED; i++) {
		if ((options->statuses & 1u << i) != 0)
			statuses[list->n_statuses++] = (Froe__RunStatus)i;
	}
	list->has_limit = options->limit != 0;
	list->limit = options->limit;
	list->has_before = options->before != 0;
	list->before = options->before;
	list->has_position = options->position.size != 0;
	list->position = wire_bytes(options->position.bytes, options->position.size);
	list->workflow = wire_text(options->workflow);
	list->has_since_ns = options->since_ns != 0;
	list->since_ns = options->since_ns;
	list->has_until_ns = options->until_ns != 0;
	list->until_ns = options->until_ns;
	list->has_parent = !bytes_zero(options->parent.bytes, sizeof(options->parent.bytes));
	list->parent = wire_id(&options->parent);
	list->worker = wire_text(options->worker);
	list->has_scheduled = list->scheduled = options->scheduled;
	list_pairs(options, arena, list);
}

enum froe_err
froe_run_list(struct froe_client *client, const struct froe_list_options *options, int timeout_ms,
    struct froe_run_page **ret_page, struct froe_error *error)
{
	static const struct froe_list_options all;
	options = options != NULL ? options : &all;
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL) ||
	    argument_short(error, "metadata", options->metadata, options->metadata_count))
		return FROE_INVALID_ARGUMENT;
	Froe__RunList list;
	struct call call = {.error = error, .take = page_take, .result = ret_page};
	struct arena arena;
	arena_init(&arena, 0);
	list_fill(options, &arena, &list);
	enum froe_err err =
	    call_make(client, &call, FROE__ENVELOPE__BODY_RUN_LIST, &list.base, timeout_ms);
	arena_release(&arena);
	return err;
}

struct output {
	void *data;
	size_t size;
};

static void
output_take(struct call *call, const Froe__Envelope *envelope)
{
	struct output *output = call->result;
	output->size = envelope->task_output->output.len;
	output->data = mem_copy(envelope->task_output->output.data, output->size);
}

enum froe_err
froe_output_get(struct froe_client *client, struct froe_id run, const char *task, int timeout_ms,
    void **ret_data, size_t *ret_size, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "task", task, "ret_data", ret_data,
		"ret_size", ret_size, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__TaskOutputGet get = FROE__TASK_OUTPUT_GET__INIT;
	struct output output = {0};
	struct call call = {.error = error, .take = output_take, .result = &output};
	get.has_run = true;
	get.run = wire_id(&run);
	get.task = wire_text(task);
	enum froe_err err =
	    call_make(client, &call, FROE__ENVELOPE__BODY_TASK_OUTPUT_GET, &get.base, timeout_ms);
	if (err == FROE_OK) {
		*ret_data = output.data;
		*ret_size = output.size;
	}
	return err;
}

void
froe_output_free(void *data)
{
	mem_free(data);
}

static void
stream_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_stream_page **ret_page = call->result;
	*ret_page = stream_page_copy(envelope->stream_page);
}

enum froe_err
froe_stream_read(struct froe_client *client, struct froe_id run, const char *task, uint32_t after,
    int timeout_ms, struct froe_stream_page **ret_page, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__StreamGet get = FROE__STREAM_GET__INIT;
	struct call call = {.error = error, .take = stream_take, .result = ret_page};
	get.has_run = get.has_after = get.has_wait = true;
	get.run = wire_id(&run);
	get.task = wire_text(task);
	get.after = after;
	get.wait = true;
	return call_make(client, &call, FROE__ENVELOPE__BODY_STREAM_GET, &get.base, timeout_ms);
}

enum froe_err
froe_run_replay(struct froe_client *client, struct froe_id run,
    const struct froe_replay_options *options, int timeout_ms, struct froe_error *error)
{
	static const struct froe_replay_options all;
	options = options != NULL ? options : &all;
	if (argument_missing(error, "client", client, NULL) ||
	    argument_short(error, "input", options->input, options->input_size))
		return FROE_INVALID_ARGUMENT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	struct call call = {.error = error};
	replay.has_run = true;
	replay.run = wire_id(&run);
	replay.task = wire_text(options->task);
	replay.has_node = options->node != 0;
	replay.node = options->node;
	replay.has_input = options->input != NULL;
	replay.input = wire_bytes(options->input, options->input_size);
	replay.reason = wire_text(options->reason);
	return call_make(client, &call, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay.base, timeout_ms);
}
