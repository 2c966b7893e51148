/*
 * fuzz/log_store: a store on the simulated disk, and patches of its files.
 *
 * Patches: u8 kind, u8 block of the file, u16 offset in it, u8 size, the bytes. The low two bits
 * of the kind choose the file (segment 1, MANIFEST, WATERMARK, STORE), bit 2 makes the hashes of
 * the frame or block that was hit good again, so that what is behind them is reached.
 */
#ifndef FUZZ_LOG_STORE_H
#define FUZZ_LOG_STORE_H

#include "fuzz/feed.h"

#include "base/hash.h"
#include "base/mem.h"
#include "io/file.h"
#include "io/sim.h"
#include "log/frame_int.h"
#include "log/record_int.h"
#include "log/segment_int.h"

#include <stdlib.h>

#define RECORDS 24u
#define BLOCKS 64u /* of a file that may be hit */
#define PATCHES_MAX 16u

static const char *const paths[] = {
    "/store/shard-0000/log/0000000000000001.seg",
    "/store/shard-0000/MANIFEST",
    "/store/shard-0000/WATERMARK",
    "/store/STORE",
};
#define FILES 4u

struct world {
	struct io_env *env;
	uint8_t *images[FILES];  /* as they were */
	uint8_t *damaged[FILES];
	size_t sizes[FILES];     /* of what may be hit */
	uint64_t hashes[RECORDS];
	uint64_t seed;           /* of the segment's hashes */
};
static struct world *world;

struct replay {
	size_t count;
	bool wrong;
};

static enum froe_err
replay_one(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct replay *replay = context;
	(void)fault;
	uint64_t hash = record->body.size > 0
	    ? hash64(record->body.data, record->body.size, record->type) : record->type;
	if (replay->count >= RECORDS || world->hashes[replay->count] != hash)
		replay->wrong = true;
	replay->count++;
	return FROE_OK;
}

/* Steps of one to three records, some of several blocks. */
static void
append_all(struct log *log, struct io *io)
{
	static uint8_t body[12288];
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + 7);
	for (unsigned i = 0; i < RECORDS;) {
		struct log_entry entries[3];
		unsigned count = 1 + i % 3;
		for (unsigned n = 0; n < count && i + n < RECORDS; n++) {
			unsigned no = i + n;
			size_t size = no % 8 == 5 ? 9000 + no : no * 13;
			entries[n] = (struct log_entry){
			    .type = (uint16_t)(no + 1),
			    .run_event_no = no % 4 != 0,
			    .run_key = no % 4,
			    .time_ns = 1000 + no,
			    .body = bytes_of(body + no, size),
			};
			world->hashes[no] =
			    size > 0 ? hash64(body + no, size, no + 1) : no + 1;
		}
		count = i + count > RECORDS ? RECORDS - i : count;
		log_append(log, 1000 + i, entries, count, NULL);
		i += count;
		log_flush(log);
		while (log_durable_seq(log) < log_tail_seq(log)) {
			io_step(io, io_mono_ns(world->env) + 1000000);
			log_tick(log, io_mono_ns(world->env));
			log_flush(log);
		}
	}
}

static void
image_read(unsigned file)
{
	struct froe_fault fault;
	uint64_t size = 0;
	int handle = -1;
	enum froe_err err = io_file_open(world->env, paths[file], IO_OPEN_READ, &handle, &fault);
	froe_assert(err == FROE_OK);
	err = io_file_size(world->env, handle, &size, &fault);
	froe_assert(err == FROE_OK);
	if (size > BLOCKS * LOG_BLOCK_BYTES)
		size = BLOCKS * LOG_BLOCK_BYTES;
	world->images[file] = mem_alloc(size);
	world->damaged[file] = mem_alloc(size);
	world->sizes[file] = size;
	err = io_file_read(world->env, handle, world->images[file], size, 0, &fault);
	froe_assert(err == FROE_OK);
	memcpy(world->damaged[file], world->images[file], size);
	io_file_close(world->env, handle);
}

static void
world_end(void)
{
	for (unsigned file = 0; file < FILES; file++) {
		mem_free(world->images[file]);
		mem_free(world->damaged[file]);
	}
	sim_release(world->env);
	mem_free(world);
	world = NULL;
}

static void
world_begin(void)
{
	struct sim_options sim = {.seed = 1, .start_wall_ns = UINT64_C(1700000000000000000)};
	struct log_options options = {.dir = "/store", .segment_bytes = LOG_SEGMENT_BYTES_MIN,
	    .inflight_max = LOG_INFLIGHT_MAX, .spares = 1};
	struct log_report report;
	struct froe_fault fault;
	struct replay replay = {0};
	struct log *log = NULL;
	struct io *io = NULL;
	struct seg_header header;
	world = mem_zalloc(sizeof(*world));
	world->env = sim_open(&sim);
	enum froe_err err =
	    log_open(world->env, &options, replay_one, &replay, &log, &report, &fault);
	froe_assert(err == FROE_OK);
	err = io_open(world->env, &io, &fault);
	froe_assert(err == FROE_OK);
	log_start(log, io);
	append_all(log, io);
	io_close(io);
	log_close(log);
	for (unsigned file = 0; file < FILES; file++)
		image_read(file);
	err = seg_header_decode(world->images[0], "segment 1", SEG_HOT, &header, &fault);
	froe_assert(err == FROE_OK);
	world->seed = header.seed;
}

/* ------------------------------------------------------------------------------------- damage */

/* Makes the hash of a header block good again: STORE's, a slot's, the segment's. */
static void
reseal_block(uint8_t *block)
{
	struct hash128 hash = hash128(block, 4080);
	le64_store(block + 4080, hash.low);
	le64_store(block + 4088, hash.high);
}

/* The same of the frame that has its header in this block or in one before. */
static void
reseal_frame(uint8_t *image, size_t image_size, size_t at)
{
	while (at > 2 * LOG_BLOCK_BYTES && le32_load(image + at) != 0x4d415246u)
		at -= LOG_BLOCK_BYTES;
	uint8_t *frame = image + at;
	size_t head = le16_load(frame + 6), blocks = le16_load(frame + 68);
	size_t room = (image_size - at) / LOG_BLOCK_BYTES;
	if (blocks == 0 || blocks > room)
		return;
	if (head < LOG_FRAME_FIXED_BYTES + 8 * blocks || head > blocks * LOG_BLOCK_BYTES)
		return;
	for (size_t i = 0; i < blocks; i++) {
		size_t from = i * LOG_BLOCK_BYTES, to = from + LOG_BLOCK_BYTES;
		from = from < head ? head : from;
		le64_store(frame + 88 + 8 * i,
		    to <= head ? 0 : hash64(frame + from, to - from, world->seed));
	}
	le64_store(frame + head - 8, hash64(frame, head - 8, world->seed));
}

/* Damages the images; returns whether hashes were made good. */
static bool
damage(struct feed *feed)
{
	bool resealed = false;
	for (unsigned i = 0; i < PATCHES_MAX && feed->left > 0; i++) {
		uint8_t kind = feed_u8(feed);
		unsigned file = kind % FILES;
		size_t block = feed_u8(feed) % (world->sizes[file] / LOG_BLOCK_BYTES);
		size_t at = block * LOG_BLOCK_BYTES + feed_u16(feed) % LOG_BLOCK_BYTES;
		struct bytes with = feed_take(feed, feed_u8(feed));
		size_t room = world->sizes[file] - at;
		size_t size = with.size < room ? with.size : room;
		if (size > 0)
			memcpy(world->damaged[file] + at, with.data, size);
		if ((kind & 4) == 0)
			continue;
		resealed = true;
		if (file != 0 || block < 2)
			reseal_block(world->damaged[file] + block * LOG_BLOCK_BYTES);
		else
			reseal_frame(world->damaged[file], world->sizes[file],
			    block * LOG_BLOCK_BYTES);
	}
	return resealed;
}

/* Writes the blocks that differ from what is on the disk. */
static void
disk_put(unsigned file, const uint8_t *new, const uint8_t *old)
{
	for (size_t at = 0; at < world->sizes[file]; at += LOG_BLOCK_BYTES) {
		if (memcmp(new + at, old + at, LOG_BLOCK_BYTES) == 0)
			continue;
		enum froe_err err =
		    sim_corrupt(world->env, paths[file], at, new + at, LOG_BLOCK_BYTES);
		froe_assert(err == FROE_OK);
	}
}

#endif
