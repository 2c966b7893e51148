/*
 * log/snapshot: files that hold the state at a segment's end, so that replay begins there.
 *
 * Purpose     A sequence of records, whatever they mean, in frames like a segment's, closed by a
 *             seal that counts them and holds the state's hash. A snapshot has the number of the
 *             last segment that is in it. It is made as a .tmp and gets its name when it is whole
 *             and durable; nothing is ever changed in it.
 * Ownership   the writer owns its file and buffer until finished or discarded.
 * Threading   the writer's owner; readers are independent.
 * Failure     reading: FROE_NOT_FOUND (no such file), FROE_CORRUPT (it does not verify),
 *             FROE_INCOMPATIBLE, FROE_IO, or what the loader returned. Writing: FROE_NO_SPACE,
 *             FROE_IO, FROE_TOO_LARGE (a record that no frame holds).
 * See         docs/log-format.md, section 8; docs/decisions/0007-snapshots-by-replay.md
 */
#ifndef LOG_SNAPSHOT_H
#define LOG_SNAPSHOT_H

#include "log/log.h"

/* The end of a segment, and what the first frame of the next one must be to follow it. */
struct log_base {
	uint64_t number; /* the segment; 0: the beginning of the log */
	uint64_t frame_seq;
	uint64_t frame_hash; /* of its seal's header */
	uint64_t event_next;
	uint64_t epoch;
	uint64_t time_ns;
	uint64_t segment_frames;
};

/* Where replay goes on. */
static inline struct lsn
log_base_lsn(const struct log_base *base)
{
	return (struct lsn){(base->number + 1) << 32 | 2 * LOG_BLOCK_BYTES};
}

/* The type of a snapshot's first record. The others are its user's: of the log, or 16384..16639. */
#define SNAPSHOT_BASE_TYPE 16640u

struct snapshot_writer;

/* Makes ckpt/ if need be, and begins <number>.snap.tmp; one that is there is begun again. */
enum froe_err snapshot_create(struct io_env *env, const char *dir, struct uuid store,
    const struct log_base *base, struct snapshot_writer **ret_writer,
    struct froe_fault *fault) FROE_CHECKED;

/* The body is copied. After a failure only discard is left. */
enum froe_err snapshot_put(struct snapshot_writer *writer, const struct log_entry *entry,
    struct froe_fault *fault) FROE_CHECKED;

/* Seals, syncs, gives the file its name, syncs the directory; frees the writer, also on failure.
 */
enum froe_err snapshot_finish(struct snapshot_writer *writer, uint64_t state_hash,
    uint64_t *ret_bytes, struct froe_fault *fault) FROE_CHECKED;
void snapshot_discard(struct snapshot_writer *writer); /* removes the .tmp */

/* Who takes what is read. A call that fails ends the reading; begin() may come again, for another
 * snapshot, and what came before it is to be forgotten. */
struct log_loader {
	/* `whole`: if this one is refused, an older one is tried, or the whole log is replayed.
	 * base->number 0: the log is replayed from its beginning, nothing is loaded. */
	enum froe_err (*begin)(
	    void *context, const struct log_base *base, bool whole, struct froe_fault *fault);
	log_replay_fn *record;
	enum froe_err (*end)(void *context, uint64_t state_hash, struct froe_fault *fault);
};

/* Verifies and reads; the loader may be NULL; `whole` is for it. */
enum froe_err snapshot_read(struct io_env *env, const char *dir, struct uuid store, uint64_t number,
    const struct log_loader *loader, void *context, bool whole, struct log_base *ret_base,
    struct froe_fault *fault) FROE_CHECKED;

/* Deletes it; there need be none. FROE_IN_USE: a backup is under way, which may want it. */
enum froe_err snapshot_remove(
    struct io_env *env, const char *dir, uint64_t number, struct froe_fault *fault) FROE_CHECKED;

/* Moves one that does not verify to quarantine/: what does not parse is not deleted. */
enum froe_err snapshot_quarantine(
    struct io_env *env, const char *dir, uint64_t number, struct froe_fault *fault) FROE_CHECKED;

/* Numbers of the snapshots that are there, in no order. No directory: none. */
enum froe_err snapshot_list(struct io_env *env, const char *dir,
    void (*each)(void *context, uint64_t number), void *context,
    struct froe_fault *fault) FROE_CHECKED;

/* Deletes what a crash left unfinished. */
enum froe_err snapshot_clean(
    struct io_env *env, const char *dir, struct froe_fault *fault) FROE_CHECKED;

#endif
