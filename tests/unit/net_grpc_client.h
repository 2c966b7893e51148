/*
 * tests/net_grpc_client: a gRPC client between two buffers, over nghttp2's client side.
 *
 * What it is to send is in out; client_feed() is what came. It understands just enough to see what
 * a server says: one struct heard a call, in the order of the calls.
 */
#ifndef TESTS_NET_GRPC_CLIENT_H
#define TESTS_NET_GRPC_CLIENT_H

#include "base/bytes.h"
#include "base/mem.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <zlib.h>

#define CLIENT_CALLS_MAX 4096
#define CLIENT_FIELDS_MAX 8

/* A call, as its client sees it. */
struct heard {
	int32_t id;
	struct buf request; /* bytes still to be sent */
	bool request_ended;
	struct buf body;    /* all of the answer's */
	char http_status[8];
	char status[8];     /* "": none came */
	char message[2048];
	char details[512];
	char encoding[16];
	char accepts[32];
	bool trailers_only;
	bool closed;
	uint32_t code;
};

struct client {
	nghttp2_session *session;
	struct buf out;
	struct heard *heard;
	size_t count;
	uint32_t pings;     /* answered by the server */
	uint32_t pinged;    /* by the server */
	uint32_t goaways;
	uint32_t goaway_code;
	bool holds;         /* windows are not opened */
};

static inline struct heard *
client_heard(struct client *client, int32_t id)
{
	for (size_t i = 0; i < client->count; i++) {
		if (client->heard[i].id == id)
			return &client->heard[i];
	}
	return NULL;
}

static inline int
client_on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *context)
{
	struct heard *heard = client_heard(context, frame->hd.stream_id);
	struct bytes field = bytes_of(name, name_size);
	static const struct {
		const char *name;
		size_t at, size;
	} WANTED[] = {
	    {":status", offsetof(struct heard, http_status), sizeof(heard->http_status)},
	    {"grpc-status", offsetof(struct heard, status), sizeof(heard->status)},
	    {"grpc-message", offsetof(struct heard, message), sizeof(heard->message)},
	    {"grpc-status-details-bin", offsetof(struct heard, details), sizeof(heard->details)},
	    {"grpc-encoding", offsetof(struct heard, encoding), sizeof(heard->encoding)},
	    {"grpc-accept-encoding", offsetof(struct heard, accepts), sizeof(heard->accepts)},
	};
	(void)session;
	(void)flags;
	for (size_t i = 0; heard != NULL && i < sizeof(WANTED) / sizeof(WANTED[0]); i++) {
		if (bytes_equal(field, bytes_text(WANTED[i].name)))
			snprintf((char *)heard + WANTED[i].at, WANTED[i].size, "%.*s",
			    (int)value_size, (const char *)value);
	}
	return 0;
}

static inline int
client_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct client *client = context;
	struct heard *heard = client_heard(client, frame->hd.stream_id);
	bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	(void)session;
	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
		client->pings++;
	else if (frame->hd.type == NGHTTP2_PING)
		client->pinged++;
	else if (frame->hd.type == NGHTTP2_GOAWAY)
		client->goaways++, client->goaway_code = frame->goaway.error_code;
	else if (frame->hd.type == NGHTTP2_HEADERS && heard != NULL && end &&
	    frame->headers.cat == NGHTTP2_HCAT_RESPONSE)
		heard->trailers_only = true;
	return 0;
}

static inline int
client_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
    size_t size, void *context)
{
	struct client *client = context;
	struct heard *heard = client_heard(client, id);
	(void)flags;
	if (heard != NULL)
		buf_push(&heard->body, data, size);
	if (!client->holds)
		nghttp2_session_consume(session, id, size);
	return 0;
}

static inline int
client_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct heard *heard = client_heard(context, id);
	(void)session;
	if (heard != NULL) {
		heard->closed = true;
		heard->code = code;
	}
	return 0;
}

static inline ssize_t
client_on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *context)
{
	struct heard *heard = client_heard(context, id);
	size_t used = buf_used(&heard->request);
	(void)session;
	(void)source;
	size_t read = used < size ? used : size;
	if (read > 0)
		memcpy(to, buf_bytes(&heard->request).data, read);
	buf_pop(&heard->request, read);
	if (read == used && heard->request_ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (read == 0)
		return NGHTTP2_ERR_DEFERRED;
	return (ssize_t)read;
}

static inline void
client_pull(struct client *client)
{
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		buf_push(&client->out, data, (size_t)size);
}

/* `window`: of each stream. */
static inline void
client_open_window(struct client *client, uint32_t window)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	*client = (struct client){0};
	client->heard = mem_array(CLIENT_CALLS_MAX, sizeof(client->heard[0]));
	froe_assert(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, client_on_field);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
	froe_assert(nghttp2_option_new(&option) == 0);
	nghttp2_option_set_no_auto_window_update(option, 1);
	froe_assert(nghttp2_session_client_new2(&client->session, callbacks, client, option) == 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
	froe_assert(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &entry, 1) == 0);
	client_pull(client);
}

static inline void
client_begin(struct client *client)
{
	client_open_window(client, 65535);
}

static inline void
client_close(struct client *client)
{
	nghttp2_session_del(client->session);
	for (size_t i = 0; i < client->count; i++) {
		buf_release(&client->heard[i].request);
		buf_release(&client->heard[i].body);
	}
	mem_free(client->heard);
	buf_release(&client->out);
}

static inline bool
client_feed(struct client *client, struct bytes bytes)
{
	ssize_t taken = nghttp2_session_mem_recv(client->session, bytes.data, bytes.size);
	client_pull(client);
	return taken == (ssize_t)bytes.size;
}

struct client_field {
	const char *name;
	const char *value;
};

/* Begins a call; `fields`: beside the usual ones, up to a NULL name. */
static inline struct heard *
client_call(struct client *client, const char *path, const struct client_field *fields)
{
	nghttp2_nv nv[16];
	const struct client_field usual[] = {{":method", "POST"}, {":scheme", "http"},
	    {":path", path}, {":authority", "froe"}, {"content-type", "application/grpc"},
	    {"te", "trailers"}};
	struct heard *heard = &client->heard[client->count++];
	size_t count = 0;
	froe_assert(client->count <= CLIENT_CALLS_MAX);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		nv[count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)usual[i].name,
		    .value = (uint8_t *)(uintptr_t)usual[i].value,
		    .namelen = strlen(usual[i].name), .valuelen = strlen(usual[i].value)};
	for (; fields != NULL && fields->name != NULL; fields++) {
		size_t at = count;
		for (size_t i = 0; i < count; i++) {
			if (strlen(fields->name) == nv[i].namelen &&
			    memcmp(fields->name, nv[i].name, nv[i].namelen) == 0)
				at = i; /* instead of it */
		}
		froe_assert(at < 16);
		nv[at] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)fields->name,
		    .value = (uint8_t *)(uintptr_t)fields->value,
		    .namelen = strlen(fields->name), .valuelen = strlen(fields->value)};
		count += at == count;
	}
	nghttp2_data_provider provider = {.read_callback = client_on_read};
	heard->id = nghttp2_submit_request(client->session, NULL, nv, count, &provider, NULL);
	froe_assert(heard->id > 0);
	client_pull(client);
	return heard;
}

/* More bytes of its body; `end`: and it has no more. */
static inline void
client_say_raw(struct client *client, struct heard *heard, struct bytes bytes, bool end)
{
	buf_push(&heard->request, bytes.data, bytes.size);
	heard->request_ended = end;
	nghttp2_session_resume_data(client->session, heard->id);
	client_pull(client);
}

static inline void
client_prefix(uint8_t to[5], bool zipped, size_t size)
{
	to[0] = zipped;
	for (int i = 0; i < 4; i++)
		to[1 + i] = (uint8_t)(size >> (24 - 8 * i));
}

static inline void
client_say(struct client *client, struct heard *heard, struct bytes message, bool end)
{
	struct buf buf = {0};
	uint8_t prefix[5];
	client_prefix(prefix, false, message.size);
	buf_push(&buf, prefix, sizeof(prefix));
	buf_push(&buf, message.data, message.size);
	client_say_raw(client, heard, buf_bytes(&buf), end);
	buf_release(&buf);
}

/* gzip; into a buffer to be released. */
static inline struct buf
client_zip(struct bytes plain, int window_bits)
{
	struct buf buf = {0};
	z_stream stream = {0};
	froe_assert(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, 0) == Z_OK);
	size_t room = deflateBound(&stream, plain.size);
	stream.next_in = (uint8_t *)(uintptr_t)plain.data;
	stream.avail_in = (unsigned)plain.size;
	stream.next_out = buf_reserve(&buf, room);
	stream.avail_out = (unsigned)room;
	froe_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	buf_commit(&buf, room - stream.avail_out);
	deflateEnd(&stream);
	return buf;
}

static inline void
client_say_zipped(struct client *client, struct heard *heard, struct bytes zipped, bool end)
{
	struct buf buf = {0};
	uint8_t prefix[5];
	client_prefix(prefix, true, zipped.size);
	buf_push(&buf, prefix, sizeof(prefix));
	buf_push(&buf, zipped.data, zipped.size);
	client_say_raw(client, heard, buf_bytes(&buf), end);
	buf_release(&buf);
}

static inline void
client_reset(struct client *client, struct heard *heard, uint32_t code)
{
	nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, heard->id, code);
	client_pull(client);
}

/* The windows that were held are opened. */
static inline void
client_release(struct client *client)
{
	client->holds = false;
	for (size_t i = 0; i < client->count; i++) {
		struct heard *heard = &client->heard[i];
		if (!heard->closed && heard->id > 0)
			nghttp2_session_consume_stream(client->session, heard->id,
			    (size_t)nghttp2_session_get_stream_effective_recv_data_length(
				client->session, heard->id));
	}
	nghttp2_session_consume_connection(client->session,
	    (size_t)nghttp2_session_get_effective_recv_data_length(client->session));
	client_pull(client);
}

/* The message number `at` of its answer, as it came. *ret_zipped may be NULL. */
static inline bool
client_message(const struct heard *heard, size_t at, struct bytes *ret_message, bool *ret_zipped)
{
	struct bytes body = buf_bytes(&heard->body);
	while (body.size >= 5) {
		size_t size = (size_t)body.data[1] << 24 | (size_t)body.data[2] << 16 |
		    (size_t)body.data[3] << 8 | body.data[4];
		if (body.size < 5 + size)
			return false;
		if (at-- == 0) {
			*ret_message = bytes_of(body.data + 5, size);
			if (ret_zipped != NULL)
				*ret_zipped = body.data[0] == 1;
			return true;
		}
		body = bytes_of(body.data + 5 + size, body.size - 5 - size);
	}
	return false;
}

#endif
