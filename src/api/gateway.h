/*
 * api/gateway: the gRPC services of one loop, and what they need of it.
 *
 * Purpose     Whoever serves gRPC methods (net/grpc.h) gives their table and is told of each
 *             connection. A call that speaks to the shard under a name of its own, as a native
 *             connection would, takes a seat: a handle whose effects come to it.
 * Ownership   the gateway is its maker's, and outlives the loop. The loop fills in port and seats.
 *             What `open` returned is the gateway's until its `close` has returned true.
 * Threading   the loop's thread.
 * Invariants  1. for a connection: open, then its calls, then close; every call's own `close`
 *                before that.
 *             2. whoever posted API_OP_OPEN under a handle posts API_OP_CLOSE before it gives the
 *                seat back (for a connection's own handle: before `close` returns true).
 */
#ifndef API_GATEWAY_H
#define API_GATEWAY_H

#include "api/port.h"
#include "net/grpc.h"

struct grpc_api;

/* A session without a connection of its own. */
struct api_seat {
	void (*deliver)(struct api_seat *seat, const struct api_effect *effect);
};

struct api_seats {
	/* A handle for commands' origins; false: none is free. */
	bool (*take)(struct api_seats *seats, struct api_seat *seat, uint64_t *ret_handle);
	/* Its effects go nowhere from here on. */
	void (*give)(struct api_seats *seats, uint64_t handle);
};

/* Those that are not needed are NULL. */
struct api_gateway {
	struct grpc_methods methods;
	/* A connection begins: what is returned is its `state` (grpc_api_state). */
	void *(*open)(struct api_gateway *gateway, struct grpc_api *session);
	/* Each time that the connection is stepped, after its calls were. API_BLOCKED: the port had
	 * no room; it is stepped again once there is some. */
	enum api_progress (*step)(void *state);
	/* Effects for the connection's own handle. */
	void (*deliver)(void *state, const struct api_effect *effect);
	/* The connection is gone. False: no room at the port: asked again. */
	bool (*close)(void *state);
	/* Once a turn of the loop, also when there is room at the port again; and when that is to
	 * be at the latest (mono ns, UINT64_MAX: whenever). */
	void (*turn)(struct api_gateway *gateway, uint64_t now_ns);
	uint64_t (*due_ns)(struct api_gateway *gateway);
	/* The loop stops: seats are to be given back. */
	void (*drain)(struct api_gateway *gateway);
	/* Filled in by loop_open. */
	struct api_port *port;
	struct api_seats *seats;
};

#endif
