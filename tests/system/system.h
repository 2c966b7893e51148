/*
 * tests/system: a real froe server in a process of its own, on a real directory, over real sockets.
 *
 * FROE_BIN names the froe binary; FROE_IO (io_uring, posix) and FROE_EDGE (1) choose how it serves.
 * Include once, in the test program.
 */
#ifndef TESTS_SYSTEM_H
#define TESTS_SYSTEM_H

#define _GNU_SOURCE
#include "froe/froe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server {
	char dir[256];
	char address[64];
	pid_t pid;
	int port; /* kept across restarts */
	const char *extra[16];
	const char *log; /* a file for its standard error; NULL: nobody reads it */
};

static const char *
server_binary(void)
{
	const char *path = getenv("FROE_BIN");
	return path != NULL ? path : "build/froe";
}

static void
server_init(struct server *server)
{
	const char *base = getenv("TMPDIR");
	memset(server, 0, sizeof(*server));
	snprintf(server->dir, sizeof(server->dir), "%s/froe-system-XXXXXX",
	    base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(server->dir));
}

static int
server_arguments(const struct server *server, char *listen, size_t size, char *ready,
    size_t ready_size, int ready_fd, const char **argv)
{
	int count = 0;
	snprintf(listen, size, "127.0.0.1:%d", server->port);
	snprintf(ready, ready_size, "%d", ready_fd);
	const char *fixed[] = {server_binary(), "server", "--data", server->dir, "--auth", "off",
	    "--listen", listen, "--ready-fd", ready, "--segment-bytes", "16777216",
	    "--snapshot-bytes", "1"};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		argv[count++] = fixed[i];
	if (getenv("FROE_IO") != NULL) {
		argv[count++] = "--io";
		argv[count++] = getenv("FROE_IO");
	}
	if (getenv("FROE_EDGE") != NULL)
		argv[count++] = "--edge-sessions";
	for (int i = 0; server->extra[i] != NULL; i++)
		argv[count++] = server->extra[i];
	argv[count] = NULL;
	return count;
}

/* Starts the server; true once it serves, false when it ended instead (*ret_status). */
static bool
server_try_start(struct server *server, int *ret_status)
{
	int pipe_fds[2];
	char listen[64], ready[16], line[128] = "";
	const char *argv[40];
	size_t have = 0;
	assert_int_equal(pipe(pipe_fds), 0);
	server_arguments(server, listen, sizeof(listen), ready, sizeof(ready), pipe_fds[1], argv);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		close(pipe_fds[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves no server behind */
		if (server->log != NULL)
			assert_non_null(freopen(server->log, "a", stderr));
		else if (getenv("FROE_VERBOSE") == NULL)
			assert_non_null(freopen("/dev/null", "w", stderr));
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(pipe_fds[1]);
	while (have < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
		ssize_t got = read(pipe_fds[0], line + have, sizeof(line) - 1 - have);
		if (got <= 0)
			break;
		have += (size_t)got;
		line[have] = 0;
	}
	close(pipe_fds[0]);
	if (strncmp(line, "ready ", 6) != 0) {
		assert_int_equal(waitpid(server->pid, ret_status, 0), server->pid);
		server->pid = 0;
		return false;
	}
	line[strcspn(line, "\n")] = 0;
	snprintf(server->address, sizeof(server->address), "%s", line + 6);
	server->port = atoi(strrchr(server->address, ':') + 1);
	return true;
}

static void
server_start(struct server *server)
{
	int status = 0;
	if (!server_try_start(server, &status))
		fail_msg("the server ended with status %x", (unsigned)status);
}

/* Sends the signal, waits for the end; its wait status. */
static int
server_end(struct server *server, int signal_number)
{
	int status = 0;
	assert_int_equal(kill(server->pid, signal_number), 0);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	server->pid = 0;
	return status;
}

static void
server_restart(struct server *server)
{
	server_end(server, SIGKILL);
	server_start(server);
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
server_release(struct server *server)
{
	if (server->pid != 0) {
		int status = server_end(server, SIGTERM);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	remove_tree(server->dir);
}

static struct froe_client *
client_open(const struct server *server, const char *tenant)
{
	struct froe_client *client;
	struct froe_error error;
	struct froe_client_options options = {
	    .address = server->address,
	    .tenant = tenant,
	    .open_ms = 10000,
	};
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		fail_msg("%s", error.text);
	return client;
}

#define CALL(call, error)                                                                          \
	do {                                                                                       \
		if ((call) != FROE_OK)                                                             \
			fail_msg("%s: %s %s", #call, (error).field, (error).text);                 \
	} while (0)

static struct froe_id
start_run(struct froe_client *client, const char *workflow, const char *input)
{
	struct froe_started started;
	struct froe_error error;
	struct froe_run_options options = {
	    .workflow = workflow,
	    .input = {input, input != NULL ? strlen(input) : 0},
	};
	CALL(froe_run_start(client, &options, 30000, &started, &error), error);
	return started.run;
}

static struct froe_event *
await_run(struct froe_client *client, struct froe_id run)
{
	struct froe_event *end;
	struct froe_error error;
	CALL(froe_run_await(client, run, 60000, &end, &error), error);
	return end;
}

static void
expect_result(struct froe_client *client, struct froe_id run, const char *result)
{
	struct froe_event *end = await_run(client, run);
	if (end->status != FROE_RUN_COMPLETED)
		fail_msg("%s: %s", froe_status_name(end->status), end->error);
	assert_int_equal(end->result.size, strlen(result));
	assert_memory_equal(end->result.data, result, end->result.size);
	froe_event_free(end);
}

static struct froe_run_view *
get_run(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view;
	struct froe_error error;
	CALL(froe_run_get(client, run, true, 30000, &view, &error), error);
	return view;
}

/* A worker with a client of its own, serving one workflow. */
struct worker {
	struct froe_client *client;
	struct froe_worker *worker;
};

static void
worker_open(struct worker *worker, const struct server *server, const char *tenant,
    const struct froe_workflow *workflow, uint32_t slots)
{
	struct froe_error error;
	struct froe_worker_options options = {.name = "tester", .slots = slots};
	worker->client = client_open(server, tenant);
	CALL(froe_worker_open(worker->client, &options, &worker->worker, &error), error);
	CALL(froe_worker_workflow(worker->worker, workflow, &error), error);
	CALL(froe_worker_start(worker->worker, 30000, &error), error);
}

static void
worker_close(struct worker *worker)
{
	froe_worker_close(worker->worker);
	froe_client_close(worker->client);
}

static uint64_t
now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
sleep_ms(uint32_t ms)
{
	struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&span, NULL);
}

/* Asks over HTTP/1.1, with more header lines; the whole answer, head and body, in `to`. */
static size_t
http_get_with(const struct server *server, const char *path, const char *more, char *to,
    size_t size)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
	char request[512];
	size_t have = 0;
	ssize_t got;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	int length = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: froe\r\nConnection: close\r\n%s\r\n", path, more);
	assert_int_equal(write(fd, request, (size_t)length), length);
	while (have < size - 1 && (got = read(fd, to + have, size - 1 - have)) > 0)
		have += (size_t)got;
	to[have] = 0;
	close(fd);
	return have;
}

static inline size_t
http_get(const struct server *server, const char *path, char *to, size_t size)
{
	return http_get_with(server, path, "", to, size);
}

/* What /metrics says of a metric; its name with its labels. */
static inline uint64_t
server_metric(const struct server *server, const char *name)
{
	static char answer[1 << 18];
	char needle[128];
	http_get(server, "/metrics", answer, sizeof(answer));
	snprintf(needle, sizeof(needle), "\n%s ", name);
	const char *at = strstr(answer, needle);
	assert_non_null(at);
	return strtoull(at + strlen(needle), NULL, 10);
}

static inline size_t
server_resident_bytes(const struct server *server)
{
	char path[64], line[256];
	size_t kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "VmRSS: %zu kB", &kib);
	fclose(file);
	assert_true(kib > 0);
	return kib * 1024;
}

#endif
