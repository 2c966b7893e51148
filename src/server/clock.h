/*
 * server/clock: engine time: close to the wall clock, never decreasing, across restarts too.
 *
 * Purpose     Engine time T starts at max(last T that the log knows, wall) and advances with the
 *             boot-time clock, slewed towards the wall clock by at most 5 %. A jump of the wall
 *             clock by more than 10 s is not followed for a minute, and after that only by slewing;
 *             so no timer fires early or twice when somebody sets the clock.
 * Threading   its owner only.
 * See         docs/durability.md, clock
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include "io/io.h"

#include <stdint.h>

struct clock {
	struct io_env *env;
	uint64_t now_ns;       /* T at the last reading */
	uint64_t mono_ns;      /* boot-time clock then */
	uint64_t jump_mono_ns; /* when a jump was first seen; 0: none */
	uint64_t jumps;
};

void clock_init(struct clock *clock, struct io_env *env, uint64_t last_ns);
uint64_t clock_read(struct clock *clock, uint64_t mono_ns); /* advances to mono_ns, returns T */

/* The boot-time clock at which T will be at least at_ns, at the earliest. */
uint64_t clock_mono_of(const struct clock *clock, uint64_t at_ns);

#endif
