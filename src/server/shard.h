/*
 * server/shard: engine, log and resolver as one: a command goes in, durable effects come out.
 *
 * Purpose     shard_open() recovers: a snapshot is loaded, the log's records after it are applied.
 *             shard_step() decides a command, appends its events to the frame being built, and
 *             hands each event and effect to the hooks, with the frame that must be durable
 *             before anything of it may be shown. Nothing else writes the log.
 * Ownership   owns engine, log and resolver; borrows env, io and the hooks' context.
 * Threading   one owner (loop 0, or the simulator).
 * Failure     shard_open as log_open. Afterwards only shard_failed() (a log write failed).
 */
#ifndef SERVER_SHARD_H
#define SERVER_SHARD_H

#include "base/ring.h"
#include "engine/engine.h"
#include "log/log.h"
#include "log/resolver.h"
#include "server/clock.h"
#include "server/state.h"

/* Called by shard_step, after the events were appended. Bytes are borrowed for the call. */
struct shard_hooks {
	void (*event)(void *context, const struct eng_event *event, const struct log_place *place,
	    uint64_t frame);
	void (*effect)(void *context, const struct eng_effect *effect, uint64_t frame);
	/* Recovery begins; report->store is known. What is in the snapshot that it may begin
	 * with is not seen by the hooks: report.snapshot_frame_seq. */
	void (*replays)(void *context, const struct log_report *report);
	/* Recovery: each event that was applied, with what its run was before; may be NULL. */
	void (*replayed)(void *context, const struct eng_event *event,
	    const struct log_place *place, const struct eng_run_info *info, uint64_t frame);
	void *context;
};

struct shard_options {
	struct log_options log;
	size_t cache_bytes; /* recent payloads kept in memory */
	uint64_t runs_max;  /* open runs; 0: any number */
	bool replay_all;    /* no snapshot is used, where the whole log is there */
};

/* What the live engine was at a segment's end, for whoever makes a snapshot of it. */
struct shard_note {
	uint64_t segment;
	uint64_t digest;     /* eng_digest(); 0: not known */
	uint64_t event_seq;  /* the last of the first step behind the end */
	uint64_t state_hash; /* eng_hash() then; 0: the state was too large to look at */
};
#define SHARD_NOTES 64u
#define SHARD_NOTE_SIZE_MAX 16384u /* eng_small() up to which the hash is taken: a millisecond */

struct shard {
	struct io_env *env;
	struct eng *eng;
	struct log *log;
	struct resolver *resolver;
	struct clock clock;
	struct shard_hooks hooks;
	uint64_t runs_max; /* open runs; 0: any number */
	struct log_report report;
	bool replaying;
	struct state state; /* recovery */
	struct ring notes;  /* struct shard_note; popped by the maker of snapshots */
	bool noting;
	uint64_t dice;
	uint64_t lapse_ns; /* how long a worker goes on without a word from here: the hub sets it */
	struct buf bodies;          /* of one step */
	struct log_entry *entries;
	struct log_place *places;
	size_t entry_capacity;
};

enum froe_err shard_open(struct shard *shard, struct io_env *env,
    const struct shard_options *options, const struct shard_hooks *hooks,
    struct froe_fault *fault) FROE_CHECKED;

/* Binds the log to its loop and starts the engine: its first command of this epoch. FROE_NO_SPACE:
 * the disk is full, and so is the segment. */
enum froe_err shard_start(struct shard *shard, struct io *io,
    struct froe_fault *fault) FROE_CHECKED;
/* Memory for what engine and resolver grow to is made present ahead; NULL: no longer. */
void shard_prefault(struct shard *shard, struct prefault *prefault);
void shard_close(struct shard *shard);

/* An input, an output or a definition may be this large: the largest the log takes. */
size_t shard_payload_bytes_max(const struct shard *shard);

/* May this command be taken now? */
bool shard_has_room(const struct shard *shard, const struct eng_command *command);
/* Says how many events it had. Completes the command: with `hold`, runs_max, and lapse_ns unless
 * the caller has said it. */
size_t shard_step(struct shard *shard, struct eng_command *command);

/* Decides due timers and work that was cut, while there is room. True: it stopped for want of
 * room or of time (a turn has its limit); call again. */
bool shard_turn(struct shard *shard, uint64_t mono_ns);

/* Boot-time clock of the next timer, or of what the log is to be told; UINT64_MAX: none. */
uint64_t shard_deadline_ns(const struct shard *shard);

#endif
