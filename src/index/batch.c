/*
 * Commit: sort what is pending by run; of each run, what it is now is folded from its old row and
 * the calls; rows are written in order of keys. What that changes in the table of ids and in the
 * lists is collected, sorted by key, and written after them, then `applied`; one transaction with
 * LMDB's default, synced, flags. A row above the last one of its table is appended without a
 * look-up (a batch of new runs is mostly of that kind). A block of a list, or a leaf of ids, is
 * read and written once a batch, however many of the batch's runs it gets.
 *
 * The map is full: abort, double it, write the batch again from memory.
 */
#include "index/index_int.h"

#include "base/mem.h"
#include "index/ids_int.h"
#include "index/texts.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One attempt to write a batch. */
struct batch {
	MDB_txn *txn;
	MDB_cursor *runs;
	MDB_cursor *ids;
	MDB_cursor *lists;
	struct row_key last; /* of the table, while has_last */
	bool has_last;
};

/* One run: what it was, and what it is now. */
struct fold {
	struct index_run old;
	struct index_run now;
	bool had;
	bool has;
	bool changed;
};

/* ------------------------------------------------------------------------------------- folding */

/* Adds the texts that are not there, up to the limit. `buf` may be what fold->now points into. The
 * first one, which is mostly the only one, needs no copy. */
static void
fold_workers(struct fold *fold, struct buf *buf, struct bytes more)
{
	uint32_t count;
	struct bytes text;
	if (more.size == 0)
		return;
	froe_assert(texts_good(more, &count));
	if (fold->now.workers.size == 0 && count == 1) {
		fold->now.workers = more;
		fold->changed = true;
		return;
	}
	froe_assert(texts_good(fold->now.workers, &count));
	if (fold->now.workers.data != buf->data) {
		buf_reset(buf);
		buf_push(buf, fold->now.workers.data, fold->now.workers.size);
	}
	while (texts_next(&more, &text)) {
		if (count == INDEX_WORKERS_MAX || texts_have(buf_bytes(buf), text) ||
		    buf_used(buf) + text.size + 2 > UINT16_MAX)
			continue;
		texts_push(buf, text);
		count++;
		fold->changed = true;
	}
	fold->now.workers = buf_bytes(buf);
}

static void
fold_put(struct fold *fold, struct buf *buf, const struct index_run *run)
{
	if (!fold->has || run->seq >= fold->now.seq) {
		struct bytes workers = fold->has ? fold->now.workers : bytes_of(NULL, 0);
		fold->now = *run;
		fold->now.workers = workers;
		fold->has = fold->changed = true;
	}
	fold_workers(fold, buf, run->workers);
}

/* A run that was dropped, or of which only a worker is known, does not come back by its end. */
static void
fold_end(struct fold *fold, const struct index_run *run)
{
	if (!fold->has || fold->now.seq == 0 || run->seq < fold->now.seq)
		return;
	fold->now.seq = run->seq;
	fold->now.status = run->status;
	fold->now.finished_ns = run->finished_ns;
	fold->now.places = run->places;
	fold->changed = true;
}

/* Its places are copied with the new one: `now` may point into LMDB, or to what is lent. */
static void
fold_extend(struct fold *fold, struct arena *arena, const struct index_run *run)
{
	struct bytes had = fold->now.places;
	if (!fold->has || had.size == 0 || run->seq != fold->now.seq + 1)
		return;
	uint8_t *places = arena_alloc(arena, had.size + run->places.size);
	memcpy(places, had.data, had.size);
	memcpy(places + had.size, run->places.data, run->places.size);
	fold->now.places = bytes_of(places, had.size + run->places.size);
	fold->now.seq = run->seq;
	fold->changed = true;
}

static void
fold_one(struct index *index, struct fold *fold, const struct pending *pending)
{
	struct buf *buf = &index->workers;
	switch (pending->kind) {
	case PENDING_PUT:
		fold_put(fold, buf, pending->run);
		return;
	case PENDING_END:
		fold_end(fold, pending->run);
		return;
	case PENDING_EXTEND:
		fold_extend(fold, &index->arena, pending->run);
		return;
	case PENDING_TOUCH:
		if (!fold->has) { /* its put comes later: the row waits for it, in no list */
			fold->now = (struct index_run){
			    .tenant = pending->tenant,
			    .number = pending->number,
			};
			fold->has = fold->changed = true;
		}
		fold_workers(fold, buf, pending->run->workers);
		return;
	case PENDING_DROP:
		fold->has = false;
		fold->changed = fold->had;
		return;
	}
}

/* -------------------------------------------------------------------------------------- changes */

static void
terms_minus(struct index *index, const struct index_run *run, const struct post_term *terms,
    uint32_t count, const struct post_term *without, uint32_t without_count, bool add)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = 0;
		while (at < without_count && (without[at].hash != terms[i].hash ||
		    without[at].dimension != terms[i].dimension))
			at++;
		if (at == without_count)
			changes_push(&index->changes, run, terms[i], add);
	}
}

/* What the fold means for ids and lists. The old row is still where LMDB has it. */
static void
fold_changes(struct index *index, const struct fold *fold)
{
	struct post_term old[POST_TERMS_MAX], now[POST_TERMS_MAX];
	uint32_t old_count = fold->had ? post_terms(&fold->old, old) : 0;
	uint32_t now_count = fold->has ? post_terms(&fold->now, now) : 0;
	bool had_id = fold->had && fold->old.seq != 0, has_id = fold->has && fold->now.seq != 0;
	terms_minus(index, &fold->old, old, old_count, now, now_count, /* add= */ false);
	terms_minus(index, &fold->now, now, now_count, old, old_count, /* add= */ true);
	if (had_id != has_id)
		places_push(&index->places, has_id ? &fold->now : &fold->old, had_id);
}

/* ---------------------------------------------------------------------------------------- write */

/* Behind all that the table has. */
static bool
row_new(const struct batch *batch, const struct row_key *key)
{
	return !batch->has_last || memcmp(key->bytes, batch->last.bytes, ROW_KEY_SIZE) > 0;
}

static int
row_load(struct batch *batch, struct row_key *row_key, struct fold *fold)
{
	MDB_val key = {.mv_data = row_key->bytes, .mv_size = ROW_KEY_SIZE}, value;
	int code = mdb_cursor_get(batch->runs, &key, &value, MDB_SET_KEY);
	if (code == MDB_NOTFOUND)
		return 0;
	if (code != 0)
		return code;
	if (!row_decode(bytes_of(key.mv_data, key.mv_size), bytes_of(value.mv_data, value.mv_size),
	        &fold->old))
		return MDB_CORRUPTED;
	fold->now = fold->old;
	fold->had = fold->has = true;
	return 0;
}

static int
row_store(struct index *index, struct batch *batch, struct row_key *row_key,
    const struct index_run *run, bool new)
{
	buf_reset(&index->row);
	row_encode(&index->row, run);
	MDB_val key = {.mv_data = row_key->bytes, .mv_size = ROW_KEY_SIZE};
	MDB_val value = {.mv_data = index->row.data, .mv_size = index->row.size};
	if (new) {
		batch->last = *row_key;
		batch->has_last = true;
	}
	return mdb_cursor_put(batch->runs, &key, &value, new ? MDB_APPEND : 0);
}

/* A run that has begun, and nothing more: most of what comes when many are started. */
static bool
run_fresh(const struct pending *run, size_t count)
{
	return count == 1 && run->kind == PENDING_PUT && run->run->workers.size == 0;
}

static int
batch_fresh(
    struct index *index, struct batch *batch, struct row_key *row_key, const struct index_run *run)
{
	struct post_term terms[POST_TERMS_MAX];
	uint32_t count = post_terms(run, terms);
	for (uint32_t i = 0; i < count; i++)
		changes_push(&index->changes, run, terms[i], /* add= */ true);
	places_push(&index->places, run, /* gone= */ false);
	return row_store(index, batch, row_key, run, /* new= */ true);
}

/* All calls of one run: pending[first .. first + count). */
static int
batch_run(struct index *index, struct batch *batch, size_t first, size_t count)
{
	const struct pending *run = &index->pending[first];
	struct row_key row_key = row_key_of(run->tenant, run->number);
	struct fold fold = {0};
	bool new = row_new(batch, &row_key);
	if (new &&run_fresh(run, count))
		return batch_fresh(index, batch, &row_key, run->run);
	int code = new ? 0 : row_load(batch, &row_key, &fold);
	if (code != 0)
		return code;
	for (size_t i = first; i < first + count; i++)
		fold_one(index, &fold, &index->pending[i]);
	if (!fold.changed)
		return 0;
	/* Another id: the index is of a log that was put back and went another way. */
	if (fold.had && fold.has && fold.old.seq != 0 && !uuid_equal(fold.old.id, fold.now.id))
		return MDB_CORRUPTED;
	fold_changes(index, &fold);
	if (fold.has)
		return row_store(index, batch, &row_key, &fold.now, new);
	return fold.had ? mdb_cursor_del(batch->runs, 0) : 0;
}

static int
batch_runs(struct index *index, struct batch *batch)
{
	int code = 0;
	for (size_t first = 0, next; first < index->pending_count && code == 0; first = next) {
		const struct pending *run = &index->pending[first];
		next = first + 1;
		while (next < index->pending_count &&
		    index->pending[next].number == run->number &&
		    index->pending[next].tenant == run->tenant)
			next++;
		code = batch_run(index, batch, first, next - first);
	}
	return code;
}

static int
batch_places(struct index *index, struct batch *batch)
{
	places_sort(&index->places);
	return ids_write(batch->ids, &index->places, &index->ids_had, &index->ids_now);
}

/* The changes of one block. A new one is written with one look-up. */
static int
batch_block(struct batch *batch, const struct changes *changes, struct change_block *to)
{
	uint8_t bytes[POST_VALUE_SIZE_MAX];
	struct block block = {0};
	MDB_val key = {.mv_data = to->key.bytes, .mv_size = POST_KEY_SIZE};
	changes_apply(changes, to, &block);
	MDB_val value = {.mv_data = bytes, .mv_size = block_encode(&block, to->key, bytes)};
	int code = value.mv_size > 0
	    ? mdb_cursor_put(batch->lists, &key, &value, MDB_NOOVERWRITE)
	    : mdb_cursor_get(batch->lists, &key, &value, MDB_SET_KEY);
	if (code != MDB_KEYEXIST && (code != 0 || value.mv_data == bytes))
		return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
	if (!block_decode(bytes_of(to->key.bytes, POST_KEY_SIZE),
	        bytes_of(value.mv_data, value.mv_size), &block))
		return MDB_CORRUPTED;
	changes_apply(changes, to, &block);
	value = (MDB_val){
	    .mv_data = bytes,
	    .mv_size = block_encode(&block, to->key, bytes),
	};
	if (value.mv_size == 0)
		return mdb_cursor_del(batch->lists, 0);
	key.mv_data = to->key.bytes; /* it may point to what is about to move */
	return mdb_cursor_put(batch->lists, &key, &value, 0);
}

static int
batch_lists(struct index *index, struct batch *batch)
{
	struct changes *changes = &index->changes;
	int code = 0;
	changes_sort(changes);
	for (uint32_t i = 0; i < changes->block_count && code == 0; i++)
		code = batch_block(batch, changes, &changes->blocks[i]);
	return code;
}

static int
batch_meta(struct index *index, struct batch *batch, uint64_t applied, bool complete)
{
	uint8_t bytes[ROW_META_SIZE];
	struct row_meta meta = {ROW_FORMAT, complete, index->store, applied};
	row_meta_encode(bytes, &meta);
	MDB_val key = {.mv_data = (char[]){"meta"}, .mv_size = 4};
	MDB_val value = {.mv_data = bytes, .mv_size = sizeof(bytes)};
	return mdb_put(batch->txn, index->meta, &key, &value, 0);
}

/* The last key of the table of runs. */
static int
last_key(struct batch *batch)
{
	MDB_val key, value;
	int code = mdb_cursor_get(batch->runs, &key, &value, MDB_LAST);
	batch->has_last = code == 0;
	if (code == MDB_NOTFOUND)
		return 0;
	if (code == 0 && key.mv_size != ROW_KEY_SIZE)
		return MDB_CORRUPTED;
	if (code == 0)
		memcpy(batch->last.bytes, key.mv_data, ROW_KEY_SIZE);
	return code;
}

/* The cursors, and what is behind all that the table of runs has. */
static int
batch_open(struct index *index, struct batch *batch)
{
	int code = mdb_cursor_open(batch->txn, index->runs, &batch->runs);
	if (code == 0)
		code = mdb_cursor_open(batch->txn, index->ids, &batch->ids);
	if (code == 0)
		code = mdb_cursor_open(batch->txn, index->lists, &batch->lists);
	return code == 0 ? last_key(batch) : code;
}

/* One attempt; the transaction is over in any case. */
static int
batch_write(struct index *index, uint64_t applied, bool complete)
{
	struct batch batch = {0};
	int code = mdb_txn_begin(index->env, NULL, 0, &batch.txn);
	if (code != 0)
		return code;
	index->places.count = 0;
	changes_reset(&index->changes);
	code = batch_open(index, &batch);
	if (code == 0)
		code = batch_runs(index, &batch);
	if (code == 0)
		code = batch_places(index, &batch);
	if (code == 0)
		code = batch_lists(index, &batch);
	if (code == 0)
		code = batch_meta(index, &batch, applied, complete);
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
index_commit(struct index *index, uint64_t applied, bool complete, struct froe_fault *fault)
{
	froe_assert(applied >= index->applied);
	if (index->pending_count == 0 && applied == index->applied && complete == index->complete)
		return FROE_OK;
	pending_sort(index);
	int code;
	while ((code = batch_write(index, applied, complete)) == MDB_MAP_FULL) {
		enum froe_err err = index_grow(index, fault);
		if (err != FROE_OK)
			return err;
	}
	if (code != 0)
		return index_fault(index, code, "commit", fault);
	file_extend(index);
	index->applied = applied;
	index->complete = complete;
	pending_reset(index);
	index_settle(index);
	return FROE_OK;
}
