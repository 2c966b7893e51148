/* In which order results of a durable task's steps are told. */
#include "gateway/course.h"

#include "base/duration.h"
#include "gateway/gateway_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct uuid TASK = {{1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 0, 0, 0, 0, 0, 0, 1}};

static int
setup(void **state)
{
	static struct gateway gateway;
	map_init(&gateway.courses);
	*state = &gateway;
	return 0;
}

static int
teardown(void **state)
{
	struct gateway *gateway = *state;
	assert_int_equal(gateway->courses.count, 0);
	map_release(&gateway->courses);
	return 0;
}

static struct entry *
add(struct course *course, uint32_t node, enum entry_state state)
{
	struct entry *entry = course_add(course, node, ENTRY_WAIT);
	entry->state = state;
	return entry;
}

/* Results come in an order of their own, which is the one in which they are told. */
static void
test_course__told_in_order(void **state)
{
	struct gateway *gateway = *state;
	struct course *course = course_new(gateway, TASK, TASK, 3);
	struct entry *first = add(course, 1, ENTRY_PENDING);
	struct entry *second = add(course, 2, ENTRY_PENDING);
	assert_null(course_next(course, 0));
	course_ready(course, first, 2, 0);
	assert_null(course_next(course, 0)); /* the other one was first */
	course_ready(course, second, 1, 0);
	assert_ptr_equal(course_next(course, 0), second);
	course_loads(course, second);
	assert_null(course_next(course, 0)); /* one at a time */
	course_sent(course, second, 0);
	assert_int_equal(course->delivered, 1);
	assert_ptr_equal(course_next(course, 0), first);
	course_sent(course, first, 0);
	assert_int_equal(course->delivered, 2);
	course_ready(course, first, 2, 0); /* once more: it has been told */
	assert_null(course_next(course, 0));
	course_forget(gateway, TASK, 3);
}

/* A handler that takes other steps than it did does not wait for ever. */
static void
test_course__a_gap_ends(void **state)
{
	struct gateway *gateway = *state;
	struct course *course = course_new(gateway, TASK, TASK, 1);
	struct entry *late = add(course, 1, ENTRY_PENDING), *later = add(course, 2, ENTRY_PENDING);
	course_ready(course, later, 9, NS_PER_S);
	course_ready(course, late, 5, NS_PER_S);
	assert_null(course_next(course, NS_PER_S + COURSE_GAP_NS));
	assert_ptr_equal(course_next(course, NS_PER_S + COURSE_GAP_NS + 1), late);
	course_forget(gateway, TASK, 1);
}

/* A child that nobody waits for is not told, and holds nothing up; it is told when it is wanted. */
static void
test_course__a_child_is_left(void **state)
{
	struct gateway *gateway = *state;
	struct course *course = course_new(gateway, TASK, TASK, 1);
	struct entry *child = course_add(course, 1, ENTRY_CHILD);
	struct entry *wait = add(course, 2, ENTRY_PENDING);
	course_ready(course, child, 1, 0);
	assert_null(course_next(course, 0));
	assert_int_equal(course_results(course), 1);
	course_ready(course, wait, 2, 0);
	assert_null(course_next(course, COURSE_LEFT_NS)); /* it may still be wanted */
	assert_ptr_equal(course_next(course, COURSE_LEFT_NS + 1), wait);
	course_sent(course, wait, 0);
	assert_int_equal(course_results(course), 2);
	child->waited = true;
	assert_ptr_equal(course_next(course, 0), child);
	course_sent(course, child, 0);
	assert_int_equal(course->delivered, 2);
	assert_null(course_next(course, 0));
	course_forget(gateway, TASK, 1);
}

/* What its stream had under way is under way no more; what was told may not have arrived. */
static void
test_course__a_stream_breaks(void **state)
{
	struct gateway *gateway = *state;
	struct list courses;
	struct course *course = course_new(gateway, TASK, TASK, 1);
	struct entry *asked = add(course, 1, ENTRY_ASKED), *waits = add(course, 2, ENTRY_PENDING),
	             *loads = add(course, 3, ENTRY_PENDING), *sent = add(course, 4, ENTRY_PENDING),
	             *memo = course_add(course, 5, ENTRY_MEMO);
	list_init(&courses);
	course_attach(course, (struct durable *)(void *)&courses, &courses);
	memo->state = ENTRY_PENDING;
	course_ready(course, sent, 1, 7);
	course_sent(course, sent, 7);
	course_ready(course, loads, 2, 8);
	course_loads(course, loads);
	course_detach(course);
	assert_true(list_empty(&courses));
	assert_null(course->stream);
	assert_int_equal(asked->state, ENTRY_UNKNOWN);
	assert_int_equal(memo->state, ENTRY_UNKNOWN);
	assert_int_equal(waits->state, ENTRY_PENDING);
	assert_int_equal(sent->state, ENTRY_SENT);
	assert_int_equal(sent->since_ns, 0);
	assert_ptr_equal(course_next(course, 9), loads);
	course_forget(gateway, TASK, 1);
}

static void
test_course__of_one_invocation(void **state)
{
	struct gateway *gateway = *state;
	struct course *course = course_new(gateway, TASK, TASK, 1);
	struct entry *entry = course_add(course, 1, ENTRY_CHILD);
	assert_ptr_equal(course_add(course, 1, ENTRY_CHILD), entry);
	assert_ptr_equal(course_entry(course, 1), entry);
	assert_null(course_entry(course, 2));
	assert_null(course_entry(course, UINT64_MAX));
	course_forget(gateway, TASK, 2); /* another lease's end */
	assert_ptr_equal(course_find(gateway, TASK), course);
	course = course_new(gateway, TASK, TASK, 2);
	assert_null(course_entry(course, 1));
	assert_int_equal(course->cursor, 0);
	course_forget(gateway, TASK, 2);
	assert_null(course_find(gateway, TASK));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_course__told_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_course__a_gap_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_course__a_child_is_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_course__a_stream_breaks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_course__of_one_invocation, setup, teardown),
	};
	return cmocka_run_group_tests_name("gateway course", tests, NULL, NULL);
}
