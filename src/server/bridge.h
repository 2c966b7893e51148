/*
 * server/bridge: the two lock-free rings between the hot loop and one edge loop.
 *
 * Purpose     Commands (cloned) go edge -> hot, effects (packed copies) and handed-over sockets hot
 *             -> edge. A full ring is backpressure: the edge's port refuses, its sessions stop
 *             reading; on the hot side what does not fit waits in an overflow list, and no command
 *             is taken from that edge until the list is empty.
 * Ownership   a popped command is the caller's until bridge_hot_done(). A socket given to the
 *             handover is the bridge's until the edge loop has adopted it.
 * Threading   bridge_init, bridge_release: while neither side runs. bridge_hot_*: the hot
 *             thread. bridge_edge_*: the edge thread. The hot io must outlive the edge thread, and
 *             no bridge_hot_* may be called once the edge thread has been told to end (edge_stop).
 * Bound       at most `capacity` - 1 commands and as many items to the edge are in the rings; the
 *             overflow holds what the commands already taken give rise to (each a bounded number of
 *             effects) and pushes, which credit bounds; handed-over sockets past
 *             BRIDGE_SOCKETS_MAX are refused.
 * See         bridge.c for the proof that no wake-up is lost
 */
#ifndef SERVER_BRIDGE_H
#define SERVER_BRIDGE_H

#include "api/port.h"
#include "base/list.h"
#include "base/relay.h"
#include "base/ring.h"
#include "io/io.h"

#include <stdatomic.h>

#define BRIDGE_CAPACITY 4096u
#define BRIDGE_SOCKETS_MAX 1024u /* waiting for the edge to take them */

struct loop;

struct bridge {
	struct api_port port; /* first: the port's post() finds the bridge by it */
	struct io *hot_io;
	_Atomic(struct io *) edge_io; /* NULL until the edge thread has attached it */
	struct ring commands;         /* edge -> hot: struct api_command */
	struct ring items;            /* hot -> edge: struct bridge_item */
	struct relay command_blocks;  /* what they lie in, and how that comes back */
	struct relay item_blocks;
	struct list overflow;         /* hot side only */
	atomic_bool hot_told;         /* a wake is under way that the hot side has not yet seen */
	atomic_bool edge_told;
	atomic_bool hot_waits;        /* for room in items */
	atomic_bool edge_waits;       /* for room in commands */
	atomic_uint sockets;          /* handed over and not yet adopted */
	bool stalled;                 /* edge side only: the port has refused */
};

void bridge_init(struct bridge *bridge, struct io *hot_io, unsigned capacity); /* 0: the default */
void bridge_release(struct bridge *bridge); /* the hot io must still be open */

/* The hot side. Each turn: pop until NULL; it also moves the overflow on. Who stops before NULL (no
 * room in the log) must pop again before it sleeps without a reason to wake: only NULL arms the
 * wake-up for new commands. */
struct api_command *bridge_hot_pop(struct bridge *bridge);
void bridge_hot_done(struct bridge *bridge, struct api_command *command); /* NULL is allowed */
void bridge_hot_deliver(struct bridge *bridge, const struct api_effect *effect);
bool bridge_hot_handover(struct bridge *bridge, int socket, struct bytes input);

/* The edge side. */
struct api_port *bridge_edge_port(struct bridge *bridge);
void bridge_edge_attach(struct bridge *bridge, struct io *edge_io);
void bridge_edge_step(struct bridge *bridge, struct loop *loop);

#endif
