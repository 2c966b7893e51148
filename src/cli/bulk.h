/*
 * cli/bulk: a run for each line of JSON, in batches of up to 1000.
 *
 * Failure     the exit status; a wrong command line ends the process.
 */
#ifndef CLI_BULK_H
#define CLI_BULK_H

#include "cli/cli.h"

/* The options of each; their inputs are the lines. */
int cli_bulk(const struct cli *cli, const struct froe_run_options *options);

#endif
