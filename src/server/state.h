/*
 * server/state: an engine and the places of its runs' records, from a snapshot and from the log.
 *
 * Purpose     What recovery, the maker of snapshots and `froe log verify` have in common: it takes
 *             a snapshot's records (state_loader), applies the log's, and saves itself as a
 *             snapshot's records.
 * Ownership   owns engine and resolver until state_release, or until they are taken out of it.
 * Threading   its owner only.
 * Failure     FROE_CORRUPT: records that do not fit, or a loaded state with another hash than its
 *             snapshot says.
 */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include "base/arena.h"
#include "engine/save.h"
#include "log/resolver.h"
#include "log/snapshot.h"

#include <stdatomic.h>

/* The places of a run's records: the one object that is not the engine's. */
#define STATE_PLACES_TYPE ENG_OBJECT_LAST

struct state {
	struct eng *eng;
	struct resolver *resolver;
	struct eng_load *load; /* while a snapshot is read */
	uint64_t load_run;     /* the newest: how many places of it are still to come */
	uint32_t load_missing;
	size_t cache_bytes;
	struct hash_seed seed; /* eng_seed */
	bool hurry; /* a large state's hash is left to whoever makes the next snapshot of it */
	struct arena arena; /* of one record */
};

void state_init(struct state *state, struct io_env *env, size_t cache_bytes);
void state_release(struct state *state);

extern const struct log_loader state_loader; /* its context is a struct state */

/* A record of the log. ret_event->type 0: one that may be skipped, and was; else it is valid until
 * the next call. `before`: what the run was, if it was open; may be NULL. */
enum froe_err state_apply(struct state *state, const struct log_record *record,
    struct eng_event *ret_event, struct eng_run_info *before,
    struct froe_fault *fault) FROE_CHECKED;

/* Encodes the places of the run's records from + 1 to from + count. */
void state_places_put(struct resolver *resolver, uint64_t run, uint32_t from,
    uint32_t count, struct buf *to);

/* Everything, as records of the snapshot. Once *stop is set (NULL: never) it ends with
 * FROE_UNAVAILABLE. */
enum froe_err state_save(const struct state *state, struct snapshot_writer *writer,
    const atomic_bool *stop, struct froe_fault *fault) FROE_CHECKED;

#endif
