/*
 * Take the hold, so that nothing is removed meanwhile. Read MANIFEST and WATERMARK, then the log
 * front to back, past the page cache: what the frames' hashes and the chain accept is written to a
 * segment of the same name, header and length. Behind the last frame come zeros. Beside a server
 * the log ends with the last frame that was whole when it was looked at.
 *
 * Frames are gathered so that a log of small ones is not written block by block.
 */
#include "log/copy_int.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "io/file.h"
#include "log/cold_int.h"
#include "log/snapshot.h"

#include <string.h>

#define COPY_BUFFER_BYTES (1u << 20)
#define COPY_HOLD_WAIT_S 120u /* the longest merge of cold files, and more */

struct copy_output {
	int file; /* -1: none yet */
	struct seg_header header;
	uint64_t offset; /* behind what is written and gathered */
	size_t gathered;
	uint8_t *buffer;
};

/* ------------------------------------------------------------------------------------ the source
 */

/* `seconds`, about: how long it waits, at least for a moment; 0: it does not. */
static enum froe_err
hold_lock(struct io_env *env, const struct paths *paths, const char *name, unsigned seconds,
    int *ret_file, struct froe_fault *fault)
{
	struct path path = path_join(paths->shard, name);
	int file;

	enum froe_err err = io_file_open(env, path.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE, &file, fault);
	if (err != FROE_OK)
		return err;
	do
		err = io_file_lock(env, file, seconds > 0, fault);
	while (err == FROE_IN_USE && seconds-- > 1);
	if (err != FROE_OK) {
		io_file_close(env, file);
		return err == FROE_IN_USE
			   ? fault_set(fault, err,
				 "%s: a backup or a removal of old segments is under way: try "
				 "again when it has ended", path.text)
			   : err;
	}
	*ret_file = file;
	return FROE_OK;
}

/* A turnstile: who removes takes the hold again and again, and would never leave a gap for a copy.
 * So a copy stands in HOLD.next while it waits, and nobody who removes goes past it. */
static enum froe_err
hold_take(struct io_env *env, const struct paths *paths, unsigned seconds, int *ret_file,
    struct froe_fault *fault)
{
	int next;
	enum froe_err err = hold_lock(env, paths, "HOLD.next", seconds, &next, fault);
	if (err != FROE_OK)
		return err;
	err = hold_lock(env, paths, "HOLD", seconds, ret_file, fault);
	io_file_close(env, next);
	return err;
}

enum froe_err
copy_hold(struct io_env *env, const struct paths *paths, int *ret_file, struct froe_fault *fault)
{
	return hold_take(env, paths, COPY_HOLD_WAIT_S, ret_file, fault);
}

enum froe_err
copy_hold_try(struct io_env *env, const struct paths *paths, int *ret_file,
    struct froe_fault *fault)
{
	return hold_take(env, paths, 0, ret_file, fault);
}

enum froe_err
copy_open(struct copy *copy, struct froe_fault *fault)
{
	copy->hold = -1;
	copy->manifest.file = -1;
	copy->watermark.file = -1;
	copy->output = NULL;
	enum froe_err err = FROE_OK;
	if (copy->live)
		err = copy_hold(copy->env, &copy->from, &copy->hold, fault);
	if (err == FROE_OK)
		err = slots_open(&copy->manifest, copy->env, copy->from.shard, SLOTS_MANIFEST,
		    copy->store.id, /* read_only= */ true, fault);
	if (err == FROE_OK)
		err = slots_open(&copy->watermark, copy->env, copy->from.shard, SLOTS_WATERMARK,
		    copy->store.id, /* read_only= */ true, fault);
	return err;
}

static void
output_free(struct copy *copy)
{
	struct copy_output *output = copy->output;
	if (output == NULL)
		return;
	if (output->file >= 0)
		io_file_close(copy->env, output->file);
	mem_pages_free(output->buffer, COPY_BUFFER_BYTES);
	mem_free(output);
	copy->output = NULL;
}

void
copy_close(struct copy *copy)
{
	output_free(copy);
	slots_close(&copy->manifest);
	slots_close(&copy->watermark);
	if (copy->hold >= 0)
		io_file_close(copy->env, copy->hold);
	copy->hold = -1;
}

/* ------------------------------------------------------------------------------------ the target
 */

static bool
empty_each_name(void *context, const char *name)
{
	bool *found = context;
	*found = strcmp(name, "lost+found") != 0; /* a file system of its own has that */
	return !*found;
}

enum froe_err
copy_require_empty(struct io_env *env, const char *dir, const char *field,
    struct froe_fault *fault)
{
	bool found = false;
	enum froe_err err = io_path_list(env, dir, empty_each_name, &found, fault);
	if (err == FROE_NOT_FOUND)
		return FROE_OK;
	if (err == FROE_OK && found)
		err = fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is not empty: name a new directory, or remove what is in it", dir);
	return err;
}

static enum froe_err
copy_make_directories(const struct copy *copy, struct froe_fault *fault)
{
	struct io_env *env = copy->env;
	const struct paths *to = &copy->to;
	const char *const names[] = {to->dir, to->shard, to->log, to->quarantine};
	const char *const synced[] = {to->parent, to->dir, to->shard};
	enum froe_err err = FROE_OK;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && err == FROE_OK; i++)
		err = io_path_mkdir(env, names[i], fault);
	for (size_t i = 0; i < sizeof(synced) / sizeof(synced[0]) && err == FROE_OK; i++)
		err = io_path_sync_dir(env, synced[i], fault);
	return err;
}

/* ----------------------------------------------------------------------------------- one segment
 */

static enum froe_err
output_flush(struct copy *copy, struct froe_fault *fault)
{
	struct copy_output *output = copy->output;
	size_t size = output->gathered;

	output->gathered = 0;
	if (size == 0)
		return FROE_OK;
	return io_file_write(
	    copy->env, output->file, output->buffer, size, output->offset - size, fault);
}

static enum froe_err
output_put(struct copy *copy, const uint8_t *bytes, size_t size, struct froe_fault *fault)
{
	struct copy_output *output = copy->output;
	enum froe_err err = FROE_OK;

	if (output->gathered + size > COPY_BUFFER_BYTES)
		err = output_flush(copy, fault);
	if (err != FROE_OK)
		return err;
	if (size > COPY_BUFFER_BYTES) {
		err = io_file_write(copy->env, output->file, bytes, size, output->offset, fault);
	} else {
		memcpy(output->buffer + output->gathered, bytes, size);
		output->gathered += size;
	}
	output->offset += size;
	return err;
}

/* Zeros up to the end, so that the log's next frames find no extents to convert. */
static enum froe_err
output_finish(struct copy *copy, struct froe_fault *fault)
{
	struct copy_output *output = copy->output;

	if (output->file < 0)
		return FROE_OK;
	enum froe_err err = output_flush(copy, fault);
	memset(output->buffer, 0, COPY_BUFFER_BYTES);
	while (err == FROE_OK && output->offset < output->header.bytes) {
		uint64_t left = output->header.bytes - output->offset;
		size_t size = left < COPY_BUFFER_BYTES ? (size_t)left : COPY_BUFFER_BYTES;
		err = io_file_write(
		    copy->env, output->file, output->buffer, size, output->offset, fault);
		output->offset += size;
	}
	if (err == FROE_OK)
		err = io_file_sync(copy->env, output->file, fault);
	io_file_close(copy->env, output->file);
	output->file = -1;
	return err;
}

static enum froe_err
output_begin(struct copy *copy, const struct seg_header *header, struct froe_fault *fault)
{
	struct copy_output *output = copy->output;
	struct path path = path_segment(&copy->to, header->no);
	uint8_t *blocks = mem_pages(SEG_HEADER_BYTES);

	output->header = *header;
	output->offset = 0;
	output->gathered = 0;
	seg_header_encode(blocks, header);
	enum froe_err err = io_file_open(copy->env, path.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT,
	    &output->file, fault);
	if (err == FROE_OK)
		err = output_put(copy, blocks, SEG_HEADER_BYTES, fault);
	failpoint_pass(FAILPOINT_backup_segment);
	mem_pages_free(blocks, SEG_HEADER_BYTES);
	return err;
}

static enum froe_err
copy_frame(void *context, const struct seg_header *segment, const struct log_frame_header *header,
    const uint8_t *frame, struct froe_fault *fault)
{
	struct copy *copy = context;
	struct copy_output *output = copy->output;
	enum froe_err err = FROE_OK;

	if (copy->check_only)
		return FROE_OK;
	if (output->file >= 0 && output->header.no != segment->no)
		err = output_finish(copy, fault);
	if (err == FROE_OK && output->file < 0)
		err = output_begin(copy, segment, fault);
	if (err == FROE_OK) {
		froe_assert(output->offset == (uint64_t)header->block_index * LOG_BLOCK_BYTES);
		err = output_put(copy, frame, (size_t)header->blocks * LOG_BLOCK_BYTES, fault);
	}
	return err;
}

/* The log ends with a seal, or before the first frame: its next segment is there, and empty. */
static enum froe_err
copy_end(struct copy *copy, const struct recovery *recovery, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	if (recovery->end == SEG_HEADER_BYTES) {
		err = output_finish(copy, fault);
		if (err == FROE_OK)
			err = output_begin(copy, &recovery->reader.header, fault);
	}
	return err == FROE_OK ? output_finish(copy, fault) : err;
}

/* ---------------------------------------------------------------------------------- whole files */

static enum froe_err
file_copy_bytes(struct copy *copy, int from, int to, uint64_t size, struct froe_fault *fault)
{
	uint8_t *buffer = mem_pages(COPY_BUFFER_BYTES);
	enum froe_err err = FROE_OK;

	for (uint64_t at = 0; at < size && err == FROE_OK; at += COPY_BUFFER_BYTES) {
		uint64_t left = size - at;
		size_t chunk = left < COPY_BUFFER_BYTES ? (size_t)left : COPY_BUFFER_BYTES;
		err = io_file_read(copy->env, from, buffer, chunk, at, fault);
		if (err == FROE_OK)
			err = io_file_write(copy->env, to, buffer, chunk, at, fault);
	}
	if (err == FROE_OK)
		err = io_file_sync(copy->env, to, fault);
	mem_pages_free(buffer, COPY_BUFFER_BYTES);
	return err;
}

/* As it is; what it holds is verified where it went. FROE_NOT_FOUND: there is none. */
static enum froe_err
file_copy(struct copy *copy, const char *from, const char *to, unsigned direct,
    struct froe_fault *fault)
{
	uint64_t size = 0;
	int source, target;

	enum froe_err err = io_file_open(copy->env, from, IO_OPEN_READ | direct, &source, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_size(copy->env, source, &size, fault);
	if (err == FROE_OK)
		err = io_file_open(copy->env, to,
		    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | direct,
		    &target, fault);
	if (err == FROE_OK) {
		err = file_copy_bytes(copy, source, target, size, fault);
		io_file_close(copy->env, target);
	}
	io_file_close(copy->env, source);
	return err;
}

static enum froe_err
copy_snapshot(struct copy *copy, uint64_t number, struct froe_fault *fault)
{
	const char *dir = copy->check_only ? copy->from.dir : copy->to.dir;
	struct path from = path_snapshot(&copy->from, number);
	struct log_base base;
	enum froe_err err = FROE_OK;

	if (!copy->check_only)
		err = file_copy(copy, from.text, path_snapshot(&copy->to, number).text,
		    IO_OPEN_DIRECT, fault);
	if (err == FROE_OK)
		err = snapshot_read(copy->env, dir, copy->store.id, number, NULL, NULL,
		    /* whole= */ false, &base, fault);
	return err;
}

/* The newest first: the older one may be deleted meanwhile, and is not needed then. */
static enum froe_err
copy_snapshots(struct copy *copy, struct froe_fault *fault)
{
	struct slots_value *value = &copy->manifest.value;
	enum froe_err err = FROE_OK;

	if (value->manifest.snapshot == 0)
		return FROE_OK;
	if (!copy->check_only)
		err = io_path_mkdir(copy->env, copy->to.ckpt, fault);
	if (err == FROE_OK)
		err = copy_snapshot(copy, value->manifest.snapshot, fault);
	if (err == FROE_OK && value->manifest.before != 0) {
		err = copy_snapshot(copy, value->manifest.before, fault);
		if (err == FROE_NOT_FOUND && copy->live) {
			value->manifest.before = 0;
			value->manifest.before_lsn = 0;
			value->manifest.before_frame = 0;
			err = FROE_OK;
		}
	}
	if (err == FROE_OK && !copy->check_only)
		err = io_path_sync_dir(copy->env, copy->to.ckpt, fault);
	return err;
}

static enum froe_err
copy_cold_file(struct copy *copy, uint64_t no, struct froe_fault *fault)
{
	const struct paths *paths = copy->check_only ? &copy->from : &copy->to;
	enum froe_err err = FROE_OK;

	if (!copy->check_only)
		err = file_copy(copy, cold_path(&copy->from, no).text,
		    cold_path(&copy->to, no).text, IO_OPEN_DIRECT, fault);
	return err == FROE_OK ? cold_verify(copy->env, paths, copy->store.id, no, fault) : err;
}

static enum froe_err
copy_cold(struct copy *copy, struct froe_fault *fault)
{
	uint64_t newest = copy->manifest.value.manifest.cold;
	struct cold_file *file;

	if (newest == 0)
		return FROE_OK;
	enum froe_err err =
	    cold_open(copy->env, &copy->from, copy->store.id, newest, &file, fault);
	if (err != FROE_OK)
		return err;
	if (!copy->check_only)
		err = io_path_mkdir(copy->env, copy->to.cold, fault);
	if (err == FROE_OK)
		err = copy_cold_file(copy, newest, fault);
	for (size_t i = 0; i < file->member_count && err == FROE_OK; i++)
		err = copy_cold_file(copy, file->members[i], fault);
	cold_free(file);
	if (err == FROE_OK && !copy->check_only)
		err = io_path_sync_dir(copy->env, copy->to.cold, fault);
	return err;
}

/* Without it all tokens would be void. There need be none. */
static enum froe_err
copy_key(struct copy *copy, struct froe_fault *fault)
{
	struct path from = path_join(copy->from.dir, "token.key");
	struct path to = path_join(copy->to.dir, "token.key");

	if (copy->check_only)
		return FROE_OK;
	enum froe_err err = file_copy(copy, from.text, to.text, 0, fault);
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}

/* ----------------------------------------------------------------------------------- the whole */

static enum froe_err
copy_log(struct copy *copy, struct froe_fault *fault)
{
	struct recovery recovery;
	struct recovery_options options = {
	    .segment_oldest = copy->manifest.value.manifest.segment_oldest,
	    .segment_bytes = copy->store.segment_bytes,
	    .watermark_seq = copy->watermark.value.watermark.durable_seq,
	    .watermark_segment = copy->watermark.value.watermark.durable_lsn >> 32,
	    .read_only = true,
	    .frame = copy_frame,
	    .context = copy,
	};

	recovery_init(
	    &recovery, copy->env, &copy->from, copy->store.id, &options, copy->report);
	enum froe_err err = recovery_run(&recovery, fault);
	if (err == FROE_OK && !copy->check_only) {
		/* The look behind the end may have moved the reader on. */
		err = reader_open(&recovery.reader, recovery.segments[recovery.at],
		    /* sync= */ false, fault);
		if (err == FROE_OK)
			err = copy_end(copy, &recovery, fault);
	}
	recovery_release(&recovery);
	return err;
}

/* All that was copied is durable: damage in it will never pass for a torn tail. */
static enum froe_err
copy_slots(const struct copy *copy, struct froe_fault *fault)
{
	struct slots_value manifest = copy->manifest.value;
	struct slots_value watermark = {
	    .watermark =
	        {
	            .durable_seq = copy->report->last_frame_seq,
	            .durable_lsn = copy->report->end.v,
	        },
	};

	if (copy->report->epoch > manifest.epoch)
		manifest.epoch = copy->report->epoch;
	watermark.epoch = manifest.epoch;
	enum froe_err err = slots_create(
	    copy->env, copy->to.shard, SLOTS_MANIFEST, copy->store.id, &manifest, fault);
	if (err == FROE_OK)
		err = slots_create(copy->env, copy->to.shard, SLOTS_WATERMARK, copy->store.id,
		    &watermark, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(copy->env, copy->to.shard, fault);
	return err;
}

enum froe_err
copy_run(struct copy *copy, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	*copy->report = (struct log_report){.store = copy->store.id};
	if (!copy->check_only) {
		copy->output = mem_zalloc(sizeof(*copy->output));
		copy->output->file = -1;
		copy->output->buffer = mem_pages(COPY_BUFFER_BYTES);
		err = copy_make_directories(copy, fault);
	}
	failpoint_pass(FAILPOINT_backup_directories);
	if (err == FROE_OK)
		err = copy_snapshots(copy, fault);
	failpoint_pass(FAILPOINT_backup_snapshots);
	if (err == FROE_OK)
		err = copy_cold(copy, fault);
	if (err == FROE_OK)
		err = copy_log(copy, fault);
	failpoint_pass(FAILPOINT_backup_log);
	if (err == FROE_OK)
		err = copy_key(copy, fault);
	if (err == FROE_OK && !copy->check_only)
		err = io_path_sync_dir(copy->env, copy->to.log, fault);
	if (err == FROE_OK && !copy->check_only)
		err = copy_slots(copy, fault);
	failpoint_pass(FAILPOINT_backup_slots);
	return err;
}
