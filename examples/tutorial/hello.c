/* hello: the smallest worker. It serves the workflow "hello", which has one task. */
#include <froe/froe.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Executes one attempt of the task: called in a thread of the worker. */
static enum froe_err
say_hello(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	char output[300];
	(void)context;
	if (input.size > 200) {
		froe_task_error(task, "the input has %zu bytes, not 200", input.size);
		return FROE_TOO_LARGE;
	}
	int size = snprintf(output, sizeof(output), "{\"hello\":%.*s}", (int)input.size,
	    (const char *)input.data);
	return froe_task_output(task, output, (size_t)size, NULL);
}

static const struct froe_task_def tasks[] = {{.name = "say", .handler = say_hello}};
static const struct froe_workflow workflow = {.name = "hello", .tasks = tasks, .task_count = 1};

/* Registers the workflow and executes its tasks until a signal comes. */
static int
work(struct froe_client *client, const sigset_t *stop)
{
	/* slots: so many tasks at a time, each in a thread of its own. */
	const struct froe_worker_options options = {.name = "hello", .slots = 2};
	struct froe_worker *worker = NULL;
	struct froe_error error;
	int signal_number, status = 0;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK ||
	    froe_worker_workflow(worker, &workflow, &error) != FROE_OK ||
	    froe_worker_start(worker, /* timeout_ms= */ 5000, &error) != FROE_OK) {
		fprintf(stderr, "hello: %s\n", error.text);
		status = 1;
	} else {
		printf("hello: ready\n");
		fflush(stdout);
		sigwait(stop, &signal_number);
		froe_worker_stop(worker, /* limit_ms= */ 10000);
	}
	froe_worker_close(worker);
	return status;
}

int
main(void)
{
	/* The server: NULL is 127.0.0.1:7077. */
	const struct froe_client_options options = {.address = getenv("FROE_ADDRESS")};
	struct froe_client *client;
	struct froe_error error;
	sigset_t stop;
	/* Before the library makes threads: so that only sigwait() gets the signals. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (froe_client_open(&options, &client, &error) != FROE_OK) {
		fprintf(stderr, "hello: %s\n", error.text);
		return 1;
	}
	int status = work(client, &stop);
	froe_client_close(client);
	return status;
}
