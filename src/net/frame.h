/*
 * net/frame: the native protocol's framing: preface and length words.
 *
 * Purpose     Finds the next frame in a buffer of bytes, incrementally. What is inside is not its
 *             business. A length is judged before anything is allocated for it.
 * Ownership   a frame's bytes borrow from the buffer they were found in.
 * See         docs/protocol.md, "Framing"
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/bytes.h"

#define FRAME_PREFACE "FROE\x00\x01\r\n"
#define FRAME_PREFACE_SIZE 8u
#define FRAME_HEADER_SIZE 4u

enum frame_result {
	FRAME_MORE,      /* the buffer ends within the frame */
	FRAME_WHOLE,
	FRAME_EMPTY,     /* a length of 0 */
	FRAME_TOO_LARGE, /* a length above the limit */
};

/* On WHOLE, *ret_frame is the message, and message + FRAME_HEADER_SIZE bytes are to be popped. */
enum frame_result frame_next(struct bytes input, uint32_t message_bytes_max,
    struct bytes *ret_frame);

#endif
