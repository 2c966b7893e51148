/*
 * engine/apply_int: what the apply functions share.
 *
 * Purpose     apply*.c have one function an event type: each finds what the event is about, answers
 *             FROE_CORRUPT (misfit) when it does not fit the state, and only then changes
 *             anything. Nobody else may call these.
 */
#ifndef ENGINE_APPLY_INT_H
#define ENGINE_APPLY_INT_H

#include "engine/engine_int.h"

struct apply {
	struct eng *eng;
	const struct eng_event *event;
	struct froe_fault *fault;
	bool decided; /* by this step; else it is the log's word, and all of it is checked */
};

/* FROE_CORRUPT, with the event and what of it does not fit. */
enum froe_err misfit(const struct apply *apply, const char *what);

/* The event's run; its record number is the next. */
enum froe_err find_run(const struct apply *apply, struct eng_run **ret_run);
/* The task, which must be allowed to move to the state. */
enum froe_err find_task(const struct apply *apply, enum eng_task_state to,
    struct eng_task **ret_task);
/* The same, and the event's lease is its newest. */
enum froe_err find_lease(const struct apply *apply, enum eng_task_state to,
    struct eng_task **ret_task);
/* A worker that is not leaving. */
enum froe_err find_worker(const struct apply *apply, struct eng_worker **ret_worker);

/* The event fits: it is counted, and from here on applied whole. */
void task_move(struct eng *eng, struct eng_task *task, enum eng_task_state to);
void task_release_slot(struct eng_task *task);
void task_close(struct eng *eng, struct eng_task *task, enum eng_task_state to);
void timer_arm(struct eng *eng, enum eng_clock clock, struct eng_timer *timer,
    uint64_t deadline_ns);

/* apply_run.c */
enum froe_err apply_run_started(struct apply *apply);
enum froe_err apply_run_due(struct apply *apply);
void run_leave(struct eng *eng, struct eng_run *run, uint32_t status);
struct eng_run *run_new(struct eng *eng, const struct eng_event *event,
    struct eng_version *version);
void run_enter(struct eng *eng, struct eng_run *run);

/* apply.c: the id of a closed run need not be remembered any more */
void closed_forget(struct eng *eng, struct eng_closed *closed);

/* job.c */
enum froe_err apply_job_started(struct apply *apply);
enum froe_err apply_job_advanced(struct apply *apply);
enum froe_err apply_job_ended(struct apply *apply);

/* late.c */
enum froe_err apply_late_logged(struct apply *apply);

/* workflow.c */
enum froe_err apply_workflow_paused(struct apply *apply);
enum froe_err apply_workflow_resumed(struct apply *apply);
enum froe_err apply_workflow_deleted(struct apply *apply);

/* apply_token.c */
enum froe_err apply_token_created(struct apply *apply);
enum froe_err apply_token_revoked(struct apply *apply);

/* rate.c */
enum froe_err apply_rate_limit_put(struct apply *apply);

/* replay.c */
enum froe_err apply_run_replayed(struct apply *apply);

/* apply_worker.c */
enum froe_err apply_worker_registered(struct apply *apply);
enum froe_err apply_worker_attached(struct apply *apply);
enum froe_err apply_worker_detached(struct apply *apply);
enum froe_err apply_worker_draining(struct apply *apply);
enum froe_err apply_worker_paused(struct apply *apply);
enum froe_err apply_worker_resumed(struct apply *apply);
enum froe_err apply_worker_leaving(struct apply *apply);
enum froe_err apply_worker_left(struct apply *apply);
enum froe_err apply_leases_dropped(struct apply *apply);

/* apply_durable.c */
enum froe_err apply_node_waited(struct apply *apply);
enum froe_err apply_memo_put(struct apply *apply);
enum froe_err apply_child_spawned(struct apply *apply);
enum froe_err apply_node_satisfied(struct apply *apply);
enum froe_err apply_task_evicted(struct apply *apply);
enum froe_err apply_approval_decided(struct apply *apply);
enum froe_err apply_event_pushed(struct apply *apply);

#endif
