/*
 * Cold files are sorted by run: a merge takes the lowest run that any of them has, and of it the
 * extents in the order of their first records. Each file is read through a window, as its extents
 * lie one behind the other.
 *
 * Hot segments: the chain is checked as recovery checks it; of the first frame nothing is known. What
 * was read ahead of the writer may be old: a frame that does not verify is read once more from the
 * disk.
 */
#include "log/trail.h"

#include "base/mem.h"
#include "io/file.h"
#include "log/chain_int.h"
#include "log/reader_int.h"
#include "log/record_int.h"
#include "log/shelf_int.h"
#include "log/slots_int.h"

#include <inttypes.h>

#define WINDOW_BYTES ((size_t)1 << 20)

/* A cold file being read. */
struct trail_cold {
	const struct cold_file *cold;
	size_t next; /* extent */
	int file;
	uint8_t *buffer;
	size_t capacity;
	uint64_t from; /* what the buffer holds */
	size_t have;
};

struct trail {
	struct io_env *env;
	struct paths paths;
	struct uuid store;
	struct shelf shelf; /* of its own */
	struct trail_cold *colds;
	size_t cold_count;
	struct reader reader;
	struct chain chain;
	uint64_t offset;
	bool open; /* the reader is at chain.segment_no */
};

/* --------------------------------------------------------------------------------------- opening */

static enum froe_err
open_colds(struct trail *trail, struct froe_fault *fault)
{
	const struct cold_set *set = trail->shelf.current;
	trail->colds = mem_array(set->count + 1, sizeof(*trail->colds));
	for (size_t i = 0; i < set->count; i++) {
		struct trail_cold *cold = &trail->colds[trail->cold_count];
		struct path path = cold_path(&trail->paths, set->files[i]->no);
		enum froe_err err = io_file_open(trail->env, path.text,
		    IO_OPEN_READ | IO_OPEN_DIRECT, &cold->file, fault);
		if (err != FROE_OK)
			return err;
		cold->cold = set->files[i];
		trail->cold_count++;
	}
	return FROE_OK;
}

static enum froe_err
open_files(struct trail *trail, struct froe_fault *fault)
{
	struct slots manifest;
	enum froe_err err = slots_open(&manifest, trail->env, trail->paths.shard, SLOTS_MANIFEST,
	    trail->store, /* read_only= */ true, fault);
	if (err != FROE_OK)
		return err;
	uint64_t oldest = manifest.value.manifest.segment_oldest;
	uint64_t cold = manifest.value.manifest.cold;
	slots_close(&manifest);
	chain_init(&trail->chain, oldest);
	err = shelf_open(
	    &trail->shelf, trail->env, &trail->paths, trail->store, cold, oldest, fault);
	return err == FROE_OK ? open_colds(trail, fault) : err;
}

struct trail *
trail_open(struct io_env *env, const char *dir, struct uuid store, struct froe_fault *fault)
{
	struct trail *trail = mem_zalloc(sizeof(*trail));
	trail->env = env;
	trail->store = store;
	trail->offset = SEG_HEADER_BYTES;
	enum froe_err err = paths_init(&trail->paths, dir, fault);
	reader_init(&trail->reader, env, &trail->paths, store);
	if (err == FROE_OK)
		err = open_files(trail, fault);
	if (err == FROE_OK)
		return trail;
	trail_close(trail);
	return NULL;
}

void
trail_close(struct trail *trail)
{
	if (trail == NULL)
		return;
	for (size_t i = 0; i < trail->cold_count; i++) {
		io_file_close(trail->env, trail->colds[i].file);
		if (trail->colds[i].buffer != NULL)
			mem_pages_free(trail->colds[i].buffer, trail->colds[i].capacity);
	}
	mem_free(trail->colds);
	shelf_release(&trail->shelf);
	reader_release(&trail->reader);
	mem_free(trail);
}

uint64_t
trail_frame(const struct trail *trail)
{
	return trail->chain.seq;
}

/* ----------------------------------------------------------------------------------- cold files */

/* [offset, offset + size) of the file in memory, and what follows as far as the window goes. */
static enum froe_err
cold_load(struct trail *trail, struct trail_cold *cold, uint64_t offset, size_t size,
    const uint8_t **ret_bytes, struct froe_fault *fault)
{
	uint64_t from = offset / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	size_t need = (size_t)(offset - from) + size;
	if (offset < cold->from || offset + size > cold->from + cold->have) {
		size_t want = (need > WINDOW_BYTES ? need : WINDOW_BYTES) + LOG_BLOCK_BYTES - 1;
		want = want / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
		if (want > cold->capacity && cold->buffer != NULL)
			mem_pages_free(cold->buffer, cold->capacity);
		if (want > cold->capacity) {
			cold->buffer = mem_pages(want);
			cold->capacity = want;
		}
		uint64_t left = cold->cold->bytes > from ? cold->cold->bytes - from : 0;
		cold->from = from;
		cold->have = left < want ? (size_t)left : want;
		if (cold->have < need)
			return fault_set(fault, FROE_CORRUPT,
			    "cold file %" PRIx64 ": an extent beyond its end", cold->cold->no);
		enum froe_err err = io_file_read(
		    trail->env, cold->file, cold->buffer, cold->have, from, fault);
		if (err != FROE_OK)
			return err;
	}
	*ret_bytes = cold->buffer + (offset - cold->from);
	return FROE_OK;
}

static enum froe_err
cold_extent_read(struct trail *trail, struct trail_cold *cold, const struct cold_extent *extent,
    log_replay_fn *each, void *context, struct froe_fault *fault)
{
	const uint8_t *bytes = NULL;
	size_t at = 0, span = 0;
	enum froe_err err =
	    cold_load(trail, cold, extent->offset, extent->bytes, &bytes, fault);
	for (uint32_t i = 0; i < extent->count && err == FROE_OK; i++) {
		struct log_record record = {0};
		const uint8_t *prefix = bytes + at;
		if (extent->bytes - at < COLD_PREFIX_BYTES ||
		    rec_decode(prefix + COLD_PREFIX_BYTES, extent->bytes - at - COLD_PREFIX_BYTES,
		        le64_load(prefix), &record, &span) != REC_GOOD)
			return fault_set(fault, FROE_CORRUPT,
			    "cold file %" PRIx64 ": a record of run %" PRIu64 " does not verify",
			    cold->cold->no, extent->run_key);
		record.event_seq = le64_load(prefix);
		record.lsn.v = le64_load(prefix + 8);
		err = each(context, &record, fault);
		at += COLD_PREFIX_BYTES + span;
	}
	return err;
}

/* The file whose next extent comes first; NULL: all are read. */
static struct trail_cold *
cold_next(struct trail *trail)
{
	struct trail_cold *best = NULL;
	const struct cold_extent *first = NULL;
	for (size_t i = 0; i < trail->cold_count; i++) {
		struct trail_cold *cold = &trail->colds[i];
		const struct cold_extent *extent = &cold->cold->extents[cold->next];
		if (cold->next == cold->cold->count)
			continue;
		if (first != NULL && (extent->run_key > first->run_key ||
		    (extent->run_key == first->run_key && extent->first_no >= first->first_no)))
			continue;
		first = extent;
		best = cold;
	}
	return best;
}

static bool
run_gone(const struct trail *trail, uint64_t run_key)
{
	for (size_t i = 0; i < trail->cold_count; i++) {
		const struct cold_extent *last = cold_last(trail->colds[i].cold, run_key);
		if (last != NULL && (last->flags & COLD_GONE) != 0)
			return true;
	}
	return false;
}

/* All extents of one run. *ret_more: there was one. */
static enum froe_err
cold_run(struct trail *trail, log_replay_fn *each, void *context, bool *ret_more,
    struct froe_fault *fault)
{
	struct trail_cold *cold = cold_next(trail);
	enum froe_err err = FROE_OK;
	*ret_more = cold != NULL;
	if (cold == NULL)
		return FROE_OK;
	uint64_t run_key = cold->cold->extents[cold->next].run_key;
	bool gone = run_gone(trail, run_key);
	while (cold != NULL && cold->cold->extents[cold->next].run_key == run_key &&
	    err == FROE_OK) {
		const struct cold_extent *extent = &cold->cold->extents[cold->next++];
		if (!gone)
			err = cold_extent_read(trail, cold, extent, each, context, fault);
		cold = cold_next(trail);
	}
	return err;
}

/* --------------------------------------------------------------------------------- hot segments */

static enum froe_err
hot_load(struct trail *trail, struct log_frame_header *ret_header, const uint8_t **ret_frame,
    struct froe_fault *fault)
{
	uint32_t block;
	enum froe_err err = trail->open
	    ? FROE_OK
	    : reader_open(&trail->reader, trail->chain.segment_no, /* sync= */ false, fault);
	trail->open = err == FROE_OK;
	if (err != FROE_OK)
		return err;
	struct log_frame_site site = {
	    .segment_no = trail->reader.header.no,
	    .seed = trail->reader.header.seed,
	    .offset = trail->offset,
	    .available = trail->reader.header.bytes - trail->offset,
	};
	err = reader_load(&trail->reader, site.offset, LOG_BLOCK_BYTES, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	size_t have = log_frame_extent(*ret_frame, &site);
	err = reader_load(&trail->reader, site.offset, have, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	if (log_frame_judge(*ret_frame, have, &site, ret_header, &block) == LOG_FRAME_GOOD)
		return FROE_OK;
	reader_close(&trail->reader);
	trail->open = false;
	return fault_set(fault, FROE_CORRUPT,
	    "log/%s: the frame at byte %" PRIu64 " does not verify", trail->reader.name,
	    trail->offset);
}

static enum froe_err
hot_records(struct trail *trail, const struct log_frame_header *header, const uint8_t *frame,
    log_replay_fn *each, void *context, struct froe_fault *fault)
{
	size_t at = header->header_bytes + log_frame_control_bytes(header->flags);
	size_t end = (size_t)header->header_bytes + header->data_bytes, span = 0;
	for (uint32_t i = 0; i < header->records; i++, at += span) {
		struct log_record record;
		if (rec_decode(frame + at, at <= end ? end - at : 0, header->event_first + i,
		        &record, &span) != REC_GOOD)
			return fault_set(fault, FROE_CORRUPT,
			    "log/%s: a record of frame %" PRIu64 " does not verify",
			    trail->reader.name, header->seq);
		record.lsn = (struct lsn){header->segment_no << 32 | (trail->offset + at)};
		record.frame_seq = header->seq;
		record.epoch = header->epoch;
		enum froe_err err = each(context, &record, fault);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}

static enum froe_err
hot_frame(struct trail *trail, log_replay_fn *each, void *context, struct froe_fault *fault)
{
	struct log_frame_header header;
	const uint8_t *frame = NULL;
	enum froe_err err = hot_load(trail, &header, &frame, fault);
	if (err == FROE_CORRUPT)
		err = hot_load(trail, &header, &frame, fault);
	if (err != FROE_OK)
		return err;
	if (chain_check(&trail->chain, &header, frame, trail->reader.header.bytes) != CHAIN_NEXT)
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s: the frame at byte %" PRIu64 " does not follow the one before",
		    trail->reader.name, trail->offset);
	err = hot_records(trail, &header, frame, each, context, fault);
	if (err != FROE_OK)
		return err;
	chain_advance(&trail->chain, &header);
	trail->offset += (uint64_t)header.blocks * LOG_BLOCK_BYTES;
	if (trail->chain.sealed) {
		chain_enter_segment(&trail->chain);
		reader_close(&trail->reader);
		trail->open = false;
		trail->offset = SEG_HEADER_BYTES;
	}
	return FROE_OK;
}

enum froe_err
trail_step(struct trail *trail, log_replay_fn *each, void *context, struct froe_fault *fault)
{
	bool more = false;
	if (trail->chain.seq == 0) {
		enum froe_err err = cold_run(trail, each, context, &more, fault);
		if (err != FROE_OK || more)
			return err;
	}
	return hot_frame(trail, each, context, fault);
}
