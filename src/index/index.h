/*
 * index/index: LMDB look-ups: a cache of the log that may be deleted at any time.
 *
 * Purpose     id -> run; (tenant, run number) newest first. Grows with lists and search.
 * Layout      index/row_int.h; the applied log position is stored in the same transaction as the
 *             rows, and the store's uuid with it: an index of another store or of another format
 *             is deleted and begun anew.
 * Ownership   copies what it is given. Rows handed to callbacks are valid during the call.
 * Threading   one thread (the index thread, or the simulator) makes every call. A callback must not
 *             call into the index.
 * Invariants  1. rows and `applied` are of one commit. 2. a row is never returned that is not,
 *             bit for bit, what was put: each carries a hash of its key and itself.
 * Failure     a damaged index is FROE_CORRUPT: close it, index_delete(), open again, then feed it
 *             the log from the start. Damage that LMDB itself trips over ends the process with
 *             FROE_EXIT_INDEX after leaving the file BAD in the directory; the next index_open()
 *             sees that and begins anew. While open, the directory holds the file UNCLEAN; if it
 *             is there at open, the process died, and every page is checked before LMDB maps it:
 *             so no damage can kill twice. After a failed commit what was pending still is: the
 *             same commit may be tried again, unless it is FROE_CORRUPT. A map that is full grows
 *             by itself.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct index;

/* One row a run. `places` is opaque to the index: where the run's records lie (12..24 bytes
 * each). */
struct index_run {
	uint64_t number; /* the run's key: dense, ascending, from 1 */
	uint32_t tenant;
	struct uuid id;
	uint8_t status;
	uint64_t created_ns;
	uint64_t finished_ns; /* 0: open */
	struct bytes workflow; /* at most 65535 bytes */
	struct bytes places; /* empty while open */
};

/* Opens `dir`, creating it (not its parents). *ret_applied: the log position the index holds
 * everything up to (frame number), 0 when new. An index of another store is deleted first. */
enum froe_err index_open(const char *dir, struct uuid store, struct index **ret_index,
    uint64_t *ret_applied, struct froe_fault *fault) FROE_CHECKED;
void index_close(struct index *index); /* what is pending is dropped */
enum froe_err index_delete(const char *dir, struct froe_fault *fault) FROE_CHECKED;

/* Collects changes; visible and durable with index_commit. The same run may be put again (opened,
 * then closed), with the same id: the last one wins, in one row. */
void index_put(struct index *index, const struct index_run *run);
uint64_t index_pending(const struct index *index); /* puts since the last commit */

/* Writes all that is pending and `applied` (which never decreases) in one synced transaction. */
enum froe_err index_commit(struct index *index, uint64_t applied, struct froe_fault *fault)
    FROE_CHECKED;

/* Look-ups see what is committed. FROE_NOT_FOUND: no such id. */
enum froe_err index_find(struct index *index, struct uuid id,
    void (*each)(void *context, const struct index_run *run), void *context) FROE_CHECKED;

/* Runs of a tenant with a number below `before` (0: from the newest), newest first, until `each`
 * returns false. */
enum froe_err index_list(struct index *index, uint32_t tenant, uint64_t before,
    bool (*each)(void *context, const struct index_run *run), void *context) FROE_CHECKED;

#endif
