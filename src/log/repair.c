/*
 * Lock. Renew WATERMARK if no slot of it verifies. Read the log as a start would. If it is refused:
 * what lies behind the last frame that verifies is copied to quarantine/ and overwritten with zeros
 * (as a torn tail is); segments whose header is damaged, and all that follow a missing one, are
 * moved there, and one is made anew so that the log has a place to go on. WATERMARK is put back, so
 * that the rest counts as the whole. Then cold files that do not verify are moved, and a new one
 * names those that stay.
 *
 * Each step can be done again. Until WATERMARK is put back a start still refuses.
 */
#include "log/repair.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "io/file.h"
#include "log/cut_int.h"
#include "log/log_int.h"
#include "log/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct repair {
	struct io_env *env;
	struct paths paths;
	struct store store;
	struct slots manifest;
	struct slots watermark;
	struct recovery recovery;
	struct repair_report *report;
	int lock;
	bool accept;
	bool hopeless; /* what is left cannot be made to start */
};

/* -------------------------------------------------------------------------------------- opening */

static enum froe_err
repair_lock(struct repair *repair, struct froe_fault *fault)
{
	struct path path = path_join(repair->paths.dir, "LOCK");
	enum froe_err err = io_file_open(repair->env, path.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE, &repair->lock, fault);
	if (err == FROE_OK)
		err = io_file_lock(repair->env, repair->lock, /* wait= */ true, fault);
	if (err == FROE_IN_USE)
		err = fault_set(fault, err, "%s: a server is running on it: stop it first",
		    repair->paths.dir);
	return err;
}

/* Evidence is lost with it; the frames' own is left. */
static enum froe_err
repair_watermark(struct repair *repair, struct froe_fault *fault)
{
	struct slots_value value = {.watermark = {.durable_lsn = UINT64_C(1) << 32}};
	enum froe_err err = slots_open(&repair->watermark, repair->env, repair->paths.shard,
	    SLOTS_WATERMARK, repair->store.id, /* read_only= */ true, fault);
	slots_close(&repair->watermark);
	if (err == FROE_CORRUPT) {
		repair->report->watermark_damaged = true;
		repair->watermark.value = value;
		if (!repair->accept)
			return FROE_OK;
		err = slots_create(repair->env, repair->paths.shard, SLOTS_WATERMARK,
		    repair->store.id, &value, fault);
		failpoint_pass(FAILPOINT_repair_watermark);
		if (err == FROE_OK)
			err = io_path_sync_dir(repair->env, repair->paths.shard, fault);
	}
	return err;
}

static enum froe_err
repair_open(struct repair *repair, struct froe_fault *fault)
{
	enum froe_err err = store_read(repair->env, &repair->paths, &repair->store, fault);
	if (err == FROE_OK)
		err = repair_lock(repair, fault);
	if (err == FROE_OK)
		err = slots_open(&repair->manifest, repair->env, repair->paths.shard,
		    SLOTS_MANIFEST, repair->store.id, /* read_only= */ !repair->accept, fault);
	if (err == FROE_OK)
		err = repair_watermark(repair, fault);
	return err;
}

static void
repair_close(struct repair *repair)
{
	slots_close(&repair->manifest);
	if (repair->lock >= 0)
		io_file_close(repair->env, repair->lock);
}

/* -------------------------------------------------------------------------------------- the log */

/* Where a start would begin to read. */
static enum froe_err
repair_base(struct repair *repair, struct log_base *ret_base, struct froe_fault *fault)
{
	const struct slots_value *value = &repair->manifest.value;
	const uint64_t numbers[2] = {value->manifest.snapshot, value->manifest.before};
	struct froe_fault bad = {.text = "there is none"};
	for (unsigned i = 0; i < 2; i++) {
		if (numbers[i] != 0 &&
		    snapshot_read(repair->env, repair->paths.dir, repair->store.id, numbers[i],
			NULL, NULL, /* whole= */ false, ret_base, &bad) == FROE_OK)
			return FROE_OK;
	}
	*ret_base = (struct log_base){0};
	if (value->manifest.segment_oldest == 1)
		return FROE_OK;
	return fault_set(fault, FROE_CORRUPT,
	    "no snapshot verifies (%.200s), and the log's beginning was retired: nothing is left "
	    "to begin with; restore the data directory from a backup", bad.text);
}

static enum froe_err
repair_read_log(struct repair *repair, struct froe_fault *fault)
{
	struct recovery_options options = {
	    .segment_oldest = repair->manifest.value.manifest.segment_oldest,
	    .segment_bytes = repair->store.segment_bytes,
	    .watermark_seq = repair->watermark.value.watermark.durable_seq,
	    .watermark_segment = repair->watermark.value.watermark.durable_lsn >> 32,
	    .read_only = true,
	    /* The tail is given up: without a copy in quarantine/ it is not. */
	    .accept_tail_loss = false,
	};
	enum froe_err err = repair_base(repair, &options.base, fault);
	if (err != FROE_OK) {
		repair->hopeless = true;
		return err;
	}
	recovery_init(&repair->recovery, repair->env, &repair->paths, repair->store.id, &options,
	    &repair->report->log);
	return recovery_run(&repair->recovery, fault);
}

/* Moves a file of the log to quarantine/, under a name that says what it was. */
static enum froe_err
repair_move(const struct repair *repair, const char *path, const char *kind, uint64_t no,
    struct froe_fault *fault)
{
	char name[64];
	snprintf(name, sizeof(name), "%016" PRIx64 "-%s-%" PRIx64 ".lost", no, kind,
	    io_wall_ns(repair->env));
	enum froe_err err = io_path_mkdir(repair->env, repair->paths.quarantine, fault);
	if (err == FROE_OK)
		err = io_path_rename(repair->env, path,
		    path_join(repair->paths.quarantine, name).text, fault);
	failpoint_pass(FAILPOINT_repair_moved);
	if (err == FROE_OK)
		err = io_path_sync_dir(repair->env, repair->paths.quarantine, fault);
	return err;
}

struct repair_list {
	uint64_t from;
	uint64_t to;
	uint64_t *segments;
	size_t count;
};

static void
repair_list_add(struct repair_list *list, uint64_t no)
{
	list->segments = mem_resize(list->segments, (list->count + 1) * sizeof(uint64_t));
	list->segments[list->count++] = no;
}

static bool
repair_each_name(void *context, const char *name)
{
	struct repair_list *list = context;
	uint64_t no;
	if (seg_name_parse(name, &no) && no >= list->from && no <= list->to)
		repair_list_add(list, no);
	return true;
}

/* The files of a directory whose numbers are from `from` up to `to`. */
static enum froe_err
repair_list(const struct repair *repair, const char *dir, uint64_t from, uint64_t to,
    struct repair_list *list, struct froe_fault *fault)
{
	*list = (struct repair_list){.from = from, .to = to};
	enum froe_err err = io_path_list(repair->env, dir, repair_each_name, list, fault);
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}

/* A segment for the log to go on in. */
static enum froe_err
repair_make_segment(const struct repair *repair, uint64_t no, struct froe_fault *fault)
{
	struct spares spares;
	struct spares_options options = {
	    .paths = &repair->paths,
	    .store = repair->store.id,
	    .segment_bytes = repair->store.segment_bytes,
	    .wanted = 0,
	    .next_no = no,
	};
	spares_init(&spares, repair->env, &options);
	enum froe_err err = spares_find(&spares, fault);
	if (err == FROE_OK)
		err = spares_require(&spares, fault);
	spares_release(&spares);
	failpoint_pass(FAILPOINT_repair_segment);
	return err;
}

/* Segments from `no` on are of no use: one is missing, or nobody can tell what it holds. */
static enum froe_err
repair_drop_segments(struct repair *repair, uint64_t no, struct froe_fault *fault)
{
	struct repair_list list;
	enum froe_err err = repair_list(repair, repair->paths.log, no, UINT64_MAX, &list, fault);
	repair->report->segments_after = list.count;
	for (size_t i = 0; i < list.count && err == FROE_OK && repair->accept; i++)
		err = repair_move(repair, path_segment(&repair->paths, list.segments[i]).text,
		    "segment", list.segments[i], fault);
	mem_free(list.segments);
	if (err == FROE_OK && repair->accept)
		err = io_path_sync_dir(repair->env, repair->paths.log, fault);
	if (err == FROE_OK && repair->accept)
		err = repair_make_segment(repair, no, fault);
	return err;
}

/* What is left is all there is. */
static enum froe_err
repair_put_back(struct repair *repair, struct froe_fault *fault)
{
	const struct recovery *recovery = &repair->recovery;
	uint64_t segment = recovery->chain.segment_no;
	struct slots_value value = {
	    .epoch = repair->manifest.value.epoch,
	    .watermark =
		{
		    .durable_seq = recovery->chain.seq,
		    .durable_lsn = segment << 32 | SEG_HEADER_BYTES,
		},
	};
	enum froe_err err = slots_create(repair->env, repair->paths.shard, SLOTS_WATERMARK,
	    repair->store.id, &value, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(repair->env, repair->paths.shard, fault);
	return err;
}

static enum froe_err
repair_log(struct repair *repair, struct froe_fault *fault)
{
	struct repair_report *report = repair->report;
	struct recovery *recovery = &repair->recovery;
	enum froe_err err = repair_read_log(repair, fault);
	report->last_good_seq = recovery->chain.seq;
	report->last_durable_seq = recovery->evidence;
	if (err != FROE_CORRUPT || repair->hopeless)
		return err;
	report->log_damaged = true;
	snprintf(report->log_text, sizeof(report->log_text), "%s", fault->text);
	uint64_t bad_offset = report->log.bad.v & UINT32_MAX;
	err = FROE_OK;
	if (bad_offset == 0)
		err = repair_drop_segments(repair, report->log.bad.v >> 32, fault);
	else if (repair->accept)
		err = cut_tail(recovery, repair->manifest.value.epoch + 1, fault);
	failpoint_pass(FAILPOINT_repair_cut);
	if (bad_offset != 0)
		report->segments_after = recovery->segment_count - recovery->at - 1;
	if (err == FROE_OK && repair->accept)
		err = repair_put_back(repair, fault);
	return err;
}

/* ------------------------------------------------------------------------------- the cold files */

/* Those that MANIFEST's file names. If that one cannot be read: itself, which is found to be
 * damaged, and all that are there and older. A newer one is a leftover, whose records are hot. */
static enum froe_err
repair_cold_list(struct repair *repair, struct repair_list *list, struct froe_fault *fault)
{
	uint64_t newest = repair->manifest.value.manifest.cold;
	struct cold_file *file;
	*list = (struct repair_list){0};
	if (newest == 0)
		return FROE_OK;
	enum froe_err err =
	    cold_open(repair->env, &repair->paths, repair->store.id, newest, &file, fault);
	if (err == FROE_CORRUPT || err == FROE_INCOMPATIBLE) {
		err = repair_list(repair, repair->paths.cold, 1, newest - 1, list, fault);
		repair_list_add(list, newest);
		return err;
	}
	if (err != FROE_OK)
		return err;
	list->count = file->member_count + 1;
	list->segments = mem_array(list->count, sizeof(uint64_t));
	for (size_t i = 0; i < file->member_count; i++)
		list->segments[i] = file->members[i];
	list->segments[file->member_count] = newest;
	cold_free(file);
	return FROE_OK;
}

/* Moves those that are damaged; those that are not stay in the list. */
static enum froe_err
repair_cold_sort(struct repair *repair, struct repair_list *list, struct froe_fault *fault)
{
	struct repair_report *report = repair->report;
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++) {
		uint64_t no = list->segments[i];
		struct froe_fault bad;
		enum froe_err err =
		    cold_verify(repair->env, &repair->paths, repair->store.id, no, &bad);
		if (err == FROE_OK) {
			list->segments[count++] = no;
			continue;
		}
		if (err != FROE_CORRUPT && err != FROE_INCOMPATIBLE) {
			*fault = bad;
			return err;
		}
		if (report->cold_damaged++ == 0)
			snprintf(report->cold_text, sizeof(report->cold_text), "%s", bad.text);
		err = FROE_OK;
		if (repair->accept)
			err = repair_move(
			    repair, cold_path(&repair->paths, no).text, "cold", no, fault);
		if (err != FROE_OK && err != FROE_NOT_FOUND)
			return err;
	}
	list->count = count;
	return FROE_OK;
}

/* A file that holds nothing but the names of those that stay. */
static enum froe_err
repair_cold_rename(struct repair *repair, const struct repair_list *list, struct froe_fault *fault)
{
	struct slots_value manifest = repair->manifest.value;
	struct cold_writer writer;
	struct cold_file *file = NULL;
	enum froe_err err = FROE_OK;
	manifest.manifest.cold = 0;
	if (list->count > 0) {
		manifest.manifest.cold = repair->manifest.value.manifest.cold + 1;
		cold_begin(&writer, repair->env, &repair->paths, repair->store.id,
		    manifest.manifest.cold);
		err = cold_finish(&writer, list->segments, list->count, &file, fault);
		cold_free(file);
	}
	return err == FROE_OK ? slots_write(&repair->manifest, &manifest, fault) : err;
}

static enum froe_err
repair_cold(struct repair *repair, struct froe_fault *fault)
{
	struct repair_list list;
	enum froe_err err = repair_cold_list(repair, &list, fault);
	if (err == FROE_OK)
		err = repair_cold_sort(repair, &list, fault);
	if (err == FROE_OK && repair->accept && repair->report->cold_damaged > 0)
		err = repair_cold_rename(repair, &list, fault);
	mem_free(list.segments);
	return err;
}

/* ----------------------------------------------------------------------------------- the record */

/* One line more in REPAIRS. The file is small: it is written anew. */
static enum froe_err
repair_note(const struct repair *repair, struct froe_fault *fault)
{
	const struct repair_report *report = repair->report;
	struct path path = path_join(repair->paths.shard, "REPAIRS");
	uint64_t size = 0;
	char line[1200];
	int file;
	enum froe_err err = io_file_open(repair->env, path.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE, &file, fault);
	if (err != FROE_OK)
		return err;
	int length = snprintf(line, sizeof(line),
	    "wall_ns=%" PRIu64 " log_kept_to_frame=%" PRIu64 " acknowledged_to_frame=%" PRIu64
	    " segments_moved=%" PRIu64 " cold_files_moved=%u watermark_renewed=%d log=\"%s\" "
	    "cold=\"%s\"\n",
	    io_wall_ns(repair->env), report->last_good_seq, report->last_durable_seq,
	    report->segments_after, report->cold_damaged, report->watermark_damaged,
	    report->log_text, report->cold_text);
	err = io_file_size(repair->env, file, &size, fault);
	if (err == FROE_OK)
		err = io_file_write(repair->env, file, line, (size_t)length, size, fault);
	if (err == FROE_OK)
		err = io_file_sync(repair->env, file, fault);
	io_file_close(repair->env, file);
	if (err == FROE_OK)
		err = io_path_sync_dir(repair->env, repair->paths.shard, fault);
	return err;
}

static enum froe_err
repair_all(struct repair *repair, struct froe_fault *fault)
{
	struct repair_report *report = repair->report;
	enum froe_err err = repair_log(repair, fault);
	failpoint_pass(FAILPOINT_repair_log);
	if (err == FROE_OK)
		err = repair_cold(repair, fault);
	failpoint_pass(FAILPOINT_repair_cold);
	if (err != FROE_OK)
		return err;
	if (!report->log_damaged && report->cold_damaged == 0 && !report->watermark_damaged)
		return FROE_OK;
	if (!repair->accept)
		return fault_set(fault, FROE_CORRUPT, "there is damage: nothing was changed");
	err = repair_note(repair, fault);
	failpoint_pass(FAILPOINT_repair_noted);
	report->repaired = err == FROE_OK;
	return err;
}

enum froe_err
repair_run(struct io_env *env, const char *dir, bool accept_loss, struct repair_report *report,
    struct froe_fault *fault)
{
	struct repair repair = {.env = env, .report = report, .lock = -1, .accept = accept_loss};
	struct froe_fault own;
	if (fault == NULL)
		fault = &own;
	*report = (struct repair_report){0};
	repair.manifest.file = -1;
	enum froe_err err = paths_init(&repair.paths, dir, fault);
	if (err == FROE_OK)
		err = repair_open(&repair, fault);
	if (err == FROE_OK)
		err = repair_all(&repair, fault);
	if (repair.recovery.paths != NULL)
		recovery_release(&repair.recovery);
	repair_close(&repair);
	return err;
}
