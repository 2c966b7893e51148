/*
 * sim/world/jobber: starts jobs, and ends some of them.
 *
 * A job whose start nobody acknowledged is not asked for again: it would be another. In a few
 * worlds so many are started at once that not all of them are taken.
 */
#ifndef SIM_WORLD_JOBBER_H
#define SIM_WORLD_JOBBER_H

#include "sim/world/process.h"

struct world;

struct jobber {
	struct dice dice;
	uint64_t conn;
	uint64_t due_ns;
	uint64_t request; /* 0: none is under way */
	unsigned left;    /* wishes */
	unsigned runs;    /* the first one comes when there are so many */
	bool floods;
};

void jobber_init(struct world *world, struct jobber *jobber);
void jobber_turn(struct world *world, struct jobber *jobber);
void jobber_reply(struct jobber *jobber, const struct letter *letter);
void jobber_cut(struct world *world, struct jobber *jobber); /* the server died */
uint64_t jobber_due_ns(const struct jobber *jobber);

#endif
