#include "engine/durable_int.h"

#include "base/hash.h"
#include "base/plant.h"

/*
 *              ┌───────────── retry, reassignment ──────────────┐
 *              ▼                                                │
 *  WAITING → QUEUED ─────────────► ASSIGNED ──► SETTLING ──► DELAYED
 *     │        │                      │  │         │            │
 *     │        │     result accepted ─┘  │         │ no retry   │
 *     ▼        ▼                         ▼         ▼ left       ▼
 *  SKIPPED  CANCELLED ◄──────── CANCELLED, COMPLETED, FAILED, CANCELLED
 *
 *  ASSIGNED → EVICTED → QUEUED: a durable task that waits; CANCELLED from there too
 */
const struct sm_row eng_task_table[] = {
    [ENG_TASK_WAITING] = {"waiting",
        SM_TO(ENG_TASK_QUEUED) | SM_TO(ENG_TASK_DELAYED) | SM_TO(ENG_TASK_SKIPPED) |
            SM_TO(ENG_TASK_CANCELLED)},
    [ENG_TASK_QUEUED] = {"queued", SM_TO(ENG_TASK_ASSIGNED) | SM_TO(ENG_TASK_CANCELLED)},
    [ENG_TASK_DELAYED] = {"delayed", SM_TO(ENG_TASK_QUEUED) | SM_TO(ENG_TASK_CANCELLED)},
    [ENG_TASK_ASSIGNED] = {"assigned",
        SM_TO(ENG_TASK_SETTLING) | SM_TO(ENG_TASK_COMPLETED) | SM_TO(ENG_TASK_CANCELLED) |
            SM_TO(ENG_TASK_EVICTED)},
    [ENG_TASK_SETTLING] = {"settling",
        SM_TO(ENG_TASK_QUEUED) | SM_TO(ENG_TASK_DELAYED) | SM_TO(ENG_TASK_FAILED)},
    [ENG_TASK_EVICTED] = {"evicted",
        SM_TO(ENG_TASK_QUEUED) | SM_TO(ENG_TASK_DELAYED) | SM_TO(ENG_TASK_CANCELLED)},
    [ENG_TASK_COMPLETED] = {"completed", 0},
    [ENG_TASK_FAILED] = {"failed", 0},
    [ENG_TASK_CANCELLED] = {"cancelled", 0},
    [ENG_TASK_SKIPPED] = {"skipped", 0},
};

const struct eng_ties eng_ties_none;
const struct eng_work eng_work_none;

const char *
eng_reason_name(enum eng_reason reason)
{
	static const char *const names[] = {
	    [ENG_REASON_NONE] = "none",
	    [ENG_REASON_COMPLETED] = "completed",
	    [ENG_REASON_FAILED] = "failed",
	    [ENG_REASON_TIMED_OUT] = "timed_out",
	    [ENG_REASON_SCHEDULE_TIMEOUT] = "schedule_timeout",
	    [ENG_REASON_RUN_TIMEOUT] = "run_timeout",
	    [ENG_REASON_LOST] = "lost",
	    [ENG_REASON_RELEASED] = "released",
	    [ENG_REASON_REQUESTED] = "cancelled",
	    [ENG_REASON_PARENT] = "parent",
	    [ENG_REASON_LEFT] = "left",
	    [ENG_REASON_REPLACED] = "replaced",
	    [ENG_REASON_RETRY] = "retry",
	    [ENG_REASON_READY] = "ready",
	    [ENG_REASON_FATAL] = "fatal",
	    [ENG_REASON_SATISFIED] = "satisfied",
	    [ENG_REASON_RESTORED] = "restored",
	    [ENG_REASON_NOT_DELIVERED] = "not_delivered",
	    [ENG_REASON_TASK_REQUESTED] = "requested",
	};
	size_t count = sizeof(names) / sizeof(names[0]);
	return (size_t)reason < count && names[reason] != NULL ? names[reason] : "unknown";
}

struct eng *
eng_open(void)
{
	struct eng *eng = mem_zalloc(sizeof(*eng));
	stock_init(&eng->stock);
	fair_init(&eng->fair);
	for (int i = 0; i < ENG_CLOCKS; i++)
		wheel_init(&eng->wheels[i], 0);
	numtable_init(&eng->runs_by_key, &eng->stock);
	keyset_init(&eng->runs_by_id, offsetof(struct eng_run, id), sizeof(struct uuid));
	keyset_init(&eng->closed, offsetof(struct eng_closed, id), sizeof(struct uuid));
	list_init(&eng->workers);
	list_init(&eng->leaving);
	list_init(&eng->doomed);
	list_init(&eng->dropping);
	list_init(&eng->left_order);
	list_init(&eng->closed_order);
	list_init(&eng->deliveries);
	list_init(&eng->tokens);
	arena_init(&eng->arena, 0);
	arena_init(&eng->dispatch_arena, 0);
	return eng;
}

void
eng_seed(struct eng *eng, const struct hash_seed *seed)
{
	keyset_seed(&eng->runs_by_id, seed);
	keyset_seed(&eng->closed, seed);
}

void
eng_prefault(struct eng *eng, struct prefault *prefault)
{
	stock_prefault(&eng->stock, prefault);
	keyset_prefault(&eng->runs_by_id, prefault);
	keyset_prefault(&eng->closed, prefault);
}

static void
workflow_close(struct eng_workflow *workflow)
{
	for (uint32_t i = 0; i < workflow->version_count; i++)
		version_close(workflow->versions[i]);
	version_close(workflow->unbound);
	while (workflow->queues != NULL) {
		struct eng_queue *queue = workflow->queues;
		workflow->queues = queue->next;
		fair_queue_release(&queue->fair);
		mem_free(queue);
	}
	mem_free(workflow->versions);
	mem_free((void *)(uintptr_t)workflow->named.name.data);
	mem_free(workflow);
}

static void
slot_types_close(struct eng_tenant *tenant)
{
	for (size_t i = 0; i < tenant->slot_types.capacity; i++) {
		struct eng_named *named = tenant->slot_types.entries[i].value;
		while (named != NULL) {
			struct eng_slot_type *type =
			    container_of(named, struct eng_slot_type, named);
			named = named->next;
			mem_free((void *)(uintptr_t)type->named.name.data);
			mem_free(type);
		}
	}
	map_release(&tenant->slot_types);
	mem_free(tenant->slot_names);
	mem_free(tenant->needs);
}

static void
tenant_close(struct eng *eng, struct eng_tenant *tenant)
{
	while (!list_empty(&tenant->jobs))
		job_free(eng, container_of(tenant->jobs.next, struct eng_job, link));
	for (size_t i = 0; i < tenant->actions.capacity; i++) {
		struct eng_named *named = tenant->actions.entries[i].value;
		while (named != NULL) {
			struct eng_action *action = container_of(named, struct eng_action, named);
			named = named->next;
			fair_action_release(&action->fair);
			mem_free((void *)(uintptr_t)action->named.name.data);
			mem_free(action);
		}
	}
	while (heap_first(&tenant->idems_due) != NULL)
		idem_free(eng, container_of(heap_first(&tenant->idems_due), struct eng_idem, due));
	heap_release(&tenant->idems_due);
	slot_types_close(tenant);
	rates_release(tenant);
	map_release(&tenant->idems);
	fair_tenant_release(&tenant->fair);
	map_release(&tenant->actions);
	map_release(&tenant->workflows);
	map_release(&tenant->workers);
	map_release(&tenant->keys); /* their waits went with their runs */
	mem_free((void *)(uintptr_t)tenant->named.name.data);
	mem_free(tenant);
}

/* Each leaves the table that they are found in. */
static void
runs_close(struct eng *eng)
{
	size_t count = 0;
	struct eng_run *run;
	struct eng_run **runs = mem_array(eng->runs_by_key.count + 1, sizeof(runs[0]));
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL)
		runs[count++] = run;
	for (size_t i = 0; i < count; i++)
		run_free(eng, runs[i]);
	mem_free(runs);
}

void
eng_close(struct eng *eng)
{
	runs_close(eng);
	while (!list_empty(&eng->closed_order))
		closed_free(eng, container_of(eng->closed_order.next, struct eng_closed, link));
	durable_keys_release(eng);
	while (!list_empty(&eng->workers))
		worker_free(eng, container_of(eng->workers.next, struct eng_worker, link));
	while (!list_empty(&eng->tokens))
		token_free(eng, container_of(eng->tokens.next, struct eng_token, link));
	while (!list_empty(&eng->left_order))
		left_forget(eng);
	for (uint32_t i = 0; i < eng->workflow_count; i++)
		workflow_close(eng->workflows[i]);
	for (uint32_t i = 0; i < eng->tenant_count; i++)
		tenant_close(eng, eng->tenants[i]);
	mem_free(eng->tenants);
	mem_free(eng->workflows);
	map_release(&eng->tenant_names);
	numtable_release(&eng->runs_by_key);
	keyset_release(&eng->runs_by_id);
	map_release(&eng->workers_by_id);
	map_release(&eng->left);
	keyset_release(&eng->closed);
	map_release(&eng->approvals);
	map_release(&eng->tokens_by_kid);
	map_release(&eng->jobs);
	stock_release(&eng->stock);
	arena_release(&eng->arena);
	arena_release(&eng->dispatch_arena);
	mem_free(eng->output.events);
	mem_free(eng->output.effects);
	mem_free(eng);
}

struct eng_named *
named_find(const struct map *map, struct bytes name)
{
	struct eng_named *named = map_get_u64(map, hash64(name.data, name.size, 0));
	while (named != NULL && !bytes_equal(named->name, name))
		named = named->next;
	return named;
}

/* The name is copied. */
void
named_add(struct map *map, struct eng_named *named, struct bytes name)
{
	uint64_t key = hash64(name.data, name.size, 0);
	named->name = bytes_of(mem_copy(name.data, name.size), name.size);
	named->next = map_get_u64(map, key);
	map_put_u64(map, key, named);
}

void
named_remove(struct map *map, struct eng_named *named)
{
	uint64_t key = hash64(named->name.data, named->name.size, 0);
	struct eng_named *at = map_get_u64(map, key);
	if (at == named && named->next == NULL) {
		map_remove_u64(map, key);
	} else if (at == named) {
		map_put_u64(map, key, named->next);
	} else {
		while (at->next != named)
			at = at->next;
		at->next = named->next;
	}
	mem_free((void *)(uintptr_t)named->name.data);
}

struct eng_workflow *
workflow_known(const struct eng_tenant *tenant, struct bytes name)
{
	struct eng_workflow *workflow = eng_workflow_find(tenant, name);
	bool known = workflow != NULL && workflow->version_count > 0 && !workflow->deleted;
	return known ? workflow : NULL;
}

struct eng_workflow *
eng_workflow_find(const struct eng_tenant *tenant, struct bytes name)
{
	struct eng_workflow *recent = tenant->recent;
	if (recent != NULL && bytes_equal(recent->named.name, name))
		return recent;
	struct eng_named *named = named_find(&tenant->workflows, name);
	return named != NULL ? container_of(named, struct eng_workflow, named) : NULL;
}

struct eng_action *
eng_action_find(const struct eng_tenant *tenant, struct bytes name)
{
	struct eng_named *named = named_find(&tenant->actions, name);
	return named != NULL ? container_of(named, struct eng_action, named) : NULL;
}

struct eng_worker *
eng_worker_get(const struct eng *eng, uint64_t id)
{
	struct eng_worker *recent = eng->worker_recent;
	if (recent != NULL && recent->id == id)
		return recent;
	return map_get_u64(&eng->workers_by_id, id);
}

struct eng_worker *
eng_worker_by_uuid(const struct eng *eng, uint32_t tenant, struct uuid id)
{
	return map_get_uuid(&eng_tenant_get(eng, tenant)->workers, id);
}

struct eng_run *
eng_run_get(const struct eng *eng, uint64_t key)
{
	struct eng_run *recent = eng->recent;
	if (recent != NULL && recent->key == key)
		return recent;
	return numtable_get(&eng->runs_by_key, key);
}

struct eng_run *
eng_run_by_id(const struct eng *eng, struct uuid id)
{
	return keyset_get_uuid(&eng->runs_by_id, id);
}

struct eng_task *
eng_lease_find(const struct eng *eng, uint64_t worker, const struct eng_fence *fence)
{
	uint32_t number;
	struct eng_run *run = eng_run_by_id(eng, uuid_run_of(fence->task, &number));
	if (run == NULL || number == 0 || number > run->version->task_count)
		return NULL;
	struct eng_task *task = &run->tasks[number - 1];
	bool lease = task->lease == fence->lease || plant(STALE_LEASE);
	if (task->state != ENG_TASK_ASSIGNED || !lease || task->dropped)
		return NULL;
	return task->held.worker->id == worker || plant(OTHER_WORKER) ? task : NULL;
}
