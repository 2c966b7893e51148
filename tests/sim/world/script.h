/*
 * sim/world/script: the steps that a durable task's handler takes.
 *
 * A script is a property of the task: the same in each attempt, on each worker.
 */
#ifndef SIM_WORLD_SCRIPT_H
#define SIM_WORLD_SCRIPT_H

#include "engine/engine.h"
#include "sim/world/plan.h"

#define SCRIPT_CONDITIONS_MAX 3u

/* One step; its texts lie in it: it is not to be moved once it was written. */
struct script_step {
	uint32_t kind; /* enum eng_node_kind */
	char name[4];  /* MEMO */
	uint32_t condition_count;
	struct eng_condition conditions[SCRIPT_CONDITIONS_MAX];
	char names[SCRIPT_CONDITIONS_MAX][3];
};

unsigned script_length(uint64_t seed);
/* Step `number` from 1. `children`: the task may start runs. */
void script_write(struct script_step *step, const struct plan *plan, uint64_t seed,
    unsigned number, bool children);

#endif
