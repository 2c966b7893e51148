/* io/journal: lines as text and as JSON, and what a stranger's bytes in them come to. */
#include "io/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

#include <cmocka.h>

static char said[8192];

/* What `say` writes to stderr. */
static const char *
hear(void (*say)(void))
{
	int ends[2], kept = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	say();
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	close(ends[1]);
	ssize_t size = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	assert_true(size > 0);
	said[size] = '\0';
	assert_int_equal(said[size - 1], '\n');
	assert_ptr_equal(strchr(said, '\n'), said + size - 1);
	return said;
}

static void
say_fields(void)
{
	struct journal_line line;
	journal_begin(&line, JOURNAL_WARNING, "disk_low", "the disk is nearly full: %d %%", 97);
	journal_text(&line, "path", "/var/lib/froe");
	journal_text(&line, "why", "a \"quoted\"\nthing");
	journal_text(&line, "empty", "");
	journal_number(&line, "bytes", UINT64_MAX);
	journal_end(&line);
}

static void
say_hostile(void)
{
	journal(JOURNAL_ERROR, "refused", "worker \"%s\"", "a\nerror forged: x=\x1b[31m");
}

static void
say_long(void)
{
	char value[4 * JOURNAL_LINE_BYTES_MAX];
	struct journal_line line;
	memset(value, '"', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	journal_begin(&line, JOURNAL_INFO, "long", "%s", value);
	for (int i = 0; i < 100; i++)
		journal_text(&line, "field", "some value of it \\ \"");
	journal_text(&line, "long", value);
	journal_end(&line);
}

static int
as_text(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	return setenv("FROE_LOG_FORMAT", "text", 1);
}

static int
as_json(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	return setenv("FROE_LOG_FORMAT", "json", 1);
}

static void
test_journal__text(void **state)
{
	(void)state;
	const char *line = hear(say_fields);
	assert_int_equal(line[10], 'T');
	assert_non_null(strstr(line, "Z warning disk_low: the disk is nearly full: 97 % "
				     "path=/var/lib/froe why=\"a \\\"quoted\\\"\\u000athing\" "
				     "empty=\"\" bytes=18446744073709551615\n"));
	assert_non_null(
	    strstr(hear(say_hostile), "error refused: worker \"a error forged: x= [31m"));
	hear(say_long);
}

static void
test_journal__json(void **state)
{
	(void)state;
	void (*const says[])(void) = {say_fields, say_hostile, say_long};
	for (size_t i = 0; i < 3; i++) {
		const char *line = hear(says[i]);
		size_t at;
		assert_true(json_valid((const uint8_t *)line, strlen(line) - 1, &at));
	}
	assert_non_null(strstr(hear(say_fields), ",\"level\":\"warning\",\"event\":\"disk_low\","));
	assert_non_null(strstr(said, ",\"bytes\":18446744073709551615}\n"));
}

static void
say_levels(void)
{
	journal(JOURNAL_INFO, "first", "one");
	journal(JOURNAL_WARNING, "second", "two");
	journal(JOURNAL_ERROR, "third", "three");
}

/* Which events are written with this FROE_LOG_LEVEL? hear() wants one line, this may be several. */
static unsigned
levels_said(const char *level)
{
	int ends[2], kept = dup(STDERR_FILENO);
	setenv("FROE_LOG_LEVEL", level, 1);
	assert_int_equal(pipe(ends), 0);
	assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	say_levels();
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	close(ends[1]);
	ssize_t size = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	said[size > 0 ? size : 0] = '\0';
	unsetenv("FROE_LOG_LEVEL");
	return (strstr(said, "info first") != NULL ? 1u : 0u) +
	    (strstr(said, "warning second") != NULL ? 2u : 0u) +
	    (strstr(said, "error third") != NULL ? 4u : 0u);
}

static void
test_journal__level(void **state)
{
	(void)state;
	assert_int_equal(levels_said("info"), 7);
	assert_int_equal(levels_said("warning"), 6);
	assert_int_equal(levels_said("error"), 4);
	assert_int_equal(levels_said("loud"), 7); /* a word that is none mutes nothing */
}

static void
test_journal__systemd_gets_its_prefix(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	assert_memory_equal(hear(say_fields), "<4>disk_low: ", 13);
	unsetenv("JOURNAL_STREAM");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_journal__text, as_text),
	    cmocka_unit_test_setup(test_journal__level, as_text),
	    cmocka_unit_test_setup(test_journal__json, as_json),
	    cmocka_unit_test_setup(test_journal__systemd_gets_its_prefix, as_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
