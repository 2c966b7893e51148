/*
 * tests/index_place: what the tests of the index share: a directory with an index in it, rows whose
 * members all follow from their key, and a model that knows every row after each commit.
 */
#ifndef TESTS_INDEX_PLACE_H
#define TESTS_INDEX_PLACE_H

#include "base/mem.h"
#include "index/index.h"
#include "index/texts.h"
#include "dice.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct uuid store_a = {.bytes = {1, 2, 3}};
static const struct uuid store_b = {.bytes = {1, 2, 4}};

/* ------------------------------------------------------------------------------- a place for it */

struct place {
	char root[PATH_MAX / 4];
	char dir[PATH_MAX / 2];
	struct index *index;
	uint64_t applied;
};

static inline void
place_path(const struct place *place, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", place->dir, name);
}

static inline int
place_setup(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	const char *tmp = getenv("TMPDIR");
	snprintf(place->root, sizeof(place->root), "%s/froe-index-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(place->root));
	snprintf(place->dir, sizeof(place->dir), "%s/index", place->root);
	*state = place;
	return 0;
}

static inline int
place_teardown(void **state)
{
	struct place *place = *state;
	struct froe_fault fault;
	if (place->index != NULL)
		index_close(place->index);
	int err = (int)index_delete(place->dir, &fault);
	err |= rmdir(place->root); /* nothing was left behind */
	mem_free(place);
	return err;
}

static inline enum froe_err
place_open(struct place *place, struct uuid store)
{
	struct froe_fault fault = {0};
	enum froe_err err =
	    index_open(place->dir, store, &place->index, &place->applied, &fault);
	if (err != FROE_OK) {
		assert_int_equal(fault.code, err);
		assert_true(strstr(fault.text, place->dir) != NULL);
		place->index = NULL;
	}
	return err;
}

static inline void
place_close(struct place *place)
{
	index_close(place->index);
	place->index = NULL;
}

static inline void
place_commit(struct place *place, uint64_t applied)
{
	struct froe_fault fault = {0};
	enum froe_err err = index_commit(place->index, applied, true, &fault);
	if (err != FROE_OK)
		print_error("%s\n", fault.text);
	assert_int_equal(err, FROE_OK);
	assert_int_equal(index_pending(place->index), 0);
}

static inline bool
place_has(const struct place *place, const char *name)
{
	char path[PATH_MAX];
	place_path(place, name, path);
	return access(path, F_OK) == 0;
}

static inline void
place_touch(const struct place *place, const char *name)
{
	char path[PATH_MAX];
	place_path(place, name, path);
	int file = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(file >= 0);
	close(file);
}

static inline void
place_remove(const struct place *place, const char *name)
{
	char path[PATH_MAX];
	place_path(place, name, path);
	assert_true(unlink(path) == 0 || !place_has(place, name));
}

/* ------------------------------------------------------------------------------------- the rows */

/* A run whose every member follows from (tenant, number, revision). */
struct row {
	struct index_run run;
	char workflow[32];
	uint8_t places[96];
	uint8_t metadata[96];
	uint8_t workers[96];
};

static inline struct bytes
span_make(uint8_t *to, const char *const *texts, size_t count)
{
	struct buf buf;
	buf_init(&buf);
	for (size_t i = 0; i < count; i++)
		texts_push(&buf, bytes_text(texts[i]));
	struct bytes span = bytes_of(to, buf_used(&buf));
	assert_true(span.size <= 96);
	if (span.size > 0)
		memcpy(to, buf.data, span.size);
	buf_release(&buf);
	return span;
}

static inline void
row_worker(char name[16], uint64_t number, unsigned revision)
{
	snprintf(name, 16, "worker-%u", (unsigned)((number + revision) % 4));
}

/* The workers of all revisions up to this one: each has been put. */
static inline struct bytes
row_workers(uint8_t *to, uint64_t number, unsigned revision)
{
	char names[4][16];
	const char *texts[4];
	size_t count = 0;
	for (unsigned i = 1; i <= revision && i <= 4; i++, count++) {
		row_worker(names[count], number, i);
		texts[count] = names[count];
	}
	return span_make(to, texts, count);
}

static inline void
row_metadata(struct row *row)
{
	char customer[16], order[32];
	const char *texts[] = {"customer", customer, "order", order};
	uint64_t number = row->run.number;
	snprintf(customer, sizeof(customer), "%u", (unsigned)(number % 5));
	snprintf(order, sizeof(order), "%llu", (unsigned long long)number);
	row->run.metadata = span_make(row->metadata, texts, number % 2 == 0 ? 4 : 2);
}

static inline void
row_make(struct row *row, uint32_t tenant, uint64_t number, unsigned revision)
{
	uint64_t seed = number * 1000 + tenant;
	memset(row, 0, sizeof(*row));
	row->run.tenant = tenant;
	row->run.number = number;
	for (unsigned i = 0; i < 6; i++)
		row->run.id.bytes[i] = (uint8_t)(number >> (8 * (5 - i)));
	for (unsigned i = 6; i < 16; i++)
		row->run.id.bytes[i] = (uint8_t)dice_roll(&seed);
	row->run.seq = revision + 1;
	if (number % 11 == 0)
		row->run.parent.bytes[3] = (uint8_t)(1 + number % 3);
	row_metadata(row);
	char worker[16];
	const char *workers[] = {worker};
	row_worker(worker, number, revision);
	row->run.workers = span_make(row->workers, workers, revision == 0 ? 0 : 1);
	row->run.status = (uint8_t)(revision % 6);
	row->run.created_ns = number * 77;
	row->run.finished_ns = revision == 0 ? 0 : number * 78 + revision;
	snprintf(row->workflow, sizeof(row->workflow), "workflow-%u", (unsigned)(number % 7));
	row->run.workflow = bytes_text(row->workflow);
	memset(row->places, (int)(number & 255), sizeof(row->places));
	row->run.places = bytes_of(row->places, revision == 0 ? 0 : 12 + (number + revision) % 84);
}

static inline void
row_assert(const struct index_run *got, uint32_t tenant, uint64_t number, unsigned revision)
{
	struct row want;
	row_make(&want, tenant, number, revision);
	assert_true(got->number == number);
	assert_int_equal(got->tenant, tenant);
	assert_true(uuid_equal(got->id, want.run.id));
	assert_int_equal(got->status, want.run.status);
	assert_true(got->created_ns == want.run.created_ns);
	assert_true(got->finished_ns == want.run.finished_ns);
	assert_true(bytes_equal(got->workflow, want.run.workflow));
	assert_true(bytes_equal(got->places, want.run.places));
	assert_true(bytes_equal(got->metadata, want.run.metadata));
	assert_true(uuid_equal(got->parent, want.run.parent));
	assert_int_equal(got->seq, want.run.seq);
	assert_true(
	    bytes_equal(got->workers, row_workers(want.workers, number, revision)));
}

static inline void
row_put(struct index *index, uint32_t tenant, uint64_t number, unsigned revision)
{
	struct row row;
	row_make(&row, tenant, number, revision);
	index_put(index, &row.run);
	memset(&row, 0xee, sizeof(row)); /* it has copied */
}

struct seen {
	uint32_t tenant;
	uint64_t numbers[8];
	size_t count;
	size_t stop_at;
	struct index_run last;
};

static inline bool
seen_each(void *context, const struct index_run *run)
{
	struct seen *seen = context;
	assert_true(seen->count < 8);
	seen->numbers[seen->count++] = run->number;
	seen->last = *run;
	seen->last.workflow = seen->last.places = bytes_of(NULL, 0);
	seen->last.metadata = seen->last.workers = bytes_of(NULL, 0);
	return seen->count != seen->stop_at;
}

static inline void
seen_one(void *context, const struct index_run *run)
{
	assert_true(seen_each(context, run));
}

/* Lists a tenant's runs below `before` and expects these numbers, ended by 0. */
static inline void
list_assert(struct index *index, uint32_t tenant, uint64_t before, size_t stop_at,
    const uint64_t *expected)
{
	struct seen seen = {.stop_at = stop_at};
	struct index_filter filter = {.tenant = tenant, .before = before};
	uint64_t next;
	assert_int_equal(index_list(index, &filter, seen_each, &seen, &next), FROE_OK);
	for (size_t i = 0; i < seen.count; i++)
		assert_true(seen.numbers[i] == expected[i]);
	assert_true(expected[seen.count] == 0);
}

/* ------------------------------------------------------------------------------------ the model */

#define MODEL_TENANTS 3
#define MODEL_RUNS 1500
#define MODEL_COMMITS 24

/* Every row's revision after each commit; -1: not there. */
struct model {
	int16_t revisions[MODEL_COMMITS + 1][MODEL_TENANTS][MODEL_RUNS];
	uint64_t applied;
	uint64_t dice;
};

struct model_list {
	const struct model *model;
	uint64_t applied;
	uint64_t below;
	unsigned tenant;
};

static inline int
model_revision(const struct model_list *list, uint64_t number)
{
	return list->model->revisions[list->applied][list->tenant][number - 1];
}

static inline bool
model_each(void *context, const struct index_run *run)
{
	struct model_list *list = context;
	assert_int_equal(run->tenant, list->tenant);
	assert_true(run->number >= 1 && run->number < list->below);
	while (--list->below > run->number)
		assert_int_equal(model_revision(list, list->below), -1);
	int revision = model_revision(list, run->number);
	assert_true(revision >= 0);
	row_assert(run, list->tenant, run->number, (unsigned)revision);
	return true;
}

static inline void
model_found(void *context, const struct index_run *run)
{
	const struct model_list *list = context;
	row_assert(run, list->tenant, list->below, (unsigned)model_revision(list, list->below));
}

/* All that the index says, against the model at its position. Not OK: FROE_CORRUPT. */
static inline enum froe_err
model_compare(const struct model *model, struct index *index, uint64_t applied)
{
	struct model_list list = {.model = model, .applied = applied};
	for (list.tenant = 0; list.tenant < MODEL_TENANTS; list.tenant++) {
		list.below = MODEL_RUNS + 1;
		struct index_filter filter = {.tenant = list.tenant};
		uint64_t next;
		enum froe_err err = index_list(index, &filter, model_each, &list, &next);
		if (err != FROE_OK)
			return err;
		while (--list.below > 0)
			assert_int_equal(model_revision(&list, list.below), -1);
		for (list.below = 1; list.below <= MODEL_RUNS; list.below += 7) {
			struct row row;
			row_make(&row, list.tenant, list.below, 0);
			err = index_find(index, row.run.id, model_found, &list);
			if (err != FROE_OK && err != FROE_NOT_FOUND)
				return err;
			assert_int_equal(err == FROE_OK, model_revision(&list, list.below) >= 0);
		}
	}
	return FROE_OK;
}

static inline void
model_commit(struct model *model, struct place *place)
{
	uint64_t puts = dice_roll(&model->dice) % 500;
	model->applied++;
	memcpy(model->revisions[model->applied], model->revisions[model->applied - 1],
	    sizeof(model->revisions[0]));
	for (uint64_t i = 0; i < puts; i++) {
		uint64_t roll = dice_roll(&model->dice);
		unsigned tenant = (unsigned)(roll % MODEL_TENANTS);
		/* Mostly new ones near the end, some anywhere. */
		uint64_t top = model->applied * MODEL_RUNS / MODEL_COMMITS;
		uint64_t number = (roll >> 8) % ((roll & 64) != 0 ? top : 40);
		if ((roll & 64) == 0)
			number = number < top ? top - number : 1;
		number = number == 0 ? 1 : number;
		int16_t *revision = &model->revisions[model->applied][tenant][number - 1];
		*revision = (int16_t)(*revision + 1);
		row_put(place->index, tenant, number, (unsigned)*revision);
	}
	place_commit(place, model->applied);
}

static inline struct model *
model_make(struct place *place, uint64_t seed)
{
	struct model *model = mem_zalloc(sizeof(*model));
	memset(model->revisions[0], -1, sizeof(model->revisions[0]));
	model->dice = seed;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	while (model->applied < MODEL_COMMITS) {
		model_commit(model, place);
		if (dice_roll(&model->dice) % 4 != 0)
			continue;
		place_close(place);
		place_touch(place, "UNCLEAN"); /* every page is checked: no false alarm */
		assert_int_equal(place_open(place, store_a), FROE_OK);
		assert_true(place->applied == model->applied);
		assert_int_equal(model_compare(model, place->index, place->applied), FROE_OK);
	}
	assert_int_equal(model_compare(model, place->index, model->applied), FROE_OK);
	place_close(place);
	return model;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

#endif
