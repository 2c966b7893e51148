/*
 * bench/scale/process: the server's process: started, killed, and looked at from outside.
 *
 * Ownership   the caller embeds it; strings that it names outlive it.
 * Units       memory in bytes, as /proc/PID/status tells it. What the process has mapped of files
 *             (the index) is the kernel's to keep or drop, and is told apart.
 * Failure     what the machine refuses ends the program.
 */
#ifndef SCALE_PROCESS_H
#define SCALE_PROCESS_H

#include "base/duration.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_PATH 512
#define PROCESS_READY_MS 600000
#define PROCESS_SAMPLE_NS (5 * NS_PER_MS)

struct process {
	const char *binary;
	char data[PROCESS_PATH];
	char log[PROCESS_PATH];
	char address[64];
	pid_t pid;
	uint64_t spawned_ns;
	uint64_t ready_ns; /* after it */
};

static inline _Noreturn void
process_die(const char *what)
{
	fprintf(stderr, "scale: %s: %s\n", what, strerror(errno));
	exit(2);
}

static inline uint64_t
process_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline void
process_pause(uint64_t ns)
{
	struct timespec span = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
	nanosleep(&span, NULL);
}

static inline void
process_path(char to[PROCESS_PATH], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int size = vsnprintf(to, PROCESS_PATH, format, args);
	va_end(args);
	if (size < 0 || size >= PROCESS_PATH) {
		errno = ENAMETOOLONG;
		process_die(format);
	}
}

/* ------------------------------------------------------------------------------ start and end */

static inline void
process_read_ready(struct process *process, int fd)
{
	char line[128] = {0};
	size_t have = 0;
	while (have < sizeof(line) - 1 && (have == 0 || line[have - 1] != '\n')) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		if (poll(&wait, 1, PROCESS_READY_MS) <= 0 || read(fd, line + have, 1) != 1) {
			errno = EPIPE;
			process_die("the server did not start; see server.log");
		}
		have++;
	}
	if (sscanf(line, "ready %63s", process->address) != 1)
		process_die("the server is ready nowhere");
}

static inline void
process_start(struct process *process)
{
	int pair[2];
	char fd[16];
	if (pipe2(pair, O_CLOEXEC) != 0)
		process_die("pipe");
	snprintf(fd, sizeof(fd), "%d", pair[1]);
	process->spawned_ns = process_now_ns();
	process->pid = fork();
	if (process->pid < 0)
		process_die("fork");
	if (process->pid == 0) {
		int out = open(process->log, O_WRONLY | O_APPEND | O_CREAT, 0600);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(pair[1], F_SETFD, 0);
		dup2(out, 2);
		execl(process->binary, process->binary, "server", "--data", process->data, "--auth",
		    "off", "--listen", process->address, "--retention", "forever", "--ready-fd", fd,
		    (char *)NULL);
		_exit(126);
	}
	close(pair[1]);
	process_read_ready(process, pair[0]);
	close(pair[0]);
	process->ready_ns = process_now_ns() - process->spawned_ns;
}

static inline void
process_end(struct process *process, int number)
{
	int status;
	kill(process->pid, number);
	while (waitpid(process->pid, &status, 0) < 0) {
		if (errno != EINTR)
			process_die("waitpid");
	}
	process->pid = 0;
}

/* -------------------------------------------------------------------------------- from outside */

static inline uint64_t
process_status_bytes(pid_t pid, const char *field)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, field, strlen(field)) == 0 &&
		    sscanf(line + strlen(field), ": %llu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return (uint64_t)kib << 10;
}

static inline uint64_t
process_memory(pid_t pid)
{
	return process_status_bytes(pid, "RssAnon");
}

/* What a directory, and those in it, take on the disk. */
static inline uint64_t
process_disk(const char *dir)
{
	DIR *entries = opendir(dir);
	uint64_t bytes = 0;
	struct dirent *entry;
	if (entries == NULL)
		return 0;
	while ((entry = readdir(entries)) != NULL) {
		char path[PROCESS_PATH];
		struct stat stat;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		process_path(path, "%s/%s", dir, entry->d_name);
		if (lstat(path, &stat) != 0)
			continue;
		bytes +=
		    S_ISDIR(stat.st_mode) ? process_disk(path) : (uint64_t)stat.st_blocks * 512;
	}
	closedir(entries);
	return bytes;
}

/* The highest that a process's memory gets, looked at every few milliseconds. */
struct peak {
	pthread_t thread;
	pid_t pid;
	atomic_bool stop;
	uint64_t bytes;
};

static inline void *
peak_main(void *context)
{
	struct peak *peak = context;
	while (!atomic_load(&peak->stop)) {
		uint64_t bytes = process_memory(peak->pid);
		if (bytes > peak->bytes)
			peak->bytes = bytes;
		process_pause(PROCESS_SAMPLE_NS);
	}
	return NULL;
}

static inline void
peak_start(struct peak *peak, pid_t pid)
{
	*peak = (struct peak){.pid = pid};
	if (pthread_create(&peak->thread, NULL, peak_main, peak) != 0)
		process_die("a thread");
}

static inline uint64_t
peak_stop(struct peak *peak)
{
	atomic_store(&peak->stop, true);
	pthread_join(peak->thread, NULL);
	return peak->bytes;
}

#endif
