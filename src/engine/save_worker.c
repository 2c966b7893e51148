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
	struct bytes *actions = mem_array(worker->action_count, sizeof(*actions));
	for (uint32_t i = 0; i < worker->action_count; i++)
		actions[i] = worker->actions[i]->named.name;
	struct eng_event event = {
	    .type = ENG_EV_WORKER_REGISTERED,
	    .tenant = worker->tenant->id,
	    .worker = worker->id,
	    .id = worker->uuid,
	    .name = worker->name,
	    .incarnation = worker->incarnation,
	    .slots = worker->fair.slots,
	    .actions = actions,
	    .action_count = worker->action_count,
	};
	save_event(save, &event);
	mem_free(actions);
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
	if (worker->leaving)
		map_remove_uuid(&eng->workers_by_uuid, worker->uuid);
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

/* -------------------------------------------------------------------------------------- leases */

static void
save_worker_leases(struct save *save, const struct eng_worker *worker)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &worker->leases) {
		if (rows % SAVE_ROWS_MAX == 0)
			put_number(save, worker->id);
		put_task(save, container_of(at, struct eng_task, lease_link));
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_LEASES, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_LEASES, 0);
}

void
save_leases(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->workers)
		save_worker_leases(save, container_of(at, struct eng_worker, link));
}

enum froe_err
load_leases(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_worker *worker = eng_worker_get(load->eng, take_number(take));
	if (worker == NULL)
		return load_bad(load, "leases of no worker");
	while (take_more(take)) {
		struct eng_task *task = load_task(load, take);
		if (task == NULL || task->worker != worker || list_linked(&task->lease_link))
			return load_bad(load, "a lease");
		list_push(&worker->leases, &task->lease_link);
	}
	return take_end(load, take, "a lease");
}

/* --------------------------------------------------------------------------------- at the end */

static uint32_t
worker_leases(const struct eng_worker *worker)
{
	struct list *at;
	uint32_t count = 0;
	list_for_each(at, &worker->leases)
		count++;
	return count;
}

enum froe_err
load_workers_check(const struct eng_load *load)
{
	struct list *at;
	list_for_each(at, &load->eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		if (worker->leaving != list_linked(&worker->leaving_link))
			return load_bad(load, "who leaves");
		if (worker_leases(worker) > worker->fair.slots)
			return load_bad(load, "a worker holds more than it has slots");
		if (worker->fair.stamp > load->engine.stamps)
			return load_bad(load, "a worker's place among its equals");
	}
	return FROE_OK;
}

void
load_workers_finish(struct eng_load *load)
{
	struct list *at;
	list_for_each(at, &load->eng->workers) {
		struct eng_worker *worker = container_of(at, struct eng_worker, link);
		fair_worker_load(&worker->fair, worker_leases(worker),
		    worker->attached && !worker->draining && !worker->leaving);
	}
}
