/* book: a task that starts runs of its own, as many as its input says, and gathers their ends. */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>

#define CHAPTERS_MAX 100u

static enum froe_err
write_chapter(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	froe_task_log(task, "writing", NULL); /* shown by froe runs get --output json */
	return froe_task_output(task, input.data, input.size, NULL);
}

static enum froe_err
give_up(struct froe_task *task, const struct froe_error *error)
{
	froe_task_error(task, "%s", error->text);
	return error->code;
}

/* Payloads are JSON text, and not terminated. */
static size_t
number_of(struct froe_bytes json)
{
	char text[24];
	snprintf(text, sizeof(text), "%.*s", (int)json.size, (const char *)json.data);
	return strtoul(text, NULL, 10);
}

static enum froe_err
write_book(struct froe_task *task, void *context)
{
	char inputs[CHAPTERS_MAX][32], output[64];
	struct froe_run_options chapters[CHAPTERS_MAX];
	struct froe_started started[CHAPTERS_MAX];
	struct froe_error error;
	struct froe_event *end;
	size_t count = number_of(froe_task_input(task)), good = 0;
	(void)context;
	if (count == 0 || count > CHAPTERS_MAX) {
		froe_task_error(task, "the input is a number from 1 to %u", CHAPTERS_MAX);
		froe_task_fatal(task);
		return FROE_INVALID_ARGUMENT;
	}
	for (size_t i = 0; i < count; i++) {
		int size = snprintf(inputs[i], sizeof(inputs[i]), "{\"chapter\":%zu}", i + 1);
		chapters[i] = (struct froe_run_options){
		    .workflow = "chapter", .input = {inputs[i], (size_t)size}};
	}
	/* Once over all attempts of this task: a second attempt gets the same runs. */
	if (froe_task_spawn_many(task, chapters, count, /* timeout_ms= */ -1, started, &error) !=
	    FROE_OK)
		return give_up(task, &error);
	for (size_t i = 0; i < count; i++) {
		if (froe_child_await(task, started[i].run, /* timeout_ms= */ -1, &end, &error) !=
		    FROE_OK)
			return give_up(task, &error);
		good += end->status == FROE_RUN_COMPLETED;
		froe_event_free(end);
	}
	int size = snprintf(output, sizeof(output), "{\"chapters\":%zu}", good);
	return froe_task_output(task, output, (size_t)size, NULL);
}

static const struct froe_task_def book_tasks[] = {
    {.name = "book", .handler = write_book, .retries = 3}};
static const struct froe_task_def chapter_tasks[] = {
    {.name = "chapter", .handler = write_chapter, .retries = 3}};
static const struct froe_workflow workflows[] = {
    {.name = "book", .tasks = book_tasks, .task_count = 1},
    {.name = "chapter", .tasks = chapter_tasks, .task_count = 1},
};

int
main(void)
{
	/* A book keeps its slot while it waits for its chapters: so more than one. */
	return serve(workflows, 2, /* slots= */ 4);
}
