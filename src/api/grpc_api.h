/*
 * api/grpc_api: one HTTP/2 connection's session: bytes to calls and back, for a gateway.
 *
 * Purpose     Moves bytes between a struct conn and a struct grpc, pings a silent client, holds
 *             the connection while its methods have no room, ends it.
 * Ownership   the owner embeds struct grpc_api beside its struct conn, and lends gateway and codec.
 * Threading   the loop's thread. grpc_api_deliver may be called from within port->post.
 * Invariants  1. grpc is there until every call has heard its end, and then the gateway's state
 *                goes.
 * See         docs/grpc.md
 */
#ifndef API_GRPC_API_H
#define API_GRPC_API_H

#include "api/gateway.h"
#include "net/conn.h"
#include "net/grpc.h"

struct grpc_api {
	struct conn *conn;
	struct api_gateway *gateway;
	struct grpc *grpc;   /* NULL: its calls are gone */
	void *state;         /* the gateway's */
	uint64_t handle;
	struct api_peer peer;
	bool known;          /* grpc_api_know */
	bool again;          /* there is something to step or pull */
	bool stepping;
	bool pinged;         /* since the last bytes */
	bool drain;
	bool left;           /* the gateway's state is gone too */
};

struct grpc_api_options {
	struct conn *conn;
	struct api_gateway *gateway;
	struct grpc_codec *codec;
	uint64_t handle;
	struct api_peer peer;
	bool near; /* the peer is this machine */
	/* Static text: every call is answered with it and FAILED_PRECONDITION; NULL: none. */
	const char *refusal;
};
void grpc_api_open(struct grpc_api *session, const struct grpc_api_options *options);
enum api_progress grpc_api_step(struct grpc_api *session);
void grpc_api_deliver(struct grpc_api *session, const struct api_effect *effect);
void grpc_api_drain(struct grpc_api *session);
/* The connection ends: takes leave of calls and gateway. False: no room at the port; call again. */
bool grpc_api_close(struct grpc_api *session);
size_t grpc_api_held_bytes(const struct grpc_api *session);

/* ------------------------------------------------------------------------ for the gateway */

void *grpc_api_state(const struct grpc_api *session);
uint64_t grpc_api_handle(const struct grpc_api *session);
const struct api_peer *grpc_api_peer(const struct grpc_api *session);
struct grpc *grpc_api_grpc(const struct grpc_api *session); /* for grpc_find */
/* A good token came by it: it is no stranger any more. */
void grpc_api_know(struct grpc_api *session);

/* The session that a call belongs to. */
static inline struct grpc_api *
grpc_api_of(const struct grpc_call *call)
{
	return grpc_call_owner(call);
}

#endif
