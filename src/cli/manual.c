/*
 * cli/manual: `froe help man` and `froe help markdown`.
 *
 * Both go through the same parts in the same order; a text of details.c is read line by line.
 */
#include "cli/help.h"

#include "cli/settings.h"

#include <ctype.h>
#include <string.h>

/* What a line of a text begins with: help.h. */
#define HEADING "# "
#define POINT "- "
#define EXAMPLE "    "

/* Chapters, and the first words of their commands. */
static const struct chapter {
	const char *title;
	const char *words; /* NULL: of what is left */
} chapters[] = {
    {"Serving", "server dev"},
    {"Runs", "run runs why jobs"},
    {"Workflows", "workflows"},
    {"Events and approvals", "events approvals"},
    {"Workers", "worker workers"},
    {"Tokens", "token"},
    {"The log", "log"},
    {"Backups", "backup restore"},
    {"Benchmarks", "bench"},
    {"Machine and shell", NULL},
};
#define CHAPTER_COUNT (sizeof(chapters) / sizeof(chapters[0]))

static bool
among(const char *words, const char *word, size_t size)
{
	while (*words != 0) {
		size_t length = strcspn(words, " ");
		if (length == size && memcmp(words, word, size) == 0)
			return true;
		words += length + (words[length] == ' ' ? 1 : 0);
	}
	return false;
}

static const struct chapter *
chapter_of(const struct cli_command *command)
{
	size_t size = strcspn(command->words, " ");
	const struct chapter *chapter = chapters;
	while (chapter->words != NULL && !among(chapter->words, command->words, size))
		chapter++;
	return chapter;
}

static bool
has_connection(const struct cli_command *command)
{
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		if (help_is_connection(option))
			return true;
	}
	return false;
}

static bool
chapter_empty(const struct chapter *chapter)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		if (chapter_of(&cli_commands[i]) == chapter)
			return false;
	}
	return true;
}

/* "address" as FROE_ADDRESS. */
static void
environment_name(const char *name, char to[64])
{
	int size = snprintf(to, 64, "FROE_%s", name);
	for (int i = 0; i < size && i < 63; i++)
		to[i] = to[i] == '-' ? '_' : (char)toupper((unsigned char)to[i]);
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
		else if (text[i] == '~')
			fputs("\\(ti", out);
		else
			fputc(text[i], out);
	}
}

static void
roff_line(FILE *out, const char *text, size_t size)
{
	size_t skip = size > 4 && strncmp(text, EXAMPLE, 4) == 0 ? 4 : 0;
	if (size == 0)
		fputs(".PP\n", out);
	if (strncmp(text, HEADING, 2) == 0)
		fputs(".SS ", out);
	if (strncmp(text, POINT, 2) == 0)
		fputs(".IP \\(bu 2\n", out);
	if (strncmp(text, HEADING, 2) == 0 || strncmp(text, POINT, 2) == 0)
		skip = 2;
	else if (skip == 0)
		skip = strspn(text, " "); /* a point goes on */
	if (size > 0) {
		roff_text(out, text + skip, size - skip);
		fputc('\n', out);
	}
}

/* A paragraph's mark goes before a paragraph only, or groff warns. */
static bool
roff_wants_break(const char *next)
{
	return strncmp(next, HEADING, 2) != 0 && strncmp(next, POINT, 2) != 0;
}

static void
roff_details(FILE *out, const char *text)
{
	bool example = false;
	for (const char *next; text != NULL && *text != 0; text = next) {
		size_t size = strcspn(text, "\n");
		next = text[size] == '\n' ? text + size + 1 : NULL;
		bool is_example = size > 4 && strncmp(text, EXAMPLE, 4) == 0;
		if (is_example != example)
			fputs(is_example ? ".nf\n.RS\n" : ".RE\n.fi\n", out);
		example = is_example;
		if (size > 0 || (next != NULL && roff_wants_break(next)))
			roff_line(out, text, size);
	}
	if (example)
		fputs(".RE\n.fi\n", out);
}

static void
roff_option(FILE *out, const struct cli_option *option)
{
	fputs(".TP\n\\fB\\-\\-", out);
	roff_text(out, option->name, strlen(option->name));
	fputs("\\fR", out);
	if (option->argument != NULL) {
		fputs(" \\fI", out);
		roff_text(out, option->argument, strlen(option->argument));
		fputs("\\fR", out);
	}
	fputc('\n', out);
	roff_text(out, option->help, strlen(option->help));
	fputc('\n', out);
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
		if (!help_is_connection(option))
			roff_option(out, option);
	}
}

void
manual_man(FILE *out)
{
	fputs(".TH FROE 1 \"\" \"froe " FROE_VERSION "\" \"froe manual\"\n"
	      ".SH NAME\nfroe \\- a single-node, durable workflow engine\n"
	      ".SH SYNOPSIS\n\\fBfroe\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
	      "[\\fIARGUMENT\\fR...]\n.SH DESCRIPTION\n",
	    out);
	roff_details(out, help_general());
	fputs(".SH WHICH SERVER\n", out);
	roff_details(out, help_connection());
	for (const struct cli_option *option = cli_connection; option->name != NULL; option++)
		roff_option(out, option);
	for (size_t c = 0; c < CHAPTER_COUNT; c++) {
		if (chapter_empty(&chapters[c]))
			continue;
		fputs(".SH ", out);
		for (const char *at = chapters[c].title; *at != 0; at++)
			fputc(toupper((unsigned char)*at), out);
		fputc('\n', out);
		for (size_t i = 0; i < cli_command_count; i++) {
			if (chapter_of(&cli_commands[i]) == &chapters[c])
				roff_command(out, &cli_commands[i]);
		}
	}
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
markdown_option(FILE *out, const struct cli_option *option, bool environment)
{
	char name[64];
	fprintf(out, "| `--%s%s", option->name, option->argument != NULL ? " " : "");
	cell(out, option->argument != NULL ? option->argument : "");
	fputs("` | ", out);
	environment_name(option->name, name);
	if (environment)
		fprintf(out, "`%s` | ", name);
	cell(out, option->help);
	fputs(" |\n", out);
}

static void
markdown_options(FILE *out, const struct cli_command *command)
{
	bool any = false;
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		if (help_is_connection(option))
			continue;
		if (!any)
			fputs("\n| option | meaning |\n|---|---|\n", out);
		any = true;
		markdown_option(out, option, /* environment= */ false);
	}
	if (has_connection(command))
		fputs("\nAnd those of [which server](#which-server).\n", out);
}

/* "security.md" is a link to it: it lies beside this page. */
static void
markdown_line(FILE *out, const char *text, size_t size)
{
	static const char suffix[] = ".md";
	size_t from = 0;
	for (size_t i = 0; i + 3 <= size; i++) {
		size_t begin = i;
		if (memcmp(text + i, suffix, 3) != 0)
			continue;
		while (begin > from && islower((unsigned char)text[begin - 1]))
			begin--;
		fprintf(out, "%.*s[%.*s](%.*s)", (int)(begin - from), text + from,
		    (int)(i + 3 - begin), text + begin, (int)(i + 3 - begin), text + begin);
		from = i + 3;
	}
	fprintf(out, "%.*s\n", (int)(size - from), text + from);
}

/* Headings become one level deeper. */
static void
markdown_details(FILE *out, const char *text)
{
	for (const char *next; text != NULL && *text != 0; text = next) {
		size_t size = strcspn(text, "\n");
		next = text[size] == '\n' ? text + size + 1 : NULL;
		fputs(*text == '#' ? "#" : "", out);
		markdown_line(out, text, size);
	}
}

static void
markdown_command(FILE *out, const struct cli_command *command)
{
	fprintf(out, "\n### `froe %s%s%s`\n\n%c%s.\n", command->words,
	    command->arguments[0] != 0 ? " " : "", command->arguments,
	    toupper((unsigned char)command->summary[0]), command->summary + 1);
	if (help_details(command) != NULL) {
		fputc('\n', out);
		markdown_details(out, help_details(command));
	}
	markdown_options(out, command);
}

void
manual_markdown(FILE *out)
{
	fputs(
	    "# The froe command\n\n"
	    "<!-- Printed by `froe help markdown` from src/cli: change it there, then `make docs`. "
	    "-->\n\n",
	    out);
	markdown_details(out, help_general());
	fputs("\n## Which server\n\n", out);
	markdown_details(out, help_connection());
	fputs("\n| option | environment | meaning |\n|---|---|---|\n", out);
	for (const struct cli_option *option = cli_connection; option->name != NULL; option++)
		markdown_option(out, option, /* environment= */ true);
	for (size_t c = 0; c < CHAPTER_COUNT; c++) {
		if (chapter_empty(&chapters[c]))
			continue;
		fprintf(out, "\n## %s\n", chapters[c].title);
		for (size_t i = 0; i < cli_command_count; i++) {
			if (chapter_of(&cli_commands[i]) == &chapters[c])
				markdown_command(out, &cli_commands[i]);
		}
	}
}
