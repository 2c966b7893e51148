/*
 * sim/world/model: what must be true of workflows, runs, tasks and workers, told by the events.
 *
 * Purpose     A second, small account of docs' semantics, written without the engine: it takes each
 *             event, asks whether it may happen now and whether somebody caused it, and follows. In
 *             live operation it also says beforehand what a command must be answered. Recovery
 *             starts it anew from the events that the log gives back.
 * Ownership   owns its runs and workers; borrows the book of recipes and the judge.
 * Units       engine time; deadlines of leases and queues in uptime (engine time less downtime).
 * See         shared semantics: README, docs/engine.md
 */
#ifndef SIM_WORLD_MODEL_H
#define SIM_WORLD_MODEL_H

#include "base/map.h"
#include "engine/engine.h"
#include "sim/world/fairness.h"
#include "sim/world/filter.h"
#include "sim/world/recipe.h"

#define MODEL_TASKS_MAX RECIPE_TASKS_MAX
#define MODEL_VERSIONS_MAX RECIPE_BOOK_MAX
/* Ids of closed runs are remembered for a day. */
#define MODEL_CLOSED_TTL_NS (UINT64_C(86400) * 1000000000)
#define MODEL_LOSSES_MAX 10u
#define MODEL_EXECUTION_MS 60000u
/* A worker stops by itself when it was not answered for so long; nobody counts on that before a
 * sixteenth more has passed. */
#define MODEL_LOST_NS (UINT64_C(30) * 1000000000)
#define MODEL_LAPSE_NS (MODEL_LOST_NS + MODEL_LOST_NS / 16)

enum model_state {
	MODEL_WAITING,
	MODEL_QUEUED,
	MODEL_DELAYED,
	MODEL_HELD,     /* a worker holds its lease */
	MODEL_SETTLING, /* between two events of a step */
	MODEL_EVICTED,  /* off its worker until a node is satisfied */
	MODEL_COMPLETED,
	MODEL_FAILED,
	MODEL_CANCELLED,
	MODEL_SKIPPED,
};

/* A record with bytes: of a run's number and the hash of them. */
struct model_bytes {
	uint32_t record; /* 0: none */
	uint64_t hash;
};

/* What a node waits for. */
struct model_condition {
	uint32_t kind; /* enum eng_condition_kind */
	uint64_t due_ns;
	uint64_t name;     /* hash of the event's key */
	uint64_t event;    /* number of the event that came; 0: none yet */
	uint64_t payload;  /* hash of what it brought */
	uint64_t approval; /* number */
};

#define MODEL_CONDITIONS_MAX 4u
#define MODEL_NODES_MAX 8u

struct model_node {
	uint32_t kind;
	uint64_t step; /* what was asked for, as a hash */
	bool done;
	uint32_t which;
	struct model_bytes result;
	uint64_t lease;  /* that was at work when the result came; and whose */
	uint64_t worker;
	uint64_t child; /* run key */
	unsigned condition_count;
	struct model_condition conditions[MODEL_CONDITIONS_MAX];
};

struct model_task {
	enum model_state state;
	uint64_t lease; /* the newest */
	uint64_t lease_before; /* when its run began, or went on after its end */
	uint32_t attempt;
	uint32_t failures;
	uint32_t losses;
	uint64_t worker;
	uint64_t frame;       /* of the newest assignment */
	uint64_t step;        /* in which it was made */
	int64_t turn;         /* QUEUED: its place in its queue, lower ones go first */
	uint32_t priority;    /* QUEUED */
	uint64_t close_frame; /* of the event that closed it */
	uint64_t due_ns;      /* HELD, QUEUED (0: none): uptime; DELAYED: engine time */
	uint64_t retry_after_ms;
	uint32_t reason; /* SETTLING: why; closed: why */
	bool dropped;    /* HELD: its worker came back without it */
	bool released;   /* HELD: its slots are free already */
	bool begun;      /* HELD: its holder has said so */
	bool returns;    /* evicted, and not assigned since */
	uint32_t invocation;
	uint64_t lapsing;  /* the worker whose old lease has to lapse first; 0: none */
	uint64_t lapse_ns; /* uptime when it has */
	uint64_t retry_ns; /* DELAYED: when it could begin but for that */
	uint64_t past_worker; /* who may be at the newest lease that has ended; 0: nobody */
	uint64_t past_lapse_ns;
	uint32_t streamed; /* chunks of this lease */
	struct model_node *nodes; /* MODEL_NODES_MAX of them; NULL: none */
	uint32_t node_count;
	struct model_bytes output;
	struct model_bytes error;
};

struct model_chunk {
	uint32_t task;
	uint64_t lease;
	uint32_t sequence;
	struct model_bytes bytes;
};

#define MODEL_METADATA 4u /* keys "a" to "d" */

struct model_run {
	uint64_t key;
	struct uuid id;
	unsigned tenant;
	const struct recipe *recipe;
	uint32_t version;
	uint64_t input_hash; /* of the first one */
	struct model_bytes input;
	uint64_t created_ns;
	uint64_t closed_ns;
	uint64_t due_ns; /* 0: none */
	uint32_t priority;
	uint32_t event_count;
	uint32_t cancel_reason;
	unsigned workflow;
	struct uuid parent; /* the task that started it; nil: none */
	uint32_t child_index;
	uint64_t child_key; /* hash; 0: none */
	unsigned depth;     /* of its ancestors */
	uint64_t start_ns;  /* scheduled for this time */
	bool unbound;       /* it has not begun */
	unsigned replays;   /* how often it went on after its end */
	bool independent;   /* it, or the run that started it, went on after its end */
	bool unlisted;      /* the latter: another may be the child that it was */
	enum eng_status first_status;
	bool doomed;        /* an ancestor was cancelled with all its descendants */
	uint8_t metadata[MODEL_METADATA]; /* 0: none */
	struct model_chunk *chunks;
	uint32_t chunk_count;
	bool closed;
	bool touched; /* in this step */
	enum eng_status status;
	uint64_t frame; /* of its newest event */
	uint64_t opened; /* which event: it began, or went on, the last time; it ended */
	uint64_t ended;
	struct model_task tasks[MODEL_TASKS_MAX];
};

struct model_worker {
	uint64_t number;
	struct uuid id;
	unsigned tenant;
	uint64_t incarnation;
	uint32_t slots[RECIPE_SLOTS];
	uint32_t used[RECIPE_SLOTS];
	uint32_t leases;
	uint64_t actions; /* bits */
	bool attached;
	bool draining;
	bool drained; /* it was, when it came back: it has to go on */
	bool paused;
	bool pause_kept; /* its new incarnation is to be paused too */
	bool leaving;
	bool left;
	uint32_t leaving_reason;
};

struct model_workflow {
	uint32_t number;
	const struct recipe *versions[MODEL_VERSIONS_MAX];
	uint32_t version_count;
};

/* An idempotency key in use. */
struct model_key {
	unsigned tenant;
	uint64_t name;     /* hash */
	uint64_t until_ns; /* 0: until the run's end */
	uint64_t run;
};

#define MODEL_TOKENS_MAX 8u

struct model_token {
	uint64_t kid;
	uint64_t scope; /* hash */
	uint64_t all;   /* hash of all that it says */
	bool revoked;
};

#define MODEL_RATES_MAX 4u
struct model_rate {
	uint64_t put_ns; /* 0: there is none */
	uint32_t limit;
	uint32_t window;
};

struct model_approval {
	unsigned tenant;
	uint64_t number;
	uint64_t run;
	uint32_t task;
	uint32_t node;
	uint32_t which;
	bool over; /* its run has ended and gone on */
};

struct model_job {
	uint64_t number;
	unsigned tenant;
	enum eng_job_kind kind;
	enum eng_status status;
	bool children;
	struct filter filter;
	uint64_t filter_hash, reason, task, actor, ended_by, error; /* hashes */
	uint64_t created_ns;
	uint64_t ended_ns;
	uint64_t began;  /* which event */
	uint64_t end_no; /* among its tenant's that have ended; 0: it goes on */
	uint64_t first;
	uint64_t cursor;
	uint64_t done;
	uint64_t refused;
	enum froe_err refusal;
	uint64_t *met; /* runs, in this order */
	uint32_t met_count;
};

#define MODEL_STARTS_MAX 8u

struct model_started {
	uint64_t run;
	bool created;
};

/* Known for as long as the world lasts: what the log does not say. */
struct model_step_seen {
	uint64_t fingerprint;
	uint64_t step;
};
struct model_batch {
	uint64_t first; /* number of its first id in batch_ids */
	unsigned count;
};

/* What a command must be answered. */
struct model_answer {
	bool replies;
	enum froe_err err;
	bool created;
	bool current; /* its fence is */
	uint64_t run;
	uint32_t start_count;
	struct model_started starts[MODEL_STARTS_MAX];
	bool differs; /* a step is not what it was */
	bool ended;   /* a late word of a lease that was waited for */
	enum froe_err refusal; /* of a job's step: why it cannot change the run */
	bool any;              /* or another error: the run closed about a day ago */
};

/* What happened in the step, to be matched by its effects. */
struct model_step {
	unsigned assigned, dispatches;
	unsigned revoked, revokes;
	unsigned closed, closes;
	unsigned replies;
	unsigned events;
	unsigned satisfied, nodes; /* of tasks that are held; told */
	unsigned started;
};

struct model {
	struct judge *judge;
	const struct recipe_book *book;
	uint64_t time_ns; /* of the newest event */
	uint64_t now_ns;  /* live: at this command */
	uint64_t started_ns; /* when this epoch began */
	uint64_t downtime_ns;
	uint64_t epoch;
	uint64_t frame;
	uint64_t steps;
	int64_t turn_first; /* places given at the front and at the back of queues */
	int64_t turn_last;
	uint32_t tenant_numbers[PLAN_TENANTS_MAX]; /* 0: none yet */
	uint32_t tenant_count;
	struct model_workflow workflows[PLAN_TENANTS_MAX][PLAN_WORKFLOWS_MAX];
	uint32_t workflow_count;
	struct model_run **runs; /* by key - 1 */
	size_t run_count;
	size_t run_open;
	struct map run_ids;
	struct model_worker **workers; /* by number - 1 */
	size_t worker_count;

	struct model_key *keys;
	size_t key_count;
	struct model_approval *approvals;
	size_t approval_count;
	uint64_t approval_last[PLAN_TENANTS_MAX];
	struct model_token tokens[MODEL_TOKENS_MAX];
	unsigned token_count;
	struct model_rate rates[PLAN_TENANTS_MAX][MODEL_RATES_MAX];
	struct model_job *jobs; /* by number - 1 */
	size_t job_count;
	uint64_t jobs_ended[PLAN_TENANTS_MAX];
	uint64_t job_change; /* a run was changed for this job, which has to advance; 0: none */
	uint64_t job_run;
	uint64_t event_count;
	uint64_t epoch_began; /* by that count */
	struct fairness fairness;
	uint64_t event_last;

	/* not forgotten by model_reset() */
	struct model_step_seen *steps_seen;
	size_t step_seen_count;
	struct model_batch *batches;
	size_t batch_count;
	struct uuid *batch_ids;
	size_t batch_id_count;

	const struct eng_command *cause; /* NULL: replaying */
	struct model_answer answer;
	struct model_step step;
	struct model_run *touched[64];
	unsigned touched_count;
};

void model_init(struct model *model, struct judge *judge, const struct recipe_book *book);
void model_release(struct model *model);
void model_reset(struct model *model); /* as if nothing had happened; for recovery */

/* Live: around one command. The answer is decided before. */
void model_before(struct model *model, const struct eng_command *command);
void model_effect(struct model *model, const struct eng_effect *effect);
void model_after(struct model *model, bool hold);

/* Live and in recovery: the event has happened. */
void model_event(struct model *model, const struct eng_event *event, uint64_t frame);

/* Recovery is over: what was triggered at once is there as a whole, or not at all. */
void model_check_batches(struct model *model);

/* A step, or all of recovery, is over: the runs it touched were left in order. */
void model_check_touched(struct model *model);

/* Everything that is due at this time has happened, everything that can run is assigned. */
void model_settled(struct model *model, uint64_t now_ns, bool hold);

uint64_t model_due_ns(const struct model *model); /* the earliest deadline; UINT64_MAX: none */

struct model_run *model_run(const struct model *model, uint64_t key); /* NULL: none */
struct model_run *model_run_by_id(const struct model *model, struct uuid id);
struct model_worker *model_worker(const struct model *model, uint64_t number);
/* Who waits for somebody to do something. */
const struct model_worker *model_worker_paused(const struct model *model, struct uuid id);
uint64_t model_approval_open(const struct model *model, unsigned tenant); /* 0: none */
bool model_waits_for_event(const struct model *model, unsigned tenant);
/* Is there such a token? Was there one, and is it revoked? */
bool model_token_good(const struct model *model, uint64_t kid);
bool model_token_revoked(const struct model *model, uint64_t kid);
/* The engine lets these in, and nobody else. */
void model_tokens_check(struct model *model, const struct eng *eng);
void model_rates_check(struct model *model, const struct eng *eng);
struct bytes model_rate_key(unsigned rate); /* "k0", ... */
unsigned model_rate_of(struct bytes key);   /* MODEL_RATES_MAX: nobody's */
/* The engine's jobs are these, and have done what happened. */
void model_jobs_check(struct model *model, const struct eng *eng);
unsigned model_jobs_running(const struct model *model, unsigned tenant);
bool model_job_over(const struct model *model, uint64_t number);
bool model_fence_current(const struct model *model, uint64_t worker,
    const struct eng_fence *fence);
/* The hash of the bytes of a run's record; false: it has none that anybody may ask for. */
bool model_record(const struct model_run *run, uint32_t record, uint64_t *ret_hash);
/* A node's result: the hash of it; false: it has none yet. */
bool model_node_result(const struct model_run *run, uint32_t task, uint32_t node,
    uint64_t *ret_hash, uint32_t *ret_which);
enum eng_status model_outcome(const struct model_run *run);
const char *model_tenant_name(unsigned tenant);

static inline bool
model_closed(const struct model_task *task)
{
	return task->state >= MODEL_COMPLETED;
}

static inline uint64_t
model_uptime(const struct model *model, uint64_t now_ns)
{
	return now_ns - model->downtime_ns;
}

#endif
