/*
 * net/conn: one connection on one loop.
 *
 * Purpose     Moves bytes and knows when to stop: an input buffer, two output buffers (one lent to
 *             the kernel, one being filled), pause and resume of receive, watermarks, deadlines,
 *             closing after a flush. It knows no protocol: whoever owns it reads conn->input and
 *             fills conn_output(). With conn_secure() there is TLS between these and the wire, and
 *             nobody else notices: the same bounds hold.
 * Ownership   the owner embeds struct conn and may free it once its state is CONN_CLOSED. The conn
 *             owns its socket until then (or until conn_take). While an op is active its buffer is
 *             lent to the kernel.
 * Threading   the loop's thread.
 * Invariants  1. the state moves only along the table in conn.c.
 *             2. completion handlers record and put the conn on set->ready; conn_step decides.
 *             3. CONN_CLOSED: no op is active, no list holds the conn, the socket is closed or
 *                taken.
 *             4. a timer list is in order of its deadlines: a class has one duration, or is sorted
 *                as its deadlines are set.
 *             5. input holds at most what its reader needs for one message, or CONN_INPUT_HIGH,
 *                plus what the kernel hands over in one turn. So much again may be encrypted still.
 *             6. with TLS outputs[filling] is plaintext and the other one is on its way; they are
 *                never exchanged.
 * See         docs/protocol.md, "Limits"
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/bytes.h"
#include "base/list.h"
#include "base/sm.h"
#include "io/io.h"
#include "net/grpc_count.h"
#include "tls/tls.h"

#include <stdatomic.h>

/* Output above HIGH: nothing more is parsed until it is below LOW. */
#define CONN_OUTPUT_HIGH ((size_t)1 << 20)
#define CONN_OUTPUT_LOW ((size_t)256 << 10)
/* A reader that takes nothing lets this much come in before receive is cancelled. */
#define CONN_INPUT_HIGH ((size_t)64 << 10)
/* An empty buffer larger than this is given back, */
#define CONN_BUFFER_KEPT ((size_t)16 << 10)
/* but not one up to this, of which a quarter was used: it would only grow again. Once the other
 * side is silent, it is. */
#define CONN_BUFFER_BUSY CONN_OUTPUT_HIGH

#define CONN_HEAD_MS 5000u  /* handshake, or the head of an HTTP request, complete */
#define CONN_STALL_MS 10000u /* a send without progress */
#define CONN_LATE_MS 1u     /* what is not urgent waits so long for company, */
#define CONN_LATE_BYTES_MAX ((size_t)16 << 10) /* or until there is so much of it */
#define CONN_IDLE_MS 30000u /* no bytes: once is quiet, twice in a row closes */
/* TLS handshakes that go on in one turn: with an RSA-4096 key each costs 5 ms. */
#define CONN_HANDSHAKES_MAX 4u

/*
 *   OPENING ──▶ NATIVE ──┐
 *      │  ├───▶ HTTP2 ──┤
 *      │  └───▶ HTTP  ───┼──▶ FLUSHING ──▶ CLOSING ──▶ CLOSED
 *      ├───────▶ HANDOVER ──(taken)──────────────────▶ CLOSED
 *      └──────────▶ (any of them straight to CLOSING when it breaks)
 */
enum conn_state {
	CONN_OPENING,  /* the first bytes are awaited */
	CONN_NATIVE,
	CONN_HTTP,
	CONN_HTTP2,
	CONN_HANDOVER, /* receive is being cancelled; conn_take() once conn_takeable() */
	CONN_FLUSHING, /* input is discarded; closes when the output is out */
	CONN_CLOSING,  /* ops are being cancelled */
	CONN_CLOSED,
};

enum conn_close {
	CONN_CLOSE_NONE,
	CONN_CLOSE_PEER,     /* the other side closed */
	CONN_CLOSE_RESET,    /* the transport failed */
	CONN_CLOSE_UNKNOWN,  /* the first bytes are of no protocol */
	CONN_CLOSE_LATE,     /* handshake or head not complete in time */
	CONN_CLOSE_STALLED,  /* the other side does not read */
	CONN_CLOSE_IDLE,     /* the other side is silent */
	CONN_CLOSE_PROTOCOL, /* malformed input */
	CONN_CLOSE_REFUSED,  /* a well-formed handshake was refused */
	CONN_CLOSE_BUSY,     /* no room for it here */
	CONN_CLOSE_DONE,     /* all was said (HTTP without keep-alive) */
	CONN_CLOSE_DRAINED,  /* the server stops */
	CONN_CLOSE_TLS,      /* the TLS handshake failed, or a record is not genuine */
	CONN_CLOSE_COUNT,
};
const char *conn_close_name(enum conn_close reason); /* "peer" */

enum conn_timer {
	CONN_TIMER_HEAD,
	CONN_TIMER_STALL,
	CONN_TIMER_IDLE,
	CONN_TIMER_LATE,
	CONN_TIMER_CALL, /* whenever its owner says: conn_timer_start_at */
	CONN_TIMER_COUNT,
};

/* Counters of a loop's connections, as read by conn_set_stats(). */
struct conn_stats {
	uint64_t open; /* now */
	uint64_t accepted;
	uint64_t adopted;      /* taken over from another loop */
	uint64_t handed_over;
	uint64_t native;       /* spoke the native protocol */
	uint64_t http;
	uint64_t http2;
	uint64_t secured;      /* their TLS handshake was done */
	uint64_t requests;     /* native messages and HTTP requests taken in */
	uint64_t received_bytes;
	uint64_t sent_bytes;
	uint64_t closed[CONN_CLOSE_COUNT];
	uint64_t grpc_connections, grpc_streams; /* now */
	uint64_t grpc_streams_total, grpc_received, grpc_sent, grpc_resets;
};

/* What the connections of one loop share. */
struct conn_set {
	struct io *io;
	struct list ready;  /* conns with something to step */
	struct list output; /* conns with something to send */
	struct list timers[CONN_TIMER_COUNT];
	uint64_t now_ns; /* mono, as of this turn */
	uint64_t timer_ns[CONN_TIMER_COUNT];
	uint32_t handshakes_left; /* in this turn */
	struct grpc_count grpc;
	/* Counters: written by the loop's thread only, relaxed; read from anywhere. */
	struct {
		_Atomic uint64_t open, accepted, adopted, handed_over, native, http, http2;
		_Atomic uint64_t secured;
		_Atomic uint64_t requests;
		_Atomic uint64_t received_bytes, sent_bytes;
		_Atomic uint64_t closed[CONN_CLOSE_COUNT];
	} count;
};

struct conn;
struct conn_deadline {
	struct list node;
	struct conn *conn;
	uint64_t due_ns;
};

#define CONN_MAGIC 0x636f6e6eu

struct conn {
	uint32_t magic;
	enum conn_state state;
	enum conn_close reason;
	struct conn_set *set;
	int socket;
	struct tls *tls;      /* NULL: plaintext */
	struct io_op receive;
	struct io_op send;
	struct buf input;
	size_t input_filled; /* the most it held since it was empty last */
	struct buf outputs[2];
	uint8_t filling;      /* index of the output being filled; the other one is being sent */
	struct list ready;
	struct list output;
	struct conn_deadline deadlines[CONN_TIMER_COUNT];
	int32_t send_result;
	/* Recorded by handlers, folded in by conn_step: */
	bool received;
	bool sent;
	bool broken;
	bool cut;             /* TLS: the socket has ended */
	uint8_t expired;      /* bits 1 << enum conn_timer */
	/* Decided by conn_step and the owner: */
	bool ended;           /* the other side will send nothing more */
	bool lingers;         /* after the flush: until the other side closes, or HEAD is over */
	bool held;            /* the reader takes nothing now */
	bool pausing;         /* receive has been asked to end */
	bool choked;          /* output above HIGH, not yet below LOW */
	bool quiet; /* no bytes for CONN_IDLE_MS; the owner may ask whether anyone is there */
};

void conn_set_init(struct conn_set *set, struct io *io);
void conn_set_now(struct conn_set *set); /* reads the clock: once a turn, and for a new conn */
void conn_set_turn(struct conn_set *set); /* a new turn: handshakes may go on */
void conn_set_stats(const struct conn_set *set, struct conn_stats *ret_stats);
/* Marks what is due at mono_ns; the conns concerned become ready. */
void conn_set_expire(struct conn_set *set, uint64_t mono_ns);
uint64_t conn_set_due_ns(const struct conn_set *set); /* UINT64_MAX: nothing */

static inline void
conn_count(_Atomic uint64_t *counter, uint64_t add)
{
	/* One writer: no need for a locked add. Readers only want a recent value. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add,
	    memory_order_relaxed);
}

/* Starts receiving; `input` are bytes that were read from the socket before. */
void conn_open(struct conn *conn, struct conn_set *set, int socket, struct bytes input);
void conn_release(struct conn *conn); /* CONN_CLOSED only */

void conn_ready(struct conn *conn); /* step it soon */
void conn_step(struct conn *conn);  /* folds in what the handlers recorded */
/* After the owner's step: receive on or off, closing goes on. */
void conn_settle(struct conn *conn);

void conn_serve(struct conn *conn, enum conn_state protocol); /* OPENING -> one of the three */
void conn_finish(struct conn *conn, enum conn_close reason);  /* close after the output is out */
void conn_abort(struct conn *conn, enum conn_close reason);   /* close now */

/* OPENING: what came and what will come is TLS; the tls is the conn's from here on. When its
 * handshake is done, conn->input has the first plaintext. */
void conn_secure(struct conn *conn, struct tls *tls);

/* The handover: OPENING -> HANDOVER; when takeable, the socket and conn->input are the taker's. */
void conn_handover(struct conn *conn);
bool conn_takeable(const struct conn *conn);
int conn_take(struct conn *conn); /* the socket; the conn is CLOSED */

void conn_timer_start(struct conn *conn, enum conn_timer timer); /* again: from now on */
void conn_timer_start_at(struct conn *conn, enum conn_timer timer, uint64_t due_ns);
void conn_timer_stop(struct conn *conn, enum conn_timer timer);
bool conn_timer_active(const struct conn *conn, enum conn_timer timer);

struct buf *conn_output(struct conn *conn); /* to append to; will be sent */
/* To append to what is not urgent: it is sent with whatever follows, or after CONN_LATE_MS. */
struct buf *conn_output_late(struct conn *conn);
void conn_send(struct conn *conn);          /* starts a send if none is under way */

static inline size_t
conn_output_used(const struct conn *conn)
{
	return buf_used(&conn->outputs[0]) + buf_used(&conn->outputs[1]) +
	    (conn->tls != NULL ? tls_output_used(conn->tls) : 0);
}

/* Too much output waits: take in nothing more. */
bool conn_choked(struct conn *conn);

/* Does it still take input and output? */
static inline bool
conn_serving(const struct conn *conn)
{
	return conn->state == CONN_NATIVE || conn->state == CONN_HTTP ||
	    conn->state == CONN_HTTP2;
}

static inline bool
conn_ending(const struct conn *conn)
{
	return conn->state >= CONN_FLUSHING;
}

/* The subject of the other side's verified certificate, "CN=worker-7"; "": it has shown none. */
static inline const char *
conn_subject(const struct conn *conn)
{
	return conn->tls != NULL ? tls_peer(conn->tls) : "";
}

/* Memory that its buffers hold. */
static inline size_t
conn_held_bytes(const struct conn *conn)
{
	return conn->input.capacity + conn->outputs[0].capacity + conn->outputs[1].capacity +
	    (conn->tls != NULL ? tls_held_bytes(conn->tls) : 0);
}

#endif
