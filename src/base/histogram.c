#include "base/histogram.h"

#include <inttypes.h>

static unsigned
bucket_of(uint64_t took_ns)
{
	uint64_t times = took_ns / HISTOGRAM_FIRST_NS;
	if (took_ns != 0 && took_ns % HISTOGRAM_FIRST_NS == 0)
		times--; /* the bound itself is within */
	unsigned bucket = times == 0 ? 0 : 64u - (unsigned)__builtin_clzll(times);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

void
histogram_add(struct histogram *histogram, uint64_t took_ns)
{
	histogram->counts[bucket_of(took_ns)]++;
	histogram->count++;
	histogram->sum_ns += took_ns;
}

uint64_t
histogram_quantile_ns(const struct histogram *histogram, unsigned share)
{
	uint64_t within = 0, wanted = (histogram->count * share + 999) / 1000;
	if (histogram->count == 0)
		return 0;
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		within += histogram->counts[i];
		if (within >= wanted)
			return HISTOGRAM_FIRST_NS << i;
	}
	return UINT64_MAX;
}

void
histogram_print(const struct histogram *histogram, const char *name, const char *help,
    struct buf *to)
{
	uint64_t within = 0;
	buf_printf(to, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		within += histogram->counts[i];
		buf_printf(to, "%s_bucket{le=\"%.5f\"} %" PRIu64 "\n", name,
		    (double)(HISTOGRAM_FIRST_NS << i) / 1e9, within);
	}
	buf_printf(to, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9f\n%s_count %" PRIu64 "\n",
	    name, histogram->count, name, (double)histogram->sum_ns / 1e9, name, histogram->count);
}
