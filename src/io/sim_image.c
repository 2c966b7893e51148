/*
 * Two levels: leaves of 64 chunks of 4 KiB, made when something other than zero is written.
 * An ordinary write goes to the chunk's cache and sets the sectors' dirty bits; sync copies dirty
 * sectors to the durable bytes; a durable write does both at once. A crash asks the tear for each
 * dirty sector, in the order of the file.
 */
#include "io/sim_image_int.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define CHUNK_BYTES SIM_BLOCK_BYTES
#define CHUNK_SECTORS (CHUNK_BYTES / SIM_SECTOR_BYTES)
#define LEAF_CHUNKS 64u
#define LEAF_BYTES ((uint64_t)LEAF_CHUNKS * CHUNK_BYTES)

struct sim_chunk {
	uint8_t *data;  /* durable; NULL: zeros */
	uint8_t *cache; /* if dirty or lost; NULL: zeros */
	uint8_t dirty;  /* sectors that the next sync makes durable */
	uint8_t lost;   /* sectors that a failed sync has forgotten to write */
};

struct sim_leaf {
	uint64_t cached; /* the chunks that have a dirty or lost sector */
	struct sim_chunk chunks[LEAF_CHUNKS];
};

static const uint8_t sim_zeros[CHUNK_BYTES];

/* ------------------------------------------------------------------------------------- tears */

void
sim_tear_init(struct sim_tear *tear, struct sim_dice *dice)
{
	static const uint32_t keep[] = {20000, 125000, 500000, 875000, 980000};
	*tear = (struct sim_tear){.dice = dice};
	/* One after the other: in one initializer each compiler would have an order of its own. */
	tear->mode = (enum sim_tear_mode)sim_dice_below(dice, SIM_TEAR_MODES);
	tear->keep_per_million = keep[sim_dice_below(dice, sizeof(keep) / sizeof(keep[0]))];
}

void
sim_tear_begin(struct sim_tear *tear, uint64_t sectors)
{
	if (tear->mode != SIM_TEAR_PREFIX)
		return;
	switch (sim_dice_below(tear->dice, 3)) {
	case 0:
		tear->prefix = 0;
		return;
	case 1:
		tear->prefix = sectors;
		return;
	default:
		tear->prefix = sim_dice_below(tear->dice, sectors + 1);
		return;
	}
}

bool
sim_tear_keeps(struct sim_tear *tear)
{
	switch (tear->mode) {
	case SIM_TEAR_NONE:
		return false;
	case SIM_TEAR_ALL:
		return true;
	case SIM_TEAR_PREFIX:
		if (tear->prefix == 0)
			return false;
		tear->prefix--;
		return true;
	case SIM_TEAR_RANDOM:
		return sim_dice_hits(tear->dice, tear->keep_per_million);
	}
	froe_never("a tear has one of four modes");
}

/* ------------------------------------------------------------------------------------- pages */

static bool
page_zero(const uint8_t *bytes, size_t size)
{
	froe_assert(size <= CHUNK_BYTES);
	return memcmp(bytes, sim_zeros, size) == 0;
}

/* Writes into a page that does not exist while it is all zeros. */
static void
page_write(uint8_t **page, uint32_t at, const uint8_t *from, uint32_t size)
{
	if (size == CHUNK_BYTES && page_zero(from, size)) {
		mem_free(*page);
		*page = NULL;
		return;
	}
	if (*page == NULL) {
		if (page_zero(from, size))
			return;
		*page = mem_zalloc(CHUNK_BYTES);
	}
	memcpy(*page + at, from, size);
}

static const uint8_t *
page_bytes(const uint8_t *page)
{
	return page != NULL ? page : sim_zeros;
}

/* ------------------------------------------------------------------------------------ chunks */

static bool
chunk_cached(const struct sim_chunk *chunk)
{
	return (chunk->dirty | chunk->lost) != 0;
}

/* The bits of the sectors that [at, at+size) touches. */
static uint8_t
chunk_sectors(uint32_t at, uint32_t size)
{
	uint32_t first = at / SIM_SECTOR_BYTES;
	uint32_t end = (at + size + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
	return (uint8_t)((1u << end) - (1u << first));
}

static void
chunk_drop_cache(struct sim_chunk *chunk)
{
	mem_free(chunk->cache);
	chunk->cache = NULL;
	chunk->dirty = 0;
	chunk->lost = 0;
}

/* Makes the cached bytes of one sector durable. */
static void
chunk_flush_sector(struct sim_chunk *chunk, uint32_t sector)
{
	uint32_t at = sector * SIM_SECTOR_BYTES;
	page_write(&chunk->data, at, page_bytes(chunk->cache) + at, SIM_SECTOR_BYTES);
}

/* Makes the cached bytes of these sectors durable, and forgets the cache when none is left. */
static void
chunk_flush(struct sim_chunk *chunk, uint8_t sectors)
{
	for (uint32_t i = 0; i < CHUNK_SECTORS; i++) {
		if (sectors & (1u << i))
			chunk_flush_sector(chunk, i);
	}
	chunk->dirty &= (uint8_t)~sectors;
	chunk->lost &= (uint8_t)~sectors;
	if (!chunk_cached(chunk))
		chunk_drop_cache(chunk);
}

static void
chunk_write(struct sim_chunk *chunk, uint32_t at, const uint8_t *from, uint32_t size, bool durable)
{
	uint8_t sectors = chunk_sectors(at, size);
	if (!chunk_cached(chunk)) {
		if (durable) {
			page_write(&chunk->data, at, from, size);
			return;
		}
		chunk->cache = mem_copy(chunk->data, chunk->data != NULL ? CHUNK_BYTES : 0);
	}
	page_write(&chunk->cache, at, from, size);
	chunk->lost &= (uint8_t)~sectors;
	chunk->dirty |= sectors;
	if (durable)
		chunk_flush(chunk, sectors);
}

static void
chunk_read(const struct sim_chunk *chunk, uint32_t at, uint8_t *to, uint32_t size, bool direct)
{
	const uint8_t *from = page_bytes(chunk_cached(chunk) ? chunk->cache : chunk->data);
	memcpy(to, from + at, size);
	if (!direct || chunk->lost == 0)
		return;
	for (uint32_t i = at; i < at + size; i++) {
		if (chunk->lost & (1u << (i / SIM_SECTOR_BYTES)))
			to[i - at] = page_bytes(chunk->data)[i];
	}
}

/* ------------------------------------------------------------------------------------- image */

void
sim_image_init(struct sim_image *image)
{
	*image = (struct sim_image){0};
}

static void
leaf_release(struct sim_leaf *leaf)
{
	for (size_t i = 0; leaf != NULL && i < LEAF_CHUNKS; i++) {
		mem_free(leaf->chunks[i].data);
		mem_free(leaf->chunks[i].cache);
	}
	mem_free(leaf);
}

void
sim_image_release(struct sim_image *image)
{
	for (size_t i = 0; i < image->leaf_count; i++)
		leaf_release(image->leaves[i]);
	mem_free(image->leaves);
	*image = (struct sim_image){0};
}

void
sim_image_check(const struct sim_image *image)
{
	froe_assert(image->size_durable <= image->size); /* 3 */
	for (size_t i = 0; i < image->leaf_count; i++) {
		const struct sim_leaf *leaf = image->leaves[i];
		for (size_t j = 0; leaf != NULL && j < LEAF_CHUNKS; j++) {
			const struct sim_chunk *chunk = &leaf->chunks[j];
			if (chunk->cache != NULL)
				froe_assert(chunk_cached(chunk)); /* 1 */
			froe_assert(((leaf->cached >> j) & 1) == chunk_cached(chunk));
			froe_assert((chunk->dirty & chunk->lost) == 0); /* 2 */
		}
	}
}

static const struct sim_chunk *
image_chunk(const struct sim_image *image, uint64_t offset)
{
	size_t at = (size_t)(offset / LEAF_BYTES);
	if (at >= image->leaf_count || image->leaves[at] == NULL)
		return NULL;
	return &image->leaves[at]->chunks[offset / CHUNK_BYTES % LEAF_CHUNKS];
}

static struct sim_leaf *
image_leaf(struct sim_image *image, uint64_t offset)
{
	size_t at = (size_t)(offset / LEAF_BYTES);
	if (at >= image->leaf_count) {
		size_t count = at + 1 > image->leaf_count * 2 ? at + 1 : image->leaf_count * 2;
		image->leaves = mem_resize(image->leaves, count * sizeof(image->leaves[0]));
		memset(image->leaves + image->leaf_count, 0,
		    (count - image->leaf_count) * sizeof(image->leaves[0]));
		image->leaf_count = count;
	}
	if (image->leaves[at] == NULL)
		image->leaves[at] = mem_zalloc(sizeof(struct sim_leaf));
	return image->leaves[at];
}

static void
image_write_chunk(struct sim_image *image, uint64_t offset, const uint8_t *from, uint32_t size,
    bool durable)
{
	if (image_chunk(image, offset) == NULL && page_zero(from, size))
		return; /* zeros over zeros: nothing to tear */
	struct sim_leaf *leaf = image_leaf(image, offset);
	size_t at = (size_t)(offset / CHUNK_BYTES % LEAF_CHUNKS);
	struct sim_chunk *chunk = &leaf->chunks[at];
	chunk_write(chunk, (uint32_t)(offset % CHUNK_BYTES), from, size, durable);
	leaf->cached &= ~(1ull << at);
	leaf->cached |= (uint64_t)chunk_cached(chunk) << at;
}

/* The length of the first piece of [offset, offset+size) that stays within one unit. */
static uint32_t
image_piece(uint64_t offset, size_t size, uint32_t unit)
{
	uint32_t room = unit - (uint32_t)(offset % unit);
	return size < room ? (uint32_t)size : room;
}

static void
image_write_bytes(struct sim_image *image, uint64_t offset, const uint8_t *from, size_t size,
    bool durable)
{
	while (size > 0) {
		uint32_t piece = image_piece(offset, size, CHUNK_BYTES);
		image_write_chunk(image, offset, from, piece, durable);
		offset += piece;
		from += piece;
		size -= piece;
	}
}

static void
image_extend(struct sim_image *image, uint64_t size, bool durable)
{
	if (image->size < size)
		image->size = size;
	if (durable && image->size_durable < size)
		image->size_durable = size;
}

void
sim_image_write(struct sim_image *image, uint64_t offset, const void *from, size_t size,
    bool durable)
{
	image_write_bytes(image, offset, from, size, durable);
	image_extend(image, offset + size, durable);
}

void
sim_image_read(const struct sim_image *image, uint64_t offset, void *to, size_t size, bool direct)
{
	froe_assert(offset + size <= image->size);
	uint8_t *at = to;
	while (size > 0) {
		uint32_t piece = image_piece(offset, size, CHUNK_BYTES);
		const struct sim_chunk *chunk = image_chunk(image, offset);
		if (chunk != NULL)
			chunk_read(chunk, (uint32_t)(offset % CHUNK_BYTES), at, piece, direct);
		else
			memset(at, 0, piece);
		offset += piece;
		at += piece;
		size -= piece;
	}
}

void
sim_image_grow(struct sim_image *image, uint64_t size)
{
	image_extend(image, size, /* durable= */ false);
}

/* Calls `each` for every chunk with a cache, in the order of the file. */
typedef void image_cached_fn(struct sim_chunk *chunk, struct sim_tear *tear);

static void
image_each_cached(struct sim_image *image, image_cached_fn *each, struct sim_tear *tear)
{
	for (size_t i = 0; i < image->leaf_count; i++) {
		struct sim_leaf *leaf = image->leaves[i];
		for (uint64_t left = leaf != NULL ? leaf->cached : 0; left != 0; left &= left - 1) {
			unsigned at = (unsigned)__builtin_ctzll(left);
			each(&leaf->chunks[at], tear);
			if (!chunk_cached(&leaf->chunks[at]))
				leaf->cached &= ~(1ull << at);
		}
	}
}

static void
chunk_sync(struct sim_chunk *chunk, struct sim_tear *tear)
{
	(void)tear;
	chunk_flush(chunk, chunk->dirty);
}

static void
chunk_sync_fail(struct sim_chunk *chunk, struct sim_tear *tear)
{
	(void)tear;
	chunk->lost |= chunk->dirty;
	chunk->dirty = 0;
}

void
sim_image_sync(struct sim_image *image)
{
	image_each_cached(image, chunk_sync, NULL);
	image->size_durable = image->size;
}

void
sim_image_sync_fail(struct sim_image *image)
{
	image_each_cached(image, chunk_sync_fail, NULL);
}

/* ------------------------------------------------------------------------------------- crash */

static void
chunk_settle(struct sim_chunk *chunk, struct sim_tear *tear)
{
	for (uint32_t i = 0; i < CHUNK_SECTORS; i++) {
		if ((chunk->dirty & (1u << i)) && sim_tear_keeps(tear))
			chunk_flush_sector(chunk, i);
	}
	chunk_drop_cache(chunk);
}

static uint64_t
image_dirty_sectors(const struct sim_image *image)
{
	uint64_t count = 0;
	for (size_t i = 0; i < image->leaf_count; i++) {
		const struct sim_leaf *leaf = image->leaves[i];
		for (uint64_t left = leaf != NULL ? leaf->cached : 0; left != 0; left &= left - 1) {
			unsigned at = (unsigned)__builtin_ctzll(left);
			count += (uint64_t)__builtin_popcount(leaf->chunks[at].dirty);
		}
	}
	return count;
}

/* A length that a crash may leave of a file that has grown since its last sync. */
static uint64_t
image_settled_size(const struct sim_image *image, struct sim_tear *tear)
{
	uint64_t grown = image->size - image->size_durable;
	if (grown == 0 || tear->mode == SIM_TEAR_NONE)
		return image->size_durable;
	if (tear->mode == SIM_TEAR_ALL)
		return image->size;
	switch (sim_dice_below(tear->dice, 3)) {
	case 0:
		return image->size_durable;
	case 1:
		return image->size;
	default:
		return image->size_durable + sim_dice_below(tear->dice, grown + 1);
	}
}

void
sim_image_settle(struct sim_image *image, struct sim_tear *tear)
{
	uint64_t size = image_settled_size(image, tear);
	sim_tear_begin(tear, image_dirty_sectors(image));
	image_each_cached(image, chunk_settle, tear);
	sim_image_truncate(image, size);
}

void
sim_image_tear(struct sim_image *image, uint64_t offset, const void *from, size_t size,
    struct sim_tear *tear)
{
	const uint8_t *at = from;
	sim_tear_begin(tear, (size + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES);
	while (size > 0) {
		uint32_t piece = image_piece(offset, size, SIM_SECTOR_BYTES);
		if (sim_tear_keeps(tear))
			sim_image_write(image, offset, at, piece, /* durable= */ true);
		offset += piece;
		at += piece;
		size -= piece;
	}
}

/* -------------------------------------------------------------------------------------- lies */

void
sim_image_corrupt(struct sim_image *image, uint64_t offset, const void *with, size_t size)
{
	froe_assert(offset + size <= image->size);
	const uint8_t *from = with;
	while (size > 0) {
		uint32_t piece = image_piece(offset, size, CHUNK_BYTES);
		struct sim_leaf *leaf = image_leaf(image, offset);
		struct sim_chunk *chunk = &leaf->chunks[offset / CHUNK_BYTES % LEAF_CHUNKS];
		page_write(&chunk->data, (uint32_t)(offset % CHUNK_BYTES), from, piece);
		offset += piece;
		from += piece;
		size -= piece;
	}
}

/* Bytes past the new end become zero, so that growing again shows zeros. */
void
sim_image_truncate(struct sim_image *image, uint64_t size)
{
	uint64_t end = (uint64_t)image->leaf_count * LEAF_BYTES;
	for (uint64_t at = size; at < end;) {
		uint32_t piece = image_piece(at, CHUNK_BYTES, CHUNK_BYTES);
		if (at % LEAF_BYTES == 0 && image->leaves[at / LEAF_BYTES] == NULL) {
			at += LEAF_BYTES;
			continue;
		}
		if (image_chunk(image, at) != NULL)
			image_write_chunk(image, at, sim_zeros, piece, /* durable= */ true);
		at += piece;
	}
	image->size = size;
	image->size_durable = size;
}

uint64_t
sim_image_hash(const struct sim_image *image, uint64_t seed)
{
	uint64_t hash = hash64(&image->size_durable, sizeof(image->size_durable), seed);
	for (uint64_t i = 0; i < image->leaf_count * LEAF_CHUNKS; i++) {
		const struct sim_chunk *chunk = image_chunk(image, i * CHUNK_BYTES);
		if (chunk != NULL && chunk->data != NULL && !page_zero(chunk->data, CHUNK_BYTES))
			hash = hash64(chunk->data, CHUNK_BYTES, hash ^ i);
	}
	return hash;
}
