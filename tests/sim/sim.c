/*
 * sim: log, engine and recovery in one thread under seeds, on a disk that tears, with kills.
 *
 *	sim --from S --seeds N [--trace] [--verbose] [--small] [--without A,B] [--hashes]
 *	sim --selftest | --faults [NAME]
 *
 * The first seeds that fail are shrunk: kinds are switched off as long as they still fail.
 * --selftest plants faults in the harness, --faults in the code (a build of its own: make
 * sim-faults); each must be found: the oracles are no decoration. SIM_PLANT=name plants one of the
 * harness in an ordinary run. --small is --without BIG_PAYLOAD: nine tenths of the time of
 * all worlds goes into moving and hashing the large payloads of one in five.
 */
#include "sim/world/audit.h"
#include "sim/world/batch.h"
#include "sim/world/faults.h"
#include "sim/world/process.h"
#include "sim/world/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Runs of at least this many seeds must reach every kind. */
#define KINDS_SEEDS_MIN 1000u
#define FAILURES_SHOWN_MAX 20u
#define FAILURES_SHRUNK_MAX 3u

struct options {
	struct batch batch;
	bool selftest;
	bool faults;
	const char *fault; /* NULL: all */
};

static void
usage(void)
{
	fprintf(stderr,
	    "usage: sim [--from SEED] [--seeds N] [--trace] [--verbose] [--small]\n"
	    "           [--without KIND,...] [--hashes] | --selftest | --faults [NAME]\n");
	exit(FROE_EXIT_USAGE);
}

static uint64_t
number_of(const char *text)
{
	char *end;
	uint64_t number = text != NULL ? strtoull(text, &end, 10) : 0;
	if (text == NULL || *text == 0 || *end != 0)
		usage();
	return number;
}

static enum plant
plant_of(const char *name)
{
	for (unsigned plant = 0; name != NULL && plant < PLANTS; plant++) {
		if (strcmp(name, plant_name((enum plant)plant)) == 0)
			return (enum plant)plant;
	}
	if (name != NULL && *name != 0) {
		fprintf(stderr, "SIM_PLANT=%s: no such plant\n", name);
		exit(FROE_EXIT_USAGE);
	}
	return PLANT_NONE;
}

/* False: it is none of these. */
static bool
option_flag(struct options *options, const char *arg)
{
	if (strcmp(arg, "--trace") == 0)
		options->batch.options.trace = true;
	else if (strcmp(arg, "--verbose") == 0)
		options->batch.verbose = true;
	else if (strcmp(arg, "--small") == 0)
		options->batch.options.off[KIND_BIG_PAYLOAD] = true;
	else if (strcmp(arg, "--hashes") == 0)
		options->batch.hashes = true;
	else if (strcmp(arg, "--selftest") == 0)
		options->selftest = true;
	else
		return false;
	return true;
}

static struct options
options_parse(int argc, char **argv)
{
	struct options options = {
	    .batch = {.from = 1, .seeds = 2000},
	    .batch.options.plant = plant_of(getenv("SIM_PLANT")),
	};
	for (int i = 1; i < argc; i++) {
		const char *next = argv[i + 1];
		if (option_flag(&options, argv[i]))
			continue;
		if (strcmp(argv[i], "--faults") == 0)
			options.faults = true;
		if (options.faults) {
			options.fault = next;
			i = argc;
		} else if (strcmp(argv[i], "--from") == 0) {
			options.batch.from = number_of(argv[++i]);
		} else if (strcmp(argv[i], "--seeds") == 0) {
			options.batch.seeds = number_of(argv[++i]);
		} else if (strcmp(argv[i], "--without") == 0 && next != NULL &&
		    shrink_parse(next, options.batch.options.off)) {
			i++;
		} else {
			usage();
		}
	}
	return options;
}

static void
print_failure(const struct batch *batch, uint64_t seed)
{
	struct tally *tally = batch->tally;
	if (++tally->failures > FAILURES_SHOWN_MAX)
		return;
	printf("FAIL seed %" PRIu64 ": %s\n", seed, tally->text);
	if (tally->failures <= FAILURES_SHRUNK_MAX && batch->options.trace == false)
		shrink_print(batch, seed);
	else
		printf("     again: build/tests/sim/sim --from %" PRIu64 " --seeds 1 --trace\n",
		    seed);
	fflush(stdout);
}

/* By processor time: what else the machine does is no matter. */
static void
print_speed(uint64_t worlds)
{
	struct rusage used;
	froe_assert(getrusage(RUSAGE_CHILDREN, &used) == 0);
	double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("%.1f s of a processor, %.0f worlds a second\n", seconds,
	    (double)worlds / (seconds > 0 ? seconds : 1));
}

static uint64_t
print_kinds(const struct tally *tally, bool required)
{
	uint64_t missing = 0;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		bool never = tally->counts[kind] == 0;
		printf("%-22s %10" PRIu64 "  %s%s\n", kind_table[kind].name, tally->counts[kind],
		    kind_table[kind].meaning, never && required ? "   NEVER REACHED" : "");
		missing += never && required ? 1 : 0;
	}
	printf("%" PRIu64 " events, %" PRIu64 " deaths\n", tally->events, tally->deaths);
	print_speed(tally->worlds);
	return missing;
}

/* Some need others: where one is off, none is asked for. */
static bool
kinds_required(const struct batch *batch)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (batch->options.off[kind])
			return false;
	}
	return batch->seeds >= KINDS_SEEDS_MIN;
}

static struct batch_result
run_worlds(struct batch *batch)
{
	uint64_t missing = 0;
	batch->failed = print_failure;
	struct batch_result result = batch_run(batch);
	if (batch->seeds > 1 && !batch->hashes)
		missing = print_kinds(batch->tally, kinds_required(batch));
	if (missing > 0)
		printf("FAIL: %" PRIu64 " kinds were never reached: the worlds are too tame\n",
		    missing);
	result.failed += missing;
	return result;
}

int
main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct batch_result result;
	options.batch.tally = batch_tally();
	if (options.selftest)
		result = faults_selftest(&options.batch);
	else if (options.faults)
		result = faults_run(&options.batch, options.fault);
	else
		result = run_worlds(&options.batch);
	process_index_clean();
	if (!options.batch.hashes)
		printf("%" PRIu64 " passed, %" PRIu64 " failed\n", result.passed, result.failed);
	return result.failed == 0 && result.passed > 0 ? FROE_EXIT_OK : FROE_EXIT_FAILED;
}
