/*
 * tests/power/disk: a disk in memory, with a tape of all that was written to it.
 *
 * Purpose     What a file system on it wrote is known write by write and flush by flush, so that
 *             the disk can be shown as a power cut at any moment might have left it.
 * Ownership   disk_free frees what the disk has written. A copy shares the blocks of the disk it
 *             is a copy of, and an image those of its tape: both must live on, unchanged.
 * Threading   reads, writes and flushes from any thread; all else while nobody writes.
 * Units       bytes; ns of CLOCK_MONOTONIC.
 */
#ifndef POWER_DISK_H
#define POWER_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_BLOCK 4096u
#define DISK_SECTOR 512u

/* A write, or, without data, a flush: what was answered before it is durable from then on. */
struct disk_record {
	uint64_t ns; /* when it came */
	uint64_t offset;
	uint32_t size;
	uint8_t *data;
};

struct disk_tape {
	struct disk_record *records;
	size_t count;
	size_t room;
};

struct disk {
	pthread_mutex_t lock;
	size_t block_count;
	uint8_t **blocks; /* NULL: zeros */
	bool *owned;
	struct disk_tape *tape; /* NULL: nothing is recorded */
};

struct disk *disk_new(uint64_t bytes);
struct disk *disk_copy(const struct disk *from);
void disk_free(struct disk *disk);
void disk_tape_release(struct disk_tape *tape);

/* All of a file; it must be as long as the disk. False: errno says why. */
bool disk_load(struct disk *disk, const char *path);
bool disk_save(const struct disk *disk, const char *path);

void disk_read(struct disk *disk, uint64_t offset, void *to, size_t size);
void disk_write(struct disk *disk, uint64_t offset, const void *from, size_t size);
void disk_flush(struct disk *disk);
size_t disk_recorded(struct disk *disk);

/* How a power cut leaves a disk: records before `durable` are there; of those up to `at` each unit
 * is there with a chance of `keep` in 256, independently. A unit is a sector where `fine` says so,
 * else a block: file systems of blocks of 4 KiB expect these to be atomic. */
struct disk_cut {
	size_t durable;
	size_t at;
	bool prefix; /* all of them in order, and the one at `at` up to some unit */
	unsigned keep;
	uint64_t seed;
	bool (*fine)(void *context, size_t block, size_t record);
	void *context;
};
void disk_apply(struct disk *disk, const struct disk_tape *tape, const struct disk_cut *cut);

/* The first record behind the last flush before `at`. */
size_t disk_durable(const struct disk_tape *tape, size_t at);

#endif
