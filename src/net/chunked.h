/*
 * net/chunked: a request's body in chunks (RFC 9112, 7.1), as it comes.
 *
 * Purpose     Finds the body's end, and takes the chunks' bytes out of it. Stricter than the
 *             grammar, because whoever reads less strictly finds another end: a size is at most
 *             eight hexadecimal digits and CRLF; no extensions; no fields behind the last chunk.
 * Invariants  1. what has been found of the body stays as it is, whatever comes behind it.
 *             2. the chunks hold `data_size` bytes, at most the limit; what is around them takes
 *                CHUNKED_FRAME_BYTES_MAX at most.
 * Units       offsets are of the body's first byte.
 * Failure     false, with an HTTP status: 400, 413.
 */
#ifndef NET_CHUNKED_H
#define NET_CHUNKED_H

#include "base/bytes.h"

#include <stdbool.h>

#define CHUNKED_FRAME_BYTES_MAX ((size_t)256 << 10)

/* Zero it at the start of a body. */
struct chunked {
	size_t at; /* where the next chunk begins; when it is over: behind the body */
	size_t data_size;
	bool over;
};

/* Looks at what came since the last call; `body` is all that came. */
bool chunked_scan(struct chunked *chunked, struct bytes body, size_t data_bytes_max,
    unsigned *ret_status, const char **ret_why);
/* The data of a body that is over: data_size bytes. */
void chunked_join(const struct chunked *chunked, struct bytes body, uint8_t *to);

#endif
