#include "base/bytes.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

bool
bytes_zero(const void *data, size_t size)
{
	const uint8_t *at = data;
	/* All bytes equal their neighbour and the first is zero: memcmp runs at memory speed. */
	return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

void
buf_init(struct buf *buf)
{
	*buf = (struct buf){0};
}

void
buf_release(struct buf *buf)
{
	mem_free(buf->data);
	*buf = (struct buf){0};
}

void
buf_reset(struct buf *buf)
{
	buf->head = 0;
	buf->size = 0;
}

uint8_t *
buf_grow(struct buf *buf, size_t size)
{
	size_t used = buf_used(buf);
	if (buf->head > 0) {
		memmove(buf->data, buf->data + buf->head, used);
		buf->head = 0;
		buf->size = used;
	}
	if (buf->capacity - used < size || buf->data == NULL) {
		size_t capacity = buf->capacity != 0 ? buf->capacity : 256;
		while (capacity - used < size)
			capacity *= 2;
		buf->data = mem_resize(buf->data, capacity);
		buf->capacity = capacity;
	}
	return buf->data + buf->size;
}

void
buf_push_text(struct buf *buf, const char *text)
{
	buf_push(buf, text, strlen(text));
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	froe_assert(length >= 0);
	uint8_t *at = buf_reserve(buf, (size_t)length + 1);
	va_start(args, format);
	vsnprintf((char *)at, (size_t)length + 1, format, args);
	va_end(args);
	buf->size += (size_t)length;
}

void
buf_push_json_string(struct buf *buf, const void *text, size_t size)
{
	const uint8_t *at = text;
	buf_push(buf, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		if (at[i] == '"' || at[i] == '\\')
			buf_printf(buf, "\\%c", at[i]);
		else if (at[i] == '\n')
			buf_push(buf, "\\n", 2);
		else if (at[i] < 0x20 || at[i] == 0x7f)
			buf_printf(buf, "\\u%04x", at[i]);
		else
			buf_push(buf, &at[i], 1);
	}
	buf_push(buf, "\"", 1);
}
