/*
 * agent: a durable task. Its handler reads from top to bottom, and may take a year:
 *
 *     plan (a memo) -> two chapters (child runs) -> a while (a sleep)
 *         -> "news", or an hour (the first of two) -> "publish?" (an approval) -> publish (a memo)
 */
#include "serve.h"

#include <stdio.h>
#include <string.h>

/* Asks the model. What it says may be another thing each time, and costs money: so it is kept. */
static enum froe_err
make_plan(struct froe_task *task, struct froe_bytes *ret_plan, struct froe_error *error)
{
	static const char *const words[] = {"first ", "read, ", "then ", "write\n"};
	static const char plan[] = "{\"plan\":\"first read, then write\"}";
	enum froe_err err = froe_task_memo_get(task, "plan", ret_plan, error);
	if (err != FROE_NOT_FOUND)
		return err; /* FROE_OK: it was kept by an earlier attempt */
	printf("agent: asks the model\n");
	err = FROE_OK;
	for (size_t i = 0; i < 4 && err == FROE_OK; i++) /* readers see the words as they come */
		err = froe_task_stream(task, words[i], strlen(words[i]), error);
	return err != FROE_OK
	    ? err : froe_task_memo_put(task, "plan", plan, strlen(plan), ret_plan, error);
}

/* Both are started before the first is waited for: they run side by side. */
static enum froe_err
write_chapters(struct froe_task *task, struct froe_error *error)
{
	static const char *const inputs[] = {"{\"chapter\":1}", "{\"chapter\":2}"};
	struct froe_child children[2];
	struct froe_child_result result;
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < 2 && err == FROE_OK; i++) {
		const struct froe_run_options options = {
		    .workflow = "chapter", .input = {inputs[i], strlen(inputs[i])}};
		err = froe_task_child_start(task, &options, &children[i], error);
	}
	for (size_t i = 0; i < 2 && err == FROE_OK; i++)
		err = froe_task_child_await(task, &children[i], &result, error);
	return err;
}

static enum froe_err
wait_for_news(struct froe_task *task, struct froe_error *error)
{
	const struct froe_condition either[] = {
	    {.kind = FROE_ON_EVENT, .name = "news"},
	    {.kind = FROE_ON_SLEEP, .sleep_ms = 3600 * 1000},
	};
	struct froe_durable_result first;
	return froe_task_await(task, either, 2, &first, error);
}

/* A side effect: it belongs behind a memo, so that it happens once. If we die between doing and
 * keeping it happens again: so it takes the task's id, the same each time, as its key. */
static enum froe_err
publish(struct froe_task *task, struct froe_error *error)
{
	struct froe_bytes receipt;
	char key[FROE_ID_TEXT_SIZE];
	enum froe_err err = froe_task_memo_get(task, "published", &receipt, error);
	if (err != FROE_NOT_FOUND)
		return err;
	froe_id_format(froe_task_id(task), key);
	printf("agent: publishes, with the key %s\n", key);
	return froe_task_memo_put(task, "published", "true", 4, NULL, error);
}

static enum froe_err
steps(struct froe_task *task, struct froe_error *error)
{
	struct froe_bytes plan;
	struct froe_durable_result answer;
	enum froe_err err = make_plan(task, &plan, error);
	if (err == FROE_OK)
		err = write_chapters(task, error);
	if (err == FROE_OK)
		err = froe_task_sleep(task, /* ms= */ 1000, error); /* or a year of them */
	if (err == FROE_OK)
		err = wait_for_news(task, error);
	if (err == FROE_OK)
		err = froe_task_approval(task, "publish?", plan, &answer, error);
	if (err == FROE_OK && answer.approved)
		err = publish(task, error);
	return err;
}

static enum froe_err
run_agent(struct froe_task *task, void *context)
{
	struct froe_error error;
	enum froe_err err = steps(task, &error);
	(void)context;
	/* FROE_CANCELLED: cancelled, or evicted while it waited: then it will be back. */
	if (err != FROE_OK && err != FROE_CANCELLED)
		froe_task_error(task, "%s", error.text);
	return err != FROE_OK ? err : froe_task_output(task, "\"done\"", 6, NULL);
}

static enum froe_err
write_chapter(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	return froe_task_output(task, input.data, input.size, NULL);
}

static const struct froe_task_def agent_tasks[] = {
    {.name = "agent", .durable = true, .handler = run_agent, .retries = 5}};
static const struct froe_task_def chapter_tasks[] = {
    {.name = "chapter", .handler = write_chapter, .retries = 3}};
static const struct froe_workflow workflows[] = {
    {.name = "agent", .tasks = agent_tasks, .task_count = 1},
    {.name = "chapter", .tasks = chapter_tasks, .task_count = 1},
};

int
main(void)
{
	return serve(workflows, 2, /* slots= */ 2);
}
