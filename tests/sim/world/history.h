/*
 * sim/world/history: every event that was appended, in order, to be found again in the log.
 *
 * Purpose     Live operation appends; recovery walks along: what the log gives back must be these
 *             events, from the first, and all whose frame was known to be durable. What a crash
 *             took is then cut off here too. At some steps the engine's hash is kept, and compared
 *             with that of the engine that replays.
 * Ownership   owns its rows.
 */
#ifndef SIM_WORLD_HISTORY_H
#define SIM_WORLD_HISTORY_H

#include "engine/engine.h"
#include "sim/world/judge.h"

struct history_row {
	uint64_t frame;
	uint64_t digest; /* of the event */
	uint64_t hash;   /* of the engine after it; 0: not taken */
};

struct history {
	struct judge *judge;
	struct history_row *rows;
	size_t count;
	size_t capacity;
	size_t at; /* replaying: the next one expected */
};

void history_append(struct history *history, const struct eng_event *event, uint64_t frame);
void history_hash(struct history *history, const struct eng *eng); /* after a step */
void history_release(struct history *history);

void history_replay(struct history *history); /* begins */
void history_replayed(struct history *history, const struct eng_event *event, uint64_t frame,
    const struct eng *eng);
/* Recovery is over: all up to the frame must have come; what did not come is forgotten. */
void history_replay_end(struct history *history, uint64_t durable_frame);

#endif
