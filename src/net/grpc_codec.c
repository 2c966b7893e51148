/*
 * One inflater and one deflater for all connections of a thread: a message is whole when it is
 * inflated, so nothing of one message is left in them for the next. Each is made when it is first
 * needed (44 and 268 KiB).
 *
 * A bomb: the output grows in steps, and never beyond the limit by more than a byte, whatever the
 * input promises.
 */
#include "net/grpc_int.h"

#include "base/mem.h"

#include <zlib.h>

#define STEP_BYTES ((size_t)64 << 10)
#define KEPT_BYTES ((size_t)256 << 10) /* a buffer larger than this is given back after use */
#define LEVEL 1 /* on one's own network bytes are cheap, and time is not */

struct grpc_codec {
	z_stream inflater;
	z_stream deflater;
	struct buf plain;
	struct buf zipped;
	bool inflates;
	bool deflates;
};

/* zlib's own memory. */
static void *
zip_alloc(void *context, unsigned count, unsigned size)
{
	(void)context;
	return mem_array(count, size);
}

static void
zip_free(void *context, void *block)
{
	(void)context;
	mem_free(block);
}

struct grpc_codec *
grpc_codec_open(void)
{
	return mem_zalloc(sizeof(struct grpc_codec));
}

void
grpc_codec_close(struct grpc_codec *codec)
{
	if (codec == NULL)
		return;
	if (codec->inflates)
		inflateEnd(&codec->inflater);
	if (codec->deflates)
		deflateEnd(&codec->deflater);
	buf_release(&codec->plain);
	buf_release(&codec->zipped);
	mem_free(codec);
}

static void
codec_empty(struct buf *buf)
{
	if (buf->capacity > KEPT_BYTES)
		buf_release(buf);
	buf_reset(buf);
}

static void
inflater_ready(struct grpc_codec *codec)
{
	if (codec->inflates) {
		froe_assert(inflateReset(&codec->inflater) == Z_OK);
		return;
	}
	codec->inflater = (z_stream){.zalloc = zip_alloc, .zfree = zip_free};
	/* 32: gzip or zlib, by its first bytes. */
	froe_assert(inflateInit2(&codec->inflater, MAX_WBITS + 32) == Z_OK);
	codec->inflates = true;
}

enum froe_err
codec_inflate(struct grpc_codec *codec, struct bytes zipped, size_t size_max,
    struct bytes *ret_plain, struct froe_fault *fault)
{
	z_stream *stream = &codec->inflater;
	int result = Z_OK;
	inflater_ready(codec);
	codec_empty(&codec->plain);
	froe_assert(zipped.size <= UINT32_MAX);
	stream->next_in = (uint8_t *)(uintptr_t)zipped.data; /* it is only read */
	stream->avail_in = (unsigned)zipped.size;
	while (result == Z_OK) {
		size_t room = size_max + 1 - buf_used(&codec->plain);
		if (room == 0)
			return fault_set(fault, FROE_TOO_LARGE,
			    "the message inflates to more than %zu bytes", size_max);
		room = room < STEP_BYTES ? room : STEP_BYTES;
		stream->next_out = buf_reserve(&codec->plain, room);
		stream->avail_out = (unsigned)room;
		result = inflate(stream, Z_NO_FLUSH);
		buf_commit(&codec->plain, room - stream->avail_out);
	}
	if (buf_used(&codec->plain) > size_max)
		return fault_set(fault, FROE_TOO_LARGE,
		    "the message inflates to more than %zu bytes", size_max);
	if (result != Z_STREAM_END || stream->avail_in != 0)
		return fault_set(fault, FROE_PROTOCOL, "a compressed message is damaged");
	*ret_plain = buf_bytes(&codec->plain);
	return FROE_OK;
}

bool
codec_deflate(struct grpc_codec *codec, struct bytes plain, struct bytes *ret_zipped)
{
	z_stream *stream = &codec->deflater;
	if (!codec->deflates) {
		*stream = (z_stream){.zalloc = zip_alloc, .zfree = zip_free};
		froe_assert(deflateInit2(stream, LEVEL, Z_DEFLATED, MAX_WBITS + 16, 8,
		    Z_DEFAULT_STRATEGY) == Z_OK);
		codec->deflates = true;
	} else {
		froe_assert(deflateReset(stream) == Z_OK);
	}
	codec_empty(&codec->zipped);
	froe_assert(plain.size <= UINT32_MAX);
	stream->next_in = (uint8_t *)(uintptr_t)plain.data;
	stream->avail_in = (unsigned)plain.size;
	stream->next_out = buf_reserve(&codec->zipped, plain.size);
	stream->avail_out = (unsigned)plain.size;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return false;
	buf_commit(&codec->zipped, plain.size - stream->avail_out);
	*ret_zipped = buf_bytes(&codec->zipped);
	return true;
}
