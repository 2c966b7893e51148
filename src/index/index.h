/*
 * index/index: LMDB look-ups: a cache of the log that may be deleted at any time.
 *
 * Purpose     id -> run; (tenant, run number) newest first. Grows with lists and search.
 * Layout      see docs/decisions; the applied log position is stored in the same transaction as the rows,
 *             and the store's uuid with it: a foreign or newer index is deleted and rebuilt.
 * Ownership   copies what it is given. Rows handed to callbacks are valid during the call.
 * Threading   one thread (the index thread, or the simulator) makes every call.
 * Failure     a damaged index is FROE_CORRUPT: delete the directory and open again, then feed it the
 *             log from the start. A map that is full grows by itself.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct index;

/* One row a run. `places` is opaque to the index: where the run's records lie (12..24 bytes each). */
struct index_run {
	uint64_t number; /* the run's key: dense, ascending */
	uint32_t tenant;
	struct uuid id;
	uint8_t status;
	uint64_t created_ns;
	uint64_t finished_ns; /* 0: open */
	struct bytes workflow;
	struct bytes places; /* empty while open */
};

/* Opens `dir`, creating it. *ret_applied: the log position the index holds everything up to (frame
 * number), 0 when new. An index of another store is deleted first. */
enum froe_err index_open(const char *dir, struct uuid store, struct index **ret_index,
    uint64_t *ret_applied, struct froe_fault *fault) FROE_CHECKED;
void index_close(struct index *index);
enum froe_err index_delete(const char *dir, struct froe_fault *fault);

/* Collects changes; visible and durable with index_commit. The same run may be put again (opened,
 * then closed): the last one wins, in one row. */
void index_put(struct index *index, const struct index_run *run);
uint64_t index_pending(const struct index *index);

/* Writes all that is pending and `applied` in one synced transaction. */
enum froe_err index_commit(struct index *index, uint64_t applied, struct froe_fault *fault)
    FROE_CHECKED;

/* Look-ups see what is committed. False from `each` stops. */
enum froe_err index_find(struct index *index, struct uuid id,
    void (*each)(void *context, const struct index_run *run), void *context);
enum froe_err index_list(struct index *index, uint32_t tenant, uint64_t before /* 0: newest */,
    bool (*each)(void *context, const struct index_run *run), void *context);

#endif
