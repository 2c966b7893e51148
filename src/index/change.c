/*
 * What a batch changes in the lists: each list's block with its changes, found by hash. Runs of a
 * batch mostly come into the same few blocks: the newest one of each dimension is looked at first.
 */
#include "index/index_int.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

#define NONE UINT32_MAX

static uint64_t
block_hash(uint32_t tenant, struct post_term term, uint64_t block)
{
	return hash_words(term.hash + tenant, block << 8 | term.dimension);
}

static bool
block_is(const struct change_block *block, uint32_t tenant, struct post_term term, uint64_t number)
{
	return block->term.hash == term.hash && block->term.dimension == term.dimension &&
	       block->number == number && block->tenant == tenant;
}

static uint32_t *
block_head(const struct changes *changes, const struct change_block *block)
{
	uint64_t hash = block_hash(block->tenant, block->term, block->number);
	return &changes->heads[hash & (changes->block_capacity - 1)];
}

static void
blocks_grow(struct changes *changes)
{
	size_t capacity = changes->block_capacity != 0 ? changes->block_capacity * 2 : 64;
	changes->blocks = mem_resize(changes->blocks, capacity * sizeof(changes->blocks[0]));
	changes->heads = mem_resize(changes->heads, capacity * sizeof(changes->heads[0]));
	changes->block_capacity = capacity;
	memset(changes->heads, 0xff, capacity * sizeof(changes->heads[0]));
	for (uint32_t i = 0; i < changes->block_count; i++) {
		uint32_t *head = block_head(changes, &changes->blocks[i]);
		changes->blocks[i].next = *head;
		*head = i;
	}
}

static uint32_t
block_new(struct changes *changes, uint32_t tenant, struct post_term term, uint64_t number)
{
	if (changes->block_count == changes->block_capacity)
		blocks_grow(changes);
	uint32_t at = changes->block_count++;
	struct change_block *block = &changes->blocks[at];
	*block = (struct change_block){
	    .tenant = tenant,
	    .term = term,
	    .number = number,
	    .first = NONE,
	    .key = post_key_of(tenant, term, number),
	};
	uint32_t *head = block_head(changes, block);
	block->next = *head;
	*head = at;
	return at;
}

static uint32_t
block_find(const struct changes *changes, uint32_t tenant, struct post_term term, uint64_t number)
{
	if (changes->block_count == 0)
		return NONE;
	uint64_t hash = block_hash(tenant, term, number);
	uint32_t at = changes->heads[hash & (changes->block_capacity - 1)];
	while (at != NONE && !block_is(&changes->blocks[at], tenant, term, number))
		at = changes->blocks[at].next;
	return at;
}

static struct change_block *
block_require(struct changes *changes, uint32_t tenant, struct post_term term, uint64_t number)
{
	uint32_t *newest = &changes->newest[term.dimension % CHANGES_NEWEST];
	if (*newest >= changes->block_count ||
	    !block_is(&changes->blocks[*newest], tenant, term, number)) {
		*newest = block_find(changes, tenant, term, number);
		if (*newest == NONE)
			*newest = block_new(changes, tenant, term, number);
	}
	return &changes->blocks[*newest];
}

void
changes_push(struct changes *changes, const struct index_run *run, struct post_term term, bool add)
{
	struct change_block *block =
	    block_require(changes, run->tenant, term, run->number >> POST_BLOCK_BITS);
	if (changes->count == changes->capacity) {
		changes->capacity = changes->capacity != 0 ? changes->capacity * 2 : 256;
		changes->all =
		    mem_resize(changes->all, changes->capacity * sizeof(changes->all[0]));
	}
	froe_assert(changes->count < NONE);
	changes->all[changes->count] = (struct change){
	    .next = block->first,
	    .at = (uint16_t)(run->number & (POST_BLOCK_RUNS - 1)),
	    .add = add,
	};
	block->first = (uint32_t)changes->count++;
}

void
changes_apply(const struct changes *changes, const struct change_block *to, struct block *block)
{
	for (uint32_t i = to->first; i != NONE; i = changes->all[i].next) {
		const struct change *change = &changes->all[i];
		uint64_t bit = UINT64_C(1) << (change->at % 64);
		if (change->add)
			block->words[change->at / 64] |= bit;
		else
			block->words[change->at / 64] &= ~bit;
	}
}

static int
block_compare(const void *left, const void *right)
{
	const struct change_block *a = left, *b = right;
	return memcmp(a->key.bytes, b->key.bytes, POST_KEY_SIZE);
}

void
changes_sort(struct changes *changes)
{
	if (changes->block_count > 1)
		qsort(changes->blocks, changes->block_count, sizeof(changes->blocks[0]),
		    block_compare);
}

void
changes_reset(struct changes *changes)
{
	changes->count = 0;
	changes->block_count = 0;
	if (changes->block_capacity != 0)
		memset(changes->heads, 0xff, changes->block_capacity * sizeof(changes->heads[0]));
}

void
changes_release(struct changes *changes)
{
	mem_free(changes->all);
	mem_free(changes->blocks);
	mem_free(changes->heads);
}
