/*
 * cli/jobs: jobs of the server: started by `runs cancel` and `runs replay` without ids, followed.
 *
 * Threading   the main thread.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include "cli/cli.h"

/* Does the command line mean all runs that a filter finds? Ends with status 2 when it means
 * nothing, or both ids and a filter. */
bool jobs_meant(const struct cli *cli);

/* Starts the job, and follows it unless told not to; the exit status. */
int jobs_run(const struct cli *cli, enum froe_job_kind kind);

#endif
