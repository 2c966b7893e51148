/*
 * engine/apply: the only code that changes state: one function an event type.
 *
 * The same functions serve live operation, where a misfit is a bug (emit() asserts), and recovery,
 * where it is damage (FROE_CORRUPT). So each one checks that the event fits before it changes
 * anything. The meaning of an old event never changes: new behaviour is a new event.
 */
#include "engine/apply_int.h"

#include "base/mem.h"
#include "base/plant.h"
#include "engine/durable_int.h"

#include <inttypes.h>

enum froe_err
misfit(const struct apply *apply, const char *what)
{
	return fault_set(apply->fault, FROE_CORRUPT,
	    "event %d of run %" PRIu64 " (record %u, task %u) does not fit the state: %s",
	    apply->event->type, apply->event->run, apply->event->run_event_no, apply->event->task,
	    what);
}

void
timer_arm(struct eng *eng, enum eng_clock clock, struct eng_timer *timer, uint64_t deadline_ns)
{
	wheel_remove(&eng->wheels[clock], &timer->timer);
	wheel_insert(&eng->wheels[clock], &timer->timer, deadline_ns);
}

struct eng_work *
task_work_require(struct eng *eng, struct eng_task *task)
{
	if (task->work != NULL)
		return task->work;
	task->work = stock_zalloc(&eng->stock, sizeof(*task->work));
	task->work->task = task;
	task->work->timer.timer.owner = ENG_TIMER_TASK;
	return task->work;
}

void
task_work_settle(struct eng *eng, struct eng_task *task)
{
	struct eng_work *work = task->work;
	if (work == NULL || work->durable != NULL || wheel_active(&work->timer.timer))
		return;
	stock_free(&eng->stock, work, sizeof(*work));
	task->work = NULL;
}

static void
task_arm(struct eng *eng, enum eng_clock clock, struct eng_task *task, uint64_t deadline_ns)
{
	timer_arm(eng, clock, &task_work_require(eng, task)->timer, deadline_ns);
}

/* It leaves its state, or what it waited for there has come. A task's timer is on the wall clock
 * while it is delayed, else on uptime. */
static void
task_timer_stop(struct eng *eng, struct eng_task *task)
{
	bool wall = task->state == ENG_TASK_DELAYED && task->place != ENG_PLACE_LAPSE;
	enum eng_clock clock = wall ? ENG_WALL : ENG_UPTIME;
	if (task->work == NULL)
		return;
	wheel_remove(&eng->wheels[clock], &task->work->timer.timer);
	task->work->streamed = 0;
	task_work_settle(eng, task);
}

enum froe_err
find_run(const struct apply *apply, struct eng_run **ret_run)
{
	struct eng_run *run = eng_run_recall(apply->eng, apply->event->run);
	if (run == NULL)
		return misfit(apply, "no such run");
	if (apply->event->run_event_no != run->event_count + 1)
		return misfit(apply, "its record number is not the next");
	*ret_run = run;
	return FROE_OK;
}

/* The task, which must be allowed to move to the state. */
enum froe_err
find_task(const struct apply *apply, enum eng_task_state to, struct eng_task **ret_task)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	struct eng_task *task = &run->tasks[apply->event->task];
	if (!sm_legal(eng_task_table, task->state, to))
		return misfit(apply, eng_task_table[task->state].name);
	*ret_task = task;
	return FROE_OK;
}

enum froe_err
find_lease(const struct apply *apply, enum eng_task_state to, struct eng_task **ret_task)
{
	struct eng_run *run = eng_run_get(apply->eng, apply->event->run);
	if (run != NULL && apply->event->task < run->version->task_count &&
	    run->tasks[apply->event->task].lease != apply->event->lease)
		return misfit(apply, "not its lease");
	return find_task(apply, to, ret_task);
}

/* The event fits: it is counted, and from here on applied whole. */
void
task_move(struct eng *eng, struct eng_task *task, enum eng_task_state to)
{
	task_run(task)->event_count++;
	task_timer_stop(eng, task);
	if (task->place == ENG_PLACE_LAPSE)
		task_lapse_set(task, 0, 0);
	eng->counts.tasks[task->state]--;
	sm_move(eng_task_table, &task->state, (uint8_t)to);
	eng->counts.tasks[task->state]++;
}

/* Out of its queue, if it is in one. */
static void
task_unqueue(struct eng_task *task)
{
	if (task->place != ENG_PLACE_QUEUE)
		return;
	fair_remove(&task->item);
	task->place = ENG_PLACE_NONE;
}

/* The worker's slots are free again, whatever becomes of the task. */
void
task_release_slot(struct eng_task *task)
{
	struct eng_worker *worker = task_worker(task);
	if (worker == NULL)
		return;
	list_remove(&task->held.link);
	if (task->released)
		worker->released_count--;
	else if (task->state != ENG_TASK_CANCELLED || !plant(SLOT_LEAKED))
		fair_unassign(&worker->fair, &task_node(task)->queue->fair.demand->need);
	if (list_empty(&worker->dropped))
		list_remove(&worker->dropping_link);
	worker->lease_count--;
	task->released = false;
	task->dropped = false;
	task->begun = false;
	task->place = ENG_PLACE_NONE;
}

/* The task is over; its children have one parent less to wait for. */
void
task_close(struct eng *eng, struct eng_task *task, enum eng_task_state to)
{
	struct eng_run *run = task_run(task);
	const struct eng_node *node = task_node(task);
	task_move(eng, task, to);
	task_unqueue(task);
	task_release_slot(task);
	durable_forget(eng, task);
	run->open--;
	for (uint16_t i = 0; i < node->child_count; i++) {
		froe_assert(run->tasks[node->children[i]].pending > 0);
		run->tasks[node->children[i]].pending--;
	}
}

/* ------------------------------------------------------------------------- engine, definitions */

static enum froe_err
apply_engine_started(struct apply *apply)
{
	struct eng *eng = apply->eng;
	struct list *at;
	if (apply->event->downtime_ns > eng_uptime_ns(eng, apply->event->time_ns))
		return misfit(apply, "more downtime than time has passed");
	eng->epoch = apply->event->epoch;
	eng->started_ns = apply->event->time_ns;
	eng->downtime_ns += apply->event->downtime_ns;
	list_for_each(at, &eng->workers) {
		struct eng_worker *worker = container_of(at, struct eng_worker, link);
		worker->attached = false;
		fair_worker_enable(&worker->fair, false);
	}
	return FROE_OK;
}

static enum froe_err
apply_tenant_created(struct apply *apply)
{
	struct eng *eng = apply->eng;
	if (apply->event->tenant != eng->tenant_count + 1 ||
	    named_find(&eng->tenant_names, apply->event->name) != NULL)
		return misfit(apply, "not the next tenant");
	struct eng_tenant *tenant = mem_zalloc(sizeof(*tenant));
	tenant->id = apply->event->tenant;
	list_init(&tenant->approvals);
	list_init(&tenant->jobs);
	list_init(&tenant->jobs_ended);
	fair_tenant_init(&tenant->fair, &eng->fair, 1);
	named_add(&eng->tenant_names, &tenant->named, apply->event->name);
	eng->tenants = mem_resize(eng->tenants, tenant->id * sizeof(*eng->tenants));
	eng->tenants[eng->tenant_count++] = tenant;
	eng->counts.tenants++;
	return FROE_OK;
}

static struct eng_workflow *
workflow_require(struct eng *eng, struct eng_tenant *tenant, struct bytes name)
{
	struct eng_workflow *workflow = eng_workflow_find(tenant, name);
	if (workflow != NULL)
		return workflow;
	workflow = mem_zalloc(sizeof(*workflow));
	workflow->tenant = tenant;
	workflow->id = eng->workflow_count + 1;
	workflow->unbound = version_unbound(workflow);
	named_add(&tenant->workflows, &workflow->named, name);
	eng->workflows = mem_resize(eng->workflows, workflow->id * sizeof(*eng->workflows));
	eng->workflows[eng->workflow_count++] = workflow;
	eng->counts.workflows++;
	return workflow;
}

static enum froe_err
apply_workflow_put(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	if (tenant == NULL || event->definition == NULL)
		return misfit(apply, "no such tenant, or no definition");
	if (eng_definition_check(event->definition, eng->faults) != 0)
		return misfit(apply, "the definition is not valid");
	if (!bytes_equal(event->name, event->definition->name))
		return misfit(apply, "the definition is another workflow's");
	struct eng_workflow *workflow = eng_workflow_find(tenant, event->name);
	uint32_t id = workflow != NULL ? workflow->id : eng->workflow_count + 1;
	uint32_t version = workflow != NULL ? workflow->version_count + 1 : 1;
	if (event->workflow != id || event->version != version)
		return misfit(apply, "not the next version");
	workflow = workflow_require(eng, tenant, event->name);
	workflow->versions =
	    mem_resize(workflow->versions, version * sizeof(*workflow->versions));
	workflow->versions[version - 1] = version_open(workflow, event->definition);
	workflow->versions[version - 1]->put_ns = event->time_ns;
	workflow->version_count = version;
	workflow->deleted = false;
	return FROE_OK;
}

/* --------------------------------------------------------------------------------------- runs */

struct eng_ties *
ties_require(struct eng *eng, struct eng_run *run)
{
	if (run->ties != NULL)
		return run->ties;
	run->ties = stock_zalloc(&eng->stock, sizeof(*run->ties));
	run->ties->run = run;
	run->ties->timer.timer.owner = ENG_TIMER_RUN;
	return run->ties;
}

/* Neither a time nor an ancestor's end will come for the run any more. */
static void
ties_loosen(struct eng *eng, struct eng_ties *ties)
{
	if (ties == NULL)
		return;
	list_remove(&ties->doomed_link);
	wheel_remove(&eng->wheels[ENG_WALL], &ties->timer.timer);
}

static enum froe_err
apply_run_cancel_requested(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (run->cancel_reason != ENG_REASON_NONE || apply->event->reason == ENG_REASON_NONE ||
	    apply->event->reason > UINT8_MAX)
		return misfit(apply, "it is being cancelled already, or without a reason");
	run->event_count++;
	run->cancel_reason = (uint8_t)apply->event->reason;
	if (!uuid_is_nil(apply->event->parent))
		ties_require(apply->eng, run)->doom = apply->event->parent;
	ties_loosen(apply->eng, run->ties);
	return FROE_OK;
}

static size_t
run_size(const struct eng_version *version)
{
	return sizeof(struct eng_run) + version->task_count * sizeof(struct eng_task);
}

struct eng_run *
run_alloc(struct eng *eng, const struct eng_version *version)
{
	return stock_zalloc(&eng->stock, run_size(version));
}

void
run_give_back(struct eng *eng, struct eng_run *run)
{
	stock_free(&eng->stock, run, run_size(run->version));
}

static void
ties_free(struct eng *eng, struct eng_run *run)
{
	struct eng_idem *key = run_ties(run)->idempotency;
	if (run->ties == NULL)
		return;
	ties_loosen(eng, run->ties);
	if (key != NULL && key->until_ns == 0)
		idem_free(eng, key);
	children_release(eng, run);
	stock_free(&eng->stock, run->ties, sizeof(*run->ties));
	run->ties = NULL;
}

void
run_free(struct eng *eng, struct eng_run *run)
{
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		struct eng_task *task = &run->tasks[i];
		eng->counts.tasks[task->state]--;
		if (task_closed(task)) /* task_close() has done the rest */
			continue;
		task_timer_stop(eng, task);
		task_unqueue(task);
		task_release_slot(task);
		durable_forget(eng, task);
	}
	if (eng->recent == run)
		eng->recent = NULL;
	numtable_remove(&eng->runs_by_key, run->key);
	keyset_remove_uuid(&eng->runs_by_id, run->id);
	eng->counts.runs--;
	run->version->workflow->runs--;
	eng->counts.runs_open[run->status]--;
	ties_free(eng, run);
	run_drop_metadata(eng, run);
	run_give_back(eng, run);
}

void
closed_free(struct eng *eng, struct eng_closed *closed)
{
	list_remove(&closed->link);
	stock_free(&eng->stock, closed, sizeof(*closed));
	eng->closed_count--;
}

void
closed_forget(struct eng *eng, struct eng_closed *closed)
{
	keyset_remove_uuid(&eng->closed, closed->id);
	closed_free(eng, closed);
}

/* Remembers the id; forgets a few ids that are too many or too old. */
static void
closed_remember(struct eng *eng, const struct eng_run *run, const struct eng_event *event)
{
	uint64_t now_ns = event->time_ns;
	for (uint32_t i = 0; i < ENG_CLOSED_FORGOTTEN_MAX && !list_empty(&eng->closed_order); i++) {
		struct eng_closed *oldest =
		    container_of(eng->closed_order.next, struct eng_closed, link);
		if (eng->closed_count < ENG_CLOSED_MAX &&
		    now_ns < oldest->closed_ns + ENG_CLOSED_TTL_NS)
			break;
		closed_forget(eng, oldest);
	}
	struct eng_closed *closed = stock_zalloc(&eng->stock, sizeof(*closed));
	closed->id = run->id;
	closed->key = run->key;
	closed->tenant = run_tenant(run)->id & 0xfffffu;
	closed->tasks = run->version->task_count & 0xfffu;
	closed->records = event->run_event_no & ENG_CLOSED_RECORDS_MAX;
	closed->closed_ns = now_ns;
	closed->status = event->status & 0xfu;
	list_push(&eng->closed_order, &closed->link);
	if (!plant(RUN_TWICE))
		keyset_add_new(&eng->closed, closed);
	eng->closed_count++;
}

static enum froe_err
apply_run_closed(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (run->open != 0)
		return misfit(apply, "it has open tasks");
	if (apply->event->status < ENG_COMPLETED || apply->event->status > ENG_CANCELLED)
		return misfit(apply, "the status is no end");
	closed_remember(apply->eng, run, apply->event);
	apply->eng->counts.runs_closed[apply->event->status]++;
	run_leave(apply->eng, run, apply->event->status);
	run_free(apply->eng, run);
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- tasks */

static enum froe_err
apply_task_queued(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_task *task;
	if (event->priority < FROE_PRIORITY_MIN || event->priority > ENG_RETRY_PRIORITY)
		return misfit(apply, "the priority is none");
	enum froe_err err = find_task(apply, ENG_TASK_QUEUED, &task);
	if (err != FROE_OK)
		return err;
	if (task->pending != 0)
		return misfit(apply, "it waits for its parents");
	task_move(apply->eng, task, ENG_TASK_QUEUED);
	task->queued_ns = event->time_ns;
	fair_push(&task_node(task)->queue->fair, task_enqueue(task), (uint8_t)event->priority,
	    event->reason == ENG_REASON_RELEASED);
	if (event->deadline_ns != 0)
		task_arm(apply->eng, ENG_UPTIME, task, event->deadline_ns);
	return FROE_OK;
}

static enum froe_err
apply_task_assigned(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng *eng = apply->eng;
	struct eng_task *task;
	struct eng_worker *worker = eng_worker_get(eng, event->worker);
	enum froe_err err = find_task(apply, ENG_TASK_ASSIGNED, &task);
	if (err != FROE_OK)
		return err;
	if (worker == NULL || worker->tenant != run_tenant(task_run(task)) ||
	    !fair_worker_fits(&worker->fair, &task_node(task)->queue->fair))
		return misfit(apply, "the worker cannot take it");
	if (task_node(task)->queue->fair.held)
		return misfit(apply, "its workflow is paused");
	if (event->lease != (uint64_t)task->lease + 1)
		return misfit(apply, "not the next lease");
	if (!fair_worker_serves(&worker->fair, &task_node(task)->queue->action->fair))
		return misfit(apply, "the worker does not serve it");
	task_move(eng, task, ENG_TASK_ASSIGNED);
	task->lease++;
	task->attempt = event->attempt;
	durable_assigned(task, event->invocation);
	fair_assign(&eng->fair, &task->item, &worker->fair);
	task_hold(task, worker);
	list_push(&worker->leases, &task->held.link);
	worker->lease_count++;
	task_arm(eng, ENG_UPTIME, task, event->deadline_ns);
	run_status_set(eng, task_run(task), ENG_RUNNING);
	return FROE_OK;
}

static enum froe_err
apply_task_completed(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_lease(apply, ENG_TASK_COMPLETED, &task);
	if (err != FROE_OK)
		return err;
	task->record = apply->event->run_event_no;
	task_close(apply->eng, task, ENG_TASK_COMPLETED);
	return FROE_OK;
}

static enum froe_err
apply_attempt_ended(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_lease(apply, ENG_TASK_SETTLING, &task);
	if (err != FROE_OK)
		return err;
	task_move(apply->eng, task, ENG_TASK_SETTLING);
	task_release_slot(task);
	if (apply->event->reason == ENG_REASON_RELEASED)
		return FROE_OK;
	task->record = apply->event->run_event_no;
	if (apply->event->reason == ENG_REASON_LOST)
		task->losses++;
	else
		task->failures++;
	return FROE_OK;
}

static enum froe_err
apply_task_delayed(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_task(apply, ENG_TASK_DELAYED, &task);
	if (err != FROE_OK)
		return err;
	bool lapsing = apply->event->retry_ns != 0;
	if (lapsing != (apply->event->worker != 0))
		return misfit(apply, "an old lease lapses of no worker, or for no reason");
	task_move(apply->eng, task, ENG_TASK_DELAYED);
	if (lapsing)
		task_lapse_set(task, apply->event->worker, apply->event->retry_ns);
	task_arm(apply->eng, lapsing ? ENG_UPTIME : ENG_WALL, task, apply->event->deadline_ns);
	return FROE_OK;
}

/* The task of an event that leaves its state as it is. */
static enum froe_err
find_task_of(const struct apply *apply, struct eng_task **ret_task)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	*ret_task = &run->tasks[apply->event->task];
	if ((*ret_task)->lease != apply->event->lease)
		return misfit(apply, "not its lease");
	return FROE_OK;
}

static enum froe_err
find_task_in(const struct apply *apply, enum eng_task_state state, struct eng_task **ret_task)
{
	enum froe_err err = find_task_of(apply, ret_task);
	if (err == FROE_OK && (*ret_task)->state != state)
		return misfit(apply, "not its state");
	return err;
}

static enum froe_err
apply_lease_ended(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_task_of(apply, &task);
	if (err != FROE_OK)
		return err;
	if (task->place != ENG_PLACE_LAPSE)
		return misfit(apply, "no old lease is waited for");
	uint64_t until_ns = task->lapse.until_ns;
	task_run(task)->event_count++;
	task_timer_stop(apply->eng, task);
	task_lapse_set(task, 0, 0);
	if (task->state == ENG_TASK_DELAYED)
		task_arm(apply->eng, ENG_WALL, task, until_ns);
	return FROE_OK;
}

static enum froe_err
apply_slots_released(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_task_in(apply, ENG_TASK_ASSIGNED, &task);
	if (err != FROE_OK)
		return err;
	if (task->released)
		return misfit(apply, "its slots were released before");
	task_run(task)->event_count++;
	task->released = true;
	task->held.worker->released_count++;
	fair_unassign(&task->held.worker->fair, &task_node(task)->queue->fair.demand->need);
	return FROE_OK;
}

static enum froe_err
apply_task_begun(struct apply *apply)
{
	struct eng_task *task;
	enum froe_err err = find_task_in(apply, ENG_TASK_ASSIGNED, &task);
	if (err != FROE_OK)
		return err;
	if (task->lease != apply->event->lease || task->begun)
		return misfit(apply, "not its lease, or it has begun before");
	task_run(task)->event_count++;
	task->begun = true;
	return FROE_OK;
}

static enum froe_err
apply_task_ended(struct apply *apply, enum eng_task_state to)
{
	struct eng_task *task = NULL;
	enum froe_err err = find_task(apply, to, &task);
	if (err != FROE_OK)
		return err;
	task_close(apply->eng, task, to);
	return FROE_OK;
}

static enum froe_err
apply_lease_refreshed(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	struct eng_task *task = &run->tasks[apply->event->task];
	if (task->state != ENG_TASK_ASSIGNED || task->lease != apply->event->lease)
		return misfit(apply, "not its lease");
	run->event_count++;
	if (plant(REFRESH_LOST))
		return FROE_OK;
	task_arm(apply->eng, ENG_UPTIME, task, apply->event->deadline_ns);
	return FROE_OK;
}

static enum froe_err
apply_task_logged(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	run->event_count++;
	return FROE_OK;
}

static enum froe_err
apply_task_streamed(struct apply *apply)
{
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (apply->event->task >= run->version->task_count)
		return misfit(apply, "no such task");
	struct eng_task *task = &run->tasks[apply->event->task];
	if (task->state != ENG_TASK_ASSIGNED)
		return misfit(apply, "nobody holds it");
	run->event_count++;
	ties_require(apply->eng, run)->chunks++;
	task->work->streamed++; /* its timer is armed */
	return FROE_OK;
}

static enum froe_err
apply_task_failed(struct apply *apply)
{
	return apply_task_ended(apply, ENG_TASK_FAILED);
}

static enum froe_err
apply_task_cancelled(struct apply *apply)
{
	return apply_task_ended(apply, ENG_TASK_CANCELLED);
}

static enum froe_err
apply_task_skipped(struct apply *apply)
{
	return apply_task_ended(apply, ENG_TASK_SKIPPED);
}

static enum froe_err
apply_unknown(struct apply *apply)
{
	return misfit(apply, "unknown type");
}

typedef enum froe_err apply_fn(struct apply *apply);

/* The table of events. Functions, not calls: with all of them inlined in one, each event would save
 * and restore what the largest needs. */
static apply_fn *
apply_of(enum eng_event_type type)
{
	switch (type) {
	case ENG_EV_ENGINE_STARTED:
		return apply_engine_started;
	case ENG_EV_TENANT_CREATED:
		return apply_tenant_created;
	case ENG_EV_WORKFLOW_PUT:
		return apply_workflow_put;
	case ENG_EV_RUN_STARTED:
		return apply_run_started;
	case ENG_EV_RUN_REPLAYED:
		return apply_run_replayed;
	case ENG_EV_JOB_STARTED:
		return apply_job_started;
	case ENG_EV_JOB_ADVANCED:
		return apply_job_advanced;
	case ENG_EV_JOB_ENDED:
		return apply_job_ended;
	case ENG_EV_TASK_QUEUED:
		return apply_task_queued;
	case ENG_EV_TASK_ASSIGNED:
		return apply_task_assigned;
	case ENG_EV_TASK_COMPLETED:
		return apply_task_completed;
	case ENG_EV_ATTEMPT_ENDED:
		return apply_attempt_ended;
	case ENG_EV_TASK_DELAYED:
		return apply_task_delayed;
	case ENG_EV_TASK_FAILED:
		return apply_task_failed;
	case ENG_EV_TASK_CANCELLED:
		return apply_task_cancelled;
	case ENG_EV_TASK_SKIPPED:
		return apply_task_skipped;
	case ENG_EV_LEASE_REFRESHED:
		return apply_lease_refreshed;
	case ENG_EV_RUN_CANCEL_REQUESTED:
		return apply_run_cancel_requested;
	case ENG_EV_RUN_CLOSED:
		return apply_run_closed;
	case ENG_EV_WORKER_REGISTERED:
		return apply_worker_registered;
	case ENG_EV_WORKER_ATTACHED:
		return apply_worker_attached;
	case ENG_EV_WORKER_DETACHED:
		return apply_worker_detached;
	case ENG_EV_WORKER_DRAINING:
		return apply_worker_draining;
	case ENG_EV_WORKER_LEAVING:
		return apply_worker_leaving;
	case ENG_EV_WORKER_LEFT:
		return apply_worker_left;
	case ENG_EV_RUN_DUE:
		return apply_run_due;
	case ENG_EV_WORKER_PAUSED:
		return apply_worker_paused;
	case ENG_EV_WORKER_RESUMED:
		return apply_worker_resumed;
	case ENG_EV_SLOTS_RELEASED:
		return apply_slots_released;
	case ENG_EV_TASK_BEGUN:
		return apply_task_begun;
	case ENG_EV_LEASES_DROPPED:
		return apply_leases_dropped;
	case ENG_EV_LEASE_ENDED:
		return apply_lease_ended;
	case ENG_EV_TASK_LOGGED:
		return apply_task_logged;
	case ENG_EV_TASK_STREAMED:
		return apply_task_streamed;
	case ENG_EV_LATE_LOGGED:
		return apply_late_logged;
	case ENG_EV_NODE_WAITED:
		return apply_node_waited;
	case ENG_EV_CHILD_SPAWNED:
		return apply_child_spawned;
	case ENG_EV_MEMO_PUT:
		return apply_memo_put;
	case ENG_EV_NODE_SATISFIED:
		return apply_node_satisfied;
	case ENG_EV_TASK_EVICTED:
		return apply_task_evicted;
	case ENG_EV_EVENT_PUSHED:
		return apply_event_pushed;
	case ENG_EV_APPROVAL_DECIDED:
		return apply_approval_decided;
	case ENG_EV_WORKFLOW_PAUSED:
		return apply_workflow_paused;
	case ENG_EV_WORKFLOW_RESUMED:
		return apply_workflow_resumed;
	case ENG_EV_WORKFLOW_DELETED:
		return apply_workflow_deleted;
	case ENG_EV_RATE_LIMIT_PUT:
		return apply_rate_limit_put;
	case ENG_EV_TOKEN_CREATED:
		return apply_token_created;
	case ENG_EV_TOKEN_REVOKED:
		return apply_token_revoked;
	}
	return apply_unknown;
}

static enum froe_err
apply_event(struct apply *apply)
{
	return apply_of(apply->event->type)(apply);
}

enum froe_err
eng_apply(struct eng *eng, const struct eng_event *event, struct froe_fault *fault)
{
	struct apply apply = {.eng = eng, .event = event, .fault = fault};
	return apply_event(&apply);
}

enum froe_err
eng_apply_decided(struct eng *eng, const struct eng_event *event, struct froe_fault *fault)
{
	struct apply apply = {.eng = eng, .event = event, .fault = fault, .decided = true};
	return apply_event(&apply);
}

enum froe_err
eng_apply_logged(struct eng *eng, const struct eng_event *event, struct froe_fault *fault)
{
	return eng_apply(eng, event, fault);
}
