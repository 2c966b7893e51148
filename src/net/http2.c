/*
 * nghttp2 with its callbacks turned into events. Windows are opened again as bytes come
 * in: who cannot take more does not take bytes from the network (`data` says no), and so holds up
 * the whole connection, and the sender by TCP.
 *
 * What a hostile client costs is bounded by nghttp2's own limits (frames, CONTINUATIONs, answers to
 * be sent, resets) and by ours: the head is counted as it is decoded (an HPACK index of one byte
 * may stand for 4 KiB), and resets that we send for a client's faults count like its own.
 */
#include "net/http2.h"

#include "base/duration.h"
#include "base/mem.h"

#include <nghttp2/nghttp2.h>

#define HEAD_FIELD_BYTES 32u /* what each field counts for beside its bytes */

struct http2 {
	nghttp2_session *session;
	const struct http2_events *events;
	void *owner;
	size_t held_bytes;     /* by nghttp2 */
	size_t head_bytes;     /* of the head that is coming in */
	uint64_t now_ns;
	uint64_t resets_ns;    /* when `resets` was last made less */
	uint32_t resets;       /* ours, for the client's faults */
	uint32_t streams;
	bool in_head;
	bool greeted;
	bool paused;
	bool flooded;
};

/* ---------------------------------------------------------------------------- its memory */

/* nghttp2's blocks have their size in front, so that what a connection holds is known. */
#define BLOCK_HEAD 16u

static void *
memory_alloc(size_t size, void *context)
{
	struct http2 *http2 = context;
	uint8_t *block = mem_alloc(size + BLOCK_HEAD);
	memcpy(block, &size, sizeof(size));
	http2->held_bytes += size + BLOCK_HEAD;
	return block + BLOCK_HEAD;
}

static void
memory_free(void *data, void *context)
{
	struct http2 *http2 = context;
	size_t size;
	if (data == NULL)
		return;
	uint8_t *block = (uint8_t *)data - BLOCK_HEAD;
	memcpy(&size, block, sizeof(size));
	froe_assert(http2->held_bytes >= size + BLOCK_HEAD);
	http2->held_bytes -= size + BLOCK_HEAD;
	mem_free(block);
}

static void *
memory_zalloc(size_t count, size_t size, void *context)
{
	froe_assert(size == 0 || count <= SIZE_MAX / 2 / size);
	return memset(memory_alloc(count * size, context), 0, count * size);
}

static void *
memory_resize(void *data, size_t size, void *context)
{
	struct http2 *http2 = context;
	size_t before;
	if (data == NULL)
		return memory_alloc(size, context);
	uint8_t *block = (uint8_t *)data - BLOCK_HEAD;
	memcpy(&before, block, sizeof(before));
	block = mem_resize(block, size + BLOCK_HEAD);
	memcpy(block, &size, sizeof(size));
	http2->held_bytes += size;
	http2->held_bytes -= before;
	return block + BLOCK_HEAD;
}

/* ------------------------------------------------------------------------------- resets */

/* A reset that the client has provoked. True: it was one too many. */
static bool
resets_count(struct http2 *http2)
{
	uint64_t paid = (http2->now_ns - http2->resets_ns) / NS_PER_S * HTTP2_RESETS_RATE;
	if (paid > 0)
		http2->resets_ns = http2->now_ns;
	http2->resets -= paid < http2->resets ? (uint32_t)paid : http2->resets;
	return ++http2->resets > HTTP2_RESETS_BURST;
}

/* ------------------------------------------------------------------------------ callbacks */

static void *
stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http2 *http2 = context;
	http2->in_head = true;
	http2->head_bytes = 0;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	int32_t id = frame->hd.stream_id;
	void *stream = http2->events->begin(http2->owner, id);
	froe_assert(nghttp2_session_set_stream_user_data(session, id, stream) == 0);
	http2->streams++;
	return 0;
}

static int
on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *context)
{
	struct http2 *http2 = context;
	(void)flags;
	http2->head_bytes += name_size + value_size + HEAD_FIELD_BYTES;
	if (http2->head_bytes > HTTP2_HEAD_WASTE_MAX) {
		http2->flooded = true;
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	void *stream = stream_of(session, frame->hd.stream_id);
	bool request = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
	if (http2->head_bytes <= HTTP2_HEAD_BYTES_MAX && request && stream != NULL)
		http2->events->field(stream, bytes_of(name, name_size),
		    bytes_of(value, value_size));
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http2 *http2 = context;
	bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	if (frame->hd.type == NGHTTP2_SETTINGS)
		http2->greeted = true;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	void *stream = stream_of(session, frame->hd.stream_id);
	bool head = frame->hd.type == NGHTTP2_HEADERS;
	if (head)
		http2->in_head = false;
	if (stream == NULL)
		return 0;
	if (head && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		http2->events->head(stream, http2->head_bytes > HTTP2_HEAD_BYTES_MAX, end);
	else if (end)
		http2->events->end(stream);
	return 0;
}

/* A head that is not HTTP: nghttp2 resets its stream. */
static int
on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *context)
{
	struct http2 *http2 = context;
	(void)session;
	(void)error;
	if (frame->hd.type == NGHTTP2_HEADERS)
		http2->in_head = false;
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
    void *context)
{
	struct http2 *http2 = context;
	(void)flags;
	void *stream = stream_of(session, id);
	if (stream == NULL || http2->events->data(stream, bytes_of(data, size)))
		return 0;
	http2->paused = true;
	return NGHTTP2_ERR_PAUSE;
}

/* Whoever has the whole answer has no use for the rest of its request. */
static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http2 *http2 = context;
	int32_t id = frame->hd.stream_id;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		uint32_t code = frame->rst_stream.error_code;
		bool fault = code != HTTP2_NO_ERROR && code != HTTP2_CANCEL;
		if (fault && resets_count(http2)) {
			http2->flooded = true;
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		}
	} else if (frame->hd.type == NGHTTP2_HEADERS &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
	    nghttp2_session_get_stream_remote_close(session, id) == 0) {
		http2_reset(http2, id, HTTP2_NO_ERROR);
	}
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct http2 *http2 = context;
	void *stream = stream_of(session, id);
	if (stream == NULL)
		return 0;
	froe_assert(http2->streams > 0);
	http2->streams--;
	if (nghttp2_session_set_stream_user_data(session, id, NULL) != 0)
		froe_never("the stream is there until this returns");
	http2->events->close(stream, code);
	return 0;
}

static ssize_t
on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *context)
{
	struct http2 *http2 = context;
	bool end = false;
	(void)source;
	void *stream = stream_of(session, id);
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	size_t read = http2->events->read(stream, to, size, &end);
	froe_assert(read <= size);
	if (end)
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return read == 0 && !end ? NGHTTP2_ERR_DEFERRED : (ssize_t)read;
}

/* ---------------------------------------------------------------------------------- life */

static nghttp2_session_callbacks *
callbacks_new(void)
{
	nghttp2_session_callbacks *callbacks;
	froe_assert(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	return callbacks;
}

static nghttp2_option *
option_new(void)
{
	nghttp2_option *option;
	froe_assert(nghttp2_option_new(&option) == 0);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_outbound_ack(option, HTTP2_ACKS_MAX);
	nghttp2_option_set_max_settings(option, HTTP2_SETTINGS_MAX);
	nghttp2_option_set_stream_reset_rate_limit(option, HTTP2_RESETS_BURST, HTTP2_RESETS_RATE);
	return option;
}

static void
settings_submit(struct http2 *http2)
{
	const nghttp2_settings_entry entries[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)HTTP2_HEAD_BYTES_MAX},
	};
	froe_assert(nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, entries,
	    sizeof(entries) / sizeof(entries[0])) == 0);
	froe_assert(nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
	    (int32_t)HTTP2_WINDOW) == 0);
}

struct http2 *
http2_open(const struct http2_events *events, void *owner)
{
	struct http2 *http2 = mem_zalloc(sizeof(*http2));
	http2->events = events;
	http2->owner = owner;
	nghttp2_mem memory = {http2, memory_alloc, memory_free, memory_zalloc, memory_resize};
	nghttp2_session_callbacks *callbacks = callbacks_new();
	nghttp2_option *option = option_new();
	froe_assert(nghttp2_session_server_new3(
	    &http2->session, callbacks, http2, option, &memory) == 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	settings_submit(http2);
	return http2;
}

void
http2_close(struct http2 *http2)
{
	if (http2 == NULL)
		return;
	nghttp2_session_del(http2->session);
	froe_assert(http2->held_bytes == 0);
	mem_free(http2);
}

/* --------------------------------------------------------------------------------- bytes */

static enum froe_err
receive_failed(const struct http2 *http2, int error, struct froe_fault *fault)
{
	if (http2->flooded || error == NGHTTP2_ERR_FLOODED)
		return fault_set(fault, FROE_RESOURCE_EXHAUSTED,
		    "the client floods its HTTP/2 connection: heads, resets or pings");
	return fault_set(fault, FROE_PROTOCOL, "this is not HTTP/2: %s", nghttp2_strerror(error));
}

enum froe_err
http2_receive(struct http2 *http2, struct bytes input, size_t *ret_taken, struct froe_fault *fault)
{
	http2->paused = false;
	ssize_t taken = nghttp2_session_mem_recv(http2->session, input.data, input.size);
	if (taken < 0)
		return receive_failed(http2, (int)taken, fault);
	froe_assert((size_t)taken == input.size || http2->paused);
	*ret_taken = (size_t)taken;
	return FROE_OK;
}

bool
http2_pull(struct http2 *http2, struct buf *to)
{
	const uint8_t *data;
	if (http2->flooded)
		return false;
	ssize_t size = nghttp2_session_mem_send(http2->session, &data);
	if (size <= 0)
		return false;
	buf_push(to, data, (size_t)size);
	return true;
}

/* ------------------------------------------------------------------------------- answers */

#define FIELDS_MAX 16u

/* Names and values are copied by what gets them. */
static void
fields_convert(nghttp2_nv to[FIELDS_MAX], const struct http2_field *fields, size_t count)
{
	froe_assert(count <= FIELDS_MAX);
	for (size_t i = 0; i < count; i++)
		to[i] = (nghttp2_nv){
		    .name = (uint8_t *)(uintptr_t)fields[i].name.data,
		    .value = (uint8_t *)(uintptr_t)fields[i].value.data,
		    .namelen = fields[i].name.size,
		    .valuelen = fields[i].value.size,
		};
}

void
http2_respond(struct http2 *http2, int32_t id, const struct http2_field *fields, size_t count,
    bool body)
{
	nghttp2_nv converted[FIELDS_MAX];
	const nghttp2_data_provider provider = {.read_callback = on_read};
	fields_convert(converted, fields, count);
	int error = nghttp2_submit_response(
	    http2->session, id, converted, count, body ? &provider : NULL);
	froe_assert(error == 0);
}

void
http2_trail(struct http2 *http2, int32_t id, const struct http2_field *fields, size_t count)
{
	nghttp2_nv converted[FIELDS_MAX];
	fields_convert(converted, fields, count);
	froe_assert(nghttp2_submit_trailer(http2->session, id, converted, count) == 0);
}

void
http2_resume(struct http2 *http2, int32_t id)
{
	FROE_DROP(nghttp2_session_resume_data(http2->session, id),
	    "it is refused where nothing was deferred: then it is read anyway");
}

void
http2_reset(struct http2 *http2, int32_t id, uint32_t code)
{
	froe_assert(nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, id, code) == 0);
}

void
http2_ping(struct http2 *http2)
{
	froe_assert(nghttp2_submit_ping(http2->session, NGHTTP2_FLAG_NONE, NULL) == 0);
}

void
http2_drain(struct http2 *http2)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(http2->session);
	froe_assert(nghttp2_submit_goaway(
	    http2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) == 0);
}

/* ----------------------------------------------------------------------------- questions */

void
http2_set_now(struct http2 *http2, uint64_t now_ns)
{
	http2->now_ns = now_ns;
}

bool
http2_paused(const struct http2 *http2)
{
	return http2->paused;
}

bool
http2_greeted(const struct http2 *http2)
{
	return http2->greeted;
}

bool
http2_in_head(const struct http2 *http2)
{
	return http2->in_head;
}

bool
http2_done(const struct http2 *http2)
{
	return http2->flooded || (nghttp2_session_want_read(http2->session) == 0 &&
	    nghttp2_session_want_write(http2->session) == 0);
}

bool
http2_flooded(const struct http2 *http2)
{
	return http2->flooded;
}

uint32_t
http2_streams(const struct http2 *http2)
{
	return http2->streams;
}

size_t
http2_held_bytes(const struct http2 *http2)
{
	return sizeof(*http2) + http2->held_bytes;
}
