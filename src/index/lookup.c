/*
 * Look-ups: a read transaction each; rows are decoded, and their hashes checked, where LMDB mapped
 * them, and lent to the callback.
 */
#include "index/index_int.h"

static enum froe_err
find_in(struct index *index, MDB_txn *txn, struct uuid id, struct index_run *ret_run)
{
	MDB_val key = {.mv_data = id.bytes, .mv_size = ROW_ID_SIZE}, value;
	struct row_key row_key;
	int code = mdb_get(txn, index->ids, &key, &value);
	if (code != 0)
		return index_fault(index, code, "find an id", NULL);
	if (!row_place_decode(bytes_of(id.bytes, ROW_ID_SIZE),
	        bytes_of(value.mv_data, value.mv_size), &row_key))
		return index_damage(index, "damaged id", NULL);
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

/* Onto the last row below (tenant, before). */
static int
list_start(MDB_cursor *cursor, uint32_t tenant, uint64_t before, MDB_val *key, MDB_val *value)
{
	struct row_key end;
	if (before > 0)
		end = row_key_of(tenant, before);
	else if (tenant < UINT32_MAX)
		end = row_key_of(tenant + 1, 0);
	else
		return mdb_cursor_get(cursor, key, value, MDB_LAST);
	*key = (MDB_val){.mv_data = end.bytes, .mv_size = ROW_KEY_SIZE};
	int code = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (code == MDB_NOTFOUND)
		return mdb_cursor_get(cursor, key, value, MDB_LAST);
	return code == 0 ? mdb_cursor_get(cursor, key, value, MDB_PREV) : code;
}

static enum froe_err
list_in(struct index *index, MDB_cursor *cursor, uint32_t tenant, uint64_t before,
    bool (*each)(void *context, const struct index_run *run), void *context)
{
	MDB_val key, value;
	struct index_run run;
	int code = list_start(cursor, tenant, before, &key, &value);
	for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_PREV)) {
		if (!row_decode(bytes_of(key.mv_data, key.mv_size),
		        bytes_of(value.mv_data, value.mv_size), &run))
			return index_damage(index, "damaged row", NULL);
		if (run.tenant != tenant || !each(context, &run))
			return FROE_OK;
	}
	return code == MDB_NOTFOUND ? FROE_OK : index_fault(index, code, "list", NULL);
}

enum froe_err
index_list(struct index *index, uint32_t tenant, uint64_t before,
    bool (*each)(void *context, const struct index_run *run), void *context)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	enum froe_err err;
	int code = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
	if (code != 0)
		return index_fault(index, code, "begin", NULL);
	code = mdb_cursor_open(txn, index->runs, &cursor);
	if (code == 0) {
		err = list_in(index, cursor, tenant, before, each, context);
		mdb_cursor_close(cursor);
	} else {
		err = index_fault(index, code, "list", NULL);
	}
	mdb_txn_abort(txn);
	return err;
}
