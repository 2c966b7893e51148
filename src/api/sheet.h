/*
 * api/sheet: JSON text as it is written: commas, quotes, and values that JSON has no type for.
 *
 * Purpose     Appends to a buffer; whoever writes opens and closes in order. Payloads are put in as
 *             they are: they were found to be JSON when they came, and go out byte for byte.
 * Ownership   the buffer is borrowed.
 * Invariants  1. text that is not UTF-8 never gets here: it was refused where it came in.
 */
#ifndef API_SHEET_H
#define API_SHEET_H

#include "base/bytes.h"
#include "base/uuid.h"

struct sheet {
	struct buf *to;
	bool comma; /* before the next key or element */
};

void sheet_open(struct sheet *sheet, char bracket); /* { or [ */
void sheet_close(struct sheet *sheet, char bracket); /* } or ] */
void sheet_key(struct sheet *sheet, const char *key);

/* An element, or the value of the key before it. */
void sheet_text(struct sheet *sheet, struct bytes text);
void sheet_number(struct sheet *sheet, uint64_t number);
void sheet_bool(struct sheet *sheet, bool value);
void sheet_null(struct sheet *sheet);
void sheet_uuid(struct sheet *sheet, struct uuid id);
void sheet_raw(struct sheet *sheet, struct bytes json);
/* RFC 3339 in UTC with microseconds, so that what follows another is seen to. */
void sheet_time(struct sheet *sheet, uint64_t wall_ns);
/* JSON's, if it is an object; another value as {"value": ...}; nothing as {}. */
void sheet_object(struct sheet *sheet, struct bytes json);

/* The same with a key. */
void sheet_put(struct sheet *sheet, const char *key, const char *text); /* NULL: nothing is put */
void sheet_put_number(struct sheet *sheet, const char *key, uint64_t number);
void sheet_put_bool(struct sheet *sheet, const char *key, bool value);
void sheet_put_uuid(struct sheet *sheet, const char *key, struct uuid id);
void sheet_put_time(struct sheet *sheet, const char *key, uint64_t wall_ns); /* 0: nothing is put */
void sheet_put_object(struct sheet *sheet, const char *key, struct bytes json);

#endif
