/*
 * sim/world/plan: what one seed's world is like: its size, its operations, its faults.
 *
 * Each seed switches on a random subset (swarm testing): a world with fewer kinds goes deeper into
 * those it has.
 */
#ifndef SIM_WORLD_PLAN_H
#define SIM_WORLD_PLAN_H

#include "io/sim.h"
#include "sim/world/dice.h"
#include "sim/world/judge.h"

#define PLAN_TENANTS_MAX 2u
#define PLAN_CLIENTS_MAX 4u
#define PLAN_WORKERS_MAX 4u
#define PLAN_WORKFLOWS_MAX 3u
#define PLAN_RUNS_MAX 24u

/* Faults of the harness itself, each of which the oracles must find (sim --selftest). */
enum plant {
	PLANT_NONE,
	PLANT_ACK_BEFORE_DURABLE,
	PLANT_DISPATCH_BEFORE_DURABLE,
	PLANT_STALE_LEASE,
	PLANT_EARLY_TIMER,
	PLANT_EVENT_TWICE,
	PLANT_EVENT_MISSED,
	PLANT_PAYLOAD_SWAPPED,
	PLANT_LOST_WRITE,
	PLANT_STATE_DIFFERS,
	PLANTS,
};
const char *plant_name(enum plant plant);

/* What a world is made of, beside the seed. */
struct plan_options {
	enum plant plant;
	bool trace;
	bool off[KINDS]; /* whatever the seed says */
};

struct plan {
	uint64_t seed;
	enum plant plant;
	bool enabled[KINDS];
	unsigned tenants;
	unsigned clients;
	unsigned workers;
	unsigned workflows;
	unsigned runs;
	uint64_t pace_ns; /* a client's longest pause */
	unsigned turns;  /* with faults, before the end game */
	unsigned deaths; /* at most, before the end game */
	size_t payload_bytes_max;
	uint64_t segment_bytes;
	uint64_t keep_ns; /* retention */
	unsigned inflight_max;
	unsigned spares;
	size_t cache_bytes;
	struct sim_options sim;
};

void plan_draw(struct plan *plan, uint64_t seed, const struct plan_options *options);

static inline bool
plan_does(const struct plan *plan, enum kind kind)
{
	return plan->enabled[kind];
}

#endif
