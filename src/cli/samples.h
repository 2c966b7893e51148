/*
 * cli/samples: the latencies of one run of a benchmark, and the JSON that reports them.
 *
 * Purpose     What `froe bench` and bench/limit measure alike: a warm-up, the time that counts,
 *             one histogram. In a closed loop what ended in that time counts. In an open loop
 *             what should have started in it does, from that moment on, however late it ends: a
 *             server that stops for a second owes an answer to all who came in that second
 *             (what else is left out: coordinated omission).
 * Ownership   samples_release frees what samples_init took.
 * Units       nanoseconds in, microseconds out.
 */
#ifndef CLI_SAMPLES_H
#define CLI_SAMPLES_H

#include "base/hdr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define SAMPLES_NS_PER_S UINT64_C(1000000000)

struct samples {
	struct hdr took;
	uint64_t begin_ns; /* of the time that counts, after the warm-up */
	uint64_t end_ns;
	uint64_t total;    /* warm-up and draining included */
	uint64_t ended;    /* in the time that counts */
	bool open;         /* loop */
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

	*samples = (struct samples){0};
	hdr_init(&samples->took);
	samples->begin_ns = now_ns + (uint64_t)(warmup_s * (double)SAMPLES_NS_PER_S);
	samples->end_ns = samples->begin_ns + (uint64_t)(seconds * (double)SAMPLES_NS_PER_S);
}

static inline void
samples_release(struct samples *samples)
{
	hdr_release(&samples->took);
}

/* started_ns: in an open loop when it should have been. */
static inline void
samples_push(struct samples *samples, uint64_t started_ns, uint64_t ended_ns)
{
	uint64_t counts_ns = samples->open ? started_ns : ended_ns;

	samples->total++;
	if (ended_ns >= samples->begin_ns && ended_ns < samples->end_ns)
		samples->ended++;
	if (counts_ns >= samples->begin_ns && counts_ns < samples->end_ns)
		hdr_add(&samples->took, ended_ns - started_ns);
}

static inline double
samples_seconds(const struct samples *samples)
{
	return (double)(samples->end_ns - samples->begin_ns) / (double)SAMPLES_NS_PER_S;
}

/* What ended in a second. */
static inline double
samples_rate(const struct samples *samples)
{
	return (double)samples->ended / samples_seconds(samples);
}

static inline double
samples_us(const struct samples *samples, double percent)
{
	return (double)hdr_percentile(&samples->took, percent) / 1000.0;
}

/* Members of a JSON object, without its braces. */
static inline void
samples_print_json(const struct samples *samples, FILE *to)
{
	fprintf(to,
	    "\"seconds\":%.3f,\"count\":%llu,\"total\":%llu,\"rate\":%.1f,\"min_us\":%.1f,"
	    "\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,"
	    "\"max_us\":%.1f",
	    samples_seconds(samples), (unsigned long long)samples->took.count,
	    (unsigned long long)samples->total, samples_rate(samples), samples_us(samples, 0),
	    hdr_mean(&samples->took) / 1000.0, samples_us(samples, 50), samples_us(samples, 90),
	    samples_us(samples, 99), samples_us(samples, 99.9), samples_us(samples, 100));
}

#endif
