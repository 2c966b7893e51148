#include "sched/heap.h"

#include "base/fault.h"
#include "base/mem.h"

void
heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void
heap_release(struct heap *heap)
{
	froe_assert(heap->count == 0);
	mem_free(heap->nodes);
	heap_init(heap);
}

static void
heap_set(struct heap *heap, size_t at, struct heap_node *node)
{
	heap->nodes[at] = node;
	node->place = at + 1;
}

/* Moves the hole at `at` up or down to where the node belongs, and fills it. */
static void
heap_settle(struct heap *heap, size_t at, struct heap_node *node)
{
	while (at > 0 && heap->nodes[(at - 1) / 2]->key > node->key) {
		heap_set(heap, at, heap->nodes[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < heap->count &&
		    heap->nodes[child + 1]->key < heap->nodes[child]->key)
			child++;
		if (child >= heap->count || heap->nodes[child]->key >= node->key)
			break;
		heap_set(heap, at, heap->nodes[child]);
		at = child;
	}
	heap_set(heap, at, node);
}

void
heap_put(struct heap *heap, struct heap_node *node, uint64_t key)
{
	node->key = key;
	if (node->place == 0) {
		if (heap->count == heap->capacity) {
			heap->capacity = heap->capacity != 0 ? heap->capacity * 2 : 8;
			heap->nodes = mem_resize(heap->nodes,
			    heap->capacity * sizeof(struct heap_node *));
		}
		heap_set(heap, heap->count++, node);
	}
	froe_assert(heap->nodes[node->place - 1] == node);
	heap_settle(heap, node->place - 1, node);
}

void
heap_remove(struct heap *heap, struct heap_node *node)
{
	if (node->place == 0)
		return;
	size_t at = node->place - 1;
	froe_assert(at < heap->count);
	froe_assert(heap->nodes[at] == node);
	struct heap_node *last = heap->nodes[--heap->count];
	node->place = 0;
	if (last != node)
		heap_settle(heap, at, last);
}

void
heap_check(const struct heap *heap)
{
	for (size_t at = 0; at < heap->count; at++) {
		froe_assert(heap->nodes[at]->place == at + 1); /* 2 */
		if (at > 0)
			froe_assert(heap->nodes[(at - 1) / 2]->key <= heap->nodes[at]->key); /* 1 */
	}
}
