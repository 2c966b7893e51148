/*
 * gateway/guest: workers that have registered, and what each has been given to do.
 *
 * Purpose     Hatchet's worker registers once, then listens, again and again, by the id it was
 *             given; it says neither again what it serves nor what it holds. That is kept here, and
 *             told to the shard each time it listens.
 * Ownership   the gateway has the workers, a worker its leases. A listener borrows its worker.
 * Invariants  1. a lease that is here was sent to the worker, or waits in its listener. Of one that
 *                was sent and not begun doubt.h says whether it came.
 *             2. a worker has at most one listener.
 */
#ifndef GATEWAY_GUEST_H
#define GATEWAY_GUEST_H

#include "gateway/gateway_int.h"

#include "hatchet/dispatcher.pb-c.h"

struct listener;

struct guest {
	struct uuid id;
	struct uuid tenant;
	struct list leases;
	struct buf registration; /* a WorkerRegister without what it holds */
	struct listener *listener; /* NULL: it does not listen */
	bool known; /* to the shard: it has listened */
	uint64_t seen_ns;
	uint64_t gone_ns; /* when its last stream broke; 0: before this process */
	uint64_t away_ns; /* then: for how long it was away when it was adopted */
	struct list doubt; /* gateway->doubts: it has tasks that may not have come */
	uint64_t judged_ns; /* when they are given back */
};

#define LEASE_EARLIER UINT64_MAX

/* An attempt that was given to it. */
struct lease {
	struct list link;
	struct guest *worker;
	struct uuid task;
	uint64_t lease;
	uint32_t attempt;
	uint64_t message; /* on its worker's stream; 0: not yet; LEASE_EARLIER: on another one */
	bool started; /* the worker has said so, or is taken to have begun */
	bool begun;   /* and the shard knows */
	bool doubt;   /* it may not have come: gateway/doubt.h */
	bool talks;   /* it has put chunks, or memos: gateway/linger.h */
	bool durable;
	bool adopted; /* it is from before the server's start */
	char *action;
	char *workflow;
	char *name;
};

struct guest *guest_find(struct gateway *gateway, struct uuid tenant, struct uuid id);
/* NULL: this is no worker, and why. Packs the message. */
struct guest *guest_add(struct gateway *gateway, struct uuid tenant, struct uuid id,
    const Froe__WorkerRegister *registration);
/* As the shard has it: after a restart. */
struct guest *guest_adopt(
    struct gateway *gateway, struct uuid tenant, const Froe__WorkerView *view, struct arena *arena);
void guest_free(struct gateway *gateway, struct guest *worker);

/* Replaces one of the same task. */
struct lease *lease_add(struct gateway *gateway, struct guest *worker, struct uuid task,
    uint64_t number, uint32_t attempt, const char *workflow, const char *name, const char *action);
struct lease *lease_find(struct gateway *gateway, struct uuid task);
void lease_free(struct gateway *gateway, struct lease *lease);

/* The message that says that it is back, with what it holds. */
Froe__WorkerRegister *guest_message(const struct guest *worker, struct arena *arena);

/* listen.c. Its worker was lost meanwhile, unheard: it is to listen again. */
void listener_lost(struct listener *listener);
/* Gives back what did not come. */
void listener_return(struct listener *listener, const struct lease *lease);

#endif
