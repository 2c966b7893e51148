/*
 * log/recovery: reads a log from its beginning, replays it, and judges where it ends.
 *
 * Purpose     Changes nothing. recovery_run() verifies and replays, and finds the end X of what is
 *             valid; when the tail is to be cut, cut_tail() (log/cut_int.h) does that.
 * Ownership   owns its list of segments and its reader; paths and report are borrowed.
 * Failure     recovery_run: FROE_CORRUPT with the place and runs in *report too; whatever the
 *             replay function returned; FROE_INCOMPATIBLE; FROE_IO.
 * See         docs/log-format.md, section 6
 */
#ifndef LOG_RECOVERY_INT_H
#define LOG_RECOVERY_INT_H

#include "log/chain_int.h"
#include "log/decision_int.h"
#include "log/reader_int.h"

/* A frame that is good and the next one, of the segment with this header. Whole blocks. */
typedef enum froe_err recovery_frame_fn(void *context, const struct seg_header *segment,
    const struct log_frame_header *header, const uint8_t *frame, struct froe_fault *fault);

struct recovery_options {
	uint64_t segment_oldest;
	uint64_t segment_bytes;
	uint64_t watermark_seq;
	uint64_t watermark_segment; /* segments from here on may hold unsynced writes */
	struct log_base base;       /* where reading begins; number 0: at the oldest segment */
	struct lsn from;            /* records before it are verified, not replayed */
	bool read_only;
	bool accept_tail_loss;
	log_replay_fn *replay;
	recovery_frame_fn *frame; /* NULL, or called after a frame's records were replayed */
	void *context;
};

struct recovery {
	struct io_env *env;
	const struct paths *paths;
	struct recovery_options options;
	struct log_report *report;
	uint64_t *segments; /* ascending, dense */
	size_t segment_count;
	size_t segment_capacity;
	size_t at; /* index of the segment that holds X */
	struct reader reader;
	struct chain chain;
	uint64_t evidence;
	uint64_t last_runs[16]; /* of the last good frame */
	unsigned last_run_count;
	uint64_t end; /* X: offset in segments[at] */
	const struct decision *decision;
};

void recovery_init(struct recovery *recovery, struct io_env *env, const struct paths *paths,
    struct uuid store, const struct recovery_options *options, struct log_report *report);
void recovery_release(struct recovery *recovery);

enum froe_err recovery_run(struct recovery *recovery, struct froe_fault *fault);

#endif
