/*
 * log/walk: reads the sealed part of a log that is being written, frame by frame, from a base on.
 *
 * Purpose     What a snapshot is made from: the records after the one before it. The chain is
 *             checked as recovery checks it. Nothing is decided about an end: where no frame
 *             verifies, there is none yet, or the log is damaged; its caller knows which segments
 *             are sealed.
 *             Who wants what can be read of a damaged log goes on behind the damage: walk_pass().
 * Ownership   owns its file and buffer.
 * Threading   its owner; the log may be written meanwhile, by another thread.
 * Failure     walk_step: FROE_NOT_FOUND (no frame that verifies lies here), FROE_CORRUPT (a frame
 *             verifies and does not follow), FROE_IO, or what `each` returned.
 */
#ifndef LOG_WALK_H
#define LOG_WALK_H

#include "log/snapshot.h"

struct walk;

struct walk *walk_open(struct io_env *env, const char *dir, struct uuid store,
    const struct log_base *base, struct froe_fault *fault); /* NULL: *fault is set */
/* From a segment's beginning; its first frame is taken as it is. */
struct walk *walk_open_at(struct io_env *env, const char *dir, struct uuid store,
    uint64_t segment_no, struct froe_fault *fault);
void walk_close(struct walk *walk);

/* One frame. After a segment's seal: at the beginning of the next one. */
enum froe_err walk_step(
    struct walk *walk, log_replay_fn *each, void *context, struct froe_fault *fault) FROE_CHECKED;

/* After a step that failed: the next ones look, a piece at a time, for a newer frame that verifies,
 * in this segment, then in the next one; `each` gets nothing meanwhile. It is taken as it is. Where
 * the walk was is returned. */
struct lsn walk_pass(struct walk *walk);
bool walk_lost(const struct walk *walk); /* it looks for one */

uint64_t walk_frame(const struct walk *walk); /* the last one that was read; 0: none */

/* False: in the middle of a segment. */
bool walk_base(const struct walk *walk, struct log_base *ret_base);

#endif
