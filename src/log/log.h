/*
 * log/log: the append-only log of one shard: the truth.
 *
 * Purpose     Takes steps (all records of one engine step), puts them into frames, writes each
 *             frame with one durable write, and tells up to where the log is durable. At open,
 *             recovers: verifies, decides between torn tail and damage, and replays every record.
 * Ownership   The log owns its files and frame buffers. A struct log_entry's body is borrowed
 *             for the call. A struct log_record handed to a replay function is valid during the
 *             call.
 * Threading   One owner (loop 0, or the simulator). Exceptions: log_spares_step() is called by the
 *             housekeeping thread, log_short_of_space() by any.
 * Invariants  1. frames are written in order, at most log_options.inflight_max at once, and become
 *                durable as a contiguous prefix.
 *             2. all records of a step sit in one frame.
 *             3. an acknowledged byte is never written again.
 *             4. after one write error nothing becomes durable any more (log_failed).
 * Units       positions are LSNs: segment << 32 | byte offset of the record's header in the
 *             segment.
 * Failure     log_open: FROE_CORRUPT (refuse to start: exit 65), FROE_INCOMPATIBLE, FROE_IN_USE,
 *             FROE_IO, FROE_NO_SPACE. Afterwards only log_failed().
 * See         docs/log-format.md
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/bytes.h"
#include "base/histogram.h"
#include "base/uuid.h"
#include "froe/limits.h"
#include "io/io.h"

#include <stdbool.h>
#include <stdint.h>

struct log;
struct log_loader; /* log/snapshot.h */

struct lsn {
	uint64_t v;
};

#define LOG_BLOCK_BYTES 4096u
#define LOG_SEGMENT_BYTES_DEFAULT (64u << 20)
#define LOG_SEGMENT_BYTES_MIN (1u << 20)
#define LOG_SEGMENT_BYTES_MAX (1u << 30)
#define LOG_INFLIGHT_MAX 4u
/* See log_flush_gathering(). */
#define LOG_GATHER_BYTES ((size_t)16 << 10)
/* What an ordinary frame holds; a larger step gets a frame of its own, up to the second. */
#define LOG_FRAME_BYTES (1u << 20)
#define LOG_FRAME_BYTES_MAX (8u << 20)
#define LOG_RECORD_HEADER_BYTES 32u

struct log_options {
	const char *dir;         /* the data directory; created if absent */
	uint64_t segment_bytes;  /* fixed at format; 0: the default, or what the store has */
	unsigned inflight_max;   /* 1..LOG_INFLIGHT_MAX */
	unsigned spares;         /* zero-filled segments kept ready: 2 */
	bool dev;                /* tmpfs without O_DIRECT is allowed */
	bool accept_tail_loss;   /* cut an undecidable tail instead of refusing */
	bool read_only; /* verify and dump: no lock is taken for writing, nothing is changed */
	/* Takes a snapshot, so that only what follows it is replayed; NULL: all is replayed. Its
	 * context is the replay's. */
	const struct log_loader *loader;
	bool replay_most; /* as much as there is: from the log's beginning, or the older snapshot */
};

/* What retention has to know of a record, whatever its type. */
enum log_record_flags {
	LOG_RECORD_CLOSES = 1,  /* its run has ended at the record's time */
	LOG_RECORD_REOPENS = 2, /* and goes on now */
};

/* One record to append. */
struct log_entry {
	uint16_t type;
	uint8_t flags;
	uint8_t schema;
	uint32_t run_event_no; /* dense per run, from 1; 0 if the record is of no run */
	uint64_t run_key;      /* 0 if of no run */
	uint64_t time_ns;      /* engine time */
	struct bytes body;
};

/* What a record with a body of so many bytes takes in a frame. */
static inline size_t
log_record_span(size_t body_bytes)
{
	return (LOG_RECORD_HEADER_BYTES + body_bytes + 7) & ~(size_t)7;
}

/* One record as read back. */
struct log_record {
	struct lsn lsn;
	uint64_t frame_seq;
	uint64_t event_seq;
	uint64_t epoch;
	uint16_t type;
	uint8_t flags;
	uint8_t schema;
	uint32_t run_event_no;
	uint64_t run_key;
	uint64_t time_ns;
	struct bytes body;
};

/* Where a record lies: enough to read it alone and to know that it is the right one. */
struct log_place {
	struct lsn lsn;
	uint64_t event_seq;
	uint32_t size; /* header and body, without padding */
};

static inline struct log_place
log_place_of(const struct log_record *record)
{
	return (struct log_place){
	    .lsn = record->lsn,
	    .event_seq = record->event_seq,
	    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)record->body.size,
	};
}

/* Replay. A non-OK return stops recovery with that fault. */
typedef enum froe_err log_replay_fn(void *context, const struct log_record *record,
    struct froe_fault *fault);

/* What recovery found and did; for the start message, tests and `froe log verify`. */
struct log_report {
	struct uuid store;
	uint64_t epoch;        /* of this process (read_only: of the last one) */
	uint64_t segments;
	uint64_t frames;
	uint64_t records;
	uint64_t bytes;        /* of frames */
	uint64_t last_frame_seq;
	uint64_t last_time_ns; /* engine time there has been: of the last frame, or MANIFEST's */
	struct lsn end;        /* where the next frame goes */
	bool created;          /* the store is new */
	bool clean;            /* the last frame was a clean stop */
	uint64_t cut_bytes;    /* of a torn tail, moved to quarantine/ */
	char cut_reason[96];
	uint64_t snapshot;          /* the one that replay began with; 0: none */
	uint64_t snapshot_frame_seq; /* the last frame that is in it */
	char snapshot_skipped[256]; /* why a newer one was not taken; empty: there was none */
	/* Refusal: the segment, offset and runs concerned are in the fault's text and here. */
	struct lsn bad;
	uint64_t bad_frame_seq;
	uint64_t bad_runs[16];
	unsigned bad_run_count;
};

/*
 * Opens the store, creating it if absent; loads the newest snapshot that verifies, and replays the
 * rest; or all, if there is none and the log begins with its first segment. When it returns OK and
 * not read_only, the tail is cut and zeroed, the epoch is raised, and the log is ready for
 * log_start().
 */
enum froe_err log_open(struct io_env *env, const struct log_options *options,
    log_replay_fn *replay, void *context, struct log **ret_log, struct log_report *report,
    struct froe_fault *fault) FROE_CHECKED;

/* Binds the log to its loop. The first frame written is the first of the epoch. */
void log_start(struct log *log, struct io *io);

/* Closes files and frees; what is not durable is not written. The loop is closed before: it may
 * still be using the log's buffers. For a clean stop see log_stop(). */
void log_close(struct log *log);

/* ------------------------------------------------------------------------------------ writing */

/* May a step of up to `bytes` (sum of log_record_span()) be appended now? False: all buffers are
 * in flight, the next segment is not ready, or (see log_space) the disk is full; try after a
 * completion, or when housekeeping has woken the loop. More than the largest step, half a segment
 * or 8 MiB, asks for that. */
bool log_has_room(const struct log *log, size_t bytes);
/* The same, but that a full disk is no reason against it as long as the segment has a place. */
bool log_has_place(const struct log *log, size_t bytes);

/* Where the records of the next step will lie, if they take no more than *ret_room bytes: each with
 * LOG_RECORD_HEADER_BYTES before its body and the next one log_record_span() behind it. A body that
 * was written there is not copied by log_append(). NULL: that is not known yet. */
uint8_t *log_tail(struct log *log, size_t *ret_room);

/* Appends one step to the frame being built. Cannot fail: ask log_has_room() first (asserted).
 * Fills places[i] for each entry when places is not NULL. */
void log_append(struct log *log, uint64_t now_ns, const struct log_entry *entries, size_t count,
    struct log_place *places);

/* The frame that holds the newest appended record: an effect of that state may leave once
 * log_durable_seq() has reached it. */
uint64_t log_tail_seq(const struct log *log);

/* Greedy group commit: starts writing the frame being built if it holds records and fewer than
 * inflight_max are in flight. Call once at the end of a turn, and after completions. */
void log_flush(struct log *log);
/* The same for when requests of so many bytes are at hand, and the next turn comes at once: while a
 * write is under way, the frame being built goes on taking records, so that they are one write; and
 * while LOG_GATHER_BYTES are at hand, until it has as many. 0: as log_flush(). */
void log_flush_gathering(struct log *log, size_t at_hand);

/* The highest frame of the contiguous durable prefix. */
uint64_t log_durable_seq(const struct log *log);
struct lsn log_durable_lsn(const struct log *log);

/* A write failed: the process must stop acknowledging and exit 74. */
bool log_failed(const struct log *log, struct froe_fault *ret_fault);

/* Free-space state (log.md 3.2): SOFT refuses new runs, HARD stops dispatching, READ_ONLY takes
 * nothing. Leaves by itself when a spare can be made again. */
enum log_space {
	LOG_SPACE_OK,
	LOG_SPACE_SOFT,
	LOG_SPACE_HARD,
	LOG_SPACE_READ_ONLY,
};
enum log_space log_space(const struct log *log);

/* Runs that retention has to know because they went on after they had ended, as far as what says so
 * is in a segment. Any thread. */
size_t log_reopened(struct log *log);

/* Is free space low, or did a spare find none? Any thread. */
bool log_short_of_space(const struct log *log);

/* The largest step that a store with such segments takes: 8 MiB, or half a segment. */
size_t log_step_bytes_max(const struct log *log);

/* The largest payload that a store with such segments takes: 4 MiB, or a quarter of a segment. */
uint64_t log_payload_bytes_max(const struct log *log);

/* The watermark is written off the critical path: call log_tick() each turn; log_deadline_ns() is
 * when it is due (boot-time clock; UINT64_MAX: not). */
void log_tick(struct log *log, uint64_t mono_ns);
uint64_t log_deadline_ns(const struct log *log);

/* Engine time also passes while nothing is logged, and old runs become older. The owner says so
 * each turn, and again when it has come to log_alarm_ns() (UINT64_MAX: need not): housekeeping,
 * which waits for that time, is woken then. */
void log_pass_time(struct log *log, uint64_t now_ns);
uint64_t log_alarm_ns(const struct log *log);

/* Age of the oldest write in flight, the watermark's too, for the latency watchdog. 0: none. */
uint64_t log_write_age_ns(const struct log *log, uint64_t mono_ns);

/* Begins a clean stop: a last frame marked clean-stop is appended, and counts as durable when the
 * watermark says so too. Go on with log_flush() and io_step() until log_durable_seq() has reached
 * log_tail_seq(), then close. */
void log_stop(struct log *log, uint64_t now_ns);

/* Housekeeping, a step() machine for its own thread (or the simulator): makes zero-filled spare
 * segments, activates the next one ahead of need, watches free space. Returns true while there is
 * more to do; the caller sleeps until woken (wake_fn below) otherwise. Blocking I/O. */
bool log_spares_step(struct log *log);
uint64_t log_spares_rest_ns(const struct log *log, uint64_t took_ns); /* after such a step */

/* Called by the owner when housekeeping has work (from log_flush). */
void log_set_spares_wake(struct log *log, void (*wake)(void *context), void *context);

struct log_stats {
	uint64_t frames;
	uint64_t records;
	uint64_t bytes_written; /* frames with padding */
	uint64_t bytes_records; /* without */
	uint64_t inflight;
	struct histogram commit; /* a frame's write, from its start until it is stored */
};
void log_stats(const struct log *log, struct log_stats *ret_stats);

/* What lies on the disk. For the log's owner. */
struct log_storage {
	uint64_t segment_oldest;
	uint64_t segments; /* from there to the one being written */
	uint64_t log_bytes;
	uint64_t cold_files;
	uint64_t cold_bytes;
	uint64_t disk_total_bytes; /* at housekeeping's last look; 0: none yet */
	uint64_t disk_free_bytes;
	uint64_t scrub_faults; /* damage found while running */
	uint64_t scrub_bytes;
	uint64_t scrub_passes;
};
void log_storage(const struct log *log, struct log_storage *ret_storage);

/* What MANIFEST says of the store's files: what a start relies on, and so what may be deleted. Once
 * the log is started it is housekeeping's, one thread at a time. */
struct log_snapshot_ref {
	uint64_t number;    /* segments up to this one are in it; 0: there is none */
	struct lsn lsn;     /* where replay goes on: the beginning of the next segment */
	uint64_t frame_seq; /* the last frame that is in it */
};
struct log_manifest {
	uint64_t segment_oldest;              /* the first that lies in log/ */
	uint64_t cold; /* the newest cold file: it and those it names are valid; 0: none */
	uint64_t time_ns; /* engine time by which runs were past retention; never decreases */
	struct log_snapshot_ref snapshots[2]; /* the newest, and the one before it */
};
struct log_manifest log_manifest_read(const struct log *log);

/* Durable when it returns OK. After a failure what a start will find is not known: nothing that
 * depends on it may be done in this process, and it is not written again. */
enum froe_err log_manifest_write(struct log *log, const struct log_manifest *manifest,
    struct froe_fault *fault) FROE_CHECKED;

uint64_t log_segment_bytes(const struct log *log);

/* The segment that steps go to, and whether the next step may be the first of another one. */
uint64_t log_segment(const struct log *log);
bool log_segment_may_end(const struct log *log);

/* The newest segment of which every frame, its seal too, is durable; 0: none. Any thread. */
uint64_t log_sealed(const struct log *log);

/* ------------------------------------------------------------------------------------ reading */

/* An asynchronous read of one record through the loop, by its place, or, once its segment was
 * retired, by its run and number. Checks the record's own hash. A record that is not durable yet is
 * answered from memory, before log_read_start returns. FROE_NOT_FOUND: it is past retention. */
struct log_read_file;
struct log_read {
	struct io_op op;
	struct log *log;
	struct log_place place;
	uint64_t from; /* what is read of the file */
	uint64_t at;   /* where in it the record lies, or the extent that holds it */
	size_t size;
	bool cold;
	void (*done)(struct log_read *read, enum froe_err err, const struct log_record *record);
	void *buffer; /* owned while active; record's body points into it during `done` */
	size_t buffer_size;
	size_t have;
	unsigned tries;
	unsigned failures;
	struct log_read_file *file;
};
void log_read_start(struct log *log, struct log_read *read, struct log_place place,
    uint64_t run_key, uint32_t run_event_no,
    void (*done)(struct log_read *read, enum froe_err err, const struct log_record *record));

/* Scans a store offline, frame by frame, for dump and verify: calls `each` for all records from
 * `from` on (0: all). Needs no lock. Damage is reported as log_open would. */
enum froe_err log_scan(struct io_env *env, const char *dir, struct lsn from, log_replay_fn *each,
    void *context, struct log_report *report, struct froe_fault *fault) FROE_CHECKED;

#endif
