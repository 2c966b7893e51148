/*
 * Happy path: list the segments; for each, verify its header and frame after frame; replay the
 * records; a seal leads to the next segment; zeros are the end.
 *
 * At the first frame that does not verify (X): look at everything behind it for frames whose
 * headers verify (their durable_seq is evidence, their numbers tell what was in flight), then ask
 * the decision table. A refusal names the place and the runs.
 */
#include "log/recovery_int.h"

#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/record_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RECOVERY_RUNS_MAX 16u
#define RECOVERY_HEADER_BYTES_MAX 20480u /* of the largest frame, in whole blocks */

_Static_assert(sizeof(((struct log_report *)0)->bad_runs) / sizeof(uint64_t) == RECOVERY_RUNS_MAX,
    "the report takes as many runs as recovery remembers");

void
recovery_init(struct recovery *recovery, struct io_env *env, const struct paths *paths,
    struct uuid store, const struct recovery_options *options, struct log_report *report)
{
	*recovery = (struct recovery){
	    .env = env,
	    .paths = paths,
	    .options = *options,
	    .report = report,
	    .evidence = plant(WATERMARK_UNCHECKED) ? 0 : options->watermark_seq,
	};
	reader_init(&recovery->reader, env, paths, store);
	if (options->base.number == 0) {
		chain_init(&recovery->chain, options->segment_oldest);
		return;
	}
	chain_at_base(&recovery->chain, &options->base);
	if (recovery->evidence < options->base.frame_seq)
		recovery->evidence = options->base.frame_seq;
}

void
recovery_release(struct recovery *recovery)
{
	reader_release(&recovery->reader);
	mem_free(recovery->segments);
	recovery->segments = NULL;
}

/* ----------------------------------------------------------------------------------- segments */

static bool
recovery_each_name(void *context, const char *name)
{
	struct recovery *recovery = context;
	uint64_t no;

	if (!seg_name_parse(name, &no) || no < recovery->options.segment_oldest)
		return true; /* an older one was retired, and is unlinked when the log is opened */
	if (recovery->segment_count == recovery->segment_capacity) {
		size_t capacity = recovery->segment_capacity * 2 + 16;
		recovery->segments = mem_resize(recovery->segments, capacity * sizeof(uint64_t));
		recovery->segment_capacity = capacity;
	}
	recovery->segments[recovery->segment_count++] = no;
	return true;
}

static int
recovery_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static enum froe_err
recovery_missing(struct recovery *recovery, uint64_t no, struct froe_fault *fault)
{
	char name[SEG_NAME_SIZE];
	seg_name(no, name);
	recovery->report->bad = (struct lsn){no << 32};
	recovery->report->bad_frame_seq = recovery->chain.seq + 1;
	return fault_set(fault, FROE_CORRUPT,
	    "log/%s is missing: restore it, or the data directory from a backup", name);
}

/* STORE and segments get their names by a rename and a sync of the directory. A process that was
 * killed in between left names that the kernel knows and the disk may not. */
static enum froe_err
recovery_sync_names(const struct recovery *recovery, struct froe_fault *fault)
{
	if (recovery->options.read_only)
		return FROE_OK;
	enum froe_err err = io_path_sync_dir(recovery->env, recovery->paths->dir, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(recovery->env, recovery->paths->log, fault);
	return err;
}

/* S5, as far as names tell. */
static enum froe_err
recovery_list(struct recovery *recovery, struct froe_fault *fault)
{
	uint64_t expected = recovery->options.segment_oldest;

	recovery->segment_count = 0;
	enum froe_err err =
	    io_path_list(recovery->env, recovery->paths->log, recovery_each_name, recovery, fault);
	if (err != FROE_OK)
		return err;
	if (recovery->segment_count > 1)
		qsort(recovery->segments, recovery->segment_count, sizeof(uint64_t),
		    recovery_compare);
	for (size_t i = 0; i < recovery->segment_count; i++, expected++) {
		if (recovery->segments[i] != expected)
			return recovery_missing(recovery, expected, fault);
	}
	if (recovery->segment_count == 0)
		return recovery_missing(recovery, expected, fault);
	return FROE_OK;
}

static enum froe_err
recovery_open_segment(struct recovery *recovery, size_t index, struct froe_fault *fault)
{
	uint64_t no = recovery->segments[index];
	bool sync = !recovery->options.read_only && no >= recovery->options.watermark_segment;

	enum froe_err err = reader_open(&recovery->reader, no, sync, fault);
	if (err == FROE_OK && recovery->reader.header.bytes != recovery->options.segment_bytes)
		err = fault_set(fault, FROE_CORRUPT,
		    "log/%s has segments of another size than STORE says: restore the data "
		    "directory",
		    recovery->reader.name);
	if (err == FROE_CORRUPT)
		recovery->report->bad = (struct lsn){no << 32};
	return err;
}

/* ------------------------------------------------------------------------------------- replay */

static void
runs_add(uint64_t *runs, unsigned *count, uint64_t run)
{
	if (run == 0 || *count == RECOVERY_RUNS_MAX)
		return;
	for (unsigned i = 0; i < *count; i++) {
		if (runs[i] == run)
			return;
	}
	runs[(*count)++] = run;
}

static enum froe_err
recovery_replay_record(struct recovery *recovery, struct log_record *record,
    struct froe_fault *fault)
{
	runs_add(recovery->last_runs, &recovery->last_run_count, record->run_key);
	recovery->report->records++;
	if (record->lsn.v < recovery->options.from.v || recovery->options.replay == NULL)
		return FROE_OK;
	return recovery->options.replay(recovery->options.context, record, fault);
}

/* F7. *ret_whole is false when the records do not fill the data: the writer was wrong. */
static enum froe_err
recovery_replay_frame(struct recovery *recovery, const struct log_frame_header *header,
    const uint8_t *frame, bool *ret_whole, struct froe_fault *fault)
{
	uint64_t offset = (uint64_t)header->block_index * LOG_BLOCK_BYTES;
	size_t at = header->header_bytes + log_frame_control_bytes(header->flags);
	size_t end = (size_t)header->header_bytes + header->data_bytes;
	struct log_record record;
	size_t span = 0;

	*ret_whole = false;
	recovery->last_run_count = 0;
	for (uint32_t i = 0; i < header->records; i++, at += span) {
		size_t left = at <= end ? end - at : 0;
		if (rec_decode(frame + at, left, header->event_first + i, &record, &span) !=
		    REC_GOOD)
			return FROE_OK;
		record.lsn = (struct lsn){header->segment_no << 32 | (offset + at)};
		record.frame_seq = header->seq;
		record.epoch = header->epoch;
		enum froe_err err = recovery_replay_record(recovery, &record, fault);
		if (err != FROE_OK)
			return err;
	}
	*ret_whole = at == end;
	return FROE_OK;
}

/* ---------------------------------------------------------------------------------- one place */

static struct log_frame_site
recovery_site(const struct recovery *recovery, uint64_t offset)
{
	const struct seg_header *header = &recovery->reader.header;
	return (struct log_frame_site){
	    .segment_no = header->no,
	    .seed = header->seed,
	    .offset = offset,
	    .available = header->bytes - offset,
	};
}

/* Loads as much as the first block says the frame is long. */
static enum froe_err
recovery_load(struct recovery *recovery, const struct log_frame_site *site,
    const uint8_t **ret_frame, size_t *ret_have, struct froe_fault *fault)
{
	enum froe_err err =
	    reader_load(&recovery->reader, site->offset, LOG_BLOCK_BYTES, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	*ret_have = log_frame_extent(*ret_frame, site);
	return reader_load(&recovery->reader, site->offset, *ret_have, ret_frame, fault);
}

static enum tail_state
tail_state_of(enum log_frame_verdict verdict)
{
	switch (verdict) {
	case LOG_FRAME_ZERO:
		return TAIL_ZERO;
	case LOG_FRAME_HEADER_TORN:
		return TAIL_TORN_HEADER;
	case LOG_FRAME_BODY_TORN:
		return TAIL_TORN;
	case LOG_FRAME_HEADER_BAD:
	case LOG_FRAME_BODY_BAD:
		return TAIL_ROT;
	case LOG_FRAME_FOREIGN:
		return TAIL_STALE;
	case LOG_FRAME_GOOD:
	case LOG_FRAME_INCOMPATIBLE:
		break;
	}
	froe_never("a good frame is no tail");
}

/* Where reading stopped, for the decision and for its message. */
struct stop {
	enum tail_state state;
	uint64_t offset;
	uint32_t block;
};

enum recovery_move {
	RECOVERY_NEXT_FRAME,
	RECOVERY_NEXT_SEGMENT,
	RECOVERY_STOP, /* a frame does not verify */
	RECOVERY_END,  /* and that is where the log ends */
};

static enum froe_err
recovery_accept(struct recovery *recovery, const struct log_frame_header *header,
    const uint8_t *frame, struct stop *stop, enum recovery_move *ret_move,
    struct froe_fault *fault)
{
	bool whole;

	enum froe_err err = recovery_replay_frame(recovery, header, frame, &whole, fault);
	if (err != FROE_OK)
		return err;
	if (!whole) {
		stop->state = TAIL_BROKEN;
		*ret_move = RECOVERY_STOP;
		return FROE_OK;
	}
	if (recovery->options.frame != NULL)
		err = recovery->options.frame(recovery->options.context, &recovery->reader.header,
		    header, frame, fault);
	if (err != FROE_OK)
		return err;
	chain_advance(&recovery->chain, header);
	if (header->durable_seq > recovery->evidence)
		recovery->evidence = header->durable_seq;
	recovery->report->frames++;
	recovery->report->bytes += (uint64_t)header->blocks * LOG_BLOCK_BYTES;
	stop->offset += (uint64_t)header->blocks * LOG_BLOCK_BYTES;
	*ret_move = recovery->chain.sealed ? RECOVERY_NEXT_SEGMENT : RECOVERY_NEXT_FRAME;
	return FROE_OK;
}

/* Judges the frame at stop->offset; takes it, or says why not. */
static enum froe_err
recovery_step(struct recovery *recovery, struct stop *stop, enum recovery_move *ret_move,
    struct froe_fault *fault)
{
	struct log_frame_site site = recovery_site(recovery, stop->offset);
	struct log_frame_header header = {0};
	const uint8_t *frame;
	size_t have;

	enum froe_err err = recovery_load(recovery, &site, &frame, &have, fault);
	if (err != FROE_OK)
		return err;
	enum log_frame_verdict verdict =
	    log_frame_judge(frame, have, &site, &header, &stop->block);
	*ret_move = RECOVERY_STOP;
	if (verdict == LOG_FRAME_INCOMPATIBLE)
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "log/%s: frame %" PRIu64 " at byte %" PRIu64
		    " uses features that this froe does "
		    "not know: use a newer one",
		    recovery->reader.name, header.seq, stop->offset);
	if (verdict != LOG_FRAME_GOOD && header.durable_seq > recovery->evidence)
		recovery->evidence =
		    header.durable_seq; /* a good header's is true wherever it lies */
	if (verdict != LOG_FRAME_GOOD) {
		stop->state = tail_state_of(verdict);
		return FROE_OK;
	}
	enum chain_verdict link =
	    chain_check(&recovery->chain, &header, frame, recovery->reader.header.bytes);
	if (link != CHAIN_NEXT) {
		stop->state = link == CHAIN_STALE ? TAIL_STALE : TAIL_BROKEN;
		return FROE_OK;
	}
	return recovery_accept(recovery, &header, frame, stop, ret_move, fault);
}

/* -------------------------------------------------------------------------------- behind X */

struct later {
	uint64_t seq_max;
	bool written;   /* something is not zero */
	uint64_t bytes; /* from X, or a segment's first frame, to the last block that is not zero */
	uint64_t runs[RECOVERY_RUNS_MAX]; /* of the first later frame */
	unsigned run_count;
	uint64_t segment_end; /* behind the last such block of the segment being looked at */
};

/* The runs of whatever records verify, reading from data_at on with event numbers from event_no. */
static void
runs_collect(const uint8_t *frame, size_t have, size_t data_at, uint64_t event_no, uint64_t *runs,
    unsigned *count)
{
	struct log_record record;
	size_t span = 0;

	for (size_t at = data_at; at < have; at += span, event_no++) {
		enum rec_verdict verdict =
		    rec_decode(frame + at, have - at, event_no, &record, &span);
		if (verdict == REC_BAD_SIZE)
			return;
		if (verdict == REC_GOOD)
			runs_add(runs, count, record.run_key);
	}
}

static enum froe_err
later_add_frame(struct recovery *recovery, struct later *later,
    const struct log_frame_header *header, uint64_t offset, struct froe_fault *fault)
{
	const uint8_t *frame;

	if (header->durable_seq > recovery->evidence)
		recovery->evidence = header->durable_seq;
	if (header->seq > later->seq_max)
		later->seq_max = header->seq;
	if (later->run_count > 0)
		return FROE_OK;
	size_t have = (size_t)header->blocks * LOG_BLOCK_BYTES;
	enum froe_err err = reader_load(&recovery->reader, offset, have, &frame, fault);
	if (err == FROE_OK)
		runs_collect(frame, have,
		    header->header_bytes + log_frame_control_bytes(header->flags),
		    header->event_first, later->runs, &later->run_count);
	return err;
}

/* Looks at one block as the possible beginning of a frame. */
static enum froe_err
later_look(struct recovery *recovery, struct later *later, uint64_t offset,
    struct froe_fault *fault)
{
	struct log_frame_site site = recovery_site(recovery, offset);
	struct log_frame_header header;
	const uint8_t *frame;

	enum froe_err err =
	    reader_load(&recovery->reader, offset, LOG_BLOCK_BYTES, &frame, fault);
	if (err != FROE_OK || bytes_zero(frame, LOG_BLOCK_BYTES))
		return err;
	later->written = true;
	later->segment_end = offset + LOG_BLOCK_BYTES;
	size_t have = log_frame_extent(frame, &site);
	if (have > RECOVERY_HEADER_BYTES_MAX)
		have = RECOVERY_HEADER_BYTES_MAX;
	err = reader_load(&recovery->reader, offset, have, &frame, fault);
	if (err != FROE_OK || !log_frame_peek(frame, have, &site, &header))
		return err;
	return later_add_frame(recovery, later, &header, offset, fault);
}

/* Of the segment that is open, from `base` on: looks at `offset` and behind. */
static enum froe_err
later_scan_segment(struct recovery *recovery, struct later *later, uint64_t base, uint64_t offset,
    uint64_t end, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	later->segment_end = offset;
	for (; offset < end && err == FROE_OK; offset += LOG_BLOCK_BYTES)
		err = later_look(recovery, later, offset, fault);
	later->bytes += later->segment_end - base;
	return err;
}

/* Everything behind X: its own block was judged, so the rest of its segment; and of later segments
 * as much as can have been in flight. */
static enum froe_err
later_scan(struct recovery *recovery, const struct stop *stop, struct later *later,
    struct froe_fault *fault)
{
	const struct seg_header *header = &recovery->reader.header;
	uint64_t next = stop->offset + (stop->state == TAIL_ZERO ? 0 : LOG_BLOCK_BYTES);
	if (plant(LATER_OFF_BY_ONE))
		next += LOG_BLOCK_BYTES;

	enum froe_err err =
	    later_scan_segment(recovery, later, stop->offset, next, header->bytes, fault);
	for (size_t i = recovery->at + 1; i < recovery->segment_count && err == FROE_OK; i++) {
		err = recovery_open_segment(recovery, i, fault);
		if (err != FROE_OK)
			break;
		uint64_t end = SEG_HEADER_BYTES + (uint64_t)header->window;
		if (end > header->bytes)
			end = header->bytes;
		err = later_scan_segment(recovery, later, SEG_HEADER_BYTES, SEG_HEADER_BYTES, end,
		    fault);
	}
	return err;
}

/* ----------------------------------------------------------------------------------- deciding */

/* The bytes at X as far as they may be of the damaged frame: as many as its header says, or as an
 * ordinary frame may have. */
static enum froe_err
recovery_load_damage(struct recovery *recovery, const struct log_frame_site *site,
    const uint8_t **ret_frame, size_t *ret_have)
{
	size_t ordinary = seg_frame_bytes(seg_step_bytes(recovery->options.segment_bytes));

	enum froe_err err = recovery_load(recovery, site, ret_frame, ret_have, NULL);
	if (err != FROE_OK || *ret_have > LOG_BLOCK_BYTES)
		return err;
	*ret_have = ordinary < site->available ? ordinary : (size_t)site->available;
	return reader_load(&recovery->reader, site->offset, *ret_have, ret_frame, NULL);
}

static void
runs_of_damage(struct recovery *recovery, const struct stop *stop, const struct later *later)
{
	struct log_report *report = recovery->report;
	struct log_frame_site site = recovery_site(recovery, stop->offset);
	size_t step_bytes = seg_step_bytes(recovery->options.segment_bytes);
	size_t ordinary = log_frame_header_bytes(step_bytes + LOG_FRAME_CONTROL_BYTES);
	const uint8_t *frame;
	size_t have;

	report->bad_run_count = 0;
	if (recovery_load_damage(recovery, &site, &frame, &have) == FROE_OK) {
		size_t data_at = log_frame_data_guess(frame, &site, ordinary);
		if (stop->offset == SEG_HEADER_BYTES)
			data_at += LOG_FRAME_CONTROL_BYTES;
		runs_collect(frame, have, data_at, recovery->chain.event_next, report->bad_runs,
		    &report->bad_run_count);
	}
	if (report->bad_run_count > 0)
		return;
	for (unsigned i = 0; i < recovery->last_run_count; i++)
		runs_add(report->bad_runs, &report->bad_run_count, recovery->last_runs[i]);
	for (unsigned i = 0; i < later->run_count; i++)
		runs_add(report->bad_runs, &report->bad_run_count, later->runs[i]);
}

static void
runs_print(const struct log_report *report, char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "none known");
	for (unsigned i = 0; i < report->bad_run_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64, i > 0 ? ", " : "",
		    report->bad_runs[i]);
}

static enum froe_err
recovery_refuse(struct recovery *recovery, const struct stop *stop, const struct later *later,
    struct froe_fault *fault)
{
	struct log_report *report = recovery->report;
	const struct decision *decision = recovery->decision;
	bool may_accept = decision->action == DECISION_REFUSE_UNLESS_ACCEPTED;
	char name[SEG_NAME_SIZE];
	char runs[128];

	/* The look behind X has moved the reader; a fault here would hide the one that matters. */
	enum froe_err err = recovery_open_segment(recovery, recovery->at, NULL);
	seg_name(recovery->segments[recovery->at], name);
	if (err == FROE_OK)
		runs_of_damage(recovery, stop, later);
	report->bad = (struct lsn){recovery->segments[recovery->at] << 32 | stop->offset};
	report->bad_frame_seq = recovery->chain.seq + 1;
	runs_print(report, runs, sizeof(runs));
	return fault_set(fault, FROE_CORRUPT,
	    "log/%s: frame %" PRIu64 " at byte %" PRIu64 ", block %u of it: %s (%s; durable up to "
	    "frame %" PRIu64 "); runs: %s; restore the data directory from a backup%s", name,
	    report->bad_frame_seq, stop->offset, stop->block, decision->meaning, decision->row,
	    recovery->evidence, runs, may_accept ? ", or accept the loss of the tail" : "");
}

static void
recovery_report_end(struct recovery *recovery, const struct stop *stop)
{
	struct log_report *report = recovery->report;

	recovery->end = stop->offset;
	report->last_frame_seq = recovery->chain.seq;
	report->last_time_ns = recovery->chain.time_ns;
	report->clean = recovery->chain.clean;
	report->epoch = recovery->chain.epoch;
	report->segments = recovery->segment_count;
	report->end = (struct lsn){recovery->segments[recovery->at] << 32 | stop->offset};
}

static enum froe_err
recovery_decide(struct recovery *recovery, const struct stop *stop, struct froe_fault *fault)
{
	struct later later = {0};

	recovery_report_end(recovery, stop);
	enum froe_err err = later_scan(recovery, stop, &later, fault);
	if (err != FROE_OK)
		return err;
	struct situation situation = {
	    .expected = recovery->chain.seq + 1,
	    .evidence = recovery->evidence,
	    .later_max = later.seq_max,
	    .written_after = later.written,
	    .state = stop->state,
	};
	recovery->decision = decision_find(&situation);
	switch (recovery->decision->action) {
	case DECISION_START:
		return FROE_OK;
	case DECISION_REFUSE:
		return recovery_refuse(recovery, stop, &later, fault);
	case DECISION_REFUSE_UNLESS_ACCEPTED:
		if (!recovery->options.accept_tail_loss)
			return recovery_refuse(recovery, stop, &later, fault);
		break;
	case DECISION_CUT:
		break;
	}
	recovery->report->clean = false;
	recovery->report->cut_bytes = later.bytes;
	snprintf(recovery->report->cut_reason, sizeof(recovery->report->cut_reason), "%s: %s",
	    recovery->decision->row, recovery->decision->meaning);
	return FROE_OK;
}

/* Reads a segment from stop->offset up to its seal, or to where it stops. */
static enum froe_err
recovery_read_segment(struct recovery *recovery, struct stop *stop, enum recovery_move *ret_move,
    struct froe_fault *fault)
{
	enum froe_err err = recovery_open_segment(recovery, recovery->at, fault);

	*ret_move = RECOVERY_NEXT_FRAME;
	/* Only a seal reaches the last block (F5), so there is always a block to look at. */
	while (err == FROE_OK && *ret_move == RECOVERY_NEXT_FRAME)
		err = recovery_step(recovery, stop, ret_move, fault);
	return err;
}

/* Decides. Beside a server (read-only), what it wrote after X was read may be evidence against X;
 * but then X is on disk by now: it is read once more. */
static enum froe_err
recovery_stop(struct recovery *recovery, struct stop *stop, enum recovery_move *ret_move,
    struct froe_fault *fault)
{
	struct log_report *report = recovery->report;
	uint64_t end = stop->offset;

	*ret_move = RECOVERY_END;
	enum froe_err err = recovery_decide(recovery, stop, fault);
	if (err != FROE_CORRUPT || !recovery->options.read_only || stop->state == TAIL_BROKEN)
		return err;
	enum froe_err again = recovery_read_segment(recovery, stop, ret_move, NULL);
	if (again != FROE_OK || stop->offset == end)
		return err;
	report->bad = (struct lsn){0};
	report->bad_frame_seq = 0;
	report->bad_run_count = 0;
	return FROE_OK;
}

/* Beside a server, the next segment may have come after the list was made. */
static enum froe_err
recovery_next_segment(struct recovery *recovery, struct stop *stop, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	chain_enter_segment(&recovery->chain);
	recovery->at++;
	*stop = (struct stop){.offset = SEG_HEADER_BYTES};
	if (recovery->at == recovery->segment_count && recovery->options.read_only)
		err = recovery_list(recovery, fault);
	if (err == FROE_OK && recovery->at == recovery->segment_count)
		err = recovery_missing(recovery, recovery->chain.segment_no, fault);
	return err;
}

/* The segment that follows the base is there: it was made before the base's was sealed. */
static enum froe_err
recovery_find_first(struct recovery *recovery, struct froe_fault *fault)
{
	uint64_t first = recovery->chain.segment_no;
	uint64_t oldest = recovery->options.segment_oldest;
	recovery->at = (size_t)(first - oldest);
	if (first < oldest || recovery->at >= recovery->segment_count)
		return recovery_missing(recovery, first, fault);
	return FROE_OK;
}

enum froe_err
recovery_run(struct recovery *recovery, struct froe_fault *fault)
{
	struct stop stop = {.offset = SEG_HEADER_BYTES};
	enum recovery_move move = RECOVERY_NEXT_FRAME;

	enum froe_err err = recovery_sync_names(recovery, fault);
	if (err == FROE_OK)
		err = recovery_list(recovery, fault);
	if (err == FROE_OK)
		err = recovery_find_first(recovery, fault);
	while (err == FROE_OK && move != RECOVERY_END) {
		err = recovery_read_segment(recovery, &stop, &move, fault);
		while (err == FROE_OK && move == RECOVERY_STOP)
			err = recovery_stop(recovery, &stop, &move, fault);
		if (err == FROE_OK && move == RECOVERY_NEXT_SEGMENT)
			err = recovery_next_segment(recovery, &stop, fault);
	}
	return err;
}
