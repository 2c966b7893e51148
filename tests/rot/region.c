#include "rot/region.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define FRAME_HASHES 88u
#define FLAG_SEAL 2u
#define FLAG_CLEAN 4u

const char *const region_class_names[REGION_CLASSES] = {
    [REGION_STORE] = "STORE",
    [REGION_MANIFEST] = "MANIFEST",
    [REGION_WATERMARK] = "WATERMARK",
    [REGION_SEGMENT] = "segment",
    [REGION_SNAPSHOT] = "snapshot",
    [REGION_COLD] = "cold file",
    [REGION_SPARE] = "spare",
    [REGION_INDEX] = "index",
    [REGION_TOKENS] = "token.key",
    [REGION_OTHER] = "LOCK, HOLD",
};

static bool
ends_with(const char *text, const char *end)
{
	size_t size = strlen(text);
	size_t end_size = strlen(end);

	return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

enum region_class
region_class(const struct tree_file *file)
{
	const char *path = file->path;

	if (strcmp(path, "STORE") == 0)
		return REGION_STORE;
	if (ends_with(path, "/MANIFEST"))
		return REGION_MANIFEST;
	if (ends_with(path, "/WATERMARK"))
		return REGION_WATERMARK;
	if (strstr(path, "/cold/") != NULL)
		return REGION_COLD;
	if (ends_with(path, ".seg"))
		return REGION_SEGMENT;
	if (strstr(path, "/ckpt/") != NULL)
		return REGION_SNAPSHOT;
	if (strstr(path, "/spare-") != NULL)
		return REGION_SPARE;
	if (strncmp(path, "index/", 6) == 0)
		return REGION_INDEX;
	return strcmp(path, "token.key") == 0 ? REGION_TOKENS : REGION_OTHER;
}

/* ------------------------------------------------------------------------------------- the map */

struct map {
	const struct tree_file *file;
	struct region *regions;
	size_t count;
	size_t room;
};

static void
map_add(struct map *map, const char *name, size_t from, size_t to, bool spare)
{
	if (to > map->file->size)
		to = map->file->size;
	if (from >= to)
		return;
	if (map->count == map->room) {
		map->room = map->room == 0 ? 64 : 2 * map->room;
		map->regions = realloc(map->regions, map->room * sizeof(*map->regions));
		if (map->regions == NULL)
			abort();
	}
	map->regions[map->count++] = (struct region){name, from, to, spare};
}

static uint64_t
number_at(const struct map *map, size_t at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = bytes; i-- > 0;)
		value = value << 8 | map->file->data[at + i];
	return value;
}

static bool
zero(const uint8_t *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* One frame; where the next one begins. */
static size_t
map_frame(struct map *map, size_t at)
{
	unsigned flags = map->file->data[at + 5];
	size_t header = (size_t)number_at(map, at + 6, 2);
	size_t stored = (size_t)number_at(map, at + 56, 4);
	size_t blocks = (size_t)number_at(map, at + 68, 2);
	size_t hashes = FRAME_HASHES + 8 * blocks;

	if ((flags & FLAG_SEAL) != 0) {
		map_add(map, "seal", at, at + header + stored, false);
	} else if ((flags & FLAG_CLEAN) != 0) {
		map_add(map, "clean stop", at, at + header + stored, false);
	} else {
		map_add(map, "frame header", at, at + FRAME_HASHES, false);
		map_add(map, "frame's block hashes", at + FRAME_HASHES, at + hashes, false);
		map_add(map, "frame header's gap", at + hashes, at + header - 8, false);
		map_add(map, "frame header's hash", at + header - 8, at + header, false);
		map_add(map, "frame data", at + header, at + header + stored, false);
	}
	map_add(map, "frame's padding", at + header + stored, at + blocks * BLOCK, false);
	return at + blocks * BLOCK;
}

static void
map_frames(struct map *map)
{
	size_t at = 2 * BLOCK;

	map_add(map, "header, first copy", 0, BLOCK, true);
	map_add(map, "header, second copy", BLOCK, 2 * BLOCK, true);
	while (at + BLOCK <= map->file->size && memcmp(map->file->data + at, "FRAM", 4) == 0 &&
	       number_at(map, at + 68, 2) > 0)
		at = map_frame(map, at);
	if (at < map->file->size)
		map_add(map, zero(map->file->data + at, map->file->size - at) ? "room" : "tail", at,
		    map->file->size, false);
}

static void
map_copies(struct map *map, const char *first, const char *second)
{
	map_add(map, first, 0, BLOCK, true);
	map_add(map, second, BLOCK, 2 * BLOCK, true);
}

struct region *
region_map(const struct tree_file *file, size_t *ret_count)
{
	struct map map = {.file = file};

	switch (region_class(file)) {
	case REGION_STORE:
		map_copies(&map, "first copy", "second copy");
		break;
	case REGION_MANIFEST:
	case REGION_WATERMARK:
		map_copies(&map, "slot 0", "slot 1");
		break;
	case REGION_SEGMENT:
	case REGION_SNAPSHOT:
	case REGION_COLD:
		map_frames(&map);
		break;
	case REGION_INDEX:
		map_add(&map, "meta pages", 0, 2 * BLOCK, false);
		map_add(&map, "pages", 2 * BLOCK, file->size, false);
		break;
	case REGION_SPARE:
	case REGION_TOKENS:
	case REGION_OTHER:
	case REGION_CLASSES:
		map_add(&map, "all", 0, file->size, false);
		break;
	}
	*ret_count = map.count;
	return map.regions;
}
