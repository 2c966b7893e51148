/*
 * cli/main: main(): finds the command's row, reads its options and settings, runs it.
 */
#include "cli/cli.h"

#include "base/fault.h"
#include "base/mem.h"
#include "cli/embed.h"
#include "cli/guess.h"
#include "cli/help.h"
#include "cli/settings.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
word_count(const char *words)
{
	int count = 1;
	for (; *words != 0; words++)
		count += *words == ' ' ? 1 : 0;
	return count;
}

/* Does argv begin with these words? */
static bool
words_match(const char *words, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		size_t size = strcspn(words, " ");
		if (strlen(argv[i]) != size || memcmp(argv[i], words, size) != 0)
			return false;
		words += size;
		if (*words == 0)
			return true;
		words++;
	}
	return false;
}

static const struct cli_command *
find_command(int argc, char **argv)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		if (words_match(cli_commands[i].words, argc, argv))
			return &cli_commands[i];
	}
	return NULL;
}

/* Of a group such as "runs"? */
static bool
in_group(const struct cli_command *command, const char *name)
{
	size_t size = strlen(name);
	return strncmp(command->words, name, size) == 0 && command->words[size] == ' ';
}

static bool
is_group(const char *name)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		if (in_group(&cli_commands[i], name))
			return true;
	}
	return false;
}

static void
print_group(FILE *out, const char *name)
{
	fprintf(out, "commands of froe %s:\n", name);
	for (size_t i = 0; i < cli_command_count; i++) {
		if (in_group(&cli_commands[i], name))
			fprintf(out, "  %-18s %s\n", cli_commands[i].words,
			    cli_commands[i].summary);
	}
}

/* "list" is not a command, but the second word of some. */
static bool
print_second(const char *word)
{
	bool any = false;
	for (size_t i = 0; i < cli_command_count; i++) {
		const char *second = strchr(cli_commands[i].words, ' ');
		if (second == NULL || strcmp(second + 1, word) != 0)
			continue;
		fprintf(stderr, "%s\"froe %s\"", any ? " or " : "did you mean ",
		    cli_commands[i].words);
		any = true;
	}
	if (any)
		fputs("?\n", stderr);
	return any;
}

/* "runs lst": the command that is nearest to the first two words, or to the first one. */
static const char *
nearest(int argc, char **argv)
{
	char both[64];
	struct guess guess;
	snprintf(both, sizeof(both), "%s%s%s", argv[0], argc > 1 ? " " : "",
	    argc > 1 ? argv[1] : "");
	guess_begin(&guess, both);
	for (size_t i = 0; i < cli_command_count; i++)
		guess_try(&guess, cli_commands[i].words);
	if (guess_end(&guess) != NULL || argc == 1)
		return guess_end(&guess);
	guess_begin(&guess, argv[0]);
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strchr(cli_commands[i].words, ' ') == NULL)
			guess_try(&guess, cli_commands[i].words);
	}
	return guess_end(&guess);
}

/* "froe runs" alone, with --help, or with a word that is none of its own; or no command at all. */
static _Noreturn void
unknown_command(int argc, char **argv)
{
	bool group = is_group(argv[0]);
	const char *near = group && argc == 1 ? NULL : nearest(argc, argv);
	if (group && argc > 1 && strcmp(argv[1], "--help") == 0) {
		print_group(stdout, argv[0]);
		exit(FROE_EXIT_OK);
	}
	if (!group)
		fprintf(stderr, "froe: \"%s\" is not a command\n", argv[0]);
	else if (argc > 1)
		fprintf(stderr, "froe: \"%s\" is not a command of \"froe %s\"\n", argv[1],
		    argv[0]);
	if (near != NULL)
		fprintf(stderr, "did you mean \"froe %s\"?\n", near);
	bool said = near != NULL || group || print_second(argv[0]);
	if (group)
		print_group(stderr, argv[0]);
	fputs(said ? "" : "try \"froe --help\"\n", stderr);
	exit(FROE_EXIT_USAGE);
}

/* A pipe whose reader has seen enough, or a terminal that is gone. */
static bool
reader_gone(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};
	return poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

/* Whatever was printed has been written, or its reader wanted no more. */
static int
flush(int status)
{
	bool failed = fflush(stdout) != 0;
	if ((!failed && !ferror(stdout)) || reader_gone())
		return status;
	fprintf(stderr, "froe: standard output cannot be written to%s%s\n", failed ? ": " : "",
	    failed ? strerror(errno) : "");
	return status == FROE_EXIT_OK ? FROE_EXIT_FAILED : status;
}

int
main(int argc, char **argv)
{
	struct settings settings = {0};
	struct cli cli = {.settings = &settings};
	signal(SIGPIPE, SIG_IGN);
	if (argc > 0 && embed_named(argv[0]))
		return flush(embed_main(argc, argv));
	if (argc < 2) {
		help_commands(stderr);
		return FROE_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0) {
		help_commands(stdout);
		return FROE_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return cli_version(&cli);
	cli.command = find_command(argc - 1, argv + 1);
	if (cli.command == NULL)
		unknown_command(argc - 1, argv + 1);
	int words = word_count(cli.command->words);
	cli_parse(&cli, argc - words, argv + words);
	settings_open(&settings, cli_given(&cli, "config"));
	int status = cli.command->run(&cli);
	settings_close(&settings);
	mem_free(cli.arguments);
	return flush(status);
}
