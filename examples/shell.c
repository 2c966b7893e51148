/*
 * A workflow whose steps are shell commands: `shell` registers it, works on it, starts one run and
 * prints its result. What a step prints is its output, as a JSON string; what its parents printed
 * stands in the environment, by their names.
 *
 * A command that ends with status 75 is tried again, any other failure is final. When the run is
 * cancelled or the step is too slow, the command and what it has started are killed: it has a
 * process group of its own. (One command and one step need no program: `froe worker exec`.)
 */
#define _GNU_SOURCE /* pipe2 */
#include <froe/froe.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 65536
#define TRY_AGAIN 75 /* EX_TEMPFAIL of sysexits.h */

static const char *const after_list[] = {"list", NULL};
static const char *const after_both[] = {"count", "longest", NULL};

static const struct step {
	const char *name;
	const char *const *parents;
	const char *command;
} steps[] = {
    {"list", NULL, "printf '%s\\n' apple banana cherry"},
    /* Fails once for each run: FROE_ATTEMPT says which attempt this is. */
    {"count", after_list, "test $FROE_ATTEMPT -gt 1 || exit 75; echo \"$list\" | wc -l"},
    {"longest", after_list, "echo \"$list\" | awk 'length > length(m) {m = $0} END {print m}'"},
    {"report", after_both, "echo $count words, the longest is $longest"},
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

/* ------------------------------------------------------------------------------ JSON strings */

/* At most six bytes for one; `json` has room for them. */
static size_t
quote(const char *text, size_t size, char *json)
{
	char *to = json;
	*to++ = '"';
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			*to++ = '\\';
		if (c < 0x20)
			to += sprintf(to, "\\u%04x", c);
		else
			*to++ = (char)c;
	}
	*to++ = '"';
	return (size_t)(to - json);
}

/* "name=" and the reverse of what quote() made. NULL: no memory. */
static char *
unquote(const char *name, struct froe_bytes json)
{
	const char *from = json.data, *end = from + json.size - 1;
	char *text = malloc(strlen(name) + 1 + json.size + 1);
	if (text == NULL)
		return NULL;
	char *to = text + sprintf(text, "%s=", name);
	for (from++; from < end; from++) {
		if (*from == '\\' && from[1] == 'u') {
			char digits[5] = {from[2], from[3], from[4], from[5], 0};
			*to++ = (char)strtol(digits, NULL, 16);
			from += 5;
		} else {
			from += *from == '\\' ? 1 : 0;
			*to++ = *from;
		}
	}
	*to = 0;
	return text;
}

/* ------------------------------------------------------------------------------- one command */

/* Other threads run handlers too: between fork and exec nothing may be allocated, and no descriptor
 * may be inherited by their commands. So all is made before, and closed on exec. */
static pid_t
start_command(const struct step *step, char *const *environment, int *ret_output)
{
	int ends[2];
	char *const argv[] = {"sh", "-c", (char *)(uintptr_t)step->command, NULL};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(ends[1], STDOUT_FILENO);
		execve("/bin/sh", argv, environment);
		_exit(127);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	setpgid(pid, pid); /* whoever comes first */
	*ret_output = ends[0];
	return pid;
}

/* Reads what the command prints, up to its end or until the task is cancelled; its size. */
static size_t
read_output(struct froe_task *task, int output, char text[OUTPUT_MAX])
{
	struct pollfd files[] = {{output, POLLIN, 0}, {froe_task_fd(task), POLLIN, 0}};
	size_t have = 0;
	while (have < OUTPUT_MAX && !froe_task_cancelled(task)) {
		if (poll(files, 2, -1) < 0 && errno != EINTR)
			break;
		if (files[0].revents == 0)
			continue;
		ssize_t got = read(output, text + have, OUTPUT_MAX - have);
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have;
}

/* Waits for its end, which comes soon when the task is cancelled; kills what it has left behind
 * while its number, which is its group's, cannot be another's. */
static int
end_command(struct froe_task *task, pid_t pid)
{
	siginfo_t info = {0};
	int status = 0;
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0) {
		if (froe_task_wait(task, 20))
			kill(-pid, SIGKILL);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

static enum froe_err
judge(struct froe_task *task, const struct step *step, int status)
{
	if (froe_task_cancelled(task))
		return FROE_CANCELLED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return FROE_OK;
	if (WIFEXITED(status))
		froe_task_error(task, "%s: exit status %d", step->name, WEXITSTATUS(status));
	else
		froe_task_error(task, "%s: signal %d", step->name, WTERMSIG(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != TRY_AGAIN)
		froe_task_fatal(task);
	return FROE_UNAVAILABLE;
}

static enum froe_err
finish(struct froe_task *task, const char *text, size_t size)
{
	char *json = malloc(6 * size + 2);
	if (json == NULL)
		return FROE_RESOURCE_EXHAUSTED;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	enum froe_err err = froe_task_output(task, json, quote(text, size, json), NULL);
	free(json);
	return err;
}

static enum froe_err
execute(struct froe_task *task, const struct step *step, char *const *environment)
{
	char *text = malloc(OUTPUT_MAX);
	int output;
	pid_t pid = text != NULL ? start_command(step, environment, &output) : -1;
	if (pid < 0) {
		free(text);
		return FROE_RESOURCE_EXHAUSTED;
	}
	size_t size = read_output(task, output, text);
	int status = end_command(task, pid);
	close(output);
	enum froe_err err = judge(task, step, status);
	printf("%s, attempt %u: %.*s%s", step->name, froe_task_attempt(task), (int)size, text,
	    err == FROE_OK ? "" : "failed\n");
	if (err == FROE_OK)
		err = finish(task, text, size);
	free(text);
	return err;
}

static enum froe_err
step_handler(struct froe_task *task, void *context)
{
	const struct step *step = context;
	char attempt[32], *environment[STEP_COUNT + 3] = {"PATH=/usr/bin:/bin", attempt};
	enum froe_err err = FROE_OK;
	size_t count = 2;
	snprintf(attempt, sizeof(attempt), "FROE_ATTEMPT=%u", froe_task_attempt(task));
	for (const char *const *at = step->parents; at != NULL && *at != NULL; at++) {
		struct froe_bytes json;
		err = froe_task_parent(task, *at, &json, NULL);
		if (err == FROE_OK && (environment[count++] = unquote(*at, json)) == NULL)
			err = FROE_RESOURCE_EXHAUSTED;
		if (err != FROE_OK)
			break;
	}
	if (err == FROE_OK)
		err = execute(task, step, environment);
	for (size_t i = 2; i < count; i++)
		free(environment[i]);
	return err;
}

/* ---------------------------------------------------------------------------------- the rest */

static int
fail(const struct froe_error *error)
{
	fprintf(stderr, "shell: %s\n", error->text);
	return 1;
}

static int
run_one(struct froe_client *client)
{
	const struct froe_run_options options = {.workflow = "shell"};
	struct froe_started started;
	struct froe_event *end;
	struct froe_error error;
	if (froe_run_start(client, &options, -1, &started, &error) != FROE_OK ||
	    froe_run_await(client, started.run, -1, &end, &error) != FROE_OK)
		return fail(&error);
	int status = end->status == FROE_RUN_COMPLETED ? 0 : 1;
	if (status == 0)
		printf("%s: %.*s\n", froe_status_name(end->status), (int)end->result.size,
		    (const char *)end->result.data);
	else
		fprintf(stderr, "shell: the run %s: %s\n", froe_status_name(end->status),
		    end->error != NULL ? end->error : "");
	froe_event_free(end);
	return status;
}

static int
work_and_run(struct froe_client *client)
{
	struct froe_task_def tasks[STEP_COUNT];
	const struct froe_workflow workflow = {
	    .name = "shell", .tasks = tasks, .task_count = STEP_COUNT};
	const struct froe_worker_options options = {.name = "shell", .slots = 2};
	struct froe_worker *worker;
	struct froe_error error;
	int status;
	for (size_t i = 0; i < STEP_COUNT; i++)
		tasks[i] = (struct froe_task_def){
		    .name = steps[i].name,
		    .parents = steps[i].parents,
		    .retries = 3,
		    .execution_timeout_ms = 10000,
		    .handler = step_handler,
		    .context = (void *)(uintptr_t)&steps[i],
		};
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return fail(&error);
	if (froe_worker_workflow(worker, &workflow, &error) != FROE_OK ||
	    froe_worker_start(worker, -1, &error) != FROE_OK)
		status = fail(&error);
	else
		status = run_one(client);
	froe_worker_close(worker);
	return status;
}

int
main(int argc, char **argv)
{
	struct froe_client_options options = {.address = getenv("FROE_ADDRESS"), .open_ms = 10000};
	struct froe_client *client;
	struct froe_error error;
	if (argc == 3 && strcmp(argv[1], "--address") == 0) {
		options.address = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: shell [--address HOST:PORT]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail(&error);
	int status = work_and_run(client);
	froe_client_close(client);
	return status;
}
