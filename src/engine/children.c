/*
 * engine/children: the runs that a run's tasks have started: each once, however often its task is
 * tried.
 *
 * An entry is found by (task, index or key), and lives as long as the parent run. While the child
 * is open it points back at its entry; when it closes it leaves its status there.
 */
#include "engine/engine_int.h"

#include "base/hash.h"
#include "base/plant.h"

static uint64_t
child_low(uint32_t index, struct bytes key)
{
	return key.size != 0 ? hash64(key.data, key.size, 0) : index;
}

static uint64_t
child_high(uint32_t task, struct bytes key)
{
	return (uint64_t)task << 1 | (key.size != 0);
}

struct eng_child *
child_find(const struct eng_run *parent, uint32_t task, uint32_t index, struct bytes key)
{
	const struct eng_children *children = run_ties(parent)->children;
	if (children == NULL || plant(CHILD_TWICE))
		return NULL;
	struct eng_child *child =
	    map_get(&children->map, child_high(task, key), child_low(index, key));
	while (child != NULL && !bytes_equal(child->key, key))
		child = child->next;
	return child;
}

static struct eng_children *
children_require(struct eng *eng, struct eng_run *parent)
{
	struct eng_ties *ties = ties_require(eng, parent);
	if (ties->children == NULL) {
		ties->children = mem_zalloc(sizeof(*ties->children));
		list_init(&ties->children->all);
		map_init(&ties->children->map);
	}
	return ties->children;
}

struct eng_child *
child_add(struct eng *eng, struct eng_run *parent, uint32_t task, uint32_t index,
    struct bytes key)
{
	struct eng_children *children = children_require(eng, parent);
	struct map *map = &children->map;
	struct eng_child *child = mem_zalloc(sizeof(*child));
	child->task = task;
	child->index = index;
	child->key = bytes_of(mem_copy(key.data, key.size), key.size);
	child->next = map_get(map, child_high(task, key), child_low(index, key));
	map_put(map, child_high(task, key), child_low(index, key), child);
	list_push(&children->all, &child->link);
	parent->tasks[task].child_count++;
	return child;
}

/* The children that are still open are of nobody from here on. */
void
children_release(struct eng *eng, struct eng_run *parent)
{
	struct list *at;
	struct eng_children *children = run_ties(parent)->children;
	if (children == NULL)
		return;
	while ((at = list_pop(&children->all)) != NULL) {
		struct eng_child *child = container_of(at, struct eng_child, link);
		struct eng_run *run = child->open ? eng_run_get(eng, child->run) : NULL;
		if (run != NULL)
			run->ties->child = NULL;
		mem_free((void *)(uintptr_t)child->key.data);
		mem_free(child);
	}
	map_release(&children->map);
	mem_free(children);
	parent->ties->children = NULL;
}
