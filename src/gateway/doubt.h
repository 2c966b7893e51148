/*
 * gateway/doubt: has a task that was given to a worker reached it?
 *
 * Purpose     A stream can break, or the process die, with tasks in it. SDKs cannot say what they
 *             hold, and do twice what they are sent twice: so such a task is given out again only
 *             if its worker, back, is silent about it for so long that it would have spoken.
 * Invariants  1. a lease is given back only if its worker listens, and has not said that it has
 *                begun.
 *             2. workers wait here only while they listen.
 * Units       ns on the gateway's clock.
 */
#ifndef GATEWAY_DOUBT_H
#define GATEWAY_DOUBT_H

#include "gateway/guest.h"

/* The worker listens again, after so long without a stream: what it has not begun is in doubt. */
void doubt_begin(struct gateway *gateway, struct guest *worker, uint64_t away_ns);
/* What to take for it if it had a stream to the last, for all that is known here. */
uint64_t doubt_away_unknown_ns(const struct gateway *gateway);
void doubt_end(struct guest *worker); /* it does not listen any more */

void doubt_turn(struct gateway *gateway, uint64_t now_ns);
uint64_t doubt_due_ns(const struct gateway *gateway); /* UINT64_MAX: nobody waits */

#endif
