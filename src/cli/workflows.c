/*
 * cli/workflows: `froe workflows list|get`.
 */
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 500u

static int
print_end(struct buf *text, int status)
{
	if (status == FROE_EXIT_OK)
		terminal_print(text);
	buf_release(text);
	return status;
}

/* ---------------------------------------------------------------------------------------- list */

static void
row_print(const struct froe_workflow_row *row, enum cli_output output, bool first, struct buf *to)
{
	if (output == CLI_IDS) {
		buf_printf(to, "%s\n", row->name);
	} else if (output == CLI_TABLE) {
		buf_printf(to, "%-32s  %-7u  %-5u  %" PRIu64 "\n", row->name, row->version,
		    row->task_count, row->open_runs);
	} else {
		buf_push_text(to, first ? "\n{" : ",\n{");
		json_text(to, "name", row->name);
		buf_printf(to, ",\"version\":%u,\"tasks\":%u,\"open_runs\":%" PRIu64 "}",
		    row->version, row->task_count, row->open_runs);
	}
}

static int
list_fill(struct froe_client *client, enum cli_output output, struct buf *to)
{
	struct froe_workflow_page *page;
	struct froe_error error;
	uint32_t after = 0;
	bool first = true;
	do {
		if (froe_workflow_list(client, after, PAGE_ROWS, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		for (size_t i = 0; i < page->row_count; i++, first = false)
			row_print(&page->rows[i], output, first, to);
		after = page->next;
		froe_workflow_page_free(page);
	} while (after != 0);
	return FROE_EXIT_OK;
}

int
cli_workflows_list(struct cli *cli)
{
	enum cli_output output = cli_output(cli);
	struct buf text;
	int status;
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&text);
	if (output == CLI_TABLE)
		buf_printf(&text, "%-32s  %-7s  %-5s  %s\n", "NAME", "VERSION", "TASKS",
		    "OPEN RUNS");
	if (output == CLI_JSON)
		buf_push_text(&text, "{\"workflows\":[");
	status = list_fill(client, output, &text);
	if (output == CLI_JSON)
		buf_push_text(&text, "]}\n");
	froe_client_close(client);
	return print_end(&text, status);
}

/* ----------------------------------------------------------------------------------------- get */

static void
parents_push(const struct froe_workflow_task *task, const char *between, struct buf *to)
{
	for (size_t i = 0; i < task->parent_count; i++)
		buf_printf(to, "%s%s", i > 0 ? between : "", task->parents[i]);
}

static void
view_table(const struct froe_workflow_view *view, struct buf *to)
{
	buf_printf(to, "workflow %s, version %u of %u, %" PRIu64 " open runs\n\n", view->row.name,
	    view->row.version, view->newest, view->row.open_runs);
	buf_printf(to, "  %-24s  %-32s  %-7s  %-10s  %s\n", "TASK", "ACTION", "RETRIES", "TIMEOUT",
	    "AFTER");
	for (size_t i = 0; i < view->task_count; i++) {
		const struct froe_workflow_task *task = &view->tasks[i];
		char timeout[DURATION_TEXT_SIZE];
		duration_format(task->execution_timeout_ms * NS_PER_MS, timeout);
		buf_printf(to, "  %-24s  %-32s  %-7u  %-10s  ", task->name, task->action,
		    task->retries, timeout);
		parents_push(task, ", ", to);
		buf_push_text(to, task->on_failure ? "(on failure)" : "");
		while (to->data[to->size - 1] == ' ')
			to->size--;
		buf_push_text(to, "\n");
	}
}

static void
task_json(const struct froe_workflow_task *task, struct buf *to)
{
	buf_push_text(to, "{");
	json_text(to, "name", task->name);
	buf_push_text(to, ",");
	json_text(to, "action", task->action);
	buf_printf(to, ",\"retries\":%u,\"execution_timeout_ms\":%" PRIu64
	    ",\"schedule_timeout_ms\":%" PRIu64 ",\"on_failure\":%s,\"durable\":%s,\"parents\":[",
	    task->retries, task->execution_timeout_ms, task->schedule_timeout_ms,
	    task->on_failure ? "true" : "false", task->durable ? "true" : "false");
	for (size_t i = 0; i < task->parent_count; i++) {
		buf_push_text(to, i > 0 ? "," : "");
		buf_push_json_string(to, task->parents[i], strlen(task->parents[i]));
	}
	buf_push_text(to, "]}");
}

static void
view_json(const struct froe_workflow_view *view, struct buf *to)
{
	buf_push_text(to, "{");
	json_text(to, "name", view->row.name);
	buf_printf(to, ",\"version\":%u,\"newest\":%u,\"open_runs\":%" PRIu64
	    ",\"priority\":%u,\"run_timeout_ms\":%" PRIu64 ",\"tasks\":[", view->row.version,
	    view->newest, view->row.open_runs, view->priority, view->run_timeout_ms);
	for (size_t i = 0; i < view->task_count; i++) {
		buf_push_text(to, i > 0 ? ",\n" : "\n");
		task_json(&view->tasks[i], to);
	}
	buf_push_text(to, "]}\n");
}

int
cli_workflows_get(struct cli *cli)
{
	enum cli_output output = cli_output(cli);
	uint32_t version = (uint32_t)cli_number(cli, "version", 0, UINT32_MAX);
	struct froe_workflow_view *view;
	struct froe_error error;
	struct buf text;
	int status;
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&text);
	if (froe_workflow_get(client, cli->arguments[0], version, -1, &view, &error) != FROE_OK) {
		status = cli_fail(&error);
	} else {
		if (output == CLI_JSON)
			view_json(view, &text);
		else if (output == CLI_TABLE)
			view_table(view, &text);
		else
			buf_printf(&text, "%s\n", view->row.name);
		froe_workflow_view_free(view);
		status = FROE_EXIT_OK;
	}
	froe_client_close(client);
	return print_end(&text, status);
}
