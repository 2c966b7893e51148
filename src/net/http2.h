/*
 * net/http2: one connection's HTTP/2, server side, between two buffers.
 *
 * Purpose     Frames, HPACK, windows, pings and limits are nghttp2's, without its I/O: bytes of
 *             the network are received, frames for it are pulled; what requests consist of comes
 *             as events. Knows no socket and no gRPC.
 * Ownership   a struct http2 is its opener's. A stream is what `begin` returned, the owner's, and
 *             forgotten after `close`. What an event gets is borrowed for the event.
 * Threading   one thread at a time. Events come from within http2_receive (read: http2_pull),
 *             and must call neither, nor http2_close.
 * Invariants  1. for each stream: begin, then any of the others, then close, once. http2_close
 *                says nothing any more: the owner knows its streams.
 *             2. nothing is kept of a body that the owner has not been given.
 * Failure     http2_receive: what the other side did wrong; a GOAWAY that says so may be there to
 *             be pulled, nothing else is to be expected of it.
 * See         docs/grpc.md, RFC 9113
 */
#ifndef NET_HTTP2_H
#define NET_HTTP2_H

#include "base/bytes.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_SIZE 24u

/* Open at a time: each listening worker and each waiting client has some for hours. */
#define HTTP2_STREAMS_MAX 2048u
/* What a client may send before it is told to go on. */
#define HTTP2_STREAM_WINDOW ((uint32_t)5 << 20)
#define HTTP2_WINDOW ((uint32_t)10 << 20)
/* A request's head, names and values with 32 bytes each, as RFC 9113 counts it. */
#define HTTP2_HEAD_BYTES_MAX ((size_t)16 << 10)
/* So much more, decoded but not kept, before the connection ends for it. */
#define HTTP2_HEAD_WASTE_MAX ((size_t)256 << 10)
/* Streams reset by the client, or by us for its faults: so many at once, and so many a second. */
#define HTTP2_RESETS_BURST 1000u
#define HTTP2_RESETS_RATE 33u
/* Answers to pings and settings that wait to be sent. */
#define HTTP2_ACKS_MAX 1000u
#define HTTP2_SETTINGS_MAX 32u

struct http2;

struct http2_field {
	struct bytes name; /* lower case */
	struct bytes value;
};

/* Why a stream ended, as in RFC 9113, 7. */
#define HTTP2_NO_ERROR 0x0u
#define HTTP2_INTERNAL_ERROR 0x2u
#define HTTP2_REFUSED_STREAM 0x7u
#define HTTP2_CANCEL 0x8u

struct http2_events {
	/* A request begins. */
	void *(*begin)(void *owner, int32_t id);
	void (*field)(void *stream, struct bytes name, struct bytes value);
	/* Its head is complete; `large`: more of it came than HTTP2_HEAD_BYTES_MAX, and was not
	 * given. `end`: and there is no body. */
	void (*head)(void *stream, bool large, bool end);
	/* False: give me nothing more for now: http2_receive returns early. */
	bool (*data)(void *stream, struct bytes data);
	void (*end)(void *stream);
	/* The next of the answer's body, at most `size`: how much. 0 and not *ret_end: nothing now,
	 * until http2_resume. *ret_end: the last; it has called http2_trail. */
	size_t (*read)(void *stream, uint8_t *to, size_t size, bool *ret_end);
	/* Both sides have said all, or it was reset. */
	void (*close)(void *stream, uint32_t code);
};

struct http2 *http2_open(const struct http2_events *events, void *owner);
void http2_close(struct http2 *http2); /* NULL is allowed */

/* Takes in bytes of the network: *ret_taken of them, all unless `data` said no. */
enum froe_err http2_receive(struct http2 *http2, struct bytes input, size_t *ret_taken,
    struct froe_fault *fault) FROE_CHECKED;
/* Appends a frame or two for the network; false: there is nothing to say now. */
bool http2_pull(struct http2 *http2, struct buf *to);

/* The head of an answer; without a body it ends the stream. */
void http2_respond(struct http2 *http2, int32_t id, const struct http2_field *fields, size_t count,
    bool body);
void http2_trail(struct http2 *http2, int32_t id, const struct http2_field *fields, size_t count);
void http2_resume(struct http2 *http2, int32_t id); /* there is more to be read */
void http2_reset(struct http2 *http2, int32_t id, uint32_t code);
void http2_ping(struct http2 *http2);
/* GOAWAY: requests that came until now are answered, later ones the client makes elsewhere. */
void http2_drain(struct http2 *http2);

/* The time that resets are counted in. */
void http2_set_now(struct http2 *http2, uint64_t now_ns);

/* `data` has said no: what follows comes with the next http2_receive, be it empty. */
bool http2_paused(const struct http2 *http2);
bool http2_greeted(const struct http2 *http2); /* the client's first SETTINGS came */
/* A head has begun and its end is awaited. */
bool http2_in_head(const struct http2 *http2);
/* Neither side has anything to say any more, or the client has floods of it. */
bool http2_done(const struct http2 *http2);
bool http2_flooded(const struct http2 *http2);
uint32_t http2_streams(const struct http2 *http2);
size_t http2_held_bytes(const struct http2 *http2); /* memory that it holds */

#endif
