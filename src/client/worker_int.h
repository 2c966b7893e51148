/*
 * client/worker_int: a worker's insides.
 *
 * Purpose     struct froe_worker and struct froe_task, and what worker.c, held.c, pool.c, result.c
 *             and task.c offer each other.
 * Ownership   a worker owns its tasks. A task is freed when its result was answered, or when it
 *             ends with nothing to say (its lease was taken back).
 * Threading   the client's lock guards everything but what a task was dispatched with (constant)
 *             and its output and error (the handler's, until it returns).
 * States      of a worker: NEW -> DOWN <-> REGISTERING <-> SERVING -> LEFT
 *             of a task: QUEUED -> RUNNING -> REPORTING -> (freed)
 * Invariants  1. a task is in `queue` only while QUEUED. 2. SERVING implies session READY.
 *             3. a task that was added is in its row, behind newer leases of the same task.
 */
#ifndef CLIENT_WORKER_INT_H
#define CLIENT_WORKER_INT_H

#include "client/call_int.h"

enum worker_state {
	WORKER_NEW,
	WORKER_DOWN, /* no registration on this connection */
	WORKER_REGISTERING,
	WORKER_SERVING,
	WORKER_LEFT,
};

struct worker_action {
	char *name;
	froe_handler *handler;
	void *context;
};

struct froe_worker {
	struct froe_client *client;
	enum worker_state state;
	char *name;
	struct froe_id id;
	uint64_t incarnation;
	uint32_t slots;
	uint32_t slots_sum; /* of all types: attempts that may run at a time */
	struct worker_slots {
		char *type;
		uint32_t count;
	} *slot_types;
	size_t slot_type_count;
	bool serves_durable; /* a workflow that was added has a durable task with a handler */
	bool never_exit;
	uint64_t stop_notice_ns;
	bool inline_handlers;
	void (*on_result)(void *context, struct froe_id task, uint32_t attempt, enum froe_err err);
	void *context;
	uint64_t evict_after_ns;
	struct worker_action *actions;
	size_t action_count;
	struct buf *puts; /* encoded WorkflowPut messages */
	size_t put_count;

	bool settled; /* the first registration was answered, or failed: */
	struct froe_error refused;
	bool draining;
	bool empty;  /* draining, and no task is left */
	bool lapsed; /* out of contact for too long; until registered again */
	uint64_t confirmed_ns; /* when the last confirmed heartbeat or registration was sent */
	uint64_t register_ns;  /* when the registration under way was sent; DOWN: when to try */
	uint64_t heartbeat_ns; /* the next */
	uint64_t retry_ns;     /* of delayed results; UINT64_MAX: none */
	struct list tasks;
	struct froe_task **rows; /* the same by a hash of their id */
	size_t row_mask;
	struct froe_task *kept; /* memory for others: a chain by `next` */
	struct list queue;
	unsigned calling; /* on_result calls under way */
	unsigned running; /* handlers under way */
	size_t released_count;     /* tasks whose slots are released: more attempts may run */
	size_t exactly_once_count; /* tasks of that delivery */

	pthread_t *threads;
	size_t thread_count;
	size_t thread_capacity;
	struct list idle; /* threads without a task; the one that worked last is first */
	bool called; /* one of the threads, which has not come yet */
	bool stopping;
	bool quiet; /* a name: it is told when `calling` or `running` has become less */
};

enum task_state {
	TASK_QUEUED,
	TASK_RUNNING,
	TASK_REPORTING,
};

struct task_parent {
	const char *name;
	struct froe_bytes output;
	bool omitted;
	bool skipped;
	void *fetched; /* owned */
};

/* A step that the task has taken before. */
struct task_known {
	uint32_t node;
	uint64_t fingerprint;
	struct bytes done; /* NodeDone as it came */
};

struct task_failure {
	const char *task;
	const char *error;
};

struct froe_task {
	struct list node;  /* worker->tasks */
	struct froe_task *next; /* in its row of the worker's */
	struct list queue; /* worker->queue */
	struct froe_worker *worker;
	enum task_state state;
	bool cancelled;
	bool revoked; /* by the server: a result would be refused */
	bool delayed; /* its result is sent again at worker->retry_ns */
	char reason[32];
	int fd;
	uint64_t deadline_ns;

	/* as dispatched; points into `block`, but for the rows, which are the heap's */
	struct froe_id id;
	struct froe_id run;
	uint64_t lease;
	uint32_t attempt;
	uint32_t retries;
	const char *name;
	const char *action;
	const char *workflow;
	struct froe_bytes input;
	struct task_parent *parents;
	size_t parent_count;
	struct task_failure *failures;
	size_t failure_count;
	struct froe_pair *metadata;
	size_t metadata_count;
	struct task_known *known;
	size_t known_count;
	bool durable;
	uint32_t invocation;
	bool exactly_once;

	bool released;       /* its slots are */
	uint64_t stop_by_ns; /* exactly once and cancelled: the process ends then */

	/* durable.c */
	uint32_t step_last;     /* the newest that is done */
	struct task_step *step; /* under way; NULL: none */
	struct task_result *results;

	uint32_t child_next; /* the number of the next child without a key */

	/* what the handler says */
	void *output;
	size_t output_size;
	size_t output_capacity;
	char *error;
	bool fatal;
	uint64_t retry_after_ms;
	uint32_t streamed; /* chunks sent */
	enum froe_err err;

	size_t capacity;
	_Alignas(16) uint8_t block[];
};

/* ---- held.c: with the lock */
void held_init(struct froe_worker *worker);
void held_release(struct froe_worker *worker); /* it holds none any more */
/* Of a Dispatch's body, which is copied; it belongs to nobody yet. NULL: it is garbled. */
struct froe_task *held_new(struct froe_worker *worker, struct bytes dispatch);
void held_drop(struct froe_task *task); /* one that was not added */
void held_add(struct froe_task *task);  /* to the worker's */
void held_free(struct froe_task *task); /* also out of the worker's */
struct froe_task *held_find(const struct froe_worker *worker, const struct froe_id *id,
    uint64_t lease);

/* ---- task.c */
void held_cancel(struct froe_task *task, const char *reason);

void task_look(struct froe_task *task); /* a lease lapses by the clock alone; with the lock */

/* ---- guard.c: with the lock */
#define GUARD_NOTICE_NS ((uint64_t)5000 * 1000000)
void guard_tick(struct froe_worker *worker, uint64_t now_ns);
uint64_t guard_deadline_ns(const struct froe_worker *worker);
uint64_t guard_cancel_ns(const struct froe_task *task); /* when its lease counts as lapsed here */
void guard_cancelled(struct froe_task *task);

/* ---- durable.c: with the lock */
void durable_done(struct froe_task *task, const Froe__NodeDone *done);
void durable_again(struct froe_task *task); /* a new registration: pending steps are asked again */
void durable_wake(struct froe_task *task);  /* its step, if it waits, looks at what has changed */
void durable_free(struct froe_task *task);

/* ---- pool.c: with the lock */
void pool_push(struct froe_worker *worker, struct froe_task *task);
void pool_run(struct froe_worker *worker, struct froe_task *task); /* opens the lock meanwhile */
void pool_stop(struct froe_worker *worker); /* without the lock: joins */

/* ---- result.c: with the lock */
void result_send(struct froe_task *task);     /* the handler returned task->err */
void result_retry(struct froe_worker *worker); /* the delayed ones */
void result_drop(struct froe_task *task, enum froe_err err); /* tells on_result, frees the task */
void result_detach(struct froe_worker *worker); /* no answer reaches the worker any more */

/* ---- worker.c: with the lock */
uint64_t worker_lapse_ns(const struct froe_worker *worker);

#endif
