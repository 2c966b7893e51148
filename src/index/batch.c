/*
 * Commit: sort what is pending by key, keep the last of each run, write rows in order of keys and
 * ids in order of ids, then `applied`; one transaction with LMDB's default, synced, flags. A row
 * above the last one of its table is appended without a look-up (a batch of new runs is all of that
 * kind); an existing row is read first, so that the table of ids is touched for new runs only.
 *
 * The map is full: abort, double it, write the batch again from memory.
 */
#include "index/index_int.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One attempt to write a batch. */
struct batch {
	MDB_txn *txn;
	MDB_cursor *runs;
	MDB_cursor *ids;
	struct row_key last; /* of the table, while has_last */
	bool has_last;
};

/* -------------------------------------------------------------------------------------- pending */

static struct bytes
pending_copy(struct index *index, struct bytes from)
{
	return bytes_of(arena_copy(&index->arena, from.data, from.size), from.size);
}

void
index_put(struct index *index, const struct index_run *run)
{
	froe_assert(run->number > 0);
	froe_assert(run->workflow.size <= ROW_WORKFLOW_BYTES_MAX);
	if (index->pending_count == index->pending_capacity) {
		size_t capacity = index->pending_capacity != 0 ? index->pending_capacity * 2 : 64;
		index->pending = mem_resize(index->pending, capacity * sizeof(struct pending *));
		index->pending_capacity = capacity;
	}
	struct pending *pending = arena_alloc(&index->arena, sizeof(*pending));
	*pending = (struct pending){.run = *run, .order = index->pending_count};
	pending->run.workflow = pending_copy(index, run->workflow);
	pending->run.places = pending_copy(index, run->places);
	index->pending[index->pending_count++] = pending;
}

uint64_t
index_pending(const struct index *index)
{
	return index->pending_count;
}

static int
pending_compare(const void *left, const void *right)
{
	const struct pending *a = *(struct pending *const *)left;
	const struct pending *b = *(struct pending *const *)right;
	if (a->run.tenant != b->run.tenant)
		return a->run.tenant < b->run.tenant ? -1 : 1;
	if (a->run.number != b->run.number)
		return a->run.number < b->run.number ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int
place_compare(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	return memcmp(a->id.bytes, b->id.bytes, sizeof(a->id.bytes));
}

/* In order of keys; of several puts of one run the last stays. */
static void
pending_sort(struct index *index)
{
	size_t kept = 0;
	if (index->pending_count > 1)
		qsort(index->pending, index->pending_count, sizeof(index->pending[0]),
		    pending_compare);
	for (size_t i = 0; i < index->pending_count; i++) {
		const struct index_run *run = &index->pending[i]->run;
		if (kept > 0 && index->pending[kept - 1]->run.tenant == run->tenant &&
		    index->pending[kept - 1]->run.number == run->number)
			kept--;
		index->pending[kept++] = index->pending[i];
	}
	/* The order of puts to come is above that of those that stay. */
	for (size_t i = 0; i < kept; i++)
		index->pending[i]->order = 0;
	index->pending_count = kept;
}

/* --------------------------------------------------------------------------------------- commit */

/* The row's id goes to `places` if the run is new. */
static int
batch_row(struct index *index, struct batch *batch, const struct index_run *run)
{
	struct row_key row_key = row_key_of(run->tenant, run->number);
	MDB_val key = {.mv_data = row_key.bytes, .mv_size = ROW_KEY_SIZE}, value;
	struct index_run old;
	unsigned flags = 0;
	int code = MDB_NOTFOUND;
	if (!batch->has_last || memcmp(row_key.bytes, batch->last.bytes, ROW_KEY_SIZE) > 0) {
		flags = MDB_APPEND;
		batch->last = row_key;
		batch->has_last = true;
	} else {
		code = mdb_cursor_get(batch->runs, &key, &value, MDB_SET_KEY);
		if (code != 0 && code != MDB_NOTFOUND)
			return code;
	}
	if (code == 0 && !row_decode(bytes_of(key.mv_data, key.mv_size),
	        bytes_of(value.mv_data, value.mv_size), &old))
		return MDB_CORRUPTED;
	/* Another id: the index is of a log that was put back and went another way. */
	if (code == 0 && !uuid_equal(old.id, run->id))
		return MDB_CORRUPTED;
	if (code == MDB_NOTFOUND)
		index->places[index->place_count++] = (struct place){run->id, row_key};
	buf_reset(&index->row);
	row_encode(&index->row, run);
	key = (MDB_val){.mv_data = row_key.bytes, .mv_size = ROW_KEY_SIZE};
	value = (MDB_val){.mv_data = index->row.data, .mv_size = index->row.size};
	return mdb_cursor_put(batch->runs, &key, &value, flags);
}

static int
batch_places(struct index *index, struct batch *batch)
{
	if (index->place_count > 1)
		qsort(index->places, index->place_count, sizeof(index->places[0]), place_compare);
	for (size_t i = 0; i < index->place_count; i++) {
		struct place *place = &index->places[i];
		uint8_t bytes[ROW_PLACE_SIZE];
		row_place_encode(bytes, place->id, place->key);
		MDB_val key = {.mv_data = place->id.bytes, .mv_size = ROW_ID_SIZE};
		MDB_val value = {.mv_data = bytes, .mv_size = sizeof(bytes)};
		int code = mdb_cursor_put(batch->ids, &key, &value, 0);
		if (code != 0)
			return code;
	}
	return 0;
}

static int
batch_meta(struct index *index, struct batch *batch, uint64_t applied)
{
	uint8_t bytes[ROW_META_SIZE];
	struct row_meta meta = {ROW_FORMAT, index->store, applied};
	row_meta_encode(bytes, &meta);
	MDB_val key = {.mv_data = (char[]){"meta"}, .mv_size = 4};
	MDB_val value = {.mv_data = bytes, .mv_size = sizeof(bytes)};
	return mdb_put(batch->txn, index->meta, &key, &value, 0);
}

/* The cursors, and the last key of the table of runs. */
static int
batch_open(struct index *index, struct batch *batch)
{
	MDB_val key, value;
	int code = mdb_cursor_open(batch->txn, index->runs, &batch->runs);
	if (code == 0)
		code = mdb_cursor_open(batch->txn, index->ids, &batch->ids);
	if (code == 0)
		code = mdb_cursor_get(batch->runs, &key, &value, MDB_LAST);
	if (code == MDB_NOTFOUND)
		return 0;
	if (code == 0 && key.mv_size != ROW_KEY_SIZE)
		return MDB_CORRUPTED;
	if (code == 0) {
		memcpy(batch->last.bytes, key.mv_data, ROW_KEY_SIZE);
		batch->has_last = true;
	}
	return code;
}

/* One attempt; the transaction is over in any case. */
static int
batch_write(struct index *index, uint64_t applied)
{
	struct batch batch = {0};
	int code = mdb_txn_begin(index->env, NULL, 0, &batch.txn);
	if (code != 0)
		return code;
	index->place_count = 0;
	code = batch_open(index, &batch);
	for (size_t i = 0; i < index->pending_count && code == 0; i++)
		code = batch_row(index, &batch, &index->pending[i]->run);
	if (code == 0)
		code = batch_places(index, &batch);
	if (code == 0)
		code = batch_meta(index, &batch, applied);
	if (code == 0)
		return mdb_txn_commit(batch.txn); /* it frees the cursors */
	mdb_txn_abort(batch.txn);
	return code;
}

/* LMDB does not write a page that a transaction took at the end and gave back: the file may be
 * shorter than its meta says. Made as long, so that "shorter" means truncated. */
static void
file_extend(struct index *index)
{
	MDB_envinfo info;
	MDB_stat page;
	struct stat stat;
	int file;
	if (mdb_env_info(index->env, &info) != 0 || mdb_env_stat(index->env, &page) != 0 ||
	    mdb_env_get_fd(index->env, &file) != 0 || fstat(file, &stat) != 0)
		return;
	off_t size = (off_t)(info.me_last_pgno + 1) * (off_t)page.ms_psize;
	if (stat.st_size < size)
		FROE_DROP(ftruncate(file, size), "costs a rebuild at the next open");
}

/* The map doubles; so does what it can hold. */
static enum froe_err
index_grow(struct index *index, struct froe_fault *fault)
{
	MDB_envinfo info;
	int code = mdb_env_info(index->env, &info);
	if (code == 0) {
		index->map_bytes = info.me_mapsize * 2;
		code = mdb_env_set_mapsize(index->env, index->map_bytes);
	}
	return code == 0 ? FROE_OK : index_fault(index, code, "grow the map", fault);
}

enum froe_err
index_commit(struct index *index, uint64_t applied, struct froe_fault *fault)
{
	froe_assert(applied >= index->applied);
	if (index->pending_count == 0 && applied == index->applied)
		return FROE_OK;
	pending_sort(index);
	index->places = mem_resize(index->places,
	    (index->pending_count + 1) * sizeof(index->places[0]));
	int code;
	while ((code = batch_write(index, applied)) == MDB_MAP_FULL) {
		enum froe_err err = index_grow(index, fault);
		if (err != FROE_OK)
			return err;
	}
	if (code != 0)
		return index_fault(index, code, "commit", fault);
	file_extend(index);
	index->applied = applied;
	index->pending_count = 0;
	arena_reset(&index->arena);
	return FROE_OK;
}
