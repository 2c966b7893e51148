#include "rot/damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define SECTOR 512u
#define BYTES_MAX 64u

const char *const damage_names[DAMAGE_KINDS] = {
    [DAMAGE_BIT] = "a bit flipped",
    [DAMAGE_BYTES] = "bytes changed",
    [DAMAGE_SECTOR] = "a sector zeroed",
    [DAMAGE_BLOCK] = "a block zeroed",
    [DAMAGE_REGION] = "all of it zeroed",
    [DAMAGE_MISPLACED] = "a block's contents are another's",
    [DAMAGE_SWAPPED] = "two blocks swapped",
    [DAMAGE_SHORT] = "cut off",
    [DAMAGE_LONG] = "longer than it was",
    [DAMAGE_MISSING] = "missing",
};

static uint64_t
dice(uint64_t *seed, uint64_t sides)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % sides;
}

/* Of a hundred cases. */
static const unsigned shares[REGION_CLASSES] = {
    [REGION_STORE] = 8,
    [REGION_MANIFEST] = 10,
    [REGION_WATERMARK] = 8,
    [REGION_SEGMENT] = 28,
    [REGION_SNAPSHOT] = 14,
    [REGION_COLD] = 14,
    [REGION_SPARE] = 4,
    [REGION_INDEX] = 10,
    [REGION_TOKENS] = 2,
    [REGION_OTHER] = 2,
};

static enum region_class
draw_class(uint64_t *seed)
{
	uint64_t share = dice(seed, 100);
	unsigned class = 0;

	for (; class + 1 < REGION_CLASSES && share >= shares[class]; class ++)
		share -= shares[class];
	return (enum region_class) class;
}

/* Each file of a class has the same chance. */
static size_t
draw_file(const struct tree *tree, uint64_t *seed)
{
	for (;;) {
		enum region_class class = draw_class(seed);
		size_t seen = 0;
		size_t chosen = 0;

		for (size_t i = 0; i < tree->count; i++) {
			if (tree->files[i].directory || region_class(&tree->files[i]) != class)
				continue;
			if (dice(seed, ++seen) == 0)
				chosen = i;
		}
		if (seen > 0)
			return chosen;
	}
}

/* Each name of regions has the same chance, and among those of the name each region. */
static struct region
draw_region(const struct tree_file *file, uint64_t *seed)
{
	size_t count;
	struct region *regions = region_map(file, &count);
	struct region chosen = {.name = "nothing"};
	const char *name = NULL;
	size_t names = 0;
	size_t seen = 0;

	for (size_t i = 0; i < count; i++) {
		bool known = false;

		for (size_t j = 0; j < i && !known; j++)
			known = strcmp(regions[j].name, regions[i].name) == 0;
		if (!known && dice(seed, ++names) == 0)
			name = regions[i].name;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(regions[i].name, name) == 0 && dice(seed, ++seen) == 0)
			chosen = regions[i];
	}
	free(regions);
	return chosen;
}

/* Another block of the same file, or of another one of its class. */
static const uint8_t *
draw_block(const struct damage *damage, const struct tree *tree, uint64_t *seed)
{
	const struct tree_file *from = &tree->files[damage->index];

	for (unsigned i = 0; i < 8 && dice(seed, 2) == 0; i++) {
		const struct tree_file *other = &tree->files[dice(seed, tree->count)];

		if (!other->directory && other->size >= BLOCK &&
		    region_class(other) == damage->class)
			from = other;
	}
	return from->size < BLOCK ? NULL : from->data + dice(seed, from->size / BLOCK) * BLOCK;
}

static void
damage_span(struct damage *damage, size_t from, size_t to)
{
	damage->from = from;
	damage->to = to < damage->file.size ? to : damage->file.size;
}

static void
damage_bytes(struct damage *damage, size_t at, uint64_t *seed)
{
	size_t count = 1 + dice(seed, BYTES_MAX);

	if (at + count > damage->region.to) /* not into a second copy */
		count = damage->region.to - at;
	damage_span(damage, at, at + count);
	for (size_t i = damage->from; i < damage->to; i++)
		damage->file.data[i] = (uint8_t)dice(seed, 256);
}

static void
damage_zero(struct damage *damage, size_t from, size_t to)
{
	damage_span(damage, from, to);
	memset(damage->file.data + damage->from, 0, damage->to - damage->from);
}

static void
damage_blocks(struct damage *damage, const struct tree *tree, size_t at, uint64_t *seed)
{
	uint8_t *here = damage->file.data + at / BLOCK * BLOCK;
	const uint8_t *other = draw_block(damage, tree, seed);
	uint8_t *there;

	if (other == NULL || at / BLOCK * BLOCK + BLOCK > damage->file.size)
		return;
	damage_span(damage, at / BLOCK * BLOCK, at / BLOCK * BLOCK + BLOCK);
	if (damage->kind == DAMAGE_SWAPPED) {
		there = damage->file.data + dice(seed, damage->file.size / BLOCK) * BLOCK;
		other = tree->files[damage->index].data + (there - damage->file.data);
		memmove(there, here, BLOCK);
	}
	memcpy(here, other, BLOCK);
}

static void
damage_long(struct damage *damage, uint64_t *seed)
{
	size_t more = dice(seed, 2) == 0 ? BLOCK : 1 + dice(seed, 2 * BLOCK);
	bool zeros = dice(seed, 2) == 0;

	damage->file.data = realloc(damage->file.data, damage->file.size + more);
	if (damage->file.data == NULL)
		abort();
	damage->from = damage->file.size;
	damage->file.size += more;
	damage->to = damage->file.size;
	for (size_t i = damage->from; i < damage->to; i++)
		damage->file.data[i] = zeros ? 0 : (uint8_t)dice(seed, 256);
}

static void
damage_do(struct damage *damage, const struct tree *tree, uint64_t *seed)
{
	size_t size = damage->region.to - damage->region.from;
	size_t at = damage->region.from + (size > 0 ? dice(seed, size) : 0);

	switch (damage->kind) {
	case DAMAGE_BIT:
		damage_span(damage, at, at + 1);
		if (size > 0)
			damage->file.data[at] ^= (uint8_t)(1u << dice(seed, 8));
		break;
	case DAMAGE_BYTES:
		damage_bytes(damage, at, seed);
		break;
	case DAMAGE_SECTOR:
		damage_zero(damage, at / SECTOR * SECTOR, at / SECTOR * SECTOR + SECTOR);
		break;
	case DAMAGE_BLOCK:
		damage_zero(damage, at / BLOCK * BLOCK, at / BLOCK * BLOCK + BLOCK);
		break;
	case DAMAGE_REGION:
		damage_zero(damage, damage->region.from, damage->region.to);
		break;
	case DAMAGE_MISPLACED:
	case DAMAGE_SWAPPED:
		damage_blocks(damage, tree, at, seed);
		break;
	case DAMAGE_SHORT:
		damage->from = dice(seed, 2) == 0 ? at : at / BLOCK * BLOCK;
		damage->to = damage->file.size;
		damage->file.size = damage->from;
		break;
	case DAMAGE_LONG:
		damage_long(damage, seed);
		break;
	case DAMAGE_MISSING:
		free(damage->file.data);
		damage->file.data = NULL;
		break;
	case DAMAGE_KINDS:
		abort();
	}
}

void
damage_draw(struct damage *damage, const struct tree *tree, uint64_t seed)
{
	const struct tree_file *file;

	*damage = (struct damage){0};
	damage->index = draw_file(tree, &seed);
	file = &tree->files[damage->index];
	damage->class = region_class(file);
	damage->file = *file;
	damage->file.data = malloc(file->size + 1);
	if (damage->file.data == NULL)
		abort();
	memcpy(damage->file.data, file->data, file->size);
	damage->region = draw_region(file, &seed);
	damage->kind = (enum damage_kind)dice(&seed, DAMAGE_KINDS);
	damage_do(damage, tree, &seed);
	damage->none = damage->file.data != NULL && damage->file.size == file->size &&
		       memcmp(damage->file.data, file->data, file->size) == 0;
	snprintf(damage->text, sizeof(damage->text), "%s: %s, bytes %zu to %zu: %s", file->path,
	    damage->region.name, damage->from, damage->to, damage_names[damage->kind]);
}

void
damage_release(struct damage *damage)
{
	free(damage->file.data);
	damage->file.data = NULL;
}
