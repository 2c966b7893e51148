/*
 * tests/rot/region: what the bytes of a store's files are.
 *
 * Purpose     Divides a file into regions by the format (docs/log-format.md), read without the
 *             code under test, so that each kind of region gets its share of the damage.
 * Ownership   region_map allocates; free() gives it back.
 */
#ifndef ROT_REGION_H
#define ROT_REGION_H

#include "rot/tree.h"

enum region_class {
	REGION_STORE,
	REGION_MANIFEST,
	REGION_WATERMARK,
	REGION_SEGMENT,
	REGION_SNAPSHOT,
	REGION_COLD,
	REGION_SPARE,
	REGION_INDEX,
	REGION_TOKENS, /* token.key */
	REGION_OTHER,  /* LOCK, HOLD: they hold nothing */
	REGION_CLASSES,
};

extern const char *const region_class_names[REGION_CLASSES];
enum region_class region_class(const struct tree_file *file);

struct region {
	const char *name;
	size_t from;
	size_t to;
	bool spare; /* there is another copy of what it says: its damage must do no harm */
};

/* At least one region, unless the file is empty. */
struct region *region_map(const struct tree_file *file, size_t *ret_count);

#endif
