/*
 * A job's walk: each run once, with descending numbers, whatever becomes of a page.
 */
#include "server/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct uuid no_id;

/* Runs from `from` down to `to` + 1. */
static void
page(struct walk *walk, uint64_t from, uint64_t to)
{
	walk_asked(walk);
	walk_page(walk);
	for (uint64_t number = from; number > to; number--)
		walk_row(walk, number, no_id);
	walk_page_end(walk, to == 0 ? 0 : to + 1);
}

static void
meet(struct walk *walk, uint64_t number)
{
	const struct walk_row *row = walk_next(walk);
	assert_non_null(row);
	assert_int_equal(row->number, number);
	walk_met(walk);
}

static void
test_walk__pages(void **state)
{
	struct walk walk;
	(void)state;
	walk_begin(&walk, 6);
	page(&walk, 5, 3);
	meet(&walk, 5);
	meet(&walk, 4);
	assert_null(walk_next(&walk));
	assert_true(walk_on(&walk));
	assert_int_equal(walk.state, WALK_ASK);
	assert_int_equal(walk.before, 4);
	page(&walk, 3, 0);
	for (uint64_t number = 3; number > 0; number--)
		meet(&walk, number);
	assert_false(walk_on(&walk));
	assert_false(walk_on(&walk)); /* it could not end yet: it is asked again */
	walk_release(&walk);
}

/* From the run on that is next, none left out and none twice. */
static void
test_walk__again(void **state)
{
	struct walk walk;
	(void)state;
	walk_begin(&walk, 6);
	walk_asked(&walk);
	walk_again(&walk); /* no page has come */
	assert_int_equal(walk.before, 6);
	page(&walk, 5, 0);
	meet(&walk, 5);
	walk_again(&walk);
	assert_int_equal(walk.before, 5);
	page(&walk, 4, 0);
	for (uint64_t number = 4; number > 0; number--)
		meet(&walk, number);
	walk_release(&walk);
}

static void
test_walk__again_after_its_last_run(void **state)
{
	struct walk walk;
	(void)state;
	walk_begin(&walk, 6);
	page(&walk, 5, 3);
	meet(&walk, 5);
	meet(&walk, 4);
	walk_again(&walk);
	assert_int_equal(walk.before, 4);
	walk_release(&walk);
}

static void
test_walk__commands(void **state)
{
	struct eng_job_view job = {
	    .number = 7,
	    .tenant = 2,
	    .children = true,
	    .reason = bytes_text("too many"),
	    .actor = bytes_text("ann"),
	};
	struct walk_row row = {.number = 3, .id = {{1, 2, 3}}};
	struct eng_command command = walk_cancel(&job, &row);
	(void)state;
	assert_int_equal(command.type, ENG_CMD_RUN_CANCEL);
	assert_int_equal(command.tenant.v, 2);
	assert_int_equal(command.job.number, 7);
	assert_int_equal(command.job.cursor, 3);
	assert_true(uuid_equal(command.run_cancel.run, row.id) && command.run_cancel.children);
	assert_true(bytes_equal(command.run_cancel.reason, job.reason));
	assert_true(bytes_equal(command.actor, job.actor));
	command = walk_skip(&job, &row, FROE_NOT_FOUND);
	assert_int_equal(command.type, ENG_CMD_JOB_SKIP);
	assert_int_equal(command.job.cursor, 3);
	assert_int_equal(command.job_over.err, FROE_NOT_FOUND);
	command = walk_end(&job, FROE_OK, "");
	assert_int_equal(command.type, ENG_CMD_JOB_END);
	assert_int_equal(command.job.number, 7);
	assert_int_equal(command.actor.size, 0); /* it ends of its own accord */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_walk__pages),
	    cmocka_unit_test(test_walk__again),
	    cmocka_unit_test(test_walk__again_after_its_last_run),
	    cmocka_unit_test(test_walk__commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
