#include "cli/terminal.h"

#include <stdlib.h>
#include <strings.h>
#include <string.h>
#include <unistd.h>

static bool
locale_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value == NULL || value[0] == 0)
			continue;
		const char *charset = strchr(value, '.');
		return charset != NULL && (strncasecmp(charset, ".utf-8", 6) == 0 ||
					      strncasecmp(charset, ".utf8", 5) == 0);
	}
	return false;
}

struct terminal
terminal_open(int file)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool wanted =
	    (no_color == NULL || no_color[0] == 0) && term != NULL && strcmp(term, "dumb") != 0;
	return (struct terminal){
	    .colours = wanted && isatty(file) == 1,
	    .utf8 = locale_utf8(),
	};
}

const char *
terminal_colour(const struct terminal *terminal, enum terminal_colour colour)
{
	static const char *const escapes[] = {
	    [TERMINAL_PLAIN] = "\x1b[0m",
	    [TERMINAL_GREEN] = "\x1b[32m",
	    [TERMINAL_YELLOW] = "\x1b[33m",
	    [TERMINAL_RED] = "\x1b[31m",
	    [TERMINAL_BLUE] = "\x1b[34m",
	    [TERMINAL_GREY] = "\x1b[90m",
	};
	return terminal->colours ? escapes[colour] : "";
}

enum terminal_colour
terminal_colour_of(enum froe_status status)
{
	switch (status) {
	case FROE_RUN_COMPLETED:
		return TERMINAL_GREEN;
	case FROE_RUN_FAILED:
		return TERMINAL_RED;
	case FROE_RUN_CANCELLED:
		return TERMINAL_YELLOW;
	case FROE_RUN_RUNNING:
		return TERMINAL_BLUE;
	case FROE_RUN_QUEUED:
	case FROE_RUN_EVICTED:
		return TERMINAL_GREY;
	}
	return TERMINAL_PLAIN;
}
