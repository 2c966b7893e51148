/*
 * cli/help: --help and `froe help`.
 */
#include "cli/help.h"

#include "base/fault.h"
#include "cli/settings.h"

#include <string.h>

#define LEFT_WIDTH 28

static int
words_width(void)
{
	size_t width = 0;
	for (size_t i = 0; i < cli_command_count; i++) {
		size_t size = strlen(cli_commands[i].words);
		width = size > width ? size : width;
	}
	return (int)width;
}

void
help_commands(FILE *out)
{
	int width = words_width();
	fputs("usage: froe COMMAND [OPTION...] [ARGUMENT...]\n\n"
	      "A single-node, durable workflow engine.\n\ncommands:\n",
	    out);
	for (size_t i = 0; i < cli_command_count; i++)
		fprintf(out, "  %-*s  %s\n", width, cli_commands[i].words, cli_commands[i].summary);
	fputs(
	    "\n\"froe dev\" starts a server to try things out. \"froe COMMAND --help\" explains a "
	    "command,\n\"froe help markdown\" prints all of the manual.\n",
	    out);
}

bool
help_is_connection(const struct cli_option *option)
{
	for (const struct cli_option *row = cli_connection; row->name != NULL; row++) {
		if (strcmp(row->name, option->name) == 0 && strcmp(row->help, option->help) == 0)
			return true;
	}
	return false;
}

/* A left part that is too long has the line for itself. */
static void
option_line(FILE *out, const char *name, const char *argument, const char *help)
{
	char left[128];
	int size = snprintf(left, sizeof(left), "--%s%s%s", name, argument != NULL ? " " : "",
	    argument != NULL ? argument : "");
	if (size > LEFT_WIDTH)
		fprintf(out, "  %s\n  %-*s %s\n", left, LEFT_WIDTH, "", help);
	else
		fprintf(out, "  %-*s %s\n", LEFT_WIDTH, left, help);
}

static void
option_lines(FILE *out, const struct cli_command *command, bool connection)
{
	bool any = false;
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		if (help_is_connection(option) != connection)
			continue;
		if (connection && !any)
			fputs("\nwhich server:\n", out);
		any = true;
		option_line(out, option->name, option->argument, option->help);
	}
}

void
help_command(FILE *out, const struct cli_command *command)
{
	const char *details = help_details(command);
	bool settings = false;
	fprintf(out, "usage: froe %s [OPTION...]%s%s\n\n%s\n", command->words,
	    command->arguments[0] != 0 ? " " : "", command->arguments, command->summary);
	if (details != NULL)
		fprintf(out, "\n%s\n", details);
	fputs("\noptions:\n", out);
	option_lines(out, command, /* connection= */ false);
	option_line(out, "config", "FILE", "settings from this file (default FROE_CONFIG)");
	option_line(out, "help", NULL, "print this");
	option_lines(out, command, /* connection= */ true);
	for (const struct cli_option *option = command->options; option->name != NULL; option++)
		settings = settings || settings_has(command, option->name);
	if (settings)
		fputs(
		    "\nSettings may also stand in the environment (--output is FROE_OUTPUT) or in "
		    "the file.\n",
		    out);
}

int
cli_help(struct cli *cli)
{
	const char *form = cli->argument_count > 0 ? cli->arguments[0] : "";
	if (strcmp(form, "man") == 0)
		manual_man(stdout);
	else if (strcmp(form, "markdown") == 0)
		manual_markdown(stdout);
	else if (form[0] == 0)
		help_commands(stdout);
	else
		cli_usage(cli, "\"%s\" is neither man nor markdown: \"froe %s --help\" explains a "
		    "command", form, form);
	return FROE_EXIT_OK;
}

int
cli_version(struct cli *cli)
{
	(void)cli;
	printf("froe %s\n", FROE_VERSION);
	return FROE_EXIT_OK;
}
