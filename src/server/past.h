/*
 * server/past: what a closed run's records say of it, for a replay.
 *
 * Purpose     The engine has forgotten a run that has ended. Its records are read (history.h) and
 *             folded into struct eng_replay: where its tasks came to, with which leases, and which
 *             nodes of one durable task have results.
 * Ownership   everything lies in the arena; the history's too.
 * Threading   the shard's owner.
 * Failure     FROE_CORRUPT when the records do not add up; FROE_FAILED_PRECONDITION when the run
 *             never began.
 */
#ifndef SERVER_PAST_H
#define SERVER_PAST_H

#include "server/history.h"

/* `task`: from which on; empty: all of it. `node`: of that task, the first one that is not kept; 0:
 * none is kept; API_REPLAY_KEEP: all are, of a run's only task if that is durable. Fills what is
 * asked for and what the records say, but for input and reason. */
enum froe_err past_replay(const struct history *history, struct bytes task, uint32_t node,
    struct arena *arena, uint32_t *ret_tenant, struct eng_replay *ret_replay,
    struct froe_fault *fault) FROE_CHECKED;

#endif
