/*
 * A reader of a run's stream who also wants what becomes of the tasks: in the one order there is,
 * as it happens and afterwards.
 */
#include "server_hub_world.h"

static uint64_t
say_follow(struct world *world, struct uuid run, uint32_t after, bool changes)
{
	struct api_command command = command_of(world, CLIENT, API_OP_STREAM_GET);
	command.run.run = run;
	command.run.after = after;
	command.run.wait = true;
	command.run.changes = changes;
	world_say(world, &command);
	return command.origin.request;
}

static void
say_chunk(struct world *world, struct eng_fence fence, const char *text)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_STREAM,
	    .task = {.fence = fence, .bytes = bytes_text(text)},
	};
	hear_done(world, WORKER, say_engine(world, WORKER, &engine, false));
}

/* "change/reason/error=data" of each row, with commas; returns where to go on. */
static uint32_t
hear_rows(struct world *world, uint64_t request, struct uuid run, const char *expected)
{
	Froe__StreamPage *page =
	    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_STREAM_PAGE);
	char text[512] = "";
	struct uuid task = uuid_task(run, 0);
	for (size_t i = 0; i < page->n_chunks; i++) {
		const Froe__StreamChunk *chunk = page->chunks[i];
		size_t size = strlen(text);
		assert_string_equal(chunk->task, "send");
		assert_true(chunk->time_ns > 0 && chunk->task_id.len == 16);
		assert_memory_equal(chunk->task_id.data, task.bytes, 16);
		snprintf(text + size, sizeof(text) - size, "%s/%s/%s=%.*s,",
		    chunk->change != NULL ? chunk->change : "-",
		    chunk->reason != NULL ? chunk->reason : "-",
		    chunk->error != NULL ? chunk->error : "-", (int)chunk->data.len,
		    (const char *)chunk->data.data);
	}
	assert_string_equal(text, expected);
	uint32_t next = page->next;
	message_done(page);
	return next;
}

static void
test_hub_stream__changes_between_chunks(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	world_mail(world, 1);
	struct uuid run = hear_started(
	    world, CLIENT, say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	uint32_t next = hear_rows(world, say_follow(world, run, 0, true), run, "assigned/-/-=,");
	uint64_t waits = say_follow(world, run, next, true);
	hear_done(world, WORKER, say_fail(world, WORKER, fence, "broke"));
	hear_rows(world, waits, run, "attempt_ended/failed/broke=,assigned/-/-=,");
	fence = hear_dispatch(world, WORKER);
	say_chunk(world, fence, "a");
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text("[1]")));
	hear_rows(world, say_follow(world, run, 0, true), run,
	    "assigned/-/-=,attempt_ended/failed/broke=,assigned/-/-=,-/-/-=a,completed/-/-=[1],");
	world_close(world);
}

/* Who wants chunks alone is not told, and waits on. */
static void
test_hub_stream__chunks_alone(void **state)
{
	(void)state;
	struct world *world = world_open(1 << 20);
	world_mail(world, 1);
	struct uuid run = hear_started(
	    world, CLIENT, say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	uint64_t waits = say_follow(world, run, 0, false);
	struct eng_fence fence = hear_dispatch(world, WORKER);
	hear_done(world, WORKER, say_fail(world, WORKER, fence, "broke"));
	assert_null(heard(world, CLIENT, waits, FROE__ENVELOPE__BODY_STREAM_PAGE));
	fence = hear_dispatch(world, WORKER);
	say_chunk(world, fence, "a");
	Froe__StreamPage *page =
	    hear_body(world, CLIENT, waits, FROE__ENVELOPE__BODY_STREAM_PAGE);
	assert_int_equal(page->n_chunks, 1);
	assert_null(page->chunks[0]->change);
	message_done(page);
	world_close(world);
}

/* A large output does not make a large page. */
static void
test_hub_stream__a_large_output_is_left_out(void **state)
{
	(void)state;
	static char output[FROE_STREAM_CHUNK_BYTES_MAX + 3];
	struct world *world = world_open(1 << 20);
	world_mail(world, 1);
	struct uuid run = hear_started(
	    world, CLIENT, say_run(world, CLIENT, "mail", bytes_text("{}"), false));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	memset(output, '1', sizeof(output) - 1);
	hear_done(world, WORKER, say_complete(world, WORKER, fence, bytes_text(output)));
	hear_rows(world, say_follow(world, run, 0, true), run, "assigned/-/-=,completed/-/-=,");
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hub_stream__changes_between_chunks),
	    cmocka_unit_test(test_hub_stream__chunks_alone),
	    cmocka_unit_test(test_hub_stream__a_large_output_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
