/*
 * api/envelope: an effect as the bytes of a frame, and a frame's bytes taken apart.
 *
 * Purpose     Writes length word and Envelope in one pass, without building a Froe__Envelope: the
 *             body is spliced from packed bytes, or packed in place.
 * Units       a frame's length is the value of its length word: the Envelope's bytes without the
 *             word's own four. Credit (docs/protocol.md) counts in it.
 */
#ifndef API_ENVELOPE_H
#define API_ENVELOPE_H

#include "api/port.h"

/* What the length word of this effect's frame will say. */
size_t envelope_size(const struct api_effect *effect);

/* The same, and remembers what the message takes, so that it is measured once. */
size_t envelope_measure(struct api_effect *effect);

/* Appends the whole frame: the length word and the Envelope. Returns what the word says; where that
 * is more than size_max, nothing is appended. */
size_t envelope_encode(const struct api_effect *effect, size_t size_max, struct buf *to);

#endif
