/*
 * log/decision: the table that tells a torn tail from damage.
 *
 * Purpose     From what was seen at the first place that does not verify to one row: start, cut, or
 *             refuse. Pure.
 * See         docs/log-format.md, section 6
 */
#ifndef LOG_DECISION_INT_H
#define LOG_DECISION_INT_H

#include <stdbool.h>
#include <stdint.h>

/* What lies where frame S is expected. */
enum tail_state {
	TAIL_ZERO,
	TAIL_TORN,
	TAIL_TORN_HEADER,
	TAIL_STALE,
	TAIL_BROKEN,
	TAIL_ROT,
};

struct situation {
	uint64_t expected;  /* S */
	uint64_t evidence;  /* D */
	uint64_t later_max; /* the highest later frame; 0: none */
	bool written_after; /* something after X is not zero */
	enum tail_state state;
};

enum decision_action {
	DECISION_START,
	DECISION_CUT,
	DECISION_REFUSE,
	DECISION_REFUSE_UNLESS_ACCEPTED,
};

struct decision {
	const char *row;
	const char *meaning;
	enum decision_action action;
};

const struct decision *decision_find(const struct situation *situation);

#endif
