/*
 * io/socket: what both real loops must know about sockets.
 */
#ifndef IO_SOCKET_INT_H
#define IO_SOCKET_INT_H

#include <stdbool.h>

/* Small messages leave at once. Accepted sockets inherit it from the listener (Linux), so that an
 * accept needs no system call of its own for it. Harmless on a socket that is not TCP. */
void socket_nodelay(int socket);

/* accept(2) reports what went wrong with one connection before it was taken: go on accepting. */
bool socket_accept_goes_on(int sys_errno);

#endif
