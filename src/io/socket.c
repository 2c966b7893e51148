/*
 * io_listen: split "host:port", resolve, and listen on the first address that lets us.
 * io_peer_find: the other end's address.
 */
#define _GNU_SOURCE /* struct ucred */
#include "io/socket_int.h"

#include "base/fault.h"
#include "io/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_BACKLOG 4096
/* After a kill the kernel closes sockets that a ring still had in use a moment later than the
 * process is gone, on a busy machine much later. */
#define SOCKET_BUSY_TRIES 250u
#define SOCKET_BUSY_MS 20
#define SOCKET_HOST_BYTES_MAX 256u
#define SOCKET_PORT_BYTES_MAX 6u

struct socket_address {
	char host[SOCKET_HOST_BYTES_MAX];
	char port[SOCKET_PORT_BYTES_MAX];
};

void
socket_nodelay(int socket)
{
	int on = 1;
	FROE_DROP(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0,
	    "a Unix socket has no delay to switch off");
}

bool
socket_accept_goes_on(int sys_errno)
{
	switch (sys_errno) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

static bool
socket_port_valid(const char *port)
{
	unsigned number = 0;

	if (port[0] == '\0' || strlen(port) >= SOCKET_PORT_BYTES_MAX)
		return false;
	for (; *port != '\0'; port++) {
		if (*port < '0' || *port > '9')
			return false;
		number = number * 10 + (unsigned)(*port - '0');
	}
	return number <= UINT16_MAX;
}

/* "host:port" or "[v6]:port". */
static bool
socket_split(const char *address, struct socket_address *to)
{
	const char *colon = strrchr(address, ':');
	const char *host = address;

	if (colon == NULL || !socket_port_valid(colon + 1))
		return false;
	size_t length = (size_t)(colon - address);
	if (address[0] == '[') {
		if (length < 3 || address[length - 1] != ']')
			return false;
		host++;
		length -= 2;
	} else if (memchr(address, ':', length) != NULL) {
		return false;
	}
	if (length == 0 || length >= sizeof(to->host))
		return false;
	memcpy(to->host, host, length);
	to->host[length] = '\0';
	memcpy(to->port, colon + 1, strlen(colon + 1) + 1);
	return true;
}

/* Returns the listening socket or -errno. */
static int
socket_listen(const struct addrinfo *at)
{
	int on = 1;
	int socket_type = at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int listener = socket(at->ai_family, socket_type, at->ai_protocol);

	if (listener < 0)
		return -errno;
	/* A restart must not wait for the old connections' TIME_WAIT. */
	bool ok = setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
	/* "[::]:0" and "0.0.0.0:0" are two addresses, on every machine. */
	if (ok && at->ai_family == AF_INET6)
		ok = setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
	socket_nodelay(listener);
	ok = ok && bind(listener, at->ai_addr, at->ai_addrlen) == 0;
	ok = ok && listen(listener, SOCKET_BACKLOG) == 0;
	if (!ok) {
		int sys_errno = errno;
		close(listener);
		return -sys_errno;
	}
	return listener;
}

static int
socket_listen_any(const struct addrinfo *found)
{
	int listener = -EADDRNOTAVAIL;
	for (const struct addrinfo *at = found; at != NULL && listener < 0; at = at->ai_next)
		listener = socket_listen(at);
	return listener;
}

union socket_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

static uint16_t
socket_port_of(int listener)
{
	union socket_name name = {0};
	socklen_t size = sizeof(name);

	if (getsockname(listener, &name.any, &size) != 0)
		froe_never("a bound socket has a name");
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

enum froe_err
io_listen(const char *address, int *ret_socket, uint16_t *ret_port, struct froe_fault *fault)
{
	struct socket_address split;
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;

	if (!socket_split(address, &split))
		return fault_set(fault, FROE_INVALID_ARGUMENT,
		    "the address \"%.200s\" is not host:port, as in 127.0.0.1:7077 or [::1]:7077",
		    address);
	int unresolved = getaddrinfo(split.host, split.port, &hints, &found);
	if (unresolved != 0)
		return fault_set(fault, unresolved == EAI_AGAIN ? FROE_UNAVAILABLE : FROE_NOT_FOUND,
		    "listening on %s: %s", address, gai_strerror(unresolved));
	int listener = socket_listen_any(found);
	for (unsigned tries = 0; listener == -EADDRINUSE && tries < SOCKET_BUSY_TRIES; tries++) {
		poll(NULL, 0, SOCKET_BUSY_MS);
		listener = socket_listen_any(found);
	}
	freeaddrinfo(found);
	if (listener == -EADDRINUSE)
		return fault_set(fault, FROE_IN_USE,
		    "another program listens on %s: choose another port with --listen", address);
	if (listener < 0)
		return fault_set_errno(fault, -listener, "listening on %s", address);
	*ret_socket = listener;
	*ret_port = socket_port_of(listener);
	return FROE_OK;
}

/* ------------------------------------------------------------------------------ Unix sockets */

/* Returns the listening socket or -errno. */
static int
unix_listen(const struct sockaddr_un *name)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return -errno;
	/* The mode of the socket before bind is that of the file which bind makes: there is no
	 * moment at which others could connect. */
	bool ok = fchmod(listener, 0600) == 0;
	ok = ok && bind(listener, (const struct sockaddr *)name, sizeof(*name)) == 0;
	ok = ok && listen(listener, SOCKET_BACKLOG) == 0;
	if (!ok) {
		int sys_errno = errno;
		close(listener);
		return -sys_errno;
	}
	return listener;
}

enum froe_err
io_listen_unix(const char *dir, const char *name, int *ret_socket, struct froe_fault *fault)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int directory = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fault_set_errno(fault, errno, "opening the directory %.200s", dir);
	int size =
	    snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", directory, name);
	froe_assert(size > 0 && (size_t)size < sizeof(at.sun_path));
	int failed = unlinkat(directory, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
	int listener = failed != 0 ? failed : unix_listen(&at);
	close(directory);
	if (listener < 0)
		return fault_set_errno(fault, -listener, "listening on %.200s/%s", dir, name);
	*ret_socket = listener;
	return FROE_OK;
}

static void
peer_unix(int socket, struct io_peer *ret_peer)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return; /* unknown: nobody */
	ret_peer->kind = IO_PEER_UNIX;
	ret_peer->uid = who.uid;
}

void
io_peer_find(int socket, struct io_peer *ret_peer)
{
	union socket_name name = {0};
	socklen_t size = sizeof(name);
	*ret_peer = (struct io_peer){.kind = IO_PEER_UNKNOWN};
	if (getpeername(socket, &name.any, &size) != 0)
		return; /* it has gone already */
	if (name.any.sa_family == AF_UNIX) {
		peer_unix(socket, ret_peer);
	} else if (name.any.sa_family == AF_INET) {
		ret_peer->kind = IO_PEER_INET;
		ret_peer->address[10] = ret_peer->address[11] = 0xff;
		memcpy(&ret_peer->address[12], &name.v4.sin_addr, 4);
		ret_peer->port = ntohs(name.v4.sin_port);
		ret_peer->loopback = ret_peer->address[12] == IN_LOOPBACKNET;
	} else if (name.any.sa_family == AF_INET6) {
		ret_peer->kind = IO_PEER_INET;
		memcpy(ret_peer->address, &name.v6.sin6_addr, 16);
		ret_peer->port = ntohs(name.v6.sin6_port);
		ret_peer->loopback = IN6_IS_ADDR_LOOPBACK(&name.v6.sin6_addr);
	}
}

void
io_peer_format(const struct io_peer *peer, char to[IO_PEER_SIZE])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char host[INET6_ADDRSTRLEN];
	bool v4 = memcmp(peer->address, mapped, sizeof(mapped)) == 0;

	if (peer->kind == IO_PEER_UNIX) {
		snprintf(to, IO_PEER_SIZE, "uid %u", peer->uid);
	} else if (peer->kind == IO_PEER_INET) {
		inet_ntop(v4 ? AF_INET : AF_INET6, peer->address + (v4 ? 12 : 0), host,
		    sizeof(host));
		snprintf(to, IO_PEER_SIZE, v4 ? "%s:%u" : "[%s]:%u", host, peer->port);
	} else {
		snprintf(to, IO_PEER_SIZE, "unknown");
	}
}
