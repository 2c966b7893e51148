/*
 * base/plant: faults planted in the code, to see whether the tests find them (base/plant.def).
 *
 * Purpose     if (plant(NAME)) does what must not be done. In every build but the one with
 *             -DFROE_PLANTS it is the constant false, and nothing of it is left.
 * Threading   set once, before anything else runs.
 * See         docs/testing.md; make sim-faults
 */
#ifndef BASE_PLANT_H
#define BASE_PLANT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef FROE_PLANTS

enum plant_point {
	PLANT_POINT_NONE,
#define PLANT(name, meaning) PLANT_POINT_##name,
#include "base/plant.def"
#undef PLANT
	PLANT_POINTS,
};

/* The one that is switched on, and how often the code has come by it. */
struct plant_state {
	enum plant_point point;
	uint64_t reached;
};
extern struct plant_state plant_state;

#define plant(name) (plant_state.point == PLANT_POINT_##name && ++plant_state.reached > 0)

#else

#define plant(name) false

#endif
#endif
