/*
 * tests/soak/plan: what the driver and its workers agree on: workflows, and what each computes.
 *
 * Purpose     An input is {"n", "flaky", "take"} and an output {"v", "attempt", "pid"}, as in
 *             tests/crash; the value follows from n alone.
 */
#ifndef SOAK_PLAN_H
#define SOAK_PLAN_H

#include "crash/ledger.h"

#define SOAK_SINGLE "soak-single"   /* its first attempt fails if flaky */
#define SOAK_DAG "soak-dag"         /* a; b, c; d */
#define SOAK_FAIL "soak-fail"       /* fails twice */
#define SOAK_SLOW "soak-slow"       /* until it is cancelled */
#define SOAK_STREAM "soak-stream"   /* SOAK_CHUNKS chunks */
#define SOAK_DURABLE "soak-durable" /* a memo, a sleep of `take`, a child, an event or a sleep */
#define SOAK_QUICK "soak-quick"     /* nothing */

#define SOAK_CHUNKS 5u
#define SOAK_EVENT "soak.tick"
#define SOAK_EVENT_WAIT_MS 400u
#define SOAK_SLOW_MS 60000u

static inline uint64_t
soak_stream_value(uint64_t n)
{
	return n ^ 0x5a5a;
}

static inline uint64_t
soak_durable_value(uint64_t n)
{
	return ledger_single_value(n) + n;
}

/* A chunk of the attempt. */
static inline int
soak_chunk_print(char *to, size_t size, uint64_t n, uint32_t attempt, unsigned index)
{
	return snprintf(to, size, "%" PRIu64 " %" PRIu32 " %u", n, attempt, index);
}

#endif
