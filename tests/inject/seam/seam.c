/*
 * tests/inject/seam: the froe command with a failure in one of its system calls or allocations.
 *
 *     FROE_INJECT=MODE:N           the N-th call that can fail so, does (from 1; 0: none)
 *     FROE_INJECT=MODE+:N          it and all later ones
 *     FROE_INJECT_REPORT=FILE      a line "failed MODE CALL SUBJECT" for each, "all MODE COUNT" at
 *                                  the end
 *
 * The same objects as froe, linked with --wrap: what they call passes here, LMDB's calls too, which
 * is linked statically. A call that fails has had no effect; one that is short has had half.
 *
 * Modes. eio, enospc, emfile, eintr: calls that may say that. short: reads and writes of files that
 * do a part. net: what a socket or epoll says on the loop. alloc: memory. ring: an operation of
 * io_uring on a file, or a socket, ends with an error; ringshort: one on a file does a part.
 *
 * Not wrapped: what the C library, OpenSSL and liburing do among themselves.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SEAM_NAME_BYTES 256
#define SEAM_PART(size)                                                                            \
	((size) > 4096 ? (size) / 2 / 4096 * 4096 + ((size) / 2 < 4096) * 4096 : 512)

enum seam_mode {
	SEAM_EIO = 1 << 0,
	SEAM_ENOSPC = 1 << 1,
	SEAM_EMFILE = 1 << 2,
	SEAM_EINTR = 1 << 3,
	SEAM_SHORT = 1 << 4,
	SEAM_NET = 1 << 5,
	SEAM_ALLOC = 1 << 6,
	SEAM_RING = 1 << 7,
	SEAM_RINGSHORT = 1 << 8,
};

static const struct {
	const char *name;
	enum seam_mode mode;
	int error;
} seam_modes[] = {
    {"eio", SEAM_EIO, EIO},
    {"enospc", SEAM_ENOSPC, ENOSPC},
    {"emfile", SEAM_EMFILE, EMFILE},
    {"eintr", SEAM_EINTR, EINTR},
    {"short", SEAM_SHORT, 0},
    {"net", SEAM_NET, 0},
    {"alloc", SEAM_ALLOC, ENOMEM},
    {"ring", SEAM_RING, 0},
    {"ringshort", SEAM_RINGSHORT, 0},
};

/* Of the process, since the wrapped functions are. Set before main(). */
static struct {
	unsigned mode; /* 0: nothing fails */
	const char *name;
	int error;
	uint64_t at;
	bool onwards;
	const char *report;
	atomic_uint_fast64_t count;
} seam;

/* REAL(int, close, (int fd)) declares the function itself; the wrapper is to be defined. */
#define REAL(type, name, args)                                                                     \
	type __real_##name args;                                                                   \
	type __wrap_##name args

REAL(int, open, (const char *path, int flags, ...));
REAL(int, close, (int fd));
REAL(int, fstat, (int fd, struct stat *status));
REAL(ssize_t, read, (int fd, void *to, size_t size));
REAL(ssize_t, write, (int fd, const void *from, size_t size));
REAL(ssize_t, pread, (int fd, void *to, size_t size, off_t offset));
REAL(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t offset));
REAL(ssize_t, writev, (int fd, const struct iovec *parts, int count));
REAL(int, fallocate, (int fd, int mode, off_t offset, off_t size));
REAL(int, ftruncate, (int fd, off_t size));
REAL(int, fdatasync, (int fd));
REAL(int, fsync, (int fd));
REAL(int, msync, (void *at, size_t size, int flags));
REAL(int, flock, (int fd, int operation));
REAL(int, fstatfs, (int fd, struct statfs *status));
REAL(int, stat, (const char *path, struct stat *status));
REAL(int, statfs, (const char *path, struct statfs *status));
REAL(int, statvfs, (const char *path, struct statvfs *status));
REAL(int, mkdir, (const char *path, mode_t mode));
REAL(int, rename, (const char *from, const char *to));
REAL(int, unlink, (const char *path));
REAL(DIR *, opendir, (const char *path));
REAL(struct dirent *, readdir, (DIR * dir));
REAL(FILE *, fopen, (const char *path, const char *mode));
REAL(int, socket, (int family, int type, int protocol));
REAL(int, bind, (int fd, const struct sockaddr *address, socklen_t size));
REAL(int, listen, (int fd, int backlog));
REAL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size));
REAL(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags));
REAL(ssize_t, recv, (int fd, void *to, size_t size, int flags));
REAL(ssize_t, send, (int fd, const void *from, size_t size, int flags));
REAL(int, epoll_create1, (int flags));
REAL(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event));
REAL(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int timeout));
REAL(int, epoll_pwait2,
    (int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
	const sigset_t *mask));
REAL(int, eventfd, (unsigned value, int flags));
REAL(ssize_t, getrandom, (void *to, size_t size, unsigned flags));
REAL(int, pthread_create,
    (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context));
REAL(void *, malloc, (size_t size));
REAL(void *, calloc, (size_t count, size_t size));
REAL(void *, realloc, (void *block, size_t size));
REAL(int, posix_memalign, (void **block, size_t alignment, size_t size));
REAL(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset));
REAL(int, io_uring_submit, (struct io_uring * ring));
REAL(int, io_uring_submit_and_get_events, (struct io_uring * ring));
REAL(int, io_uring_submit_and_wait_timeout,
    (struct io_uring * ring, struct io_uring_cqe **entry, unsigned count,
	struct __kernel_timespec *timeout, sigset_t *mask));

/* ----------------------------------------------------------------------------------- the seam */

static void
seam_say(const char *what, const char *call, const char *subject)
{
	char line[SEAM_NAME_BYTES + 96];
	int size = snprintf(line, sizeof(line), "%s %s %s %s\n", what, seam.name, call, subject);

	if (seam.report == NULL)
		return;
	int fd = __real_open(seam.report, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || __real_write(fd, line, (size_t)size) != size)
		_exit(125);
	__real_close(fd);
}

__attribute__((constructor)) static void
seam_begin(void)
{
	const char *text = getenv("FROE_INJECT");
	const char *colon = text != NULL ? strrchr(text, ':') : NULL;

	if (colon == NULL)
		return;
	size_t size = (size_t)(colon - text);
	seam.onwards = size > 0 && colon[-1] == '+';
	size -= seam.onwards ? 1 : 0;
	for (size_t i = 0; i < sizeof(seam_modes) / sizeof(seam_modes[0]); i++) {
		if (strlen(seam_modes[i].name) != size ||
		    strncmp(seam_modes[i].name, text, size) != 0)
			continue;
		seam.name = seam_modes[i].name;
		seam.error = seam_modes[i].error;
		seam.mode = seam_modes[i].mode;
	}
	seam.at = strtoull(colon + 1, NULL, 10);
	seam.report = getenv("FROE_INJECT_REPORT");
	if (seam.mode == 0)
		_exit(125);
}

__attribute__((destructor)) static void
seam_end(void)
{
	char count[24];

	if (seam.mode == 0)
		return;
	snprintf(count, sizeof(count), "%llu", (unsigned long long)atomic_load(&seam.count));
	seam_say("all", count, "");
}

/* Counts a call that can fail so. Is it the one? */
static bool
seam_hits(const char *call, const char *subject)
{
	uint64_t count = atomic_fetch_add(&seam.count, 1) + 1;

	if (seam.at == 0 || (seam.onwards ? count < seam.at : count != seam.at))
		return false;
	seam_say("failed", call, subject);
	return true;
}

/* Of a call about a path. */
static bool
seam_path(unsigned can, const char *call, const char *path)
{
	/* What is asked of the kernel's own files does not fail so. */
	if ((seam.mode & can) == 0 || strncmp(path, "/proc/", 6) == 0)
		return false;
	if (!seam_hits(call, path))
		return false;
	errno = seam.error;
	return true;
}

/* Of a call about a file that is open: not about a pipe or a socket. */
static bool
seam_file(unsigned can, const char *call, int fd)
{
	struct stat status;
	char link[32], name[SEAM_NAME_BYTES] = "?";

	if ((seam.mode & can) == 0 || fd <= 2 || __real_fstat(fd, &status) != 0)
		return false;
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t size = readlink(link, name, sizeof(name) - 1);
	name[size > 0 ? size : 1] = 0;
	/* LMDB takes an interrupted call for a failed one: Linux does not interrupt these on a
	 * local disk. */
	if ((seam.mode & SEAM_EINTR) != 0 && strstr(name, "/index/") != NULL)
		return false;
	if (!seam_hits(call, name))
		return false;
	errno = seam.error;
	return true;
}

/* Of a call about a socket or a loop, which then says `error`. */
static bool
seam_net(const char *call, int error)
{
	if ((seam.mode & SEAM_NET) == 0 || !seam_hits(call, ""))
		return false;
	errno = error;
	return true;
}

static bool
seam_plain(unsigned can, const char *call)
{
	if ((seam.mode & can) == 0 || !seam_hits(call, ""))
		return false;
	errno = seam.error;
	return true;
}

/* -------------------------------------------------------------------------------------- files */

int
__wrap_open(const char *path, int flags, ...)
{
	unsigned can = SEAM_EIO | SEAM_EMFILE | SEAM_EINTR;
	va_list args;

	va_start(args, flags);
	int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0;
	va_end(args);
	if ((flags & O_CREAT) != 0)
		can |= SEAM_ENOSPC;
	if (strstr(path, "/index/") != NULL)
		can &= ~(unsigned)SEAM_EINTR;
	return seam_path(can, "open", path) ? -1 : __real_open(path, flags, mode);
}

/* Linux gives the descriptor back whatever it says. */
int
__wrap_close(int fd)
{
	bool fails = seam_file(SEAM_EIO | SEAM_EINTR, "close", fd);
	int failed = __real_close(fd);

	if (!fails)
		return failed;
	errno = seam.error;
	return -1;
}

int
__wrap_fstat(int fd, struct stat *status)
{
	return seam_file(SEAM_EIO, "fstat", fd) ? -1 : __real_fstat(fd, status);
}

ssize_t
__wrap_read(int fd, void *to, size_t size)
{
	if (size > 1 && seam_file(SEAM_SHORT, "read", fd))
		size = size / 2;
	return seam_file(SEAM_EIO | SEAM_EINTR, "read", fd) ? -1 : __real_read(fd, to, size);
}

ssize_t
__wrap_write(int fd, const void *from, size_t size)
{
	if (size > 1 && seam_file(SEAM_SHORT, "write", fd))
		size = size / 2;
	return seam_file(SEAM_EIO | SEAM_ENOSPC | SEAM_EINTR, "write", fd)
		   ? -1
		   : __real_write(fd, from, size);
}

ssize_t
__wrap_pread(int fd, void *to, size_t size, off_t offset)
{
	if (size >= 1024 && seam_file(SEAM_SHORT, "pread", fd))
		size = SEAM_PART(size);
	return seam_file(SEAM_EIO | SEAM_EINTR, "pread", fd) ? -1
							     : __real_pread(fd, to, size, offset);
}

ssize_t
__wrap_pwrite(int fd, const void *from, size_t size, off_t offset)
{
	if (size >= 1024 && seam_file(SEAM_SHORT, "pwrite", fd))
		size = SEAM_PART(size);
	return seam_file(SEAM_EIO | SEAM_ENOSPC | SEAM_EINTR, "pwrite", fd)
		   ? -1
		   : __real_pwrite(fd, from, size, offset);
}

ssize_t
__wrap_writev(int fd, const struct iovec *parts, int count)
{
	if (count > 1 && seam_file(SEAM_SHORT, "writev", fd))
		count = 1;
	return seam_file(SEAM_EIO | SEAM_ENOSPC, "writev", fd) ? -1
							       : __real_writev(fd, parts, count);
}

int
__wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
	return seam_file(SEAM_EIO | SEAM_ENOSPC | SEAM_EINTR, "fallocate", fd)
		   ? -1
		   : __real_fallocate(fd, mode, offset, size);
}

int
__wrap_ftruncate(int fd, off_t size)
{
	return seam_file(SEAM_EIO | SEAM_ENOSPC, "ftruncate", fd) ? -1 : __real_ftruncate(fd, size);
}

int
__wrap_fdatasync(int fd)
{
	return seam_file(SEAM_EIO | SEAM_ENOSPC | SEAM_EINTR, "fdatasync", fd)
		   ? -1
		   : __real_fdatasync(fd);
}

int
__wrap_fsync(int fd)
{
	return seam_file(SEAM_EIO | SEAM_ENOSPC | SEAM_EINTR, "fsync", fd) ? -1 : __real_fsync(fd);
}

int
__wrap_msync(void *at, size_t size, int flags)
{
	return seam_plain(SEAM_EIO, "msync") ? -1 : __real_msync(at, size, flags);
}

int
__wrap_flock(int fd, int operation)
{
	return seam_file(SEAM_EIO | SEAM_EINTR, "flock", fd) ? -1 : __real_flock(fd, operation);
}

int
__wrap_fstatfs(int fd, struct statfs *status)
{
	return seam_file(SEAM_EIO, "fstatfs", fd) ? -1 : __real_fstatfs(fd, status);
}

int
__wrap_stat(const char *path, struct stat *status)
{
	return seam_path(SEAM_EIO, "stat", path) ? -1 : __real_stat(path, status);
}

int
__wrap_statfs(const char *path, struct statfs *status)
{
	return seam_path(SEAM_EIO, "statfs", path) ? -1 : __real_statfs(path, status);
}

int
__wrap_statvfs(const char *path, struct statvfs *status)
{
	return seam_path(SEAM_EIO, "statvfs", path) ? -1 : __real_statvfs(path, status);
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
	return seam_path(SEAM_EIO | SEAM_ENOSPC, "mkdir", path) ? -1 : __real_mkdir(path, mode);
}

int
__wrap_rename(const char *from, const char *to)
{
	return seam_path(SEAM_EIO | SEAM_ENOSPC, "rename", from) ? -1 : __real_rename(from, to);
}

int
__wrap_unlink(const char *path)
{
	return seam_path(SEAM_EIO, "unlink", path) ? -1 : __real_unlink(path);
}

DIR *
__wrap_opendir(const char *path)
{
	return seam_path(SEAM_EIO | SEAM_EMFILE, "opendir", path) ? NULL : __real_opendir(path);
}

struct dirent *
__wrap_readdir(DIR *dir)
{
	return seam_file(SEAM_EIO, "readdir", dirfd(dir)) ? NULL : __real_readdir(dir);
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	return seam_path(SEAM_EIO | SEAM_EMFILE, "fopen", path) ? NULL : __real_fopen(path, mode);
}

/* ------------------------------------------------------------------------- sockets and threads */

int
__wrap_socket(int family, int type, int protocol)
{
	return seam_plain(SEAM_EMFILE, "socket") ? -1 : __real_socket(family, type, protocol);
}

int
__wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	return seam_net("bind", EACCES) ? -1 : __real_bind(fd, address, size);
}

int
__wrap_listen(int fd, int backlog)
{
	return seam_net("listen", EOPNOTSUPP) ? -1 : __real_listen(fd, backlog);
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return seam_net("setsockopt", ENOBUFS) ? -1
					       : __real_setsockopt(fd, level, name, value, size);
}

int
__wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	if (seam_net("accept4", ECONNABORTED) || seam_plain(SEAM_EMFILE | SEAM_EINTR, "accept4"))
		return -1;
	return __real_accept4(fd, address, size, flags);
}

ssize_t
__wrap_recv(int fd, void *to, size_t size, int flags)
{
	if (seam_net("recv", ECONNRESET) || seam_plain(SEAM_EINTR, "recv"))
		return -1;
	return __real_recv(fd, to, size, flags);
}

/* Half of it is nothing to wonder at. */
ssize_t
__wrap_send(int fd, const void *from, size_t size, int flags)
{
	if (seam_net("send", EPIPE) || seam_plain(SEAM_EINTR, "send"))
		return -1;
	if (size > 1 && seam_plain(SEAM_SHORT, "send"))
		size /= 2;
	return __real_send(fd, from, size, flags);
}

int
__wrap_epoll_create1(int flags)
{
	return seam_plain(SEAM_EMFILE, "epoll_create1") ? -1 : __real_epoll_create1(flags);
}

int
__wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	if (operation == EPOLL_CTL_ADD && seam_net("epoll_ctl", ENOSPC))
		return -1; /* max_user_watches */
	return __real_epoll_ctl(epoll, operation, fd, event);
}

int
__wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return seam_plain(SEAM_EINTR, "epoll_wait")
		   ? -1
		   : __real_epoll_wait(epoll, events, count, timeout);
}

int
__wrap_epoll_pwait2(int epoll, struct epoll_event *events, int count,
    const struct timespec *timeout, const sigset_t *mask)
{
	if (seam_net("epoll_pwait2", ENOSYS) || seam_plain(SEAM_EINTR, "epoll_pwait2"))
		return -1;
	return __real_epoll_pwait2(epoll, events, count, timeout, mask);
}

int
__wrap_eventfd(unsigned value, int flags)
{
	return seam_plain(SEAM_EMFILE, "eventfd") ? -1 : __real_eventfd(value, flags);
}

ssize_t
__wrap_getrandom(void *to, size_t size, unsigned flags)
{
	if (size > 1 && seam_plain(SEAM_SHORT, "getrandom"))
		size /= 2;
	return seam_plain(SEAM_EINTR, "getrandom") ? -1 : __real_getrandom(to, size, flags);
}

int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context)
{
	return seam_plain(SEAM_EMFILE, "pthread_create")
		   ? EAGAIN
		   : __real_pthread_create(thread, attributes, start, context);
}

/* ------------------------------------------------------------------------------------- memory */

void *
__wrap_malloc(size_t size)
{
	return seam_plain(SEAM_ALLOC, "malloc") ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return seam_plain(SEAM_ALLOC, "calloc") ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *block, size_t size)
{
	return seam_plain(SEAM_ALLOC, "realloc") ? NULL : __real_realloc(block, size);
}

int
__wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
	return seam_plain(SEAM_ALLOC, "posix_memalign")
		   ? ENOMEM
		   : __real_posix_memalign(block, alignment, size);
}

void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return seam_plain(SEAM_ALLOC, "mmap")
		   ? MAP_FAILED
		   : __real_mmap(at, size, protection, flags, fd, offset);
}

/* -------------------------------------------------------------------------------------- a ring */

static bool
seam_is_file(const struct io_uring_sqe *entry)
{
	struct stat status;

	switch (entry->opcode) {
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
		return __real_fstat(entry->fd, &status) == 0 && S_ISREG(status.st_mode);
	default:
		return false;
	}
}

/* The descriptor that it names is none: it has no effect, and says EBADF, which is FROE_IO. */
static void
seam_entry(struct io_uring_sqe *entry)
{
	bool file = seam_is_file(entry);
	bool socket = entry->opcode == IORING_OP_RECV || entry->opcode == IORING_OP_SEND;
	char call[32], link[32], name[SEAM_NAME_BYTES] = "";

	/* A network that is gone for good leaves nobody to ask. */
	if (!file && (!socket || seam.onwards))
		return;
	snprintf(call, sizeof(call), "ring-op-%d", entry->opcode);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", entry->fd);
	ssize_t size = file ? readlink(link, name, sizeof(name) - 1) : 0;
	name[size > 0 ? size : 0] = 0;
	if ((seam.mode & SEAM_RING) != 0) {
		if (seam_hits(call, name))
			entry->fd = -1;
	} else if (file && entry->len >= 1024 && seam_hits(call, name)) {
		entry->len = SEAM_PART(entry->len);
	}
}

/* What is about to be submitted. */
static void
seam_ring(struct io_uring *ring)
{
	if ((seam.mode & (SEAM_RING | SEAM_RINGSHORT)) == 0)
		return;
	for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++)
		seam_entry(&ring->sq.sqes[at & *ring->sq.kring_mask]);
}

int
__wrap_io_uring_submit(struct io_uring *ring)
{
	seam_ring(ring);
	return __real_io_uring_submit(ring);
}

int
__wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
	seam_ring(ring);
	return __real_io_uring_submit_and_get_events(ring);
}

int
__wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **entry,
    unsigned count, struct __kernel_timespec *timeout, sigset_t *mask)
{
	seam_ring(ring);
	return __real_io_uring_submit_and_wait_timeout(ring, entry, count, timeout, mask);
}
