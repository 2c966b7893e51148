#include "server/clock.h"

#include "base/duration.h"
#include "base/plant.h"

#define JUMP_NS (10 * NS_PER_S)
#define JUMP_IGNORED_NS (60 * NS_PER_S)
#define SLEW_SHARE 20 /* a twentieth: 5 % */

void
clock_init(struct clock *clock, struct io_env *env, uint64_t last_ns)
{
	uint64_t wall_ns = io_wall_ns(env);
	if (plant(CLOCK_BACK))
		last_ns = 0;
	*clock = (struct clock){
	    .env = env,
	    .now_ns = wall_ns > last_ns ? wall_ns : last_ns,
	    .mono_ns = io_mono_ns(env),
	};
}

/* How far T may move beyond the elapsed time, to come nearer to the wall clock. */
static int64_t
clock_slew(struct clock *clock, uint64_t ahead_ns, uint64_t mono_ns, uint64_t elapsed_ns)
{
	int64_t error = (int64_t)(io_wall_ns(clock->env) - ahead_ns);
	int64_t size = error < 0 ? -error : error;
	int64_t limit = (int64_t)(elapsed_ns / SLEW_SHARE);
	if (size <= (int64_t)JUMP_NS) {
		clock->jump_mono_ns = 0;
	} else if (clock->jump_mono_ns == 0) {
		clock->jump_mono_ns = mono_ns;
		clock->jumps++;
	}
	if (clock->jump_mono_ns != 0 && mono_ns - clock->jump_mono_ns < JUMP_IGNORED_NS)
		return 0;
	if (size <= limit)
		return error;
	return error < 0 ? -limit : limit;
}

uint64_t
clock_read(struct clock *clock, uint64_t mono_ns)
{
	if (mono_ns <= clock->mono_ns)
		return clock->now_ns;
	uint64_t elapsed_ns = mono_ns - clock->mono_ns;
	uint64_t ahead_ns = clock->now_ns + elapsed_ns;
	clock->now_ns = ahead_ns + (uint64_t)clock_slew(clock, ahead_ns, mono_ns, elapsed_ns);
	clock->mono_ns = mono_ns;
	return clock->now_ns;
}

uint64_t
clock_mono_of(const struct clock *clock, uint64_t at_ns)
{
	if (at_ns == UINT64_MAX)
		return UINT64_MAX;
	return at_ns > clock->now_ns ? clock->mono_ns + (at_ns - clock->now_ns) : clock->mono_ns;
}
