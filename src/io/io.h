/*
 * io/io: the I/O seam. Time, randomness, files and sockets all pass here.
 *
 * Purpose     One interface, three implementations: io_uring (io/uring.c), posix with epoll and
 *             pwritev2 (io/posix.c), and the simulator (io/sim.c). `struct io_env` is the world:
 *             clocks, dice, the file system. `struct io` is one loop in it: sockets and
 *             asynchronous file operations with completions.
 * Ownership   The caller embeds a struct io_op in the object it concerns. From start to completion
 *             the op and its buffer are lent to the kernel: do not touch, move or free them.
 * Threading   A struct io is used by the thread that opened it, except io_wake(), which any
 *             thread may call. The blocking calls of io_env may be used from any thread.
 * Failure     Results are >= 0 or -(enum froe_err). errno never leaves src/io.
 * See         docs/decisions/0002-io-seam.md
 */
#ifndef IO_IO_H
#define IO_IO_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;
struct io_op;

/* ------------------------------------------------------------------ the world: blocking calls */

enum io_open_flags {
	IO_OPEN_READ = 1 << 0,
	IO_OPEN_WRITE = 1 << 1,
	IO_OPEN_CREATE = 1 << 2, /* create if absent */
	IO_OPEN_EXCLUSIVE = 1 << 3, /* with CREATE: fail if present */
	IO_OPEN_DIRECT = 1 << 4, /* O_DIRECT where the file system has it */
	IO_OPEN_DSYNC = 1 << 5,  /* a write completes when it is durable */
};

/* A directory entry's name, for io_list. Return false to stop. */
typedef bool io_list_fn(void *context, const char *name);

struct io_space {
	uint64_t total_bytes;
	uint64_t free_bytes;
};

struct io_traits {
	uint32_t block_bytes; /* required alignment of direct I/O; 4096 at least */
	bool direct;          /* false: the file system buffers silently (tmpfs) */
	const char *warning;  /* NULL, or why this file system is not a tested one */
};

/* The vtable of a world. Call through the io_* functions below. */
struct io_env;
struct io_env_ops {
	uint64_t (*mono_ns)(struct io_env *env); /* CLOCK_BOOTTIME: never decreases */
	uint64_t (*wall_ns)(struct io_env *env); /* CLOCK_REALTIME */
	void (*random)(struct io_env *env, void *to, size_t size);

	enum froe_err (*open)(struct io_env *env, const char *path, unsigned flags, int *ret_file,
	    struct froe_fault *fault);
	void (*close)(struct io_env *env, int file);
	enum froe_err (*size)(struct io_env *env, int file, uint64_t *ret_size,
	    struct froe_fault *fault);
	/* Whole reads and writes at an offset; a read past the end is FROE_CORRUPT. */
	enum froe_err (*read)(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
	    struct froe_fault *fault);
	enum froe_err (*write)(struct io_env *env, int file, const void *from, size_t size,
	    uint64_t offset, struct froe_fault *fault);
	enum froe_err (*allocate)(struct io_env *env, int file, uint64_t size,
	    struct froe_fault *fault);
	enum froe_err (*sync)(struct io_env *env, int file, struct froe_fault *fault);
	enum froe_err (*rename)(struct io_env *env, const char *from, const char *to,
	    struct froe_fault *fault);
	enum froe_err (*unlink)(struct io_env *env, const char *path, struct froe_fault *fault);
	enum froe_err (*mkdir)(struct io_env *env, const char *path, struct froe_fault *fault);
	enum froe_err (*sync_dir)(struct io_env *env, const char *path, struct froe_fault *fault);
	enum froe_err (*list)(struct io_env *env, const char *path, io_list_fn *each, void *context,
	    struct froe_fault *fault);
	/* An exclusive lock on a file, held until close; tried once, or `wait` for nearly a second,
	 * then IN_USE. */
	enum froe_err (*lock)(struct io_env *env, int file, bool wait, struct froe_fault *fault);
	enum froe_err (*space)(struct io_env *env, const char *path, struct io_space *ret_space,
	    struct froe_fault *fault);
	enum froe_err (*traits)(struct io_env *env, const char *path, struct io_traits *ret_traits,
	    struct froe_fault *fault);

	enum froe_err (*loop_open)(
	    struct io_env *env, struct io **ret_io, struct froe_fault *fault);
};

struct io_env {
	const struct io_env_ops *ops;
	const char *name; /* "io_uring", "posix", "sim" */
};

/* The real worlds. Static: they are never freed and hold no state that changes. */
struct io_env *io_env_uring(void);
struct io_env *io_env_posix(void);

/* Is io_uring usable here (kernel >= 6.1, not refused)? If not, *fault says why in one line that
 * names kernel.io_uring_disabled or the container's seccomp profile. */
enum froe_err io_uring_check(struct froe_fault *fault);

/* ------------------------------------------------------------------------- one loop: its ops */

enum io_kind {
	IO_NONE, /* not started, or completed */
	IO_ACCEPT,
	IO_RECEIVE,
	IO_SEND,
	IO_READ,
	IO_WRITE,
};

/* A completion handler decides nothing: it records the result and queues the object.
 * It may start operations, also the same one again (the op is free when it is called, except a
 * multishot one that goes on: io_op_active() tells). It must not call io_step. */
typedef void io_done(struct io_op *op, int32_t result);

#define IO_OP_MAGIC 0x696f6f70u

struct io_op {
	uint32_t magic; /* set by io_op_init, checked on completion */
	enum io_kind kind;
	io_done *done;
	/* IO_RECEIVE: the bytes received, valid during `done` only. */
	const uint8_t *data;
	/* Private to the implementation. */
	int file;
	bool cancelled;
	bool ready; /* posix: in the ready list */
	void *buffer;
	size_t size;
	uint64_t offset;
	struct io_op *next;
	struct io_op *prev;
	uint64_t due_ns; /* sim */
};

struct io_stats {
	uint64_t turns;       /* io_step calls that entered the kernel */
	uint64_t completions; /* handlers called */
	uint64_t wakes;
	uint64_t quick; /* how often cores were asked to be quick */
};

struct io_ops {
	void (*close)(struct io *io);
	void (*accept)(struct io *io, struct io_op *op, int listener);
	void (*receive)(struct io *io, struct io_op *op, int socket);
	void (*send)(struct io *io, struct io_op *op, int socket, const void *from, size_t size);
	void (*read)(struct io *io, struct io_op *op, int file, void *to, size_t size,
	    uint64_t offset);
	void (*write)(struct io *io, struct io_op *op, int file, const void *from, size_t size,
	    uint64_t offset);
	void (*cancel)(struct io *io, struct io_op *op);
	void (*socket_close)(struct io *io, int socket);
	void (*step)(struct io *io, uint64_t deadline_mono_ns);
	void (*wake)(struct io *io);
	enum froe_err (*register_buffers)(struct io *io, void *base, size_t size,
	    struct froe_fault *fault);
};

struct io {
	const struct io_ops *ops;
	struct io_env *env;
	struct io_stats stats;
	uint64_t poll_ns_max; /* 0: never; see io_poll */
	int quick_file;       /* -1: none; see io_quick */
};

static inline void
io_op_init(struct io_op *op, io_done *done)
{
	*op = (struct io_op){.magic = IO_OP_MAGIC, .done = done, .file = -1};
}

static inline bool
io_op_active(const struct io_op *op)
{
	return op->kind != IO_NONE;
}

/*
 * The operations. Each completes exactly once by calling op->done(op, result), also after a
 * cancel; accept and receive are multishot: they complete once an event, and end only with a
 * result <= 0 (receive) or < 0 (accept), after which io_op_active() is false.
 *
 * accept    result: a connected, non-blocking, TCP_NODELAY socket.
 * receive   result > 0: bytes at op->data, during the handler only; 0: the peer closed; < 0: error.
 *           io_cancel() on it pauses reading (the handler is called once with -FROE_CANCELLED);
 *           io_receive() starts it again; no byte is lost between.
 * send      result: bytes sent, possibly fewer than size: the caller goes on with the rest.
 * read      result: bytes read, possibly fewer.
 * write     durable when it completes if the file was opened with IO_OPEN_DSYNC. result: bytes
 *           written, possibly fewer: the caller goes on with the rest.
 */
static inline void
io_accept(struct io *io, struct io_op *op, int listener)
{
	froe_assert(op->magic == IO_OP_MAGIC && op->kind == IO_NONE);
	io->ops->accept(io, op, listener);
}

static inline void
io_receive(struct io *io, struct io_op *op, int socket)
{
	froe_assert(op->magic == IO_OP_MAGIC && op->kind == IO_NONE);
	io->ops->receive(io, op, socket);
}

static inline void
io_send(struct io *io, struct io_op *op, int socket, const void *from, size_t size)
{
	froe_assert(op->magic == IO_OP_MAGIC && op->kind == IO_NONE);
	io->ops->send(io, op, socket, from, size);
}

static inline void
io_read(struct io *io, struct io_op *op, int file, void *to, size_t size, uint64_t offset)
{
	froe_assert(op->magic == IO_OP_MAGIC && op->kind == IO_NONE);
	io->ops->read(io, op, file, to, size, offset);
}

static inline void
io_write(struct io *io, struct io_op *op, int file, const void *from, size_t size, uint64_t offset)
{
	froe_assert(op->magic == IO_OP_MAGIC && op->kind == IO_NONE);
	io->ops->write(io, op, file, from, size, offset);
}

/* Asks an active op to end soon; its handler is still called, once more. Harmless if inactive. */
static inline void
io_cancel(struct io *io, struct io_op *op)
{
	io->ops->cancel(io, op);
}

/* Closes a socket that no active op uses. */
static inline void
io_socket_close(struct io *io, int socket)
{
	io->ops->socket_close(io, socket);
}

/* One turn: submits what was started, waits until something completes, someone wakes the loop or
 * the deadline (in mono_ns; 0: do not wait; UINT64_MAX: no deadline) passes, and calls the
 * handlers of all that has completed. One system call when there is nothing to wait for twice. */
static inline void
io_step(struct io *io, uint64_t deadline_mono_ns)
{
	io->ops->step(io, deadline_mono_ns);
}

/* From any thread: makes the io_step of `io` that runs, or the next one, return soon. Wakes
 * coalesce. The waker uses its own ring (IORING_OP_MSG_RING) when it has one, else an eventfd. */
static inline void
io_wake(struct io *io)
{
	io->ops->wake(io);
}

/* Tells the kernel that writes will come out of [base, base+size) (io_uring: registered buffers,
 * WRITE_FIXED). Optional: a refusal (memlock limit) is a fault the caller may survive. */
static inline enum froe_err
io_register_buffers(struct io *io, void *base, size_t size, struct froe_fault *fault)
{
	return io->ops->register_buffers(io, base, size, fault);
}

static inline enum froe_err
io_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault)
{
	return env->ops->loop_open(env, ret_io, fault);
}

static inline void
io_close(struct io *io) /* cancels what is active; no handler is called any more */
{
	io->ops->close(io);
}

/* A wait that is likely to be shorter than this may be spent looking: then what comes does not have
 * to wake a core. A backend for which that is not quicker takes no notice. */
static inline void
io_poll(struct io *io, uint64_t ns_max)
{
	io->poll_ns_max = ns_max;
}

/* `file` of quick_open(), open until io_close. While waits are short, cores are asked to be quick;
 * that is taken back when nothing has come for 10 ms. A backend may take no notice. */
static inline void
io_quick(struct io *io, int file)
{
	io->quick_file = file;
}

/* ---------------------------------------------------------- sockets, for composition and tests */

/* "127.0.0.1:7077", "[::1]:0", "localhost:7077": a listening socket, and the port it got. An
 * address in use is tried again for five seconds: who was just killed may still have it. */
enum froe_err io_listen(const char *address, int *ret_socket, uint16_t *ret_port,
    struct froe_fault *fault);

/* A Unix socket at `dir`/`name`, mode 0600. One that is there already is replaced: the caller holds
 * a lock that says nobody listens on it. A path that is too long for the kernel's structure is
 * reached through a descriptor of the directory. */
enum froe_err io_listen_unix(const char *dir, const char *name, int *ret_socket,
    struct froe_fault *fault);

/* Who is at the other end of a connected socket. */
struct io_peer {
	enum {
		IO_PEER_UNKNOWN,
		IO_PEER_INET,
		IO_PEER_UNIX,
	} kind;
	uint8_t address[16]; /* INET: IPv6, or IPv4 mapped into it */
	uint16_t port;
	bool loopback;       /* INET: it is this machine */
	uint32_t uid;        /* UNIX: of the process that connected */
};
void io_peer_find(int socket, struct io_peer *ret_peer);

#define IO_PEER_SIZE 64u
/* "192.0.2.7:40312", "[2001:db8::1]:40312", "uid 1000", "unknown". */
void io_peer_format(const struct io_peer *peer, char to[IO_PEER_SIZE]);

/* ----------------------------------------------------------------- shorthands over the vtable */

static inline uint64_t
io_mono_ns(struct io_env *env)
{
	return env->ops->mono_ns(env);
}

static inline uint64_t
io_wall_ns(struct io_env *env)
{
	return env->ops->wall_ns(env);
}

static inline void
io_random(struct io_env *env, void *to, size_t size)
{
	env->ops->random(env, to, size);
}

#endif
