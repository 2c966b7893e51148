#include "sim/world/batch.h"

#include "sim/world/world.h"

#include <errno.h>
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

struct tally *
batch_tally(void)
{
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED) {
		perror("mmap");
		exit(FROE_EXIT_FAILED);
	}
	return tally;
}

/* --------------------------------------------------------------------------------- in the child */

static void
run_seed(const struct batch *batch, uint64_t seed)
{
	struct tally *tally = batch->tally;
	alarm(HANG_S);
	tally->seed = seed;
	tally->text[0] = 0;
	tally->oracle[0] = 0;
	if (batch->verbose) {
		printf("seed %" PRIu64 "\n", seed);
		fflush(stdout);
	}
	uint64_t hash = world_run(tally, seed, &batch->options);
	if (seed % TWICE_EVERY == 0 && !batch->options.trace &&
	    world_run(tally, seed, &batch->options) != hash) {
		snprintf(tally->text, sizeof(tally->text), "the same seed left two traces");
		snprintf(tally->oracle, sizeof(tally->oracle), "%s", __func__);
		_exit(1);
	}
	if (batch->hashes)
		printf("%" PRIu64 " %016" PRIx64 "\n", seed, hash);
	tally->worlds++;
}

/* -------------------------------------------------------------------------------- in the parent */

/* The last line that the child said, if it died of an assertion. */
static void
read_said(struct tally *tally, int file)
{
	char said[4096];
	ssize_t size = pread(file, said, sizeof(said) - 1, 0);
	if (size <= 0 || tally->text[0] != 0)
		return;
	said[size] = 0;
	said[strcspn(said, "\n")] = 0;
	snprintf(tally->text, sizeof(tally->text), "%.*s", TALLY_TEXT_BYTES - 1, said);
}

static void
explain(struct tally *tally, int status)
{
	const char *text = "an assertion failed (see above)";
	if (WIFSIGNALED(status))
		text = WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status));
	if (tally->text[0] == 0)
		snprintf(tally->text, sizeof(tally->text), "%s", text);
}

/* Runs seeds until the end or until one ends the child. True: all are done. */
static bool
run_child(const struct batch *batch, uint64_t from, uint64_t end)
{
	FILE *kept = batch->quiet ? tmpfile() : NULL;
	int status, said = kept != NULL ? fileno(kept) : -1;
	fflush(stdout);
	pid_t child = fork();
	if (child < 0) {
		perror("fork");
		exit(FROE_EXIT_FAILED);
	}
	if (child == 0) {
		if (said >= 0)
			dup2(said, STDERR_FILENO);
		for (uint64_t seed = from; seed < end; seed++)
			run_seed(batch, seed);
		exit(0); /* not _exit: a leak checker looks now */
	}
	while (waitpid(child, &status, 0) < 0)
		froe_assert(errno == EINTR);
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (said >= 0 && !good)
		read_said(batch->tally, said);
	if (kept != NULL)
		fclose(kept);
	if (!good)
		explain(batch->tally, status);
	return good;
}

struct batch_result
batch_run(const struct batch *batch)
{
	struct batch_result result = {0};
	struct tally *tally = batch->tally;
	uint64_t from = batch->from, end = batch->from + batch->seeds;
	tally->worlds = 0;
	tally->seed = 0;
	while (from < end && !run_child(batch, from, end)) {
		uint64_t seed = tally->seed;
		if (result.failed++ == 0)
			result.first_failed = seed;
		if (seed < from) { /* it ended before its first world began */
			printf("FAIL: the worlds' process does not start\n");
			break;
		}
		result.passed += seed - from;
		from = seed + 1;
		if (batch->stop_at_first)
			return result;
		if (batch->failed != NULL)
			batch->failed(batch, seed);
	}
	result.passed = batch->seeds - result.failed;
	return result;
}

bool
batch_fails(const struct batch *batch, uint64_t seed)
{
	struct batch one = *batch;
	one.quiet = true;
	return !run_child(&one, seed, seed + 1);
}
