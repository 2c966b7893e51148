/*
 * log/shelf: the cold files of an open log, and which segments and files are valid.
 *
 * Purpose     The log's owner looks records up in a set that never changes; housekeeping makes a
 *             new set and hands it over, and may remove files once the old set has come back.
 * Ownership   the owner holds `current`; `next` and `old` are hand-overs, at most one of each at a
 *             time. Files in a set belong to the shelf: housekeeping frees one after the last set
 *             that has it came back, shelf_release() frees the rest.
 * Threading   shelf_take(): the log's owner. shelf_publish(), shelf_reclaim(): housekeeping. They
 *             meet in two atomic pointers; nobody waits.
 */
#ifndef LOG_SHELF_INT_H
#define LOG_SHELF_INT_H

#include "log/cold_int.h"

#include <stdatomic.h>

struct shelf {
	struct cold_set *current;
	_Atomic(struct cold_set *) next;
	_Atomic(struct cold_set *) old;
};

struct cold_set *cold_set_new(uint64_t segment_oldest, uint64_t expired_ns,
    const struct cold_file *const *files, size_t count);

/* Reads the file with this number and those it names; 0: none. */
enum froe_err shelf_open(struct shelf *shelf, struct io_env *env, const struct paths *paths,
    struct uuid store, uint64_t newest, uint64_t segment_oldest, struct froe_fault *fault);
void shelf_release(struct shelf *shelf);

/* Removes what is in cold/ and not on the shelf. */
enum froe_err shelf_clean(const struct shelf *shelf, struct io_env *env,
    const struct paths *paths, struct froe_fault *fault);

void shelf_publish(struct shelf *shelf, struct cold_set *set); /* asserts: no hand-over is open */
struct cold_set *shelf_reclaim(struct shelf *shelf); /* NULL: not back yet */
bool shelf_take(struct shelf *shelf);                /* true: there is a new set */

#endif
