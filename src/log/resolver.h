/*
 * log/resolver: where a run's records lie, and the recent ones' bytes.
 *
 * Purpose     The one map from a stable reference (run, record number) to a place in the log, and a
 *             cache of the newest records' bodies. State and the wire hold references only, so
 *             compaction will change this file and nothing else.
 * Ownership   owns its tables and the cache ring. Bytes returned by resolver_record() are borrowed
 *             until the next resolver_add().
 * Threading   the log's owner only.
 * Invariants  1. a run's places are dense: record n is the nth. 2. cached bytes are those of the
 *             newest cache_bytes of records, or of fewer if they are many small ones; older ones
 *             must be read (log_read_start).
 */
#ifndef LOG_RESOLVER_H
#define LOG_RESOLVER_H

#include "base/prefault.h"
#include "log/log.h"

struct resolver;

struct resolver *resolver_open(size_t cache_bytes); /* 0: nothing is cached */
void resolver_close(struct resolver *resolver);
/* Memory for what it grows to is made present ahead, by another thread. */
void resolver_prefault(struct resolver *resolver, struct prefault *prefault);

/* Records of one run that were appended or replayed, the run's next ones in order: a new run that
 * gets several at once is looked up and given its memory once. */
void resolver_add(struct resolver *resolver, const struct log_entry *entries,
    const struct log_place *places, uint32_t count);

/* The same of a record that comes behind its run's end: unless the run has been forgotten. */
void resolver_add_late(struct resolver *resolver, const struct log_entry *entry,
    const struct log_place *place);

/* More places of a run; nothing of them is cached. */
void resolver_load(struct resolver *resolver, uint64_t run_key, const struct log_place *places,
    uint32_t count);

/* Room for so many runs. */
void resolver_reserve(struct resolver *resolver, uint64_t runs);
/* For a record that will be added soon. */
void resolver_prefetch(const struct resolver *resolver, uint64_t run_key);

/* The same of many runs, one after the other, each new or the one before. False: a run came
 * twice. */
void resolver_load_next(struct resolver *resolver, uint64_t run_key,
    const struct log_place *places, uint32_t count);
bool resolver_load_end(struct resolver *resolver) FROE_CHECKED;

/* False: the run or the record is unknown here. */
bool resolver_place(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct log_place *ret_place);

/* A record as its header and body say, if its bytes are still in memory. */
struct resolver_record {
	uint16_t type;
	uint64_t time_ns;
	struct bytes body;
};
bool resolver_record(struct resolver *resolver, uint64_t run_key, uint32_t run_event_no,
    struct resolver_record *ret_record);

/* How many records of the run are known; 0: it is not. */
uint32_t resolver_count(struct resolver *resolver, uint64_t run_key);
/* Places of records from + 1 to from + count, which are known. */
void resolver_places(struct resolver *resolver, uint64_t run_key, uint32_t from,
    uint32_t count, struct log_place *to);

/* Forgets a run (the index has its places now). */
void resolver_forget(struct resolver *resolver, uint64_t run_key);

size_t resolver_runs(const struct resolver *resolver);

#endif
