/*
 * tests/crash/process: the server's and the workers' processes, to be killed.
 *
 * Purpose     Starts, kills and waits for them, each by its pid; all die with the driver.
 * Ownership   the caller embeds them; the strings they name outlive them.
 * Failure     what the machine refuses (fork, pipe) ends the driver; what the server does wrong is
 *             returned.
 */
#ifndef CRASH_PROCESS_H
#define CRASH_PROCESS_H

#include "crash/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PROCESS_PATH 1024
#define PROCESS_ARGS 24

static inline _Noreturn void
process_die(const char *what)
{
	fprintf(stderr, "crash: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* snprintf that must fit: a path that was cut would name another file. */
static inline void
process_path(char to[PROCESS_PATH], const char *format, ...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(to, PROCESS_PATH, format, args);
	va_end(args);
	if (size < 0 || size >= PROCESS_PATH) {
		errno = ENAMETOOLONG;
		process_die(format);
	}
}

/* `keep` stays open in the new process (-1: none); output is appended to `log`. */
static inline pid_t
process_start(const char *const *argv, const char *log, int keep, const char *failpoint)
{
	pid_t driver = getpid();
	pid_t pid;

	/* Not after the fork: the driver has threads, one of which may hold malloc's lock. */
	if (failpoint != NULL)
		setenv("FROE_FAILPOINT", failpoint, 1);
	else
		unsetenv("FROE_FAILPOINT");
	pid = fork();
	if (pid < 0)
		process_die("fork");
	if (pid == 0) {
		int out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != driver || out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(125);
		if (keep >= 0)
			fcntl(keep, F_SETFD, 0);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	return pid;
}

/* Sends the signal (0: none) and waits for the end; the wait status. */
static inline int
process_end(pid_t pid, int number)
{
	int status = 0;

	if (number != 0)
		kill(pid, number);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			process_die("waitpid");
	}
	return status;
}

/* It has ended, and stays to be waited for. */
static inline bool
process_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == pid;
}

/* ------------------------------------------------------------------------------------- server */

struct server {
	const char *binary;
	const char *io; /* NULL: the server's choice */
	const char *const *options; /* more of them, NULL at the end; NULL: none */
	char data[PROCESS_PATH];
	char log[PROCESS_PATH];
	char address[64]; /* 127.0.0.1:0 until it was ready for the first time */
	pid_t pid;
	int ready; /* its end of the pipe; -1: closed */
};

static inline void
server_init(struct server *server, const char *out, const char *dir, const char *io,
    char binary[PROCESS_PATH])
{
	process_path(binary, "%s/froe", out);
	process_path(server->data, "%s/data", dir);
	process_path(server->log, "%s/server.log", dir);
	server->binary = binary;
	server->io = io;
	server->options = NULL;
	strcpy(server->address, "127.0.0.1:0");
	server->pid = 0;
	server->ready = -1;
}

static inline void
server_spawn(struct server *server, const char *failpoint)
{
	char fd[16];
	int pair[2];
	const char *argv[PROCESS_ARGS] = {server->binary, "server", "--data", server->data,
	    "--auth", "off", "--segment-bytes", "1048576", "--snapshot-bytes", "1", "--listen",
	    server->address, "--ready-fd", fd};
	size_t count = 14;

	if (server->io != NULL) {
		argv[count++] = "--io";
		argv[count++] = server->io;
	}
	for (size_t i = 0; server->options != NULL && server->options[i] != NULL; i++)
		argv[count++] = server->options[i];
	if (pipe2(pair, O_CLOEXEC) != 0)
		process_die("pipe");
	snprintf(fd, sizeof(fd), "%d", pair[1]);
	server->pid = process_start(argv, server->log, pair[1], failpoint);
	server->ready = pair[0];
	close(pair[1]);
}

/* Waits for "ready ADDRESS"; false: it ended, or was not ready in time. */
static inline bool
server_ready(struct server *server, int within_ms)
{
	char line[128];
	size_t have = 0;
	uint64_t by_ns = ledger_now_ns() + (uint64_t)within_ms * LEDGER_NS_PER_MS;

	while (have < sizeof(line) - 1 && (have == 0 || line[have - 1] != '\n')) {
		struct pollfd wait = {.fd = server->ready, .events = POLLIN};
		uint64_t now_ns = ledger_now_ns();
		int left_ms = now_ns < by_ns ? (int)((by_ns - now_ns) / LEDGER_NS_PER_MS) + 1 : 0;

		if (poll(&wait, 1, left_ms) <= 0 || read(server->ready, line + have, 1) != 1)
			return false;
		have++;
	}
	line[have > 0 ? have - 1 : 0] = 0;
	return sscanf(line, "ready %63s", server->address) == 1;
}

static inline int
server_end(struct server *server, int number)
{
	int status = process_end(server->pid, number);

	close(server->ready);
	server->ready = -1;
	server->pid = 0;
	return status;
}

/* `froe log verify` of a store that nobody serves; the exit status. */
static inline int
server_verify(const struct server *server)
{
	const char *argv[] = {server->binary, "log", "verify", "--data", server->data, NULL};
	int status = process_end(process_start(argv, server->log, -1, NULL), 0);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ------------------------------------------------------------------------------------ workers */

struct worker {
	char binary[PROCESS_PATH];
	char log[PROCESS_PATH];
	char ledger[PROCESS_PATH];
	char id[FROE_ID_TEXT_SIZE]; /* the same in every incarnation */
	pid_t pid;
};

static inline void
worker_init(struct worker *worker, const char *out, const char *dir, unsigned number)
{
	process_path(worker->binary, "%s/tests/crash/worker", out);
	process_path(worker->log, "%s/worker-%u.log", dir, number);
	process_path(worker->ledger, "%s/ledger", dir);
	snprintf(worker->id, sizeof(worker->id), "0190aaaa-0000-7000-8000-0000%08x", number + 1);
	worker->pid = 0;
}

static inline void
worker_start(struct worker *worker, const char *address, const char *slots)
{
	const char *argv[] =
	    {worker->binary, address, worker->ledger, worker->id, slots, NULL};

	worker->pid = process_start(argv, worker->log, -1, NULL);
}

static inline int
worker_end(struct worker *worker, int number)
{
	int status = process_end(worker->pid, number);

	worker->pid = 0;
	return status;
}


/* The end of a file, for a failure's report. */
static inline void
process_show(const char *path, long bytes)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (file == NULL)
		return;
	if (fseek(file, -bytes, SEEK_END) != 0)
		rewind(file);
	printf("  the end of %s:\n", path);
	while (fgets(line, sizeof(line), file) != NULL)
		printf("  | %s", line);
	fclose(file);
}

static inline int
process_remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* A directory with all that is in it; what is mounted below stays. */
static inline void
process_remove_tree(const char *path)
{
	nftw(path, process_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

#endif
