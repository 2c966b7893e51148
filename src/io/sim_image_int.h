/*
 * io/sim_image: the bytes of one simulated file: what is on the disk, and what is only cached.
 *
 * Purpose     A sparse array of 4 KiB chunks. Each has the durable bytes and, where they differ,
 *             the cached bytes with one bit a 512 B sector. Zeros cost nothing: a chunk of zeros
 *             has no memory, so a zero-filled segment of any size is nearly free.
 * Ownership   owns its chunks.
 * Invariants  1. a chunk has a cache exactly if a sector of it is dirty or lost. 2. dirty and lost
 *             are disjoint. 3. size_durable <= size. 4. bytes past the size are zero.
 */
#ifndef IO_SIM_IMAGE_INT_H
#define IO_SIM_IMAGE_INT_H

#include "io/sim_dice_int.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SECTOR_BYTES 512u
#define SIM_BLOCK_BYTES 4096u

/* How a crash treats what is not durable. One mode a crash. */
enum sim_tear_mode {
	SIM_TEAR_NONE,   /* nothing of it is on the disk */
	SIM_TEAR_ALL,    /* all of it is */
	SIM_TEAR_PREFIX, /* of each write or file a prefix */
	SIM_TEAR_RANDOM, /* each sector on its own */
};
#define SIM_TEAR_MODES 4u

struct sim_tear {
	struct sim_dice *dice;
	enum sim_tear_mode mode;
	uint32_t keep_per_million; /* RANDOM: of the sectors */
	uint64_t prefix;           /* PREFIX: sectors still to keep */
};

void sim_tear_init(struct sim_tear *tear, struct sim_dice *dice);
void sim_tear_begin(struct sim_tear *tear, uint64_t sectors); /* of one write, or one file */
bool sim_tear_keeps(struct sim_tear *tear);                   /* the next sector */

struct sim_leaf;

struct sim_image {
	struct sim_leaf **leaves;
	size_t leaf_count;
	uint64_t size;
	uint64_t size_durable;
};

void sim_image_init(struct sim_image *image);
void sim_image_release(struct sim_image *image);
void sim_image_check(const struct sim_image *image);

void sim_image_write(struct sim_image *image, uint64_t offset, const void *from, size_t size,
    bool durable);
/* direct: as O_DIRECT sees it: sectors that a failed sync has lost read as the disk has them. */
void sim_image_read(const struct sim_image *image, uint64_t offset, void *to, size_t size,
    bool direct);
void sim_image_grow(struct sim_image *image, uint64_t size); /* with zeros, not yet durable */
void sim_image_sync(struct sim_image *image);
/* What Linux does: the error is told once, the cache keeps the new bytes and calls them clean, the
 * disk keeps the old ones. */
void sim_image_sync_fail(struct sim_image *image);

/* The crash: what is cached becomes durable or is forgotten. */
void sim_image_settle(struct sim_image *image, struct sim_tear *tear);
/* A write that did not complete: some of its sectors are on the disk. */
void sim_image_tear(struct sim_image *image, uint64_t offset, const void *from, size_t size,
    struct sim_tear *tear);

void sim_image_corrupt(struct sim_image *image, uint64_t offset, const void *with, size_t size);
void sim_image_truncate(struct sim_image *image, uint64_t size);
uint64_t sim_image_hash(const struct sim_image *image, uint64_t seed); /* of what is durable */

#endif
