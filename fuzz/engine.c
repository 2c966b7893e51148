/*
 * A live engine under any sequence of commands: see fuzz/engine_world.h for what must hold.
 *
 * Input: bytes, taken as they are needed: step_one() has the operations.
 */
#include "fuzz/engine_world.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	static struct world world;
	world_open(&world, &feed);
	for (unsigned i = 0; i < STEPS_MAX && feed.left > 0; i++)
		step_one(&world);
	world_close(&world);
	return 0;
}
