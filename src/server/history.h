/*
 * server/history: a run as its records tell it: loaded, and folded into a view.
 *
 * Purpose     `runs get`, a watch on a run that has closed, and a task's output are answered
 *             from the run's own records, wherever they lie: in memory or on disk. The engine's
 *             state keeps no history. The fold is separate from the engine's apply.
 * Ownership   a struct history owns its copies and arena until history_free(); places are copied.
 * Threading   the shard's owner.
 * Bound       payloads that are not wanted, or are too many for a message, are not kept; the
 *             rest is HISTORY_BYTES_MAX at most. HISTORY_READS_MAX reads are under way at once.
 * Failure     done() with FROE_CORRUPT when a record cannot be read or does not fit; FROE_TOO_LARGE
 *             when the history is too long for a message.
 */
#ifndef SERVER_HISTORY_H
#define SERVER_HISTORY_H

#include "base/list.h"
#include "froe/limits.h"
#include "server/shard.h"

#include "proto/native.pb-c.h"

#define HISTORY_READS_MAX 16u
#define HISTORY_RECORDS_MAX (1u << 20)
#define HISTORY_BYTES_MAX ((size_t)16 << 20)
/* Payloads of one answer: it must fit a message, with what surrounds them. */
#define HISTORY_PAYLOAD_BYTES_MAX ((size_t)FROE_MESSAGE_BYTES_MAX - (1u << 20))

/* A place in an index row: 20 bytes each. */
#define HISTORY_PLACE_BYTES 20u
void history_places_store(const struct log_place *places, uint32_t count, uint8_t *to);
void history_places_encode(const struct log_place *places, uint32_t count, struct buf *to);

static inline uint32_t
history_places_count(struct bytes encoded)
{
	return (uint32_t)(encoded.size / HISTORY_PLACE_BYTES);
}

struct log_place history_place_decode(struct bytes encoded, uint32_t index);

/* A closed run goes on (RUN_REPLAYED): the resolver learns again where its records lie, if it has
 * forgotten. */
enum froe_err history_adopt(struct resolver *resolver, const struct eng_event *event,
    struct froe_fault *fault) FROE_CHECKED;

/* Which payloads are kept. */
enum history_want {
	HISTORY_NONE,
	HISTORY_ALL,    /* as far as they fit a message */
	HISTORY_RESULT, /* of the tasks that no other waits for */
	HISTORY_OUTPUT, /* of one task */
};

struct history_record {
	uint16_t type;
	bool cut; /* its payload was not kept */
	uint64_t time_ns;
	struct bytes body; /* in the arena */
};

struct history {
	struct shard *shard;
	uint64_t run;
	struct log_place *places;
	struct history_record *records;
	uint32_t count;
	uint32_t next;       /* the next record to load */
	uint32_t loading;    /* reads under way */
	enum history_want want;
	char *task;          /* OUTPUT: its name; owned */
	struct eng_version_view version;
	uint32_t workflow;
	bool begun;          /* its version is known, or that it has none */
	bool busy;           /* in history_load: a read that is done at once stays out of it */
	size_t kept_bytes;
	size_t payload_bytes;
	struct list reads;   /* under way */
	enum froe_err err;
	uint32_t bad; /* the number of the record that could not be read; 0: none */
	struct arena arena;
	void (*done)(struct history *history, enum froe_err err);
	void *context;
};

/* A history to be loaded by history_start(). */
struct history *history_open(struct shard *shard, uint64_t run, const struct log_place *places,
    uint32_t count, void (*done)(struct history *history, enum froe_err err), void *context);

/* Its records must be durable. Calls done once, perhaps before it returns. `task`: of OUTPUT. */
void history_start(struct history *history, enum history_want want, struct bytes task);

/* With reads under way only when none of them will complete any more (its io is gone). */
void history_free(struct history *history);

/* Record `index` + 1 of a history that is loaded; its bytes lie in the arena or the history. */
enum froe_err history_event(const struct history *history, uint32_t index, struct arena *arena,
    struct eng_event *ret_event, struct froe_fault *fault) FROE_CHECKED;

/* What the records add up to. The message lies in the history's arena. */
struct history_fold {
	Froe__RunView *view;
	uint32_t tenant;
	bool closed;
	struct eng_version_view version;
	const struct bytes *outputs; /* per task; size 0: none, or not kept */
	const bool *cut;             /* per task: there is an output, and it was not kept */
	struct bytes error;          /* FAILED: of the task that failed first */
};
enum froe_err history_fold(struct history *history, struct history_fold *ret_fold,
    struct froe_fault *fault) FROE_CHECKED;

/* A completed run's result: the output itself (bare), or an object of the outputs by task name.
 * False: larger than a message may be. */
struct result_part {
	struct bytes task;
	struct bytes output;
};
bool result_build(const struct result_part *parts, uint32_t count, bool bare, struct buf *to);
bool history_result(const struct history_fold *fold, struct buf *to);

#endif
