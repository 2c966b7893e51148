/*
 * io/notify: tells the service manager how far we are.
 *
 * Purpose     The protocol of sd_notify(3), which is one datagram to the socket that NOTIFY_SOCKET
 *             names: "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=...", one a line.
 * Threading   any.
 * Failure     without a manager, or when it does not take it, nothing happens: it will notice.
 */
#ifndef IO_NOTIFY_H
#define IO_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* True: a manager has it. Does not wait. */
bool notify_send(const char *state);

/* How often the manager wants to hear "WATCHDOG=1" at least; 0: not at all. */
uint64_t notify_watchdog_ns(void);

#endif
