/* cli/embed: the parts of the engine that a program starts for itself. */
#define _GNU_SOURCE /* mkdtemp */
#include "cli/embed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#include <cmocka.h>

static struct froe_fault fault;

static enum froe_err
parse(struct embed_options *options, int argc, const char **argv)
{
	memset(&fault, 0, sizeof(fault));
	return embed_options_parse(options, argc, (char **)(uintptr_t)argv, &fault);
}

static void
test_embed__name(void **state)
{
	(void)state;
	assert_true(embed_named("froe-hatchet-embedded"));
	assert_true(embed_named("/usr/bin/froe-hatchet-embedded"));
	assert_false(embed_named("froe"));
	assert_false(embed_named("/opt/froe-hatchet-embedded/froe"));
	assert_false(embed_named(""));
}

/* All that SDK 1.33.2 may send, in its order. */
static void
test_embed__flags_of_the_sdk(void **state)
{
	(void)state;
	struct embed_options options;
	const char *argv[] = {"-handshake-file", "/tmp/h", "-database-url", "postgres://u:p@h/d",
	    "-rabbitmq-url", "amqp://h", "-postgres-data-dir", "./pg", "-grpc-port", "7070",
	    "-api-port", "28243", "-no-api", "-no-migrations", "-log-level", "info"};
	assert_int_equal(parse(&options, 16, argv), FROE_OK);
	assert_string_equal(options.handshake_file, "/tmp/h");
	assert_string_equal(options.data, "./pg");
	assert_string_equal(options.database_url, "postgres://u:p@h/d");
	assert_string_equal(options.rabbitmq_url, "amqp://h");
	assert_int_equal(options.grpc_port, 7070);
	assert_int_equal(options.api_port, 28243);
	assert_true(options.no_api && options.no_migrations);
	assert_string_equal(embed_log_level(options.log_level), "info");
	assert_int_equal(parse(&options, 2, argv), FROE_OK); /* and the least of it */
	assert_int_equal(options.grpc_port, 0);
	assert_false(options.no_api);
	assert_string_equal(embed_log_level(options.log_level), "warning");
}

static void
test_embed__flags_refused(void **state)
{
	(void)state;
	struct embed_options options;
	const char *none[] = {"-no-api"};
	const char *level[] = {"-handshake-file", "/tmp/h", "-log-level", "loud"};
	const char *word[] = {"-handshake-file", "/tmp/h", "server"};
	const char *help[] = {"-h"};
	assert_int_equal(parse(&options, 1, none), FROE_INVALID_ARGUMENT);
	assert_string_equal(fault.field, "handshake-file");
	assert_int_equal(parse(&options, 4, level), FROE_INVALID_ARGUMENT);
	assert_string_equal(fault.field, "log-level");
	assert_int_equal(parse(&options, 3, word), FROE_INVALID_ARGUMENT);
	assert_non_null(strstr(fault.text, "\"server\""));
	assert_int_equal(parse(&options, 1, help), FROE_OK);
	assert_true(options.help);
}

static void
test_embed__data(void **state)
{
	(void)state;
	static const struct {
		const char *given, *home, *data_home, *path;
	} rows[] = {
	    {"./pg", "/home/a", NULL, "./pg"},
	    {"/srv/~x", "/home/a", "/d", "/srv/~x"},
	    {"~/pg", "/home/a", "/d", "/home/a/pg"},
	    {"~other/pg", "/home/a", NULL, "~other/pg"},
	    {"~", "/home/a", NULL, "/home/a"},
	    {NULL, "/home/a", NULL, "/home/a/.local/share/froe-hatchet-embedded"},
	    {"", "/home/a", "", "/home/a/.local/share/froe-hatchet-embedded"},
	    {NULL, "/home/a", "relative", "/home/a/.local/share/froe-hatchet-embedded"},
	    {NULL, "/home/a", "/d", "/d/froe-hatchet-embedded"},
	    {NULL, NULL, "/d", "/d/froe-hatchet-embedded"},
	    {NULL, NULL, NULL, NULL},
	    {NULL, "", NULL, NULL},
	    {"~/pg", NULL, "/d", NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[EMBED_PATH_SIZE];
		enum froe_err err =
		    embed_data_find(rows[i].given, rows[i].home, rows[i].data_home, path, &fault);
		assert_int_equal(err, rows[i].path != NULL ? FROE_OK : FROE_INVALID_ARGUMENT);
		if (rows[i].path != NULL)
			assert_string_equal(path, rows[i].path);
	}
}

static void
test_embed__a_path_that_is_too_long(void **state)
{
	(void)state;
	static char given[EMBED_PATH_SIZE + 1], path[EMBED_PATH_SIZE];
	memset(given, 'a', EMBED_PATH_SIZE);
	assert_int_equal(embed_data_find(given, "/", NULL, path, &fault), FROE_INVALID_ARGUMENT);
	assert_string_equal(fault.field, "postgres-data-dir");
}

static void
test_embed__handshake(void **state)
{
	(void)state;
	char dir[] = "/tmp/froe-embed-XXXXXX", path[64], read_back[256];
	struct embed_handshake handshake = {
	    .token = "ey.a.b", .tenant = "t-1", .grpc_address = "127.0.0.1:7", .api_url = ""};
	struct buf text;
	struct stat found;
	size_t at;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/handshake.json", dir);
	buf_init(&text);
	embed_handshake_format(&handshake, &text);
	assert_true(json_valid(text.data, text.size, &at));
	umask(0); /* nobody else may read it, whatever the umask says */
	assert_int_equal(embed_handshake_write(path, &text, &fault), FROE_OK);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0600);
	FILE *file = fopen(path, "r");
	size_t size = fread(read_back, 1, sizeof(read_back) - 1, file);
	fclose(file);
	read_back[size] = 0;
	assert_string_equal(read_back,
	    "{\"token\":\"ey.a.b\",\"tenant_id\":\"t-1\",\"grpc_address\":\"127.0.0.1:7\","
	    "\"api_url\":\"\"}\n");
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* nothing temporary is left */
	assert_int_equal(embed_handshake_write(path, &text, &fault), FROE_NOT_FOUND);
	buf_release(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_embed__name),
	    cmocka_unit_test(test_embed__flags_of_the_sdk),
	    cmocka_unit_test(test_embed__flags_refused),
	    cmocka_unit_test(test_embed__data),
	    cmocka_unit_test(test_embed__a_path_that_is_too_long),
	    cmocka_unit_test(test_embed__handshake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
