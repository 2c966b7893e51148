/*
 * cli/tasks: the tasks of a run as a table, with the DAG drawn beside their names.
 */
#ifndef CLI_TASKS_H
#define CLI_TASKS_H

#include "base/bytes.h"
#include "cli/terminal.h"

/* `now_ns`: what has not ended has taken until then; 0: unknown. */
void tasks_print(const struct froe_run_view *run, bool payloads, const struct terminal *terminal,
    uint64_t now_ns, struct buf *to);

#endif
