/*
 * api/straight: the requests that every run begins and ends with, from bytes to a command at once.
 *
 * Purpose     RunStart and TaskComplete as nearly all of them are, in one pass over the frame and
 *             without a message in between: a tenth of a run's instructions went there.
 * Ownership   the command borrows from the frame; nothing is allocated.
 * Invariants  what is taken here, base/message and api/request would have taken as well, and made
 *             the same command of it (tests/unit/api_straight_test.c, fuzz/straight.c).
 * Failure     false: another message, an unusual one, or one with a fault. The general way tells.
 */
#ifndef API_STRAIGHT_H
#define API_STRAIGHT_H

#include "api/port.h"

struct straight {
	uint64_t request; /* its number, never 0 */
	uint32_t body;    /* its field in Envelope */
	struct api_command command; /* without an origin */
};

bool straight_decode(struct bytes frame, struct straight *ret_straight);

#endif
