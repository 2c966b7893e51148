/*
 * base/duration: "1h30m", "250ms", "0.5s" to nanoseconds and back.
 *
 * A concatenation of <number><unit> with units ns, us, ms, s, m, h, d; fractions are allowed; no
 * sign, no bare number. The largest value is about 292 years.
 */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

bool duration_parse(const char *text, uint64_t *ret_ns);

#define DURATION_TEXT_SIZE 32
void duration_format(uint64_t ns, char text[DURATION_TEXT_SIZE]); /* "1.234s" */

/* RFC 3339 in UTC with milliseconds. */
#define TIMESTAMP_TEXT_SIZE 32
void timestamp_format(uint64_t wall_ns, char text[TIMESTAMP_TEXT_SIZE]);
/* What timestamp_format() writes, and its beginnings from the day on: "2026-01-31",
 * "2026-01-31T12:00", with or without the Z; any number of digits behind the point. */
bool timestamp_parse(const char *text, uint64_t *ret_wall_ns);

#endif
