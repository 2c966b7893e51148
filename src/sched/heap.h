/*
 * sched/heap: a binary min-heap of nodes with 64-bit keys.
 *
 * Purpose     who is first, in O(1); put, move and remove in O(log n), from anywhere.
 * Ownership   nodes are embedded in their objects; the heap owns its array of pointers to them.
 * Invariants  (heap_check) 1. no node's key is below its parent's. 2. a node knows its place.
 *             3. with distinct keys the first node does not depend on the order of the calls.
 * Threading   its owner only.
 */
#ifndef SCHED_HEAP_H
#define SCHED_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	size_t place; /* index + 1; 0: in no heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count;
	size_t capacity;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap); /* it must be empty */

void heap_put(struct heap *heap, struct heap_node *node, uint64_t key); /* also moves one */
void heap_remove(struct heap *heap, struct heap_node *node); /* harmless if in no heap */
void heap_check(const struct heap *heap);

static inline struct heap_node *
heap_first(const struct heap *heap) /* NULL: empty */
{
	return heap->count > 0 ? heap->nodes[0] : NULL;
}

#endif
