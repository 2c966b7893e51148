#include "sim/world/plan.h"

#include "base/duration.h"
#include "log/log.h"

static const char *const plant_names[PLANTS] = {
    [PLANT_NONE] = "none",
    [PLANT_ACK_BEFORE_DURABLE] = "ack_before_durable",
    [PLANT_DISPATCH_BEFORE_DURABLE] = "dispatch_before_durable",
    [PLANT_STALE_LEASE] = "stale_lease",
    [PLANT_EARLY_TIMER] = "early_timer",
    [PLANT_EVENT_TWICE] = "event_twice",
    [PLANT_EVENT_MISSED] = "event_missed",
    [PLANT_PAYLOAD_SWAPPED] = "payload_swapped",
    [PLANT_LOST_WRITE] = "lost_write",
    [PLANT_STATE_DIFFERS] = "state_differs",
};

const char *
plant_name(enum plant plant)
{
	return plant_names[plant];
}

/* Those that came later have dice of their own, so that the seeds of others stay what they were. */
static bool
is_late(unsigned kind)
{
	return kind == KIND_TOKENS || kind == KIND_INDEX || kind == KIND_AGED ||
	    kind == KIND_AGE_KEPT;
}

static void
draw_late_kinds(struct plan *plan)
{
	struct dice dice = {.state = plan->seed ^ UINT64_C(0x746f6b656e)};
	plan->enabled[KIND_TOKENS] = dice_hits(&dice, 25);
	plan->enabled[KIND_INDEX] = dice_hits(&dice, 15);
	dice.state = plan->seed ^ UINT64_C(0x6a6f6273);
	plan->enabled[KIND_JOBS] = dice_hits(&dice, 20);
}

static void
draw_kinds(struct plan *plan, struct dice *dice)
{
	static const unsigned shares[] = {20, 50, 50, 80, 100};
	unsigned operations = shares[dice_below(dice, 5)], faults = shares[dice_below(dice, 5)];
	for (unsigned kind = 0; kind < KIND_JOBS; kind++) {
		unsigned share = kind_table[kind].class == 'O' ? operations : faults;
		if (!is_late(kind))
			plan->enabled[kind] = dice_hits(dice, share);
	}
	draw_late_kinds(plan);
	/* Rare ones, which take time or hide the others. */
	plan->enabled[KIND_BIG_PAYLOAD] &= dice_hits(dice, 10);
	plan->enabled[KIND_POISON] &= dice_hits(dice, 25);
	plan->enabled[KIND_ERRORS] &= dice_hits(dice, 25);
	plan->enabled[KIND_STUCK] &= dice_hits(dice, 25);
	plan->enabled[KIND_FULL] &= dice_hits(dice, 40);
	plan->enabled[KIND_RETENTION] &= dice_hits(dice, 20);
	plan->enabled[KIND_SNAPSHOTS] |= plan->enabled[KIND_RETENTION];
	plan->enabled[KIND_BIG_PAYLOAD] |= plan->enabled[KIND_FULL] ||
	    plan->enabled[KIND_RETENTION];
}

static void
draw_disk(struct plan *plan, struct dice *dice)
{
	plan->sim = (struct sim_options){
	    .short_write_per_million = plan_does(plan, KIND_SHORT) ? 100000 : 0,
	    .write_error_per_million = plan_does(plan, KIND_ERRORS) ? 2000 : 0,
	    .stuck_write_per_million = plan_does(plan, KIND_STUCK) ? 5000 : 0,
	};
	plan->sim.seed = dice_next(dice);
	plan->sim.start_wall_ns = UINT64_C(1700000000) * NS_PER_S + dice_below(dice, NS_PER_S);
	plan->sim.write_latency_ns = (uint32_t)dice_range(dice, 20000, 2000000);
	plan->segment_bytes = LOG_SEGMENT_BYTES_MIN;
	plan->inflight_max = (unsigned)dice_range(dice, 1, LOG_INFLIGHT_MAX);
	plan->spares = (unsigned)dice_range(dice, 1, 2);
	plan->cache_bytes = 256u << 10;
	if (plan_does(plan, KIND_NO_CACHE))
		plan->cache_bytes = dice_below(dice, 2) * 2048;
	if (plan_does(plan, KIND_FULL)) {
		/* Larger segments: in one of 1 MiB no step fits when little is left. */
		plan->sim.disk_bytes = 256u << 20;
		plan->segment_bytes = 2 * LOG_SEGMENT_BYTES_MIN;
		plan->spares = 1;
	}
}

void
plan_draw(struct plan *plan, uint64_t seed, const struct plan_options *options)
{
	struct dice dice = {.state = seed * UINT64_C(0xd1342543de82ef95) + 1};
	*plan = (struct plan){.seed = seed, .plant = options->plant};
	draw_kinds(plan, &dice);
	for (unsigned kind = 0; kind < KINDS; kind++)
		plan->enabled[kind] &= !options->off[kind];
	draw_disk(plan, &dice);
	plan->tenants = dice_hits(&dice, 30) ? 2 : 1;
	plan->clients = plan->tenants + (unsigned)dice_below(&dice, 3);
	plan->workers = plan->tenants + (unsigned)dice_below(&dice, 3);
	plan->workflows = (unsigned)dice_range(&dice, 1, PLAN_WORKFLOWS_MAX);
	plan->runs = (unsigned)dice_range(&dice, 1, dice_hits(&dice, 20) ? PLAN_RUNS_MAX : 6);
	plan->turns = (unsigned)dice_range(&dice, 20, 250);
	plan->deaths = (unsigned)dice_range(&dice, 0, 5);
	plan->pace_ns = (UINT64_C(1) << dice_below(&dice, 8)) * 200 * NS_PER_MS;
	if (plan_does(plan, KIND_FULL))
		plan->pace_ns = 200 * NS_PER_MS;
	plan->keep_ns = (UINT64_C(1) << dice_below(&dice, 8)) * 100 * NS_PER_MS;
	plan->payload_bytes_max = 64;
	if (plan_does(plan, KIND_BIG_PAYLOAD)) {
		plan->payload_bytes_max = plan->segment_bytes / 5;
		plan->runs = PLAN_RUNS_MAX;
		plan->turns += 200;
	}
}
