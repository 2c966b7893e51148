#include "io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define OTHERS (S_IRWXG | S_IRWXO)

static bool
owner_trusted(const struct stat *status)
{
	return status->st_uid == geteuid() || status->st_uid == 0;
}

enum froe_err
private_dir_check(const char *path, struct froe_fault *fault)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return errno == ENOENT ? FROE_OK
		                       : fault_set_errno(fault, errno, "looking at %.200s", path);
	if ((status.st_mode & OTHERS_WRITE) != 0)
		return fault_set(fault, FROE_DENIED,
		    "others may write to %.200s (its mode is %04o): chmod go-w it", path,
		    status.st_mode & 07777u);
	if (!owner_trusted(&status))
		return fault_set(fault, FROE_DENIED,
		    "%.200s belongs to user %u: run as that user, or chown it", path,
		    (unsigned)status.st_uid);
	return FROE_OK;
}

/* False: *ret_errno; 0: the file's size is another one. */
static bool
read_whole(int file, void *key, size_t size, int *ret_errno)
{
	char more;
	ssize_t got = read(file, key, size);
	*ret_errno = got < 0 ? errno : 0;
	return got == (ssize_t)size && read(file, &more, 1) == 0;
}

static enum froe_err
key_read(int file, const char *path, void *key, size_t size, struct froe_fault *fault)
{
	struct stat status;
	int sys_errno;
	if (fstat(file, &status) != 0)
		return fault_set_errno(fault, errno, "looking at %.200s", path);
	if (!S_ISREG(status.st_mode) || !owner_trusted(&status))
		return fault_set(fault, FROE_DENIED,
		    "%.200s is not a file of this user or root: who put it there?", path);
	if ((status.st_mode & OTHERS) != 0)
		return fault_set(fault, FROE_DENIED,
		    "others may read %.200s (its mode is %04o): chmod 600 it; "
		    "if anyone has, revoke all tokens", path, status.st_mode & 07777u);
	if (read_whole(file, key, size, &sys_errno))
		return FROE_OK;
	if (sys_errno != 0)
		return fault_set_errno(fault, sys_errno, "reading %.200s", path);
	return fault_set(fault, FROE_CORRUPT,
	    "%.200s is damaged: it has %lld bytes, not %zu; put back a copy of it (without one, "
	    "remove it: all tokens are then void)", path, (long long)status.st_size, size);
}

/* Under another name first, so that a crash leaves no half of a key under its own. */
static int
key_write(const char *dir, const char *path, const char *fresh, const void *key, size_t size)
{
	int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return errno;
	bool ok = fchmod(file, 0600) == 0 && write(file, key, size) == (ssize_t)size &&
	    fsync(file) == 0;
	int failed = ok ? 0 : errno != 0 ? errno : EIO;
	close(file);
	if (failed == 0 && rename(fresh, path) != 0)
		failed = errno;
	if (failed != 0)
		return failed;
	int directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return errno;
	failed = fsync(directory) == 0 ? 0 : errno;
	close(directory);
	return failed;
}

enum froe_err
private_key(const char *dir, const char *name, void *key, size_t size, bool *ret_created,
    struct froe_fault *fault)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", dir, name);
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	*ret_created = file < 0 && errno == ENOENT;
	if (file < 0 && !*ret_created)
		return fault_set_errno(fault, errno, "opening %.200s", path);
	if (file >= 0) {
		enum froe_err err = key_read(file, path, key, size, fault);
		close(file);
		return err;
	}
	if (getrandom(key, size, 0) != (ssize_t)size)
		return fault_set_errno(fault, errno, "asking for random bytes");
	int failed = key_write(dir, path, fresh, key, size);
	if (failed != 0)
		return fault_set_errno(fault, failed, "making %.200s", path);
	return FROE_OK;
}
