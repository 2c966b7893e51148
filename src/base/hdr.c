/*
 * Values below 2048 have a bucket each. Those of [2^n, 2^(n+1)) share 1024 buckets of 2^(n-10)
 * values each: the value is shifted right until 11 bits are left, of which the highest is set, and
 * the number of places it was shifted by says which 1024 they are.
 */
#include "base/hdr.h"

#include "base/fault.h"
#include "base/mem.h"

#include <string.h>

#define SUB_BITS 11u /* 2 * 10^3 values, rounded up to a power of two: three digits */
#define SUB_HALF (1u << (SUB_BITS - 1))
#define VALUE_BITS 42u
#define BUCKETS ((VALUE_BITS - SUB_BITS + 2) * SUB_HALF)

static unsigned
shift_of(uint64_t value)
{
	unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
	return bits > SUB_BITS ? bits - SUB_BITS : 0;
}

static unsigned
bucket_of(uint64_t value)
{
	unsigned shift = shift_of(value);
	return shift * SUB_HALF + (unsigned)(value >> shift);
}

/* The greatest value of a bucket. */
static uint64_t
bucket_last(unsigned bucket)
{
	unsigned shift = bucket < 2 * SUB_HALF ? 0 : bucket / SUB_HALF - 1;
	uint64_t sub = bucket - shift * SUB_HALF;
	return ((sub + 1) << shift) - 1;
}

void
hdr_init(struct hdr *hdr)
{
	hdr->counts = mem_array(BUCKETS, sizeof(*hdr->counts));
	hdr_reset(hdr);
}

void
hdr_release(struct hdr *hdr)
{
	mem_free(hdr->counts);
	hdr->counts = NULL;
}

void
hdr_reset(struct hdr *hdr)
{
	memset(hdr->counts, 0, BUCKETS * sizeof(*hdr->counts));
	hdr->count = 0;
	hdr->min = UINT64_MAX;
	hdr->max = 0;
	hdr->sum = 0;
}

void
hdr_add(struct hdr *hdr, uint64_t value)
{
	if (value > HDR_VALUE_MAX)
		value = HDR_VALUE_MAX;
	hdr->counts[bucket_of(value)]++;
	hdr->count++;
	hdr->sum += (double)value;
	if (value < hdr->min)
		hdr->min = value;
	if (value > hdr->max)
		hdr->max = value;
}

void
hdr_merge(struct hdr *to, const struct hdr *from)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		to->counts[i] += from->counts[i];
	to->count += from->count;
	to->sum += from->sum;
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t
hdr_percentile(const struct hdr *hdr, double percent)
{
	uint64_t within = 0, wanted = (uint64_t)(percent / 100 * (double)hdr->count + 0.5);
	if (hdr->count == 0)
		return 0;
	if (wanted == 0)
		wanted = 1;
	if (wanted > hdr->count)
		wanted = hdr->count;
	unsigned bucket = 0;
	while ((within += hdr->counts[bucket]) < wanted)
		bucket++;
	froe_assert(bucket < BUCKETS);
	uint64_t last = bucket_last(bucket);
	return last < hdr->max ? last : hdr->max;
}

double
hdr_mean(const struct hdr *hdr)
{
	return hdr->count == 0 ? 0 : hdr->sum / (double)hdr->count;
}

void
hdr_check(const struct hdr *hdr)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		count += hdr->counts[i];
	froe_assert(count == hdr->count);
	froe_assert(count == 0 || hdr->min <= hdr->max);
	froe_assert(count == 0 || hdr->counts[bucket_of(hdr->min)] > 0);
	froe_assert(count == 0 || hdr->counts[bucket_of(hdr->max)] > 0);
}
