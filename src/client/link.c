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
#define KEEP_SIZE ((size_t)1 << 20) /* a buffer that grew beyond it is given back when empty */

void
link_init(struct link *link, int epoll_fd)
{
	*link = (struct link){.fd = -1, .epoll_fd = epoll_fd,
	    .frame_size_max = FROE_MESSAGE_BYTES_MAX};
	buf_init(&link->in);
	buf_init(&link->out);
}

void
link_drop(struct link *link)
{
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

enum froe_err
link_connect(struct link *link, const struct address *address, struct froe_fault *fault)
{
	froe_assert(link->state == LINK_CLOSED);
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
	link->state = result == 0 ? LINK_OPEN : LINK_CONNECTING;
	link_arm(link, result == 0 ? EPOLLIN : EPOLLOUT);
	return FROE_OK;
}

enum froe_err
link_connected(struct link *link, struct froe_fault *fault)
{
	froe_assert(link->state == LINK_CONNECTING);
	int problem = 0;
	socklen_t size = sizeof(problem);
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
		problem = errno;
	if (problem != 0)
		return fault_set_errno(fault, problem, "connect");
	link->state = LINK_OPEN;
	link_arm(link, EPOLLIN);
	return FROE_OK;
}

enum froe_err
link_receive(struct link *link, struct froe_fault *fault)
{
	froe_assert(link->state == LINK_OPEN);
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

enum froe_err
link_flush(struct link *link, struct froe_fault *fault)
{
	if (link->state != LINK_OPEN)
		return FROE_OK;
	while (buf_used(&link->out) > 0) {
		struct bytes out = buf_bytes(&link->out);
		ssize_t sent = send(link->fd, out.data, out.size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent < 0)
			return fault_set_errno(fault, errno, "send");
		buf_pop(&link->out, (size_t)sent);
	}
	link_arm(link, buf_used(&link->out) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (buf_used(&link->out) == 0 && link->out.capacity > KEEP_SIZE)
		buf_release(&link->out);
	return FROE_OK;
}
