/*
 * io/quick: keeps cores from sleeping so deeply that waking them takes long.
 *
 * Purpose     The kernel's PM QoS for processors: who holds /dev/cpu_dma_latency open and has
 *             written there that a core has to wake within 0 us, has cores that look for work when
 *             they have none, all of them, until that is taken back or the descriptor is closed,
 *             as it is when the process dies.
 * Threading   any.
 * Units       the device's: microseconds.
 * Failure     without the device, or the right to it (it is root's), nothing happens.
 * See         docs/decisions/0016-quick-cores.md; Documentation/power/pm_qos_interface.rst
 */
#ifndef IO_QUICK_H
#define IO_QUICK_H

#include <stdbool.h>

int quick_open(void); /* the descriptor; -1: it cannot be had */
void quick_ask(int file, bool quick);
void quick_close(int file); /* -1: nothing */

#endif
