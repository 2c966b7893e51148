#include "base/plant.h"

#ifdef FROE_PLANTS
struct plant_state plant_state; /* a test's build: what is off in all others */
#endif
