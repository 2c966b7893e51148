/*
 * cli/terminal: what the reader of our output can show.
 *
 * Purpose     Colours only on a terminal that wants them (NO_COLOR, TERM=dumb); line drawing only
 *             where the locale is UTF-8. Text of others (errors, names) cannot move the cursor.
 * Threading   the main thread.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "base/bytes.h"
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
	bool tty;
	bool moves; /* it can be drawn upon: a terminal, and not a dumb one */
	bool colours;
	bool utf8;
};

struct terminal terminal_open(int file);

/* The escape sequence, or "". TERMINAL_PLAIN ends a colour. */
const char *terminal_colour(const struct terminal *terminal, enum terminal_colour colour);
enum terminal_colour terminal_colour_of(enum froe_status status);

/* How many rows its window has; 0: not known. */
unsigned terminal_rows(int file);

/* All of a buffer on standard output. */
void terminal_print(const struct buf *text);

/* Text that comes from elsewhere, up to its first line break: control characters are blanks, and
 * on a terminal that is not UTF-8 whatever is not ASCII is a question mark. */
void terminal_push(const struct terminal *terminal, struct buf *to, const char *text);
void terminal_push_bytes(const struct terminal *terminal, struct buf *to, struct bytes text);
/* The same, filled up with blanks to a width on the screen. */
void terminal_push_wide(
    const struct terminal *terminal, struct buf *to, const char *text, size_t width);

/* All lines of a buffer on standard output, as terminal_push would have them. */
void terminal_print_plain(const struct terminal *terminal, const struct buf *text);

/* How many characters a text has on the screen; names have no combining ones to speak of. */
size_t terminal_width(const char *text);

#endif
