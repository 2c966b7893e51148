#include "io/private.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "io/fs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES_MAX 64u
#define KEY_HASH_BYTES 8u /* behind the key: XXH3-64 of it, so that a damaged one is refused */
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

static int
key_open(const char *path, int mode)
{
	int file;
	do {
		file = open(path, mode | O_NOFOLLOW | O_CLOEXEC, 0600);
	} while (file < 0 && errno == EINTR);
	return file;
}

static enum froe_err
key_verify(int file, const char *path, void *key, size_t size, off_t file_size,
    struct froe_fault *fault)
{
	uint8_t whole[KEY_BYTES_MAX + KEY_HASH_BYTES];
	bool good = file_size == (off_t)(size + KEY_HASH_BYTES);
	enum froe_err err =
	    good ? fs_read(NULL, file, whole, size + KEY_HASH_BYTES, 0, fault) : FROE_OK;
	good = good && err == FROE_OK && le64_load(whole + size) == hash64(whole, size, 0);
	if (good)
		memcpy(key, whole, size);
	else if (err == FROE_OK)
		err = fault_set(fault, FROE_CORRUPT,
		    "%.200s is damaged: it has %lld bytes, of %zu, or not those that were written; "
		    "put back a copy of it (without one, remove it: all tokens are then void)",
		    path, (long long)file_size, size + KEY_HASH_BYTES);
	explicit_bzero(whole, sizeof(whole));
	return err;
}

static enum froe_err
key_read(int file, const char *path, void *key, size_t size, struct froe_fault *fault)
{
	struct stat status;
	if (fstat(file, &status) != 0)
		return fault_set_errno(fault, errno, "looking at %.200s", path);
	if (!S_ISREG(status.st_mode) || !owner_trusted(&status))
		return fault_set(fault, FROE_DENIED,
		    "%.200s is not a file of this user or root: who put it there?", path);
	if ((status.st_mode & OTHERS) != 0)
		return fault_set(fault, FROE_DENIED,
		    "others may read %.200s (its mode is %04o): chmod 600 it; "
		    "if anyone has, revoke all tokens", path, status.st_mode & 07777u);
	return key_verify(file, path, key, size, status.st_size, fault);
}

/* Under another name first, so that a crash leaves no half of a key under its own. */
static enum froe_err
key_write(const char *dir, const char *path, const char *fresh, const void *key, size_t size,
    struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	uint8_t whole[KEY_BYTES_MAX + KEY_HASH_BYTES];
	int file = key_open(fresh, O_WRONLY | O_CREAT | O_TRUNC);
	if (file < 0)
		return fault_set_errno(fault, errno, "making %.200s", path);
	memcpy(whole, key, size);
	le64_store(whole + size, hash64(key, size, 0));
	if (fchmod(file, 0600) != 0)
		err = fault_set_errno(fault, errno, "making %.200s", path);
	if (err == FROE_OK)
		err = fs_write(NULL, file, whole, size + KEY_HASH_BYTES, 0, fault);
	explicit_bzero(whole, sizeof(whole));
	if (err == FROE_OK)
		err = fs_sync(NULL, file, fault);
	fs_close(NULL, file);
	if (err == FROE_OK)
		err = fs_rename(NULL, fresh, path, fault);
	return err == FROE_OK ? fs_sync_dir(NULL, dir, fault) : err;
}

enum froe_err
private_key(const char *dir, const char *name, void *key, size_t size, bool *ret_created,
    struct froe_fault *fault)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	froe_assert(size <= KEY_BYTES_MAX);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", dir, name);
	int file = key_open(path, O_RDONLY);
	*ret_created = file < 0 && errno == ENOENT;
	if (file < 0 && !*ret_created)
		return fault_set_errno(fault, errno, "opening %.200s", path);
	if (file >= 0) {
		enum froe_err err = key_read(file, path, key, size, fault);
		fs_close(NULL, file);
		return err;
	}
	fs_random(NULL, key, size);
	return key_write(dir, path, fresh, key, size, fault);
}
