/*
 * log/read: one record by its place: whole blocks are read past the page cache, and the record's
 * own hash says whether it is the right one. A record whose frame is not durable yet is answered
 * from that frame's memory, at once.
 */
#include "log/log_int.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"
#include "log/record_int.h"

/* As many short reads as the largest record has blocks would be odd. */
#define READ_TRIES 4096u

static uint64_t
read_from(const struct log_read *read)
{
	uint64_t offset = read->place.lsn.v & UINT32_MAX;
	return offset / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
}

/* Could a record lie there? A place may come from elsewhere (the index), and be anything. */
static bool
read_possible(const struct log *log, struct log_place place)
{
	uint64_t end = (place.lsn.v & UINT32_MAX) + rec_span(place.size);
	return place.size >= LOG_RECORD_HEADER_BYTES && place.size <= LOG_FRAME_BYTES_MAX &&
	    end <= log->store.segment_bytes;
}

/* The record, if the bytes are it. */
static enum froe_err
read_decode(const struct log_read *read, const uint8_t *bytes, size_t available,
    struct log_record *ret_record)
{
	size_t span;
	*ret_record = (struct log_record){0};
	if (rec_decode(bytes, available, read->place.event_seq, ret_record, &span) != REC_GOOD)
		return FROE_CORRUPT;
	ret_record->lsn = read->place.lsn;
	ret_record->event_seq = read->place.event_seq;
	bool same = ret_record->body.size + LOG_RECORD_HEADER_BYTES == read->place.size;
	return same ? FROE_OK : FROE_CORRUPT;
}

static void
read_release(struct log_read *read, int file)
{
	io_file_close(read->log->env, file);
	mem_pages_free(read->buffer, read->buffer_size);
}

static void
read_done(struct io_op *op, int32_t result)
{
	struct log_read *read = container_of(op, struct log_read, op);
	struct log_record record;
	int file = read->file;
	size_t have = read->have + (result > 0 ? (size_t)result : 0);
	if (result > 0 && have < read->buffer_size && ++read->tries < READ_TRIES) {
		read->have =
		    have / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES; /* direct I/O: whole blocks */
		io_read(read->log->io, op, file, (uint8_t *)read->buffer + read->have,
		    read->buffer_size - read->have, read_from(read) + read->have);
		return;
	}
	enum froe_err err = have == read->buffer_size ? FROE_OK
	    : result < 0                              ? (enum froe_err)-result
	                                              : FROE_IO;
	size_t skip = (size_t)((read->place.lsn.v & UINT32_MAX) - read_from(read));
	if (err == FROE_OK) {
		err = read_decode(read, (const uint8_t *)read->buffer + skip,
		    read->buffer_size - skip, &record);
	}
	struct log_read copy = *read; /* the caller may free its own in done() */
	read->done(read, err, err == FROE_OK ? &record : NULL);
	read_release(&copy, file);
}

void
log_read_start(struct log *log, struct log_read *read, struct log_place place,
    void (*done)(struct log_read *read, enum froe_err err, const struct log_record *record))
{
	const struct log_frame *frame = log_frame_holding(log, place);
	struct log_record record;
	*read = (struct log_read){.log = log, .place = place, .done = done};
	io_op_init(&read->op, read_done);
	if (!read_possible(log, place)) {
		done(read, FROE_CORRUPT, NULL);
		return;
	}
	if (frame != NULL) {
		size_t at = (size_t)((place.lsn.v & UINT32_MAX) - frame->offset);
		size_t end = frame->header.header_bytes + frame->used;
		enum froe_err err = read_decode(read, frame->bytes + at, end - at, &record);
		done(read, err, err == FROE_OK ? &record : NULL);
		return;
	}
	struct path path = path_segment(&log->paths, place.lsn.v >> 32);
	struct froe_fault fault;
	enum froe_err err = io_file_open(log->env, path.text, IO_OPEN_READ | IO_OPEN_DIRECT,
	    &read->file, &fault);
	if (err != FROE_OK) {
		done(read, err, NULL);
		return;
	}
	uint64_t end = (place.lsn.v & UINT32_MAX) + rec_span(place.size);
	uint64_t from = read_from(read);
	read->buffer_size = (size_t)((end - from + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES) *
	    LOG_BLOCK_BYTES;
	read->buffer = mem_pages(read->buffer_size);
	io_read(log->io, &read->op, read->file, read->buffer, read->buffer_size, from);
}
