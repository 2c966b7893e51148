/*
 * gRPC calls, as any client may make them: frames that are good, and bytes that are none, against
 * methods that answer at once, later, or have no room.
 *
 * Input: a byte (bit 0: without the preface and SETTINGS), then operations, each a byte and its
 * operands.
 *   0  u8 n, bytes: these come from the network
 *   1  u8 type, u8 flags, u8 stream, u8 n, bytes: a frame
 *   2  u8 which, u8 flags: a call of one of the methods; bits: gzip, takes gzip, a deadline, its
 *      end; its stream is the next one
 *   3  u8 stream, u8 prefix, u8 claimed, u8 n, u8 end: n bytes of a message that claims a size
 *   4  u8 stream, u16 n: a message of n zeroes, well compressed
 *   5  methods take nothing for now; or take again
 *   6  u16 n: the latest call is sent n bytes
 *   7  u8 status: the latest call is finished
 *   8  u8 n: n seconds pass
 *   9  nothing of what was pulled has left; or all
 *   10 the server stops
 *   11 a ping
 */
#include "fuzz/feed.h"

#include "base/duration.h"
#include "base/mem.h"
#include "net/grpc.h"
#include "net/http2.h"

#include <zlib.h>

#define OPERATIONS_MAX 300u
#define CALLS_MAX 512u

/* What a method has been told of its call. */
struct seen {
	bool opened;
	bool closed;
	uint64_t sent;
	uint64_t written;
};

struct world {
	struct grpc *grpc;
	struct buf in;
	struct buf out;
	uint64_t now_ns;
	uint32_t next_id;
	size_t open; /* calls */
	struct grpc_call *latest;
	bool later;
	bool unsent;
	bool within; /* a method is being called */
	bool broken;
};

static struct world *
world_of(struct grpc_call *call)
{
	struct world *w = grpc_call_owner(call);
	froe_assert(!w->within); /* no callback from within what a method calls */
	return w;
}

static struct seen *
seen_of(struct grpc_call *call)
{
	struct seen *seen = grpc_call_context(call);
	froe_assert(seen != NULL && seen->opened && !seen->closed);
	return seen;
}

/* -------------------------------------------------------------------------------- methods */

static void
on_open(struct grpc_call *call)
{
	struct world *w = world_of(call);
	struct seen *seen = mem_zalloc(sizeof(*seen));
	froe_assert(grpc_call_context(call) == NULL);
	seen->opened = true;
	grpc_call_set_context(call, seen);
	w->open++;
	w->latest = call;
	froe_assert(grpc_find(w->grpc, grpc_call_id(call)) == call);
	froe_assert(grpc_call_header(call, ":path").size > 0);
}

static void
say(struct grpc_call *call, struct bytes message)
{
	struct world *w = world_of(call);
	struct seen *seen = seen_of(call);
	w->within = true;
	if (grpc_call_method(call)->kind == GRPC_UNARY) {
		grpc_reply(call, message);
		froe_assert(grpc_finished(call));
	} else if (grpc_send(call, message)) {
		seen->sent++;
	}
	if (grpc_call_method(call)->kind != GRPC_UNARY)
		froe_assert(grpc_sent(call) == seen->sent);
	w->within = false;
}

static enum grpc_taken
on_message(struct grpc_call *call, struct bytes message)
{
	struct world *w = world_of(call);
	seen_of(call);
	froe_assert(!grpc_finished(call));
	froe_assert(message.size <= GRPC_MESSAGE_BYTES_MAX);
	if (w->later)
		return GRPC_LATER;
	say(call, message);
	return GRPC_TAKEN;
}

static void
on_half_close(struct grpc_call *call)
{
	struct world *w = world_of(call);
	seen_of(call);
	w->within = true;
	grpc_finish(call, GRPC_OK, NULL, bytes_of(NULL, 0));
	w->within = false;
}

static void
on_writable(struct grpc_call *call)
{
	froe_assert(!grpc_finished(call));
	say(call, bytes_text("there is room"));
}

static void
on_written(struct grpc_call *call)
{
	struct seen *seen = seen_of(call);
	world_of(call);
	froe_assert(grpc_written(call) > seen->written && grpc_written(call) <= seen->sent);
	seen->written = grpc_written(call);
}

static void
on_close(struct grpc_call *call, enum grpc_end end)
{
	struct world *w = world_of(call);
	struct seen *seen = seen_of(call);
	if (end == GRPC_END_DONE && grpc_call_method(call)->written != NULL)
		froe_assert(grpc_written(call) == grpc_sent(call));
	seen->closed = true;
	mem_free(seen);
	grpc_call_set_context(call, NULL);
	w->open--;
	if (w->latest == call)
		w->latest = NULL;
}

static const struct grpc_method METHODS[] = {
    {"/f/U", GRPC_UNARY, on_open, on_message, NULL, NULL, NULL, on_close},
    {"/f/S", GRPC_SERVER_STREAM, on_open, on_message, NULL, on_writable, on_written, on_close},
    {"/f/B", GRPC_BIDI, on_open, on_message, on_half_close, on_writable, on_written, on_close},
    {"/f/C", GRPC_BIDI, on_open, on_message, NULL, NULL, NULL, on_close},
};
static const struct grpc_methods TABLE = {METHODS, sizeof(METHODS) / sizeof(METHODS[0])};

/* ---------------------------------------------------------------------------------- world */

static void
on_ready(void *owner)
{
	const struct world *w = owner;
	froe_assert(w->now_ns > 0);
}

/* What the server says is whole frames of legal sizes, of types that a server sends. */
static void
out_check(struct world *w)
{
	while (buf_used(&w->out) >= 9) {
		const uint8_t *at = buf_bytes(&w->out).data;
		size_t size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
		froe_assert(size <= 16384 && at[3] <= 9);
		if (buf_used(&w->out) < 9 + size)
			break;
		buf_pop(&w->out, 9 + size);
	}
	froe_assert(buf_used(&w->out) < 9 + 16384);
}

static void
run(struct world *w)
{
	struct froe_fault fault;
	for (int i = 0; i < 4 && !w->broken; i++) {
		grpc_step(w->grpc, w->unsent ? SIZE_MAX : 0, w->now_ns);
		if (grpc_receive(w->grpc, &w->in, &fault) != FROE_OK)
			w->broken = true;
		while (grpc_pull(w->grpc, &w->out))
			out_check(w);
		out_check(w);
		grpc_check(w->grpc);
		froe_assert(grpc_calls(w->grpc) >= w->open);
		froe_assert(grpc_held_bytes(w->grpc) <
		    GRPC_QUEUED_HARD_MAX + GRPC_HELD_MAX + ((size_t)16 << 20));
		froe_assert(w->broken || grpc_stalled(w->grpc) || buf_used(&w->in) == 0);
	}
}

static void
frame(struct world *w, uint8_t type, uint8_t flags, uint32_t id, struct bytes payload)
{
	uint8_t head[9] = {0, (uint8_t)(payload.size >> 8), (uint8_t)payload.size, type, flags, 0,
	    0, (uint8_t)(id >> 8), (uint8_t)id};
	froe_assert(payload.size < 16384);
	buf_push(&w->in, head, sizeof(head));
	buf_push(&w->in, payload.data, payload.size);
}

/* A literal that is not kept, by its name. */
static void
field(struct buf *to, const char *name, const char *value)
{
	uint8_t name_size = (uint8_t)strlen(name), value_size = (uint8_t)strlen(value);
	buf_push(to, "", 1);
	buf_push(to, &name_size, 1);
	buf_push_text(to, name);
	buf_push(to, &value_size, 1);
	buf_push_text(to, value);
}

static void
call(struct world *w, uint8_t which, uint8_t bits)
{
	struct buf head = {0};
	if (w->next_id / 2 >= CALLS_MAX)
		return;
	buf_push_text(&head, "\x83\x86"); /* POST, http */
	field(&head, ":authority", "f");
	field(&head, ":path", which % 5 < 4 ? METHODS[which % 5].path : "/f/None");
	field(&head, "content-type", "application/grpc");
	if ((bits & 1) != 0)
		field(&head, "grpc-encoding", "gzip");
	if ((bits & 2) != 0)
		field(&head, "grpc-accept-encoding", "identity,gzip");
	if ((bits & 4) != 0)
		field(&head, "grpc-timeout", "5S");
	frame(w, 1, (bits & 8) != 0 ? 5 : 4, w->next_id, buf_bytes(&head));
	w->next_id += 2;
	buf_release(&head);
}

static void
message(struct world *w, struct feed *feed)
{
	struct buf body = {0};
	uint32_t id = feed_u8(feed);
	uint8_t zipped = feed_u8(feed), claimed = feed_u8(feed), n = feed_u8(feed);
	uint8_t prefix[5] = {zipped % 4, claimed > 250 ? claimed : 0, 0, 0, claimed};
	buf_push(&body, prefix, sizeof(prefix));
	struct bytes bytes = feed_take(feed, n);
	buf_push(&body, bytes.data, bytes.size);
	frame(w, 0, feed_u8(feed) & 1, id, buf_bytes(&body));
	buf_release(&body);
}

static void
message_zipped(struct world *w, struct feed *feed)
{
	static const uint8_t zeroes[65536];
	uint8_t body[1024];
	uint32_t id = feed_u8(feed);
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)zeroes, .avail_in = feed_u16(feed),
	    .next_out = body + 5, .avail_out = sizeof(body) - 5};
	froe_assert(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, 0) == Z_OK);
	froe_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	size_t size = sizeof(body) - 5 - stream.avail_out;
	deflateEnd(&stream);
	memcpy(body, (uint8_t[]){1, 0, 0, (uint8_t)(size >> 8), (uint8_t)size}, 5);
	frame(w, 0, 0, id, bytes_of(body, size + 5));
}

static void
send_latest(struct world *w, size_t size)
{
	static const uint8_t zeroes[65536];
	if (w->latest != NULL && !grpc_finished(w->latest))
		say(w->latest, bytes_of(zeroes, size));
}

static void
finish_latest(struct world *w, uint8_t status)
{
	if (w->latest == NULL)
		return;
	w->within = true;
	grpc_finish(w->latest, status % 17, "as you wish \xc3\xa4 %", bytes_text("details"));
	w->within = false;
}

static void
operate(struct world *w, struct feed *feed)
{
	uint8_t type, flags, id;
	struct bytes bytes;
	switch (feed_u8(feed) % 12) {
	case 0:
		bytes = feed_take(feed, feed_u8(feed));
		buf_push(&w->in, bytes.data, bytes.size);
		break;
	case 1:
		type = feed_u8(feed);
		flags = feed_u8(feed);
		id = feed_u8(feed);
		frame(w, type, flags, id, feed_take(feed, feed_u8(feed)));
		break;
	case 2:
		type = feed_u8(feed);
		call(w, type, feed_u8(feed));
		break;
	case 3:
		message(w, feed);
		break;
	case 4:
		message_zipped(w, feed);
		break;
	case 5:
		w->later = !w->later;
		break;
	case 6:
		send_latest(w, feed_u16(feed));
		break;
	case 7:
		finish_latest(w, feed_u8(feed));
		break;
	case 8:
		w->now_ns += feed_u8(feed) * NS_PER_S;
		break;
	case 9:
		w->unsent = !w->unsent;
		break;
	case 10:
		grpc_drain(w->grpc);
		break;
	default:
		grpc_ping(w->grpc);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct grpc_codec *codec; /* for all inputs, as for all connections */
	struct feed feed = {data, size};
	struct world *w = mem_zalloc(sizeof(*w));
	if (codec == NULL)
		codec = grpc_codec_open();
	w->now_ns = NS_PER_S;
	w->next_id = 1;
	w->grpc = grpc_open(&(struct grpc_options){.methods = &TABLE, .codec = codec, .owner = w,
	    .ready = on_ready, .now_ns = w->now_ns});
	if ((feed_u8(&feed) & 1) == 0) {
		buf_push_text(&w->in, HTTP2_PREFACE);
		frame(w, 4, 0, 0, bytes_of(NULL, 0));
	}
	for (unsigned i = 0; feed.left > 0 && i < OPERATIONS_MAX && !w->broken; i++) {
		operate(w, &feed);
		run(w);
	}
	grpc_close(w->grpc, GRPC_END_BROKEN);
	froe_assert(w->open == 0);
	buf_release(&w->in);
	buf_release(&w->out);
	mem_free(w);
	return 0;
}
