/*
 * index/row: the bytes of the tables of runs and meta.
 *
 * Purpose     runs: (tenant, number), big-endian so that the order of bytes is the order of runs ->
 *             the row. meta: what the index is of and how far it goes. (index/ids_int.h has ids.)
 *             Every value begins with a hash of its key and itself: LMDB's pages have none.
 * Ownership   decoded rows point into the bytes they were decoded from.
 * Failure     decoders return false for bytes that no encoder wrote.
 */
#ifndef INDEX_ROW_INT_H
#define INDEX_ROW_INT_H

#include "base/bytes.h"
#include "base/uuid.h"
#include "index/index.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ROW_FORMAT 4u
#define ROW_KEY_SIZE 12
#define ROW_ID_SIZE 16
#define ROW_HEAD_SIZE 56
#define ROW_META_SIZE 40
#define ROW_WORKFLOW_BYTES_MAX UINT16_MAX

struct row_key {
	uint8_t bytes[ROW_KEY_SIZE];
};

struct row_meta {
	uint32_t format;
	bool complete;
	struct uuid store;
	uint64_t applied;
};

/* Words of keys, of `size` bytes: big-endian, so that the order of bytes is that of the numbers. */
static inline uint64_t
be_load(const uint8_t *from, size_t size)
{
	uint64_t big = 0;
	memcpy(&big, from, size);
	return be64toh(big) >> (8 * (sizeof(big) - size));
}

static inline void
be_store(uint8_t *to, uint64_t word, size_t size)
{
	uint64_t big = htobe64(word << (8 * (sizeof(big) - size)));
	memcpy(to, &big, size);
}

static inline struct row_key
row_key_of(uint32_t tenant, uint64_t number)
{
	struct row_key key;
	be_store(key.bytes, tenant, 4);
	be_store(key.bytes + 4, number, 8);
	return key;
}

static inline uint64_t
row_key_number(const struct row_key *key)
{
	return be_load(key->bytes + 4, 8);
}

void row_encode(struct buf *to, const struct index_run *run);
bool row_decode(struct bytes key, struct bytes value, struct index_run *ret_run);

void row_meta_encode(uint8_t to[ROW_META_SIZE], const struct row_meta *meta);
bool row_meta_decode(struct bytes value, struct row_meta *ret_meta);

#endif
