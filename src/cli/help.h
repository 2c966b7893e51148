/*
 * cli/help: the table of commands as text: --help, the manual, and what a shell may complete.
 *
 * Purpose     One source: every form is printed from the rows of main.c and the paragraphs of
 *             details.c.
 * Threading   the main thread.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

void help_commands(FILE *out);
void help_command(FILE *out, const struct cli_command *command);

/* More about a command than its sentence: paragraphs parted by empty lines; NULL: there is none.
 * `code` stands in backquotes; a line that begins with "- " is a point of a list, one that begins
 * with four blanks an example. */
const char *help_details(const struct cli_command *command);

#endif
