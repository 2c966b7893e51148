/*
 * bench/grpc/channel: a client's side of gRPC over one connection, as small as it may be.
 *
 * Purpose     Calls over HTTP/2 with prior knowledge, in plaintext: frames and HPACK by nghttp2,
 *             one thread, poll(). A turn takes what has arrived, and sends in one write what came
 *             of it. Messages go uncompressed.
 * Ownership   a call is the channel's: given by channel_call, taken back after `end`.
 * Failure     ends the program: a benchmark with errors is none.
 */
#ifndef BENCH_GRPC_CHANNEL_H
#define BENCH_GRPC_CHANNEL_H

#include "base/bytes.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_WINDOW (16 << 20)
#define CHANNEL_READ_BYTES (256u << 10)
#define PREFIX_BYTES 5u

struct channel;

struct call {
	struct channel *channel;
	struct call *next_free;
	int32_t id;
	int status;   /* grpc-status; -1: not yet */
	bool last;    /* no more messages of ours */
	size_t given; /* bytes of `out` that nghttp2 has */
	struct buf out, in;
	void (*message)(struct call *call, const uint8_t *data, size_t size);
	void (*end)(struct call *call); /* NULL: fine if it was OK */
	void *owner;
	uint64_t number; /* the owner's */
};

struct channel {
	int socket;
	const char *authority;
	char authorization[1100];
	nghttp2_session *session;
	struct call *free;
	struct buf out;
	size_t sent;
	uint8_t *read;
};

static inline _Noreturn void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "grpc: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

/* ---------------------------------------------------------------------------------- callbacks */

static inline int
on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_size, const uint8_t *value, size_t size, uint8_t flags, void *context)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)context;
	(void)flags;
	(void)size;
	if (call != NULL && name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
		call->status = atoi((const char *)value);
	else if (call != NULL && name_size == 12 && memcmp(name, "grpc-message", 12) == 0)
		fprintf(stderr, "grpc: the server says: %.*s\n", (int)size, (const char *)value);
	return 0;
}

/* Whole messages go to the call; what is left of `in` is the beginning of the next one. */
static inline int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
    void *context)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, id);
	size_t at = 0;

	(void)context;
	(void)flags;
	if (call == NULL)
		return 0;
	buf_push(&call->in, data, size);
	while (call->in.size - at >= PREFIX_BYTES) {
		const uint8_t *head = call->in.data + at;
		size_t bytes =
		    (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];

		if (head[0] != 0)
			die("a compressed message: none was asked for");
		if (call->in.size - at < PREFIX_BYTES + bytes)
			break;
		if (call->message != NULL)
			call->message(call, head + PREFIX_BYTES, bytes);
		at += PREFIX_BYTES + bytes;
	}
	memmove(call->in.data, call->in.data + at, call->in.size - at);
	call->in.size -= at;
	return 0;
}

static inline int
on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
	struct channel *channel = context;
	struct call *call = nghttp2_session_get_stream_user_data(session, id);

	if (call == NULL)
		return 0;
	if (call->end != NULL)
		call->end(call);
	else if (call->status != 0)
		die("a call ended with status %d (HTTP/2: %u)", call->status, error);
	call->next_free = channel->free;
	channel->free = call;
	return 0;
}

static inline ssize_t
on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *ret_flags,
    nghttp2_data_source *source, void *context)
{
	struct call *call = source->ptr;
	size_t size = call->out.size - call->given;

	(void)session;
	(void)id;
	(void)context;
	size = size < room ? size : room;
	memcpy(to, call->out.data + call->given, size);
	call->given += size;
	if (call->given == call->out.size) {
		call->given = call->out.size = 0;
		*ret_flags = call->last ? NGHTTP2_DATA_FLAG_EOF : 0;
		if (size == 0 && !call->last)
			return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)size;
}

/* -------------------------------------------------------------------------------------- calls */

static inline void
call_send(struct call *call, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message), at = call->out.size;
	uint8_t prefix[PREFIX_BYTES] = {
	    0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};

	buf_push(&call->out, prefix, sizeof(prefix));
	buf_reserve(&call->out, size);
	call->out.size += protobuf_c_message_pack(message, call->out.data + at + PREFIX_BYTES);
	if (call->id != 0)
		nghttp2_session_resume_data(call->channel->session, call->id);
}

static inline struct call *
call_take(struct channel *channel)
{
	struct call *call = channel->free;

	if (call == NULL) {
		call = mem_zalloc(sizeof(*call));
		buf_init(&call->out);
		buf_init(&call->in);
	} else {
		channel->free = call->next_free;
	}
	call->channel = channel;
	call->id = 0;
	call->status = -1;
	call->last = false;
	call->given = call->out.size = call->in.size = 0;
	call->message = NULL;
	call->end = NULL;
	call->owner = NULL;
	return call;
}

/* With its first message; `last`: and its only one. */
static inline struct call *
channel_call(struct channel *channel, const char *path, const ProtobufCMessage *message, bool last)
{
#define FIELD(name, value, flags)                                                                  \
	{                                                                                          \
		(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, sizeof(name) - 1,         \
		    strlen(value), flags                                                           \
	}
	struct call *call = call_take(channel);
	nghttp2_data_provider body = {.source.ptr = call, .read_callback = on_read};
	const nghttp2_nv fields[] = {
	    FIELD(":method", "POST", 0),
	    FIELD(":scheme", "http", 0),
	    FIELD(":path", path, 0),
	    FIELD(":authority", channel->authority, 0),
	    FIELD("te", "trailers", 0),
	    FIELD("content-type", "application/grpc", 0),
	    FIELD("authorization", channel->authorization, 0),
	};

	call->last = last;
	call_send(call, message);
	call->id = nghttp2_submit_request(
	    channel->session, NULL, fields, sizeof(fields) / sizeof(fields[0]), &body, call);
	if (call->id < 0)
		die("a call of %s: %s", path, nghttp2_strerror(call->id));
	return call;
#undef FIELD
}

/* ------------------------------------------------------------------------------------ channel */

static inline int
channel_connect(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const char *colon = strrchr(address, ':');
	int on = 1, made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd wait = {.fd = made, .events = POLLOUT};

	if (colon == NULL)
		die("%s: HOST:PORT is wanted", address);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (made < 0 ||
	    (connect(made, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS))
		die("connect: %s", strerror(errno));
	poll(&wait, 1, -1);
	setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return made;
}

static inline void
channel_open(struct channel *channel, const char *address, const char *token)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CHANNEL_WINDOW},
	};

	*channel = (struct channel){.authority = address, .socket = channel_connect(address)};
	snprintf(channel->authorization, sizeof(channel->authorization), "bearer %s", token);
	channel->read = mem_array(CHANNEL_READ_BYTES, 1);
	buf_init(&channel->out);
	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		die("out of memory");
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	if (nghttp2_session_client_new(&channel->session, callbacks, channel) != 0)
		die("out of memory");
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(channel->session, NGHTTP2_FLAG_NONE, settings, 2);
	nghttp2_session_set_local_window_size(
	    channel->session, NGHTTP2_FLAG_NONE, 0, CHANNEL_WINDOW);
}

/* All that is to be said, as far as the socket takes it. */
static inline void
channel_flush(struct channel *channel)
{
	const uint8_t *frame;
	ssize_t size;

	while ((size = nghttp2_session_mem_send(channel->session, &frame)) > 0)
		buf_push(&channel->out, frame, (size_t)size);
	while (channel->sent < channel->out.size) {
		size = send(channel->socket, channel->out.data + channel->sent,
		    channel->out.size - channel->sent, MSG_NOSIGNAL);
		if (size < 0 && errno == EAGAIN)
			return;
		if (size < 0)
			die("send: %s", strerror(errno));
		channel->sent += (size_t)size;
	}
	channel->sent = channel->out.size = 0;
}

/* Takes what has arrived. */
static inline void
channel_receive(struct channel *channel)
{
	ssize_t size = recv(channel->socket, channel->read, CHANNEL_READ_BYTES, 0);

	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0)
		die("the server closed the connection");
	size = nghttp2_session_mem_recv(channel->session, channel->read, (size_t)size);
	if (size < 0)
		die("HTTP/2: %s", nghttp2_strerror((int)size));
}

/* Sends, waits, takes. `beside`: another descriptor that ends the wait; -1: none. */
static inline void
channel_turn(struct channel *channel, int beside, int timeout_ms)
{
	struct pollfd wait[] = {
	    {.fd = channel->socket, .events = POLLIN},
	    {.fd = beside, .events = POLLIN},
	};

	channel_flush(channel);
	if (channel->sent < channel->out.size)
		wait[0].events |= POLLOUT;
	if (poll(wait, 2, timeout_ms) > 0 && (wait[0].revents & ~POLLOUT) != 0)
		channel_receive(channel);
}

#endif
