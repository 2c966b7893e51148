/*
 * net/conn_int: what conn and its TLS (net/conn_tls.c) know of each other.
 */
#ifndef NET_CONN_INT_H
#define NET_CONN_INT_H

#include "net/conn.h"

/* Ends it so that the other side gets what is in the output: the socket stays open until it has
 * closed its own end or CONN_TIMER_HEAD is over. A socket closed with unread input would be reset,
 * and the reset could overtake the last message. */
void conn_fail(struct conn *conn, enum conn_close reason);

void conn_trim(struct buf *buf); /* gives back an empty buffer that has become large */

void conn_decrypt(struct conn *conn); /* what came in, as far as the reader has room */
bool conn_decrypts(const struct conn *conn); /* there is something to decrypt, and room for it */
/* Fills `sending` with what is to go out next. */
void conn_encrypt(struct conn *conn, struct buf *sending);

#endif
