/*
 * runs    [0,8) hash  [8,24) id  [24,32) created  [32,40) finished  [40,44) seq  [44,46) size of
 *         workflow  [46,48) of metadata  [48,50) of workers  [50] status  [51] flags
 *         [52,56) size of places  [56,..) the parent if FLAG_PARENT, workflow, metadata, workers,
 *         places
 * meta    [0,8) hash  [8,12) format  [12,16) 1: complete  [16,32) store  [32,40) applied
 *
 * Little-endian, but for keys. The hash is XXH3 of the bytes after it, seeded with that of the key.
 */
#include "index/row_int.h"

#include "base/hash.h"
#include "index/texts.h"

#include <assert.h>

#define HASH_SIZE 8
#define FLAG_PARENT 1u

static_assert(ROW_META_SIZE == 32 + 8, "meta is dense");

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

static uint8_t *
part_put(uint8_t *to, struct bytes part)
{
	if (part.size > 0)
		memcpy(to, part.data, part.size);
	return to + part.size;
}

void
row_encode(struct buf *to, const struct index_run *run)
{
	struct row_key key = row_key_of(run->tenant, run->number);
	bool parent = !uuid_is_nil(run->parent);
	froe_assert(run->workflow.size <= ROW_WORKFLOW_BYTES_MAX);
	froe_assert(run->metadata.size <= UINT16_MAX && run->workers.size <= UINT16_MAX);
	froe_assert(run->places.size <= UINT32_MAX);
	size_t size = ROW_HEAD_SIZE + (parent ? (size_t)ROW_ID_SIZE : 0) + run->workflow.size +
		      run->metadata.size + run->workers.size + run->places.size;
	uint8_t *row = buf_reserve(to, size), *at = row + ROW_HEAD_SIZE;
	memcpy(row + 8, run->id.bytes, ROW_ID_SIZE);
	le64_store(row + 24, run->created_ns);
	le64_store(row + 32, run->finished_ns);
	le32_store(row + 40, run->seq);
	le16_store(row + 44, (uint16_t)run->workflow.size);
	le16_store(row + 46, (uint16_t)run->metadata.size);
	le16_store(row + 48, (uint16_t)run->workers.size);
	row[50] = run->status;
	row[51] = parent ? FLAG_PARENT : 0;
	le32_store(row + 52, (uint32_t)run->places.size);
	if (parent)
		at = part_put(at, bytes_of(run->parent.bytes, ROW_ID_SIZE));
	at = part_put(at, run->workflow);
	at = part_put(at, run->metadata);
	at = part_put(at, run->workers);
	part_put(at, run->places);
	le64_store(row, value_hash(bytes_of(key.bytes, ROW_KEY_SIZE), row, size));
	buf_commit(to, size);
}

static struct bytes
row_part(const uint8_t **at, size_t size)
{
	const uint8_t *from = *at;
	*at += size;
	return bytes_of(from, size);
}

bool
row_decode(struct bytes key, struct bytes value, struct index_run *ret_run)
{
	const uint8_t *row = value.data, *at = row + ROW_HEAD_SIZE;
	uint32_t count;
	if (key.size != ROW_KEY_SIZE || value.size < ROW_HEAD_SIZE || !value_good(key, value))
		return false;
	size_t workflow = le16_load(row + 44), metadata = le16_load(row + 46);
	size_t workers = le16_load(row + 48), places = le32_load(row + 52);
	size_t parent = (row[51] & FLAG_PARENT) != 0 ? ROW_ID_SIZE : 0;
	if (value.size != ROW_HEAD_SIZE + parent + workflow + metadata + workers + places ||
	    (row[51] & ~FLAG_PARENT) != 0)
		return false;
	*ret_run = (struct index_run){
	    .number = be_load(key.data + 4, 8),
	    .tenant = (uint32_t)be_load(key.data, 4),
	    .seq = le32_load(row + 40),
	    .status = row[50],
	    .created_ns = le64_load(row + 24),
	    .finished_ns = le64_load(row + 32),
	};
	memcpy(ret_run->id.bytes, row + 8, ROW_ID_SIZE);
	memcpy(ret_run->parent.bytes, row_part(&at, parent).data, parent);
	ret_run->workflow = row_part(&at, workflow);
	ret_run->metadata = row_part(&at, metadata);
	ret_run->workers = row_part(&at, workers);
	ret_run->places = row_part(&at, places);
	return texts_good(ret_run->metadata, &count) && count % 2 == 0 &&
	    texts_good(ret_run->workers, &count) && count <= INDEX_WORKERS_MAX;
}

void
row_meta_encode(uint8_t to[ROW_META_SIZE], const struct row_meta *meta)
{
	le32_store(to + 8, meta->format);
	le32_store(to + 12, meta->complete ? 1 : 0);
	memcpy(to + 16, meta->store.bytes, sizeof(meta->store.bytes));
	le64_store(to + 32, meta->applied);
	le64_store(to, value_hash(bytes_of(NULL, 0), to, ROW_META_SIZE));
}

bool
row_meta_decode(struct bytes value, struct row_meta *ret_meta)
{
	if (value.size != ROW_META_SIZE || !value_good(bytes_of(NULL, 0), value) ||
	    le32_load(value.data + 12) > 1)
		return false;
	ret_meta->complete = le32_load(value.data + 12) == 1;
	ret_meta->format = le32_load(value.data + 8);
	memcpy(ret_meta->store.bytes, value.data + 16, sizeof(ret_meta->store.bytes));
	ret_meta->applied = le64_load(value.data + 32);
	return true;
}
