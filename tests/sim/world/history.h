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
#include "log/log.h"
#include "sim/world/judge.h"

struct history_row {
	uint64_t frame;
	uint64_t digest; /* of the event */
	uint64_t hash;   /* of the engine after it; 0: not taken */
	/* where retention is at work: */
	uint16_t type;
	uint64_t run;
	uint32_t no;
	uint64_t time_ns;
	uint8_t *body;
	size_t size;
	bool placed;
	struct log_place place;
};

struct history {
	struct judge *judge;
	struct history_row *rows;
	size_t count;
	size_t capacity;
	size_t at; /* replaying: the next one expected */
	bool keeps; /* bodies and places */
};

void history_append(struct history *history, const struct eng_event *event, uint64_t frame);
void history_hash(struct history *history, const struct eng *eng); /* after a step */
void history_release(struct history *history);

void history_replay(struct history *history); /* begins */
/* The log begins behind this frame: what came before is told from memory. Returns the number of
 * events. */
size_t history_recall(struct history *history, uint64_t frame,
    void (*each)(void *context, const struct eng_event *event, uint64_t frame), void *context);
uint64_t history_digest(const struct eng_event *event);
void history_replayed(struct history *history, const struct eng_event *event, uint64_t frame,
    const struct eng *eng);
/* Recovery is over: all up to the frame must have come; what did not come is forgotten. */
void history_replay_end(struct history *history, uint64_t durable_frame);

#endif
