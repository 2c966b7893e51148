/*
 * One thread answers all requests, one after the other. So a write whose answer a flush followed is
 * before it on the tape, and what the tape calls durable is what a device would.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define FUSE_USE_VERSION 35
#include "power/recorder.h"

#include <errno.h>
#include <fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDER_FILES 8u

struct recorder_file {
	char name[32]; /* with the slash; "": free */
	struct disk *disk;
};

struct recorder {
	char dir[PATH_MAX];
	struct fuse *fuse;
	pthread_t thread;
	pthread_mutex_t lock; /* of the table */
	struct recorder_file files[RECORDER_FILES];
};

static struct disk *
recorder_find(struct recorder *recorder, const char *path)
{
	struct disk *disk = NULL;

	pthread_mutex_lock(&recorder->lock);
	for (size_t i = 0; i < RECORDER_FILES; i++) {
		if (strcmp(recorder->files[i].name, path) == 0)
			disk = recorder->files[i].disk;
	}
	pthread_mutex_unlock(&recorder->lock);
	return disk;
}

static struct recorder *
recorder_here(void)
{
	return fuse_get_context()->private_data;
}

static int
on_getattr(const char *path, struct stat *stat, struct fuse_file_info *info)
{
	struct disk *disk = recorder_find(recorder_here(), path);

	(void)info;
	memset(stat, 0, sizeof(*stat));
	if (strcmp(path, "/") == 0) {
		stat->st_mode = S_IFDIR | 0700;
		stat->st_nlink = 2;
		return 0;
	}
	if (disk == NULL)
		return -ENOENT;
	stat->st_mode = S_IFREG | 0600;
	stat->st_nlink = 1;
	stat->st_size = (off_t)(disk->block_count * DISK_BLOCK);
	return 0;
}

static int
on_open(const char *path, struct fuse_file_info *info)
{
	struct disk *disk = recorder_find(recorder_here(), path);

	info->fh = (uint64_t)(uintptr_t)disk;
	return disk != NULL ? 0 : -ENOENT;
}

static bool
on_disk(const struct disk *disk, off_t offset, size_t size)
{
	uint64_t end = (uint64_t)disk->block_count * DISK_BLOCK;

	return offset >= 0 && (uint64_t)offset <= end && size <= end - (uint64_t)offset;
}

static int
on_read(const char *path, char *to, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct disk *disk = (struct disk *)(uintptr_t)info->fh;

	(void)path;
	if (!on_disk(disk, offset, size))
		return -EINVAL;
	disk_read(disk, (uint64_t)offset, to, size);
	return (int)size;
}

static int
on_write(const char *path, const char *from, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct disk *disk = (struct disk *)(uintptr_t)info->fh;

	(void)path;
	if (!on_disk(disk, offset, size))
		return -ENOSPC;
	disk_write(disk, (uint64_t)offset, from, size);
	return (int)size;
}

static int
on_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
	(void)path;
	(void)data_only;
	disk_flush((struct disk *)(uintptr_t)info->fh);
	return 0;
}

/* The disk itself is recorder_remove()'s. */
static int
on_unlink(const char *path)
{
	(void)path;
	return 0;
}

static void *
on_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	connection->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
	config->hard_remove = 1;
	config->attr_timeout = 3600;
	config->entry_timeout = 3600;
	return recorder_here();
}

static const struct fuse_operations recorder_operations = {
    .init = on_init,
    .getattr = on_getattr,
    .open = on_open,
    .read = on_read,
    .write = on_write,
    .fsync = on_fsync,
    .unlink = on_unlink,
};

static void *
recorder_main(void *context)
{
	struct recorder *recorder = context;

	fuse_loop(recorder->fuse);
	return NULL;
}

struct recorder *
recorder_open(const char *dir)
{
	char *argv[] = {"power", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (recorder == NULL)
		return NULL;
	pthread_mutex_init(&recorder->lock, NULL);
	snprintf(recorder->dir, sizeof(recorder->dir), "%s", dir);
	recorder->fuse =
	    fuse_new(&args, &recorder_operations, sizeof(recorder_operations), recorder);
	if (recorder->fuse == NULL || fuse_mount(recorder->fuse, dir) != 0 ||
	    pthread_create(&recorder->thread, NULL, recorder_main, recorder) != 0)
		return NULL; /* the process ends soon */
	return recorder;
}

void
recorder_close(struct recorder *recorder)
{
	fuse_exit(recorder->fuse);
	fuse_unmount(recorder->fuse); /* its thread sees the end of the connection */
	pthread_join(recorder->thread, NULL);
	fuse_destroy(recorder->fuse);
	pthread_mutex_destroy(&recorder->lock);
	free(recorder);
}

void
recorder_add(struct recorder *recorder, const char *name, struct disk *disk)
{
	pthread_mutex_lock(&recorder->lock);
	for (size_t i = 0; i < RECORDER_FILES; i++) {
		if (recorder->files[i].name[0] == 0) {
			recorder->files[i].disk = disk;
			snprintf(
			    recorder->files[i].name, sizeof(recorder->files[i].name), "/%s", name);
			break;
		}
	}
	pthread_mutex_unlock(&recorder->lock);
}

void
recorder_remove(struct recorder *recorder, const char *name)
{
	char path[PATH_MAX + 64];

	/* The kernel forgets what it has read. */
	snprintf(path, sizeof(path), "%s/%s", recorder->dir, name);
	unlink(path);
	pthread_mutex_lock(&recorder->lock);
	for (size_t i = 0; i < RECORDER_FILES; i++) {
		if (strcmp(recorder->files[i].name + 1, name) == 0)
			recorder->files[i].name[0] = 0;
	}
	pthread_mutex_unlock(&recorder->lock);
}
