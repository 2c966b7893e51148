/*
 * What the next commit is to write: copies in an arena.
 */
#include "index/index_int.h"

#include "base/mem.h"
#include "base/plant.h"
#include "index/texts.h"

#include <stdlib.h>

static struct bytes
pending_copy(struct index *index, struct bytes from)
{
	return bytes_of(arena_copy(&index->arena, from.data, from.size), from.size);
}

static struct pending *
pending_new(struct index *index, enum pending_kind kind, const struct index_run *run)
{
	froe_assert(run->number > 0);
	if (index->pending_count == index->pending_capacity) {
		size_t capacity = index->pending_capacity != 0 ? index->pending_capacity * 2 : 64;
		index->pending = mem_resize(index->pending, capacity * sizeof(struct pending *));
		index->pending_capacity = capacity;
	}
	struct pending *pending = arena_alloc(&index->arena, sizeof(*pending));
	*pending = (struct pending){.kind = kind, .run = *run, .order = index->pending_count};
	index->pending[index->pending_count++] = pending;
	return pending;
}

void
index_put(struct index *index, const struct index_run *run)
{
	froe_assert(run->seq > 0 && run->workflow.size <= ROW_WORKFLOW_BYTES_MAX);
	if (plant(INDEX_ROW) && run->number % 4 == 3)
		return;
	struct pending *pending = pending_new(index, PENDING_PUT, run);
	pending->run.workflow = pending_copy(index, run->workflow);
	pending->run.metadata = pending_copy(index, run->metadata);
	pending->run.workers = pending_copy(index, run->workers);
	pending->run.places = pending_copy(index, run->places);
}

void
index_end(struct index *index, const struct index_run *run)
{
	froe_assert(run->seq > 0 && run->finished_ns != 0);
	if (plant(INDEX_END))
		return;
	struct pending *pending = pending_new(index, PENDING_END, run);
	pending->run.places = pending_copy(index, run->places);
}

void
index_touch(struct index *index, uint32_t tenant, uint64_t number, struct bytes worker)
{
	struct index_run run = {.tenant = tenant, .number = number};
	struct buf text;
	if (worker.size > TEXT_BYTES_MAX)
		return;
	buf_init(&text);
	texts_push(&text, worker);
	struct pending *pending = pending_new(index, PENDING_TOUCH, &run);
	pending->run.workers = pending_copy(index, buf_bytes(&text));
	buf_release(&text);
}

void
index_drop(struct index *index, uint32_t tenant, uint64_t number)
{
	struct index_run run = {.tenant = tenant, .number = number};
	pending_new(index, PENDING_DROP, &run);
}

uint64_t
index_pending(const struct index *index)
{
	return index->pending_count;
}

static int
pending_compare(const void *left, const void *right)
{
	const struct pending *a = *(struct pending *const *)left;
	const struct pending *b = *(struct pending *const *)right;
	if (a->run.tenant != b->run.tenant)
		return a->run.tenant < b->run.tenant ? -1 : 1;
	if (a->run.number != b->run.number)
		return a->run.number < b->run.number ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void
pending_sort(struct index *index)
{
	if (index->pending_count > 1)
		qsort(index->pending, index->pending_count, sizeof(index->pending[0]),
		    pending_compare);
}

void
pending_reset(struct index *index)
{
	index->pending_count = 0;
	arena_reset(&index->arena);
}
