/*
 * cli/runs: `froe runs get|cancel|replay`.
 */
#include "cli/each.h"
#include "cli/payload.h"
#include "cli/view.h"

#include "base/duration.h"
#include "base/fault.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------- get */

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void
get_print(const struct cli *cli, const struct froe_run_view *view, const char *id, bool first)
{
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	enum cli_output output = cli_output(cli);
	struct buf text;
	buf_init(&text);
	if (output == CLI_JSON) {
		view_json(view, &text);
	} else if (output == CLI_IDS) {
		buf_printf(&text, "%s\n", id);
	} else {
		buf_push_text(&text, first ? "" : "\n");
		view_table(view, cli_flag(cli, "payloads"), &terminal, now_ns(), &text);
	}
	fwrite(text.data, 1, buf_used(&text), stdout);
	buf_release(&text);
}

static int
get_one(const struct cli *cli, struct froe_client *client, const char *id, const char *name,
    bool first)
{
	struct froe_run_view *view;
	struct froe_error error;
	struct froe_id run;
	bool payloads = cli_output(cli) == CLI_JSON || cli_flag(cli, "payloads");
	bool parsed = froe_id_parse(id, &run);
	froe_assert(parsed);
	if (froe_run_get(client, run, payloads, -1, &view, &error) != FROE_OK)
		return cli_fail_of(name, &error);
	get_print(cli, view, id, first);
	froe_run_view_free(view);
	return FROE_EXIT_OK;
}

int
cli_runs_get(struct cli *cli)
{
	struct each each;
	const char *id;
	int status, result = FROE_EXIT_OK;
	FROE_DROP(cli_output(cli), "checked before connecting");
	each_begin(&each, cli, &each_run);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	for (bool first = true; (id = each_next(&each)) != NULL && !ferror(stdout); first = false) {
		status = get_one(cli, client, id, each_single(&each) ? NULL : id, first);
		result = result == FROE_EXIT_OK ? status : result;
	}
	froe_client_close(client);
	return result == FROE_EXIT_OK ? each.status : result;
}

/* ------------------------------------------------------------------------------ cancel, replay */

static int
act_on_runs(const struct cli *cli, const struct each_action *action)
{
	struct each each;
	int status;
	FROE_DROP(cli_output(cli), "checked before connecting");
	each_begin(&each, cli, &each_run);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = each_do(&each, client, action);
	froe_client_close(client);
	return status;
}

static enum froe_err
cancel_one(void *context, struct froe_client *client, const char *text, struct froe_error *error)
{
	const struct cli *cli = context;
	const char *reason = cli_text(cli, "reason");
	struct froe_id run;
	bool parsed = froe_id_parse(text, &run);
	froe_assert(parsed);
	return cli_flag(cli, "children") ? froe_run_cancel_all(client, run, reason, -1, error)
					 : froe_run_cancel(client, run, reason, -1, error);
}

int
cli_runs_cancel(struct cli *cli)
{
	struct each_action action = {.done = "cancelled", .act = cancel_one, .context = cli};
	return act_on_runs(cli, &action);
}

static enum froe_err
replay_one(void *context, struct froe_client *client, const char *text, struct froe_error *error)
{
	struct froe_id run;
	bool parsed = froe_id_parse(text, &run);
	froe_assert(parsed);
	return froe_run_replay(client, run, context, -1, error);
}

int
cli_runs_replay(struct cli *cli)
{
	struct buf input;
	struct froe_replay_options options = {
	    .task = cli_text(cli, "from"),
	    .node = (uint32_t)cli_number(cli, "node", 0, UINT32_MAX),
	    .reason = cli_text(cli, "reason"),
	};
	struct each_action action = {.done = "goes on", .act = replay_one, .context = &options};
	if (options.node != 0 && options.task == NULL)
		cli_usage(cli, "--node is one of a durable task: say which with --from TASK");
	buf_init(&input);
	if (cli_text(cli, "input") != NULL) {
		payload_read(cli, cli_text(cli, "input"), "--input", &input);
		options.input = input.data;
		options.input_size = buf_used(&input);
	}
	int status = act_on_runs(cli, &action);
	buf_release(&input);
	return status;
}
