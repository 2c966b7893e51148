/*
 * tests/power/extents: which blocks of a device are data of the store's files, and when.
 *
 * Purpose     Looks at the extents of all files below a directory, again and again, so that a cut
 *             can tear the store's own data by sectors and leave the file system's blocks whole.
 *             It does not sync: what has no place yet has none.
 * Ownership   the caller embeds it; borrows the disk, whose tape's length dates what is seen.
 * Threading   extents_look() from one thread; extents_fine() after it has stopped.
 */
#ifndef POWER_EXTENTS_H
#define POWER_EXTENTS_H

#include "power/disk.h"

struct extents_span {
	size_t from; /* records of the tape between two looks that saw it, the first and the */
	size_t to;   /* last */
	unsigned look;
};

struct extents {
	struct disk *disk;
	struct extents_span *spans; /* of blocks */
	unsigned looks;
	size_t before; /* the tape's length when this look began */
};

void extents_init(struct extents *extents, struct disk *disk);
void extents_release(struct extents *extents);
void extents_look(struct extents *extents, const char *dir);

/* Was the block data of a file when this record was written? A disk_cut's `fine`. */
bool extents_fine(void *extents, size_t block, size_t record);

#endif
