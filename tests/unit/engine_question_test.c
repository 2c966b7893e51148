/*
 * What may be asked of the engine: workflows, workers and what they hold, queues; page by page, of
 * one tenant, and of what is not there.
 */
#include "engine/holder.h"
#include "engine/workflow.h"

#include "engine_driver.h"

static void
expect_text(struct bytes text, const char *want)
{
	assert_true(bytes_equal(text, bytes_text(want)));
}

static void
test_question__workflows(void **state)
{
	struct driver d;
	struct eng_workflow_view views[4], view;
	const struct eng_tenant_id nobody = {77};
	(void)state;
	driver_open(&d);
	assert_int_equal(eng_workflows(d.eng, d.tenant, 0, views, 4), 0);
	driver_define(&d, "one", "a");
	driver_define(&d, "two", "a b");
	driver_define(&d, "two", "a b c");
	struct eng_tenant_id own = d.tenant;
	d.tenant = driver_tenant(&d, "other");
	driver_define(&d, "two", "x");
	driver_define(&d, "three", "x");
	driver_start(&d, "three");
	/* Of each tenant its own, in the order of their ids. */
	assert_int_equal(eng_workflows(d.eng, own, 0, views, 4), 2);
	expect_text(views[0].name, "one");
	expect_text(views[1].name, "two");
	assert_int_equal(views[1].version, 2);
	assert_int_equal(views[1].task_count, 3);
	assert_int_equal(eng_workflows(d.eng, own, 0, views, 1), 1);
	assert_int_equal(eng_workflows(d.eng, own, views[0].id, views, 1), 1);
	expect_text(views[0].name, "two");
	assert_int_equal(eng_workflows(d.eng, own, views[0].id, views, 4), 0);
	assert_int_equal(eng_workflows(d.eng, d.tenant, 0, views, 4), 2);
	assert_int_equal(eng_workflows(d.eng, nobody, 0, views, 4), 0);
	assert_true(eng_workflow(d.eng, d.tenant, bytes_text("three"), &view));
	assert_int_equal(view.runs, 1);
	assert_true(eng_workflow(d.eng, own, bytes_text("two"), &view));
	assert_int_equal(view.version, 2);
	assert_false(eng_workflow(d.eng, own, bytes_text("three"), &view));
	assert_false(eng_workflow(d.eng, nobody, bytes_text("two"), &view));
	expect_text(eng_tenant_name(d.eng, own), "acme");
	assert_int_equal(eng_tenant_name(d.eng, nobody).size, 0);
	driver_close(&d);
}

/* One that nobody has defined yet, and whose run waits for that, is none. */
static void
test_question__a_workflow_without_a_version(void **state)
{
	struct driver d;
	struct eng_workflow_view view;
	struct eng_version_view version;
	(void)state;
	driver_open(&d);
	assert_false(eng_workflow(d.eng, d.tenant, bytes_text("wf"), &view));
	assert_false(eng_version(d.eng, 0, 1, &version));
	assert_false(eng_version(d.eng, 1, 1, &version));
	driver_define(&d, "wf", "a b<a");
	assert_true(eng_workflow(d.eng, d.tenant, bytes_text("wf"), &view));
	assert_true(eng_version(d.eng, view.id, 1, &version));
	expect_text(version.workflow, "wf");
	assert_int_equal(version.task_count, 2);
	assert_int_equal(version.children[0], 1);
	assert_false(eng_version(d.eng, view.id, 2, &version));
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------- workers */

struct seen {
	unsigned count;
	unsigned stop_at;
	unsigned attached;
	uint64_t last;
	uint64_t length;
	uint64_t oldest_ns;
	struct uuid runs[3];
};

static void
each_worker(void *context, uint64_t worker, bool attached, struct bytes name)
{
	struct seen *seen = context;
	expect_text(name, "worker");
	seen->count++;
	seen->attached += attached;
	seen->last = worker;
}

static bool
each_lease(void *context, const struct eng_lease_view *view)
{
	struct seen *seen = context;
	assert_true(uuid_equal(view->task, uuid_task(seen->runs[seen->count], 0))); /* in order */
	expect_text(view->workflow, "wf");
	expect_text(view->name, "a");
	assert_int_equal(view->attempt, 1);
	return ++seen->count != seen->stop_at;
}

static void
test_question__workers(void **state)
{
	struct driver d;
	struct seen seen = {0};
	struct eng_worker_view view;
	(void)state;
	driver_open(&d);
	assert_false(eng_worker_next(d.eng, d.tenant, 0, &view));
	uint64_t first = driver_worker(&d, 1, 4, "wf:a wf:b");
	struct eng_tenant_id own = d.tenant;
	d.tenant = driver_tenant(&d, "other");
	uint64_t others = driver_worker(&d, 2, 1, "x:y");
	d.tenant = own;
	uint64_t third = driver_worker(&d, 3, 2, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, third, false);
	eng_workers(d.eng, each_worker, &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.attached, 2);
	assert_int_equal(seen.last, third);
	/* A tenant's, one by one; from behind one that is not there, too. */
	assert_true(eng_worker_next(d.eng, own, 0, &view));
	assert_int_equal(view.number, first);
	assert_int_equal(view.action_count, 2);
	expect_text(eng_worker_action(d.eng, first, 1), "wf:b");
	assert_true(eng_worker_next(d.eng, own, first, &view));
	assert_int_equal(view.number, third);
	assert_false(view.attached);
	assert_false(eng_worker_next(d.eng, own, third, &view));
	assert_false(eng_worker_next(d.eng, own, third + 100, &view));
	assert_true(eng_worker_view(d.eng, others, &view));
	assert_int_equal(view.slots, 1);
	assert_false(eng_worker_view(d.eng, 100, &view));
	assert_int_equal(eng_worker_find(d.eng, own, worker_uuid(3)), third);
	assert_int_equal(eng_worker_find(d.eng, own, worker_uuid(2)), 0);
	expect_text(eng_worker_name(d.eng, first), "worker");
	assert_int_equal(eng_worker_name(d.eng, 100).size, 0);
	/* One that has left is known by name, and by nothing else. */
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, first, false);
	driver_settle(&d);
	assert_false(eng_worker_view(d.eng, first, &view));
	expect_text(eng_worker_name(d.eng, first), "worker");
	assert_true(eng_worker_next(d.eng, own, first, &view));
	assert_int_equal(view.number, third);
	driver_close(&d);
}

static void
test_question__what_a_worker_holds(void **state)
{
	struct driver d;
	struct eng_worker_view view;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 2, "wf:a");
	for (unsigned i = 0; i < 3; i++)
		runs[i] = driver_start(&d, "wf");
	assert_true(eng_worker_view(d.eng, worker, &view));
	assert_int_equal(view.leases, 2);
	assert_int_equal(view.slots_used, 2);
	assert_int_equal(view.type_count, 1);
	expect_text(view.types[0].type, "default");
	assert_int_equal(view.types_used[0], 2);
	struct seen seen = {0};
	for (unsigned i = 0; i < 3; i++)
		seen.runs[i] = ledger_run(&d.ledger, runs[i])->id;
	eng_worker_leases(d.eng, worker, each_lease, &seen);
	assert_int_equal(seen.count, 2);
	seen.count = 0;
	seen.stop_at = 1;
	eng_worker_leases(d.eng, worker, each_lease, &seen);
	assert_int_equal(seen.count, 1);
	seen.count = 0;
	eng_worker_leases(d.eng, 100, each_lease, &seen);
	assert_int_equal(seen.count, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(eng_worker_holds(d.eng, worker, seen.runs[i]) == (i < 2));
	assert_false(eng_worker_holds(d.eng, 100, seen.runs[0]));
	assert_false(eng_worker_holds(d.eng, worker, worker_uuid(9)));
	driver_close(&d);
}

/* -------------------------------------------------------------------------------------- queues */

static void
each_queue(void *context, const struct eng_queue_view *view)
{
	struct seen *seen = context;
	expect_text(view->tenant, "acme");
	seen->count++;
	seen->length += view->length;
	if (view->oldest_ns != 0 && (seen->oldest_ns == 0 || view->oldest_ns < seen->oldest_ns))
		seen->oldest_ns = view->oldest_ns;
	assert_true((view->oldest_ns != 0) == (view->length > 0));
}

/* How many wait, and since when the first: whatever their priorities are. */
static void
test_question__queues(void **state)
{
	struct driver d;
	struct seen seen = {0};
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_define(&d, "other", "b");
	for (uint32_t priority = 3; priority >= 1; priority--) { /* the lowest comes last */
		struct eng_command command = driver_start_command(&d, "wf");
		command.run_start.priority = priority;
		d.now_ns += 1000;
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	d.now_ns += 1000;
	driver_start(&d, "other");
	eng_queues(d.eng, each_queue, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.length, 4);
	uint64_t oldest_ns = seen.oldest_ns;
	assert_true(oldest_ns != 0);
	driver_worker(&d, 1, 1, "wf:a"); /* takes the one that is most urgent, and came first */
	seen = (struct seen){0};
	eng_queues(d.eng, each_queue, &seen);
	assert_int_equal(seen.length, 3);
	assert_int_equal(seen.oldest_ns, oldest_ns + 1000);
	driver_worker(&d, 2, 4, "wf:a other:b");
	seen = (struct seen){0};
	eng_queues(d.eng, each_queue, &seen);
	assert_int_equal(seen.length, 0);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_question__workflows),
	    cmocka_unit_test(test_question__a_workflow_without_a_version),
	    cmocka_unit_test(test_question__workers),
	    cmocka_unit_test(test_question__what_a_worker_holds),
	    cmocka_unit_test(test_question__queues),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
