/*
 * index/post: posting lists: which runs have a property.
 *
 * Purpose     A term is a property (a workflow, a final status, a parent, a metadata pair, a
 *             worker): its dimension and the hash of its value. Its list is cut into blocks of 8192
 *             run numbers; a block is one entry of the table "lists": a bitmap, or an array while
 *             it is small.
 * Layout      key: tenant (4), group (6), dimension (1), hash (8), block in the group (1): all
 *             big-endian. A group is 16 blocks, so what new runs bring lies close together, however
 *             many different values they have: a batch dirties pages of one group. A list is read
 *             group by group.
 *             value: [0,4) of the hash of key and value; then ascending u16, or, from 512 of them
 *             on, 1024 bytes of bits.
 * Failure     block_decode() is false for bytes that block_encode() did not write.
 */
#ifndef INDEX_POST_INT_H
#define INDEX_POST_INT_H

#include "index/row_int.h"

#define POST_KEY_SIZE 20
#define POST_BLOCK_BITS 13u
#define POST_GROUP_BITS 4u /* of blocks */
#define POST_BLOCK_RUNS (1u << POST_BLOCK_BITS)
#define POST_WORDS (POST_BLOCK_RUNS / 64)
#define POST_VALUE_SIZE_MAX (4u + POST_BLOCK_RUNS / 8)
/* A workflow, a status, a parent; pairs; workers. */
#define POST_TERMS_MAX (3u + INDEX_METADATA_MAX + INDEX_WORKERS_MAX)

enum post_dimension {
	POST_WORKFLOW = 1,
	POST_STATUS = 2,
	POST_PARENT = 3,
	POST_METADATA = 4,
	POST_WORKER = 5,
};

struct post_term {
	uint64_t hash;
	uint8_t dimension; /* enum post_dimension */
};

struct post_term post_term_of(enum post_dimension dimension, struct bytes value);
struct post_term post_term_pair(struct bytes key, struct bytes value);
struct post_term post_term_status(uint8_t status);

/* The terms of a row; how many. */
uint32_t post_terms(const struct index_run *run, struct post_term terms[POST_TERMS_MAX]);

struct post_key {
	uint8_t bytes[POST_KEY_SIZE];
};
struct post_key post_key_of(uint32_t tenant, struct post_term term, uint64_t block);
uint32_t post_key_tenant(const uint8_t *key);
uint64_t post_key_group(const uint8_t *key);
uint64_t post_key_block(const uint8_t *key);
bool post_key_has(const uint8_t *key, uint32_t tenant, struct post_term term);

struct block {
	uint64_t words[POST_WORDS];
};
/* Returns the value's size; 0: the block is empty. */
size_t block_encode(const struct block *block, struct post_key key,
    uint8_t to[POST_VALUE_SIZE_MAX]);
bool block_decode(struct bytes key, struct bytes value, struct block *ret_block);

#endif
