/* cli/goflag: a command line as Go's package flag takes it. */
#include "cli/goflag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct values {
	const char *text;
	uint16_t port;
	bool on;
};

static struct froe_fault fault;
static int rest;

/* `words`: a command line, in one text. */
static enum froe_err
parse(struct values *values, const char *words)
{
	static char copy[256];
	char *argv[16], *at = copy, *word;
	int argc = 0;
	const struct goflag flags[] = {
	    {"text", GOFLAG_TEXT, &values->text, ""},
	    {"port", GOFLAG_PORT, &values->port, ""},
	    {"on", GOFLAG_BOOL, &values->on, ""},
	    {0},
	};
	strcpy(copy, words);
	memset(&fault, 0, sizeof(fault));
	while ((word = strsep(&at, " ")) != NULL)
		argv[argc++] = word;
	return goflag_parse(flags, argc, argv, &rest, &fault);
}

static void
test_goflag__forms(void **state)
{
	(void)state;
	static const char *const lines[] = {
	    "-text a=b -port 7077 -on",
	    "--text a=b --port 7077 --on",
	    "-text=a=b --port=7077 -on=true",
	    "-text x -text a=b -port=7077 -on=false -on=1", /* the last one counts */
	    "-on -text a=b -port 7077 --",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct values values = {0};
		assert_int_equal(parse(&values, lines[i]), FROE_OK);
		assert_string_equal(values.text, "a=b");
		assert_int_equal(values.port, 7077);
		assert_true(values.on);
		assert_int_equal(rest, 0);
	}
}

static void
test_goflag__a_value_may_look_like_a_flag(void **state)
{
	(void)state;
	struct values values = {0};
	assert_int_equal(parse(&values, "-text -on -port 0"), FROE_OK);
	assert_string_equal(values.text, "-on");
	assert_false(values.on);
	assert_int_equal(parse(&values, "-text= -on"), FROE_OK);
	assert_string_equal(values.text, "");
}

static void
test_goflag__ends_at_what_is_no_flag(void **state)
{
	(void)state;
	struct values values = {0};
	assert_int_equal(parse(&values, "-on word -port x"), FROE_OK);
	assert_int_equal(rest, 3);
	assert_int_equal(parse(&values, "-on -- -port x"), FROE_OK);
	assert_int_equal(rest, 2);
	assert_int_equal(parse(&values, "-on -"), FROE_OK);
	assert_int_equal(rest, 1);
	assert_int_equal(parse(&values, "-on false"), FROE_OK); /* takes no next word */
	assert_true(values.on);
	assert_int_equal(rest, 1);
}

static void
test_goflag__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *field;
		const char *says;
	} rows[] = {
	    {"-port 65536", "port", "from 0 to 65535"},
	    {"-port -1", "port", "\"-1\""},
	    {"-port 70x", "port", "\"70x\""},
	    {"-port=", "port", "not a port"},
	    {"-port 99999999999999999999999", "port", "not a port"},
	    {"-on=yes", "on", "neither true nor false"},
	    {"-text", "text", "missing"},
	    {"-on -port", "port", "missing"},
	    {"-texts a", "", "no flag -texts"},
	    {"-tex a", "", "no flag -tex"},
	    {"---text a", "", "\"---text\""},
	    {"-=a", "", "\"-=a\""},
	    {"--=a", "", "\"--=a\""},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct values values = {0};
		assert_int_equal(parse(&values, rows[i].line), FROE_INVALID_ARGUMENT);
		assert_string_equal(fault.field, rows[i].field);
		assert_non_null(strstr(fault.text, rows[i].says));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_goflag__forms),
	    cmocka_unit_test(test_goflag__a_value_may_look_like_a_flag),
	    cmocka_unit_test(test_goflag__ends_at_what_is_no_flag),
	    cmocka_unit_test(test_goflag__refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
