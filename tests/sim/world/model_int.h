/*
 * sim/world/model_int: what model.c (answers, effects) and model_event.c (events) share.
 */
#ifndef SIM_WORLD_MODEL_INT_H
#define SIM_WORLD_MODEL_INT_H

#include "sim/world/model.h"

/* The task whose lease this worker holds; NULL: it has lapsed. */
struct model_task *model_fence_task(const struct model *model, uint64_t worker,
    const struct eng_fence *fence);
struct model_worker *model_worker_by_id(const struct model *model, struct uuid id);
bool model_any(const struct model_run *run, enum model_state state);
uint64_t model_actions(const struct bytes *names, uint32_t count); /* as bits */

#endif
