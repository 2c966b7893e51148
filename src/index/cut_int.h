/*
 * index/cut: one condition of a list, as a descending series of blocks of run numbers.
 *
 * Purpose     cut_floor() finds the highest block, at or below a given one, in which some run may
 *             fit the condition, and which runs of it. A list takes the blocks that all its
 *             conditions have (a leapfrog), and the runs that are in all of their bitmaps.
 * Ownership   borrows the transaction; its cursors end with it or with cut_release().
 */
#ifndef INDEX_CUT_INT_H
#define INDEX_CUT_INT_H

#include "index/index_int.h"
#include "index/openset.h"

#define CUT_TERMS_MAX 8u /* final statuses */

/* One posting list being read downwards. */
struct cut_term {
	struct post_term term;
	MDB_cursor *cursor;
	bool placed;     /* the cursor stands on `at`'s entry */
	bool over;       /* nothing is below `at` */
	uint64_t asked;  /* `at` is the highest block up to this one */
	uint64_t at;
	struct block block;
};

struct cut {
	struct index *index;
	uint32_t tenant;
	uint64_t group_low; /* no run of the tenant is in a lower one */
	struct cut_term *terms[CUT_TERMS_MAX]; /* any of them */
	uint32_t term_count;
	const struct openset *open; /* or open in one of these kinds */
	uint32_t kinds;
	uint64_t steps;  /* look-ups made */
	struct block block; /* what cut_floor() found */
};

int cut_add(struct cut *cut, MDB_txn *txn, struct post_term term);
void cut_release(struct cut *cut);

/* MDB_NOTFOUND: there is none. */
int cut_floor(struct cut *cut, uint64_t from, uint64_t *ret_at);

#endif
