/*
 * gateway/linger: a result waits a moment for what its attempt still says.
 *
 * Purpose     SDKs put chunks and memos' values beside the result, over threads and channels of
 *             their own: the last ones come after it. An ended task takes none: so the result of an
 *             attempt that has put some is told to the shard LINGER_NS later; others at once.
 * Invariants  calls are held in the order in which they are due.
 */
#ifndef GATEWAY_LINGER_H
#define GATEWAY_LINGER_H

#include "gateway/gateway_int.h"

/* The task of this call has put a chunk. */
void linger_talks(struct call *call);
/* The task is about to say what a memo of its keeps. */
void linger_memo(struct gateway *gateway, struct uuid task);

/* It is said that the task of this call has begun. True: the call is handled again, later: most
 * tasks are over by then, and need no record of it. False: its worker waits for the answer. */
bool linger_begun(struct call *call);

/* False: tell the result now. True: the call is handled again, later. */
bool linger_hold(struct call *call);

void linger_turn(struct gateway *gateway, uint64_t now_ns);
uint64_t linger_due_ns(const struct gateway *gateway); /* UINT64_MAX: nothing is held */

#endif
