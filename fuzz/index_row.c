/*
 * The index's values, as LMDB may hand them out: rows, leaves of ids, meta, blocks of posting
 * lists, spans of texts.
 *
 * Input: u8 which: 0 row, 1 ids, 2 meta, 3 block, 4 texts; bit 7 makes its hash good; u8 size of
 * the key, the key, the value.
 *
 * What decodes encodes to a value that decodes to the same; its parts lie within the value; what is
 * looked for in it is looked for within bounds.
 */
#include "fuzz/feed.h"

#include "base/hash.h"
#include "base/mem.h"
#include "index/ids_int.h"
#include "index/post_int.h"
#include "index/row_int.h"
#include "index/texts.h"

static void
expect_within(struct bytes part, struct bytes whole)
{
	if (part.size > 0)
		froe_assert(part.data >= whole.data &&
		    part.data + part.size <= whole.data + whole.size);
}

/* As row.c, ids.c and post.c have it: of what follows the hash, seeded with that of the key. */
static void
seal(struct bytes key, uint8_t *value, size_t size, size_t hash_size)
{
	if (size < hash_size)
		return;
	uint64_t hash = hash64(value + hash_size, size - hash_size, hash64(key.data, key.size, 0));
	uint8_t word[8];
	le64_store(word, hash);
	memcpy(value, word, hash_size);
}

static void
judge_row(struct bytes key, struct bytes value)
{
	struct index_run run, again;
	struct post_term terms[POST_TERMS_MAX];
	struct buf buf;
	if (!row_decode(key, value, &run))
		return;
	expect_within(run.workflow, value);
	expect_within(run.metadata, value);
	expect_within(run.workers, value);
	expect_within(run.places, value);
	buf_init(&buf);
	row_encode(&buf, &run);
	froe_assert(row_decode(key, buf_bytes(&buf), &again));
	froe_assert(again.number == run.number && again.tenant == run.tenant);
	froe_assert(again.seq == run.seq && again.status == run.status);
	froe_assert(uuid_equal(again.id, run.id) && uuid_equal(again.parent, run.parent));
	froe_assert(bytes_equal(again.workflow, run.workflow));
	froe_assert(bytes_equal(again.metadata, run.metadata));
	froe_assert(bytes_equal(again.workers, run.workers));
	froe_assert(bytes_equal(again.places, run.places));
	buf_release(&buf);
	texts_have_pair(run.metadata, run.workflow, run.workflow);
	texts_have(run.workers, run.workflow);
	froe_assert(post_terms(&run, terms) <= POST_TERMS_MAX);
}

static void
judge_ids(struct bytes key, struct bytes value)
{
	struct uuid id;
	uint32_t count;
	uint8_t again[IDS_VALUE_SIZE_MAX];
	if (!ids_decode(key, value, &count))
		return;
	memcpy(id.bytes, key.data, sizeof(id.bytes));
	froe_assert(ids_encode(id, value.data + IDS_HEAD_SIZE, count, again) == value.size);
	froe_assert(memcmp(again, value.data, value.size) == 0);
}

static void
judge_meta(struct bytes value)
{
	struct row_meta meta;
	uint8_t again[ROW_META_SIZE];
	if (!row_meta_decode(value, &meta))
		return;
	row_meta_encode(again, &meta);
	froe_assert(memcmp(again, value.data, sizeof(again)) == 0);
}

static void
judge_block(struct bytes key, struct bytes value)
{
	struct block block, again;
	struct post_key post;
	uint8_t encoded[POST_VALUE_SIZE_MAX];
	if (!block_decode(key, value, &block))
		return;
	memcpy(post.bytes, key.data, sizeof(post.bytes));
	size_t size = block_encode(&block, post, encoded);
	if (size == 0)
		return; /* a bitmap of zeros: nobody wrote it, and it says nothing */
	froe_assert(block_decode(key, bytes_of(encoded, size), &again));
	froe_assert(memcmp(&block, &again, sizeof(block)) == 0);
}

static void
judge_texts(struct bytes span)
{
	struct bytes at = span, text;
	uint32_t count, seen = 0;
	struct buf buf;
	if (!texts_good(span, &count))
		return;
	buf_init(&buf);
	for (; texts_next(&at, &text); seen++) {
		expect_within(text, span);
		froe_assert(texts_have(span, text));
		texts_push(&buf, text);
	}
	froe_assert(seen == count && at.size == 0);
	froe_assert(bytes_equal(buf_bytes(&buf), span));
	buf_release(&buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	uint8_t which = feed_u8(&feed);
	struct bytes key = feed_take(&feed, feed_u8(&feed));
	struct bytes bytes = feed_take(&feed, feed.left);
	uint8_t *value = mem_alloc(bytes.size > 0 ? bytes.size : 1);
	if (bytes.size > 0)
		memcpy(value, bytes.data, bytes.size);
	bytes.data = value;
	unsigned kind = (which & 0x7f) % 5;
	if ((which & 0x80) != 0)
		seal(kind == 2 ? bytes_of(NULL, 0) : key, value, bytes.size, kind == 3 ? 4 : 8);
	if (kind == 0)
		judge_row(key, bytes);
	else if (kind == 1)
		judge_ids(key, bytes);
	else if (kind == 2)
		judge_meta(bytes);
	else if (kind == 3)
		judge_block(key, bytes);
	else
		judge_texts(bytes);
	mem_free(value);
	return 0;
}
