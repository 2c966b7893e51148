/*
 * sim/world/ledger: what the world was told, to be held against every later state.
 *
 * Purpose     When the outbox lets an effect go, what it says is written down here; nothing is ever
 *             erased. After each recovery all of it must still be true.
 * Ownership   owns its rows.
 */
#ifndef SIM_WORLD_LEDGER_H
#define SIM_WORLD_LEDGER_H

#include "sim/world/model.h"

enum promise {
	PROMISE_RUN,       /* the run exists, with this input (hash) */
	PROMISE_WORKFLOW,  /* the definition (hash) has this version (lease) */
	PROMISE_CANCELLED, /* the run is closed */
	PROMISE_REPLAYED,  /* the run went on after its end, so many times (lease) */
	PROMISE_COMPLETED, /* the task has this output (hash) */
	PROMISE_ENDED,     /* this lease of the task has ended */
	PROMISE_ASSIGNED,  /* this lease was given to this worker (hash), and no other */
	PROMISE_CLOSED,    /* the run closed with this status (lease) */
	PROMISE_NODE,      /* the node (lease) has this result (hash), by condition (workflow) */
	PROMISE_CHUNK,     /* the lease's chunk (workflow) has these bytes (hash) */
	PROMISE_EVENT,     /* so many events (lease) came */
	PROMISE_TOKEN,     /* the token (lease) was made; revoked (hash) */
	PROMISE_RATE,      /* the rate limit (task) is this (lease) or a later one */
	PROMISE_JOB,       /* the job (lease) has this filter (hash) */
	PROMISE_JOB_OVER,  /* it has ended */
	PROMISE_WORKER,    /* the worker with this number (lease) is this one */
};

struct ledger_row {
	enum promise promise;
	struct uuid id; /* the run's or the worker's */
	uint32_t task;
	uint64_t lease;
	uint64_t hash;
	unsigned replays; /* how often the run had gone on after its end by then */
	unsigned tenant;
	unsigned workflow;
};

struct ledger {
	struct ledger_row *rows;
	size_t count;
	size_t capacity;
};

void ledger_write(struct ledger *ledger, const struct ledger_row *row);
void ledger_release(struct ledger *ledger);

/* Does every promise hold in this state? Fails the world if not. */
void ledger_check(const struct ledger *ledger, struct model *model);

/* Was this task's completion acknowledged, since the run went on the last time? Then it never runs
 * again. */
bool ledger_completed(
    const struct ledger *ledger, struct uuid run, unsigned replays, uint32_t task);

#endif
