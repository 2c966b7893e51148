/*
 * sim/world/batch: many worlds, in children that may die of them.
 *
 * Purpose     Worlds run in a child process. What ends the child (a broken promise, an assertion, a
 *             signal, a hang) fails the seed it was at; the parent goes on behind it in a new
 *             child. Every so many seeds a world is run twice and must leave the same trace.
 */
#ifndef SIM_WORLD_BATCH_H
#define SIM_WORLD_BATCH_H

#include "sim/world/plan.h"

struct batch {
	struct tally *tally;
	struct plan_options options;
	uint64_t from;
	uint64_t seeds;
	bool verbose;
	bool hashes;       /* prints each world's */
	bool quiet;        /* what the children say of their end is kept, not shown */
	bool stop_at_first;
	void (*failed)(const struct batch *batch, uint64_t seed); /* each time; may be NULL */
};

struct batch_result {
	uint64_t passed;
	uint64_t failed;
	uint64_t first_failed;
};

/* Memory that parent and children share. */
struct tally *batch_tally(void);
struct batch_result batch_run(const struct batch *batch);
/* Does this one world fail? Its end is in the tally. */
bool batch_fails(const struct batch *batch, uint64_t seed);

#endif
