/*
 * net/sniff: which protocol do a connection's first bytes speak?
 *
 * Purpose     The native preface, or the start of an HTTP/1 request line: a known method and a
 *             space. Decides as soon as no other answer is possible, so a stray byte is refused at
 *             once.
 */
#ifndef NET_SNIFF_H
#define NET_SNIFF_H

#include "base/bytes.h"

enum sniff {
	SNIFF_MORE,
	SNIFF_NATIVE, /* the whole preface is there */
	SNIFF_HTTP,
	SNIFF_UNKNOWN,
};

enum sniff sniff_protocol(struct bytes input);

#endif
