/*
 * cli/terminal: what the reader of our output can show.
 *
 * Purpose     Colours only on a terminal that wants them (NO_COLOR, TERM=dumb); line drawing only
 *             where the locale is UTF-8.
 * Threading   the main thread.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "froe/froe.h"

#include <stdbool.h>

enum terminal_colour {
	TERMINAL_PLAIN,
	TERMINAL_GREEN,
	TERMINAL_YELLOW,
	TERMINAL_RED,
	TERMINAL_BLUE,
	TERMINAL_GREY,
};

struct terminal {
	bool colours;
	bool utf8;
};

struct terminal terminal_open(int file);

/* The escape sequence, or "". TERMINAL_PLAIN ends a colour. */
const char *terminal_colour(const struct terminal *terminal, enum terminal_colour colour);
enum terminal_colour terminal_colour_of(enum froe_status status);

#endif
