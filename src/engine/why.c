/*
 * engine/why: why a task is where it is.
 *
 * What its state says comes first: parents, a time, a worker that has it. A queued task's answer is
 * a count of what each worker that serves its action is to it, as lane_stand() in sched has it: the
 * function by which the scheduler finds a worker, or none.
 */
#include "engine/durable_int.h"

/* What the workers that serve the action are to the task. */
struct census {
	const struct fair_need *need;
	struct eng_why *why;
	uint32_t away, small, full, fits;
	const struct eng_worker *kept;
	/* of each type that is needed: the slots of those who have enough, and the most that one
	 * has */
	uint64_t slots[FAIR_NEED_TYPES_MAX];
	uint64_t used[FAIR_NEED_TYPES_MAX];
	uint32_t most[FAIR_NEED_TYPES_MAX];
};

static void
census_slots(struct census *census, struct fair_worker *worker, bool enough)
{
	for (uint32_t i = 0; i < census->need->count; i++) {
		const struct fair_slots *has = need_slots(worker->types, worker->type_count,
		    census->need->amounts[i].type);
		if (has == NULL)
			continue;
		if (has->slots > census->most[i])
			census->most[i] = has->slots;
		census->slots[i] += enough ? has->slots : 0;
		census->used[i] += enough ? has->used : 0;
	}
}

static void
census_take(void *context, struct fair_worker *fair, enum fair_stand stand, bool kept)
{
	struct census *census = context;
	const struct eng_worker *worker = container_of(fair, struct eng_worker, fair);
	if (worker->leaving)
		return;
	census->why->workers++;
	census->away += stand == FAIR_AWAY ? 1 : 0;
	census->small += stand == FAIR_SMALL ? 1 : 0;
	census->full += stand == FAIR_FULL ? 1 : 0;
	census->fits += stand == FAIR_FITS ? 1 : 0;
	census->why->paused += worker->paused ? 1 : 0;
	census->why->draining += worker->draining && !worker->paused ? 1 : 0;
	if (stand != FAIR_AWAY)
		census_slots(census, fair, stand != FAIR_SMALL);
	if (kept)
		census->kept = worker;
}

/* The type that is scarcest: of which nobody has enough, else of which the least is free. */
static uint32_t
census_scarce(const struct census *census, bool small)
{
	uint32_t scarce = 0;
	uint64_t least = UINT64_MAX;
	for (uint32_t i = 0; i < census->need->count; i++) {
		uint64_t left = census->slots[i] - census->used[i];
		bool lacks = census->most[i] < census->need->amounts[i].count;
		if (small ? lacks : left < least) {
			scarce = i;
			least = left;
		}
	}
	return scarce;
}

static void
why_slots(const struct eng_tenant *tenant, const struct census *census, bool small)
{
	struct eng_why *why = census->why;
	uint32_t i = census_scarce(census, small);
	why->type = slot_type_name(tenant, census->need->amounts[i].type);
	why->need = census->need->amounts[i].count;
	why->slots = small ? census->most[i] : (uint32_t)census->slots[i];
	why->used = (uint32_t)census->used[i];
}

/* How many of its type are still in use at the worker that is kept for it, above what it leaves. */
static void
why_kept(const struct eng_tenant *tenant, const struct census *census)
{
	struct eng_why *why = census->why;
	struct eng_worker *kept = (struct eng_worker *)(uintptr_t)census->kept;
	why_slots(tenant, census, /* small= */ false);
	for (uint32_t i = 0; i < census->need->count; i++) {
		const struct fair_amount *amount = &census->need->amounts[i];
		const struct fair_slots *has =
		    need_slots(kept->fair.types, kept->fair.type_count, amount->type);
		if (has->slots - has->used >= amount->count)
			continue;
		why->type = slot_type_name(tenant, amount->type);
		why->need = amount->count;
		why->slots = has->slots;
		why->used = has->used;
	}
	why->kind = ENG_WHY_KEPT;
	why->worker = kept->id;
}

/* Those of its queue that go before it. */
static uint64_t
why_before(const struct eng_task *task, uint64_t count_max, bool *ret_more)
{
	const struct fair_queue *queue = task->item.queue;
	uint64_t count = 0;
	struct list *at;
	for (int priority = FAIR_PRIORITIES - 1; priority >= 0; priority--) {
		list_for_each(at, &queue->items[priority]) {
			*ret_more = count == count_max && at != &task->item.link;
			if (at == &task->item.link || *ret_more)
				return count;
			count++;
		}
	}
	froe_never("a queued task is in its queue");
}

static void
why_queued(const struct eng_task *task, uint64_t count_max, struct eng_why *why)
{
	const struct fair_queue *queue = task->item.queue;
	const struct eng_tenant *tenant = run_tenant(task_run((struct eng_task *)(uintptr_t)task));
	struct census census = {.need = &queue->demand->need, .why = why};
	why->since_ns = task->queued_ns;
	why->count = why_before(task, count_max, &why->more);
	fair_explain(queue, census_take, &census);
	uint32_t enabled = why->workers - census.away;
	if (queue->held) {
		why->kind = ENG_WHY_PAUSED;
	} else if (why->workers == 0) {
		why->kind = ENG_WHY_NO_WORKER;
	} else if (enabled == 0) {
		why->kind = ENG_WHY_IDLE;
	} else if (census.small == enabled) {
		why->kind = ENG_WHY_SMALL;
		why_slots(tenant, &census, /* small= */ true);
	} else if (census.fits > 0) {
		why->kind = ENG_WHY_TURN;
	} else if (census.kept != NULL && why->count == 0) {
		why_kept(tenant, &census);
	} else {
		why->kind = census.full > 0 ? ENG_WHY_NO_SLOT : ENG_WHY_BEHIND;
		why_slots(tenant, &census, /* small= */ false);
	}
}

static void
why_waiting(const struct eng_run *run, const struct eng_task *task, struct eng_why *why)
{
	const struct eng_version *version = run->version;
	const struct eng_node *node = &version->nodes[task->index];
	bool last = task->index == version->on_failure;
	why->kind = last ? ENG_WHY_LAST : ENG_WHY_PARENTS;
	why->count = last ? run->open - 1 : task->pending;
	for (uint16_t i = 0; i < node->parent_count && why->name.size == 0; i++) {
		if (!task_closed(&run->tasks[node->parents[i]]))
			why->name = version->definitions[node->parents[i]].name;
	}
}

/* A durable task that waits, in its slot or evicted: for its first node without a result. */
static bool
why_wait(const struct eng_task *task, struct eng_why *why)
{
	const struct eng_durable *durable = task_durable(task);
	for (uint32_t i = 0; durable != NULL && durable->pending > 0 && i < durable->count; i++) {
		const struct eng_durable_node *node = &durable->nodes[i];
		if (node->wait == NULL)
			continue;
		why->kind = ENG_WHY_WAIT;
		why->name = node->label;
		why->count = i + 1;
		if (wheel_active(&node->wait->timer.timer))
			why->until_ns = node->wait->timer.timer.deadline_ns;
		return true;
	}
	return false;
}

/* A lapse is on uptime. */
static void
why_delayed(const struct eng *eng, const struct eng_task *task, struct eng_why *why)
{
	bool lapsing = task->place == ENG_PLACE_LAPSE;
	why->kind = lapsing ? ENG_WHY_LAPSE : ENG_WHY_TIMER;
	why->worker = task_lapsing(task);
	why->until_ns = task_work(task)->timer.timer.deadline_ns + (lapsing ? eng->downtime_ns : 0);
	if (lapsing && task->lapse.until_ns > why->until_ns)
		why->until_ns = task->lapse.until_ns;
}

static void
why_state(const struct eng *eng, const struct eng_run *run, const struct eng_task *task, bool hold,
    uint64_t count_max, struct eng_why *why)
{
	switch ((enum eng_task_state)task->state) {
	case ENG_TASK_WAITING:
		why_waiting(run, task, why);
		return;
	case ENG_TASK_QUEUED:
		why_queued(task, count_max, why);
		if (hold && why->kind >= ENG_WHY_KEPT)
			why->kind = ENG_WHY_HELD;
		return;
	case ENG_TASK_DELAYED:
		why_delayed(eng, task, why);
		return;
	case ENG_TASK_ASSIGNED:
		why->kind = task->held.worker->attached ? ENG_WHY_RUNS : ENG_WHY_AWAY;
		why->worker = task->held.worker->id;
		FROE_DROP(why_wait(task, why), "most tasks do not");
		return;
	case ENG_TASK_EVICTED:
		froe_assert(why_wait(task, why));
		return;
	case ENG_TASK_COMPLETED:
	case ENG_TASK_FAILED:
	case ENG_TASK_CANCELLED:
	case ENG_TASK_SKIPPED:
		why->kind = ENG_WHY_CLOSED;
		return;
	case ENG_TASK_SETTLING:
		froe_never("not between steps");
	}
}

bool
eng_why(const struct eng *eng, uint64_t key, uint32_t index, bool hold, uint64_t count_max,
    struct eng_why *ret_why)
{
	const struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL || index >= run->version->task_count)
		return false;
	const struct eng_task *task = &run->tasks[index];
	*ret_why = (struct eng_why){
	    .state = (enum eng_task_state)task->state,
	    .task = uuid_task(run->id, index),
	    .task_name = run->version->definitions[index].name,
	    .action = run->version->definitions[index].action,
	    .attempt = task->attempt,
	};
	if (count_max > ENG_WHY_COUNT_MAX)
		count_max = ENG_WHY_COUNT_MAX;
	why_state(eng, run, task, hold, count_max, ret_why);
	return true;
}
