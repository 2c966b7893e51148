/*
 * index/index: the runs, found by id and by what they are: a cache of the log that may be deleted
 * at any time.
 *
 * Purpose     id -> run; a tenant's runs newest first, by any combination of workflow, status,
 *             parent, metadata, worker and time of creation; and its events in the same way.
 * Layout      index/row_int.h, index/post_int.h; docs/decisions/0009-index-postings.md. The applied
 *             log position is stored in the same transaction as the rows, and the store's uuid with
 *             it: an index of another store or of another format is deleted and begun anew.
 * Ownership   copies what it is given. Rows handed to callbacks are valid during the call.
 * Threading   one thread (the index thread, or the simulator) makes every call. A callback must not
 *             call into the index.
 * Invariants  1. rows and `applied` are of one commit. 2. a row is never returned that is not,
 *             bit for bit, what was put: each carries a hash of its key and itself. 3. a run is in
 *             a posting list if and only if its row says so (index_check).
 * Failure     a damaged index is FROE_CORRUPT: close it, index_delete(), open again, then feed it
 *             the log from the start. Damage that LMDB itself trips over ends the process with
 *             FROE_EXIT_INDEX after leaving the file BAD in the directory; the next index_open()
 *             sees that and begins anew. Every page of a small file is checked before LMDB maps
 *             it; of a large one (index.c) not at each open: rot in it may hide runs until
 *             something trips over it. While open, the directory holds the file UNCLEAN; if it is
 *             there at open, the process died. If that was since the machine started, the file is
 *             as LMDB left it, because what was written is in the kernel's memory; else, and when
 *             it has happened several times in a row without much being written meanwhile, every
 *             page of a large file is checked too: so no damage can kill for ever, and a start
 *             after kill -9 does not read all there is. After a failed commit what was pending
 *             still is: the same commit may be tried again, unless it is FROE_CORRUPT. A map that
 *             is full grows by itself.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct index;

/* A run keeps the names of so many of the workers that had it; it is not found by the others. */
#define INDEX_WORKERS_MAX 16u
#define INDEX_METADATA_MAX 64u /* pairs */

/* Events that were pushed lie beside a tenant's runs, as rows of a tenant of their own: its number
 * with this bit. Their numbers are of another row of numbers. */
#define INDEX_EVENTS (UINT32_C(1) << 31)

/* One row a run, or an event, whose `workflow` is its key. Metadata and workers are spans of texts
 * (index/texts.h). `places` is opaque to the index: where the run's records lie. */
struct index_run {
	uint64_t number; /* the run's key: dense, ascending with created_ns, from 1 */
	uint32_t tenant;
	uint32_t seq;    /* > 0: of the run's newest event that this tells of */
	struct uuid id;
	struct uuid parent; /* the run that started it; nil: none */
	uint8_t status;
	uint64_t created_ns;
	uint64_t finished_ns; /* 0: open */
	struct bytes workflow; /* at most 65535 bytes */
	struct bytes metadata; /* key, value, key, value, ... */
	struct bytes workers;  /* those that have had a task of it */
	struct bytes places;   /* empty while open */
};

/* Opens `dir`, creating it (not its parents). *ret_applied: the log position the index holds
 * everything up to (frame number), 0 when new or not complete. An index of another store is deleted
 * first. */
enum froe_err index_open(const char *dir, struct uuid store, struct index **ret_index,
    uint64_t *ret_applied, struct froe_fault *fault) FROE_CHECKED;
void index_close(struct index *index); /* what is pending is dropped */
enum froe_err index_delete(const char *dir, struct froe_fault *fault) FROE_CHECKED;

/* Its directory was deleted while it was open: what is written goes nowhere. */
bool index_gone(const struct index *index);

/* Collects changes; visible and durable with index_commit. The same run may be put again (opened,
 * closed, opened again), with the same id: the one with the highest seq stays, of equal ones the
 * last; the workers of all of them stay. So what is older may be put behind what is newer. */
void index_put(struct index *index, const struct index_run *run);
/* The same, of a run that is lent: it and its bytes stay until a commit has succeeded, or
 * index_close. */
void index_put_lent(struct index *index, const struct index_run *run);
/* The end of a run that was put: its seq, status, finished_ns and places; unless it is newer. */
void index_end(struct index *index, const struct index_run *run);
/* One record more of a run that has ended, the one after all that its row tells of: seq, and its
 * place. Of another one, or of a run without such a row, nothing happens. */
void index_extend(struct index *index, const struct index_run *run);
void index_extend_lent(struct index *index, const struct index_run *run);
/* A worker got a task of the run, which is put before or after. */
void index_touch(struct index *index, uint32_t tenant, uint64_t number, struct bytes worker);
/* The same, lent: tenant, number, and workers as a span of texts. */
void index_touch_lent(struct index *index, const struct index_run *run);
/* The run is no longer known. */
void index_drop(struct index *index, uint32_t tenant, uint64_t number);
/* index_drop for runs that were closed before a time, among the next `rows` rows of a sweep, which
 * begins with {0, 0}. FROE_NOT_FOUND: it is over. */
struct index_sweep {
	uint32_t tenant;
	uint64_t number;
};
enum froe_err index_expire(struct index *index, uint64_t before_ns, uint32_t rows,
    struct index_sweep *at) FROE_CHECKED;
uint64_t index_pending(const struct index *index); /* calls of these since the last commit */

/* Writes all that is pending and `applied` (which never decreases) in one synced transaction. An
 * index that is not `complete` lacks rows of frames below `applied`: opened again, it says 0. */
enum froe_err index_commit(struct index *index, uint64_t applied, bool complete,
    struct froe_fault *fault) FROE_CHECKED;

/* Look-ups see what is committed. FROE_NOT_FOUND: no such id. */
enum froe_err index_find(struct index *index, struct uuid id,
    void (*each)(void *context, const struct index_run *run), void *context) FROE_CHECKED;

/* ---------------------------------------------------------------------------------------- lists */

struct openset;

/* Every member that is set must fit; of statuses and kinds together, one. */
struct index_filter {
	uint32_t tenant;
	uint64_t before;   /* runs with a smaller number; 0: from the newest */
	uint64_t since_ns; /* created at or after; 0: no bound */
	uint64_t until_ns; /* created before; 0: no bound */
	uint32_t statuses; /* closed runs: bits 1 << status */
	uint32_t kinds;    /* open runs: kinds of the openset */
	uint32_t marks;    /* and in one of these kinds besides; 0: no matter */
	const struct openset *open; /* with kinds or marks */
	struct bytes workflow; /* empty: all */
	struct uuid parent;    /* nil: all */
	struct bytes metadata; /* pairs, all of which must be there; at most INDEX_METADATA_MAX */
	struct bytes worker;   /* empty: all */
};

/* Runs newest first, until `each` returns false. *ret_next: `before` of the next page; 0: that were
 * all. A page may end early, before `each` has said so, when it took much looking: then *ret_next
 * is not 0. */
enum froe_err index_list(struct index *index, const struct index_filter *filter,
    bool (*each)(void *context, const struct index_run *run), void *context, uint64_t *ret_next)
    FROE_CHECKED;

/* Invariant 3, over everything; slow, for tests. */
void index_check(struct index *index);

#endif
