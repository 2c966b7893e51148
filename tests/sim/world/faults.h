/*
 * sim/world/faults: does the simulator find the faults of base/plant.def, and how soon?
 */
#ifndef SIM_WORLD_FAULTS_H
#define SIM_WORLD_FAULTS_H

#include "sim/world/batch.h"

/* All of them, or the one of this name. Each counts as a test; prints a table. */
struct batch_result faults_run(const struct batch *batch, const char *name);
/* Faults of the harness itself. */
struct batch_result faults_selftest(const struct batch *batch);

#endif
