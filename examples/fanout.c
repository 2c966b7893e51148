/*
 * Fan-out and fan-in: a task starts a child run for each of its parts, waits for all of them and
 * adds up what they found. `fanout [N]` counts the primes below 1000 * N in N children.
 *
 * A child is started once, however often its parent is tried: here the first attempt gives up after
 * half of its calls, and the second one finds the children that the first had started.
 */
#include <froe/froe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART 1000u
#define PARTS_MAX 1000u

static unsigned
number_of(struct froe_bytes json, const char *name)
{
	char text[64];
	size_t size = json.size < sizeof(text) - 1 ? json.size : sizeof(text) - 1;
	if (size > 0)
		memcpy(text, json.data, size);
	text[size] = 0;
	const char *at = strstr(text, name);
	return at != NULL ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

static bool
prime(unsigned number)
{
	for (unsigned i = 2; i * i <= number; i++) {
		if (number % i == 0)
			return false;
	}
	return number > 1;
}

/* A child: the primes of its part. */
static enum froe_err
count(struct froe_task *task, void *context)
{
	unsigned from = number_of(froe_task_input(task), "\"from\":"), found = 0;
	char output[32];
	(void)context;
	for (unsigned i = from; i < from + PART; i++)
		found += prime(i) ? 1 : 0;
	int size = snprintf(output, sizeof(output), "%u", found);
	return froe_task_output(task, output, (size_t)size, NULL);
}

/* Starts a child for each part. */
static enum froe_err
spawn(struct froe_task *task, struct froe_started *children, unsigned parts,
    struct froe_error *error)
{
	unsigned repeated = 0;
	for (unsigned i = 0; i < parts; i++) {
		char input[64];
		int size = snprintf(input, sizeof(input), "{\"from\":%u}", i * PART);
		const struct froe_run_options options = {
		    .workflow = "count",
		    .input = {input, (size_t)size},
		};
		enum froe_err err =
		    froe_task_spawn(task, &options, NULL, -1, &children[i], error);
		if (err != FROE_OK)
			return err;
		repeated += children[i].created ? 0 : 1;
		if (froe_task_attempt(task) == 1 && i == parts / 2) {
			froe_task_error(task, "gave up after %u of %u children", i + 1, parts);
			return FROE_UNAVAILABLE; /* and is tried again */
		}
	}
	printf("attempt %u: %u children, %u of them started before\n", froe_task_attempt(task),
	    parts, repeated);
	return FROE_OK;
}

static enum froe_err
gather(struct froe_task *task, const struct froe_started *children, unsigned parts,
    unsigned *ret_sum, struct froe_error *error)
{
	*ret_sum = 0;
	for (unsigned i = 0; i < parts; i++) {
		struct froe_event *end;
		enum froe_err err = froe_child_await(task, children[i].run, -1, &end, error);
		if (err != FROE_OK)
			return err;
		if (end->status == FROE_RUN_COMPLETED)
			*ret_sum += number_of(end->result, "");
		else
			err = FROE_TASK_FAILED;
		froe_event_free(end);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}

/* The parent. */
static enum froe_err
sum(struct froe_task *task, void *context)
{
	unsigned parts = number_of(froe_task_input(task), "\"parts\":"), total;
	struct froe_started *children = calloc(parts, sizeof(*children));
	struct froe_error error = {0};
	char output[32];
	(void)context;
	if (children == NULL)
		return FROE_NO_MEMORY;
	enum froe_err err = spawn(task, children, parts, &error);
	if (err == FROE_OK)
		err = gather(task, children, parts, &total, &error);
	free(children);
	if (err != FROE_OK)
		return err;
	int size = snprintf(output, sizeof(output), "%u", total);
	return froe_task_output(task, output, (size_t)size, NULL);
}

static int
fail(const struct froe_error *error)
{
	fprintf(stderr, "fanout: %s\n", error->text);
	return 1;
}

static int
run_one(struct froe_client *client, unsigned parts)
{
	char input[32];
	int size = snprintf(input, sizeof(input), "{\"parts\":%u}", parts);
	const struct froe_pair who = {.key = "example", .value = "fanout"};
	const struct froe_run_options options = {
	    .workflow = "fanout",
	    .input = {input, (size_t)size},
	    .metadata = &who, /* the children have it too */
	    .metadata_count = 1,
	};
	struct froe_started started;
	struct froe_event *end;
	struct froe_error error;
	if (froe_run_start(client, &options, -1, &started, &error) != FROE_OK ||
	    froe_run_await(client, started.run, -1, &end, &error) != FROE_OK)
		return fail(&error);
	printf("%s: %.*s primes below %u\n", froe_status_name(end->status), (int)end->result.size,
	    end->result.size > 0 ? (const char *)end->result.data : "", parts * PART);
	int status = end->status == FROE_RUN_COMPLETED ? 0 : 1;
	froe_event_free(end);
	return status;
}

/* The parent holds a slot while it waits, so its children need others. */
static int
work_and_run(struct froe_client *client, unsigned parts)
{
	const struct froe_task_def parent = {.name = "sum", .retries = 2, .handler = sum};
	const struct froe_task_def child = {.name = "count", .handler = count};
	const struct froe_workflow workflows[] = {
	    {.name = "fanout", .tasks = &parent, .task_count = 1},
	    {.name = "count", .tasks = &child, .task_count = 1},
	};
	const struct froe_worker_options options = {.name = "fanout", .slots = 5};
	struct froe_worker *worker;
	struct froe_error error;
	int status;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return fail(&error);
	if (froe_worker_workflow(worker, &workflows[0], &error) != FROE_OK ||
	    froe_worker_workflow(worker, &workflows[1], &error) != FROE_OK ||
	    froe_worker_start(worker, -1, &error) != FROE_OK)
		status = fail(&error);
	else
		status = run_one(client, parts);
	froe_worker_close(worker);
	return status;
}

int
main(int argc, char **argv)
{
	struct froe_client_options options = {.address = getenv("FROE_ADDRESS"), .open_ms = 10000};
	struct froe_client *client;
	struct froe_error error;
	unsigned parts = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
	if (argc > 2 || parts == 0 || parts > PARTS_MAX) {
		fprintf(stderr, "usage: fanout [N], at most %u parts\n", PARTS_MAX);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail(&error);
	int status = work_and_run(client, parts);
	froe_client_close(client);
	return status;
}
