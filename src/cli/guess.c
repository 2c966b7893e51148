/*
 * cli/guess: the number of letters left out, put in, replaced or exchanged with their neighbours,
 * row by row of the usual table; of long words only the first letters count.
 */
#include "cli/guess.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define LETTERS_MAX 32u

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned less = a < b ? a : b;
	return less < c ? less : c;
}

static unsigned
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	unsigned table[LETTERS_MAX + 1][LETTERS_MAX + 1];
	for (unsigned i = 0; i <= a_size; i++)
		table[i][0] = i;
	for (unsigned j = 0; j <= b_size; j++)
		table[0][j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		for (size_t j = 1; j <= b_size; j++) {
			unsigned other = a[i - 1] != b[j - 1] ? 1 : 0;
			table[i][j] = least(table[i - 1][j] + 1, table[i][j - 1] + 1,
			    table[i - 1][j - 1] + other);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    table[i - 2][j - 2] + 1 < table[i][j])
				table[i][j] = table[i - 2][j - 2] + 1;
		}
	}
	return table[a_size][b_size];
}

void
guess_begin(struct guess *guess, const char *word)
{
	*guess = (struct guess){.word = word, .distance = UINT_MAX};
}

void
guess_try(struct guess *guess, const char *candidate)
{
	unsigned found = distance(guess->word, strnlen(guess->word, LETTERS_MAX), candidate,
	    strnlen(candidate, LETTERS_MAX));
	if (found < guess->distance) {
		guess->nearest = candidate;
		guess->distance = found;
	}
}

/* Of the first letters one may be wrong, of six two, of ten three. */
const char *
guess_end(const struct guess *guess)
{
	size_t size = strnlen(guess->word, LETTERS_MAX);
	return guess->nearest != NULL && guess->distance <= (size + 2) / 4 &&
			guess->distance < size
		    ? guess->nearest
		    : NULL;
}
