/*
 * cli/filter: which runs are meant: the options that list, cancel and replay have in common.
 *
 * Ownership   a filter points into the command line; filter_release() gives back the rest.
 * Threading   the main thread.
 * Failure     a wrong option ends the process with status 2.
 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli/pairs.h"

struct filter {
	struct froe_list_options options;
	struct pairs pairs;
};

/* Limit and cursor are the caller's to set. */
void filter_take(struct filter *filter, const struct cli *cli);
void filter_release(struct filter *filter);

/* The first condition on the command line, or NULL. */
const char *filter_given(const struct cli *cli);

#endif
