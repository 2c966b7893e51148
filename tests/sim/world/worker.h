/*
 * sim/world/worker: a worker: registers, takes dispatches, answers them, badly at times.
 *
 * Life   OFF -> JOINING -> ON -> AWAY (the connection broke; it still works) -> JOINING, or OFF.
 *        A `zombie` is a lease that it answers although it was told, or knows, that it has ended.
 */
#ifndef SIM_WORLD_WORKER_H
#define SIM_WORLD_WORKER_H

#include "sim/world/process.h"

struct world;

enum worker_state {
	WORKER_OFF,
	WORKER_JOINING,
	WORKER_ON,
	WORKER_LEAVING,
	WORKER_AWAY,
};

enum worker_end {
	END_COMPLETE,
	END_FAIL,
	END_FATAL,
	END_RETRY_AFTER,
	END_HANG,
	END_POISON, /* it takes the worker with it */
};

/* What is asked for, while `request` is under way. */
enum worker_ask {
	ASK_END,
	ASK_STEP,
	ASK_EVICT,
	ASK_CHILD,
	ASK_RETURN,
};

struct worker_task {
	struct eng_fence fence;
	uint64_t due_ns;
	enum worker_end end;
	enum worker_ask ask;
	uint64_t request; /* 0: not sent on this connection */
	bool exactly_once;
	bool stopped;      /* its handler has ended, the server does not know */
	bool stopping;     /* exactly once: told to stop; its handler ends at due_ns */
	unsigned step;     /* durable: the next one, from 1 */
	unsigned steps;    /* of them; 0: none left, or not durable */
	bool put;          /* MEMO: it was asked for in vain */
	bool waiting;      /* the step's result is to come */
	bool evict;        /* while it waits */
	unsigned child;    /* the next one to start */
	unsigned children; /* of them */
	bool many;         /* all of them at once */
	unsigned chunk;    /* the next one to stream, from 1 */
	unsigned chunks;
	bool release;
	bool begin;       /* to be said */
	bool give_back;   /* as if it had not come */
	bool refresh;     /* to be asked for first */
	bool log;
	bool again; /* to be answered twice */
	bool zombie;
};

struct worker {
	unsigned tenant;
	enum worker_state state;
	struct uuid id;
	uint64_t incarnation;
	uint32_t slots[RECIPE_SLOTS];
	uint64_t confirmed_ns; /* when it sent the last thing that it knows the server has heard */
	uint64_t beat_ns;      /* a heartbeat that is not answered yet: sent then; 0: none */
	uint64_t beat_frame;   /* the answer goes when this is durable, behind what it was told */
	uint64_t actions;
	uint64_t conn;
	uint64_t number; /* from the registration */
	uint64_t request; /* of the registration or the leave; 0: not sent */
	uint64_t due_ns;
	uint64_t silent_until_ns; /* 0: it is not silent */
	bool draining;
	unsigned task_count;
	struct worker_task tasks[PROCESS_HELD_MAX];
};

void worker_init(struct world *world, struct worker *worker, unsigned tenant);
void worker_turn(struct world *world, struct worker *worker);
void worker_letter(struct world *world, struct worker *worker, const struct letter *letter);
/* A heartbeat, sent and answered. */
void worker_beat(struct world *world, struct worker *worker);
void worker_cut(struct world *world, struct worker *worker); /* the server died */
void worker_reform(struct world *world, struct worker *worker); /* from now on it behaves */
uint64_t worker_due_ns(const struct worker *worker);

#endif
