#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACE_TRIES 2000u
#define PLACE_LOOP_MAJOR 7u

/* Nothing that goes on by itself after the mount: an image is to be the server's writes. */
const struct place_kind place_ext4 = {
    .name = "ext4",
    .options = "noinit_itable",
    .make = {"mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0",
	NULL},
    .bytes = 128u << 20,
};
const struct place_kind place_xfs = {
    .name = "xfs",
    .options = "nouuid",
    .make = {"mkfs.xfs", "-q", "-f", NULL},
    .bytes = 320u << 20,
};

static void
place_pause(void)
{
	struct timespec span = {0, 2000000};

	nanosleep(&span, NULL);
}

bool
place_isolate(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool
place_make(const struct place_kind *kind, const char *file)
{
	const char *argv[16];
	size_t count = 0;
	int status = 1;
	int image = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid;

	if (image < 0 || ftruncate(image, (off_t)kind->bytes) != 0 || close(image) != 0)
		return false;
	for (; kind->make[count] != NULL; count++)
		argv[count] = kind->make[count];
	argv[count++] = file;
	argv[count] = NULL;
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A device's node may be missing where there is no udev. */
static int
place_open_loop(int number)
{
	char path[32];
	int loop;

	snprintf(path, sizeof(path), "/dev/loop%d", number);
	loop = open(path, O_RDWR | O_CLOEXEC);
	if (loop >= 0 || errno != ENOENT)
		return loop;
	if (mknod(path, S_IFBLK | 0600, makedev(PLACE_LOOP_MAJOR, (unsigned)number)) != 0)
		return -1;
	return open(path, O_RDWR | O_CLOEXEC);
}

/* The device, open, attached to the file; others may be taking the same one. */
static int
place_attach(const char *file, int *ret_number)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int image = open(file, O_RDWR | O_CLOEXEC);
	int loop = -1;

	for (unsigned i = 0; control >= 0 && image >= 0 && i < PLACE_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		loop = number >= 0 ? place_open_loop(number) : -1;
		config.fd = (uint32_t)image;
		*ret_number = number;
		if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) == 0 || errno != EBUSY)
			break;
		close(loop);
		loop = -1;
		place_pause();
	}
	if (control >= 0)
		close(control);
	if (image >= 0)
		close(image);
	return loop;
}

bool
place_mount(const struct place_kind *kind, const char *file, const char *dir)
{
	char device[32];
	int number;
	int loop = place_attach(file, &number);
	int failed;

	if (loop < 0)
		return false;
	snprintf(device, sizeof(device), "/dev/loop%d", number);
	failed = mount(device, dir, kind->name, MS_NOATIME, kind->options) == 0 ? 0 : errno;
	close(loop); /* now the mount alone holds it */
	errno = failed;
	return failed == 0;
}

bool
place_unmount(const char *dir)
{
	for (unsigned i = 0; i < PLACE_TRIES; i++) {
		if (umount2(dir, 0) == 0)
			return true;
		if (errno != EBUSY)
			return false;
		place_pause();
	}
	return false;
}
