/*
 * base/hdr: a histogram of high dynamic range: any percentile, to three significant digits.
 *
 * Purpose     Latencies of benchmarks. Buckets are linear within each power of two, and there are
 *             at least 1000 of them in it, so what is read differs from what was added by less
 *             than a thousandth, be it a microsecond or an hour. Adding is a shift and an
 *             increment; nothing is lost, and nothing grows.
 * Ownership   hdr_release frees what hdr_init took.
 * Threading   its owner only.
 * Invariants  1. count is the sum of all counts; 2. if there are any, min <= max, and a bucket
 *             that is not empty holds each of them.
 * Units       whatever the caller counts: nanoseconds, here.
 * See         Gil Tene's HdrHistogram (https://hdrhistogram.org), whose bucket layout this is
 */
#ifndef BASE_HDR_H
#define BASE_HDR_H

#include <stdint.h>

#define HDR_VALUE_MAX ((UINT64_C(1) << 42) - 1) /* 73 minutes; what is more counts as that */

struct hdr {
	uint64_t *counts;
	uint64_t count;
	uint64_t min;
	uint64_t max; /* exact, both */
	double sum;
};

void hdr_init(struct hdr *hdr);
void hdr_release(struct hdr *hdr);
void hdr_reset(struct hdr *hdr);

void hdr_add(struct hdr *hdr, uint64_t value);
void hdr_merge(struct hdr *to, const struct hdr *from);

/* The least value that at least so many percent are not above, rounded up to its bucket's end (and
 * never above the greatest one that was added). 0: there are none. */
uint64_t hdr_percentile(const struct hdr *hdr, double percent);
double hdr_mean(const struct hdr *hdr);

void hdr_check(const struct hdr *hdr);

#endif
