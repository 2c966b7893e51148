/*
 * engine/question: what others may ask of the state.
 */
#include "engine/durable_int.h"
#include "engine/holder.h"

uint64_t
eng_downtime_ns(const struct eng *eng)
{
	return eng->downtime_ns;
}

uint64_t
eng_next_deadline_ns(const struct eng *eng)
{
	uint64_t uptime = wheel_next(&eng->wheels[ENG_UPTIME]);
	uint64_t wall = wheel_next(&eng->wheels[ENG_WALL]);
	if (uptime != UINT64_MAX)
		uptime += eng->downtime_ns;
	return uptime < wall ? uptime : wall;
}

bool
eng_pending(const struct eng *eng)
{
	struct fair_item *item;
	struct fair_worker *worker;
	return eng_leases_end(eng) ||
	    !list_empty(&eng->deliveries) || !list_empty(&eng->doomed) ||
	    fair_next(&eng->fair, &item, &worker);
}

/* On-failure task: the errors of the tasks that failed. Else: the parents' outputs. */
static uint32_t
dispatch_refs(const struct eng_run *run, const struct eng_task *task, struct eng_ref *refs)
{
	const struct eng_version *version = run->version;
	const struct eng_node *node = &version->nodes[task->index];
	uint32_t count = 0;
	for (uint16_t i = 0; i < node->parent_count; i++) {
		const struct eng_task *parent = &run->tasks[node->parents[i]];
		refs[count++] = (struct eng_ref){
		    .task = version->definitions[parent->index].name,
		    .record = task_output(parent),
		    .skipped = parent->state == ENG_TASK_SKIPPED,
		};
	}
	for (uint32_t i = 0; i < version->task_count && task->index == version->on_failure; i++) {
		if (run->tasks[i].state != ENG_TASK_FAILED)
			continue;
		refs[count++] = (struct eng_ref){
		    .task = version->definitions[i].name,
		    .record = task_error(&run->tasks[i]),
		    .error = true,
		};
	}
	return count;
}

bool
eng_dispatch(struct eng *eng, uint64_t key, uint32_t index, uint64_t lease, uint64_t now_ns,
    struct eng_dispatch *ret_dispatch)
{
	struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL || index >= run->version->task_count)
		return false;
	struct eng_task *task = &run->tasks[index];
	if (task->state != ENG_TASK_ASSIGNED || task->lease != lease)
		return false;
	const struct eng_task_definition *definition = &run->version->definitions[index];
	uint64_t uptime_ns = eng_uptime_ns(eng, now_ns);
	uint64_t deadline_ns = task_work(task)->timer.timer.deadline_ns;
	arena_reset(&eng->dispatch_arena);
	struct eng_ref *refs =
	    arena_alloc(&eng->dispatch_arena, run->version->task_count * sizeof(struct eng_ref));
	*ret_dispatch = (struct eng_dispatch){
	    .run = run->id,
	    .task = uuid_task(run->id, index),
	    .worker = task->held.worker->id,
	    .workflow = run->version->workflow->named.name,
	    .name = definition->name,
	    .action = definition->action,
	    .attempt = task->attempt,
	    .retries = task->failures,
	    .priority = definition->priority != 0 ? definition->priority : run->priority,
	    .delivery = (enum eng_delivery)definition->delivery,
	    .timeout_ns = deadline_ns > uptime_ns ? deadline_ns - uptime_ns : 0,
	    .input = run_input(run),
	    .durable = definition->durable,
	    .invocation = task_durable(task) != NULL ? task_durable(task)->invocation : 1,
	    .refs = refs,
	    .ref_count = dispatch_refs(run, task, refs),
	    .metadata = run_metadata(run, &eng->dispatch_arena).texts,
	    .metadata_count = run_text_count(run),
	};
	return true;
}

uint32_t
eng_nodes_known(const struct eng *eng, uint64_t key, uint32_t index, struct eng_node_known *to,
    uint32_t most)
{
	const struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL || index >= run->version->task_count)
		return 0;
	const struct eng_durable *durable = task_durable(&run->tasks[index]);
	uint32_t count = 0;
	for (uint32_t i = 0; durable != NULL && i < durable->count && count < most; i++) {
		const struct eng_durable_node *node = &durable->nodes[i];
		if (node->result == 0 || node->kind == ENG_NODE_CHILD)
			continue;
		to[count++] = (struct eng_node_known){
		    .node = i + 1,
		    .record = node->result,
		    .which = node->which,
		    .fingerprint = node->fingerprint,
		};
	}
	return count;
}

bool
eng_run_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id,
    uint64_t *ret_run)
{
	struct eng_run *run = eng_run_by_id(eng, id);
	if (run == NULL || run_tenant(run)->id != tenant.v)
		return false;
	*ret_run = run->key;
	return true;
}

void
eng_prefetch(const struct eng *eng, uint64_t key)
{
	numtable_prefetch(&eng->runs_by_key, key);
}

void
eng_prefetch_id(const struct eng *eng, struct uuid id)
{
	keyset_prefetch_uuid(&eng->runs_by_id, id);
	keyset_prefetch_uuid(&eng->closed, id);
}

void
run_info(const struct eng_run *run, struct arena *arena, struct eng_run_info *ret_info)
{
	struct metadata metadata = {0};
	if (arena != NULL)
		metadata = run_metadata(run, arena);
	*ret_info = (struct eng_run_info){
	    .id = run->id,
	    .tenant = run_tenant(run)->id,
	    .workflow = run->version->workflow->id,
	    .version = run->version->number,
	    .created_ns = run->created_ns,
	    .parent = run_ties(run)->parent,
	    .start_ns = run_ties(run)->start_ns,
	    .metadata = metadata_lend(&metadata, arena),
	    .metadata_count = metadata.count,
	};
}

bool
eng_run_info(const struct eng *eng, uint64_t key, struct arena *arena,
    struct eng_run_info *ret_info)
{
	const struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL)
		return false;
	run_info(run, arena, ret_info);
	return true;
}

uint64_t
eng_closed_ns(const struct eng *eng, struct uuid id)
{
	const struct eng_closed *closed = keyset_get_uuid(&eng->closed, id);
	return closed != NULL ? closed->closed_ns : 0;
}

uint32_t
eng_closed_records(const struct eng *eng, struct uuid id)
{
	const struct eng_closed *closed = keyset_get_uuid(&eng->closed, id);
	return closed != NULL ? closed->records : 0;
}

bool
eng_closed_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id,
    uint64_t *ret_run, enum eng_status *ret_status)
{
	const struct eng_closed *closed = keyset_get_uuid(&eng->closed, id);
	if (closed == NULL || closed->tenant != tenant.v)
		return false;
	*ret_run = closed->key;
	*ret_status = (enum eng_status)closed->status;
	return true;
}

uint32_t
eng_children(const struct eng *eng, uint64_t key,
    void (*each)(void *context, const struct eng_child_view *child), void *context)
{
	const struct eng_run *run = eng_run_get(eng, key);
	struct list *at;
	uint32_t count = 0;
	const struct eng_children *children = run != NULL ? run_ties(run)->children : NULL;
	if (children == NULL)
		return 0;
	list_for_each(at, &children->all) {
		const struct eng_child *child = container_of(at, struct eng_child, link);
		struct eng_child_view view = {
		    .task = child->task,
		    .index = child->index,
		    .key = child->key,
		    .id = child->id,
		    .run = child->run,
		    .status = (enum eng_status)child->status,
		};
		if (child->open)
			froe_assert(eng_run_status(eng, child->run, &view.status));
		each(context, &view);
		count++;
	}
	return count;
}

bool
eng_run_status(const struct eng *eng, uint64_t key, enum eng_status *ret_status)
{
	struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL)
		return false;
	*ret_status = (enum eng_status)run->status;
	return true;
}

bool
eng_run_stands(const struct eng *eng, uint64_t key, uint32_t *ret_tenant,
    enum eng_status *ret_status, bool *ret_scheduled)
{
	const struct eng_run *run = eng_run_get(eng, key);
	if (run == NULL)
		return false;
	*ret_tenant = run_tenant(run)->id;
	*ret_status = (enum eng_status)run->status;
	*ret_scheduled = run->version->number == 0;
	return true;
}

void
eng_runs_open(const struct eng *eng,
    void (*each)(void *context, uint64_t run, const struct eng_run_info *info,
        enum eng_status status), void *context)
{
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		struct eng_run_info info;
		run_info(run, NULL, &info);
		each(context, run->key, &info, (enum eng_status)run->status);
	}
}

bool
eng_version(const struct eng *eng, uint32_t workflow_id, uint32_t number,
    struct eng_version_view *ret_view)
{
	if (workflow_id == 0 || workflow_id > eng->workflow_count)
		return false;
	const struct eng_workflow *workflow = eng->workflows[workflow_id - 1];
	if (number > workflow->version_count)
		return false;
	const struct eng_version *version =
	    number != 0 ? workflow->versions[number - 1] : workflow->unbound;
	*ret_view = (struct eng_version_view){
	    .workflow = workflow->named.name,
	    .version = number,
	    .tasks = version->definitions,
	    .task_count = version->task_count,
	    .children = version->child_counts,
	    .encoded = version->encoded,
	    .put_ns = version->put_ns,
	};
	return true;
}

static struct eng_workflow_view
workflow_view(const struct eng_workflow *workflow)
{
	const struct eng_version *newest = workflow->versions[workflow->version_count - 1];
	return (struct eng_workflow_view){
	    .id = workflow->id,
	    .name = workflow->named.name,
	    .version = newest->number,
	    .task_count = newest->task_count,
	    .runs = workflow->runs,
	    .created_ns = workflow->versions[0]->put_ns,
	    .put_ns = newest->put_ns,
	    .paused = workflow->paused,
	    .drops = workflow->drops,
	};
}

size_t
eng_workflows(const struct eng *eng, struct eng_tenant_id tenant, uint32_t after,
    struct eng_workflow_view *to, size_t count)
{
	size_t found = 0;
	for (uint32_t i = after; i < eng->workflow_count && found < count; i++) {
		const struct eng_workflow *workflow = eng->workflows[i];
		if (workflow->tenant->id == tenant.v && workflow->version_count > 0 &&
		    !workflow->deleted)
			to[found++] = workflow_view(workflow);
	}
	return found;
}

bool
eng_workflow(const struct eng *eng, struct eng_tenant_id tenant_id, struct bytes name,
    struct eng_workflow_view *ret_view)
{
	const struct eng_tenant *tenant = eng_tenant_get(eng, tenant_id.v);
	const struct eng_workflow *workflow =
	    tenant != NULL ? workflow_known(tenant, name) : NULL;
	if (workflow == NULL)
		return false;
	*ret_view = workflow_view(workflow);
	return true;
}

struct bytes
eng_tenant_name(const struct eng *eng, struct eng_tenant_id id)
{
	struct eng_tenant *tenant = eng_tenant_get(eng, id.v);
	return tenant != NULL ? tenant->named.name : bytes_of(NULL, 0);
}

void
eng_workers(const struct eng *eng,
    void (*each)(void *context, uint64_t worker, bool attached, struct bytes name), void *context)
{
	struct list *at;
	list_for_each(at, &eng->workers) {
		const struct eng_worker *worker = container_of(at, struct eng_worker, link);
		if (!worker->leaving)
			each(context, worker->id, worker->attached, worker->name);
	}
}

struct bytes
eng_worker_name(const struct eng *eng, uint64_t id)
{
	struct eng_worker *worker = eng_worker_get(eng, id);
	if (worker != NULL)
		return worker->name;
	const struct eng_left *left = map_get_u64(&eng->left, id);
	return left != NULL ? left->name : bytes_of(NULL, 0);
}

/* Behind the number, where the last page ended: at once, unless that one was decided meanwhile. */
static struct list *
approvals_behind(const struct eng *eng, struct eng_tenant *tenant, uint64_t number)
{
	struct eng_approval *approval = durable_approval_find(eng, tenant, number);
	bool open = approval != NULL && list_linked(&approval->link);
	return open ? approval->link.next : tenant->approvals.next;
}

size_t
eng_approvals(const struct eng *eng, struct eng_tenant_id id, uint64_t after,
    struct eng_approval_view *to, size_t count)
{
	struct eng_tenant *tenant = eng_tenant_get(eng, id.v);
	struct list *at;
	size_t found = 0;
	if (tenant == NULL)
		return 0;
	for (at = approvals_behind(eng, tenant, after); at != &tenant->approvals; at = at->next) {
		const struct eng_approval *approval = container_of(at, struct eng_approval, link);
		const struct eng_run *run = task_run(approval->task);
		if (approval->number <= after)
			continue;
		if (found == count)
			break;
		to[found++] = (struct eng_approval_view){
		    .number = approval->number,
		    .run = run->id,
		    .workflow = run->version->workflow->named.name,
		    .task = task_definition(approval->task)->name,
		    .name = approval->name,
		    .data = approval->data,
		    .node = approval->node,
		    .created_ns = approval->created_ns,
		};
	}
	return found;
}

void
eng_counts(const struct eng *eng, struct eng_counts *ret_counts)
{
	struct list *at;
	*ret_counts = eng->counts;
	ret_counts->events = eng->event_last;
	ret_counts->timers = eng->wheels[ENG_UPTIME].count + eng->wheels[ENG_WALL].count;
	ret_counts->slots_used = 0;
	list_for_each(at, &eng->workers)
		ret_counts->slots_used += container_of(at, struct eng_worker, link)->fair.used;
}

/* In each priority the first has waited longest, but for those that were released to the front. */
static uint64_t
queue_oldest_ns(const struct eng_queue *queue)
{
	uint64_t oldest_ns = 0;
	for (int priority = 0; priority < FAIR_PRIORITIES; priority++) {
		const struct list *items = &queue->fair.items[priority];
		if (list_empty(items))
			continue;
		const struct eng_task *task =
		    task_of_item(container_of(items->next, struct fair_item, link));
		if (oldest_ns == 0 || task->queued_ns < oldest_ns)
			oldest_ns = task->queued_ns;
	}
	return oldest_ns;
}

void
eng_queues(const struct eng *eng, void (*each)(void *context, const struct eng_queue_view *view),
    void *context)
{
	for (uint32_t i = 0; i < eng->workflow_count; i++) {
		const struct eng_workflow *workflow = eng->workflows[i];
		const struct eng_queue *queue;
		for (queue = workflow->queues; queue != NULL; queue = queue->next) {
			struct eng_queue_view view = {
			    .tenant = workflow->tenant->named.name,
			    .workflow = workflow->named.name,
			    .action = queue->action->named.name,
			    .length = queue->fair.length,
			    .oldest_ns = queue_oldest_ns(queue),
			};
			each(context, &view);
		}
	}
}

bool
eng_worker_holds(const struct eng *eng, uint64_t worker, struct uuid run)
{
	const struct eng_worker *holder = eng_worker_get(eng, worker);
	const struct eng_run *held = eng_run_by_id(eng, run);
	struct list *at;
	if (holder == NULL || held == NULL)
		return false;
	list_for_each(at, &holder->leases) {
		if (task_run(container_of(at, struct eng_task, held.link)) == held)
			return true;
	}
	return false;
}

bool
eng_holder(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id,
    struct eng_holder *ret_holder)
{
	uint32_t number;
	const struct eng_run *run = eng_run_by_id(eng, uuid_run_of(id, &number));
	if (run == NULL || run_tenant(run)->id != tenant.v || number == 0 ||
	    number > run->version->task_count)
		return false;
	const struct eng_task *task = &run->tasks[number - 1];
	const struct eng_worker *worker = task_worker(task);
	if (worker == NULL || task->dropped)
		return false;
	*ret_holder = (struct eng_holder){{worker->id}, task->lease, task->attempt};
	return true;
}

uint64_t
eng_worker_find(const struct eng *eng, struct eng_tenant_id tenant, struct uuid id)
{
	const struct eng_worker *worker = eng_worker_by_uuid(eng, tenant.v, id);
	return worker != NULL ? worker->id : 0;
}

static void
worker_view(const struct eng_worker *worker, struct eng_worker_view *view)
{
	*view = (struct eng_worker_view){
	    .number = worker->id,
	    .tenant.v = worker->tenant->id,
	    .id = worker->uuid,
	    .name = worker->name,
	    .incarnation = worker->incarnation,
	    .registered_ns = worker->registered_ns,
	    .attached = worker->attached,
	    .draining = worker->draining,
	    .paused = worker->paused,
	    .leaving = worker->leaving,
	    .leases = worker->lease_count,
	    .released = worker->released_count,
	    .slots = worker->fair.slots,
	    .slots_used = worker->fair.used,
	    .type_count = worker->fair.type_count,
	    .action_count = worker->action_count,
	};
	for (uint32_t i = 0; i < worker->fair.type_count; i++) {
		const struct fair_slots *slots = &worker->fair.types[i];
		view->types[i].type = slot_type_name(worker->tenant, slots->type);
		view->types[i].count = slots->slots;
		view->types_used[i] = slots->used;
	}
}

/* Workers lie in the order of their numbers. */
bool
eng_worker_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t after,
    struct eng_worker_view *ret_view)
{
	const struct eng_worker *from = eng_worker_get(eng, after);
	const struct list *at = from != NULL ? from->link.next : eng->workers.next;
	for (; at != &eng->workers; at = at->next) {
		const struct eng_worker *worker =
		    container_of((struct list *)(uintptr_t)at, struct eng_worker, link);
		if (worker->id <= after || worker->tenant->id != tenant.v)
			continue;
		worker_view(worker, ret_view);
		return true;
	}
	return false;
}

bool
eng_worker_view(const struct eng *eng, uint64_t number, struct eng_worker_view *ret_view)
{
	const struct eng_worker *worker = eng_worker_get(eng, number);
	if (worker == NULL)
		return false;
	worker_view(worker, ret_view);
	return true;
}

struct bytes
eng_worker_action(const struct eng *eng, uint64_t number, uint32_t index)
{
	const struct eng_worker *worker = eng_worker_get(eng, number);
	froe_assert(worker != NULL && index < worker->action_count);
	return worker->actions[index]->named.name;
}

void
eng_worker_leases(const struct eng *eng, uint64_t number,
    bool (*each)(void *context, const struct eng_lease_view *view), void *context)
{
	const struct eng_worker *worker = eng_worker_get(eng, number);
	struct list *at;
	if (worker == NULL)
		return;
	list_for_each(at, &worker->leases) {
		struct eng_task *task = container_of(at, struct eng_task, held.link);
		struct eng_run *run = task_run(task);
		struct eng_lease_view view = {
		    .task = uuid_task(run->id, task->index),
		    .lease = task->lease,
		    .workflow = run->version->workflow->named.name,
		    .name = task_definition(task)->name,
		    .attempt = task->attempt,
		    .released = task->released,
		    .begun = task->begun,
		    .durable = task_definition(task)->durable,
		};
		if (!each(context, &view))
			return;
	}
}
