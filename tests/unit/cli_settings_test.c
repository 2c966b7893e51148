/* cli/settings: the command line before the environment before the file. */
#include "cli/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/froe-settings-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	int file = mkstemp(path);
	if (file < 0)
		return -1;
	close(file);
	unsetenv("FROE_OUTPUT");
	unsetenv("FROE_LISTEN");
	unsetenv("FROE_CONFIG");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void
write_file(const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static const struct cli_command *
command(const char *words)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strcmp(cli_commands[i].words, words) == 0)
			return &cli_commands[i];
	}
	fail_msg("there is no command %s", words);
	return NULL;
}

static void
expect(const struct settings *settings, const char *words, const char *name, const char *value)
{
	char source[SETTINGS_SOURCE_BYTES];
	const char *got = settings_value(settings, command(words), name, source);
	if (value == NULL)
		assert_null(got);
	else
		assert_string_equal(got, value);
}

static void
test_settings__sections(void **state)
{
	struct settings settings;
	(void)state;
	write_file("# all\n tenant = shop \noutput=ids\n\n[server]\r\nlisten = \"127.0.0.1:1\"\n"
		   "edge-sessions = yes\n; no\n[client]\noutput = json\n");
	settings_open(&settings, path);
	expect(&settings, "runs list", "tenant", "shop");
	expect(
	    &settings, "runs list", "output", "json"); /* its section's, though another is first */
	expect(&settings, "server", "listen", "127.0.0.1:1");
	expect(&settings, "dev", "edge-sessions", "yes");
	expect(&settings, "server", "io", NULL);
	settings_close(&settings);
}

static void
test_settings__environment_goes_first(void **state)
{
	struct settings settings;
	(void)state;
	char source[SETTINGS_SOURCE_BYTES];
	write_file("[client]\noutput = json\n[server]\nheartbeat-lost = 3s\nedge-sessions = on\n");
	setenv("FROE_OUTPUT", "ids", 1);
	setenv("FROE_EDGE_SESSIONS", "off", 1);
	setenv("FROE_LIMIT", "7", 1);
	settings_open(&settings, path);
	assert_string_equal(
	    settings_value(&settings, command("runs list"), "output", source), "ids");
	assert_string_equal(source, "FROE_OUTPUT");
	assert_string_equal(
	    settings_value(&settings, command("server"), "heartbeat-lost", source), "3s");
	assert_non_null(strstr(source, ":4: heartbeat-lost"));
	expect(&settings, "server", "edge-sessions", NULL); /* said to be off, over the file */
	expect(&settings, "runs list", "limit", NULL);	    /* what, not where or how */
	unsetenv("FROE_OUTPUT");
	unsetenv("FROE_EDGE_SESSIONS");
	unsetenv("FROE_LIMIT");
	settings_close(&settings);
}

/* The exit status of opening this file. */
static int
status_of(const char *text)
{
	write_file(text);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		struct settings settings;
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(99);
		settings_open(&settings, path);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_settings__refuses_what_it_does_not_know(void **state)
{
	(void)state;
	assert_int_equal(status_of("output = json\n"), 0);
	assert_int_equal(status_of(""), 0);
	assert_int_equal(status_of("outptu = json\n"), 2);
	assert_int_equal(status_of("output\n"), 2);
	assert_int_equal(status_of("[servers]\n"), 2);
	assert_int_equal(status_of("[server\n"), 2);
	assert_int_equal(status_of("[client]\nlisten = 1\n"), 2);
	assert_int_equal(status_of("[server]\nready-fd = 3\n"), 2);
	assert_int_equal(status_of("limit = 3\n"), 2);
	char many[SETTINGS_MAX * 16 + 64] = "";
	for (unsigned i = 0; i <= SETTINGS_MAX; i++)
		strcat(many, "output = ids\n");
	assert_int_equal(status_of(many), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings__sections),
	    cmocka_unit_test(test_settings__environment_goes_first),
	    cmocka_unit_test(test_settings__refuses_what_it_does_not_know),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
