#include "index/post_int.h"

#include "base/hash.h"
#include "index/texts.h"

#define CHECK_SIZE 4u
#define ARRAY_MAX (POST_BLOCK_RUNS / 16) /* from here on bits are not larger */
#define GROUP_AT 4
#define DIMENSION_AT 10
#define HASH_AT 11
#define BLOCK_AT 19

/* --------------------------------------------------------------------------------------- terms */

struct post_term
post_term_of(enum post_dimension dimension, struct bytes value)
{
	return (struct post_term){
	    .hash = hash64(value.data, value.size, (uint64_t)dimension),
	    .dimension = (uint8_t)dimension,
	};
}

struct post_term
post_term_pair(struct bytes key, struct bytes value)
{
	return (struct post_term){
	    .hash = hash64(value.data, value.size, hash64(key.data, key.size, POST_METADATA)),
	    .dimension = POST_METADATA,
	};
}

struct post_term
post_term_status(uint8_t status)
{
	return post_term_of(POST_STATUS, bytes_of(&status, 1));
}

static void
term_add(struct post_term *terms, uint32_t *count, struct post_term term)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (terms[i].hash == term.hash && terms[i].dimension == term.dimension)
			return; /* the same pair twice */
	}
	froe_assert(*count < POST_TERMS_MAX);
	terms[(*count)++] = term;
}

uint32_t
post_terms(const struct index_run *run, struct post_term terms[POST_TERMS_MAX])
{
	struct bytes at = run->metadata, key, value;
	uint32_t count = 0, pairs = 0;
	if (run->seq == 0)
		return 0; /* touched, but not put yet */
	term_add(terms, &count, post_term_of(POST_WORKFLOW, run->workflow));
	if (run->finished_ns != 0)
		term_add(terms, &count, post_term_status(run->status));
	if (!uuid_is_nil(run->parent))
		term_add(terms, &count,
		    post_term_of(POST_PARENT, bytes_of(run->parent.bytes, ROW_ID_SIZE)));
	while (pairs++ < INDEX_METADATA_MAX && texts_next(&at, &key) && texts_next(&at, &value))
		term_add(terms, &count, post_term_pair(key, value));
	at = run->workers;
	while (texts_next(&at, &value))
		term_add(terms, &count, post_term_of(POST_WORKER, value));
	return count;
}

/* ---------------------------------------------------------------------------------------- keys */

struct post_key
post_key_of(uint32_t tenant, struct post_term term, uint64_t block)
{
	struct post_key key;
	be_store(key.bytes, tenant, 4);
	be_store(key.bytes + GROUP_AT, block >> POST_GROUP_BITS, 6);
	key.bytes[DIMENSION_AT] = term.dimension;
	be_store(key.bytes + HASH_AT, term.hash, 8);
	key.bytes[BLOCK_AT] = block & ((1u << POST_GROUP_BITS) - 1);
	return key;
}

uint32_t
post_key_tenant(const uint8_t *key)
{
	return (uint32_t)be_load(key, 4);
}

uint64_t
post_key_group(const uint8_t *key)
{
	return be_load(key + GROUP_AT, 6);
}

uint64_t
post_key_block(const uint8_t *key)
{
	return post_key_group(key) << POST_GROUP_BITS | key[BLOCK_AT];
}

bool
post_key_has(const uint8_t *key, uint32_t tenant, struct post_term term)
{
	return post_key_tenant(key) == tenant && key[DIMENSION_AT] == term.dimension &&
	    be_load(key + HASH_AT, 8) == term.hash;
}

/* -------------------------------------------------------------------------------------- blocks */

static uint32_t
block_check(struct bytes key, const uint8_t *value, size_t size)
{
	return (uint32_t)hash64(value + CHECK_SIZE, size - CHECK_SIZE,
	    hash64(key.data, key.size, 0));
}

static uint32_t
block_count(const struct block *block)
{
	int count = 0;
	for (uint32_t i = 0; i < POST_WORDS; i++)
		count += __builtin_popcountll(block->words[i]);
	return (uint32_t)count;
}

static size_t
array_encode(const struct block *block, uint8_t *to)
{
	size_t size = 0;
	for (uint32_t i = 0; i < POST_WORDS; i++) {
		for (uint64_t word = block->words[i]; word != 0; word &= word - 1, size += 2)
			le16_store(to + size,
			    (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(word)));
	}
	return size;
}

size_t
block_encode(const struct block *block, struct post_key key, uint8_t to[POST_VALUE_SIZE_MAX])
{
	uint32_t count = block_count(block);
	size_t size = CHECK_SIZE;
	if (count == 0)
		return 0;
	if (count < ARRAY_MAX) {
		size += array_encode(block, to + CHECK_SIZE);
	} else {
		memcpy(to + CHECK_SIZE, block->words, sizeof(block->words));
		size += sizeof(block->words);
	}
	le32_store(to, block_check(bytes_of(key.bytes, POST_KEY_SIZE), to, size));
	return size;
}

static bool
array_decode(const uint8_t *from, size_t count, struct block *block)
{
	uint32_t last = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t at = le16_load(from + i * 2);
		if (at >= POST_BLOCK_RUNS || (i > 0 && at <= last))
			return false;
		block->words[at / 64] |= UINT64_C(1) << (at % 64);
		last = at;
	}
	return true;
}

bool
block_decode(struct bytes key, struct bytes value, struct block *ret_block)
{
	size_t size = value.size - CHECK_SIZE;
	if (key.size != POST_KEY_SIZE || key.data[BLOCK_AT] >= 1u << POST_GROUP_BITS ||
	    value.size <= CHECK_SIZE || value.size > POST_VALUE_SIZE_MAX ||
	    le32_load(value.data) != block_check(key, value.data, value.size))
		return false;
	if (size == sizeof(ret_block->words)) {
		memcpy(ret_block->words, value.data + CHECK_SIZE, size);
		return true;
	}
	memset(ret_block->words, 0, sizeof(ret_block->words));
	return size % 2 == 0 && array_decode(value.data + CHECK_SIZE, size / 2, ret_block);
}
