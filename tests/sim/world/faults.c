#include "sim/world/faults.h"

#include "base/plant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SELFTEST_SEEDS 300u
#define FAULTS_SEEDS 1000u

/* -------------------------------------------------------------------------- of the code in src */

#ifdef FROE_PLANTS
static const struct {
	const char *name, *meaning;
} points[PLANT_POINTS] = {
#define PLANT(name, meaning) [PLANT_POINT_##name] = {#name, meaning},
#include "base/plant.def"
#undef PLANT
};

/* The next seed that fails with the fault and does not without it; 0: none. */
static uint64_t
fault_find(struct batch *batch, enum plant_point point, uint64_t end)
{
	while (batch->from < end) {
		batch->seeds = end - batch->from;
		plant_state.point = point;
		struct batch_result result = batch_run(batch);
		plant_state.point = PLANT_POINT_NONE;
		if (result.failed == 0)
			return 0;
		struct tally found = *batch->tally;
		bool own = !batch_fails(batch, result.first_failed);
		*batch->tally = found;
		if (own)
			return result.first_failed;
		batch->from = result.first_failed + 1;
	}
	return 0;
}

static bool
fault_run(struct batch batch, enum plant_point point)
{
	uint64_t first = batch.from, end = batch.from + FAULTS_SEEDS;
	const struct tally *tally = batch.tally;
	batch.quiet = true;
	batch.stop_at_first = true;
	uint64_t found = fault_find(&batch, point, end);
	if (found == 0) {
		printf("FAIL %-24s not found in %u seeds: %s\n", points[point].name, FAULTS_SEEDS,
		    points[point].meaning);
		return false;
	}
	printf("ok   %-24s %4" PRIu64 " seeds  %-9s %s\n", points[point].name, found - first + 1,
	    judge_invariants(tally->oracle), points[point].meaning);
	printf("     %-24s %4s        %9s %.150s\n", "", "", "", tally->text);
	return true;
}

struct batch_result
faults_run(const struct batch *batch, const char *name)
{
	struct batch_result result = {0};
	for (unsigned point = PLANT_POINT_NONE + 1; point < PLANT_POINTS; point++) {
		if (name != NULL && strcmp(name, points[point].name) != 0)
			continue;
		if (fault_run(*batch, (enum plant_point)point))
			result.passed++;
		else
			result.failed++;
		fflush(stdout);
	}
	return result;
}
#else
struct batch_result
faults_run(const struct batch *batch, const char *name)
{
	(void)batch;
	(void)name;
	printf("FAIL this build has no faults: make sim-faults\n");
	return (struct batch_result){.failed = 1};
}
#endif

/* ------------------------------------------------------------------------ of the harness itself */

struct batch_result
faults_selftest(const struct batch *from)
{
	struct batch_result result = {0};
	struct batch batch = *from;
	batch.seeds = SELFTEST_SEEDS;
	batch.quiet = true;
	batch.stop_at_first = true;
	for (unsigned plant = PLANT_NONE + 1; plant < PLANTS; plant++) {
		batch.options.plant = (enum plant)plant;
		struct batch_result one = batch_run(&batch);
		const char *name = plant_name(batch.options.plant);
		if (one.failed > 0) {
			printf("ok   %-24s found at seed %" PRIu64 ": %s\n", name,
			    one.first_failed, batch.tally->text);
			result.passed++;
		} else {
			printf("FAIL %-24s not found in %u seeds\n", name, SELFTEST_SEEDS);
			result.failed++;
		}
	}
	return result;
}
