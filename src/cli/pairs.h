/*
 * cli/pairs: options --metadata KEY=VALUE, each a pair.
 *
 * Ownership   values point into the command line, keys are cut out and owned.
 */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include "cli/cli.h"

struct pairs {
	struct froe_pair rows[CLI_GIVEN_MAX];
	size_t count;
	char *keys[CLI_GIVEN_MAX];
};

/* One that is no pair ends the process. */
void pairs_read(struct pairs *pairs, const struct cli *cli);
void pairs_release(struct pairs *pairs);

#endif
