/*
 * server/hub_int: the hub's parts, for the files of the hub.
 */
#ifndef SERVER_HUB_INT_H
#define SERVER_HUB_INT_H

#include "server/hub.h"

#include "engine/job.h"
#include "proto/native.pb-c.h"
#include "server/history.h"

/* A question that the index thread has not answered after this is refused: INDEX_BEHIND. */
#define HUB_INDEX_WAIT_NS (UINT64_C(1000000000))
/* Payloads and error texts that travel with one dispatch; the rest is fetched by TaskOutputGet.
 * What is left is for the names of 1000 parents. */
#define HUB_DISPATCH_BYTES_MAX (FROE_MESSAGE_BYTES_MAX - (512u << 10))
/* Steps that travel with a dispatch, and what their records may take. */
#define HUB_NODES_KNOWN_MAX 64u
#define HUB_NODES_KNOWN_BYTES (16u << 10)
#define HUB_DAMAGED \
	"it is not known, and may lie where the log is damaged: \"froe log verify\" says where; " \
	"restore the data directory from a backup"
#define HUB_NO_RUN "no run of the tenant has this id, or it is past retention"
/* Changes and ends of watched runs that wait for one connection. */
#define HUB_EVENT_BYTES_MAX ((size_t)1 << 20)

struct hub_conn {
	uint64_t handle;
	struct eng_tenant_id tenant; /* 0: refused, or not open yet */
	uint64_t worker;             /* engine's number; 0: none */
	uint64_t window;             /* bytes of pushes it will still take */
	struct list pushes;
	struct list watches;
	struct list ended;           /* watches on runs that have closed */
	bool ended_busy;             /* one of them is being read, or waits for frame or window */
	uint64_t ended_request;      /* which */
	struct list job_waits;       /* struct job_wait */
	struct list woken;           /* hub->woken: the next of `ended` may be read */
	struct recent requests;      /* request -> struct hub_watch, of both lists */
	size_t event_bytes;          /* of its HUB_PUSH_EVENT and HUB_PUSH_CLOSED */
	uint64_t kid;                /* of its token; 0: none */
	uint32_t roles;
	uint64_t expires_ns;         /* engine time; 0: never */
	char *actor;                 /* owned */
	struct bytes scope;          /* owned */
	bool cut;                    /* its token has ended: nothing it says counts */
	struct list streams;         /* its StreamGets */
};

/* Who opens a connection, or asks for /metrics. The scope is borrowed until the next step. */
struct hub_who {
	uint64_t kid;
	uint32_t roles;
	uint64_t expires_ns;
	struct bytes scope;
	char actor[FROE_NAME_BYTES_MAX + 1];
	const char *why; /* refused: what is wrong, for the operator; whoever asks learns less */
};

enum hub_push_kind {
	HUB_PUSH_DISPATCH,
	HUB_PUSH_REVOKE,
	HUB_PUSH_EVENT,  /* a change of a watched run, or its state as the watch began */
	HUB_PUSH_CLOSED, /* a watched run's end */
	HUB_PUSH_ENDED,  /* the end of a run that had closed before it was watched: packed */
	HUB_PUSH_NODE,   /* a durable task's node: answers its step (request), or came later (0) */
	HUB_PUSH_UNWATCHED, /* the answer to RunUnwatch: nothing of the watch comes after it */
};

/* A push that waits for its frame, its bytes or its window: references only. */
struct hub_push {
	struct list link;
	enum hub_push_kind kind;
	uint64_t conn;
	uint64_t request; /* of the watch */
	uint64_t answers; /* UNWATCHED: the request it answers */
	bool gone;        /* unwatched while it was loading */
	uint64_t run;
	struct uuid id;   /* the run's; REVOKE: the task's */
	uint32_t task;
	uint64_t lease;
	uint64_t decided_ns; /* DISPATCH: boot-time clock; 0: not a new lease */
	uint32_t reason;
	uint32_t node;    /* NODE */
	uint32_t which;
	uint32_t record;  /* of its result; 0: it has none, or the worker has it */
	uint32_t order;
	enum eng_node_state node_state;
	struct uuid child;
	bool stored;
	uint32_t status;
	uint32_t attempt;
	uint64_t time_ns;
	struct bytes name;   /* EVENT, CLOSED: of the task; lives as long as the engine */
	const char *change;
	char *error;         /* EVENT: owned */
	size_t event_bytes;  /* counted in its connection */
	bool bare;
	bool named;
	uint32_t part_count;
	struct eng_ref *parts; /* CLOSED: owned */
	struct bytes packed;   /* ENDED: owned */
	struct hub_load *load; /* what it needed from the log, loaded; owned */
};

/* A watch on an open run; or on one that has closed: of those, one of a connection's is read at a
 * time. */
struct hub_watch {
	struct list link;         /* of its connection */
	struct list run_link;     /* a ring of those of its run, without a head */
	struct hub_conn *conn;
	uint64_t request;
	uint64_t run;
	struct eng_run_info info; /* outlives the run's state: its last step closes it */
	bool open;  /* its run is, and hub->watches has the first of the ring */
	bool changes;
	bool named; /* its end says which task the result is of */
};

struct hub_worker {
	struct timer timer;
	uint64_t worker;
	uint64_t conn;    /* 0: detached */
	uint64_t seen_ns; /* boot-time clock */
	uint64_t gone_ns; /* detached: since when; 0: since before this process */
	bool leaving;     /* it is not bound any more; its connection still hears of its leases */
};

/* The records a push needs that have left memory: read from the log, then the push goes on. The
 * push owns it. While it is in one of the hub's lists, the push is in none. */
struct hub_load {
	struct list link; /* hub->loading; hub->loaded when all are there; then none */
	struct hub *hub;
	struct hub_push *push;
	uint32_t missing;
	uint32_t count;
	enum froe_err err;
	struct hub_load_record {
		struct log_read read;
		struct hub_load *load;
		uint32_t record;
		uint16_t type;
		uint64_t time_ns;
		struct bytes body; /* owned */
	} records[];
};

/* What a StreamGet asks for. */
struct hub_stream_ask {
	struct uuid run;
	struct bytes task; /* empty: all */
	uint32_t after;
	bool wait;
	bool changes;
};

enum hub_item_kind {
	HUB_ITEM_EFFECT, /* packed bytes follow */
	HUB_ITEM_PUSH,   /* a struct hub_push */
	HUB_ITEM_INDEX,  /* a struct indexer_job */
};

struct hub_item {
	uint64_t frame;
	uint64_t conn;
	uint64_t request;
	void *object;
	size_t size;
	enum hub_item_kind kind;
	uint32_t number;
	bool close;
	bool late;
};

struct hub_read;
struct hub_replay_ask;

/* hub.c */
bool hub_has_room(const struct hub *hub); /* for another command */
struct hub_conn *hub_conn_find(struct hub *hub, uint64_t handle);
/* A copy that ends with a zero byte, in the hub's arena. */
char *hub_text(struct hub *hub, struct bytes text);
/* Runs a command of the engine for a connection. False: no room now. */
bool hub_engine(struct hub *hub, const struct api_command *command,
    struct eng_command *engine);

/* hub_outbox.c */
size_t hub_outbox_bytes(const struct hub *hub);
void hub_item_object(struct hub *hub, uint64_t frame, enum hub_item_kind kind, void *object);
void hub_item_reply(struct hub *hub, uint64_t frame, const struct eng_origin *origin,
    uint32_t number, const ProtobufCMessage *message);
/* A reply whose message is pushed to hub->outbox between the two. late: nobody waits for it. */
size_t hub_item_begin(struct hub *hub, uint64_t frame, const struct eng_origin *origin,
    uint32_t number, bool late);
void hub_item_end(struct hub *hub, size_t begun);
/* The last that the connection hears. */
void hub_item_close(struct hub *hub, uint64_t frame, uint64_t conn, uint32_t number,
    const ProtobufCMessage *message);
/* Queues an answer behind everything that was decided before it. */
void hub_queue_reply(struct hub *hub, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message);
void hub_queue_error(struct hub *hub, const struct eng_origin *origin, enum froe_err err,
    const char *field, const char *text);
/* An empty buffer that has grown large gives its memory back. */
void hub_buf_shrink(struct buf *buf);
void hub_outbox_release(struct hub *hub);

/* hub_reply.c */
void hub_reply(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_error_fill(Froe__Error *error, enum froe_err err, const char *field, const char *text);

/* hub_index.c */
void hub_index_event(struct hub *hub, const struct eng_event *event, const struct log_place *place,
    uint64_t frame);
void hub_index_event_apart(struct hub *hub, const struct eng_event *event,
    const struct log_place *place, uint64_t frame); /* of no run */
void hub_index_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_index_replayed(struct hub *hub, const struct eng_event *event,
    const struct log_place *place, const struct eng_run_info *info, uint64_t frame);
/* Places of a closed run that the index has; unless it is open, or the index does not. */
void hub_index_post(struct hub *hub, struct indexer_job *job); /* its frame is durable */
void hub_index_start(struct hub *hub);
void hub_index_turn(struct hub *hub);
/* All of the released frame has left the outbox. */
void hub_index_released(struct hub *hub);
void hub_index_release_all(struct hub *hub);

/* hub_push.c */
struct hub_push *hub_push_new(struct hub *hub, enum hub_push_kind kind, uint64_t conn);
void hub_push_free(struct hub *hub, struct hub_push *push);
void hub_push_queue(struct hub *hub, struct hub_push *push); /* its frame is durable */
void hub_push_pump(struct hub *hub, struct hub_conn *conn);
/* Frees it, in its connection's list or not: it was sent, or there is nothing to send. */
void hub_push_drop(struct hub *hub, struct hub_conn *conn, struct hub_push *push);
/* Pushes whose bytes have come go on, while there is room. False: there is none. */
bool hub_push_loaded(struct hub *hub);
void hub_push_release_all(struct hub *hub);

/* hub_watch.c */
/* NULL, or why this request cannot watch: hub_watch_add() and hub_watch_ended() count on it. */
const char *hub_watch_refused(const struct hub_conn *conn, uint64_t request);
#define HUB_WATCH_CHANGES 1u
#define HUB_WATCH_NAMED 2u
void hub_watch_add(struct hub *hub, struct hub_conn *conn, uint64_t request, uint64_t run,
    unsigned how);
void hub_watch_remove(struct hub *hub, struct hub_watch *watch);
/* The run's state now, as the first event of a watch with changes. */
void hub_watch_state(struct hub *hub, const struct hub_conn *conn, uint64_t request, uint64_t run);
void hub_watch_event(struct hub *hub, const struct eng_event *event, uint64_t frame);
void hub_watch_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_watch_ended(struct hub *hub, struct hub_conn *conn, uint64_t request, struct uuid run,
    bool named);
void hub_watch_wake(struct hub *hub, struct hub_conn *conn); /* one of conn->ended is done with */
void hub_watch_turn(struct hub *hub);
void hub_unwatch(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_unwatched(struct hub *hub, struct hub_conn *conn, struct hub_push *push);

/* hub_durable.c */
void hub_node_answer(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_node_done(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_nodes_put(struct hub *hub, const struct hub_push *push, unsigned field);
void hub_node_fill(struct hub *hub, struct hub_push *push, const struct resolver_record *record,
    struct api_effect *effect);
void hub_approval_list(struct hub *hub, struct hub_conn *conn, const struct api_command *command);

/* hub_job.c */
void hub_job_start(struct hub *hub);
void hub_job_event(struct hub *hub, const struct eng_event *event, uint64_t frame);
void hub_job_started(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
void hub_job_conn_gone(struct hub *hub, struct hub_conn *conn);
void hub_job_get(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_job_list(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);
void hub_job_answer(struct hub *hub, const struct indexer_job *answer); /* of the index thread */
/* The history of a run that a job is to replay. NULL: there is none, for the reason of `err`. */
void hub_job_loaded(struct hub *hub, const struct eng_job_step *step, struct hub_read *read,
    enum froe_err err);
void hub_job_turn(struct hub *hub);
uint64_t hub_job_deadline_ns(const struct hub *hub);
void hub_job_release_all(struct hub *hub);

/* hub_read.c */
/* For a job: reads the run's history, which hub_job_loaded() gets, perhaps at once. Takes `ask`. */
void hub_read_replay(struct hub *hub, struct eng_tenant_id tenant, struct uuid run,
    struct hub_replay_ask *ask);
/* It is replayed by it; as hub_replay(). */
enum froe_err hub_read_replay_step(struct hub_read *read, struct froe_fault *fault) FROE_CHECKED;
/* The run got a record meanwhile: its history is to be read again. */
bool hub_read_stale(const struct hub_read *read);
void hub_read_again(struct hub_read *read);
size_t hub_read_bytes(const struct hub_read *read);
void hub_read_drop(struct hub_read *read);
void hub_read_open(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_read_ended(struct hub *hub, struct hub_conn *conn, struct uuid run, bool named);
void hub_read_unwatch(struct hub *hub, const struct eng_origin *watch);
void hub_read_answers(struct hub *hub);
void hub_read_expire(struct hub *hub); /* those that wait too long */
uint64_t hub_read_deadline_ns(const struct hub *hub);
void hub_read_release_all(struct hub *hub);

/* hub_event.c */
void hub_event_page(struct hub *hub, const struct eng_origin *origin,
    const struct indexer_list *list);
/* What the index found is read, and answered. */
void hub_event_found(struct hub *hub, const struct eng_origin *origin, struct eng_tenant_id tenant,
    const struct indexer_job *job, bool payload);
void hub_event_release_all(struct hub *hub);

/* hub_access.c */
/* NULL: *ret_who is who asks; else what to tell somebody who is unknown. */
const char *hub_access_judge(struct hub *hub, const struct api_command *command,
    struct hub_who *ret_who);
void hub_access_refuse(struct hub *hub, const struct api_command *command,
    const struct hub_who *who, const char *text);
void hub_access_bind(struct hub *hub, struct hub_conn *conn, const struct hub_who *who);
void hub_access_revoked(struct hub *hub, uint64_t kid, uint64_t frame);
void hub_access_turn(struct hub *hub);
uint64_t hub_access_deadline_ns(const struct hub *hub);
/* False: refused, and answered. */
bool hub_access_actions(struct hub *hub, const struct hub_conn *conn,
    const struct api_command *command);
bool hub_access_output(struct hub *hub, const struct hub_conn *conn,
    const struct api_command *command);
bool hub_token_create(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_token_created(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
bool hub_token_revoke(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_token_list(struct hub *hub, const struct hub_conn *conn,
    const struct api_command *command);
uint64_t hub_access_expiring(const struct hub *hub); /* tokens in use that end soon */
void hub_access_release_all(struct hub *hub);
/* hub_replay.c: a run that has ended, its history being read, is to go on */
struct hub_replay_ask;
struct hub_replay_ask *hub_replay_ask(const struct hub_conn *conn,
    const struct api_command *command);
/* For a run that a job has reached. */
struct hub_replay_ask *hub_replay_ask_job(const struct eng_job_view *job,
    const struct eng_job_step *step);
/* Its history is about to be looked for. */
void hub_replay_look(const struct hub *hub, struct hub_replay_ask *ask, struct uuid run);
/* A log line of the run has come since: `count` records are not all it has. */
bool hub_replay_stale(const struct hub *hub, const struct hub_replay_ask *ask, struct uuid run,
    uint32_t count);
/* The job that asks; NULL: a connection does. */
const struct eng_job_step *hub_replay_job(const struct hub_replay_ask *ask);
void hub_replay_free(struct hub_replay_ask *ask); /* NULL: nothing */
/* OK: it was answered, perhaps with a refusal of the engine. */
enum froe_err hub_replay(struct hub *hub, const struct eng_origin *origin,
    struct eng_tenant_id tenant, const struct hub_replay_ask *ask, const struct history *history,
    struct froe_fault *fault) FROE_CHECKED;

/* hub_stream.c */
/* The run's records lie in `places`, which are copied. */
void hub_stream_begin(struct hub *hub, const struct eng_origin *origin, struct eng_tenant_id tenant,
    uint64_t run, const struct log_place *places, uint32_t count,
    const struct hub_stream_ask *ask);
void hub_stream_event(struct hub *hub, const struct eng_event *event);
void hub_stream_conn_gone(struct hub *hub, struct hub_conn *conn);
void hub_stream_expire(struct hub *hub);
uint64_t hub_stream_deadline_ns(const struct hub *hub);
void hub_stream_release_all(struct hub *hub);

/* hub_workers.c */
void hub_workers(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);

/* hub_queues.c */
void hub_queues(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);

/* hub_rates.c */
void hub_rates(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);

/* hub_why.c */
/* False: the run is not open. */
bool hub_why(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);
/* Of a run that has ended. */
void hub_why_ended(struct hub *hub, const struct eng_origin *origin,
    const struct history_fold *fold);

/* hub_workflows.c */
void hub_workflows(struct hub *hub, const struct hub_conn *conn, const struct api_command *command);

/* hub_metrics.c */
void hub_metrics(struct hub *hub, const struct api_command *command);

/* hub_gateway.c */
/* What the command says of tasks is said for their holders. False: refused, and answered. `starts`:
 * the array of RUN_START_MANY that may be written. */
bool hub_gateway_holder(struct hub *hub, const struct hub_conn *conn,
    const struct api_command *command, struct eng_command *engine, struct eng_start *starts);
uint64_t hub_gateway_worker(struct hub *hub, const struct hub_conn *conn,
    const struct api_command *command);

/* hub_worker.c */
void hub_worker_bind(struct hub *hub, struct hub_conn *conn, uint64_t worker);
void hub_worker_unbind(struct hub *hub, struct hub_conn *conn);
void hub_worker_seen(struct hub *hub, uint64_t worker);
bool hub_worker_attached(const struct hub *hub, uint64_t worker);
/* How long it has been without a connection; the time without a server counts. */
uint64_t hub_worker_away_ns(const struct hub *hub, uint64_t worker);
void hub_worker_leaving(struct hub *hub, uint64_t worker);
void hub_worker_left(struct hub *hub, uint64_t worker);
/* For how long a worker that hears nothing goes on; when this one, heard of so long ago, has
 * surely stopped (engine time; not 0). */
uint64_t hub_lapse_ns(const struct hub *hub);
uint64_t hub_worker_lapse_ns(const struct hub *hub, uint64_t worker);
void hub_worker_recovered(void *context, uint64_t worker, bool attached, struct bytes name);
bool hub_worker_turn(struct hub *hub); /* false: no room, try again */
void hub_worker_release_all(struct hub *hub);

/* hub_note.c: lines for the operator */
void hub_note_refused(struct hub *hub, const struct api_command *command,
    const struct hub_who *who);
void hub_note_event(const struct hub *hub, const struct eng_event *event);
void hub_note_warning(const struct hub *hub, const char *text);

#endif
