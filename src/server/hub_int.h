/*
 * server/hub_int: the hub's parts, for the files of the hub.
 */
#ifndef SERVER_HUB_INT_H
#define SERVER_HUB_INT_H

#include "server/hub.h"

#include "proto/native.pb-c.h"
#include "server/history.h"

/* A list that the index thread has not answered after this is refused: INDEX_BEHIND. */
#define HUB_INDEX_WAIT_NS (UINT64_C(1000000000))
/* Payload bytes that travel with one dispatch; the rest is fetched by TaskOutputGet. */
#define HUB_DISPATCH_BYTES_MAX (FROE_MESSAGE_BYTES_MAX - (256u << 10))

struct hub_conn {
	uint64_t handle;
	struct eng_tenant_id tenant;
	uint64_t worker; /* engine's number; 0: none */
	uint64_t window; /* bytes of pushes it will still take */
	struct list pushes;
	struct list watches;
	uint32_t watch_count;
};

enum hub_push_kind {
	HUB_PUSH_DISPATCH,
	HUB_PUSH_REVOKE,
	HUB_PUSH_EVENT,  /* a change of a watched run */
	HUB_PUSH_CLOSED, /* a watched run's end */
};

/* A push that waits for its frame, its bytes or its window: references only. */
struct hub_push {
	struct list link;
	enum hub_push_kind kind;
	uint64_t conn;
	uint64_t request; /* of the watch */
	uint64_t run;
	struct uuid id;   /* the run's; REVOKE: the task's */
	uint32_t task;
	uint64_t lease;
	uint32_t reason;
	uint32_t status;
	uint32_t attempt;
	uint64_t time_ns;
	struct bytes name;   /* EVENT: of the task; lives as long as the engine */
	const char *change;
	char *error;         /* EVENT: owned */
	bool bare;
	uint32_t part_count;
	struct eng_ref *parts; /* CLOSED: owned */
	struct hub_load *load; /* what it needed from the log, loaded; owned */
};

struct hub_watch {
	struct list link;       /* of its connection */
	struct hub_watch *next; /* of its run */
	uint64_t conn;
	uint64_t request;
	uint64_t run;
	bool changes;
};

struct hub_worker {
	struct timer timer;
	uint64_t worker;
	uint64_t conn;    /* 0: detached */
	uint64_t seen_ns; /* boot-time clock */
};

/* The records a push needs that have left memory: read from the log, then the push goes on. */
struct hub_load {
	struct list link; /* hub->loaded, when all are there */
	struct hub *hub;
	struct hub_push *push; /* owned until it goes on */
	uint32_t missing;
	uint32_t count;
	enum froe_err err;
	struct hub_load_record {
		struct log_read read;
		struct hub_load *load;
		uint32_t record;
		struct bytes body; /* owned */
	} records[];
};

enum hub_item_kind {
	HUB_ITEM_EFFECT, /* packed bytes follow */
	HUB_ITEM_PUSH,   /* a struct hub_push */
	HUB_ITEM_INDEX,  /* a struct indexer_job */
};

struct hub_item {
	uint64_t frame;
	enum hub_item_kind kind;
	uint32_t number;
	uint64_t conn;
	uint64_t request;
	void *object;
	size_t size;
};

/* hub.c */
struct hub_conn *hub_conn_find(const struct hub *hub, uint64_t handle);
void hub_item_push(struct hub *hub, const struct hub_item *item, const ProtobufCMessage *message);
/* Queues an answer behind everything that was decided before it. */
void hub_queue_reply(struct hub *hub, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message);
void hub_queue_error(struct hub *hub, const struct eng_origin *origin, enum froe_err err,
    const char *field, const char *text);

/* hub_push.c */
struct hub_push *hub_push_new(enum hub_push_kind kind, uint64_t conn);
void hub_push_free(struct hub_push *push);
void hub_push_queue(struct hub *hub, struct hub_push *push); /* its frame is durable */
void hub_push_pump(struct hub *hub, struct hub_conn *conn);
void hub_watch_add(struct hub *hub, struct hub_conn *conn, uint64_t request, uint64_t run,
    bool changes);
void hub_watch_remove(struct hub *hub, struct hub_watch *watch);
void hub_watch_event(struct hub *hub, const struct eng_event *event, uint64_t frame);
void hub_watch_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame);
/* Pushes whose bytes have come go on, while there is room. False: there is none. */
bool hub_push_loaded(struct hub *hub);
void hub_load_free(struct hub_load *load);

/* hub_read.c */
void hub_read_open(struct hub *hub, struct hub_conn *conn, const struct api_command *command);
void hub_read_answers(struct hub *hub);
void hub_read_expire(struct hub *hub); /* lists that wait too long */
uint64_t hub_read_deadline_ns(const struct hub *hub);
void hub_read_release_all(struct hub *hub);

/* hub_metrics.c */
void hub_metrics(struct hub *hub, const struct api_command *command);

/* hub_worker.c */
void hub_worker_bind(struct hub *hub, struct hub_conn *conn, uint64_t worker);
void hub_worker_unbind(struct hub *hub, struct hub_conn *conn);
void hub_worker_seen(struct hub *hub, uint64_t worker);
void hub_worker_gone(struct hub *hub, uint64_t worker);
void hub_worker_recovered(void *context, uint64_t worker, bool attached, struct bytes name);
bool hub_worker_turn(struct hub *hub); /* false: no room, try again */
void hub_worker_release_all(struct hub *hub);

#endif
