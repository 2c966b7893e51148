/*
 * tests/system/peer: a gRPC client on a socket of its own.
 */
#ifndef TESTS_SYSTEM_PEER_H
#define TESTS_SYSTEM_PEER_H

#include "system/system.h"

#include "unit/net_grpc_client.h"

#include <poll.h>

/* A client with its socket. */
struct peer {
	struct client client;
	int socket;
	bool ended;
};

static int
port_connect(const struct server *server)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int made = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(made >= 0);
	assert_int_equal(connect(made, (struct sockaddr *)&to, sizeof(to)), 0);
	return made;
}

static void
peer_open(struct peer *peer, const struct server *server)
{
	*peer = (struct peer){.socket = port_connect(server)};
	client_begin(&peer->client);
}

static void
peer_close(struct peer *peer)
{
	close(peer->socket);
	client_close(&peer->client);
}

/* Sends what there is, hears what comes. */
static void
peer_step(struct peer *peer)
{
	uint8_t heard[65536];
	struct pollfd wait = {.fd = peer->socket,
	    .events = (short)(POLLIN | (buf_used(&peer->client.out) > 0 ? POLLOUT : 0))};
	assert_int_equal(poll(&wait, 1, 20000), 1);
	if ((wait.revents & POLLOUT) != 0) {
		struct bytes out = buf_bytes(&peer->client.out);
		ssize_t sent = send(peer->socket, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			buf_pop(&peer->client.out, (size_t)sent);
		else if (sent < 0 && errno != EAGAIN)
			buf_reset(&peer->client.out);
	}
	if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	ssize_t got = recv(peer->socket, heard, sizeof(heard), MSG_DONTWAIT);
	if (got > 0)
		assert_true(client_feed(&peer->client, bytes_of(heard, (size_t)got)));
	peer->ended = got == 0 || (got < 0 && errno != EAGAIN);
}

#endif
