/*
 * engine/engine_int: the state of one shard, as the files of src/engine see it.
 *
 * Ownership   struct eng owns everything. Tenants, actions, workflows and versions live as long as
 *             the engine; runs until RUN_CLOSED; workers until WORKER_LEFT.
 * Invariants  (eng_check)
 *             1. a task's place is QUEUE, and it is in its fair queue, iff QUEUED; it is LEASE,
 *                and the task in its worker's list of leases, iff ASSIGNED.
 *             2. a task's timer is armed iff it is DELAYED, or ASSIGNED, or QUEUED with a schedule
 *                timeout.
 *             3. a worker's used slots are the sum of its leases' needs, of those that have not
 *                released them; its leases and released ones are counted.
 *             4. run.open is the number of its tasks that are not closed.
 *             5. a task's pending is the number of its parents that are not closed.
 *             6. no task is SETTLING between steps.
 *             7. counts are what a count of the objects gives.
 *             8. a worker is in `leaving` iff it is leaving, else in its tenant's workers; in
 *                `dropping` iff it has leases that it is back without.
 *             9. a run is unbound iff it has no task and its timer is its start; else it has open
 *                tasks.
 *            10. an open child and its entry name each other; a key and its open run do.
 *            11. a run is in `doomed` iff it has a doom and its cancel is not requested.
 *            12. a task is lapsing only while DELAYED, EVICTED or WAITING; it has its work iff its
 *                timer is armed or it has made nodes, and streamed nothing unless ASSIGNED.
 *            13. a job is in its tenant's list and in the map; in `jobs_ended` iff it has ended.
 * See         durable_int.h for what a durable task adds
 *             9. a token is in the list and in the map.
 */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include "base/arena.h"
#include "base/keyset.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/numtable.h"
#include "base/sm.h"
#include "base/stock.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "engine/rate.h"
#include "engine/workflow.h"
#include "engine/token.h"
#include "froe/limits.h"
#include "sched/fair.h"
#include "sched/heap.h"
#include "sched/wheel.h"

#define ENG_RETRY_PRIORITY 4u
#define ENG_NO_TASK UINT32_MAX
/* A hundred years: longer delays and timeouts are cut to it, far from overflow. */
#define ENG_DELAY_MS_MAX (UINT64_C(100) * 366 * 86400 * 1000)
/* A step stops assigning, or ending a lost worker's leases, past this many events of its own. */
#define ENG_STEP_ASSIGNMENTS_MAX 256u
#define ENG_STEP_LEASES_MAX 256u
/* Ids of closed runs are remembered, so that a trigger that is sent again is not a second run. */
#define ENG_CLOSED_MAX (1u << 20)
#define ENG_CLOSED_TTL_NS (UINT64_C(86400) * 1000000000)
/* Ids that one close forgets at most: a step after a quiet day is as short as any other. */
#define ENG_CLOSED_FORGOTTEN_MAX 16u
#define ENG_KEYS_FORGOTTEN_MAX 16u
/* A step stops cancelling descendants past this many events of its own. */
#define ENG_STEP_DOOMED_MAX 256u
/* A lease in LEASES_DROPPED: its run's key and its task. */
#define ENG_DROPPED_BYTES 12u
/* Workers that have left, whose names histories still show: a month of one a minute. */
#define ENG_LEFT_MAX 43200u

enum eng_clock {
	ENG_UPTIME, /* schedule and execution timeouts */
	ENG_WALL,   /* delays and run deadlines */
	ENG_CLOCKS,
};

/* Something found by (tenant, name). */
struct eng_named {
	struct eng_named *next; /* of the same hash */
	struct bytes name;
};

struct eng_tenant {
	struct eng_named named;
	uint32_t id;
	struct fair_tenant fair;
	struct map actions;   /* hash of name -> struct eng_named in struct eng_action */
	struct map workflows; /* hash of name -> struct eng_named in struct eng_workflow */
	struct eng_workflow *recent; /* a run of it was started last; or NULL. Not state */
	uint64_t definition_bytes; /* of all versions: definition_bytes() */
	struct map workers;   /* uuid -> struct eng_worker; those that are not leaving */
	struct map slot_types; /* hash of name -> struct eng_named in struct eng_slot_type */
	struct bytes *slot_names; /* slot_names[number - 1]: the types' own */
	uint32_t slot_type_count;
	struct fair_need *needs; /* that its tasks have, each once */
	uint32_t need_count;
	struct map keys;      /* hash of event key -> struct eng_named in struct eng_key */
	struct list approvals; /* struct eng_approval: open ones, ascending numbers */
	uint64_t approval_last;
	uint32_t approval_count; /* open ones */
	struct map idems;      /* hash of name -> struct eng_named in struct eng_idem */
	struct heap idems_due; /* those that have a time */
	uint32_t idem_count;
	struct list jobs;       /* struct eng_job, ascending numbers */
	struct list jobs_ended; /* those that have ended, in the order of their ends */
	uint32_t job_count;
	uint32_t job_ended_count;
	struct map rates_by_key; /* hash of key -> struct eng_named in struct eng_rate */
	struct eng_rate **rates;  /* rates[number - 1] */
	uint32_t rate_count;
};

struct eng_rate {
	struct eng_named named;
	uint64_t put_ns;
	uint32_t limit;
	uint8_t window; /* enum eng_window */
};

/* A type of slots. Its number means nothing but itself: no state depends on it. */
struct eng_slot_type {
	struct eng_named named;
	uint32_t number;
};

/* An idempotency key in use. */
struct eng_idem {
	struct eng_named named;
	struct heap_node due;
	struct eng_tenant *tenant;
	uint64_t until_ns; /* 0: until its run has ended */
	struct uuid id;    /* of the run */
	uint64_t run;
	bool open;         /* the run is */
	uint8_t status;    /* how it ended */
};

struct eng_action {
	struct eng_named named;
	struct eng_tenant *tenant;
	struct fair_action fair;
};

/* Tasks of one workflow that need the same action and slots: the unit of fairness inside a
 * tenant. */
struct eng_queue {
	struct eng_queue *next;
	struct eng_action *action;
	struct fair_queue fair;
};

struct eng_node {
	struct eng_queue *queue;
	const uint16_t *parents;
	uint16_t *children;
	uint16_t parent_count;
	uint16_t child_count;
};

struct eng_version {
	struct eng_workflow *workflow;
	uint32_t number;
	uint32_t task_count;
	uint32_t on_failure; /* its index; ENG_NO_TASK: none */
	uint32_t root_count; /* tasks that a run begins with */
	struct eng_task_definition *definitions; /* defaults filled in */
	struct eng_node *nodes;
	uint32_t *child_counts;
	struct bytes encoded;
	uint64_t run_timeout_ms;
	uint64_t put_ns;
	uint32_t priority;
	struct arena arena;
};

struct eng_workflow {
	struct eng_named named;
	struct eng_tenant *tenant;
	uint32_t id;
	struct eng_queue *queues;
	struct eng_version **versions; /* versions[n - 1] */
	uint32_t version_count;
	uint64_t runs;               /* open ones */
	bool paused;
	bool deleted;
	uint8_t drops; /* paused: a set of enum eng_drops */
	struct eng_version *unbound; /* number 0, without tasks: of runs that are not due yet */
};

/* A timer that knows whose it is: timer.owner. */
enum eng_timer_owner {
	ENG_TIMER_TASK,
	ENG_TIMER_RUN,
	ENG_TIMER_WAIT,
};

struct eng_timer {
	struct timer timer;
};

/* Where a task is, besides its state: what its union holds. */
enum eng_place {
	ENG_PLACE_NONE,
	ENG_PLACE_QUEUE, /* QUEUED */
	ENG_PLACE_LEASE, /* ASSIGNED; its deadline is its timer's, on uptime */
	ENG_PLACE_LAPSE, /* DELAYED, EVICTED, WAITING, and an old lease has to lapse first */
};

/* What a task has while a time will come for it, or once it has made a node: one that is queued
 * mostly has nothing of it. */
struct eng_work {
	struct eng_timer timer;
	struct eng_task *task;
	struct eng_durable *durable; /* NULL: it has made no node */
	uint32_t streamed;           /* ASSIGNED: chunks of this lease */
};

/* An open run has one for each task, and there may be a million that wait: what a queued, an
 * assigned and a lapsing task need lies in the same bytes, as `place` says. */
struct eng_task {
	union {
		struct fair_item item;
		struct {
			struct list link; /* worker->leases or ->dropped */
			struct eng_worker *worker;
		} held;
		struct {
			uint64_t worker;
			uint64_t until_ns; /* uptime; DELAYED: when it could begin but for that */
		} lapse;
	};
	uint64_t queued_ns;   /* when it was queued the last time; 0: never */
	struct eng_work *work; /* NULL: all of it is zero. task_work(), task_work_require() */
	uint32_t lease;       /* the newest */
	uint32_t attempt;
	uint32_t failures : 24; /* each is a record */
	uint32_t losses : 8;    /* FROE_INFRA_RETRIES_MAX, and one */
	uint32_t record; /* of its output, or of its newest error: task_output(), task_error() */
	uint16_t index;
	uint16_t pending;
	uint16_t child_count;
	uint8_t state; /* enum eng_task_state */
	uint8_t place : 2; /* enum eng_place */
	bool released : 1; /* ASSIGNED: its slots are free already */
	bool dropped : 1;  /* ASSIGNED: its worker is back without it: it is about to end */
	bool begun : 1;    /* ASSIGNED: its holder has said so; not every holder does */
};

extern const struct eng_work eng_work_none;

/* To look at. */
static inline const struct eng_work *
task_work(const struct eng_task *task)
{
	return task->work != NULL ? task->work : &eng_work_none;
}

static inline struct eng_durable *
task_durable(const struct eng_task *task)
{
	return task_work(task)->durable;
}

/* The record of its output; 0: none. */
static inline uint32_t
task_output(const struct eng_task *task)
{
	return task->state == ENG_TASK_COMPLETED ? task->record : 0;
}

/* That of the newest attempt which failed or was lost; 0: none, or it is over all the same. */
static inline uint32_t
task_error(const struct eng_task *task)
{
	return task->state != ENG_TASK_COMPLETED ? task->record : 0;
}

/* NULL: it has no lease. */
static inline struct eng_worker *
task_worker(const struct eng_task *task)
{
	return task->place == ENG_PLACE_LEASE ? task->held.worker : NULL;
}

/* It is about to enter its queue: the item to do it with. */
static inline struct fair_item *
task_enqueue(struct eng_task *task)
{
	froe_assert(task->place == ENG_PLACE_NONE);
	task->place = ENG_PLACE_QUEUE;
	task->item = (struct fair_item){0};
	return &task->item;
}

/* It is in no queue (any more), and in no list yet. */
static inline void
task_hold(struct eng_task *task, struct eng_worker *worker)
{
	task->place = ENG_PLACE_LEASE;
	task->held.link = (struct list){0};
	task->held.worker = worker;
}

/* Whose old lease has to lapse; 0: nobody's. */
static inline uint64_t
task_lapsing(const struct eng_task *task)
{
	return task->place == ENG_PLACE_LAPSE ? task->lapse.worker : 0;
}

/* It is in no queue and has no lease. worker 0: nothing has to lapse. */
static inline void
task_lapse_set(struct eng_task *task, uint64_t worker, uint64_t until_ns)
{
	task->place = worker != 0 ? ENG_PLACE_LAPSE : ENG_PLACE_NONE;
	task->lapse.worker = worker;
	task->lapse.until_ns = until_ns;
}

static inline bool
task_may_lapse(const struct eng_task *task)
{
	return task->state == ENG_TASK_DELAYED || task->state == ENG_TASK_EVICTED ||
	    task->state == ENG_TASK_WAITING;
}

/* A run that a task has started. */
struct eng_child {
	struct list link;       /* children->all, oldest first */
	struct eng_child *next; /* of the same hash */
	uint32_t task;
	uint32_t index;
	struct bytes key; /* owned; not empty: instead of the index */
	struct uuid id;
	uint64_t run;
	bool open;
	uint8_t status; /* how it ended */
};

struct eng_children {
	struct list all;
	struct map map; /* (task, index or hash of key) -> struct eng_child */
};

/* Keys and values by turns, each key once. One block; NULL: none. */
struct metadata {
	const struct bytes *texts;
	uint32_t count;
};

/* What ties a run to times, other runs and keys. Most runs have nothing of it. */
struct eng_ties {
	struct eng_run *run;
	struct eng_timer timer;         /* its deadline; or its start, while it is scheduled */
	uint64_t deadline_ns;           /* 0: none */
	uint64_t start_ns;              /* scheduled for this time; 0: it began at once */
	struct uuid parent;             /* the task that started it; nil: none */
	struct eng_child *child;        /* its entry there; NULL: the parent run is gone */
	struct eng_children *children;  /* NULL: none */
	struct eng_idem *idempotency;   /* NULL: none, or forgotten */
	struct uuid doom;               /* cancelled with its descendants, or to be: by whom */
	struct list doomed_link;        /* eng->doomed: it is to be */
	uint32_t chunks; /* of streams: counted apart, and bounded */
	uint32_t input;  /* record of the input, of a replay with an edited one; 0: run_input() */
};

/* One that is scheduled has no task, and moves in memory when it is due (run_bind in apply_run.c,
 * which mends what points at it). */
struct eng_run {
	uint64_t key;
	struct uuid id;
	struct eng_version *version;
	uint64_t created_ns;
	struct eng_ties *ties;      /* NULL: all of it is zero. run_ties(), ties_require() */
	const uint8_t *texts;       /* packed: run_metadata() */
	uint32_t event_count;
	uint16_t open;
	uint8_t priority : 4;
	uint8_t status : 4;
	uint8_t cancel_reason; /* enum eng_reason; 0: not being cancelled */
	struct eng_task tasks[];
};
#define ENG_RUN_CHUNKS_MAX ((1u << 24) - 1)
#define ENG_TASK_FAILURES_MAX ((1u << 24) - 1)
#define ENG_TASK_LOSSES_MAX ((1u << 8) - 1)

/* There may be a million of them: a member more is 16 MB. */
_Static_assert(sizeof(struct eng_run) == 64 && sizeof(struct eng_task) == 64,
    "a run of one task has 128 bytes: two lines of the cache, and a size of base/stock");
_Static_assert(FROE_RUN_RECORDS_MAX < ENG_TASK_FAILURES_MAX / 2 &&
    FROE_STREAM_CHUNKS_MAX < ENG_RUN_CHUNKS_MAX / 2 &&
    FROE_INFRA_RETRIES_MAX < ENG_TASK_LOSSES_MAX / 2 &&
    2 * FROE_METADATA_PAIRS_MAX <= UINT8_MAX && FROE_WORKFLOW_TASKS_MAX <= UINT16_MAX, "they fit");

struct eng_worker {
	struct list link; /* eng->workers, ascending ids */
	struct list leaving_link;
	struct list dropping_link; /* eng->dropping */
	uint64_t id;
	struct uuid uuid;
	struct eng_tenant *tenant;
	struct bytes name;
	uint64_t incarnation;
	struct eng_action **actions;
	uint32_t action_count;
	bool attached;
	bool draining;
	bool paused;
	bool leaving;
	uint8_t leaving_reason;
	uint64_t lapse_ns; /* leaving: uptime when it has surely stopped */
	uint64_t registered_ns;
	struct fair_worker fair;
	struct list leases;  /* oldest first */
	struct list dropped; /* leases that it is back without, newest first */
	uint32_t lease_count; /* of both */
	uint32_t released_count;
};

/* The name of a worker that has left. */
struct eng_left {
	struct list link; /* eng->left_order, oldest first */
	uint64_t worker;
	struct bytes name;
};

struct eng_closed {
	struct list link; /* eng->closed_order, oldest first */
	struct uuid id;
	uint64_t closed_ns;
	uint64_t key;
	uint32_t tenant : 20;
	uint32_t tasks : 12;
	uint32_t records : 28; /* its history has */
	uint32_t status : 4;
};
#define ENG_CLOSED_RECORDS_MAX ((1u << 28) - 1)
_Static_assert(sizeof(struct eng_closed) == 56, "there are a million");
_Static_assert(FROE_TENANTS_MAX < 1u << 20 && FROE_WORKFLOW_TASKS_MAX < 1u << 12 &&
    FROE_RUN_RECORDS_MAX < ENG_CLOSED_RECORDS_MAX / 2, "they fit");

struct eng_token {
	struct list link; /* eng->tokens, oldest first */
	struct eng_token_view view; /* its bytes are the token's own */
};

/* A job; its bytes are its own. */
struct eng_job {
	struct list link;       /* tenant->jobs */
	struct list ended_link; /* tenant->jobs_ended */
	struct eng_job_view view;
};

/* A step being decided: only emit() reaches the state. */
struct eng_turn {
	struct eng *eng;
	uint64_t now_ns;
	uint64_t random;
	const struct eng_command *command;
};

struct eng {
	struct stock stock; /* runs, their tasks' work, ties, metadata; ids of closed runs */
	struct fair fair;
	struct wheel wheels[ENG_CLOCKS];
	struct eng_tenant **tenants; /* tenants[id - 1] */
	uint32_t tenant_count;
	struct map tenant_names;
	struct eng_workflow **workflows; /* workflows[id - 1] */
	uint32_t workflow_count;
	struct numtable runs_by_key;
	struct keyset runs_by_id;
	struct eng_run *recent; /* an open run that was looked up; or NULL. Not state */
	struct eng_worker *worker_recent; /* the one that got the last task; or NULL. Not state */
	struct list workers;
	struct map workers_by_id;
	struct list leaving;
	struct list doomed; /* runs that are to be cancelled because an ancestor was */
	struct list dropping;
	struct list left_order;
	struct map left;
	struct list closed_order;
	struct keyset closed; /* by id */
	struct list tokens;
	struct map tokens_by_kid;
	uint64_t closed_count;
	uint64_t run_last;
	uint64_t worker_last;
	uint64_t event_last;
	uint64_t job_last;
	struct map jobs;         /* number -> struct eng_job */
	struct map approvals;    /* tenant, number -> struct eng_approval, of open tasks */
	struct list deliveries;  /* struct eng_key: an event came, its waits are not all told */
	uint64_t delivery_bytes; /* of their payloads */
	uint64_t epoch;
	uint64_t started_ns; /* when this epoch began */
	uint64_t downtime_ns;
	struct eng_counts counts;

	/* the step's output; not state */
	struct eng_output output;
	size_t event_capacity;
	size_t effect_capacity;
	struct arena arena;
	struct arena dispatch_arena; /* eng_dispatch() must not touch the step's effects */
	struct eng_started started; /* by RUN_START */
	struct froe_fault fault;
	struct eng_fault faults[ENG_FAULTS_MAX];
};

extern const struct sm_row eng_task_table[];

/* Leases are about to end, in slices: decide_leaving(). */
static inline bool
eng_leases_end(const struct eng *eng)
{
	return !list_empty(&eng->leaving) || !list_empty(&eng->dropping);
}

static inline bool
task_closed(const struct eng_task *task)
{
	return task->state >= ENG_TASK_COMPLETED;
}

/* A run is counted under the status it has, until it has ended. */
static inline void
run_status_set(struct eng *eng, struct eng_run *run, enum eng_status status)
{
	eng->counts.runs_open[run->status]--;
	run->status = (uint8_t)status & 0xfu;
	eng->counts.runs_open[status]++;
}

extern const struct eng_ties eng_ties_none;

/* To look at. */
static inline const struct eng_ties *
run_ties(const struct eng_run *run)
{
	return run->ties != NULL ? run->ties : &eng_ties_none;
}

/* The record of its input. */
static inline uint32_t
run_input(const struct eng_run *run)
{
	return run_ties(run)->input != 0 ? run_ties(run)->input : 1;
}

static inline struct eng_tenant *
run_tenant(const struct eng_run *run)
{
	return run->version->workflow->tenant;
}

static inline struct eng_run *
task_run(struct eng_task *task)
{
	return container_of(task - task->index, struct eng_run, tasks);
}

static inline struct eng_task *
task_of_item(struct fair_item *item)
{
	return container_of(item, struct eng_task, item);
}

static inline const struct eng_task_definition *
task_definition(struct eng_task *task)
{
	return &task_run(task)->version->definitions[task->index];
}

static inline const struct eng_node *
task_node(struct eng_task *task)
{
	return &task_run(task)->version->nodes[task->index];
}

static inline uint64_t
delay_ns_of(uint64_t ms)
{
	return (ms < ENG_DELAY_MS_MAX ? ms : ENG_DELAY_MS_MAX) * 1000000;
}

static inline uint64_t
eng_uptime_ns(const struct eng *eng, uint64_t now_ns)
{
	return now_ns - eng->downtime_ns;
}

/* state.c: look-ups */
struct eng_named *named_find(const struct map *map, struct bytes name);
void named_add(struct map *map, struct eng_named *named, struct bytes name);
void named_remove(struct map *map, struct eng_named *named); /* frees the name's copy */
static inline struct eng_tenant *
eng_tenant_get(const struct eng *eng, uint32_t id)
{
	return id >= 1 && id <= eng->tenant_count ? eng->tenants[id - 1] : NULL;
}

struct eng_workflow *eng_workflow_find(const struct eng_tenant *tenant, struct bytes name);
/* One that has a version and is not deleted. */
struct eng_workflow *workflow_known(const struct eng_tenant *tenant, struct bytes name);
struct eng_action *eng_action_find(const struct eng_tenant *tenant, struct bytes name);
struct eng_worker *eng_worker_get(const struct eng *eng, uint64_t id);
/* By its own id; NULL: no such worker, or it is leaving. */
struct eng_worker *eng_worker_by_uuid(const struct eng *eng, uint32_t tenant, struct uuid id);
struct eng_run *eng_run_get(const struct eng *eng, uint64_t key);
/* The same, and it is found quickly the next time: a step's events are mostly of one run. */
static inline struct eng_run *
eng_run_recall(struct eng *eng, uint64_t key)
{
	if (eng->recent != NULL && eng->recent->key == key)
		return eng->recent;
	struct eng_run *run = eng_run_get(eng, key);
	if (run != NULL)
		eng->recent = run;
	return run;
}

struct eng_run *eng_run_by_id(const struct eng *eng, struct uuid id);
/* The task whose current lease this is, held by this worker; NULL: lapsed. */
struct eng_task *eng_lease_find(const struct eng *eng, uint64_t worker,
    const struct eng_fence *fence);

/* question.c: what eng_run_info() tells */
void run_info(const struct eng_run *run, struct arena *arena, struct eng_run_info *ret_info);

/* version.c: a definition as state */
struct eng_version *version_open(struct eng_workflow *workflow,
    const struct eng_definition *definition);
/* Number 0: of runs that wait for their time. */
struct eng_version *version_unbound(struct eng_workflow *workflow);
void version_close(struct eng_version *version);
struct eng_action *action_require(struct eng_tenant *tenant, struct bytes name);

/* quota.c: may the tenant have one more? */
uint64_t definition_bytes(const struct eng_definition *definition); /* about, in memory */
enum froe_err quota_tenant(const struct eng *eng, struct froe_fault *fault) FROE_CHECKED;
/* A new version, of a workflow that may be new too (NULL). */
enum froe_err quota_definition(const struct eng_tenant *tenant,
    const struct eng_workflow *workflow, const struct eng_definition *definition,
    struct froe_fault *fault) FROE_CHECKED;
/* The command's worker, as a new one, or in the place of one that goes. */
enum froe_err quota_worker(const struct eng_tenant *tenant, const struct eng_command *command,
    bool replaces, struct froe_fault *fault) FROE_CHECKED;
/* An open run; `before` it the command opens others. */
enum froe_err quota_run(const struct eng_turn *turn, uint32_t before, struct froe_fault *fault)
    FROE_CHECKED;
enum froe_err quota_record(const struct eng_run *run, struct froe_fault *fault) FROE_CHECKED;
enum froe_err quota_records(uint32_t records, struct froe_fault *fault) FROE_CHECKED;
enum froe_err quota_approvals(const struct eng_task *task, uint32_t more,
    struct froe_fault *fault) FROE_CHECKED;

/* slots.c */
uint32_t slot_type_require(struct eng_tenant *tenant, struct bytes name);
struct bytes slot_type_name(const struct eng_tenant *tenant, uint32_t number);
/* What the task, with its defaults filled in, takes. */
void need_of(struct eng_tenant *tenant, const struct eng_task_definition *task,
    struct fair_need *ret_need);
void need_keep(struct eng_tenant *tenant, const struct fair_need *need);
/* NULL, or why the tenant's tasks cannot have these needs too. */
const char *needs_fault(const struct eng_tenant *tenant, const struct eng_definition *definition);
/* May slots have this for a type? */
bool slot_type_valid(struct bytes name);
/* "gpu=4", in the arena. */
struct bytes slots_text(struct arena *arena, const struct eng_slots *slots);
/* For "%.*s" of a name that may be hostile: at most max bytes, whole characters. */
int name_clip(struct bytes name, size_t max);
/* Makes a fault's text valid UTF-8 without control characters, whatever name went into it. */
void text_clean(char *text);

/* metadata.c */
/* NULL, or what is wrong with it. */
const char *metadata_fault(const struct bytes *texts, uint32_t count);
struct metadata metadata_copy(struct stock *stock, const struct bytes *texts, uint32_t count);
void metadata_release(struct stock *stock, struct metadata metadata);
/* A run's lies packed in one block: how many texts, in a byte; a size of two before each. */
void run_keep_metadata(struct eng *eng, struct eng_run *run, const struct bytes *texts,
    uint32_t count);
void run_drop_metadata(struct eng *eng, struct eng_run *run);
/* Its texts, while the run is there; the array is the arena's. */
struct metadata run_metadata(const struct eng_run *run, struct arena *arena);
/* The text at *at, which goes on to the next. Begins with run_texts(). */
struct bytes metadata_next(const uint8_t **at);
static inline uint32_t
run_text_count(const struct eng_run *run)
{
	return run->texts != NULL ? run->texts[0] : 0;
}

static inline const uint8_t *
run_texts(const struct eng_run *run)
{
	return run->texts != NULL ? run->texts + 1 : NULL;
}

/* A copy in an arena. */
const struct bytes *metadata_lend(const struct metadata *metadata, struct arena *arena);
/* A parent's pairs whose keys the child does not have, then the child's own. In the arena. */
struct metadata metadata_inherit(const struct metadata *parent, const struct bytes *texts,
    uint32_t count, struct arena *arena);

/* Is it scheduled, and not due yet? */
static inline bool
run_unbound(const struct eng_run *run)
{
	return run->version->number == 0;
}

/* When its timer fires; 0: it has none. */
static inline uint64_t
run_due_ns(const struct eng_run *run)
{
	return run_unbound(run) ? run_ties(run)->start_ns : run_ties(run)->deadline_ns;
}

/* children.c */
struct eng_child *child_find(const struct eng_run *parent, uint32_t task, uint32_t index,
    struct bytes key);
struct eng_child *child_add(struct eng *eng, struct eng_run *parent, uint32_t task,
    uint32_t index, struct bytes key);
void children_release(struct eng *eng, struct eng_run *parent);

/* idem.c */
struct eng_idem *idem_find(const struct eng_tenant *tenant, struct bytes name);
bool idem_valid(const struct eng_idem *idem, uint64_t now_ns);
struct eng_idem *idem_add(struct eng_tenant *tenant, struct bytes name, uint64_t until_ns);
void idem_free(struct eng *eng, struct eng_idem *idem);
void idems_forget(struct eng *eng, struct eng_tenant *tenant, uint64_t now_ns);
void idem_run_closed(struct eng *eng, struct eng_idem *idem, uint8_t status);

/* job.c */
/* Of the tenant; NULL: no such, or it has ended. */
struct eng_job *job_running(const struct eng *eng, uint32_t tenant, uint64_t number);
/* A job with copies of the view's bytes, in its place in the tenant's list. */
struct eng_job *job_add(struct eng *eng, const struct eng_job_view *view);
void job_end(struct eng *eng, struct eng_job *job);
void job_free(struct eng *eng, struct eng_job *job);
void jobs_check(const struct eng *eng);
uint64_t job_hash(const struct eng_job *job);

/* apply.c: the only code that changes state */
enum froe_err eng_apply(struct eng *eng, const struct eng_event *event, struct froe_fault *fault)
    FROE_CHECKED;
/* An event of the step that is being decided: tables of a million are not asked once more what
 * decide has just asked them. */
enum froe_err eng_apply_decided(struct eng *eng, const struct eng_event *event,
    struct froe_fault *fault) FROE_CHECKED;
/* apply_token.c */
void token_free(struct eng *eng, struct eng_token *token);
/* rate.c */
struct eng_rate *rate_find(const struct eng_tenant *tenant, struct bytes key); /* NULL: none */
void rates_release(struct eng_tenant *tenant);
void rates_check(const struct eng *eng);
/* Zeroed, with room for the version's tasks. */
struct eng_run *run_alloc(struct eng *eng, const struct eng_version *version);
void run_give_back(struct eng *eng, struct eng_run *run);
/* To change. */
struct eng_ties *ties_require(struct eng *eng, struct eng_run *run);
struct eng_work *task_work_require(struct eng *eng, struct eng_task *task);
void task_work_settle(struct eng *eng, struct eng_task *task); /* it goes if nothing is in it */
void run_free(struct eng *eng, struct eng_run *run); /* it has taken part in everything */
void closed_free(struct eng *eng, struct eng_closed *closed); /* it stays in the table */
void worker_free(struct eng *eng, struct eng_worker *worker);
void left_remember(struct eng *eng, uint64_t worker, struct bytes name);
void left_forget(struct eng *eng); /* the oldest */

/* turn.c: what decide functions use */
/* The next event, in its place in the output, cleared but for its type and time: its members are
 * filled in, then it happens. One at a time. */
struct eng_event *event_next(struct eng_turn *turn, enum eng_event_type type);
/* The same, numbered as the run's next. */
struct eng_event *event_of_run(struct eng_turn *turn, enum eng_event_type type,
    struct eng_run *run);
/* It is applied and in the step's output. */
void event_happens(struct eng_turn *turn, const struct eng_event *event);
/* All of it, for what does not happen often: a copy is numbered, and happens. */
const struct eng_event *emit(struct eng_turn *turn, const struct eng_event *event);
struct eng_effect *effect_push(struct eng_turn *turn, enum eng_effect_type type);
struct eng_effect *reply_ok(struct eng_turn *turn);
/* Fills the fault and the reply; for tail position in a decide function. */
void reply_fault(struct eng_turn *turn, enum froe_err err, const char *field, const char *format,
    ...) FROE_PRINTF(4, 5);

/* decide_task.c: how a task and its run go on */
void task_queue(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason);
/* The same; or delayed, while an old lease of an exactly-once task has not surely lapsed. */
void task_queue_lapsed(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason);
void task_attempt_end(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason,
    struct bytes text, uint64_t retry_after_ms);
/* The command's, as uptime. */
uint64_t command_lapse_ns(const struct eng_turn *turn);
/* The same for this task's lease; 0 unless it is exactly once. */
uint64_t task_lapse_ns(const struct eng_turn *turn, struct eng_task *task);
/* The same for one whose handler may still be at work, up to lapse_ns of uptime (0: it is not). */
void task_attempt_lapse(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason,
    struct bytes text, uint64_t lapse_ns);
void task_revoke(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason);
void task_cancel(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason);
void task_cancel_alone(struct eng_turn *turn, struct eng_task *task);
void task_settled(struct eng_turn *turn, struct eng_task *task);
/* Nothing of the run changes any more in this step: what follows for the whole? It may be gone. */
void run_settled(struct eng_turn *turn, struct eng_run *run);
/* Its parents have closed, none of them badly: it is queued, or skipped when they all were. */
void task_ready(struct eng_turn *turn, struct eng_task *task, enum eng_reason reason);
/* doom: nil, or the run at which a cancel with all children began. */
void run_cancel(struct eng_turn *turn, struct eng_run *run, enum eng_reason reason,
    struct bytes text, struct uuid doom);
/* For a worker's command: the task whose lease the fence names; else answers LEASE_LAPSED. */
struct eng_task *fence_lease(struct eng_turn *turn, uint64_t worker,
    const struct eng_fence *fence);

/* decide_run.c: the command's tenant, which exists */
struct eng_tenant *command_tenant(struct eng_turn *turn);
/* decide_start.c: its time has come */
void run_due(struct eng_turn *turn, struct eng_run *run);

/* decide_worker.c */
struct eng_event worker_event(const struct eng_worker *worker, enum eng_event_type type);
void worker_leave(struct eng_turn *turn, struct eng_worker *worker, enum eng_reason reason);

/* decide_start.c: one start of a command: checked, then done, or known already */
enum froe_err run_start_one(struct eng_turn *turn, const struct eng_start *start,
    struct eng_started *ret_started, struct froe_fault *fault) FROE_CHECKED;

/* decide_*.c: one function a command */
void decide_engine_start(struct eng_turn *turn);
void decide_tenant_open(struct eng_turn *turn);
void decide_workflow_put(struct eng_turn *turn);
void decide_run_start(struct eng_turn *turn);
void decide_run_start_many(struct eng_turn *turn);
void decide_run_cancel(struct eng_turn *turn);
void decide_run_replay(struct eng_turn *turn);
void decide_job_start(struct eng_turn *turn);
void decide_job_skip(struct eng_turn *turn);
void decide_job_end(struct eng_turn *turn);
void decide_job_cancel(struct eng_turn *turn);
/* A change that is a job's: it is tried, and the job advances. */
void decide_job_step(struct eng_turn *turn, void (*change)(struct eng_turn *turn));
void decide_timer(struct eng_turn *turn);
void decide_worker_register(struct eng_turn *turn);
void decide_worker_detach(struct eng_turn *turn);
void decide_worker_drain(struct eng_turn *turn);
void decide_worker_leave(struct eng_turn *turn);
void decide_worker_pause(struct eng_turn *turn);
void decide_task_complete(struct eng_turn *turn);
void decide_task_fail(struct eng_turn *turn);
void decide_task_refresh(struct eng_turn *turn);
void decide_task_log(struct eng_turn *turn);
void decide_task_late(struct eng_turn *turn); /* a line of an attempt that has ended */
void decide_task_stream(struct eng_turn *turn);
void decide_task_release(struct eng_turn *turn);
void decide_task_begin(struct eng_turn *turn);
void decide_task_return(struct eng_turn *turn);
void decide_task_provide(struct eng_turn *turn);
void decide_durable_step(struct eng_turn *turn);
void decide_task_evict(struct eng_turn *turn);
void decide_event_push(struct eng_turn *turn);
void decide_approval_decide(struct eng_turn *turn);
void decide_rate_limit_put(struct eng_turn *turn);
void decide_workflow_set(struct eng_turn *turn);
void decide_task_restore(struct eng_turn *turn);
void decide_token_create(struct eng_turn *turn);
void decide_token_revoke(struct eng_turn *turn);

/* After every command: ends leases of workers that leave or dropped them, assigns what can run. */
void decide_leaving(struct eng_turn *turn);
void decide_deliveries(struct eng_turn *turn); /* pushed events to their waits, in slices */
/* Cancels runs whose ancestor was; of ENG_CMD_SCHEDULE. */
void decide_doomed(struct eng_turn *turn);
void decide_schedule(struct eng_turn *turn);

#endif
