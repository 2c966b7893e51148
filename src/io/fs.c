/*
 * Each call is one system call repeated while a signal interrupts it, and for reads and writes
 * until the last byte is there.
 *
 * Where the kernel is not what it seems:
 *   - open(O_CREAT|O_EXCL|O_DIRECT) on a file system without direct I/O makes the file and then
 *     fails with EINVAL, so the second attempt, without O_DIRECT, must not be exclusive.
 *   - an O_DIRECT read that ends in a file's odd tail may continue with EINVAL instead of 0.
 *   - statx tells the alignment of regular files only: for a directory an unnamed one is made.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/fs_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define FS_BLOCK_BYTES 4096u
#define FS_CHUNK_BYTES ((size_t)1 << 30) /* the kernel moves less than 2 GiB a call */
#define FS_LOCK_TRIES 18 /* nearly a second */
#define FS_LOCK_PAUSE_NS 50000000L
#define FS_NS_PER_S UINT64_C(1000000000)

/* Headers older than Linux 6.1 lack it; the fields then lie in the spare words. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x00002000U
#endif

static uint64_t
fs_clock(clockid_t clock)
{
	struct timespec now;
	if (clock_gettime(clock, &now) != 0)
		froe_never("the clocks of Linux do not fail");
	return (uint64_t)now.tv_sec * FS_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t
fs_mono_ns(struct io_env *env)
{
	(void)env;
	return fs_clock(CLOCK_BOOTTIME);
}

uint64_t
fs_wall_ns(struct io_env *env)
{
	(void)env;
	return fs_clock(CLOCK_REALTIME);
}

static void
fs_random_fill(uint8_t *at, size_t size)
{
	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			froe_fatal(FROE_EXIT_SOFTWARE, "getrandom: %s", strerror(errno));
		at += got;
		size -= (size_t)got;
	}
}

/* Ids and jitter want a few bytes a run: one system call fetches those of many. What was given
 * out is wiped. */
#define FS_DICE_BYTES 256u

void
fs_random(struct io_env *env, void *to, size_t size)
{
	static _Thread_local uint8_t dice[FS_DICE_BYTES];
	static _Thread_local size_t left;

	(void)env;
	if (size > FS_DICE_BYTES) {
		fs_random_fill(to, size);
		return;
	}
	if (left < size) {
		fs_random_fill(dice, FS_DICE_BYTES);
		left = FS_DICE_BYTES;
	}
	left -= size;
	memcpy(to, dice + left, size);
	explicit_bzero(dice + left, size);
}

/* A descriptor's path, for messages only. */
struct fs_name {
	char text[192];
};

static struct fs_name
fs_name_of(int file)
{
	struct fs_name name;
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	ssize_t length = readlink(link, name.text, sizeof(name.text) - 1);
	if (length > 0)
		name.text[length] = '\0';
	else
		snprintf(name.text, sizeof(name.text), "file descriptor %d", file);
	return name;
}

static enum froe_err
fs_fault(struct froe_fault *fault, int sys_errno, const char *what, int file)
{
	struct fs_name name = fs_name_of(file);
	return fault_set_errno(fault, sys_errno, "%s %s", what, name.text);
}

static int
fs_open_flags(unsigned flags)
{
	bool reads = (flags & IO_OPEN_READ) != 0;
	bool writes = (flags & IO_OPEN_WRITE) != 0;
	int mode = O_CLOEXEC;

	froe_assert(reads || writes);
	mode |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
	if (flags & IO_OPEN_CREATE)
		mode |= O_CREAT;
	if (flags & IO_OPEN_EXCLUSIVE)
		mode |= O_EXCL;
	if (flags & IO_OPEN_DIRECT)
		mode |= O_DIRECT;
	if (flags & IO_OPEN_DSYNC)
		mode |= O_DSYNC;
	return mode;
}

static int
fs_open_retry(const char *path, int mode)
{
	int file;

	do {
		file = open(path, mode, 0600);
	} while (file < 0 && errno == EINTR);
	return file;
}

enum froe_err
fs_open(struct io_env *env, const char *path, unsigned flags, int *ret_file,
    struct froe_fault *fault)
{
	int mode = fs_open_flags(flags);

	(void)env;
	if (flags & IO_OPEN_EXCLUSIVE)
		froe_assert(flags & IO_OPEN_CREATE);
	int file = fs_open_retry(path, mode);
	if (file < 0 && errno == EINVAL && (mode & O_DIRECT) != 0)
		file = fs_open_retry(path, mode & ~(O_DIRECT | O_EXCL));
	if (file < 0)
		return fault_set_errno(fault, errno, "opening %s", path);
	*ret_file = file;
	return FROE_OK;
}

void
fs_close(struct io_env *env, int file)
{
	(void)env;
	/* Linux releases the descriptor whatever close says; what matters was synced before. */
	if (close(file) != 0)
		froe_assert(errno != EBADF);
}

enum froe_err
fs_size(struct io_env *env, int file, uint64_t *ret_size, struct froe_fault *fault)
{
	struct stat status;

	(void)env;
	if (fstat(file, &status) != 0)
		return fs_fault(fault, errno, "size of", file);
	*ret_size = (uint64_t)status.st_size;
	return FROE_OK;
}

static bool
fs_past_end(int file, uint64_t offset)
{
	struct stat status;
	return fstat(file, &status) == 0 && (uint64_t)status.st_size <= offset;
}

enum froe_err
fs_read(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	uint8_t *at = to;
	size_t done = 0;

	(void)env;
	while (done < size) {
		size_t chunk = size - done < FS_CHUNK_BYTES ? size - done : FS_CHUNK_BYTES;
		ssize_t got = pread(file, at + done, chunk, (off_t)(offset + done));
		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		int sys_errno = got < 0 ? errno : 0;
		if (sys_errno != 0 && !(sys_errno == EINVAL && fs_past_end(file, offset + done)))
			return fs_fault(fault, sys_errno, "reading", file);
		struct fs_name name = fs_name_of(file);
		return fault_set(fault, FROE_CORRUPT,
		    "%s ends at byte %llu, before the %zu bytes asked for at %llu", name.text,
		    (unsigned long long)(offset + done), size, (unsigned long long)offset);
	}
	return FROE_OK;
}

enum froe_err
fs_write(struct io_env *env, int file, const void *from, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	const uint8_t *at = from;
	size_t done = 0;

	(void)env;
	while (done < size) {
		size_t chunk = size - done < FS_CHUNK_BYTES ? size - done : FS_CHUNK_BYTES;
		ssize_t put = pwrite(file, at + done, chunk, (off_t)(offset + done));
		if (put > 0)
			done += (size_t)put;
		else if (put == 0 || errno != EINTR)
			return fs_fault(fault, put == 0 ? EIO : errno, "writing", file);
	}
	return FROE_OK;
}

enum froe_err
fs_allocate(struct io_env *env, int file, uint64_t size, struct froe_fault *fault)
{
	int failed;

	(void)env;
	do {
		failed = fallocate(file, 0, 0, (off_t)size);
	} while (failed != 0 && errno == EINTR);
	if (failed != 0)
		return fs_fault(fault, errno, "allocating space for", file);
	return FROE_OK;
}

/* Never repeated after EIO: the kernel has forgotten the dirty pages, a second try would lie. */
enum froe_err
fs_sync(struct io_env *env, int file, struct froe_fault *fault)
{
	int failed;

	(void)env;
	do {
		failed = fdatasync(file);
	} while (failed != 0 && errno == EINTR);
	if (failed != 0)
		return fs_fault(fault, errno, "syncing", file);
	return FROE_OK;
}

enum froe_err
fs_rename(struct io_env *env, const char *from, const char *to, struct froe_fault *fault)
{
	(void)env;
	if (rename(from, to) != 0)
		return fault_set_errno(fault, errno, "renaming %s to %s", from, to);
	return FROE_OK;
}

enum froe_err
fs_unlink(struct io_env *env, const char *path, struct froe_fault *fault)
{
	(void)env;
	if (unlink(path) != 0)
		return fault_set_errno(fault, errno, "removing %s", path);
	return FROE_OK;
}

enum froe_err
fs_mkdir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	struct stat status;

	(void)env;
	if (mkdir(path, 0700) == 0)
		return FROE_OK;
	int sys_errno = errno;
	if (sys_errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return FROE_OK;
	return fault_set_errno(fault, sys_errno, "making the directory %s", path);
}

enum froe_err
fs_sync_dir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	int failed;

	(void)env;
	int directory = fs_open_retry(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fault_set_errno(fault, errno, "opening the directory %s", path);
	do {
		failed = fsync(directory);
	} while (failed != 0 && errno == EINTR);
	if (failed != 0)
		err = fault_set_errno(fault, errno, "syncing the directory %s", path);
	close(directory);
	return err;
}

enum froe_err
fs_list(struct io_env *env, const char *path, io_list_fn *each, void *context,
    struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	(void)env;
	DIR *directory = opendir(path);
	if (directory == NULL)
		return fault_set_errno(fault, errno, "listing %s", path);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(directory);
		if (entry == NULL) {
			if (errno != 0)
				err = fault_set_errno(fault, errno, "listing %s", path);
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!each(context, entry->d_name))
			break;
	}
	closedir(directory);
	return err;
}

/* A process that was killed may hold its lock a little longer, while the kernel ends its I/O. */
enum froe_err
fs_lock(struct io_env *env, int file, bool wait, struct froe_fault *fault)
{
	(void)env;
	for (int tries = 1;; tries++) {
		if (flock(file, LOCK_EX | LOCK_NB) == 0)
			return FROE_OK;
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return fs_fault(fault, errno, "locking", file);
		if (!wait || tries >= FS_LOCK_TRIES)
			break;
		nanosleep(&(struct timespec){.tv_nsec = FS_LOCK_PAUSE_NS}, NULL);
	}
	struct fs_name name = fs_name_of(file);
	return fault_set(fault, FROE_IN_USE,
	    "%s is locked by another process: stop that one, or use another directory", name.text);
}

enum froe_err
fs_space(struct io_env *env, const char *path, struct io_space *ret_space,
    struct froe_fault *fault)
{
	struct statvfs status;

	(void)env;
	if (statvfs(path, &status) != 0)
		return fault_set_errno(fault, errno, "free space of %s", path);
	ret_space->total_bytes = (uint64_t)status.f_frsize * status.f_blocks;
	ret_space->free_bytes = (uint64_t)status.f_frsize * status.f_bavail;
	return FROE_OK;
}

/* --------------------------------------------------------------- what a file system is like */

struct fs_kind {
	uint32_t magic;
	bool direct; /* false: direct I/O may be accepted, but the data is only in memory */
	const char *warning;
};

static const struct fs_kind fs_kinds[] = {
    {0x0000ef53, true, NULL}, /* ext4 */
    {0x58465342, true, NULL}, /* xfs */
    {0x01021994, false, "tmpfs keeps files in memory: nothing survives a restart of the machine"},
    {0x858458f6, false, "ramfs keeps files in memory: nothing survives a restart of the machine"},
    {0x9123683e, true, "btrfs is not a tested file system (ext4 and xfs are): it copies on write, "
                       "so commits are slower and space may run out in the middle of a file"},
    {0x2fc12fc1, true, "zfs is not a tested file system (ext4 and xfs are): it copies on write and "
                       "may buffer direct writes"},
    {0x794c7630, true, "overlayfs is not a tested file system (ext4 and xfs are): put the data "
                       "directory on a volume"},
    {0x00006969, true, "nfs is not a tested file system (ext4 and xfs are): its locks and syncs "
                       "depend on the server"},
    {0x65735546, true, "a fuse file system is not a tested one (ext4 and xfs are): whether a sync "
                       "is durable depends on its program"},
};

static const struct fs_kind *
fs_kind_of(uint32_t magic)
{
	static const struct fs_kind unknown = {
	    0, true, "this file system is not a tested one (ext4 and xfs are)"};

	for (size_t i = 0; i < sizeof(fs_kinds) / sizeof(fs_kinds[0]); i++) {
		if (fs_kinds[i].magic == magic)
			return &fs_kinds[i];
	}
	return &unknown;
}

/* A regular file that takes direct I/O: an unnamed one in a directory, or the file itself.
 * Returns -1 with errno EINVAL where direct I/O is refused; other errors say nothing about it. */
static int
fs_direct_open(const char *path)
{
	int file = fs_open_retry(path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC);
	if (file < 0 && errno == ENOTDIR)
		file = fs_open_retry(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return file;
}

/* By system call: older C libraries know statx, but not the alignment in it. */
static void
fs_alignment(int file, struct io_traits *traits)
{
	struct statx status = {0};
	uint32_t aligns[2];

	if (syscall(SYS_statx, file, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0)
		return;
	if ((status.stx_mask & STATX_DIOALIGN) == 0)
		return;
	memcpy(aligns, (const char *)&status + 0x98, sizeof(aligns)); /* stx_dio_*_align */
	if (aligns[0] == 0 || aligns[1] == 0)
		traits->direct = false;
	for (int i = 0; i < 2; i++) {
		if (aligns[i] > traits->block_bytes)
			traits->block_bytes = aligns[i];
	}
}

enum froe_err
fs_traits(struct io_env *env, const char *path, struct io_traits *ret_traits,
    struct froe_fault *fault)
{
	struct statfs status;

	(void)env;
	if (statfs(path, &status) != 0)
		return fault_set_errno(fault, errno, "file system of %s", path);
	const struct fs_kind *kind = fs_kind_of((uint32_t)status.f_type);
	struct io_traits traits = {
	    .block_bytes = FS_BLOCK_BYTES, .direct = kind->direct, .warning = kind->warning};
	int file = kind->direct ? fs_direct_open(path) : -1;
	if (file >= 0) {
		fs_alignment(file, &traits);
		close(file);
	} else if (kind->direct && errno == EINVAL) {
		traits.direct = false;
	}
	if (!traits.direct && traits.warning == NULL)
		traits.warning = "direct I/O is refused here: commits pass through the cache";
	*ret_traits = traits;
	return FROE_OK;
}
