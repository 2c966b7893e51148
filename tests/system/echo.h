/*
 * tests/echo: the workflow "echo": its one task gives back its input. Include once, in the test
 * program, after system.h.
 */
#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H

static enum froe_err
echo(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	return froe_task_output(task, input.data, input.size, NULL);
}

static const struct froe_task_def only = {.name = "only", .handler = echo};
static const struct froe_workflow echoes = {.name = "echo", .tasks = &only, .task_count = 1};

#endif
