/*
 * client/copy: parts of the wire's messages, in the arena of a public view.
 *
 * Purpose     What a view has of a message outlives it. Texts that are absent become "".
 * Ownership   the arena's; it has no limit.
 */
#ifndef CLIENT_COPY_H
#define CLIENT_COPY_H

#include "base/arena.h"
#include "froe/froe.h"
#include "proto/native.pb-c.h"

void *copy_zeroed(struct arena *arena, size_t count, size_t size);
const char *copy_text(struct arena *arena, const char *text);
const char *const *copy_texts(struct arena *arena, char *const *texts, size_t count);
struct froe_bytes copy_bytes(struct arena *arena, ProtobufCBinaryData data);
const struct froe_pair *copy_pairs(struct arena *arena, Froe__Pair *const *pairs, size_t count);
/* Zero, if it is none. */
struct froe_id copy_id(ProtobufCBinaryData data);

#endif
