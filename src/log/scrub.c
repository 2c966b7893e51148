/*
 * A pass: segments from the oldest to the newest sealed one, a piece of up to a MiB a step; the two
 * snapshots; the cold files. MANIFEST is asked anew before each step: it is written by this thread,
 * so what it names is there. Pieces come in bursts, with gaps in which the log has the disk; after
 * a burst the machine rests for as long as its bytes take at its rate, so that an idle server is
 * idle for minutes on end. After damage it goes on with the next file.
 */
#include "log/scrub.h"

#include "base/mem.h"
#include "io/file.h"
#include "log/log_int.h"
#include "log/reader_int.h"
#include "log/record_int.h"
#include "log/snapshot.h"

#include <inttypes.h>

#define SCRUB_PIECE_BYTES (1u << 20)
#define SCRUB_BYTES_PER_S_MIN (256u << 10)
#define SCRUB_BURST_BYTES (64u << 20)
#define SCRUB_GAP_NS UINT64_C(50000000)
#define SCRUB_PASS_REST_S 60u /* at least, after a pass */
#define SCRUB_WEEK_S (7u * 86400u)
#define NS_PER_S UINT64_C(1000000000)

enum scrub_state {
	SCRUB_SEGMENT,
	SCRUB_SNAPSHOT,
	SCRUB_COLD,
};

struct scrub {
	struct log *log;
	struct scrub_options options;
	enum scrub_state state;
	struct reader reader;
	uint64_t no;     /* the segment being read */
	uint64_t offset; /* in it; 0: it is not open */
	uint64_t hash;
	unsigned index; /* of the snapshot or cold file that is next */
	uint64_t due_ns;
	uint64_t burst_bytes;
	bool passed; /* the pass has just ended */
};

static void
scrub_tell(struct scrub *scrub, const char *why)
{
	atomic_fetch_add_explicit(&scrub->log->scrub.faults, 1, memory_order_relaxed);
	if (scrub->options.fault != NULL)
		scrub->options.fault(scrub->options.context, why);
}

/* ------------------------------------------------------------------------------------- segments */

static enum froe_err
segment_bad(const struct scrub *scrub, struct froe_fault *fault)
{
	return fault_set(fault, FROE_CORRUPT,
	    "log/%s: the frame at byte %" PRIu64 " does not verify any more: the disk has damaged "
	    "it; take a backup of what is left, or restore one",
	    scrub->reader.name, scrub->offset);
}

static enum froe_err
segment_open_next(struct scrub *scrub, struct froe_fault *fault)
{
	uint64_t oldest = log_manifest_read(scrub->log).segment_oldest;
	if (scrub->no < oldest) {
		scrub->no = oldest;
		scrub->offset = 0;
	}
	if (scrub->offset != 0)
		return FROE_OK;
	scrub->offset = SEG_HEADER_BYTES;
	scrub->hash = 0;
	return reader_open(&scrub->reader, scrub->no, /* sync= */ false, fault);
}

static enum froe_err
segment_records(const struct scrub *scrub, const struct log_frame_header *header,
    const uint8_t *frame, struct froe_fault *fault)
{
	size_t at = header->header_bytes + log_frame_control_bytes(header->flags);
	size_t end = (size_t)header->header_bytes + header->data_bytes, span = 0;
	for (uint32_t i = 0; i < header->records; i++, at += span) {
		struct log_record record;
		if (at > end || rec_decode(frame + at, end - at, header->event_first + i, &record,
				    &span) != REC_GOOD)
			return segment_bad(scrub, fault);
	}
	return FROE_OK;
}

static enum froe_err
segment_frame(struct scrub *scrub, bool *ret_sealed, struct froe_fault *fault)
{
	struct reader *reader = &scrub->reader;
	struct log_frame_site site = {
	    .segment_no = reader->header.no,
	    .seed = reader->header.seed,
	    .offset = scrub->offset,
	    .available = reader->header.bytes - scrub->offset,
	};
	struct log_frame_header header;
	const uint8_t *frame;
	uint32_t block;
	if (site.available == 0)
		return segment_bad(scrub, fault);
	enum froe_err err = reader_load(reader, site.offset, LOG_BLOCK_BYTES, &frame, fault);
	if (err != FROE_OK)
		return err;
	size_t have = log_frame_extent(frame, &site);
	err = reader_load(reader, site.offset, have, &frame, fault);
	if (err != FROE_OK)
		return err;
	if (log_frame_judge(frame, have, &site, &header, &block) != LOG_FRAME_GOOD ||
	    (scrub->hash != 0 && header.prev_hash != scrub->hash))
		return segment_bad(scrub, fault);
	scrub->hash = header.hash;
	scrub->offset += (uint64_t)header.blocks * LOG_BLOCK_BYTES;
	*ret_sealed = (header.flags & LOG_FRAME_SEAL) != 0;
	return segment_records(scrub, &header, frame, fault);
}

/* Returns how much was read. */
static uint64_t
scrub_segment(struct scrub *scrub)
{
	struct froe_fault fault;
	bool sealed = false;
	enum froe_err err = segment_open_next(scrub, &fault);
	uint64_t from = scrub->offset;
	while (err == FROE_OK && !sealed && scrub->offset - from < SCRUB_PIECE_BYTES)
		err = segment_frame(scrub, &sealed, &fault);
	uint64_t bytes = scrub->offset - from;
	if (err != FROE_OK)
		scrub_tell(scrub, fault.text);
	if (err != FROE_OK || sealed) {
		reader_close(&scrub->reader);
		scrub->offset = 0;
		scrub->no++;
	}
	return bytes;
}

/* ---------------------------------------------------------------------------------- other files */

static uint64_t
scrub_snapshot(struct scrub *scrub)
{
	struct log *log = scrub->log;
	struct log_manifest manifest = log_manifest_read(log);
	uint64_t number = manifest.snapshots[scrub->index].number, size = 0;
	struct froe_fault fault;
	struct log_base base;
	int file;
	scrub->index++;
	if (number == 0)
		return 0;
	if (io_file_open(log->env, path_snapshot(&log->paths, number).text, IO_OPEN_READ, &file,
		NULL) == FROE_OK) {
		FROE_DROP(io_file_size(log->env, file, &size, NULL), "only for the pace");
		io_file_close(log->env, file);
	}
	if (snapshot_read(log->env, log->paths.dir, log->store.id, number, NULL, NULL,
		/* whole= */ false, &base, &fault) != FROE_OK)
		scrub_tell(scrub, fault.text);
	return size;
}

/* Returns how much was read; *ret_more: there are further ones. */
static uint64_t
scrub_cold(struct scrub *scrub, bool *ret_more)
{
	struct log *log = scrub->log;
	uint64_t no = log_manifest_read(log).cold, size = 0;
	struct cold_file *file = NULL;
	struct froe_fault fault;
	*ret_more = false;
	if (no == 0)
		return 0;
	enum froe_err err =
	    cold_open(log->env, &log->paths, log->store.id, no, &file, &fault);
	if (err == FROE_OK) {
		*ret_more = scrub->index < file->member_count;
		if (scrub->index > 0 && scrub->index <= file->member_count)
			no = file->members[scrub->index - 1];
		size = file->bytes;
		cold_free(file);
		err = cold_verify(log->env, &log->paths, log->store.id, no, &fault);
	}
	scrub->index++;
	if (err != FROE_OK)
		scrub_tell(scrub, fault.text);
	return size;
}

/* ---------------------------------------------------------------------------------- the machine */

static void
scrub_enter(struct scrub *scrub, enum scrub_state state)
{
	scrub->state = state;
	scrub->index = 0;
}

static uint64_t
scrub_piece(struct scrub *scrub)
{
	uint64_t bytes = 0;
	bool more;
	switch (scrub->state) {
	case SCRUB_SEGMENT:
		if (scrub->no <= log_sealed(scrub->log))
			return scrub_segment(scrub);
		scrub_enter(scrub, SCRUB_SNAPSHOT);
		return 0;
	case SCRUB_SNAPSHOT:
		bytes = scrub_snapshot(scrub);
		if (scrub->index == 2)
			scrub_enter(scrub, SCRUB_COLD);
		return bytes;
	case SCRUB_COLD:
		bytes = scrub_cold(scrub, &more);
		if (!more) {
			scrub_enter(scrub, SCRUB_SEGMENT);
			scrub->no = log_manifest_read(scrub->log).segment_oldest;
			scrub->passed = true;
			atomic_fetch_add_explicit(
			    &scrub->log->scrub.passes, 1, memory_order_relaxed);
		}
		return bytes;
	}
	froe_never("all states are handled");
}

static uint64_t
scrub_rate(const struct scrub *scrub)
{
	uint64_t oldest = log_manifest_read(scrub->log).segment_oldest;
	uint64_t bytes =
	    (log_sealed(scrub->log) + 1 - oldest) * scrub->log->store.segment_bytes;
	uint64_t rate = scrub->options.bytes_per_s;
	if (rate == 0)
		rate = bytes / SCRUB_WEEK_S;
	return rate > SCRUB_BYTES_PER_S_MIN || scrub->options.bytes_per_s != 0
		   ? rate
		   : SCRUB_BYTES_PER_S_MIN;
}

/* After a piece: a gap; after a burst, which a pass's end ends too, what it has run ahead. */
static uint64_t
scrub_rest_ns(struct scrub *scrub)
{
	bool passed = scrub->passed;
	if (!passed && scrub->burst_bytes < SCRUB_BURST_BYTES)
		return SCRUB_GAP_NS;
	uint64_t rest_ns = scrub->burst_bytes * NS_PER_S / scrub_rate(scrub);
	uint64_t least_ns = passed ? SCRUB_PASS_REST_S * NS_PER_S : SCRUB_GAP_NS;
	scrub->burst_bytes = 0;
	scrub->passed = false;
	return rest_ns > least_ns ? rest_ns : least_ns;
}

uint64_t
scrub_step(struct scrub *scrub, uint64_t mono_ns)
{
	if (mono_ns < scrub->due_ns)
		return scrub->due_ns;
	uint64_t bytes = scrub_piece(scrub);
	atomic_fetch_add_explicit(&scrub->log->scrub.bytes, bytes, memory_order_relaxed);
	scrub->burst_bytes += bytes;
	scrub->due_ns = mono_ns + scrub_rest_ns(scrub);
	return scrub->due_ns;
}

struct scrub *
scrub_open(struct log *log, const struct scrub_options *options)
{
	struct scrub *scrub = mem_zalloc(sizeof(*scrub));
	scrub->log = log;
	scrub->options = *options;
	scrub->no = log_manifest_read(log).segment_oldest;
	reader_init(&scrub->reader, log->env, &log->paths, log->store.id);
	return scrub;
}

void
scrub_close(struct scrub *scrub)
{
	if (scrub == NULL)
		return;
	reader_release(&scrub->reader);
	mem_free(scrub);
}
