/*
 * log/log_int: an open log, as the files that open, write and read it see it.
 *
 * Invariants  (log_check)
 *             1. frames[head .. head + count) are in order of their numbers, which are dense.
 *             2. only the last of them may be BUILDING, and is `building` then; WRITING and DONE
 *                ones come first.
 *             3. at most inflight_max are WRITING or DONE.
 *             4. at most one of them uses the large buffer.
 *             5. the chain ends with the newest sealed frame.
 */
#ifndef LOG_LOG_INT_H
#define LOG_LOG_INT_H

#include "base/list.h"
#include "base/map.h"
#include "base/sm.h"
#include "log/chain_int.h"
#include "log/shelf_int.h"
#include "log/slots_int.h"
#include "log/spares_int.h"
#include "log/store_int.h"

#include <pthread.h>

/* Four in flight, one waiting behind them, and the two that a step may begin: a seal and its own.
 * 7 MiB of buffers stay below the 8 MiB that an ordinary user may lock. */
#define LOG_FRAMES (LOG_INFLIGHT_MAX + 3u)

enum log_state {
	LOG_OPENED,  /* recovered; not bound to a loop */
	LOG_RUNNING,
	LOG_STOPPED, /* the clean stop's frame is appended: nothing else is */
	LOG_FAILED,  /* a write failed: nothing becomes durable any more */
};

enum log_frame_state {
	LOG_FRAME_FREE,
	LOG_FRAME_BUILDING, /* takes records */
	LOG_FRAME_SEALED,   /* waits to be written */
	LOG_FRAME_WRITING,
	LOG_FRAME_DONE, /* durable, as soon as all before it are */
};

struct log_frame {
	struct io_op op;
	struct log *log;
	enum log_frame_state state;
	uint8_t *memory;   /* this frame's own buffer */
	uint8_t *bytes;    /* memory, or the log's large buffer */
	size_t capacity;   /* of records and control block */
	size_t used;
	uint32_t records;
	struct log_frame_header header;
	struct segment *segment;
	uint64_t offset;   /* in the segment */
	size_t size;       /* when sealed: in whole blocks */
	size_t written;
	unsigned tries;    /* in a row that stored nothing */
	uint64_t began_ns; /* boot-time clock, when its write began */
};

struct log {
	struct io_env *env;
	struct io *io;
	_Atomic(struct io *) wake_io; /* the same, for housekeeping */
	struct log_options options;
	struct paths paths;
	struct store store;
	int lock;
	enum log_state state;
	struct slots manifest;
	bool manifest_failed;
	_Atomic uint64_t sealed_no; /* the newest segment that is sealed, durably */
	struct slots watermark;
	struct shelf shelf;
	struct lsn opened_end;    /* where this process went on */
	_Atomic uint64_t time_ns; /* engine time at the owner's last turn; at first, last_time_ns */
	_Atomic uint64_t alarm_ns; /* engine time to wake housekeeping at; UINT64_MAX: none */
	pthread_mutex_t reopened_lock;
	struct {
		_Atomic uint64_t faults;
		_Atomic uint64_t bytes;
		_Atomic uint64_t passes;
	} scrub;
	struct list read_files; /* log/read.c */
	unsigned read_file_count;
	struct map reopened; /* run key -> records that reopen it, of the segments in log/ */
	bool reopened_ignored; /* retention is off: nobody asks */
	struct spares spares;
	struct segment *segment; /* the one frames go to */
	uint64_t offset;         /* where the next frame goes */
	struct chain chain;
	uint64_t epoch;
	size_t step_bytes;     /* what an ordinary frame takes, and the largest step */
	size_t step_bytes_max;
	uint64_t end_bytes;    /* a frame that is full, and the largest step behind it */
	struct log_frame frames[LOG_FRAMES];
	struct log_frame *building; /* the newest, while it takes records; else NULL */
	unsigned head;
	unsigned count;
	unsigned inflight;
	uint8_t *memory;
	size_t memory_bytes;
	uint8_t *large;
	size_t large_bytes;
	uint64_t durable_seq;
	struct lsn durable_lsn;
	struct io_op watermark_op;
	uint8_t *watermark_block;
	uint64_t watermark_offset;
	uint64_t watermark_seq;  /* what it says */
	uint64_t watermark_next; /* what the one in flight is to say */
	unsigned watermark_tries;
	uint64_t watermark_ns; /* boot-time clock of the last one's start */
	bool stop_waits;       /* a clean stop's frame is to be appended */
	uint64_t stop_ns;
	struct froe_fault fault;
	struct log_stats stats;
	void (*wake)(void *context);
	void *wake_context;
};

/* write.c */
void log_write_init(struct log *log);
void log_write_release(struct log *log);
bool log_check(const struct log *log);
/* The frame that holds this place and is not yet durable, or NULL. */
const struct log_frame *log_frame_holding(const struct log *log, struct log_place place);

/* read.c */
void log_read_init(struct log *log);
void log_read_release(struct log *log);
/* The owner takes a new set, if there is one. */
void log_read_turn(struct log *log);

/* For retention. Engine time is not durable by itself: what is decided by it is kept in MANIFEST
 * with the decision, and a start goes on from there. */
uint64_t log_time_ns(const struct log *log);
/* Wakes housekeeping when engine time has come there, instead of any other time. Not the owner. */
void log_set_alarm(struct log *log, uint64_t at_ns);
void log_note_reopened(struct log *log, uint64_t run_key);
/* So many of its records that do so lie in a segment that was retired. */
void log_forget_reopened(struct log *log, uint64_t run_key, uint32_t records);
bool log_was_reopened(struct log *log, uint64_t run_key);
void log_ignore_reopened(struct log *log);
void log_wake(struct log *log);

#endif
