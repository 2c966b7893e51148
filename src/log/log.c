/*
 * log/log: opening and closing.
 *
 * Open: lock; read STORE, or make the store; read the slots; load a snapshot; recover
 * (log/recovery_int.h); cut what the decision says; raise the epoch in MANIFEST and renew
 * WATERMARK; take the segment in which the log ends, adopt the empty ones after it, make one more.
 * Each step can be done again: a crash anywhere leaves what the next open understands.
 */
#include "log/log_int.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/snapshot.h"
#include "log/cut_int.h"
#include "log/retention_int.h"

#include <inttypes.h>
#include <stdio.h>

static enum froe_err
open_lock(struct log *log, struct froe_fault *fault)
{
	struct path path = path_join(log->paths.dir, "LOCK");
	struct io_traits traits;
	enum froe_err err = io_path_mkdir(log->env, log->paths.dir, fault);
	if (err == FROE_OK)
		err = io_path_traits(log->env, log->paths.dir, &traits, fault);
	if (err != FROE_OK)
		return err;
	if (!traits.direct && !log->options.dev) {
		return fault_set(fault, FROE_UNSUPPORTED,
		    "%s: this file system has no direct I/O, so nothing on it is durable: "
		    "use ext4 or "
		    "XFS (tmpfs only with froe dev)",
		    log->paths.dir);
	}
	if (traits.block_bytes > LOG_BLOCK_BYTES) {
		return fault_set(fault, FROE_UNSUPPORTED,
		    "%s: this device writes blocks of %u bytes, the log's format has %u: "
		    "use another",
		    log->paths.dir, traits.block_bytes, LOG_BLOCK_BYTES);
	}
	err = io_file_open(log->env, path.text, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE,
	    &log->lock, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_lock(log->env, log->lock, /* wait= */ true, fault);
	if (err == FROE_IN_USE) {
		fault_set(fault, err,
		    "%s: another froe server holds this data directory: stop it, or "
		    "use another directory",
		    log->paths.dir);
	}
	return err;
}

/* A new store: its first segment lies there before STORE is. */
static enum froe_err
open_create(struct log *log, struct froe_fault *fault)
{
	uint8_t random[16];
	io_random(log->env, random, sizeof(random));
	log->store.id = uuid_v7(io_wall_ns(log->env), random);
	log->store.segment_bytes = log->options.segment_bytes != 0 ? log->options.segment_bytes
	                                                           : LOG_SEGMENT_BYTES_DEFAULT;
	if (!seg_bytes_legal(log->store.segment_bytes)) {
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "segment_bytes",
		    "%" PRIu64 " is not a segment size: 1 MiB to 1 GiB, in whole MiB",
		    log->store.segment_bytes);
	}
	enum froe_err err = store_prepare(log->env, &log->paths, &log->store, fault);
	failpoint_pass(FAILPOINT_create_slots);
	if (err != FROE_OK)
		return err;
	struct spares first;
	struct spares_options options = {
	    .paths = &log->paths,
	    .store = log->store.id,
	    .segment_bytes = log->store.segment_bytes,
	    .wanted = 1,
	    .next_no = 1,
	};
	spares_init(&first, log->env, &options);
	err = spares_find(&first, fault);
	if (err == FROE_OK)
		err = spares_require(&first, fault);
	spares_release(&first);
	failpoint_pass(FAILPOINT_create_segment);
	if (err == FROE_OK)
		err = store_write(log->env, &log->paths, &log->store, fault);
	return err;
}

static enum froe_err
open_store(struct log *log, struct log_report *report, struct froe_fault *fault)
{
	enum froe_err err = store_read(log->env, &log->paths, &log->store, fault);
	if (err == FROE_NOT_FOUND && !log->options.read_only) {
		report->created = true;
		err = open_create(log, fault);
	}
	if (err != FROE_OK)
		return err;
	report->store = log->store.id;
	uint64_t wanted = log->options.segment_bytes;
	if (wanted != 0 && wanted != log->store.segment_bytes) {
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "segment_bytes",
		    "this store was made with segments of %" PRIu64 " bytes: leave the option out",
		    log->store.segment_bytes);
	}
	err = slots_open(&log->manifest, log->env, log->paths.shard, SLOTS_MANIFEST, log->store.id,
	    log->options.read_only, fault);
	if (err == FROE_OK) {
		err = slots_open(&log->watermark, log->env, log->paths.shard, SLOTS_WATERMARK,
		    log->store.id, log->options.read_only, fault);
	}
	if (err == FROE_OK) {
		const struct slots_value *value = &log->manifest.value;
		err = shelf_open(&log->shelf, log->env, &log->paths, log->store.id,
		    value->manifest.cold, value->manifest.segment_oldest, fault);
	}
	return err;
}

static struct recovery_options
open_recovery_options(const struct log *log, log_replay_fn *replay, void *context,
    struct lsn from)
{
	return (struct recovery_options){
	    .segment_oldest = log->manifest.value.manifest.segment_oldest,
	    .segment_bytes = log->store.segment_bytes,
	    .watermark_seq = log->watermark.value.watermark.durable_seq,
	    .watermark_segment = log->watermark.value.watermark.durable_lsn >> 32,
	    .from = from,
	    .read_only = log->options.read_only,
	    .accept_tail_loss = log->options.accept_tail_loss,
	    .replay = replay,
	    .context = context,
	};
}

/* The epoch is raised before anything of it is written. */
static enum froe_err
open_epoch(struct log *log, const struct recovery *recovery, struct froe_fault *fault)
{
	struct slots_value manifest = log->manifest.value;
	struct slots_value watermark = {
	    .epoch = log->epoch,
	    .watermark =
	        {
	            .durable_seq = recovery->chain.seq,
	            .durable_lsn = recovery->report->end.v,
	        },
	};
	manifest.epoch = log->epoch;
	enum froe_err err = slots_write(&log->manifest, &manifest, fault);
	failpoint_pass(FAILPOINT_recovery_manifest);
	if (err == FROE_OK)
		err = slots_write(&log->watermark, &watermark, fault);
	failpoint_pass(FAILPOINT_recovery_watermark);
	return err;
}

/* Opens a segment that recovery has verified, for writing. */
static struct segment *
open_segment(struct log *log, struct recovery *recovery, uint64_t no, struct froe_fault *fault)
{
	if (reader_open(&recovery->reader, no, /* sync= */ false, fault) != FROE_OK)
		return NULL;
	return segment_open(log->env, &log->paths, &recovery->reader.header, fault);
}

static enum froe_err
open_segments(struct log *log, struct recovery *recovery, struct froe_fault *fault)
{
	uint64_t no = recovery->segments[recovery->at];
	struct spares_options options = {
	    .paths = &log->paths,
	    .store = log->store.id,
	    .segment_bytes = log->store.segment_bytes,
	    .wanted = log->options.spares,
	    .next_no = no + 1,
	};
	spares_init(&log->spares, log->env, &options);
	log->segment = open_segment(log, recovery, no, fault);
	if (log->segment == NULL)
		return fault->code;
	log->offset = recovery->end;
	atomic_init(&log->sealed_no, no - 1);
	enum froe_err err = spares_find(&log->spares, fault);
	for (size_t i = recovery->at + 1; i < recovery->segment_count && err == FROE_OK; i++) {
		struct segment *next =
		    open_segment(log, recovery, recovery->segments[i], fault);
		if (next == NULL)
			return fault->code;
		spares_adopt(&log->spares, next);
	}
	if (err == FROE_OK)
		err = spares_require(&log->spares, fault);
	return err == FROE_NO_SPACE ? FROE_OK : err; /* log_space() tells */
}

/* The manifest's newest slot may have been lost: all that may know an epoch are asked. */
static uint64_t
open_epoch_max(const struct log *log, const struct recovery *recovery)
{
	uint64_t epoch = recovery->chain.epoch;
	if (log->manifest.value.epoch > epoch)
		epoch = log->manifest.value.epoch;
	if (log->watermark.value.epoch > epoch)
		epoch = log->watermark.value.epoch;
	return epoch;
}

/* What an unfinished retirement or merge left. */
static enum froe_err
open_clean(struct log *log, struct froe_fault *fault)
{
	uint64_t oldest = log->manifest.value.manifest.segment_oldest;
	enum froe_err err = shelf_clean(&log->shelf, log->env, &log->paths, fault);
	if (err == FROE_OK)
		err = retired_clean(log->env, &log->paths, oldest, fault);
	return err;
}

/* Everything after the verdict: from here on the store is this process's. */
static enum froe_err
open_writable(struct log *log, struct recovery *recovery, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	log->epoch = open_epoch_max(log, recovery);
	if (log->epoch == 0 || !plant(EPOCH_KEPT))
		log->epoch++;
	if (recovery->decision->action != DECISION_START)
		err = cut_tail(recovery, log->epoch, fault);
	failpoint_pass(FAILPOINT_recovery_cut);
	if (err == FROE_OK)
		err = open_epoch(log, recovery, fault);
	if (err == FROE_OK)
		err = open_segments(log, recovery, fault);
	failpoint_pass(FAILPOINT_recovery_segments);
	if (err == FROE_OK)
		err = open_clean(log, fault);
	failpoint_pass(FAILPOINT_recovery_cleaned);
	log->chain = recovery->chain;
	log->opened_end = recovery->report->end;
	atomic_store_explicit(&log->time_ns, recovery->report->last_time_ns, memory_order_relaxed);
	log->durable_seq = recovery->chain.seq;
	log->durable_lsn = recovery->report->end;
	log->watermark_seq = recovery->chain.seq;
	recovery->report->epoch = log->epoch;
	return err;
}

/* Says why a snapshot is not used. */
static void
open_skip(struct log_report *report, uint64_t number, const struct froe_fault *fault)
{
	if (report->snapshot_skipped[0] == 0)
		snprintf(report->snapshot_skipped, sizeof(report->snapshot_skipped),
		    "snapshot %" PRIx64 ": %.200s", number, fault->text);
}

/* The newest snapshot that verifies and is wanted, or the beginning of the log. */
static enum froe_err
open_base(struct log *log, void *context, struct log_report *report, struct log_base *ret_base,
    struct froe_fault *fault)
{
	const struct log_loader *loader = log->options.loader;
	struct log_manifest manifest = log_manifest_read(log);
	bool whole = manifest.segment_oldest == 1;
	bool most = log->options.replay_most;
	enum froe_err why = FROE_CORRUPT;
	*ret_base = (struct log_base){0};
	if (loader == NULL)
		return FROE_OK;
	for (unsigned i = 0; i < 2 && !(whole && most); i++) {
		uint64_t number = manifest.snapshots[most ? 1 - i : i].number;
		if (number == 0 || number + 1 < manifest.segment_oldest)
			continue;
		enum froe_err err = snapshot_read(log->env, log->options.dir, log->store.id,
		    number, loader, context, whole, ret_base, fault);
		if (err == FROE_OK) {
			report->snapshot = number;
			report->snapshot_frame_seq = ret_base->frame_seq;
			return FROE_OK;
		}
		open_skip(report, number, fault);
		/* One that could not be read may be sound: the store is not to be given up. */
		if (err != FROE_INCOMPATIBLE && err != FROE_NOT_FOUND && why == FROE_CORRUPT)
			why = err;
	}
	*ret_base = (struct log_base){0};
	if (whole)
		return loader->begin(context, ret_base, whole, fault);
	if (why != FROE_CORRUPT)
		return fault_set(fault, why,
		    "no snapshot can be read (%s), and the log's beginning was retired: start "
		    "again when the disk can be read", report->snapshot_skipped);
	return fault_set(fault, FROE_CORRUPT,
	    "no snapshot can be used (%s), and the log's beginning was retired: it begins with "
	    "segment %" PRIx64 "; restore the data directory from a backup",
	    report->snapshot_skipped[0] != 0 ? report->snapshot_skipped : "none is there",
	    manifest.segment_oldest);
}

/* By MANIFEST's time runs may be gone that were kept for so long: it must not come again. */
static void
open_time(const struct log *log, struct log_report *report)
{
	uint64_t time_ns = log->manifest.value.manifest.time;
	if (time_ns > report->last_time_ns && !plant(AGE_FORGOTTEN))
		report->last_time_ns = time_ns;
}

static enum froe_err
open_all(struct log *log, log_replay_fn *replay, void *context, struct lsn from,
    struct log_report *report, struct froe_fault *fault)
{
	struct recovery recovery;
	enum froe_err err = paths_init(&log->paths, log->options.dir, fault);
	if (err == FROE_OK && !log->options.read_only)
		err = open_lock(log, fault);
	failpoint_pass(FAILPOINT_recovery_locked);
	if (err == FROE_OK)
		err = open_store(log, report, fault);
	if (err != FROE_OK)
		return err;
	struct recovery_options options = open_recovery_options(log, replay, context, from);
	err = open_base(log, context, report, &options.base, fault);
	if (err != FROE_OK)
		return err;
	failpoint_pass(FAILPOINT_recovery_loaded);
	recovery_init(&recovery, log->env, &log->paths, log->store.id, &options, report);
	err = recovery_run(&recovery, fault);
	open_time(log, report);
	failpoint_pass(FAILPOINT_recovery_replayed);
	if (err == FROE_OK && !log->options.read_only)
		err = open_writable(log, &recovery, fault);
	recovery_release(&recovery);
	return err;
}

static struct log *
log_new(struct io_env *env, const struct log_options *options)
{
	struct log *log = mem_zalloc(sizeof(*log));
	log->env = env;
	log->options = *options;
	log->lock = -1;
	atomic_init(&log->alarm_ns, UINT64_MAX);
	log_read_init(log);
	map_init(&log->reopened);
	pthread_mutex_init(&log->reopened_lock, NULL);
	log->manifest.file = -1;
	log->watermark.file = -1;
	if (log->options.inflight_max == 0 || log->options.inflight_max > LOG_INFLIGHT_MAX)
		log->options.inflight_max = LOG_INFLIGHT_MAX;
	return log;
}

enum froe_err
log_open(struct io_env *env, const struct log_options *options, log_replay_fn *replay,
    void *context, struct log **ret_log, struct log_report *report, struct froe_fault *fault)
{
	struct lsn start = {0};
	struct froe_fault own; /* the steps need one */
	struct log *log = log_new(env, options);
	if (fault == NULL)
		fault = &own;
	*report = (struct log_report){0};
	enum froe_err err = open_all(log, replay, context, start, report, fault);
	if (err != FROE_OK) {
		log_close(log);
		return err;
	}
	log_write_init(log);
	*ret_log = log;
	return FROE_OK;
}

void
log_close(struct log *log)
{
	log_write_release(log);
	log_read_release(log);
	shelf_release(&log->shelf);
	map_release(&log->reopened);
	pthread_mutex_destroy(&log->reopened_lock);
	spares_release(&log->spares);
	segment_close(log->env, log->segment);
	slots_close(&log->manifest);
	slots_close(&log->watermark);
	if (log->lock >= 0)
		io_file_close(log->env, log->lock);
	mem_free(log);
}

enum froe_err
log_scan(struct io_env *env, const char *dir, struct lsn from, log_replay_fn *each, void *context,
    struct log_report *report, struct froe_fault *fault)
{
	struct log_options options = {.dir = dir, .read_only = true};
	struct froe_fault own;
	struct log *log = log_new(env, &options);
	*report = (struct log_report){0};
	enum froe_err err =
	    open_all(log, each, context, from, report, fault != NULL ? fault : &own);
	log_close(log);
	return err;
}
