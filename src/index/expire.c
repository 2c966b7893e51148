/*
 * A sweep goes over the rows of each tenant from the oldest on, and ends for the tenant at the
 * first row that was created too late to have expired: numbers ascend with the time of creation.
 */
#include "index/index_int.h"

struct sweep {
	MDB_cursor *runs;
	uint64_t before_ns;
	struct index_sweep *at;
};

/* Onto the row at or after the sweep's place. */
static int
sweep_row(struct sweep *sweep, struct index_run *ret_run)
{
	struct row_key want = row_key_of(sweep->at->tenant, sweep->at->number);
	MDB_val key = {.mv_data = want.bytes, .mv_size = ROW_KEY_SIZE}, value;
	int code = mdb_cursor_get(sweep->runs, &key, &value, MDB_SET_RANGE);
	if (code == 0 && !row_decode(bytes_of(key.mv_data, key.mv_size),
	        bytes_of(value.mv_data, value.mv_size), ret_run))
		return MDB_CORRUPTED;
	return code;
}

/* MDB_NOTFOUND: that was the last tenant. */
static int
sweep_one(struct index *index, struct sweep *sweep)
{
	struct index_run run;
	int code = sweep_row(sweep, &run);
	if (code != 0)
		return code;
	*sweep->at = (struct index_sweep){run.tenant, run.number + 1};
	if (run.seq != 0 && run.created_ns >= sweep->before_ns) {
		if (run.tenant == UINT32_MAX)
			return MDB_NOTFOUND;
		*sweep->at = (struct index_sweep){run.tenant + 1, 0};
	} else if (run.finished_ns != 0 && run.finished_ns < sweep->before_ns) {
		index_drop(index, run.tenant, run.number);
	}
	return 0;
}

enum froe_err
index_expire(struct index *index, uint64_t before_ns, uint32_t rows, struct index_sweep *at)
{
	struct sweep sweep = {.before_ns = before_ns, .at = at};
	MDB_txn *txn;
	int code = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
	if (code != 0)
		return index_fault(index, code, "begin", NULL);
	code = mdb_cursor_open(txn, index->runs, &sweep.runs);
	for (; rows > 0 && code == 0; rows--)
		code = sweep_one(index, &sweep);
	if (sweep.runs != NULL)
		mdb_cursor_close(sweep.runs);
	mdb_txn_abort(txn);
	return code == 0 ? FROE_OK : index_fault(index, code, "expire", NULL);
}
