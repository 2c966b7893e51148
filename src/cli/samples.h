/*
 * cli/samples: the latencies of one run of a benchmark, and the line that reports them.
 *
 * Purpose     Keeps every sample: percentiles are exact, and nothing is computed while measuring.
 * Ownership   samples_release frees what samples_init took.
 * Units       nanoseconds in, microseconds out.
 */
#ifndef CLI_SAMPLES_H
#define CLI_SAMPLES_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES_MAX (16u << 20)
#define SAMPLES_NS_PER_S UINT64_C(1000000000)

struct samples {
	uint32_t *ns;
	size_t count;
	uint64_t begin_ns; /* of the time that counts, after the warm-up */
	uint64_t end_ns;
};

static inline uint64_t
samples_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SAMPLES_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline void
samples_init(struct samples *samples, double warmup_s, double seconds)
{
	uint64_t now_ns = samples_now_ns();

	samples->ns = mem_pages(SAMPLES_MAX * sizeof(*samples->ns));
	samples->count = 0;
	samples->begin_ns = now_ns + (uint64_t)(warmup_s * (double)SAMPLES_NS_PER_S);
	samples->end_ns = samples->begin_ns + (uint64_t)(seconds * (double)SAMPLES_NS_PER_S);
}

static inline void
samples_release(struct samples *samples)
{
	mem_pages_free(samples->ns, SAMPLES_MAX * sizeof(*samples->ns));
	samples->ns = NULL;
}

/* What ended outside the time that counts is left out. */
static inline void
samples_push(struct samples *samples, uint64_t started_ns, uint64_t ended_ns)
{
	uint64_t took_ns = ended_ns - started_ns;

	if (took_ns > UINT32_MAX)
		took_ns = UINT32_MAX;
	if (ended_ns < samples->begin_ns || ended_ns >= samples->end_ns)
		return;
	if (samples->count < SAMPLES_MAX)
		samples->ns[samples->count++] = (uint32_t)took_ns;
}

static inline int
samples_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static inline double
samples_percentile_us(const struct samples *samples, double percent)
{
	size_t at = (size_t)(percent / 100.0 * (double)(samples->count - 1) + 0.5);

	return (double)samples->ns[at] / 1000.0;
}

/* Sorts, and prints one line of JSON. False: nothing was measured. */
static inline bool
samples_print(struct samples *samples, unsigned inflight)
{
	double seconds = (double)(samples->end_ns - samples->begin_ns) / (double)SAMPLES_NS_PER_S;

	if (samples->count == 0) {
		fprintf(stderr, "bench: nothing came back in the time that counts\n");
		return false;
	}
	if (samples->count == SAMPLES_MAX) {
		fprintf(stderr, "bench: more samples than are kept; measure for fewer seconds\n");
		return false;
	}
	qsort(samples->ns, samples->count, sizeof(*samples->ns), samples_compare);
	printf("{\"inflight\":%u,\"count\":%zu,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
	    inflight, samples->count, (double)samples->count / seconds,
	    samples_percentile_us(samples, 50), samples_percentile_us(samples, 99));
	return fflush(stdout) == 0;
}

#endif
