/*
 * The order in which a batch goes into the table of ids: that of the ids' bytes, and of equal ids
 * that in which they came; whatever the ids are like.
 */
#include "index/index_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

enum likeness {
	OF_TIME,  /* v7: a time, then dice */
	ONE_WORD, /* the first words are one */
	FEW,	  /* each several times */
	DESCENDING,
	ANY,
	LIKENESSES,
};

static struct uuid
make_id(enum likeness likeness, uint64_t at, uint64_t dice)
{
	uint64_t high = dice * 0x9e3779b97f4a7c15u, low = dice * 0xd6e8feb86659fd93u;
	struct uuid id;
	if (likeness == OF_TIME)
		high = (UINT64_C(0x0192f0000000) + at / 100) << 16 | (high & 0x7fff);
	else if (likeness == ONE_WORD)
		high = 77;
	else if (likeness == FEW)
		high = dice % 3, low = dice % 5;
	else if (likeness == DESCENDING)
		high = UINT64_MAX - at / 2, low = UINT64_MAX - at;
	be_store(id.bytes, high, 8);
	be_store(id.bytes + 8, low, 8);
	return id;
}

static void
check_order(const struct places *places)
{
	for (size_t i = 1; i < places->count; i++) {
		uint32_t a = places->sorted[i - 1].at, b = places->sorted[i].at;
		int order = memcmp(places->all[a].id.bytes, places->all[b].id.bytes, ROW_ID_SIZE);
		assert_true(order < 0 || (order == 0 && a < b));
	}
}

static void
test_place__order(void **state)
{
	uint64_t dice = 88172645463325252u;
	struct places places = {0};
	(void)state;
	for (enum likeness likeness = OF_TIME; likeness < LIKENESSES; likeness++) {
		for (size_t count = 0; count <= 3000; count = count * 3 + 1) {
			places.count = 0;
			for (size_t i = 0; i < count; i++) {
				dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
				struct index_run run = {
				    .tenant = 1, .number = i + 1, .id = make_id(likeness, i, dice)};
				places_push(&places, &run, i % 7 == 0);
			}
			places_sort(&places);
			assert_int_equal(places.count, count);
			check_order(&places);
		}
	}
	places_release(&places);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_place__order),
	};
	return cmocka_run_group_tests_name("index_place", tests, NULL, NULL);
}
