/*
 * sim/world/past_view: what a closed run's records add up to, by the server's own fold (past.h).
 *
 * A file of its own: the server's history and the world's have one name.
 */
#ifndef SIM_WORLD_PAST_VIEW_H
#define SIM_WORLD_PAST_VIEW_H

#include "engine/engine.h"
#include "log/log.h"

struct past_row {
	uint16_t type;
	uint64_t time_ns;
	struct bytes body;
	struct log_place place;
};

/* From the task with this index + 1 on (0: all of it), keeping its nodes before `node` (0: none).
 * Everything lies in the arena. FROE_FAILED_PRECONDITION: the run is open. */
enum froe_err past_view(uint64_t run, const struct past_row *rows, uint32_t count,
    const struct eng_version_view *version, uint32_t from, uint32_t node, struct arena *arena,
    struct eng_replay *ret_replay, struct froe_fault *fault) FROE_CHECKED;

#endif
