/*
 * base/json: a scanner that checks JSON text (RFC 8259) without building anything.
 *
 * Payloads are JSON text that froe stores and splices but never parses: this is the one check, made
 * where a payload enters. Rejects invalid UTF-8, control characters, trailing text, and nesting
 * deeper than JSON_DEPTH_MAX. Costs about a nanosecond a byte.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_DEPTH_MAX 64

/* True if text is one JSON value; else *ret_at (may be NULL) is the offset of the first fault. */
bool json_valid(const void *text, size_t size, size_t *ret_at);

/* True if text is well-formed UTF-8 without a zero byte. */
bool utf8_valid(const void *text, size_t size);

/* True if all of it is printable ASCII, as most names are. */
bool ascii_printable(const void *text, size_t size);

#endif
