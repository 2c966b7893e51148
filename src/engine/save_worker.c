/*
 * engine/save_worker: workers as state objects: how each stands, and what it holds.
 *
 * A worker's registration is an event of the log and is applied as one; what has become of it since
 * is an object. Until the load is finished no worker takes part in scheduling.
 */
#include "engine/save_int.h"

/* ------------------------------------------------------------------------------------- workers */

static void
save_worker_event(struct save *save, const struct eng_worker *worker)
{
	struct bytes types[FAIR_WORKER_TYPES_MAX];
	uint32_t type_count = 0, slots_default = 0;
	struct arena arena;
	arena_init(&arena, 0);
	struct bytes *actions = mem_array(worker->action_count, sizeof(*actions));
	for (uint32_t i = 0; i < worker->action_count; i++)
		actions[i] = worker->actions[i]->named.name;
	for (uint32_t i = 0; i < worker->fair.type_count; i++) {
		const struct fair_slots *slots = &worker->fair.types[i];
		struct bytes type = slot_type_name(worker->tenant, slots->type);
		if (bytes_equal(type, bytes_text(FROE_SLOT_DEFAULT)))
			slots_default = slots->slots;
		else
			types[type_count++] = slots_text(&arena,
			    &(struct eng_slots){.type = type, .count = slots->slots});
	}
	struct eng_event event = {
	    .type = ENG_EV_WORKER_REGISTERED,
	    .tenant = worker->tenant->id,
	    .worker = worker->id,
	    .id = worker->uuid,
	    .name = worker->name,
	    .incarnation = worker->incarnation,
	    .time_ns = worker->registered_ns,
	    .slots = slots_default,
	    .actions = actions,
	    .action_count = worker->action_count,
	    .types = types,
	    .type_count = type_count,
	};
	save_event(save, &event);
	mem_free(actions);
	arena_release(&arena);
}

void
save_workers(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		save_worker_event(save, worker);
		put_number(save, worker->id);
		put_number(save, worker->attached);
		put_number(save, worker->draining);
		put_number(save, worker->leaving);
		put_number(save, worker->leaving_reason);
		put_number(save, worker->fair.stamp);
		put_number(save, worker->paused);
		put_number(save, worker->registered_ns);
		put_number(save, worker->lapse_ns);
		save_object(save, ENG_OBJ_WORKER, 0);
	}
}

/* Numbers of workers that have left are not used again: the next may be any higher one. */
enum froe_err
load_worker_event(struct eng_load *load, const struct eng_event *event)
{
	if (event->worker <= load->eng->worker_last || event->worker > load->engine.worker_last)
		return load_bad(load, "a worker's number");
	load->eng->worker_last = event->worker - 1;
	return eng_apply(load->eng, event, load->fault);
}

enum froe_err
load_worker(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng *eng = load->eng;
	struct eng_worker *worker = eng_worker_get(eng, take_number(take));
	if (worker == NULL || worker->id != eng->worker_last || worker->leaving)
		return load_bad(load, "a worker");
	fair_worker_enable(&worker->fair, false);
	worker->attached = take_u8(take) != 0;
	worker->draining = take_u8(take) != 0;
	worker->leaving = take_u8(take) != 0;
	worker->leaving_reason = take_u8(take);
	worker->fair.stamp = take_number(take);
	worker->paused = take_u8(take) != 0;
	worker->registered_ns = take_number(take);
	worker->lapse_ns = take_number(take);
	if (worker->leaving)
		map_remove_uuid(&worker->tenant->workers, worker->uuid);
	return take_end(load, take, "a worker");
}

/* ------------------------------------------------------------------------------------- leaving */

void
save_leaving(struct save *save)
{
	struct list *at;
	if (list_empty(&save->eng->leaving))
		return;
	list_for_each(at, &save->eng->leaving)
		put_number(save, container_of(at, struct eng_worker, leaving_link)->id);
	save_object(save, ENG_OBJ_LEAVING, 0);
}

enum froe_err
load_leaving(struct eng_load *load)
{
	struct take *take = &load->body;
	while (take_more(take)) {
		struct eng_worker *worker = eng_worker_get(load->eng, take_number(take));
		if (worker == NULL || !worker->leaving || list_linked(&worker->leaving_link))
			return load_bad(load, "a worker that leaves");
		list_push(&load->eng->leaving, &worker->leaving_link);
		load->leaving++;
	}
	return take_end(load, take, "a worker that leaves");
}

/* ------------------------------------------------------------------------------------ dropping */

void
save_dropping(struct save *save)
{
	struct list *at;
	if (list_empty(&save->eng->dropping))
		return;
	list_for_each(at, &save->eng->dropping)
		put_number(save, container_of(at, struct eng_worker, dropping_link)->id);
	save_object(save, ENG_OBJ_DROPPING, 0);
}

enum froe_err
load_dropping(struct eng_load *load)
{
	struct take *take = &load->body;
	while (take_more(take)) {
		struct eng_worker *worker = eng_worker_get(load->eng, take_number(take));
		if (worker == NULL || list_empty(&worker->dropped) ||
		    list_linked(&worker->dropping_link))
			return load_bad(load, "a worker that dropped leases");
		list_push(&load->eng->dropping, &worker->dropping_link);
	}
	return take_end(load, take, "a worker that dropped leases");
}

/* ---------------------------------------------------------------------------------------- left */

void
save_left(struct save *save)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &save->eng->left_order) {
		const struct eng_left *left = container_of(at, struct eng_left, link);
		put_number(save, left->worker);
		put_bytes(save, left->name);
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_LEFT, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_LEFT, 0);
}

enum froe_err
load_left(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng *eng = load->eng;
	while (take_more(take)) {
		uint64_t worker = take_number(take);
		struct bytes name = take_bytes(take);
		if (take->bad || worker == 0 || worker > load->engine.worker_last ||
		    eng_worker_get(eng, worker) != NULL ||
		    map_get_u64(&eng->left, worker) != NULL || eng->left.count == ENG_LEFT_MAX)
			return load_bad(load, "a worker that has left");
		left_remember(eng, worker, name);
	}
	return take_end(load, take, "a worker that has left");
}

/* ---------------------------------------------------------------------------------------- kept */

void
put_need(struct save *save, const struct eng_tenant *tenant, const struct fair_need *need)
{
	put_number(save, need->count);
	for (uint32_t i = 0; i < need->count; i++) {
		put_bytes(save, slot_type_name(tenant, need->amounts[i].type));
		put_number(save, need->amounts[i].count);
	}
}

bool
take_need(struct take *take, struct eng_tenant *tenant, struct fair_need *ret_need)
{
	struct fair_amount amounts[FAIR_NEED_TYPES_MAX];
	uint64_t count = take_number(take);
	if (count == 0 || count > FAIR_NEED_TYPES_MAX)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		struct bytes type = take_bytes(take);
		amounts[i].count = take_u32(take);
		if (take->bad || !slot_type_valid(type) || amounts[i].count == 0 ||
		    amounts[i].count > FROE_WORKER_SLOTS_MAX)
			return false;
		amounts[i].type = slot_type_require(tenant, type);
	}
	need_init(ret_need, amounts, (size_t)count);
	return true;
}

void
save_kept(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		const struct fair_need *need = fair_worker_kept(&worker->fair);
		if (need == NULL)
			continue;
		put_number(save, worker->id);
		put_need(save, worker->tenant, need);
		save_object(save, ENG_OBJ_KEPT, 0);
	}
}

/* Kept when all workers have their slots: load_workers_finish(). */
enum froe_err
load_kept(struct eng_load *load)
{
	struct take *take = &load->body;
	struct load_kept row = {.worker = eng_worker_get(load->eng, take_number(take))};
	if (row.worker == NULL || !take_need(take, row.worker->tenant, &row.need))
		return load_bad(load, "a worker that is kept");
	load->kept = mem_resize(load->kept, (load->kept_count + 1) * sizeof(*load->kept));
	load->kept[load->kept_count++] = row;
	return take_end(load, take, "a worker that is kept");
}

/* -------------------------------------------------------------------------------------- leases */

static void
save_worker_leases(struct save *save, const struct eng_worker *worker, const struct list *leases)
{
	struct list *at;
	uint32_t rows = 0;
	for (at = leases->next; at != leases; at = at->next) {
		if (rows % SAVE_ROWS_MAX == 0)
			put_number(save, worker->id);
		put_task(save, container_of(at, struct eng_task, held.link));
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_LEASES, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_LEASES, 0);
}

/* Dropped ones are told by their task. */
void
save_leases(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		save_worker_leases(save, worker, &worker->leases);
		save_worker_leases(save, worker, &worker->dropped);
	}
}

enum froe_err
load_leases(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_worker *worker = eng_worker_get(load->eng, take_number(take));
	if (worker == NULL || worker->fair.enabled)
		return load_bad(load, "leases of no worker");
	while (take_more(take)) {
		struct eng_task *task = load_task(load, take);
		if (task == NULL || task_worker(task) != worker ||
		    list_linked(&task->held.link))
			return load_bad(load, "a lease");
		if (!task->released &&
		    !fair_worker_take(&worker->fair, &task_node(task)->queue->fair))
			return load_bad(load, "a worker holds more than it has slots");
		list_push(task->dropped ? &worker->dropped : &worker->leases, &task->held.link);
		worker->lease_count++;
		worker->released_count += task->released ? 1 : 0;
	}
	return take_end(load, take, "a lease");
}

/* --------------------------------------------------------------------------------- at the end */

static enum froe_err
worker_loaded(const struct eng_load *load, const struct eng_worker *worker, struct map *stamps)
{
	uint64_t stamp = worker->fair.stamp;
	if (worker->fair.enabled)
		return load_bad(load, "how a worker stands");
	if (worker->leaving != list_linked(&worker->leaving_link))
		return load_bad(load, "who leaves");
	if (list_empty(&worker->dropped) == list_linked(&worker->dropping_link))
		return load_bad(load, "who dropped leases");
	if (worker->fair.slots + worker->released_count > FROE_WORKER_SLOTS_MAX)
		return load_bad(load, "a worker holds too many leases");
	if (stamp == 0 || stamp > load->engine.stamps || stamp > FAIR_STAMP_MAX ||
	    map_get_u64(stamps, stamp) != NULL)
		return load_bad(load, "a worker's place among its equals");
	map_put_u64(stamps, stamp, (void *)(uintptr_t)worker);
	return FROE_OK;
}

enum froe_err
load_workers_check(const struct eng_load *load)
{
	struct list *at;
	struct map stamps;
	enum froe_err err = FROE_OK;
	map_init(&stamps);
	list_for_each(at, &load->eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		if (err == FROE_OK)
			err = worker_loaded(load, worker, &stamps);
	}
	map_release(&stamps);
	return err;
}

bool
load_workers_finish(struct eng_load *load)
{
	struct list *at;
	bool good = true;
	list_for_each(at, &load->eng->workers) {
		struct eng_worker *worker = container_of(at, struct eng_worker, link);
		fair_worker_load(&worker->fair, worker->attached && !worker->draining &&
		        !worker->paused && !worker->leaving);
	}
	for (size_t i = 0; i < load->kept_count && good; i++)
		good = fair_worker_load_kept(&load->kept[i].worker->fair, &load->kept[i].need);
	return good;
}

void
load_workers_abort(struct eng_load *load)
{
	struct list *at;
	list_for_each(at, &load->eng->workers) {
		struct eng_worker *worker = container_of(at, struct eng_worker, link);
		fair_worker_enable(&worker->fair, false);
		fair_worker_forget(&worker->fair);
	}
}
