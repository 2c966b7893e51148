/*
 * A message of the native protocol as it goes over the wire: its length, then the envelope around
 * its body.
 */
#ifndef NATIVE_FRAME_H
#define NATIVE_FRAME_H

#include "base/bytes.h"

#include "proto/native.pb-c.h"

static inline void
frame_push(struct buf *to, uint64_t request, Froe__Envelope__BodyCase kind, void *body)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	envelope.has_request = request != 0;
	envelope.request = request;
	envelope.body_case = kind;
	envelope.hello = body; /* a union of pointers */
	size_t size = froe__envelope__get_packed_size(&envelope);
	le32_store(buf_reserve(to, 4), (uint32_t)size);
	buf_commit(to, 4);
	froe__envelope__pack(&envelope, buf_reserve(to, size));
	buf_commit(to, size);
}

#endif
