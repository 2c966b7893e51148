/*
 * Streams: chunks in order, each once, across a kill -9, from any position, of each attempt.
 */
#include "system/system.h"

#include "system/shared.h"

#define WORDS 400

struct talk {
	atomic_int said;
	atomic_int go_on; /* after half of them */
	int failures;
	atomic_int calls;
};

/* "0 1 2 ... ": a word a chunk. */
static enum froe_err
talker(struct froe_task *task, void *context)
{
	struct talk *talk = context;
	int call = atomic_fetch_add(&talk->calls, 1);
	for (int i = 0; i < WORDS; i++) {
		struct froe_error error;
		char word[16];
		int size = snprintf(word, sizeof(word), "%d ", i);
		enum froe_err err = froe_task_stream(task, word, (size_t)size, &error);
		if (err != FROE_OK) {
			froe_task_error(task, "%s", error.text);
			return err;
		}
		atomic_fetch_add(&talk->said, 1);
		while (i == WORDS / 2 && !atomic_load(&talk->go_on))
			sleep_ms(2);
	}
	if (call < talk->failures)
		return FROE_TASK_FAILED;
	return froe_task_output(task, "\"said\"", 6, NULL);
}

struct heard {
	char text[WORDS * 8];
	uint32_t attempt;  /* of the last chunk */
	uint32_t attempts; /* how often it changed */
	uint32_t last;
};

/* Reads on from `after`, until the end or until `until` bytes are there. */
static uint32_t
hear(struct froe_client *client, struct froe_id run, uint32_t after, size_t until,
    struct heard *heard)
{
	bool ended = false;
	while (!ended && strlen(heard->text) < until) {
		struct froe_stream_page *page;
		struct froe_error error;
		CALL(froe_stream_read(client, run, NULL, after, 60000, &page, &error), error);
		for (size_t i = 0; i < page->chunk_count; i++) {
			const struct froe_chunk *chunk = &page->chunks[i];
			assert_true(chunk->position > heard->last);
			heard->last = chunk->position;
			assert_string_equal(chunk->task, "talker");
			if (chunk->attempt != heard->attempt) {
				heard->attempts++;
				heard->text[0] = 0; /* it begins anew */
			}
			heard->attempt = chunk->attempt;
			size_t size = strlen(heard->text);
			assert_true(size + chunk->data.size < sizeof(heard->text));
			memcpy(heard->text + size, chunk->data.data, chunk->data.size);
			heard->text[size + chunk->data.size] = 0;
		}
		after = page->next;
		ended = page->ended;
		froe_stream_page_free(page);
	}
	return after;
}

static void
expect_all(const struct heard *heard)
{
	char all[WORDS * 8] = "";
	for (int i = 0; i < WORDS; i++)
		snprintf(all + strlen(all), 16, "%d ", i);
	assert_string_equal(heard->text, all);
}

static void
test_stream__across_a_kill(void **state)
{
	struct talk talk = {.go_on = 0};
	struct froe_task_def task = {.name = "talker", .handler = talker, .context = &talk};
	struct froe_workflow workflow = {.name = "talk", .tasks = &task, .task_count = 1};
	struct worker worker;
	struct heard heard = {0}, again = {0};
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "talk", NULL);
	uint32_t after = hear(client, run, 0, 100, &heard);
	while (atomic_load(&talk.said) <= WORDS / 2)
		sleep_ms(2);
	server_end(&server, SIGKILL);
	atomic_store(&talk.go_on, 1);
	server_start(&server);
	hear(client, run, after, SIZE_MAX, &heard);
	expect_all(&heard);
	assert_int_equal(heard.attempts, 1);
	expect_result(client, run, "\"said\"");
	hear(client, run, 0, SIZE_MAX, &again); /* of a run that has ended, from its beginning */
	expect_all(&again);
	server_restart(&server);
	memset(&again, 0, sizeof(again));
	hear(client, run, 0, SIZE_MAX, &again); /* found by the index, read from the log */
	expect_all(&again);
	froe_client_close(client);
	worker_close(&worker);
}

static void
test_stream__a_retry_begins_anew(void **state)
{
	struct talk talk = {.go_on = 1, .failures = 1};
	struct froe_task_def task = {
	    .name = "talker", .handler = talker, .context = &talk, .retries = 1};
	struct froe_workflow workflow = {.name = "talk_twice", .tasks = &task, .task_count = 1};
	struct worker worker;
	struct heard heard = {0};
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "talk_twice", NULL);
	hear(client, run, 0, SIZE_MAX, &heard);
	expect_all(&heard);
	assert_int_equal(heard.attempts, 2);
	assert_int_equal(heard.attempt, 2);
	froe_client_close(client);
	worker_close(&worker);
}

static void
expect_refused(struct froe_client *client, struct froe_id run, const char *task, enum froe_err err)
{
	struct froe_stream_page *page;
	struct froe_error error;
	assert_int_equal(froe_stream_read(client, run, task, 0, 30000, &page, &error), err);
	assert_true(error.text[0] != 0);
}

static void
test_stream__refusals(void **state)
{
	struct talk talk = {.go_on = 1};
	struct froe_task_def task = {.name = "talker", .handler = talker, .context = &talk};
	struct froe_workflow workflow = {.name = "talk_once", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_client *other = client_open(&server, "somebody-else");
	struct froe_id run = start_run(client, "talk_once", NULL), nobody = run;
	expect_result(client, run, "\"said\"");
	expect_refused(client, run, "listener", FROE_INVALID_ARGUMENT);
	expect_refused(other, run, NULL, FROE_NOT_FOUND);
	nobody.bytes[0] ^= 1;
	expect_refused(client, nobody, NULL, FROE_NOT_FOUND);
	struct heard heard = {0};
	hear(client, run, UINT32_MAX - 1, SIZE_MAX, &heard); /* beyond the end: it has ended */
	assert_string_equal(heard.text, "");
	froe_client_close(other);
	froe_client_close(client);
	worker_close(&worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream__across_a_kill),
	    cmocka_unit_test(test_stream__a_retry_begins_anew),
	    cmocka_unit_test(test_stream__refusals),
	};
	return cmocka_run_group_tests_name("system stream", tests, setup, teardown);
}
