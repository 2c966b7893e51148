#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint8_t zeros[DISK_BLOCK];

static void *
disk_memory(void *memory)
{
	if (memory == NULL) {
		perror("power: memory");
		_exit(2);
	}
	return memory;
}

struct disk *
disk_new(uint64_t bytes)
{
	struct disk *disk = disk_memory(calloc(1, sizeof(*disk)));

	pthread_mutex_init(&disk->lock, NULL);
	disk->block_count = bytes / DISK_BLOCK;
	disk->blocks = disk_memory(calloc(disk->block_count, sizeof(*disk->blocks)));
	disk->owned = disk_memory(calloc(disk->block_count, sizeof(*disk->owned)));
	return disk;
}

struct disk *
disk_copy(const struct disk *from)
{
	struct disk *disk = disk_new(from->block_count * DISK_BLOCK);

	memcpy(disk->blocks, from->blocks, from->block_count * sizeof(*from->blocks));
	return disk;
}

void
disk_free(struct disk *disk)
{
	for (size_t i = 0; i < disk->block_count; i++) {
		if (disk->owned[i])
			free(disk->blocks[i]);
	}
	pthread_mutex_destroy(&disk->lock);
	free(disk->blocks);
	free(disk->owned);
	free(disk);
}

void
disk_tape_release(struct disk_tape *tape)
{
	for (size_t i = 0; i < tape->count; i++)
		free(tape->records[i].data);
	free(tape->records);
	*tape = (struct disk_tape){0};
}

/* ------------------------------------------------------------------------------------- blocks */

/* The block, to be changed. */
static uint8_t *
disk_own(struct disk *disk, size_t block)
{
	uint8_t *mine;

	if (disk->owned[block])
		return disk->blocks[block];
	mine = disk_memory(malloc(DISK_BLOCK));
	memcpy(mine, disk->blocks[block] != NULL ? disk->blocks[block] : zeros, DISK_BLOCK);
	disk->blocks[block] = mine;
	disk->owned[block] = true;
	return mine;
}

/* Within one block. */
static void
disk_put(struct disk *disk, uint64_t offset, const uint8_t *from, size_t size)
{
	memcpy(disk_own(disk, offset / DISK_BLOCK) + offset % DISK_BLOCK, from, size);
}

/* What of a span lies in its first block. */
static size_t
disk_piece(uint64_t offset, size_t size, size_t unit)
{
	size_t left = unit - offset % unit;

	return size < left ? size : left;
}

void
disk_read(struct disk *disk, uint64_t offset, void *to, size_t size)
{
	uint8_t *at = to;

	pthread_mutex_lock(&disk->lock);
	for (size_t piece; size > 0; offset += piece, at += piece, size -= piece) {
		const uint8_t *block = disk->blocks[offset / DISK_BLOCK];

		piece = disk_piece(offset, size, DISK_BLOCK);
		memcpy(at, block != NULL ? block + offset % DISK_BLOCK : zeros, piece);
	}
	pthread_mutex_unlock(&disk->lock);
}

/* --------------------------------------------------------------------------------------- tape */

static uint64_t
disk_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
disk_record(struct disk *disk, uint64_t offset, const void *from, size_t size)
{
	struct disk_tape *tape = disk->tape;
	struct disk_record record = {disk_now_ns(), offset, (uint32_t)size, NULL};

	if (tape == NULL)
		return;
	if (tape->count == tape->room) {
		tape->room = tape->room == 0 ? 4096 : 2 * tape->room;
		tape->records =
		    disk_memory(realloc(tape->records, tape->room * sizeof(*tape->records)));
	}
	if (from != NULL) {
		record.data = disk_memory(malloc(size));
		memcpy(record.data, from, size);
	}
	tape->records[tape->count++] = record;
}

void
disk_write(struct disk *disk, uint64_t offset, const void *from, size_t size)
{
	const uint8_t *at = from;

	pthread_mutex_lock(&disk->lock);
	disk_record(disk, offset, from, size);
	for (size_t piece; size > 0; offset += piece, at += piece, size -= piece) {
		piece = disk_piece(offset, size, DISK_BLOCK);
		disk_put(disk, offset, at, piece);
	}
	pthread_mutex_unlock(&disk->lock);
}

void
disk_flush(struct disk *disk)
{
	pthread_mutex_lock(&disk->lock);
	disk_record(disk, 0, NULL, 0);
	pthread_mutex_unlock(&disk->lock);
}

size_t
disk_recorded(struct disk *disk)
{
	size_t count;

	pthread_mutex_lock(&disk->lock);
	count = disk->tape->count;
	pthread_mutex_unlock(&disk->lock);
	return count;
}

/* ------------------------------------------------------------------------------------- images */

size_t
disk_durable(const struct disk_tape *tape, size_t at)
{
	while (at > 0 && tape->records[at - 1].data != NULL)
		at--;
	return at;
}

static uint64_t
disk_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 16;
}

/* Whole blocks are taken from the tape as they are. */
static void
disk_apply_whole(struct disk *disk, const struct disk_record *record)
{
	uint64_t offset = record->offset;
	uint8_t *at = record->data;
	size_t size = record->size;

	for (size_t piece; size > 0; offset += piece, at += piece, size -= piece) {
		size_t block = offset / DISK_BLOCK;

		piece = disk_piece(offset, size, DISK_BLOCK);
		if (piece < DISK_BLOCK) {
			disk_put(disk, offset, at, piece);
			continue;
		}
		if (disk->owned[block])
			free(disk->blocks[block]);
		disk->owned[block] = false;
		disk->blocks[block] = at;
	}
}

/* `units` of it at most, each with its chance. */
static void
disk_apply_some(struct disk *disk, const struct disk_record *record, size_t index,
    const struct disk_cut *cut, size_t units, uint64_t *seed)
{
	uint64_t offset = record->offset;
	const uint8_t *at = record->data;
	size_t size = record->size;

	for (size_t piece; size > 0 && units > 0;
	     offset += piece, at += piece, size -= piece, units--) {
		bool fine =
		    cut->fine != NULL && cut->fine(cut->context, offset / DISK_BLOCK, index);

		piece = disk_piece(offset, size, fine ? DISK_SECTOR : DISK_BLOCK);
		if (cut->prefix || (disk_random(seed) & 255) < cut->keep)
			disk_put(disk, offset, at, piece);
	}
}

void
disk_apply(struct disk *disk, const struct disk_tape *tape, const struct disk_cut *cut)
{
	uint64_t seed = cut->seed | 1;
	size_t whole = cut->prefix ? cut->at : cut->durable;

	for (size_t i = 0; i < whole; i++) {
		if (tape->records[i].data != NULL)
			disk_apply_whole(disk, &tape->records[i]);
	}
	for (size_t i = whole; i < cut->at; i++) {
		if (tape->records[i].data != NULL)
			disk_apply_some(disk, &tape->records[i], i, cut, SIZE_MAX, &seed);
	}
	if (cut->prefix && cut->at < tape->count && tape->records[cut->at].data != NULL) {
		const struct disk_record *torn = &tape->records[cut->at];
		size_t units = disk_random(&seed) % (torn->size / DISK_SECTOR + 1);

		disk_apply_some(disk, torn, cut->at, cut, units, &seed);
	}
}

/* -------------------------------------------------------------------------------------- files */

bool
disk_load(struct disk *disk, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t block[DISK_BLOCK];
	bool good = file >= 0;

	for (size_t i = 0; i < disk->block_count && good; i++) {
		good = pread(file, block, sizeof(block), (off_t)(i * DISK_BLOCK)) ==
		       (ssize_t)sizeof(block);
		if (good && memcmp(block, zeros, sizeof(block)) != 0)
			disk_put(disk, i * DISK_BLOCK, block, sizeof(block));
	}
	if (file >= 0)
		close(file);
	return good;
}

bool
disk_save(const struct disk *disk, const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = file >= 0 && ftruncate(file, (off_t)(disk->block_count * DISK_BLOCK)) == 0;

	for (size_t i = 0; i < disk->block_count && good; i++) {
		good = disk->blocks[i] == NULL ||
		       pwrite(file, disk->blocks[i], DISK_BLOCK, (off_t)(i * DISK_BLOCK)) ==
			   (ssize_t)DISK_BLOCK;
	}
	return file >= 0 && close(file) == 0 && good;
}
