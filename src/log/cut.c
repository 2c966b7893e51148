#include "log/cut_int.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>

#define CUT_CHUNK_BYTES (1u << 20)

/* One segment's tail. */
struct cut {
	const struct recovery *recovery;
	uint64_t epoch;
	uint64_t segment_no;
	uint64_t from;
	uint64_t end; /* behind the last block that is not zero */
	int file;
	uint8_t *chunk;
};

static size_t
cut_chunk_size(uint64_t from, uint64_t end)
{
	return end - from < CUT_CHUNK_BYTES ? (size_t)(end - from) : CUT_CHUNK_BYTES;
}

static enum froe_err
cut_read(const struct cut *cut, uint64_t offset, size_t size, struct froe_fault *fault)
{
	return io_file_read(cut->recovery->env, cut->file, cut->chunk, size, offset, fault);
}

static enum froe_err
cut_find_end(struct cut *cut, struct froe_fault *fault)
{
	uint64_t bytes = cut->recovery->options.segment_bytes;

	cut->end = cut->from;
	for (uint64_t at = cut->from; at < bytes;) {
		size_t size = cut_chunk_size(at, bytes);
		enum froe_err err = cut_read(cut, at, size, fault);
		if (err != FROE_OK)
			return err;
		for (size_t i = 0; i < size; i += LOG_BLOCK_BYTES) {
			if (!bytes_zero(cut->chunk + i, LOG_BLOCK_BYTES))
				cut->end = at + i + (plant(CUT_OFF_BY_ONE) ? 0 : LOG_BLOCK_BYTES);
		}
		at += size;
	}
	return FROE_OK;
}

static enum froe_err
cut_copy_to(const struct cut *cut, const char *path, struct froe_fault *fault)
{
	struct io_env *env = cut->recovery->env;
	int copy;

	enum froe_err err = io_file_open(env, path,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT, &copy, fault);
	if (err != FROE_OK)
		return err;
	for (uint64_t at = cut->from; at < cut->end && err == FROE_OK;) {
		size_t size = cut_chunk_size(at, cut->end);
		err = cut_read(cut, at, size, fault);
		if (err == FROE_OK)
			err = io_file_write(env, copy, cut->chunk, size, at - cut->from, fault);
		at += size;
	}
	if (err == FROE_OK)
		err = io_file_sync(env, copy, fault);
	io_file_close(env, copy);
	return err;
}

static enum froe_err
cut_copy(const struct cut *cut, struct froe_fault *fault)
{
	struct io_env *env = cut->recovery->env;
	const char *directory = cut->recovery->paths->quarantine;
	char name[96];
	int file;

	snprintf(name, sizeof(name), "%016" PRIx64 "-%08" PRIx64 "-epoch-%" PRIu64 ".tail",
	    cut->segment_no, cut->from, cut->epoch);
	struct path path = path_join(directory, name);
	struct path temporary = path_join(directory, "tail.tmp");
	if (io_file_open(env, path.text, IO_OPEN_READ, &file, NULL) == FROE_OK) {
		io_file_close(env, file); /* an earlier try came this far, and began to zero */
		return io_path_sync_dir(env, directory, fault);
	}
	FROE_DROP(io_path_unlink(env, temporary.text, NULL), "an unfinished copy, or none");
	enum froe_err err = cut_copy_to(cut, temporary.text, fault);
	failpoint_pass(FAILPOINT_recovery_tail_copied);
	if (err == FROE_NO_SPACE && !cut->recovery->options.accept_tail_loss) {
		FROE_DROP(io_path_unlink(env, temporary.text, NULL), "it is in nobody's way");
		return FROE_OK;
	}
	if (err == FROE_OK)
		err = io_path_rename(env, temporary.text, path.text, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, directory, fault);
	return err;
}

static enum froe_err
cut_zero(const struct cut *cut, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;

	memset(cut->chunk, 0, CUT_CHUNK_BYTES);
	for (uint64_t at = cut->from; at < cut->end && err == FROE_OK;) {
		size_t size = cut_chunk_size(at, cut->end);
		err = io_file_write(cut->recovery->env, cut->file, cut->chunk, size, at, fault);
		failpoint_pass(FAILPOINT_recovery_tail_zeroed);
		at += size;
	}
	return err;
}

static enum froe_err
cut_segment(struct cut *cut, struct froe_fault *fault)
{
	struct io_env *env = cut->recovery->env;
	struct path path = path_segment(cut->recovery->paths, cut->segment_no);

	enum froe_err err = io_file_open(env, path.text,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_DIRECT | IO_OPEN_DSYNC, &cut->file, fault);
	if (err != FROE_OK)
		return err;
	err = cut_find_end(cut, fault);
	if (err == FROE_OK && cut->end > cut->from)
		err = cut_copy(cut, fault);
	failpoint_pass(FAILPOINT_recovery_tail_kept);
	if (err == FROE_OK)
		err = cut_zero(cut, fault);
	io_file_close(env, cut->file);
	return err;
}

/* From the last segment back: while X's own bytes stand, the same end is found again. */
enum froe_err
cut_tail(const struct recovery *recovery, uint64_t epoch, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	struct cut cut = {
	    .recovery = recovery,
	    .epoch = epoch,
	    .chunk = mem_pages(CUT_CHUNK_BYTES),
	};

	for (size_t i = recovery->segment_count; i-- > recovery->at && err == FROE_OK;) {
		cut.segment_no = recovery->segments[i];
		cut.from = i == recovery->at ? recovery->end : SEG_HEADER_BYTES;
		err = cut_segment(&cut, fault);
	}
	mem_pages_free(cut.chunk, CUT_CHUNK_BYTES);
	return err;
}
