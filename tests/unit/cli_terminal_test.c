/* cli/terminal: text of others on terminals of all kinds. */
#include "cli/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct terminal pipe_end = {0};
static const struct terminal old = {.tty = true, .moves = true, .colours = true};
static const struct terminal modern = {.tty = true, .moves = true, .colours = true, .utf8 = true};

static void
expect(const struct terminal *terminal, const char *text, const char *shown)
{
	struct buf to;
	buf_init(&to);
	terminal_push(terminal, &to, text);
	assert_int_equal(buf_used(&to), strlen(shown));
	assert_memory_equal(to.data, shown, strlen(shown));
	buf_release(&to);
}

/* An error that a worker made up must not clear the screen of whoever reads it. */
static void
test_terminal__controls(void **state)
{
	(void)state;
	expect(&modern, "a\x1b[2Jb", "a [2Jb");
	expect(&modern, "a\xc2\x9b" "2Jb", "a 2Jb"); /* U+009B is an escape sequence's start too */
	expect(&modern, "one\nline", "one");
	expect(&modern, "a\x7f\tb\r", "a  b ");
	expect(&pipe_end, "a\x1b[2Jb", "a [2Jb");
}

static void
test_terminal__charset(void **state)
{
	(void)state;
	expect(&modern, "na\xc3\xafve \xe2\x9c\x94", "na\xc3\xafve \xe2\x9c\x94");
	expect(&old, "na\xc3\xafve \xe2\x9c\x94", "na?ve ?");
	expect(&pipe_end, "na\xc3\xafve", "na\xc3\xafve"); /* a file is what was said */
	expect(&old, "\xc3", "?");                         /* cut off */
	expect(&modern, "\xc2", "\xc2");
}

static void
test_terminal__wide(void **state)
{
	struct buf to;
	(void)state;
	buf_init(&to);
	terminal_push_wide(&modern, &to, "na\xc3\xafve", 7);
	assert_int_equal(buf_used(&to), 8); /* seven columns, eight bytes */
	assert_memory_equal(to.data, "na\xc3\xafve  ", 8);
	buf_release(&to);
}

static void
test_terminal__colours(void **state)
{
	struct terminal none;
	(void)state;
	assert_string_equal(terminal_colour(&pipe_end, TERMINAL_RED), "");
	assert_string_not_equal(terminal_colour(&modern, TERMINAL_RED), "");
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	none = terminal_open(-1); /* no terminal */
	assert_false(none.tty || none.moves || none.colours);
	assert_true(none.utf8);
	setenv("LC_ALL", "C", 1);
	assert_false(terminal_open(-1).utf8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_terminal__controls),
	    cmocka_unit_test(test_terminal__charset),
	    cmocka_unit_test(test_terminal__wide),
	    cmocka_unit_test(test_terminal__colours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
