/*
 * server/hub_workflows: a tenant's workflows, from the engine's state: exact, and at once.
 */
#include "server/hub_int.h"

#include "engine/workflow.h"

static void
row_fill(struct hub *hub, const struct eng_workflow_view *view, Froe__WorkflowRow *row)
{
	froe__workflow_row__init(row);
	row->name = hub_text(hub, view->name);
	row->has_version = row->has_tasks = row->has_open_runs = true;
	row->version = view->version;
	row->tasks = view->task_count;
	row->open_runs = view->runs;
	row->has_created_ns = row->has_put_ns = true;
	row->created_ns = view->created_ns;
	row->put_ns = view->put_ns;
	row->has_paused = row->paused = view->paused;
	row->has_drops_scheduled = row->drops_scheduled =
	    (view->drops & ENG_DROPS_SCHEDULED) != 0;
	row->has_drops_cron = row->drops_cron = (view->drops & ENG_DROPS_CRON) != 0;
}

static void
workflow_list(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	Froe__WorkflowPage page = FROE__WORKFLOW_PAGE__INIT;
	size_t limit = command->workflows.limit;
	arena_reset(&hub->arena);
	struct eng_workflow_view *views = arena_alloc(&hub->arena, limit * sizeof(*views));
	Froe__WorkflowRow *rows = arena_alloc(&hub->arena, limit * sizeof(*rows));
	page.rows = arena_alloc(&hub->arena, limit * sizeof(Froe__WorkflowRow *));
	page.n_rows = eng_workflows(
	    hub->shard->eng, conn->tenant, command->workflows.after, views, limit);
	for (size_t i = 0; i < page.n_rows; i++) {
		row_fill(hub, &views[i], &rows[i]);
		page.rows[i] = &rows[i];
	}
	page.has_next = true;
	page.next = page.n_rows == limit ? views[limit - 1].id : 0;
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_WORKFLOW_PAGE, &page.base);
}

static void
workflow_get(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	Froe__WorkflowView answer = FROE__WORKFLOW_VIEW__INIT;
	Froe__WorkflowRow row;
	struct eng_workflow_view view;
	struct eng_version_view version;
	uint32_t number = command->workflows.version;
	if (!eng_workflow(hub->shard->eng, conn->tenant, command->workflows.name, &view)) {
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "workflow",
		    "no workflow has this name: \"froe workflows list\" shows those there are");
		return;
	}
	if (!eng_version(hub->shard->eng, view.id, number != 0 ? number : view.version, &version)) {
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "version",
		    "the workflow has no such version: they go from 1 to the newest");
		return;
	}
	arena_reset(&hub->arena);
	answer.has_newest = answer.has_definition = true;
	answer.newest = view.version;
	view.version = version.version;
	view.put_ns = version.put_ns;
	view.task_count = version.task_count;
	row_fill(hub, &view, &row);
	answer.row = &row;
	answer.definition = (ProtobufCBinaryData){version.encoded.size,
	    (uint8_t *)(uintptr_t)version.encoded.data};
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_WORKFLOW_VIEW, &answer.base);
}

void
hub_workflows(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	if (command->op == API_OP_WORKFLOW_LIST)
		workflow_list(hub, conn, command);
	else
		workflow_get(hub, conn, command);
}
