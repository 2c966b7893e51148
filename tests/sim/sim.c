/*
 * sim: log, engine and recovery in one thread under seeds, on a disk that tears, with kills.
 *
 *	sim --from S --seeds N [--trace] [--verbose]
 *	sim --selftest
 *
 * Worlds run in a child process. What ends the child (a broken promise, an assertion, a signal, a
 * hang) fails the seed it was at; the parent says so and goes on behind it in a new child. Every
 * so many seeds a world is run twice and must leave the same trace. --selftest plants faults in the
 * harness, each of which must be found within a few hundred seeds: the oracles are no decoration.
 * SIM_PLANT=name does the same to an ordinary run.
 */
#include "sim/world/world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TWICE_EVERY 40u
#define HANG_S 120u
#define SELFTEST_SEEDS 300u
/* Runs of at least this many seeds must reach every kind. */
#define KINDS_SEEDS_MIN 1000u
#define FAILURES_SHOWN_MAX 20u

struct options {
	uint64_t from;
	uint64_t seeds;
	bool trace;
	bool verbose;
	bool selftest;
	enum plant plant;
};

struct result {
	uint64_t passed;
	uint64_t failed;
	uint64_t first_failed;
};

static void
usage(void)
{
	fprintf(stderr,
	    "usage: sim [--from SEED] [--seeds N] [--trace] [--verbose] | --selftest\n");
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

static struct options
options_parse(int argc, char **argv)
{
	struct options options = {
	    .from = 1,
	    .seeds = 2000,
	    .plant = plant_of(getenv("SIM_PLANT")),
	};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--from") == 0)
			options.from = number_of(argv[++i]);
		else if (strcmp(argv[i], "--seeds") == 0)
			options.seeds = number_of(argv[++i]);
		else if (strcmp(argv[i], "--trace") == 0)
			options.trace = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			options.verbose = true;
		else if (strcmp(argv[i], "--selftest") == 0)
			options.selftest = true;
		else
			usage();
	}
	return options;
}

/* --------------------------------------------------------------------------------- in the child */

static void
run_seed(struct tally *tally, const struct options *options, uint64_t seed)
{
	alarm(HANG_S);
	tally->seed = seed;
	tally->text[0] = 0;
	if (options->verbose) {
		printf("seed %" PRIu64 "\n", seed);
		fflush(stdout);
	}
	uint64_t hash = world_run(tally, seed, options->plant, options->trace);
	if (seed % TWICE_EVERY == 0 && !options->trace &&
	    world_run(tally, seed, options->plant, false) != hash) {
		snprintf(tally->text, sizeof(tally->text), "the same seed left two traces");
		_exit(1);
	}
	tally->worlds++;
}

/* -------------------------------------------------------------------------------- in the parent */

/* Runs seeds until the end or until one ends the child. True: all are done. */
static bool
run_child(struct tally *tally, const struct options *options, uint64_t from, uint64_t end,
    int *ret_status)
{
	fflush(stdout);
	pid_t child = fork();
	if (child < 0) {
		perror("fork");
		exit(FROE_EXIT_FAILED);
	}
	if (child == 0) {
		if (options->selftest && freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		for (uint64_t seed = from; seed < end; seed++)
			run_seed(tally, options, seed);
		exit(0); /* not _exit: a leak checker looks now */
	}
	while (waitpid(child, ret_status, 0) < 0)
		;
	return WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == 0;
}

static void
print_failure(const struct tally *tally, int status)
{
	const char *text = tally->text;
	if (text[0] == 0 && WIFSIGNALED(status))
		text = WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status));
	else if (text[0] == 0)
		text = "an assertion failed (see above)";
	printf("FAIL seed %" PRIu64 ": %s\n", tally->seed, text);
	printf("     again: build/tests/sim/sim --from %" PRIu64 " --seeds 1 --trace\n",
	    tally->seed);
}

static struct result
run_seeds(struct tally *tally, const struct options *options, bool stop_at_first)
{
	struct result result = {0};
	uint64_t from = options->from, end = options->from + options->seeds;
	int status = 0;
	tally->worlds = 0;
	while (from < end && !run_child(tally, options, from, end, &status)) {
		if (result.failed++ == 0)
			result.first_failed = tally->seed;
		if (tally->seed < from) { /* it ended before its first world began */
			printf("FAIL: the worlds' process does not start\n");
			break;
		}
		if (!options->selftest && result.failed <= FAILURES_SHOWN_MAX)
			print_failure(tally, status);
		if (stop_at_first)
			break;
		from = tally->seed + 1;
	}
	result.passed = tally->worlds;
	return result;
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
	return missing;
}

static struct result
run_worlds(struct tally *tally, const struct options *options)
{
	struct result result = run_seeds(tally, options, /* stop_at_first= */ false);
	uint64_t missing = 0;
	if (options->seeds > 1)
		missing = print_kinds(tally, options->seeds >= KINDS_SEEDS_MIN);
	if (missing > 0)
		printf("FAIL: %" PRIu64 " kinds were never reached: the worlds are too tame\n",
		    missing);
	result.failed += missing;
	return result;
}

/* Each plant must be found. One case each. */
static struct result
run_selftest(struct tally *tally, struct options options)
{
	struct result result = {0};
	options.seeds = SELFTEST_SEEDS;
	for (unsigned plant = PLANT_NONE + 1; plant < PLANTS; plant++) {
		options.plant = (enum plant)plant;
		struct result one = run_seeds(tally, &options, /* stop_at_first= */ true);
		if (one.failed > 0) {
			printf("ok   %-24s found at seed %" PRIu64 ": %s\n",
			    plant_name(options.plant), one.first_failed, tally->text);
			result.passed++;
		} else {
			printf("FAIL %-24s not found in %u seeds\n", plant_name(options.plant),
			    SELFTEST_SEEDS);
			result.failed++;
		}
	}
	return result;
}

int
main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED) {
		perror("mmap");
		return FROE_EXIT_FAILED;
	}
	struct result result =
	    options.selftest ? run_selftest(tally, options) : run_worlds(tally, &options);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", result.passed, result.failed);
	return result.failed == 0 && result.passed > 0 ? FROE_EXIT_OK : FROE_EXIT_FAILED;
}
