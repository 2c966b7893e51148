/*
 * cli/help: the table of commands as text: --help, and the manual in two forms.
 *
 * Purpose     One source: every form is printed from the rows of the table and the paragraphs of
 *             details.c. docs/cli.md is `froe help markdown`, froe.1 is `froe help man`.
 * Threading   the main thread.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

void help_commands(FILE *out);
void help_command(FILE *out, const struct cli_command *command);

/* One of those that are the same for all commands that talk to a server. */
bool help_is_connection(const struct cli_option *option);

/* Paragraphs parted by empty lines; of a command: NULL: there are none. `code` stands in
 * backquotes; a line that begins with "# " is a heading, one with "- " a point of a list, one with
 * four blanks an example. */
const char *help_general(void);
const char *help_connection(void);
const char *help_details(const struct cli_command *command);

/* The manual: manual.c. */
void manual_man(FILE *out);
void manual_markdown(FILE *out);

#endif
