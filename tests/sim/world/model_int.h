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

unsigned model_tenant_of(const struct model *model, uint32_t number);
struct model_workflow *model_workflow_of(struct model *model, unsigned tenant,
    struct bytes name);
/* Grows an array by one. */
void *model_grow(void *rows, size_t count, size_t size);

/* Has the worker free what the task takes? */
bool model_slots_fit(const struct model_worker *worker, const struct recipe_task *task);

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

unsigned event_tenant(const struct witness *witness);
/* The command is about this task's lease, from the worker that holds it. */
bool caused_by_fence(const struct witness *witness, enum eng_command_type type);
void task_slot_free(struct witness *witness);
/* Its holder's lease ends now without his word: exactly once says until when he may be at it. */
void lease_unconfirmed(struct witness *witness, bool whole);

/* model_token.c */
void answer_token(struct model *model);
void on_rate_limit_put(struct witness *witness);
void on_token_created(struct witness *witness);
void on_token_revoked(struct witness *witness);
/* A privileged event says who asked for it (I13). */
void model_audit(const struct witness *witness);

/* model_job.c */
void answer_job_start(struct model *model, unsigned tenant);
void answer_job(struct model *model, unsigned tenant);
void answer_job_step(struct model *model); /* a cancel or a replay is a job's */
void on_job_started(struct witness *witness);
void on_job_advanced(struct witness *witness);
void on_job_ended(struct witness *witness);
void model_job_change(struct witness *witness, enum eng_job_kind kind);
void model_job_settled(struct model *model);
void model_jobs_release(struct model *model);

/* model_start.c */
void answer_starts(struct model *model, unsigned tenant);
enum froe_err answer_child_node(struct model *model, unsigned tenant);
void effect_started(struct model *model, const struct eng_effect *effect);
void batch_keep(struct model *model);
void on_run_started(struct witness *witness);
void on_run_due(struct witness *witness);
/* The run, or one above it, is cancelled with its descendants. */
void model_doom(struct model *model, struct model_run *run);

/* model_durable.c */
void answer_durable_step(struct model *model, unsigned tenant);
void answer_evict(struct model *model);
void answer_approval(struct model *model, unsigned tenant);
void effect_node(struct model *model, const struct eng_effect *effect);
void effect_step(struct model *model, const struct eng_effect *effect);
void on_node_waited(struct witness *witness);
void on_memo_put(struct witness *witness);
void on_child_spawned(struct witness *witness);
void on_node_satisfied(struct witness *witness);
void on_task_evicted(struct witness *witness);
void on_event_pushed(struct witness *witness);
void on_approval_decided(struct witness *witness);
/* Nothing that a node waits for has come and was forgotten; when the next is due. */
void nodes_settled(struct model *model, const struct model_run *run, uint64_t now_ns);
uint64_t nodes_due_ns(const struct model_run *run);

/* model_replay.c */
void answer_replay(struct model *model);
void on_run_replayed(struct witness *witness);

void on_slots_released(struct witness *witness);
void on_task_begun(struct witness *witness);
void on_lease_ended(struct witness *witness);
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
void on_late_logged(struct witness *witness);
void answer_late_line(struct model *model);
void on_task_streamed(struct witness *witness);

#endif
