/*
 * base/base64: bytes as base64url (RFC 4648, section 5), without padding.
 *
 * Failure     decoding refuses what encoding does not write: other characters, padding, bits left
 *             over that are not zero. So bytes have one text.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/bytes.h"

#define BASE64_SIZE(bytes) (((bytes)*4 + 2) / 3) /* characters that so many bytes take */
#define BASE64_BYTES(size) ((size)*3 / 4)	 /* bytes that so many characters hold */

/* Writes BASE64_SIZE(from.size) characters, no zero after them. */
void base64url_encode(struct bytes from, char *to);

/* Writes BASE64_BYTES(from.size) bytes. */
bool base64url_decode(struct bytes from, uint8_t *to);

#endif
