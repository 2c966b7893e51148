/*
 * tests/unit/api_decode: one message as the server decodes it, and what its refusal says.
 *
 * Ownership   the command borrows from the arena, until the next decode().
 */
#ifndef UNIT_API_DECODE_H
#define UNIT_API_DECODE_H

#include "api/request.h"

#include "api/wire.h"
#include "base/mem.h"
#include "froe/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;
static struct api_command command;
static struct froe_fault fault;

static inline enum froe_err
decode(Froe__Envelope__BodyCase kind, void *body)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	envelope.body_case = kind;
	envelope.run_start = body; /* a union of pointers */
	memset(&fault, 0, sizeof(fault));
	memset(&command, 0xee, sizeof(command));
	arena_reset(&arena);
	return request_decode(&envelope, &arena, &command, &fault);
}

static inline void
expect_fault(enum froe_err err, enum froe_err want, const char *field)
{
	assert_int_equal(err, want);
	assert_int_equal(fault.code, want);
	assert_string_equal(fault.field, field);
	assert_true(strlen(fault.text) > 10);
}

static uint8_t task_bytes[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 9, 10, 11, 12, 13, 0, 1};

static inline ProtobufCBinaryData
data_of(void *bytes, size_t size)
{
	return (ProtobufCBinaryData){.data = bytes, .len = size};
}

/* A text of `size` letters; static, one at a time. */
static inline char *
text_of_size(size_t size)
{
	static char text[FROE_LOG_LINE_BYTES_MAX + 2];
	memset(text, 'a', size);
	text[size] = 0;
	return text;
}

#endif
