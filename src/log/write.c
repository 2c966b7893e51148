/*
 * log/write: from records to durable frames.
 *
 *   append   the records go into the frame being built; if they do not fit, that one is sealed and
 *            another begun; if the segment is full, a seal frame closes it and the next,
 *            already activated one goes on
 *   flush    sealed frames are written, in order, never further than inflight_max ahead of the
 *            durable prefix, which recovery counts on; when none waits, the one being built is
 *            sealed and written: whatever queued while others were in flight is one group. While
 *            its owner gathers, that one waits until none is in flight, and if much is at hand,
 *            until it is large
 *   done     a frame is durable when it and all before it are
 *
 * A short write is continued. Any error ends the log: nothing becomes durable any more.
 */
#include "log/log_int.h"

#include "base/failpoint.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/record_int.h"

#include <inttypes.h>

#define WATERMARK_NS (UINT64_C(5) * 1000000)
/* The seal's block and the clean stop's. */
#define RESERVED_BYTES (2 * LOG_BLOCK_BYTES)
#define READ_ONLY_BYTES ((uint64_t)4 << 20)
/* A write that failed for a passing reason is started again so often. */
#define WRITE_TRIES 16u

static const struct sm_row frame_table[] = {
    [LOG_FRAME_FREE] = {"free", SM_TO(LOG_FRAME_BUILDING)},
    [LOG_FRAME_BUILDING] = {"building", SM_TO(LOG_FRAME_SEALED)},
    [LOG_FRAME_SEALED] = {"sealed", SM_TO(LOG_FRAME_WRITING)},
    [LOG_FRAME_WRITING] = {"writing", SM_TO(LOG_FRAME_DONE)},
    [LOG_FRAME_DONE] = {"done", SM_TO(LOG_FRAME_FREE)},
};

static const struct sm_row log_table[] = {
    [LOG_OPENED] = {"opened", SM_TO(LOG_RUNNING) | SM_TO(LOG_FAILED)},
    [LOG_RUNNING] = {"running", SM_TO(LOG_STOPPED) | SM_TO(LOG_FAILED)},
    [LOG_STOPPED] = {"stopped", SM_TO(LOG_FAILED)},
    [LOG_FAILED] = {"failed", 0},
};

static void frame_done(struct io_op *op, int32_t result);
static void watermark_done(struct io_op *op, int32_t result);
static void watermark_start(struct log *log, uint64_t seq, struct lsn lsn);

/* One block of memory for all ordinary frames, so that the kernel can be told of it once. */
void
log_write_init(struct log *log)
{
	log->step_bytes = seg_step_bytes(log->store.segment_bytes);
	log->step_bytes_max = seg_step_bytes_max(log->store.segment_bytes);
	size_t each = seg_frame_bytes(log->step_bytes);
	log->end_bytes = each + seg_frame_bytes(log->step_bytes_max) + 4 * LOG_BLOCK_BYTES;
	log->memory_bytes = each * LOG_FRAMES;
	log->memory = mem_pages(log->memory_bytes);
	log->watermark_block = mem_pages(LOG_BLOCK_BYTES);
	io_op_init(&log->watermark_op, watermark_done);
	for (unsigned i = 0; i < LOG_FRAMES; i++) {
		log->frames[i].log = log;
		log->frames[i].memory = log->memory + i * each;
	}
}

void
log_write_release(struct log *log)
{
	if (log->memory == NULL)
		return;
	for (unsigned i = 0; i < log->count; i++) {
		struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		if ((frame->header.flags & LOG_FRAME_SEAL) != 0 &&
		    frame->state != LOG_FRAME_BUILDING)
			segment_close(log->env, frame->segment);
	}
	mem_pages_free(log->memory, log->memory_bytes);
	mem_pages_free(log->watermark_block, LOG_BLOCK_BYTES);
	mem_pages_free(log->large, log->large_bytes);
}

/* Nothing is written any more, and nothing that is in flight counts. */
static void
log_fail(struct log *log, const struct froe_fault *fault)
{
	log->fault = *fault;
	sm_move(log_table, &log->state, LOG_FAILED);
}

static bool
log_is_live(const struct log *log)
{
	return log->state == LOG_RUNNING || log->state == LOG_STOPPED;
}

/* ----------------------------------------------------------------------------------- the frames */

static bool
large_in_use(const struct log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		const struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		if (frame->bytes != frame->memory)
			return true;
	}
	return false;
}

/* What a frame there could hold of records and control block at most. */
static size_t
segment_room(const struct log *log, uint64_t offset, size_t header_bytes)
{
	uint64_t end = log->segment->header.bytes - RESERVED_BYTES;
	if (offset + header_bytes >= end)
		return 0;
	return (size_t)(end - offset - header_bytes);
}

/* The data a frame for a step of so many bytes is made for: an ordinary one takes more steps. */
static size_t
frame_data_bytes(const struct log *log, size_t step_bytes)
{
	size_t more = step_bytes > log->step_bytes ? step_bytes : log->step_bytes;
	return more + LOG_FRAME_CONTROL_BYTES;
}

static bool
segment_fits(const struct log *log, uint64_t offset, size_t step_bytes)
{
	size_t header_bytes = log_frame_header_bytes(frame_data_bytes(log, step_bytes));
	return segment_room(log, offset, header_bytes) >= step_bytes + LOG_FRAME_CONTROL_BYTES;
}

static struct log_frame *
frame_push(struct log *log)
{
	froe_assert(log->count < LOG_FRAMES && log->building == NULL);
	struct log_frame *frame = &log->frames[(log->head + log->count) % LOG_FRAMES];
	log->count++;
	uint8_t *memory = frame->memory;
	*frame = (struct log_frame){.log = log, .memory = memory, .bytes = memory};
	io_op_init(&frame->op, frame_done);
	sm_move(frame_table, &frame->state, LOG_FRAME_BUILDING);
	log->building = frame;
	frame->segment = log->segment;
	frame->offset = log->offset;
	frame->header.segment_no = log->segment->header.no;
	frame->header.block_index = (uint32_t)(log->offset / LOG_BLOCK_BYTES);
	return frame;
}

/* The first frame of a segment repeats what the one before ended with. */
static void
frame_begin_segment(struct log *log, struct log_frame *frame)
{
	if (log->offset != SEG_HEADER_BYTES)
		return;
	struct log_frame_control control = {
	    .segment_no = log->chain.prev_segment_no,
	    .frames = log->chain.prev_frames,
	    .hash = log->chain.prev_segment_no != 0 ? log->chain.hash : 0,
	};
	frame->header.flags |= LOG_FRAME_FIRST_OF_SEGMENT;
	log_frame_control_encode(frame->bytes + frame->header.header_bytes, &control);
	frame->used = LOG_FRAME_CONTROL_BYTES;
}

/* Begins a frame that will hold at least one step of so many bytes. */
static struct log_frame *
frame_begin(struct log *log, size_t step_bytes)
{
	struct log_frame *frame = frame_push(log);
	size_t data_bytes = frame_data_bytes(log, step_bytes);
	if (step_bytes > log->step_bytes) {
		size_t bytes = seg_frame_bytes(step_bytes);
		froe_assert(!large_in_use(log));
		if (log->large_bytes < bytes) {
			mem_pages_free(log->large, log->large_bytes);
			log->large_bytes = bytes;
			log->large = mem_pages(bytes);
		}
		frame->bytes = log->large;
	}
	frame->header.header_bytes = log_frame_header_bytes(data_bytes);
	size_t room = segment_room(log, log->offset, frame->header.header_bytes);
	frame->capacity = data_bytes < room ? data_bytes : room;
	frame_begin_segment(log, frame);
	return frame;
}

static void
frame_seal(struct log *log, struct log_frame *frame, uint64_t now_ns, uint8_t flags)
{
	struct log_frame_header *header = &frame->header;
	header->flags |= flags;
	if (log->epoch > log->chain.epoch)
		header->flags |= LOG_FRAME_FIRST_OF_EPOCH;
	header->data_bytes = (uint32_t)frame->used;
	header->records = frame->records;
	header->seq = log->chain.seq + 1;
	header->event_first = log->chain.event_next;
	header->durable_seq = log->durable_seq;
	header->epoch = log->epoch;
	header->time_ns = now_ns > log->chain.time_ns ? now_ns : log->chain.time_ns;
	header->prev_hash = log->chain.hash;
	log_frame_seal(frame->bytes, header, frame->segment->header.seed);
	frame->size = (size_t)header->blocks * LOG_BLOCK_BYTES;
	log->offset += frame->size;
	froe_assert(log->offset <= frame->segment->header.bytes);
	sm_move(frame_table, &frame->state, LOG_FRAME_SEALED);
	log->building = NULL;
	chain_advance(&log->chain, header);
	log->stats.frames++;
	log->stats.bytes_written += frame->size;
}

/* A frame of one block without records. */
static void
frame_mark(struct log *log, uint64_t now_ns, uint8_t flags)
{
	struct log_frame *frame = frame_push(log);
	frame->header.header_bytes = log_frame_header_bytes(LOG_FRAME_CONTROL_BYTES);
	frame_begin_segment(log, frame);
	frame_seal(log, frame, now_ns, flags);
}

/* Closes the segment with a frame of its own and goes on to the next one. */
static void
segment_roll(struct log *log, uint64_t now_ns)
{
	struct log_frame *frame = frame_push(log);
	struct log_frame_control control = {
	    .segment_no = log->segment->header.no + 1,
	    .frames = log->chain.frames + 1,
	};
	frame->header.header_bytes = log_frame_header_bytes(LOG_FRAME_CONTROL_BYTES);
	log_frame_control_encode(frame->bytes + frame->header.header_bytes, &control);
	frame->used = LOG_FRAME_CONTROL_BYTES;
	frame_seal(log, frame, now_ns, LOG_FRAME_SEAL);
	chain_enter_segment(&log->chain);
	log->segment = spares_take(&log->spares);
	froe_assert(log->segment != NULL && log->segment->header.no == log->chain.segment_no);
	log->offset = SEG_HEADER_BYTES;
	failpoint_pass(FAILPOINT_rollover_sealed);
	if (log->wake != NULL)
		log->wake(log->wake_context);
}

bool
log_check(const struct log *log)
{
	enum log_frame_state before = LOG_FRAME_DONE;
	unsigned inflight = 0, large = 0;
	for (unsigned i = 0; i < log->count; i++) {
		const struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		bool building = frame->state == LOG_FRAME_BUILDING;
		bool started = frame->state == LOG_FRAME_WRITING || frame->state == LOG_FRAME_DONE;
		bool was_started = before == LOG_FRAME_WRITING || before == LOG_FRAME_DONE;
		if (!building && frame->header.seq != log->durable_seq + 1 + i)
			return false; /* 1 */
		if (frame->state == LOG_FRAME_FREE || (building && i + 1 != log->count) ||
		    building != (frame == log->building) ||
		    (started && !was_started))
			return false; /* 2 */
		before = frame->state;
		inflight += started;
		large += frame->bytes != frame->memory;
	}
	return inflight == log->inflight && inflight <= log->options.inflight_max && /* 3 */
	    large <= 1; /* 4 */
}

/* -------------------------------------------------------------------------------------- writing */

/* Does a step of so many bytes need the next segment? The frame being built ends before it. */
static bool
step_rolls(const struct log *log, size_t bytes)
{
	const struct log_frame *frame = log->building;
	uint64_t offset = log->offset;
	if (frame != NULL)
		offset +=
		    log_frame_blocks(frame->header.header_bytes, frame->used) * LOG_BLOCK_BYTES;
	return !segment_fits(log, offset, bytes);
}

/* Exact: the slots, buffers and segment that log_append() is going to take. */
bool
log_has_place(const struct log *log, size_t bytes)
{
	const struct log_frame *frame = log->building;
	if (log->state != LOG_RUNNING)
		return false;
	if (bytes > log->step_bytes_max)
		bytes = log->step_bytes_max; /* no step is larger */
	if (frame != NULL && frame->capacity - frame->used >= bytes)
		return true;
	if (bytes > log->step_bytes && large_in_use(log))
		return false;
	bool rolls = step_rolls(log, bytes);
	if (log->count + (rolls ? 2 : 1) > LOG_FRAMES)
		return false;
	return !rolls || spares_ready(&log->spares) > 0;
}

bool
log_has_room(const struct log *log, size_t bytes)
{
	return log_space(log) != LOG_SPACE_READ_ONLY && log_has_place(log, bytes);
}

uint8_t *
log_tail(struct log *log, size_t *ret_room)
{
	struct log_frame *frame = log->building;
	if (frame == NULL)
		return NULL;
	*ret_room = frame->capacity - frame->used;
	return frame->bytes + frame->header.header_bytes + frame->used;
}

/* All of a step: `span` is what its entries take. */
static void
frame_append(struct log *log, struct log_frame *frame, const struct log_entry *entries,
    size_t count, size_t span, struct log_place *places)
{
	uint64_t event_seq = log->chain.event_next + frame->records;
	size_t begin = frame->header.header_bytes + frame->used;
	uint8_t *at = frame->bytes + begin;
	uint64_t lsn = frame->segment->header.no << 32 | (frame->offset + begin);
	froe_assert(span <= frame->capacity - frame->used);
	for (size_t i = 0; i < count; i++) {
		const struct log_entry *entry = &entries[i];
		size_t entry_span = rec_entry_span(entry);
		uint64_t seq = event_seq + i;
		if (plant(EVENT_SKIPPED) && (log->stats.records + i) % 64 == 63)
			seq++;
		rec_encode(at, entry, seq);
		if (places != NULL)
			places[i] = (struct log_place){.lsn.v = lsn,
			    .event_seq = seq,
			    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)entry->body.size};
		at += entry_span;
		lsn += entry_span;
	}
	frame->used += span;
	frame->records += (uint32_t)count;
	log->stats.records += count;
	log->stats.bytes_records += span;
}

/* The frame that takes a step of so many bytes. */
static struct log_frame *
frame_for(struct log *log, uint64_t now_ns, size_t span)
{
	struct log_frame *frame = log->building;
	if (frame != NULL && frame->capacity - frame->used >= span)
		return frame;
	if (frame != NULL)
		frame_seal(log, frame, now_ns, 0);
	if (!segment_fits(log, log->offset, span))
		segment_roll(log, now_ns);
	return frame_begin(log, span);
}

void
log_append(struct log *log, uint64_t now_ns, const struct log_entry *entries, size_t count,
    struct log_place *places)
{
	size_t span = 0;
	froe_assert(log->state == LOG_RUNNING);
	froe_assert(count > 0);
	for (size_t i = 0; i < count; i++) {
		span += rec_entry_span(&entries[i]);
		if ((entries[i].flags & LOG_RECORD_REOPENS) != 0)
			log_note_reopened(log, entries[i].run_key);
	}
	froe_assert(span <= log->step_bytes_max); /* no reader takes it */
	struct log_frame *frame = frame_for(log, now_ns, span);
	frame->header.time_ns = now_ns;
	frame_append(log, frame, entries, count, span, places);
	failpoint_pass(FAILPOINT_commit_appended);
}

static void
frame_write(struct log *log, struct log_frame *frame)
{
	io_write(log->io, &frame->op, frame->segment->file, frame->bytes + frame->written,
	    frame->size - frame->written, frame->offset + frame->written);
}

/* The oldest sealed frame. */
static struct log_frame *
frame_waiting(struct log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		if (frame->state == LOG_FRAME_SEALED)
			return frame;
	}
	return NULL;
}

/* The clean stop's frame, as soon as there is a slot for it. A stop that wrote nothing since the
 * last one, in a segment without another block to spare, needs none. */
static void
stop_mark(struct log *log)
{
	if (log->count == LOG_FRAMES)
		return;
	log->stop_waits = false;
	if (log->offset + RESERVED_BYTES <= log->segment->header.bytes)
		frame_mark(log, log->stop_ns, LOG_FRAME_CLEAN_STOP);
}

/* Does the frame being built go on taking records? `at_hand`: so many bytes of requests are. */
static bool
frame_gathers(const struct log *log, const struct log_frame *frame, size_t at_hand)
{
	if (at_hand == 0)
		return false;
	return log->inflight > 0 || (at_hand >= LOG_GATHER_BYTES && frame->used < LOG_GATHER_BYTES);
}

static void
frames_start(struct log *log, size_t at_hand)
{
	if (!log_is_live(log))
		return;
	froe_assert_slow(log_check(log));
	if (log->stop_waits)
		stop_mark(log);
	while (log->inflight < log->options.inflight_max) {
		struct log_frame *frame = frame_waiting(log);
		if (frame == NULL) {
			frame = log->building;
			if (frame == NULL || frame->records == 0)
				return;
			if (frame_gathers(log, frame, at_hand))
				return;
			frame_seal(log, frame, frame->header.time_ns, 0);
		}
		sm_move(frame_table, &frame->state, LOG_FRAME_WRITING);
		frame->began_ns = io_mono_ns(log->env);
		log->inflight++;
		frame_write(log, frame);
		failpoint_pass(FAILPOINT_commit_submitted);
	}
}

void
log_flush(struct log *log)
{
	frames_start(log, 0);
}

void
log_flush_gathering(struct log *log, size_t at_hand)
{
	frames_start(log, at_hand);
}

static void
frame_release(struct log *log, struct log_frame *frame)
{
	/* A seal is the last of its segment to become durable. */
	if ((frame->header.flags & LOG_FRAME_SEAL) != 0) {
		segment_close(log->env, frame->segment);
		atomic_store_explicit(&log->sealed_no, frame->header.segment_no,
		    memory_order_release);
		failpoint_pass(FAILPOINT_rollover_seal_durable);
		if (log->wake != NULL)
			log->wake(log->wake_context);
	}
	sm_move(frame_table, &frame->state, LOG_FRAME_FREE);
	log->inflight--;
	log->head = (log->head + 1) % LOG_FRAMES;
	log->count--;
}

/* Frames at the head that are written are durable, in order. Of the last one no successor tells:
 * it counts as durable only once the watermark says so, so that a clean stop leaves evidence of all
 * it acknowledged. */
static void
frames_advance(struct log *log)
{
	while (log->count > 0 && log->frames[log->head].state == LOG_FRAME_DONE) {
		struct log_frame *frame = &log->frames[log->head];
		struct lsn end = {
		    frame->header.segment_no << 32 | (frame->offset + frame->size)};
		froe_assert(frame->header.seq == log->durable_seq + 1);
		if ((frame->header.flags & LOG_FRAME_CLEAN_STOP) != 0 &&
		    log->watermark_seq < frame->header.seq) {
			if (!io_op_active(&log->watermark_op))
				watermark_start(log, frame->header.seq, end);
			return;
		}
		log->durable_seq = frame->header.seq;
		log->durable_lsn = end;
		failpoint_pass(FAILPOINT_commit_durable);
		frame_release(log, frame);
	}
}

static void
frame_fail(struct log *log, const struct log_frame *frame, enum froe_err err)
{
	struct froe_fault fault;
	char name[SEG_NAME_SIZE];
	seg_name(frame->header.segment_no, name);
	fault_set(&fault, err, "writing frame %" PRIu64 " at byte %" PRIu64 " of log/%s: %s",
	    frame->header.seq, frame->offset, name, froe_err_text(err));
	log_fail(log, &fault);
}

/* Goes on from a block's beginning, or starts again what stored nothing for a passing reason. */
static void
frame_done(struct io_op *op, int32_t result)
{
	struct log_frame *frame = container_of(op, struct log_frame, op);
	struct log *log = frame->log;
	if (log->state == LOG_FAILED)
		return;
	size_t stored = frame->written + (result > 0 ? (size_t)result : 0);
	froe_assert(stored <= frame->size);
	if (stored == frame->size || (plant(SHORT_WRITE) && stored > 0)) {
		histogram_add(&log->stats.commit, io_mono_ns(log->env) - frame->began_ns);
		sm_move(frame_table, &frame->state, LOG_FRAME_DONE);
		failpoint_pass(FAILPOINT_commit_stored);
		frames_advance(log);
		return;
	}
	size_t whole = stored / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	bool passing = result > 0 || result == -(int32_t)FROE_IN_USE; /* EAGAIN */
	if (whole == frame->written && (!passing || ++frame->tries >= WRITE_TRIES)) {
		frame_fail(log, frame, result < 0 ? (enum froe_err)-result : FROE_IO);
		return;
	}
	frame->written = whole;
	frame_write(log, frame);
}

/* ------------------------------------------------------------------------------------ watermark */

static void
watermark_write(struct log *log)
{
	io_write(log->io, &log->watermark_op, log->watermark.file, log->watermark_block,
	    LOG_BLOCK_BYTES, log->watermark_offset);
}

static void
watermark_start(struct log *log, uint64_t seq, struct lsn lsn)
{
	struct slots_value value = {
	    .epoch = log->epoch,
	    .watermark = {.durable_seq = seq, .durable_lsn = lsn.v},
	};
	log->watermark_offset = slots_next(&log->watermark, &value, log->watermark_block);
	log->watermark_next = seq;
	log->watermark_tries = 0;
	log->watermark_ns = io_mono_ns(log->env);
	watermark_write(log);
	failpoint_pass(FAILPOINT_commit_watermark);
}

/* A part of a slot says nothing: it is written again from its beginning. */
static void
watermark_done(struct io_op *op, int32_t result)
{
	struct log *log = container_of(op, struct log, watermark_op);
	if (log->state == LOG_FAILED)
		return;
	if (result == (int32_t)LOG_BLOCK_BYTES) {
		log->watermark_seq = log->watermark_next;
		failpoint_pass(FAILPOINT_commit_watermarked);
		frames_advance(log);
		return;
	}
	bool passing = result > 0 || result == -(int32_t)FROE_IN_USE; /* EAGAIN */
	if (passing && ++log->watermark_tries < WRITE_TRIES) {
		watermark_write(log);
		return;
	}
	enum froe_err err = result < 0 ? (enum froe_err)-result : FROE_IO;
	struct froe_fault fault;
	fault_set(&fault, err, "writing WATERMARK: %s", froe_err_text(err));
	log_fail(log, &fault);
}

void
log_tick(struct log *log, uint64_t mono_ns)
{
	log_read_turn(log);
	if (log_deadline_ns(log) <= mono_ns)
		watermark_start(log, plant(WATERMARK_AHEAD) ? log->chain.seq : log->durable_seq,
		    log->durable_lsn);
}

uint64_t
log_deadline_ns(const struct log *log)
{
	bool behind = log->durable_seq > log->watermark_seq;
	if (!behind || !log_is_live(log) || io_op_active(&log->watermark_op))
		return UINT64_MAX;
	return log->watermark_ns + WATERMARK_NS;
}

/* -------------------------------------------------------------------------------- start and stop
 */

/* The epoch's first frame is written at once: it finds out whether the segment can be written. On
 * a full disk there may be no place for it; then the next frame is the epoch's first. */
void
log_start(struct log *log, struct io *io)
{
	struct froe_fault fault;
	/* Release: pairs with the acquire in log_spares_step(). */
	atomic_store_explicit(&log->wake_io, io, memory_order_release);
	log->io = io;
	if (log->options.read_only)
		return;
	FROE_DROP(io_register_buffers(io, log->memory, log->memory_bytes, &fault),
	    "without registered buffers the same writes cost a little more");
	sm_move(log_table, &log->state, LOG_RUNNING);
	if (!segment_fits(log, log->offset, 0)) {
		if (spares_ready(&log->spares) == 0)
			return;
		segment_roll(log, log->chain.time_ns);
	}
	frame_mark(log, log->chain.time_ns, 0);
	log_flush(log);
	failpoint_pass(FAILPOINT_recovery_epoch_submitted);
}

void
log_stop(struct log *log, uint64_t now_ns)
{
	struct log_frame *frame = log->building;
	if (log->state != LOG_RUNNING)
		return;
	if (frame != NULL)
		frame_seal(log, frame, now_ns, 0);
	log->stop_waits = true;
	log->stop_ns = now_ns;
	sm_move(log_table, &log->state, LOG_STOPPED);
	log_flush(log);
	failpoint_pass(FAILPOINT_stop_marked);
}

/* ------------------------------------------------------------------------------------ questions */

uint64_t
log_tail_seq(const struct log *log)
{
	return log->chain.seq + (log->building != NULL || log->stop_waits ? 1 : 0);
}

uint64_t
log_durable_seq(const struct log *log)
{
	if (plant(ACK_EARLY))
		return log->chain.seq;
	if (plant(DURABLE_OUT_OF_ORDER) && log->count > 1 &&
	    log->frames[(log->head + 1) % LOG_FRAMES].state == LOG_FRAME_DONE)
		return log->durable_seq + 2;
	return log->durable_seq;
}

struct lsn
log_durable_lsn(const struct log *log)
{
	return log->durable_lsn;
}

bool
log_failed(const struct log *log, struct froe_fault *ret_fault)
{
	if (log->state != LOG_FAILED)
		return spares_broken(&log->spares, ret_fault);
	if (ret_fault != NULL)
		*ret_fault = log->fault;
	return true;
}

/* There is no next segment, and no space for one. */
static enum log_space
space_left(const struct log *log)
{
	uint64_t size = log->segment->header.bytes, left = size - log->offset;
	uint64_t reserve = size / 16 < READ_ONLY_BYTES ? size / 16 : READ_ONLY_BYTES;
	if (left < reserve)
		return LOG_SPACE_READ_ONLY;
	/* In small segments the largest step needs more than a quarter: what cannot be written
	 * down is not to be begun. */
	uint64_t largest = seg_frame_bytes(log->step_bytes_max) + LOG_BLOCK_BYTES;
	return left < size / 4 || left < largest ? LOG_SPACE_HARD : LOG_SPACE_SOFT;
}

/* A log that is open for reading has no spares, and so is never stuck. */
enum log_space
log_space(const struct log *log)
{
	if (spares_stuck(&log->spares) && spares_ready(&log->spares) == 0)
		return space_left(log);
	return spares_scarce(&log->spares) ? LOG_SPACE_SOFT : LOG_SPACE_OK;
}

bool
log_short_of_space(const struct log *log)
{
	return spares_stuck(&log->spares) || spares_scarce(&log->spares);
}

size_t
log_step_bytes_max(const struct log *log)
{
	return log->step_bytes_max;
}

uint64_t
log_payload_bytes_max(const struct log *log)
{
	uint64_t quarter = log->store.segment_bytes / 4;
	return quarter < FROE_PAYLOAD_BYTES_MAX ? quarter : FROE_PAYLOAD_BYTES_MAX;
}

uint64_t
log_write_age_ns(const struct log *log, uint64_t mono_ns)
{
	uint64_t oldest_ns = mono_ns;
	if (io_op_active(&log->watermark_op) && log->watermark_ns < oldest_ns)
		oldest_ns = log->watermark_ns;
	for (unsigned i = 0; i < log->count; i++) {
		const struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		if (frame->state == LOG_FRAME_WRITING && frame->began_ns < oldest_ns)
			oldest_ns = frame->began_ns;
	}
	return mono_ns - oldest_ns;
}

uint64_t
log_spares_rest_ns(const struct log *log, uint64_t took_ns)
{
	return spares_rest_ns(&log->spares, took_ns);
}

bool
log_spares_step(struct log *log)
{
	unsigned ready = spares_ready(&log->spares);
	bool stuck = spares_stuck(&log->spares);
	bool more = spares_step(&log->spares);
	/* The owner may be asleep, waiting for just this. */
	struct io *io = atomic_load_explicit(&log->wake_io, memory_order_acquire);
	bool news = spares_ready(&log->spares) > ready || spares_stuck(&log->spares) != stuck ||
	    spares_broken(&log->spares, NULL);
	if (io != NULL && news)
		io_wake(io);
	return more;
}

void
log_set_spares_wake(struct log *log, void (*wake)(void *context), void *context)
{
	log->wake = wake;
	log->wake_context = context;
}

void
log_stats(const struct log *log, struct log_stats *ret_stats)
{
	*ret_stats = log->stats;
	ret_stats->inflight = log->inflight;
}

const struct log_frame *
log_frame_holding(const struct log *log, struct log_place place)
{
	uint64_t no = place.lsn.v >> 32, offset = place.lsn.v & UINT32_MAX;
	for (unsigned i = 0; i < log->count; i++) {
		const struct log_frame *frame = &log->frames[(log->head + i) % LOG_FRAMES];
		size_t end = frame->header.header_bytes + frame->used;
		if (frame->header.segment_no == no && offset >= frame->offset &&
		    offset < frame->offset + end)
			return frame;
	}
	return NULL;
}
