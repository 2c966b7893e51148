/*
 * log/read: one record by its place: whole blocks are read past the page cache, and the record's
 * own hash says whether it is the right one. A record whose frame is not durable yet is answered
 * from that frame's memory, at once. One whose segment was retired is looked for on the shelf: the
 * extent that holds it is read, and searched for its event number.
 *
 * Files stay open between reads: a few, the least recently used is closed.
 */
#include "log/log_int.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"
#include "log/record_int.h"

/* As many short reads as the largest record has blocks would be odd. */
#define READ_TRIES 4096u
#define READ_FAILURES 4u /* one may pass; so many in a row are the disk's last word */
#define READ_FILES_MAX 16u /* kept open while nobody uses them */

struct log_read_file {
	struct list link; /* most recently used first */
	uint64_t no;
	bool cold;
	bool stale; /* not valid any more: closed when its last read ends */
	unsigned uses;
	int file;
};

/* ---------------------------------------------------------------------------------------- files */

void
log_read_init(struct log *log)
{
	list_init(&log->read_files);
}

static void
file_close(struct log *log, struct log_read_file *file)
{
	list_remove(&file->link);
	io_file_close(log->env, file->file);
	mem_free(file);
	log->read_file_count--;
}

/* Reads under way end with their loop, which is closed before. */
void
log_read_release(struct log *log)
{
	while (!list_empty(&log->read_files))
		file_close(log, container_of(log->read_files.next, struct log_read_file, link));
}

static struct log_read_file *
file_find(struct log *log, uint64_t no, bool cold)
{
	struct list *node;
	list_for_each(node, &log->read_files) {
		struct log_read_file *file = container_of(node, struct log_read_file, link);
		if (file->no == no && file->cold == cold && !file->stale)
			return file;
	}
	return NULL;
}

/* The one that was not used for the longest time. */
static void
file_evict(struct log *log)
{
	struct log_read_file *oldest = NULL;
	struct list *node;
	list_for_each(node, &log->read_files) {
		struct log_read_file *file = container_of(node, struct log_read_file, link);
		if (file->uses == 0)
			oldest = file;
	}
	if (oldest != NULL)
		file_close(log, oldest);
}

/* One more descriptor can be had by giving up one that nobody reads from; other errors may pass. */
static enum froe_err
file_open(struct log *log, const char *path, int *ret_descriptor)
{
	enum froe_err err = FROE_OK;
	for (unsigned tries = 0; tries < READ_FAILURES; tries++) {
		err = io_file_open(
		    log->env, path, IO_OPEN_READ | IO_OPEN_DIRECT, ret_descriptor, NULL);
		if (err == FROE_OK || err == FROE_NOT_FOUND)
			return err;
		if (err == FROE_RESOURCE_EXHAUSTED)
			file_evict(log);
	}
	return err;
}

static enum froe_err
file_take(struct log *log, uint64_t no, bool cold, struct log_read_file **ret_file)
{
	struct log_read_file *file = file_find(log, no, cold);
	struct path path = cold ? cold_path(&log->paths, no) : path_segment(&log->paths, no);
	if (file != NULL) {
		list_remove(&file->link);
	} else {
		int descriptor;
		enum froe_err err = file_open(log, path.text, &descriptor);
		if (err != FROE_OK)
			return err == FROE_NOT_FOUND ? FROE_CORRUPT : err;
		if (log->read_file_count >= READ_FILES_MAX)
			file_evict(log);
		file = mem_zalloc(sizeof(*file));
		file->no = no;
		file->cold = cold;
		file->file = descriptor;
		log->read_file_count++;
	}
	list_push_front(&log->read_files, &file->link);
	file->uses++;
	*ret_file = file;
	return FROE_OK;
}

static void
file_give(struct log *log, struct log_read_file *file)
{
	file->uses--;
	if (file->uses == 0 && (file->stale || log->read_file_count > READ_FILES_MAX))
		file_close(log, file);
}

static bool
file_valid(const struct log *log, const struct log_read_file *file)
{
	const struct cold_set *set = log->shelf.current;
	if (!file->cold)
		return file->no >= set->segment_oldest;
	for (size_t i = 0; i < set->count; i++) {
		if (set->files[i]->no == file->no)
			return true;
	}
	return false;
}

/* What a new set does not have is closed, so that its space is free once it is unlinked. */
void
log_read_turn(struct log *log)
{
	struct list *node, *next;
	if (!shelf_take(&log->shelf))
		return;
	for (node = log->read_files.next; node != &log->read_files; node = next) {
		struct log_read_file *file = container_of(node, struct log_read_file, link);
		next = node->next;
		if (file_valid(log, file))
			continue;
		file->stale = true;
		if (file->uses == 0)
			file_close(log, file);
	}
	if (log->wake != NULL)
		log->wake(log->wake_context);
}

/* -------------------------------------------------------------------------------------- reading */

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
	if (read->cold) {
		if (cold_record(bytes, available, read->place.event_seq, ret_record) != FROE_OK)
			return FROE_CORRUPT;
	} else if (rec_decode(bytes, available, read->place.event_seq, ret_record, &span) !=
	    REC_GOOD) {
		return FROE_CORRUPT;
	}
	ret_record->lsn = read->place.lsn;
	ret_record->event_seq = read->place.event_seq;
	bool same = ret_record->body.size + LOG_RECORD_HEADER_BYTES == read->place.size;
	return same ? FROE_OK : FROE_CORRUPT;
}

/* A read that failed is tried again: what waits for it would be given up for good. One that brings
 * no whole block has come to the file's end: the file was cut off. */
static bool
read_goes_on(struct log_read *read, int32_t result, size_t whole)
{
	if (result < 0)
		return result != -(int32_t)FROE_CANCELLED && ++read->failures < READ_FAILURES;
	return whole > read->have && read->have + (size_t)result < read->buffer_size &&
	    ++read->tries < READ_TRIES;
}

static void
read_done(struct io_op *op, int32_t result)
{
	struct log_read *read = container_of(op, struct log_read, op);
	struct log_record record;
	size_t have = read->have + (result > 0 ? (size_t)result : 0);
	size_t whole = have / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES; /* direct I/O: no less */
	if (read_goes_on(read, result, whole)) {
		read->have = whole;
		io_read(read->log->io, op, read->file->file, (uint8_t *)read->buffer + read->have,
		    read->buffer_size - read->have, read->from + read->have);
		return;
	}
	enum froe_err err = have == read->buffer_size ? FROE_OK
	    : result < 0                              ? (enum froe_err)-result
	                                              : FROE_CORRUPT;
	if (err == FROE_OK) {
		err = read_decode(read, (const uint8_t *)read->buffer + (read->at - read->from),
		    read->size, &record);
	}
	struct log_read copy = *read; /* the caller may free its own in done() */
	read->done(read, err, err == FROE_OK ? &record : NULL);
	file_give(copy.log, copy.file);
	mem_pages_free(copy.buffer, copy.buffer_size);
}

/* From memory; false: it is not there. */
static bool
read_from_memory(struct log_read *read)
{
	const struct log_frame *frame = log_frame_holding(read->log, read->place);
	struct log_record record;
	if (frame == NULL)
		return false;
	size_t at = (size_t)((read->place.lsn.v & UINT32_MAX) - frame->offset);
	size_t end = frame->header.header_bytes + frame->used;
	enum froe_err err = read_decode(read, frame->bytes + at, end - at, &record);
	read->done(read, err, err == FROE_OK ? &record : NULL);
	return true;
}

/* Which bytes of which file. */
static enum froe_err
read_find(struct log_read *read, uint64_t run_key, uint32_t run_event_no)
{
	struct log *log = read->log;
	uint64_t no = read->place.lsn.v >> 32;
	read->at = read->place.lsn.v & UINT32_MAX;
	read->size = rec_span(read->place.size);
	if (no >= log->shelf.current->segment_oldest)
		return file_take(log, no, /* cold= */ false, &read->file);
	const struct cold_file *file;
	const struct cold_extent *extent =
	    cold_find(log->shelf.current, run_key, run_event_no, &file);
	if (extent == NULL)
		return FROE_NOT_FOUND;
	read->cold = true;
	read->at = extent->offset;
	read->size = extent->bytes;
	return file_take(log, file->no, /* cold= */ true, &read->file);
}

void
log_read_start(struct log *log, struct log_read *read, struct log_place place, uint64_t run_key,
    uint32_t run_event_no,
    void (*done)(struct log_read *read, enum froe_err err, const struct log_record *record))
{
	*read = (struct log_read){.log = log, .place = place, .done = done};
	io_op_init(&read->op, read_done);
	if (!read_possible(log, place)) {
		done(read, FROE_CORRUPT, NULL);
		return;
	}
	if (read_from_memory(read))
		return;
	log_read_turn(log);
	enum froe_err err = read_find(read, run_key, run_event_no);
	if (err != FROE_OK) {
		done(read, err, NULL);
		return;
	}
	read->from = read->at / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	uint64_t end = read->at + read->size;
	read->buffer_size = (size_t)((end - read->from + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES) *
	    LOG_BLOCK_BYTES;
	read->buffer = mem_pages(read->buffer_size);
	io_read(log->io, &read->op, read->file->file, read->buffer, read->buffer_size, read->from);
}
