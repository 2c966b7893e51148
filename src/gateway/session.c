/*
 * gateway/session: tokens, and what calls under them say to the shard.
 */
#include "gateway/gateway_int.h"

#include "base/hash.h"
#include "base/mem.h"

#include <ctype.h>
#include <strings.h>

struct bytes
session_token(const struct grpc_call *grpc)
{
	static const char SCHEME[] = "bearer ";
	struct bytes header = grpc_call_header(grpc, "authorization");
	size_t skip = sizeof(SCHEME) - 1;
	if (header.size <= skip || strncasecmp((const char *)header.data, SCHEME, skip) != 0)
		return bytes_of(NULL, 0);
	return bytes_of(header.data + skip, header.size - skip);
}

/* The shard has said who this is: what waited for that goes on. */
static void
on_opened(struct seat *seat)
{
	struct session *session = (struct session *)(void *)seat;
	struct list *node;
	while ((node = list_pop(&session->waiting)) != NULL)
		call_run(container_of(node, struct call, link));
	if (seat->state == SEAT_REFUSED)
		session_close(session);
}

static void
on_gone(struct seat *seat)
{
	struct session *session = (struct session *)(void *)seat;
	buf_release(&session->token);
	mem_free(session);
}

/* Calls that still wait for an answer have nobody to ask any more. */
static void
session_end_calls(struct session *session)
{
	struct froe_fault fault = session->seat.fault;
	struct list *node;
	if (session->seat.state != SEAT_REFUSED)
		FROE_DROP(fault_set(&fault, FROE_UNAVAILABLE, "the server stops"), "it is sent");
	while ((node = session->calls.next) != &session->calls)
		call_fail(container_of(node, struct call, link), &fault);
}

void
session_close(struct session *session)
{
	if (session->seat.state == SEAT_CLOSING)
		return;
	session_end_calls(session);
	map_remove_u64(&session->gateway->sessions, session->hash);
	seat_close(&session->seat);
}

static struct session *
session_new(struct gateway *gateway, struct bytes token, uint64_t hash, const struct api_peer *peer)
{
	struct session *session = mem_zalloc(sizeof(*session));
	session->gateway = gateway;
	session->hash = hash;
	list_init(&session->waiting);
	list_init(&session->calls);
	buf_init(&session->token);
	buf_push(&session->token, token.data, token.size);
	session->seat.opened = on_opened;
	session->seat.gone = on_gone;
	if (!seat_open(&session->seat, &gateway->seats, token, peer)) {
		on_gone(&session->seat);
		return NULL;
	}
	map_put_u64(&gateway->sessions, hash, session);
	return session;
}

/* NULL: there is no seat for it. */
struct session *
session_of(struct gateway *gateway, const struct grpc_call *grpc)
{
	struct bytes token = session_token(grpc);
	uint64_t hash = hash64(token.data, token.size, 0);
	struct session *session = map_get_u64(&gateway->sessions, hash);
	if (session != NULL && !bytes_equal(buf_bytes(&session->token), token)) {
		session_close(session); /* two tokens of one hash take turns */
		session = NULL;
	}
	if (session == NULL)
		session = session_new(gateway, token, hash, grpc_api_peer(grpc_api_of(grpc)));
	if (session != NULL)
		session->used_ns = gateway_now_ns(gateway);
	return session;
}

void
session_sweep(struct gateway *gateway, uint64_t now_ns)
{
	struct list *node, *next;
	for (node = gateway->seats.all.next; node != &gateway->seats.all; node = next) {
		struct seat *seat = container_of(node, struct seat, link);
		struct session *session = (struct session *)(void *)seat;
		next = node->next;
		if (seat->opened != on_opened || !list_empty(&session->calls) ||
		    !list_empty(&session->waiting))
			continue;
		if (gateway->draining || now_ns - session->used_ns > GATEWAY_SESSION_IDLE_NS)
			session_close(session);
	}
}
