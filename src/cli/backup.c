/*
 * cli/backup: `froe backup` and `froe restore`.
 */
#include "cli/cli.h"

#include "server/custody.h"

static const char *
backup_option(const struct cli *cli, const char *name, const char *help)
{
	const char *value = cli_text(cli, name);
	if (value == NULL)
		cli_usage(cli, "--%s is missing: %s", name, help);
	return value;
}

int
cli_backup(struct cli *cli)
{
	const char *data = backup_option(cli, "data", "name the data directory");
	return custody_backup(data, cli->arguments[0], stdout);
}

int
cli_restore(struct cli *cli)
{
	const char *from = backup_option(cli, "from", "name the backup's directory");
	if (cli_flag(cli, "check"))
		return custody_check_backup(from, stdout);
	return custody_restore(
	    from, backup_option(cli, "data", "name a new data directory"), stdout);
}
