/*
 * sim/world/process_int: what the files of the process share: life (process.c), turns and commands
 * (process_turn.c), what is let go (process_outbox.c).
 */
#ifndef SIM_WORLD_PROCESS_INT_H
#define SIM_WORLD_PROCESS_INT_H

#include "sim/world/process.h"

#include "api/port.h"

/* process_turn.c */
extern const struct shard_hooks process_hooks;
void process_watch_log(struct process *process);
void process_recovered_worker(void *context, uint64_t number, bool attached, struct bytes name);

/* process_bounds.c: what a step may take of the log is known before (I10) */
struct bounds {
	uint64_t step_bytes; /* at most */
	uint64_t written;
};
struct bounds bounds_before(const struct process *process, const struct eng_command *command);
void bounds_after(struct process *process, const struct bounds *bounds);

/* process_tail.c */
void process_check_tail(struct process *process); /* after a start that cut something */
void process_note_manifest(struct process *process);
void process_check_manifest(struct process *process);

/* process_reload.c: between steps */
void process_reload(struct process *process);

/* process_snapshot.c */
void process_snapshots_start(struct process *process);
void process_snapshots_end(struct process *process);
void process_snapshots_turn(struct process *process);
/* The shard has replayed all, reading only: opens it in earnest. */
enum froe_err process_open_again(struct process *process, const struct shard_options *from,
    struct froe_fault *fault);

/* process_retention.c */
void process_retention_start(struct process *process);
void process_retention_end(struct process *process);
void process_retention_turn(struct process *process);
/* Once a start, before its first event: what the log does not give back is told from memory. */
void process_recall(struct process *process);
void process_place(struct process *process, const struct eng_event *event,
    const struct log_place *place);
void process_check_places(struct process *process);

/* process_job.c */
void process_jobs_start(struct process *process);
void process_jobs_end(struct process *process);
void process_jobs_event(struct process *process, const struct eng_event *event, uint64_t frame);
void process_jobs_turn(struct process *process);
uint64_t process_jobs_due_ns(const struct process *process);

/* process_index.c */
bool process_index_may(const struct process *process);
/* What a list of the server's finds now, up to `rows` of it. An error: an injected one. */
enum froe_err process_index_page(struct process *process, uint32_t tenant,
    const struct api_command *list, uint32_t rows, struct walk *walk);

/* process_outbox.c */
void outbox_push(struct process *process, const struct eng_effect *effect, uint64_t frame);
void outbox_release(struct process *process); /* what has become durable */
void outbox_provide(struct process *process); /* what has been read */
void outbox_drop(struct process *process);    /* all: the process has died */

/* The connection of a worker; 0: none. */
uint64_t process_conn_of(const struct process *process, uint64_t worker);

#endif
