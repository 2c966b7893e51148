/*
 * Children: each once over all attempts of its task, and cancelled with what started it.
 */
#include "engine_driver.h"

#include "froe/limits.h"

static struct eng_command
child_command(struct driver *d, uint64_t run, const char *task, uint32_t index)
{
	struct eng_command lease = driver_task_command(d, ENG_CMD_TASK_LOG, run, task);
	struct eng_command command = driver_start_command(d, "child");
	command.run_start.child = true;
	command.run_start.parent = lease.task.fence;
	command.run_start.worker = lease.task.worker;
	command.run_start.child_index = index;
	return command;
}

static uint64_t
child_start(struct driver *d, uint64_t run, const char *task, uint32_t index, bool created)
{
	struct eng_command command = child_command(d, run, task, index);
	assert_int_equal(driver_try(d, &command), FROE_OK);
	assert_int_equal(driver_reply(d)->started->created, created);
	return driver_reply(d)->run;
}

/* A parent workflow of one task that is tried thrice, a child of one; a worker for the parents. */
static uint64_t
family_open(struct driver *d)
{
	struct workflow workflow;
	driver_open(d);
	workflow_parse(&workflow, &d->arena, "wf", "a b<a");
	workflow.tasks[0].retries = 2;
	driver_put(d, &workflow);
	driver_define(d, "child", "c");
	driver_worker(d, 1, 100, "wf:a wf:b");
	return driver_start(d, "wf");
}

static void
test_children__once_over_all_attempts(void **state)
{
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d);
	uint64_t first = child_start(&d, run, "a", 0, true);
	uint64_t second = child_start(&d, run, "a", 1, true);
	assert_true(child_start(&d, run, "a", 0, false) == first);
	struct eng_command named = child_command(&d, run, "a", 0);
	named.run_start.child_key = bytes_text("zero");
	assert_int_equal(driver_try(&d, &named), FROE_OK);
	uint64_t third = driver_reply(&d)->run;
	assert_true(third != first);
	driver_fail(&d, run, "a");
	driver_crash(&d, SECOND);
	driver_worker(&d, 1, 100, "wf:a wf:b"); /* without its lease: another attempt */
	assert_true(child_start(&d, run, "a", 0, false) == first);
	assert_true(child_start(&d, run, "a", 1, false) == second);
	named = child_command(&d, run, "a", 77);
	named.run_start.child_key = bytes_text("zero");
	assert_int_equal(driver_try(&d, &named), FROE_OK);
	assert_true(driver_reply(&d)->run == third);
	child_start(&d, run, "a", 2, true);
	driver_complete(&d, run, "a");
	child_start(&d, run, "b", 0, true); /* another task's first */
	driver_close(&d);
}

/* How it ended is told to whoever asks again. */
static void
test_children__status(void **state)
{
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d);
	uint64_t child = child_start(&d, run, "a", 0, true);
	driver_worker(&d, 2, 1, "child:c");
	assert_int_equal(child_start(&d, run, "a", 0, false), child);
	assert_int_equal(driver_reply(&d)->started->status, ENG_RUNNING);
	driver_complete(&d, child, "c");
	child_start(&d, run, "a", 0, false);
	assert_int_equal(driver_reply(&d)->started->status, ENG_COMPLETED);
	d.now_ns += UINT64_C(3) * 86400 * SECOND; /* its id may be forgotten: the parent knows it */
	child_start(&d, run, "a", 0, false);
	assert_int_equal(driver_reply(&d)->started->status, ENG_COMPLETED);
	driver_close(&d);
}

static void
test_children__only_with_the_lease(void **state)
{
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d);
	struct eng_command command = child_command(&d, run, "a", 0);
	command.run_start.parent.lease++;
	assert_int_equal(driver_try(&d, &command), FROE_LEASE_LAPSED);
	command.run_start.parent.lease--;
	command.run_start.worker.v++;
	assert_int_equal(driver_try(&d, &command), FROE_LEASE_LAPSED);
	command.run_start.worker.v--;
	driver_fail(&d, run, "a"); /* tried again at once, with another lease */
	assert_int_equal(driver_try(&d, &command), FROE_LEASE_LAPSED);
	command = child_command(&d, run, "a", 0);
	command.run_start.key = bytes_text("key");
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	driver_close(&d);
}

static void
expect_pair(const struct eng_event *event, uint32_t pair, const char *key, const char *value)
{
	assert_true(bytes_equal(event->metadata[2 * pair], bytes_text(key)));
	assert_true(bytes_equal(event->metadata[2 * pair + 1], bytes_text(value)));
}

static void
test_children__inherit_metadata(void **state)
{
	const struct bytes parent[] = {bytes_text("a"), bytes_text("1"), bytes_text("b"),
	    bytes_text("2")};
	const struct bytes own[] = {bytes_text("c"), bytes_text("3"), bytes_text("a"),
	    bytes_text("own")};
	struct driver d;
	(void)state;
	family_open(&d);
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.metadata = parent;
	command.run_start.metadata_count = 4;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t run = driver_reply(&d)->run;
	command = child_command(&d, run, "a", 0);
	command.run_start.metadata = own;
	command.run_start.metadata_count = 4;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	const struct eng_event *event = ledger_record(&d.ledger, driver_reply(&d)->run, 1);
	assert_int_equal(event->metadata_count, 6);
	expect_pair(event, 0, "b", "2");
	expect_pair(event, 1, "c", "3");
	expect_pair(event, 2, "a", "own");
	assert_true(uuid_equal(event->parent, command.run_start.parent.task));
	driver_close(&d);
}

/* As much as there may be is inherited: the bound of the step holds; one more byte is refused. */
static void
test_children__inherit_the_limit(void **state)
{
	static uint8_t large[FROE_METADATA_BYTES_MAX];
	struct bytes parent[] = {bytes_text("k"), bytes_of(large, sizeof(large) - 1)};
	struct bytes own[] = {bytes_text("l"), bytes_text("")};
	struct driver d;
	(void)state;
	memset(large, 'x', sizeof(large));
	family_open(&d);
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.metadata = parent;
	command.run_start.metadata_count = 2;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t run = driver_reply(&d)->run;
	child_start(&d, run, "a", 0, true);
	command = child_command(&d, run, "a", 1);
	command.run_start.metadata = own;
	command.run_start.metadata_count = 2;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "metadata");
	driver_close(&d);
}

/* By itself a parent's end is nothing to its children, whichever goes first. */
static void
test_children__outlive_their_parent(void **state)
{
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d);
	uint64_t child = child_start(&d, run, "a", 0, true);
	driver_cancel(&d, run);
	driver_settle(&d);
	assert_run_open(&d, child);
	driver_worker(&d, 2, 1, "child:c");
	driver_complete(&d, child, "c");
	assert_run_closed(&d, child, ENG_COMPLETED);
	driver_close(&d);
}

static enum froe_err
cancel_all(struct driver *d, uint64_t run)
{
	struct eng_command command = driver_command(d, ENG_CMD_RUN_CANCEL);
	command.run_cancel.run = ledger_run(&d->ledger, run)->id;
	command.run_cancel.reason = bytes_text("enough");
	command.run_cancel.children = true;
	return driver_try(d, &command);
}

/* Children of children too, also those whose own parent ends by itself before its turn comes. */
static void
test_children__cancelled_with_their_parent(void **state)
{
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d), other = driver_start(&d, "wf");
	driver_worker(&d, 2, 100, "child:c");
	uint64_t child = child_start(&d, run, "a", 0, true);
	uint64_t second = child_start(&d, run, "a", 1, true);
	uint64_t grandchild = child_start(&d, child, "c", 0, true);
	uint64_t cousin = child_start(&d, second, "c", 0, true);
	uint64_t stranger = child_start(&d, other, "a", 0, true);
	assert_int_equal(cancel_all(&d, run), FROE_OK);
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_run_open(&d, child);
	driver_complete(&d, second, "c"); /* just in time */
	driver_crash(&d, SECOND);         /* the rest goes on after a restart */
	driver_settle(&d);
	assert_run_closed(&d, child, ENG_CANCELLED);
	assert_run_closed(&d, second, ENG_COMPLETED);
	assert_run_closed(&d, grandchild, ENG_CANCELLED);
	assert_run_closed(&d, cousin, ENG_CANCELLED);
	assert_run_open(&d, stranger);
	const struct eng_event *why = ledger_record(&d.ledger, cousin, 4);
	assert_int_equal(why->type, ENG_EV_RUN_CANCEL_REQUESTED);
	assert_int_equal(why->reason, ENG_REASON_PARENT);
	assert_true(uuid_equal(why->parent, ledger_run(&d.ledger, run)->id));
	driver_close(&d);
}

/* Thousands of them: no step is larger than any other, and a scheduled one is among them. */
static void
test_children__cancelled_in_slices(void **state)
{
	enum { CHILDREN = 1500 };
	struct driver d;
	size_t steps = 0;
	(void)state;
	uint64_t run = family_open(&d);
	d.check_every = 500;
	for (uint32_t i = 0; i < CHILDREN; i++) {
		struct eng_command command = child_command(&d, run, "a", i);
		command.run_start.delay_ms = i % 3 == 0 ? 5000 : 0;
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	assert_int_equal(cancel_all(&d, run), FROE_OK);
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	while (eng_pending(d.eng)) {
		driver_step(&d, &command);
		assert_in_range(d.out->event_count, 1, 256 + 3);
		steps++;
	}
	assert_true(steps > CHILDREN * 2 / 256);
	assert_int_equal(d.ledger.runs_open, 0);
	driver_close(&d);
}

static void
test_children__limit(void **state)
{
	struct eng_start starts[FROE_BULK_RUNS_MAX];
	struct driver d;
	(void)state;
	uint64_t run = family_open(&d);
	d.check_every = 1000;
	struct eng_command command = driver_command(&d, ENG_CMD_RUN_START_MANY);
	command.run_start_many.starts = starts;
	command.run_start_many.count = FROE_BULK_RUNS_MAX;
	for (uint32_t i = 0; i < FROE_TASK_CHILDREN_MAX; i++) {
		starts[i % FROE_BULK_RUNS_MAX] = child_command(&d, run, "a", i).run_start;
		if ((i + 1) % FROE_BULK_RUNS_MAX == 0)
			assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	/* Once more the last of them, as a retry would, and nothing has started. */
	for (uint32_t i = 0; i < FROE_BULK_RUNS_MAX; i++)
		starts[i].run = driver_id(&d);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_STARTED), 0);
	struct eng_command one = child_command(&d, run, "a", FROE_TASK_CHILDREN_MAX);
	assert_int_equal(driver_try(&d, &one), FROE_RESOURCE_EXHAUSTED);
	starts[0] = one.run_start;
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	assert_string_equal(driver_reply(&d)->faults[0].field, "runs[0].parent");
	driver_close(&d);
}

struct seen {
	uint32_t count;
	struct eng_child_view last;
};

static void
child_seen(void *context, const struct eng_child_view *child)
{
	struct seen *seen = context;
	seen->count++;
	seen->last = *child;
}

static void
test_children__view(void **state)
{
	struct driver d;
	struct seen seen = {0};
	(void)state;
	uint64_t run = family_open(&d);
	assert_int_equal(eng_children(d.eng, run, child_seen, &seen), 0);
	child_start(&d, run, "a", 5, true);
	uint64_t last = child_start(&d, run, "a", 3, true);
	assert_int_equal(eng_children(d.eng, run, child_seen, &seen), 2);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.last.index, 3);
	assert_true(seen.last.run == last);
	assert_int_equal(seen.last.status, ENG_QUEUED);
	driver_cancel(&d, last);
	eng_children(d.eng, run, child_seen, &seen);
	assert_int_equal(seen.last.status, ENG_CANCELLED);
	driver_cancel(&d, run);
	assert_int_equal(eng_children(d.eng, run, child_seen, &seen), 0);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_children__once_over_all_attempts),
	    cmocka_unit_test(test_children__status),
	    cmocka_unit_test(test_children__only_with_the_lease),
	    cmocka_unit_test(test_children__inherit_metadata),
	    cmocka_unit_test(test_children__inherit_the_limit),
	    cmocka_unit_test(test_children__outlive_their_parent),
	    cmocka_unit_test(test_children__cancelled_with_their_parent),
	    cmocka_unit_test(test_children__cancelled_in_slices),
	    cmocka_unit_test(test_children__limit),
	    cmocka_unit_test(test_children__view),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
