/*
 * sim/world/client: a client: registers workflows, triggers and cancels runs, pushes events,
 *                   decides approvals, pauses workers.
 *
 * A client waits for the answer to one request before it makes the next. If the server dies before
 * it answers, it asks the same again, with the same id: an acknowledged trigger is one run.
 */
#ifndef SIM_WORLD_CLIENT_H
#define SIM_WORLD_CLIENT_H

#include "sim/world/process.h"

struct world;

enum client_wish {
	CLIENT_NOTHING,
	CLIENT_PUT,
	CLIENT_TRIGGER,
	CLIENT_CANCEL,
	CLIENT_BULK,
	CLIENT_PUSH,   /* an event */
	CLIENT_DECIDE, /* an approval */
	CLIENT_PAUSE,  /* a worker, or resume it */
	CLIENT_REPLAY,
};

struct client {
	unsigned tenant;
	uint64_t conn;
	uint64_t due_ns; /* when it has a wish again */
	enum client_wish wish;
	unsigned run;
	unsigned run_count;    /* BULK */
	bool children;         /* CANCEL: with them */
	unsigned task;         /* CANCEL: this one alone, from 1; 0: all */
	unsigned key;          /* PUSH */
	uint64_t payload_seed; /* PUSH */
	uint64_t approval;
	unsigned worker;
	bool yes; /* DECIDE, PAUSE; REPLAY: with another input */
	uint32_t from; /* REPLAY: which task; 0: all of them */
	uint32_t node; /* REPLAY: the first one that is not kept; 0: none is */
	struct recipe *recipe;
	uint64_t request; /* 0: not asked on this connection */
	bool unknown;     /* asked before; nobody answered */
};

void client_init(struct world *world, struct client *client, unsigned tenant);
void client_turn(struct world *world, struct client *client);
void client_reply(struct world *world, struct client *client, const struct letter *letter);
void client_cut(struct world *world, struct client *client); /* the server died */
uint64_t client_due_ns(const struct client *client);

#endif
