/*
 * Blocks, slabs and arenas: nothing overlaps, what is given back is used again, limits hold.
 */
#include "base/mem.h"

#include "base/arena.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_mem__blocks(void **state)
{
	(void)state;
	uint8_t *block = mem_zalloc(100);
	assert_true(bytes_zero(block, 100));
	block[99] = 5;
	block = mem_resize(block, 10000);
	assert_int_equal(block[99], 5);
	mem_free(block);
	mem_free(NULL);
	block = mem_array(30, 40);
	assert_true(bytes_zero(block, 1200));
	mem_free(block);
	assert_null(mem_copy("x", 0));
	char *text = mem_strdup("text");
	assert_string_equal(text, "text");
	mem_free(text);
}

static void
test_mem__pages(void **state)
{
	(void)state;
	uint8_t *pages = mem_pages(3 * 4096);
	assert_int_equal((uintptr_t)pages % 4096, 0);
	assert_true(bytes_zero(pages, 3 * 4096));
	mem_pages_free(pages, 3 * 4096);
	mem_pages_free(NULL, 4096);
}

/* Objects of an odd size, freed and taken in turns: each keeps its own number. */
static void
test_mem__slab(void **state)
{
	enum { COUNT = 100, SIZE = 21 };
	struct slab slab;
	uint8_t *objects[COUNT] = {0};
	(void)state;
	slab_init(&slab, SIZE, 7);
	for (unsigned round = 0; round < 5000; round++) {
		unsigned at = round * 31 % COUNT;
		if (objects[at] == NULL) {
			objects[at] = slab_alloc(&slab);
			assert_int_equal((uintptr_t)objects[at] % _Alignof(max_align_t), 0);
			assert_true(bytes_zero(objects[at], SIZE));
			memset(objects[at], (int)at + 1, SIZE);
		} else if (round % 3 != 0) {
			for (int i = 0; i < SIZE; i++)
				assert_int_equal(objects[at][i], at + 1);
			slab_free(&slab, objects[at]);
			objects[at] = NULL;
		}
	}
	assert_true(slab.used <= COUNT);
	slab_release(&slab);
	assert_int_equal(slab.used, 0);
}

static void
test_mem__arena(void **state)
{
	enum { COUNT = 3000 };
	struct arena arena;
	uint8_t *blocks[COUNT];
	(void)state;
	arena_init(&arena, 0);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			size_t size = i % 97 + (i % 500 == 0 ? 100000 : 1);
			blocks[i] = arena_alloc(&arena, size);
			assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
			memset(blocks[i], (int)(i % 251), size);
		}
		for (unsigned i = 0; i < COUNT; i++) {
			size_t size = i % 97 + (i % 500 == 0 ? 100000 : 1);
			assert_int_equal(blocks[i][0], i % 251);
			assert_int_equal(blocks[i][size - 1], i % 251);
		}
		arena_reset(&arena);
		assert_int_equal(arena.taken, 0);
	}
	assert_memory_equal(arena_copy(&arena, "text", 5), "text", 5);
	assert_non_null(arena_copy(&arena, NULL, 0));
	arena_release(&arena);
}

static void
test_mem__arena_limit(void **state)
{
	struct arena arena;
	uint8_t bytes[100] = {0};
	(void)state;
	arena_init(&arena, 1000);
	assert_null(arena_alloc(&arena, 1001));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_non_null(arena_alloc(&arena, 900));
	assert_null(arena_copy(&arena, bytes, sizeof(bytes)));
	assert_non_null(arena_alloc(&arena, 64)); /* a refusal takes nothing */
	arena_reset(&arena);
	assert_non_null(arena_alloc(&arena, 992));
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mem__blocks),
	    cmocka_unit_test(test_mem__pages),
	    cmocka_unit_test(test_mem__slab),
	    cmocka_unit_test(test_mem__arena),
	    cmocka_unit_test(test_mem__arena_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
