/*
 * cli/help: --help, `froe help`, `froe help man`, `froe help markdown`.
 *
 * A text of details.c is read line by line and printed in one of three forms: as it is, as roff
 * for man, as Markdown.
 */
#include "cli/help.h"

#include "base/fault.h"
#include "cli/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ terminals */

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
	fputs("\n\"froe COMMAND --help\" explains one, \"froe help\" all of them.\n", out);
}

static void
option_line(FILE *out, const char *name, const char *argument, const char *help)
{
	char left[128];
	snprintf(left, sizeof(left), "--%s%s%s", name, argument != NULL ? " " : "",
	    argument != NULL ? argument : "");
	fprintf(out, "  %-28s %s\n", left, help);
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
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		option_line(out, option->name, option->argument, option->help);
		settings = settings || settings_has(command, option->name);
	}
	option_line(out, "config", "FILE", "settings from this file (default FROE_CONFIG)");
	option_line(out, "help", NULL, "print this");
	if (settings)
		fputs(
		    "\nSettings may also stand in the environment (--output is FROE_OUTPUT) or in "
		    "the file.\n",
		    out);
}

/* ------------------------------------------------------------------------------------------- roff
 */

/* One line's text: dashes and backslashes are not typography; `code` is bold. */
static void
roff_text(FILE *out, const char *text, size_t size)
{
	bool code = false;
	if (size > 0 && (*text == '.' || *text == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '`')
			fputs((code = !code) ? "\\fB" : "\\fR", out);
		else if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
	}
}

static void
roff_details(FILE *out, const char *text)
{
	bool example = false;
	for (const char *next; text != NULL && *text != 0; text = next) {
		size_t size = strcspn(text, "\n");
		next = text[size] == '\n' ? text + size + 1 : NULL;
		bool is_example = size > 4 && strncmp(text, "    ", 4) == 0;
		if (is_example != example)
			fputs(is_example ? ".nf\n.RS\n" : ".RE\n.fi\n", out);
		example = is_example;
		if (size == 0)
			fputs(".PP\n", out);
		else if (strncmp(text, "- ", 2) == 0)
			fputs(".IP \\(bu 2\n", out);
		size_t skip = is_example ? 4 : strncmp(text, "- ", 2) == 0 ? 2 : 0;
		if (size > 0) {
			roff_text(out, text + skip, size - skip);
			fputc('\n', out);
		}
	}
	if (example)
		fputs(".RE\n.fi\n", out);
}

static void
roff_command(FILE *out, const struct cli_command *command)
{
	fprintf(out, ".SS froe %s %s\n", command->words, command->arguments);
	roff_text(out, command->summary, strlen(command->summary));
	fputs(".\n", out);
	if (help_details(command) != NULL) {
		fputs(".PP\n", out);
		roff_details(out, help_details(command));
	}
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		fprintf(out, ".TP\n\\fB\\-\\-");
		roff_text(out, option->name, strlen(option->name));
		fprintf(out, "\\fR \\fI%s\\fR\n", option->argument != NULL ? option->argument : "");
		roff_text(out, option->help, strlen(option->help));
		fputc('\n', out);
	}
}

static void
print_man(FILE *out)
{
	fputs(".TH FROE 1 \"\" \"froe " FROE_VERSION "\" \"froe manual\"\n"
	      ".SH NAME\nfroe \\- a single-node, durable workflow engine\n"
	      ".SH SYNOPSIS\n\\fBfroe\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
	      "[\\fIARGUMENT\\fR...]\n.SH DESCRIPTION\n",
	    out);
	roff_details(out, help_details(NULL));
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < cli_command_count; i++)
		roff_command(out, &cli_commands[i]);
}

/* --------------------------------------------------------------------------------------- Markdown
 */

/* In a table's cell a bar would end the cell. */
static void
cell(FILE *out, const char *text)
{
	for (; *text != 0; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void
markdown_options(FILE *out, const struct cli_command *command)
{
	if (command->options->name == NULL)
		return;
	fputs("\n| option | meaning |\n|---|---|\n", out);
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		fprintf(out, "| `--%s%s", option->name, option->argument != NULL ? " " : "");
		cell(out, option->argument != NULL ? option->argument : "");
		fputs("` | ", out);
		cell(out, option->help);
		fputs(" |\n", out);
	}
}

static void
print_markdown(FILE *out)
{
	fputs("# The froe command\n\n"
	      "<!-- Printed by `froe help markdown` from src/cli: change it there. -->\n\n",
	    out);
	fprintf(out, "%s\n", help_details(NULL));
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		fprintf(out, "\n## `froe %s%s%s`\n\n%c%s.\n", command->words,
		    command->arguments[0] != 0 ? " " : "", command->arguments,
		    toupper((unsigned char)command->summary[0]), command->summary + 1);
		if (help_details(command) != NULL)
			fprintf(out, "\n%s\n", help_details(command));
		markdown_options(out, command);
	}
}

int
cli_help(struct cli *cli)
{
	const char *form = cli->argument_count > 0 ? cli->arguments[0] : "";
	if (strcmp(form, "man") == 0)
		print_man(stdout);
	else if (strcmp(form, "markdown") == 0)
		print_markdown(stdout);
	else if (form[0] == 0)
		help_commands(stdout);
	else
		cli_usage(cli, "\"%s\" is neither man nor markdown", form);
	return FROE_EXIT_OK;
}
