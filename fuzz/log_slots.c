/*
 * log/slots: MANIFEST or WATERMARK on the simulated disk, damaged; and what is written after.
 *
 * Input: u8 mode: bit 0 the kind of file, bit 1 it is opened only to be read, bit 2 the hashes are
 * made good again, bit 3 the file is cut; u8 updates before the damage; u16 where it is cut; then
 * patches: u16 offset, u8 size, bytes.
 *
 * Without bit 2: what is read is the newest value whose slot the damage has not reached, or a
 * refusal when it has reached both. A file that was opened for writing has two good slots again,
 * and gives back what is written into it. With bit 2: a verdict.
 */
#include "fuzz/feed.h"

#include "base/mem.h"
#include "io/file.h"
#include "io/sim.h"
#include "log/block_int.h"
#include "log/slots_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE (2 * LOG_BLOCK_BYTES)
#define DIR "/slots"

static const struct uuid store = {{9, 9, 9}};
static struct io_env *env;

static void
env_end(void)
{
	sim_release(env);
}

static void
env_begin(void)
{
	struct sim_options sim = {.seed = 1, .start_wall_ns = UINT64_C(1700000000000000000)};
	struct froe_fault fault;
	env = sim_open(&sim);
	froe_assert(io_path_mkdir(env, DIR, &fault) == FROE_OK);
	atexit(env_end);
}

static struct slots_value
value_of(uint64_t version)
{
	struct slots_value value = {.epoch = version + 7};
	for (unsigned i = 0; i < SLOTS_WORDS; i++)
		value.words[i] = version * 31 + i;
	return value;
}

static void
expect_value(const struct slots *slots, uint64_t version)
{
	struct slots_value want = value_of(version);
	froe_assert(slots->version == version && slots->value.epoch == want.epoch);
	froe_assert(memcmp(slots->value.words, want.words, sizeof(want.words)) == 0);
}

/* Makes the file and updates it; versions 1 and 2 are those of its making. Returns the newest. */
static uint64_t
file_make(enum slots_kind kind, unsigned updates)
{
	struct slots_value value = value_of(2);
	struct slots slots;
	struct froe_fault fault;
	froe_assert(slots_create(env, DIR, kind, store, &value, &fault) == FROE_OK);
	froe_assert(slots_open(&slots, env, DIR, kind, store, false, &fault) == FROE_OK);
	expect_value(&slots, 2);
	for (unsigned i = 0; i < updates; i++) {
		value = value_of(slots.version + 1);
		froe_assert(slots_write(&slots, &value, &fault) == FROE_OK);
	}
	slots_close(&slots);
	return slots.version;
}

static void
file_read(const char *path, uint8_t image[SIZE])
{
	struct froe_fault fault;
	int file;
	froe_assert(io_file_open(env, path, IO_OPEN_READ, &file, &fault) == FROE_OK);
	froe_assert(io_file_read(env, file, image, SIZE, 0, &fault) == FROE_OK);
	io_file_close(env, file);
}

/* Puts the damage on the disk; how many of the slots it has reached is in hit[]. */
static void
file_damage(struct feed *feed, const char *path, bool reseal, bool hit[2])
{
	uint8_t image[SIZE], before[SIZE];
	file_read(path, image);
	memcpy(before, image, SIZE);
	while (feed->left > 0) {
		size_t at = feed_u16(feed) % SIZE;
		struct bytes with = feed_take(feed, feed_u8(feed));
		if (with.size > 0)
			memcpy(
			    image + at, with.data, with.size < SIZE - at ? with.size : SIZE - at);
	}
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *block = image + (size_t)i * LOG_BLOCK_BYTES;
		hit[i] = memcmp(block, before + (size_t)i * LOG_BLOCK_BYTES, LOG_BLOCK_BYTES) != 0;
		if (reseal)
			block_close(block);
	}
	froe_assert(sim_corrupt(env, path, 0, image, SIZE) == FROE_OK);
}

static bool
slot_good(const char *path, unsigned which)
{
	uint8_t image[SIZE];
	file_read(path, image);
	const uint8_t *block = image + (size_t)which * LOG_BLOCK_BYTES;
	char magic[8];
	memcpy(magic, block, sizeof(magic));
	return memcmp(magic, "FROE", 4) == 0 && block_verify(block, magic);
}

/* Opened for writing: two good slots, and the next update is read again. */
static void
go_on(struct slots *slots, const char *path)
{
	struct froe_fault fault;
	enum slots_kind kind = slots->kind;
	froe_assert(slot_good(path, 0) && slot_good(path, 1));
	if (slots->version >= UINT64_MAX - 2)
		return; /* no process gets there */
	struct slots_value value = value_of(slots->version + 1);
	froe_assert(slots_write(slots, &value, &fault) == FROE_OK);
	uint64_t version = slots->version;
	slots_close(slots);
	froe_assert(slots_open(slots, env, DIR, kind, store, true, &fault) == FROE_OK);
	expect_value(slots, version);
}

static void
judge(struct feed *feed)
{
	uint8_t mode = feed_u8(feed);
	enum slots_kind kind = (mode & 1) != 0 ? SLOTS_WATERMARK : SLOTS_MANIFEST;
	bool read_only = (mode & 2) != 0, reseal = (mode & 4) != 0, cut = (mode & 8) != 0;
	uint64_t newest = file_make(kind, feed_u8(feed) % 5);
	uint64_t length = feed_u16(feed) % SIZE;
	char path[64];
	bool hit[2];
	struct slots slots;
	struct froe_fault fault = {0};
	snprintf(path, sizeof(path), DIR "/%s", slots_name(kind));
	file_damage(feed, path, reseal, hit);
	if (cut)
		froe_assert(sim_truncate(env, path, length) == FROE_OK);
	enum froe_err err = slots_open(&slots, env, DIR, kind, store, read_only, &fault);
	froe_assert(err == FROE_OK || fault.text[0] != 0);
	if (!cut)
		froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
	if (!reseal && !cut) {
		/* Version v lies in slot (v + 1) % 2: the first was written into slot 0. */
		unsigned at = (unsigned)(newest + 1) % 2;
		froe_assert((err == FROE_OK) == !(hit[0] && hit[1]));
		if (err == FROE_OK && (read_only || (!hit[0] && !hit[1])))
			froe_assert(slots.version == (hit[at] ? newest - 1 : newest));
	}
	if (err != FROE_OK)
		return;
	if (!read_only)
		go_on(&slots, path);
	slots_close(&slots);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	if (env == NULL)
		env_begin();
	judge(&feed);
	return 0;
}
