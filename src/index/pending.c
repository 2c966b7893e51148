/*
 * What the next commit is to write: runs in an arena, or lent.
 *
 * Sorting: by the numbers' bytes that differ, from the lowest, then by the tenants' (radix sort).
 * Each pass keeps the order of equals, so a run's calls stay in the order of time. A batch's
 * numbers differ in two bytes, its tenants mostly in none.
 */
#include "index/index_int.h"

#include "base/mem.h"
#include "base/plant.h"
#include "index/texts.h"

#define DIGIT_BITS 8u
#define DIGITS (1u << DIGIT_BITS)

static struct bytes
pending_copy(struct index *index, struct bytes from)
{
	return bytes_of(arena_copy(&index->arena, from.data, from.size), from.size);
}

static void
pending_push(struct index *index, enum pending_kind kind, const struct index_run *run)
{
	froe_assert(run->number > 0);
	if (index->pending_count == index->pending_capacity) {
		size_t capacity = index->pending_capacity != 0 ? index->pending_capacity * 2 : 64;
		index->pending = mem_resize(index->pending, capacity * sizeof(struct pending));
		index->pending_capacity = capacity;
	}
	index->pending[index->pending_count++] = (struct pending){
	    .number = run->number, .tenant = run->tenant, .kind = kind, .run = run};
}

static struct index_run *
run_copy(struct index *index, const struct index_run *run)
{
	struct index_run *kept = arena_alloc(&index->arena, sizeof(*kept));
	*kept = *run;
	kept->workflow = pending_copy(index, run->workflow);
	kept->metadata = pending_copy(index, run->metadata);
	kept->workers = pending_copy(index, run->workers);
	kept->places = pending_copy(index, run->places);
	return kept;
}

void
index_put_lent(struct index *index, const struct index_run *run)
{
	froe_assert(run->seq > 0 && run->workflow.size <= ROW_WORKFLOW_BYTES_MAX);
	if (plant(INDEX_ROW) && run->number % 4 == 3)
		return;
	pending_push(index, PENDING_PUT, run);
}

void
index_put(struct index *index, const struct index_run *run)
{
	index_put_lent(index, run_copy(index, run));
}

void
index_end(struct index *index, const struct index_run *run)
{
	froe_assert(run->seq > 0 && run->finished_ns != 0);
	if (plant(INDEX_END))
		return;
	pending_push(index, PENDING_END, run_copy(index, run));
}

void
index_extend_lent(struct index *index, const struct index_run *run)
{
	froe_assert(run->seq > 1 && run->places.size > 0);
	pending_push(index, PENDING_EXTEND, run);
}

void
index_extend(struct index *index, const struct index_run *run)
{
	index_extend_lent(index, run_copy(index, run));
}

void
index_touch_lent(struct index *index, const struct index_run *run)
{
	pending_push(index, PENDING_TOUCH, run);
}

void
index_touch(struct index *index, uint32_t tenant, uint64_t number, struct bytes worker)
{
	struct index_run run = {.tenant = tenant, .number = number};
	if (worker.size > TEXT_BYTES_MAX)
		return;
	buf_reset(&index->workers);
	texts_push(&index->workers, worker);
	run.workers = buf_bytes(&index->workers);
	index_touch_lent(index, run_copy(index, &run));
}

void
index_drop(struct index *index, uint32_t tenant, uint64_t number)
{
	struct index_run run = {.tenant = tenant, .number = number};
	pending_push(index, PENDING_DROP, run_copy(index, &run));
}

uint64_t
index_pending(const struct index *index)
{
	return index->pending_count;
}

/* ------------------------------------------------------------------------------------- sorting */

/* What a pass looks at: the number, or the tenant. */
static uint64_t
pending_word(const struct pending *pending, bool tenant)
{
	return tenant ? pending->tenant : pending->number;
}

static void
sort_pass(const struct pending *from, struct pending *to, size_t count, bool tenant, unsigned shift)
{
	size_t at[DIGITS] = {0}, sum = 0;
	for (size_t i = 0; i < count; i++)
		at[pending_word(&from[i], tenant) >> shift & (DIGITS - 1)]++;
	for (size_t digit = 0; digit < DIGITS; digit++) {
		size_t here = at[digit];
		at[digit] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[at[pending_word(&from[i], tenant) >> shift & (DIGITS - 1)]++] = from[i];
}

/* By one of the two words; `spare` is as large, and may be what holds them then. */
static void
sort_by(struct pending **pending, struct pending **spare, size_t count, bool tenant)
{
	uint64_t differ = 0, first = pending_word(&(*pending)[0], tenant);
	for (size_t i = 1; i < count; i++)
		differ |= pending_word(&(*pending)[i], tenant) ^ first;
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		struct pending *from = *pending;
		if ((differ >> shift & (DIGITS - 1)) == 0)
			continue;
		sort_pass(from, *spare, count, tenant, shift);
		*pending = *spare;
		*spare = from;
	}
}

/* New runs come in the order of their numbers. */
static bool
pending_sorted(const struct index *index)
{
	for (size_t i = 1; i < index->pending_count; i++) {
		const struct pending *one = &index->pending[i - 1], *next = &index->pending[i];
		if (next->tenant < one->tenant ||
		    (next->tenant == one->tenant && next->number < one->number))
			return false;
	}
	return true;
}

void
pending_sort(struct index *index)
{
	if (pending_sorted(index))
		return;
	struct pending *spare = mem_alloc(index->pending_capacity * sizeof(*spare));
	sort_by(&index->pending, &spare, index->pending_count, /* tenant= */ false);
	sort_by(&index->pending, &spare, index->pending_count, /* tenant= */ true);
	mem_free(spare);
}

void
pending_reset(struct index *index)
{
	index->pending_count = 0;
	arena_reset(&index->arena);
}
