/*
 * A cold file: header blocks of kind cold; frames of records, each behind its event number and old
 * place; frames of the index: a word that says which (members, extents), then its items; a seal,
 * the last block, whose control block says where the index begins and how many frames there are.
 * Opening reads the seal, then the index. The frames form a chain as a segment's do.
 */
#include "log/cold_int.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/record_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COLD_FRAME_BYTES (1u << 20)
#define COLD_EXTENT_ITEM_BYTES 40u
#define COLD_ITEMS_PER_FRAME 16384u
#define COLD_FILE_BYTES_MIN (SEG_HEADER_BYTES + 2 * LOG_BLOCK_BYTES)

enum cold_index {
	COLD_MEMBERS = 1,
	COLD_EXTENTS = 2,
};

struct path
cold_path(const struct paths *paths, uint64_t no)
{
	char name[SEG_NAME_SIZE];
	seg_name(no, name);
	return path_join(paths->cold, name);
}

static struct path
cold_temporary(const struct paths *paths)
{
	return path_join(paths->cold, "new.tmp");
}

/* ------------------------------------------------------------------------------------- finding */

/* The first extent that is not before (run, no + 1), less one: the last that begins at or before
 * `no` of this run. */
static const struct cold_extent *
file_find(const struct cold_file *file, uint64_t run_key, uint32_t no)
{
	size_t low = 0, high = file->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct cold_extent *extent = &file->extents[middle];
		if (extent->run_key < run_key ||
		    (extent->run_key == run_key && extent->first_no <= no))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || file->extents[low - 1].run_key != run_key)
		return NULL;
	return &file->extents[low - 1];
}

const struct cold_extent *
cold_last(const struct cold_file *file, uint64_t run_key)
{
	return file_find(file, run_key, UINT32_MAX);
}

const struct cold_extent *
cold_find(const struct cold_set *set, uint64_t run_key, uint32_t no,
    const struct cold_file **ret_file)
{
	const struct cold_extent *found = NULL;
	for (size_t i = 0; i < set->count; i++) {
		const struct cold_extent *extent = file_find(set->files[i], run_key, no);
		const struct cold_extent *last = cold_last(set->files[i], run_key);
		if (last != NULL && (last->flags & COLD_GONE) != 0)
			return NULL;
		if (extent == NULL || no - extent->first_no >= extent->count)
			continue;
		found = extent;
		*ret_file = set->files[i];
	}
	return found;
}

enum froe_err
cold_record(const uint8_t *bytes, size_t size, uint64_t event_seq, struct log_record *ret_record)
{
	size_t at = 0;
	while (at + COLD_PREFIX_BYTES + LOG_RECORD_HEADER_BYTES <= size) {
		const uint8_t *record = bytes + at + COLD_PREFIX_BYTES;
		uint64_t number = le64_load(bytes + at);
		size_t span = rec_span(le32_load(record));
		if (number == event_seq) {
			enum rec_verdict verdict = rec_decode(
			    record, size - at - COLD_PREFIX_BYTES, number, ret_record, &span);
			ret_record->lsn.v = le64_load(bytes + at + 8);
			return verdict == REC_GOOD ? FROE_OK : FROE_CORRUPT;
		}
		if (span < LOG_RECORD_HEADER_BYTES)
			return FROE_CORRUPT;
		at += COLD_PREFIX_BYTES + span;
	}
	return FROE_CORRUPT;
}

/* ------------------------------------------------------------------------------------- writing */

void
cold_begin(struct cold_writer *writer, struct io_env *env, const struct paths *paths,
    struct uuid store, uint64_t no)
{
	*writer = (struct cold_writer){
	    .env = env,
	    .paths = paths,
	    .header = {.store = store, .no = no, .kind = SEG_COLD},
	    .file = -1,
	    .offset = SEG_HEADER_BYTES,
	};
	io_random(env, &writer->header.seed, sizeof(writer->header.seed));
	writer->capacity = seg_frame_bytes(LOG_FRAME_BYTES_MAX);
	writer->frame = mem_pages(writer->capacity);
}

/* With the first frame: where nothing is to be kept, a disk without a free block must do. */
static enum froe_err
writer_create(struct cold_writer *writer, struct froe_fault *fault)
{
	struct io_env *env = writer->env;
	struct path path = cold_temporary(writer->paths);
	enum froe_err err = io_path_mkdir(env, writer->paths->cold, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, writer->paths->shard, fault);
	FROE_DROP(io_path_unlink(env, path.text, NULL), "there need be none");
	if (err == FROE_OK)
		err = io_file_open(env, path.text,
		    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT, &writer->file,
		    fault);
	return err;
}

static void
writer_release(struct cold_writer *writer)
{
	if (writer->file >= 0)
		io_file_close(writer->env, writer->file);
	writer->file = -1;
	mem_pages_free(writer->frame, writer->capacity);
	writer->frame = NULL;
	mem_free(writer->extents);
	writer->extents = NULL;
}

void
cold_discard(struct cold_writer *writer)
{
	bool created = writer->file >= 0;
	if (writer->frame == NULL)
		return;
	writer_release(writer);
	if (!created)
		return;
	FROE_DROP(io_path_unlink(writer->env, cold_temporary(writer->paths).text, NULL),
	    "what is left is removed at the next start");
}

static size_t
frame_data_at(size_t data_bytes)
{
	return log_frame_header_bytes(data_bytes);
}

/* Writes the frame being filled; its data begin behind a header for the largest frame. */
static enum froe_err
writer_flush(struct cold_writer *writer, uint8_t flags, size_t header_bytes,
    struct froe_fault *fault)
{
	struct log_frame_header header = {
	    .flags = flags,
	    .header_bytes = (uint16_t)header_bytes,
	    .data_bytes = (uint32_t)writer->used,
	    .records = writer->records,
	    .block_index = (uint32_t)(writer->offset / LOG_BLOCK_BYTES),
	    .seq = writer->seq + 1,
	    .prev_hash = writer->hash,
	    .segment_no = writer->header.no,
	};
	froe_assert(writer->used > 0);
	log_frame_seal(writer->frame, &header, writer->header.seed);
	size_t size = (size_t)header.blocks * LOG_BLOCK_BYTES;
	enum froe_err err = writer->file < 0 ? writer_create(writer, fault) : FROE_OK;
	if (err == FROE_OK)
		err = io_file_write(
		    writer->env, writer->file, writer->frame, size, writer->offset, fault);
	writer->offset += size;
	writer->seq++;
	writer->hash = header.hash;
	writer->used = 0;
	writer->records = 0;
	writer->open = false;
	return err;
}

static size_t
data_at_for(const struct cold_writer *writer, size_t bytes)
{
	size_t larger = writer->used + bytes;
	return frame_data_at(larger > COLD_FRAME_BYTES ? larger : COLD_FRAME_BYTES);
}

static struct cold_extent *
writer_extent(struct cold_writer *writer)
{
	if (writer->extent_count == writer->extent_capacity) {
		writer->extent_capacity = writer->extent_capacity * 2 + 64;
		writer->extents = mem_resize(
		    writer->extents, writer->extent_capacity * sizeof(struct cold_extent));
	}
	struct cold_extent *extent = &writer->extents[writer->extent_count++];
	*extent = (struct cold_extent){0};
	return extent;
}

/* The extent that takes this record: the last one, or a new one. */
static struct cold_extent *
extent_for(struct cold_writer *writer, const struct log_record *record, size_t bytes,
    uint64_t offset)
{
	struct cold_extent *last =
	    writer->open ? &writer->extents[writer->extent_count - 1] : NULL;
	if (last != NULL && last->run_key == record->run_key &&
	    last->first_no + last->count == record->run_event_no &&
	    last->bytes + bytes <= COLD_EXTENT_BYTES)
		return last;
	last = writer_extent(writer);
	last->run_key = record->run_key;
	last->first_no = record->run_event_no;
	last->offset = offset;
	writer->open = true;
	return last;
}

enum froe_err
cold_put(struct cold_writer *writer, const struct log_record *record, const uint8_t *bytes,
    size_t span, struct froe_fault *fault)
{
	size_t entry = COLD_PREFIX_BYTES + span;
	enum froe_err err = FROE_OK;
	froe_assert(record->run_key != 0 && record->run_event_no != 0);
	froe_assert(entry <= LOG_FRAME_BYTES_MAX + COLD_PREFIX_BYTES);
	if (writer->used > 0 && writer->used + entry > COLD_FRAME_BYTES)
		err = writer_flush(writer, 0, data_at_for(writer, 0), fault);
	if (err != FROE_OK)
		return err;
	size_t at = data_at_for(writer, entry) + writer->used;
	struct cold_extent *extent = extent_for(writer, record, entry, writer->offset + at);
	le64_store(writer->frame + at, record->event_seq);
	le64_store(writer->frame + at + 8, record->lsn.v);
	memcpy(writer->frame + at + COLD_PREFIX_BYTES, bytes, span);
	extent->count++;
	extent->bytes += (uint32_t)entry;
	writer->used += entry;
	writer->records++;
	/* A frame of one large record has a longer header, and is written before the next one. */
	return writer->used > COLD_FRAME_BYTES
	    ? writer_flush(writer, 0, data_at_for(writer, 0), fault)
	    : FROE_OK;
}

void
cold_closed(struct cold_writer *writer, uint64_t closed_ns)
{
	froe_assert(writer->extent_count > 0);
	writer->extents[writer->extent_count - 1].closed_ns = closed_ns;
}

void
cold_gone(struct cold_writer *writer, uint64_t run_key)
{
	*writer_extent(writer) = (struct cold_extent){
	    .run_key = run_key,
	    .first_no = UINT32_MAX,
	    .flags = COLD_GONE,
	};
	writer->open = false;
}

/* --------------------------------------------------------------------------- index and the seal */

static void
extent_encode(uint8_t *to, const struct cold_extent *extent)
{
	le64_store(to, extent->run_key);
	le32_store(to + 8, extent->first_no);
	le32_store(to + 12, extent->count);
	le64_store(to + 16, extent->offset);
	le32_store(to + 24, extent->bytes);
	le32_store(to + 28, extent->flags);
	le64_store(to + 32, extent->closed_ns);
}

static struct cold_extent
extent_decode(const uint8_t *from)
{
	return (struct cold_extent){
	    .run_key = le64_load(from),
	    .first_no = le32_load(from + 8),
	    .count = le32_load(from + 12),
	    .offset = le64_load(from + 16),
	    .bytes = le32_load(from + 24),
	    .flags = le32_load(from + 28),
	    .closed_ns = le64_load(from + 32),
	};
}

/* One frame of the index, with as many items as it takes; *at goes on. */
static enum froe_err
index_put(struct cold_writer *writer, enum cold_index kind, const uint64_t *members, size_t count,
    size_t *at, struct froe_fault *fault)
{
	size_t header_bytes = frame_data_at(COLD_FRAME_BYTES);
	uint8_t *data = writer->frame + header_bytes;
	size_t item = kind == COLD_MEMBERS ? 8 : COLD_EXTENT_ITEM_BYTES;
	le64_store(data, kind);
	writer->used = 8;
	while (*at < count && writer->records < COLD_ITEMS_PER_FRAME) {
		if (kind == COLD_MEMBERS)
			le64_store(data + writer->used, members[*at]);
		else
			extent_encode(data + writer->used, &writer->extents[*at]);
		writer->used += item;
		writer->records++;
		(*at)++;
	}
	return writer_flush(writer, 0, header_bytes, fault);
}

static enum froe_err
index_write(struct cold_writer *writer, const uint64_t *members, size_t count,
    struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	size_t at = 0;
	if (writer->used > 0)
		err = writer_flush(writer, 0, data_at_for(writer, 0), fault);
	uint64_t index_at = writer->offset;
	do {
		if (err == FROE_OK)
			err = index_put(writer, COLD_MEMBERS, members, count, &at, fault);
	} while (err == FROE_OK && at < count);
	for (at = 0; at < writer->extent_count && err == FROE_OK;)
		err = index_put(
		    writer, COLD_EXTENTS, members, writer->extent_count, &at, fault);
	if (err != FROE_OK)
		return err;
	struct log_frame_control control = {
	    .segment_no = index_at,
	    .frames = writer->seq + 1,
	    .hash = writer->hash,
	};
	size_t header_bytes = frame_data_at(LOG_FRAME_CONTROL_BYTES);
	log_frame_control_encode(writer->frame + header_bytes, &control);
	writer->used = LOG_FRAME_CONTROL_BYTES;
	return writer_flush(writer, LOG_FRAME_SEAL, header_bytes, fault);
}

static enum froe_err
writer_name(struct cold_writer *writer, struct froe_fault *fault)
{
	struct path from = cold_temporary(writer->paths);
	struct path to = cold_path(writer->paths, writer->header.no);
	writer->header.bytes = writer->offset;
	writer->header.created_wall_ns = io_wall_ns(writer->env);
	seg_header_encode(writer->frame, &writer->header);
	enum froe_err err = io_file_write(
	    writer->env, writer->file, writer->frame, SEG_HEADER_BYTES, 0, fault);
	if (err == FROE_OK && !plant(COLD_UNSYNCED))
		err = io_file_sync(writer->env, writer->file, fault);
	failpoint_pass(FAILPOINT_retention_cold_synced);
	if (err == FROE_OK)
		err = io_path_rename(writer->env, from.text, to.text, fault);
	failpoint_pass(FAILPOINT_retention_cold_renamed);
	if (err == FROE_OK)
		err = io_path_sync_dir(writer->env, writer->paths->cold, fault);
	return err;
}

enum froe_err
cold_finish(struct cold_writer *writer, const uint64_t *members, size_t count,
    struct cold_file **ret_file, struct froe_fault *fault)
{
	enum froe_err err = index_write(writer, members, count, fault);
	if (err == FROE_OK)
		err = writer_name(writer, fault);
	if (err != FROE_OK) {
		cold_discard(writer);
		return err;
	}
	struct cold_file *file = mem_zalloc(sizeof(*file));
	*file = (struct cold_file){
	    .no = writer->header.no,
	    .bytes = writer->header.bytes,
	    .extents = writer->extents,
	    .count = writer->extent_count,
	    .members = mem_copy(members, count * sizeof(*members)),
	    .member_count = count,
	};
	writer->extents = NULL;
	writer_release(writer);
	*ret_file = file;
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- reading */

/* Reads a cold file frame by frame. */
struct cold_reader {
	struct io_env *env;
	char name[SEG_NAME_SIZE];
	int file;
	uint64_t size;
	struct seg_header header;
	uint8_t *buffer;
	size_t capacity;
	struct log_frame_header frame; /* the last one */
};

static enum froe_err
cold_bad(const struct cold_reader *reader, uint64_t offset, struct froe_fault *fault)
{
	return fault_set(fault, FROE_CORRUPT,
	    "cold/%s: byte %" PRIu64 ": does not verify: records of old runs are lost; restore the "
	    "data directory from a backup, or see froe log repair", reader->name, offset);
}

static enum froe_err
reader_begin(struct cold_reader *reader, struct io_env *env, const struct paths *paths,
    struct uuid store, uint64_t no, struct froe_fault *fault)
{
	*reader = (struct cold_reader){.env = env, .file = -1};
	seg_name(no, reader->name);
	reader->capacity = (size_t)LOG_FRAME_BLOCKS_MAX * LOG_BLOCK_BYTES;
	reader->buffer = mem_pages(reader->capacity);
	enum froe_err err = io_file_open(env, cold_path(paths, no).text,
	    IO_OPEN_READ | IO_OPEN_DIRECT, &reader->file, fault);
	if (err == FROE_NOT_FOUND)
		return fault_set(fault, FROE_CORRUPT,
		    "cold/%s is missing: restore it, or the data directory from a backup",
		    reader->name);
	if (err == FROE_OK)
		err = io_file_size(env, reader->file, &reader->size, fault);
	if (err == FROE_OK && reader->size < COLD_FILE_BYTES_MIN)
		return cold_bad(reader, reader->size, fault);
	if (err == FROE_OK)
		err = io_file_read(env, reader->file, reader->buffer, SEG_HEADER_BYTES, 0, fault);
	if (err == FROE_OK)
		err = seg_header_decode(
		    reader->buffer, reader->name, SEG_COLD, &reader->header, fault);
	if (err == FROE_OK && (reader->header.bytes != reader->size || reader->header.no != no ||
	    !uuid_equal(reader->header.store, store)))
		err = cold_bad(reader, 0, fault);
	return err;
}

static void
reader_end(struct cold_reader *reader)
{
	if (reader->file >= 0)
		io_file_close(reader->env, reader->file);
	mem_pages_free(reader->buffer, reader->capacity);
}

/* The frame at an offset, whole and verified, in the buffer. */
static enum froe_err
reader_frame(struct cold_reader *reader, uint64_t offset, struct froe_fault *fault)
{
	struct log_frame_site site = {
	    .segment_no = reader->header.no,
	    .seed = reader->header.seed,
	    .offset = offset,
	    .available = reader->size - offset,
	};
	uint32_t block;
	if (offset < SEG_HEADER_BYTES || offset >= reader->size || offset % LOG_BLOCK_BYTES != 0)
		return cold_bad(reader, offset, fault);
	enum froe_err err = io_file_read(
	    reader->env, reader->file, reader->buffer, LOG_BLOCK_BYTES, offset, fault);
	if (err != FROE_OK)
		return err;
	size_t have = log_frame_extent(reader->buffer, &site);
	froe_assert(have <= reader->capacity);
	err = io_file_read(reader->env, reader->file, reader->buffer, have, offset, fault);
	if (err != FROE_OK)
		return err;
	if (log_frame_judge(reader->buffer, have, &site, &reader->frame, &block) != LOG_FRAME_GOOD)
		return cold_bad(reader, offset, fault);
	return FROE_OK;
}

static enum froe_err
reader_seal(struct cold_reader *reader, struct log_frame_control *ret_control,
    struct froe_fault *fault)
{
	uint64_t offset = reader->size - LOG_BLOCK_BYTES;
	enum froe_err err = reader_frame(reader, offset, fault);
	if (err == FROE_OK && ((reader->frame.flags & LOG_FRAME_SEAL) == 0 ||
	    reader->frame.data_bytes != LOG_FRAME_CONTROL_BYTES))
		err = cold_bad(reader, offset, fault);
	if (err != FROE_OK)
		return err;
	*ret_control = log_frame_control_decode(reader->buffer + reader->frame.header_bytes);
	if (reader->frame.seq != ret_control->frames ||
	    reader->frame.prev_hash != ret_control->hash)
		err = cold_bad(reader, offset, fault);
	return err;
}

static bool
extent_good(const struct cold_reader *reader, const struct cold_file *file,
    const struct cold_extent *extent)
{
	const struct cold_extent *last = file->count > 0 ? &file->extents[file->count - 1] : NULL;
	if (last != NULL && (last->run_key > extent->run_key ||
	    (last->run_key == extent->run_key && last->first_no >= extent->first_no)))
		return false;
	if ((extent->flags & COLD_GONE) != 0)
		return extent->count == 0 && extent->bytes == 0 && extent->first_no == UINT32_MAX;
	return extent->offset >= SEG_HEADER_BYTES && extent->offset < reader->size &&
	    extent->bytes <= reader->size - extent->offset && extent->count > 0;
}

/* Takes the items of the index frame in the buffer. */
static bool
index_take(const struct cold_reader *reader, struct cold_file *file)
{
	const uint8_t *data = reader->buffer + reader->frame.header_bytes;
	uint64_t kind = reader->frame.data_bytes >= 8 ? le64_load(data) : 0;
	size_t item = kind == COLD_MEMBERS ? 8 : COLD_EXTENT_ITEM_BYTES;
	size_t count = reader->frame.records;
	if ((kind != COLD_MEMBERS && kind != COLD_EXTENTS) ||
	    reader->frame.data_bytes != 8 + count * item)
		return false;
	if (kind == COLD_MEMBERS)
		file->members = mem_resize(
		    file->members, (file->member_count + count + 1) * sizeof(uint64_t));
	else
		file->extents = mem_resize(
		    file->extents, (file->count + count + 1) * sizeof(struct cold_extent));
	for (size_t i = 0; i < count; i++) {
		const uint8_t *from = data + 8 + i * item;
		if (kind == COLD_MEMBERS) {
			file->members[file->member_count++] = le64_load(from);
			continue;
		}
		struct cold_extent extent = extent_decode(from);
		if (!extent_good(reader, file, &extent))
			return false;
		file->extents[file->count++] = extent;
	}
	return true;
}

static enum froe_err
reader_index(struct cold_reader *reader, struct cold_file *file, struct froe_fault *fault)
{
	struct log_frame_control control;
	enum froe_err err = reader_seal(reader, &control, fault);
	uint64_t offset = err == FROE_OK ? control.segment_no : 0;
	uint64_t seal_at = reader->size - LOG_BLOCK_BYTES;
	uint64_t hash = 0;
	bool first = true;
	while (err == FROE_OK && offset < seal_at) {
		err = reader_frame(reader, offset, fault);
		if (err != FROE_OK)
			break;
		if ((!first && reader->frame.prev_hash != hash) || !index_take(reader, file))
			return cold_bad(reader, offset, fault);
		first = false;
		hash = reader->frame.hash;
		offset += (uint64_t)reader->frame.blocks * LOG_BLOCK_BYTES;
	}
	if (err == FROE_OK && (offset != seal_at || first || hash != control.hash))
		err = cold_bad(reader, offset, fault);
	return err;
}

enum froe_err
cold_open(struct io_env *env, const struct paths *paths, struct uuid store, uint64_t no,
    struct cold_file **ret_file, struct froe_fault *fault)
{
	struct cold_reader reader;
	struct cold_file *file = mem_zalloc(sizeof(*file));
	enum froe_err err = reader_begin(&reader, env, paths, store, no, fault);
	if (err == FROE_OK)
		err = reader_index(&reader, file, fault);
	file->no = no;
	file->bytes = reader.size;
	reader_end(&reader);
	if (err != FROE_OK) {
		cold_free(file);
		return err;
	}
	*ret_file = file;
	return FROE_OK;
}

void
cold_free(struct cold_file *file)
{
	if (file == NULL)
		return;
	mem_free(file->extents);
	mem_free(file->members);
	mem_free(file);
}

/* ----------------------------------------------------------------------------------- verifying */

/* The records of the frame in the buffer. */
static bool
frame_records_good(const struct cold_reader *reader)
{
	const uint8_t *data = reader->buffer + reader->frame.header_bytes;
	size_t at = 0, size = reader->frame.data_bytes;
	for (uint32_t i = 0; i < reader->frame.records; i++) {
		struct log_record record;
		size_t span = 0;
		if (size - at < COLD_PREFIX_BYTES ||
		    rec_decode(data + at + COLD_PREFIX_BYTES, size - at - COLD_PREFIX_BYTES,
			le64_load(data + at), &record, &span) != REC_GOOD)
			return false;
		at += COLD_PREFIX_BYTES + span;
	}
	return at == size;
}

enum froe_err
cold_verify(struct io_env *env, const struct paths *paths, struct uuid store, uint64_t no,
    struct froe_fault *fault)
{
	struct cold_reader reader;
	struct cold_file *file = mem_zalloc(sizeof(*file));
	struct log_frame_control control = {0};
	uint64_t offset = SEG_HEADER_BYTES, seq = 0, hash = 0;
	enum froe_err err = reader_begin(&reader, env, paths, store, no, fault);
	if (err == FROE_OK)
		err = reader_index(&reader, file, fault);
	if (err == FROE_OK)
		err = reader_seal(&reader, &control, fault);
	while (err == FROE_OK && offset < reader.size) {
		err = reader_frame(&reader, offset, fault);
		if (err != FROE_OK)
			break;
		bool data = offset < control.segment_no;
		if (reader.frame.seq != ++seq || reader.frame.prev_hash != hash ||
		    (data && !frame_records_good(&reader)))
			err = cold_bad(&reader, offset, fault);
		hash = reader.frame.hash;
		offset += (uint64_t)reader.frame.blocks * LOG_BLOCK_BYTES;
	}
	reader_end(&reader);
	cold_free(file);
	return err;
}
