/*
 * sim/world/worker_int: what the files of a worker share: its life and its answers (worker.c), what
 * its handlers do before they answer (handler.c).
 */
#ifndef SIM_WORLD_WORKER_INT_H
#define SIM_WORLD_WORKER_INT_H

#include "sim/world/world.h"

bool worker_does(const struct world *world, enum kind kind, unsigned percent);
uint64_t worker_seed(const struct eng_fence *fence);
struct eng_command worker_command(struct world *world, const struct worker *worker,
    const struct eng_fence *fence, enum eng_command_type type);

void handler_begin(struct world *world, struct worker_task *task, const struct letter *letter);
/* True: it is not at its end yet. */
bool handler_turn(struct world *world, struct worker *worker, struct worker_task *task);
/* The answer to what it asked for. False: its attempt is over. */
bool handler_answer(struct world *world, struct worker_task *task, const struct letter *letter);
void handler_node(struct world *world, struct worker_task *task, const struct letter *letter);

#endif
