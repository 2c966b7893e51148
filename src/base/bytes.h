/*
 * base/bytes: spans of bytes, little-endian words, growable buffers.
 *
 * Ownership   struct bytes borrows: it is valid as long as what it points into. struct buf owns.
 * Threading   none of its own.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t size;
};

static inline struct bytes
bytes_of(const void *data, size_t size)
{
	return (struct bytes){.data = data, .size = size};
}

static inline struct bytes
bytes_text(const char *text)
{
	return (struct bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_zero(const void *data, size_t size); /* all bytes are zero */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "froe's on-disk words are stored by memcpy: add byte swaps for this machine"
#endif

static inline uint16_t
le16_load(const void *from)
{
	uint16_t v;
	memcpy(&v, from, sizeof(v));
	return v;
}

static inline uint32_t
le32_load(const void *from)
{
	uint32_t v;
	memcpy(&v, from, sizeof(v));
	return v;
}

static inline uint64_t
le64_load(const void *from)
{
	uint64_t v;
	memcpy(&v, from, sizeof(v));
	return v;
}

static inline void
le16_store(void *to, uint16_t v)
{
	memcpy(to, &v, sizeof(v));
}

static inline void
le32_store(void *to, uint32_t v)
{
	memcpy(to, &v, sizeof(v));
}

static inline void
le64_store(void *to, uint64_t v)
{
	memcpy(to, &v, sizeof(v));
}

/* A buffer that grows: bytes are pushed at the end and consumed from the front. */
struct buf {
	uint8_t *data;
	size_t head; /* first byte not yet consumed */
	size_t size; /* end of the bytes */
	size_t capacity;
};

void buf_init(struct buf *buf);
void buf_release(struct buf *buf);
void buf_reset(struct buf *buf); /* empties it, keeps the memory */
void buf_push_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) FROE_PRINTF(2, 3);
void buf_push_json_string(struct buf *buf, const void *text, size_t size); /* quoted, escaped */
uint8_t *buf_grow(struct buf *buf, size_t size);

/* Room for so many bytes at the end. */
static inline uint8_t *
buf_reserve(struct buf *buf, size_t size)
{
	if (buf->capacity - buf->size >= size && buf->data != NULL)
		return buf->data + buf->size;
	return buf_grow(buf, size);
}

/* Makes reserved bytes part of it. */
static inline void
buf_commit(struct buf *buf, size_t size)
{
	froe_assert(buf->capacity - buf->size >= size);
	buf->size += size;
}

static inline void
buf_push(struct buf *buf, const void *data, size_t size)
{
	if (size == 0)
		return;
	memcpy(buf_reserve(buf, size), data, size);
	buf->size += size;
}

static inline size_t
buf_used(const struct buf *buf)
{
	return buf->size - buf->head;
}

/* Consumes from the front. */
static inline void
buf_pop(struct buf *buf, size_t size)
{
	froe_assert(size <= buf_used(buf));
	buf->head += size;
	if (buf->head == buf->size)
		buf->head = buf->size = 0;
}

static inline struct bytes
buf_bytes(const struct buf *buf)
{
	/* An empty buffer may have no memory, and nothing may be added to NULL. */
	return bytes_of(buf->data != NULL ? buf->data + buf->head : NULL, buf_used(buf));
}

#endif
