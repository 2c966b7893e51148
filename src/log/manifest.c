/*
 * log/manifest: what the store's files are, as a start will find them.
 */
#include "log/log_int.h"

struct log_manifest
log_manifest_read(const struct log *log)
{
	const struct slots_value *value = &log->manifest.value;
	return (struct log_manifest){
	    .segment_oldest = value->manifest.segment_oldest,
	    .cold = value->manifest.cold,
	    .time_ns = value->manifest.time,
	    .snapshots =
		{
		    {
			.number = value->manifest.snapshot,
			.lsn = {value->manifest.snapshot_lsn},
			.frame_seq = value->manifest.snapshot_frame,
		    },
		    {
			.number = value->manifest.before,
			.lsn = {value->manifest.before_lsn},
			.frame_seq = value->manifest.before_frame,
		    },
		},
	};
}

/* Into both slots, one after the other: what the caller removes next is named by neither, so the
 * rot of one slot costs nothing. After a failure the slot that was being written may hold anything,
 * and the other one must stay. */
enum froe_err
log_manifest_write(struct log *log, const struct log_manifest *manifest, struct froe_fault *fault)
{
	struct slots_value before = log->manifest.value, value = before;
	froe_assert(manifest->segment_oldest >= value.manifest.segment_oldest);
	froe_assert(manifest->time_ns >= value.manifest.time);
	if (log->manifest_failed)
		return fault_set(fault, FROE_IO, "MANIFEST could not be written before: restart");
	value.manifest.segment_oldest = manifest->segment_oldest;
	value.manifest.snapshot = manifest->snapshots[0].number;
	value.manifest.snapshot_lsn = manifest->snapshots[0].lsn.v;
	value.manifest.snapshot_frame = manifest->snapshots[0].frame_seq;
	value.manifest.before = manifest->snapshots[1].number;
	value.manifest.before_lsn = manifest->snapshots[1].lsn.v;
	value.manifest.before_frame = manifest->snapshots[1].frame_seq;
	value.manifest.cold = manifest->cold;
	value.manifest.time = manifest->time_ns;
	enum froe_err err = slots_write(&log->manifest, &value, fault);
	if (err == FROE_OK)
		err = slots_write(&log->manifest, &value, fault);
	log->manifest_failed = err != FROE_OK;
	if (err != FROE_OK) /* perhaps it says the new one: what is certain is the old one */
		log->manifest.value = before;
	return err;
}

void
log_storage(const struct log *log, struct log_storage *ret_storage)
{
	const struct cold_set *set = log->shelf.current;
	*ret_storage = (struct log_storage){
	    .segment_oldest = set->segment_oldest,
	    .segments = log->segment->header.no + 1 - set->segment_oldest,
	    .cold_files = set->count,
	    .scrub_faults = atomic_load_explicit(&log->scrub.faults, memory_order_relaxed),
	    .scrub_bytes = atomic_load_explicit(&log->scrub.bytes, memory_order_relaxed),
	    .scrub_passes = atomic_load_explicit(&log->scrub.passes, memory_order_relaxed),
	};
	ret_storage->log_bytes = ret_storage->segments * log->store.segment_bytes;
	for (size_t i = 0; i < set->count; i++)
		ret_storage->cold_bytes += set->files[i]->bytes;
	spares_space(&log->spares, &ret_storage->disk_total_bytes, &ret_storage->disk_free_bytes);
}

/* ------------------------------------------------------------------------------- for retention */

uint64_t
log_time_ns(const struct log *log)
{
	return atomic_load_explicit(&log->time_ns, memory_order_relaxed);
}

/* An alarm that is set while this one goes off stays set: the next turn sees it. */
void
log_pass_time(struct log *log, uint64_t now_ns)
{
	uint64_t alarm_ns = atomic_load_explicit(&log->alarm_ns, memory_order_relaxed);
	atomic_store_explicit(&log->time_ns, now_ns, memory_order_relaxed);
	if (alarm_ns > now_ns ||
	    !atomic_compare_exchange_strong_explicit(&log->alarm_ns, &alarm_ns, UINT64_MAX,
		memory_order_relaxed, memory_order_relaxed))
		return;
	if (log->wake != NULL)
		log->wake(log->wake_context);
}

uint64_t
log_alarm_ns(const struct log *log)
{
	return atomic_load_explicit(&log->alarm_ns, memory_order_relaxed);
}

/* The owner sleeps until the earlier one at most: only if it is to wake sooner is it told. */
void
log_set_alarm(struct log *log, uint64_t at_ns)
{
	if (at_ns < atomic_exchange_explicit(&log->alarm_ns, at_ns, memory_order_relaxed))
		log_wake(log);
}

void
log_note_reopened(struct log *log, uint64_t run_key)
{
	pthread_mutex_lock(&log->reopened_lock);
	uintptr_t count = (uintptr_t)map_get_u64(&log->reopened, run_key);
	if (!log->reopened_ignored)
		map_put_u64(&log->reopened, run_key, (void *)(count + 1));
	pthread_mutex_unlock(&log->reopened_lock);
}

void
log_forget_reopened(struct log *log, uint64_t run_key, uint32_t records)
{
	pthread_mutex_lock(&log->reopened_lock);
	uintptr_t count = (uintptr_t)map_get_u64(&log->reopened, run_key);
	froe_assert(count >= records);
	if (count == records)
		map_remove_u64(&log->reopened, run_key);
	else
		map_put_u64(&log->reopened, run_key, (void *)(count - records));
	pthread_mutex_unlock(&log->reopened_lock);
}

bool
log_was_reopened(struct log *log, uint64_t run_key)
{
	pthread_mutex_lock(&log->reopened_lock);
	bool found = map_get_u64(&log->reopened, run_key) != NULL;
	pthread_mutex_unlock(&log->reopened_lock);
	return found;
}

void
log_ignore_reopened(struct log *log)
{
	pthread_mutex_lock(&log->reopened_lock);
	log->reopened_ignored = true;
	map_release(&log->reopened);
	map_init(&log->reopened);
	pthread_mutex_unlock(&log->reopened_lock);
}

size_t
log_reopened(struct log *log)
{
	pthread_mutex_lock(&log->reopened_lock);
	size_t count = log->reopened.count;
	pthread_mutex_unlock(&log->reopened_lock);
	return count;
}

void
log_wake(struct log *log)
{
	/* Acquire: pairs with log_start(). */
	struct io *io = atomic_load_explicit(&log->wake_io, memory_order_acquire);
	if (io != NULL)
		io_wake(io);
}

uint64_t
log_segment_bytes(const struct log *log)
{
	return log->store.segment_bytes;
}

uint64_t
log_segment(const struct log *log)
{
	return log->segment->header.no;
}

/* By a bound: the largest step, behind a frame that is full. */
bool
log_segment_may_end(const struct log *log)
{
	return log->offset + log->end_bytes >= log->store.segment_bytes;
}

uint64_t
log_sealed(const struct log *log)
{
	/* Acquire: what was written before the seal is seen, too. */
	return atomic_load_explicit(&log->sealed_no, memory_order_acquire);
}
