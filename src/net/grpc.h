/*
 * net/grpc: gRPC calls of one connection, server side; knows no service and no socket.
 *
 * Purpose     A table of methods says who answers which path. A call is an object: what the client
 *             asked, messages in, messages out, an end. Framing, gzip both ways, status and
 *             trailers, deadlines, cancellation, windows, limits are dealt with here.
 * Ownership   the owner of the connection has a struct grpc, and lends it a codec that all
 *             connections of its thread share. A call is the grpc's: valid for its method from
 *             `open` until `close` returns, no longer. Methods are static. A message is borrowed
 *             for the callback, what grpc_send gets for the call of it.
 * Threading   the connection's thread.
 * Invariants  1. for each call, `open` first, `close` last, each once, also when the connection
 *                breaks or the whole is released; nothing in between after grpc_finish but
 *                `written`.
 *             2. messages go out in order and whole; `written` never goes back.
 *             3. callbacks come from grpc_receive, grpc_step, grpc_drain and grpc_close only,
 *                never from within what a method calls (grpc_send, grpc_finish).
 *             4. queued_bytes and held_bytes are the sums of the calls' own.
 * Bound       GRPC_* below; exceeded by at most one message.
 * Failure     what a client does wrong ends its call with a status, or its connection.
 * See         docs/grpc.md
 */
#ifndef NET_GRPC_H
#define NET_GRPC_H

#include "base/bytes.h"
#include "base/list.h"
#include "net/grpc_count.h"

/* One message, inflated, either way: what the SDKs have as their own limit. */
#define GRPC_MESSAGE_BYTES_MAX ((size_t)4 << 20)
/* A stream takes no more messages above it, until it is below half of it. */
#define GRPC_CALL_QUEUED_MAX ((size_t)1 << 20)
/* All calls of a connection: streams take no more. Requests go on being taken in: the client's
 * WINDOW_UPDATEs, which make the queues shorter, come between them. */
#define GRPC_QUEUED_MAX ((size_t)16 << 20)
/* All calls, answers of unary ones too: those beyond it fail. */
#define GRPC_QUEUED_HARD_MAX ((size_t)64 << 20)
/* Parts of requests of one connection: who makes it more is refused. */
#define GRPC_HELD_MAX ((size_t)32 << 20)
/* A reply at least so large is compressed, for a client that understands it. */
#define GRPC_GZIP_BYTES_MIN ((size_t)8 << 10)
/* A stream whose client takes nothing of what is queued for so long is ended. */
#define GRPC_STALL_MS 30000u
#define GRPC_TEXT_BYTES_MAX 1024u /* of a status message; longer ones are cut */

enum grpc_status {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16,
};

/* Which messages there are: in, out. */
enum grpc_kind {
	GRPC_UNARY,         /* one, one */
	GRPC_SERVER_STREAM, /* one, any number */
	GRPC_BIDI,          /* any number, any number */
};

enum grpc_taken {
	GRPC_TAKEN,
	GRPC_LATER, /* no room now: nothing else is taken in, and this is offered again */
};

/* How a call ended. Messages above grpc_written() have then not reached the client. */
enum grpc_end {
	GRPC_END_DONE,      /* finished, and all that was said has left */
	GRPC_END_CANCELLED, /* the client does not want it any more */
	GRPC_END_DEADLINE,  /* the client's own has passed; it was told so */
	GRPC_END_STALLED,   /* the client reads nothing */
	GRPC_END_BROKEN,    /* the connection is gone */
	GRPC_END_REFUSED,   /* what it sent was no good; it was told so */
	GRPC_END_DRAINED,   /* the server stops; it was told so (UNAVAILABLE) */
};

struct grpc;
struct grpc_call;
struct grpc_codec;

/* Who answers one path. Those that are not needed are NULL. */
struct grpc_method {
	const char *path; /* "/Dispatcher/Register" */
	enum grpc_kind kind;
	/* Its head is there: the place to look at its authorization. May finish it at once. */
	void (*open)(struct grpc_call *call);
	/* BIDI: each message as it comes; else the only one, when the client has said its end. */
	enum grpc_taken (*message)(struct grpc_call *call, struct bytes message);
	/* BIDI: the client sends no more; it still reads. NULL: the call is finished with OK. */
	void (*half_close)(struct grpc_call *call);
	/* grpc_send had said no: now it would not. */
	void (*writable)(struct grpc_call *call);
	/* The messages 1 to grpc_written() have left this process. */
	void (*written)(struct grpc_call *call);
	/* The call goes. */
	void (*close)(struct grpc_call *call, enum grpc_end end);
	const void *own; /* the service's */
};

struct grpc_methods {
	const struct grpc_method *methods;
	size_t count;
};

/* ---------------------------------------------------------------------- for methods: a call */

uint32_t grpc_call_id(const struct grpc_call *call); /* within its connection, never 0 */
const struct grpc_method *grpc_call_method(const struct grpc_call *call);
void *grpc_call_owner(const struct grpc_call *call); /* what grpc_open got */
void grpc_call_set_context(struct grpc_call *call, void *context); /* the method's own */
void *grpc_call_context(const struct grpc_call *call);
/* A header of the request, by its lower-case name; empty: there is none. "-bin" ones are base64. */
struct bytes grpc_call_header(const struct grpc_call *call, const char *name);
uint64_t grpc_call_deadline_ns(const struct grpc_call *call); /* mono; UINT64_MAX: none */

/* Sends the answer's head now. Without it the head goes with the first message, and a call that
 * finishes before that has trailers only. */
void grpc_begin(struct grpc_call *call);

/* Queues a message of at most GRPC_MESSAGE_BYTES_MAX; its number is grpc_sent() then. False: there
 * is no room; `writable` says when there is. Also false for a call that is finished. */
bool grpc_send(struct grpc_call *call, struct bytes message);
uint64_t grpc_sent(const struct grpc_call *call);    /* messages queued ever */
uint64_t grpc_written(const struct grpc_call *call); /* of them, those that have left */

/* What was queued goes out, then this. `text` is UTF-8 for people, may be NULL; `details` an
 * encoded google.rpc.Status, or empty. Again: nothing. */
void grpc_finish(struct grpc_call *call, enum grpc_status status, const char *text,
    struct bytes details);
/* A unary call's answer: the message, and OK. One that is too large, or for which there is no room
 * at all, becomes RESOURCE_EXHAUSTED. */
void grpc_reply(struct grpc_call *call, struct bytes message);
/* The status that stands for a fault, its text with the field at fault, and that as details. */
void grpc_fail(struct grpc_call *call, const struct froe_fault *fault);
enum grpc_status grpc_status_of(enum froe_err err);
bool grpc_finished(const struct grpc_call *call);

/* NULL: that call is gone. */
struct grpc_call *grpc_find(struct grpc *grpc, uint32_t id);

/* ------------------------------------------------------- for who owns the connection's bytes */

struct grpc_codec *grpc_codec_open(void);
void grpc_codec_close(struct grpc_codec *codec); /* NULL is allowed */

struct grpc_options {
	const struct grpc_methods *methods;
	struct grpc_codec *codec;
	void *owner;
	/* Something was said that is to be pulled: step and pull soon. Harmless again. */
	void (*ready)(void *owner);
	const char *refusal; /* static: the first call ends with it, FAILED_PRECONDITION, and then
	                      * the connection; NULL: none */
	bool near; /* this machine: compression would cost both sides time, and save nothing */
	struct grpc_count *count; /* the loop's; NULL: nothing is counted */
	uint64_t now_ns;
};
struct grpc *grpc_open(const struct grpc_options *options);
/* The connection is gone: every call that is left ends with `end`. */
void grpc_close(struct grpc *grpc, enum grpc_end end);

/* Takes in bytes of the network, and pops them. What it does not take it cannot, now: a method has
 * no room, or too much is queued. */
enum froe_err grpc_receive(struct grpc *grpc, struct buf *input, struct froe_fault *fault)
    FROE_CHECKED;
/* After grpc_receive: offers again what was refused, says what is writable, written and closed.
 * `unsent_bytes`: of what was pulled, so much has not left yet. */
void grpc_step(struct grpc *grpc, size_t unsent_bytes, uint64_t now_ns);
/* Appends the next bytes for the network; false: there are none now. */
bool grpc_pull(struct grpc *grpc, struct buf *to);

bool grpc_stalled(const struct grpc *grpc); /* methods wait for room: nothing is taken in */
uint64_t grpc_due_ns(const struct grpc *grpc); /* when grpc_step is due for a deadline */
void grpc_ping(struct grpc *grpc);             /* is anyone there? */
/* No more calls; streams end with UNAVAILABLE, others are answered. */
void grpc_drain(struct grpc *grpc);

bool grpc_greeted(const struct grpc *grpc); /* the client's first frame came */
bool grpc_in_head(const struct grpc *grpc); /* a request's head has begun, and not ended */
bool grpc_done(const struct grpc *grpc);    /* the connection has nothing more to say */
uint32_t grpc_calls(const struct grpc *grpc); /* under way */
size_t grpc_held_bytes(const struct grpc *grpc); /* memory: queued, half received, HTTP/2's own */
void grpc_check(const struct grpc *grpc);   /* invariant 4 */

#endif
