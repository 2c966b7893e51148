/*
 * tests/power/place: a file system on a loop device, mounted.
 *
 * Purpose     Attaches a file to a free loop device and mounts what is on it. The device goes away
 *             with the mount, and mounts go away with the process's mount namespace (see
 *             power/guard.h for a process that is killed).
 * Failure     false, and errno.
 */
#ifndef POWER_PLACE_H
#define POWER_PLACE_H

#include <stdbool.h>
#include <stdint.h>

/* A mount namespace of this process's own. */
bool place_isolate(void);

struct place_kind {
	const char *name;
	const char *options;  /* of mount */
	const char *make[12]; /* mkfs, to which the file is added */
	uint64_t bytes;
};
extern const struct place_kind place_ext4;
extern const struct place_kind place_xfs;

/* Makes a file system in a new file. */
bool place_make(const struct place_kind *kind, const char *file);

bool place_mount(const struct place_kind *kind, const char *file, const char *dir);
/* What is still being closed is waited for. */
bool place_unmount(const char *dir);

#endif
