/*
 * sim/world/model_int: what the files of the model share: answers and effects (model.c), events
 * (model_event.c), events of tasks (model_task.c).
 */
#ifndef SIM_WORLD_MODEL_INT_H
#define SIM_WORLD_MODEL_INT_H

#include "sim/world/model.h"

/* The task whose lease this worker holds; NULL: it has lapsed. */
struct model_task *model_fence_task(const struct model *model, uint64_t worker,
    const struct eng_fence *fence);
struct model_worker *model_worker_by_id(const struct model *model, struct uuid id);
/* The registration says that this lease is held. */
bool model_listed(const struct eng_command *command, struct uuid task, uint64_t lease);
bool model_any(const struct model_run *run, enum model_state state);
uint64_t model_actions(const struct bytes *names, uint32_t count); /* as bits */

/* An event, and what it is about. */
struct witness {
	struct model *model;
	const struct eng_event *event;
	struct model_run *run;
	struct model_task *task;
	const struct recipe_task *recipe;
};

/* Fails the world, with the event's details, unless it holds. */
void require(const struct witness *witness, bool holds, const char *what);
/* By such a command; any while replaying. */
bool caused_by(const struct witness *witness, enum eng_command_type type);
uint64_t bytes_hash(struct bytes bytes);

void on_task_queued(struct witness *witness);
void on_task_assigned(struct witness *witness);
void on_task_completed(struct witness *witness);
void on_attempt_ended(struct witness *witness);
void on_task_delayed(struct witness *witness);
void on_task_failed(struct witness *witness);
void on_task_cancelled(struct witness *witness);
void on_task_skipped(struct witness *witness);
void on_lease_refreshed(struct witness *witness);
void on_task_logged(struct witness *witness);
void on_task_streamed(struct witness *witness);

#endif
