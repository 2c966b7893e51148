/*
 * The loop over epoll: for kernels and containers that refuse io_uring.
 *
 *   - Sockets are registered level-triggered, and only while an op waits on them. Level, because a
 *     receive is multishot: one event is one recv, every connection gets its turn, no recv is
 *     spent on learning EAGAIN, and nothing is remembered about a socket while it is paused. Only
 *     while an op waits, because a descriptor may be handed to another loop, closed there, and
 *     its number come back: this loop must not believe that it still knows it.
 *   - A send is tried at the start of the next turn; EPOLLOUT is asked for only after EAGAIN.
 *   - Files are read and written by a helper thread, made with the first file operation.
 *   - io_wake writes to an eventfd, unless one has done so since the loop last looked.
 *
 * An op that is decided outside a turn (cancelled, or failed to start) lies on the ready list with
 * its result in op->offset; the next turn calls its handler, the call itself never does.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/fs_int.h"
#include "io/helper_int.h"
#include "io/io.h"
#include "io/socket_int.h"

#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POSIX_RECEIVE_BYTES (64u << 10)
#define POSIX_EVENTS_MAX 256
#define POSIX_ACCEPTS_MAX 64 /* a turn; the others wait for the next one */
#define POSIX_CHUNK_BYTES ((size_t)1 << 30)
#define POSIX_NS_PER_S UINT64_C(1000000000)

/* Who waits on a descriptor. */
struct posix_port {
	struct io_op *in;  /* accept or receive */
	struct io_op *out; /* send */
	uint32_t events;   /* registered with epoll; 0: not registered */
};

struct posix {
	struct io io;
	pthread_t owner;
	int epoll;
	int event;
	atomic_bool woken; /* someone wrote to `event` since it was last read */
	bool in_step;
	bool no_pwait2;
	bool skipped; /* the last turn did not look at the sockets */
	struct posix_port *ports;
	size_t port_count;
	struct io_op *ready_first;
	struct io_op *ready_last;
	struct helper *helper;
	uint8_t *received;
	struct epoll_event events[POSIX_EVENTS_MAX];
};

static struct posix *
posix_of(struct io *io)
{
	return container_of(io, struct posix, io);
}

static struct posix_port *
posix_port(struct posix *loop, int file)
{
	froe_assert(file >= 0);
	size_t at = (size_t)file;
	if (at >= loop->port_count) {
		size_t count = at + 64;
		loop->ports = mem_resize(loop->ports, count * sizeof(loop->ports[0]));
		memset(&loop->ports[loop->port_count], 0,
		    (count - loop->port_count) * sizeof(loop->ports[0]));
		loop->port_count = count;
	}
	return &loop->ports[at];
}

static int
posix_control(struct posix *loop, int file, int change, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = file};
	return epoll_ctl(loop->epoll, change, file, &event) == 0 ? 0 : errno;
}

/* Registers what the port's ops wait for. Returns 0 or an errno. */
static int
posix_register(struct posix *loop, int file)
{
	struct posix_port *port = posix_port(loop, file);
	uint32_t events = (port->in != NULL ? (uint32_t)EPOLLIN : 0) |
	    (port->out != NULL ? (uint32_t)EPOLLOUT : 0);
	int failed = 0;

	if (events == port->events)
		return 0;
	if (events == 0)
		FROE_DROP(posix_control(loop, file, EPOLL_CTL_DEL, 0) == 0,
		    "closed behind our back: then it is gone already");
	else if (port->events == 0)
		failed = posix_control(loop, file, EPOLL_CTL_ADD, events);
	else
		failed = posix_control(loop, file, EPOLL_CTL_MOD, events);
	if (failed == 0)
		port->events = events;
	return failed;
}

static void
posix_ready(struct posix *loop, struct io_op *op)
{
	froe_assert(!op->ready);
	op->ready = true;
	op->next = NULL;
	if (loop->ready_last != NULL)
		loop->ready_last->next = op;
	else
		loop->ready_first = op;
	loop->ready_last = op;
}

static void
posix_decide(struct posix *loop, struct io_op *op, enum froe_err err)
{
	op->offset = (uint64_t)(-(int64_t)err);
	posix_ready(loop, op);
}

/* Calls the handler: of an op that goes on (multishot), or of one that ends. */
static void
posix_report(struct posix *loop, struct io_op *op, int64_t result)
{
	froe_assert(op->magic == IO_OP_MAGIC);
	froe_assert(result <= INT32_MAX);
	loop->io.stats.completions++;
	op->done(op, (int32_t)result);
}

static void
posix_end(struct posix *loop, struct io_op *op, int64_t result)
{
	froe_assert(op->kind != IO_NONE);
	op->kind = IO_NONE;
	op->data = NULL;
	posix_report(loop, op, result);
}

/* Takes the op off its port. */
static void
posix_leave(struct posix *loop, struct io_op *op)
{
	struct posix_port *port = posix_port(loop, op->file);

	if (op->kind == IO_SEND) {
		froe_assert(port->out == op);
		port->out = NULL;
	} else {
		froe_assert(port->in == op);
		port->in = NULL;
	}
	FROE_DROP(posix_register(loop, op->file) == 0, "asking for less does not fail");
}

static void
posix_begin(struct posix *loop, struct io_op *op, enum io_kind kind, int file)
{
	froe_assert(pthread_equal(loop->owner, pthread_self()));
	op->kind = kind;
	op->file = file;
	op->cancelled = false;
	op->ready = false;
	op->data = NULL;
}

/* ------------------------------------------------------------------------------------ starts */

static void
posix_wait_in(struct posix *loop, struct io_op *op)
{
	struct posix_port *port = posix_port(loop, op->file);

	froe_assert(port->in == NULL);
	port->in = op;
	int failed = posix_register(loop, op->file);
	if (failed == 0)
		return;
	posix_port(loop, op->file)->in = NULL;
	posix_decide(loop, op, froe_err_from_errno(failed));
}

static void
posix_accept(struct io *io, struct io_op *op, int listener)
{
	posix_begin(posix_of(io), op, IO_ACCEPT, listener);
	socket_nodelay(listener);
	posix_wait_in(posix_of(io), op);
}

static void
posix_receive(struct io *io, struct io_op *op, int socket)
{
	posix_begin(posix_of(io), op, IO_RECEIVE, socket);
	posix_wait_in(posix_of(io), op);
}

static void
posix_send(struct io *io, struct io_op *op, int socket, const void *from, size_t size)
{
	posix_begin(posix_of(io), op, IO_SEND, socket);
	op->buffer = (void *)(uintptr_t)from; /* only read: the field serves both ways */
	op->size = size < POSIX_CHUNK_BYTES ? size : POSIX_CHUNK_BYTES;
	posix_ready(posix_of(io), op);
}

static void
posix_file(struct posix *loop, struct io_op *op, void *buffer, size_t size, uint64_t offset)
{
	struct froe_fault fault;

	op->buffer = buffer;
	op->size = size < POSIX_CHUNK_BYTES ? size : POSIX_CHUNK_BYTES;
	op->offset = offset;
	if (loop->helper == NULL)
		loop->helper = helper_open(&loop->io, &fault);
	if (loop->helper == NULL)
		posix_decide(loop, op, fault.code);
	else
		helper_push(loop->helper, op);
}

static void
posix_read(struct io *io, struct io_op *op, int file, void *to, size_t size, uint64_t offset)
{
	posix_begin(posix_of(io), op, IO_READ, file);
	posix_file(posix_of(io), op, to, size, offset);
}

static void
posix_write(struct io *io, struct io_op *op, int file, const void *from, size_t size,
    uint64_t offset)
{
	posix_begin(posix_of(io), op, IO_WRITE, file);
	posix_file(posix_of(io), op, (void *)(uintptr_t)from, size, offset);
}

/* An op on the ready list is told by its flag; one under way at the helper just completes. */
static void
posix_cancel(struct io *io, struct io_op *op)
{
	struct posix *loop = posix_of(io);

	froe_assert(op->magic == IO_OP_MAGIC);
	if (op->kind == IO_NONE || op->cancelled)
		return;
	op->cancelled = true;
	if (op->ready)
		return;
	if (op->kind == IO_READ || op->kind == IO_WRITE) {
		if (helper_withdraw(loop->helper, op))
			posix_decide(loop, op, FROE_CANCELLED);
		return;
	}
	posix_leave(loop, op);
	posix_decide(loop, op, FROE_CANCELLED);
}

static void
posix_socket_close(struct io *io, int socket)
{
	struct posix_port *port = posix_port(posix_of(io), socket);

	froe_assert(port->in == NULL);
	froe_assert(port->out == NULL);
	froe_assert(port->events == 0);
	if (close(socket) != 0)
		froe_assert(errno != EBADF);
}

/* ------------------------------------------------------------------------------------ events */

/* Returns false if the socket takes nothing now. */
static bool
posix_try_send(struct posix *loop, struct io_op *op)
{
	ssize_t sent;

	do {
		sent = send(op->file, op->buffer, op->size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		return false;
	int64_t result = sent >= 0 ? sent : -(int64_t)froe_err_from_errno(errno);
	if (posix_port(loop, op->file)->out == op)
		posix_leave(loop, op);
	posix_end(loop, op, result);
	return true;
}

static void
posix_start_send(struct posix *loop, struct io_op *op)
{
	if (posix_try_send(loop, op))
		return;
	struct posix_port *port = posix_port(loop, op->file);
	froe_assert(port->out == NULL);
	port->out = op;
	int failed = posix_register(loop, op->file);
	if (failed == 0)
		return;
	posix_port(loop, op->file)->out = NULL;
	posix_end(loop, op, -(int64_t)froe_err_from_errno(failed));
}

/* The list as it is now: what handlers add waits for the next turn. */
static void
posix_run_ready(struct posix *loop)
{
	struct io_op *op = loop->ready_first;

	loop->ready_first = NULL;
	loop->ready_last = NULL;
	while (op != NULL) {
		struct io_op *next = op->next;
		op->ready = false;
		if (op->cancelled)
			posix_end(loop, op, -(int64_t)FROE_CANCELLED);
		else if (op->kind == IO_SEND)
			posix_start_send(loop, op);
		else
			posix_end(loop, op, (int64_t)op->offset);
		op = next;
	}
}

static void
posix_on_receive(struct posix *loop, struct io_op *op)
{
	ssize_t got = recv(op->file, loop->received, POSIX_RECEIVE_BYTES, MSG_DONTWAIT);

	if (got > 0) {
		op->data = loop->received;
		posix_report(loop, op, got);
		return;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int64_t result = got == 0 ? 0 : -(int64_t)froe_err_from_errno(errno);
	posix_leave(loop, op);
	posix_end(loop, op, result);
}

static void
posix_on_accept(struct posix *loop, struct io_op *op)
{
	int listener = op->file;

	for (int i = 0; i < POSIX_ACCEPTS_MAX; i++) {
		int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (socket >= 0) {
			posix_report(loop, op, socket);
			/* The handler may have cancelled it. */
			if (posix_port(loop, listener)->in != op)
				return;
			continue;
		}
		int sys_errno = errno;
		if (sys_errno == EAGAIN)
			return;
		if (socket_accept_goes_on(sys_errno))
			continue;
		posix_leave(loop, op);
		posix_end(loop, op, -(int64_t)froe_err_from_errno(sys_errno));
		return;
	}
}

static void
posix_on_files(struct posix *loop)
{
	struct io_op *op = helper_take(loop->helper);

	while (op != NULL) {
		struct io_op *next = op->next;
		posix_end(loop, op, (int64_t)op->offset);
		op = next;
	}
}

/* First empty the eventfd, then allow the next write to it: the other way round, a wake between
 * the two would be swallowed and all later ones held back. */
static void
posix_on_wake(struct posix *loop)
{
	uint64_t count;

	FROE_DROP(read(loop->event, &count, sizeof(count)) > 0, "it only says: look around");
	/* Pairs with the exchange in posix_wake: what was done before a wake is seen after it. */
	atomic_exchange_explicit(&loop->woken, false, memory_order_acq_rel);
	loop->io.stats.wakes++;
	if (loop->helper != NULL)
		posix_on_files(loop);
}

/* An event may be older than what handlers did in this turn: the ports say who waits now. */
static void
posix_on_event(struct posix *loop, int file, uint32_t events)
{
	const uint32_t broken = (uint32_t)EPOLLERR | (uint32_t)EPOLLHUP;

	if (file == loop->event) {
		posix_on_wake(loop);
		return;
	}
	struct io_op *in = posix_port(loop, file)->in;
	if (in != NULL && (events & ((uint32_t)EPOLLIN | broken)) != 0) {
		if (in->kind == IO_ACCEPT)
			posix_on_accept(loop, in);
		else
			posix_on_receive(loop, in);
	}
	struct io_op *out = posix_port(loop, file)->out;
	if (out != NULL && (events & ((uint32_t)EPOLLOUT | broken)) != 0)
		FROE_DROP(posix_try_send(loop, out), "if it takes nothing, it goes on waiting");
}

/* -------------------------------------------------------------------------------------- turns */

/* A kernel or a seccomp profile without epoll_pwait2 gets milliseconds, rounded up. */
static int
posix_wait_ms(struct posix *loop, uint64_t wait_ns)
{
	uint64_t wait_ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0 ? 1 : 0);
	int timeout_ms = wait_ns == UINT64_MAX ? -1 : wait_ms > 3600000 ? 3600000 : (int)wait_ms;
	return epoll_wait(loop->epoll, loop->events, POSIX_EVENTS_MAX, timeout_ms);
}

static int
posix_wait(struct posix *loop, uint64_t wait_ns)
{
	struct timespec timeout = {
	    .tv_sec = (time_t)(wait_ns / POSIX_NS_PER_S),
	    .tv_nsec = (long)(wait_ns % POSIX_NS_PER_S),
	};

	if (!loop->no_pwait2) {
		int count = epoll_pwait2(loop->epoll, loop->events, POSIX_EVENTS_MAX,
		    wait_ns == UINT64_MAX ? NULL : &timeout, NULL);
		if (count >= 0 || (errno != ENOSYS && errno != EPERM))
			return count;
		loop->no_pwait2 = true;
	}
	return posix_wait_ms(loop, wait_ns);
}

static uint64_t
posix_wait_ns(const struct posix *loop, uint64_t deadline_mono_ns)
{
	if (loop->ready_first != NULL || deadline_mono_ns == 0)
		return 0;
	if (deadline_mono_ns == UINT64_MAX)
		return UINT64_MAX;
	uint64_t now_ns = io_mono_ns(loop->io.env);
	return deadline_mono_ns > now_ns ? deadline_mono_ns - now_ns : 0;
}

static void
posix_turn(struct posix *loop, uint64_t deadline_mono_ns)
{
	uint64_t completions = loop->io.stats.completions;

	posix_run_ready(loop);
	bool progress = loop->io.stats.completions != completions;
	/* Sends that went through are news enough for one turn; every second one looks at the
	 * sockets whatever happens. */
	loop->skipped = progress && !loop->skipped;
	if (loop->skipped)
		return;
	int count = posix_wait(loop, progress ? 0 : posix_wait_ns(loop, deadline_mono_ns));
	if (count < 0 && errno != EINTR)
		froe_fatal(FROE_EXIT_SOFTWARE, "epoll_wait: %s", strerror(errno));
	for (int i = 0; i < count; i++)
		posix_on_event(loop, loop->events[i].data.fd, loop->events[i].events);
}

static void
posix_step(struct io *io, uint64_t deadline_mono_ns)
{
	struct posix *loop = posix_of(io);

	froe_assert(pthread_equal(loop->owner, pthread_self()));
	froe_assert(!loop->in_step);
	loop->in_step = true;
	io->stats.turns++;
	posix_turn(loop, deadline_mono_ns);
	loop->in_step = false;
}

static void
posix_wake(struct io *io)
{
	struct posix *loop = posix_of(io);
	const uint64_t one = 1;

	/* Pairs with the exchange in posix_on_wake. */
	if (atomic_exchange_explicit(&loop->woken, true, memory_order_acq_rel))
		return;
	ssize_t put;
	do {
		put = write(loop->event, &one, sizeof(one));
	} while (put < 0 && errno == EINTR);
	froe_assert(put == (ssize_t)sizeof(one));
}

static enum froe_err
posix_register_buffers(struct io *io, void *base, size_t size, struct froe_fault *fault)
{
	(void)io;
	(void)base;
	(void)size;
	(void)fault;
	return FROE_OK; /* nothing to gain, nothing to refuse */
}

/* ------------------------------------------------------------------------------ open and close */

static void
posix_close(struct io *io)
{
	struct posix *loop = posix_of(io);

	froe_assert(!loop->in_step);
	helper_close(loop->helper);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->event >= 0)
		close(loop->event);
	mem_free(loop->ports);
	mem_free(loop->received);
	mem_free(loop);
}

static const struct io_ops posix_ops = {
    .close = posix_close,
    .accept = posix_accept,
    .receive = posix_receive,
    .send = posix_send,
    .read = posix_read,
    .write = posix_write,
    .cancel = posix_cancel,
    .socket_close = posix_socket_close,
    .step = posix_step,
    .wake = posix_wake,
    .register_buffers = posix_register_buffers,
};

static enum froe_err
posix_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault)
{
	struct posix *loop = mem_zalloc(sizeof(*loop));

	loop->io = (struct io){.ops = &posix_ops, .env = env, .quick_file = -1};
	loop->owner = pthread_self();
	loop->received = mem_alloc(POSIX_RECEIVE_BYTES);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int failed = loop->epoll < 0 || loop->event < 0 ? errno : 0;
	if (failed == 0)
		failed = posix_control(loop, loop->event, EPOLL_CTL_ADD, EPOLLIN);
	if (failed != 0) {
		posix_close(&loop->io);
		return fault_set_errno(fault, failed, "opening an epoll loop");
	}
	*ret_io = &loop->io;
	return FROE_OK;
}

static const struct io_env_ops posix_env_ops = {
    .mono_ns = fs_mono_ns,
    .wall_ns = fs_wall_ns,
    .random = fs_random,
    .open = fs_open,
    .close = fs_close,
    .size = fs_size,
    .read = fs_read,
    .write = fs_write,
    .allocate = fs_allocate,
    .sync = fs_sync,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .mkdir = fs_mkdir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .space = fs_space,
    .traits = fs_traits,
    .loop_open = posix_open,
};

static struct io_env posix_env = {.ops = &posix_env_ops, .name = "posix"};

struct io_env *
io_env_posix(void)
{
	return &posix_env;
}
