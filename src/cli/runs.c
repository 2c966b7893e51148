/*
 * cli/runs: `froe runs get|cancel|replay`.
 */
#include "cli/each.h"
#include "cli/jobs.h"
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
	terminal_print(&text);
	buf_release(&text);
}

static int
get_one(const struct each *each, struct froe_client *client, const char *id)
{
	struct froe_run_view *view;
	struct froe_error error;
	struct froe_id run;
	bool payloads = cli_output(each->cli) == CLI_JSON || cli_flag(each->cli, "payloads");
	bool parsed = froe_id_parse(id, &run);
	froe_assert(parsed);
	if (froe_run_get(client, run, payloads, -1, &view, &error) != FROE_OK)
		return cli_fail_of(each_name(each, id), &error);
	get_print(each->cli, view, id, each->taken == 1);
	froe_run_view_free(view);
	return FROE_EXIT_OK;
}

int
cli_runs_get(struct cli *cli)
{
	return each_show(cli, &each_run, get_one);
}

/* ------------------------------------------------------------------------------ cancel, replay */

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
	if (jobs_meant(cli))
		return jobs_run(cli, FROE_JOB_CANCEL);
	return each_act(cli, &each_run, &action);
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
	if (jobs_meant(cli)) {
		if (options.node != 0 || cli_text(cli, "input") != NULL)
			cli_usage(cli, "--node and --input are for runs that are given by id");
		return jobs_run(cli, FROE_JOB_REPLAY);
	}
	buf_init(&input);
	if (cli_text(cli, "input") != NULL) {
		payload_read(cli, cli_text(cli, "input"), "--input", &input);
		options.input = input.data;
		options.input_size = buf_used(&input);
	}
	int status = each_act(cli, &each_run, &action);
	buf_release(&input);
	return status;
}
