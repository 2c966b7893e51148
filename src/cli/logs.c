/*
 * cli/logs: `froe log dump` and `froe log verify`.
 */
#include "cli/cli.h"

#include "server/dump.h"

static const char *
data_option(const struct cli *cli)
{
	const char *data = cli_text(cli, "data");
	if (data == NULL)
		cli_usage(cli, "--data is missing: name the data directory");
	return data;
}

int
cli_log_dump(struct cli *cli)
{
	struct dump_options options = {
	    .json = cli_flag(cli, "json"),
	    .audit = cli_flag(cli, "audit"),
	};
	return dump_run(data_option(cli), cli_text(cli, "from"), &options, stdout);
}

int
cli_log_verify(struct cli *cli)
{
	return dump_verify(data_option(cli), stdout);
}
