/*
 * api/native: one session of the native protocol.
 *
 * Purpose     Preface, Hello, then frames: each is decoded, judged and posted as a command; effects
 *             are encoded into the connection's output. Ping, Pong and refusals are answered here.
 * Ownership   the owner embeds struct native beside its struct conn, lends an arena that is reset
 *             for every frame, and a port. native_release frees the table of requests.
 * Threading   the loop's thread. native_deliver may be called from within port->post.
 * Invariants  1. requests holds exactly the requests under way that have one answer, each with the
 *                bytes that were set aside for it; owed_bytes is their sum.
 *             2. bytes of pushes granted to the shard, less those that were sent and have left the
 *                output, never exceed NATIVE_PUSH_BYTES_MAX.
 *             3. open_posted and not close_posted: the shard knows the session.
 * Bound       memory for output: what requests are owed (NATIVE_OWED_BYTES_MAX), pushes
 *             (NATIVE_PUSH_BYTES_MAX) and CONN_OUTPUT_HIGH, each by at most one message exceeded.
 * See         docs/protocol.md
 */
#ifndef API_NATIVE_H
#define API_NATIVE_H

#include "api/port.h"
#include "base/arena.h"
#include "base/recent.h"
#include "froe/limits.h"
#include "net/conn.h"

/* Answers that may be under way before the next request is taken in. */
#define NATIVE_OWED_BYTES_MAX (4u * (size_t)FROE_MESSAGE_BYTES_MAX)
/* What of the client's credit is passed on at a time. */
#define NATIVE_PUSH_BYTES_MAX (2u * (uint64_t)FROE_MESSAGE_BYTES_MAX)
/* Frames taken in at one step, so that sessions take turns, and so that a batch is worked on while
 * its first part is being written: measured with 64 runs in flight, half of them at a time does
 * best: 16 and 64 have some tenth less, 256 had half as many runs a second. */
#define NATIVE_FRAMES_MAX 32u

/*
 *   PREFACE ─▶ HELLO ─▶ OPENING ─▶ OPEN ─▶ DRAINING
 *      └─────────┴──────────┴───────┴─────────┴──────▶ CLOSED
 *           Hello posted ─┘     └─ Welcome     (Goaway sent)
 */
enum native_state {
	NATIVE_PREFACE,
	NATIVE_HELLO,
	NATIVE_OPENING,
	NATIVE_OPEN,
	NATIVE_DRAINING, /* takes no more requests; ends when none is under way */
	NATIVE_CLOSED,   /* takes and sends nothing more */
};

struct native {
	enum native_state state;
	struct conn *conn;
	struct api_port *port;
	struct arena *arena;
	uint64_t handle;
	struct api_peer peer; /* the owner fills it in after native_open */
	uint32_t roles;       /* as the Welcome had them; what they allow: api/access */
	struct recent requests; /* number -> bytes set aside, + 1 */
	size_t owed_bytes;
	uint64_t credit_kept;     /* granted by the client, not yet passed on */
	uint64_t credit_out;      /* passed on, not yet used by a push */
	uint64_t pushed_bytes;    /* of pushes that may still be in the output */
	uint32_t posted;          /* commands of this step */
	bool open_posted;
	bool close_posted;
	bool pinged;              /* since the last bytes */
	bool owes;                /* the next frame waits for answers to earlier ones */
	bool drain;               /* Goaway as soon as it is open */
	const char *refusal;      /* what its Hello is answered with, or NULL */
};

void native_open(struct native *native, struct conn *conn, struct api_port *port,
    struct arena *arena, uint64_t handle);
void native_release(struct native *native);

/* Answers the Hello with this (static) text and FROE_FAILED_PRECONDITION, and nothing else. */
void native_refuse(struct native *native, const char *why);

enum api_progress native_step(struct native *native);

/* What the shard says to it. */
void native_deliver(struct native *native, const struct api_effect *effect);

/* Sends Goaway and takes no more requests. */
void native_drain(struct native *native);

/* The connection ends: takes leave of the shard. False: no room at the port; call again. */
bool native_close(struct native *native);

#endif
