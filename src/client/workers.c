/*
 * Asking for workers, and why a run is where it is: requests, and their answers as public structs.
 */
#include "client/call_int.h"
#include "client/copy.h"
#include "client/argument.h"
#include "client/view.h"

#include "base/arena.h"
#include "base/mem.h"

/* A public view and the arena that it lives in; the view comes first. */
struct page_box {
	struct froe_worker_page page;
	struct arena arena;
};
struct worker_box {
	struct froe_worker_view view;
	struct arena arena;
};
struct why_box {
	struct froe_why why;
	struct arena arena;
};

static const struct froe_worker_slots *
slots_copy(struct arena *arena, const Froe__WorkerView *wire)
{
	struct froe_worker_slots *slots = copy_zeroed(arena, wire->n_slots, sizeof(*slots));
	for (size_t i = 0; i < wire->n_slots; i++)
		slots[i] = (struct froe_worker_slots){
		    .type = copy_text(arena, wire->slots[i]->type),
		    .count = wire->slots[i]->count,
		    .used = wire->slots[i]->used,
		};
	return slots;
}

static const struct froe_worker_lease *
held_copy(struct arena *arena, const Froe__WorkerView *wire)
{
	struct froe_worker_lease *held = copy_zeroed(arena, wire->n_held, sizeof(*held));
	for (size_t i = 0; i < wire->n_held; i++)
		held[i] = (struct froe_worker_lease){
		    .task = copy_id(wire->held[i]->task),
		    .lease = wire->held[i]->lease,
		    .workflow = copy_text(arena, wire->held[i]->workflow),
		    .name = copy_text(arena, wire->held[i]->name),
		    .attempt = wire->held[i]->attempt,
		    .released = wire->held[i]->released,
		};
	return held;
}

static void
view_fill(struct arena *arena, const Froe__WorkerView *wire, struct froe_worker_view *to)
{
	const char *const *actions = copy_texts(arena, wire->actions, wire->n_actions);
	*to = (struct froe_worker_view){
	    .id = copy_id(wire->id),
	    .number = wire->number,
	    .name = copy_text(arena, wire->name),
	    .state = copy_text(arena, wire->state),
	    .attached = wire->attached,
	    .draining = wire->draining,
	    .paused = wire->paused,
	    .registered_ns = wire->registered_ns,
	    .seen_ns = wire->seen_ns,
	    .slots = slots_copy(arena, wire),
	    .slot_count = wire->n_slots,
	    .leases = wire->leases,
	    .released = wire->released,
	    .action_count = wire->action_count,
	    .actions = wire->n_actions > 0 ? actions : NULL,
	    .held = held_copy(arena, wire),
	    .held_count = wire->n_held,
	};
}

struct froe_worker_page *
worker_page_copy(const Froe__WorkerPage *wire)
{
	struct page_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	struct froe_worker_view *rows = copy_zeroed(&box->arena, wire->n_rows, sizeof(*rows));
	for (size_t i = 0; i < wire->n_rows; i++)
		view_fill(&box->arena, wire->rows[i], &rows[i]);
	box->page = (struct froe_worker_page){
	    .rows = rows, .row_count = wire->n_rows, .next = wire->next};
	return &box->page;
}

void
froe_worker_page_free(struct froe_worker_page *page)
{
	struct page_box *box = (struct page_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

struct froe_worker_view *
worker_view_copy(const Froe__WorkerView *wire)
{
	struct worker_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	view_fill(&box->arena, wire, &box->view);
	return &box->view;
}

void
froe_worker_view_free(struct froe_worker_view *view)
{
	struct worker_box *box = (struct worker_box *)view;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

struct froe_why *
why_copy(const Froe__WhyView *wire)
{
	struct why_box *box = mem_zalloc(sizeof(*box));
	struct arena *arena = &box->arena;
	arena_init(arena, 0);
	struct froe_why_task *tasks = copy_zeroed(arena, wire->n_tasks, sizeof(*tasks));
	for (size_t i = 0; i < wire->n_tasks; i++) {
		const Froe__WhyTask *task = wire->tasks[i];
		tasks[i] = (struct froe_why_task){
		    .name = copy_text(arena, task->name),
		    .id = copy_id(task->id),
		    .state = copy_text(arena, task->state),
		    .reason = copy_text(arena, task->reason),
		    .text = copy_text(arena, task->text),
		    .advice = copy_text(arena, task->advice),
		    .action = copy_text(arena, task->action),
		    .worker = copy_text(arena, task->worker),
		    .until_ns = task->until_ns,
		    .slot_type = copy_text(arena, task->slot_type),
		    .need = task->need,
		    .slots = task->slots,
		    .used = task->used,
		    .count = task->count,
		    .since_ns = task->since_ns,
		};
	}
	box->why = (struct froe_why){
	    .run = copy_id(wire->run),
	    .workflow = copy_text(arena, wire->workflow),
	    .status = (enum froe_status)wire->status,
	    .text = copy_text(arena, wire->text),
	    .advice = copy_text(arena, wire->advice),
	    .tasks = tasks,
	    .task_count = wire->n_tasks,
	};
	return &box->why;
}

void
froe_why_free(struct froe_why *why)
{
	struct why_box *box = (struct why_box *)why;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

/* ------------------------------------------------------------------------------------ requests */

static void
page_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_worker_page **ret_page = call->result;
	*ret_page = worker_page_copy(envelope->worker_page);
}

enum froe_err
froe_worker_list(struct froe_client *client, uint64_t after, uint32_t limit, int timeout_ms,
    struct froe_worker_page **ret_page, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_page", ret_page, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__WorkerList list = FROE__WORKER_LIST__INIT;
	struct call call = {.error = error, .take = page_take, .result = ret_page};
	list.has_after = after != 0;
	list.after = after;
	list.has_limit = limit != 0;
	list.limit = limit;
	return call_make(client, &call, FROE__ENVELOPE__BODY_WORKER_LIST, &list.base, timeout_ms);
}

static void
worker_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_worker_view **ret_view = call->result;
	*ret_view = worker_view_copy(envelope->worker_view);
}

enum froe_err
froe_worker_get(struct froe_client *client, struct froe_id worker, int timeout_ms,
    struct froe_worker_view **ret_view, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_view", ret_view, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__WorkerGet get = FROE__WORKER_GET__INIT;
	struct call call = {.error = error, .take = worker_take, .result = ret_view};
	get.has_id = true;
	get.id = wire_id(&worker);
	return call_make(client, &call, FROE__ENVELOPE__BODY_WORKER_GET, &get.base, timeout_ms);
}

enum froe_err
froe_worker_pause(struct froe_client *client, struct froe_id worker, bool paused,
    const char *reason, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__WorkerPause pause = FROE__WORKER_PAUSE__INIT;
	struct call call = {.error = error};
	pause.has_id = true;
	pause.id = wire_id(&worker);
	pause.has_resume = pause.resume = !paused;
	pause.reason = wire_text(reason);
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause.base, timeout_ms);
}

static void
why_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_why **ret_why = call->result;
	*ret_why = why_copy(envelope->why_view);
}

enum froe_err
froe_run_why(struct froe_client *client, struct froe_id run, int timeout_ms,
    struct froe_why **ret_why, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_why", ret_why, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__Why why = FROE__WHY__INIT;
	struct call call = {.error = error, .take = why_take, .result = ret_why};
	why.has_run = true;
	why.run = wire_id(&run);
	return call_make(client, &call, FROE__ENVELOPE__BODY_WHY, &why.base, timeout_ms);
}
