/*
 * One run by its id: a read transaction; the row is decoded, and its hash checked, where LMDB
 * mapped it, and lent to the callback.
 */
#include "index/ids_int.h"
#include "index/index_int.h"

static int
find_id(const struct index *index, MDB_txn *txn, struct uuid id, struct row_key *ret_key)
{
	MDB_cursor *ids;
	int code = mdb_cursor_open(txn, index->ids, &ids);
	if (code != 0)
		return code;
	code = ids_find(ids, id, ret_key);
	mdb_cursor_close(ids);
	return code;
}

static enum froe_err
find_in(struct index *index, MDB_txn *txn, struct uuid id, struct index_run *ret_run)
{
	MDB_val key, value;
	struct row_key row_key;
	int code = find_id(index, txn, id, &row_key);
	if (code == MDB_CORRUPTED)
		return index_damage(index, "damaged ids", NULL);
	if (code != 0)
		return index_fault(index, code, "find an id", NULL);
	key = (MDB_val){.mv_data = row_key.bytes, .mv_size = ROW_KEY_SIZE};
	code = mdb_get(txn, index->runs, &key, &value);
	if (code == MDB_NOTFOUND)
		return index_damage(index, "an id without a row", NULL);
	if (code != 0)
		return index_fault(index, code, "find a run", NULL);
	if (!row_decode(bytes_of(row_key.bytes, ROW_KEY_SIZE),
	        bytes_of(value.mv_data, value.mv_size), ret_run) ||
	    !uuid_equal(ret_run->id, id))
		return index_damage(index, "damaged row", NULL);
	return FROE_OK;
}

enum froe_err
index_find(struct index *index, struct uuid id,
    void (*each)(void *context, const struct index_run *run), void *context)
{
	struct index_run run;
	MDB_txn *txn;
	int code = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
	if (code != 0)
		return index_fault(index, code, "begin", NULL);
	enum froe_err err = find_in(index, txn, id, &run);
	if (err == FROE_OK)
		each(context, &run);
	mdb_txn_abort(txn);
	return err;
}
