/*
 * base/list: intrusive doubly linked lists.
 *
 * Invariants  1. an unlinked node points at itself (list_init) or is zero (never linked).
 *             2. a list head is a node that is not an element.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define list_for_each(node, head)                                                                  \
	for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

static inline void
list_init(struct list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool
list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool
list_linked(const struct list *node)
{
	return node->next != NULL && node->next != node;
}

static inline void
list_push(struct list *head, struct list *node) /* at the tail */
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void
list_push_front(struct list *head, struct list *node)
{
	list_push(head->next, node);
}

static inline void
list_remove(struct list *node) /* harmless for an unlinked node */
{
	if (node->next == NULL)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* `by` takes the place of a node that is linked or not; its object has moved. */
static inline void
list_replace(struct list *node, struct list *by)
{
	list_init(by);
	if (!list_linked(node))
		return;
	list_push(node, by); /* before it */
	list_remove(node);
}

static inline struct list *
list_pop(struct list *head) /* from the front; NULL when empty */
{
	struct list *node = head->next;
	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

#endif
