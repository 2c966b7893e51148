/*
 * Loaded into the server (LD_PRELOAD), takes its syncs away: files are opened without O_DSYNC, and
 * fsync and its kin do nothing. With it the rig must find losses: that is its negative control.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYNCS ((O_SYNC | O_DSYNC))

int
open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~SYNCS, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~SYNCS, mode);
}

int
fsync(int file)
{
	(void)file;
	return 0;
}

int
fdatasync(int file)
{
	(void)file;
	return 0;
}

int
msync(void *address, size_t size, int flags)
{
	(void)address;
	(void)size;
	(void)flags;
	return 0;
}
