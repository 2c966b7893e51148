#include "client/link.h"

#include "base/mem.h"
#include "froe/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define PIECE_SIZE ((size_t)32 << 10) /* of what TLS de- or encrypts at a time */
#define KEEP_SIZE ((size_t)1 << 20) /* a buffer that grew beyond it is given back when empty */

#define SHAKING_CLOSED                                                                             \
	"the server closed the connection during the TLS handshake: does it serve TLS at all?"

void
link_init(struct link *link, int epoll_fd)
{
	*link = (struct link){.fd = -1, .epoll_fd = epoll_fd,
	    .frame_size_max = FROE_MESSAGE_BYTES_MAX};
	buf_init(&link->in);
	buf_init(&link->out);
}

/* Tells the other side, if that can be done without waiting, that nothing was cut off. */
static void
link_say_end(struct link *link)
{
	if (link->state != LINK_OPEN || tls_output_used(link->tls) > 0)
		return;
	tls_finish(link->tls);
	struct bytes last = buf_bytes(tls_output(link->tls));
	if (last.size > 0)
		FROE_DROP(send(link->fd, last.data, last.size, MSG_NOSIGNAL | MSG_DONTWAIT) == 0,
		    "a courtesy");
}

void
link_drop(struct link *link)
{
	if (link->tls != NULL)
		link_say_end(link);
	tls_free(link->tls);
	link->tls = NULL;
	if (link->fd >= 0)
		close(link->fd); /* epoll forgets it */
	link->fd = -1;
	link->armed = 0;
	link->state = LINK_CLOSED;
	buf_reset(&link->in);
	buf_reset(&link->out);
}

void
link_release(struct link *link)
{
	link_drop(link);
	buf_release(&link->in);
	buf_release(&link->out);
}

static void
link_arm(struct link *link, uint32_t events)
{
	if (link->armed == events)
		return;
	struct epoll_event event = {.events = events, .data.fd = link->fd};
	int op = link->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	froe_assert(epoll_ctl(link->epoll_fd, op, link->fd, &event) == 0);
	link->armed = events;
}

static enum froe_err link_send(struct link *link, struct froe_fault *fault);

/* The TCP connection is there. */
static enum froe_err
link_opened(struct link *link, struct froe_fault *fault)
{
	link->state = link->tls != NULL ? LINK_SECURING : LINK_OPEN;
	return link_send(link, fault); /* a ClientHello, or nothing yet */
}

enum froe_err
link_connect(struct link *link, const struct address *address, struct tls *tls,
    struct froe_fault *fault)
{
	froe_assert(link->state == LINK_CLOSED && link->tls == NULL);
	link->tls = tls;
	int one = 1;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_set_errno(fault, errno, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;
	int result = connect(fd, to, address->size);
	if (result != 0 && errno != EINPROGRESS) {
		enum froe_err err = fault_set_errno(fault, errno, "connect");
		close(fd);
		return err;
	}
	link->fd = fd;
	if (result == 0)
		return link_opened(link, fault);
	link->state = LINK_CONNECTING;
	link_arm(link, EPOLLOUT);
	return FROE_OK;
}

/* Decrypts what was received; TLS may want to send as well. */
static enum froe_err
link_step_tls(struct link *link, struct froe_fault *fault)
{
	enum tls_state before = tls_state(link->tls);
	do {
		tls_step(link->tls, &link->in, SIZE_MAX);
	} while (tls_unread(link->tls) > 0 && tls_output_used(link->tls) <= TLS_OUTPUT_HIGH);
	enum tls_state after = tls_state(link->tls);
	if (after == TLS_FAILED)
		return link_send(link, fault); /* an alert, if it can go; then it says why */
	if (before == TLS_SHAKING && after == TLS_OPEN)
		link->state = LINK_OPEN;
	return FROE_OK;
}

static enum froe_err
link_receive_tls(struct link *link, struct froe_fault *fault)
{
	uint8_t piece[PIECE_SIZE];
	ssize_t got = recv(link->fd, piece, sizeof(piece), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return FROE_OK;
	if (got > 0) {
		link->received += (uint64_t)got;
		tls_feed(link->tls, piece, (size_t)got);
		return link_step_tls(link, fault);
	}
	if (got < 0)
		return fault_set_errno(fault, errno,
		    link->state == LINK_SECURING ? SHAKING_CLOSED : "recv");
	if (link->state == LINK_SECURING)
		return fault_set(fault, FROE_CLOSED, SHAKING_CLOSED);
	return fault_set(fault, FROE_CLOSED, tls_state(link->tls) == TLS_ENDED
	    ? "the server closed the connection"
	    : "the connection to the server was cut off");
}

static enum froe_err
link_secure(struct link *link, struct froe_fault *fault)
{
	enum froe_err err = link_receive_tls(link, fault);
	return err == FROE_OK ? link_send(link, fault) : err;
}

enum froe_err
link_connected(struct link *link, struct froe_fault *fault)
{
	if (link->state == LINK_SECURING)
		return link_secure(link, fault);
	froe_assert(link->state == LINK_CONNECTING);
	int problem = 0;
	socklen_t size = sizeof(problem);
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
		problem = errno;
	if (problem != 0)
		return fault_set_errno(fault, problem, "connect");
	return link_opened(link, fault);
}

enum froe_err
link_receive(struct link *link, struct froe_fault *fault)
{
	froe_assert(link->state == LINK_OPEN);
	if (link->tls != NULL)
		return link_receive_tls(link, fault);
	size_t want = READ_SIZE;
	if (buf_used(&link->in) >= 4) { /* the rest of a large frame at once */
		size_t frame = 4 + (size_t)le32_load(link->in.data + link->in.head);
		if (frame - 4 <= link->frame_size_max && frame > buf_used(&link->in) + want)
			want = frame - buf_used(&link->in);
	} else if (buf_used(&link->in) == 0 && link->in.capacity > KEEP_SIZE) {
		buf_release(&link->in);
	}
	uint8_t *at = buf_reserve(&link->in, want);
	ssize_t got = recv(link->fd, at, want, 0);
	if (got > 0) {
		link->received += (uint64_t)got;
		buf_commit(&link->in, (size_t)got);
		return FROE_OK;
	}
	if (got == 0)
		return fault_set(fault, FROE_CLOSED, "the server closed the connection");
	if (errno == EAGAIN || errno == EINTR)
		return FROE_OK;
	return fault_set_errno(fault, errno, "recv");
}

bool
link_refused(const struct link *link)
{
	return link->tls != NULL && tls_state(link->tls) == TLS_FAILED;
}

bool
link_frame(const struct link *link, struct bytes *ret_frame)
{
	size_t used = buf_used(&link->in);
	const uint8_t *at = link->in.data + link->in.head;
	if (used < 4 || used - 4 < le32_load(at) || le32_load(at) > link->frame_size_max)
		return false;
	*ret_frame = bytes_of(at + 4, le32_load(at));
	return true;
}

enum froe_err
link_frame_check(const struct link *link, struct froe_fault *fault)
{
	if (buf_used(&link->in) < 4)
		return FROE_OK;
	uint32_t size = le32_load(link->in.data + link->in.head);
	if (size <= link->frame_size_max)
		return FROE_OK;
	return fault_set(fault, FROE_PROTOCOL,
	    "the server sent a frame of %u bytes, more than %zu: is this a froe server?", size,
	    link->frame_size_max);
}

void
link_frame_pop(struct link *link)
{
	buf_pop(&link->in, 4 + (size_t)le32_load(link->in.data + link->in.head));
}

void
link_push(struct link *link, const void *data, size_t size)
{
	buf_push(&link->out, data, size);
}

/* What goes to the socket next: of `out`, or with TLS what it has made of that. */
static struct buf *
link_outgoing(struct link *link)
{
	if (link->tls == NULL)
		return &link->out;
	if (tls_output_used(link->tls) == 0) {
		/* Well below TLS_OUTPUT_HIGH: above it nothing would be decrypted either. */
		struct bytes next = buf_bytes(&link->out);
		if (next.size > PIECE_SIZE)
			next.size = PIECE_SIZE;
		buf_pop(&link->out, tls_write(link->tls, next));
	}
	return tls_output(link->tls);
}

static enum froe_err
link_send(struct link *link, struct froe_fault *fault)
{
	struct buf *from;
	while (from = link_outgoing(link), buf_used(from) > 0) {
		struct bytes out = buf_bytes(from);
		ssize_t sent = send(link->fd, out.data, out.size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent < 0)
			return fault_set_errno(fault, errno, "send");
		buf_pop(from, (size_t)sent);
	}
	if (link_refused(link)) {
		*fault = *tls_fault(link->tls);
		return fault->code;
	}
	link_arm(link, buf_used(from) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (buf_used(&link->out) == 0 && link->out.capacity > KEEP_SIZE)
		buf_release(&link->out);
	return FROE_OK;
}

enum froe_err
link_flush(struct link *link, struct froe_fault *fault)
{
	return link->state == LINK_OPEN ? link_send(link, fault) : FROE_OK;
}
