/*
 * cli/exec: `froe worker exec`: a worker whose handler is a command.
 *
 * The workflow has one task, "exec". The command gets the run's input on its standard input and
 * says its output on its standard output: JSON as it is, any other text as a JSON string, nothing
 * as null. Its lines on standard error go to the task's log. An exit status other than 0 fails the
 * attempt. When the task is cancelled or out of time, the command's whole process group gets
 * SIGTERM and, five seconds later, SIGKILL; what is left of the group when the command ends is
 * killed too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* environ */
#endif
#include "cli/child.h"
#include "cli/cli.h"

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 10000u        /* commands that run when the worker is told to stop */
#define TIMEOUT_LATE_MS 1000u /* the server speaks first about a deadline; without it, we do */
#define LOG_LINES_MAX 1000u   /* of one attempt */
#define STEP_MS 1000u

/* ------------------------------------------------------------------------------ environment */

struct environment {
	char **entries; /* NULL at the end; the first `own` are ours */
	size_t own;
};

static void FROE_PRINTF(2, 3)
environment_add(struct environment *to, const char *format, ...)
{
	struct buf text;
	va_list args;
	char line[1024];
	buf_init(&text);
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	buf_push(&text, line, strlen(line) + 1);
	to->entries[to->own++] = (char *)text.data;
}

/* What a command may want to know, then all that this process has. */
static void
environment_open(struct environment *to, struct froe_task *task)
{
	size_t count = 0;
	char run[FROE_ID_TEXT_SIZE], id[FROE_ID_TEXT_SIZE];
	while (environ[count] != NULL)
		count++;
	*to = (struct environment){.entries = mem_array(count + 8, sizeof(char *))};
	froe_id_format(froe_task_run(task), run);
	froe_id_format(froe_task_id(task), id);
	environment_add(to, "FROE_RUN_ID=%s", run);
	environment_add(to, "FROE_TASK_ID=%s", id);
	environment_add(to, "FROE_LEASE=%" PRIu64, froe_task_lease(task));
	environment_add(to, "FROE_ATTEMPT=%u", froe_task_attempt(task));
	environment_add(to, "FROE_RETRIES=%u", froe_task_retries(task));
	environment_add(to, "FROE_WORKFLOW=%s", froe_task_workflow(task));
	size_t at = to->own;
	for (size_t i = 0; i < count; i++) {
		bool ours = false;
		for (size_t own = 0; own < to->own; own++) {
			size_t name = strcspn(to->entries[own], "=") + 1;
			ours = ours || strncmp(environ[i], to->entries[own], name) == 0;
		}
		if (!ours)
			to->entries[at++] = environ[i];
	}
}

static void
environment_release(struct environment *environment)
{
	for (size_t i = 0; i < environment->own; i++)
		mem_free(environment->entries[i]);
	mem_free(environment->entries);
}

/* ---------------------------------------------------------------------------------- output */

/* Text that is not UTF-8 cannot be a JSON string: what is wrong becomes "?". */
static void
text_clean(uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] >= 0x80 || text[i] == 0)
			text[i] = '?';
	}
}

static size_t
trimmed_size(struct bytes text)
{
	while (text.size > 0 && memchr(" \t\r\n", text.data[text.size - 1], 4) != NULL)
		text.size--;
	return text.size;
}

static enum froe_err
output_set(struct froe_task *task, struct child *child, struct froe_error *error)
{
	struct bytes output = buf_bytes(&child->output);
	struct buf json;
	output.size = trimmed_size(output);
	if (output.size == 0)
		return froe_task_output(task, "null", 4, error);
	if (json_valid(output.data, output.size, NULL))
		return froe_task_output(task, output.data, output.size, error);
	if (!utf8_valid(output.data, output.size))
		text_clean(child->output.data + child->output.head, output.size);
	buf_init(&json);
	buf_push_json_string(&json, output.data, output.size);
	enum froe_err err = froe_task_output(task, json.data, buf_used(&json), error);
	buf_release(&json);
	return err;
}

/* How it ended, as the task's result. */
static enum froe_err
child_result(struct froe_task *task, struct child *child)
{
	struct froe_error error;
	const char *colon = child->last[0] != 0 ? ": " : "";
	if (child->stop == CHILD_CANCELLED) {
		froe_task_error(task, "stopped: %s", froe_task_cancel_reason(task));
		return FROE_CANCELLED;
	}
	if (child->stop == CHILD_TIMED_OUT) {
		froe_task_error(task, "timed out%s%s", colon, child->last);
		return FROE_TIMEOUT;
	}
	if (child->stop == CHILD_FLOODED) {
		froe_task_error(task, "more than %u bytes of output", FROE_PAYLOAD_BYTES_MAX);
		return FROE_TOO_LARGE;
	}
	if (WIFSIGNALED(child->status)) {
		froe_task_error(task, "killed by signal %d%s%s", WTERMSIG(child->status), colon,
		    child->last);
		return FROE_TASK_FAILED;
	}
	if (WEXITSTATUS(child->status) != 0) {
		froe_task_error(task, "exit status %d%s%s", WEXITSTATUS(child->status), colon,
		    child->last);
		return FROE_TASK_FAILED;
	}
	enum froe_err err = output_set(task, child, &error);
	if (err != FROE_OK)
		froe_task_error(task, "%s", error.text);
	return err;
}

/* --------------------------------------------------------------------------------- handler */

struct log {
	struct froe_task *task;
	unsigned lines;
};

static void
on_line(void *context, const char *line)
{
	struct log *log = context;
	if (log->lines > LOG_LINES_MAX)
		return;
	if (log->lines++ == LOG_LINES_MAX)
		line = "further lines are not kept";
	FROE_DROP(froe_task_log(log->task, line, NULL), "a log line is not worth an attempt");
}

/* Past its deadline for so long that the server is not there to say so? */
static bool
task_overdue(struct froe_task *task, uint64_t *late_ns)
{
	if (froe_task_left_ms(task) > 0)
		*late_ns = UINT64_MAX;
	else if (*late_ns == UINT64_MAX)
		*late_ns = child_now_ns() + (uint64_t)TIMEOUT_LATE_MS * 1000000u;
	return child_now_ns() >= *late_ns;
}

static int
step_ms(struct froe_task *task)
{
	uint64_t left_ms = froe_task_left_ms(task);
	return left_ms > 0 && left_ms < STEP_MS ? (int)left_ms : (int)STEP_MS;
}

static enum froe_err
exec_handler(struct froe_task *task, void *context)
{
	struct log log = {.task = task};
	struct child child = {.on_line = on_line, .context = &log};
	struct environment environment;
	struct froe_fault fault;
	uint64_t late_ns = UINT64_MAX;
	struct froe_bytes input = froe_task_input(task);
	int wake_fd = froe_task_fd(task);
	environment_open(&environment, task);
	enum froe_err err = child_start(&child, context, environment.entries,
	    bytes_of(input.data, input.size), &fault);
	environment_release(&environment);
	if (err != FROE_OK) {
		froe_task_error(task, "%s", fault.text);
		return err;
	}
	while (!child.ended) {
		bool told = child.stop != CHILD_RUNS;
		child_step(&child, told ? -1 : wake_fd, step_ms(task));
		if (froe_task_cancelled(task))
			child_end(&child, CHILD_CANCELLED);
		else if (task_overdue(task, &late_ns))
			child_end(&child, CHILD_TIMED_OUT);
	}
	err = child_result(task, &child);
	child_release(&child);
	return err;
}

/* --------------------------------------------------------------------------------- command */

static void
signals_block(sigset_t *stop)
{
	sigemptyset(stop);
	sigaddset(stop, SIGINT);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGHUP);
	froe_assert(pthread_sigmask(SIG_BLOCK, stop, NULL) == 0);
}

static enum froe_delivery
delivery_of(const struct cli *cli)
{
	static const char *const names[] = {"at_least_once", "at_most_once", "exactly_once"};
	const char *text = cli_text(cli, "delivery");
	for (unsigned i = 0; text != NULL && i < 3; i++) {
		if (strcmp(text, names[i]) == 0)
			return (enum froe_delivery)i;
	}
	if (text != NULL)
		cli_usage(cli, "--delivery: \"%s\" is none of at_least_once, at_most_once, "
		    "exactly_once", text);
	return FROE_AT_LEAST_ONCE;
}

static enum froe_err
worker_start(struct cli *cli, struct froe_worker *worker, struct froe_error *error)
{
	struct froe_task_def task = {
	    .name = "exec",
	    .retries = (uint32_t)cli_number(cli, "retries", 0, FROE_TASK_RETRIES_MAX),
	    .execution_timeout_ms = cli_duration_ms(cli, "timeout", 0),
	    .delivery = delivery_of(cli),
	    .handler = exec_handler,
	    .context = cli->arguments,
	};
	struct froe_workflow workflow = {
	    .name = cli_text(cli, "workflow"),
	    .tasks = &task,
	    .task_count = 1,
	};
	enum froe_err err = froe_worker_workflow(worker, &workflow, error);
	return err == FROE_OK ? froe_worker_start(worker, -1, error) : err;
}

static int
worker_serve(struct cli *cli, struct froe_client *client, const sigset_t *stop)
{
	struct froe_worker *worker;
	struct froe_error error;
	struct froe_worker_options options = {
	    .name = cli_text(cli, "name"),
	    .slots = (uint32_t)cli_number(cli, "slots", 1, FROE_WORKER_SLOTS_MAX),
	};
	int signal_number;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return cli_fail(&error);
	int status = FROE_EXIT_OK;
	if (worker_start(cli, worker, &error) == FROE_OK) {
		fprintf(stderr, "froe: runs of %s are executed here; SIGTERM or Ctrl-C stops\n",
		    cli_text(cli, "workflow"));
		froe_assert(sigwait(stop, &signal_number) == 0);
		fprintf(stderr, "froe: stopping: commands have %u s to finish\n", STOP_MS / 1000);
		froe_worker_stop(worker, STOP_MS);
	} else {
		status = cli_fail(&error);
	}
	froe_worker_close(worker);
	return status;
}

/* As execvp finds it. */
static bool
command_found(const char *name)
{
	const char *path = getenv("PATH");
	char full[4096];
	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0;
	for (path = path != NULL ? path : "/bin:/usr/bin"; *path != 0;) {
		size_t size = strcspn(path, ":");
		snprintf(full, sizeof(full), "%.*s/%s", (int)size, size > 0 ? path : ".", name);
		if (access(full, X_OK) == 0)
			return true;
		path += size + (path[size] == ':');
	}
	return false;
}

int
cli_worker_exec(struct cli *cli)
{
	sigset_t stop;
	int status;
	if (cli_text(cli, "workflow") == NULL)
		cli_usage(cli, "--workflow is missing: name the workflow to execute");
	/* A mistake is told before connecting. */
	cli_number(cli, "slots", 1, FROE_WORKER_SLOTS_MAX);
	cli_number(cli, "retries", 0, FROE_TASK_RETRIES_MAX);
	cli_duration_ms(cli, "timeout", 0);
	FROE_DROP(delivery_of(cli), "a wrong one ends here");
	if (!command_found(cli->arguments[0]))
		cli_usage(cli,
		    "\"%s\" is no command that can be run: each attempt would fail; give "
		    "its path, or mend PATH",
		    cli->arguments[0]);
	signals_block(&stop);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = worker_serve(cli, client, &stop);
	froe_client_close(client);
	return status;
}
