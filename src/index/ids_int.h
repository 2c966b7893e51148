/*
 * index/ids: the table of ids: which run has an id.
 *
 * Purpose     A run's id -> its key in runs. Ids lie in leaves of up to IDS_MAX, ascending: a batch
 *             of new runs, whose ids are mostly behind all others, brings an entry for each leaf,
 *             not for each run.
 * Layout      key: what no id of the leaf is below, and all of the leaves before it are.
 *             value: [0,8) hash of the key and what follows; then of each id [0,16) the id, [16,28)
 *             its run's key.
 * Failure     ids_decode() is false for bytes that ids_encode() did not write; others return LMDB's
 *             codes.
 */
#ifndef INDEX_IDS_INT_H
#define INDEX_IDS_INT_H

#include "index/row_int.h"

#include <lmdb.h>

/* Four leaves fit a page of LMDB. */
#define IDS_MAX 35u
#define IDS_HEAD_SIZE 8u
#define IDS_ENTRY_SIZE (ROW_ID_SIZE + ROW_KEY_SIZE)
#define IDS_VALUE_SIZE_MAX (IDS_HEAD_SIZE + IDS_MAX * IDS_ENTRY_SIZE)

struct places;

/* Entries as in the value. Returns the value's size. */
size_t ids_encode(
    struct uuid key, const uint8_t *entries, uint32_t count, uint8_t to[IDS_VALUE_SIZE_MAX]);
bool ids_decode(struct bytes key, struct bytes value, uint32_t *ret_count);

/* MDB_NOTFOUND: no run has it. */
int ids_find(MDB_cursor *cursor, struct uuid id, struct row_key *ret_key);

/* Writes what a batch changes, sorted; `had` and `now` are room. */
int ids_write(MDB_cursor *cursor, const struct places *places, struct buf *had, struct buf *now);

#endif
