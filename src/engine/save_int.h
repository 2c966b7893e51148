/*
 * engine/save_int: how state objects are written and read.
 *
 * Purpose     Numbers are little-endian base 128 (seven bits a byte, the last byte below 0x80);
 *             texts are a number and bytes; a group is a 32-bit length and what it holds, for what
 *             repeats and may grow. A field that is missing at the end of a body or a group is zero
 *             or empty: a field added later, at the end, leaves older snapshots readable.
 * To add      state to an object: put_*() at the end of its save function, take_*() at the end of
 *             its load function, a check of what other code relies on (an index in range, a
 *             pointer's owner, what eng_check asserts), a line in eng_hash. A value that is not
 *             zero by default is saved as its difference from the default, or the format goes up.
 * Failure     take_*() past a damaged place gives zeros and sets `bad`; load functions end in
 *             take_end(), which sees it. A load function changes state only through what it has
 *             checked, because the engine of a load that failed is closed as any other.
 */
#ifndef ENGINE_SAVE_INT_H
#define ENGINE_SAVE_INT_H

#include "engine/engine_int.h"
#include "engine/save.h"

/* Raised by a release that adds fields or types: an older one refuses what it would lose. */
#define SAVE_FORMAT 1u
/* Objects that are lists are cut into several of so many rows. */
#define SAVE_ROWS_MAX 1024u
/* For so many runs tables are made at once. */
#define SAVE_RESERVE_MAX (UINT64_C(1) << 22)

typedef enum froe_err save_each(
    void *context, const struct eng_saved *saved, struct froe_fault *fault);

struct save {
	const struct eng *eng;
	save_each *each;
	void *context;
	struct buf body; /* of the object that is being written */
	enum froe_err err;
	struct froe_fault *fault;
};

/* Hands over what was put since the last time. After an error nothing happens any more. */
void save_object(struct save *save, enum eng_object_type type, uint64_t run);
void save_event(struct save *save, const struct eng_event *event);

void put_number(struct save *save, uint64_t value);
void put_uuid(struct save *save, struct uuid id);
void put_bytes(struct save *save, struct bytes bytes);
size_t put_group_open(struct save *save);
void put_group_close(struct save *save, size_t group);

struct take {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

/* What ENGINE says, until the end. */
struct load_engine {
	uint64_t epoch, downtime_ns, run_last, worker_last, turns, stamps;
	uint64_t runs_started, runs_closed[6];
	uint64_t tenants, workflows, workers, leaving, runs, timers, closed, tokens;
	uint64_t event_last, approvals, deliveries, nodes, asked;
	uint64_t started_ns, start_rows;
	uint64_t job_last, jobs, rates, states;
};

struct eng_load {
	struct eng *eng;
	struct load_engine engine;
	struct take body; /* of the object that is being read */
	uint64_t leaving;
	struct load_kept {
		struct eng_worker *worker;
		struct fair_need need;
	} *kept; /* owned */
	size_t kept_count;
	bool begun; /* ENGINE has come */
	struct keyset_batch runs_by_id; /* of RUN after RUN */
	uint64_t runs_reserved;
	uint32_t run_records; /* of the newest RUN */
	struct eng_task *approvals_of; /* whose approvals come now, and where the next one goes */
	struct eng_approval **approvals_tail;
	struct froe_fault *fault;
};

uint64_t take_number(struct take *take);
uint32_t take_u32(struct take *take); /* larger: bad */
uint8_t take_u8(struct take *take);
struct uuid take_uuid(struct take *take);
struct bytes take_bytes(struct take *take);
struct take take_group(struct take *take);
bool take_more(const struct take *take); /* there are rows left */
/* Not bad, and nothing is left over. */
enum froe_err take_end(const struct eng_load *load, const struct take *take, const char *what);
enum froe_err load_bad(const struct eng_load *load, const char *what);

/* save_worker.c */
void save_workers(struct save *save);
enum froe_err load_worker(struct eng_load *load);
enum froe_err load_worker_event(struct eng_load *load, const struct eng_event *event);
void save_leaving(struct save *save);
enum froe_err load_leaving(struct eng_load *load);
void save_dropping(struct save *save);
enum froe_err load_dropping(struct eng_load *load);
void save_left(struct save *save);
enum froe_err load_left(struct eng_load *load);
void save_kept(struct save *save);
enum froe_err load_kept(struct eng_load *load);
void save_leases(struct save *save);
enum froe_err load_leases(struct eng_load *load);
enum froe_err load_workers_check(const struct eng_load *load);
/* False: a worker cannot be kept for what it is said to be kept for. */
bool load_workers_finish(struct eng_load *load);
void load_workers_abort(struct eng_load *load);
/* Slots by type: their numbers are this engine's own. */
void put_need(struct save *save, const struct eng_tenant *tenant, const struct fair_need *need);
bool take_need(struct take *take, struct eng_tenant *tenant, struct fair_need *ret_need);

/* save_run.c */
void save_runs(struct save *save);
enum froe_err load_run(struct eng_load *load);
enum froe_err load_runs_flush(struct eng_load *load);
void save_timers(struct save *save);
enum froe_err load_timers(struct eng_load *load);
/* The task that two numbers name; NULL: none. */
struct eng_task *load_task(struct eng_load *load, struct take *take);
void put_task(struct save *save, const struct eng_task *task);
enum froe_err load_runs_check(const struct eng_load *load);
void load_runs_abort(struct eng_load *load);

/* save_durable.c */
void save_durables(struct save *save);
enum froe_err load_durable(struct eng_load *load);
enum froe_err load_approval(struct eng_load *load);
enum froe_err load_node(struct eng_load *load);
void save_keys(struct save *save);
enum froe_err load_key(struct eng_load *load);
void save_approvals(struct save *save);
enum froe_err load_approvals(struct eng_load *load);
enum froe_err load_durables_check(const struct eng_load *load);
/* A wait by its task and node; NULL: none. */
struct eng_wait *load_wait(struct eng_load *load, struct take *take);
void put_wait(struct save *save, const struct eng_wait *wait);
/* save_start.c */
uint64_t start_rows(const struct eng *eng); /* children and keys: how many */
void save_children(struct save *save);
enum froe_err load_children(struct eng_load *load);
void save_idems(struct save *save);
enum froe_err load_idems(struct eng_load *load);
void save_doomed(struct save *save);
enum froe_err load_doomed(struct eng_load *load);

/* save_job.c */
void save_jobs(struct save *save);
enum froe_err load_job(struct eng_load *load);

uint64_t workflow_states(const struct eng *eng); /* how many are paused or deleted */
void save_workflow_state(struct save *save, const struct eng_workflow *workflow);
/* rate.c */
void save_rates(struct save *save);

/* save_queue.c */
void save_tenants(struct save *save);
enum froe_err load_tenant(struct eng_load *load);
void save_queues(struct save *save);
enum froe_err load_queue(struct eng_load *load);

#endif
