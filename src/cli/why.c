/*
 * cli/why: `froe why ID...`: why a run is where it is, a sentence for each open task.
 */
#include "cli/each.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void
task_json(const struct froe_why_task *task, struct buf *to)
{
	buf_push_text(to, "{");
	json_text(to, "task", task->name);
	buf_push_text(to, ",");
	json_id(to, "id", task->id);
	buf_push_text(to, ",");
	json_text(to, "state", task->state);
	buf_push_text(to, ",");
	json_text(to, "reason", task->reason);
	buf_push_text(to, ",");
	json_text(to, "text", task->text);
	buf_push_text(to, ",");
	json_text(to, "advice", task->advice);
	buf_push_text(to, ",");
	json_text(to, "action", task->action);
	buf_push_text(to, ",");
	json_text(to, "worker", task->worker);
	json_time(to, "until", task->until_ns);
	json_time(to, "since", task->since_ns);
	buf_push_text(to, ",");
	json_text(to, "slot_type", task->slot_type);
	buf_printf(to, ",\"need\":%u,\"slots\":%u,\"used\":%u,\"count\":%" PRIu64 "}", task->need,
	    task->slots, task->used, task->count);
}

static void
why_json(const struct froe_why *why, struct buf *to)
{
	buf_push_text(to, "{");
	json_id(to, "run", why->run);
	buf_push_text(to, ",");
	json_text(to, "workflow", why->workflow);
	buf_printf(to, ",\"status\":\"%s\",", froe_status_name(why->status));
	json_text(to, "text", why->text);
	buf_push_text(to, ",\"tasks\":[");
	for (size_t i = 0; i < why->task_count; i++) {
		buf_push_text(to, i > 0 ? "," : "");
		task_json(&why->tasks[i], to);
	}
	buf_push_text(to, "]}\n");
}

static void
why_table(const struct froe_why *why, bool many, struct buf *to)
{
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	char id[FROE_ID_TEXT_SIZE];
	froe_id_format(why->run, id);
	if (many)
		buf_printf(to, "run %s\n", id);
	terminal_push(&terminal, to, why->text);
	buf_push_text(to, why->text[0] != 0 ? "\n" : "");
	for (size_t i = 0; i < why->task_count; i++) {
		const struct froe_why_task *task = &why->tasks[i];
		terminal_push(&terminal, to, task->name);
		buf_push_text(to, ": ");
		terminal_push(&terminal, to, task->text);
		buf_push_text(to, task->advice[0] != 0 ? ": " : "");
		terminal_push(&terminal, to, task->advice);
		buf_push_text(to, "\n");
	}
}

static void
why_ids(const struct froe_why *why, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE];
	for (size_t i = 0; i < why->task_count; i++) {
		froe_id_format(why->tasks[i].id, id);
		buf_printf(to, "%s\n", id);
	}
}

static int
why_one(const struct each *each, struct froe_client *client, const char *id)
{
	struct froe_why *why;
	struct froe_error error;
	struct froe_id run;
	struct buf text;
	enum cli_output output = cli_output(each->cli);
	bool parsed = froe_id_parse(id, &run);
	froe_assert(parsed);
	if (froe_run_why(client, run, -1, &why, &error) != FROE_OK)
		return cli_fail_of(each_name(each, id), &error);
	buf_init(&text);
	if (output == CLI_JSON)
		why_json(why, &text);
	else if (output == CLI_IDS)
		why_ids(why, &text);
	else
		why_table(why, !each_single(each), &text);
	terminal_print(&text);
	buf_release(&text);
	froe_why_free(why);
	return FROE_EXIT_OK;
}

int
cli_why(struct cli *cli)
{
	return each_show(cli, &each_run, why_one);
}
