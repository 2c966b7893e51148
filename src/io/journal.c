#include "io/journal.h"

#include "base/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Kept for the end of a line: a closing quote, a brace, a line break. */
#define TAIL_BYTES 4u
#define SENTENCE_BYTES_MAX 1024u

static void
put(struct journal_line *line, const char *bytes, size_t size)
{
	size_t room = sizeof(line->bytes) - TAIL_BYTES - line->size;
	if (size > room)
		return; /* all of it or nothing: half an escape would spoil the line */
	memcpy(line->bytes + line->size, bytes, size);
	line->size += size;
}

static void
put_text(struct journal_line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Quotes, backslashes and control characters are escaped alike for JSON and for text. */
static void
put_quoted(struct journal_line *line, const char *text)
{
	put_text(line, "\"");
	for (const char *at = text; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;
		char escape[8];
		if (c == '"' || c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		else
			snprintf(escape, sizeof(escape), "%c", c);
		put_text(line, escape);
	}
	line->bytes[line->size++] = '"'; /* of the tail: a cut value ends as well */
}

static bool
plain(const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at <= ' ' || *at == '"' || *at == '\\' || *at == '=' ||
		    *at == 0x7f)
			return false;
	}
	return *text != '\0';
}

static void
put_time(struct journal_line *line)
{
	struct timespec now;
	char text[TIMESTAMP_TEXT_SIZE];
	clock_gettime(CLOCK_REALTIME, &now);
	timestamp_format((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec, text);
	put_text(line, text);
}

static const char *const level_names[] = {"error", "warning", "info"};

static bool
level_muted(enum journal_level level)
{
	const char *least = getenv("FROE_LOG_LEVEL");
	for (enum journal_level i = JOURNAL_ERROR; least != NULL && i < level; i++) {
		if (strcmp(least, level_names[i]) == 0)
			return true;
	}
	return false;
}

static void
begin(struct journal_line *line, enum journal_level level, const char *event, const char *sentence)
{
	static const char *const prefixes[] = {"<3>", "<4>", "<6>"};
	const char *format = getenv("FROE_LOG_FORMAT");
	bool journald = getenv("JOURNAL_STREAM") != NULL;
	*line = (struct journal_line){
	    .json = format != NULL && strcmp(format, "json") == 0,
	    .muted = level_muted(level),
	};
	if (journald)
		put_text(line, prefixes[level]);
	if (!line->json) {
		if (!journald) {
			put_time(line);
			put_text(line, " ");
			put_text(line, level_names[level]);
			put_text(line, " ");
		}
		put_text(line, event);
		put_text(line, ": ");
		put_text(line, sentence);
		return;
	}
	put_text(line, "{\"time\":\"");
	put_time(line);
	put_text(line, "\"");
	journal_text(line, "level", level_names[level]);
	journal_text(line, "event", event);
	journal_text(line, "text", sentence);
}

/* A sentence may quote what a stranger sent: it stays on its line. */
static void
sentence_print(char sentence[SENTENCE_BYTES_MAX], const char *format, va_list args)
{
	vsnprintf(sentence, SENTENCE_BYTES_MAX, format, args);
	for (char *at = sentence; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	}
}

void
journal_begin(
    struct journal_line *line, enum journal_level level, const char *event, const char *format, ...)
{
	char sentence[SENTENCE_BYTES_MAX];
	va_list args;
	va_start(args, format);
	sentence_print(sentence, format, args);
	va_end(args);
	begin(line, level, event, sentence);
}

/* A field that does not fit is left out, whole. */
void
journal_text(struct journal_line *line, const char *key, const char *value)
{
	if (line->size + strlen(key) + 6 * strlen(value) + 8 + TAIL_BYTES > sizeof(line->bytes))
		return;
	put_text(line, line->json ? ",\"" : " ");
	put_text(line, key);
	put_text(line, line->json ? "\":" : "=");
	if (!line->json && plain(value))
		put_text(line, value);
	else
		put_quoted(line, value);
}

void
journal_number(struct journal_line *line, const char *key, uint64_t value)
{
	char text[96];
	int size = snprintf(
	    text, sizeof(text), line->json ? ",\"%s\":%" PRIu64 : " %s=%" PRIu64, key, value);
	put(line, text, (size_t)size < sizeof(text) ? (size_t)size : 0);
}

void
journal_end(struct journal_line *line)
{
	if (line->muted)
		return;
	if (line->json)
		line->bytes[line->size++] = '}';
	line->bytes[line->size++] = '\n';
	if (write(STDERR_FILENO, line->bytes, line->size) < 0)
		return; /* there is nobody to tell */
}

void
journal(enum journal_level level, const char *event, const char *format, ...)
{
	struct journal_line line;
	char sentence[SENTENCE_BYTES_MAX];
	va_list args;
	va_start(args, format);
	sentence_print(sentence, format, args);
	va_end(args);
	begin(&line, level, event, sentence);
	journal_end(&line);
}
