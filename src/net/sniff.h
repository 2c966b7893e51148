/*
 * net/sniff: which protocol do a connection's first bytes speak?
 *
 * Purpose     The native preface, the start of an HTTP/1 request line (a known method and a space),
 *             HTTP/2's preface, or the start of a TLS handshake record. Decides as soon as no other
 *             answer is possible, so a stray byte is refused at once. What TLS carries is sniffed
 *             again once decrypted.
 */
#ifndef NET_SNIFF_H
#define NET_SNIFF_H

#include "base/bytes.h"

enum sniff {
	SNIFF_MORE,
	SNIFF_NATIVE, /* the whole preface is there */
	SNIFF_HTTP,
	SNIFF_HTTP2, /* the whole preface is there */
	SNIFF_TLS,
	SNIFF_UNKNOWN,
};

enum sniff sniff_protocol(struct bytes input);

#endif
