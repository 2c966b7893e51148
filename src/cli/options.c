/*
 * cli/options: a command line's options: read, checked, asked for.
 */
#include "cli/cli.h"

#include "base/duration.h"
#include "base/fault.h"
#include "base/mem.h"
#include "cli/guess.h"
#include "cli/help.h"
#include "cli/settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
cli_usage(const struct cli *cli, const char *format, ...)
{
	va_list args;
	fputs("froe: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (cli != NULL && cli->command != NULL)
		fprintf(stderr, "\ntry \"froe %s --help\"\n", cli->command->words);
	else
		fputs("\ntry \"froe --help\"\n", stderr);
	exit(FROE_EXIT_USAGE);
}

const char *
cli_given(const struct cli *cli, const char *name)
{
	for (int i = cli->given_count - 1; i >= 0; i--) {
		if (strcmp(cli->given[i].name, name) == 0)
			return cli->given[i].value;
	}
	return NULL;
}

/* On the command line, else a setting. `source` gets how a message calls it. */
static const char *
option_value(const struct cli *cli, const char *name, char source[SETTINGS_SOURCE_BYTES])
{
	const char *given = cli_given(cli, name);
	snprintf(source, SETTINGS_SOURCE_BYTES, "--%s", name);
	if (given != NULL)
		return given;
	return settings_value(cli->settings, cli->command, name, source);
}

const char *
cli_text(const struct cli *cli, const char *name)
{
	char source[SETTINGS_SOURCE_BYTES];
	return option_value(cli, name, source);
}

bool
cli_flag(const struct cli *cli, const char *name)
{
	return cli_text(cli, name) != NULL;
}

uint64_t
cli_number(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t max)
{
	char source[SETTINGS_SOURCE_BYTES], *end;
	const char *text = option_value(cli, name, source);
	if (text == NULL)
		return otherwise;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || value > max)
		cli_usage(cli, "%s: \"%s\" is not a number from 0 to %llu", source, text,
		    (unsigned long long)max);
	return value;
}

uint64_t
cli_duration_ms(const struct cli *cli, const char *name, uint64_t otherwise_ms)
{
	char source[SETTINGS_SOURCE_BYTES];
	const char *text = option_value(cli, name, source);
	uint64_t ns;
	if (text == NULL)
		return otherwise_ms;
	if (!duration_parse(text, &ns) || ns < NS_PER_MS)
		cli_usage(
		    cli, "%s: \"%s\" is not a duration: write 500ms, 30s, 1h30m", source, text);
	return ns / NS_PER_MS;
}

enum cli_output
cli_output(const struct cli *cli)
{
	char source[SETTINGS_SOURCE_BYTES];
	const char *text = option_value(cli, "output", source);
	if (text == NULL || strcmp(text, "table") == 0)
		return CLI_TABLE;
	if (strcmp(text, "json") == 0)
		return CLI_JSON;
	if (strcmp(text, "ids") == 0)
		return CLI_IDS;
	cli_usage(cli, "%s: \"%s\" is none of table, json, ids", source, text);
}

/* --------------------------------------------------------------------------------- the command
 * line */

/* "--limt", "--wait=yes", "-x": `word` is how it stands there, or what is known of it. */
static _Noreturn void
unknown_option(const struct cli *cli, const char *word)
{
	struct guess guess;
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	guess_begin(&guess, name + (name[0] == '-' && name[1] == '-' ? 2 : 0));
	for (const struct cli_option *row = cli->command->options; row->name != NULL; row++) {
		if (strcmp(row->name, guess.word) == 0)
			cli_usage(cli, "%s takes no value", name);
		guess_try(&guess, row->name);
	}
	if (guess_end(&guess) != NULL)
		cli_usage(cli, "%s is not an option here: did you mean --%s?", name,
		    guess_end(&guess));
	cli_usage(cli, "%s is not an option here", name);
}

static void
parse_options(struct cli *cli, int argc, char **argv)
{
	struct option rows[CLI_GIVEN_MAX] = {0};
	int count = 0, index, found;
	for (const struct cli_option *from = cli->command->options; from->name != NULL; from++) {
		rows[count++] = (struct option){
		    .name = from->name,
		    .has_arg = from->argument != NULL ? required_argument : no_argument,
		};
	}
	rows[count++] = (struct option){.name = "config", .has_arg = required_argument};
	rows[count] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
	optind = 1;
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+:h", rows, &index)) != -1) {
		if (found == 'h') {
			help_command(stdout, cli->command);
			exit(FROE_EXIT_OK);
		}
		if (found == ':')
			cli_usage(cli, "%s needs a value", argv[optind - 1]);
		if (found != 0) {
			char letter[3] = {'-', (char)optopt, 0};
			unknown_option(cli, optopt != 0 ? letter : argv[optind - 1]);
		}
		if (cli->given_count == CLI_GIVEN_MAX)
			cli_usage(cli, "too many options");
		cli->given[cli->given_count].name = rows[index].name;
		cli->given[cli->given_count++].value = optarg != NULL ? optarg : "";
	}
}

/* Options may follow arguments, up to "--": "froe run order --wait". */
void
cli_parse(struct cli *cli, int argc, char **argv)
{
	int kept = 0;
	char **arguments = mem_array((size_t)argc + 1, sizeof(*arguments));
	while (argc > 1) {
		parse_options(cli, argc, argv);
		bool rest = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
		int left = argc - optind, take = rest ? left : left > 0 ? 1 : 0;
		for (int i = 0; i < take; i++)
			arguments[kept++] = argv[optind + i];
		argv += optind + take - 1;
		argc -= optind + take - 1;
		if (take == 0)
			break;
	}
	cli->arguments = arguments;
	cli->argument_count = kept;
	if (kept < cli->command->argument_min)
		cli_usage(cli, "\"froe %s\" needs %s", cli->command->words,
		    cli->command->arguments);
	if (cli->command->argument_max >= 0 && kept > cli->command->argument_max)
		cli_usage(
		    cli, "\"%s\" is one argument too many", arguments[cli->command->argument_max]);
}

struct froe_id
cli_run_id(const struct cli *cli, int i)
{
	struct froe_id id;
	if (!froe_id_parse(cli->arguments[i], &id))
		cli_usage(cli,
		    "\"%s\" is not a run's id: \"froe runs list --output ids\" prints them",
		    cli->arguments[i]);
	return id;
}
