/*
 * tests/power/recorder: disks as files of a file system in user space.
 *
 * Purpose     A FUSE mount whose files are disks in memory (power/disk.h), to be attached to loop
 *             devices. It answers from memory only, and keeps no data of its own.
 * Ownership   borrows the disks until they are removed.
 * Threading   one thread of its own; the functions from one other.
 * Failure     false, and errno.
 */
#ifndef POWER_RECORDER_H
#define POWER_RECORDER_H

#include "power/disk.h"

struct recorder;

struct recorder *recorder_open(const char *dir); /* NULL: errno */
void recorder_close(struct recorder *recorder);

/* A name is not used twice: the kernel may remember what was read under it. */
void recorder_add(struct recorder *recorder, const char *name, struct disk *disk);
void recorder_remove(struct recorder *recorder, const char *name);

#endif
