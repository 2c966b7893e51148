/* cli/guess: what may have been meant. */
#include "cli/guess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *
guess(const char *word)
{
	static const char *const words[] = {"limit", "status", "since", "output", "runs list"};
	struct guess guess;
	guess_begin(&guess, word);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		guess_try(&guess, words[i]);
	return guess_end(&guess);
}

static void
test_guess__near(void **state)
{
	(void)state;
	assert_string_equal(guess("limt"), "limit");
	assert_string_equal(guess("limitt"), "limit");
	assert_string_equal(guess("lmiit"), "limit"); /* exchanged: one fault, not two */
	assert_string_equal(guess("staus"), "status");
	assert_string_equal(guess("runs lst"), "runs list");
	assert_string_equal(guess("output"), "output");
}

static void
test_guess__far(void **state)
{
	(void)state;
	assert_null(guess("banana"));
	assert_null(guess(""));
	assert_null(guess("x"));
	assert_null(guess("a word that is much longer than any that there is, by far"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_guess__near),
	    cmocka_unit_test(test_guess__far),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
