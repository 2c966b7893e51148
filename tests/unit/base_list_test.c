#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct object {
	int number;
	struct list link;
};

static void
list_assert(const struct list *head, const int *numbers, int count)
{
	const struct list *at = head->next;
	for (int i = 0; i < count; i++, at = at->next) {
		assert_ptr_not_equal(at, head);
		assert_ptr_equal(at->next->prev, at);
		const struct object *object =
		    container_of((struct list *)(uintptr_t)at, struct object, link);
		assert_int_equal(object->number, numbers[i]);
	}
	assert_ptr_equal(at, head);
}

static void
test_list__order(void **state)
{
	struct list head;
	struct object objects[5] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3},
	    {.number = 4}};
	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_pop(&head));
	assert_false(list_linked(&objects[0].link)); /* zeroed */
	list_remove(&objects[0].link);               /* harmless */
	list_push(&head, &objects[1].link);
	list_push(&head, &objects[2].link);
	list_push_front(&head, &objects[0].link);
	list_push(&head, &objects[3].link);
	assert_true(list_linked(&objects[0].link));
	list_assert(&head, (int[]){0, 1, 2, 3}, 4);
	list_remove(&objects[2].link);
	list_remove(&objects[2].link);
	assert_false(list_linked(&objects[2].link));
	list_assert(&head, (int[]){0, 1, 3}, 3);
	assert_ptr_equal(list_pop(&head), &objects[0].link);
	assert_false(list_linked(&objects[0].link));
	list_push_front(&head, &objects[4].link);
	list_assert(&head, (int[]){4, 1, 3}, 3);
	while (list_pop(&head) != NULL)
		;
	assert_true(list_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_list__order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
