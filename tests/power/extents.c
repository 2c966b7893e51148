#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power/extents.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EXTENTS_AT_ONCE 64u
#define EXTENTS_DEPTH 4u
/* Places that are not known yet, or are not blocks of the device. */
#define EXTENTS_ELSEWHERE                                                                          \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE |              \
	    FIEMAP_EXTENT_NOT_ALIGNED)

void
extents_init(struct extents *extents, struct disk *disk)
{
	*extents = (struct extents){.disk = disk, .looks = 1}; /* so that 0 is never the last one */
	extents->spans = calloc(disk->block_count, sizeof(*extents->spans));
	if (extents->spans == NULL)
		abort();
}

void
extents_release(struct extents *extents)
{
	free(extents->spans);
	*extents = (struct extents){0};
}

/* `from` and `to` are set when the look has ended: not all of it is of one moment. */
static void
extents_see(struct extents *extents, size_t block)
{
	struct extents_span *span = &extents->spans[block];

	if (span->look == extents->looks)
		return;
	if (span->look + 1 != extents->looks)
		span->from = SIZE_MAX; /* it is new, or was something else in between */
	span->look = extents->looks;
	span->to = extents->before;
}

static void
extents_of_file(struct extents *extents, int file)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[EXTENTS_AT_ONCE];
	} ask;
	uint64_t at = 0;
	bool last = false;

	while (!last) {
		memset(&ask, 0, sizeof(ask));
		ask.map.fm_start = at;
		ask.map.fm_length = UINT64_MAX - at;
		ask.map.fm_extent_count = EXTENTS_AT_ONCE;
		if (ioctl(file, FS_IOC_FIEMAP, &ask.map) != 0 || ask.map.fm_mapped_extents == 0)
			return;
		for (unsigned i = 0; i < ask.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *one = &ask.extents[i];

			at = one->fe_logical + one->fe_length;
			last = last || (one->fe_flags & FIEMAP_EXTENT_LAST) != 0;
			if ((one->fe_flags & EXTENTS_ELSEWHERE) != 0)
				continue;
			for (uint64_t j = 0; j < one->fe_length / DISK_BLOCK; j++)
				extents_see(extents, one->fe_physical / DISK_BLOCK + j);
		}
	}
}

static void
extents_of_dir(struct extents *extents, int dir, unsigned depth)
{
	DIR *list = fdopendir(dir);
	struct dirent *entry;

	if (list == NULL) {
		close(dir);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		int one;

		if (entry->d_name[0] == '.' || (entry->d_type != DT_REG && entry->d_type != DT_DIR))
			continue;
		one = openat(dirfd(list), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (one >= 0 && entry->d_type == DT_DIR && depth > 0) {
			extents_of_dir(extents, one, depth - 1); /* closes it */
			continue;
		}
		if (one >= 0 && entry->d_type == DT_REG)
			extents_of_file(extents, one);
		if (one >= 0)
			close(one);
	}
	closedir(list);
}

void
extents_look(struct extents *extents, const char *dir)
{
	int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t after;

	if (top < 0)
		return; /* not yet */
	extents->looks++;
	extents->before = disk_recorded(extents->disk);
	extents_of_dir(extents, top, EXTENTS_DEPTH);
	after = disk_recorded(extents->disk);
	for (size_t i = 0; i < extents->disk->block_count; i++) {
		if (extents->spans[i].look == extents->looks && extents->spans[i].from == SIZE_MAX)
			extents->spans[i].from = after;
	}
}

bool
extents_fine(void *context, size_t block, size_t record)
{
	const struct extents *extents = context;
	const struct extents_span *span = &extents->spans[block];

	return span->look != 0 && span->from <= record && record <= span->to;
}
