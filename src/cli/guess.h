/*
 * cli/guess: which word may have been meant by one that is none?
 *
 * Purpose     guess_begin(), guess_try() for each word there is, guess_end(): the nearest one, or
 *             NULL when nothing is near.
 * Ownership   words are borrowed.
 * Threading   none.
 */
#ifndef CLI_GUESS_H
#define CLI_GUESS_H

struct guess {
	const char *word;
	const char *nearest;
	unsigned distance;
};

void guess_begin(struct guess *guess, const char *word);
void guess_try(struct guess *guess, const char *candidate);
const char *guess_end(const struct guess *guess);

#endif
