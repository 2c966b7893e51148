/*
 * The straight way from a frame to a command beside the general one.
 *
 * Input: a frame's bytes.
 */
#include "fuzz/feed.h"

#include "unit/api_straight.h"

#include "api/wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	straight_agrees(bytes_of(data, size), &arena);
	arena_release(&arena);
	return 0;
}
