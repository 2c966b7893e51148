/*
 * cli/why: `froe why ID`: why a run is where it is, a sentence for each open task.
 */
#include "cli/cli.h"
#include "cli/json.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

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

/* An error's text may have several lines: the first says enough here. */
static void
line_push(struct buf *to, const char *text)
{
	for (; *text != 0 && *text != '\n' && *text != '\r'; text++) {
		char c = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
		buf_push(to, &c, 1);
	}
}

static void
why_table(const struct froe_why *why, struct buf *to)
{
	if (why->text[0] != 0) {
		line_push(to, why->text);
		buf_push_text(to, "\n");
	}
	for (size_t i = 0; i < why->task_count; i++) {
		const struct froe_why_task *task = &why->tasks[i];
		buf_printf(to, "%s: %s", task->name, task->text);
		if (task->advice[0] != 0)
			buf_printf(to, ": %s", task->advice);
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

int
cli_why(struct cli *cli)
{
	struct froe_why *why;
	struct froe_error error;
	struct buf text;
	int status;
	enum cli_output output = cli_output(cli);
	struct froe_id run = cli_run_id(cli, 0);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = FROE_EXIT_OK;
	if (froe_run_why(client, run, -1, &why, &error) != FROE_OK) {
		status = cli_fail(&error);
	} else {
		buf_init(&text);
		if (output == CLI_JSON)
			why_json(why, &text);
		else if (output == CLI_IDS)
			why_ids(why, &text);
		else
			why_table(why, &text);
		fwrite(text.data, 1, buf_used(&text), stdout);
		buf_release(&text);
		froe_why_free(why);
	}
	froe_client_close(client);
	return status;
}
