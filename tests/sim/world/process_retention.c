/*
 * Retention in a world: one more actor, which gives segments back whose runs are past it. What the
 * log does not say any more the history tells from memory: only the log's end comes from the disk
 * then, and must lead to the same state. Old records are read all the time: each of a run that is
 * open, or closed within the retention, must be there, under the place that it always had.
 */
#include "base/duration.h"
#include "base/mem.h"
#include "sim/world/process_int.h"

#include <inttypes.h>

#define READS_MAX 4u

struct old_read {
	struct list link;
	struct log_read read;
	struct process *process;
	size_t row;
	uint64_t run;
	uint32_t no;
	bool cold;
};

void
process_retention_start(struct process *process)
{
	struct retention_options options = {.keep_ns = process->plan->keep_ns};
	process->retention = NULL;
	if (!plan_does(process->plan, KIND_RETENTION))
		return;
	process->retention = retention_open(process->shard.log, &options);
	judge_mark(process->judge, KIND_RETENTION);
}

static void
read_free(struct old_read *read)
{
	list_remove(&read->link);
	mem_free(read);
}

void
process_retention_end(struct process *process)
{
	process->oldest = log_manifest_read(process->shard.log).segment_oldest;
	while (!list_empty(&process->reads)) {
		struct old_read *read = container_of(process->reads.next, struct old_read, link);
		mem_pages_free(read->read.buffer, read->read.buffer_size);
		read_free(read);
	}
	if (process->retention != NULL)
		retention_close(process->retention);
	process->retention = NULL;
}

/* -------------------------------------------------------------------------------------- replay */

static void
recall_event(void *context, const struct eng_event *event, uint64_t frame)
{
	struct process *process = context;
	model_event(process->model, event, frame);
}

void
process_recall(struct process *process)
{
	const struct log_report *report = &process->shard.report;
	if (!process->recalling)
		return;
	process->recalling = false;
	process->recalled =
	    history_recall(process->history, report->snapshot_frame_seq, recall_event, process);
	if (process->recalled > 0)
		judge_mark(process->judge, KIND_RECALLED);
}

void
process_place(struct process *process, const struct eng_event *event,
    const struct log_place *place)
{
	struct history_row *row = &process->history->rows[process->history->count - 1];
	if (!process->history->keeps || event->run == 0)
		return;
	row->placed = true;
	row->place = *place; /* the resolver may have forgotten the run */
}

/* An open run's records lie where they lay, whatever the state came from. */
void
process_check_places(struct process *process)
{
	for (size_t i = 0; i < process->history->count; i++) {
		const struct history_row *row = &process->history->rows[i];
		const struct model_run *run = model_run(process->model, row->run);
		struct log_place place;
		if (!row->placed || run->closed)
			continue;
		bool known = resolver_place(process->shard.resolver, row->run, row->no, &place);
		if (!known || place.lsn.v != row->place.lsn.v ||
		    place.event_seq != row->place.event_seq)
			judge_fail(process->judge, "run %" PRIu64 " record %u is %s", row->run,
			    row->no, known ? "said to lie elsewhere" : "nowhere");
	}
}

/* --------------------------------------------------------------------------------- old records */

static bool
run_past(const struct process *process, const struct model_run *run)
{
	uint64_t now_ns = process->shard.clock.now_ns;
	return run->closed && run->closed_ns + process->plan->keep_ns <= now_ns;
}

static void
check_read(struct process *process, const struct old_read *read, const struct log_record *record)
{
	const struct history_row *row = &process->history->rows[read->row];
	if (record->run_key != row->run || record->run_event_no != row->no ||
	    record->type != row->type || record->event_seq != row->place.event_seq ||
	    !bytes_equal(record->body, bytes_of(row->body, row->size)))
		judge_fail(process->judge, "run %" PRIu64 " record %u reads as another",
		    row->run, row->no);
	if (read->cold)
		judge_mark(process->judge, KIND_COLD_READ);
}

static void
read_done(struct log_read *from, enum froe_err err, const struct log_record *record)
{
	struct old_read *read = container_of(from, struct old_read, read);
	struct process *process = read->process;
	const struct model_run *run = model_run(process->model, read->run);
	if (err == FROE_OK) {
		check_read(process, read, record);
	} else if (err == FROE_NOT_FOUND) {
		if (!run_past(process, run))
			judge_fail(process->judge, "run %" PRIu64 " record %u is gone, its run is "
			    "%s (closed at %" PRIu64 ", kept for %" PRIu64 ", now %" PRIu64 ")",
			    read->run, read->no, run->closed ? "not past retention" : "open",
			    run->closed_ns, process->plan->keep_ns, process->shard.clock.now_ns);
		judge_mark(process->judge, KIND_PAST_READ);
	} else if (!process_excused(process, err)) {
		judge_fail(process->judge, "run %" PRIu64 " record %u cannot be read: %s",
		    read->run, read->no, froe_err_name(err));
	} else {
		process->failed = true; /* the disk is broken */
	}
	read_free(read);
}

static unsigned
reads_count(const struct process *process)
{
	unsigned count = 0;
	struct list *at;
	list_for_each(at, &process->reads)
		count++;
	return count;
}

static void
read_some(struct process *process)
{
	const struct history *history = process->history;
	if (history->count == 0 || reads_count(process) >= READS_MAX ||
	    !dice_hits(&process->dice, 30)) /* else no time would pass: each read wakes the loop */
		return;
	size_t index = dice_below(&process->dice, history->count);
	const struct history_row *row = &history->rows[index];
	if (!row->placed || row->frame > process->durable)
		return;
	struct old_read *read = mem_zalloc(sizeof(*read));
	struct log_manifest manifest = log_manifest_read(process->shard.log);
	*read = (struct old_read){
	    .process = process,
	    .row = index,
	    .run = row->run,
	    .no = row->no,
	    .cold = row->place.lsn.v >> 32 < manifest.segment_oldest,
	};
	list_push(&process->reads, &read->link);
	log_read_start(process->shard.log, &read->read, row->place, row->run, row->no, read_done);
}

/* ---------------------------------------------------------------------------------------- turns */

void
process_retention_turn(struct process *process)
{
	struct retention_stats before, after;
	if (process->retention == NULL || process->failed)
		return;
	retention_stats(process->retention, &before);
	for (uint64_t steps = dice_below(&process->dice, 8); steps > 0; steps--) {
		uint64_t behind = dice_below(&process->dice, 3);
		uint64_t index_seq = process->durable > behind ? process->durable - behind : 0;
		if (!retention_step(process->retention, index_seq))
			break;
	}
	retention_stats(process->retention, &after);
	if (after.failed && !before.failed && !process_excused(process, FROE_IO) &&
	    !process_excused(process, FROE_NO_SPACE))
		judge_fail(process->judge, "retention failed for no reason: %s", after.why);
	if (after.segments_retired > before.segments_retired) {
		judge_mark(process->judge, KIND_RETIRED);
		if (process->model->time_ns + NS_PER_S <
		    log_manifest_read(process->shard.log).time_ns)
			judge_mark(process->judge, KIND_AGED);
		judge_note(process->judge, "retired", after.segment_oldest, after.runs_gone,
		    after.cold_files);
	}
	if (after.merges > before.merges)
		judge_mark(process->judge, KIND_MERGED);
	read_some(process);
}

bool
process_aged(const struct process *process)
{
	struct retention_stats stats;
	const struct log *log = process->shard.log;
	struct log_manifest manifest = log_manifest_read(log);
	uint64_t no = manifest.segment_oldest;
	if (process->retention == NULL || no > manifest.snapshots[1].number ||
	    no >= log_sealed(log))
		return true;
	retention_stats(process->retention, &stats);
	return stats.failed;
}
