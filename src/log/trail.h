/*
 * log/trail: reads again all that the store still has of its runs, while the log is being written.
 *
 * Purpose     First the cold files, run by run; then the hot segments from the oldest on, frame by
 *             frame. Each run's records come in their order. What the index is made from, anew.
 * Ownership   owns its files and buffers.
 * Threading   its owner; the log may be written, and segments retired, meanwhile.
 * Failure     trail_step: FROE_CORRUPT (what lies there does not verify, or does not follow),
 *             FROE_NOT_FOUND (a frame that does not verify, or a file that was retired while it was
 *             being read: begin again), FROE_IO, or what `each` returned.
 */
#ifndef LOG_TRAIL_H
#define LOG_TRAIL_H

#include "log/log.h"

struct trail;

struct trail *trail_open(struct io_env *env, const char *dir, struct uuid store,
    struct froe_fault *fault); /* NULL: *fault is set */
void trail_close(struct trail *trail); /* NULL is allowed */

/* A run's cold records, or a frame. Up to a frame that is durable may be gone: trail_frame(). */
enum froe_err trail_step(
    struct trail *trail, log_replay_fn *each, void *context, struct froe_fault *fault) FROE_CHECKED;

/* Before the first step: what does not verify is passed over, up to the log's end. */
void trail_pass_damage(struct trail *trail);
/* So many places were; where the last one is. What is missing lay there. */
unsigned trail_damages(const struct trail *trail, struct lsn *ret_last);

/* Every byte of the cold files, also what no record shows. */
enum froe_err trail_check_cold(struct trail *trail, struct froe_fault *fault) FROE_CHECKED;

/* The last frame that was read; 0: still among the cold files. */
uint64_t trail_frame(const struct trail *trail);

#endif
