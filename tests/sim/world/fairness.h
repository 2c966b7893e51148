/*
 * sim/world/fairness: do queues that wait for the same slots get equal shares (I9)?
 *
 * Purpose     A queue is a tenant's workflow, an action, and what its tasks take. Of those with the
 *             same action and need, each of weight 1: between two services of one that stays
 *             backlogged, each other one is served once at most.
 * Ownership   none; a part of the model, told by the events.
 * See         src/sched/fair.h, Bound
 */
#ifndef SIM_WORLD_FAIRNESS_H
#define SIM_WORLD_FAIRNESS_H

#include "sim/world/judge.h"
#include "sim/world/recipe.h"

#define FAIRNESS_QUEUES_MAX 96u

struct fairness_queue {
	unsigned tenant;
	unsigned workflow;
	unsigned action;
	uint32_t need[RECIPE_SLOTS];
	uint32_t length;
	uint32_t ahead[FAIRNESS_QUEUES_MAX]; /* services of others since its own, while it waited */
};

struct fairness {
	unsigned count;
	struct fairness_queue queues[FAIRNESS_QUEUES_MAX];
};

/* A task of this kind is queued, or is not any more, be it because it was assigned. */
void fairness_enter(struct fairness *fairness, const struct recipe *recipe, uint32_t task);
void fairness_leave(struct fairness *fairness, const struct recipe *recipe, uint32_t task,
    bool assigned, struct judge *judge);

#endif
