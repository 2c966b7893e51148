/*
 * sim/world/audit: the store read by a stranger: whole, and then damaged.
 *
 * Purpose     Whole, it gives the state that the server had. With bytes changed behind everyone's
 *             back (hardware that lies), in a place whose durability is on record, it is refused,
 *             or the change was harmless; never does it give something else in silence.
 */
#ifndef SIM_WORLD_AUDIT_H
#define SIM_WORLD_AUDIT_H

#include "log/log.h"

struct world;

void audit_whole(struct world *world); /* after a clean stop */
/* At the very end, with the server up: ends it, damages its store, and looks. */
void audit_damaged(struct world *world);

/* Or so: the newest frames, with a sector lost; the log was durable up to `end`. */
void audit_evidence(struct world *world, struct lsn end);

/* Before that, some worlds: an index made from the log holds what the model does. */
void audit_index(struct world *world);

#endif
