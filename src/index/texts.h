/*
 * index/texts: several texts as one span: metadata pairs, names of workers.
 *
 * Purpose     u16 size, bytes; one after the other. A row keeps its texts as such a span, and so
 *             does a filter.
 * Ownership   what texts_next() returns points into the span.
 * Failure     texts_good(): false for a span that texts_push() did not write.
 */
#ifndef INDEX_TEXTS_H
#define INDEX_TEXTS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define TEXT_BYTES_MAX UINT16_MAX

void texts_push(struct buf *to, struct bytes text);
size_t texts_size(struct bytes text); /* what it takes of a span */
void texts_store(uint8_t *to, struct bytes text);
bool texts_next(struct bytes *at, struct bytes *ret_text); /* false: that was the last */
bool texts_good(struct bytes span, uint32_t *ret_count);
bool texts_have(struct bytes span, struct bytes text);
/* In a span of pairs: is (key, value) one of them? */
bool texts_have_pair(struct bytes span, struct bytes key, struct bytes value);

#endif
