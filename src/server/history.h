/*
 * server/history: a run as its records tell it: loaded, and folded into a view.
 *
 * Purpose     `runs get`, a watch on a run that has closed, and a task's output are answered from the
 *             run's own records, wherever they lie: in memory or on disk. The engine's state keeps
 *             no history. The fold is separate from the engine's apply.
 * Ownership   a struct history owns its copies and arena until history_free(); places are copied.
 * Threading   the shard's owner.
 * Failure     done() with FROE_CORRUPT when a record cannot be read or does not fit.
 */
#ifndef SERVER_HISTORY_H
#define SERVER_HISTORY_H

#include "server/shard.h"

#include "proto/native.pb-c.h"

/* A place in an index row: 20 bytes each. */
#define HISTORY_PLACE_BYTES 20u
void history_places_encode(const struct log_place *places, uint32_t count, struct buf *to);
uint32_t history_places_count(struct bytes encoded);
struct log_place history_place_decode(struct bytes encoded, uint32_t index);

struct history_record {
	uint16_t type;
	uint64_t time_ns;
	struct bytes body; /* in the arena */
};

struct history {
	struct shard *shard;
	uint64_t run;
	struct log_place *places;
	struct history_record *records;
	uint32_t count;
	uint32_t next;    /* the next record to load */
	uint32_t loading; /* reads under way */
	enum froe_err err;
	struct arena arena;
	bool started;
	void (*done)(struct history *history, enum froe_err err);
	void *context;
};

/* Loads the records; calls done once, perhaps before it returns. */
void history_start(struct shard *shard, uint64_t run, const struct log_place *places,
    uint32_t count, void (*done)(struct history *history, enum froe_err err), void *context);
void history_free(struct history *history);

/* What the records add up to. The message lies in the history's arena. */
struct history_fold {
	Froe__RunView *view;
	uint32_t tenant;
	bool closed;
	struct eng_version_view version;
	const struct bytes *outputs; /* per task; size 0: none */
	struct bytes error;          /* FAILED: of the task that failed first */
};
enum froe_err history_fold(struct history *history, bool payloads,
    struct history_fold *ret_fold, struct froe_fault *fault) FROE_CHECKED;

/* A completed run's result: the output itself (bare), or an object of the outputs by task name.
 * False: larger than a message may be. */
struct result_part {
	struct bytes task;
	struct bytes output;
};
bool result_build(const struct result_part *parts, uint32_t count, bool bare, struct buf *to);
bool history_result(const struct history_fold *fold, struct buf *to);

#endif
