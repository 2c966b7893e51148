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

/* The slot that was being written may hold anything now, and the other one must stay. */
enum froe_err
log_manifest_write(struct log *log, const struct log_manifest *manifest, struct froe_fault *fault)
{
	struct slots_value value = log->manifest.value;
	froe_assert(manifest->segment_oldest >= value.manifest.segment_oldest);
	if (log->manifest_failed)
		return fault_set(fault, FROE_IO, "MANIFEST could not be written before: restart");
	value.manifest.segment_oldest = manifest->segment_oldest;
	value.manifest.snapshot = manifest->snapshots[0].number;
	value.manifest.snapshot_lsn = manifest->snapshots[0].lsn.v;
	value.manifest.snapshot_frame = manifest->snapshots[0].frame_seq;
	value.manifest.before = manifest->snapshots[1].number;
	value.manifest.before_lsn = manifest->snapshots[1].lsn.v;
	value.manifest.before_frame = manifest->snapshots[1].frame_seq;
	enum froe_err err = slots_write(&log->manifest, &value, fault);
	log->manifest_failed = err != FROE_OK;
	return err;
}

uint64_t
log_sealed(const struct log *log)
{
	/* Acquire: what was written before the seal is seen, too. */
	return atomic_load_explicit(&log->sealed_no, memory_order_acquire);
}
