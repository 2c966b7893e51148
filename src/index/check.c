/*
 * Invariant 3: each row's terms have the run's bit, each row its id; and as many bits and ids as
 * that makes are there, so none is left over.
 */
#include "index/ids_int.h"
#include "index/index_int.h"

struct count {
	uint64_t bits;
	uint64_t ids;
};

static void
check_terms(MDB_txn *txn, const struct index *index, const struct index_run *run,
    struct count *count)
{
	struct post_term terms[POST_TERMS_MAX];
	uint32_t term_count = post_terms(run, terms);
	uint32_t at = (uint32_t)(run->number & (POST_BLOCK_RUNS - 1));
	struct block block;
	for (uint32_t i = 0; i < term_count; i++) {
		struct post_key post =
		    post_key_of(run->tenant, terms[i], run->number >> POST_BLOCK_BITS);
		MDB_val key = {.mv_data = post.bytes, .mv_size = POST_KEY_SIZE}, value;
		int code = mdb_get(txn, index->lists, &key, &value);
		froe_assert(code == 0);
		bool good = block_decode(bytes_of(post.bytes, POST_KEY_SIZE),
		    bytes_of(value.mv_data, value.mv_size), &block);
		froe_assert(good);
		froe_assert((block.words[at / 64] & UINT64_C(1) << (at % 64)) != 0);
	}
	count->bits += term_count;
}

/* True: the id is this run's, and not that of a newer one that has it too. */
static bool
check_id(MDB_cursor *ids, const struct index_run *run)
{
	struct row_key row_key, want = row_key_of(run->tenant, run->number);
	int code = ids_find(ids, run->id, &row_key);
	froe_assert(code == 0);
	bool own = memcmp(row_key.bytes, want.bytes, ROW_KEY_SIZE) == 0;
	froe_assert(own || row_key_number(&row_key) > run->number);
	return own;
}

static void
check_rows(MDB_txn *txn, const struct index *index, MDB_cursor *cursor, MDB_cursor *ids,
    struct count *count)
{
	MDB_val key, value;
	struct index_run run;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		bool good = row_decode(bytes_of(key.mv_data, key.mv_size),
		    bytes_of(value.mv_data, value.mv_size), &run);
		froe_assert(good);
		check_terms(txn, index, &run, count);
		if (run.seq == 0)
			continue;
		count->ids += check_id(ids, &run) ? 1 : 0;
	}
}

static uint64_t
list_bits(MDB_cursor *cursor)
{
	MDB_val key, value;
	struct block block;
	uint64_t bits = 0;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		bool good = block_decode(bytes_of(key.mv_data, key.mv_size),
		    bytes_of(value.mv_data, value.mv_size), &block);
		froe_assert(good);
		for (uint32_t i = 0; i < POST_WORDS; i++)
			bits += (uint64_t)__builtin_popcountll(block.words[i]);
	}
	return bits;
}

static uint64_t
ids_count(MDB_cursor *cursor)
{
	MDB_val key, value;
	uint64_t all = 0;
	uint32_t count;
	int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		bool good = ids_decode(bytes_of(key.mv_data, key.mv_size),
		    bytes_of(value.mv_data, value.mv_size), &count);
		froe_assert(good);
		all += count;
	}
	return all;
}

void
index_check(struct index *index)
{
	struct count count = {0};
	MDB_txn *txn;
	MDB_cursor *runs, *lists, *ids;
	int code = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
	froe_assert(code == 0);
	code = mdb_cursor_open(txn, index->runs, &runs);
	froe_assert(code == 0);
	code = mdb_cursor_open(txn, index->lists, &lists);
	froe_assert(code == 0);
	code = mdb_cursor_open(txn, index->ids, &ids);
	froe_assert(code == 0);
	check_rows(txn, index, runs, ids, &count);
	froe_assert(list_bits(lists) == count.bits);
	froe_assert(ids_count(ids) == count.ids);
	mdb_cursor_close(runs);
	mdb_cursor_close(lists);
	mdb_cursor_close(ids);
	mdb_txn_abort(txn);
}
