/*
 * loop_input steps each ready connection:
 *   conn_step      what the kernel reported
 *   sniff          OPENING: native, HTTP, HTTP/2, TLS (sniffed again once decrypted), handed
 *                  over, or closed with nothing
 *   session step   parses and posts; BLOCKED: it waits for loop_resume, AGAIN: it is stepped again
 *                  after the others
 *   conn_settle    receive on or off, closing one step further
 *   reap           the session has taken leave and the kernel holds nothing: the slot is free
 *
 * Turns at a full port: a session that was refused without having posted anything in its step goes
 * before those that had their share, so each gets some of the room.
 */
#include "server/loop.h"

#include "api/grpc_api.h"
#include "api/http_api.h"
#include "api/native.h"
#include "api/wire.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "io/journal.h"
#include "net/sniff.h"

#include <unistd.h>

#define SLOTS_MAX (UINT32_C(1) << 24)
#define LINKS_PER_SLAB 64
/* After accept failed (no descriptors left) it is tried again this much later. */
#define ACCEPT_RETRY_NS (100 * NS_PER_MS)
/* loop_close: io_steps to wait for the kernel; one is enough unless other operations complete. */
#define CLOSE_TURNS_MAX 10000

/* Refused handshakes are told on stderr at most this often. */
#define SAY_NS (10 * NS_PER_S)

#define PLAIN_REFUSAL                                                                              \
	"this server wants TLS here: connect to tls://HOST:PORT, or with a browser by https://"

#define LINK_MAGIC 0x6c696e6bu

/* One connection with its session. */
struct link {
	struct conn conn;
	uint32_t magic;
	uint32_t slot;
	struct list waiting; /* for room at the port */
	bool leaving;        /* being reaped: the session takes leave */
	struct api_peer peer;
	bool loopback;       /* the peer is this machine */
	struct stranger stranger;
	union {
		struct native native;
		struct http_api http;
		struct grpc_api grpc;
	};
	enum { LINK_NONE, LINK_NATIVE, LINK_HTTP, LINK_GRPC } session;
};

struct slot {
	uint32_t generation;
	uint32_t next_free;
	struct link *link; /* NULL: free, or a seat's */
	struct api_seat *seat;
};

/* One listening socket. */
struct gate {
	struct loop *loop;
	struct io_op accept;
	int listener;      /* -1: none, or closed */
	uint64_t retry_ns; /* 0: accept is under way or not wanted */
};
enum { GATE_PORT, GATE_ALSO, GATE_ADMIN, GATE_COUNT };

struct loop {
	struct api_port port; /* first: what sessions post to; it refuses while stalled */
	struct api_port *outer;
	struct api_seats seats;
	struct api_gateway *gateway;
	struct api_gateway no_gateway; /* there are no methods */
	struct grpc_codec *codec;      /* NULL: nobody has needed it */
	struct conn_set set;
	struct gate gates[GATE_COUNT];
	struct strangers strangers;
	const atomic_bool *ready;
	loop_handover_fn *handover;
	void *handover_context;
	struct tls_context *tls;               /* of new connections; NULL: none */
	_Atomic(struct tls_context *) tls_new; /* to be taken instead */
	uint64_t tls_said_ns;     /* when a refused handshake was last told of */
	uint64_t tls_unsaid;      /* of those refused since then */
	struct arena arena;
	struct slab links;
	struct slot *slots;
	uint32_t slot_count; /* ever used */
	uint32_t slot_free;  /* first of the free ones; SLOTS_MAX: none */
	uint32_t slots_max;
	uint32_t used;
	struct list waiting; /* refused before they had posted anything */
	struct list served;  /* refused after that */
	uint8_t index;
	enum loop_plain plain;
	bool edge_only;
	bool stalled;
	bool draining;
	bool closing;
};

static const struct strangers_limits STRANGERS_DEFAULT = {
    .per_source = STRANGERS_PER_SOURCE,
    .reserved = STRANGERS_RESERVED,
    .bytes = STRANGERS_BYTES,
};

static struct link *
link_of(struct conn *conn)
{
	struct link *link = container_of(conn, struct link, conn);
	froe_assert(link->magic == LINK_MAGIC);
	return link;
}

static uint64_t
link_handle(const struct loop *loop, const struct link *link)
{
	return api_conn_handle(loop->index, loop->slots[link->slot].generation, link->slot);
}

/* --------------------------------------------------------------------------------- slots */

static bool
slot_take(struct loop *loop, uint32_t *ret_slot)
{
	if (loop->used == loop->slots_max)
		return false;
	uint32_t slot = loop->slot_free;
	if (slot != SLOTS_MAX)
		loop->slot_free = loop->slots[slot].next_free;
	else
		loop->slots[slot = loop->slot_count++].generation = 1;
	froe_assert(slot < loop->slots_max && loop->slots[slot].link == NULL);
	froe_assert(loop->slots[slot].seat == NULL);
	loop->used++;
	*ret_slot = slot;
	return true;
}

static void
slot_give(struct loop *loop, uint32_t slot)
{
	loop->slots[slot].link = NULL;
	loop->slots[slot].seat = NULL;
	/* Invariant 1: handles of the old one hit nothing now. 0 is never used, so no handle is 0.
	 */
	if (++loop->slots[slot].generation == 0)
		loop->slots[slot].generation = 1;
	loop->slots[slot].next_free = loop->slot_free;
	loop->slot_free = slot;
	loop->used--;
}

/* NULL: who had the handle is gone. */
static struct slot *
slot_find(const struct loop *loop, uint64_t handle)
{
	uint32_t slot = api_conn_slot(handle);
	if (slot >= loop->slot_count || loop->slots[slot].generation != api_conn_generation(handle))
		return NULL;
	return &loop->slots[slot];
}

/* -------------------------------------------------------------------------------- seats */

static bool
seat_take(struct api_seats *seats, struct api_seat *seat, uint64_t *ret_handle)
{
	struct loop *loop = container_of(seats, struct loop, seats);
	uint32_t slot;
	if (!slot_take(loop, &slot))
		return false;
	loop->slots[slot].seat = seat;
	*ret_handle = api_conn_handle(loop->index, loop->slots[slot].generation, slot);
	return true;
}

static void
seat_give(struct api_seats *seats, uint64_t handle)
{
	struct loop *loop = container_of(seats, struct loop, seats);
	struct slot *slot = slot_find(loop, handle);
	froe_assert(slot != NULL && slot->seat != NULL);
	slot_give(loop, api_conn_slot(handle));
}

/* What the gateway has not given back when the loop closes: nobody posts or hears any more. */
static void
seats_end(struct loop *loop)
{
	for (uint32_t i = 0; i < loop->slot_count; i++) {
		if (loop->slots[i].seat != NULL)
			slot_give(loop, i);
	}
}

/* ---------------------------------------------------------------------------- accepting */

/* The kernel's word on who is there. Addresses of one IPv6 /64 are one source: whoever has one of
 * them has all. A Unix socket is admin.sock: its mode keeps others away, and this does again.
 * True: it is this machine. */
static bool
peer_find(int socket, struct api_peer *ret_peer)
{
	struct io_peer peer;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	io_peer_find(socket, &peer);
	*ret_peer = (struct api_peer){0};
	io_peer_format(&peer, ret_peer->text);
	if (peer.kind == IO_PEER_INET) {
		bool v4 = memcmp(peer.address, mapped, sizeof(mapped)) == 0;
		ret_peer->source = hash64(peer.address, v4 ? 16 : 8, 0) | 1;
	} else if (peer.kind == IO_PEER_UNIX) {
		ret_peer->local = peer.uid == (uint32_t)geteuid() || peer.uid == 0;
		ret_peer->uid = peer.uid;
	}
	return peer.loopback;
}

static void
link_open(struct loop *loop, int socket, struct bytes input)
{
	uint32_t slot;
	struct api_peer peer;
	struct stranger stranger = {0};
	bool loopback = peer_find(socket, &peer);
	bool welcome = !loop->draining && (peer.local || strangers_admit(&loop->strangers,
	    &stranger, peer.source, loop->slots_max - loop->used, loop->set.now_ns));
	if (!welcome || !slot_take(loop, &slot)) {
		strangers_gone(&loop->strangers, &stranger);
		conn_count(&loop->set.count.closed[loop->draining ? CONN_CLOSE_DRAINED
		                                                  : CONN_CLOSE_BUSY], 1);
		io_socket_close(loop->set.io, socket);
		return;
	}
	struct link *link = slab_alloc(&loop->links);
	link->peer = peer;
	link->loopback = loopback;
	link->stranger = stranger;
	link->magic = LINK_MAGIC;
	link->slot = slot;
	link->session = LINK_NONE;
	loop->slots[slot].link = link;
	conn_open(&link->conn, &loop->set, socket, input);
}

static void
on_accept(struct io_op *op, int32_t result)
{
	struct gate *gate = container_of(op, struct gate, accept);
	struct loop *loop = gate->loop;
	if (result >= 0) {
		conn_count(&loop->set.count.accepted, 1);
		link_open(loop, result, bytes_of(NULL, 0));
	}
	if (!io_op_active(op) && !loop->draining) {
		conn_set_now(&loop->set);
		gate->retry_ns = loop->set.now_ns + ACCEPT_RETRY_NS;
	}
}

void
loop_adopt(struct loop *loop, int socket, struct bytes input)
{
	conn_count(&loop->set.count.adopted, 1);
	link_open(loop, socket, input);
}

/* Ends accepting; the listener is closed once the kernel no longer uses it. */
static void
gate_stop(struct gate *gate)
{
	struct io *io = gate->loop->set.io;
	gate->retry_ns = 0;
	if (gate->listener < 0)
		return;
	if (io_op_active(&gate->accept)) {
		io_cancel(io, &gate->accept);
		return;
	}
	io_socket_close(io, gate->listener);
	gate->listener = -1;
}

static void
accept_stop(struct loop *loop)
{
	for (int i = 0; i < GATE_COUNT; i++)
		gate_stop(&loop->gates[i]);
}

static bool
accept_stopped(const struct loop *loop)
{
	for (int i = 0; i < GATE_COUNT; i++) {
		if (loop->gates[i].listener >= 0)
			return false;
	}
	return true;
}

static void
gate_start(struct loop *loop, int which, int listener)
{
	struct gate *gate = &loop->gates[which];
	*gate = (struct gate){.loop = loop, .listener = listener};
	io_op_init(&gate->accept, on_accept);
	if (listener >= 0)
		io_accept(loop->set.io, &gate->accept, listener);
}

/* ---------------------------------------------------------------------------------- life */

static bool
loop_post(struct api_port *port, const struct api_command *command)
{
	struct loop *loop = container_of(port, struct loop, port);
	if (loop->closing)
		return true; /* nobody listens any more */
	if (loop->stalled)
		return false;
	loop->stalled = !loop->outer->post(loop->outer, command);
	return !loop->stalled;
}

enum froe_err
loop_open(struct loop **ret_loop, uint8_t index, struct io *io, const struct loop_options *options,
    struct froe_fault *fault)
{
	uint32_t slots_max = options->connections_max != 0 ? options->connections_max
	                                                   : LOOP_CONNECTIONS_MAX;
	if (slots_max >= SLOTS_MAX)
		return fault_set(fault, FROE_INVALID_ARGUMENT,
		    "%u connections on one loop: at most %u can be told apart", slots_max,
		    SLOTS_MAX - 1);
	struct loop *loop = mem_zalloc(sizeof(*loop));
	loop->port.post = loop_post;
	loop->outer = options->port;
	conn_set_init(&loop->set, io);
	if (options->head_ms != 0)
		loop->set.timer_ns[CONN_TIMER_HEAD] = options->head_ms * NS_PER_MS;
	if (options->stall_ms != 0)
		loop->set.timer_ns[CONN_TIMER_STALL] = options->stall_ms * NS_PER_MS;
	if (options->idle_ms != 0)
		loop->set.timer_ns[CONN_TIMER_IDLE] = options->idle_ms * NS_PER_MS;
	strangers_init(&loop->strangers,
	    options->strangers != NULL ? options->strangers : &STRANGERS_DEFAULT);
	/* A small loop keeps less than all of itself. */
	if (loop->strangers.limits.reserved > slots_max / 12)
		loop->strangers.limits.reserved = slots_max / 12;
	loop->ready = options->ready;
	loop->seats = (struct api_seats){.take = seat_take, .give = seat_give};
	loop->gateway = options->gateway != NULL ? options->gateway : &loop->no_gateway;
	loop->gateway->port = &loop->port;
	loop->gateway->seats = &loop->seats;
	arena_init(&loop->arena, WIRE_ARENA_BYTES_MAX);
	slab_init(&loop->links, sizeof(struct link), LINKS_PER_SLAB);
	loop->slots = mem_array(slots_max, sizeof(loop->slots[0]));
	loop->slot_free = SLOTS_MAX;
	loop->slots_max = slots_max;
	list_init(&loop->waiting);
	list_init(&loop->served);
	loop->index = index;
	loop->edge_only = options->edge_only;
	loop->plain = options->plain;
	loop->tls = options->tls;
	gate_start(loop, GATE_PORT, options->listener);
	gate_start(loop, GATE_ALSO, options->also_listener);
	gate_start(loop, GATE_ADMIN, options->admin_listener);
	*ret_loop = loop;
	return FROE_OK;
}

void
loop_set_handover(struct loop *loop, loop_handover_fn *handover, void *context)
{
	loop->handover = handover;
	loop->handover_context = context;
}

void
loop_set_tls(struct loop *loop, struct tls_context *context)
{
	/* Acquire and release: what is in either context is seen whole. One that was not taken is
	 * nobody else's. */
	tls_context_close(
	    atomic_exchange_explicit(&loop->tls_new, context, memory_order_acq_rel));
}

void
loop_close(struct loop *loop)
{
	loop->closing = true;
	loop->draining = true;
	for (uint32_t i = 0; i < loop->slot_count; i++) {
		if (loop->slots[i].link != NULL)
			conn_abort(&loop->slots[i].link->conn, CONN_CLOSE_DRAINED);
	}
	accept_stop(loop);
	loop_resume(loop);
	loop_input(loop);
	seats_end(loop);
	for (int turn = 0; loop->used > 0 || !accept_stopped(loop); turn++) {
		froe_assert(turn < CLOSE_TURNS_MAX); /* the kernel owes us each completion */
		io_step(loop->set.io, io_mono_ns(loop->set.io->env) + NS_PER_MS);
		accept_stop(loop);
		loop_input(loop);
	}
	grpc_codec_close(loop->codec);
	tls_context_close(loop->tls);
	tls_context_close(atomic_load_explicit(&loop->tls_new, memory_order_acquire));
	strangers_release(&loop->strangers);
	arena_release(&loop->arena);
	slab_release(&loop->links);
	mem_free(loop->slots);
	mem_free(loop);
}

/* --------------------------------------------------------------------------------- input */

/* Why it may not go on in plaintext, or NULL. */
static const char *
link_plain_refusal(const struct loop *loop, const struct link *link)
{
	bool local = loop->plain == LOOP_PLAIN_LOCAL && link->loopback;
	bool allowed = loop->plain == LOOP_PLAIN_ALL || local || link->peer.local;
	return link->conn.tls != NULL || allowed ? NULL : PLAIN_REFUSAL;
}

static void
link_serve_native(struct loop *loop, struct link *link)
{
	const char *refusal = link_plain_refusal(loop, link);
	conn_serve(&link->conn, CONN_NATIVE);
	link->session = LINK_NATIVE;
	native_open(&link->native, &link->conn, &loop->port, &loop->arena, link_handle(loop, link));
	link->native.peer = link->peer;
	if (refusal != NULL)
		native_refuse(&link->native, refusal);
}

static void
link_serve_http(struct loop *loop, struct link *link)
{
	const char *refusal = link_plain_refusal(loop, link);
	conn_serve(&link->conn, CONN_HTTP);
	link->session = LINK_HTTP;
	http_api_open(&link->http, &link->conn, &loop->port, loop->ready, link_handle(loop, link));
	link->http.peer = link->peer;
	if (refusal != NULL)
		http_api_refuse(&link->http, refusal);
}

static void
link_serve_grpc(struct loop *loop, struct link *link)
{
	conn_serve(&link->conn, CONN_HTTP2);
	link->session = LINK_GRPC;
	if (loop->codec == NULL)
		loop->codec = grpc_codec_open();
	grpc_api_open(&link->grpc, &(struct grpc_api_options){
	    .conn = &link->conn,
	    .gateway = loop->gateway,
	    .codec = loop->codec,
	    .handle = link_handle(loop, link),
	    .peer = link->peer,
	    .near = link->loopback,
	    .refusal = link_plain_refusal(loop, link),
	});
}

static void
link_serve_tls(struct loop *loop, struct link *link)
{
	struct tls_context *fresh =
	    atomic_exchange_explicit(&loop->tls_new, NULL, memory_order_acq_rel);
	if (fresh != NULL) {
		tls_context_close(loop->tls);
		loop->tls = fresh;
	}
	if (loop->tls == NULL || link->conn.tls != NULL) /* TLS within TLS is nothing we know */
		conn_abort(&link->conn, CONN_CLOSE_UNKNOWN);
	else
		conn_secure(&link->conn, tls_new(loop->tls, NULL));
}

/* At most one line in SAY_NS: whoever can connect can make it fail. */
static void
link_say_refused(struct loop *loop, const struct link *link)
{
	struct journal_line line;
	struct io_peer peer;
	char text[IO_PEER_SIZE];
	loop->tls_unsaid++;
	if (loop->tls_said_ns != 0 && loop->set.now_ns < loop->tls_said_ns + SAY_NS)
		return;
	io_peer_find(link->conn.socket, &peer);
	io_peer_format(&peer, text);
	journal_begin(&line, JOURNAL_WARNING, "tls_refused", "a TLS connection was refused: %s",
	    tls_fault(link->conn.tls)->text);
	journal_text(&line, "peer", text);
	journal_number(&line, "refused", loop->tls_unsaid);
	journal_end(&line);
	loop->tls_said_ns = loop->set.now_ns;
	loop->tls_unsaid = 0;
}

static void
link_sniff(struct loop *loop, struct link *link)
{
	switch (sniff_protocol(buf_bytes(&link->conn.input))) {
	case SNIFF_MORE:
		break;
	case SNIFF_TLS:
		if (loop->handover != NULL)
			conn_handover(&link->conn);
		else
			link_serve_tls(loop, link);
		break;
	case SNIFF_NATIVE:
		if (loop->handover != NULL && loop->edge_only)
			conn_handover(&link->conn);
		else
			link_serve_native(loop, link);
		break;
	case SNIFF_HTTP:
		if (loop->handover != NULL)
			conn_handover(&link->conn);
		else
			link_serve_http(loop, link);
		break;
	case SNIFF_HTTP2:
		if (loop->handover != NULL)
			conn_handover(&link->conn);
		else
			link_serve_grpc(loop, link);
		break;
	case SNIFF_UNKNOWN:
		conn_abort(&link->conn, CONN_CLOSE_UNKNOWN);
		break;
	}
}

static void
link_hand_over(struct loop *loop, struct link *link)
{
	if (!conn_takeable(&link->conn))
		return;
	int socket = conn_take(&link->conn);
	if (loop->handover(loop->handover_context, socket, buf_bytes(&link->conn.input)))
		return;
	conn_count(&loop->set.count.closed[CONN_CLOSE_BUSY], 1);
	io_socket_close(loop->set.io, socket);
}

static enum api_progress
link_step_session(struct link *link)
{
	switch (link->session) {
	case LINK_NATIVE:
		/* An ended connection's session has one thing left to say. */
		if (conn_ending(&link->conn))
			return native_close(&link->native) ? API_IDLE : API_BLOCKED;
		return native_step(&link->native);
	case LINK_HTTP:
		if (conn_ending(&link->conn))
			return http_api_close(&link->http) ? API_IDLE : API_BLOCKED;
		return http_api_step(&link->http);
	case LINK_GRPC:
		if (conn_ending(&link->conn))
			return grpc_api_close(&link->grpc) ? API_IDLE : API_BLOCKED;
		return grpc_api_step(&link->grpc);
	case LINK_NONE:
		return API_IDLE;
	}
	froe_never("a session of enum link");
}

static void
link_free(struct loop *loop, struct link *link)
{
	if (link->session == LINK_NATIVE)
		native_release(&link->native);
	else if (link->session == LINK_HTTP)
		http_api_release(&link->http);
	list_remove(&link->waiting);
	strangers_gone(&loop->strangers, &link->stranger);
	conn_release(&link->conn);
	slot_give(loop, link->slot);
	link->magic = 0;
	slab_free(&loop->links, link);
}

/* All strangers together hold so much and no more: whoever makes it more has to go. */
static void
link_weigh(struct loop *loop, struct link *link)
{
	size_t bytes = sizeof(*link) + conn_held_bytes(&link->conn);
	if (link->session == LINK_GRPC && link->grpc.known) {
		strangers_known(&loop->strangers, &link->stranger, loop->set.now_ns);
		return;
	}
	if (link->session == LINK_GRPC)
		bytes += grpc_api_held_bytes(&link->grpc);
	if (link->session == LINK_HTTP)
		bytes += rest_held_bytes(&link->http.rest);
	if (!strangers_hold(&loop->strangers, &link->stranger, bytes))
		conn_abort(&link->conn, CONN_CLOSE_BUSY);
}

static void
link_step(struct loop *loop, struct link *link)
{
	struct conn *conn = &link->conn;
	list_remove(&link->waiting);
	bool ending = conn_ending(conn);
	conn_step(conn);
	if (!ending && conn->reason == CONN_CLOSE_TLS)
		link_say_refused(loop, link);
	if (conn->state == CONN_OPENING)
		link_sniff(loop, link);
	if (conn->state == CONN_HANDOVER)
		link_hand_over(loop, link);
	enum api_progress progress = link_step_session(link);
	if (progress == API_IDLE && conn_ending(conn))
		progress = link_step_session(link); /* it has just ended itself */
	conn_settle(conn);
	if (link->stranger.counted)
		link_weigh(loop, link);
	if (progress == API_BLOCKED) {
		bool had_some = link->session == LINK_NATIVE && link->native.posted > 0;
		list_push(had_some ? &loop->served : &loop->waiting, &link->waiting);
	} else if (conn->state == CONN_CLOSED) {
		link_free(loop, link);
	} else if (progress == API_AGAIN) {
		conn_ready(conn);
	}
}

static void
accept_again(struct loop *loop)
{
	for (int i = 0; i < GATE_COUNT; i++) {
		struct gate *gate = &loop->gates[i];
		if (gate->retry_ns == 0 || gate->retry_ns > loop->set.now_ns)
			continue;
		gate->retry_ns = 0;
		io_accept(loop->set.io, &gate->accept, gate->listener);
	}
}

void
loop_input(struct loop *loop)
{
	struct list *node;
	size_t count = 0;
	if (!list_empty(&loop->set.ready))
		conn_set_turn(&loop->set);
	/* A session that wants more at once gets it in the next turn: what it has posted so far is
	 * written to the log meanwhile. */
	list_for_each(node, &loop->set.ready)
		count++;
	while (count-- > 0 && (node = list_pop(&loop->set.ready)) != NULL)
		link_step(loop, link_of(container_of(node, struct conn, ready)));
	if (loop->gateway->turn != NULL && !loop->closing)
		loop->gateway->turn(loop->gateway, loop->set.now_ns);
	if (loop->draining)
		accept_stop(loop);
	else
		accept_again(loop);
}

static void
wait_over(struct list *waiting)
{
	struct list *node;
	while ((node = list_pop(waiting)) != NULL) {
		struct link *link = container_of(node, struct link, waiting);
		/* A closed conn is in no list of its own; its session still has to take leave. */
		if (link->conn.state == CONN_CLOSED)
			list_push(&link->conn.set->ready, &link->conn.ready);
		else
			conn_ready(&link->conn);
	}
}

void
loop_resume(struct loop *loop)
{
	loop->stalled = false;
	wait_over(&loop->waiting);
	wait_over(&loop->served);
}

/* -------------------------------------------------------------------------------- output */

void
loop_deliver(struct loop *loop, const struct api_effect *effect)
{
	froe_assert(api_conn_loop(effect->conn) == loop->index);
	struct slot *slot = slot_find(loop, effect->conn);
	if (slot == NULL)
		return;
	if (slot->seat != NULL) {
		slot->seat->deliver(slot->seat, effect);
		return;
	}
	struct link *link = slot->link;
	switch (link->session) {
	case LINK_NATIVE:
		native_deliver(&link->native, effect);
		if (link->stranger.counted && link->native.state == NATIVE_OPEN)
			strangers_known(&loop->strangers, &link->stranger, loop->set.now_ns);
		break;
	case LINK_HTTP:
		http_api_deliver(&link->http, effect);
		if (link->stranger.counted &&
		    (effect->number == API_METRICS_NUMBER ? effect->err == FROE_OK
		                                          : http_api_known(&link->http)))
			strangers_known(&loop->strangers, &link->stranger, loop->set.now_ns);
		break;
	case LINK_GRPC:
		grpc_api_deliver(&link->grpc, effect);
		break;
	case LINK_NONE:
		froe_never("an effect for a connection that has asked for nothing");
	}
}

void
loop_output(struct loop *loop)
{
	struct list *node;
	while ((node = list_pop(&loop->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
}

/* ---------------------------------------------------------------------------------- time */

bool
loop_has_more(const struct loop *loop)
{
	return !list_empty(&loop->set.ready);
}

size_t
loop_at_hand(const struct loop *loop)
{
	struct list *node;
	size_t bytes = loop_has_more(loop) ? 1 : 0;
	list_for_each(node, &loop->set.ready)
		bytes += buf_used(&container_of(node, struct conn, ready)->input);
	return bytes;
}

uint64_t
loop_deadline_ns(const struct loop *loop)
{
	if (loop_has_more(loop))
		return 0;
	uint64_t due_ns = conn_set_due_ns(&loop->set);
	if (loop->gateway->due_ns != NULL) {
		uint64_t gateway_ns = loop->gateway->due_ns(loop->gateway);
		due_ns = gateway_ns < due_ns ? gateway_ns : due_ns;
	}
	for (int i = 0; i < GATE_COUNT; i++) {
		uint64_t retry_ns = loop->gates[i].retry_ns;
		if (retry_ns != 0 && retry_ns < due_ns)
			due_ns = retry_ns;
	}
	return due_ns;
}

void
loop_timers(struct loop *loop, uint64_t mono_ns)
{
	conn_set_expire(&loop->set, mono_ns);
}

/* ----------------------------------------------------------------------------------- end */

void
loop_drain(struct loop *loop)
{
	if (loop->draining)
		return;
	loop->draining = true;
	accept_stop(loop);
	if (loop->gateway->drain != NULL)
		loop->gateway->drain(loop->gateway);
	for (uint32_t i = 0; i < loop->slot_count; i++) {
		struct link *link = loop->slots[i].link;
		if (link != NULL && link->conn.lingers)
			conn_abort(&link->conn, CONN_CLOSE_DRAINED);
		if (link == NULL || conn_ending(&link->conn))
			continue;
		if (link->session == LINK_NATIVE)
			native_drain(&link->native);
		else if (link->session == LINK_HTTP)
			http_api_drain(&link->http);
		else if (link->session == LINK_GRPC)
			grpc_api_drain(&link->grpc);
		else
			conn_abort(&link->conn, CONN_CLOSE_DRAINED);
	}
}

bool
loop_drained(const struct loop *loop)
{
	return loop->draining && loop->used == 0;
}

size_t
loop_held_bytes(const struct loop *loop)
{
	size_t held = 0;
	for (uint32_t i = 0; i < loop->slot_count; i++) {
		const struct link *link = loop->slots[i].link;
		if (link == NULL)
			continue;
		held += conn_held_bytes(&link->conn);
		if (link->session == LINK_GRPC)
			held += grpc_api_held_bytes(&link->grpc);
		if (link->session == LINK_HTTP)
			held += rest_held_bytes(&link->http.rest);
	}
	return held;
}

void
loop_stats(const struct loop *loop, struct conn_stats *ret_stats)
{
	conn_set_stats(&loop->set, ret_stats);
}
