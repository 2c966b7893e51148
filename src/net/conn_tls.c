/*
 * TLS between a conn's buffers and its socket. What the kernel hands over is fed to the tls when it
 * comes and decrypted into conn->input in conn_step: all of it, or while the reader is held up to
 * CONN_INPUT_HIGH; the rest waits encrypted, and holds receive back when it is as much again. What
 * the owner writes stays plaintext in outputs[filling] until the send before it has completed, so
 * that what is encrypted at a time is bounded, whatever the other side reads.
 */
#include "net/conn_int.h"

void
conn_secure(struct conn *conn, struct tls *tls)
{
	froe_assert(conn->state == CONN_OPENING && conn->tls == NULL);
	froe_assert(conn_output_used(conn) == 0);
	conn->tls = tls;
	tls_feed(tls, buf_bytes(&conn->input).data, buf_used(&conn->input));
	buf_release(&conn->input);
	if (conn->ended)
		conn->cut = true;
	conn->ended = false;
	conn_ready(conn);
}

/* What was not yet encrypted goes nowhere any more; an alert does. */
static void
conn_failed(struct conn *conn)
{
	buf_release(&conn->outputs[conn->filling]);
	if (!conn_ending(conn))
		conn_fail(conn, CONN_CLOSE_TLS);
}

static void
conn_shaken(struct conn *conn)
{
	conn_count(&conn->set->count.secured, 1);
	conn_timer_start(conn, CONN_TIMER_HEAD); /* now for the first words */
}

void
conn_decrypt(struct conn *conn)
{
	struct tls *tls = conn->tls;
	bool shaking = tls_state(tls) == TLS_SHAKING;
	bool costs = shaking && tls_unread(tls) > 0;
	if (costs && conn->set->handshakes_left == 0)
		return; /* conn_settle makes it ready again */
	if (costs)
		conn->set->handshakes_left--;
	if (!conn_ending(conn))
		tls_step(tls, &conn->input, conn->held ? CONN_INPUT_HIGH : SIZE_MAX);
	if (tls_output_used(tls) > 0)
		conn_output(conn);
	if (shaking && tls_state(tls) == TLS_OPEN)
		conn_shaken(conn);
	if (tls_state(tls) == TLS_FAILED)
		conn_failed(conn);
	else if (tls_state(tls) == TLS_ENDED)
		conn->ended = true;
	else if (conn->cut && tls_unread(tls) == 0) /* without a close_notify: cut off */
		conn_abort(conn, shaking ? CONN_CLOSE_PEER : CONN_CLOSE_RESET);
}

bool
conn_decrypts(const struct conn *conn)
{
	if (conn_ending(conn) || tls_unread(conn->tls) == 0)
		return false;
	return tls_output_used(conn->tls) <= TLS_OUTPUT_HIGH &&
	    !(conn->held && buf_used(&conn->input) >= CONN_INPUT_HIGH);
}

void
conn_encrypt(struct conn *conn, struct buf *sending)
{
	struct buf *plain = &conn->outputs[conn->filling];
	struct buf *output = tls_output(conn->tls);
	buf_pop(plain, tls_write(conn->tls, buf_bytes(plain)));
	conn_trim(plain);
	if (tls_state(conn->tls) == TLS_FAILED)
		conn_ready(conn); /* conn_step draws the consequences */
	struct buf empty = *sending;
	*sending = *output;
	*output = empty;
}
