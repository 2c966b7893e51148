/*
 * A snapshot and a cold file on the simulated disk, damaged as the input says, then read whole.
 *
 * Input: patches. u8 kind, u8 block of the file, u16 offset in it, u8 size, the bytes. The low bit
 * of the kind chooses the file, bit 2 makes the hashes of the frame or block that was hit good
 * again, so that what is behind them is reached.
 *
 * Without bit 2 what is read is what was written, or a refusal. With it, anything may be read but a
 * fault of the reader; whatever an index says, looking records up in it stays within bounds.
 */
#include "fuzz/feed.h"

#include "base/hash.h"
#include "base/mem.h"
#include "io/file.h"
#include "io/sim.h"
#include "log/cold_int.h"
#include "log/frame_int.h"
#include "log/record_int.h"
#include "log/segment_int.h"
#include "log/snapshot.h"

#include <stdlib.h>

#define RECORDS 400u
#define RUNS 40u
#define PATCHES_MAX 16u
#define FILES 2u
#define COLD_NO 3u
#define SNAPSHOT_NO 7u

static const struct uuid store = {{7, 7, 7}};

/* Built once; each input damages the disk and puts it right again. */
struct world {
	struct io_env *env;
	struct paths paths;
	struct path names[FILES];
	uint8_t *images[FILES];
	uint8_t *damaged[FILES];
	size_t sizes[FILES];
	uint64_t seeds[FILES];
	uint64_t hash; /* of what the snapshot's records are */
	size_t extents;
};
static struct world *world;

struct reading {
	uint64_t hash;
	size_t count;
	bool begun;
	bool ended;
};

static uint64_t
record_hash(uint64_t hash, const struct log_record *record)
{
	uint64_t words[] = {hash, record->type, record->run_key, record->time_ns,
	    record->body.size};
	hash = hash64(words, sizeof(words), 0);
	return record->body.size > 0 ? hash64(record->body.data, record->body.size, hash) : hash;
}

static enum froe_err
read_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct reading *reading = context;
	(void)whole;
	(void)fault;
	froe_assert(!reading->begun && base->number == SNAPSHOT_NO);
	reading->begun = true;
	return FROE_OK;
}

static enum froe_err
read_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct reading *reading = context;
	(void)fault;
	froe_assert(reading->begun && !reading->ended);
	reading->hash = record_hash(reading->hash, record);
	reading->count++;
	return FROE_OK;
}

static enum froe_err
read_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct reading *reading = context;
	(void)fault;
	froe_assert(reading->begun && !reading->ended);
	reading->hash = hash64(&state_hash, sizeof(state_hash), reading->hash);
	reading->ended = true;
	return FROE_OK;
}

static enum froe_err
snapshot_judge(struct reading *ret_reading, struct froe_fault *fault)
{
	static const struct log_loader loader = {read_begin, read_record, read_end};
	struct log_base base;
	*ret_reading = (struct reading){0};
	return snapshot_read(world->env, "/store", store, SNAPSHOT_NO, &loader, ret_reading, false,
	    &base, fault);
}

/* ---------------------------------------------------------------------------------- building */

static struct log_entry
entry_of(unsigned no)
{
	static uint8_t body[20000];
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + 7);
	return (struct log_entry){
	    .type = (uint16_t)(16384 + no % 20),
	    .run_event_no = 1 + no % (RECORDS / RUNS),
	    .run_key = 1 + no / (RECORDS / RUNS),
	    .time_ns = 1000 + no,
	    .body = bytes_of(body + no, no % 50 == 7 ? 15000 : no % 97),
	};
}

static void
snapshot_build(void)
{
	struct log_base base = {.number = SNAPSHOT_NO, .frame_seq = 50, .event_next = 900,
	    .epoch = 2, .time_ns = 5000, .segment_frames = 9};
	struct snapshot_writer *writer;
	struct froe_fault fault;
	uint64_t bytes;
	froe_assert(
	    snapshot_create(world->env, "/store", store, &base, &writer, &fault) == FROE_OK);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct log_entry entry = entry_of(i);
		entry.run_event_no = 0;
		froe_assert(snapshot_put(writer, &entry, &fault) == FROE_OK);
	}
	froe_assert(snapshot_finish(writer, 77, &bytes, &fault) == FROE_OK);
}

static void
cold_build(void)
{
	static const uint64_t members[] = {1, 2};
	static uint8_t bytes[20000];
	struct cold_writer writer;
	struct cold_file *file;
	struct froe_fault fault;
	cold_begin(&writer, world->env, &world->paths, store, COLD_NO);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct log_entry entry = entry_of(i);
		struct log_record record = {.event_seq = 5000 + i, .run_key = entry.run_key,
		    .run_event_no = entry.run_event_no, .lsn.v = UINT64_C(1) << 32 | i * 64};
		rec_encode(bytes, &entry, record.event_seq);
		froe_assert(cold_put(&writer, &record, bytes, rec_entry_span(&entry), &fault) ==
		    FROE_OK);
		if (i % 10 == 9)
			cold_closed(&writer, 9000 + i);
	}
	cold_gone(&writer, RUNS + 9);
	froe_assert(cold_finish(&writer, members, 2, &file, &fault) == FROE_OK);
	world->extents = file->count;
	cold_free(file);
}

static void
image_read(unsigned file)
{
	struct froe_fault fault;
	struct seg_header header;
	uint64_t size = 0;
	int handle = -1;
	froe_assert(io_file_open(world->env, world->names[file].text, IO_OPEN_READ, &handle,
	    &fault) == FROE_OK);
	froe_assert(io_file_size(world->env, handle, &size, &fault) == FROE_OK);
	world->images[file] = mem_alloc(size);
	world->sizes[file] = size;
	froe_assert(io_file_read(world->env, handle, world->images[file], size, 0, &fault) ==
	    FROE_OK);
	world->damaged[file] = mem_copy(world->images[file], size);
	io_file_close(world->env, handle);
	enum seg_kind kind = file == 0 ? SEG_SNAPSHOT : SEG_COLD;
	froe_assert(
	    seg_header_decode(world->images[file], "it", kind, &header, &fault) == FROE_OK);
	world->seeds[file] = header.seed;
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
	struct reading reading;
	struct froe_fault fault;
	world = mem_zalloc(sizeof(*world));
	world->env = sim_open(&sim);
	froe_assert(paths_init(&world->paths, "/store", &fault) == FROE_OK);
	froe_assert(io_path_mkdir(world->env, world->paths.dir, &fault) == FROE_OK);
	froe_assert(io_path_mkdir(world->env, world->paths.shard, &fault) == FROE_OK);
	world->names[0] = path_snapshot(&world->paths, SNAPSHOT_NO);
	world->names[1] = cold_path(&world->paths, COLD_NO);
	snapshot_build();
	cold_build();
	for (unsigned file = 0; file < FILES; file++)
		image_read(file);
	froe_assert(snapshot_judge(&reading, &fault) == FROE_OK && reading.ended);
	froe_assert(reading.count == RECORDS);
	world->hash = reading.hash;
	atexit(world_end);
}

/* ------------------------------------------------------------------------------------- damage */

static void
reseal_block(uint8_t *block)
{
	struct hash128 hash = hash128(block, 4080);
	le64_store(block + 4080, hash.low);
	le64_store(block + 4088, hash.high);
}

/* The frame that has its header in this block or in one before. */
static void
reseal_frame(uint8_t *image, size_t image_size, size_t at, uint64_t seed)
{
	while (at > 2 * LOG_BLOCK_BYTES && le32_load(image + at) != 0x4d415246u)
		at -= LOG_BLOCK_BYTES;
	uint8_t *frame = image + at;
	size_t head = le16_load(frame + 6), blocks = le16_load(frame + 68);
	size_t room = (image_size - at) / LOG_BLOCK_BYTES;
	if (blocks == 0 || blocks > room || head < LOG_FRAME_FIXED_BYTES + 8 * blocks ||
	    head > blocks * LOG_BLOCK_BYTES)
		return;
	for (size_t i = 0; i < blocks; i++) {
		size_t from = i * LOG_BLOCK_BYTES, to = from + LOG_BLOCK_BYTES;
		from = from < head ? head : from;
		le64_store(frame + 88 + 8 * i,
		    to <= head ? 0 : hash64(frame + from, to - from, seed));
	}
	le64_store(frame + head - 8, hash64(frame, head - 8, seed));
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
		if ((kind & 2) != 0) /* from the end: the index and the seal */
			block = world->sizes[file] / LOG_BLOCK_BYTES - 1 - block % 8;
		size_t at = block * LOG_BLOCK_BYTES + feed_u16(feed) % LOG_BLOCK_BYTES;
		struct bytes with = feed_take(feed, feed_u8(feed));
		size_t room = world->sizes[file] - at;
		size_t size = with.size < room ? with.size : room;
		if (size > 0)
			memcpy(world->damaged[file] + at, with.data, size);
		if ((kind & 4) == 0)
			continue;
		resealed = true;
		if (block < 2)
			reseal_block(world->damaged[file] + block * LOG_BLOCK_BYTES);
		else
			reseal_frame(world->damaged[file], world->sizes[file],
			    block * LOG_BLOCK_BYTES, world->seeds[file]);
	}
	return resealed;
}

static void
disk_put(unsigned file, const uint8_t *new, const uint8_t *old)
{
	for (size_t at = 0; at < world->sizes[file]; at += LOG_BLOCK_BYTES) {
		if (memcmp(new + at, old + at, LOG_BLOCK_BYTES) == 0)
			continue;
		enum froe_err err = sim_corrupt(
		    world->env, world->names[file].text, at, new + at, LOG_BLOCK_BYTES);
		froe_assert(err == FROE_OK);
	}
}

/* ------------------------------------------------------------------------------------- judging */

static void
judged(enum froe_err err, const struct froe_fault *fault)
{
	froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
	froe_assert(err == FROE_OK || fault->text[0] != 0);
}

static void
judge_snapshot(bool resealed)
{
	struct reading reading;
	struct froe_fault fault = {0};
	enum froe_err err = snapshot_judge(&reading, &fault);
	judged(err, &fault);
	froe_assert((err == FROE_OK) == reading.ended);
	if (err == FROE_OK && !resealed)
		froe_assert(reading.hash == world->hash);
}

static void
judge_cold(bool resealed)
{
	struct cold_file *file = NULL;
	struct froe_fault fault = {0};
	enum froe_err err = cold_open(world->env, &world->paths, store, COLD_NO, &file, &fault);
	judged(err, &fault);
	fault = (struct froe_fault){0};
	enum froe_err verified = cold_verify(world->env, &world->paths, store, COLD_NO, &fault);
	judged(verified, &fault);
	froe_assert(verified != FROE_OK || err == FROE_OK);
	if (err != FROE_OK)
		return;
	if (!resealed)
		froe_assert(file->count == world->extents && file->member_count == 2);
	struct cold_set *set = mem_zalloc(sizeof(*set) + sizeof(set->files[0]));
	set->count = 1;
	set->files[0] = file;
	for (unsigned i = 0; i < RECORDS; i += 7) {
		struct log_entry entry = entry_of(i);
		struct log_record record;
		const struct cold_file *found;
		const struct cold_extent *extent =
		    cold_find(set, entry.run_key, entry.run_event_no, &found);
		if (extent == NULL)
			continue;
		froe_assert(extent->offset + extent->bytes <= file->bytes);
		if (extent->offset + extent->bytes > world->sizes[1])
			continue;
		err = cold_record(world->damaged[1] + extent->offset, extent->bytes, 5000 + i,
		    &record);
		if (err == FROE_OK && !resealed)
			froe_assert(bytes_equal(record.body, entry.body));
	}
	FROE_DROP(cold_last(file, 1), "it is only looked for");
	mem_free(set);
	cold_free(file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	if (world == NULL)
		world_begin();
	bool resealed = damage(&feed);
	for (unsigned file = 0; file < FILES; file++)
		disk_put(file, world->damaged[file], world->images[file]);
	judge_snapshot(resealed);
	judge_cold(resealed);
	for (unsigned file = 0; file < FILES; file++) {
		disk_put(file, world->images[file], world->damaged[file]);
		memcpy(world->damaged[file], world->images[file], world->sizes[file]);
	}
	return 0;
}
