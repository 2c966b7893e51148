/*
 * Snapshots in a world: their maker is one more actor, and each start is made twice: first all of
 * the log is replayed past the model, then the process comes up as it does in earnest, from a
 * snapshot if there is one. Both must be the same.
 */
#include "base/duration.h"
#include "sim/world/process_int.h"

#include <inttypes.h>

void
process_snapshots_start(struct process *process)
{
	struct snapshotter_options options = {
	    .log_bytes = 1,
	    .interval_ns = NS_PER_S,
	    .quiet = true,
	};
	snapshotter_init(&process->snapshotter, &process->shard, PROCESS_DIR, &options);
	process->snapshots_compared = 0;
	process->snapshots_failed = 0;
	process->snapshots_made = 0;
	process->snapshotting = true;
	if (plan_does(process->plan, KIND_SNAPSHOTS))
		judge_mark(process->judge, KIND_SNAPSHOTS);
}

void
process_snapshots_end(struct process *process)
{
	if (process->snapshotting)
		snapshotter_release(&process->snapshotter);
	process->snapshotting = false;
}

/* Only an injected fault is an excuse for one that was not made. */
static void
check_stats(struct process *process)
{
	struct snapshotter_stats stats;
	snapshotter_stats(&process->snapshotter, &stats);
	if (stats.alarms > 0)
		judge_fail(process->judge, "the log does not lead to the state of the engine");
	if (stats.failed > process->snapshots_failed && !process_excused(process, FROE_IO) &&
	    !process_excused(process, FROE_NO_SPACE))
		judge_fail(process->judge, "a snapshot failed for no reason");
	if (stats.made > process->snapshots_made)
		judge_mark(process->judge, KIND_SNAPSHOT_MADE);
	if (stats.compared > process->snapshots_compared)
		judge_mark(process->judge, KIND_SNAPSHOT_COMPARED);
	process->snapshots_compared = stats.compared;
	process->snapshots_failed = stats.failed;
	process->snapshots_made = stats.made;
}

void
process_snapshots_turn(struct process *process)
{
	if (!process->snapshotting || !plan_does(process->plan, KIND_SNAPSHOTS))
		return;
	for (uint64_t steps = dice_below(&process->dice, 4); steps > 0; steps--) {
		if (process->plan->plant == PLANT_STATE_DIFFERS)
			process->snapshotter.note.digest ^= 2;
		if (!snapshotter_step(&process->snapshotter))
			break;
		judge_note(process->judge, "snapshot", (uint64_t)process->snapshotter.step,
		    process->snapshotter.target, 0);
	}
	check_stats(process);
}

/* Nothing may be different for those who come after. */
enum froe_err
process_open_again(
    struct process *process, const struct shard_options *from, struct froe_fault *fault)
{
	static const struct shard_hooks quiet = {
	    .event = NULL,
	};
	struct shard_options options = *from;
	struct shard_hooks hooks = process->shard.hooks;
	uint64_t hash = eng_hash(process->shard.eng);
	struct log_report whole = process->shard.report;
	shard_close(&process->shard);
	options.log.read_only = false;
	options.replay_all = false;
	options.log.replay_most = false;
	enum froe_err err = shard_open(&process->shard, process->env, &options, &quiet, fault);
	if (err != FROE_OK)
		return err;
	struct log_report *report = &process->shard.report;
	process->shard.hooks = hooks;
	if (eng_hash(process->shard.eng) != hash)
		judge_fail(process->judge,
		    "snapshot %" PRIx64 " and the frames after %" PRIu64
		    " lead to another state than all frames do",
		    report->snapshot, report->snapshot_frame_seq);
	if (report->last_frame_seq != whole.last_frame_seq ||
	    report->last_time_ns != whole.last_time_ns || report->end.v != whole.end.v)
		judge_fail(process->judge, "the log ends elsewhere after a snapshot");
	if (report->snapshot != 0)
		judge_mark(process->judge, KIND_SNAPSHOT_LOADED);
	if (report->snapshot_skipped[0] != 0 && !process_excused(process, FROE_IO))
		judge_fail(process->judge, "a snapshot is not good: %s", report->snapshot_skipped);
	report->records = whole.records;
	return FROE_OK;
}
