/*
 * io/journal: what the server says on stderr: one line an event, for people and for machines.
 *
 * Purpose     journal_begin() names the event and says it in a sentence; journal_text() and
 *             journal_number() add what a machine wants; journal_end() writes the line at once, so
 *             lines of several threads do not mix.
 *             Text     2026-11-21T07:40:11.123Z warning index_damaged: the sentence key=value
 *             JSON     {"time":"...","level":"warning","event":"index_damaged","text":"...",...}
 *             Under systemd's journal the time is left out, and the level is its prefix <4>.
 * Format      FROE_LOG_FORMAT: "text" (default) or "json".
 * Levels      FROE_LOG_LEVEL: "error", "warning" or "info" (default): what is less than it is not
 *             written.
 * Ownership   a line is the caller's, on its stack.
 * Threading   any.
 * Failure     a line that is too long is cut, a write that fails is not tried again: the log of the
 *             server is not the log of the store.
 */
#ifndef IO_JOURNAL_H
#define IO_JOURNAL_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum journal_level {
	JOURNAL_ERROR,
	JOURNAL_WARNING,
	JOURNAL_INFO,
};

#define JOURNAL_LINE_BYTES_MAX 2048u

struct journal_line {
	bool json;
	bool muted; /* by FROE_LOG_LEVEL */
	size_t size;
	char bytes[JOURNAL_LINE_BYTES_MAX];
};

/* `event` and the keys are words of [a-z0-9_]. */
void journal_begin(struct journal_line *line, enum journal_level level, const char *event,
    const char *format, ...) FROE_PRINTF(4, 5);
void journal_text(struct journal_line *line, const char *key, const char *value);
void journal_number(struct journal_line *line, const char *key, uint64_t value);
void journal_end(struct journal_line *line);

/* A line without more than its sentence. */
void journal(enum journal_level level, const char *event, const char *format, ...)
    FROE_PRINTF(3, 4);

#endif
