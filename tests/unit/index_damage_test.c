/*
 * What happens to an index that is marked, cut, or damaged in a thousand places: an error or the
 * truth, never a crash and never a lie.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "index_place.h"

#include "base/hash.h"

#include <sys/wait.h>

/* More than is looked through at each open. */
#define LARGE ((off_t)80 << 20)

struct image {
	uint8_t *data;
	size_t size;
	size_t page; /* LMDB's page is the machine's where the file was made */
};

static struct image
image_read(const struct place *place)
{
	char path[PATH_MAX];
	struct stat stat_;
	place_path(place, "data.mdb", path);
	assert_int_equal(stat(path, &stat_), 0);
	struct image image = {mem_alloc((size_t)stat_.st_size), (size_t)stat_.st_size, 0};
	int file = open(path, O_RDONLY);
	assert_true(file >= 0);
	assert_true(read(file, image.data, image.size) == (ssize_t)image.size);
	close(file);
	image.page = le32_load(image.data + 40);
	return image;
}

static void
image_write(const struct place *place, const uint8_t *data, size_t size)
{
	char path[PATH_MAX];
	place_path(place, "data.mdb", path);
	assert_true(mkdir(place->dir, 0700) == 0 || place_has(place, "."));
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(file >= 0);
	assert_true(write(file, data, size) == (ssize_t)size);
	close(file);
}

static void
image_enlarge(const struct place *place)
{
	char path[PATH_MAX];
	place_path(place, "data.mdb", path);
	assert_int_equal(truncate(path, LARGE), 0);
}

/* After FROE_CORRUPT the way out must work. */
static void
rebuild_assert(struct place *place)
{
	struct froe_fault fault;
	assert_int_equal(index_delete(place->dir, &fault), FROE_OK);
	assert_false(place_has(place, "data.mdb"));
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 1);
	place_close(place);
}

static void
test_damage__garbage(void **state)
{
	static const size_t sizes[] = {1, 15, 100, 4095, 4096, 8191, 8192, 100000};
	struct place *place = *state;
	uint8_t *garbage = mem_alloc(100000);
	uint64_t dice = 5;
	for (size_t i = 0; i < 100000; i++)
		garbage[i] = (uint8_t)dice_roll(&dice);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		image_write(place, garbage, sizes[i]);
		assert_int_equal(place_open(place, store_a), FROE_CORRUPT);
		rebuild_assert(place);
	}
	mem_free(garbage);
	image_write(place, NULL, 0);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	place_close(place);
}

/* A file in the place of the directory, and a directory without a parent. */
static void
test_damage__no_directory(void **state)
{
	struct place *place = *state, other = *place;
	int file = open(place->dir, O_WRONLY | O_CREAT, 0600);
	assert_true(file >= 0);
	close(file);
	assert_true(place_open(place, store_a) != FROE_OK);
	unlink(place->dir);
	snprintf(other.dir, sizeof(other.dir), "%s/missing/index", place->root);
	assert_int_equal(place_open(&other, store_a), FROE_NOT_FOUND);
}

static void
test_damage__truncated(void **state)
{
	struct place *place = *state;
	struct model *model = model_make(place, 12);
	struct image image = image_read(place);
	uint64_t dice = 6;
	for (int i = 0; i < 60; i++) {
		size_t size = i < 12 ? (size_t)i * image.page : dice_roll(&dice) % image.size;
		image_write(place, image.data, size);
		if (size == 0)
			continue; /* that is a new one */
		place_remove(place, "UNCLEAN"); /* the check of the head alone must see it */
		assert_int_equal(place_open(place, store_a), FROE_CORRUPT);
	}
	image_write(place, image.data, image.size);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(model_compare(model, place->index, place->applied), FROE_OK);
	mem_free(image.data);
	mem_free(model);
}

/* Flips, zeroes, swaps and copies; half of the flips in what is not rows: heads and nodes. */
static void
image_damage(struct image *image, uint64_t roll)
{
	size_t size = image->page, pages = image->size / size, offset = (roll >> 44) % size;
	uint8_t *at = image->data + (roll >> 8) % pages * size;
	uint8_t *from = image->data + (roll >> 28) % pages * size;
	uint8_t swap[65536];
	switch (roll % 8) {
	case 0:
		memset(at, 0, size);
		break;
	case 1:
		memcpy(at, from, size);
		break;
	case 2:
		memcpy(swap, at, size);
		memcpy(at, from, size);
		memcpy(from, swap, size);
		break;
	case 3:
	case 4:
		at[offset % 64] ^= (uint8_t)(1u << (roll >> 60 & 7));
		break;
	case 5:
		memset(at + offset, 0xff, size - offset < 9 ? size - offset : 9);
		break;
	default:
		at[offset] ^= (uint8_t)(1u << (roll >> 60 & 7));
	}
}

/* After an unclean end: refused at open, or right in every row, also after more is written (which
 * takes pages that the file says are free). True: refused. */
static bool
damage_assert(struct place *place, const struct model *model, const struct image *image,
    bool writing)
{
	image_write(place, image->data, image->size);
	place_touch(place, "UNCLEAN");
	enum froe_err err = place_open(place, store_a);
	if (err == FROE_CORRUPT)
		return true;
	assert_int_equal(err, FROE_OK);
	uint64_t applied = place->applied;
	assert_true(applied <= model->applied);
	assert_int_equal(model_compare(model, place->index, applied), FROE_OK);
	for (uint64_t i = 1; writing && i <= 2; i++) {
		for (uint64_t number = i; number < 200; number += 2)
			row_put(place->index, MODEL_TENANTS, number, 0);
		place_commit(place, applied + i);
	}
	assert_int_equal(model_compare(model, place->index, applied), FROE_OK);
	place_close(place);
	return false;
}

static void
test_damage__damaged(void **state)
{
	struct place *place = *state;
	struct model *model = model_make(place, 13);
	struct image image = image_read(place);
	struct image copy = {mem_alloc(image.size), image.size, image.page};
	uint64_t dice = 7;
	unsigned refused = 0;
	for (int i = 0; i < 400; i++) {
		memcpy(copy.data, image.data, image.size);
		image_damage(&copy, dice_roll(&dice));
		refused += damage_assert(place, model, &copy, /* writing= */ i % 8 == 0);
	}
	assert_true(refused > 100); /* many a hit is in a free page */
	rebuild_assert(place);
	mem_free(copy.data);
	mem_free(image.data);
	mem_free(model);
}

static uint64_t
image_free_list(const struct image *image)
{
	const uint8_t *first = image->data, *second = image->data + image->page;
	return le64_load((le64_load(first + 144) < le64_load(second + 144) ? second : first) + 80);
}

/* The same where a bit misleads most: separators of branches, and the list of free pages. */
static void
test_damage__damaged_paths(void **state)
{
	struct place *place = *state;
	struct model *model = model_make(place, 14);
	struct image image = image_read(place);
	uint64_t dice = 8;
	unsigned refused = 0, cases = 0;
	for (size_t page = 2; page < image.size / image.page; page++) {
		uint8_t *at = image.data + page * image.page;
		if (page != image_free_list(&image) && le16_load(at + 10) != 1)
			continue;
		for (int i = 0; i < 60; i++, cases++) {
			uint64_t roll = dice_roll(&dice);
			size_t upper = le16_load(at + 14) % image.page;
			size_t offset = upper + (roll >> 8) % (image.page - upper);
			if (roll % 8 == 0)
				offset = (roll >> 8) % 32;
			at[offset] ^= (uint8_t)(1u << (roll >> 60 & 7));
			refused += damage_assert(place, model, &image, i % 8 == 0);
			at[offset] ^= (uint8_t)(1u << (roll >> 60 & 7));
		}
	}
	assert_true(refused > cases / 4);
	rebuild_assert(place);
	mem_free(image.data);
	mem_free(model);
}

/* Written by another version: begun anew, like another store's. */
static void
test_damage__other_format(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 1);
	place_close(place);
	struct image image = image_read(place);
	uint8_t *end = image.data + image.size, *at = image.data;
	while ((at = memmem(at, (size_t)(end - at), store_a.bytes, 16)) != NULL) {
		le32_store(at - 8, 1);
		le64_store(at - 16, hash64(at - 8, 32, hash64(NULL, 0, 0)));
		at += 16;
	}
	image_write(place, image.data, image.size);
	mem_free(image.data);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0});
}

/* A row of a large file is damaged under a clean end: the look-up says so, and the next open checks
 * all. */
static void
test_damage__damaged_row(void **state)
{
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 1);
	place_close(place);
	struct image image = image_read(place);
	uint8_t *at = memmem(image.data, image.size, "workflow-1", 10);
	assert_non_null(at);
	at[3]++;
	image_write(place, image.data, image.size);
	image_enlarge(place);
	mem_free(image.data);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_make(&row, 1, 1, 0);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_CORRUPT);
	struct index_filter filter = {.tenant = 1};
	uint64_t next;
	assert_int_equal(
	    index_list(place->index, &filter, seen_each, &seen, &next), FROE_CORRUPT);
	assert_int_equal(seen.count, 0);
	place_close(place);
	assert_int_equal(place_open(place, store_a), FROE_CORRUPT);
}

static void
test_damage__bad_marker(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 10);
	place_close(place);
	place_touch(place, "BAD");
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	assert_false(place_has(place, "BAD"));
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0});
}

/* -------------------------------------------------------------------------- deaths of a process */

/* Runs it in a child without output; its exit status. */
static int
child_run(void (*body)(struct place *place), struct place *place)
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		body(place);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
body_dies_open(struct place *place)
{
	struct froe_fault fault;
	if (index_open(place->dir, store_a, &place->index, &place->applied, &fault) != FROE_OK)
		_exit(1);
	row_put(place->index, 1, 1, 0);
	if (index_commit(place->index, 10, true, &fault) != FROE_OK)
		_exit(2);
	row_put(place->index, 1, 2, 0);
}

static void
test_damage__dies_open(void **state)
{
	struct place *place = *state;
	assert_int_equal(child_run(body_dies_open, place), 0);
	assert_true(place_has(place, "UNCLEAN"));
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 10);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){1, 0});
}

static void
body_dies_young(struct place *place)
{
	struct froe_fault fault;
	if (index_open(place->dir, store_a, &place->index, &place->applied, &fault) != FROE_OK)
		_exit(1);
}

/* A death or two are not the index's fault; many in a row may be: then every page is looked at. */
static void
test_damage__dies_again_and_again(void **state)
{
	struct place *place = *state;
	struct model *model = model_make(place, 12);
	struct image image = image_read(place);
	image_enlarge(place);
	for (int i = 0; i < 20; i++) /* a check of a sound one counts anew */
		assert_int_equal(child_run(body_dies_young, place), 0);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(model_compare(model, place->index, place->applied), FROE_OK);
	place_close(place);
	for (int i = 0; i < 9; i++)
		assert_int_equal(child_run(body_dies_young, place), 0);
	memset(image.data + 2 * image.page, 0xff, image.size - 2 * image.page);
	image_write(place, image.data, image.size);
	image_enlarge(place);
	assert_int_equal(place_open(place, store_a), FROE_CORRUPT);
	mem_free(image.data);
	mem_free(model);
}

/* A sector of a leaf is zero. LMDB would search past what lies behind it, and say that it is not
 * there. A small file is looked through at each start; of a large one nobody knows yet. */
static void
test_damage__hides_what_is_there(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint64_t number = 1; number <= 500; number++)
		row_put(place->index, 1, number, 0);
	place_commit(place, 10);
	place_close(place);
	struct image image = image_read(place);
	unsigned leaves = 0;
	for (size_t at = 2 * image.page; at < image.size; at += image.page) {
		uint8_t kept[512], *sector = image.data + at + image.page - 1024;
		if (le16_load(image.data + at + 10) != 2)
			continue;
		memcpy(kept, sector, sizeof(kept));
		memset(sector, 0, sizeof(kept));
		image_write(place, image.data, image.size);
		memcpy(sector, kept, sizeof(kept));
		/* Some are no part of the trees any more. */
		if (place_open(place, store_a) == FROE_OK) {
			assert_int_equal(place->applied, 10);
			place_close(place);
		} else {
			leaves++;
		}
	}
	assert_true(leaves > 10);
	image_write(place, image.data, image.size);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	mem_free(image.data);
}

/* Branches without a node, while the file is open: nobody looks through it again. */
static void
damage_branches(const struct place *place)
{
	char path[PATH_MAX];
	struct image image = image_read(place);
	place_path(place, "data.mdb", path);
	int file = open(path, O_WRONLY);
	for (size_t at = 2 * image.page; at < image.size; at += image.page) {
		if (le16_load(image.data + at + 10) != 1)
			continue;
		le16_store(image.data + at + 12, 16);
		if (pwrite(file, image.data + at, image.page, (off_t)at) != (ssize_t)image.page)
			_exit(3);
	}
	close(file);
	mem_free(image.data);
}

static void
body_trips(struct place *place)
{
	struct froe_fault fault;
	struct seen seen = {.stop_at = 8};
	struct row row;
	if (index_open(place->dir, store_a, &place->index, &place->applied, &fault) != FROE_OK)
		_exit(1);
	damage_branches(place);
	row_make(&row, 1, 700, 0);
	FROE_DROP(index_find(place->index, row.run.id, seen_one, &seen), "it should not come back");
}

/* LMDB asserts: the process ends with the index's own status, and the next one begins anew. */
static void
test_damage__lmdb_asserts(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint64_t number = 1; number <= 1000; number++)
		row_put(place->index, 1, number, 0);
	place_commit(place, 10);
	place_close(place);
	assert_int_equal(child_run(body_trips, place), FROE_EXIT_INDEX);
	assert_true(place_has(place, "BAD"));
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_damage__garbage),
	    CASE(test_damage__no_directory),
	    CASE(test_damage__truncated),
	    CASE(test_damage__damaged),
	    CASE(test_damage__damaged_paths),
	    CASE(test_damage__damaged_row),
	    CASE(test_damage__other_format),
	    CASE(test_damage__bad_marker),
	    CASE(test_damage__dies_open),
	    CASE(test_damage__dies_again_and_again),
	    CASE(test_damage__hides_what_is_there),
	    CASE(test_damage__lmdb_asserts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
