/*
 * A snapshot is laid out like a segment: two header blocks, then frames with their hashes. Its
 * frames are numbered from 1 and chained for themselves. The first record of the first frame is
 * the base. The last frame is a seal: its control block says how many records and frames there
 * are, and the hash of the state. The header blocks, which say how long the file is, are written
 * last of all.
 */
#include "log/snapshot.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/copy_int.h"
#include "log/paths_int.h"
#include "log/record_int.h"
#include "log/segment_int.h"

#include <inttypes.h>
#include <stdio.h>

#define WRITE_FLAGS (IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT)
#define BASE_BYTES 56u

/* ------------------------------------------------------------------------------------- writing */

struct snapshot_writer {
	struct io_env *env;
	struct paths paths;
	struct path path;
	struct path temporary;
	struct log_base base;
	struct seg_header header;
	int file;
	uint64_t offset;
	uint64_t hash; /* of the last frame */
	uint64_t frames;
	uint64_t records;
	/* the frame being built */
	uint8_t *bytes;
	size_t bytes_size;
	size_t header_bytes;
	size_t capacity;
	size_t used;
	uint32_t frame_records;
};

static struct path
path_unfinished(struct path path)
{
	size_t length = strlen(path.text);
	froe_assert(length + 5 <= sizeof(path.text));
	memcpy(path.text + length, ".tmp", 5);
	return path;
}

/* Room for so many bytes of records, at least an ordinary frame's. */
static void
frame_begin(struct snapshot_writer *writer, size_t bytes)
{
	size_t data = (bytes > LOG_FRAME_BYTES ? bytes : LOG_FRAME_BYTES) + LOG_FRAME_CONTROL_BYTES;
	size_t header_bytes = log_frame_header_bytes(data);
	size_t size = log_frame_blocks(header_bytes, data) * LOG_BLOCK_BYTES;
	if (size > writer->bytes_size) {
		mem_pages_free(writer->bytes, writer->bytes_size);
		writer->bytes = mem_pages(size);
		writer->bytes_size = size;
	}
	writer->header_bytes = header_bytes;
	writer->capacity = data;
	writer->used = 0;
	writer->frame_records = 0;
}

static enum froe_err
frame_write(struct snapshot_writer *writer, uint8_t flags, struct froe_fault *fault)
{
	struct log_frame_header header = {
	    .flags = flags,
	    .header_bytes = (uint16_t)writer->header_bytes,
	    .data_bytes = (uint32_t)writer->used,
	    .records = writer->frame_records,
	    .block_index = (uint32_t)(writer->offset / LOG_BLOCK_BYTES),
	    .seq = writer->frames + 1,
	    .event_first = writer->records - writer->frame_records + 1,
	    .epoch = writer->base.epoch,
	    .time_ns = writer->base.time_ns,
	    .prev_hash = writer->hash,
	    .segment_no = writer->base.number,
	};
	log_frame_seal(writer->bytes, &header, writer->header.seed);
	size_t size = (size_t)header.blocks * LOG_BLOCK_BYTES;
	enum froe_err err =
	    io_file_write(writer->env, writer->file, writer->bytes, size, writer->offset, fault);
	writer->offset += size;
	writer->hash = header.hash;
	writer->frames++;
	failpoint_pass(FAILPOINT_snapshot_framed);
	frame_begin(writer, 0);
	return err;
}

enum froe_err
snapshot_put(
    struct snapshot_writer *writer, const struct log_entry *entry, struct froe_fault *fault)
{
	size_t span = rec_entry_span(entry);
	enum froe_err err = FROE_OK;
	if (entry->body.size > LOG_FRAME_BYTES_MAX - LOG_RECORD_HEADER_BYTES)
		return fault_set(fault, FROE_TOO_LARGE,
		    "a record of a snapshot has %zu bytes, more than a frame holds",
		    entry->body.size);
	if (writer->used + span > writer->capacity && writer->used > 0)
		err = frame_write(writer, 0, fault);
	if (err != FROE_OK)
		return err;
	if (writer->used + span > writer->capacity)
		frame_begin(writer, span);
	writer->records++;
	writer->frame_records++;
	rec_encode(writer->bytes + writer->header_bytes + writer->used, entry, writer->records);
	writer->used += span;
	return FROE_OK;
}

static enum froe_err
writer_put_base(struct snapshot_writer *writer, struct froe_fault *fault)
{
	const struct log_base *base = &writer->base;
	const uint64_t words[] = {base->number, base->frame_seq, base->frame_hash, base->event_next,
	    base->epoch, base->time_ns, base->segment_frames};
	uint8_t body[BASE_BYTES];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		le64_store(body + 8 * i, words[i]);
	struct log_entry entry = {
	    .type = SNAPSHOT_BASE_TYPE,
	    .time_ns = base->time_ns,
	    .body = bytes_of(body, sizeof(body)),
	};
	return snapshot_put(writer, &entry, fault);
}

static enum froe_err
writer_directory(const struct snapshot_writer *writer, struct froe_fault *fault)
{
	enum froe_err err = io_path_mkdir(writer->env, writer->paths.ckpt, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(writer->env, writer->paths.shard, fault);
	return err;
}

enum froe_err
snapshot_create(struct io_env *env, const char *dir, struct uuid store, const struct log_base *base,
    struct snapshot_writer **ret_writer, struct froe_fault *fault)
{
	struct snapshot_writer *writer = mem_zalloc(sizeof(*writer));
	writer->env = env;
	writer->file = -1;
	writer->base = *base;
	writer->offset = SEG_HEADER_BYTES;
	writer->header = (struct seg_header){
	    .store = store,
	    .no = base->number,
	    .created_wall_ns = io_wall_ns(env),
	    .kind = SEG_SNAPSHOT,
	};
	io_random(env, &writer->header.seed, sizeof(writer->header.seed));
	enum froe_err err = paths_init(&writer->paths, dir, fault);
	if (err != FROE_OK) {
		mem_free(writer);
		return err;
	}
	writer->path = path_snapshot(&writer->paths, base->number);
	writer->temporary = path_unfinished(writer->path);
	frame_begin(writer, 0);
	err = writer_directory(writer, fault);
	FROE_DROP(io_path_unlink(env, writer->temporary.text, NULL), "mostly there is none");
	if (err == FROE_OK)
		err = io_file_open(env, writer->temporary.text, WRITE_FLAGS, &writer->file, fault);
	failpoint_pass(FAILPOINT_snapshot_created);
	if (err == FROE_OK)
		err = writer_put_base(writer, fault);
	if (err != FROE_OK) {
		snapshot_discard(writer);
		return err;
	}
	*ret_writer = writer;
	return FROE_OK;
}

static void
writer_free(struct snapshot_writer *writer)
{
	if (writer->file >= 0)
		io_file_close(writer->env, writer->file);
	mem_pages_free(writer->bytes, writer->bytes_size);
	mem_free(writer);
}

void
snapshot_discard(struct snapshot_writer *writer)
{
	if (writer->file >= 0)
		FROE_DROP(io_path_unlink(writer->env, writer->temporary.text, NULL),
		    "the next snapshot_clean() removes it");
	writer_free(writer);
}

/* What is left, the seal, and the header blocks. */
static enum froe_err
writer_close(struct snapshot_writer *writer, uint64_t state_hash, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	if (writer->used > 0)
		err = frame_write(writer, 0, fault);
	if (err != FROE_OK)
		return err;
	struct log_frame_control control = {
	    .segment_no = writer->records,
	    .frames = writer->frames + 1,
	    .hash = state_hash,
	};
	log_frame_control_encode(writer->bytes + writer->header_bytes, &control);
	writer->used = LOG_FRAME_CONTROL_BYTES;
	err = frame_write(writer, LOG_FRAME_SEAL, fault);
	writer->header.bytes = writer->offset;
	seg_header_encode(writer->bytes, &writer->header);
	if (err == FROE_OK)
		err = io_file_write(
		    writer->env, writer->file, writer->bytes, SEG_HEADER_BYTES, 0, fault);
	if (err == FROE_OK && !plant(SNAPSHOT_EARLY))
		err = io_file_sync(writer->env, writer->file, fault);
	return err;
}

enum froe_err
snapshot_finish(struct snapshot_writer *writer, uint64_t state_hash, uint64_t *ret_bytes,
    struct froe_fault *fault)
{
	enum froe_err err = writer_close(writer, state_hash, fault);
	failpoint_pass(FAILPOINT_snapshot_synced);
	if (err == FROE_OK)
		err = io_path_rename(writer->env, writer->temporary.text, writer->path.text, fault);
	failpoint_pass(FAILPOINT_snapshot_renamed);
	if (err == FROE_OK)
		err = io_path_sync_dir(writer->env, writer->paths.ckpt, fault);
	if (err != FROE_OK) {
		snapshot_discard(writer);
		return err;
	}
	*ret_bytes = writer->offset;
	writer_free(writer);
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- reading */

struct snapshot_reader {
	struct io_env *env;
	struct path path;
	int file;
	struct seg_header header;
	uint64_t offset;
	size_t extent; /* of the last frame */
	uint64_t hash;
	uint64_t frames;
	uint64_t records;
	bool sealed;
	uint64_t state_hash;
	uint8_t *buffer;
	struct log_base base;
	const struct log_loader *loader;
	void *context;
	struct froe_fault *fault;
};

#define READ_BYTES ((size_t)LOG_FRAME_BLOCKS_MAX * LOG_BLOCK_BYTES)

static enum froe_err
reader_bad(const struct snapshot_reader *reader, const char *what)
{
	return fault_set(reader->fault, FROE_CORRUPT, "%s: %s at byte %" PRIu64, reader->path.text,
	    what, reader->offset);
}

static enum froe_err
reader_open_file(struct snapshot_reader *reader, struct uuid store, uint64_t number)
{
	uint64_t size = 0;
	enum froe_err err = io_file_open(reader->env, reader->path.text,
	    IO_OPEN_READ | IO_OPEN_DIRECT, &reader->file, reader->fault);
	if (err == FROE_OK)
		err = io_file_size(reader->env, reader->file, &size, reader->fault);
	if (err != FROE_OK)
		return err;
	if (size < SEG_HEADER_BYTES + LOG_BLOCK_BYTES || size % LOG_BLOCK_BYTES != 0)
		return reader_bad(reader, "a snapshot was cut off");
	err = io_file_read(
	    reader->env, reader->file, reader->buffer, SEG_HEADER_BYTES, 0, reader->fault);
	if (err == FROE_OK)
		err = seg_header_decode(reader->buffer, reader->path.text, SEG_SNAPSHOT,
		    &reader->header, reader->fault);
	if (err != FROE_OK)
		return err;
	if (reader->header.bytes != size)
		return reader_bad(reader, "a snapshot was cut off");
	if (!uuid_equal(reader->header.store, store) || reader->header.no != number)
		return reader_bad(reader, "it is a snapshot of another store, or misnamed");
	return FROE_OK;
}

/* The frame at the offset, whole in the buffer, or the reason why not. */
static enum froe_err
reader_frame(struct snapshot_reader *reader, struct log_frame_header *ret_header)
{
	struct log_frame_site site = {
	    .segment_no = reader->header.no,
	    .seed = reader->header.seed,
	    .offset = reader->offset,
	    .available = reader->header.bytes - reader->offset,
	};
	uint32_t block;
	if (site.available < LOG_BLOCK_BYTES)
		return reader_bad(reader, "it ends without a seal");
	/* As much as the frame before it had: most have the same. */
	size_t have = reader->extent < site.available ? reader->extent : (size_t)site.available;
	enum froe_err err = io_file_read(
	    reader->env, reader->file, reader->buffer, have, reader->offset, reader->fault);
	if (err != FROE_OK)
		return err;
	size_t extent = log_frame_extent(reader->buffer, &site);
	if (extent > have)
		err = io_file_read(reader->env, reader->file, reader->buffer + have, extent - have,
		    reader->offset + have, reader->fault);
	if (err != FROE_OK)
		return err;
	reader->extent = extent;
	enum log_frame_verdict verdict =
	    log_frame_judge(reader->buffer, extent, &site, ret_header, &block);
	if (verdict == LOG_FRAME_INCOMPATIBLE)
		return fault_set(reader->fault, FROE_INCOMPATIBLE,
		    "%s is of a newer version of froe: use that", reader->path.text);
	if (verdict != LOG_FRAME_GOOD || ret_header->seq != reader->frames + 1 ||
	    ret_header->prev_hash != reader->hash || ret_header->event_first != reader->records + 1)
		return reader_bad(reader, "a frame does not verify");
	return FROE_OK;
}

static enum froe_err
reader_base(struct snapshot_reader *reader, const struct log_record *record)
{
	uint64_t words[BASE_BYTES / 8];
	if (record->type != SNAPSHOT_BASE_TYPE || record->body.size < BASE_BYTES)
		return reader_bad(reader, "it does not say what it is of");
	for (size_t i = 0; i < BASE_BYTES / 8; i++)
		words[i] = le64_load(record->body.data + 8 * i);
	reader->base = (struct log_base){
	    .number = words[0],
	    .frame_seq = words[1],
	    .frame_hash = words[2],
	    .event_next = words[3],
	    .epoch = words[4],
	    .time_ns = words[5],
	    .segment_frames = words[6],
	};
	if (reader->base.number != reader->header.no || reader->base.number == 0)
		return reader_bad(reader, "it does not say what it is of");
	return FROE_OK;
}

static enum froe_err
reader_record(struct snapshot_reader *reader, const struct log_record *record, bool whole)
{
	enum froe_err err;
	if (record->event_seq > 1) {
		if (reader->loader == NULL)
			return FROE_OK;
		return reader->loader->record(reader->context, record, reader->fault);
	}
	err = reader_base(reader, record);
	if (err == FROE_OK && reader->loader != NULL)
		err = reader->loader->begin(reader->context, &reader->base, whole, reader->fault);
	return err;
}

static enum froe_err
reader_records(struct snapshot_reader *reader, const struct log_frame_header *header, bool whole)
{
	size_t at = header->header_bytes, end = at + header->data_bytes, span;
	for (uint32_t i = 0; i < header->records; i++, at += span) {
		struct log_record record;
		if (rec_decode(reader->buffer + at, end - at, reader->records + 1, &record,
			&span) != REC_GOOD)
			return reader_bad(reader, "a record does not verify");
		reader->records++;
		record.epoch = header->epoch;
		enum froe_err err = reader_record(reader, &record, whole);
		if (err != FROE_OK)
			return err;
	}
	return at == end ? FROE_OK : reader_bad(reader, "a frame holds more than records");
}

static enum froe_err
reader_seal(struct snapshot_reader *reader, const struct log_frame_header *header)
{
	if (header->data_bytes != LOG_FRAME_CONTROL_BYTES || header->records != 0)
		return reader_bad(reader, "the seal is none");
	struct log_frame_control control =
	    log_frame_control_decode(reader->buffer + header->header_bytes);
	uint64_t end = reader->offset + (uint64_t)header->blocks * LOG_BLOCK_BYTES;
	if (control.segment_no != reader->records || control.frames != reader->frames + 1 ||
	    end != reader->header.bytes || reader->records == 0)
		return reader_bad(reader, "the seal counts something else");
	reader->state_hash = control.hash;
	reader->sealed = true;
	return FROE_OK;
}

static enum froe_err
reader_run(struct snapshot_reader *reader, bool whole)
{
	while (!reader->sealed) {
		struct log_frame_header header;
		enum froe_err err = reader_frame(reader, &header);
		if (err == FROE_OK && (header.flags & LOG_FRAME_SEAL) != 0)
			err = reader_seal(reader, &header);
		else if (err == FROE_OK)
			err = reader_records(reader, &header, whole);
		if (err != FROE_OK)
			return err;
		reader->hash = header.hash;
		reader->frames++;
		reader->offset += (uint64_t)header.blocks * LOG_BLOCK_BYTES;
	}
	if (reader->loader == NULL)
		return FROE_OK;
	return reader->loader->end(reader->context, reader->state_hash, reader->fault);
}

enum froe_err
snapshot_read(struct io_env *env, const char *dir, struct uuid store, uint64_t number,
    const struct log_loader *loader, void *context, bool whole, struct log_base *ret_base,
    struct froe_fault *fault)
{
	struct froe_fault own;
	struct paths paths;
	struct snapshot_reader reader = {
	    .env = env,
	    .file = -1,
	    .offset = SEG_HEADER_BYTES,
	    .extent = LOG_BLOCK_BYTES,
	    .loader = loader,
	    .context = context,
	    .fault = fault != NULL ? fault : &own,
	};
	enum froe_err err = paths_init(&paths, dir, reader.fault);
	if (err != FROE_OK)
		return err;
	reader.path = path_snapshot(&paths, number);
	reader.buffer = mem_pages(READ_BYTES);
	err = reader_open_file(&reader, store, number);
	if (err == FROE_OK)
		err = reader_run(&reader, whole);
	if (reader.file >= 0)
		io_file_close(env, reader.file);
	mem_pages_free(reader.buffer, READ_BYTES);
	*ret_base = reader.base;
	return err;
}

/* ------------------------------------------------------------------------------ files, by name */

enum froe_err
snapshot_remove(struct io_env *env, const char *dir, uint64_t number, struct froe_fault *fault)
{
	struct paths paths;
	enum froe_err err = paths_init(&paths, dir, fault);
	if (err != FROE_OK)
		return err;
	int hold;
	err = copy_hold_try(env, &paths, &hold, fault);
	if (err != FROE_OK)
		return err;
	err = io_path_unlink(env, path_snapshot(&paths, number).text, fault);
	failpoint_pass(FAILPOINT_snapshot_removed);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths.ckpt, fault);
	io_file_close(env, hold);
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}

enum froe_err
snapshot_quarantine(struct io_env *env, const char *dir, uint64_t number, struct froe_fault *fault)
{
	struct paths paths;
	char name[32];
	enum froe_err err = paths_init(&paths, dir, fault);
	if (err != FROE_OK)
		return err;
	snprintf(name, sizeof(name), "%016" PRIx64 ".snap", number);
	struct path to = path_join(paths.quarantine, name);
	err = io_path_rename(env, path_snapshot(&paths, number).text, to.text, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths.quarantine, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths.ckpt, fault);
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}

struct snapshot_names {
	void (*each)(void *context, uint64_t number);
	void *context;
	uint64_t unfinished[16];
	unsigned unfinished_count;
};

static bool
names_each(void *context, const char *name)
{
	struct snapshot_names *names = context;
	char segment[SEG_NAME_SIZE];
	uint64_t number;
	if (strlen(name) < 21 || strncmp(name + 16, ".snap", 5) != 0)
		return true;
	snprintf(segment, sizeof(segment), "%.16s.seg", name);
	if (!seg_name_parse(segment, &number) || number == 0)
		return true;
	if (name[21] == 0) {
		if (names->each != NULL)
			names->each(names->context, number);
	} else if (strcmp(name + 21, ".tmp") == 0 &&
		   names->unfinished_count <
		       sizeof(names->unfinished) / sizeof(names->unfinished[0])) {
		names->unfinished[names->unfinished_count++] = number;
	}
	return true;
}

enum froe_err
snapshot_list(struct io_env *env, const char *dir, void (*each)(void *context, uint64_t number),
    void *context, struct froe_fault *fault)
{
	struct snapshot_names names = {.each = each, .context = context};
	struct paths paths;
	enum froe_err err = paths_init(&paths, dir, fault);
	if (err == FROE_OK)
		err = io_path_list(env, paths.ckpt, names_each, &names, fault);
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}

enum froe_err
snapshot_clean(struct io_env *env, const char *dir, struct froe_fault *fault)
{
	struct snapshot_names names = {0};
	struct paths paths;
	enum froe_err err = paths_init(&paths, dir, fault);
	if (err == FROE_OK)
		err = io_path_list(env, paths.ckpt, names_each, &names, fault);
	for (unsigned i = 0; i < names.unfinished_count && err == FROE_OK; i++) {
		struct path path = path_unfinished(path_snapshot(&paths, names.unfinished[i]));
		err = io_path_unlink(env, path.text, fault);
	}
	return err == FROE_NOT_FOUND ? FROE_OK : err;
}
