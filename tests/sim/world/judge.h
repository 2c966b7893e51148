/*
 * sim/world/judge: what fails a world, what was reached, and the trace.
 *
 * Purpose     A world that breaks a promise ends its process at once: judge_fail() prints why, and
 *             the parent (sim.c), which also sees assertions and signals, counts the seed as
 *             failed. So a failure needs no way back.
 * Ownership   borrows the tally, which lies in memory shared with the parent.
 * Trace       every step of a world is folded into a hash (same seed, same hash) and printed with
 *             --trace.
 */
#ifndef SIM_WORLD_JUDGE_H
#define SIM_WORLD_JUDGE_H

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

enum kind {
#define KIND(name, class, meaning) KIND_##name,
#include "sim/world/kinds.def"
#undef KIND
	KINDS,
};

struct kind_row {
	const char *name;
	char class; /* 'O' operation, 'F' fault, 'S' seen */
	const char *meaning;
};
extern const struct kind_row kind_table[KINDS];

#define TALLY_TEXT_BYTES 1024

/* Shared between the process that runs worlds and the one that watches it. */
struct tally {
	uint64_t seed;        /* the world under way */
	uint64_t worlds;      /* ended well */
	uint64_t deaths;
	uint64_t events;
	uint64_t counts[KINDS];
	char text[TALLY_TEXT_BYTES]; /* why the world failed */
	char oracle[64];             /* the function that said so */
	uint64_t failures;           /* so far */
};

struct judge {
	struct tally *tally;
	uint64_t hash;
	uint64_t lines;
	bool trace;
	const char *phase;
};

void judge_mark(struct judge *judge, enum kind kind);

/* What recovery said names a row of its table, as "torn: ..." or "(torn; ...". */
void judge_mark_row(struct judge *judge, const char *text);

/* One line of the trace. */
void judge_note(struct judge *judge, const char *what, uint64_t a, uint64_t b, uint64_t c);

_Noreturn void judge_fail_in(struct judge *judge, const char *oracle, const char *format, ...)
    FROE_PRINTF(3, 4);
#define judge_fail(judge, ...) judge_fail_in((judge), __func__, __VA_ARGS__)

/* The invariants that an oracle stands for, as "I1 I4" (world/invariants.def). */
const char *judge_invariants(const char *oracle);

#endif
