/*
 * The bytes of a closed store on a simulated disk: its frames found, altered, made again. So each
 * row of recovery's table can be produced from a store that the log itself wrote.
 */
#ifndef TESTS_LOG_IMAGE_H
#define TESTS_LOG_IMAGE_H

#include "log_world.h"

#include "log/chain_int.h"
#include "log/paths_int.h"
#include "log/segment_int.h"
#include "log/slots_int.h"

#define IMAGE_FRAMES_MAX 512u

struct image_frame {
	uint64_t offset;
	struct log_frame_header header;
};

/* One segment. */
struct image {
	struct world *world;
	struct path path;
	struct seg_header header;
	uint8_t *bytes;
	size_t size;
	struct image_frame frames[IMAGE_FRAMES_MAX];
	size_t count;
	uint64_t end; /* behind the last frame */
};

static inline struct path
image_segment_path(const struct world *world, uint64_t no)
{
	struct paths paths;
	assert_int_equal(paths_init(&paths, world->dir, NULL), FROE_OK);
	return path_segment(&paths, no);
}

static inline struct path
image_path(const struct world *world, const char *name)
{
	return path_join(world->dir, name);
}

static inline void
image_find_frames(struct image *image)
{
	uint64_t at = SEG_HEADER_BYTES;
	image->count = 0;
	while (at < image->size) {
		struct log_frame_site site = {
		    image->header.no, image->header.seed, at, image->size - at};
		struct image_frame *frame = &image->frames[image->count];
		if (!log_frame_peek(image->bytes + at, image->size - at, &site, &frame->header))
			break;
		frame->offset = at;
		at += (uint64_t)frame->header.blocks * LOG_BLOCK_BYTES;
		assert_true(++image->count < IMAGE_FRAMES_MAX);
	}
	image->end = at;
}

/* Any file of frames. */
static inline void
image_load_file(struct image *image, struct world *world, struct path path, enum seg_kind kind)
{
	uint64_t size = 0;
	int file;

	*image = (struct image){.world = world, .path = path};
	OK(world, io_file_open(world->env, image->path.text, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_size(world->env, file, &size, &world->fault));
	image->size = (size_t)size;
	image->bytes = mem_pages(image->size);
	OK(world, io_file_read(world->env, file, image->bytes, image->size, 0, &world->fault));
	io_file_close(world->env, file);
	OK(world, seg_header_decode(image->bytes, "test", kind, &image->header, &world->fault));
	image_find_frames(image);
}

static inline void
image_load(struct image *image, struct world *world, uint64_t no)
{
	image_load_file(image, world, image_segment_path(world, no), SEG_HOT);
}

static inline void
image_free(struct image *image)
{
	mem_pages_free(image->bytes, image->size);
}

/* Writes part of the memory image to the disk behind everyone's back. */
static inline void
image_store(const struct image *image, uint64_t offset, size_t size)
{
	assert_int_equal(sim_corrupt(image->world->env, image->path.text, offset,
	    image->bytes + offset, size), FROE_OK);
}

static inline void
image_flip(struct image *image, uint64_t offset)
{
	image->bytes[offset] ^= 0x10;
	image_store(image, offset, 1);
}

static inline void
image_zero(struct image *image, uint64_t offset, size_t size)
{
	memset(image->bytes + offset, 0, size);
	image_store(image, offset, size);
}

static inline size_t
image_frame_size(const struct image_frame *frame)
{
	return (size_t)frame->header.blocks * LOG_BLOCK_BYTES;
}

static inline const struct image_frame *
image_frame(const struct image *image, uint64_t seq)
{
	for (size_t i = 0; i < image->count; i++) {
		if (image->frames[i].header.seq == seq)
			return &image->frames[i];
	}
	fail_msg("no frame %llu", (unsigned long long)seq);
	return NULL;
}

static inline const struct image_frame *
image_last(const struct image *image)
{
	assert_true(image->count > 0);
	return &image->frames[image->count - 1];
}

/* Seals a frame again after its header was changed, and stores it. */
static inline void
image_seal(struct image *image, uint64_t offset, struct log_frame_header *header)
{
	log_frame_seal(image->bytes + offset, header, image->header.seed);
	image_store(image, offset, (size_t)header->blocks * LOG_BLOCK_BYTES);
}

/* Seals all frames behind this one again, so that they follow it. A cold file's seal says what the
 * frame before it is. */
static inline void
image_rechain(struct image *image, size_t from)
{
	for (size_t i = from + 1; i < image->count; i++) {
		struct log_frame_header *header = &image->frames[i].header;
		uint8_t *frame = image->bytes + image->frames[i].offset;
		header->prev_hash = image->frames[i - 1].header.hash;
		if (image->header.kind == SEG_COLD && (header->flags & LOG_FRAME_SEAL) != 0)
			le64_store(frame + header->header_bytes + 16, header->prev_hash);
		image_seal(image, image->frames[i].offset, header);
	}
}

/* All frames again, as if none had known of a durable one. */
static inline void
image_forget_durable(struct image *image)
{
	uint64_t hash = image->frames[0].header.prev_hash;
	for (size_t i = 0; i < image->count; i++) {
		struct log_frame_header *header = &image->frames[i].header;
		header->durable_seq = 0;
		header->prev_hash = hash;
		image_seal(image, image->frames[i].offset, header);
		hash = header->hash;
	}
}

/* The watermark says that so many frames are durable. */
static inline void
image_watermark(struct world *world, struct uuid store, uint64_t seq)
{
	struct path shard = image_path(world, "shard-0000");
	struct slots slots;
	OK(world, slots_open(&slots, world->env, shard.text, SLOTS_WATERMARK, store, false,
	    &world->fault));
	struct slots_value value = slots.value;
	value.watermark.durable_seq = seq;
	OK(world, slots_write(&slots, &value, &world->fault));
	OK(world, slots_write(&slots, &value, &world->fault)); /* both slots */
	slots_close(&slots);
}

#endif
