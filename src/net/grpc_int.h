/*
 * net/grpc_int: what the parts of net/grpc know of each other.
 *
 * grpc.c has the calls' lives, grpc_receive.c what comes in, grpc_send.c what goes out,
 * grpc_codec.c gzip, grpc_text.c the small text forms of headers.
 */
#ifndef NET_GRPC_INT_H
#define NET_GRPC_INT_H

#include "base/map.h"
#include "net/grpc.h"
#include "net/http2.h"

#define GRPC_CALL_MAGIC 0x67727063u
#define GRPC_PREFIX_BYTES 5u /* before each message: is it compressed, and its length */

enum grpc_encoding {
	GRPC_IDENTITY,
	GRPC_ZIPPED, /* gzip or deflate: zlib tells them apart */
};

/* A queued message with its prefix. */
struct grpc_piece {
	struct list node;
	size_t size;
	size_t at; /* what has been pulled */
	uint8_t data[];
};

struct grpc {
	const struct grpc_methods *methods;
	struct grpc_codec *codec;
	struct http2 *http2;
	void *owner;
	void (*ready)(void *owner);
	const char *refusal;
	bool near;
	struct map calls;    /* by id */
	struct list all;     /* calls, oldest first */
	struct list stalled; /* calls whose message was not taken */
	struct list pulling; /* calls with data in the frame that is being made */
	struct list marked;  /* calls with bytes that have not yet left */
	struct list refused; /* calls to be told when they are writable */
	struct list gone;    /* calls whose stream is closed */
	uint64_t now_ns;
	uint64_t due_ns;
	uint64_t produced;   /* bytes pulled ever */
	size_t queued_bytes;
	size_t held_bytes;
	uint32_t count;
	bool draining;
	struct grpc_count *counts; /* nobody's: own_counts */
	struct grpc_count own_counts;
};

struct grpc_call {
	uint32_t magic;
	int32_t id;
	struct grpc *grpc;
	const struct grpc_method *method; /* NULL: refused before there was one */
	void *context;
	struct list node;
	struct list stalled;
	struct list pulling;
	struct list marked;
	struct list refused;
	struct list gone;
	/* The request. */
	struct buf head;  /* fields: two le32 sizes, name, value */
	struct buf input; /* what of messages has come and is not taken */
	uint64_t deadline_ns;
	enum grpc_encoding encoding;
	bool zips;        /* the client takes gzip */
	bool opened;      /* the method knows of it */
	bool took;        /* not BIDI: the message was taken */
	bool ended;       /* the client sends no more */
	bool halved;      /* the method was told so */
	/* The answer. */
	struct list queue; /* of struct grpc_piece */
	size_t queued_bytes;
	uint64_t moved_ns; /* when something was last taken from the queue, or it was empty */
	uint64_t sent;     /* messages queued, */
	uint64_t pulled;   /* wholly pulled, */
	uint64_t written;  /* and gone */
	uint64_t mark;     /* of those pulled so many have left when */
	uint64_t mark_at;  /* this many bytes of the connection have */
	struct buf text;   /* of the status, percent-encoded */
	struct buf details; /* base64 */
	enum grpc_status status;
	bool responded;    /* its head is on its way */
	bool finished;
	bool trailed;
	bool closed;       /* the stream is no more */
	enum grpc_end end;
};

/* ---------------------------------------------------------------------------- grpc.c */

void grpc_due(struct grpc *grpc, uint64_t due_ns); /* grpc_step is due then, at the latest */
/* The client's fault: this is its status. */
void grpc_refuse(struct grpc_call *call, enum grpc_status status, const char *format, ...)
    FROE_PRINTF(3, 4);
extern const struct http2_events GRPC_EVENTS;

/* -------------------------------------------------------------------- grpc_receive.c */

void call_field(struct grpc_call *call, struct bytes name, struct bytes value);
void call_head(struct grpc_call *call, bool large);
/* More of its messages, and their end. False: a message is not taken. */
bool call_data(struct grpc_call *call, struct bytes data);
bool call_take(struct grpc_call *call);
void call_drop_input(struct grpc_call *call);

/* ----------------------------------------------------------------------- grpc_send.c */

/* The head that is the answer's end: trailers only; or HTTP's own status. */
void call_finish_early(struct grpc_call *call, const char *http_status);
size_t call_read(struct grpc_call *call, uint8_t *to, size_t size, bool *ret_end);
void call_drop_queue(struct grpc_call *call);
void call_writable(struct grpc_call *call);

/* ---------------------------------------------------------------------- grpc_codec.c */

/* Inflates into the codec's own buffer, borrowed until the next call. */
enum froe_err codec_inflate(struct grpc_codec *codec, struct bytes zipped, size_t size_max,
    struct bytes *ret_plain, struct froe_fault *fault) FROE_CHECKED;
/* False: it would not be smaller. */
bool codec_deflate(struct grpc_codec *codec, struct bytes plain, struct bytes *ret_zipped);

/* ----------------------------------------------------------------------- grpc_text.c */

/* Appends text as grpc-message has it: at most GRPC_TEXT_BYTES_MAX of it. */
void text_encode(struct buf *to, struct bytes text);
void text_encode_base64(struct buf *to, struct bytes data); /* without padding */
/* grpc-timeout, "250m": false: it is none. */
bool text_decode_timeout(struct bytes text, uint64_t *ret_ns);
/* Is the word there, in "identity, gzip"? */
bool text_has_word(struct bytes list, const char *word);

#endif
