/*
 * The set against arrays, over adds, puts and removals: with few keys, so that chains form and
 * break, and with so many that a slot's part of the hash is less than what its place takes.
 */
#include "base/keyset.h"

#include "base/mem.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEYS 700
#define MANY 200000

struct thing {
	uint32_t before;
	struct uuid id;
	uint64_t key;
	bool there;
};

static void
by_key(struct keyset *set)
{
	keyset_init(set, offsetof(struct thing, key), sizeof(uint64_t));
}

static void
test_keyset__empty(void **state)
{
	struct keyset set;
	struct thing thing = {.key = 0};
	(void)state;
	by_key(&set);
	assert_null(keyset_get_u64(&set, 0));
	assert_null(keyset_remove_u64(&set, 0));
	keyset_prefetch_u64(&set, 0);
	assert_true(keyset_add(&set, &thing));
	assert_ptr_equal(keyset_get_u64(&set, 0), &thing);
	assert_null(keyset_get_u64(&set, 1));
	assert_ptr_equal(keyset_remove_u64(&set, 0), &thing);
	assert_null(keyset_get_u64(&set, 0));
	assert_int_equal(set.count, 0);
	keyset_release(&set);
}

static void
test_keyset__uuid_keys(void **state)
{
	struct keyset set;
	struct thing a = {.id.bytes = {[0] = 1}}, b = {.id.bytes = {[15] = 1}};
	(void)state;
	keyset_init(&set, offsetof(struct thing, id), sizeof(struct uuid));
	assert_true(keyset_add(&set, &a));
	assert_true(keyset_add(&set, &b));
	keyset_prefetch_uuid(&set, a.id);
	assert_ptr_equal(keyset_get_uuid(&set, a.id), &a);
	assert_ptr_equal(keyset_get_uuid(&set, b.id), &b);
	assert_ptr_equal(keyset_remove_uuid(&set, a.id), &a);
	assert_null(keyset_get_uuid(&set, a.id));
	assert_ptr_equal(keyset_get_uuid(&set, b.id), &b);
	keyset_release(&set);
}

/* An add refuses a second object of a key, a put changes which one is there. */
static void
step_model(struct keyset *set, struct thing *things, struct thing **model, uint64_t roll, bool more)
{
	size_t key = roll % KEYS;
	struct thing *thing = &things[2 * key + (roll >> 20 & 1)];
	if (!more) {
		assert_ptr_equal(keyset_remove_u64(set, thing->key), model[key]);
		model[key] = NULL;
	} else if ((roll >> 22 & 1) == 0 && model[key] == NULL) {
		keyset_add_new(set, thing);
		model[key] = thing;
	} else if ((roll >> 21 & 1) == 0) {
		assert_int_equal(keyset_add(set, thing), model[key] == NULL);
		model[key] = model[key] == NULL ? thing : model[key];
	} else {
		assert_ptr_equal(keyset_put(set, thing), model[key]);
		model[key] = thing;
	}
}

static void
test_keyset__model(void **state)
{
	static struct thing things[2 * KEYS];
	struct thing *model[KEYS] = {0};
	struct keyset set;
	uint64_t dice = 3;
	(void)state;
	by_key(&set);
	for (size_t i = 0; i < 2 * KEYS; i++)
		things[i].key = i / 2;
	for (int step = 0; step < 60000; step++) {
		uint64_t roll = dice_roll(&dice);
		/* Waves: mostly puts, then mostly removals. */
		bool more = (roll >> 32) % 10 < (step / 5000 % 2 == 0 ? 7u : 3u);
		step_model(&set, things, model, roll, more);
		size_t count = 0;
		for (size_t i = 0; step % 50 == 0 && i < KEYS; i++) {
			assert_ptr_equal(keyset_get_u64(&set, i), model[i]);
			count += model[i] != NULL;
		}
		assert_true(step % 50 != 0 || set.count == count);
		assert_true(set.count * 4 <= set.capacity * 3);
	}
	keyset_release(&set);
}

static void
check_model(const struct keyset *set, struct thing **model, const uint64_t *keys)
{
	size_t count = 0;
	for (size_t i = 0; i < KEYS; i++) {
		assert_ptr_equal(keyset_get_u64(set, keys[i]), model[i]);
		count += model[i] != NULL;
	}
	assert_int_equal(set->count, count);
}

static struct thing *
thing_new(uint64_t key)
{
	struct thing *thing = mem_zalloc(sizeof(*thing));
	thing->key = key;
	return thing;
}

/* Puts another object in the place of one that is there: the one in the old table, too. */
static void
step_growing(struct keyset *set, struct thing **model, size_t at, uint64_t key, uint64_t roll)
{
	if (roll % 10 < 2) {
		assert_ptr_equal(keyset_remove_u64(set, key), model[at]);
		mem_free(model[at]);
		model[at] = NULL;
	} else if (roll % 10 < 5) {
		struct thing *thing = thing_new(key);
		assert_ptr_equal(keyset_put(set, thing), model[at]);
		mem_free(model[at]);
		model[at] = thing;
	} else if (model[at] == NULL) {
		model[at] = thing_new(key);
		assert_true(keyset_add(set, model[at]));
	} else {
		struct thing other = {.key = key};
		assert_false(keyset_add(set, &other));
	}
}

/* While it grows by degrees: objects are found, taken and replaced in either table, each once, and
 * one that is gone is not looked at again (a sanitizer sees it). */
static void
test_keyset__grows_by_degrees(void **state)
{
	uint64_t keys[KEYS], dice = 11;
	size_t growing = 0;
	(void)state;
	for (int round = 0; round < 40; round++) {
		struct thing *model[KEYS] = {0};
		struct keyset set;
		by_key(&set);
		for (size_t i = 0; i < KEYS; i++)
			keys[i] = round % 2 == 0 ? dice_roll(&dice) : i * 4096;
		for (int step = 0; step < 3000; step++) {
			uint64_t roll = dice_roll(&dice);
			size_t at = (roll >> 32) % KEYS;
			step_growing(&set, model, at, keys[at], roll);
			growing += set.old != NULL;
			if (set.old != NULL || step % 100 == 0)
				check_model(&set, model, keys);
		}
		if (round % 4 == 0)
			keyset_settle(&set);
		check_model(&set, model, keys);
		keyset_release(&set);
		for (size_t i = 0; i < KEYS; i++)
			mem_free(model[i]);
	}
	assert_true(growing > 40 * 20);
}

/* Through all the sizes at which growth knows enough of the hash from the slots, or has to ask the
 * objects: and removal still finds all homes. */
static void
test_keyset__many(void **state)
{
	struct thing *things = mem_array(MANY, sizeof(*things));
	struct keyset set;
	uint64_t dice = 5;
	size_t count = 0, seen = 0;
	(void)state;
	by_key(&set);
	for (size_t i = 0; i < MANY; i++)
		things[i] = (struct thing){.key = i};
	for (int step = 0; step < 3 * MANY; step++) {
		struct thing *thing = &things[dice_roll(&dice) % MANY];
		bool more = step < 2 * MANY;
		if (more)
			assert_int_equal(keyset_add(&set, thing), !thing->there);
		else
			assert_ptr_equal(keyset_remove_u64(&set, thing->key),
			    thing->there ? thing : NULL);
		count += (size_t)more - (size_t)thing->there;
		thing->there = more;
	}
	assert_int_equal(set.count, count);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(keyset_get_u64(&set, i), things[i].there ? &things[i] : NULL);
	for (size_t i = 0; i < keyset_slots(&set); i++)
		seen += keyset_at(&set, i) != NULL;
	assert_int_equal(seen, count);
	keyset_settle(&set);
	assert_int_equal(keyset_slots(&set), set.capacity);
	for (size_t i = 0; i < set.capacity; i++)
		seen -= keyset_at(&set, i) != NULL;
	assert_int_equal(seen, 0);
	keyset_release(&set);
	mem_free(things);
}

static size_t
longest_row(struct keyset *set)
{
	size_t row = 0, longest = 0;
	keyset_settle(set);
	for (size_t i = 0; i < set->capacity; i++) {
		row = keyset_at(set, i) != NULL ? row + 1 : 0;
		longest = row > longest ? row : longest;
	}
	return longest;
}

/* Ids that all have one hash under the seed that everybody knows: a row without an end under that
 * one, and nothing special under another. */
static void
test_keyset__seed(void **state)
{
	static struct thing things[KEYS];
	struct hash_seed fixed = HASH_SEED_FIXED, other = {{7, 9}};
	struct keyset set;
	uint64_t dice = 5;
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		/* Its first word is the seed's, so the product is 0 whatever the second one is. */
		uint64_t words[2] = {fixed.words[0], dice_roll(&dice)};
		memcpy(things[i].id.bytes, words, sizeof(words));
	}
	for (int with = 0; with < 2; with++) {
		keyset_init(&set, offsetof(struct thing, id), sizeof(struct uuid));
		if (with == 1)
			keyset_seed(&set, &other);
		for (size_t i = 0; i < KEYS; i++)
			assert_true(keyset_add(&set, &things[i]));
		for (size_t i = 0; i < KEYS; i++)
			assert_ptr_equal(keyset_get_uuid(&set, things[i].id), &things[i]);
		assert_true(with == 0 ? longest_row(&set) == KEYS : longest_row(&set) < 100);
		keyset_release(&set);
	}
}

/* Tables of ids grow through each size without losing one. */
static void
test_keyset__many_ids(void **state)
{
	struct thing *things = mem_array(MANY, sizeof(*things));
	struct keyset set;
	uint64_t dice = 7;
	(void)state;
	keyset_init(&set, offsetof(struct thing, id), sizeof(struct uuid));
	for (size_t i = 0; i < MANY; i++) {
		uint64_t words[2] = {i, dice_roll(&dice) % 16};
		memcpy(things[i].id.bytes, words, sizeof(words));
		assert_true(keyset_add(&set, &things[i]));
		size_t seen = dice_roll(&dice) % (i + 1);
		assert_ptr_equal(keyset_get_uuid(&set, things[seen].id), &things[seen]);
	}
	assert_int_equal(set.count, MANY);
	assert_true(longest_row(&set) < 1000);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(keyset_remove_uuid(&set, things[i].id), &things[i]);
	assert_int_equal(longest_row(&set), 0);
	keyset_release(&set);
	mem_free(things);
}

/* What is added together is found, and what was there stays. */
static void
test_keyset__batch(void **state)
{
	static struct thing things[KEYS];
	struct keyset set;
	struct keyset_batch batch;
	struct thing second = {.key = 500};
	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		things[i].key = i;
	for (uint64_t count = 0; count < 40; count++) {
		by_key(&set);
		keyset_batch_init(&batch, &set);
		for (uint64_t i = 0; i < count; i++)
			keyset_batch_add(&batch, &things[i]);
		assert_true(keyset_batch_flush(&batch));
		assert_int_equal(set.count, count);
		for (uint64_t i = 0; i < count; i++)
			assert_ptr_equal(keyset_get_u64(&set, i), &things[i]);
		keyset_batch_add(&batch, &things[500]);
		assert_true(keyset_batch_flush(&batch));
		keyset_batch_add(&batch, &second);
		assert_false(keyset_batch_flush(&batch));
		assert_ptr_equal(batch.left, &second);
		assert_ptr_equal(keyset_get_u64(&set, 500), &things[500]);
		keyset_release(&set);
	}
}

static void
test_keyset__reserve(void **state)
{
	static struct thing things[KEYS];
	struct keyset set;
	(void)state;
	by_key(&set);
	keyset_reserve(&set, KEYS);
	size_t capacity = set.capacity;
	for (size_t i = 0; i < KEYS; i++) {
		things[i].key = i;
		assert_true(keyset_add(&set, &things[i]));
	}
	assert_int_equal(set.capacity, capacity);
	keyset_release(&set);
	keyset_reserve(&set, 1000000); /* a table that has pages of its own */
	assert_true(keyset_add(&set, &things[7]));
	assert_ptr_equal(keyset_get_u64(&set, 7), &things[7]);
	keyset_release(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keyset__empty),
	    cmocka_unit_test(test_keyset__uuid_keys),
	    cmocka_unit_test(test_keyset__model),
	    cmocka_unit_test(test_keyset__grows_by_degrees),
	    cmocka_unit_test(test_keyset__many),
	    cmocka_unit_test(test_keyset__seed),
	    cmocka_unit_test(test_keyset__many_ids),
	    cmocka_unit_test(test_keyset__batch),
	    cmocka_unit_test(test_keyset__reserve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
