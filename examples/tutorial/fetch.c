/* fetch: a task that fails now and then, as everything does that asks somebody else. */
#define _GNU_SOURCE /* memmem */
#include "serve.h"

#include <stdio.h>
#include <string.h>

static enum froe_err
fetch(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	if (memmem(input.data, input.size, "\"gone\"", 6) != NULL) {
		froe_task_error(task, "404: there is no such page");
		froe_task_fatal(task); /* to try again would not help */
		return FROE_NOT_FOUND;
	}
	if (froe_task_attempt(task) < 3) {
		froe_task_error(task, "503: try again later");
		return FROE_UNAVAILABLE; /* anything but FROE_OK fails the attempt */
	}
	return froe_task_output(task, "\"a page\"", 8, NULL);
}

static const struct froe_task_def tasks[] = {{
    .name = "fetch",
    .handler = fetch,
    .retries = 4, /* after the first attempt */
    .backoff = {.kind = FROE_BACKOFF_EXPONENTIAL, .initial_ms = 200, .max_ms = 60000,
	.jitter_percent = 20}, /* 200 ms, 400 ms, 800 ms, ... less up to a fifth */
    .execution_timeout_ms = 10000, /* of one attempt */
}};
static const struct froe_workflow workflow = {.name = "fetch", .tasks = tasks, .task_count = 1};

int
main(void)
{
	return serve(&workflow, 1, /* slots= */ 4);
}
