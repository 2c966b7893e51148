/*
 * The straight way beside the general one: it takes what nearly everybody sends, and of all else,
 * good, bad or damaged in any byte, nothing that the general way does not make the same of.
 */
#include "api_straight.h"

#include "base/mem.h"
#include "froe/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

static uint8_t run_id[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 9, 10, 11, 12, 13, 0, 0};
static uint8_t task_id[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 9, 10, 11, 12, 13, 2, 9};

static struct arena arena;
static struct buf frame;

static struct bytes
encoded(Froe__Envelope__BodyCase kind, void *body)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	envelope.has_request = true;
	envelope.request = 300;
	envelope.body_case = kind;
	envelope.run_start = body; /* a union of pointers */
	buf_reset(&frame);
	message_push(&envelope.base, &frame);
	return buf_bytes(&frame);
}

static bool
start_taken(const Froe__RunStart *start)
{
	return straight_agrees(
	    encoded(FROE__ENVELOPE__BODY_RUN_START, (void *)(uintptr_t)start), &arena);
}

static bool
complete_taken(const Froe__TaskComplete *complete)
{
	return straight_agrees(
	    encoded(FROE__ENVELOPE__BODY_TASK_COMPLETE, (void *)(uintptr_t)complete), &arena);
}

static ProtobufCBinaryData
data_of(void *bytes, size_t size)
{
	return (ProtobufCBinaryData){.data = bytes, .len = size};
}

static ProtobufCBinaryData
data_text(const char *text)
{
	return data_of((void *)(uintptr_t)text, strlen(text));
}

static Froe__RunStart
start_usual(void)
{
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = "orders.import";
	start.has_input = start.has_priority = start.has_run_timeout_ms = true;
	start.has_wait = start.has_run = true;
	start.input = data_text("{\"order\": \"4711\", \"of\": [1, 2, null]}");
	start.priority = 2;
	start.run_timeout_ms = 86400000;
	start.wait = true;
	start.run = data_of(run_id, 16);
	return start;
}

static Froe__TaskComplete
complete_usual(void)
{
	Froe__TaskComplete complete = FROE__TASK_COMPLETE__INIT;
	complete.has_task = complete.has_lease = complete.has_output = true;
	complete.task = data_of(task_id, 16);
	complete.lease = 70000;
	complete.output = data_text("{\"done\": \"as it should be\"}");
	return complete;
}

static void
test_straight__taken(void **state)
{
	(void)state;
	Froe__RunStart start = start_usual();
	assert_true(start_taken(&start));
	start.wait = start.has_priority = start.has_run_timeout_ms = false;
	assert_true(start_taken(&start));
	start.has_input = start.has_wait = start.has_run = false;
	assert_true(start_taken(&start)); /* a name alone */
	static char longest[FROE_NAME_BYTES_MAX + 1];
	memset(longest, 'n', FROE_NAME_BYTES_MAX);
	start.workflow = longest;
	assert_true(start_taken(&start));
	Froe__TaskComplete complete = complete_usual();
	assert_true(complete_taken(&complete));
	complete.has_output = false;
	assert_true(complete_taken(&complete));
}

/* Each fault, and what is good but unusual, is left to the general way. */
static void
test_straight__starts_left(void **state)
{
	(void)state;
	static char too_long[FROE_NAME_BYTES_MAX + 2];
	memset(too_long, 'n', FROE_NAME_BYTES_MAX + 1);
	static const char *const names[] = {"", "a\n", "\x7f", "b\xc3\xa4r", "a\xff", too_long};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		Froe__RunStart start = start_usual();
		start.workflow = (char *)(uintptr_t)names[i];
		assert_false(start_taken(&start));
	}
	static const char *const inputs[] = {"", "{", "1 2", "\"\xff\""};
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		Froe__RunStart start = start_usual();
		start.input = data_text(inputs[i]);
		assert_false(start_taken(&start));
	}
	static uint8_t runs[][16] = {{0}, {[6] = 0x40, [8] = 0x80}, {[6] = 0x70},
	    {[6] = 0x70, [8] = 0x80, [15] = 1}, {[6] = 0x70, [8] = 0x80, [14] = 1}};
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		Froe__RunStart start = start_usual();
		start.run = data_of(runs[i], 16);
		assert_false(start_taken(&start));
	}
	Froe__RunStart start = start_usual();
	start.run.len = 15;
	assert_false(start_taken(&start));
	start = start_usual();
	start.priority = FROE_PRIORITY_MAX + 1;
	assert_false(start_taken(&start));
	start = start_usual();
	start.key = "k";
	assert_false(start_taken(&start));
	Froe__Pair pair = FROE__PAIR__INIT, *pairs[] = {&pair};
	start = start_usual();
	start.metadata = pairs;
	start.n_metadata = 1;
	assert_false(start_taken(&start));
}

static void
test_straight__payload_limit(void **state)
{
	(void)state;
	Froe__TaskComplete complete = complete_usual();
	char *payload = mem_alloc(FROE_PAYLOAD_BYTES_MAX + 1);
	memset(payload, '1', FROE_PAYLOAD_BYTES_MAX + 1);
	complete.output = data_of(payload, FROE_PAYLOAD_BYTES_MAX);
	assert_true(complete_taken(&complete));
	complete.output.len++;
	assert_false(complete_taken(&complete));
	mem_free(payload);
}

static void
test_straight__ends_left(void **state)
{
	(void)state;
	Froe__TaskComplete complete = complete_usual();
	complete.task = data_of(run_id, 16); /* a run's, not a task's */
	assert_false(complete_taken(&complete));
	complete = complete_usual();
	complete.has_task = false;
	assert_false(complete_taken(&complete));
	complete = complete_usual();
	complete.lease = 0;
	assert_false(complete_taken(&complete));
	complete = complete_usual();
	complete.output = data_text("no");
	assert_false(complete_taken(&complete));
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	assert_false(
	    straight_agrees(encoded(FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat), &arena));
	assert_false(straight_agrees(bytes_of(NULL, 0), &arena));
}

/* Fields in another order, twice, without a request; written the long way. */
static void
test_straight__odd_frames(void **state)
{
	(void)state;
#define FRAME(text) bytes_of(text, sizeof(text) - 1)
	assert_true(straight_agrees(FRAME("\x08\x01\x62\x03\x0a\x01w"), &arena));
	static const struct {
		const char *text;
		size_t size;
	} rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
	    ROW("\x62\x03\x0a\x01w\x08\x01"), ROW("\x62\x03\x0a\x01w"),
	    ROW("\x08\x00\x62\x03\x0a\x01w"), ROW("\x08\x01\x08\x02\x62\x03\x0a\x01w"),
	    ROW("\x08\x01\x62\x06\x0a\x01w\x0a\x01v"), ROW("\x08\x01\x62\x07\x28\x01\x0a\x01w"),
	    ROW("\x08\x01\x62\x03\x0a\x01w\x62\x03\x0a\x01w"), ROW("\x08\x01\x62\x04\x0a\x01w"),
	    ROW("\x08\x01\x62\x02\x0a\x01w"), ROW("\x08\x01\x62\x00"), ROW("\x08\x01\x62"),
	    ROW("\x08\x01"), ROW("\x08\x81"), ROW("\x08\x01\x62\x05\x0a\x01w\x18\x81"),
	    ROW("\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01\x62\x03\x0a\x01w"),
	    ROW("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x62\x03\x0a\x01w"),
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(straight_agrees(bytes_of(rows[i].text, rows[i].size), &arena));
	/* Numbers with more bytes than they need are good. */
	straight_agrees(FRAME("\x08\x81\x00\xe2\x00\x83\x00\x0a\x81\x00w"), &arena);
}

/* Every byte replaced by every other value, and every beginning: they agree. Copied to the end of
 * a block, so that nothing beyond is read unseen. */
static unsigned
damaged(struct bytes good)
{
	unsigned taken = 0;
	uint8_t *copy = mem_copy(good.data, good.size);
	for (size_t at = 0; at < good.size; at++) {
		for (unsigned value = 0; value < 256; value++) {
			copy[at] = (uint8_t)value;
			taken += straight_agrees(bytes_of(copy, good.size), &arena);
		}
		copy[at] = good.data[at];
	}
	mem_free(copy);
	for (size_t size = 1; size < good.size; size++) {
		copy = mem_copy(good.data, size);
		assert_false(straight_agrees(bytes_of(copy, size), &arena));
		mem_free(copy);
	}
	return taken;
}

static void
test_straight__damaged(void **state)
{
	(void)state;
	Froe__RunStart start = start_usual();
	Froe__TaskComplete complete = complete_usual();
	assert_in_range(damaged(encoded(FROE__ENVELOPE__BODY_RUN_START, &start)), 1000, 60000);
	assert_in_range(
	    damaged(encoded(FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete)), 1000, 60000);
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	buf_release(&frame);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_straight__taken),
	    cmocka_unit_test(test_straight__starts_left),
	    cmocka_unit_test(test_straight__payload_limit),
	    cmocka_unit_test(test_straight__ends_left),
	    cmocka_unit_test(test_straight__odd_frames),
	    cmocka_unit_test(test_straight__damaged),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
