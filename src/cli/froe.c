/*
 * cli/froe: main(): finds the command's row, reads its options and settings, runs it.
 */
#include "cli/cli.h"

#include "base/fault.h"
#include "base/mem.h"
#include "cli/help.h"
#include "cli/settings.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* "froe runs" alone, with --help, or with a word that is none of its own. */
static _Noreturn void
unknown_command(int argc, char **argv)
{
	size_t size = strlen(argv[0]);
	bool help = argc > 1 && strcmp(argv[1], "--help") == 0, group = false;
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		if (strncmp(command->words, argv[0], size) != 0 || command->words[size] != ' ')
			continue;
		if (!group && argc > 1 && !help)
			fprintf(stderr, "froe: \"%s\" is not a command of \"froe %s\"\n", argv[1],
			    argv[0]);
		if (!group)
			fprintf(help ? stdout : stderr, "commands of froe %s:\n", argv[0]);
		group = true;
		fprintf(help ? stdout : stderr, "  %-12s %s\n", command->words, command->summary);
	}
	if (group)
		exit(help ? FROE_EXIT_OK : FROE_EXIT_USAGE);
	cli_usage(NULL, "\"%s\" is not a command", argv[0]);
}

int
main(int argc, char **argv)
{
	struct settings settings = {0};
	struct cli cli = {.settings = &settings};
	signal(SIGPIPE, SIG_IGN);
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
	if (fflush(stdout) != 0 && status == FROE_EXIT_OK && errno != EPIPE)
		status = FROE_EXIT_FAILED;
	return status;
}
