/*
 * client/job: jobs: started, read, cancelled.
 */
#include "client/call_int.h"
#include "client/copy.h"
#include "client/argument.h"

#include "base/mem.h"

/* A public view or page, and the arena that it lives in; the view comes first. */
struct job_box {
	struct froe_job_view view;
	struct arena arena;
};
struct jobs_box {
	struct froe_job_page page;
	struct arena arena;
};

/* ------------------------------------------------------------------------------------- copying */

static void
filter_copy(struct arena *arena, const Froe__RunList *wire, struct froe_list_options *filter)
{
	for (size_t i = 0; i < wire->n_statuses; i++) {
		if ((unsigned)wire->statuses[i] <= FROE_RUN_EVICTED)
			filter->statuses |= 1u << wire->statuses[i];
	}
	if (wire->workflow != NULL && wire->workflow[0] != 0)
		filter->workflow = copy_text(arena, wire->workflow);
	if (wire->worker != NULL && wire->worker[0] != 0)
		filter->worker = copy_text(arena, wire->worker);
	filter->since_ns = wire->since_ns;
	filter->until_ns = wire->until_ns;
	filter->scheduled = wire->scheduled;
	filter->parent = copy_id(wire->parent);
	filter->metadata = copy_pairs(arena, wire->metadata, wire->n_metadata);
	filter->metadata_count = wire->n_metadata;
}

static void
view_copy(struct arena *arena, const Froe__JobView *wire, struct froe_job_view *view)
{
	*view = (struct froe_job_view){
	    .job = wire->job,
	    .kind = (enum froe_job_kind)wire->kind,
	    .status = (enum froe_status)wire->status,
	    .reason = copy_text(arena, wire->reason),
	    .task = copy_text(arena, wire->task),
	    .children = wire->children,
	    .by = copy_text(arena, wire->by),
	    .ended_by = copy_text(arena, wire->ended_by),
	    .error = copy_text(arena, wire->error),
	    .created_ns = wire->created_ns,
	    .finished_ns = wire->finished_ns,
	    .done = wire->done,
	    .refused = wire->refused,
	    .refusal = (enum froe_err)wire->refusal,
	    .first = wire->first,
	    .cursor = wire->cursor,
	};
	if (wire->filter != NULL)
		filter_copy(arena, wire->filter, &view->filter);
}

void
froe_job_view_free(struct froe_job_view *view)
{
	struct job_box *box = (struct job_box *)view;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

void
froe_job_page_free(struct froe_job_page *page)
{
	struct jobs_box *box = (struct jobs_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

/* ------------------------------------------------------------------------------------- asking */

static void
started_take(struct call *call, const Froe__Envelope *envelope)
{
	uint64_t *ret_job = call->result;
	if (ret_job != NULL)
		*ret_job = envelope->job_started->job;
}

static enum froe_err
start_cancel(struct froe_client *client, struct call *call, Froe__RunList *filter,
    const struct froe_job_options *options, int timeout_ms)
{
	Froe__RunCancelMany many = FROE__RUN_CANCEL_MANY__INIT;
	many.filter = filter;
	many.reason = wire_text(options->reason);
	many.has_children = many.children = options->children;
	many.has_all = many.all = options->all;
	return call_make(
	    client, call, FROE__ENVELOPE__BODY_RUN_CANCEL_MANY, &many.base, timeout_ms);
}

static enum froe_err
start_replay(struct froe_client *client, struct call *call, Froe__RunList *filter,
    const struct froe_job_options *options, int timeout_ms)
{
	Froe__RunReplayMany many = FROE__RUN_REPLAY_MANY__INIT;
	many.filter = filter;
	many.reason = wire_text(options->reason);
	many.task = wire_text(options->task);
	many.has_all = many.all = options->all;
	return call_make(
	    client, call, FROE__ENVELOPE__BODY_RUN_REPLAY_MANY, &many.base, timeout_ms);
}

enum froe_err
froe_job_start(struct froe_client *client, enum froe_job_kind kind,
    const struct froe_list_options *filter, const struct froe_job_options *options, int timeout_ms,
    uint64_t *ret_job, struct froe_error *error)
{
	static const struct froe_list_options no_filter;
	static const struct froe_job_options no_options;
	filter = filter != NULL ? filter : &no_filter;
	options = options != NULL ? options : &no_options;
	if (argument_missing(error, "client", client, NULL) ||
	    argument_short(error, "metadata", filter->metadata, filter->metadata_count))
		return FROE_INVALID_ARGUMENT;
	struct call call = {.error = error, .take = started_take, .result = ret_job};
	Froe__RunList list;
	struct arena arena;
	enum froe_err err;
	arena_init(&arena, 0);
	list_fill(filter, &arena, &list);
	list.has_limit = list.has_before = list.has_position = false;
	if (kind == FROE_JOB_CANCEL)
		err = start_cancel(client, &call, &list, options, timeout_ms);
	else
		err = start_replay(client, &call, &list, options, timeout_ms);
	arena_release(&arena);
	return err;
}

static void
view_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_job_view **ret_view = call->result;
	struct job_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	view_copy(&box->arena, envelope->job_view, &box->view);
	*ret_view = &box->view;
}

enum froe_err
froe_job_get(struct froe_client *client, uint64_t job, uint32_t wait_ms, int timeout_ms,
    struct froe_job_view **ret_view, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_view", ret_view, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__JobGet get = FROE__JOB_GET__INIT;
	struct call call = {.error = error, .take = view_take, .result = ret_view};
	get.has_job = true;
	get.job = job;
	get.has_wait_ms = wait_ms != 0;
	get.wait_ms = wait_ms;
	return call_make(client, &call, FROE__ENVELOPE__BODY_JOB_GET, &get.base, timeout_ms);
}

static void
page_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_job_page **ret_page = call->result;
	const Froe__JobPage *wire = envelope->job_page;
	struct jobs_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	struct froe_job_view *rows = arena_alloc(&box->arena, wire->n_rows * sizeof(*rows));
	for (size_t i = 0; i < wire->n_rows; i++)
		view_copy(&box->arena, wire->rows[i], &rows[i]);
	box->page.rows = rows;
	box->page.row_count = wire->n_rows;
	box->page.next = wire->next;
	*ret_page = &box->page;
}

enum froe_err
froe_job_list(struct froe_client *client, uint64_t before, uint32_t limit, int timeout_ms,
    struct froe_job_page **ret_page, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__JobList list = FROE__JOB_LIST__INIT;
	struct call call = {.error = error, .take = page_take, .result = ret_page};
	list.has_before = before != 0;
	list.before = before;
	list.has_limit = limit != 0;
	list.limit = limit;
	return call_make(client, &call, FROE__ENVELOPE__BODY_JOB_LIST, &list.base, timeout_ms);
}

enum froe_err
froe_job_cancel(struct froe_client *client, uint64_t job, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__JobCancel cancel = FROE__JOB_CANCEL__INIT;
	struct call call = {.error = error};
	cancel.has_job = true;
	cancel.job = job;
	return call_make(client, &call, FROE__ENVELOPE__BODY_JOB_CANCEL, &cancel.base, timeout_ms);
}
