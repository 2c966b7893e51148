/*
 * What is promised to be bounded: a step's records, by what eng_step_bytes_max() said before; the
 * writes under way.
 */
#include "sim/world/process_int.h"

#include <inttypes.h>

struct bounds
bounds_before(const struct process *process, const struct eng_command *command)
{
	struct log_stats stats;
	log_stats(process->shard.log, &stats);
	return (struct bounds){
	    .step_bytes = eng_step_bytes_max(process->shard.eng, command),
	    .written = stats.bytes_records,
	};
}

void
bounds_after(struct process *process, const struct bounds *bounds)
{
	struct log_stats stats;
	log_stats(process->shard.log, &stats);
	uint64_t bytes = stats.bytes_records - bounds->written;
	if (bytes > bounds->step_bytes)
		judge_fail(process->judge, "a step has %" PRIu64 " bytes of records, at most %"
		    PRIu64 " were announced", bytes, bounds->step_bytes);
	if (stats.inflight > process->plan->inflight_max)
		judge_fail(process->judge, "%" PRIu64 " writes are under way, %u are allowed",
		    (uint64_t)stats.inflight, process->plan->inflight_max);
}
