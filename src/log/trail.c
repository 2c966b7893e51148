/*
 * Cold files are sorted by run: a merge takes the lowest run that any of them has, and of it the
 * extents in the order of their first records. Each file is read through a window, as its extents
 * lie one behind the other.
 */
#include "log/trail.h"

#include "base/mem.h"
#include "io/file.h"
#include "log/record_int.h"
#include "log/shelf_int.h"
#include "log/slots_int.h"
#include "log/walk.h"

#include <inttypes.h>

#define WINDOW_BYTES ((size_t)1 << 20)

/* A cold file being read. */
struct trail_cold {
	const struct cold_file *cold;
	size_t next; /* extent */
	int file;
	uint8_t *buffer;
	size_t capacity;
	uint64_t from; /* what the buffer holds */
	size_t have;
};

struct trail {
	struct io_env *env;
	struct paths paths;
	struct uuid store;
	uint64_t oldest; /* segment: what is cold lay before it */
	struct shelf shelf; /* of its own */
	struct trail_cold *colds;
	size_t cold_count;
	struct walk *walk;
	bool passes; /* over damage */
	unsigned damages;
	struct lsn damage; /* the last one */
};

/* -------------------------------------------------------------------------------------- opening */

static enum froe_err
open_colds(struct trail *trail, struct froe_fault *fault)
{
	const struct cold_set *set = trail->shelf.current;
	trail->colds = mem_array(set->count + 1, sizeof(*trail->colds));
	for (size_t i = 0; i < set->count; i++) {
		struct trail_cold *cold = &trail->colds[trail->cold_count];
		struct path path = cold_path(&trail->paths, set->files[i]->no);
		enum froe_err err = io_file_open(trail->env, path.text,
		    IO_OPEN_READ | IO_OPEN_DIRECT, &cold->file, fault);
		if (err != FROE_OK)
			return err;
		cold->cold = set->files[i];
		trail->cold_count++;
	}
	return FROE_OK;
}

static enum froe_err
open_files(struct trail *trail, struct froe_fault *fault)
{
	struct slots manifest;
	enum froe_err err = slots_open(&manifest, trail->env, trail->paths.shard, SLOTS_MANIFEST,
	    trail->store, /* read_only= */ true, fault);
	if (err != FROE_OK)
		return err;
	uint64_t oldest = manifest.value.manifest.segment_oldest;
	uint64_t cold = manifest.value.manifest.cold;
	slots_close(&manifest);
	trail->oldest = oldest;
	trail->walk =
	    walk_open_at(trail->env, trail->paths.dir, trail->store, oldest, fault);
	froe_assert(trail->walk != NULL); /* its paths are the trail's */
	err = shelf_open(
	    &trail->shelf, trail->env, &trail->paths, trail->store, cold, oldest, fault);
	return err == FROE_OK ? open_colds(trail, fault) : err;
}

struct trail *
trail_open(struct io_env *env, const char *dir, struct uuid store, struct froe_fault *fault)
{
	struct trail *trail = mem_zalloc(sizeof(*trail));
	trail->env = env;
	trail->store = store;
	enum froe_err err = paths_init(&trail->paths, dir, fault);
	if (err == FROE_OK)
		err = open_files(trail, fault);
	if (err == FROE_OK)
		return trail;
	trail_close(trail);
	return NULL;
}

void
trail_close(struct trail *trail)
{
	if (trail == NULL)
		return;
	for (size_t i = 0; i < trail->cold_count; i++) {
		io_file_close(trail->env, trail->colds[i].file);
		if (trail->colds[i].buffer != NULL)
			mem_pages_free(trail->colds[i].buffer, trail->colds[i].capacity);
	}
	mem_free(trail->colds);
	shelf_release(&trail->shelf);
	walk_close(trail->walk);
	mem_free(trail);
}

uint64_t
trail_frame(const struct trail *trail)
{
	return trail->walk != NULL ? walk_frame(trail->walk) : 0;
}

void
trail_pass_damage(struct trail *trail)
{
	trail->passes = true;
}

unsigned
trail_damages(const struct trail *trail, struct lsn *ret_last)
{
	*ret_last = trail->damage;
	return trail->damages;
}

/* Is this to be passed over? */
static bool
trail_passes(const struct trail *trail, enum froe_err err)
{
	return trail->passes &&
	    (err == FROE_CORRUPT || err == FROE_NOT_FOUND || err == FROE_IO);
}

/* ----------------------------------------------------------------------------------- cold files */

/* [offset, offset + size) of the file in memory, and what follows as far as the window goes. */
static enum froe_err
cold_load(struct trail *trail, struct trail_cold *cold, uint64_t offset, size_t size,
    const uint8_t **ret_bytes, struct froe_fault *fault)
{
	uint64_t from = offset / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	size_t need = (size_t)(offset - from) + size;
	if (offset < cold->from || offset + size > cold->from + cold->have) {
		size_t want = (need > WINDOW_BYTES ? need : WINDOW_BYTES) + LOG_BLOCK_BYTES - 1;
		want = want / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
		if (want > cold->capacity && cold->buffer != NULL)
			mem_pages_free(cold->buffer, cold->capacity);
		if (want > cold->capacity) {
			cold->buffer = mem_pages(want);
			cold->capacity = want;
		}
		uint64_t left = cold->cold->bytes - from;
		cold->from = from;
		cold->have = left < want ? (size_t)left : want;
		froe_assert(cold->have >= need); /* cold_open() has seen to it */
		enum froe_err err = io_file_read(
		    trail->env, cold->file, cold->buffer, cold->have, from, fault);
		if (err != FROE_OK)
			return err;
	}
	*ret_bytes = cold->buffer + (offset - cold->from);
	return FROE_OK;
}

static enum froe_err
cold_extent_read(struct trail *trail, struct trail_cold *cold, const struct cold_extent *extent,
    log_replay_fn *each, void *context, struct froe_fault *fault)
{
	const uint8_t *bytes = NULL;
	size_t at = 0, span = 0;
	enum froe_err err =
	    cold_load(trail, cold, extent->offset, extent->bytes, &bytes, fault);
	for (uint32_t i = 0; i < extent->count && err == FROE_OK; i++) {
		struct log_record record = {0};
		const uint8_t *prefix = bytes + at;
		if (extent->bytes - at < COLD_PREFIX_BYTES ||
		    rec_decode(prefix + COLD_PREFIX_BYTES, extent->bytes - at - COLD_PREFIX_BYTES,
		        le64_load(prefix), &record, &span) != REC_GOOD)
			return fault_set(fault, FROE_CORRUPT,
			    "cold file %" PRIx64 ": a record of run %" PRIu64 " does not verify",
			    cold->cold->no, extent->run_key);
		record.event_seq = le64_load(prefix);
		record.lsn.v = le64_load(prefix + 8);
		/* The record's hash does not cover it; a place in a hot segment would be wrong. */
		if (record.lsn.v >> 32 >= trail->oldest)
			return fault_set(fault, FROE_CORRUPT,
			    "cold file %" PRIx64 ": a record of run %" PRIu64
			    " has a place that is not cold",
			    cold->cold->no, extent->run_key);
		err = each(context, &record, fault);
		at += COLD_PREFIX_BYTES + span;
	}
	return err;
}

enum froe_err
trail_check_cold(struct trail *trail, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < trail->cold_count && err == FROE_OK; i++)
		err = cold_verify(trail->env, &trail->paths, trail->store,
		    trail->colds[i].cold->no, fault);
	return err;
}

/* The file whose next extent comes first; NULL: all are read. */
static struct trail_cold *
cold_next(struct trail *trail)
{
	struct trail_cold *best = NULL;
	const struct cold_extent *first = NULL;
	for (size_t i = 0; i < trail->cold_count; i++) {
		struct trail_cold *cold = &trail->colds[i];
		const struct cold_extent *extent = &cold->cold->extents[cold->next];
		if (cold->next == cold->cold->count)
			continue;
		if (first != NULL && (extent->run_key > first->run_key ||
		    (extent->run_key == first->run_key && extent->first_no >= first->first_no)))
			continue;
		first = extent;
		best = cold;
	}
	return best;
}

static bool
run_gone(const struct trail *trail, uint64_t run_key)
{
	for (size_t i = 0; i < trail->cold_count; i++) {
		const struct cold_extent *last = cold_last(trail->colds[i].cold, run_key);
		if (last != NULL && (last->flags & COLD_GONE) != 0)
			return true;
	}
	return false;
}

/* All extents of one run. *ret_more: there was one. */
static enum froe_err
cold_run(struct trail *trail, log_replay_fn *each, void *context, bool *ret_more,
    struct froe_fault *fault)
{
	struct trail_cold *cold = cold_next(trail);
	enum froe_err err = FROE_OK;
	*ret_more = cold != NULL;
	if (cold == NULL)
		return FROE_OK;
	uint64_t run_key = cold->cold->extents[cold->next].run_key;
	bool gone = run_gone(trail, run_key);
	while (cold != NULL && cold->cold->extents[cold->next].run_key == run_key &&
	    err == FROE_OK) {
		const struct cold_extent *extent = &cold->cold->extents[cold->next++];
		if (!gone)
			err = cold_extent_read(trail, cold, extent, each, context, fault);
		if (trail_passes(trail, err)) {
			trail->damages++;
			trail->damage.v = (trail->oldest - 1) << 32; /* a place that is cold */
			err = FROE_OK;
		}
		cold = cold_next(trail);
	}
	return err;
}

/* --------------------------------------------------------------------------------- hot segments */

/* What was read ahead of the writer may be old: a frame that is not there is looked for once
 * more. */
static enum froe_err
hot_frame(struct trail *trail, log_replay_fn *each, void *context, struct froe_fault *fault)
{
	enum froe_err err = walk_step(trail->walk, each, context, fault);
	if (err == FROE_NOT_FOUND)
		err = walk_step(trail->walk, each, context, fault);
	if (!trail_passes(trail, err) || walk_lost(trail->walk))
		return err;
	trail->damages++;
	trail->damage = walk_pass(trail->walk);
	return FROE_OK;
}

enum froe_err
trail_step(struct trail *trail, log_replay_fn *each, void *context, struct froe_fault *fault)
{
	bool more = false;
	if (trail_frame(trail) == 0) {
		enum froe_err err = cold_run(trail, each, context, &more, fault);
		if (err != FROE_OK || more)
			return err;
	}
	return hot_frame(trail, each, context, fault);
}
