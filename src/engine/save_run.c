/*
 * engine/save_run: open runs, their tasks and timers as state objects.
 *
 * What follows from the rest is not saved but made again: how many tasks are open, how many
 * parents a task waits for, counts. Timers are not saved with their owners, because those of equal
 * deadlines fire in the order in which they were armed.
 */
#include "engine/durable_int.h"

#include "base/plant.h"
#include "engine/save_int.h"

/* ---------------------------------------------------------------------------------------- runs */

static void
save_task(struct save *save, const struct eng_task *task)
{
	size_t group = put_group_open(save);
	put_number(save, task->state);
	put_number(save, task->lease);
	put_number(save, task->attempt);
	put_number(save, task->queued_ns);
	put_number(save, task_worker(task) != NULL ? task->held.worker->id : 0);
	put_number(save, task_output(task));
	put_number(save, task_error(task));
	put_number(save, task->failures);
	put_number(save, task->losses);
	put_number(save, task_work(task)->streamed);
	put_number(save, task_lapsing(task));
	put_number(save, task_lapsing(task) != 0 ? task->lapse.until_ns : 0);
	put_number(save, task->released);
	put_number(save, task->dropped);
	put_number(save, task->begun);
	put_group_close(save, group);
}

static enum froe_err
load_run_task(struct eng_load *load, const struct eng_run *run, struct eng_task *task)
{
	struct take take = take_group(&load->body);
	task->state = take_u8(&take);
	task->lease = take_u32(&take);
	task->attempt = take_u32(&take);
	task->queued_ns = take_number(&take);
	uint64_t worker = take_number(&take);
	uint32_t output = take_u32(&take), error = take_u32(&take);
	task->record = task->state == ENG_TASK_COMPLETED ? output : error;
	uint32_t failures = take_u32(&take), losses = take_u32(&take);
	task->failures = failures & ENG_TASK_FAILURES_MAX;
	task->losses = losses & ENG_TASK_LOSSES_MAX;
	uint32_t streamed = take_u32(&take);
	uint64_t lapsing = take_number(&take);
	task_lapse_set(task, lapsing, take_number(&take));
	task->released = take_u8(&take) != 0;
	task->dropped = take_u8(&take) != 0;
	task->begun = take_u8(&take) != 0;
	if (task->state > ENG_TASK_SKIPPED || task->state == ENG_TASK_SETTLING)
		return load_bad(load, "a task's state");
	if (output > run->event_count || error > run->event_count ||
	    task->failures != failures || task->losses != losses)
		return load_bad(load, "a task's records");
	if ((worker != 0) != (task->state == ENG_TASK_ASSIGNED))
		return load_bad(load, "a task's worker");
	if ((lapsing != 0 && !task_may_lapse(task)) ||
	    ((task->released || task->dropped || task->begun) &&
	        task->state != ENG_TASK_ASSIGNED))
		return load_bad(load, "a task's lease");
	if (worker != 0) {
		struct eng_worker *found = eng_worker_get(load->eng, worker);
		if (found == NULL || found->tenant != run_tenant(run) || task->lease == 0 ||
		    !fair_worker_serves(&found->fair, &task_node(task)->queue->action->fair))
			return load_bad(load, "a task's worker");
		task_hold(task, found);
		task_work_require(load->eng, task)->streamed = streamed;
	}
	return take_end(load, &take, "a task");
}

static void
save_metadata(struct save *save, const struct eng_run *run)
{
	const uint8_t *at = run_texts(run);
	put_number(save, run_text_count(run));
	for (uint32_t i = 0; i < run_text_count(run); i++)
		put_bytes(save, metadata_next(&at));
}

static enum froe_err
load_metadata(struct eng_load *load, struct eng_run *run)
{
	struct bytes texts[2 * FROE_METADATA_PAIRS_MAX];
	uint32_t count = take_u32(&load->body);
	if (count > 2 * FROE_METADATA_PAIRS_MAX)
		return load_bad(load, "a run's metadata");
	for (uint32_t i = 0; i < count; i++)
		texts[i] = take_bytes(&load->body);
	if (load->body.bad || metadata_fault(texts, count) != NULL)
		return load_bad(load, "a run's metadata");
	run_keep_metadata(load->eng, run, texts, count);
	return FROE_OK;
}

static void
save_run(struct save *save, const struct eng_run *run)
{
	put_number(save, run->key);
	put_uuid(save, run->id);
	put_number(save, run->version->workflow->id);
	put_number(save, run->version->number);
	put_number(save, run->created_ns);
	put_number(save, run_ties(run)->deadline_ns);
	put_number(save, run->event_count);
	put_number(save, run_ties(run)->chunks);
	put_number(save, run->priority);
	put_number(save, run->status);
	put_number(save, run->cancel_reason);
	put_number(save, run->version->task_count);
	for (uint32_t i = 0; i < run->version->task_count; i++)
		save_task(save, &run->tasks[i]);
	save_metadata(save, run);
	put_number(save, run_ties(run)->start_ns);
	put_uuid(save, run_ties(run)->parent);
	put_uuid(save, run_ties(run)->doom);
	put_number(save, run_input(run) - 1);
	save_object(save, ENG_OBJ_RUN, run->key);
}

void
save_runs(struct save *save)
{
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&save->eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL)
		save_run(save, run);
}

static struct eng_version *
take_version(struct eng_load *load)
{
	uint32_t id = take_u32(&load->body);
	uint32_t number = take_u32(&load->body);
	if (id == 0 || id > load->eng->workflow_count)
		return NULL;
	struct eng_workflow *workflow = load->eng->workflows[id - 1];
	if (number > workflow->version_count)
		return NULL;
	return number != 0 ? workflow->versions[number - 1] : workflow->unbound;
}

/* Takes part in everything from here on, so that the engine can be closed; it is found by its id
 * once the last RUN has come. NULL: its number is there already. */
static struct eng_run *
run_link(struct eng_load *load, uint64_t key, struct uuid id, struct eng_version *version)
{
	struct eng *eng = load->eng;
	struct eng_run *run = run_alloc(eng, version);
	run->key = key;
	run->id = id;
	run->version = version;
	if (!numtable_add(&eng->runs_by_key, key, run)) {
		run_give_back(eng, run);
		return NULL;
	}
	keyset_batch_add(&load->runs_by_id, run);
	for (uint16_t i = 0; i < version->task_count; i++)
		run->tasks[i].index = i;
	eng->counts.runs++;
	run->version->workflow->runs++;
	eng->counts.runs_open[run->status]++;
	eng->counts.tasks[ENG_TASK_WAITING] += version->task_count;
	return run;
}

static void
run_count(struct eng *eng, struct eng_run *run)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		struct eng_task *task = &run->tasks[i];
		const struct eng_node *node = &run->version->nodes[i];
		eng->counts.tasks[ENG_TASK_WAITING]--;
		eng->counts.tasks[task->state]++;
		if (!task_closed(task))
			run->open++;
		for (uint16_t j = 0; j < node->parent_count; j++) {
			if (!task_closed(&run->tasks[node->parents[j]]))
				task->pending++;
		}
	}
}

static enum froe_err
run_tasks(struct eng_load *load, struct eng_run *run)
{
	enum froe_err err = FROE_OK;
	for (uint32_t i = 0; i < run->version->task_count && err == FROE_OK; i++) {
		err = load_run_task(load, run, &run->tasks[i]);
		if (err != FROE_OK) /* counted as what it was made as */
			run->tasks[i].state = ENG_TASK_WAITING;
	}
	run_count(load->eng, run);
	return err;
}

/* A cancel closes a run in the same step, so none is being cancelled. One that is scheduled has no
 * tasks, and perhaps no priority yet. */
static bool
run_stands(const struct eng_run *run)
{
	const struct eng_ties *ties = run_ties(run);
	if (run->priority > FROE_PRIORITY_MAX || run->cancel_reason != ENG_REASON_NONE)
		return false;
	if (run_unbound(run))
		return ties->start_ns != 0 &&
		    (ties->deadline_ns == 0 || ties->deadline_ns >= ties->start_ns);
	return run->open > 0 && run->priority >= FROE_PRIORITY_MIN;
}

/* From here on they are found. */
enum froe_err
load_runs_flush(struct eng_load *load)
{
	bool ids = keyset_batch_flush(&load->runs_by_id);
	return ids ? FROE_OK : load_bad(load, "a run is there twice");
}

static void
load_ties(struct eng_load *load, struct eng_run *run, uint64_t deadline_ns)
{
	uint64_t start_ns = take_number(&load->body);
	struct uuid parent = take_uuid(&load->body);
	struct uuid doom = take_uuid(&load->body);
	if (deadline_ns == 0 && start_ns == 0 && uuid_is_nil(parent) && uuid_is_nil(doom))
		return;
	struct eng_ties *ties = ties_require(load->eng, run);
	ties->deadline_ns = deadline_ns;
	ties->start_ns = start_ns;
	ties->parent = parent;
	ties->doom = doom;
}

enum froe_err
load_run(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng *eng = load->eng;
	uint64_t key = take_number(take);
	struct uuid id = take_uuid(take);
	struct eng_version *version = take_version(load);
	if (take->bad || key == 0 || key > load->engine.run_last || version == NULL)
		return load_bad(load, "a run");
	struct eng_run *run = run_link(load, key, id, version);
	if (run == NULL)
		return load_bad(load, "a run is there twice");
	run->created_ns = take_number(take);
	uint64_t deadline_ns = take_number(take);
	run->event_count = take_u32(take);
	load->run_records = run->event_count;
	uint32_t chunks = take_u32(take), priority = take_u8(take);
	uint8_t status = take_u8(take);
	run->priority = priority & 0xfu;
	if (chunks > ENG_RUN_CHUNKS_MAX || run->priority != priority)
		return load_bad(load, "a run's chunks or priority");
	if (status > ENG_RUNNING && status != ENG_EVICTED)
		return load_bad(load, "a run's status");
	run_status_set(eng, run, (enum eng_status)status);
	run->cancel_reason = take_u8(take);
	if (take_u32(take) != version->task_count)
		return load_bad(load, "how many tasks a run has");
	enum froe_err err = run_tasks(load, run);
	if (err == FROE_OK)
		err = load_metadata(load, run);
	if (err != FROE_OK)
		return err;
	load_ties(load, run, deadline_ns);
	uint32_t input = take_u32(take) + 1;
	if (input != 1)
		ties_require(eng, run)->input = input;
	if (chunks != 0)
		ties_require(eng, run)->chunks = chunks;
	if (run->cancel_reason != ENG_REASON_NONE) /* it would have ended in the same step */
		return load_bad(load, "a run that is being cancelled");
	if (input == 0 || input > run->event_count || !run_stands(run))
		return load_bad(load, "how a run stands");
	return take_end(load, take, "a run");
}

/* ------------------------------------------------------------------------------- tasks by name */

void
put_task(struct save *save, const struct eng_task *task)
{
	const struct eng_run *run = task_run((struct eng_task *)(uintptr_t)task);
	put_number(save, run->key);
	put_number(save, task->index);
}

struct eng_task *
load_task(struct eng_load *load, struct take *take)
{
	struct eng_run *run = eng_run_get(load->eng, take_number(take));
	uint32_t index = take_u32(take);
	if (run == NULL || index >= run->version->task_count)
		return NULL;
	return &run->tasks[index];
}

/* -------------------------------------------------------------------------------------- timers */

struct timers {
	struct save *save;
	enum eng_clock clock;
	uint32_t rows;
};

static void
save_timer(void *context, struct timer *at)
{
	struct timers *timers = context;
	struct save *save = timers->save;
	struct eng_timer *timer = container_of(at, struct eng_timer, timer);
	if (plant(SNAPSHOT_TIMER) && at->owner == ENG_TIMER_TASK &&
	    container_of(timer, struct eng_work, timer)->task->state == ENG_TASK_DELAYED)
		return;
	if (timers->rows % SAVE_ROWS_MAX == 0)
		put_number(save, timers->clock);
	put_number(save, at->owner);
	switch ((enum eng_timer_owner)at->owner) {
	case ENG_TIMER_TASK:
		put_task(save, container_of(timer, struct eng_work, timer)->task);
		break;
	case ENG_TIMER_RUN:
		put_number(save, container_of(timer, struct eng_ties, timer)->run->key);
		break;
	case ENG_TIMER_WAIT:
		put_wait(save, container_of(timer, struct eng_wait, timer));
		break;
	}
	put_number(save, at->deadline_ns);
	if (++timers->rows % SAVE_ROWS_MAX == 0)
		save_object(save, ENG_OBJ_TIMERS, 0);
}

void
save_timers(struct save *save)
{
	for (int clock = 0; clock < ENG_CLOCKS; clock++) {
		struct timers timers = {.save = save, .clock = (enum eng_clock)clock};
		wheel_each(&save->eng->wheels[clock], save_timer, &timers);
		if (timers.rows % SAVE_ROWS_MAX != 0)
			save_object(save, ENG_OBJ_TIMERS, 0);
	}
}

/* Whose timer it is, if it may run on this clock. */
static struct eng_timer *
take_timer(struct eng_load *load, uint8_t clock)
{
	struct take *take = &load->body;
	uint8_t owner = take_u8(take);
	if (owner == ENG_TIMER_TASK) {
		struct eng_task *task = load_task(load, take);
		if (task == NULL)
			return NULL;
		bool lapsing = task->place == ENG_PLACE_LAPSE;
		bool wall = task->state == ENG_TASK_DELAYED && !lapsing;
		bool uptime = task->state == ENG_TASK_QUEUED ||
		    task->state == ENG_TASK_ASSIGNED || lapsing;
		return (clock == ENG_WALL ? wall : uptime)
		    ? &task_work_require(load->eng, task)->timer
		    : NULL;
	}
	if (owner == ENG_TIMER_RUN && clock == ENG_WALL) {
		struct eng_run *run = eng_run_get(load->eng, take_number(take));
		return run != NULL && run->ties != NULL ? &run->ties->timer : NULL;
	}
	if (owner == ENG_TIMER_WAIT && clock == ENG_WALL) {
		struct eng_wait *wait = load_wait(load, take);
		return wait != NULL ? &wait->timer : NULL;
	}
	return NULL;
}

enum froe_err
load_timers(struct eng_load *load)
{
	struct take *take = &load->body;
	uint8_t clock = take_u8(take);
	if (clock >= ENG_CLOCKS)
		return load_bad(load, "a clock");
	while (take_more(take)) {
		struct eng_timer *timer = take_timer(load, clock);
		uint64_t deadline_ns = take_number(take);
		if (timer == NULL || take->bad || wheel_active(&timer->timer))
			return load_bad(load, "a timer");
		wheel_insert(&load->eng->wheels[clock], &timer->timer, deadline_ns);
	}
	return take_end(load, take, "timers");
}

/* --------------------------------------------------------------------------------- at the end */

static enum froe_err
task_check(const struct eng_load *load, const struct eng_run *run, struct eng_task *task)
{
	const struct eng_task_definition *definition = &run->version->definitions[task->index];
	bool armed = wheel_active(&task_work(task)->timer.timer);
	bool expected = task->state == ENG_TASK_ASSIGNED || task->state == ENG_TASK_DELAYED ||
			(task->state == ENG_TASK_QUEUED && definition->schedule_timeout_ms != 0);
	if (armed != expected)
		return load_bad(load, "a task's timer");
	if (task->place == ENG_PLACE_LEASE && !list_linked(&task->held.link))
		return load_bad(load, "a task without its lease");
	if ((task->place == ENG_PLACE_QUEUE) != (task->state == ENG_TASK_QUEUED))
		return load_bad(load, "a task that is in no queue");
	if (task->pending != 0 && task->state != ENG_TASK_WAITING && !task_closed(task))
		return load_bad(load, "a task before its parents");
	return FROE_OK;
}

enum froe_err
load_runs_check(const struct eng_load *load)
{
	struct eng_run *run;
	enum froe_err err = FROE_OK;
	struct numtable_walk walk = numtable_walk_begin(&load->eng->runs_by_key);
	while (err == FROE_OK && (run = numtable_walk_next(&walk)) != NULL) {
		for (uint32_t i = 0; i < run->version->task_count && err == FROE_OK; i++)
			err = task_check(load, run, &run->tasks[i]);
		const struct eng_ties *ties = run_ties(run);
		uint64_t due_ns = run_due_ns(run);
		if (err == FROE_OK && (wheel_active(&ties->timer.timer) != (due_ns != 0) ||
					  ties->timer.timer.deadline_ns != due_ns))
			err = load_bad(load, "a run's timer");
		bool doomed =
		    !uuid_is_nil(ties->doom) && run->cancel_reason == ENG_REASON_NONE;
		if (err == FROE_OK && list_linked(&ties->doomed_link) != doomed)
			err = load_bad(load, "a run that is to be cancelled");
	}
	numtable_walk_end(&walk);
	return err;
}

/* No slot is counted as used before the load is finished: a lease has none to give back. */
void
load_runs_abort(struct eng_load *load)
{
	struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&load->eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		for (uint32_t i = 0; i < run->version->task_count; i++) {
			struct eng_task *task = &run->tasks[i];
			if (task->place != ENG_PLACE_LEASE)
				continue;
			list_remove(&task->held.link);
			task->place = ENG_PLACE_NONE;
		}
	}
}
