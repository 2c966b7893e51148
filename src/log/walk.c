#include "log/walk.h"

#include "base/mem.h"
#include "log/chain_int.h"
#include "log/reader_int.h"
#include "log/record_int.h"

#include <inttypes.h>

struct walk {
	struct paths paths;
	struct reader reader;
	struct chain chain;
	uint64_t offset;
	bool open; /* the reader is at chain.segment_no */
	bool lost; /* looks for a frame that verifies, from offset on */
	bool holed; /* frames of this segment were not read */
};

/* Of a segment that a lost walk looks at in one step. */
#define SEEK_BLOCKS 64u

struct walk *
walk_open(struct io_env *env, const char *dir, struct uuid store, const struct log_base *base,
    struct froe_fault *fault)
{
	struct walk *walk = mem_zalloc(sizeof(*walk));
	if (paths_init(&walk->paths, dir, fault) != FROE_OK) {
		mem_free(walk);
		return NULL;
	}
	reader_init(&walk->reader, env, &walk->paths, store);
	chain_at_base(&walk->chain, base);
	walk->offset = SEG_HEADER_BYTES;
	return walk;
}

struct walk *
walk_open_at(struct io_env *env, const char *dir, struct uuid store, uint64_t segment_no,
    struct froe_fault *fault)
{
	struct log_base base = {0};
	struct walk *walk = walk_open(env, dir, store, &base, fault);
	if (walk != NULL)
		chain_init(&walk->chain, segment_no);
	return walk;
}

uint64_t
walk_frame(const struct walk *walk)
{
	return walk->chain.seq;
}

void
walk_close(struct walk *walk)
{
	if (walk == NULL)
		return;
	reader_release(&walk->reader);
	mem_free(walk);
}

bool
walk_base(const struct walk *walk, struct log_base *ret_base)
{
	const struct chain *chain = &walk->chain;
	if (walk->offset != SEG_HEADER_BYTES)
		return false;
	*ret_base = (struct log_base){
	    .number = chain->segment_no - 1,
	    .frame_seq = chain->seq,
	    .frame_hash = chain->hash,
	    .event_next = chain->event_next,
	    .epoch = chain->epoch,
	    .time_ns = chain->time_ns,
	    .segment_frames = chain->prev_frames,
	};
	return true;
}

/* What was read ahead of the writer may be old: it is read again. */
static enum froe_err
walk_open_segment(struct walk *walk, struct froe_fault *fault)
{
	if (walk->open)
		return FROE_OK;
	enum froe_err err =
	    reader_open(&walk->reader, walk->chain.segment_no, /* sync= */ false, fault);
	walk->open = err == FROE_OK;
	return err;
}

static struct log_frame_site
walk_site(const struct walk *walk)
{
	return (struct log_frame_site){
	    .segment_no = walk->reader.header.no,
	    .seed = walk->reader.header.seed,
	    .offset = walk->offset,
	    .available = walk->reader.header.bytes - walk->offset,
	};
}

static enum froe_err
walk_load(struct walk *walk, const struct log_frame_site *site, struct log_frame_header *ret_header,
    const uint8_t **ret_frame, struct froe_fault *fault)
{
	uint32_t block;
	enum froe_err err =
	    reader_load(&walk->reader, site->offset, LOG_BLOCK_BYTES, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	size_t have = log_frame_extent(*ret_frame, site);
	err = reader_load(&walk->reader, site->offset, have, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	if (log_frame_judge(*ret_frame, have, site, ret_header, &block) == LOG_FRAME_GOOD)
		return FROE_OK;
	reader_close(&walk->reader);
	walk->open = false;
	return fault_set(fault, FROE_NOT_FOUND, "log/%s: no frame that verifies at byte %" PRIu64,
	    walk->reader.name, walk->offset);
}

static enum froe_err
walk_records(struct walk *walk, const struct log_frame_header *header, const uint8_t *frame,
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
			    walk->reader.name, header->seq);
		record.lsn = (struct lsn){header->segment_no << 32 | (walk->offset + at)};
		record.frame_seq = header->seq;
		record.epoch = header->epoch;
		enum froe_err err = each(context, &record, fault);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}

/* ------------------------------------------------------------------------------- behind damage */

struct lsn
walk_pass(struct walk *walk)
{
	struct lsn at = {walk->chain.segment_no << 32 | walk->offset};
	walk->lost = true;
	walk->holed = true;
	walk->offset += LOG_BLOCK_BYTES;
	return at;
}

bool
walk_lost(const struct walk *walk)
{
	return walk->lost;
}

static void
seek_segment(struct walk *walk)
{
	reader_close(&walk->reader);
	walk->open = false;
	walk->chain.segment_no++;
	walk->chain.frames = 0;
	walk->offset = SEG_HEADER_BYTES;
	walk->holed = false;
}

/* Does a frame lie there that is newer than all that were read? What the disk does not give is as
 * bad as what does not verify. */
static bool
seek_look(struct walk *walk)
{
	struct log_frame_site site = walk_site(walk);
	struct log_frame_header header = {0};
	const uint8_t *frame;
	uint32_t block;
	if (reader_load(&walk->reader, site.offset, LOG_BLOCK_BYTES, &frame, NULL) != FROE_OK)
		return false;
	size_t have = log_frame_extent(frame, &site);
	if (reader_load(&walk->reader, site.offset, have, &frame, NULL) != FROE_OK)
		return false;
	return log_frame_judge(frame, have, &site, &header, &block) == LOG_FRAME_GOOD &&
	    header.seq > walk->chain.seq && header.epoch >= walk->chain.epoch;
}

/* A segment whose header is bad has nothing that can be read; one that is not there is the end. */
static enum froe_err
walk_seek(struct walk *walk, struct froe_fault *fault)
{
	enum froe_err err = walk_open_segment(walk, fault);
	if (err == FROE_CORRUPT || err == FROE_IO) {
		seek_segment(walk);
		return FROE_OK;
	}
	for (unsigned i = 0; i < SEEK_BLOCKS && err == FROE_OK; i++) {
		if (walk->offset + LOG_BLOCK_BYTES > walk->reader.header.bytes) {
			seek_segment(walk);
			return FROE_OK;
		}
		if (seek_look(walk)) {
			walk->lost = false;
			walk->chain.known = false;
			return FROE_OK;
		}
		walk->offset += LOG_BLOCK_BYTES;
		walk->holed = true;
	}
	return err;
}

/* A seal counts the segment's frames, those too that were not read. */
static void
walk_count(struct walk *walk, const struct log_frame_header *header, const uint8_t *frame)
{
	bool seal = (header->flags & LOG_FRAME_SEAL) != 0;
	if (walk->holed && seal && header->data_bytes == LOG_FRAME_CONTROL_BYTES)
		walk->chain.frames =
		    log_frame_control_decode(frame + header->header_bytes).frames - 1;
}

enum froe_err
walk_step(struct walk *walk, log_replay_fn *each, void *context, struct froe_fault *fault)
{
	struct log_frame_header header;
	const uint8_t *frame;
	if (walk->lost)
		return walk_seek(walk, fault);
	enum froe_err err = walk_open_segment(walk, fault);
	if (err != FROE_OK)
		return err;
	struct log_frame_site site = walk_site(walk);
	err = walk_load(walk, &site, &header, &frame, fault);
	if (err != FROE_OK)
		return err;
	walk_count(walk, &header, frame);
	if (chain_check(&walk->chain, &header, frame, walk->reader.header.bytes) != CHAIN_NEXT)
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s: the frame at byte %" PRIu64 " does not follow the one before",
		    walk->reader.name, walk->offset);
	err = walk_records(walk, &header, frame, each, context, fault);
	if (err != FROE_OK)
		return err;
	chain_advance(&walk->chain, &header);
	walk->offset += (uint64_t)header.blocks * LOG_BLOCK_BYTES;
	if (walk->chain.sealed) {
		chain_enter_segment(&walk->chain);
		reader_close(&walk->reader);
		walk->open = false;
		walk->offset = SEG_HEADER_BYTES;
		walk->holed = false;
	}
	return FROE_OK;
}
