/* serve: main() of hello.c, for any workflows. */
#include "serve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int
fail(const struct froe_error *error)
{
	fprintf(stderr, "%s\n", error->text);
	return 1;
}

static int
work(struct froe_client *client, const struct froe_workflow *workflows, size_t count,
    uint32_t slots, const sigset_t *stop)
{
	/* A durable task that waits is taken off the worker after 100 ms. */
	const struct froe_worker_options options = {.name = workflows[0].name, .slots = slots,
	    .evict_after_ms = 100};
	struct froe_worker *worker = NULL;
	struct froe_error error;
	int signal_number, status = 0;
	enum froe_err err = froe_worker_open(client, &options, &worker, &error);
	for (size_t i = 0; i < count && err == FROE_OK; i++)
		err = froe_worker_workflow(worker, &workflows[i], &error);
	if (err == FROE_OK)
		err = froe_worker_start(worker, /* timeout_ms= */ -1, &error);
	if (err == FROE_OK) {
		printf("%s: ready\n", workflows[0].name);
		sigwait(stop, &signal_number);
		froe_worker_stop(worker, /* limit_ms= */ 10000);
	} else {
		status = fail(&error);
	}
	froe_worker_close(worker);
	return status;
}

int
serve(const struct froe_workflow *workflows, size_t count, uint32_t slots)
{
	/* open_ms: how long to try; a worker may be started before its server. */
	const struct froe_client_options options = {.address = getenv("FROE_ADDRESS"),
	    .open_ms = 30000};
	struct froe_client *client;
	struct froe_error error;
	sigset_t stop;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail(&error);
	int status = work(client, workflows, count, slots, &stop);
	froe_client_close(client);
	return status;
}
