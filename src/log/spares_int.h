/*
 * log/spares: segments made ahead of need.
 *
 * Purpose     A step machine that keeps `wanted` zero-filled files and one activated segment ready,
 *             so that the writer goes on to a new segment by taking a pointer.
 * Ownership   owns the ring of activated segments and what is in it; spares_take() hands one over.
 * Threading   spares_step(): one thread (housekeeping). spares_take(), spares_ready(),
 *             spares_short_of_space(), spares_broken(): the log's owner. They meet in a ring and in
 *             flags that only ever tell "look again".
 * Failure     No space is a state that ends by itself (spares_stuck); any other failure is final.
 * See         docs/log-format.md, section 1; log/log.h, enum log_space
 */
#ifndef LOG_SPARES_INT_H
#define LOG_SPARES_INT_H

#include "base/ring.h"
#include "log/paths_int.h"
#include "log/segment_int.h"

#include <stdatomic.h>

#define SPARES_MAX 16u

enum spares_state {
	SPARES_PLAN,
	SPARES_ZERO,
	SPARES_FINISH,
};

struct spares {
	struct io_env *env;
	const struct paths *paths;
	struct uuid store;
	uint64_t segment_bytes;
	unsigned wanted;
	/* housekeeping's own */
	enum spares_state state;
	bool present[SPARES_MAX];
	uint64_t next_no; /* the segment to activate next */
	int file;         /* the spare in the making, or -1 */
	uint64_t zeroed;
	uint8_t *zeros;
	/* shared */
	struct ring ready;
	_Atomic uint64_t disk_total; /* at the last look */
	_Atomic uint64_t disk_free;
	atomic_bool scarce; /* free space is below the soft limit */
	atomic_bool stuck;  /* the last spare could not be made for lack of space */
	atomic_bool broken; /* fault is set, and stays */
	struct froe_fault fault;
};

struct spares_options {
	const struct paths *paths;
	struct uuid store;
	uint64_t segment_bytes;
	unsigned wanted;
	uint64_t next_no;
};

void spares_init(struct spares *spares, struct io_env *env, const struct spares_options *options);
void spares_release(struct spares *spares);

/* Removes what a crash left half made, and counts what is whole. */
enum froe_err spares_find(struct spares *spares, struct froe_fault *fault);

/* One piece of blocking work. False: there is nothing to do, or nothing can be done now. */
bool spares_step(struct spares *spares);

/* How long to rest after a step with work in it, so that the disk is free for others: not at all
 * when the writer may soon have to wait. */
uint64_t spares_rest_ns(const struct spares *spares, uint64_t took_ns);

/* Steps until a segment is ready; FROE_NO_SPACE if there is no room for one. */
enum froe_err spares_require(struct spares *spares, struct froe_fault *fault);

/* A segment that exists already and is empty: the next ones to use, in order. */
void spares_adopt(struct spares *spares, struct segment *segment);

unsigned spares_ready(const struct spares *spares);
struct segment *spares_take(struct spares *spares); /* NULL: none is ready */

void spares_space(const struct spares *spares, uint64_t *ret_total, uint64_t *ret_free);

static inline bool
spares_scarce(const struct spares *spares)
{
	return atomic_load_explicit(&spares->scarce, memory_order_relaxed);
}

static inline bool
spares_stuck(const struct spares *spares)
{
	return atomic_load_explicit(&spares->stuck, memory_order_relaxed);
}

bool spares_broken(const struct spares *spares, struct froe_fault *ret_fault);

struct segment *segment_open(struct io_env *env, const struct paths *paths,
    const struct seg_header *header, struct froe_fault *fault); /* NULL: *fault is set */
void segment_close(struct io_env *env, struct segment *segment);

#endif
