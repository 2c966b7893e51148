/*
 * tests/inject/disk: a small file system of its own, in a file, on a loop device.
 *
 * Ownership   the caller embeds it; disk_close unmounts it and removes the file.
 * Failure     disk_open: false where this machine has no loop devices, or we may not mount.
 */
#ifndef INJECT_DISK_H
#define INJECT_DISK_H

#include "crash/process.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Of ext4 and XFS alike: from now on every write says EIO. */
#define DISK_SHUTDOWN _IOR('X', 125, uint32_t)

struct disk {
	const char *dir;
	char image[PROCESS_PATH];
	char mount[PROCESS_PATH];
	char ballast[PROCESS_PATH];
	const char *kind; /* "ext4", "xfs" */
	bool mounted;
};

static inline bool
disk_run(const char *const *argv)
{
	int status = process_end(process_start(argv, "/dev/null", -1, NULL), 0);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline bool
disk_mount(struct disk *disk)
{
	bool xfs = strcmp(disk->kind, "xfs") == 0;
	const char *argv[] = {"/bin/mount", "-o", xfs ? "loop,nouuid" : "loop", disk->image,
	    disk->mount, NULL};

	disk->mounted = disk_run(argv);
	return disk->mounted;
}

/* Whoever has just ended may still hold it for a moment: the kernel ends its I/O. */
static inline bool
disk_unmount(struct disk *disk)
{
	for (int tries = 0; disk->mounted && tries < 500; tries++) {
		if (umount(disk->mount) == 0)
			disk->mounted = false;
		else
			poll(NULL, 0, 10);
	}
	return !disk->mounted;
}

/* After a shutdown: a copy of it. Whoever had a mount namespace made meanwhile holds the old one,
 * and then a new mount of the same device would only show that, shut down as it is. */
static inline bool
disk_mount_anew(struct disk *disk)
{
	char copy[PROCESS_PATH];
	const char *argv[] = {"/bin/cp", "--sparse=always", disk->image, copy, NULL};

	process_path(copy, "%s/disk-anew.img", disk->dir);
	if (!disk_unmount(disk) || !disk_run(argv))
		return false;
	unlink(disk->image);
	process_path(disk->image, "%s", copy);
	return disk_mount(disk);
}

static inline bool
disk_open(struct disk *disk, const char *dir, const char *kind, off_t bytes)
{
	char type[32];

	process_path(disk->image, "%s/disk.img", dir);
	process_path(disk->mount, "%s/disk", dir);
	process_path(disk->ballast, "%s/ballast", disk->mount);
	disk->dir = dir;
	disk->kind = kind;
	snprintf(type, sizeof(type), "/sbin/mkfs.%s", kind);
	const char *ext4[] = {type, "-q", "-F", "-m", "0", disk->image, NULL};
	const char *xfs[] = {type, "-q", "-f", disk->image, NULL};
	int fd = open(disk->image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, bytes) != 0)
		process_die(disk->image);
	close(fd);
	if (mkdir(disk->mount, 0700) != 0 && errno != EEXIST)
		process_die(disk->mount);
	return geteuid() == 0 && access(type, X_OK) == 0 &&
	       disk_run(strcmp(kind, "xfs") == 0 ? xfs : ext4) && disk_mount(disk);
}

static inline bool
disk_close(struct disk *disk)
{
	bool good = disk_unmount(disk);

	unlink(disk->image);
	rmdir(disk->mount);
	return good;
}

/* How: 0: what is cached is written first; 1: the journal is; 2: nothing is. */
static inline bool
disk_shutdown(const struct disk *disk, uint32_t how)
{
	int fd = open(disk->mount, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && ioctl(fd, DISK_SHUTDOWN, &how) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static inline uint64_t
disk_free_bytes(const struct disk *disk)
{
	struct statvfs space;

	if (statvfs(disk->mount, &space) != 0)
		process_die(disk->mount);
	return (uint64_t)space.f_bavail * space.f_frsize;
}

/* Takes all but so much of what is free. */
static inline void
disk_fill(const struct disk *disk, uint64_t leave)
{
	int fd = open(disk->ballast, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	struct stat status;

	if (fd < 0)
		process_die(disk->ballast);
	for (uint64_t step = 1 << 20; step >= 4096;) {
		if (fstat(fd, &status) != 0)
			process_die(disk->ballast);
		if (disk_free_bytes(disk) < leave + step ||
		    posix_fallocate(fd, status.st_size, (off_t)step) != 0)
			step /= 2;
	}
	close(fd);
}

#endif
