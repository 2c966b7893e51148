/*
 * grpc_api_step: time and what has left (grpc_step), bytes in, bytes out; again while something
 * came of it, a few times, so that a call that was answered at once is also gone at once. The
 * output takes no more than CONN_OUTPUT_HIGH; the rest waits in the calls' queues, where it is
 * bounded.
 */
#include "api/grpc_api.h"

#define PASSES_MAX 4

static void
on_ready(void *owner)
{
	struct grpc_api *session = owner;
	session->again = true;
	if (!session->stepping)
		conn_ready(session->conn);
}

void
grpc_api_open(struct grpc_api *session, const struct grpc_api_options *options)
{
	*session = (struct grpc_api){
	    .conn = options->conn,
	    .gateway = options->gateway,
	    .handle = options->handle,
	    .peer = options->peer,
	};
	session->grpc = grpc_open(&(struct grpc_options){
	    .methods = &options->gateway->methods,
	    .codec = options->codec,
	    .owner = session,
	    .ready = on_ready,
	    .refusal = options->refusal,
	    .near = options->near,
	    .count = &options->conn->set->grpc,
	    .now_ns = options->conn->set->now_ns,
	});
	if (options->gateway->open != NULL)
		session->state = options->gateway->open(options->gateway, session);
}

/* ---------------------------------------------------------------------------------- steps */

/* While the preface or the rest of a head is awaited its time runs. */
static void
watch_head(struct grpc_api *session)
{
	bool awaited = !grpc_greeted(session->grpc) || grpc_in_head(session->grpc);
	if (!awaited)
		conn_timer_stop(session->conn, CONN_TIMER_HEAD);
	else if (!conn_timer_active(session->conn, CONN_TIMER_HEAD))
		conn_timer_start(session->conn, CONN_TIMER_HEAD);
}

static void
watch_calls(struct grpc_api *session)
{
	uint64_t due_ns = grpc_due_ns(session->grpc);
	if (due_ns == UINT64_MAX)
		conn_timer_stop(session->conn, CONN_TIMER_CALL);
	else
		conn_timer_start_at(session->conn, CONN_TIMER_CALL, due_ns);
}

static void
ping_silent(struct grpc_api *session)
{
	if (session->conn->quiet && !session->pinged)
		grpc_ping(session->grpc);
	session->pinged = session->conn->quiet;
}

static void
pull(struct grpc_api *session)
{
	struct conn *conn = session->conn;
	while (!conn_choked(conn)) {
		size_t before = buf_used(&conn->outputs[conn->filling]);
		bool more = grpc_pull(session->grpc, &conn->outputs[conn->filling]);
		if (buf_used(&conn->outputs[conn->filling]) > before)
			conn_output(conn); /* it is to be sent */
		if (!more)
			return;
	}
}

static void
pass(struct grpc_api *session)
{
	struct conn *conn = session->conn;
	struct froe_fault fault;
	enum froe_err err = FROE_OK;
	grpc_step(session->grpc, conn_output_used(conn), conn->set->now_ns);
	if (!conn_choked(conn))
		err = grpc_receive(session->grpc, &conn->input, &fault);
	pull(session); /* after a fault: the GOAWAY that says why */
	if (err != FROE_OK)
		conn_finish(conn, CONN_CLOSE_PROTOCOL);
}

static void
finish_done(struct grpc_api *session)
{
	struct conn *conn = session->conn;
	if (grpc_done(session->grpc)) {
		pull(session);
		conn_finish(conn, session->drain ? CONN_CLOSE_DRAINED : CONN_CLOSE_PROTOCOL);
	} else if (conn->ended) {
		conn_finish(conn, CONN_CLOSE_PEER);
	}
}

enum api_progress
grpc_api_step(struct grpc_api *session)
{
	struct conn *conn = session->conn;
	enum api_progress progress = API_IDLE;
	if (!conn_serving(conn))
		return API_IDLE;
	session->stepping = true;
	session->again = true;
	ping_silent(session);
	for (int i = 0; i < PASSES_MAX && session->again && conn_serving(conn); i++) {
		session->again = false;
		pass(session);
	}
	if (conn_serving(conn) && session->gateway->step != NULL)
		progress = session->gateway->step(session->state);
	if (conn_serving(conn))
		finish_done(session);
	session->stepping = false;
	if (!conn_serving(conn))
		return API_IDLE;
	watch_head(session);
	watch_calls(session);
	bool stalled = grpc_stalled(session->grpc);
	conn->held = stalled || conn_choked(conn);
	if (stalled || progress == API_BLOCKED)
		return API_BLOCKED;
	return session->again ? API_AGAIN : progress;
}

void
grpc_api_deliver(struct grpc_api *session, const struct api_effect *effect)
{
	if (session->left || session->gateway->deliver == NULL)
		return;
	session->gateway->deliver(session->state, effect);
	conn_ready(session->conn);
}

/* ------------------------------------------------------------------------------------ end */

void
grpc_api_drain(struct grpc_api *session)
{
	if (session->grpc == NULL || session->drain)
		return;
	session->drain = true;
	grpc_drain(session->grpc);
}

bool
grpc_api_close(struct grpc_api *session)
{
	if (session->grpc != NULL)
		grpc_close(session->grpc, GRPC_END_BROKEN);
	session->grpc = NULL;
	if (!session->left && session->gateway->close != NULL &&
	    !session->gateway->close(session->state))
		return false;
	session->left = true;
	return true;
}

/* ------------------------------------------------------------------------------ questions */

size_t
grpc_api_held_bytes(const struct grpc_api *session)
{
	return session->grpc != NULL ? grpc_held_bytes(session->grpc) : 0;
}

void *
grpc_api_state(const struct grpc_api *session)
{
	return session->state;
}

uint64_t
grpc_api_handle(const struct grpc_api *session)
{
	return session->handle;
}

const struct api_peer *
grpc_api_peer(const struct grpc_api *session)
{
	return &session->peer;
}

struct grpc *
grpc_api_grpc(const struct grpc_api *session)
{
	return session->grpc;
}

void
grpc_api_know(struct grpc_api *session)
{
	session->known = true;
}
