#include "base/relay.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stdalign.h>
#include <stdbool.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define KEEPS false
#else
#define KEEPS true
#endif

struct relay_block {
	struct relay_block *next; /* while it is free */
	bool large;
	alignas(16) uint8_t data[];
};
_Static_assert(sizeof(struct relay_block) == 16, "what is before a block's data");

static struct relay_block *
block_of(void *data)
{
	return (struct relay_block *)(void *)((uint8_t *)data - sizeof(struct relay_block));
}

void
relay_init(struct relay *relay, size_t block_bytes, unsigned capacity)
{
	*relay = (struct relay){.block_bytes = block_bytes};
	ring_init(&relay->back, capacity);
}

void
relay_release(struct relay *relay)
{
	struct relay_block *block;
	while ((block = ring_pop(&relay->back)) != NULL)
		mem_free(block);
	while ((block = relay->free) != NULL) {
		relay->free = block->next;
		mem_free(block);
	}
	ring_release(&relay->back);
}

/* All that has come back, at once: the ring's lines are the other thread's to write. */
static void
blocks_fetch(struct relay *relay)
{
	struct relay_block *block;
	while ((block = ring_pop(&relay->back)) != NULL) {
		block->next = relay->free;
		relay->free = block;
	}
}

void *
relay_take(struct relay *relay, size_t size)
{
	bool large = !KEEPS || size > relay->block_bytes;
	if (!large && relay->free == NULL)
		blocks_fetch(relay);
	struct relay_block *block = large ? NULL : relay->free;
	if (block != NULL) {
		relay->free = block->next;
		return block->data;
	}
	block = mem_alloc(sizeof(*block) + (large ? size : relay->block_bytes));
	block->large = large;
	return block->data;
}

void
relay_done(struct relay *relay, void *data)
{
	struct relay_block *block = data != NULL ? block_of(data) : NULL;
	if (block == NULL)
		return;
	if (block->large || !ring_push(&relay->back, block))
		mem_free(block);
}
