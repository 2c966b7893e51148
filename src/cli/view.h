/*
 * cli/view: a run as it is shown, with its tasks as a graph.
 *
 * Threading   none.
 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "base/bytes.h"
#include "cli/terminal.h"

/* One object, with all there is. */
void view_json(const struct froe_run_view *run, struct buf *to);

/* For people. `now_ns` (wall clock): what has not ended has taken until then; 0: unknown. */
void view_table(const struct froe_run_view *run, bool payloads, const struct terminal *terminal,
    uint64_t now_ns, struct buf *to);

/* Was it started by a task of another run, and of which? */
bool view_is_child(const struct froe_run_view *run);
struct froe_id view_parent(const struct froe_run_view *run);

#endif
