/*
 * An agent that plans, waits, asks a person, and acts, as one durable task:
 *
 *     plan (a memo) -> "go" or a while (a wait) -> "act" (an approval) -> act (a memo)
 *
 * `agent [--address HOST:PORT]` is the worker: it registers the workflow `agent` and executes it
 * until SIGTERM. `froe run agent --input '{"goal":"tea"}'` gives it something to do;
 * `froe events push go` lets all agents go on at once; `froe approvals list` shows what they ask,
 * `froe approvals approve NUMBER` answers.
 *
 * Kill the worker or the server at any point, with -9 if you like, and start it again: the plan is
 * not made twice, the wait goes on with what was left of it, the answer is not asked for again.
 * While the agent waits it holds neither a slot nor a thread: it may do so for a year.
 *
 * What happens between two steps may happen again after a crash. Making the plan costs money at
 * worst; acting twice would be wrong, so it hands over the task's id as the idempotency key.
 *
 * Environment: FROE_ADDRESS; AGENT_LEDGER: a file to which each plan and each act appends a line;
 * AGENT_PATIENCE_MS: how long to wait for "go" (3600000).
 */
#include <froe/froe.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct agent {
	const char *ledger;
	uint64_t patience_ms;
};

static void
ledger_append(const struct agent *agent, struct froe_task *task, const char *what)
{
	char key[FROE_ID_TEXT_SIZE], line[128];
	froe_id_format(froe_task_id(task), key);
	printf("%s  %s\n", key, what);
	if (agent->ledger == NULL)
		return;
	int size = snprintf(line, sizeof(line), "%s %s\n", key, what);
	int fd = open(agent->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)size) != size)
		perror(agent->ledger);
	if (fd >= 0)
		close(fd);
}

/* A model would be asked here: what it says may differ each time, so it is kept. */
static enum froe_err
make_plan(struct froe_task *task, const struct agent *agent, struct froe_bytes *ret_plan,
    struct froe_error *error)
{
	char plan[4096];
	struct froe_bytes input = froe_task_input(task);
	enum froe_err err = froe_task_memo_get(task, "plan", ret_plan, error);
	if (err != FROE_NOT_FOUND)
		return err;
	ledger_append(agent, task, "plan");
	int size = snprintf(plan, sizeof(plan), "{\"for\":%.*s,\"steps\":[\"boil\",\"pour\"]}",
	    input.size < 3000 ? (int)input.size : 2, (const char *)input.data);
	return froe_task_memo_put(task, "plan", plan, (size_t)size, ret_plan, error);
}

static enum froe_err
wait_for_go(struct froe_task *task, const struct agent *agent, struct froe_error *error)
{
	const struct froe_condition either[] = {
	    {.kind = FROE_ON_EVENT, .name = "go"},
	    {.kind = FROE_ON_SLEEP, .sleep_ms = agent->patience_ms},
	};
	struct froe_durable_result first;
	enum froe_err err = froe_task_await(task, either, 2, &first, error);
	if (err == FROE_OK)
		printf("going on: %s\n", first.which == 0 ? "told to" : "patience is over");
	return err;
}

static enum froe_err
act(struct froe_task *task, const struct agent *agent, struct froe_error *error)
{
	struct froe_bytes receipt;
	char key[FROE_ID_TEXT_SIZE], text[128];
	enum froe_err err = froe_task_memo_get(task, "receipt", &receipt, error);
	if (err != FROE_NOT_FOUND)
		return err;
	froe_id_format(froe_task_id(task), key);
	ledger_append(agent, task, "act");
	int size = snprintf(text, sizeof(text), "{\"done\":true,\"idempotency_key\":\"%s\"}", key);
	return froe_task_memo_put(task, "receipt", text, (size_t)size, NULL, error);
}

/* A cancellation needs no words: the task was cancelled, or was evicted and will be back. */
static enum froe_err
give_up(struct froe_task *task, const struct froe_error *error)
{
	if (error->code != FROE_CANCELLED)
		froe_task_error(task, "%s", error->text);
	return error->code;
}

static enum froe_err
run_agent(struct froe_task *task, void *context)
{
	const struct agent *agent = context;
	struct froe_bytes plan;
	struct froe_durable_result answer;
	struct froe_error error;
	if (make_plan(task, agent, &plan, &error) != FROE_OK ||
	    wait_for_go(task, agent, &error) != FROE_OK ||
	    froe_task_approval(task, "act", plan, &answer, &error) != FROE_OK)
		return give_up(task, &error);
	if (answer.approved && act(task, agent, &error) != FROE_OK)
		return give_up(task, &error);
	const char *output = answer.approved ? "{\"acted\":true}" : "{\"acted\":false}";
	return froe_task_output(task, output, strlen(output), NULL);
}

/* ------------------------------------------------------------------------------ the worker */

static int
fail(const char *what, const struct froe_error *error)
{
	fprintf(stderr, "agent: %s: %s\n", what, error->text);
	return 1;
}

static int
serve(struct froe_client *client, const sigset_t *stop)
{
	const char *patience = getenv("AGENT_PATIENCE_MS");
	struct agent agent = {.ledger = getenv("AGENT_LEDGER"),
	    .patience_ms = patience != NULL ? strtoull(patience, NULL, 10) : 3600000};
	const struct froe_task_def task = {.name = "agent", .durable = true, .retries = 5,
	    .handler = run_agent, .context = &agent};
	const struct froe_workflow workflow = {.name = "agent", .tasks = &task, .task_count = 1};
	const struct froe_worker_options options = {.slots = 4, .evict_after_ms = 200};
	struct froe_worker *worker;
	struct froe_error error;
	int signal_number, status = 0;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return fail("worker", &error);
	if (froe_worker_workflow(worker, &workflow, &error) != FROE_OK ||
	    froe_worker_start(worker, -1, &error) != FROE_OK) {
		status = fail("register", &error);
	} else {
		printf("agent: ready\n");
		sigwait(stop, &signal_number);
		froe_worker_stop(worker, 10000);
	}
	froe_worker_close(worker);
	return status;
}

int
main(int argc, char **argv)
{
	struct froe_client_options options = {.address = getenv("FROE_ADDRESS"), .open_ms = 10000};
	struct froe_client *client;
	struct froe_error error;
	sigset_t stop;
	if (argc == 3 && strcmp(argv[1], "--address") == 0) {
		options.address = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: agent [--address HOST:PORT]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Before the library makes threads, so that only sigwait() sees them. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail("connect", &error);
	int status = serve(client, &stop);
	froe_client_close(client);
	return status;
}
