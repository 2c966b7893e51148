/*
 * tests/net_fake: a loop whose time and network are a test's to move.
 *
 * One connection's worth: feed() is the other side sending, take() the other side reading. What the
 * conn lends to the kernel is checked to be untouched until it completes.
 */
#ifndef TESTS_NET_FAKE_H
#define TESTS_NET_FAKE_H

#include "base/bytes.h"
#include "base/list.h"
#include "io/io.h"

#define FAKE_SOCKET 77

struct fake {
	struct io io;
	struct io_env env;
	uint64_t now_ns;
	struct io_op *receive;
	struct io_op *send;
	const void *sending;
	size_t sending_size;
	bool receive_cancelled;
	bool send_cancelled;
	int closed; /* times the socket was closed */
	int receives; /* times receive was started */
	struct buf wire; /* what the other side has read */
};

static inline struct fake *
fake_of(struct io *io)
{
	return container_of(io, struct fake, io);
}

static inline void
fake_receive(struct io *io, struct io_op *op, int socket)
{
	struct fake *fake = fake_of(io);
	froe_assert(socket == FAKE_SOCKET && fake->receive == NULL && fake->closed == 0);
	op->kind = IO_RECEIVE;
	fake->receive = op;
	fake->receives++;
}

static inline void
fake_send(struct io *io, struct io_op *op, int socket, const void *from, size_t size)
{
	struct fake *fake = fake_of(io);
	froe_assert(socket == FAKE_SOCKET && fake->send == NULL && size > 0 && fake->closed == 0);
	op->kind = IO_SEND;
	fake->send = op;
	fake->sending = from;
	fake->sending_size = size;
}

static inline void
fake_cancel(struct io *io, struct io_op *op)
{
	struct fake *fake = fake_of(io);
	fake->receive_cancelled |= op == fake->receive;
	fake->send_cancelled |= op == fake->send;
}

static inline void
fake_socket_close(struct io *io, int socket)
{
	struct fake *fake = fake_of(io);
	froe_assert(socket == FAKE_SOCKET && fake->receive == NULL && fake->send == NULL);
	fake->closed++;
}

static inline uint64_t
fake_mono_ns(struct io_env *env)
{
	return container_of(env, struct fake, env)->now_ns;
}

static const struct io_ops FAKE_OPS = {
    .receive = fake_receive,
    .send = fake_send,
    .cancel = fake_cancel,
    .socket_close = fake_socket_close,
};
static const struct io_env_ops FAKE_ENV_OPS = {.mono_ns = fake_mono_ns};

static inline void
fake_init(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->env = (struct io_env){.ops = &FAKE_ENV_OPS, .name = "fake"};
	fake->io = (struct io){.ops = &FAKE_OPS, .env = &fake->env};
	fake->now_ns = 1000;
	buf_init(&fake->wire);
}

static inline void
fake_release(struct fake *fake)
{
	buf_release(&fake->wire);
}

/* The other side sends; false: nobody listens. */
static inline bool
fake_feed(struct fake *fake, const void *data, size_t size)
{
	if (fake->receive == NULL)
		return false;
	fake->receive->data = data;
	fake->receive->done(fake->receive, (int32_t)size);
	if (fake->receive != NULL)
		fake->receive->data = NULL;
	return true;
}

/* receive ends: 0 the other side closed, -(enum froe_err) it broke. */
static inline void
fake_receive_end(struct fake *fake, int32_t result)
{
	struct io_op *op = fake->receive;
	froe_assert(op != NULL);
	fake->receive = NULL;
	fake->receive_cancelled = false;
	op->kind = IO_NONE;
	op->done(op, result);
}

static inline void
fake_send_end(struct fake *fake, int32_t result)
{
	struct io_op *op = fake->send;
	froe_assert(op != NULL);
	if (result > 0)
		buf_push(&fake->wire, fake->sending, (size_t)result);
	fake->send = NULL;
	fake->send_cancelled = false;
	op->kind = IO_NONE;
	op->done(op, result);
}

/* The other side reads up to `size` bytes of what is being sent; how many it got. */
static inline size_t
fake_take(struct fake *fake, size_t size)
{
	if (fake->send == NULL)
		return 0;
	size_t taken = size < fake->sending_size ? size : fake->sending_size;
	fake_send_end(fake, (int32_t)taken);
	return taken;
}

/* Completes what was cancelled, as a turn of the loop would. */
static inline void
fake_turn(struct fake *fake)
{
	if (fake->receive_cancelled)
		fake_receive_end(fake, -(int32_t)FROE_CANCELLED);
	if (fake->send_cancelled)
		fake_send_end(fake, -(int32_t)FROE_CANCELLED);
}

#endif
