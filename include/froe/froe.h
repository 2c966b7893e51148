/*
 * froe/froe: libfroe, the C client and worker library of froe.
 *
 * Purpose     A client registers workflows, starts runs, waits for them, cancels and reads them. A
 *             worker on the same connection executes tasks in threads of its own. A broken
 *             connection is opened again by itself; what is safe to repeat is repeated.
 * Ownership   what a call takes is copied before it returns. What a call returns belongs to the
 *             caller where a *_free function is named, else it is borrowed for as long as said.
 *             What a callback is given is borrowed until the callback returns.
 * Threading   a froe_client and a froe_worker may be used by any thread. Callbacks are called on
 *             the thread that steps the client (its own, or the one that calls
 *             froe_client_step); they must not make a call that waits (FROE_FAILED_PRECONDITION)
 *             and must not close the client. Handlers run in the worker's threads and may make
 *             any call. Nothing survives fork(). The library has no global state.
 * Units       milliseconds where a name ends in _ms, nanoseconds of the wall clock in _ns, bytes in
 *             _size. Zero in an option is its default. Payloads are JSON text, not terminated.
 * Failure     calls return enum froe_err and fill *error (may be NULL) on failure only. The class
 *             of an error (froe_err_class) says whether to try again. NULL where something has to
 *             be is FROE_INVALID_ARGUMENT with the argument's name as field; options that are NULL
 *             are all defaults, where they have any; what cannot say so answers with nothing
 *             (false, 0, ""). Out of memory ends the process.
 * See         docs/protocol.md, docs/cli.md, examples/
 */
#ifndef FROE_FROE_H
#define FROE_FROE_H

#include "froe/error.h"
#include "froe/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct froe_client;
struct froe_worker;
struct froe_task;

/* What went wrong in one call. */
struct froe_error {
	enum froe_err code;
	char field[64];  /* the part of the request at fault: "tasks[2].parents[0]"; or "" */
	char text[1024]; /* what, where and what to do */
};

/* The id of a run or of a task. A task's id is the same in all its attempts: a key to hand to
 * payment services and the like. */
struct froe_id {
	uint8_t bytes[16];
};
#define FROE_ID_TEXT_SIZE 37 /* with the terminating zero */

void froe_id_format(struct froe_id id, char text[FROE_ID_TEXT_SIZE]);

/* False: not a UUID. */
bool froe_id_parse(const char *text, struct froe_id *ret_id);

struct froe_bytes {
	const void *data;
	size_t size;
};

enum froe_status {
	FROE_RUN_QUEUED,
	FROE_RUN_RUNNING,
	FROE_RUN_COMPLETED,
	FROE_RUN_FAILED,
	FROE_RUN_CANCELLED,
	FROE_RUN_EVICTED,
};

/* "COMPLETED"; "UNKNOWN" for a number that is none. */
const char *froe_status_name(enum froe_status status);

/* The version of the library: "0.1.0". */
const char *froe_version(void);

/* ------------------------------------------------------------------------------ connections */

/* How the two sides of a tls:// connection know each other. The server is always verified; a
 * self-signed certificate is trusted by naming it as ca_file. The files are read by
 * froe_client_open, which fails with FROE_UNTRUSTED when the server's certificate has expired
 * (field "tls.expired"), is for another name ("tls.server_name") or is signed by a CA that is not
 * trusted ("tls.ca_file"), and with FROE_DENIED when the server refuses ours ("tls.cert_file"). */
struct froe_tls_options {
	const char *ca_file;       /* PEM: who signs servers' certificates; NULL: the system's */
	const char *cert_file;     /* PEM: our certificate and its chain; NULL: none */
	const char *key_file;      /* PEM: its key, without a passphrase */
	const char *server_name;   /* whom the certificate must be for; NULL: the address's host */
	uint64_t reserved[4];      /* zero */
};

struct froe_client_options {
	/* "host:port", "[::1]:port", "tls://host:port" or "unix:DATA/admin.sock"; NULL:
	 * 127.0.0.1:7077 */
	const char *address;
	const char *tenant;        /* NULL: the token's, or "default" */
	const char *token;         /* NULL: FROE_TOKEN of the environment, or none */
	const char *name;          /* for the server's logs; NULL: "libfroe/VERSION" */
	uint64_t push_window_size; /* events and tasks sent ahead; default and least: 8 MiB */
	uint32_t open_ms;          /* how long froe_client_open tries; 0: one attempt */
	bool no_thread;            /* the caller steps the client: see froe_client_step */
	const struct froe_tls_options *tls; /* for tls:// only; NULL: all defaults */
	uint64_t reserved[3];      /* zero */
};

/*
 * Connects and shakes hands. Fails with FROE_UNAVAILABLE when no server answered within open_ms
 * (UINT32_MAX: tries forever), with the server's error when it refused. Once open, a lost
 * connection is opened again (after 50 ms, then twice as long each time up to 2 s, less a random
 * part). Requests that can be repeated without harm (all but task refreshes, log lines, events
 * and decisions of approvals) are then sent again; the others end with FROE_CLOSED: their outcome
 * is unknown. While the server refuses the token (FROE_UNAUTHENTICATED, FROE_FORBIDDEN), whatever
 * waits ends with that.
 */
enum froe_err froe_client_open(const struct froe_client_options *options,
    struct froe_client **ret_client, struct froe_error *error);

/* Closes the connection and frees the client. Requests under way end with FROE_CLOSED, on this
 * thread. Its worker must have been closed; no other call may be under way. NULL is allowed. */
void froe_client_close(struct froe_client *client);

/* False while the connection is lost and not yet open again. */
bool froe_client_connected(struct froe_client *client);

struct froe_server {
	char name[64];  /* "froe/0.1.0" */
	uint64_t epoch; /* rises with each of its starts */
};

/* Who answered, when the connection was opened last. */
void froe_client_server(struct froe_client *client, struct froe_server *ret_server);

/* Requests under way and watches. */
size_t froe_client_pending(struct froe_client *client);

/*
 * Drives a client that was opened with no_thread: sends what is queued, waits up to timeout_ms
 * (-1: without limit, 0: not at all) for something to arrive, calls the callbacks of what arrived
 * (and the handlers of a worker with `inline_handlers`), keeps heartbeats and reconnects going.
 * Returns after at most one wait. No message changes threads on this path.
 */
enum froe_err froe_client_step(struct froe_client *client, int timeout_ms,
    struct froe_error *error);

/* A descriptor that is readable when froe_client_step has something to do; the same for the life of
 * the client. Timers do not make it readable: wait at most froe_client_timeout_ms. */
int froe_client_fd(const struct froe_client *client);

/* Until the next timer of the client; -1: none. */
int froe_client_timeout_ms(struct froe_client *client);

/* -------------------------------------------------------------------------------- workflows */

enum froe_backoff_kind {
	FROE_BACKOFF_NONE,        /* retry at once */
	FROE_BACKOFF_CONSTANT,    /* initial */
	FROE_BACKOFF_LINEAR,      /* initial * n */
	FROE_BACKOFF_EXPONENTIAL, /* initial * factor^(n-1) */
	FROE_BACKOFF_TABLE,       /* table_ms[n-1]; the last one repeats */
};

struct froe_backoff {
	enum froe_backoff_kind kind;
	uint64_t initial_ms;
	uint64_t max_ms;          /* 0: a day */
	double factor;            /* 1..1000; 0: 2 */
	const uint64_t *table_ms; /* FROE_BACKOFF_TABLE */
	size_t table_count;
	uint32_t jitter_percent;  /* 0..100: the delay is shortened by up to this share */
};

/*
 * Executes one attempt of a task. FROE_OK completes it with the output that froe_task_output()
 * set (default: null); anything else fails it, with the text that froe_task_error() set (default:
 * that of the code). It should look at froe_task_cancelled() now and then.
 */
typedef enum froe_err froe_handler(struct froe_task *task, void *context);

/* How often an attempt may begin. With a key that is the same in all attempts (froe_task_id) the
 * last one is as near to "side effects happen once" as any system comes. */
enum froe_delivery {
	FROE_AT_LEAST_ONCE, /* again, when its worker is lost */
	FROE_AT_MOST_ONCE,  /* never again: the task has failed; no retries */
	FROE_EXACTLY_ONCE,  /* again, but attempts never overlap: see froe_worker_options */
};

/* Slots of one type: what a worker has, what a task takes. */
struct froe_slots {
	const char *type;
	uint32_t count;
};

struct froe_task_def {
	const char *name;
	const char *action;                /* which workers can do it; NULL: "workflow:task" */
	const char *const *parents;        /* names, NULL at the end; NULL: none */
	uint32_t retries;                  /* after the first attempt */
	struct froe_backoff backoff;
	uint64_t schedule_timeout_ms;      /* waiting for a worker; 0: none */
	uint64_t execution_timeout_ms;     /* one attempt; 0: 60 s */
	bool on_failure;                   /* runs when the others have settled and any failed */
	bool durable;                      /* its steps are kept: see "durable tasks" below */
	enum froe_delivery delivery;
	/* What it takes of one worker, all at once, at most 4 types; none: one of "default", a
	 * durable task one of "durable". */
	const struct froe_slots *slots;
	size_t slot_count;
	uint32_t priority;                 /* 1..3, of its first attempt; 0: the run's */
	froe_handler *handler;             /* for froe_worker_workflow; NULL: done elsewhere */
	void *context;                     /* of the handler */
};

struct froe_workflow {
	const char *name;
	const struct froe_task_def *tasks;
	size_t task_count;
	uint64_t run_timeout_ms; /* 0: none */
	uint32_t priority;       /* 1..3; 0: 1 */
};

struct froe_workflow_version {
	uint32_t version; /* dense per workflow, from 1 */
	bool created;     /* false: this definition was the newest already */
};

/* Registers a definition; FROE_INVALID_ARGUMENT names every fault that fits the text. timeout_ms
 * here and below: how long to wait for the answer, reconnects included; -1: without limit. After
 * FROE_TIMEOUT the outcome is unknown. */
enum froe_err froe_workflow_put(struct froe_client *client, const struct froe_workflow *workflow,
    int timeout_ms, struct froe_workflow_version *ret_version, struct froe_error *error);

/* A workflow that is registered. */
struct froe_workflow_row {
	const char *name;
	uint32_t version;    /* the newest; of a view: the one that is shown */
	uint32_t task_count;
	uint64_t open_runs;  /* of all versions */
};

struct froe_workflow_page {
	const struct froe_workflow_row *rows; /* in the order they were first registered */
	size_t row_count;
	uint32_t next; /* `after` of the next page; 0: no more */
};

/* limit: at most 1000, 0: 100. */
enum froe_err froe_workflow_list(struct froe_client *client, uint32_t after, uint32_t limit,
    int timeout_ms, struct froe_workflow_page **ret_page, struct froe_error *error);
void froe_workflow_page_free(struct froe_workflow_page *page);

struct froe_workflow_task {
	const char *name;
	const char *action;
	const char *const *parents;
	size_t parent_count;
	uint32_t retries;
	uint64_t schedule_timeout_ms; /* 0: none */
	uint64_t execution_timeout_ms;
	bool on_failure;
	bool durable;
};

struct froe_workflow_view {
	struct froe_workflow_row row;
	uint32_t newest; /* version */
	uint64_t run_timeout_ms; /* 0: none */
	uint32_t priority;
	const struct froe_workflow_task *tasks;
	size_t task_count;
};

/* A version of a workflow (0: the newest). */
enum froe_err froe_workflow_get(struct froe_client *client, const char *name, uint32_t version,
    int timeout_ms, struct froe_workflow_view **ret_view, struct froe_error *error);
void froe_workflow_view_free(struct froe_workflow_view *view);

/* ------------------------------------------------------------------------------------- runs */

/* One pair of a run's additional metadata: both UTF-8 text, the key of 1 to 255 bytes. */
struct froe_pair {
	const char *key;
	const char *value;
};

struct froe_run_options {
	const char *workflow;
	struct froe_bytes input; /* JSON text; size 0: {} */
	uint32_t priority;       /* 1..3; 0: the workflow's */
	uint64_t run_timeout_ms; /* 0: the workflow's */
	/* Zero: minted by the library. Else a UUIDv7 with the low ten bits 0; one that exists
	 * already is FROE_ALREADY_EXISTS. */
	struct froe_id id;
	/* Ids and labels that travel with the run's tasks and are inherited by its children: at
	 * most 64 pairs and 8 KiB together, each key once. */
	const struct froe_pair *metadata;
	size_t metadata_count;
	/* Idempotency: a trigger with a key that is in use is answered with the run that the first
	 * one started, whatever else it says. The key counts for key_ttl_ms (0: a day; at most 366
	 * of them), or with key_until_end until the run has ended. NULL: none. */
	const char *key;
	uint64_t key_ttl_ms;
	bool key_until_end;
	/* When it begins, on the newest version of that time: at a wall-clock time, or so long from
	 * now; at most ten years ahead. 0: now. */
	uint64_t start_ns;
	uint64_t delay_ms;
	uint64_t reserved[4]; /* zero */
};

/* An opaque log position: a list that is given it shows at least what it acknowledged. */
struct froe_position {
	uint8_t size; /* 0: none */
	uint8_t bytes[31];
};

struct froe_started {
	struct froe_id run;
	uint64_t number; /* dense per server; 0: not known, because the request was repeated */
	struct froe_position position;
	bool created; /* false: an earlier trigger with its key, or as this child, started it */
	enum froe_status status;
};

/* A change of a run, or its end (final). Members that do not apply are NULL or 0. */
struct froe_event {
	struct froe_id run;
	enum froe_status status;
	bool final;
	const char *task;         /* the task that changed */
	const char *change;       /* queued, assigned, delayed, completed, failed, ... */
	uint64_t time_ns;
	uint32_t attempt;
	const char *error;        /* of the first task that failed; of a change: the attempt's */
	/* Final and COMPLETED: the output of a one-task workflow, else a JSON object of the outputs
	 * of the tasks that no other waits for. */
	struct froe_bytes result;
	bool result_omitted;      /* larger than a message: ask froe_output_get for each task's */
};

/* Starts a run. When it returns FROE_OK, the run is on disk. */
enum froe_err froe_run_start(struct froe_client *client, const struct froe_run_options *options,
    int timeout_ms, struct froe_started *ret_started, struct froe_error *error);

/*
 * Starts up to 1000 runs in one step: all of them, or none. *error names every fault that fits its
 * text, as runs[i].field. ret_started (may be NULL) has room for one each. The inputs together must
 * fit a message.
 */
enum froe_err froe_run_start_many(struct froe_client *client,
    const struct froe_run_options *options, size_t count, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error);

/*
 * The same without waiting. on_started is called once: with `started`, or with `error` if the run
 * was not started. If on_end is not NULL and the run was started, on_end is called once, later:
 * with the final event, or with `error` when the client closes. An error that this call itself
 * returns (FROE_RESOURCE_EXHAUSTED: too many under way) calls nothing.
 */
enum froe_err froe_run_start_async(struct froe_client *client,
    const struct froe_run_options *options,
    void (*on_started)(void *context, const struct froe_started *started,
        const struct froe_error *error),
    void (*on_end)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, struct froe_error *error);

/*
 * Watches a run: on_event is called with each change of a task (if `changes`) and, last, once with
 * the final event or with an error. A watch outlives reconnects and restarts of the server; what
 * changed meanwhile is not reported, the end always is. *ret_watch (may be NULL) is for
 * froe_run_unwatch.
 */
enum froe_err froe_run_watch(struct froe_client *client, struct froe_id run, bool changes,
    void (*on_event)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, uint64_t *ret_watch, struct froe_error *error);

/* Ends a watch: its callback is not called again once this returns, except for a call that is
 * already being made on the stepping thread. Unknown watches are ignored. */
void froe_run_unwatch(struct froe_client *client, uint64_t watch);

/* Waits for a run's end. *ret_end is the caller's: froe_event_free. */
enum froe_err froe_run_await(struct froe_client *client, struct froe_id run, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error);
void froe_event_free(struct froe_event *event);

/* Cancels a run; with a task's id that task alone, and those that wait for it: durable when it
 * returns FROE_OK. reason may be NULL. What has ended already is FROE_FAILED_PRECONDITION. */
enum froe_err froe_run_cancel(struct froe_client *client, struct froe_id run, const char *reason,
    int timeout_ms, struct froe_error *error);

/* Also every open run that its tasks have started, and theirs, and so on: soon after it returns. */
enum froe_err froe_run_cancel_all(struct froe_client *client, struct froe_id run,
    const char *reason, int timeout_ms, struct froe_error *error);

/* Strings of the views below are never NULL; spans that are absent have size 0. */
struct froe_attempt_view {
	uint32_t attempt;
	uint64_t lease;
	const char *worker;
	enum froe_status status;
	uint64_t assigned_ns;
	uint64_t finished_ns; /* 0: not yet */
	const char *error;
	/* completed, failed, timed_out, lost, released, cancelled, evicted; "" */
	const char *outcome;
	uint32_t invocation;  /* of a durable task that has come back; else 0 */
	const char *position; /* log position of its end, else of its start */
};

/* A step of a durable task. */
struct froe_node_view {
	uint32_t node;        /* 1, 2, ... */
	bool memo;            /* else a wait, or a child run */
	struct froe_id child; /* zero: none */
	bool done;
	const char *label;    /* "event order.paid" */
	/* Of a wait that is done: sleep, event, approved, rejected; of a child: completed, failed,
	 * cancelled; else "". */
	const char *outcome;
	const char *actor;    /* who decided */
	const char *reason;
	uint64_t approval;    /* number of its first approval; 0: none */
	uint64_t created_ns;
	uint64_t done_ns;
	uint64_t due_ns;      /* of its earliest sleep; 0: none */
};

struct froe_task_view {
	const char *name;
	struct froe_id id;
	enum froe_status status;
	const char *state; /* waiting, queued, delayed, assigned, evicted, loading, closed */
	bool skipped;
	uint64_t queued_ns;
	uint64_t started_ns;
	uint64_t finished_ns;
	uint64_t due_ns; /* of a retry that waits; 0: none */
	const char *error;
	struct froe_bytes output;
	const char *const *parents;
	size_t parent_count;
	const char *const *log;
	size_t log_count;
	const struct froe_node_view *nodes; /* of a durable task */
	size_t node_count;
	const struct froe_attempt_view *attempts;
	size_t attempt_count;
};

/* A run that a task has started. */
struct froe_child_view {
	struct froe_id run;
	enum froe_status status;
	const char *task; /* which */
	uint32_t index;
	const char *key;  /* not "": instead of the index */
};

/* A time when the run, having ended, went on. */
struct froe_replay_view {
	uint64_t time_ns;
	const char *by;     /* who asked for it */
	const char *reason;
	const char *task;   /* from which on; "": all of it */
	bool edited;        /* with another input */
	uint64_t job;       /* of which it was a part; 0: none */
};

struct froe_run_view {
	struct froe_id run;
	uint64_t number;
	const char *workflow;
	uint32_t version;
	enum froe_status status;
	uint32_t priority;
	uint64_t created_ns;
	uint64_t started_ns;
	uint64_t finished_ns;
	struct froe_bytes input;
	struct froe_bytes result;
	const char *reason;   /* of a cancel */
	const char *cancelled_by; /* who asked for it */
	uint64_t cancel_job;  /* of which it was a part; 0: none */
	const char *position; /* log position of its first record */
	const struct froe_task_view *tasks;
	size_t task_count;
	const struct froe_pair *metadata; /* with what it inherited */
	size_t metadata_count;
	struct froe_id parent; /* of a child: the task that started it; else zero */
	uint32_t child_index;
	const char *child_key; /* not "": instead of the index */
	uint64_t start_ns;     /* scheduled for this time; it has no tasks until then */
	bool late;             /* it fell due while nobody served */
	const char *key;       /* idempotency */
	const struct froe_child_view *children; /* of an open run, at most 1000 */
	size_t child_view_count;
	size_t child_count;                     /* how many there are */
	const struct froe_replay_view *replays; /* oldest first */
	size_t replay_count;
};

/* How a run that has ended is to go on. */
struct froe_replay_options {
	const char *task;   /* from this task on; NULL: all of it */
	uint32_t node;      /* of that durable task: from this node on; earlier ones stay */
	const void *input;  /* JSON; NULL: the same again */
	size_t input_size;
	const char *reason; /* kept in its history; may be NULL */
};

/* A run that has ended goes on, under the same id: the named task and all that follow it run anew,
 * and so do those that had not completed; the others keep their outputs. FROE_FAILED_PRECONDITION:
 * it has not ended. */
enum froe_err froe_run_replay(struct froe_client *client, struct froe_id run,
    const struct froe_replay_options *options, int timeout_ms, struct froe_error *error);

/* The state of a run, with all its tasks and attempts; with its payloads if asked. */
enum froe_err froe_run_get(struct froe_client *client, struct froe_id run, bool payloads,
    int timeout_ms, struct froe_run_view **ret_view, struct froe_error *error);
void froe_run_view_free(struct froe_run_view *view);

/* A page of the stream of a run. */
struct froe_chunk {
	uint32_t position; /* rises within the run; not dense */
	const char *task;
	uint32_t attempt;
	uint64_t time_ns;
	struct froe_bytes data;
};

struct froe_stream_page {
	const struct froe_chunk *chunks;
	size_t chunk_count;
	uint32_t next; /* give it as `after` to go on */
	bool ended;    /* the run has ended, and nothing comes after this */
};

/* Chunks of a run after a position (0: from the beginning), of one task or of all (NULL). Returns
 * as soon as there is one; when there is none and the run is open it waits, and gives an empty page
 * after at most half a minute. *ret_page is the caller's: froe_stream_page_free. */
enum froe_err froe_stream_read(struct froe_client *client, struct froe_id run, const char *task,
    uint32_t after, int timeout_ms, struct froe_stream_page **ret_page, struct froe_error *error);
void froe_stream_page_free(struct froe_stream_page *page);

struct froe_list_options {
	uint32_t statuses;    /* bits 1 << enum froe_status; 0: all */
	uint32_t limit;       /* at most 1000; 0: 50 */
	uint64_t before;      /* froe_run_page.next of the page before; 0: from the newest */
	const char *workflow; /* NULL: all */
	struct froe_position position; /* show at least this; none: all acknowledged so far */
	/* All that are given must fit. */
	uint64_t since_ns;     /* created at or after; 0: no bound */
	uint64_t until_ns;     /* created before; 0: no bound */
	struct froe_id parent; /* started by this run; zero: all */
	const struct froe_pair *metadata; /* each of them is among the run's */
	size_t metadata_count;
	const char *worker;    /* has had a task of the run; NULL: all */
	bool scheduled;        /* begins at a time that has not come */
};

struct froe_run_row {
	struct froe_id run;
	uint64_t number;
	const char *workflow;
	enum froe_status status;
	uint64_t created_ns;
	uint64_t finished_ns; /* 0: not yet */
	bool scheduled;       /* it begins at a time that has not come */
	bool has_parent;
	struct froe_id parent; /* the run that started it */
};

/* A page may be short, or empty, and have a cursor, when it took much looking. */
struct froe_run_page {
	const struct froe_run_row *rows; /* newest first */
	size_t row_count;
	uint64_t next;    /* 0: no more */
	uint64_t damages; /* of the server's log, so many places: runs that lay there are missing */
};

/* Runs, newest first. FROE_INDEX_BEHIND (try again): the server's index has not yet got that far;
 * it is being made anew, for instance. */
enum froe_err froe_run_list(struct froe_client *client, const struct froe_list_options *options,
    int timeout_ms, struct froe_run_page **ret_page, struct froe_error *error);
void froe_run_page_free(struct froe_run_page *page);

/* The output of a completed task. *ret_data is the caller's: froe_output_free. */
enum froe_err froe_output_get(struct froe_client *client, struct froe_id run, const char *task,
    int timeout_ms, void **ret_data, size_t *ret_size, struct froe_error *error);
void froe_output_free(void *data);

/* ---------------------------------------------------------------------------------- workers */

struct froe_worker_options {
	const char *name;     /* NULL: "host/pid" */
	struct froe_id id;    /* durable: the same after a restart of the process; zero: random */
	uint32_t slots;       /* of type "default": attempts at a time, and threads; 0: 1 */
	/* Slots of other types, at most 7. A worker of durable tasks has 1000 of "durable" if this
	 * does not name that type. Threads are made as they are needed, one an attempt. */
	const struct froe_slots *slot_types;
	size_t slot_type_count;
	/* Exactly once: another attempt begins when the server has not heard of this process for
	 * its lost-after time. So many ms before (0: 5 s, or a quarter of it) a handler is
	 * cancelled as "lost"; if it has not returned in time, the process ends with status 79,
	 * unless never_exit: it must then, as if nobody steps, see froe_task_lease_valid. */
	uint32_t stop_notice_ms;
	bool never_exit;
	bool inline_handlers; /* handlers run inside froe_client_step; no_thread clients only */
	/* Called once for each attempt whose end was answered: FROE_OK: recorded;
	 * FROE_LEASE_LAPSED: not used (or, after a lost connection, recorded before); else why it
	 * was not. May be NULL. */
	void (*on_result)(void *context, struct froe_id task, uint32_t attempt, enum froe_err err);
	void *context;         /* of on_result */
	/* A durable task that has waited this long is evicted: its slot and its thread are free,
	 * and its handler is run again from its start when what it waits for has come. 0: one
	 * second; below 0: at once. */
	int64_t evict_after_ms;
	uint64_t reserved[3]; /* zero */
};

/* A worker on a client's connection; one a client. It does nothing before froe_worker_start. */
enum froe_err froe_worker_open(struct froe_client *client,
    const struct froe_worker_options *options, struct froe_worker **ret_worker,
    struct froe_error *error);

/* Adds a workflow, which froe_worker_start registers, and serves the actions of its tasks that
 * have a handler. Before froe_worker_start only. */
enum froe_err froe_worker_workflow(struct froe_worker *worker, const struct froe_workflow *workflow,
    struct froe_error *error);

/* Serves one action without registering a workflow. Before froe_worker_start only. */
enum froe_err froe_worker_serve(struct froe_worker *worker, const char *action,
    froe_handler *handler, void *context, struct froe_error *error);

/* Registers the workflows, then the worker. When it returns FROE_OK, tasks are coming. */
enum froe_err froe_worker_start(struct froe_worker *worker, int timeout_ms,
    struct froe_error *error);

/* Takes no new tasks, lets handlers finish for up to limit_ms, then cancels the rest (one second
 * to notice) and leaves: what is still held is queued again for other workers at once. */
void froe_worker_stop(struct froe_worker *worker, uint32_t limit_ms);

/* Stops it if need be, waits for its threads (a handler that never returns keeps it waiting), frees
 * it. NULL is allowed. */
void froe_worker_close(struct froe_worker *worker);

/* Attempts held now. */
size_t froe_worker_held(struct froe_worker *worker);

/* ---------------------------------------------------------- tasks, inside a handler only */

struct froe_id froe_task_id(const struct froe_task *task);
struct froe_id froe_task_run(const struct froe_task *task);
const char *froe_task_name(const struct froe_task *task);
const char *froe_task_action(const struct froe_task *task);
const char *froe_task_workflow(const struct froe_task *task);
uint32_t froe_task_attempt(const struct froe_task *task); /* 1, 2, ... */
uint32_t froe_task_retries(const struct froe_task *task); /* failures so far that counted */

/* With the id the fence: a number that rises with each assignment of the task. A store that
 * remembers the highest lease it has seen can refuse a late writer. */
uint64_t froe_task_lease(const struct froe_task *task);

/* The run's input. Borrowed until the handler returns, as all that follows. */
struct froe_bytes froe_task_input(const struct froe_task *task);

/* The value of one of the run's pairs of metadata; NULL: it has no such key. By index, for all of
 * them: false past the last. */
const char *froe_task_metadata(const struct froe_task *task, const char *key);
bool froe_task_metadata_at(const struct froe_task *task, size_t index, struct froe_pair *ret_pair);

/* A parent's output; fetched from the server if it was too large to travel along. A parent that
 * was skipped has size 0. FROE_NOT_FOUND: no such parent. */
enum froe_err froe_task_parent(struct froe_task *task, const char *parent,
    struct froe_bytes *ret_output, struct froe_error *error);

/* In an on_failure task: the failed tasks and their errors, by index; false past the last. */
bool froe_task_failure(const struct froe_task *task, size_t index, const char **ret_task,
    const char **ret_error);

/* Milliseconds left until the execution deadline; 0: it has passed. */
uint64_t froe_task_left_ms(struct froe_task *task);

/* True once the server took the lease back (cancelled, timed out, given to another worker), the
 * lease has lapsed for want of contact, or the worker stops. It stays true. */
bool froe_task_cancelled(struct froe_task *task);

/* Why: "cancelled", "timed_out", "lost", "stopping", "evicted"; "" while it is not. */
const char *froe_task_cancel_reason(struct froe_task *task);

/* Waits until the task is cancelled (true) or timeout_ms is over (false). */
bool froe_task_wait(struct froe_task *task, uint32_t timeout_ms);

/* A descriptor that becomes readable when the task is cancelled, for poll(); -1: none to be had.
 * The library closes it. */
int froe_task_fd(struct froe_task *task);

/* True while a result would still be accepted as far as this process can know: the lease was not
 * taken back, and the server has confirmed the worker within the server's lost-after time. */
bool froe_task_lease_valid(struct froe_task *task);

/* The output: JSON text, copied. FROE_INVALID_ARGUMENT: not JSON; FROE_TOO_LARGE: over 4 MiB. */
enum froe_err froe_task_output(struct froe_task *task, const void *json, size_t size,
    struct froe_error *error);

/* The text of the error that the handler is about to return; cut at 8 KiB. */
void froe_task_error(struct froe_task *task, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How a failure goes on: never again, or not before so many milliseconds (0: by the backoff). */
void froe_task_fatal(struct froe_task *task);
void froe_task_retry_after(struct froe_task *task, uint64_t delay_ms);

/* Adds a line to the task's log; does not wait. UTF-8, cut at 10 000 bytes. A line that is under
 * way when the connection breaks may be lost. */
enum froe_err froe_task_log(struct froe_task *task, const char *line, struct froe_error *error);

/* Adds a chunk to the task's stream: any bytes, 1 to 64 KiB (words of a model, progress). Readers
 * see them in this order, each once, even when the connection breaks in between; a retry streams
 * anew, and readers see which attempt a chunk is of. Waits for the disk at every 64th chunk only.
 * From one thread of the handler at a time. */
enum froe_err froe_task_stream(struct froe_task *task, const void *data, size_t size,
    struct froe_error *error);

/*
 * Starts a run as a child of this task: once over all its attempts. An attempt that starts it again
 * is answered with the run that an earlier one started (created is false). A child is known by its
 * key, or (NULL) by its number in the order of the calls; so without keys an attempt makes the same
 * calls in the same order, from one thread. A child inherits the run's metadata; its own pairs win.
 * It has slots of its own, and outlives its parent. At most 10 000 a task.
 * FROE_LEASE_LAPSED: the task is no longer this worker's.
 */
enum froe_err froe_task_spawn(struct froe_task *task, const struct froe_run_options *options,
    const char *child_key, int timeout_ms, struct froe_started *ret_started,
    struct froe_error *error);

/* Many children by number, 1000 at a time. After an error the same call may be made again. */
enum froe_err froe_task_spawn_many(struct froe_task *task, const struct froe_run_options *options,
    size_t count, int timeout_ms, struct froe_started *ret_started, struct froe_error *error);

/* froe_run_await that ends with FROE_CANCELLED once the task is cancelled. The task keeps its slot
 * meanwhile: children need slots of other workers, or of this one that are left. */
enum froe_err froe_child_await(struct froe_task *task, struct froe_id child, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error);

/* Moves the execution deadline add_ms further away; waits for the answer, up to timeout_ms. */
enum froe_err froe_task_refresh(struct froe_task *task, uint64_t add_ms, int timeout_ms,
    struct froe_error *error);

/* Gives the task's slots back: another one may begin at this worker, in a thread of its own. Should
 * the worker be lost, the task is attempted again, as ever. Waits for the answer. */
enum froe_err froe_task_release_slot(struct froe_task *task, int timeout_ms,
    struct froe_error *error);

/* ------------------------------------------------------------------------------ durable tasks */

/*
 * A task that is defined as durable may take steps, which are kept in its run's history by their
 * number: memos (a value that is found once) and waits (for the first of several conditions). When
 * its handler is run again, after a failure, a lost worker, a restart of the server or an eviction,
 * it begins at its start, and each step that was taken before returns what it returned then, at
 * once. So the handler has to take the same steps each time: what may differ (the time, dice, what
 * another service says) goes into a memo. A step that differs fails the attempt for good, with
 * FROE_NONDETERMINISM. Side effects belong behind a memo, or need a key: between two steps the code
 * may run more than once.
 *
 * Each of these calls waits, and must be made by the handler's thread. FROE_CANCELLED: the task was
 * cancelled, or evicted (froe_task_cancel_reason says "evicted"): the handler returns at once,
 * whatever it returns then does not count. At most 10 000 steps a task.
 */
enum froe_condition_kind {
	FROE_ON_SLEEP = 1,
	FROE_ON_EVENT,
	FROE_ON_APPROVAL,
};

struct froe_condition {
	enum froe_condition_kind kind;
	uint64_t sleep_ms;      /* SLEEP: counted from when the step is taken first */
	uint64_t until_ns;      /* SLEEP: instead, a time */
	const char *name;       /* EVENT: its key; APPROVAL: its name */
	struct froe_bytes data; /* APPROVAL: JSON for who decides, at most 4096 bytes; or empty */
};

/* Borrowed until the handler returns. */
struct froe_durable_result {
	size_t which;              /* the condition that came first, by index */
	struct froe_bytes payload; /* EVENT: what was pushed, */
	const struct froe_pair *metadata; /* and what went with it */
	size_t metadata_count;
	bool approved;             /* APPROVAL, and why, and who decided ("": not known) */
	const char *reason;
	const char *actor;
	uint64_t time_ns;          /* when it came */
};

/* Waits for the first of 1 to 16 conditions: an event counts if it is pushed after the step was
 * taken first; a sleep among others is their timeout. */
enum froe_err froe_task_await(struct froe_task *task, const struct froe_condition *conditions,
    size_t count, struct froe_durable_result *ret_result, struct froe_error *error);

/* The same for one condition. A rejection is FROE_OK with `approved` false. */
enum froe_err froe_task_sleep(struct froe_task *task, uint64_t ms, struct froe_error *error);
enum froe_err froe_task_approval(struct froe_task *task, const char *name, struct froe_bytes data,
    struct froe_durable_result *ret_result, struct froe_error *error);

/* A value that is found once: memo_get returns what was kept, or FROE_NOT_FOUND: then the handler
 * finds the value and keeps it by memo_put of the same key, as its next step. What memo_put returns
 * (ret_value may be NULL) is the value that counts. */
enum froe_err froe_task_memo_get(struct froe_task *task, const char *key,
    struct froe_bytes *ret_value, struct froe_error *error);
enum froe_err froe_task_memo_put(struct froe_task *task, const char *key, const void *json,
    size_t size, struct froe_bytes *ret_value, struct froe_error *error);

/*
 * Child runs as steps, for which a durable task may wait without a slot. child_start starts a run
 * (as froe_task_spawn does, which is no step) and does not wait; the same step of a later attempt
 * finds the same run. child_await waits for its end; a result is kept as a memo, which is one more
 * step. child does both. Several are started first and awaited after.
 */
struct froe_child {
	uint32_t node;
	struct froe_id run;
	const char *workflow; /* borrowed until the handler returns */
};

struct froe_child_result {
	struct froe_id run;
	enum froe_status status;  /* COMPLETED, FAILED or CANCELLED; froe_run_get says why */
	struct froe_bytes output; /* COMPLETED: as froe_event.result; borrowed in the same way */
};

enum froe_err froe_task_child_start(struct froe_task *task, const struct froe_run_options *options,
    struct froe_child *ret_child, struct froe_error *error);
enum froe_err froe_task_child_await(struct froe_task *task, const struct froe_child *child,
    struct froe_child_result *ret_result, struct froe_error *error);
enum froe_err froe_task_child(struct froe_task *task, const struct froe_run_options *options,
    struct froe_child_result *ret_result, struct froe_error *error);

/* 1, and one more each time the task has come back from an eviction. */
uint32_t froe_task_invocation(const struct froe_task *task);

/* ------------------------------------------------------------------------ events and approvals */

/* Pushes an event: JSON text (size 0: {}) under a key. All waits of the tenant on that key that are
 * there now get it; it is on disk when this returns FROE_OK. ret_number may be NULL. */
enum froe_err froe_event_push(struct froe_client *client, const char *key,
    struct froe_bytes payload, int timeout_ms, uint64_t *ret_number, struct froe_error *error);

/* The same with metadata: ids and labels that go with the event to those who wait for it, as many
 * as a run may have. */
struct froe_event_options {
	const char *key;
	struct froe_bytes payload;
	const struct froe_pair *metadata;
	size_t metadata_count;
	uint64_t reserved[4]; /* zero */
};
enum froe_err froe_event_push_options(struct froe_client *client,
    const struct froe_event_options *options, int timeout_ms, uint64_t *ret_number,
    struct froe_error *error);

struct froe_approval_row {
	uint64_t number; /* dense per tenant */
	struct froe_id run;
	const char *workflow;
	const char *task;
	uint32_t node;   /* the step that waits */
	const char *name;
	struct froe_bytes data;
	uint64_t created_ns;
};

struct froe_approval_page {
	const struct froe_approval_row *rows; /* oldest first */
	size_t row_count;
	uint64_t next; /* `after` of the next page; 0: no more */
};

/* Open approvals with a greater number than `after`; limit: at most 1000, 0: 100. */
enum froe_err froe_approval_list(struct froe_client *client, uint64_t after, uint32_t limit,
    int timeout_ms, struct froe_approval_page **ret_page, struct froe_error *error);
void froe_approval_page_free(struct froe_approval_page *page);

/* Approves or rejects; reason may be NULL. FROE_FAILED_PRECONDITION: it was decided before (the
 * text says how, and by whom), or nobody waits for it any more. */
enum froe_err froe_approval_decide(struct froe_client *client, uint64_t approval, bool approved,
    const char *reason, int timeout_ms, struct froe_error *error);

#ifdef __cplusplus
}
#endif

#include "froe/operate.h"

#endif
