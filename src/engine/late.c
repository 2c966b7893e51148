/*
 * engine/late: a log line that comes when its attempt has ended, or even its run.
 *
 * It is a record of the run like any other, and changes nothing else: a run that has closed stays
 * closed, and is remembered with how many records and tasks it has (struct eng_closed), so that the
 * line gets the next number. What is forgotten takes none. A replay goes on from the records that
 * were read of the run: one that does not know of the last line is refused (engine/replay.c).
 */
#include "engine/apply_int.h"

/* Of an open run; NULL: it has not begun, or there is no such attempt of it. */
static const struct eng_task *
late_task(const struct eng_run *run, uint32_t number, uint32_t attempt)
{
	if (number == 0 || number > run->version->task_count)
		return NULL;
	const struct eng_task *task = &run->tasks[number - 1];
	return task->attempt != 0 && attempt <= task->attempt ? task : NULL;
}

static void
late_emit(struct eng_turn *turn, struct eng_event *event, uint32_t records)
{
	struct froe_fault fault;
	if (quota_records(records, &fault) != FROE_OK) {
		reply_fault(turn, fault.code, fault.field, "%s", fault.text);
		return;
	}
	event->type = ENG_EV_LATE_LOGGED;
	event->run_event_no = records + 1;
	event->tenant = turn->command->tenant.v;
	event->text = turn->command->task.bytes;
	emit(turn, event);
	reply_ok(turn);
}

static void
late_refuse(struct eng_turn *turn)
{
	reply_fault(turn, FROE_NOT_FOUND, "task",
	    "no attempt of this task is known: it has not begun, or its run ended long ago");
}

void
decide_task_late(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint32_t number, attempt = command->task.attempt;
	struct uuid id = uuid_run_of(command->task.fence.task, &number);
	const struct eng_run *run = eng_run_by_id(turn->eng, id);
	const struct eng_closed *closed = keyset_get_uuid(&turn->eng->closed, id);
	struct eng_event event = {.id = id, .task = number - 1, .attempt = attempt};
	if (run != NULL && run_tenant(run)->id == command->tenant.v) {
		const struct eng_task *task = late_task(run, number, attempt);
		if (task == NULL) {
			late_refuse(turn);
			return;
		}
		event.run = run->key;
		event.attempt = attempt != 0 ? attempt : task->attempt;
		late_emit(turn, &event, run->event_count);
	} else if (closed != NULL && closed->tenant == command->tenant.v && number != 0 &&
	    number <= closed->tasks) {
		event.run = closed->key;
		late_emit(turn, &event, closed->records);
	} else {
		late_refuse(turn);
	}
}

static enum froe_err
late_open(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count ||
	    run_tenant(run)->id != apply->event->tenant || !uuid_equal(run->id, apply->event->id))
		return misfit(apply, "no such task");
	run->event_count++;
	return FROE_OK;
}

enum froe_err
apply_late_logged(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	if (eng_run_get(apply->eng, event->run) != NULL)
		return late_open(apply);
	struct eng_closed *closed = keyset_get_uuid(&apply->eng->closed, event->id);
	if (closed == NULL || closed->key != event->run || closed->tenant != event->tenant)
		return misfit(apply, "no such run");
	if (event->task >= closed->tasks)
		return misfit(apply, "no such task");
	if (event->run_event_no != closed->records + 1u ||
	    closed->records == ENG_CLOSED_RECORDS_MAX)
		return misfit(apply, "its record number is not the next");
	closed->records++;
	return FROE_OK;
}
