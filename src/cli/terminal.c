#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
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
	bool tty = isatty(file) == 1;
	bool moves = tty && term != NULL && term[0] != 0 && strcmp(term, "dumb") != 0;
	return (struct terminal){
	    .tty = tty,
	    .moves = moves,
	    .colours = moves && (no_color == NULL || no_color[0] == 0),
	    .utf8 = locale_utf8(),
	};
}

unsigned
terminal_rows(int file)
{
	struct winsize size;
	return ioctl(file, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
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

void
terminal_print(const struct buf *text)
{
	struct bytes bytes = buf_bytes(text);
	if (bytes.size > 0)
		fwrite(bytes.data, 1, bytes.size, stdout);
}

/* U+0080 to U+009F are control characters too: some terminals obey them. */
static size_t
control_size(const uint8_t *at, const uint8_t *end)
{
	if (*at < 0x20 || *at == 0x7f)
		return 1;
	return *at == 0xc2 && at + 1 < end && at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
}

/* A character that this terminal may not be able to show; 0: it can. */
static size_t
foreign_size(const struct terminal *terminal, const uint8_t *at, const uint8_t *end)
{
	size_t size = 1;
	if (!terminal->tty || terminal->utf8 || *at < 0x80)
		return 0;
	while (at + size < end && (at[size] & 0xc0) == 0x80)
		size++;
	return size;
}

void
terminal_push_bytes(const struct terminal *terminal, struct buf *to, struct bytes text)
{
	const uint8_t *at = text.data, *end = at + text.size;
	while (at < end && *at != '\n') {
		size_t control = control_size(at, end), foreign = foreign_size(terminal, at, end);
		if (control != 0)
			buf_push_text(to, " ");
		else if (foreign != 0)
			buf_push_text(to, "?");
		else
			buf_push(to, at, 1);
		at += control != 0 ? control : foreign != 0 ? foreign : 1;
	}
}

void
terminal_push(const struct terminal *terminal, struct buf *to, const char *text)
{
	terminal_push_bytes(terminal, to, bytes_text(text));
}

size_t
terminal_width(const char *text)
{
	size_t width = 0;
	for (; *text != 0; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
	return width;
}

void
terminal_push_wide(
    const struct terminal *terminal, struct buf *to, const char *text, size_t width)
{
	size_t used = terminal_width(text);
	terminal_push(terminal, to, text);
	for (; used < width; used++)
		buf_push_text(to, " ");
}

void
terminal_print_plain(const struct terminal *terminal, const struct buf *text)
{
	struct bytes left = buf_bytes(text);
	struct buf plain;
	buf_init(&plain);
	while (left.size > 0) {
		const uint8_t *end = memchr(left.data, '\n', left.size);
		size_t size = end != NULL ? (size_t)(end - left.data) + 1 : left.size;
		terminal_push_bytes(terminal, &plain, bytes_of(left.data, size));
		buf_push_text(&plain, end != NULL ? "\n" : "");
		left = bytes_of(left.data + size, left.size - size);
	}
	terminal_print(&plain);
	buf_release(&plain);
}
