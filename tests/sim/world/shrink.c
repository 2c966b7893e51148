#include "sim/world/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REPRO_BYTES 4096u
/* "froe: panic: src/log/write.c:254" */
#define ASSERTION_BYTES 36u

static bool
kind_switches(unsigned kind)
{
	return kind_table[kind].class != 'S';
}

bool
shrink_parse(const char *list, bool off[KINDS])
{
	while (*list != 0) {
		size_t size = strcspn(list, ",");
		unsigned kind = 0;
		while (kind < KINDS && (strlen(kind_table[kind].name) != size ||
					   strncasecmp(kind_table[kind].name, list, size) != 0))
			kind++;
		if (kind == KINDS || !kind_switches(kind))
			return false;
		off[kind] = true;
		list += size + (list[size] == ',');
	}
	return true;
}

/* The source that this was built from, as far as git knows it. */
static void
revision_read(char text[80])
{
	snprintf(text, 80, "unknown");
	FILE *git = popen("git describe --always --dirty=+ 2>/dev/null", "r");
	if (git == NULL)
		return;
	char line[80];
	if (fgets(line, sizeof(line), git) != NULL && line[strcspn(line, "\n")] == '\n')
		snprintf(text, 80, "%.*s", (int)strcspn(line, "\n"), line);
	pclose(git);
}

static void
repro_print(uint64_t seed, const struct plan *plan, const bool off[KINDS])
{
	char text[REPRO_BYTES] = "", revision[80];
	size_t used = 0;
	for (unsigned kind = 0; kind < KINDS && used < sizeof(text); kind++) {
		if (off[kind] && plan->enabled[kind])
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			    used > 0 ? "," : " --without ", kind_table[kind].name);
	}
	revision_read(revision);
	printf("     again: build/tests/sim/sim --from %" PRIu64 " --seeds 1 --trace%s\n", seed,
	    text);
	printf("     revision %s\n", revision);
}

/* The oracle that failed; of an assertion, which one. */
static bool
same_end(const struct tally *a, const struct tally *b)
{
	return strcmp(a->oracle, b->oracle) == 0 &&
	    (a->oracle[0] != 0 || strncmp(a->text, b->text, ASSERTION_BYTES) == 0);
}

/* Twice over all kinds: what one of them needed may be gone after the first time. */
static void
shrink(struct batch *batch, uint64_t seed, const struct plan *plan, const struct tally *end)
{
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned kind = 0; kind < KINDS; kind++) {
			if (!kind_switches(kind) || !plan->enabled[kind] ||
			    batch->options.off[kind])
				continue;
			batch->options.off[kind] = true;
			if (!batch_fails(batch, seed) || !same_end(batch->tally, end))
				batch->options.off[kind] = false;
		}
	}
}

void
shrink_print(const struct batch *batch, uint64_t seed)
{
	struct tally *tally = batch->tally, before = *tally;
	struct batch less = *batch;
	struct plan plan;
	plan_draw(&plan, seed, &batch->options);
	bool alone = batch_fails(batch, seed); /* and what it says of an assertion */
	struct tally end = *tally;
	if (alone)
		shrink(&less, seed, &plan, &end);
	if (!alone || !batch_fails(&less, seed))
		printf("     it does not fail alone\n");
	printf("     with less: %s\n     left:", tally->text);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (kind_switches(kind) && plan.enabled[kind] && !less.options.off[kind])
			printf(" %s", kind_table[kind].name);
	}
	printf("\n");
	/* Drawn again without what was off from the start: that has to be said, too. */
	struct plan_options all = {.plant = batch->options.plant};
	plan_draw(&plan, seed, &all);
	repro_print(seed, &plan, less.options.off);
	*tally = before;
}
