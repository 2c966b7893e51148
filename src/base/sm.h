/*
 * base/sm: a state is an enum plus a table of legal moves.
 *
 * A machine's table has one row a state: its name and the set of states it may move to, as bits.
 * sm_move() is the only way to change a state; an illegal move is a bug and ends the process.
 */
#ifndef BASE_SM_H
#define BASE_SM_H

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define SM_TO(state) (UINT32_C(1) << (state))

struct sm_row {
	const char *name;
	uint32_t moves; /* SM_TO(a) | SM_TO(b) */
};

static inline bool
sm_legal(const struct sm_row *table, unsigned from, unsigned to)
{
	return (table[from].moves & SM_TO(to)) != 0;
}

#define sm_move(table, state, to)                                                                  \
	(froe_assert(sm_legal((table), (unsigned)*(state), (unsigned)(to))), *(state) = (to))

#endif
