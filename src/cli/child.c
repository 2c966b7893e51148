/*
 * One poll() over the child's pipes, its pidfd and the wake-up. When the process has ended, what
 * its group left behind is killed, what is in the pipes is read without waiting for an end (a
 * process that left the group may hold them open), and only then it is reaped.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
#endif
#include "cli/child.h"

#include "base/json.h"
#include "base/mem.h"
#include "froe/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define LINE_SIZE_MAX FROE_LOG_LINE_BYTES_MAX

uint64_t
child_now_ns(void)
{
	struct timespec at;
	froe_assert(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* -------------------------------------------------------------------------------- starting */

struct pipes {
	int in[2], out[2], err[2];
};

static void
pipes_close(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&pipes->in[i]);
		close_fd(&pipes->out[i]);
		close_fd(&pipes->err[i]);
	}
}

static enum froe_err
pipes_open(struct pipes *pipes, struct froe_fault *fault)
{
	*pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(pipes->in, O_CLOEXEC) == 0 && pipe2(pipes->out, O_CLOEXEC) == 0 &&
	    pipe2(pipes->err, O_CLOEXEC) == 0)
		return FROE_OK;
	enum froe_err err = fault_set_errno(fault, errno, "pipe");
	pipes_close(pipes);
	return err;
}

/* A group of its own; no signal blocked or ignored, whatever this process does with them. */
static int
spawn(pid_t *ret_pid, char *const *argv, char *const *environment, const struct pipes *pipes)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	froe_assert(posix_spawn_file_actions_init(&actions) == 0);
	froe_assert(posix_spawnattr_init(&attributes) == 0);
	posix_spawn_file_actions_adddup2(&actions, pipes->in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes->out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes->err[1], STDERR_FILENO);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int result = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

static int
take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	froe_assert(fcntl(taken, F_SETFL, O_NONBLOCK) == 0);
	return taken;
}

enum froe_err
child_start(struct child *child, char *const *argv, char *const *environment, struct bytes input,
    struct froe_fault *fault)
{
	struct pipes pipes;
	enum froe_err err = pipes_open(&pipes, fault);
	if (err != FROE_OK)
		return err;
	int result = spawn(&child->pid, argv, environment, &pipes);
	if (result != 0) {
		pipes_close(&pipes);
		return fault_set_errno(fault, result, "cannot run %s", argv[0]);
	}
	child->in = take_fd(&pipes.in[1]);
	child->out = take_fd(&pipes.out[0]);
	child->err = take_fd(&pipes.err[0]);
	pipes_close(&pipes);
	child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	child->input = input;
	child->stop = CHILD_RUNS;
	child->kill_ns = UINT64_MAX;
	child->status = 0;
	child->ended = false;
	child->last[0] = 0;
	buf_init(&child->output);
	buf_init(&child->line);
	return FROE_OK;
}

/* ----------------------------------------------------------------------------------- pipes */

/* A line as text: what is not UTF-8, and zero bytes, become "?". */
static void
line_emit(struct child *child)
{
	size_t size = buf_used(&child->line);
	if (size > LINE_SIZE_MAX)
		size = LINE_SIZE_MAX;
	char *text = mem_alloc(size + 1);
	memcpy(text, buf_bytes(&child->line).data, size);
	text[size] = 0;
	bool valid = utf8_valid(text, size);
	for (size_t i = 0; i < size && !valid; i++) {
		if ((uint8_t)text[i] >= 0x80 || text[i] == 0)
			text[i] = '?';
	}
	if (size > 0 && text[size - 1] == '\r')
		text[size - 1] = 0;
	if (text[0] != 0) {
		snprintf(child->last, sizeof(child->last), "%s", text);
		child->on_line(child->context, text);
	}
	mem_free(text);
}

static void
lines_take(struct child *child, const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t part = end != NULL ? (size_t)(end - data) : size;
		size_t room = LINE_SIZE_MAX - buf_used(&child->line);
		bool whole = end != NULL && part <= room;
		if (part > room)
			part = room; /* a longer line is cut into several */
		buf_push(&child->line, data, part);
		if (whole || part == room) {
			line_emit(child);
			buf_reset(&child->line);
		}
		part += whole ? 1 : 0;
		data += part;
		size -= part;
	}
}

/* False: nothing more to read now. */
static bool
read_out(struct child *child)
{
	uint8_t *at = buf_reserve(&child->output, READ_SIZE);
	ssize_t got = child->out >= 0 ? read(child->out, at, READ_SIZE) : -1;
	if (got > 0) {
		buf_commit(&child->output, (size_t)got);
		if (buf_used(&child->output) > FROE_PAYLOAD_BYTES_MAX) {
			child_end(child, CHILD_FLOODED);
			buf_reset(&child->output);
		}
		return true;
	}
	if (got == 0)
		close_fd(&child->out);
	return false;
}

static bool
read_err(struct child *child)
{
	uint8_t block[8192];
	ssize_t got = child->err >= 0 ? read(child->err, block, sizeof(block)) : -1;
	if (got > 0) {
		lines_take(child, block, (size_t)got);
		return true;
	}
	if (got == 0)
		close_fd(&child->err);
	return false;
}

/* A command that does not read its input is no error. SIGPIPE is ignored by main(). */
static void
write_in(struct child *child)
{
	ssize_t sent = 0;
	if (child->input.size > 0)
		sent = write(child->in, child->input.data, child->input.size);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0) {
		child->input.data += sent;
		child->input.size -= (size_t)sent;
	}
	if (sent < 0 || child->input.size == 0)
		close_fd(&child->in);
}

/* ---------------------------------------------------------------------------------- ending */

void
child_end(struct child *child, enum child_stop why)
{
	if (child->stop != CHILD_RUNS || child->ended)
		return;
	child->stop = why;
	child->kill_ns = child_now_ns() + (uint64_t)CHILD_KILL_MS * 1000000u;
	kill(-child->pid, SIGTERM);
}

static void
child_kill_due(struct child *child)
{
	if (child_now_ns() < child->kill_ns)
		return;
	child->kill_ns = UINT64_MAX;
	kill(-child->pid, SIGKILL);
}

/* Has the process ended? It stays a zombie, and its group's number its own. */
static bool
child_over(const struct child *child)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
	    info.si_pid == child->pid;
}

static void
child_reap(struct child *child)
{
	kill(-child->pid, SIGKILL);
	for (unsigned i = 0; i < 1024 && read_out(child); i++)
		continue; /* bounded: whoever left the group may go on writing */
	for (unsigned i = 0; i < 1024 && read_err(child); i++)
		continue;
	if (buf_used(&child->line) > 0)
		line_emit(child);
	buf_reset(&child->line);
	while (waitpid(child->pid, &child->status, 0) < 0)
		froe_assert(errno == EINTR);
	child->ended = true;
}

static int
poll_ms(const struct child *child, int timeout_ms)
{
	uint64_t now = child_now_ns();
	if (child->pid_fd < 0 && timeout_ms > 20)
		timeout_ms = 20; /* a kernel without pidfd: look now and then */
	if (child->kill_ns == UINT64_MAX)
		return timeout_ms;
	uint64_t left_ms = child->kill_ns > now ? (child->kill_ns - now) / 1000000u + 1 : 0;
	return left_ms < (uint64_t)timeout_ms ? (int)left_ms : timeout_ms;
}

void
child_step(struct child *child, int wake_fd, int timeout_ms)
{
	struct pollfd polls[] = {
	    {.fd = child->pid_fd, .events = POLLIN},
	    {.fd = child->out, .events = POLLIN},
	    {.fd = child->err, .events = POLLIN},
	    {.fd = child->in, .events = POLLOUT},
	    {.fd = wake_fd, .events = POLLIN},
	};
	froe_assert(!child->ended);
	if (poll(polls, 5, poll_ms(child, timeout_ms)) < 0)
		froe_assert(errno == EINTR);
	child_kill_due(child);
	if (child_over(child)) {
		child_reap(child);
		return;
	}
	if (polls[1].revents != 0)
		read_out(child);
	if (polls[2].revents != 0)
		read_err(child);
	if (polls[3].revents != 0)
		write_in(child);
}

void
child_release(struct child *child)
{
	if (!child->ended) {
		kill(-child->pid, SIGKILL);
		while (!child->ended)
			child_step(child, -1, 1000);
	}
	close_fd(&child->pid_fd);
	close_fd(&child->in);
	close_fd(&child->out);
	close_fd(&child->err);
	buf_release(&child->output);
	buf_release(&child->line);
}
