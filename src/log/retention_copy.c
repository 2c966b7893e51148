#include "log/retention_int.h"

#include "base/mem.h"
#include "io/file.h"
#include "log/log_int.h"
#include "log/record_int.h"

#include <stdlib.h>

bool
retention_lives(const struct retention *retention, const struct cold_extent *last)
{
	return (last->flags & COLD_GONE) == 0 &&
	    !retention_expired(retention, last->run_key, last->closed_ns);
}

struct retention_item *
retention_item_add(struct retention *retention)
{
	if (retention->item_count == retention->item_capacity) {
		retention->item_capacity = retention->item_capacity * 2 + 256;
		retention->items = mem_resize(retention->items,
		    retention->item_capacity * sizeof(struct retention_item));
	}
	return &retention->items[retention->item_count++];
}

static int
item_compare(const void *a, const void *b)
{
	const struct retention_item *left = a, *right = b;
	if (left->run_key != right->run_key)
		return left->run_key < right->run_key ? -1 : 1;
	return left->no < right->no ? -1 : left->no > right->no;
}

void
retention_sort_items(struct retention *retention)
{
	if (retention->item_count > 1)
		qsort(retention->items, retention->item_count, sizeof(struct retention_item),
		    item_compare);
	retention->at = 0;
}

/* ------------------------------------------------------------------------------------- judging */

/* All or none: a run whose earlier records are not kept is gone already. */
static void
judge_run(struct retention *retention, uint64_t run_key, struct retention_run *run)
{
	const struct cold_extent *last = retention_last(retention, run_key);
	bool begun = run->first_no == 1 || (last != NULL && (last->flags & COLD_GONE) == 0);
	bool expired = retention_expired(retention, run_key, run->closed_ns);
	run->stays = begun && !expired;
	run->gone = begun && expired && last != NULL;
	retention->gone += begun && expired;
}

void
retention_judge(struct retention *retention)
{
	size_t count = 0;
	for (size_t i = 0; i < retention->runs.capacity; i++) {
		const struct map_entry *entry = &retention->runs.entries[i];
		if (entry->value != NULL)
			judge_run(retention, entry->key[1], entry->value);
	}
	for (size_t i = 0; i < retention->item_count; i++) {
		const struct retention_run *run =
		    map_get_u64(&retention->runs, retention->items[i].run_key);
		if (run->stays)
			retention->items[count++] = retention->items[i];
	}
	retention->item_count = count;
	for (size_t i = 0; i < retention->runs.capacity; i++) {
		const struct map_entry *entry = &retention->runs.entries[i];
		const struct retention_run *run = entry->value;
		if (run != NULL && run->gone)
			*retention_item_add(retention) =
			    (struct retention_item){.run_key = entry->key[1]};
	}
	retention_sort_items(retention);
}

/* ------------------------------------------------------------------------------------- copying */

/* Whole blocks around a range of a file, in the window. */
static enum froe_err
window_read(struct retention *retention, int file, uint64_t offset, size_t size,
    const uint8_t **ret_bytes, struct froe_fault *fault)
{
	uint64_t from = offset / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	size_t bytes = (size_t)((offset + size - from + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES) *
	    LOG_BLOCK_BYTES;
	if (bytes > retention->window_size) {
		if (retention->window != NULL)
			mem_pages_free(retention->window, retention->window_size);
		retention->window_size = bytes;
		retention->window = mem_pages(bytes);
	}
	*ret_bytes = retention->window + (offset - from);
	return io_file_read(retention->log->env, file, retention->window, bytes, from, fault);
}

static enum froe_err
copy_damaged(struct froe_fault *fault)
{
	return fault_set(fault, FROE_CORRUPT,
	    "a record that verified a moment ago does not any more: the disk is failing; take a "
	    "backup");
}

enum froe_err
retention_copy_item(struct retention *retention, size_t index, struct froe_fault *fault)
{
	const struct retention_item *item = &retention->items[index];
	struct log_record record;
	const uint8_t *bytes;
	size_t span;
	if (item->no == 0) {
		cold_gone(&retention->writer, item->run_key);
		return FROE_OK;
	}
	enum froe_err err = window_read(
	    retention, retention->reader.file, item->offset, item->span, &bytes, fault);
	if (err != FROE_OK)
		return err;
	if (rec_decode(bytes, item->span, item->event_seq, &record, &span) != REC_GOOD)
		return copy_damaged(fault);
	record.lsn.v = retention->retiring << 32 | item->offset;
	err = cold_put(&retention->writer, &record, bytes, item->span, fault);
	if (err != FROE_OK)
		return err;
	const struct retention_run *run = map_get_u64(&retention->runs, item->run_key);
	bool last = index + 1 == retention->item_count ||
	    retention->items[index + 1].run_key != item->run_key;
	if (last && run->closed_ns != 0)
		cold_closed(&retention->writer, run->closed_ns);
	retention->copied++;
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- merging */

static enum froe_err
merge_records(struct retention *retention, const struct cold_extent *extent, const uint8_t *bytes,
    struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	size_t at = 0, span = 0;
	for (uint32_t i = 0; i < extent->count && err == FROE_OK; i++) {
		struct log_record record;
		const uint8_t *from = bytes + at + COLD_PREFIX_BYTES;
		if (extent->bytes - at < COLD_PREFIX_BYTES ||
		    rec_decode(from, extent->bytes - at - COLD_PREFIX_BYTES, le64_load(bytes + at),
			&record, &span) != REC_GOOD)
			return copy_damaged(fault);
		record.lsn.v = le64_load(bytes + at + 8);
		err = cold_put(&retention->writer, &record, from, span, fault);
		at += COLD_PREFIX_BYTES + span;
		retention->copied++;
	}
	return err;
}

enum froe_err
retention_merge_item(struct retention *retention, size_t index, struct froe_fault *fault)
{
	const struct retention_item *item = &retention->items[index];
	struct log *log = retention->log;
	const uint8_t *bytes;
	int file;
	if (item->no == 0) {
		cold_gone(&retention->writer, item->run_key);
		return FROE_OK;
	}
	enum froe_err err = io_file_open(log->env, cold_path(&log->paths, item->file->no).text,
	    IO_OPEN_READ | IO_OPEN_DIRECT, &file, fault);
	if (err != FROE_OK)
		return err;
	err = window_read(
	    retention, file, item->extent->offset, item->extent->bytes, &bytes, fault);
	io_file_close(log->env, file);
	if (err == FROE_OK)
		err = merge_records(retention, item->extent, bytes, fault);
	/* Also that it has none: the records may have joined those of an earlier closing. */
	if (err == FROE_OK)
		cold_closed(&retention->writer, item->extent->closed_ns);
	return err;
}
