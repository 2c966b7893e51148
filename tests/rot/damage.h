/*
 * tests/rot/damage: one thing wrong with one file of a store.
 *
 * Purpose     Draws a file, a region of it and a kind of damage, and makes the damaged contents.
 *             The same seed gives the same damage of the same store.
 * Ownership   damage_release frees the contents.
 */
#ifndef ROT_DAMAGE_H
#define ROT_DAMAGE_H

#include "rot/region.h"

enum damage_kind {
	DAMAGE_BIT,
	DAMAGE_BYTES,	  /* up to 64 in a row */
	DAMAGE_SECTOR,	  /* zeroed */
	DAMAGE_BLOCK,	  /* zeroed */
	DAMAGE_REGION,	  /* zeroed, all of it */
	DAMAGE_MISPLACED, /* another block's contents: a write that went to the wrong place */
	DAMAGE_SWAPPED,	  /* two blocks */
	DAMAGE_SHORT,	  /* cut off within the region */
	DAMAGE_LONG,	  /* something behind the end */
	DAMAGE_MISSING,	  /* the file */
	DAMAGE_KINDS,
};
extern const char *const damage_names[DAMAGE_KINDS];

struct damage {
	enum damage_kind kind;
	enum region_class class;
	size_t index; /* of the file in the tree */
	struct tree_file file;
	struct region region;
	size_t from; /* what was changed */
	size_t to;
	bool none; /* the contents are what they were */
	char text[512];
};

void damage_draw(struct damage *damage, const struct tree *tree, uint64_t seed);
void damage_release(struct damage *damage);

#endif
