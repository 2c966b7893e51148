/*
 * engine/apply_worker: what becomes of workers: one function an event type.
 */
#include "engine/apply_int.h"

#include "base/mem.h"

/* A worker that is not leaving. */
enum froe_err
find_worker(const struct apply *apply, struct eng_worker **ret_worker)
{
	struct eng_worker *worker = eng_worker_get(apply->eng, apply->event->worker);
	*ret_worker = worker;
	if (worker == NULL)
		return misfit(apply, "no such worker");
	if (worker->leaving)
		return misfit(apply, "the worker is leaving");
	return FROE_OK;
}

static void
worker_enable(struct eng_worker *worker)
{
	fair_worker_enable(&worker->fair,
	    worker->attached && !worker->draining && !worker->paused && !worker->leaving);
}

static void
worker_serve(struct eng_worker *worker, const struct eng_event *event,
    const struct fair_amount *amounts, size_t amount_count)
{
	struct fair_action **fair = mem_array(event->action_count, sizeof(struct fair_action *));
	worker->actions = mem_array(event->action_count, sizeof(struct eng_action *));
	worker->action_count = event->action_count;
	for (uint32_t i = 0; i < event->action_count; i++) {
		worker->actions[i] = action_require(worker->tenant, event->actions[i]);
		fair[i] = &worker->actions[i]->fair;
	}
	fair_worker_init(&worker->fair, &worker->tenant->fair, fair, event->action_count, amounts,
	    amount_count);
	mem_free(fair);
}

/* "gpu=4" */
static bool
slots_parse(struct bytes text, struct eng_slots *ret_slots)
{
	size_t at = 0;
	uint32_t count = 0;
	while (at < text.size && text.data[at] != '=')
		at++;
	ret_slots->type = bytes_of(text.data, at);
	for (at++; at < text.size; at++) {
		if (text.data[at] < '0' || text.data[at] > '9' || count > FROE_WORKER_SLOTS_MAX)
			return false;
		count = count * 10 + text.data[at] - '0';
	}
	ret_slots->count = count;
	return slot_type_valid(ret_slots->type) && count > 0;
}

/* What it has of each type, the default one first. NULL, or what is wrong. */
static const char *
slots_take(const struct eng_event *event, struct eng_slots slots[FROE_WORKER_SLOT_TYPES_MAX],
    uint32_t *ret_count)
{
	uint64_t sum = event->slots;
	uint32_t count = 0;
	if (event->slots != 0)
		slots[count++] = (struct eng_slots){bytes_text(FROE_SLOT_DEFAULT), event->slots};
	for (uint32_t i = 0; i < event->type_count; i++) {
		if (count == FROE_WORKER_SLOT_TYPES_MAX ||
		    !slots_parse(event->types[i], &slots[count]))
			return "its slots are too many types, or not a type and a number";
		for (uint32_t j = 0; j < count; j++) {
			if (bytes_equal(slots[j].type, slots[count].type))
				return "a type of its slots is named twice";
		}
		sum += slots[count++].count;
	}
	*ret_count = count;
	return sum == 0 || sum > FROE_WORKER_SLOTS_MAX ? "its slots are none, or too many" : NULL;
}

static struct eng_worker *
worker_new(struct eng *eng, struct eng_tenant *tenant, const struct eng_event *event)
{
	struct eng_worker *worker = mem_zalloc(sizeof(*worker));
	worker->id = event->worker;
	worker->uuid = event->id;
	worker->tenant = tenant;
	worker->name = bytes_of(mem_copy(event->name.data, event->name.size), event->name.size);
	worker->incarnation = event->incarnation;
	worker->registered_ns = event->time_ns;
	worker->attached = true;
	list_init(&worker->leases);
	list_init(&worker->dropped);
	list_push(&eng->workers, &worker->link);
	map_put_u64(&eng->workers_by_id, worker->id, worker);
	map_put_uuid(&tenant->workers, worker->uuid, worker);
	return worker;
}

enum froe_err
apply_worker_registered(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	struct eng_slots slots[FROE_WORKER_SLOT_TYPES_MAX];
	struct fair_amount amounts[FROE_WORKER_SLOT_TYPES_MAX];
	uint32_t count = 0;
	if (tenant == NULL || event->worker != eng->worker_last + 1)
		return misfit(apply, "not the next worker");
	if (map_get_uuid(&tenant->workers, event->id) != NULL)
		return misfit(apply, "its id is in use");
	if (event->action_count == 0 || event->action_count > FROE_WORKER_ACTIONS_MAX)
		return misfit(apply, "its actions are none, or too many");
	const char *fault = slots_take(event, slots, &count);
	if (fault != NULL)
		return misfit(apply, fault);
	for (uint32_t i = 0; i < count; i++)
		amounts[i] = (struct fair_amount){slot_type_require(tenant, slots[i].type),
		    slots[i].count};
	struct eng_worker *worker = worker_new(eng, tenant, event);
	worker_serve(worker, event, amounts, count);
	worker_enable(worker);
	eng->worker_last = worker->id;
	eng->counts.workers++;
	eng->counts.slots += worker->fair.slots;
	return FROE_OK;
}

enum froe_err
apply_worker_attached(struct apply *apply)
{
	struct eng_worker *worker;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	worker->attached = true;
	worker->draining = false;
	worker_enable(worker);
	return FROE_OK;
}

enum froe_err
apply_worker_detached(struct apply *apply)
{
	struct eng_worker *worker;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	worker->attached = false;
	worker_enable(worker);
	return FROE_OK;
}

enum froe_err
apply_worker_draining(struct apply *apply)
{
	struct eng_worker *worker;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	worker->draining = true;
	worker_enable(worker);
	return FROE_OK;
}

static enum froe_err
apply_worker_pause(struct apply *apply, bool paused)
{
	struct eng_worker *worker;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	if (worker->paused == paused)
		return misfit(apply, "it is as the event would make it");
	worker->paused = paused;
	worker_enable(worker);
	return FROE_OK;
}

enum froe_err
apply_worker_paused(struct apply *apply)
{
	return apply_worker_pause(apply, /* paused= */ true);
}

enum froe_err
apply_worker_resumed(struct apply *apply)
{
	return apply_worker_pause(apply, /* paused= */ false);
}

static struct eng_task *
dropped_task(const struct apply *apply, size_t at)
{
	const uint8_t *from = apply->event->payload.data + at;
	struct eng_run *run = eng_run_get(apply->eng, le64_load(from));
	uint32_t task = le32_load(from + 8);
	if (run == NULL || task >= run->version->task_count)
		return NULL;
	return task_worker(&run->tasks[task]) != NULL ? &run->tasks[task] : NULL;
}

enum froe_err
apply_leases_dropped(struct apply *apply)
{
	struct eng_worker *worker;
	size_t size = apply->event->payload.size;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	if (size == 0 || size % ENG_DROPPED_BYTES != 0)
		return misfit(apply, "not a list of leases");
	for (size_t at = 0; at < size; at += ENG_DROPPED_BYTES) {
		struct eng_task *task = dropped_task(apply, at);
		if (task == NULL || task_worker(task) != worker || task->dropped)
			return misfit(apply, "a lease of it is not the worker's");
	}
	for (size_t at = 0; at < size; at += ENG_DROPPED_BYTES) {
		struct eng_task *task = dropped_task(apply, at);
		list_remove(&task->held.link);
		list_push(&worker->dropped, &task->held.link);
		task->dropped = true;
	}
	if (!list_linked(&worker->dropping_link))
		list_push(&apply->eng->dropping, &worker->dropping_link);
	return FROE_OK;
}

/* From here its id may register again: as another worker. */
enum froe_err
apply_worker_leaving(struct apply *apply)
{
	struct eng_worker *worker;
	enum froe_err err = find_worker(apply, &worker);
	if (err != FROE_OK)
		return err;
	worker->leaving = true;
	worker->leaving_reason = (uint8_t)apply->event->reason;
	worker->lapse_ns = apply->event->lapse_ns;
	worker_enable(worker);
	map_remove_uuid(&worker->tenant->workers, worker->uuid);
	list_push(&apply->eng->leaving, &worker->leaving_link);
	return FROE_OK;
}

void
worker_free(struct eng *eng, struct eng_worker *worker)
{
	list_remove(&worker->link);
	list_remove(&worker->leaving_link);
	list_remove(&worker->dropping_link);
	map_remove_u64(&eng->workers_by_id, worker->id);
	if (eng->worker_recent == worker)
		eng->worker_recent = NULL;
	if (!worker->leaving)
		map_remove_uuid(&worker->tenant->workers, worker->uuid);
	eng->counts.workers--;
	eng->counts.slots -= worker->fair.slots;
	fair_worker_release(&worker->fair);
	mem_free((void *)(uintptr_t)worker->name.data);
	mem_free(worker->actions);
	mem_free(worker);
}

void
left_forget(struct eng *eng)
{
	struct eng_left *left = container_of(eng->left_order.next, struct eng_left, link);
	list_remove(&left->link);
	map_remove_u64(&eng->left, left->worker);
	mem_free((void *)(uintptr_t)left->name.data);
	mem_free(left);
}

/* Histories name it by its number: what it was called is kept for a while. */
void
left_remember(struct eng *eng, uint64_t worker, struct bytes name)
{
	struct eng_left *left = mem_zalloc(sizeof(*left));
	if (eng->left.count == ENG_LEFT_MAX)
		left_forget(eng);
	left->worker = worker;
	left->name = bytes_of(mem_copy(name.data, name.size), name.size);
	list_push(&eng->left_order, &left->link);
	map_put_u64(&eng->left, left->worker, left);
}

enum froe_err
apply_worker_left(struct apply *apply)
{
	struct eng_worker *worker = eng_worker_get(apply->eng, apply->event->worker);
	if (worker == NULL || !worker->leaving || worker->lease_count > 0)
		return misfit(apply, "no such worker is leaving, or it still holds leases");
	left_remember(apply->eng, worker->id, worker->name);
	worker_free(apply->eng, worker);
	return FROE_OK;
}
