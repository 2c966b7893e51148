/*
 * server/loop: one loop's connections: accepting, telling protocols apart, sessions, timers.
 *
 * Purpose     A loop is one struct io and its connections in a table of slots with generations, so
 *             that a handle (api/port.h) of a connection that is gone hits nothing. The hot thread
 *             has loop 0, which accepts; edge threads have loops 1.. The loop knows no workflow: it
 *             posts commands to its port and delivers effects to connections.
 *             One turn of its owner:
 *                 io_step(io, deadline)      deadline <= loop_deadline_ns(); its handlers only
 *                 record loop_timers(loop, now)     marks what is due
 *                 (deliver effects: loop_deliver; room at the port again: loop_resume)
 *                 loop_input(loop)           steps connections: parses, posts, hands over, closes
 *                 loop_output(loop)          starts the sends
 * Ownership   the loop owns its connections and, from loop_open on, the listener. It borrows io and
 *             the port until loop_close. An effect and its bytes are borrowed for loop_deliver.
 * Threading   its owner only, except loop_stats() and loop_set_tls(): any thread.
 * Invariants  1. a used slot's generation is the one in its connection's handle; freeing raises it.
 *             2. a session that posted API_OP_OPEN posts API_OP_CLOSE before its slot is free.
 *             3. after post() returned false nothing is posted until loop_resume().
 * Failure     a connection's failure closes that connection and is counted; nothing else fails.
 * See         docs/protocol.md
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "api/gateway.h"
#include "api/port.h"
#include "io/io.h"
#include "net/conn.h"
#include "server/strangers.h"
#include "tls/tls.h"

#include <stdatomic.h>

/* Connections of one loop. */
#define LOOP_CONNECTIONS_MAX 12000u

struct loop;

/* Who may speak plaintext. */
enum loop_plain {
	LOOP_PLAIN_ALL,
	LOOP_PLAIN_LOCAL, /* this machine, by a loopback address; others are told to use TLS */
	LOOP_PLAIN_NONE,
};

struct loop_options {
	int listener;             /* a listening socket, owned from here on; -1: none */
	int also_listener;        /* a second one, the same */
	int admin_listener;       /* of admin.sock, the same; -1: none */
	struct api_port *port;
	const atomic_bool *ready; /* what /readyz says */
	struct api_gateway *gateway; /* gRPC's methods, borrowed until loop_close; NULL: none */
	bool edge_only;           /* native connections are handed over too */
	uint32_t connections_max; /* 0: LOOP_CONNECTIONS_MAX */
	struct tls_context *tls;  /* as loop_set_tls; owned from here on; NULL: none */
	enum loop_plain plain;
	uint32_t head_ms;         /* 0: CONN_HEAD_MS */
	uint32_t stall_ms;        /* 0: CONN_STALL_MS */
	uint32_t idle_ms;         /* 0: CONN_IDLE_MS */
	const struct strangers_limits *strangers; /* borrowed for the call; NULL: the defaults */
};

/* Takes a socket and the bytes already read from it (borrowed for the call). False: no room; the
 * loop then closes the connection. */
typedef bool loop_handover_fn(void *context, int socket, struct bytes input);

enum froe_err loop_open(struct loop **ret_loop, uint8_t index, struct io *io,
    const struct loop_options *options, struct froe_fault *fault) FROE_CHECKED;

/* Ends every connection without another command (also no API_OP_CLOSE) and frees the loop. Steps
 * io until the kernel has given back its buffers, so handlers of other operations may be called. */
void loop_close(struct loop *loop);

/* Without it the loop serves HTTP itself. */
void loop_set_handover(struct loop *loop, loop_handover_fn *handover, void *context);

/* From now on new TLS connections are served with this server context, which is the loop's; without
 * one they are closed. A loop that hands over needs none. Any thread, until loop_close. */
void loop_set_tls(struct loop *loop, struct tls_context *context);

/* The other end of a handover: serves this socket, which has sent these bytes already. */
void loop_adopt(struct loop *loop, int socket, struct bytes input);

void loop_input(struct loop *loop);
void loop_resume(struct loop *loop); /* there is room at the port again */
void loop_deliver(struct loop *loop, const struct api_effect *effect);
void loop_output(struct loop *loop);

/* Has a connection more at hand than this turn took of it? Then the next turn is due now. */
bool loop_has_more(const struct loop *loop);
/* How many bytes of it; at least 1 if there is anything. */
size_t loop_at_hand(const struct loop *loop);

/* When io_step must return at the latest, in mono ns: 0 if a step is due now. */
uint64_t loop_deadline_ns(const struct loop *loop);
void loop_timers(struct loop *loop, uint64_t mono_ns);

/* Stops accepting, closes the listener, tells native sessions Goaway; they end when what they had
 * asked is answered. */
void loop_drain(struct loop *loop);
bool loop_drained(const struct loop *loop); /* no connection is left */

/* Bytes of memory that the connections' buffers hold; the owner only. */
size_t loop_held_bytes(const struct loop *loop);

void loop_stats(const struct loop *loop, struct conn_stats *ret_stats);

#endif
