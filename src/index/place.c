/*
 * What a batch changes in the table of ids, in the order of the ids: of a v7 the time comes first,
 * so nearly all of a batch are behind all that the table has.
 *
 * Sorting: by the bytes that differ in the id's first word (radix sort of the words, with where
 * their places are). Few words are equal, and those are put in order one by one; unless somebody
 * gives out ids of another kind: then all once more, by the second word and then by the first. Each
 * pass keeps the order of equals.
 */
#include "index/index_int.h"

#include "base/mem.h"

#define DIGIT_BITS 8u
#define DIGITS (1u << DIGIT_BITS)
/* So far one of equal words is moved. */
#define EQUALS_MAX 16u

void
places_push(struct places *places, const struct index_run *run, bool gone)
{
	if (places->count == places->capacity) {
		size_t capacity = places->capacity != 0 ? places->capacity * 2 : 64;
		places->all = mem_resize(places->all, capacity * sizeof(places->all[0]));
		places->order = mem_resize(places->order, 2 * capacity * sizeof(places->order[0]));
		places->capacity = capacity;
	}
	froe_assert(places->count < UINT32_MAX);
	places->all[places->count++] =
	    (struct place){run->id, row_key_of(run->tenant, run->number), gone};
}

static uint64_t
id_word(const struct uuid *id, unsigned word)
{
	return be_load(id->bytes + 8 * word, 8);
}

static void
sort_pass(const struct place_order *from, struct place_order *to, size_t count, unsigned shift)
{
	uint32_t at[DIGITS] = {0}, sum = 0;
	for (size_t i = 0; i < count; i++)
		at[from[i].word >> shift & (DIGITS - 1)]++;
	for (size_t digit = 0; digit < DIGITS; digit++) {
		uint32_t here = at[digit];
		at[digit] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[at[from[i].word >> shift & (DIGITS - 1)]++] = from[i];
}

/* Sorts what `order` has by one of the ids' words. */
static void
sort_by(struct places *places, struct place_order *order, unsigned word)
{
	struct place_order *from = order, *to = order + places->capacity;
	uint64_t first = id_word(&places->all[0].id, word), differ = 0;
	if (order != places->order)
		to = places->order;
	for (size_t i = 0; i < places->count; i++) {
		from[i].word = id_word(&places->all[from[i].at].id, word);
		differ |= from[i].word ^ first;
	}
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		struct place_order *sorted = to;
		if ((differ >> shift & (DIGITS - 1)) == 0)
			continue;
		sort_pass(from, to, places->count, shift);
		to = from;
		from = sorted;
	}
	places->sorted = from;
}

static bool
place_before(const struct places *places, struct place_order a, struct place_order b)
{
	const struct uuid *one = &places->all[a.at].id, *other = &places->all[b.at].id;
	return a.word == b.word && id_word(one, 1) < id_word(other, 1);
}

/* Among those whose first word is the same. False: there are too many to do it one by one. */
static bool
sort_equals(struct places *places)
{
	struct place_order *sorted = places->sorted;
	for (size_t i = 1; i < places->count; i++) {
		struct place_order one = sorted[i];
		size_t at = i;
		for (; at > 0 && place_before(places, one, sorted[at - 1]); at--) {
			if (i - at == EQUALS_MAX)
				return false;
			sorted[at] = sorted[at - 1];
		}
		sorted[at] = one;
	}
	return true;
}

void
places_sort(struct places *places)
{
	for (uint32_t i = 0; i < places->count; i++)
		places->order[i].at = i;
	places->sorted = places->order;
	if (places->count < 2)
		return;
	sort_by(places, places->sorted, /* word= */ 0);
	if (sort_equals(places))
		return;
	for (uint32_t i = 0; i < places->count; i++)
		places->order[i].at = i;
	sort_by(places, places->order, /* word= */ 1);
	sort_by(places, places->sorted, /* word= */ 0);
}

void
places_release(struct places *places)
{
	mem_free(places->all);
	mem_free(places->order);
}
