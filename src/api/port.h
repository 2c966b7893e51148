/*
 * api/port: what a connection says to the shard, and what it hears back.
 *
 * Purpose     Commands and effects with (loop, slot, generation) handles, never pointers, so that a
 *             connection does not know on which loop it lives and the shard does not know what
 *             protocol it speaks.
 * Ownership   bytes in a command are borrowed for the call of post(); an edge loop's port copies
 *             them (api_command_clone). An effect's message is borrowed for the call of deliver.
 * Threading   a port belongs to its loop.
 */
#ifndef API_PORT_H
#define API_PORT_H

#include "engine/engine.h"

#include <protobuf-c/protobuf-c.h>

/* A connection: loop << 56 | generation << 24 | slot. Generations make stale handles harmless. */
static inline uint64_t
api_conn_handle(uint8_t loop, uint32_t generation, uint32_t slot)
{
	return (uint64_t)loop << 56 | (uint64_t)generation << 24 | (slot & 0xffffffu);
}

static inline uint8_t
api_conn_loop(uint64_t conn)
{
	return (uint8_t)(conn >> 56);
}

static inline uint32_t
api_conn_generation(uint64_t conn)
{
	return (uint32_t)(conn >> 24);
}

static inline uint32_t
api_conn_slot(uint64_t conn)
{
	return (uint32_t)conn & 0xffffffu;
}

/* Of the workers of a gateway, each of which has an id for its process alone: they come back after
 * a while, and their calls come over any connection. */
#define API_INCARNATION_ROAMING UINT64_C(0x676e696d616f72)

enum api_op {
	API_OP_OPEN,       /* a session said Hello: tenant, push window; answered with a Welcome */
	API_OP_CLOSE,      /* the connection is gone; nothing is answered */
	API_OP_CREDIT,     /* the client grants bytes of pushes */
	API_OP_ENGINE,     /* a command for the engine */
	API_OP_RUN_GET,
	API_OP_RUN_LIST,
	API_OP_RUN_WATCH,
	API_OP_RUN_UNWATCH,
	API_OP_OUTPUT_GET,
	API_OP_STREAM_GET,
	API_OP_RUN_REPLAY,
	API_OP_JOB_GET,
	API_OP_JOB_LIST,
	API_OP_APPROVAL_LIST,
	API_OP_EVENT_LIST, /* `list`: its workflow is the key */
	API_OP_EVENT_GET,
	API_OP_HEARTBEAT,  /* of the worker registered on this connection */
	API_OP_WORKER_LIST,
	API_OP_WORKFLOW_LIST,
	API_OP_WORKFLOW_GET,
	API_OP_WORKER_GET,
	API_OP_WHY,
	API_OP_QUEUE_LIST,
	API_OP_RATE_LIST,
	API_OP_METRICS,    /* for /metrics: answered with API_METRICS_NUMBER */
	API_OP_TOKEN_CREATE,
	API_OP_TOKEN_LIST,
	API_OP_TOKEN_REVOKE,
};

/* Who is at the other end of a connection, as the kernel knows it. */
struct api_peer {
	uint64_t source; /* a hash of the address (IPv6: of its /64); 0: not known */
	bool local;      /* came through <data>/admin.sock as this user or root */
	uint32_t uid;    /* local */
	char text[64];   /* for people: address and port */
};

/* RUN_REPLAY: as node, of a run of one task: all that its nodes have come to is kept. */
#define API_REPLAY_KEEP UINT32_MAX

struct api_command {
	enum api_op op;
	struct eng_origin origin;
	bool wait; /* RUN_START: also watch the run's end */
	/* For a gateway, whose workers speak over any number of connections. `holder`: what is
	 * said of a task is said for whoever has its lease, which is looked up, as is a child's
	 * parent. */
	bool holder;
	uint32_t attempt;   /* holder: and of this attempt alone; 0: of any */
	struct uuid worker; /* HEARTBEAT, WORKER_LEAVE: of this one; nil: the connection's */
	union {
		struct eng_command engine; /* the shard fills in tenant and worker */
		struct {
			struct bytes tenant; /* empty: the token's, or the default one */
			uint64_t push_window;
			struct bytes token;
			struct api_peer peer;
		} open; /* METRICS too: token and peer */
		struct {
			struct bytes name;
			struct bytes tenant; /* empty: the connection's */
			uint32_t roles;
			const struct bytes *actions;
			uint32_t action_count;
			uint64_t expires_ms; /* from now; UINT64_MAX: never */
			bool hatchet;        /* as a JWT (api/jwt.h) */
			struct bytes advertise; /* empty: the server's address */
		} token_create;
		struct {
			uint64_t kid;
		} token_revoke;
		struct {
			uint64_t bytes;
		} credit;
		struct {
			struct uuid run;
			bool payloads;
			bool changes;      /* WATCH, STREAM_GET */
			bool named;        /* WATCH */
			struct bytes task; /* OUTPUT_GET; STREAM_GET: empty: of all */
			uint32_t after;    /* STREAM_GET */
			bool wait;         /* STREAM_GET */
		} run;
		struct {
			struct uuid run;
			struct bytes task;   /* from which on; empty: all */
			struct bytes input;  /* empty: the same */
			struct bytes reason;
			uint32_t node;       /* from which on; 0: none is kept; or _KEEP */
		} replay;
		struct {
			uint64_t watch; /* request number */
		} unwatch;
		struct {
			struct uuid worker; /* GET */
			uint32_t limit;     /* LIST */
			uint64_t after;
		} workers;
		struct {
			uint32_t statuses; /* bits 1 << enum eng_status; 0: all */
			uint32_t limit;
			uint64_t before;
			uint64_t position; /* frame number to wait for; 0: what is durable now */
			uint64_t since_ns; /* created at or after; 0: no bound */
			uint64_t until_ns; /* created before; 0: no bound */
			bool scheduled;
			struct uuid parent;    /* a run; nil: all */
			struct bytes workflow; /* empty: all */
			struct bytes worker;   /* its name; empty: all */
			const struct bytes *metadata; /* key, value, ...: all must be there */
			uint32_t metadata_count;
		} list;
		struct {
			uint64_t after;
			uint32_t limit;
		} approvals;
		struct {
			uint64_t after;
			uint32_t limit;
		} rates;
		struct {
			uint64_t number;
			bool payload;
		} event_get;
		struct {
			uint64_t number;  /* GET */
			uint32_t wait_ms; /* GET */
			uint64_t before;  /* LIST */
			uint32_t limit;   /* LIST */
		} job;
		struct {
			uint32_t after;    /* LIST */
			uint32_t limit;
			struct bytes name; /* GET */
			uint32_t version;  /* 0: the newest */
		} workflows;
	};
};

/* How large a copy is, with every byte the command points at; made in a block of that size. */
size_t api_command_size(const struct api_command *command);
struct api_command *api_command_copy(const struct api_command *command, void *block, size_t size);
/* Both, in a block of the heap; mem_free() frees it. */
struct api_command *api_command_clone(const struct api_command *command);

/* What goes back: an Envelope body. `number` is its field in Envelope; `message` the protobuf
 * struct, or packed its encoded bytes (exactly one of the two). request 0: a push. */
struct api_effect {
	uint64_t conn;
	uint64_t request;
	uint32_t number;
	const ProtobufCMessage *message;
	size_t message_size; /* packed; 0: envelope_measure() was not asked */
	struct bytes packed;
	bool late;  /* nobody waits for it: it may go with what follows */
	bool close; /* after this, close the connection (Goaway, a token that ended) */
	uint32_t roles;    /* Welcome: what the session may do, a set of enum eng_role */
	enum froe_err err; /* API_METRICS_NUMBER: why there is no text */
};

/* The number of the effect that answers API_OP_METRICS: `packed` is the text. */
#define API_METRICS_NUMBER 0u

/* A log position as clients hold it, opaque to them: a frame number of the shard. */
#define API_POSITION_BYTES 8
void api_position_encode(uint64_t frame, uint8_t to[API_POSITION_BYTES]);
bool api_position_decode(struct bytes position, uint64_t *ret_frame); /* false: not one of ours */

/* What a session's step came to. */
enum api_progress {
	API_IDLE,    /* until bytes, effects or time */
	API_BLOCKED, /* until there is room at the port */
	API_AGAIN,   /* there is more to do at once */
};

/* How a session reaches the shard. False: no room now; the session keeps the request, stops
 * reading, and is asked again (loop_resume) once there is room. */
struct api_port {
	bool (*post)(struct api_port *port, const struct api_command *command);
};

#endif
