/*
 * An order as a DAG of tasks, each with the outputs of its parents:
 *
 *     reserve -> charge -> ship ----> notify
 *                   \----> invoice ---^
 *
 * `order [--address HOST:PORT] [--slots N]` is the worker: it registers the workflow and executes
 * its tasks until SIGTERM. `order --trigger [N]` starts N orders (1) and waits for their ends.
 *
 * `charge` fails its first two attempts of each order, as payment services do; it is retried with
 * backoff. It hands the task's id to the payment service as the idempotency key: the id is the same
 * in every attempt, so that even an attempt that is repeated after a crash charges once.
 *
 * Environment: FROE_ADDRESS; ORDER_LEDGER: a file to which each finished execution appends a line
 * "run task attempt lease"; ORDER_STEP_MS: how long each task takes (100).
 */
#include <froe/froe.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHARGE_FAILURES 2

struct order {
	const char *ledger;
	uint32_t step_ms;
};

/* One write() to a file opened with O_APPEND: lines of several processes do not mix. */
static void
ledger_append(const struct order *order, struct froe_task *task, const char *run)
{
	char line[256];
	if (order->ledger == NULL)
		return;
	int size = snprintf(line, sizeof(line), "%s %s %u %llu\n", run, froe_task_name(task),
	    froe_task_attempt(task), (unsigned long long)froe_task_lease(task));
	int fd = open(order->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)size) != size)
		perror(order->ledger);
	if (fd >= 0)
		close(fd);
}

/* What every task does: works for a while, notices a cancel, prints, notes itself. */
static enum froe_err
work(struct froe_task *task, const struct order *order, const char *output)
{
	char run[FROE_ID_TEXT_SIZE];
	froe_id_format(froe_task_run(task), run);
	if (froe_task_wait(task, order->step_ms)) {
		printf("%s  %-8s attempt %u: stopped (%s)\n", run, froe_task_name(task),
		    froe_task_attempt(task), froe_task_cancel_reason(task));
		return FROE_CANCELLED;
	}
	ledger_append(order, task, run);
	printf("%s  %-8s attempt %u: %s\n", run, froe_task_name(task), froe_task_attempt(task),
	    output);
	return froe_task_output(task, output, strlen(output), NULL);
}

/* The JSON object {"task":"NAME", EXTRA "from":PARENT'S OUTPUT}. */
static enum froe_err
work_after(struct froe_task *task, const struct order *order, const char *parent, const char *extra)
{
	struct froe_bytes from;
	struct froe_error error;
	char output[4096];
	if (froe_task_parent(task, parent, &from, &error) != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return error.code;
	}
	snprintf(output, sizeof(output), "{\"task\":\"%s\",%s\"from\":%.*s}", froe_task_name(task),
	    extra, (int)from.size, (const char *)from.data);
	return work(task, order, output);
}

static enum froe_err
reserve(struct froe_task *task, void *context)
{
	char output[4096];
	struct froe_bytes input = froe_task_input(task);
	snprintf(output, sizeof(output), "{\"task\":\"reserve\",\"order\":%.*s}", (int)input.size,
	    (const char *)input.data);
	return work(task, context, output);
}

static enum froe_err
charge(struct froe_task *task, void *context)
{
	char key[FROE_ID_TEXT_SIZE], extra[128];
	froe_id_format(froe_task_id(task), key);
	if (froe_task_retries(task) < CHARGE_FAILURES) {
		printf("%s  charge   attempt %u: the payment service does not answer\n", key,
		    froe_task_attempt(task));
		froe_task_log(task, "the payment service does not answer", NULL);
		froe_task_error(task, "the payment service does not answer");
		return FROE_TASK_FAILED;
	}
	snprintf(extra, sizeof(extra), "\"idempotency_key\":\"%s\",", key);
	return work_after(task, context, "reserve", extra);
}

static enum froe_err
ship(struct froe_task *task, void *context)
{
	return work_after(task, context, "charge", "\"parcel\":\"P-1\",");
}

static enum froe_err
invoice(struct froe_task *task, void *context)
{
	return work_after(task, context, "charge", "\"paid\":true,");
}

static enum froe_err
notify(struct froe_task *task, void *context)
{
	return work_after(task, context, "ship", "\"mail\":\"sent\",");
}

static enum froe_err
register_order(struct froe_worker *worker, struct order *order, struct froe_error *error)
{
	static const char *const after_reserve[] = {"reserve", NULL};
	static const char *const after_charge[] = {"charge", NULL};
	static const char *const after_both[] = {"ship", "invoice", NULL};
	const struct froe_backoff backoff = {.kind = FROE_BACKOFF_EXPONENTIAL, .initial_ms = 100,
	    .factor = 2, .max_ms = 2000, .jitter_percent = 25};
	const struct froe_task_def tasks[] = {
	    {.name = "reserve", .handler = reserve, .context = order},
	    {.name = "charge", .parents = after_reserve, .retries = 5, .backoff = backoff,
	        .handler = charge, .context = order},
	    {.name = "ship", .parents = after_charge, .handler = ship, .context = order},
	    {.name = "invoice", .parents = after_charge, .handler = invoice, .context = order},
	    {.name = "notify", .parents = after_both, .handler = notify, .context = order},
	};
	const struct froe_workflow workflow = {.name = "order", .tasks = tasks,
	    .task_count = sizeof(tasks) / sizeof(tasks[0])};
	return froe_worker_workflow(worker, &workflow, error);
}

/* ------------------------------------------------------------------------------ the worker */

static int
fail(const char *what, const struct froe_error *error)
{
	fprintf(stderr, "order: %s: %s\n", what, error->text);
	return 1;
}

static int
serve(struct froe_client *client, uint32_t slots, const sigset_t *stop)
{
	const char *step = getenv("ORDER_STEP_MS");
	struct order order = {.ledger = getenv("ORDER_LEDGER"),
	    .step_ms = step != NULL ? (uint32_t)strtoul(step, NULL, 10) : 100};
	struct froe_worker *worker;
	struct froe_error error;
	const struct froe_worker_options options = {.slots = slots};
	int signal_number, status = 0;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return fail("worker", &error);
	if (register_order(worker, &order, &error) != FROE_OK ||
	    froe_worker_start(worker, -1, &error) != FROE_OK) {
		status = fail("register", &error);
	} else {
		printf("order: ready with %u slots\n", slots);
		sigwait(stop, &signal_number);
		froe_worker_stop(worker, 10000);
	}
	froe_worker_close(worker);
	return status;
}

/* ------------------------------------------------------------------------------- a customer */

static int
await_order(struct froe_client *client, struct froe_id run)
{
	struct froe_event *end;
	struct froe_error error;
	char id[FROE_ID_TEXT_SIZE];
	froe_id_format(run, id);
	if (froe_run_await(client, run, -1, &end, &error) != FROE_OK)
		return fail("await", &error);
	bool completed = end->status == FROE_RUN_COMPLETED;
	printf("%s %s %.*s\n", id, froe_status_name(end->status), (int)end->result.size,
	    end->result.data != NULL ? (const char *)end->result.data : "");
	froe_event_free(end);
	return completed ? 0 : 1;
}

static int
trigger(struct froe_client *client, unsigned count)
{
	struct froe_error error;
	int status = 0;
	struct froe_id *runs = calloc(count, sizeof(*runs));
	if (runs == NULL)
		return 1;
	for (unsigned i = 0; i < count && status == 0; i++) {
		char input[64];
		struct froe_started started;
		int size =
		    snprintf(input, sizeof(input), "{\"number\":%u,\"item\":\"book\"}", i + 1);
		const struct froe_run_options options = {.workflow = "order",
		    .input = {input, (size_t)size}};
		if (froe_run_start(client, &options, -1, &started, &error) != FROE_OK)
			status = fail("start", &error);
		else
			runs[i] = started.run;
	}
	for (unsigned i = 0; i < count && status == 0; i++)
		status = await_order(client, runs[i]);
	free(runs);
	return status;
}

int
main(int argc, char **argv)
{
	struct froe_client_options options = {.address = getenv("FROE_ADDRESS"), .open_ms = 10000};
	struct froe_client *client;
	struct froe_error error;
	unsigned slots = 4, count = 0;
	sigset_t stop;
	for (int i = 1; i < argc; i++) {
		bool value = i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
		if (strcmp(argv[i], "--trigger") == 0) {
			count = value ? (unsigned)strtoul(argv[++i], NULL, 10) : 1;
		} else if (strcmp(argv[i], "--address") == 0 && value) {
			options.address = argv[++i];
		} else if (strcmp(argv[i], "--slots") == 0 && value) {
			slots = (unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr,
			    "usage: order [--address HOST:PORT] [--slots N | --trigger [N]]\n");
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Before the library makes threads, so that only sigwait() sees them. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	if (count == 0)
		pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail("connect", &error);
	int status = count > 0 ? trigger(client, count) : serve(client, slots, &stop);
	froe_client_close(client);
	return status;
}
