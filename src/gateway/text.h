/*
 * gateway/text: ids, times, metadata and durations as Hatchet's messages have them.
 *
 * Ownership   what is made lies in the arena.
 */
#ifndef GATEWAY_TEXT_H
#define GATEWAY_TEXT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include "hatchet/shared.pb-c.h"
#include "proto/native.pb-c.h"

char *text_copy(struct arena *arena, struct bytes text); /* with a zero byte */
char *text_uuid(struct arena *arena, struct uuid id);
char *text_lower(struct arena *arena, const char *text); /* of NULL: "" */
static inline bool
text_given(const char *text)
{
	return text != NULL && text[0] != 0;
}

/* False: it is no UUID. */
bool text_id(const char *text, struct uuid *ret_id);
ProtobufCBinaryData text_id_bytes(struct arena *arena, struct uuid id);

Hatchet__Timestamp *text_time(struct arena *arena, uint64_t wall_ns);
uint64_t text_time_ns(const Hatchet__Timestamp *time); /* NULL, or before 1970: 0 */

/* A JSON object as pairs of strings: values that are none become their JSON text. False: it is not
 * a JSON object. */
bool text_metadata(struct arena *arena, const char *json, Froe__Pair ***ret_pairs,
    size_t *ret_count);
/* And back; NULL: there are no pairs. */
char *text_metadata_json(struct arena *arena, Froe__Pair *const *pairs, size_t count);

/* So many bytes of it, at a character's end, are at most so many. */
size_t text_cut(const char *text, size_t size_max);
/* What a worker says of a failure, made short enough to be kept; it may be a JSON object with
 * "message" and "stack", and is one still then. `otherwise`: it says nothing. */
char *text_error(struct arena *arena, const char *error, const char *otherwise);

/* "1h30m", and in days, weeks and years, to milliseconds, rounded up. */
bool text_duration_ms(const char *text, uint64_t *ret_ms);

#endif
