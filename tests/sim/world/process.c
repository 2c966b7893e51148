#include "sim/world/process_int.h"

#include "base/duration.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* ---------------------------------------------------------------------------------- recovery */

static void
count_report(struct process *process, const struct log_report *report)
{
	struct judge *judge = process->judge;
	if (report->created && process->created)
		judge_fail(judge, "the store was there, and was created again");
	if (report->created)
		judge_mark(judge, process->tried ? KIND_CREATED_AGAIN : KIND_CREATED);
	else
		judge_mark(judge, report->cut_bytes > 0 ? KIND_CUT : KIND_CLEAN_END);
	if (report->cut_reason[0] != 0)
		judge_mark_row(judge, report->cut_reason);
	if (report->clean)
		judge_mark(judge, KIND_CLEAN);
	if (report->segments > 1)
		judge_mark(judge, KIND_SEGMENTS);
	judge_note(judge, "recovered", report->frames, report->records, report->cut_bytes);
}

/* The state that came back is the one that the events and the world's knowledge demand. */
static void
check_recovered(struct process *process)
{
	const struct log_report *report = &process->shard.report;
	struct model *model = process->model;
	struct eng_counts counts;
	model_check_touched(model);
	history_replay_end(process->history, process->durable);
	model_check_batches(model);
	ledger_check(process->ledger, model);
	eng_check(process->shard.eng);
	eng_counts(process->shard.eng, &counts);
	if (counts.runs != model->run_open || counts.runs_started != model->run_count)
		judge_fail(process->judge, "the engine has %" PRIu64 " of %" PRIu64
		    " runs open, expected %zu of %zu", counts.runs, counts.runs_started,
		    model->run_open, model->run_count);
	size_t count = process->history->count - process->recalled;
	if (report->records != count)
		judge_fail(process->judge, "%" PRIu64 " records are reported, %zu came back",
		    report->records, count);
	process_check_places(process);
	process_check_manifest(process);
	if (report->cut_bytes > 0 && !process->dying)
		process_check_tail(process);
	if (report->epoch <= process->epoch)
		judge_fail(process->judge, "epoch %" PRIu64 " after epoch %" PRIu64,
		    report->epoch, process->epoch);
	if (report->last_frame_seq < process->durable)
		judge_fail(process->judge, "frame %" PRIu64 " is the last, %" PRIu64
		    " was durable", report->last_frame_seq, process->durable);
	if (process->clean && !report->clean)
		judge_fail(process->judge, "a clean stop was not found");
	if (report->cut_bytes > 0 && process->clean)
		judge_fail(process->judge, "something was cut after a clean stop");
	history_hash(process->history, process->shard.eng);
	model_tokens_check(model, process->shard.eng);
	model_rates_check(model, process->shard.eng);
	model_jobs_check(model, process->shard.eng);
	process->durable = report->last_frame_seq;
	process->epoch = report->epoch;
	process->created = true;
	process->clean = false;
}

static enum froe_err
open_shard(struct process *process, struct froe_fault *fault)
{
	const struct plan *plan = process->plan;
	struct shard_options options = {
	    .log =
	        {
	            .dir = PROCESS_DIR,
	            .segment_bytes = plan->segment_bytes,
	            .inflight_max = plan->inflight_max,
	            .spares = plan->spares,
	        },
	    .cache_bytes = plan->cache_bytes,
	};
	struct shard_hooks hooks = process_hooks;
	hooks.context = process;
	model_reset(process->model);
	history_replay(process->history);
	process->replaying = true;
	process->recalling = true;
	options.replay_all = !plan_does(plan, KIND_RETENTION);
	options.log.replay_most = !options.replay_all;
	options.log.read_only = plan_does(plan, KIND_SNAPSHOTS);
	enum froe_err err = shard_open(&process->shard, process->env, &options, &hooks, fault);
	if (err == FROE_NOT_FOUND && options.log.read_only) {
		options.log.read_only = false;
		err = shard_open(&process->shard, process->env, &options, &hooks, fault);
	} else if (err == FROE_OK && options.log.read_only) {
		process_recall(process);
		err = process_open_again(process, &options, fault);
	}
	process->replaying = false;
	return err;
}

bool
process_excused(const struct process *process, enum froe_err err)
{
	bool armed = process->dying || sim_operations(process->env) <= process->excused_until;
	if (err == FROE_IO)
		return armed || plan_does(process->plan, KIND_ERRORS);
	return err == FROE_NO_SPACE && (armed || plan_does(process->plan, KIND_FULL));
}

/* It did not come up. Only an injected fault is an excuse, and only for these errors. */
static void
check_refusal(struct process *process, enum froe_err err, const struct froe_fault *fault)
{
	judge_note(process->judge, "refused", (uint64_t)err, 0, 0);
	if (!process_excused(process, err))
		judge_fail(process->judge, "the store does not open: %s: %s", froe_err_name(err),
		    fault->text);
	judge_mark(process->judge, KIND_RECOVERY_FAILED);
	process->tried = true;
}

static void
process_close(struct process *process)
{
	io_close(process->io);
	outbox_drop(process);
	process_snapshots_end(process);
	process_retention_end(process);
	process_jobs_end(process);
	shard_close(&process->shard);
	process->io = NULL;
	process->up = false;
}

/* ------------------------------------------------------------------------------------ starting */

static void
open_tenants(struct process *process)
{
	for (unsigned tenant = 0; tenant < process->plan->tenants; tenant++) {
		struct eng_command command = {
		    .type = ENG_CMD_TENANT_OPEN,
		    .tenant_open.name = bytes_text(model_tenant_name(tenant)),
		};
		if (!process_submit(process, &command))
			judge_fail(process->judge, "a fresh process has no room for a tenant");
		process->tenants[tenant] = process->model->tenant_numbers[tenant];
	}
}

static void
wake_housekeeping(void *context)
{
	struct process *process = context;
	process->housekeeping = true;
}

/* It goes on where the log ended, or at the wall clock if that is later. */
static void
check_clock(struct process *process)
{
	uint64_t wall_ns = io_wall_ns(process->env), last_ns = process->shard.report.last_time_ns;
	if (process->clock_now_ns != (wall_ns > last_ns ? wall_ns : last_ns))
		judge_fail(process->judge, "engine time starts at %" PRIu64 ", the log ended at %"
		    PRIu64, process->clock_now_ns, last_ns);
	if (last_ns > wall_ns && last_ns > process->model->time_ns &&
	    last_ns == log_manifest_read(process->shard.log).time_ns)
		judge_mark(process->judge, KIND_AGE_KEPT);
	if (last_ns < process->model->time_ns)
		judge_fail(process->judge, "the last frame is older than its events");
}

static enum froe_err
start_serving(struct process *process, struct froe_fault *fault)
{
	static const struct eng_command start = {.type = ENG_CMD_ENGINE_START};
	process->housekeeping = true;
	log_set_spares_wake(process->shard.log, wake_housekeeping, process);
	process_snapshots_start(process);
	process_retention_start(process);
	process_jobs_start(process);
	process->clock_mono_ns = io_mono_ns(process->env);
	process->clock_now_ns = process->shard.clock.now_ns;
	check_clock(process);
	eng_workers(process->shard.eng, process_recovered_worker, process);
	process->shard.lapse_ns = PROCESS_LAPSE_NS;
	process->model->now_ns = process->clock_now_ns;
	model_before(process->model, &start);
	enum froe_err err = shard_start(&process->shard, process->io, fault);
	model_after(process->model, /* hold= */ false);
	process->up = true;
	if (err != FROE_OK)
		return err;
	open_tenants(process);
	return FROE_OK;
}

bool
process_start(struct process *process)
{
	struct froe_fault fault = {0};
	process->failed = false;
	process->worker_count = 0;
	list_init(&process->letters);
	list_init(&process->loads);
	list_init(&process->loaded);
	list_init(&process->reads);
	list_init(&process->jobs);
	enum froe_err err = open_shard(process, &fault);
	if (err != FROE_OK) {
		check_refusal(process, err, &fault);
		return false;
	}
	count_report(process, &process->shard.report);
	check_recovered(process);
	if (io_open(process->env, &process->io, &fault) != FROE_OK)
		judge_fail(process->judge, "no loop: %s", fault.text);
	err = start_serving(process, &fault);
	if (err != FROE_OK) {
		check_refusal(process, err, &fault);
		process_close(process);
	}
	return err == FROE_OK;
}

/* -------------------------------------------------------------------------------------- ending */

/* The plant: the disk has lost what it said was written, the newest durable frames. */
static void
plant_lost_write(struct process *process)
{
	static const uint8_t zeros[LOG_BLOCK_BYTES];
	uint64_t from = process->end[1].v, to = process->end[0].v;
	char path[128];
	snprintf(path, sizeof(path), PROCESS_DIR "/shard-0000/log/%016" PRIx64 ".seg", to >> 32);
	for (; from >> 32 == to >> 32 && from < to; from += sizeof(zeros))
		FROE_DROP(sim_corrupt(process->env, path, (uint32_t)from, zeros, sizeof(zeros)),
		    "a segment that is not there loses nothing");
}

/* What it had learned about durability counts: it might have said so to somebody. */
void
process_end(struct process *process, enum death death)
{
	judge_note(process->judge, death == DEATH_POWER ? "power lost" : "killed",
	    process->durable, log_tail_seq(process->shard.log), process->history->count);
	process->judge->tally->deaths++;
	if (death == DEATH_POWER) {
		sim_crash(process->env);
		process->excused_until = 0;
	}
	if (death == DEATH_POWER && process->plan->plant == PLANT_LOST_WRITE)
		plant_lost_write(process);
	process_close(process);
	process->dying = false;
	process->worker_count = 0;
}

bool
process_wait_durable(struct process *process)
{
	const struct log *log = process->shard.log;
	for (unsigned turns = 0; log_durable_seq(log) < log_tail_seq(log); turns++) {
		log_flush(process->shard.log);
		io_step(process->io, io_mono_ns(process->env) + NS_PER_S);
		process_watch_log(process);
		if (process->failed)
			return false;
		if (turns > 10000)
			judge_fail(process->judge, "the log never becomes durable");
	}
	return true;
}

bool
process_stop(struct process *process)
{
	log_flush(process->shard.log);
	if (!process_wait_durable(process))
		return false;
	history_hash(process->history, process->shard.eng);
	while (!log_has_room(process->shard.log, 0)) {
		if (!log_spares_step(process->shard.log))
			return false;
	}
	log_stop(process->shard.log, process->shard.clock.now_ns);
	if (!process_wait_durable(process))
		return false;
	outbox_release(process);
	process->clean = true;
	judge_note(process->judge, "stopped", process->durable, process->history->count, 0);
	process_close(process);
	return true;
}
