/*
 * A bit is set upwards until a word was not empty before, and cleared upwards until one is not
 * empty after. floor() looks at the bits at or below the number in its word, then below that
 * word's own bit one level up, and so on; once it has found one it goes down, always to the
 * highest.
 */
#include "index/openset.h"

#include "base/fault.h"

#define BITS 6u
#define LEVELS 11u /* 66 bits */

struct openset_node {
	uint64_t words[OPENSET_KINDS];
};

void
openset_init(struct openset *set)
{
	*set = (struct openset){0};
	map_init(&set->nodes);
	slab_init(&set->slab, sizeof(struct openset_node), 1024);
}

void
openset_release(struct openset *set)
{
	map_release(&set->nodes);
	slab_release(&set->slab);
}

static uint64_t
node_key(uint32_t tenant, uint32_t level)
{
	return (uint64_t)level << 32 | tenant;
}

static struct openset_node *
node_find(const struct openset *set, uint32_t tenant, uint32_t level, uint64_t at)
{
	const struct openset_recent *recent = &set->recent[at % OPENSET_RECENT];
	if (level == 0 && recent->node != NULL && recent->at == at && recent->tenant == tenant)
		return recent->node;
	return map_get(&set->nodes, node_key(tenant, level), at);
}

static void
node_recall(struct openset *set, uint32_t tenant, uint32_t level, uint64_t at,
    struct openset_node *node)
{
	if (level == 0)
		set->recent[at % OPENSET_RECENT] =
		    (struct openset_recent){.at = at, .tenant = tenant, .node = node};
}

static struct openset_node *
node_require(struct openset *set, uint32_t tenant, uint32_t level, uint64_t at)
{
	struct openset_node *node = node_find(set, tenant, level, at);
	if (node == NULL) {
		node = slab_alloc(&set->slab);
		map_put(&set->nodes, node_key(tenant, level), at, node);
	}
	node_recall(set, tenant, level, at, node);
	return node;
}

static uint64_t
bit_of(uint64_t at)
{
	return UINT64_C(1) << (at & 63);
}

static void
kind_add(struct openset *set, uint32_t tenant, uint32_t kind, uint64_t number)
{
	for (uint32_t level = 0; level < LEVELS; level++, number >>= BITS) {
		struct openset_node *node = node_require(set, tenant, level, number >> BITS);
		bool empty = node->words[kind] == 0;
		node->words[kind] |= bit_of(number);
		if (!empty)
			return;
	}
}

static bool
node_empty(const struct openset_node *node)
{
	uint64_t any = 0;
	for (uint32_t kind = 0; kind < OPENSET_KINDS; kind++)
		any |= node->words[kind];
	return any == 0;
}

static void
kind_remove(struct openset *set, uint32_t tenant, uint32_t kind, uint64_t number)
{
	for (uint32_t level = 0; level < LEVELS; level++, number >>= BITS) {
		struct openset_node *node = node_find(set, tenant, level, number >> BITS);
		node->words[kind] &= ~bit_of(number);
		bool more = node->words[kind] != 0;
		if (node_empty(node)) {
			map_remove(&set->nodes, node_key(tenant, level), number >> BITS);
			node_recall(set, tenant, level, number >> BITS, NULL);
			slab_free(&set->slab, node);
		}
		if (more)
			return;
	}
}

static uint32_t
node_kinds(const struct openset_node *node, uint64_t number)
{
	uint32_t kinds = 0;
	for (uint32_t kind = 0; kind < OPENSET_KINDS; kind++)
		kinds |= (uint32_t)(node->words[kind] >> (number & 63) & 1) << kind;
	return kinds;
}

uint32_t
openset_get(const struct openset *set, uint32_t tenant, uint64_t number)
{
	const struct openset_node *node = node_find(set, tenant, 0, number >> BITS);
	return node != NULL ? node_kinds(node, number) : 0;
}

/* True: that was all, since the word has others before and after, so no other level changes. */
static bool
kind_flip(struct openset_node *node, uint32_t kind, uint64_t number)
{
	uint64_t word = node->words[kind], flipped = word ^ bit_of(number);
	if (word == 0 || flipped == 0)
		return false;
	node->words[kind] = flipped;
	return true;
}

void
openset_put(struct openset *set, uint32_t tenant, uint64_t number, uint32_t kinds)
{
	struct openset_node *node = node_find(set, tenant, 0, number >> BITS);
	uint32_t old = node != NULL ? node_kinds(node, number) : 0;
	froe_assert(kinds < 1u << OPENSET_KINDS);
	if (node != NULL)
		node_recall(set, tenant, 0, number >> BITS, node);
	for (uint32_t changed = old ^ kinds; changed != 0; changed &= changed - 1) {
		uint32_t kind = (uint32_t)__builtin_ctz(changed);
		if (node != NULL && kind_flip(node, kind, number))
			continue;
		if ((kinds & 1u << kind) != 0)
			kind_add(set, tenant, kind, number);
		else
			kind_remove(set, tenant, kind, number);
		node = node_find(set, tenant, 0, number >> BITS); /* it has come, or gone */
	}
	if (old == 0 && kinds != 0)
		set->count++;
	if (old != 0 && kinds == 0)
		set->count--;
}

static uint64_t
node_word(const struct openset_node *node, uint32_t kinds)
{
	uint64_t word = 0;
	for (uint32_t kind = 0; kind < OPENSET_KINDS && node != NULL; kind++)
		word |= (kinds & 1u << kind) != 0 ? node->words[kind] : 0;
	return word;
}

static uint64_t
highest(uint64_t word)
{
	return 63u - (uint64_t)__builtin_clzll(word);
}

/* The highest number below a word of this level that is not empty. */
static uint64_t
descend(const struct openset *set, uint32_t tenant, uint32_t kinds, uint32_t level, uint64_t at)
{
	while (level-- > 0) {
		uint64_t word = node_word(node_find(set, tenant, level, at), kinds);
		froe_assert(word != 0);
		at = at << BITS | highest(word);
	}
	return at;
}

bool
openset_floor(const struct openset *set, uint32_t tenant, uint32_t kinds, uint64_t number,
    uint64_t *ret_number)
{
	uint64_t at = number;
	for (uint32_t level = 0; level < LEVELS; level++, at >>= BITS) {
		uint64_t word = node_word(node_find(set, tenant, level, at >> BITS), kinds);
		/* At level 0 the number itself counts; above, what is below was looked at. */
		word &= level == 0 ? bit_of(at) | (bit_of(at) - 1) : bit_of(at) - 1;
		if (word == 0)
			continue;
		*ret_number =
		    descend(set, tenant, kinds, level, (at >> BITS) << BITS | highest(word));
		return true;
	}
	return false;
}

void
openset_collect(const struct openset *set, uint32_t tenant, uint32_t kinds, uint64_t base,
    uint64_t *words, uint32_t count)
{
	froe_assert(base % 64 == 0);
	for (uint32_t i = 0; i < count; i++)
		words[i] |= node_word(node_find(set, tenant, 0, (base >> BITS) + i), kinds);
}
