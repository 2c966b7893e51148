#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define PF_EXITING 4u /* of the kernel */
#define GUARD_LOOK_MS 200
#define GUARD_LOOKS 5u /* in a row: it takes a moment to end in order, too */

/* Is its first thread ending, or about to, while there is still something of the process? Within a
 * mount() it cannot yet, but the thread that would answer may be gone. */
static bool
guard_stuck(pid_t pid)
{
	char path[64];
	unsigned flags = 0;
	unsigned long pending = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	/* pid, name, state, five numbers, flags (9), 21 more, pending signals (31) */
	if (fscanf(file,
		"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
		"%*d %*d %*u %*u %*d %*u %*u %*u %*u %*u %*u %lu",
		&flags, &pending) != 2)
		flags = 0;
	fclose(file);
	return (flags & PF_EXITING) != 0 || (pending & 1ul << (SIGKILL - 1)) != 0;
}

/* Connections are found by their device numbers, in a mount that is seen here alone. */
static void
guard_abort(dev_t device)
{
	static const char dir[] = "/sys/fs/fuse/connections";
	char path[128];
	int file;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "fusectl", 0, NULL) != 0)
		return;
	snprintf(path, sizeof(path), "%s/%u/abort", dir, minor(device));
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, "1", 1) != 1)
		fprintf(stderr, "power: the FUSE connection %u is left over\n", minor(device));
}

/* A byte on the pipe: all ended in order. Its end alone may never come: that is the point. */
static void
guard_main(pid_t watched, int from)
{
	struct pollfd wait = {.fd = from, .events = POLLIN};
	dev_t device;
	char done;
	unsigned looks = 0;

	if (read(from, &device, sizeof(device)) != (ssize_t)sizeof(device))
		_exit(0);
	while (looks < GUARD_LOOKS) {
		if (poll(&wait, 1, looks == 0 ? GUARD_LOOK_MS : 0) > 0 &&
		    (wait.revents & POLLIN) != 0 && read(from, &done, 1) == 1)
			_exit(0);
		if (kill(watched, 0) != 0)
			_exit(0);
		looks = guard_stuck(watched) ? looks + 1 : 0;
		if (looks > 0 || wait.revents != 0)
			usleep(GUARD_LOOK_MS * 1000);
	}
	guard_abort(device);
	_exit(0);
}

bool
guard_start(struct guard *guard)
{
	pid_t watched = getpid();
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) != 0)
		return false;
	guard->pid = fork();
	if (guard->pid == 0) {
		setsid(); /* whoever kills the process group does not mean this one */
		close(pair[1]);
		if (open("/dev/null", O_RDWR) >= 0 && dup2(pair[0], 3) == 3)
			close_range(4, ~0u, 0);
		close(0);
		close(1);
		guard_main(watched, 3);
	}
	close(pair[0]);
	guard->pipe = pair[1];
	return guard->pid > 0;
}

void
guard_watch(struct guard *guard, dev_t device)
{
	if (write(guard->pipe, &device, sizeof(device)) != (ssize_t)sizeof(device))
		perror("power: its guard");
}

void
guard_end(struct guard *guard)
{
	if (write(guard->pipe, "", 1) == 1)
		waitpid(guard->pid, NULL, 0);
	close(guard->pipe);
}
