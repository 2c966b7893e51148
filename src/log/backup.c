#include "log/backup.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "io/file.h"
#include "log/block_int.h"
#include "log/copy_int.h"

#include <inttypes.h>

/*
 * BACKUP: the block twice, as STORE is, and with STORE's fields at their offsets; then what the
 * backup ends with.
 */
static const char backup_magic[8] = {'F', 'R', 'O', 'E', 'B', 'K', 'P', 0x1a};

#define BACKUP_FILE_BYTES (2 * LOG_BLOCK_BYTES)

enum backup_offset {
	BACKUP_SHARDS = 32,
	BACKUP_SEGMENT_BYTES = 40,
	BACKUP_BLOCK_BYTES = 48,
	BACKUP_MADE = 88,
	BACKUP_FRAME_SEQ = 96,
	BACKUP_END = 104,
	BACKUP_SEGMENT_OLDEST = 112,
};

struct backup {
	struct store store;
	uint64_t made_wall_ns;
	uint64_t frame_seq;
	uint64_t end;
	uint64_t segment_oldest;
};

static void
backup_encode(uint8_t *blocks, const struct backup *backup)
{
	block_begin(blocks, backup_magic, backup->store.id);
	le64_store(blocks + BACKUP_SHARDS, 1);
	le64_store(blocks + BACKUP_SEGMENT_BYTES, backup->store.segment_bytes);
	le32_store(blocks + BACKUP_BLOCK_BYTES, LOG_BLOCK_BYTES);
	le64_store(blocks + BACKUP_MADE, backup->made_wall_ns);
	le64_store(blocks + BACKUP_FRAME_SEQ, backup->frame_seq);
	le64_store(blocks + BACKUP_END, backup->end);
	le64_store(blocks + BACKUP_SEGMENT_OLDEST, backup->segment_oldest);
	block_close(blocks);
	memcpy(blocks + LOG_BLOCK_BYTES, blocks, LOG_BLOCK_BYTES);
}

static enum froe_err
backup_decode(const uint8_t *blocks, struct backup *ret_backup, struct froe_fault *fault)
{
	if (!block_verify(blocks, backup_magic))
		blocks += LOG_BLOCK_BYTES;
	if (!block_verify(blocks, backup_magic))
		return fault_set(fault, FROE_CORRUPT,
		    "BACKUP: both copies are damaged: take another backup");
	enum froe_err err = block_check_version(blocks, /* featured= */ true, "BACKUP", fault);
	if (err != FROE_OK)
		return err;
	uint64_t segment_bytes = le64_load(blocks + BACKUP_SEGMENT_BYTES);
	if (le64_load(blocks + BACKUP_SHARDS) != 1 || !seg_bytes_legal(segment_bytes) ||
	    le32_load(blocks + BACKUP_BLOCK_BYTES) != LOG_BLOCK_BYTES)
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "BACKUP: %" PRIu64 " shards with segments of %" PRIu64
		    " bytes: this froe cannot read it",
		    le64_load(blocks + BACKUP_SHARDS), segment_bytes);
	*ret_backup = (struct backup){
	    .store = {.id = block_store(blocks), .segment_bytes = segment_bytes},
	    .made_wall_ns = le64_load(blocks + BACKUP_MADE),
	    .frame_seq = le64_load(blocks + BACKUP_FRAME_SEQ),
	    .end = le64_load(blocks + BACKUP_END),
	    .segment_oldest = le64_load(blocks + BACKUP_SEGMENT_OLDEST),
	};
	return FROE_OK;
}

static enum froe_err
backup_read(struct io_env *env, const struct paths *paths, struct backup *ret_backup,
    struct froe_fault *fault)
{
	struct path path = path_join(paths->dir, "BACKUP");
	int file;

	enum froe_err err =
	    io_file_open(env, path.text, IO_OPEN_READ | IO_OPEN_DIRECT, &file, fault);
	if (err == FROE_NOT_FOUND)
		return fault_set_field(fault, err, "from",
		    "%s holds no finished backup: it has no file BACKUP, which is written last",
		    paths->dir);
	if (err != FROE_OK)
		return err;
	uint8_t *blocks = mem_pages(BACKUP_FILE_BYTES);
	err = io_file_read(env, file, blocks, BACKUP_FILE_BYTES, 0, fault);
	if (err == FROE_OK)
		err = backup_decode(blocks, ret_backup, fault);
	mem_pages_free(blocks, BACKUP_FILE_BYTES);
	io_file_close(env, file);
	return err;
}

/* The last step: from now on it is a backup. */
static enum froe_err
backup_write(struct io_env *env, const struct paths *paths, const struct backup *backup,
    struct froe_fault *fault)
{
	struct path temporary = path_join(paths->dir, "BACKUP.tmp");
	struct path path = path_join(paths->dir, "BACKUP");
	uint8_t *blocks = mem_pages(BACKUP_FILE_BYTES);
	int file;

	backup_encode(blocks, backup);
	enum froe_err err = io_file_open(env, temporary.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT, &file, fault);
	if (err == FROE_OK) {
		err = io_file_write(env, file, blocks, BACKUP_FILE_BYTES, 0, fault);
		if (err == FROE_OK)
			err = io_file_sync(env, file, fault);
		io_file_close(env, file);
	}
	mem_pages_free(blocks, BACKUP_FILE_BYTES);
	failpoint_pass(FAILPOINT_backup_marked);
	if (err == FROE_OK)
		err = io_path_rename(env, temporary.text, path.text, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->dir, fault);
	return err;
}

/* ------------------------------------------------------------------------------------- making */

static enum froe_err
backup_copy(struct copy *copy, struct froe_fault *fault)
{
	enum froe_err err = copy_open(copy, fault);
	if (err == FROE_OK)
		err = copy_run(copy, fault);
	if (err == FROE_OK && !copy->check_only) {
		struct backup backup = {
		    .store = copy->store,
		    .made_wall_ns = io_wall_ns(copy->env),
		    .frame_seq = copy->report->last_frame_seq,
		    .end = copy->report->end.v,
		    .segment_oldest = copy->manifest.value.manifest.segment_oldest,
		};
		err = backup_write(copy->env, &copy->to, &backup, fault);
	}
	copy_close(copy);
	return err;
}

enum froe_err
backup_make(struct io_env *env, const char *data, const char *dir, struct backup_report *report,
    struct froe_fault *fault)
{
	struct copy copy = {.env = env, .report = &report->log, .live = true};
	enum froe_err err = paths_init(&copy.from, data, fault);

	*report = (struct backup_report){.made_wall_ns = io_wall_ns(env)};
	if (err == FROE_OK)
		err = paths_init(&copy.to, dir, fault);
	if (err == FROE_OK)
		err = store_read(env, &copy.from, &copy.store, fault);
	if (err == FROE_OK)
		err = copy_require_empty(env, copy.to.dir, "dir", fault);
	return err == FROE_OK ? backup_copy(&copy, fault) : err;
}

/* ----------------------------------------------------------------------------------- restoring */

/* A backup ends where BACKUP says, with nothing behind. */
static enum froe_err
restore_check_end(const struct copy *copy, const struct backup *backup, struct froe_fault *fault)
{
	const struct log_report *report = copy->report;

	if (report->last_frame_seq == backup->frame_seq && report->end.v == backup->end &&
	    report->cut_bytes == 0)
		return FROE_OK;
	return fault_set(fault, FROE_CORRUPT,
	    "%s: its log ends with frame %" PRIu64 " at %016" PRIx64 ", BACKUP says frame %" PRIu64
	    " at %016" PRIx64 ": files of two backups are mixed; take another backup",
	    copy->from.dir, report->last_frame_seq, report->end.v, backup->frame_seq, backup->end);
}

static enum froe_err
restore_copy(struct copy *copy, const struct backup *backup, struct froe_fault *fault)
{
	enum froe_err err = copy_open(copy, fault);
	if (err == FROE_OK)
		err = copy_run(copy, fault);
	if (err == FROE_OK)
		err = restore_check_end(copy, backup, fault);
	failpoint_pass(FAILPOINT_restore_copied);
	if (err == FROE_OK && !copy->check_only)
		err = store_write(copy->env, &copy->to, &copy->store, fault);
	copy_close(copy);
	return err;
}

enum froe_err
backup_restore(struct io_env *env, const char *dir, const char *data,
    struct backup_report *report, struct froe_fault *fault)
{
	struct copy copy = {.env = env, .report = &report->log, .check_only = data == NULL};
	struct backup backup = {0};
	enum froe_err err = paths_init(&copy.from, dir, fault);

	*report = (struct backup_report){0};
	if (err == FROE_OK && data != NULL)
		err = paths_init(&copy.to, data, fault);
	if (err == FROE_OK)
		err = backup_read(env, &copy.from, &backup, fault);
	if (err == FROE_OK && data != NULL)
		err = copy_require_empty(env, copy.to.dir, "data", fault);
	if (err != FROE_OK)
		return err;
	report->made_wall_ns = backup.made_wall_ns;
	copy.store = backup.store;
	return restore_copy(&copy, &backup, fault);
}
