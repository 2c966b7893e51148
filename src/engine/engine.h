/*
 * engine/engine: the state machine of one shard: workflows, runs, tasks, workers.
 *
 * Purpose     eng_step() decides: it takes one command, the time and dice, and returns events (what
 *             happened) and effects (what to tell the world once the events are durable).
 *             eng_apply() is the only code that changes state; eng_step() calls it for each event
 *             as it is decided. Recovery calls eng_apply() alone over the log's events.
 * Purity      no clock, no randomness, no file, no socket, no thread, no wall-clock dependence:
 *             the same events give the same state (eng_hash), the same commands and dice the same
 *             events.
 * Ownership   the engine owns its state and its struct eng_output. Bytes in a command are
 *             borrowed for the call; events and effects may point into them and into state, and
 *             are valid until the next eng_step(). Payloads are never kept: state holds references
 *             (run, record number), which a resolver outside maps to bytes.
 * Threading   its owner only.
 * Units       time: engine nanoseconds (close to wall clock, never decreasing, kept across
 *             restarts).
 *             Deadlines of schedule and execution timeouts are in uptime nanoseconds: engine time
 *             less all downtime, so that a restart moves them by itself.
 * See         docs/engine.md for the states and the events
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/prefault.h"
#include "base/uuid.h"
#include "froe/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct eng;

/* Types of slots that one worker has, and one task needs. */
#define ENG_WORKER_TYPES_MAX FROE_WORKER_SLOT_TYPES_MAX

struct eng_tenant_id {
	uint32_t v;
};
struct eng_worker_id {
	uint64_t v; /* dense, from 1; 0: none */
};
struct eng_run_key {
	uint64_t v; /* dense, from 1; 0: none */
};

/* Who asked: opaque here, given back in the effects. */
struct eng_origin {
	uint64_t conn;
	uint64_t request;
};

enum eng_status {
	ENG_QUEUED,
	ENG_RUNNING,
	ENG_COMPLETED,
	ENG_FAILED,
	ENG_CANCELLED,
	ENG_EVICTED,
};

enum eng_task_state {
	ENG_TASK_WAITING,  /* for its parents */
	ENG_TASK_QUEUED,   /* for a worker */
	ENG_TASK_DELAYED,  /* for its next attempt's time */
	ENG_TASK_ASSIGNED, /* a worker holds its lease */
	ENG_TASK_SETTLING, /* an attempt has ended; the step's next event says how it goes on */
	ENG_TASK_EVICTED,  /* durable: off its worker until one of its nodes is satisfied */
	ENG_TASK_COMPLETED,
	ENG_TASK_FAILED,
	ENG_TASK_CANCELLED,
	ENG_TASK_SKIPPED,
};

/* ------------------------------------------------------------------------------ definitions */

enum eng_backoff_kind {
	ENG_BACKOFF_NONE,
	ENG_BACKOFF_CONSTANT,
	ENG_BACKOFF_LINEAR,
	ENG_BACKOFF_EXPONENTIAL,
	ENG_BACKOFF_TABLE,
};

struct eng_backoff {
	uint32_t kind; /* enum eng_backoff_kind; checked */
	uint64_t initial_ms;
	uint64_t max_ms; /* 0: a day */
	double factor;   /* 0: 2 */
	const uint64_t *table_ms;
	uint32_t table_count;
	uint32_t jitter_percent;
};

/* How often an attempt may begin. */
enum eng_delivery {
	ENG_AT_LEAST_ONCE, /* again, when its worker is lost */
	ENG_AT_MOST_ONCE,  /* never again: then the task has failed */
	ENG_EXACTLY_ONCE,  /* again, but not before the lost worker has surely stopped */
	ENG_DELIVERIES,
};

/* Slots of one type: what a worker has, what a task takes. */
struct eng_slots {
	struct bytes type;
	uint32_t count;
};

struct eng_task_definition {
	struct bytes name;
	struct bytes action; /* empty: "workflow:task" */
	const struct bytes *parents;
	uint32_t parent_count;
	uint32_t retries;
	struct eng_backoff backoff;
	uint64_t schedule_timeout_ms;  /* 0: none */
	uint64_t execution_timeout_ms; /* 0: FROE_EXECUTION_TIMEOUT_MS */
	bool on_failure;
	bool durable; /* its steps are kept as nodes: a new attempt is answered from them */
	uint32_t delivery; /* enum eng_delivery; checked */
	uint32_t priority; /* of its first attempt; 0: the run's */
	const struct eng_slots *slots; /* none: one of FROE_SLOT_DEFAULT, or FROE_SLOT_DURABLE */
	uint32_t slot_count;
};

struct eng_definition {
	struct bytes name;
	const struct eng_task_definition *tasks;
	uint32_t task_count;
	uint64_t run_timeout_ms;
	uint32_t priority; /* 0: 1 */
	struct bytes encoded; /* canonical bytes: equal bytes are the same definition */
};

/* One fault of a definition, at a path such as tasks[2].parents[0]. */
struct eng_fault {
	char field[96];
	char text[160];
};
#define ENG_FAULTS_MAX 64

/* Finds every fault (up to ENG_FAULTS_MAX); 0: the definition is good. */
size_t eng_definition_check(const struct eng_definition *definition,
    struct eng_fault faults[ENG_FAULTS_MAX]);

/* ---------------------------------------------------------------------------- durable tasks */

/* What a step of a durable task is. On disk: not reused. */
enum eng_node_kind {
	ENG_NODE_WAIT = 1, /* for the first of several conditions */
	ENG_NODE_MEMO = 2, /* a value, computed once */
	ENG_NODE_CHILD = 3, /* a run that it starts, and its end */
};

enum eng_node_state {
	ENG_NODE_ABSENT,  /* a memo that was only asked for */
	ENG_NODE_PENDING, /* its result comes as ENG_EFF_NODE */
	ENG_NODE_DONE,
};

enum eng_condition_kind {
	ENG_CONDITION_SLEEP = 1,
	ENG_CONDITION_EVENT = 2,
	ENG_CONDITION_APPROVAL = 3,
	ENG_CONDITION_CHILD = 4, /* of a CHILD node alone */
	ENG_CONDITION_VALUE = 5, /* the holder of the lease gives it, by the same step again */
};

struct eng_condition {
	uint32_t kind;        /* enum eng_condition_kind; checked */
	uint64_t sleep_ms;    /* SLEEP: from the moment the node is made */
	uint64_t until_ns;    /* SLEEP: instead, a time */
	struct bytes name;    /* EVENT: key; APPROVAL, VALUE: name */
	struct bytes data;    /* APPROVAL: JSON for the approver, or empty */
};

/* --------------------------------------------------------------------------------- commands */

enum eng_command_type {
	ENG_CMD_ENGINE_START,    /* first command of each process */
	ENG_CMD_TIMER,           /* decides one due timer, if any */
	ENG_CMD_SCHEDULE,        /* goes on with work that was cut at a step's limit */
	ENG_CMD_TENANT_OPEN,     /* -> tenant */
	ENG_CMD_WORKFLOW_PUT,    /* -> version, created */
	ENG_CMD_RUN_START,       /* -> started */
	ENG_CMD_RUN_START_MANY,  /* -> started, one each; or none, with every fault */
	ENG_CMD_RUN_CANCEL,
	ENG_CMD_RUN_REPLAY,      /* a run that has ended goes on -> run */
	ENG_CMD_JOB_START,       /* -> number */
	ENG_CMD_JOB_SKIP,        /* the job cannot do anything with a run */
	ENG_CMD_JOB_END,         /* it has met all its runs, or cannot go on */
	ENG_CMD_JOB_CANCEL,      /* it goes on no further; what it did stays done */
	ENG_CMD_WORKER_REGISTER, /* -> worker, lapsed leases */
	ENG_CMD_WORKER_DETACH,   /* its connection broke: no new leases, those held stay */
	ENG_CMD_WORKER_DRAIN,    /* no new leases */
	ENG_CMD_WORKER_LEAVE,    /* it left or is lost: its leases end */
	ENG_CMD_TASK_RESTORE,    /* an evicted task comes back before its time */
	ENG_CMD_WORKFLOW_SET,    /* an operator: paused, resumed, deleted */
	ENG_CMD_WORKER_PAUSE,    /* an operator: no new leases, or new ones again */
	ENG_CMD_TASK_COMPLETE,
	ENG_CMD_TASK_FAIL,
	ENG_CMD_TASK_REFRESH,    /* -> timeout left */
	ENG_CMD_TASK_LOG,
	ENG_CMD_TASK_STREAM,     /* a chunk of its stream */
	ENG_CMD_TASK_RELEASE,    /* its slots are free, its lease stays */
	ENG_CMD_TASK_BEGIN,      /* its holder has it, and has begun */
	ENG_CMD_TASK_RETURN,     /* its holder never got it: it is queued again, in front */
	ENG_CMD_TASK_PROVIDE,    /* the answer to a dispatch whose bytes were not in memory */
	ENG_CMD_DURABLE_STEP,    /* -> the node's state and result */
	ENG_CMD_TASK_EVICT,      /* its worker parks a task that waits */
	ENG_CMD_EVENT_PUSH,      /* -> the event's number */
	ENG_CMD_APPROVAL_DECIDE,
	ENG_CMD_RATE_LIMIT_PUT,
	ENG_CMD_TOKEN_CREATE,
	ENG_CMD_TOKEN_REVOKE,
};

struct eng_fence {
	struct uuid task; /* the task run's id */
	uint64_t lease;
};

/* What a run is started with. */
struct eng_start {
	struct bytes workflow;
	struct uuid run;     /* minted outside; low ten bits zero */
	struct bytes input;  /* JSON text */
	uint32_t priority;   /* 0: the workflow's */
	uint64_t timeout_ms; /* 0: the workflow's */
	const struct bytes *metadata; /* key, value, key, value, ... */
	uint32_t metadata_count;      /* of keys and values: even */
	struct bytes key;    /* not empty: a repeated trigger is told the first one's run */
	uint64_t key_ttl_ms; /* 0: FROE_KEY_TTL_MS */
	bool key_until_end;  /* the key is free again when the run has ended */
	uint64_t start_ns;   /* scheduled: when it begins; 0 or past: now */
	uint64_t delay_ms;   /* the same, from now */
	bool child;          /* of the task whose lease `parent` is: */
	struct eng_fence parent;
	struct eng_worker_id worker; /* who holds it; the shell's to say */
	uint32_t child_index;
	struct bytes child_key;      /* not empty: instead of the index */
};

/* What a token is allowed. On disk: bits are not reused. */
enum eng_role {
	ENG_ROLE_ADMIN = 1,    /* everything, tokens too */
	ENG_ROLE_CLIENT = 2,   /* starts runs, reads them */
	ENG_ROLE_WORKER = 4,   /* registers workflows, does tasks */
	ENG_ROLE_OPERATOR = 8, /* reads, and interferes with runs and workers */
};
#define ENG_ROLES_ALL 15u
#define ENG_DIGEST_BYTES 32u
/* The scope of a token that is good for every tenant. */
#define ENG_SCOPE_ALL "*"

/* What a closed run's records say of it, for a replay. */
struct eng_past_task {
	enum eng_task_state state;
	uint32_t lease;
	uint32_t attempt;
	uint32_t output; /* record; 0: none */
	/* Exactly once: who had the newest lease, and uptime when he has surely stopped. */
	uint64_t worker; /* 0: it has */
	uint64_t lapse_ns;
};

/* A node of a durable task that is kept. */
struct eng_past_node {
	enum eng_node_kind kind;
	uint64_t fingerprint;
	uint32_t result; /* record */
	uint32_t which;
	struct bytes label;
};

struct eng_replay {
	struct uuid run;
	uint64_t key;
	uint32_t workflow;
	uint32_t version;
	uint32_t priority;
	uint64_t created_ns;
	uint64_t timeout_ms; /* of the version; 0: none */
	struct uuid parent;
	const struct bytes *metadata;
	uint32_t metadata_count;
	uint32_t records; /* it has so far */
	uint32_t chunks;
	uint32_t input_record;
	const struct eng_past_task *tasks; /* of each task of the version */
	uint32_t task_count;
	struct bytes places; /* of the records; kept in the event, opaque here */
	/* What is asked for. */
	uint32_t from;       /* index + 1 of the task from which on; 0: all of them */
	const struct eng_past_node *nodes; /* of that task, to be kept */
	uint32_t node_count;
	struct bytes input;  /* JSON; empty: the same again */
	struct bytes reason;
};

/* What a job does with the runs that its filter finds. On disk: not reused. */
enum eng_job_kind {
	ENG_JOB_CANCEL = 1, /* those that are open */
	ENG_JOB_REPLAY = 2, /* those that have ended */
};

/* Where a job stands. */
struct eng_job_step {
	uint64_t number; /* 0: no job */
	uint64_t cursor; /* it has done with all runs from this number on */
};

struct eng_command {
	enum eng_command_type type;
	struct eng_origin origin;
	struct bytes actor; /* who asked: the name of a token; empty: not known */
	struct eng_tenant_id tenant; /* all but ENGINE_START, TIMER, SCHEDULE, TENANT_OPEN */
	bool hold;                   /* assign nothing now: the disk is nearly full */
	uint64_t runs_max;           /* open runs at most; 0: any number */
	/* When leases that end in this step without a word of their worker have surely lapsed
	 * there: its last heartbeat, and how long it goes on without one. 0: now. */
	uint64_t lapse_ns;
	/* RUN_CANCEL, RUN_REPLAY: the change is the job's, which advances in the same step, whether
	 * or not the run is changed. JOB_SKIP, JOB_END, JOB_CANCEL: which job. */
	struct eng_job_step job;
	union {
		struct {
			uint64_t epoch;
			uint64_t downtime_ns;
		} engine_start;
		struct {
			struct bytes name;
		} tenant_open;
		struct {
			struct eng_definition definition;
		} workflow_put;
		struct eng_start run_start;
		struct {
			const struct eng_start *starts;
			uint32_t count;
		} run_start_many;
		struct eng_replay run_replay;
		struct {
			struct uuid run;
			struct bytes reason;
			bool children; /* and every open run that it or they have started */
			uint32_t task; /* of its tasks this one alone, from 1; 0: all */
		} run_cancel;
		struct {
			uint32_t kind;        /* enum eng_job_kind; checked */
			struct bytes filter;  /* opaque here; kept */
			struct bytes reason;
			struct bytes task;    /* REPLAY: from which on; empty: all */
			bool children;        /* CANCEL: with all that they have started */
		} job_start;
		struct {
			enum froe_err err;    /* SKIP: why; END: FROE_OK, or why it cannot go on */
			struct bytes text;    /* END: the same in words */
		} job_over;
		struct {
			struct uuid id;
			struct bytes name;
			uint64_t incarnation;
			const struct bytes *actions;
			uint32_t action_count;
			uint32_t slots; /* of FROE_SLOT_DEFAULT */
			const struct eng_slots *types; /* slots of other types */
			uint32_t type_count;
			const struct eng_fence *held;
			uint32_t held_count;
			bool draining; /* it wants no new leases */
		} worker_register;
		struct {
			struct eng_worker_id worker;
			bool lost; /* LEAVE: it did not say so itself */
			bool kept; /* and may be back: its id stays registered, detached */
		} worker;
		struct {
			struct uuid worker; /* its own id */
			bool paused;
			struct bytes reason;
		} worker_pause;
		struct {
			struct uuid task;
		} task_restore;
		struct {
			struct bytes name;
			uint32_t change; /* enum eng_workflow_change */
			uint32_t drops;  /* PAUSE: a set of enum eng_drops */
			struct bytes reason;
		} workflow_set;
		struct {
			struct eng_worker_id worker;
			struct eng_fence fence;
			struct bytes bytes;      /* COMPLETE: output; FAIL: error text; LOG: line;
			                          * STREAM: a chunk */
			bool fatal;              /* FAIL */
			uint64_t retry_after_ms; /* FAIL */
			uint64_t add_ms;         /* REFRESH */
			uint32_t sequence;       /* STREAM: within the lease, from 1; 0: the next */
			bool late;               /* LOG: nobody holds it (any more); no lease */
			uint32_t attempt;        /* LOG, late: 0: the newest */
		} task;
		struct {
			struct eng_worker_id worker;
			struct eng_fence fence;
			uint32_t node; /* EVICT: the one it waits for; 0: any */
			uint32_t results; /* EVICT without a node: those its handler has */
			uint32_t kind; /* enum eng_node_kind; checked; 0: what is there of it? */
			struct bytes name; /* MEMO: its key */
			const struct eng_condition *conditions;
			uint32_t condition_count;
			bool has_value; /* MEMO: else it is only asked for; a VALUE's */
			struct bytes value; /* JSON text */
			struct eng_start child; /* CHILD: the node says whose it is */
			bool told; /* a step that differs is the handler's to end with */
		} durable;
		struct {
			struct bytes key;
			struct bytes payload; /* JSON text */
			const struct bytes *metadata; /* key, value, key, value, ... */
			uint32_t metadata_count;
		} event_push;
		struct {
			uint64_t approval;
			bool approved;
			struct bytes reason;
		} approval_decide;
		struct {
			struct bytes key;
			uint32_t limit;
			uint32_t window; /* enum eng_window */
		} rate_put;
		struct {
			uint64_t kid; /* which token: random, below 2^50; chosen outside */
			struct bytes digest; /* ENG_DIGEST_BYTES, of its secret */
			struct bytes name;
			struct bytes scope; /* a tenant's name, or ENG_SCOPE_ALL */
			uint32_t roles; /* of enum eng_role */
			const struct bytes *actions; /* patterns a worker is limited to */
			uint32_t action_count; /* 0: any action */
			uint64_t expires_ns; /* 0: never */
		} token_create;
		struct {
			uint64_t kid;
			struct bytes scope; /* of who asks: another scope's token is not found */
		} token_revoke;
	};
};

/* ----------------------------------------------------------------------------------- events */

enum eng_event_type {
#define ENG_EVENT(name, number, since, meaning) ENG_EV_##name = number,
#include "engine/event.def"
#undef ENG_EVENT
};

/* Why an attempt ended, a task was cancelled, a run closed, a worker left. On disk: not reused. */
enum eng_reason {
	ENG_REASON_NONE = 0,
	ENG_REASON_COMPLETED = 1,
	ENG_REASON_FAILED = 2,            /* the handler said so */
	ENG_REASON_TIMED_OUT = 3,         /* execution timeout */
	ENG_REASON_SCHEDULE_TIMEOUT = 4,
	ENG_REASON_RUN_TIMEOUT = 5,
	ENG_REASON_LOST = 6,              /* the worker was lost: an infrastructure retry */
	ENG_REASON_RELEASED = 7,          /* the worker never had it or gave it back */
	ENG_REASON_REQUESTED = 8,         /* cancelled by a caller */
	ENG_REASON_PARENT = 9,            /* a parent failed or was cancelled */
	ENG_REASON_LEFT = 10,
	ENG_REASON_REPLACED = 11,         /* a new incarnation of the worker came */
	ENG_REASON_RETRY = 12,            /* queued again after a failure */
	ENG_REASON_READY = 13,            /* queued: its parents are done */
	ENG_REASON_FATAL = 14,            /* failed, not to be retried */
	ENG_REASON_SATISFIED = 40,        /* queued: what an evicted task waited for has come */
	ENG_REASON_RESTORED = 41,         /* queued: an evicted task that somebody wants back */
	ENG_REASON_NOT_DELIVERED = 60,    /* at most once: given back, and not sent again */
	ENG_REASON_TASK_REQUESTED = 61,   /* cancelled by a caller, it alone of its run */
};
const char *eng_reason_name(enum eng_reason reason); /* "timed_out" */

/* One event. Which members a type uses: engine/event.def and proto/record.proto. */
struct eng_event {
	enum eng_event_type type;
	uint32_t run_event_no; /* dense per run, from 1 */
	uint64_t time_ns;
	uint64_t run;          /* run key; 0: of no run */
	uint32_t task;         /* index */
	uint32_t attempt;
	uint64_t lease;
	uint64_t worker;
	uint32_t tenant;
	uint32_t workflow;
	uint32_t version;
	uint32_t priority;
	uint32_t reason; /* enum eng_reason */
	uint32_t status; /* enum eng_status */
	uint64_t deadline_ns;
	struct bytes payload; /* input, output, encoded definition */
	struct uuid id;
	uint32_t invocation;    /* 0: the first */
	uint32_t child_index;   /* RUN_STARTED of a child: its number at its task */
	struct bytes child_key; /* or its name */
	/* RUN_STARTED: the task that started it; nil: none. RUN_CANCEL_REQUESTED: the run at which
	 * a cancel with all children began, perhaps this one; nil: this run alone. */
	struct uuid parent;
	uint64_t start_ns;      /* RUN_STARTED: scheduled for this time */
	struct bytes key;       /* RUN_STARTED: idempotency */
	uint64_t key_until_ns;  /* 0: until the run has ended */
	const struct bytes *metadata; /* key, value, key, value, ... */
	uint32_t metadata_count;
	/* What the events of a run that just goes well do not use: event_plain() in turn.c. */
	uint32_t slots;
	uint64_t incarnation;
	uint64_t epoch;
	uint64_t downtime_ns;
	/* Uptime when the worker's leases have surely lapsed; or this lease of an exactly-once
	 * task, which ended without its holder's word. 0: they have. */
	uint64_t lapse_ns;
	uint64_t retry_ns; /* when the next attempt could begin, but for the old lease */
	struct bytes name;
	struct bytes actor; /* who asked for it */
	struct bytes text;
	const struct bytes *actions; /* TOKEN_CREATED: patterns */
	uint32_t action_count;
	const struct bytes *types; /* of slots: "gpu=4" */
	uint32_t type_count;
	uint32_t late;          /* RUN_DUE: it fell due while nobody served */
	uint64_t kid;
	struct bytes digest;
	struct bytes scope;
	uint32_t roles;
	const struct eng_definition *definition; /* decoded from payload; WORKFLOW_PUT */
	/* RUN_REPLAYED */
	const struct bytes *kept;  /* a task each: engine/replay.c */
	uint32_t kept_count;
	const struct bytes *nodes;
	uint32_t nodes_count;
	struct bytes places;       /* of its earlier records; opaque */
	uint64_t created_ns;
	uint32_t input;            /* record of the input */
	uint32_t from;             /* index + 1; 0: all */
	uint32_t chunks;
	uint64_t job;     /* JOB_*; RUN_CANCEL_REQUESTED, RUN_REPLAYED: whose it is; 0: none */
	uint64_t cursor;  /* JOB_STARTED, JOB_ADVANCED: see struct eng_job_step */
	uint32_t kind;    /* JOB_STARTED: enum eng_job_kind */
	uint32_t descend; /* JOB_STARTED: 1: cancel children too */
	uint32_t refusal; /* JOB_ADVANCED: why the run was not changed; 0: it was */
	uint32_t node;
	uint32_t which;       /* condition, by index */
	uint32_t approved;    /* 1: yes */
	uint64_t fingerprint; /* of a node's kind and parameters */
	uint64_t number;      /* of a pushed event */
	uint64_t approval;    /* number; NODE_WAITED: of its first one */
	struct uuid child;    /* CHILD_SPAWNED, NODE_SATISFIED: the run's id; nil: none */
	const struct bytes *conditions; /* "sleep:DEADLINE_NS", "event:KEY", "approval:NAME" */
	uint32_t condition_count;
	const struct bytes *data; /* of each condition: JSON for the approver, or empty */
	uint32_t data_count;
	uint32_t limit;  /* RATE_LIMIT_PUT */
	uint32_t window; /* enum eng_window */
};

/* ---------------------------------------------------------------------------------- effects */

enum eng_effect_type {
	ENG_EFF_REPLY,      /* to the origin of a command */
	ENG_EFF_DISPATCH,   /* send a task to its worker: ask eng_dispatch() for what to send */
	ENG_EFF_REVOKE,     /* tell a worker that a lease has ended */
	ENG_EFF_RUN_CLOSED, /* a run has ended */
	ENG_EFF_NODE,       /* tell a task's worker that a node is satisfied */
};

/* A payload or an error text of one task, as a record number of the run. */
struct eng_ref {
	struct bytes task; /* name of the parent */
	uint32_t record;   /* 0: none (skipped) */
	bool skipped;
	bool error; /* the record is a failed attempt, not an output */
};

/* What a trigger came to. */
struct eng_started {
	uint64_t run; /* key */
	struct uuid id;
	bool created; /* false: an earlier trigger with its key, or as this child, started it */
	enum eng_status status;
};

/* What a run is, for the index. */
struct eng_run_info {
	struct uuid id;
	uint32_t tenant;
	uint32_t workflow;
	uint32_t version;
	uint64_t created_ns;
	struct uuid parent;           /* the task that started it; nil: none */
	uint64_t start_ns;            /* scheduled for this time; 0: it began at once */
	const struct bytes *metadata; /* key, value, ...; in the arena that was asked for */
	uint32_t metadata_count;
};

struct eng_effect {
	enum eng_effect_type type;
	struct eng_origin origin; /* REPLY */
	enum eng_command_type command; /* REPLY: to what */
	enum froe_err err;        /* REPLY */
	const struct froe_fault *fault;  /* REPLY with an error */
	const struct eng_fault *faults;  /* REPLY to WORKFLOW_PUT, RUN_START_MANY: all of them */
	size_t fault_count;
	uint64_t run;             /* key: RUN_START, RUN_CANCEL, DISPATCH, REVOKE, RUN_CLOSED */
	struct uuid id;           /* the run's; REVOKE: the task's */
	uint32_t tenant;          /* TENANT_OPEN, RUN_CLOSED */
	uint32_t version;         /* WORKFLOW_PUT */
	bool created;             /* WORKFLOW_PUT; DURABLE_STEP: the node is new */
	uint64_t worker;          /* WORKER_REGISTER, DISPATCH, REVOKE */
	uint32_t task;            /* DISPATCH */
	uint64_t lease;           /* DISPATCH, REVOKE */
	uint64_t queued_ns;       /* DISPATCH of a new lease: since when it waited; 0: again */
	uint64_t timeout_ns;      /* TASK_REFRESH */
	enum eng_reason reason;   /* REVOKE */
	enum eng_status status;   /* RUN_CLOSED */
	/* RUN_CLOSED: COMPLETED: the outputs of the tasks that no other waits for; FAILED: the
	 * error of the first task that failed. `bare`: a one-task workflow, whose output is the
	 * run's result. */
	const struct eng_ref *refs;
	uint32_t ref_count;
	bool bare;
	struct eng_run_info info; /* RUN_CLOSED, with metadata */
	uint32_t node;            /* NODE, DURABLE_STEP */
	uint32_t which;           /* NODE, DURABLE_STEP: the condition that was first */
	uint32_t record;          /* NODE, DURABLE_STEP: of the result; 0: none yet */
	uint32_t order;           /* NODE, DURABLE_STEP: of the result among all; 0: none yet */
	enum eng_node_state node_state; /* NODE, DURABLE_STEP */
	struct uuid child;        /* DURABLE_STEP: of a CHILD node that is pending */
	uint64_t number;          /* EVENT_PUSH, JOB_START */
	const struct eng_started *started; /* RUN_START: one; RUN_START_MANY */
	uint32_t started_count;
	const struct eng_fence *lapsed; /* WORKER_REGISTER */
	uint32_t lapsed_count;
	bool draining; /* WORKER_REGISTER: it gets no new leases, because it drains */
	bool paused;   /* WORKER_REGISTER: the same, because an operator paused it */
};

struct eng_output {
	struct eng_event *events;
	size_t event_count;
	struct eng_effect *effects;
	size_t effect_count;
};

/* ------------------------------------------------------------------------------- operations */

struct eng *eng_open(void);
void eng_close(struct eng *eng);
/* Of the tables by what clients choose; while there is nothing in it. */
void eng_seed(struct eng *eng, const struct hash_seed *seed);
void eng_prefault(struct eng *eng, struct prefault *prefault); /* see base/prefault; or NULL */

/* Decides one command. `random` is 64 fresh random bits (jitter). Never fails: a refused command is
 * an effect ENG_EFF_REPLY with an error and no event. */
const struct eng_output *eng_step(struct eng *eng, const struct eng_command *command,
    uint64_t now_ns, uint64_t random);

/* An upper bound of the log bytes of a command's events, to ask the log for room before it. */
size_t eng_step_bytes_max(const struct eng *eng, const struct eng_command *command);

/* Recovery: applies one event of the log. An event that does not fit the state is FROE_CORRUPT. */
enum froe_err eng_apply_logged(struct eng *eng, const struct eng_event *event,
    struct froe_fault *fault) FROE_CHECKED;

uint64_t eng_downtime_ns(const struct eng *eng); /* engine time is uptime and this */
uint64_t eng_next_deadline_ns(const struct eng *eng); /* engine time; UINT64_MAX: none */
bool eng_pending(const struct eng *eng); /* ENG_CMD_SCHEDULE has something to do now */

/* -------------------------------------------------------------------------------- questions */

/* What a dispatch sends. False: the fence is no longer current, send nothing. Borrowed from state
 * until the next call of the engine. */
struct eng_dispatch {
	struct uuid run;
	struct uuid task;
	uint64_t worker;
	struct bytes workflow;
	struct bytes name;
	struct bytes action;
	uint32_t attempt;
	uint32_t retries;
	uint32_t priority;
	enum eng_delivery delivery;
	uint64_t timeout_ns; /* left */
	uint32_t input;      /* record */
	bool durable;
	uint32_t invocation; /* from 1; raised each time a durable task returns */
	const struct eng_ref *refs;
	uint32_t ref_count;
	const struct bytes *metadata; /* of the run */
	uint32_t metadata_count;
};
bool eng_dispatch(struct eng *eng, uint64_t run, uint32_t task, uint64_t lease, uint64_t now_ns,
    struct eng_dispatch *ret_dispatch);

/* Memos and waits of an open durable task that have their result, the first ones; how many. */
struct eng_node_known {
	uint32_t node, which;
	uint32_t record; /* the result's */
	uint64_t fingerprint;
};
uint32_t eng_nodes_known(const struct eng *eng, uint64_t run, uint32_t task,
    struct eng_node_known *to, uint32_t most);

bool eng_run_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id,
    uint64_t *ret_run); /* open runs */
/* What eng_apply_logged() of an event of this run, of the start of one with this id, looks up: a
 * million runs are in no cache. */
void eng_prefetch(const struct eng *eng, uint64_t key);
void eng_prefetch_id(const struct eng *eng, struct uuid id);

/* An open run. Metadata is copied into the arena; none is told without one. */
bool eng_run_info(const struct eng *eng, uint64_t run, struct arena *arena,
    struct eng_run_info *ret_info);
/* A run that has closed lately (ENG_CLOSED_TTL_NS). */
bool eng_closed_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id,
    uint64_t *ret_run, enum eng_status *ret_status);
/* When such a run has closed; 0: not known. */
uint64_t eng_closed_ns(const struct eng *eng, struct uuid id);
/* How many records its history has; 0: not known. */
uint32_t eng_closed_records(const struct eng *eng, struct uuid id);
/* The children of an open run, oldest first, while its tasks may still ask for them. */
struct eng_child_view {
	uint32_t task;    /* the parent's index */
	uint32_t index;
	struct bytes key; /* not empty: instead of the index */
	struct uuid id;
	uint64_t run;
	enum eng_status status;
};
uint32_t eng_children(const struct eng *eng, uint64_t run,
    void (*each)(void *context, const struct eng_child_view *child), void *context);

bool eng_run_status(const struct eng *eng, uint64_t run, enum eng_status *ret_status);
/* And whose the run is; *ret_scheduled: it has not begun. */
bool eng_run_stands(const struct eng *eng, uint64_t run, uint32_t *ret_tenant,
    enum eng_status *ret_status, bool *ret_scheduled);
/* All open runs, by their numbers. */
void eng_runs_open(const struct eng *eng,
    void (*each)(void *context, uint64_t run, const struct eng_run_info *info,
        enum eng_status status), void *context);

/* Names of a definition by number, for views of any run, open or closed. */
struct eng_version_view {
	struct bytes workflow;
	uint32_t version;
	const struct eng_task_definition *tasks; /* parents by name, all defaults filled in */
	uint32_t task_count;
	const uint32_t *children; /* children[i]: how many tasks wait for task i */
	struct bytes encoded;     /* the definition, canonical */
	uint64_t put_ns;          /* when it was registered */
};
bool eng_version(const struct eng *eng, uint32_t workflow, uint32_t version,
    struct eng_version_view *ret_view);
struct bytes eng_tenant_name(const struct eng *eng, struct eng_tenant_id tenant);

/* Workers that hold a registration, for the shell's liveness clocks after a restart. */
void eng_workers(const struct eng *eng,
    void (*each)(void *context, uint64_t worker, bool attached, struct bytes name), void *context);
struct bytes eng_worker_name(const struct eng *eng, uint64_t worker); /* empty: unknown */
/* Does it hold a lease of this run? */
bool eng_worker_holds(const struct eng *eng, uint64_t worker, struct uuid run);

/* Of those that have left too, the newest ENG_LEFT_MAX; empty: unknown. */
struct bytes eng_worker_name(const struct eng *eng, uint64_t worker);
/* By its own id, if it is registered; 0: it is not. */
uint64_t eng_worker_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id);

/* A worker that is registered or leaving. Names live as long as the worker does. */
struct eng_worker_view {
	uint64_t number;
	struct eng_tenant_id tenant;
	struct uuid id;
	struct bytes name;
	uint64_t incarnation;
	uint64_t registered_ns;
	bool attached;
	bool draining;
	bool paused;
	bool leaving;
	uint32_t leases;
	uint32_t released; /* of them: their slots are free already */
	uint32_t slots;    /* of all types */
	uint32_t slots_used;
	uint32_t type_count;
	struct eng_slots types[ENG_WORKER_TYPES_MAX];
	uint32_t types_used[ENG_WORKER_TYPES_MAX];
	uint32_t action_count;
};
/* The tenant's first worker with a number above `after`; false: there is none. */
bool eng_worker_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t after,
    struct eng_worker_view *ret_view);
bool eng_worker_view(const struct eng *eng, uint64_t worker, struct eng_worker_view *ret_view);
struct bytes eng_worker_action(const struct eng *eng, uint64_t worker, uint32_t index);

/* Why a task is where it is: from the state that decides, by the function that schedules. */
enum eng_why_kind {
	ENG_WHY_CLOSED,    /* it has ended: `state` */
	ENG_WHY_RUNS,      /* `worker` works on it */
	ENG_WHY_AWAY,      /* `worker` holds it, and its connection is broken */
	ENG_WHY_PARENTS,   /* `count` parents are open; the first is `name` */
	ENG_WHY_LAST,      /* the on-failure task: `count` others are open */
	ENG_WHY_TIMER,     /* the next attempt's time, until_ns */
	ENG_WHY_LAPSE,     /* exactly once: `worker` may still be at it, up to until_ns */
	ENG_WHY_WAIT,      /* a durable task's node `count` waits: `name`; until_ns at the latest */
	ENG_WHY_HELD,      /* the disk is nearly full: nothing is assigned */
	ENG_WHY_PAUSED,    /* the workflow is paused */
	ENG_WHY_NO_WORKER, /* no worker serves `action` */
	ENG_WHY_IDLE,      /* `workers` do: `paused`, `draining`, the others' connections broken */
	ENG_WHY_SMALL,     /* none of them has `need` slots of `type`; the largest has `slots` */
	ENG_WHY_KEPT,      /* its turn has come: `worker` gets free for it, `used` still are not */
	ENG_WHY_BEHIND,    /* what is free is kept for tasks that need more and came first */
	ENG_WHY_NO_SLOT,   /* `used` of `slots` of `type` are in use; `count` tasks before it */
	ENG_WHY_TURN,      /* a worker fits: others' turns come first; `count` tasks before it */
};

struct eng_why {
	enum eng_why_kind kind;
	enum eng_task_state state;
	struct uuid task;
	struct bytes task_name;
	struct bytes action;
	struct bytes name;
	struct bytes type;
	uint64_t worker;
	uint64_t until_ns;
	uint64_t since_ns; /* QUEUED: since when */
	uint64_t count; /* tasks before it in its queue: counted up to what was asked for */
	bool more;      /* there are more than that */
	uint32_t workers, paused, draining;
	uint32_t need, slots, used;
	uint32_t attempt;
};
#define ENG_WHY_COUNT_MAX 10000u
/* An open run's task; false: no such. `hold`: as the command's. Borrowed from state. Tasks before
 * it are counted up to count_max, at most ENG_WHY_COUNT_MAX. */
bool eng_why(const struct eng *eng, uint64_t run, uint32_t task, bool hold, uint64_t count_max,
    struct eng_why *ret_why);

/* Open approvals of a tenant with a number above `after`, ascending, up to `count` of them; how
 * many there were. Bytes are borrowed from state. */
struct eng_approval_view {
	uint64_t number;
	struct uuid run;
	struct bytes workflow;
	struct bytes task;
	struct bytes name;
	struct bytes data; /* JSON, or empty */
	uint32_t node;
	uint64_t created_ns;
};
size_t eng_approvals(const struct eng *eng, struct eng_tenant_id tenant, uint64_t after,
    struct eng_approval_view *to, size_t count);

struct eng_counts {
	uint64_t jobs, jobs_running;
	uint64_t tokens, rates;
	uint64_t tenants, workflows, workers, slots, slots_used;
	uint64_t runs, runs_started, runs_closed[6]; /* by enum eng_status */
	uint64_t runs_open[6];                       /* the same, of those that have not ended */
	uint64_t tasks[10]; /* open runs' tasks by enum eng_task_state */
	uint64_t timers;
	uint64_t events, approvals, deliveries; /* pushed; open; on their way to waits */
	uint64_t nodes; /* of open durable tasks */
};
void eng_counts(const struct eng *eng, struct eng_counts *ret_counts);

/* Every queue that has ever had a task: how many wait in it, and since when the one that has waited
 * longest; 0: none waits. Names live as long as the engine. */
struct eng_queue_view {
	struct bytes tenant;
	struct bytes workflow;
	struct bytes action;
	uint64_t length;
	uint64_t oldest_ns;
};
void eng_queues(const struct eng *eng,
    void (*each)(void *context, const struct eng_queue_view *view), void *context);

/* Of counters only, in constant time: engines that differ in it differ. */
uint64_t eng_digest(const struct eng *eng);
/* Is there so little that eng_hash() looks at fewer than so many things? */
bool eng_small(const struct eng *eng, uint64_t limit);

uint64_t eng_hash(const struct eng *eng); /* of the whole state; equal states, equal hashes */
void eng_check(const struct eng *eng);    /* every invariant, slow */

#endif
