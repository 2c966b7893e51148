#include "client/clock.h"

#include "base/fault.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t
clock_read(clockid_t id)
{
	struct timespec at;
	froe_assert(clock_gettime(id, &at) == 0);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t
clock_now_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_coarse_ns(void)
{
	return clock_read(CLOCK_REALTIME_COARSE);
}

void
dice_init(struct dice *dice)
{
	dice->used = sizeof(dice->block);
}

static void
dice_fill(struct dice *dice)
{
	size_t filled = 0;
	while (filled < sizeof(dice->block)) {
		ssize_t got = getrandom(dice->block + filled, sizeof(dice->block) - filled, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			froe_fatal(FROE_EXIT_SOFTWARE, "getrandom: %s", strerror(errno));
		filled += (size_t)got;
	}
	dice->used = 0;
}

void
dice_roll(struct dice *dice, void *to, size_t size)
{
	froe_assert(size <= sizeof(dice->block));
	if (sizeof(dice->block) - dice->used < size)
		dice_fill(dice);
	memcpy(to, dice->block + dice->used, size);
	dice->used += size;
}

uint64_t
dice_u64(struct dice *dice)
{
	uint64_t value;
	dice_roll(dice, &value, sizeof(value));
	return value;
}
