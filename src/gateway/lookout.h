/*
 * gateway/lookout: the runs whose metadata has a pair, as they come.
 *
 * Purpose     For whoever follows runs that nobody has named: those that are open, and from then
 *             on each one that begins.
 * Ownership   embedded in its owner, who stops it before the seat goes.
 * Threading   the loop's thread.
 * Invariants  1. a run is told once, and none that had ended when the lookout became ready.
 * Units       looks once in LOOKOUT_NS: how late a run is told at most.
 */
#ifndef GATEWAY_LOOKOUT_H
#define GATEWAY_LOOKOUT_H

#include "gateway/gateway_int.h"

#define LOOKOUT_NS UINT64_C(200000000)

struct lookout {
	struct list link; /* gateway->lookouts */
	struct seat *seat;
	void (*found)(struct lookout *lookout, struct uuid run);
	void (*ready)(struct lookout *lookout); /* from now on no run is missed */
	void (*failed)(struct lookout *lookout, const struct froe_fault *fault);
	struct buf key;
	struct buf value; /* both end with a zero byte */
	struct ask *ask;
	uint64_t due_ns;  /* when to look again; UINT64_MAX: it is looking */
	uint64_t before;  /* where the next page begins; 0: at the newest run */
	uint64_t last;    /* the newest run there was when it last looked: its number */
	uint64_t newest;  /* of this look */
	enum lookout_state {
		LOOKOUT_BASE, /* which run is the newest */
		LOOKOUT_OPEN, /* those that are open */
		LOOKOUT_NEW,  /* those that came since */
	} state;
};

/* The seat is open. It and the callbacks are filled in. */
void lookout_start(struct lookout *lookout, struct gateway *gateway, const char *key,
    const char *value);
void lookout_stop(struct lookout *lookout); /* all zero is allowed */
void lookout_turn(struct gateway *gateway, uint64_t now_ns);
uint64_t lookout_due_ns(const struct gateway *gateway);

#endif
