/* brief: a DAG. "facts" and "quotes" run side by side, "write" gets the outputs of both. */
#include "serve.h"

#include <stdio.h>

static enum froe_err
gather(struct froe_task *task, void *context)
{
	char output[600];
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	if (input.size > 500)
		return FROE_TOO_LARGE;
	int size = snprintf(output, sizeof(output), "{\"about\":%.*s}", (int)input.size,
	    (const char *)input.data);
	return froe_task_output(task, output, (size_t)size, NULL);
}

/* The same handler for two tasks: the name says which one it is. */
static enum froe_err
look_up(struct froe_task *task, void *context)
{
	char output[100];
	(void)context;
	if (froe_task_wait(task, /* timeout_ms= */ 300)) /* it takes its time; true: cancelled */
		return FROE_CANCELLED;
	int size = snprintf(output, sizeof(output), "[\"one of the %s\"]", froe_task_name(task));
	return froe_task_output(task, output, (size_t)size, NULL);
}

static enum froe_err
write_it(struct froe_task *task, void *context)
{
	char output[1000];
	struct froe_bytes facts, quotes;
	struct froe_error error;
	(void)context;
	if (froe_task_parent(task, "facts", &facts, &error) != FROE_OK ||
	    froe_task_parent(task, "quotes", &quotes, &error) != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return error.code;
	}
	int size = snprintf(output, sizeof(output), "{\"facts\":%.*s,\"quotes\":%.*s}",
	    (int)facts.size, (const char *)facts.data, (int)quotes.size,
	    (const char *)quotes.data);
	if (size >= (int)sizeof(output)) /* payloads go up to 4 MiB; this program's do not */
		return FROE_TOO_LARGE;
	return froe_task_output(task, output, (size_t)size, NULL);
}

static const char *const after_gather[] = {"gather", NULL};
static const char *const after_both[] = {"facts", "quotes", NULL};
static const struct froe_task_def tasks[] = {
    {.name = "gather", .handler = gather},
    {.name = "facts", .handler = look_up, .parents = after_gather},
    {.name = "quotes", .handler = look_up, .parents = after_gather},
    {.name = "write", .handler = write_it, .parents = after_both},
};
static const struct froe_workflow workflow = {.name = "brief", .tasks = tasks, .task_count = 4};

int
main(void)
{
	return serve(&workflow, 1, /* slots= */ 2);
}
