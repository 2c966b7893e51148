/*
 * The table of ids, beside a model: ids of several likenesses come and go in batches, each is
 * found, and its leaves are as large, and in such order, as their header says.
 */
#include "index/ids_int.h"

#include "base/hash.h"
#include "base/mem.h"
#include "index/index_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define IDS 4000u
#define BATCHES 60u

enum likeness {
	ASCENDING,
	DESCENDING,
	ANY,
	LIKENESSES,
};

struct table {
	char dir[64];
	MDB_env *env;
	MDB_dbi dbi;
	struct buf had;
	struct buf now;
	struct places places;
	enum likeness likeness;
	uint64_t dice;
	uint64_t numbers[IDS]; /* the model: by which number of the run each id is had; 0: none */
	uint64_t next;
};

static uint64_t
roll(struct table *table)
{
	table->dice ^= table->dice << 13;
	table->dice ^= table->dice >> 7;
	table->dice ^= table->dice << 17;
	return table->dice;
}

static struct uuid
id_of(const struct table *table, uint64_t at)
{
	struct uuid id;
	uint64_t high = at / 3, low = at;
	if (table->likeness == DESCENDING)
		high = UINT64_MAX - at;
	else if (table->likeness == ANY)
		high = at * 0x9e3779b97f4a7c15u;
	be_store(id.bytes, high, 8);
	be_store(id.bytes + 8, low, 8);
	return id;
}

static struct table *
table_open(enum likeness likeness)
{
	struct table *table = mem_zalloc(sizeof(*table));
	MDB_txn *txn;
	table->likeness = likeness;
	table->dice = 88172645463325252u;
	const char *tmp = getenv("TMPDIR");
	snprintf(table->dir, sizeof(table->dir), "%s/ids-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(table->dir));
	assert_int_equal(mdb_env_create(&table->env), 0);
	assert_int_equal(mdb_env_set_mapsize(table->env, 16u << 20), 0);
	assert_int_equal(mdb_env_open(table->env, table->dir, MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(table->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &table->dbi), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	return table;
}

static void
table_close(struct table *table)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	char path[128];
	mdb_env_close(table->env);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", table->dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(table->dir), 0);
	places_release(&table->places);
	buf_release(&table->had);
	buf_release(&table->now);
	mem_free(table);
}

static void
table_push(struct table *table, uint64_t at, uint64_t number, bool gone)
{
	struct index_run run = {.tenant = 1, .number = number, .id = id_of(table, at)};
	places_push(&table->places, &run, gone);
	if (!gone && number >= table->numbers[at])
		table->numbers[at] = number;
	else if (gone && number == table->numbers[at])
		table->numbers[at] = 0;
}

static void
table_write(struct table *table)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	places_sort(&table->places);
	assert_int_equal(mdb_txn_begin(table->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, table->dbi, &cursor), 0);
	assert_int_equal(ids_write(cursor, &table->places, &table->had, &table->now), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	table->places.count = 0;
}

/* Leaves in order, each from its key on and below the next one's; returns how many ids. */
static uint64_t
leaves_check(MDB_cursor *cursor)
{
	MDB_val key, value;
	uint32_t count;
	uint64_t all = 0;
	uint8_t last[ROW_ID_SIZE] = {0};
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		struct bytes entries = bytes_of(value.mv_data, value.mv_size);
		assert_true(ids_decode(bytes_of(key.mv_data, key.mv_size), entries, &count));
		assert_true(all == 0 || memcmp(last, key.mv_data, ROW_ID_SIZE) < 0);
		memcpy(last, entries.data + entries.size - IDS_ENTRY_SIZE, ROW_ID_SIZE);
		all += count;
	}
	return all;
}

static void
table_check(struct table *table)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	uint64_t had = 0;
	assert_int_equal(mdb_txn_begin(table->env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, table->dbi, &cursor), 0);
	for (uint64_t at = 0; at < IDS; at++) {
		struct row_key key;
		int code = ids_find(cursor, id_of(table, at), &key);
		assert_int_equal(code, table->numbers[at] != 0 ? 0 : MDB_NOTFOUND);
		if (code == 0)
			assert_int_equal(row_key_number(&key), table->numbers[at]);
		had += code == 0 ? 1 : 0;
	}
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_cursor_open(txn, table->dbi, &cursor), 0);
	assert_int_equal(leaves_check(cursor), had);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
}

/* Some that come, in the order of their likeness; some that come again, for another run; and some
 * that go: those that are had, and those that are another run's by now. */
static void
table_batch(struct table *table, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t what = roll(table) % 8, at = roll(table) % IDS, number = roll(table) % 99;
		if (what < 5 && table->next < IDS)
			table_push(table, table->next++, 1000, /* gone= */ false);
		else if (what == 5)
			table_push(table, at, 1 + number, /* gone= */ false);
		else if (what == 6 && table->numbers[at] != 0)
			table_push(table, at, table->numbers[at], /* gone= */ true);
		else
			table_push(table, at, 500 + number, /* gone= */ true);
	}
	table_write(table);
}

static void
test_ids__model(void **state)
{
	(void)state;
	for (enum likeness likeness = ASCENDING; likeness < LIKENESSES; likeness++) {
		struct table *table = table_open(likeness);
		for (unsigned batch = 0; batch < BATCHES; batch++) {
			table_batch(table, batch % 3 == 0 ? 1 + roll(table) % 4 : 150);
			table_check(table);
		}
		for (uint64_t at = 0; at < IDS; at++) {
			if (table->numbers[at] != 0)
				table_push(table, at, table->numbers[at], /* gone= */ true);
		}
		table_write(table);
		table_check(table); /* of no id, and no leaf, that is left */
		table_close(table);
	}
}

/* Ids that ascend fill their leaves. */
static void
test_ids__a_batch_is_dense(void **state)
{
	struct table *table = table_open(ASCENDING);
	MDB_txn *txn;
	MDB_stat stat;
	(void)state;
	for (uint64_t at = 0; at < IDS; at++) {
		table_push(table, at, 1 + at, /* gone= */ false);
		if (at % 1000 == 999)
			table_write(table);
	}
	table_check(table);
	assert_int_equal(mdb_txn_begin(table->env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_stat(txn, table->dbi, &stat), 0);
	mdb_txn_abort(txn);
	assert_true(stat.ms_entries <= IDS / IDS_MAX + 8);
	assert_true(stat.ms_leaf_pages <= stat.ms_entries / 4 + 8);
	table_close(table);
}

static void
test_ids__what_nobody_wrote(void **state)
{
	uint8_t entries[2 * IDS_ENTRY_SIZE] = {0}, bytes[IDS_VALUE_SIZE_MAX + 1];
	struct uuid key = {{5}};
	struct bytes key_bytes = bytes_of(key.bytes, ROW_ID_SIZE);
	uint32_t count;
	(void)state;
	entries[0] = 6;
	entries[IDS_ENTRY_SIZE] = 7;
	size_t size = ids_encode(key, entries, 2, bytes);
	assert_true(ids_decode(key_bytes, bytes_of(bytes, size), &count));
	assert_int_equal(count, 2);
	assert_false(ids_decode(key_bytes, bytes_of(bytes, size - 1), &count));
	assert_false(ids_decode(key_bytes, bytes_of(bytes, IDS_HEAD_SIZE), &count));
	assert_false(
	    ids_decode(bytes_of(key.bytes, ROW_ID_SIZE - 1), bytes_of(bytes, size), &count));
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 1;
		assert_false(ids_decode(key_bytes, bytes_of(bytes, size), &count));
		bytes[i] ^= 1;
	}
	entries[IDS_ENTRY_SIZE] = 6; /* twice the same */
	size = ids_encode(key, entries, 2, bytes);
	assert_false(ids_decode(key_bytes, bytes_of(bytes, size), &count));
	entries[0] = 4; /* below its leaf */
	size = ids_encode(key, entries, 2, bytes);
	assert_false(ids_decode(key_bytes, bytes_of(bytes, size), &count));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids__model),
	    cmocka_unit_test(test_ids__a_batch_is_dense),
	    cmocka_unit_test(test_ids__what_nobody_wrote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
