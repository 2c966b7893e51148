/*
 * base/numtable: objects found by a number, of numbers that are given out in order.
 *
 * Purpose     What base/keyset does for keys without an order, in half of its memory, for the
 *             tables of open runs: neighbours are born together and mostly die together, so they
 *             lie in one page, and a new one goes behind the one before. Only pages move when the
 *             table grows.
 * Layout      A page is of 32 neighbouring numbers. The newest one, and any that is well filled,
 *             has a place for each of them: number n is at n % 32. Others have places for those
 *             that are there, in order. A page with none is gone, but for the newest one. Pages are
 *             found by the keyset; 64 of those that were made last (the newest 2048 numbers, if all
 *             are used) without it.
 * Ownership   the table owns its pages, of the stock it was given. The objects are somebody else's.
 * Invariants  1. the `newest` page is whole, each other one is more than a quarter full, or has one
 *                object. 2. nothing depends on the order of the pages.
 *             3. what `near` points at is in `pages`.
 * Threading   its owner only.
 */
#ifndef BASE_NUMTABLE_H
#define BASE_NUMTABLE_H

#include "base/keyset.h"
#include "base/stock.h"

#define NUMTABLE_NEAR 64u

struct numtable_page;

struct numtable {
	struct keyset pages; /* struct numtable_page by its number */
	struct stock *stock;
	struct numtable_page *newest; /* the last one that was made; or NULL */
	struct numtable_page *near[NUMTABLE_NEAR];
	size_t count; /* of objects */
};

void numtable_init(struct numtable *table, struct stock *stock);
void numtable_release(struct numtable *table);		       /* before the stock */
void numtable_reserve(struct numtable *table, uint64_t count); /* room for so many neighbours */

void *numtable_get(const struct numtable *table, uint64_t number);	  /* NULL: absent */
bool numtable_add(struct numtable *table, uint64_t number, void *object); /* false: one is there */
void numtable_replace(struct numtable *table, uint64_t number, void *object); /* one is there */
void *numtable_remove(struct numtable *table, uint64_t number); /* what was there; or NULL */

/* Tells the processor that the number will be looked up soon. */
void numtable_prefetch(const struct numtable *table, uint64_t number);

/* Objects in the order of their numbers, while the table stays as it is. */
struct numtable_walk {
	struct numtable_page **pages; /* NULL: it is over */
	size_t page_count;
	size_t at;
	uint32_t rest; /* of the page: a bit for each number to come */
};

struct numtable_walk numtable_walk_begin(const struct numtable *table);
void *numtable_walk_next(struct numtable_walk *walk); /* NULL: that was the last one */
void numtable_walk_end(struct numtable_walk *walk);   /* sooner or later; again, harmless */

/* Each object. It may be freed, but the table stays as it is. */
void numtable_each(
    struct numtable *table, void (*each)(void *context, void *object), void *context);

#endif
