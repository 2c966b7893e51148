#include "log/reader_int.h"

#include "base/mem.h"
#include "io/file.h"

#define READER_CHUNK_BYTES (1u << 20)
#define READER_FRAME_BYTES ((size_t)LOG_FRAME_BLOCKS_MAX * LOG_BLOCK_BYTES)
#define READER_BUFFER_BYTES (READER_FRAME_BYTES + READER_CHUNK_BYTES)

void
reader_init(struct reader *reader, struct io_env *env, const struct paths *paths,
    struct uuid store)
{
	*reader = (struct reader){
	    .env = env,
	    .paths = paths,
	    .store = store,
	    .file = -1,
	    .buffer = mem_pages(READER_BUFFER_BYTES),
	};
}

void
reader_release(struct reader *reader)
{
	reader_close(reader);
	mem_pages_free(reader->buffer, READER_BUFFER_BYTES);
	reader->buffer = NULL;
}

void
reader_close(struct reader *reader)
{
	if (reader->file >= 0)
		io_file_close(reader->env, reader->file);
	reader->file = -1;
	reader->have = 0;
}

static enum froe_err
reader_check_header(struct reader *reader, uint64_t no, uint64_t size, struct froe_fault *fault)
{
	struct seg_header header;
	uint8_t *blocks = reader->buffer;

	if (size < SEG_HEADER_BYTES)
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s was cut to %llu bytes: restore the data directory from a backup",
		    reader->name, (unsigned long long)size);
	enum froe_err err =
	    io_file_read(reader->env, reader->file, blocks, SEG_HEADER_BYTES, 0, fault);
	if (err == FROE_OK)
		err = seg_header_decode(blocks, reader->name, SEG_HOT, &header, fault);
	if (err != FROE_OK)
		return err;
	if (size != header.bytes)
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s has %llu bytes, its header says %llu: restore the data "
		    "directory from a backup",
		    reader->name, (unsigned long long)size, (unsigned long long)header.bytes);
	if (!uuid_equal(header.store, reader->store))
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s belongs to another store: restore the data directory as a whole",
		    reader->name);
	if (header.no != no)
		return fault_set(fault, FROE_CORRUPT,
		    "log/%s is segment %llu under a wrong name: restore the data directory",
		    reader->name, (unsigned long long)header.no);
	reader->header = header;
	return FROE_OK;
}

enum froe_err
reader_open(struct reader *reader, uint64_t no, bool sync, struct froe_fault *fault)
{
	struct path path = path_segment(reader->paths, no);
	uint64_t size = 0;

	reader_close(reader);
	seg_name(no, reader->name);
	enum froe_err err = io_file_open(reader->env, path.text, IO_OPEN_READ | IO_OPEN_DIRECT,
	    &reader->file, fault);
	if (err != FROE_OK)
		return err;
	if (sync)
		err = io_file_sync(reader->env, reader->file, fault);
	if (err == FROE_OK)
		err = io_file_size(reader->env, reader->file, &size, fault);
	if (err == FROE_OK)
		err = reader_check_header(reader, no, size, fault);
	return err;
}

/* Keeps what is needed of the buffer, at its front. */
static void
reader_keep_from(struct reader *reader, uint64_t offset)
{
	bool inside = offset >= reader->from && offset <= reader->from + reader->have;
	size_t skip = inside ? (size_t)(offset - reader->from) : reader->have;

	reader->have -= skip;
	memmove(reader->buffer, reader->buffer + skip, reader->have);
	reader->from = offset;
}

enum froe_err
reader_load(struct reader *reader, uint64_t offset, size_t size, const uint8_t **ret_bytes,
    struct froe_fault *fault)
{
	froe_assert(offset % LOG_BLOCK_BYTES == 0 && size % LOG_BLOCK_BYTES == 0);
	froe_assert(size <= READER_FRAME_BYTES);
	froe_assert(offset + size <= reader->header.bytes);
	if (offset < reader->from || offset + size > reader->from + reader->have)
		reader_keep_from(reader, offset);
	while (offset + size > reader->from + reader->have) {
		uint64_t at = reader->from + reader->have;
		uint64_t rest = reader->header.bytes - at;
		size_t chunk = rest < READER_CHUNK_BYTES ? (size_t)rest : READER_CHUNK_BYTES;
		enum froe_err err = io_file_read(reader->env, reader->file,
		    reader->buffer + reader->have, chunk, at, fault);
		if (err != FROE_OK)
			return err;
		reader->have += chunk;
	}
	*ret_bytes = reader->buffer + (offset - reader->from);
	return FROE_OK;
}
