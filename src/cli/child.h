/*
 * cli/child: a command as a child process, in a process group of its own.
 *
 * Purpose     starts it with pipes, feeds its input, gathers its output, hands on its stderr
 *             line by line, ends it with SIGTERM and then SIGKILL.
 * Ownership   the child owns its descriptors and buffers; child_release ends the whole group.
 * Invariants  1. the process is not reaped before its group was killed for the last time, so the
 *             group's number cannot have become another's.
 * Threading   its owner only; many may run side by side.
 * Failure     only starting can fail; everything else is in how it ended.
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include "base/bytes.h"

#include <sys/types.h>

#define CHILD_KILL_MS 5000u /* from SIGTERM to SIGKILL */

enum child_stop {
	CHILD_RUNS,
	CHILD_CANCELLED,
	CHILD_TIMED_OUT,
	CHILD_FLOODED, /* more output than a payload may have */
};

struct child {
	pid_t pid;
	int pid_fd;
	int in, out, err; /* -1: closed */
	struct bytes input; /* borrowed; what is left of it */
	struct buf output;
	struct buf line; /* of stderr, not yet whole */
	char last[256];  /* the last line that was not empty */
	enum child_stop stop;
	uint64_t kill_ns; /* when SIGKILL follows; UINT64_MAX: it does not */
	int status;       /* as waitpid gives it; valid once `ended` */
	bool ended;
	void (*on_line)(void *context, const char *line); /* UTF-8 */
	void *context;
};

/* environment: NAME=VALUE, NULL at the end. */
enum froe_err child_start(struct child *child, char *const *argv, char *const *environment,
    struct bytes input, struct froe_fault *fault) FROE_CHECKED;

/* Waits for what comes next: at most timeout_ms, or until wake_fd (-1: none) is readable. */
void child_step(struct child *child, int wake_fd, int timeout_ms);

/* Asks the group to end (SIGTERM); the first reason stays. */
void child_end(struct child *child, enum child_stop why);

void child_release(struct child *child);

uint64_t child_now_ns(void); /* monotonic */

#endif
