/*
 * engine/rate: a tenant's rate limits.
 *
 * Purpose     Lists of them; ENG_CMD_RATE_LIMIT_PUT makes and changes them.
 * Ownership   what is told is borrowed from state, until the next step.
 * Threading   the engine's owner only.
 */
#ifndef ENGINE_RATE_H
#define ENGINE_RATE_H

#include "engine/engine.h"

/* What a rate limit counts in. On disk: not reused. */
enum eng_window {
	ENG_WINDOW_SECOND,
	ENG_WINDOW_MINUTE,
	ENG_WINDOW_HOUR,
	ENG_WINDOW_DAY,
	ENG_WINDOW_WEEK,
	ENG_WINDOW_MONTH,
	ENG_WINDOW_YEAR,
	ENG_WINDOWS,
};
struct eng_rate_view {
	uint64_t number; /* 1, 2, ... of its tenant */
	struct bytes key;
	uint32_t limit;
	enum eng_window window;
	uint64_t put_ns; /* when it became what it is */
};
/* The tenant's rate limit after that number; false: there is none. */
bool eng_rate_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t after,
    struct eng_rate_view *ret_view);

#endif
