/*
 * runs    [0,8) hash  [8,24) id  [24,32) created  [32,40) finished  [40,42) size of workflow
 *         [42] status  [43] zero  [44,48) size of places  [48,..) workflow, places
 * ids     [0,8) hash  [8,20) key in runs
 * meta    [0,8) hash  [8,12) format  [12,16) zero  [16,32) store  [32,40) applied
 *
 * Little-endian, but for keys. The hash is XXH3 of the bytes after it, seeded with that of the key.
 */
#include "index/row_int.h"

#include "base/hash.h"

#include <assert.h>

#define HASH_SIZE 8

static_assert(ROW_META_SIZE == 32 + 8, "meta is dense");
static_assert(ROW_PLACE_SIZE == HASH_SIZE + ROW_KEY_SIZE, "a place is dense");

static uint64_t
value_hash(struct bytes key, const uint8_t *value, size_t size)
{
	return hash64(value + HASH_SIZE, size - HASH_SIZE, hash64(key.data, key.size, 0));
}

static bool
value_good(struct bytes key, struct bytes value)
{
	return le64_load(value.data) == value_hash(key, value.data, value.size);
}

static uint64_t
be_load(const uint8_t *from, int size)
{
	uint64_t word = 0;
	for (int i = 0; i < size; i++)
		word = word << 8 | from[i];
	return word;
}

static void
be_store(uint8_t *to, uint64_t word, int size)
{
	for (int i = size; i-- > 0; word >>= 8)
		to[i] = (uint8_t)word;
}

struct row_key
row_key_of(uint32_t tenant, uint64_t number)
{
	struct row_key key;
	be_store(key.bytes, tenant, 4);
	be_store(key.bytes + 4, number, 8);
	return key;
}

void
row_encode(struct buf *to, const struct index_run *run)
{
	struct row_key key = row_key_of(run->tenant, run->number);
	froe_assert(run->workflow.size <= ROW_WORKFLOW_BYTES_MAX);
	froe_assert(run->places.size <= UINT32_MAX);
	size_t start = to->size;
	uint8_t *head = buf_reserve(to, ROW_HEAD_SIZE);
	memcpy(head + 8, run->id.bytes, ROW_ID_SIZE);
	le64_store(head + 24, run->created_ns);
	le64_store(head + 32, run->finished_ns);
	le16_store(head + 40, (uint16_t)run->workflow.size);
	head[42] = run->status;
	head[43] = 0;
	le32_store(head + 44, (uint32_t)run->places.size);
	buf_commit(to, ROW_HEAD_SIZE);
	buf_push(to, run->workflow.data, run->workflow.size);
	buf_push(to, run->places.data, run->places.size);
	uint8_t *row = to->data + start;
	le64_store(row, value_hash(bytes_of(key.bytes, ROW_KEY_SIZE), row, to->size - start));
}

bool
row_decode(struct bytes key, struct bytes value, struct index_run *ret_run)
{
	const uint8_t *row = value.data;
	if (key.size != ROW_KEY_SIZE || value.size < ROW_HEAD_SIZE || !value_good(key, value))
		return false;
	size_t workflow_size = le16_load(row + 40), places_size = le32_load(row + 44);
	if (value.size != ROW_HEAD_SIZE + workflow_size + places_size || row[43] != 0)
		return false;
	*ret_run = (struct index_run){
	    .number = be_load(key.data + 4, 8),
	    .tenant = (uint32_t)be_load(key.data, 4),
	    .status = row[42],
	    .created_ns = le64_load(row + 24),
	    .finished_ns = le64_load(row + 32),
	    .workflow = bytes_of(row + ROW_HEAD_SIZE, workflow_size),
	    .places = bytes_of(row + ROW_HEAD_SIZE + workflow_size, places_size),
	};
	memcpy(ret_run->id.bytes, row + 8, ROW_ID_SIZE);
	return true;
}

void
row_place_encode(uint8_t to[ROW_PLACE_SIZE], struct uuid id, struct row_key key)
{
	memcpy(to + HASH_SIZE, key.bytes, ROW_KEY_SIZE);
	le64_store(to, value_hash(bytes_of(id.bytes, ROW_ID_SIZE), to, ROW_PLACE_SIZE));
}

bool
row_place_decode(struct bytes id, struct bytes value, struct row_key *ret_key)
{
	if (id.size != ROW_ID_SIZE || value.size != ROW_PLACE_SIZE || !value_good(id, value))
		return false;
	memcpy(ret_key->bytes, value.data + HASH_SIZE, ROW_KEY_SIZE);
	return true;
}

void
row_meta_encode(uint8_t to[ROW_META_SIZE], const struct row_meta *meta)
{
	le32_store(to + 8, meta->format);
	le32_store(to + 12, 0);
	memcpy(to + 16, meta->store.bytes, sizeof(meta->store.bytes));
	le64_store(to + 32, meta->applied);
	le64_store(to, value_hash(bytes_of(NULL, 0), to, ROW_META_SIZE));
}

bool
row_meta_decode(struct bytes value, struct row_meta *ret_meta)
{
	if (value.size != ROW_META_SIZE || !value_good(bytes_of(NULL, 0), value) ||
	    le32_load(value.data + 12) != 0)
		return false;
	ret_meta->format = le32_load(value.data + 8);
	memcpy(ret_meta->store.bytes, value.data + 16, sizeof(ret_meta->store.bytes));
	ret_meta->applied = le64_load(value.data + 32);
	return true;
}
