/*
 * Rows and posting blocks as they lie in the index: what was encoded comes back; bytes whose hash
 * is right and that say something wrong are no row, and no block.
 */
#include "index/post_int.h"
#include "index/row_int.h"

#include "base/hash.h"
#include "base/mem.h"
#include "index/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* --------------------------------------------------------------------------------------- a row */

struct parts {
	struct buf metadata;
	struct buf workers;
	struct buf row;
	struct index_run run;
	struct row_key key;
};

static void
parts_make(struct parts *parts, unsigned pairs, unsigned workers)
{
	static const uint8_t places[24] = {7};
	memset(parts, 0, sizeof(*parts));
	buf_init(&parts->metadata);
	buf_init(&parts->workers);
	buf_init(&parts->row);
	for (unsigned i = 0; i < 2 * pairs; i++)
		texts_push(&parts->metadata, bytes_text(i % 2 == 0 ? "key" : "a value"));
	for (unsigned i = 0; i < workers; i++)
		texts_push(&parts->workers, bytes_text("worker"));
	parts->run = (struct index_run){
	    .number = 77,
	    .tenant = 3,
	    .seq = 9,
	    .id = {{1, 2, 3}},
	    .parent = {{4, 5, 6}},
	    .status = 2,
	    .created_ns = 1000,
	    .finished_ns = 2000,
	    .workflow = bytes_text("w"),
	    .metadata = bytes_of(parts->metadata.data, parts->metadata.size),
	    .workers = bytes_of(parts->workers.data, parts->workers.size),
	    .places = bytes_of(places, sizeof(places)),
	};
	parts->key = row_key_of(3, 77);
	row_encode(&parts->row, &parts->run);
}

static void
parts_release(struct parts *parts)
{
	buf_release(&parts->metadata);
	buf_release(&parts->workers);
	buf_release(&parts->row);
}

static struct bytes
key_of(const struct parts *parts)
{
	return bytes_of(parts->key.bytes, ROW_KEY_SIZE);
}

static void
hash_again(struct bytes key, uint8_t *value, size_t size)
{
	le64_store(value, hash64(value + 8, size - 8, hash64(key.data, key.size, 0)));
}

static bool
row_taken(const struct parts *parts)
{
	struct index_run run;
	hash_again(key_of(parts), parts->row.data, parts->row.size);
	return row_decode(key_of(parts), bytes_of(parts->row.data, parts->row.size), &run);
}

static void
test_row__round_trip(void **state)
{
	struct parts parts;
	struct index_run run;
	(void)state;
	parts_make(&parts, 3, 2);
	assert_true(
	    row_decode(key_of(&parts), bytes_of(parts.row.data, parts.row.size), &run));
	assert_int_equal(run.number, 77);
	assert_int_equal(run.tenant, 3);
	assert_int_equal(run.seq, 9);
	assert_int_equal(run.status, 2);
	assert_memory_equal(run.id.bytes, parts.run.id.bytes, 16);
	assert_memory_equal(run.parent.bytes, parts.run.parent.bytes, 16);
	assert_true(bytes_equal(run.workflow, parts.run.workflow));
	assert_true(bytes_equal(run.metadata, parts.run.metadata));
	assert_true(bytes_equal(run.workers, parts.run.workers));
	assert_true(bytes_equal(run.places, parts.run.places));
	assert_true(texts_have(run.workers, bytes_text("worker")));
	assert_false(texts_have(run.workers, bytes_text("work")));
	assert_true(texts_have_pair(run.metadata, bytes_text("key"), bytes_text("a value")));
	assert_false(texts_have_pair(run.metadata, bytes_text("key"), bytes_text("value")));
	assert_false(texts_have_pair(run.metadata, bytes_text("kez"), bytes_text("a value")));
	struct bytes alone = bytes_of(run.metadata.data, 5); /* a key without its value */
	assert_false(texts_have_pair(alone, bytes_text("key"), bytes_text("a value")));
	parts_release(&parts);
}

/* Each byte that is changed, and the row cut anywhere: without its hash, and with it. */
static void
test_row__damaged(void **state)
{
	struct parts parts;
	struct index_run run;
	(void)state;
	parts_make(&parts, 3, 2);
	for (size_t i = 0; i < parts.row.size; i++) {
		parts.row.data[i] ^= 0x10;
		assert_false(
		    row_decode(key_of(&parts), bytes_of(parts.row.data, parts.row.size), &run));
		parts.row.data[i] ^= 0x10;
		assert_false(row_decode(key_of(&parts), bytes_of(parts.row.data, i), &run));
	}
	struct row_key other = row_key_of(3, 78);
	assert_false(row_decode(bytes_of(other.bytes, ROW_KEY_SIZE),
	    bytes_of(parts.row.data, parts.row.size), &run));
	assert_false(row_decode(bytes_of(other.bytes, ROW_KEY_SIZE - 1),
	    bytes_of(parts.row.data, parts.row.size), &run));
	assert_true(row_taken(&parts));
	static const size_t sizes_at[] = {44, 46, 48, 52}; /* of its parts */
	for (size_t i = 0; i < sizeof(sizes_at) / sizeof(sizes_at[0]); i++) {
		parts.row.data[sizes_at[i]]++;
		assert_false(row_taken(&parts));
		parts.row.data[sizes_at[i]]--;
	}
	parts.row.data[51] |= 2; /* a flag that nobody knows */
	assert_false(row_taken(&parts));
	parts.row.data[51] ^= 2;
	uint8_t *metadata = parts.row.data + ROW_HEAD_SIZE + ROW_ID_SIZE + 1;
	metadata[0]++; /* the first text is longer than it is */
	assert_false(row_taken(&parts));
	metadata[0]--;
	uint8_t *workers = metadata + parts.run.metadata.size;
	workers[0] = 200;
	assert_false(row_taken(&parts));
	workers[0] = 6;
	assert_true(row_taken(&parts));
	parts_release(&parts);
}

/* A key without a value; more workers than a run has. */
static void
test_row__counts(void **state)
{
	struct parts parts;
	(void)state;
	parts_make(&parts, 2, INDEX_WORKERS_MAX);
	assert_true(row_taken(&parts));
	parts_release(&parts);
	parts_make(&parts, 2, INDEX_WORKERS_MAX + 1);
	assert_false(row_taken(&parts));
	parts_release(&parts);
	parts_make(&parts, 2, 0);
	texts_push(&parts.metadata, bytes_text("odd"));
	parts.run.metadata = bytes_of(parts.metadata.data, parts.metadata.size);
	parts.row.size = 0;
	row_encode(&parts.row, &parts.run);
	assert_false(row_taken(&parts));
	parts_release(&parts);
}

static void
test_row__meta(void **state)
{
	struct row_meta meta = {.format = 5, .complete = true, .store = {{9}}, .applied = 42};
	struct row_meta meta_read;
	uint8_t bytes[ROW_META_SIZE + 1];
	(void)state;
	row_meta_encode(bytes, &meta);
	assert_true(row_meta_decode(bytes_of(bytes, ROW_META_SIZE), &meta_read));
	assert_true(meta_read.complete);
	assert_int_equal(meta_read.format, 5);
	assert_int_equal(meta_read.applied, 42);
	assert_false(row_meta_decode(bytes_of(bytes, ROW_META_SIZE + 1), &meta_read));
	bytes[12] = 2; /* neither complete nor not */
	assert_false(row_meta_decode(bytes_of(bytes, ROW_META_SIZE), &meta_read));
	hash_again(bytes_of(NULL, 0), bytes, ROW_META_SIZE);
	assert_false(row_meta_decode(bytes_of(bytes, ROW_META_SIZE), &meta_read));
	bytes[12] = 0;
	hash_again(bytes_of(NULL, 0), bytes, ROW_META_SIZE);
	assert_true(row_meta_decode(bytes_of(bytes, ROW_META_SIZE), &meta_read));
	assert_false(meta_read.complete);
}

/* ------------------------------------------------------------------------------------- postings */

/* What a run is found by: each thing once. */
static void
test_row__terms(void **state)
{
	struct post_term terms[POST_TERMS_MAX];
	struct parts parts;
	(void)state;
	parts_make(&parts, 3, 3); /* the same pair and the same worker, three times */
	assert_int_equal(post_terms(&parts.run, terms), 5);
	parts.run.finished_ns = 0;
	memset(&parts.run.parent, 0, sizeof(parts.run.parent));
	assert_int_equal(post_terms(&parts.run, terms), 3);
	parts.run.seq = 0;
	assert_int_equal(post_terms(&parts.run, terms), 0);
	parts_release(&parts);
	parts_make(&parts, INDEX_METADATA_MAX, 0);
	assert_int_equal(post_terms(&parts.run, terms), 4);
	parts_release(&parts);
}

static bool
block_taken(struct post_key key, uint8_t *value, size_t size, struct block *block)
{
	struct bytes key_bytes = bytes_of(key.bytes, POST_KEY_SIZE);
	uint64_t seed = hash64(key.bytes, POST_KEY_SIZE, 0);
	le32_store(value, (uint32_t)hash64(value + 4, size - 4, seed));
	return block_decode(key_bytes, bytes_of(value, size), block);
}

static void
test_row__block(void **state)
{
	static struct block block, read;
	static uint8_t value[POST_VALUE_SIZE_MAX + 2];
	struct post_term term = post_term_of(POST_WORKFLOW, bytes_text("w"));
	struct post_key key = post_key_of(3, term, 5);
	struct bytes key_bytes = bytes_of(key.bytes, POST_KEY_SIZE);
	(void)state;
	assert_int_equal(block_encode(&block, key, value), 0);
	for (uint32_t i = 0; i < POST_BLOCK_RUNS; i += 3) { /* an array, then bits */
		block.words[i / 64] |= UINT64_C(1) << (i % 64);
		if (i % 300 != 0)
			continue;
		size_t size = block_encode(&block, key, value);
		assert_true(block_decode(key_bytes, bytes_of(value, size), &read));
		assert_memory_equal(&read, &block, sizeof(block));
		value[4] ^= 1;
		assert_false(block_decode(key_bytes, bytes_of(value, size), &read));
	}
	assert_true(post_key_has(key.bytes, 3, term));
	assert_false(post_key_has(key.bytes, 4, term));
	assert_int_equal(post_key_block(key.bytes), 5);
	memset(&block, 0, sizeof(block));
	block.words[0] = 0xff;
	size_t size = block_encode(&block, key, value);
	assert_true(block_taken(key, value, size, &read));
	le16_store(value + 6, 0); /* the second is not behind the first */
	assert_false(block_taken(key, value, size, &read));
	le16_store(value + 6, POST_BLOCK_RUNS); /* nor in the block */
	assert_false(block_taken(key, value, size, &read));
	le16_store(value + 6, 1);
	assert_true(block_taken(key, value, size, &read));
	assert_false(block_taken(key, value, size - 1, &read)); /* half of one */
	assert_false(block_taken(key, value, 4, &read));
	assert_false(block_decode(
	    bytes_of(key.bytes, POST_KEY_SIZE - 1), bytes_of(value, size), &read));
	assert_false(block_decode(key_bytes, bytes_of(value, 3), &read));
	assert_false(block_taken(key, value, POST_VALUE_SIZE_MAX + 1, &read));
	key.bytes[POST_KEY_SIZE - 1] = 1u << POST_GROUP_BITS;
	assert_false(block_taken(key, value, size, &read));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_row__round_trip),
	    cmocka_unit_test(test_row__damaged),
	    cmocka_unit_test(test_row__counts),
	    cmocka_unit_test(test_row__meta),
	    cmocka_unit_test(test_row__terms),
	    cmocka_unit_test(test_row__block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
