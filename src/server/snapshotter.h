/*
 * server/snapshotter: makes snapshots from files alone, beside the live engine.
 *
 * Purpose     A step machine: loads the newest snapshot, applies the sealed segments after it,
 *             writes what comes out as the next snapshot, checks it against what the live engine
 *             noted of itself at that segment's end, waits until the index has all that is in it,
 *             names it in MANIFEST, deletes what is older than two. The live engine does not stop
 *             for it, and a crash anywhere harms nothing.
 * Ownership   borrows the log and the ring of notes; owns the state in the making.
 * Threading   snapshotter_step: one thread at a time (housekeeping, or the simulator).
 *             snapshotter_stats, snapshotter_stop: any.
 * Failure     nothing fails because of it: a snapshot that cannot be made is tried again later, one
 *             that differs from the live engine is an alarm, and no other is made in this process.
 * See         docs/decisions/0007-snapshots-by-replay.md
 */
#ifndef SERVER_SNAPSHOTTER_H
#define SERVER_SNAPSHOTTER_H

#include "log/walk.h"
#include "server/shard.h"

#include <stdatomic.h>

#define SNAPSHOTTER_INTERVAL_NS (UINT64_C(60) * 1000000000)
/* A start replays so much in about a second, and so it loads a snapshot of a million open runs,
 * after which it may have as much to replay. Less log for less state would make no start worse than
 * those good, and costs each burst of work a snapshot. */
#define SNAPSHOTTER_LOG_BYTES (UINT64_C(192) << 20)

struct indexer;

struct snapshotter_options {
	uint64_t log_bytes;   /* sealed and not in a snapshot: then one is made, not before */
	uint64_t interval_ns; /* or after so long; 0: SNAPSHOTTER_INTERVAL_NS */
	bool quiet;	      /* says nothing on stderr */
	const struct indexer *indexer; /* NULL: there is none */
};

enum snapshotter_state {
	SNAPSHOTTER_IDLE,
	SNAPSHOTTER_LOAD,    /* the newest snapshot */
	SNAPSHOTTER_APPLY,   /* segments up to the target */
	SNAPSHOTTER_WRITE,   /* the new one */
	SNAPSHOTTER_COMPARE, /* the first step behind it, with the live engine's hash */
	SNAPSHOTTER_INDEX, /* the index has what is in it */
	SNAPSHOTTER_PUBLISH,
	SNAPSHOTTER_REMOVE, /* those that MANIFEST does not name */
};

struct snapshotter_stats {
	uint64_t number;    /* the newest; 0: none */
	uint64_t frame_seq; /* the last frame that is in it */
	uint64_t made_ns;   /* boot-time clock; 0: before this process began */
	uint64_t took_ns;
	uint64_t bytes;
	uint64_t made;
	uint64_t failed;
	uint64_t alarms;   /* differed from the live engine */
	uint64_t compared; /* with the live engine's hash, and equal */
};

struct snapshotter {
	struct io_env *env;
	struct log *log;
	const char *dir;
	struct uuid store;
	struct ring *notes;
	struct snapshotter_options options;
	uint64_t segment_bytes;
	enum snapshotter_state step;
	bool ended;	   /* an alarm, or MANIFEST could not be written */
	bool cleaned;	   /* what a crash left is gone */
	uint64_t clean_ns; /* boot-time clock: not before */
	uint64_t retry_ns; /* boot-time clock: after a failure, not before */
	uint64_t due_ns;   /* boot-time clock: to be looked at then; 0: when a segment is sealed */
	uint64_t last_ns;  /* when the last one was begun */
	uint64_t last_bytes;
	uint64_t start_ns;
	uint64_t target;
	uint64_t damaged[2]; /* snapshots that did not verify; 0: none */
	uint64_t until_ns; /* boot-time clock: how long to wait for what is to come; 0: not begun */
	struct log_snapshot_ref loaded; /* what it is made from; number 0: from the beginning */
	struct state state;
	bool busy; /* state is in use */
	struct walk *walk;
	struct log_base base;
	struct shard_note note; /* of the target; segment 0: none */
	bool same;		/* the hash was compared */
	bool differs;
	atomic_bool stop;
	/* for snapshotter_stats */
	_Atomic uint64_t number, frame_seq, made_ns, took_ns, bytes, made, failed, alarms, compared;
};

void snapshotter_init(struct snapshotter *snapshotter, struct shard *shard, const char *dir,
    const struct snapshotter_options *options);
void snapshotter_release(struct snapshotter *snapshotter);

/* One piece of blocking work. False: nothing to do before snapshotter_due_ns, or a new segment. */
bool snapshotter_step(struct snapshotter *snapshotter);
/* Is it between two snapshots? */
bool snapshotter_idle(const struct snapshotter *snapshotter);
uint64_t snapshotter_due_ns(const struct snapshotter *snapshotter); /* UINT64_MAX: not by time */

/* More log has come than a start should have to replay: whoever makes it wait should not. */
bool snapshotter_late(const struct snapshotter *snapshotter);

/* A step that is under way soon ends, and no other follows. */
void snapshotter_stop(struct snapshotter *snapshotter);

void snapshotter_stats(const struct snapshotter *snapshotter, struct snapshotter_stats *ret_stats);

#endif
