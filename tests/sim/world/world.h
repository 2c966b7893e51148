/*
 * sim/world/world: one seed from an empty disk to the end of all runs.
 *
 * Purpose     A world is a disk, a server process that dies and is started again, clients and
 *             workers that misbehave as the plan says. After a while the faults stop; then all
 *             runs must end, and what is on the disk must be what happened.
 * Ownership   owns everything in it.
 * Threading   one thread; nothing outside the world's dice and virtual time decides anything.
 */
#ifndef SIM_WORLD_WORLD_H
#define SIM_WORLD_WORLD_H

#include "sim/world/client.h"
#include "sim/world/process.h"
#include "sim/world/worker.h"

/* A run as its client knows it. */
struct world_run {
	struct uuid id;
	unsigned tenant;
	unsigned workflow; /* PLAN_WORKFLOWS_MAX: a name nobody registers */
	uint64_t payload_seed;
	size_t payload_bytes;
	uint32_t priority;
	uint64_t timeout_ms;
	bool asked; /* at least once */
};

#define WORLD_FENCES 16u

struct world {
	struct judge judge;
	struct plan plan;
	struct dice dice;
	struct io_env *env;
	struct recipe_book book;
	struct model model;
	struct history history;
	struct ledger ledger;
	struct process process;
	struct client clients[PLAN_CLIENTS_MAX];
	struct worker workers[PLAN_WORKERS_MAX];
	struct world_run runs[PLAN_RUNS_MAX];
	unsigned run_count;
	bool known[PLAN_TENANTS_MAX][PLAN_WORKFLOWS_MAX]; /* registered, as far as anybody knows */
	struct eng_fence fences[WORLD_FENCES];             /* of dispatches long ago */
	unsigned fence_count;
	struct buf payload;
	uint64_t numbers; /* of connections and requests */
	unsigned idle;      /* turns without an event, */
	size_t idle_count;  /* since the history had so many */
	unsigned deaths;
	unsigned dying_turns; /* until the power goes */
	bool ballasted;
	bool ending;
};

/* Runs the world of one seed; returns the hash of its trace. Fails through the judge. */
uint64_t world_run(struct tally *tally, uint64_t seed, enum plant plant, bool trace);

/* The JSON text that a seed stands for; valid until the next call. */
struct bytes world_payload(struct world *world, uint64_t seed, size_t size);
uint64_t world_number(struct world *world);
uint64_t world_mono_ns(const struct world *world);

#endif
