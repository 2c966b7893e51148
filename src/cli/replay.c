/*
 * cli/replay: `froe runs replay`.
 */
#include "cli/cli.h"

#include "base/bytes.h"
#include "base/fault.h"
#include "cli/payload.h"

#include <stdio.h>

int
cli_runs_replay(struct cli *cli)
{
	struct froe_error error;
	struct buf input;
	int status;
	struct froe_id run = cli_run_id(cli, 0);
	struct froe_replay_options options = {
	    .task = cli_text(cli, "from"),
	    .node = (uint32_t)cli_number(cli, "node", 0, UINT32_MAX),
	    .reason = cli_text(cli, "reason"),
	};
	buf_init(&input);
	if (cli_text(cli, "input") != NULL) {
		payload_read(cli, cli_text(cli, "input"), "--input", &input);
		options.input = input.data;
		options.input_size = buf_used(&input);
	}
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL) {
		status = FROE_EXIT_OK;
		if (froe_run_replay(client, run, &options, -1, &error) != FROE_OK)
			status = cli_fail(&error);
		froe_client_close(client);
	}
	buf_release(&input);
	return status;
}
