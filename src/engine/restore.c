/*
 * engine/restore: a durable task that was evicted comes back before what it waits for has come. Its
 * handler takes its steps again and waits again; whoever asked wanted to see it on a worker.
 */
#include "engine/durable_int.h"

void
decide_task_restore(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint32_t number;
	struct uuid id = uuid_run_of(command->task_restore.task, &number);
	struct eng_run *run = eng_run_by_id(turn->eng, id);
	const struct eng_closed *closed = keyset_get_uuid(&turn->eng->closed, id);
	bool own = run != NULL && run_tenant(run)->id == command->tenant.v;
	bool ended = closed != NULL && closed->tenant == command->tenant.v;
	if (!own && !ended) {
		reply_fault(turn, FROE_NOT_FOUND, "task", "no run of the tenant has such a task");
		return;
	}
	if (ended || number == 0 || number > run->version->task_count ||
	    run->tasks[number - 1].state != ENG_TASK_EVICTED) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "task", "the task is not evicted");
		return;
	}
	task_queue_lapsed(turn, &run->tasks[number - 1], ENG_REASON_RESTORED);
	reply_ok(turn)->run = run->key;
}
