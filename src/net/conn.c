/*
 * A turn: the kernel calls conn_on_receive and conn_on_send, which note what happened and put the
 * conn on set->ready. The owner takes it from there: conn_step folds the notes in, the owner's
 * protocol reads input and fills the output, conn_settle draws the consequences (receive on or off,
 * closing goes one step on), and at the turn's end conn_send lends the filled buffer to the kernel.
 *
 * Closing: FLUSHING discards input until the output is out (a socket closed with unread input
 * would be reset, and the reset could overtake the last message); CLOSING cancels both ops and
 * waits for their handlers; then nothing of the conn is lent any more and it is CLOSED.
 */
#include "net/conn_int.h"

#include "base/duration.h"

static const struct sm_row CONN_TABLE[] = {
    [CONN_OPENING] = {"opening",
        SM_TO(CONN_NATIVE) | SM_TO(CONN_HTTP) | SM_TO(CONN_HTTP2) | SM_TO(CONN_HANDOVER) |
            SM_TO(CONN_FLUSHING) | SM_TO(CONN_CLOSING)},
    [CONN_NATIVE] = {"native", SM_TO(CONN_FLUSHING) | SM_TO(CONN_CLOSING)},
    [CONN_HTTP] = {"http", SM_TO(CONN_FLUSHING) | SM_TO(CONN_CLOSING)},
    [CONN_HTTP2] = {"http2", SM_TO(CONN_FLUSHING) | SM_TO(CONN_CLOSING)},
    [CONN_HANDOVER] = {"handover", SM_TO(CONN_CLOSING) | SM_TO(CONN_CLOSED)},
    [CONN_FLUSHING] = {"flushing", SM_TO(CONN_CLOSING)},
    [CONN_CLOSING] = {"closing", SM_TO(CONN_CLOSED)},
    [CONN_CLOSED] = {"closed", 0},
};

static const uint64_t TIMER_NS[CONN_TIMER_COUNT] = {
    [CONN_TIMER_HEAD] = CONN_HEAD_MS * NS_PER_MS,
    [CONN_TIMER_STALL] = CONN_STALL_MS * NS_PER_MS,
    [CONN_TIMER_IDLE] = CONN_IDLE_MS * NS_PER_MS,
    [CONN_TIMER_LATE] = CONN_LATE_MS * NS_PER_MS,
};

const char *
conn_close_name(enum conn_close reason)
{
	static const char *const NAMES[CONN_CLOSE_COUNT] = {
	    [CONN_CLOSE_NONE] = "none",
	    [CONN_CLOSE_PEER] = "peer",
	    [CONN_CLOSE_RESET] = "reset",
	    [CONN_CLOSE_UNKNOWN] = "unknown_protocol",
	    [CONN_CLOSE_LATE] = "late",
	    [CONN_CLOSE_STALLED] = "stalled",
	    [CONN_CLOSE_IDLE] = "idle",
	    [CONN_CLOSE_PROTOCOL] = "protocol",
	    [CONN_CLOSE_REFUSED] = "refused",
	    [CONN_CLOSE_BUSY] = "busy",
	    [CONN_CLOSE_DONE] = "done",
	    [CONN_CLOSE_DRAINED] = "drained",
	    [CONN_CLOSE_TLS] = "tls",
	};
	froe_assert(reason < CONN_CLOSE_COUNT);
	return NAMES[reason];
}

/* -------------------------------------------------------------------------------- the set */

void
conn_set_now(struct conn_set *set)
{
	uint64_t now_ns = io_mono_ns(set->io->env);
	if (now_ns > set->now_ns)
		set->now_ns = now_ns;
}

void
conn_set_init(struct conn_set *set, struct io *io)
{
	memset(set, 0, sizeof(*set));
	set->io = io;
	memcpy(set->timer_ns, TIMER_NS, sizeof(set->timer_ns));
	set->handshakes_left = CONN_HANDSHAKES_MAX;
	conn_set_now(set);
	list_init(&set->ready);
	list_init(&set->output);
	for (int i = 0; i < CONN_TIMER_COUNT; i++)
		list_init(&set->timers[i]);
}

void
conn_set_turn(struct conn_set *set)
{
	set->handshakes_left = CONN_HANDSHAKES_MAX;
	conn_set_now(set);
}

static uint64_t
counter_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
conn_set_stats(const struct conn_set *set, struct conn_stats *ret_stats)
{
	*ret_stats = (struct conn_stats){
	    .open = counter_read(&set->count.open),
	    .accepted = counter_read(&set->count.accepted),
	    .adopted = counter_read(&set->count.adopted),
	    .handed_over = counter_read(&set->count.handed_over),
	    .native = counter_read(&set->count.native),
	    .http = counter_read(&set->count.http),
	    .http2 = counter_read(&set->count.http2),
	    .secured = counter_read(&set->count.secured),
	    .requests = counter_read(&set->count.requests),
	    .received_bytes = counter_read(&set->count.received_bytes),
	    .sent_bytes = counter_read(&set->count.sent_bytes),
	    .grpc_connections = grpc_count_read(&set->grpc.connections),
	    .grpc_streams = grpc_count_read(&set->grpc.streams),
	    .grpc_streams_total = grpc_count_read(&set->grpc.streams_total),
	    .grpc_received = grpc_count_read(&set->grpc.received),
	    .grpc_sent = grpc_count_read(&set->grpc.sent),
	    .grpc_resets = grpc_count_read(&set->grpc.resets),
	};
	for (int i = 0; i < CONN_CLOSE_COUNT; i++)
		ret_stats->closed[i] = counter_read(&set->count.closed[i]);
}

static struct conn_deadline *
deadline_first(const struct conn_set *set, int timer)
{
	const struct list *head = &set->timers[timer];
	return list_empty(head) ? NULL : container_of(head->next, struct conn_deadline, node);
}

void
conn_set_expire(struct conn_set *set, uint64_t mono_ns)
{
	if (mono_ns > set->now_ns)
		set->now_ns = mono_ns;
	for (int i = 0; i < CONN_TIMER_COUNT; i++) {
		struct conn_deadline *first;
		while ((first = deadline_first(set, i)) != NULL && first->due_ns <= mono_ns) {
			list_remove(&first->node);
			first->conn->expired |= (uint8_t)(1u << i);
			conn_ready(first->conn);
		}
	}
}

uint64_t
conn_set_due_ns(const struct conn_set *set)
{
	uint64_t due_ns = UINT64_MAX;
	for (int i = 0; i < CONN_TIMER_COUNT; i++) {
		const struct conn_deadline *first = deadline_first(set, i);
		if (first != NULL && first->due_ns < due_ns)
			due_ns = first->due_ns;
	}
	return due_ns;
}

/* --------------------------------------------------------------------------- the handlers */

static void
conn_on_receive(struct io_op *op, int32_t result)
{
	struct conn *conn = container_of(op, struct conn, receive);
	froe_assert(conn->magic == CONN_MAGIC);
	if (result > 0) {
		conn_count(&conn->set->count.received_bytes, (uint64_t)result);
		if (conn_ending(conn))
			;
		else if (conn->tls != NULL)
			tls_feed(conn->tls, op->data, (size_t)result);
		else
			buf_push(&conn->input, op->data, (size_t)result);
		conn->received = true;
	} else if (result == 0 && conn->tls != NULL) {
		conn->cut = true;
	} else if (result == 0) {
		conn->ended = true;
	} else if (result != -(int32_t)FROE_CANCELLED) {
		conn->broken = true;
	}
	conn_ready(conn);
}

static void
conn_on_send(struct io_op *op, int32_t result)
{
	struct conn *conn = container_of(op, struct conn, send);
	froe_assert(conn->magic == CONN_MAGIC);
	froe_assert(!conn->sent);
	conn->sent = true;
	conn->send_result = result;
	conn_ready(conn);
}

/* ------------------------------------------------------------------------------ life */

void
conn_open(struct conn *conn, struct conn_set *set, int socket, struct bytes input)
{
	froe_assert(socket >= 0);
	conn_set_now(set); /* accepted after a long wait: this turn's time has not been read yet */
	memset(conn, 0, sizeof(*conn));
	conn->magic = CONN_MAGIC;
	conn->state = CONN_OPENING;
	conn->set = set;
	conn->socket = socket;
	io_op_init(&conn->receive, conn_on_receive);
	io_op_init(&conn->send, conn_on_send);
	buf_init(&conn->input);
	buf_push(&conn->input, input.data, input.size);
	buf_init(&conn->outputs[0]);
	buf_init(&conn->outputs[1]);
	for (int i = 0; i < CONN_TIMER_COUNT; i++)
		conn->deadlines[i].conn = conn;
	conn_count(&set->count.open, 1);
	conn_timer_start(conn, CONN_TIMER_HEAD);
	conn_timer_start(conn, CONN_TIMER_IDLE);
	io_receive(set->io, &conn->receive, socket);
	conn_ready(conn);
}

/* The end of every way: invariant 3. */
static void
conn_closed(struct conn *conn)
{
	froe_assert(!io_op_active(&conn->receive) && !io_op_active(&conn->send));
	for (int i = 0; i < CONN_TIMER_COUNT; i++)
		list_remove(&conn->deadlines[i].node);
	list_remove(&conn->ready);
	list_remove(&conn->output);
	conn->socket = -1;
	sm_move(CONN_TABLE, &conn->state, CONN_CLOSED);
	conn_count(&conn->set->count.open, UINT64_MAX); /* minus one */
}

void
conn_release(struct conn *conn)
{
	froe_assert(conn->magic == CONN_MAGIC);
	froe_assert(conn->state == CONN_CLOSED);
	froe_assert(!list_linked(&conn->ready) && !list_linked(&conn->output));
	tls_free(conn->tls);
	conn->tls = NULL;
	buf_release(&conn->input);
	buf_release(&conn->outputs[0]);
	buf_release(&conn->outputs[1]);
	conn->magic = 0;
}

void
conn_ready(struct conn *conn)
{
	if (!list_linked(&conn->ready) && conn->state != CONN_CLOSED)
		list_push(&conn->set->ready, &conn->ready);
}

void
conn_serve(struct conn *conn, enum conn_state protocol)
{
	sm_move(CONN_TABLE, &conn->state, protocol);
	froe_assert(conn_serving(conn));
	if (protocol == CONN_HTTP2)
		conn_count(&conn->set->count.http2, 1);
	else
		conn_count(
		    protocol == CONN_NATIVE ? &conn->set->count.native : &conn->set->count.http, 1);
}

static void
conn_give_reason(struct conn *conn, enum conn_close reason)
{
	froe_assert(reason != CONN_CLOSE_NONE);
	if (conn->reason != CONN_CLOSE_NONE)
		return; /* the first one is the cause */
	conn->reason = reason;
	conn_count(&conn->set->count.closed[reason], 1);
}

void
conn_finish(struct conn *conn, enum conn_close reason)
{
	if (conn_ending(conn))
		return;
	conn_give_reason(conn, reason);
	if (conn_serving(conn))
		sm_move(CONN_TABLE, &conn->state, CONN_FLUSHING);
	else
		sm_move(CONN_TABLE, &conn->state, CONN_CLOSING);
	conn_timer_stop(conn, CONN_TIMER_HEAD);
	if (conn->state == CONN_FLUSHING)
		conn_output(conn); /* what was to go later, too */
	conn_ready(conn);
}

void
conn_fail(struct conn *conn, enum conn_close reason)
{
	froe_assert(conn->state == CONN_OPENING || conn_serving(conn));
	conn_give_reason(conn, reason);
	sm_move(CONN_TABLE, &conn->state, CONN_FLUSHING);
	conn->lingers = true;
	conn_timer_start(conn, CONN_TIMER_HEAD);
	conn_ready(conn);
}

void
conn_abort(struct conn *conn, enum conn_close reason)
{
	if (conn->state >= CONN_CLOSING)
		return;
	conn_give_reason(conn, reason);
	sm_move(CONN_TABLE, &conn->state, CONN_CLOSING);
	conn_ready(conn);
}

/* ---------------------------------------------------------------------------- handover */

void
conn_handover(struct conn *conn)
{
	froe_assert(conn->tls == NULL);
	sm_move(CONN_TABLE, &conn->state, CONN_HANDOVER);
	io_cancel(conn->set->io, &conn->receive);
}

bool
conn_takeable(const struct conn *conn)
{
	/* The other side's end of stream is seen again by whoever receives next. */
	return conn->state == CONN_HANDOVER && !io_op_active(&conn->receive);
}

int
conn_take(struct conn *conn)
{
	froe_assert(conn_takeable(conn));
	int socket = conn->socket;
	conn_closed(conn);
	conn_count(&conn->set->count.handed_over, 1);
	return socket;
}

/* ------------------------------------------------------------------------------ timers */

void
conn_timer_start(struct conn *conn, enum conn_timer timer)
{
	struct conn_deadline *deadline = &conn->deadlines[timer];
	list_remove(&deadline->node);
	deadline->due_ns = conn->set->now_ns + conn->set->timer_ns[timer];
	list_push(&conn->set->timers[timer], &deadline->node);
	conn->expired &= (uint8_t)~(1u << timer);
}

/* From the end: most are later than those that are there. */
void
conn_timer_start_at(struct conn *conn, enum conn_timer timer, uint64_t due_ns)
{
	struct conn_deadline *deadline = &conn->deadlines[timer];
	struct list *head = &conn->set->timers[timer], *after = head->prev;
	froe_assert(conn->set->timer_ns[timer] == 0);
	if (list_linked(&deadline->node) && deadline->due_ns == due_ns)
		return;
	list_remove(&deadline->node);
	after = head->prev;
	while (after != head && container_of(after, struct conn_deadline, node)->due_ns > due_ns)
		after = after->prev;
	deadline->due_ns = due_ns;
	list_push(after->next, &deadline->node); /* before whatever comes after it */
	conn->expired &= (uint8_t)~(1u << timer);
}

void
conn_timer_stop(struct conn *conn, enum conn_timer timer)
{
	list_remove(&conn->deadlines[timer].node);
	conn->expired &= (uint8_t)~(1u << timer);
}

bool
conn_timer_active(const struct conn *conn, enum conn_timer timer)
{
	return list_linked(&conn->deadlines[timer].node);
}

static bool
conn_expired(struct conn *conn, enum conn_timer timer)
{
	bool expired = (conn->expired & 1u << timer) != 0;
	conn->expired &= (uint8_t)~(1u << timer);
	return expired;
}

/* ------------------------------------------------------------------------------ output */

void
conn_trim(struct buf *buf)
{
	if (buf_used(buf) == 0 && buf->capacity > CONN_BUFFER_KEPT)
		buf_release(buf);
}

/* The same of one at work, which held so much since it was empty last. */
static void
conn_trim_used(struct buf *buf, size_t filled)
{
	if (filled < buf->capacity / 4 || buf->capacity > CONN_BUFFER_BUSY)
		conn_trim(buf);
}

/* What has come was taken. */
static void
conn_trim_input(struct conn *conn)
{
	if (buf_used(&conn->input) > 0 || conn->input_filled == 0)
		return;
	conn_trim_used(&conn->input, conn->input_filled);
	conn->input_filled = 0;
}

struct buf *
conn_output(struct conn *conn)
{
	if (!list_linked(&conn->output) && conn->state != CONN_CLOSED)
		list_push(&conn->set->output, &conn->output);
	return &conn->outputs[conn->filling];
}

struct buf *
conn_output_late(struct conn *conn)
{
	if (list_linked(&conn->output) || conn_output_used(conn) >= CONN_LATE_BYTES_MAX)
		return conn_output(conn);
	if (!conn_timer_active(conn, CONN_TIMER_LATE))
		conn_timer_start(conn, CONN_TIMER_LATE);
	return &conn->outputs[conn->filling];
}

bool
conn_choked(struct conn *conn)
{
	size_t used = conn_output_used(conn);
	conn->choked = used > CONN_OUTPUT_HIGH || (conn->choked && used >= CONN_OUTPUT_LOW);
	return conn->choked;
}

void
conn_send(struct conn *conn)
{
	list_remove(&conn->output);
	conn_timer_stop(conn, CONN_TIMER_LATE);
	if (io_op_active(&conn->send) || conn->sent || conn->state >= CONN_CLOSING)
		return;
	struct buf *sending = &conn->outputs[!conn->filling];
	if (buf_used(sending) == 0 && conn->tls != NULL) {
		conn_encrypt(conn, sending);
	} else if (buf_used(sending) == 0) {
		conn->filling = !conn->filling;
		sending = &conn->outputs[!conn->filling];
	}
	if (buf_used(sending) == 0)
		return;
	conn_timer_start(conn, CONN_TIMER_STALL);
	struct bytes bytes = buf_bytes(sending);
	io_send(conn->set->io, &conn->send, conn->socket, bytes.data, bytes.size);
}

static void
conn_fold_send(struct conn *conn)
{
	if (!conn->sent)
		return;
	conn->sent = false;
	conn_timer_stop(conn, CONN_TIMER_STALL);
	if (conn->send_result < 0) {
		conn->broken = conn->broken || conn->send_result != -(int32_t)FROE_CANCELLED;
		return;
	}
	struct buf *sending = &conn->outputs[!conn->filling];
	size_t filled = sending->size; /* since it was empty */
	buf_pop(sending, (size_t)conn->send_result);
	conn_count(&conn->set->count.sent_bytes, (uint64_t)conn->send_result);
	conn_trim_used(sending, filled);
	conn_send(conn);
}

/* -------------------------------------------------------------------------------- steps */

static void
conn_fold_timers(struct conn *conn)
{
	if (conn_expired(conn, CONN_TIMER_HEAD))
		conn_abort(conn, CONN_CLOSE_LATE);
	if (conn_expired(conn, CONN_TIMER_STALL))
		conn_abort(conn, CONN_CLOSE_STALLED);
	if (conn_expired(conn, CONN_TIMER_LATE))
		conn_output(conn);
	bool silent = conn_expired(conn, CONN_TIMER_IDLE);
	if (conn->received) {
		conn->received = false;
		conn->quiet = false;
		conn_timer_start(conn, CONN_TIMER_IDLE);
	} else if (silent) {
		/* While we do not listen it is not the other side that is silent; then the stall
		 * timer judges it. */
		bool listening = io_op_active(&conn->receive) && !conn->pausing;
		if (listening && conn->quiet)
			conn_abort(conn, CONN_CLOSE_IDLE);
		conn->quiet = conn->quiet || listening;
		conn_timer_start(conn, CONN_TIMER_IDLE);
		if (buf_used(&conn->input) == 0)
			buf_release(&conn->input);
		if (conn_output_used(conn) == 0) { /* no send is under way, then */
			buf_release(&conn->outputs[0]);
			buf_release(&conn->outputs[1]);
		}
		if (conn->tls != NULL)
			tls_trim(conn->tls, 0);
	}
}

void
conn_step(struct conn *conn)
{
	froe_assert(conn->magic == CONN_MAGIC);
	if (conn->state == CONN_CLOSED)
		return;
	conn_fold_send(conn);
	conn_fold_timers(conn);
	if (conn->broken)
		conn_abort(conn, CONN_CLOSE_RESET);
	else if (conn->tls != NULL)
		conn_decrypt(conn);
	if (conn->input_filled < buf_used(&conn->input))
		conn->input_filled = buf_used(&conn->input);
}

static void
conn_settle_receive(struct conn *conn)
{
	bool full = conn->held && buf_used(&conn->input) >= CONN_INPUT_HIGH;
	if (conn->tls != NULL)
		full = tls_unread(conn->tls) >= CONN_INPUT_HIGH;
	bool wanted = conn->state == CONN_FLUSHING || !full;
	if (!io_op_active(&conn->receive)) {
		conn->pausing = false;
		if (wanted && !conn->ended && !conn->cut && !conn->broken)
			io_receive(conn->set->io, &conn->receive, conn->socket);
	} else if (!wanted && !conn->pausing) {
		conn->pausing = true;
		io_cancel(conn->set->io, &conn->receive);
	}
}

static void
conn_settle_closing(struct conn *conn)
{
	if (!io_op_active(&conn->receive) && !io_op_active(&conn->send)) {
		io_socket_close(conn->set->io, conn->socket);
		conn_closed(conn);
		return;
	}
	io_cancel(conn->set->io, &conn->receive);
	io_cancel(conn->set->io, &conn->send);
}

static void
conn_flushed(struct conn *conn)
{
	if (conn->tls != NULL)
		tls_finish(conn->tls); /* the first time: something to flush again */
	if (conn_output_used(conn) > 0)
		conn_output(conn);
	else if (!conn->lingers || conn->ended || conn->cut)
		conn_abort(conn, conn->reason);
}

void
conn_settle(struct conn *conn)
{
	if (conn->state == CONN_OPENING && conn->ended)
		conn_abort(conn, CONN_CLOSE_PEER); /* it said too little to be understood */
	if (conn->state == CONN_FLUSHING && conn_output_used(conn) == 0)
		conn_flushed(conn);
	if (conn_ending(conn))
		buf_release(&conn->input);
	switch (conn->state) {
	case CONN_OPENING:
	case CONN_NATIVE:
	case CONN_HTTP:
	case CONN_HTTP2:
	case CONN_FLUSHING:
		conn_trim_input(conn);
		conn_settle_receive(conn);
		if (conn->tls != NULL)
			tls_trim(conn->tls, CONN_BUFFER_KEPT);
		if (conn->tls != NULL && conn_decrypts(conn))
			conn_ready(conn);
		break;
	case CONN_CLOSING:
		conn_settle_closing(conn);
		break;
	case CONN_HANDOVER:
	case CONN_CLOSED:
		break;
	}
}
