/*
 * gateway/gateway_int: what the gateway's files know of each other.
 */
#ifndef GATEWAY_GATEWAY_INT_H
#define GATEWAY_GATEWAY_INT_H

#include "gateway/gateway.h"

#include "api/grpc_api.h"
#include "base/list.h"
#include "base/map.h"
#include "gateway/seat.h"

#include "proto/native.pb-c.h"

/* A token that nobody has used for so long loses its seat; a worker that has not listened, its
 * registration. */
#define GATEWAY_SESSION_IDLE_NS UINT64_C(60000000000)
#define GATEWAY_WORKER_IDLE_NS UINT64_C(3600000000000)

struct gateway {
	struct api_gateway api; /* first */
	struct io_env *env;
	struct seats seats;
	struct map sessions; /* hash of the token -> struct session */
	struct map workers;  /* id -> struct guest */
	struct map leases;   /* id of the task -> struct lease */
	struct map strands;  /* id of a task -> struct strand */
	struct list strand_list;
	struct map triggers; /* tenant -> struct triggers */
	uint64_t trigger_puts;
	struct map steps;    /* id of a durable task -> struct steps */
	struct list waits;   /* streams of ListenForDurableEvent */
	struct map courses;  /* id of a durable task -> struct course */
	struct list stalls;  /* of them, by stall_ns */
	struct list lookouts;  /* struct lookout */
	struct list lingering; /* results, by call->held: gateway/linger.h */
	struct list doubts; /* workers: gateway/doubt.h */
	uint64_t begun_wait_ns;
	uint64_t swept_ns;
	bool draining;
};

/* A token, as unary calls use it: one seat for all of them. */
struct session {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct list waiting; /* calls, until the shard has said who this is */
	struct list calls;   /* those under way */
	uint64_t hash;
	uint64_t used_ns;
	struct buf token;
};

/* session.c */
/* The token of a call's authorization: empty if it has none. */
struct bytes session_token(const struct grpc_call *grpc);
struct session *session_of(struct gateway *gateway, const struct grpc_call *grpc);
void session_sweep(struct gateway *gateway, uint64_t now_ns);
void session_close(struct session *session);

struct call;
struct change;
struct find;
struct triggers;
typedef void trigger_then(struct call *call, struct arena *arena);

/* A unary call. */
struct call {
	struct list link; /* of its session: waiting or calls */
	struct grpc_call *grpc; /* NULL: gone */
	struct gateway *gateway;
	struct session *session;
	const struct unary *unary;
	struct buf message;
	struct ask *ask; /* what it waits for; NULL: nothing */
	/* The method's own. */
	struct uuid id;
	struct list held;
	int64_t index;
	uint64_t held_ns;
	bool lingered;
	uint32_t at;
	uint32_t count;
	struct buf kept;
	struct change *change; /* change.c's */
	struct find *find;     /* of it */
	/* trigger.c's: what is being read. */
	struct triggers *triggers;
	trigger_then *loaded;
	uint64_t puts;
};

/* One unary method: `handle` gets the decoded request, which lives until it returns. */
struct unary {
	const ProtobufCMessageDescriptor *request;
	void (*handle)(struct call *call, const ProtobufCMessage *request, struct arena *arena);
};

/* call.c */
void call_open(struct grpc_call *grpc);
enum grpc_taken call_message(struct grpc_call *grpc, struct bytes message);
void call_close(struct grpc_call *grpc, enum grpc_end end);
void call_run(struct call *call); /* its session is open, or refused */
void call_again(struct call *call); /* one that was held is handled once more */
void call_reply(struct call *call, const ProtobufCMessage *message);
void call_fail(struct call *call, const struct froe_fault *fault);
void call_refuse(struct call *call, enum froe_err code, const char *field, const char *format, ...)
    FROE_PRINTF(4, 5);
/* Asks the shard; `then` gets the answer, in a message or an error. A fault ends the call. */
typedef void call_then(struct call *call, const struct answer *answer);
void call_ask(struct call *call, Froe__Envelope *envelope, const struct ask_options *options,
    struct arena *arena, call_then *then);
/* For `then`: an Error ends the call with it. True: it was one. */
bool call_failed(struct call *call, const struct answer *answer);

/* change.c; NULL is allowed */
void change_stop(struct change *change);
void change_free(struct change *change);

/* method.c: which paths there are */
extern const struct grpc_methods GATEWAY_METHODS;
const struct unary *unary_of(const struct grpc_call *grpc);

/* guest.c */
void guest_sweep(struct gateway *gateway, uint64_t now_ns);
void guest_release_all(struct gateway *gateway);

static inline struct gateway *
gateway_of(const struct grpc_call *grpc)
{
	return (struct gateway *)(void *)grpc_api_of(grpc)->gateway;
}

static inline uint64_t
gateway_now_ns(const struct gateway *gateway)
{
	return io_mono_ns(gateway->env);
}

#endif
