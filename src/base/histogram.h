/*
 * base/histogram: how long something took, by buckets that double.
 *
 * Purpose     Latencies for /metrics: adding one is a shift and an increment, whatever the value.
 * Ownership   the caller's; no memory besides.
 * Threading   its owner only.
 * Units       nanoseconds in; seconds in the text.
 * See         Prometheus exposition format 0.0.4, type histogram
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include "base/bytes.h"

#include <stdint.h>

/* Bucket i holds what took at most HISTOGRAM_FIRST_NS << i; the last one all that took longer. */
#define HISTOGRAM_FIRST_NS UINT64_C(50000)
#define HISTOGRAM_BUCKETS 23u

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t count;
	uint64_t sum_ns;
};

void histogram_add(struct histogram *histogram, uint64_t took_ns);

/* The least bound that at least `share` per mille of the values are within; UINT64_MAX: beyond the
 * last one; 0: there are none. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, unsigned share);

/* HELP, TYPE, buckets, sum and count as text. */
void histogram_print(const struct histogram *histogram, const char *name, const char *help,
    struct buf *to);

#endif
