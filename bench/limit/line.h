/*
 * bench/limit/line: messages over sockets, through one ring a process.
 *
 * Purpose     All that a process does in a turn (receive again, send, write) goes to the kernel in
 *             one io_uring_enter, which also waits. What is to be sent while a send is under way
 *             gathers in a second buffer.
 * Ownership   line_close frees what line_open took.
 * Failure     ends the program: a limit with errors is none.
 */
#ifndef LIMIT_LINE_H
#define LIMIT_LINE_H

#include <errno.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define SENDS_WAIT_NS 2000000

enum kind {
	KIND_REQUEST = 1,
	KIND_STARTED,
	KIND_DISPATCH,
	KIND_COMPLETE,
	KIND_RESULT,
	KIND_SPAWN,
	KIND_CHILD_DISPATCH,
	KIND_CHILD_COMPLETE,
	KIND_CHILD_RESULT,
	KIND_COUNT,
};

struct message {
	uint32_t size;
	uint16_t kind;
	uint16_t stage; /* of a chain, from 1 */
	uint32_t line;  /* whose request it was */
	uint32_t id;    /* of the request, within its line; of a child */
};

struct line {
	int socket;
	uint32_t number;
	uint32_t waiting; /* a client's: requests under way */
	bool receiving;
	bool more;        /* the socket held more than was received last */
	size_t have;      /* bytes in `in` */
	size_t room;      /* of each buffer */
	size_t sending;   /* bytes of out[turn] that the kernel has; 0: none */
	size_t queued;    /* bytes in out[!turn] */
	unsigned turn;
	uint8_t *in;
	uint8_t *out[2];
};

enum tag {
	TAG_RECEIVE = 0,
	TAG_SEND = 1,
	TAG_WRITE = 2,
	TAG_MASK = 3,
};

static inline _Noreturn void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "limit: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

static inline void *
pages(size_t size)
{
	void *to;

	size = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	to = aligned_alloc(PAGE_BYTES, size);
	if (to == NULL)
		die("out of memory");
	memset(to, 0, size);
	return to;
}

static inline void
line_open(struct line *line, int socket, uint32_t number, size_t room)
{
	*line = (struct line){.socket = socket, .number = number, .room = room};
	line->in = pages(room);
	line->out[0] = pages(room);
	line->out[1] = pages(room);
}

static inline void
line_close(struct line *line)
{
	close(line->socket);
	free(line->in);
	free(line->out[0]);
	free(line->out[1]);
}

/* ------------------------------------------------------------------------------------ the ring */

static inline void
ring_open(struct io_uring *ring, unsigned entries)
{
	int failed = io_uring_queue_init(entries, ring,
	    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (failed < 0)
		die("io_uring: %s", strerror(-failed));
}

static inline struct io_uring_sqe *
ring_entry(struct io_uring *ring)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(ring);

	if (entry == NULL)
		die("the ring is full");
	return entry;
}

/* After liburing's prep functions, which clear it. */
static inline void
entry_tag(struct io_uring_sqe *entry, void *object, enum tag tag)
{
	entry->user_data = (uint64_t)(uintptr_t)object | tag;
}

static inline enum tag
entry_of(const struct io_uring_cqe *entry, void **ret_object)
{
	*ret_object = (void *)(uintptr_t)(entry->user_data & ~(uint64_t)TAG_MASK);
	return (enum tag)(entry->user_data & TAG_MASK);
}

/* Submits all, and waits for one thing besides the sends among it. */
static inline void
ring_turn(struct io_uring *ring, unsigned sends)
{
	struct __kernel_timespec wait = {.tv_nsec = SENDS_WAIT_NS};
	struct io_uring_cqe *first;
	int failed = sends == 0 ? io_uring_submit_and_wait(ring, 1) :
	    io_uring_submit_and_wait_timeout(ring, &first, sends + 1, &wait, NULL);

	if (failed < 0 && failed != -EINTR && failed != -ETIME)
		die("io_uring_enter: %s", strerror(-failed));
}

/* A socket that was emptied is not looked at before it has something. */
static inline void
line_receive(struct line *line, struct io_uring *ring)
{
	struct io_uring_sqe *entry;

	if (line->receiving)
		return;
	entry = ring_entry(ring);
	io_uring_prep_recv(entry, line->socket, line->in + line->have, line->room - line->have, 0);
	if (!line->more)
		entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
	entry_tag(entry, line, TAG_RECEIVE);
	line->receiving = true;
}

/* What is queued, unless a send is under way; how many sends that makes. */
static inline unsigned
line_send(struct line *line, struct io_uring *ring)
{
	struct io_uring_sqe *entry;

	if (line->sending > 0 || line->queued == 0)
		return 0;
	line->turn = !line->turn;
	line->sending = line->queued;
	line->queued = 0;
	entry = ring_entry(ring);
	io_uring_prep_send(entry, line->socket, line->out[line->turn], line->sending,
	    MSG_NOSIGNAL | MSG_WAITALL);
	entry_tag(entry, line, TAG_SEND);
	return 1;
}

/* False: the other side is gone. */
static inline bool
line_received(struct line *line, const struct io_uring_cqe *entry)
{
	line->receiving = false;
	line->more = (entry->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
	line->have += entry->res > 0 ? (size_t)entry->res : 0;
	return entry->res > 0;
}

/* False: the other side is gone. */
static inline bool
line_sent(struct line *line, int result)
{
	if (result > 0 && (size_t)result != line->sending)
		die("a send was cut short");
	line->sending = 0;
	return result > 0;
}

/* ------------------------------------------------------------------------------------ messages */

static inline void
line_put(struct line *line, enum kind kind, uint32_t size, const struct message *like)
{
	struct message head = *like;
	uint8_t *to = line->out[!line->turn] + line->queued;

	if (line->queued + size > line->room)
		die("more than was to be in flight");
	head.kind = (uint16_t)kind;
	head.size = size;
	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), 'x', size - sizeof(head));
	line->queued += size;
}

/* The whole message at [at, have); its size, or 0. */
static inline size_t
message_at(const uint8_t *from, size_t at, size_t have, struct message *ret_head)
{
	if (have - at < sizeof(*ret_head))
		return 0;
	memcpy(ret_head, from + at, sizeof(*ret_head));
	if (ret_head->size < sizeof(*ret_head) || ret_head->kind >= KIND_COUNT)
		die("a message of %u bytes and kind %u", ret_head->size, ret_head->kind);
	return have - at < ret_head->size ? 0 : ret_head->size;
}

/* Takes the first bytes of `in` away. */
static inline void
line_taken(struct line *line, size_t size)
{
	memmove(line->in, line->in + size, line->have - size);
	line->have -= size;
}

#endif
