/*
 * cli/repair: `froe log repair`.
 */
#include "cli/cli.h"

#include "server/custody.h"

int
cli_log_repair(struct cli *cli)
{
	const char *data = cli_text(cli, "data");
	if (data == NULL)
		cli_usage(cli, "--data is missing: name the data directory");
	return custody_repair(data, cli_flag(cli, "accept-loss"), stdout);
}
