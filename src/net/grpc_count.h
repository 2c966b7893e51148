/*
 * net/grpc_count: what a loop's gRPC connections count.
 *
 * Threading   written by the loop's thread only, read from any.
 */
#ifndef NET_GRPC_COUNT_H
#define NET_GRPC_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

struct grpc_count {
	_Atomic uint64_t connections; /* now */
	_Atomic uint64_t streams;     /* now */
	_Atomic uint64_t streams_total;
	_Atomic uint64_t received; /* messages */
	_Atomic uint64_t sent;     /* queued to be sent */
	_Atomic uint64_t resets;   /* streams that either side broke off */
};

/* One writer: no need for a locked add. Readers only want a recent value. */
static inline void
grpc_count_add(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add,
	    memory_order_relaxed);
}

static inline uint64_t
grpc_count_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
