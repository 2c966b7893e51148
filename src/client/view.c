#include "client/view.h"

#include "client/copy.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/mem.h"

/* A public view and the arena that it lives in; the view comes first. */
struct run_box {
	struct froe_run_view view;
	struct arena arena;
};
struct page_box {
	struct froe_run_page page;
	struct arena arena;
};
struct workflows_box {
	struct froe_workflow_page page;
	struct arena arena;
};
struct workflow_box {
	struct froe_workflow_view view;
	struct arena arena;
};
struct approval_box {
	struct froe_approval_page page;
	struct arena arena;
};
struct event_box {
	struct froe_event event;
	struct arena arena;
};

void
event_view(const Froe__RunEvent *wire, struct froe_event *ret_event)
{
	*ret_event = (struct froe_event){
	    .run = copy_id(wire->run),
	    .status = (enum froe_status)wire->status,
	    .final = wire->final,
	    .task = wire->task,
	    .change = wire->change,
	    .time_ns = wire->time_ns,
	    .attempt = wire->attempt,
	    .error = wire->error,
	    .result = {.data = wire->result.data, .size = wire->result.len},
	    .result_omitted = wire->result_omitted,
	};
}

struct froe_event *
event_copy(const Froe__RunEvent *wire)
{
	struct event_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	event_view(wire, &box->event);
	if (wire->task != NULL)
		box->event.task = copy_text(&box->arena, wire->task);
	if (wire->change != NULL)
		box->event.change = copy_text(&box->arena, wire->change);
	if (wire->error != NULL)
		box->event.error = copy_text(&box->arena, wire->error);
	box->event.result = copy_bytes(&box->arena, wire->result);
	return &box->event;
}

void
froe_event_free(struct froe_event *event)
{
	struct event_box *box = (struct event_box *)event;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

static void
attempt_copy(struct arena *arena, const Froe__AttemptView *wire, struct froe_attempt_view *to)
{
	*to = (struct froe_attempt_view){
	    .attempt = wire->attempt,
	    .lease = wire->lease,
	    .worker = copy_text(arena, wire->worker),
	    .status = (enum froe_status)wire->status,
	    .assigned_ns = wire->assigned_ns,
	    .finished_ns = wire->finished_ns,
	    .error = copy_text(arena, wire->error),
	    .outcome = copy_text(arena, wire->outcome),
	    .invocation = wire->invocation,
	    .position = copy_text(arena, wire->position),
	};
}

static void
node_copy(struct arena *arena, const Froe__NodeView *wire, struct froe_node_view *to)
{
	*to = (struct froe_node_view){
	    .node = wire->node,
	    .memo = wire->kind == FROE__NODE_KIND__NODE_MEMO,
	    .child = copy_id(wire->child),
	    .done = wire->state == FROE__NODE_STATE__NODE_DONE,
	    .label = copy_text(arena, wire->label),
	    .outcome = copy_text(arena, wire->outcome),
	    .actor = copy_text(arena, wire->actor),
	    .reason = copy_text(arena, wire->reason),
	    .approval = wire->approval,
	    .created_ns = wire->created_ns,
	    .done_ns = wire->done_ns,
	    .due_ns = wire->due_ns,
	};
}

static void
task_copy(struct arena *arena, const Froe__TaskView *wire, struct froe_task_view *to)
{
	struct froe_attempt_view *attempts =
	    copy_zeroed(arena, wire->n_attempts, sizeof(attempts[0]));
	for (size_t i = 0; i < wire->n_attempts; i++)
		attempt_copy(arena, wire->attempts[i], &attempts[i]);
	struct froe_node_view *nodes = copy_zeroed(arena, wire->n_nodes, sizeof(nodes[0]));
	for (size_t i = 0; i < wire->n_nodes; i++)
		node_copy(arena, wire->nodes[i], &nodes[i]);
	*to = (struct froe_task_view){
	    .name = copy_text(arena, wire->name),
	    .id = copy_id(wire->id),
	    .status = (enum froe_status)wire->status,
	    .state = copy_text(arena, wire->state),
	    .skipped = wire->skipped,
	    .queued_ns = wire->queued_ns,
	    .started_ns = wire->started_ns,
	    .finished_ns = wire->finished_ns,
	    .due_ns = wire->due_ns,
	    .error = copy_text(arena, wire->error),
	    .output = copy_bytes(arena, wire->output),
	    .parents = copy_texts(arena, wire->parents, wire->n_parents),
	    .parent_count = wire->n_parents,
	    .log = copy_texts(arena, wire->log, wire->n_log),
	    .log_count = wire->n_log,
	    .nodes = nodes,
	    .node_count = wire->n_nodes,
	    .attempts = attempts,
	    .attempt_count = wire->n_attempts,
	};
}

static const struct froe_child_view *
children_copy(struct arena *arena, const Froe__RunView *wire)
{
	struct froe_child_view *children =
	    copy_zeroed(arena, wire->n_children, sizeof(children[0]));
	for (size_t i = 0; i < wire->n_children; i++) {
		const Froe__ChildView *from = wire->children[i];
		children[i] = (struct froe_child_view){
		    .run = copy_id(from->run),
		    .status = (enum froe_status)from->status,
		    .task = copy_text(arena, from->task),
		    .index = from->index,
		    .key = copy_text(arena, from->key),
		};
	}
	return children;
}

static const struct froe_replay_view *
replays_copy(struct arena *arena, const Froe__RunView *wire)
{
	struct froe_replay_view *replays = copy_zeroed(arena, wire->n_replays, sizeof(replays[0]));
	for (size_t i = 0; i < wire->n_replays; i++) {
		const Froe__ReplayView *from = wire->replays[i];
		replays[i] = (struct froe_replay_view){
		    .time_ns = from->time_ns,
		    .by = copy_text(arena, from->by),
		    .reason = copy_text(arena, from->reason),
		    .task = copy_text(arena, from->task),
		    .edited = from->edited,
		    .job = from->job,
		};
	}
	return replays;
}

struct froe_run_view *
run_view_copy(const Froe__RunView *wire)
{
	struct run_box *box = mem_zalloc(sizeof(*box));
	struct arena *arena = &box->arena;
	arena_init(arena, 0);
	struct froe_task_view *tasks = copy_zeroed(arena, wire->n_tasks, sizeof(tasks[0]));
	for (size_t i = 0; i < wire->n_tasks; i++)
		task_copy(arena, wire->tasks[i], &tasks[i]);
	box->view = (struct froe_run_view){
	    .run = copy_id(wire->run),
	    .number = wire->number,
	    .workflow = copy_text(arena, wire->workflow),
	    .version = wire->version,
	    .status = (enum froe_status)wire->status,
	    .priority = wire->priority,
	    .created_ns = wire->created_ns,
	    .started_ns = wire->started_ns,
	    .finished_ns = wire->finished_ns,
	    .input = copy_bytes(arena, wire->input),
	    .result = copy_bytes(arena, wire->result),
	    .reason = copy_text(arena, wire->reason),
	    .cancelled_by = copy_text(arena, wire->cancelled_by),
	    .cancel_job = wire->cancel_job,
	    .position = copy_text(arena, wire->position),
	    .tasks = tasks,
	    .task_count = wire->n_tasks,
	    .metadata = copy_pairs(arena, wire->metadata, wire->n_metadata),
	    .metadata_count = wire->n_metadata,
	    .parent = copy_id(wire->parent),
	    .child_index = wire->child_index,
	    .child_key = copy_text(arena, wire->child_key),
	    .start_ns = wire->start_ns,
	    .late = wire->late,
	    .key = copy_text(arena, wire->key),
	    .children = children_copy(arena, wire),
	    .child_view_count = wire->n_children,
	    .child_count = wire->child_count,
	    .replays = replays_copy(arena, wire),
	    .replay_count = wire->n_replays,
	};
	return &box->view;
}

void
froe_run_view_free(struct froe_run_view *view)
{
	struct run_box *box = (struct run_box *)view;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

struct froe_run_page *
run_page_copy(const Froe__RunPage *wire)
{
	struct page_box *box = mem_zalloc(sizeof(*box));
	struct arena *arena = &box->arena;
	arena_init(arena, 0);
	struct froe_run_row *rows = copy_zeroed(arena, wire->n_rows, sizeof(rows[0]));
	for (size_t i = 0; i < wire->n_rows; i++) {
		const Froe__RunRow *row = wire->rows[i];
		rows[i] = (struct froe_run_row){
		    .run = copy_id(row->run),
		    .number = row->number,
		    .workflow = copy_text(arena, row->workflow),
		    .status = (enum froe_status)row->status,
		    .created_ns = row->created_ns,
		    .finished_ns = row->finished_ns,
		    .scheduled = row->scheduled,
		    .has_parent = row->has_parent,
		    .parent = copy_id(row->parent),
		};
	}
	box->page =
	    (struct froe_run_page){.rows = rows, .row_count = wire->n_rows, .next = wire->next,
	        .damages = wire->damages};
	return &box->page;
}

void
froe_run_page_free(struct froe_run_page *page)
{
	struct page_box *box = (struct page_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

/* ------------------------------------------------------------------------------------ tokens */

struct token_box {
	struct froe_token_list list;
	struct arena arena;
};

static void
token_copy(struct arena *arena, const Froe__TokenView *wire, struct froe_token_row *to)
{
	*to = (struct froe_token_row){
	    .id = copy_text(arena, wire->id),
	    .name = copy_text(arena, wire->name),
	    .tenant = copy_text(arena, wire->tenant),
	    .roles = copy_texts(arena, wire->roles, wire->n_roles),
	    .role_count = wire->n_roles,
	    .actions = copy_texts(arena, wire->actions, wire->n_actions),
	    .action_count = wire->n_actions,
	    .created_ns = wire->created_ns,
	    .expires_ns = wire->expires_ns,
	    .created_by = copy_text(arena, wire->created_by),
	    .uses = wire->uses,
	    .used_ns = wire->used_ns,
	};
}

struct froe_token_list *
token_list_copy(const Froe__TokenPage *wire)
{
	struct token_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	struct froe_token_row *rows = copy_zeroed(&box->arena, wire->n_tokens, sizeof(rows[0]));
	for (size_t i = 0; i < wire->n_tokens; i++)
		token_copy(&box->arena, wire->tokens[i], &rows[i]);
	box->list = (struct froe_token_list){.rows = rows, .row_count = wire->n_tokens};
	return &box->list;
}

void
froe_token_list_free(struct froe_token_list *list)
{
	struct token_box *box = (struct token_box *)list;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

struct froe_approval_page *
approval_page_copy(const Froe__ApprovalPage *wire)
{
	struct approval_box *box = mem_zalloc(sizeof(*box));
	struct arena *arena = &box->arena;
	arena_init(arena, 0);
	struct froe_approval_row *rows = copy_zeroed(arena, wire->n_rows, sizeof(rows[0]));
	for (size_t i = 0; i < wire->n_rows; i++) {
		const Froe__ApprovalRow *row = wire->rows[i];
		rows[i] = (struct froe_approval_row){
		    .number = row->number,
		    .run = copy_id(row->run),
		    .workflow = copy_text(arena, row->workflow),
		    .task = copy_text(arena, row->task),
		    .node = row->node,
		    .name = copy_text(arena, row->name),
		    .data = copy_bytes(arena, row->data),
		    .created_ns = row->created_ns,
		};
	}
	box->page = (struct froe_approval_page){
	    .rows = rows, .row_count = wire->n_rows, .next = wire->next};
	return &box->page;
}

void
froe_approval_page_free(struct froe_approval_page *page)
{
	struct approval_box *box = (struct approval_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

/* ------------------------------------------------------------------------------------ streams */

struct stream_box {
	struct froe_stream_page page;
	struct arena arena;
};

struct froe_stream_page *
stream_page_copy(const Froe__StreamPage *wire)
{
	struct stream_box *box = mem_zalloc(sizeof(*box));
	struct arena *arena = &box->arena;
	arena_init(arena, 0);
	struct froe_chunk *chunks = copy_zeroed(arena, wire->n_chunks, sizeof(chunks[0]));
	for (size_t i = 0; i < wire->n_chunks; i++) {
		const Froe__StreamChunk *chunk = wire->chunks[i];
		chunks[i] = (struct froe_chunk){
		    .position = chunk->position,
		    .task = copy_text(arena, chunk->task),
		    .attempt = chunk->attempt,
		    .time_ns = chunk->time_ns,
		    .data = copy_bytes(arena, chunk->data),
		};
	}
	box->page = (struct froe_stream_page){
	    .chunks = chunks,
	    .chunk_count = wire->n_chunks,
	    .next = wire->next,
	    .ended = wire->ended,
	};
	return &box->page;
}

void
froe_stream_page_free(struct froe_stream_page *page)
{
	struct stream_box *box = (struct stream_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

static struct froe_workflow_row
workflow_row(struct arena *arena, const Froe__WorkflowRow *wire)
{
	return (struct froe_workflow_row){
	    .name = copy_text(arena, wire->name),
	    .version = wire->version,
	    .task_count = wire->tasks,
	    .open_runs = wire->open_runs,
	};
}

struct froe_workflow_page *
workflow_page_copy(const Froe__WorkflowPage *wire)
{
	struct workflows_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	struct froe_workflow_row *rows = copy_zeroed(&box->arena, wire->n_rows, sizeof(rows[0]));
	for (size_t i = 0; i < wire->n_rows; i++)
		rows[i] = workflow_row(&box->arena, wire->rows[i]);
	box->page = (struct froe_workflow_page){
	    .rows = rows, .row_count = wire->n_rows, .next = wire->next};
	return &box->page;
}

void
froe_workflow_page_free(struct froe_workflow_page *page)
{
	struct workflows_box *box = (struct workflows_box *)page;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}

/* One that is not given follows from the names. */
static const char *
task_action(struct arena *arena, const char *workflow, const Froe__TaskDefinition *wire)
{
	if (wire->action != NULL && wire->action[0] != 0)
		return copy_text(arena, wire->action);
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "%s:%s", workflow, wire->name != NULL ? wire->name : "");
	buf_push(&text, "", 1);
	const char *copy = arena_copy(arena, text.data, buf_used(&text));
	buf_release(&text);
	return copy;
}

static void
workflow_task(struct arena *arena, const char *workflow, const Froe__TaskDefinition *wire,
    struct froe_workflow_task *to)
{
	*to = (struct froe_workflow_task){
	    .name = copy_text(arena, wire->name),
	    .action = task_action(arena, workflow, wire),
	    .parents = copy_texts(arena, wire->parents, wire->n_parents),
	    .parent_count = wire->n_parents,
	    .retries = wire->retries,
	    .schedule_timeout_ms = wire->schedule_timeout_ms,
	    .execution_timeout_ms = wire->execution_timeout_ms != 0 ? wire->execution_timeout_ms
	                                                            : FROE_EXECUTION_TIMEOUT_MS,
	    .on_failure = wire->on_failure,
	    .durable = wire->durable,
	};
}

struct froe_workflow_view *
workflow_view_copy(const Froe__WorkflowView *wire)
{
	Froe__WorkflowDefinition *definition = wire->row == NULL
	    ? NULL
	    : froe__workflow_definition__unpack(
	          NULL, wire->definition.len, wire->definition.data);
	if (definition == NULL)
		return NULL;
	struct workflow_box *box = mem_zalloc(sizeof(*box));
	arena_init(&box->arena, 0);
	struct froe_workflow_row row = workflow_row(&box->arena, wire->row);
	struct froe_workflow_task *tasks =
	    copy_zeroed(&box->arena, definition->n_tasks, sizeof(tasks[0]));
	for (size_t i = 0; i < definition->n_tasks; i++)
		workflow_task(&box->arena, row.name, definition->tasks[i], &tasks[i]);
	box->view = (struct froe_workflow_view){
	    .row = row,
	    .newest = wire->newest,
	    .run_timeout_ms = definition->run_timeout_ms,
	    .priority = definition->priority != 0 ? definition->priority : FROE_PRIORITY_MIN,
	    .tasks = tasks,
	    .task_count = definition->n_tasks,
	};
	froe__workflow_definition__free_unpacked(definition, NULL);
	return &box->view;
}

void
froe_workflow_view_free(struct froe_workflow_view *view)
{
	struct workflow_box *box = (struct workflow_box *)view;
	if (box == NULL)
		return;
	arena_release(&box->arena);
	mem_free(box);
}
