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
#include "sim/world/jobber.h"
#include "sim/world/operator.h"
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
	unsigned key;       /* 0: none */
	uint64_t key_ttl_ms;
	bool key_until_end;
	uint64_t delay_ms;
	uint64_t start_ns;
	uint8_t metadata[MODEL_METADATA];
};

/* The texts of a start while it is asked for. */
struct world_start {
	char workflow[RECIPE_NAME_BYTES];
	char key[RECIPE_NAME_BYTES];
	char names[MODEL_METADATA];
	struct bytes metadata[2 * MODEL_METADATA];
};

#define WORLD_CHILDREN_MAX 40u /* that handlers start of their own accord */
#define WORLD_DEPTH_MAX 2u
#define WORLD_REPLAYS_MAX PROCESS_REPLAYS_MAX

#define WORLD_EVENT_KEYS 3u
static inline void
world_event_key(unsigned key, char text[3])
{
	text[0] = 'e';
	text[1] = (char)('0' + key);
	text[2] = 0;
}

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
	struct operator operator;
	struct jobber jobber;
	struct world_run runs[PLAN_RUNS_MAX];
	unsigned run_count;
	bool known[PLAN_TENANTS_MAX][PLAN_WORKFLOWS_MAX]; /* registered, as far as anybody knows */
	struct eng_fence fences[WORLD_FENCES];             /* of dispatches long ago */
	unsigned fence_count;
	struct buf payloads[MODEL_STARTS_MAX];
	unsigned children;
	uint64_t numbers; /* of connections and requests */
	unsigned idle;      /* turns without an event, */
	size_t idle_count;  /* since the history had so many */
	unsigned deaths;
	unsigned dying_turns; /* until the power goes */
	bool ballasted;
	bool ending;
};

/* Runs the world of one seed; returns the hash of its trace. Fails through the judge. */
uint64_t world_run(struct tally *tally, uint64_t seed, const struct plan_options *options);

/* The JSON text that a seed stands for; valid until the next call. */
struct bytes world_payload(struct world *world, uint64_t seed, size_t size);
/* The same, up to MODEL_STARTS_MAX of them at once. */
struct bytes world_payload_at(struct world *world, unsigned at, uint64_t seed, size_t size);
/* What a client asks for with this run; texts and the payload numbered `at` are borrowed. */
struct eng_start world_start_of(struct world *world, const struct world_run *run, unsigned at,
    struct world_start *texts);
struct uuid world_run_id(struct world *world);
uint64_t world_number(struct world *world);
uint64_t world_mono_ns(const struct world *world);

#endif
